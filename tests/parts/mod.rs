//! The parts of the daemon, put together by hand: for tests that put something of their own between them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use importerd::import::Targets;
use importerd::ledger::Ledger;
use importerd::run::Running;
use importerd::settings::{self, Backoff, Duplicates, Import, Settings, Work};
use importerd::stages::{Folder, Journal};

/// What the stages work with.
pub struct Parts {
    pub folders: Arc<[Folder]>,
    pub ledger: Arc<Ledger>,
    pub journal: Journal,
}

/// One folder that imports, short waits.
pub fn settings(root: &Path) -> Settings {
    settings_of(root, import(), Duplicates::ByContent)
}

/// Into the table `rows`.
pub fn import() -> Work {
    Work::Import(Import::into_table("rows"))
}

/// One folder that does this, short waits.
pub fn settings_of(root: &Path, work: Work, duplicates: Duplicates) -> Settings {
    let folder = settings::Folder {
        name: "drop".to_owned(),
        path: root.join("drop"),
        inbox: root.join("drop/inbox"),
        matching: Vec::new(),
        ignore: Vec::new(),
        settle: Duration::from_millis(10),
        rescan: Duration::from_secs(1),
        ready_marker: None,
        duplicates,
        work,
    };
    Settings {
        processors: 2,
        drain_grace: Duration::from_mins(1),
        attempts: 5,
        backoff: Backoff { min: Duration::from_millis(10), max: Duration::from_millis(20) },
        restarts: 10,
        restart_window: Duration::from_mins(10),
        history: None,
        folders: [("drop".to_owned(), folder)].into(),
    }
}

/// Opens the folder, with the state directory at `root`.
pub fn open(root: &Path, settings: &Settings, journal: Journal) -> Parts {
    let ledger = Arc::new(Ledger::open(root).expect("open the ledger"));
    let running = Arc::new(Running::new().expect("an event descriptor"));
    let folder = &settings.folders["drop"];
    let folder = Folder::open(settings, folder, root, &ledger, &Targets::default(), &running).expect("open the folder");
    Parts { folders: [folder].into(), ledger, journal }
}

/// The kernel tells of the break of a lease by SIGIO, whose default would end the process. Once heard, it never does.
pub fn outlive_lease_breaks() {
    use actix_rt::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    drop(signal(SignalKind::io()).expect("hear SIGIO"));
}
