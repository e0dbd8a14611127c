//! Events from the kernel: hints that a name in the inbox is worth a look. Nothing depends on one arriving.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use importerd_actors::Nudge;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};

use super::places::{Place, place};

/// More names than this are not remembered: then the inbox is read from end to end.
const NAMES_MAX: usize = 65_536;

/// What the events said since they were last asked for.
#[derive(Debug, Default)]
pub struct Hints {
    /// Names worth a look.
    pub names: HashSet<OsString>,
    /// Events were lost: everything is worth a look.
    pub overflow: bool,
    /// The watched directory itself may be gone.
    pub moved: bool,
}

/// A watch on one directory.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    /// The directory above, where that is the folder's own and quiet. A directory that is removed while we have
    /// it open says nothing of it: only the one above does.
    home: Option<PathBuf>,
    nudge: Nudge,
    hints: Arc<Mutex<Hints>>,
    /// The watcher, and which directory it watches. `None`: there is none, and the rescan finds all.
    armed: Option<(RecommendedWatcher, Place)>,
}

/// What became of asking for a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Armed {
    /// The same directory is watched as before.
    Still,
    /// It is watched from now on; what lay there before is found by reading it.
    Anew,
    /// It can't be watched, for this reason; the rescan finds what arrives.
    Not(String),
}

impl Watch {
    /// A watch that is not armed yet, on a directory of the folder whose own is `home`.
    #[must_use]
    pub fn new(path: &Path, home: &Path, nudge: Nudge) -> Self {
        let home = (path.parent() == Some(home)).then(|| home.to_owned());
        Self { path: path.to_owned(), home, nudge, hints: Arc::default(), armed: None }
    }

    /// Watches the directory that lies at the path now.
    pub fn arm(&mut self, directory: impl AsFd) -> Armed {
        if let Some(kind) = silent_filesystem(&directory) {
            return Armed::Not(format!("{kind} gives no events"));
        }
        let place = match place(directory) {
            Ok(place) => place,
            Err(error) => return Armed::Not(error.to_string()),
        };
        if self.armed.as_ref().is_some_and(|(_, armed)| *armed == place) {
            return Armed::Still;
        }
        self.armed = None;
        match self.watcher() {
            Ok(watcher) => {
                self.armed = Some((watcher, place));
                Armed::Anew
            }
            Err(error) => Armed::Not(why_not(&error)),
        }
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (hints, nudge) = (Arc::clone(&self.hints), self.nudge.clone());
        let (path, home) = (self.path.clone(), self.home.clone());
        let mut watcher = notify::recommended_watcher(move |event| {
            give_way();
            hear(event, &path, home.as_deref(), &hints, &nudge);
        })?;
        // Where it can't have a thread, notify says nothing, panics at the next call, and once more when it is dropped.
        // This call only returns an error then. fault 84
        if watcher.configure(Config::default()).is_err() {
            std::mem::forget(watcher);
            return Err(notify::Error::generic("no thread can be started for its events"));
        }
        watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
        if let Some(home) = &self.home {
            // Without it the rescan finds out, later.
            let _ = watcher.watch(home, RecursiveMode::NonRecursive);
        }
        Ok(watcher)
    }

    /// What was heard since the last call.
    #[must_use]
    pub fn hints(&self) -> Hints {
        std::mem::take(&mut lock(&self.hints))
    }
}

/// fault 10: the limits that are reached by others' watches as well as by ours, and are raised by an operator.
fn why_not(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "no inotify watch is left; raise fs.inotify.max_user_watches".to_owned(),
        notify::ErrorKind::Io(io) if io.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "no inotify instance is left; raise fs.inotify.max_user_instances, or the limit of open files".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Filesystems whose files change without the kernel here hearing of it: it gives no events, and its word on
/// writers is worth nothing (NFS refuses a lease just as if somebody wrote). fault 11
pub(crate) fn silent_filesystem(directory: impl AsFd) -> Option<&'static str> {
    silent_kind(rustix::fs::fstatfs(directory).ok()?.f_type)
}

/// By the numbers of statfs(2).
fn silent_kind(magic: rustix::fs::FsWord) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        0x00C3_6400 => Some("Ceph"),
        0x5346_414F => Some("AFS"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x786F_4256 => Some("a VirtualBox shared folder"),
        _ => None,
    }
}

fn lock(hints: &Mutex<Hints>) -> MutexGuard<'_, Hints> {
    hints.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static IS_MEEK: Cell<bool> = const { Cell::new(false) };
}

