//! The five directories of a folder.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxFlags, openat, statx};
use rustix::io::Errno;

use super::directory::{ACTIVE_MODE, directory_flags, make_directory, names, open_below, open_directory, subdirectory};
use super::lock::{self, Lock};
use super::moves::move_numbered;
pub use super::unopened::with_pid;
pub(crate) use super::unopened::{BRING_BACK, moved};
use super::unopened::{errno, locked, unusable};
use super::watch::silent_filesystem;
use crate::fault::Fault;
use crate::file::Identity;
use crate::settings;

/// Where the lock of a folder lies: in `active/`.
pub const LOCK: &str = ".lock";
/// Below `active/SLOT/`: private directories for the results of commands.
pub const STAGING: &str = ".staging";
/// The others may be shared with a group: uploaders, operators, those who take the results.
const SHARED_MODE: u32 = 0o775;

/// A folder's directories, on one filesystem, and locked against a second daemon.
///
/// They are used by what was opened, never by their names, so they are opened anew when others lie in their place: a
/// filesystem was mounted, a folder moved, removed, made again.
#[derive(Debug)]
pub struct Places {
    /// Or why the folder couldn't be opened since the daemon started.
    open: RwLock<Result<Arc<Open>, Errno>>,
    /// The ledger doesn't know it from before: its inbox is made.
    is_new: bool,
    /// Taken for as long as they are opened anew.
    opening: Mutex<()>,
    /// Whether leases are asked for where they can be had; only tests say no.
    pub(super) wants_leases: bool,
    /// Taken for as long as a name in `quarantine/` is chosen and not used yet.
    pub(super) choosing: Mutex<()>,
    /// `PATH/inbox`, or where the settings put it.
    pub inbox_path: PathBuf,
    /// `PATH`.
    pub path: PathBuf,
}

/// The directories as they lay there when they were opened.
#[derive(Debug)]
pub struct Open {
    /// Where uploads land.
    pub inbox: OwnedFd,
    /// Claimed files, a directory for each slot.
    pub active: OwnedFd,
    /// What commands produced.
    pub results: OwnedFd,
    root: OwnedFd,
    /// Whether the kernel's word on writers can be trusted here: it doesn't know those on other machines.
    leases: bool,
    /// By which they are known again.
    are: Three<Place>,
    lock: Arc<Lock>,
}

/// Of inbox, active and results.
type Three<T> = [T; 3];

impl Places {
    /// Opens the folder, making what is missing, and locks it. One that was in use before (`known`) and isn't there now is
    /// not made: its filesystem may not be mounted yet. fault 13
    ///
    /// # Errors
    /// A directory that can't be made or opened, one on another filesystem, or a second daemon.
    pub fn open(folder: &settings::Folder, known: bool) -> Result<Self, Fault> {
        let places = Self::closed(folder, known);
        places.begin().map(|()| places)
    }

    /// As [`Self::open`]; one that can't be opened now, and perhaps soon, is opened by who refreshes it then.
    ///
    /// # Errors
    /// What doesn't pass by itself.
    pub fn open_or_wait(folder: &settings::Folder, known: bool) -> Result<Self, Fault> {
        let places = Self::closed(folder, known);
        match places.begin() {
            Err(fault) if !fault.may_pass() => Err(fault),
            _ => Ok(places),
        }
    }

    fn closed(folder: &settings::Folder, known: bool) -> Self {
        Self {
            open: RwLock::new(Err(Errno::NOENT)),
            is_new: !known,
            opening: Mutex::default(),
            wants_leases: true,
            choosing: Mutex::default(),
            inbox_path: folder.inbox.clone(),
            path: folder.path.clone(),
        }
    }

    fn begin(&self) -> Result<(), Fault> {
        if self.is_new || self.inbox_path.exists() { self.refresh() } else { Ok(()) }
    }

