//! Everything the daemon holds open: state directory, ledger, folders, targets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::Dir;
use rustix::io::retry_on_intr;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fault::{Fault, Reason};
use crate::folder::lock::{self, Lock, STATE_LOCK};
use crate::folder::{directory, places};
use crate::import::Targets;
use crate::ledger::{Ledger, MAKE_ROOM};
use crate::run::Running;
use crate::settings::Settings;
use crate::stages::{Folder, kinship};

/// Ledger, log, signals, and what looks in from outside.
const DESCRIPTORS: usize = 24;
/// Its directories, lock, watch and target.
const DESCRIPTORS_PER_FOLDER: usize = 16;
/// Its thread, the directories that it moves files between, a command's pipes.
const DESCRIPTORS_PER_PROCESSOR: usize = 8;
/// A file is open once when it is sealed, and once more when its rows are written.
const DESCRIPTORS_PER_FILE: usize = 2;

/// What was opened, and stays so until the end.
#[derive(Debug)]
pub struct Opened {
    pub ledger: Arc<Ledger>,
    pub folders: Arc<[Folder]>,
    pub running: Arc<Running>,
    _lock: Lock,
}

impl Opened {
    /// Opens all of it, or nothing stays open.
    pub fn open(
        settings: &Settings,
        state_directory: &Path,
        to_record: Option<&(&'static str, String)>,
        fingerprint: &str,
    ) -> Result<Self, Fault> {
        raise_descriptor_limit();
        let lock = lock_state(state_directory, fingerprint)?;
        // Before the ledger: should that be refused, the record tells which folder is to be mended.
        to_record.map_or(Ok(()), |(name, text)| record(state_directory, name, text))?;
        let mut silent = kinship::Silent::default();
        // None is made where there must be one already.
        if !Ledger::is_there(state_directory) {
            kinship::check(settings, state_directory, None, &mut silent)?;
        }
        let ledger = Ledger::open(state_directory)?;
        kinship::check(settings, state_directory, Some(&ledger), &mut silent)?;
        let (targets, running) = (Targets::default(), Arc::new(new_running()?));
        let folders = settings
            .folders
            .values()
            .map(|folder| Folder::open(settings, folder, state_directory, &ledger, &targets, &running))
            .collect::<Result<Vec<_>, _>>()?;
        // A full disk is no reason not to start; then a log that is taken away is not missed.
        if let Err(fault @ Fault::Fatal(_)) = ledger.begin() {
            return Err(fault);
        }
        Ok(Self { ledger: Arc::new(ledger), folders: folders.into(), running, _lock: lock })
    }

    /// How many files wait in the inboxes.
    pub fn waiting(&self) -> u64 {
        let waiting = |folder: &Folder| {
            let opened = folder.places.now().and_then(|open| retry_on_intr(|| Dir::read_from(&open.inbox)));
            let names = opened.into_iter().flatten().flatten();
            // Counted as they are read: a backlog of a million names is no reason for memory.
            names.filter(|name| folder.rules.filter.takes(OsStr::from_bytes(name.file_name().to_bytes()))).count()
        };
        self.folders.iter().map(waiting).sum::<usize>() as u64
    }
}

fn new_running() -> Result<Running, Fault> {
    Running::new().map_err(|error| Fault::io("make an event descriptor", &error))
}

/// Whoever reads the record meanwhile sees the old one or the new one, whole. One that says the same is left alone: a
/// full disk is no reason not to start.
fn record(state_directory: &Path, name: &str, text: &str) -> Result<(), Fault> {
    let (path, new) = (state_directory.join(name), state_directory.join(format!("{name}.new")));
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
    written.map_err(|error| Fault::io(path.display(), &error))
}

/// fault 86: one daemon a state directory. `fingerprint`: of its settings, for those who look whether they were changed since.
pub(crate) fn lock_state(state_directory: &Path, fingerprint: &str) -> Result<Lock, Fault> {
    use std::os::unix::fs::DirBuilderExt;
    let shown = state_directory.display();
    let io = |error: &std::io::Error| {
        let reason = Fault::io(format_args!("state directory {shown}"), error).reason().clone();
        let hint = if reason.is_no_room() {
            MAKE_ROOM
        } else {
            "give the daemon's user the right to write there, or choose another --state-dir"
        };
        Fault::World(reason.hint(hint))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(state_directory).map_err(|error| io(&error))?;
    let directory = directory::open_directory(state_directory).map_err(|error| io(&error))?;
    lock::take_noting(directory, STATE_LOCK, fingerprint).map_err(|refused| match refused {
        lock::Refused::Io(error) => io(&error),
        lock::Refused::Held { pid } => {
            let text = format!("{shown}: in use by another importerd{}", places::with_pid(pid));
            Fault::World(Reason::new("in_use", text).hint("stop that one, or give this one another --state-dir"))
        }
    })
}

/// A batch holds its files open.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// How many files each Processor may have in hand, by the descriptors that there may be: fault 84.
pub fn files_in_hand_max(processors: usize, folders: usize) -> usize {
    let limit =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let own = DESCRIPTORS + DESCRIPTORS_PER_FOLDER.saturating_mul(folders);
    let per_processor = limit.saturating_sub(own) / processors.max(1);
    (per_processor.saturating_sub(DESCRIPTORS_PER_PROCESSOR) / DESCRIPTORS_PER_FILE).max(1)
}
