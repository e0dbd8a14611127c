//! Real commands on real files, below a directory of each test's own.

mod abandonment;
mod ends;
mod names;
mod orphans;
mod publication;
mod staged;
mod strangers;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use super::results::{self, Planned, Produced, Publication};
use super::{Attempt, Command, Fate, Job, Named, Running, bring_home, discard, fate, keep};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::settings;

/// Longer than any command of these tests takes on a machine that is merely slow.
const LONG: Duration = Duration::from_mins(1);

/// A drop folder: `active/1/`, `results/` and staging.
struct Place {
    dir: TempDir,
    running: Arc<Running>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for below in ["active/1/.staging", "results"] {
            fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        Self { dir, running: Arc::new(Running::new().unwrap()) }
    }

    fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(below)
    }

    fn staging(&self) -> PathBuf {
        self.path("active/1/.staging/7")
    }

    fn printed(&self) -> PathBuf {
        self.path("active/1/.staging/7.out")
    }

    /// A claimed file of that name.
    fn claimed(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.path("active/1").join(name.as_ref());
        fs::write(&path, "what was dropped\n").unwrap();
        path
    }

    fn attempt_of(&self, argv: &[&str], name: &OsStr, timeout: Duration) -> Attempt {
        let path = self.path("active/1").join(name);
        let staging = self.staging();
        let job = Job { id: FileId(7), folder: "scans", attempt: 3, name, path: &path, staging: &staging };
        let command = argv.iter().map(|&argument| argument.to_owned()).collect();
        Command::new(&settings::Run { command, timeout }, Arc::clone(&self.running)).process(&job)
    }

    /// Runs a command on a newly claimed `a.txt`.
    fn attempt(&self, argv: &[&str]) -> Attempt {
        self.claimed("a.txt");
        self.attempt_of(argv, OsStr::new("a.txt"), LONG)
    }

    /// Runs a shell script, `$1` being the claimed file's path.
    fn script(&self, body: &str) -> Attempt {
        self.attempt(&["/bin/sh", "-c", body, "sh", "{path}"])
    }

    fn script_within(&self, timeout: Duration, body: &str) -> Attempt {
        self.claimed("a.txt");
        self.attempt_of(&["/bin/sh", "-c", body, "sh", "{path}"], OsStr::new("a.txt"), timeout)
    }

    fn produced(&self, body: &str) -> Produced {
        self.script(body).outcome.unwrap()
    }

    fn results(&self) -> File {
        File::open(self.path("results")).unwrap()
    }

    fn plan(&self, produced: &Produced) -> Vec<Planned> {
        results::plan(self.results().as_fd(), produced, &BTreeSet::new()).unwrap()
    }

    fn publication(&self, produced: &Produced) -> Publication {
        Publication { staging: produced.staging().into(), plan: self.plan(produced) }
    }

    fn publish(&self, publication: &mut Publication) {
        results::publish(self.results().as_fd(), std::slice::from_mut(publication)).unwrap();
    }

    /// Seals, plans and publishes.
    fn commit(&self, produced: &Produced) {
        results::seal(&[produced]).unwrap();
        self.publish(&mut self.publication(produced));
    }

    /// What lies in results/, in order.
    fn published(&self) -> Vec<OsString> {
        names(&self.path("results"))
    }

    /// What lies in the slot, in order, without hidden names.
    fn active(&self) -> Vec<OsString> {
        names(&self.path("active/1")).into_iter().filter(|name| !name.as_bytes().starts_with(b".")).collect()
    }

    fn result(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path("results").join(name)).unwrap()
    }
}

fn names(directory: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// As recovery undoes an attempt. Returns the reason, if its file is gone, and where what is not removed lies now.
fn undo(staging: &Path, active: &Path) -> (Option<Reason>, Option<PathBuf>) {
    bring_home(&[staging.to_owned()], active).unwrap();
    match fate(staging, active).unwrap() {
        Fate::There => (None, discard(staging).unwrap()),
        Fate::Gone { reason, .. } => (Some(reason), keep(staging).unwrap()),
    }
}

/// The code of a fault that charges an attempt, and its text.
fn charged(attempt: &Attempt) -> (&'static str, String) {
    match &attempt.outcome {
        Err(Fault::Deferred { reason, charged: true }) => (reason.code, reason.text.clone()),
        other => panic!("no charged fault: {other:?}"),
    }
}

/// Waits until a process has ended; a zombie has.
fn is_gone(pid: &str) -> bool {
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let deadline = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    rustix::event::poll(&mut fds, Some(&deadline)).unwrap() > 0
}

/// Makes a FIFO. Opening it for reading waits for a writer: the event that a test waits for.
fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

fn took_less_than(limit: Duration, act: impl FnOnce()) {
    let started = Instant::now();
    act();
    assert!(started.elapsed() < limit, "took {:?}", started.elapsed());
}

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
