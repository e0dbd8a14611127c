//! Claim: takes a file out of the uploader's reach, and seals it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, fsync, openat, statx, unlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::lease::{self, Lease};
use super::moves::{is_same_file, move_as};
use super::places::{Places, identity, identity_flags};
use crate::fault::{Reason, is_of_the_world};
use crate::file::Identity;

/// A file in `active/SLOT/` that nobody else can change: its name is ours, and a lease says that no
/// writer has it open. Where no lease can be had, [`Sealed::is_whole`] compares instead.
#[derive(Debug)]
pub struct Sealed {
    /// The file, opened for reading; closing it gives up the lease.
    pub file: Arc<File>,
    /// Which file it is.
    pub identity: Identity,
    leased: bool,
}

impl Sealed {
    /// Whether the bytes are still those that were sealed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        if self.leased {
            return lease::is_whole(self.file.as_fd());
        }
        statx(&self.file, "", AtFlags::EMPTY_PATH, identity_flags()).is_ok_and(|stat| identity(&stat) == self.identity)
    }
}

/// What became of claiming a name.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Sealed(Sealed),
    /// It is in the slot, but it is nothing that can be worked on.
    Unfit {
        /// Which file it is.
        identity: Identity,
        /// Why not.
        reason: Reason,
    },
    /// It is in the slot, but can't be read by this user now.
    Unreadable {
        /// Which file it is.
        identity: Identity,
        /// What the system says.
        error: io::Error,
    },
    /// It lies in the inbox still, and this user may not take it from there: it is another user's in a sticky
    /// directory, immutable, or a mount point.
    NotMovable {
        /// Which file it is.
        identity: Identity,
        /// Why not.
        reason: Reason,
    },
    /// It is gone: nothing was moved.
    NotTaken,
    /// A writer had come back: it lies in the inbox again, under this name.
    GivenBack(OsString),
}

/// Moves a name from the inbox to the slot and seals what it names.
///
/// A crash leaves the file in the inbox or in the slot; what is in the slot, sealed or not, is found by recovery.
///
/// # Errors
/// What the system says; the file is in the inbox or in the slot then. `EEXIST`: one of that name is in the slot, and nobody
/// has it in hand, or it wouldn't be offered; who recovers the slot finds it.
pub fn claim(places: &Places, slot: &OwnedFd, name: &OsStr) -> io::Result<Claim> {
    let open = places.now()?;
    match move_as(open.inbox.as_fd(), name, slot.as_fd(), name) {
        Ok(()) => {}
        Err(Errno::NOENT) if is_removed(slot)? => return Err(Errno::NOENT.into()),
        Err(Errno::NOENT) => return Ok(Claim::NotTaken),
        // EACCES would be the directory's fault, and every file's.
        Err(error @ (Errno::PERM | Errno::BUSY)) => return not_movable(places, name, error),
        Err(error) => return Err(error.into()),
    }
    match seal(places, slot.as_fd(), name)? {
        Claim::GivenBack(_) => Ok(Claim::GivenBack(places.give_back(slot, name)?)),
        claim => Ok(claim),
    }
}

/// Somebody tidied up, and what we have open has no name any more.
fn is_removed(slot: &OwnedFd) -> io::Result<bool> {
    Ok(rustix::fs::fstat(slot)?.st_nlink == 0)
}

/// Makes the claims of a slot durable: no power cut puts a file that lies there now back into the inbox.
///
/// # Errors
/// What the system says; then none of them may be counted on.
pub fn flush(places: &Places, slot: &OwnedFd) -> io::Result<()> {
    // The old name first: see moves::is_same_file.
    fsync(&places.now()?.inbox)?;
    Ok(fsync(slot)?)
}

/// Finishes the claim of a file that lies in the slot, and by a power cut in the inbox as well, under the same name.
///
/// # Errors
/// What the system says; the file has both names then.
pub fn finish(places: &Places, slot: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let open = places.now()?;
    if is_same_file(slot, name, open.inbox.as_fd(), name) {
        unlinkat(&open.inbox, name, AtFlags::empty())?;
    }
    Ok(())
}

/// fault 39: one file that can't be moved is no reason to hold the others up.
fn not_movable(places: &Places, name: &OsStr, error: Errno) -> io::Result<Claim> {
    match statx(&places.now()?.inbox, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
        Ok(stat) => {
            let text = format!("it can't be moved out of the inbox: {}", io::Error::from(error));
            let reason = Reason::new("not_movable", text).hint(
                "take the sticky bit off the inbox (chmod -t) or the file's attributes (chattr -i -a), or let the \
                 daemon's user own the inbox",
            );
            Ok(Claim::NotMovable { identity: identity(&stat), reason })
        }
        Err(Errno::NOENT) => Ok(Claim::NotTaken),
        Err(_) => Err(error.into()),
    }
}

/// Seals a name that lies in the slot. [`Claim::GivenBack`] means: a writer has it open, and it was *not* moved.
///
/// # Errors
/// What the system says.
pub fn seal(places: &Places, slot: BorrowedFd<'_>, name: &OsStr) -> io::Result<Claim> {
    let stat = match statx(slot, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Claim::NotTaken),
        Err(error) => return Err(error.into()),
    };
    let identity_now = identity(&stat);
    if let Some(reason) = unfit(&stat) {
        return Ok(Claim::Unfit { identity: identity_now, reason });
    }
    // Not a FIFO, as it seemed; if it has become one since, the open doesn't hang.
    let file = match retry_on_intr(|| openat(slot, name, open_flags(), Mode::empty())) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Claim::NotTaken),
        Err(Errno::AGAIN) => return Ok(Claim::GivenBack(name.to_owned())),
        Err(error) if is_of_the_world(error) => return Err(error.into()),
        Err(error) => return Ok(Claim::Unreadable { identity: identity_now, error: error.into() }),
    };
    let lease = if places.leases() { lease::take(file.as_fd())? } else { Lease::Unavailable };
    if lease == Lease::Writer {
        return Ok(Claim::GivenBack(name.to_owned()));
    }
    // Only now, under the lease, is what the file says of itself the last word.
    let stat = statx(&file, "", AtFlags::EMPTY_PATH, identity_flags())?;
    let identity = identity(&stat);
    match unfit(&stat) {
        Some(reason) => Ok(Claim::Unfit { identity, reason }),
        None => Ok(Claim::Sealed(Sealed { file: Arc::new(file), identity, leased: lease == Lease::Held })),
    }
}

/// How a file that may be anything is opened. `EAGAIN`: another program has a lease on it for writing (Samba does), is
/// told now to give it up, and may have more to write.
pub(crate) fn open_flags() -> OFlags {
    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// The code of a file that has more names than one.
pub const HARD_LINK: &str = "hard_link";

/// Why a directory entry can't be worked on, when it can't. faults 32-37
fn unfit(stat: &Statx) -> Option<Reason> {
    let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile if stat.stx_nlink > 1 => {
            return Some(
                Reason::new(HARD_LINK, format!("the file has {} names (hard links); one is expected", stat.stx_nlink))
                    .hint("copy or move the file into the inbox instead of linking it"),
            );
        }
        FileType::RegularFile => return None,
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe (FIFO)",
        FileType::Socket => "a socket",
        FileType::Directory => "a directory",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "of a kind unknown here",
    };
    Some(
        Reason::new("not_a_file", format!("it is {kind}, not a regular file")).hint("put the file itself in its place"),
    )
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
