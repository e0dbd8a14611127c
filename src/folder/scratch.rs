//! A folder on a real disk, for tests.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::places::Places;
use crate::settings::{self, Duplicates, Work};

/// A folder in a temporary directory, opened.
pub(super) struct Scratch {
    root: tempfile::TempDir,
    pub(super) places: Arc<Places>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self::made(tempfile::tempdir().unwrap(), true)
    }

    /// In memory, where files are made quickly.
    pub(super) fn in_memory() -> Self {
        Self::made(tempfile::tempdir_in("/dev/shm").unwrap(), true)
    }

    /// As if on a filesystem shared with other machines, whose kernels can't be asked for leases.
    pub(super) fn without_leases() -> Self {
        Self::made(tempfile::tempdir().unwrap(), false)
    }

    fn made(root: tempfile::TempDir, leases: bool) -> Self {
        let mut places = Places::open(&settings(root.path()), false).unwrap();
        places.wants_leases = leases;
        Self { root, places: Arc::new(places) }
    }

    pub(super) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(below)
    }

    pub(super) fn put(&self, name: impl AsRef<Path>, content: &str) {
        fs::write(self.path("inbox").join(name), content).unwrap();
    }

    pub(super) fn slot(&self) -> OwnedFd {
        self.places.slot(0).unwrap()
    }

    /// The names in a directory of it, in order.
    pub(super) fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(below)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn read(&self, below: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }
}

/// The settings of a folder at this path.
pub(super) fn settings(path: &Path) -> settings::Folder {
    settings::Folder {
        name: "orders".to_owned(),
        path: path.to_owned(),
        inbox: path.join("inbox"),
        matching: Vec::new(),
        ignore: Vec::new(),
        settle: Duration::from_secs(2),
        rescan: Duration::from_secs(30),
        ready_marker: None,
        duplicates: Duplicates::Allow,
        work: Work::Import(settings::Import::into_table("orders")),
    }
}

/// The kernel tells of the break of a lease by SIGIO, whose default would end the process. Once heard, it never does.
pub(super) fn outlive_lease_breaks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    drop(actix_rt::signal::unix::signal(actix_rt::signal::unix::SignalKind::io()).unwrap());
}

/// Runs a program that only root may; `false`, and said so, where it can't be done.
pub(super) fn as_root(program: &str, arguments: &[&OsStr]) -> bool {
    let output = std::process::Command::new(program).args(arguments).output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    if !done {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {program} {arguments:?}: {output:?}");
        }
        let root = rustix::process::geteuid().is_root();
        assert!(!root || std::env::var_os("CI").is_none(), "in CI nothing is skipped");
    }
    done
}