    /// Opens all anew if other directories lie there than before. faults 12, 13
    ///
    /// # Errors
    /// No inbox lies there; or see [`open`](Self::open).
    pub fn refresh(&self) -> Result<(), Fault> {
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.now().ok();
        if before.as_ref().is_some_and(|open| self.are_there(open)) {
            return Ok(());
        }
        let opened = self.open_anew(before.as_deref());
        if opened.is_ok() || before.is_none() {
            let now = opened.as_ref().map(Arc::clone).map_err(errno);
            *self.open.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        opened.map(drop)
    }

    fn open_anew(&self, before: Option<&Open>) -> Result<Arc<Open>, Fault> {
        if self.is_new && before.is_none() {
            make_directory(&self.inbox_path, SHARED_MODE).map_err(|error| unusable(&self.inbox_path, &error))?;
        }
        Open::at(&self.path, &self.inbox_path, before).map(Arc::new)
    }

    /// Whether what was opened is what lies there.
    fn are_there(&self, open: &Open) -> bool {
        let paths = [&self.inbox_path, &self.path.join("active"), &self.path.join("results")];
        paths.iter().zip(open.are).all(|(path, was)| place_at(path).is_ok_and(|is| is == was))
    }

    /// Who worked by names and met something strange asks whether they were those of this folder all the while.
    ///
    /// # Errors
    /// They were not: what was met says nothing of any file.
    pub fn check(&self) -> Result<(), Fault> {
        if self.now().is_ok_and(|open| self.are_there(&open)) {
            return Ok(());
        }
        Err(moved(&self.path))
    }

    /// The directories as they were opened last.
    ///
    /// # Errors
    /// The folder could never be opened.
    pub fn now(&self) -> Result<Arc<Open>, Errno> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the kernel may be asked for leases.
    #[must_use]
    pub fn leases(&self) -> bool {
        self.wants_leases && self.now().is_ok_and(|open| open.leases)
    }

    /// `archive/` as it lies there now, made when missing: an operator may have moved the old one away.
    ///
    /// # Errors
    /// What the system says.
    pub fn archive(&self) -> io::Result<OwnedFd> {
        open_below(&self.now()?.root, OsStr::new("archive"), SHARED_MODE, OFlags::empty())
    }

    /// `archive/DAY/` as it lies there now, made when missing. Where it is there, `archive/` itself isn't opened: that would
    /// be an event of the folder, which is watched, and a thread would wake for each file that comes alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn archive_of(&self, day: &str) -> io::Result<OwnedFd> {
        let flags = directory_flags() | OFlags::NOFOLLOW;
        match openat(&self.now()?.root, format!("archive/{day}"), flags, Mode::empty()) {
            Ok(directory) => Ok(directory),
            Err(_) => subdirectory(self.archive()?, OsStr::new(day)),
        }
    }

