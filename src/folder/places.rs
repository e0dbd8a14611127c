//! The five directories of a folder.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags, mkdirat, openat, statx};
use rustix::io::Errno;

use super::lock::{self, Lock};
use super::moves::move_numbered;
use super::watch::silent_filesystem;
use crate::fault::{Fault, Reason};
use crate::file::Identity;
use crate::settings;

/// Where the lock of a folder lies: in `active/`.
pub const LOCK: &str = ".lock";
/// Below `active/SLOT/`: private directories for the results of commands.
pub const STAGING: &str = ".staging";
/// Claimed files are nobody else's.
const ACTIVE_MODE: u32 = 0o750;
/// The others may be shared with a group: uploaders, operators, those who take the results.
const SHARED_MODE: u32 = 0o775;

/// A folder's directories, opened, on one filesystem, and locked against a second daemon.
#[derive(Debug)]
pub struct Places {
    /// Where uploads land; another directory when that was removed and made again.
    inbox: RwLock<Arc<OwnedFd>>,
    /// Claimed files, a directory for each slot.
    pub active: OwnedFd,
    /// What commands produced.
    pub results: OwnedFd,
    /// Whether the kernel's word on writers can be trusted here: it doesn't know those on other machines.
    pub leases: bool,
    /// Taken for as long as a name in `quarantine/` is chosen and not used yet.
    pub(super) choosing: Mutex<()>,
    root: OwnedFd,
    /// `PATH/inbox`, or where the settings put it.
    pub inbox_path: PathBuf,
    /// `PATH`.
    pub path: PathBuf,
    _lock: Lock,
}

impl Places {
    /// Opens the folder, making what is missing, and locks it.
    ///
    /// # Errors
    /// A directory that can't be made or opened, one on another filesystem, or a second daemon.
    pub fn open(folder: &settings::Folder) -> Result<Self, Fault> {
        let open = |path: &Path, mode| {
            make_directory(path, mode).and_then(|()| open_directory(path)).map_err(|error| unusable(path, &error))
        };
        let root = open(&folder.path, SHARED_MODE)?;
        let active = open(&folder.path.join("active"), ACTIVE_MODE)?;
        let lock = lock::take(&active, LOCK).map_err(|refused| locked(&folder.path, refused))?;
        let places = Self {
            inbox: RwLock::new(Arc::new(open(&folder.inbox, SHARED_MODE)?)),
            results: open(&folder.path.join("results"), SHARED_MODE)?,
            inbox_path: folder.inbox.clone(),
            path: folder.path.clone(),
            leases: silent_filesystem(&active).is_none(),
            choosing: Mutex::default(),
            root,
            active,
            _lock: lock,
        };
        places.check_filesystem()?;
        Ok(places)
    }

    /// fault 78: every move must be a rename.
    fn check_filesystem(&self) -> Result<(), Fault> {
        let opened = |name: &str, directory: io::Result<OwnedFd>| {
            directory.map_err(|error| unusable(&self.path.join(name), &error))
        };
        self.check_beside_active(&self.inbox(), "inbox")?;
        self.check_beside_active(&self.results, "results")?;
        self.check_beside_active(&opened("archive", self.archive())?, "archive")?;
        self.check_beside_active(&opened("quarantine", self.quarantine())?, "quarantine")
    }