/// Lets the watcher's thread give way to those who work: our own moves make events too, and would else have it take a
/// core away for each of them. Where nothing else is to do it runs at once, as before.
fn give_way() {
    const NICE: i32 = 10;
    if !IS_MEEK.replace(true) {
        // Without it, all is as well and a little slower.
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

/// Called on the watcher's thread: must neither block nor panic.
fn hear(
    event: notify::Result<notify::Event>,
    watched: &Path,
    home: Option<&Path>,
    hints: &Mutex<Hints>,
    nudge: &Nudge,
) {
    let Ok(event) = event else {
        lock(hints).overflow = true;
        return nudge.wake();
    };
    // An overflow has no path: it must be asked for first.
    if event.need_rescan() {
        lock(hints).overflow = true;
        return nudge.wake();
    }
    let arrived = matches!(
        event.kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
            | EventKind::Create(_)
    );
    let moved =
        matches!(event.kind, EventKind::Remove(_) | EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)))
            && event.paths.iter().any(|path| path == watched || Some(path.as_path()) == home);
    if !arrived && !moved {
        return;
    }
    let mut hints = lock(hints);
    hints.moved |= moved;
    let names = event.paths.iter().filter(|path| arrived && path.parent() == Some(watched));
    for name in names.filter_map(|path| path.file_name()) {
        if hints.names.len() >= NAMES_MAX {
            hints.overflow = true;
        } else {
            hints.names.insert(name.to_owned());
        }
    }
    drop(hints);
    nudge.wake();
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use notify::event::{CreateKind, Flag};

    use super::*;

    /// Waits until the hints say so: each event wakes the nudge.
    async fn hear_until(watch: &Watch, mut heard: impl FnMut(&Hints) -> bool) {
        let waited = tokio::time::timeout(Duration::from_mins(1), async {
            while !heard(&watch.hints()) {
                watch.nudge.woken().await;
            }
        });
        waited.await.expect("the kernel tells of it");
    }

    fn armed(path: &Path) -> Watch {
        fs::create_dir_all(path).unwrap();
        let mut watch = Watch::new(path, path, Nudge::default());
        assert_eq!(watch.arm(File::open(path).unwrap()), Armed::Anew);
        assert_eq!(watch.arm(File::open(path).unwrap()), Armed::Still);
        watch
    }

    /// faults 5, 6
    #[tokio::test]
    async fn a_file_closed_after_writing_one_moved_in_and_one_linked_are_told() {
        let root = tempfile::tempdir().unwrap();
        let watch = armed(&root.path().join("inbox"));
        fs::write(root.path().join("inbox/written"), "a").unwrap();
        fs::write(root.path().join("moved"), "a").unwrap();
        fs::write(root.path().join("linked"), "a").unwrap();
        fs::rename(root.path().join("moved"), root.path().join("inbox/moved")).unwrap();
        fs::hard_link(root.path().join("linked"), root.path().join("inbox/linked")).unwrap();
        let mut told = HashSet::new();
        hear_until(&watch, |hints| {
            told.extend(hints.names.iter().cloned());
            told.len() == 3
        })
        .await;
        assert!(["written", "moved", "linked"].iter().all(|name| told.contains(std::ffi::OsStr::new(name))));
    }

    /// fault 12
    #[tokio::test]
    async fn a_directory_that_is_moved_away_is_told_and_the_one_made_in_its_place_is_watched() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("inbox");
        let mut watch = armed(&path);
        fs::rename(&path, root.path().join("away")).unwrap();
        hear_until(&watch, |hints| hints.moved && hints.names.is_empty()).await;
        fs::create_dir(&path).unwrap();
        assert_eq!(watch.arm(File::open(&path).unwrap()), Armed::Anew);
        fs::write(path.join("a"), "a").unwrap();
        hear_until(&watch, |hints| hints.names.contains(std::ffi::OsStr::new("a"))).await;
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_watched_and_the_reason_is_told() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = File::open(root.path()).unwrap();
        let mut watch = Watch::new(&root.path().join("inbox"), root.path(), Nudge::default());
        let Armed::Not(reason) = watch.arm(elsewhere) else { panic!("watched") };
        assert!(!reason.is_empty());
    }

    /// fault 9
    #[test]
    fn an_overflow_of_the_kernel_and_more_names_than_are_remembered_ask_for_a_rescan() {
        let (hints, nudge, watched) = (Mutex::default(), Nudge::default(), Path::new("/inbox"));
        let overflow = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        hear(Ok(overflow), watched, None, &hints, &nudge);
        assert!(std::mem::take(&mut *lock(&hints)).overflow);
        for number in 0..=NAMES_MAX {
            let arrived = EventKind::Create(CreateKind::File);
            let event = notify::Event::new(arrived).add_path(watched.join(number.to_string()));
            assert!(!lock(&hints).overflow, "{number}");
            hear(Ok(event), watched, None, &hints, &nudge);
        }
        let hints = lock(&hints);
        assert!(hints.overflow);
        assert_eq!(hints.names.len(), NAMES_MAX);
    }

    /// fault 11
    #[test]
    fn filesystems_shared_with_other_machines_are_known_to_be_silent() {
        assert_eq!(silent_kind(0x6969), Some("NFS"));
        assert_eq!(silent_kind(0xFE53_4D42), Some("SMB"));
        let (ext4, tmpfs) = (0xEF53, 0x0102_1994);
        assert_eq!((silent_kind(ext4), silent_kind(tmpfs)), (None, None));
    }
}