    /// `quarantine/` as it lies there now, made when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn quarantine(&self) -> io::Result<OwnedFd> {
        open_below(&self.now()?.root, OsStr::new("quarantine"), SHARED_MODE, OFlags::empty())
    }

    /// Opens `active/SLOT/`, making it when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn slot(&self, slot: usize) -> io::Result<OwnedFd> {
        self.now()?.slot(slot)
    }

    /// The numbers of the slots below `active/`, whoever made them.
    ///
    /// # Errors
    /// What the system says.
    pub fn slots(&self) -> io::Result<Vec<usize>> {
        let slots = names(&self.now()?.active)?;
        Ok(slots.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Puts a file of a slot back into the inbox, under its name or the next free one.
    ///
    /// # Errors
    /// What the system says; the file is where it was then.
    pub fn give_back(&self, slot: impl AsFd, name: &OsStr) -> io::Result<OsString> {
        move_numbered(slot, name, &self.now()?.inbox, name)
    }
}

impl Open {
    /// Opens what lies there, making what is missing, but for the inbox: without one it is no folder, but perhaps the
    /// place where one is to be mounted.
    fn at(path: &Path, inbox: &Path, before: Option<&Self>) -> Result<Self, Fault> {
        let make = |path: &Path, mode| {
            make_directory(path, mode).and_then(|()| open_directory(path)).map_err(|error| unusable(path, &error))
        };
        let inbox = open_directory(inbox).map_err(|error| unusable(inbox, &error))?;
        let root = make(path, SHARED_MODE)?;
        let active = make(&path.join("active"), ACTIVE_MODE)?;
        let results = make(&path.join("results"), SHARED_MODE)?;
        let known = |directory: &OwnedFd| place(directory).map_err(|error| Fault::io(path.display(), &error.into()));
        let are = [known(&inbox)?, known(&active)?, known(&results)?];
        let lock = match before.filter(|before| before.are[1].is_same_directory(&are[1])) {
            // By another mount, perhaps; the lock is that of the directory.
            Some(before) => Arc::clone(&before.lock),
            None => Arc::new(lock::take(&active, LOCK).map_err(|refused| locked(path, refused))?),
        };
        let open = Self { leases: silent_filesystem(&active).is_none(), inbox, active, results, root, are, lock };
        open.check_filesystem(path)?;
        Ok(open)
    }

    /// fault 78: every move must be a rename.
    fn check_filesystem(&self, path: &Path) -> Result<(), Fault> {
        let below = |name: &str| {
            let opened = open_below(&self.root, OsStr::new(name), SHARED_MODE, OFlags::empty());
            opened.and_then(|directory| Ok(place(directory)?)).map_err(|error| unusable(&path.join(name), &error))
        };
        let [inbox, active, results] = self.are;
        let others = [
            ("inbox", inbox),
            ("results", results),
            ("archive", below("archive")?),
            ("quarantine", below("quarantine")?),
        ];
        let Some((name, _)) = others.iter().find(|(_, place)| !place.is_beside(&active)) else { return Ok(()) };
        let text = format!("{}: {name}/ is on another filesystem than active/", path.display());
        Err(Fault::world("other_filesystem", text)
            .with_hint("put all five directories of a folder on one filesystem, so that every move is atomic"))
    }

    /// A directory below the folder as it lies there now.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn below(&self, directory: &Path) -> rustix::io::Result<OwnedFd> {
        openat(&self.root, directory, directory_flags(), Mode::empty())
    }

    /// Opens `active/SLOT/`, making it when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn slot(&self, slot: usize) -> io::Result<OwnedFd> {
        subdirectory(&self.active, OsStr::new(&slot.to_string()))
    }
}

/// Which directory lies at a path: it may be renamed, remade, mounted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    device: u64,
    inode: u64,
    mount: u64,
}

impl Place {
    fn of(stat: &Statx) -> Self {
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        Self { device, inode: stat.stx_ino, mount: stat.stx_mnt_id }
    }

    fn is_same_directory(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    fn is_beside(&self, other: &Self) -> bool {
        (self.device, self.mount) == (other.device, other.mount)
    }
}

/// Which directory this is.
pub(crate) fn place(directory: impl AsFd) -> rustix::io::Result<Place> {
    statx(directory, "", AtFlags::EMPTY_PATH, PLACE_FLAGS).map(|stat| Place::of(&stat))
}

/// Which directory lies there.
pub(crate) fn place_at(path: &Path) -> rustix::io::Result<Place> {
    statx(CWD, path, AtFlags::empty(), PLACE_FLAGS).map(|stat| Place::of(&stat))
}

const PLACE_FLAGS: StatxFlags = StatxFlags::INO.union(StatxFlags::MNT_ID);

/// What is asked of a file to know it again.
pub(crate) fn identity_flags() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

/// Which file this is.
pub(crate) fn identity(stat: &Statx) -> Identity {
    let nanoseconds = |time: rustix::fs::StatxTimestamp| {
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
    };
    let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Identity {
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        born_ns: if born { nanoseconds(stat.stx_btime) } else { 0 },
        size: stat.stx_size,
        mtime_ns: nanoseconds(stat.stx_mtime),
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