    fn check_beside_active(&self, directory: &OwnedFd, name: &str) -> Result<(), Fault> {
        let mount = |directory: &OwnedFd| {
            statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID | StatxFlags::BASIC_STATS)
                .map(|stat| (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_mnt_id))
                .map_err(|error| Fault::io(self.path.display(), &error.into()))
        };
        if mount(directory)? == mount(&self.active)? {
            return Ok(());
        }
        let text = format!("{}: {name}/ is on another filesystem than active/", self.path.display());
        Err(Fault::World(
            Reason::new("other_filesystem", text)
                .hint("put all five directories of a folder on one filesystem, so that every move is atomic"),
        ))
    }

    /// The directory where uploads land.
    #[must_use]
    pub fn inbox(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.inbox.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the inbox again if another directory lies at its path than before. fault 12
    ///
    /// # Errors
    /// None lies there, or one on another filesystem.
    pub fn reopen_inbox(&self) -> Result<(), Fault> {
        let open = || -> io::Result<_> {
            let found = open_directory(&self.inbox_path)?;
            let same = inode(&found)? == inode(&self.inbox())?;
            Ok((found, same))
        };
        let (found, same) = open().map_err(|error| unusable(&self.inbox_path, &error))?;
        if !same {
            self.check_beside_active(&found, "inbox")?;
            *self.inbox.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        }
        Ok(())
    }

    /// `archive/` as it lies there now, made when missing: an operator may have moved the old one away.
    ///
    /// # Errors
    /// What the system says.
    pub fn archive(&self) -> io::Result<OwnedFd> {
        open_below(&self.root, OsStr::new("archive"), SHARED_MODE, OFlags::empty())
    }

    /// `quarantine/` as it lies there now, made when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn quarantine(&self) -> io::Result<OwnedFd> {
        open_below(&self.root, OsStr::new("quarantine"), SHARED_MODE, OFlags::empty())
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

    /// The numbers of the slots below `active/`, whoever made them.
    ///
    /// # Errors
    /// What the system says.
    pub fn slots(&self) -> io::Result<Vec<usize>> {
        let slots = names(&self.active)?;
        Ok(slots.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Puts a file of a slot back into the inbox, under its name or the next free one.
    ///
    /// # Errors
    /// What the system says; the file is where it was then.
    pub fn give_back(&self, slot: impl AsFd, name: &OsStr) -> io::Result<OsString> {
        move_numbered(slot, name, &*self.inbox(), name)
    }
}

/// A directory of our own below one of a folder's, made when missing. A symbolic link is refused.
///
/// # Errors
/// What the system says.
pub fn subdirectory(parent: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    open_below(parent, name, ACTIVE_MODE, OFlags::NOFOLLOW)
}

fn open_below(parent: impl AsFd, name: &OsStr, mode: u32, flags: OFlags) -> io::Result<OwnedFd> {
    let open = || openat(parent.as_fd(), name, directory_flags() | flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    match mkdirat(parent.as_fd(), name, Mode::from_raw_mode(mode)) {
        // A new directory is durable when its parent is.
        Ok(()) => rustix::fs::fsync(parent.as_fd())?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(open()?)
}

fn inode(directory: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens a directory by its path.
///
/// # Errors
/// What the system says.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, directory_flags(), Mode::empty())?)
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// The names in a directory, without those that start with a dot.
///
/// # Errors
/// What the system says.
pub fn names(directory: impl AsFd) -> io::Result<Vec<OsString>> {
    use std::os::unix::ffi::OsStrExt;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_owned();
        if name.first() != Some(&b'.') {
            names.push(OsStr::from_bytes(&name).to_owned());
        }
    }
    Ok(names)
}

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

fn unusable(path: &Path, error: &io::Error) -> Fault {
    let mut fault = Fault::io(path.display(), error);
    if let Fault::World(reason) = &mut fault {
        reason.hint = Some("make the directory, or give the daemon's user the right to".to_owned());
    }
    fault
}

fn locked(path: &Path, refused: lock::Refused) -> Fault {
    match refused {
        lock::Refused::Io(error) => unusable(path, &error),
        lock::Refused::Held { pid } => Fault::World(
            Reason::new("in_use", format!("{}: in use by another importerd{}", path.display(), with_pid(pid)))
                .hint("a folder belongs to one daemon: stop the other one, or choose another folder"),
        ),
    }
}

/// ` (pid 4711)`, or nothing.
#[must_use]
pub fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::scratch::{Scratch, as_root, settings};
    use super::*;

    #[test]
    fn the_directories_are_made_and_claimed_files_are_nobody_elses() {
        let scratch = Scratch::new();
        assert_eq!(scratch.names(""), ["active", "archive", "inbox", "quarantine", "results"]);
        let mode = |below| fs::metadata(scratch.path(below)).unwrap().permissions().mode() & 0o027;
        scratch.slot();
        assert_eq!((mode("active"), mode("active/0")), (0, 0));
    }

    /// fault 86
    #[test]
    fn a_second_daemon_is_refused_and_told_of_the_first() {
        let scratch = Scratch::new();
        let refused = Places::open(&settings(&scratch.path(""))).unwrap_err().to_string();
        assert!(refused.contains(&format!("in use by another importerd (pid {})", std::process::id())), "{refused}");
    }

    /// fault 78
    #[test]
    fn an_inbox_on_another_filesystem_is_refused() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let mut folder = settings(root.path());
        folder.inbox = elsewhere.path().to_owned();
        if inode(&open_directory(root.path()).unwrap()).unwrap().0
            == inode(&open_directory(elsewhere.path()).unwrap()).unwrap().0
        {
            folder.inbox = "/proc".into();
        }
        let refused = Places::open(&folder).unwrap_err().to_string();
        assert!(refused.contains("inbox/ is on another filesystem than active/"), "{refused}");
    }

    /// fault 78: a rename across mounts fails, though the device is the same.
    #[test]
    fn an_archive_mounted_from_elsewhere_on_the_same_filesystem_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (elsewhere, archive) = (root.path().join("elsewhere"), root.path().join("archive"));
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir(&archive).unwrap();
        if !as_root("mount", &[OsStr::new("--bind"), elsewhere.as_ref(), archive.as_ref()]) {
            return;
        }
        let refused = Places::open(&settings(root.path()));
        assert!(as_root("umount", &[archive.as_ref()]));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("archive/ is on another filesystem than active/"), "{refused}");
    }

    /// fault 12
    #[test]
    fn an_inbox_removed_and_made_again_is_opened_again() {
        let scratch = Scratch::new();
        fs::remove_dir(scratch.path("inbox")).unwrap();
        let refused = scratch.places.reopen_inbox().unwrap_err().to_string();
        assert!(refused.contains("inbox: No such file"), "{refused}");
        fs::create_dir(scratch.path("inbox")).unwrap();
        scratch.put("a.csv", "1");
        scratch.places.reopen_inbox().unwrap();
        assert_eq!(names(&*scratch.places.inbox()).unwrap(), ["a.csv"]);
    }

    /// fault 14
    #[test]
    fn a_file_given_back_goes_beside_the_one_that_was_dropped_meanwhile() {
        let scratch = Scratch::new();
        let slot = scratch.slot();
        fs::write(scratch.path("active/0/a.csv"), "old").unwrap();
        scratch.put("a.csv", "new");
        assert_eq!(scratch.places.give_back(&slot, OsStr::new("a.csv")).unwrap(), "a~2.csv");
        assert_eq!((scratch.read("inbox/a.csv"), scratch.read("inbox/a~2.csv")), ("new".to_owned(), "old".to_owned()));
    }

    #[test]
    fn a_link_in_place_of_a_slot_is_refused() {
        let (scratch, elsewhere) = (Scratch::new(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), scratch.path("active/0")).unwrap();
        scratch.places.slot(0).unwrap_err();
        scratch.places.slot(1).unwrap();
        assert_eq!(scratch.places.slots().unwrap().len(), 2);
    }
}
