//! Judge: what a look at one name of an inbox says. The lease decides; where none can be had, time must.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{Access, AtFlags, FileType, Mode, Statx, accessat, openat, statx};
use rustix::io::{Errno, retry_on_intr};

use super::claim::open_flags;
use super::deferral::Deferrals;
use super::inbox::Rules;
use super::lease::{self, Lease};
use super::places::{Places, identity, identity_flags};
use crate::fault::is_of_the_world;

/// By what is judged.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) places: Arc<Places>,
    pub(super) rules: Arc<Rules>,
    pub(super) deferrals: Arc<Deferrals>,
}

/// Why nothing is to be seen under a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Blind {
    /// Nor under any other: the folder waits.
    Folder(Errno),
    /// The disk doesn't say what lies there; others can be looked at. fault 70
    Name(Errno),
}

impl From<Errno> for Blind {
    fn from(error: Errno) -> Self {
        Self::Folder(error)
    }
}

impl Blind {
    /// Of looking at a name in this inbox.
    fn at_name(inbox: impl AsFd, error: Errno) -> Self {
        let may_search = || accessat(inbox, ".", Access::EXEC_OK, AtFlags::EACCESS).is_ok();
        let is_the_folders = is_of_the_world(error) || (error == Errno::ACCESS && !may_search());
        if is_the_folders { Self::Folder(error) } else { Self::Name(error) }
    }
}

/// What a look at one name says.
pub(super) enum Judged {
    /// It is complete, and has so many bytes.
    Complete(u64),
    /// Nobody can say that it is complete: time must show.
    InDoubt(Box<Statx>),
    /// Not now; an event, the passing of time or the rescan comes back to it.
    Passed,
}

impl Judge {
    /// Whether a name need not be looked at: it isn't taken, and no file is known that may have come back under it.
    pub(super) fn ignores(&self, name: &OsStr) -> bool {
        !self.rules.filter.takes(name) && self.deferrals.is_empty()
    }

    /// Whether a name can be taken now.
    pub(super) fn judge(&self, name: &OsStr) -> Result<Judged, Blind> {
        if self.ignores(name) {
            return Ok(Judged::Passed);
        }
        let Some(stat) = self.stat(name)? else { return Ok(Judged::Passed) };
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let file = identity(&stat);
        let due = match self.deferrals.get(&file) {
            // An editor may have made it the copy of what it was.
            Some(deferral) => {
                deferral.until <= Instant::now()
                    && self.rules.filter.takes_again(name, &deferral.name)
                    && (file.is_unchanged_since(&deferral.file) || self.is_marked_ready(name)?)
            }
            None => self.rules.filter.takes(name) && self.is_marked_ready(name)?,
        };
        if kind == FileType::Directory || !due {
            return Ok(Judged::Passed);
        }
        // A file of two names may be about to lose one, as those who link and then unlink do it.
        if kind != FileType::RegularFile || stat.stx_nlink > 1 {
            return Ok(Judged::InDoubt(Box::new(stat)));
        }
        Ok(match self.ask_lease(name)? {
            Lease::Held => Judged::Complete(stat.stx_size),
            Lease::Writer => Judged::Passed,
            Lease::Unavailable if self.rules.ready_marker.is_some() => Judged::Complete(stat.stx_size),
            Lease::Unavailable => Judged::InDoubt(Box::new(stat)),
        })
    }

    /// What lies in the inbox under this name, if anything does.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<Statx>, Blind> {
        let open = self.places.now()?;
        match statx(&open.inbox, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => match Blind::at_name(&open.inbox, error) {
                // It may be what came back under another name: nobody can say.
                Blind::Name(_) if !self.rules.filter.takes(name) => Ok(None),
                blind => Err(blind),
            },
        }
    }

    fn is_marked_ready(&self, name: &OsStr) -> Result<bool, Blind> {
        if self.rules.ready_marker.is_none() {
            return Ok(true);
        }
        let open = self.places.now()?;
        let marker = self.rules.marker_in(&open.inbox, name).map_err(|error| Blind::at_name(&open.inbox, error))?;
        Ok(marker.is_some())
    }

    /// A file that can't be opened is taken like one of which the kernel can't say anything: the claim finds out why.
    fn ask_lease(&self, name: &OsStr) -> Result<Lease, Errno> {
        if !self.places.leases() {
            return Ok(Lease::Unavailable);
        }
        let open = self.places.now()?;
        match retry_on_intr(|| openat(&open.inbox, name, open_flags(), Mode::empty())) {
            Ok(file) => Ok(lease::take(file.as_fd()).unwrap_or(Lease::Unavailable)),
            Err(error) if is_of_the_world(error) => Err(error),
            Err(Errno::AGAIN) => Ok(Lease::Writer),
            Err(_) => Ok(Lease::Unavailable),
        }
    }
}
