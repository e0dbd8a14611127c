//! The workload: a few files of every fate, and a life of the daemon over them, traced or not.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::crash::books::{self, Problem};
use crate::crash::load::{Fate, List, Upload, drop_all};
use crate::crash::site::{ROWS, Site, WORK};
use crate::harness;
use crate::tracer::calls::Call;
use crate::tracer::{Plan, Report, Tracer};

/// A life that takes longer hangs: a usual one takes a twentieth of a second.
const LIFE_MAX: Duration = Duration::from_secs(20);
/// After so long it is ready, or never will be.
const READY_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether all is done, when the daemon says nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The record by which the daemon says that it is ready.
const READY: &[u8] = b"\"daemon.started\"";

/// What a daemon of the sweep has to do, and how.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    pub uploads: fn() -> Vec<Upload>,
    pub verb: Verb,
    pub processors: usize,
}

/// How long the daemon lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Until what is there is done.
    Once,
    /// Until all is done and SIGTERM comes.
    Run,
}

/// Files for the folder that imports: three that come in, of which one is the same again and one has a reject, and a bad one.
pub fn imports() -> Vec<Upload> {
    let upload = |name, content: &str, fate| Upload { folder: ROWS, name, content: content.to_owned(), fate };
    let refused = Fate::Refused("line 3: 1 field".to_owned());
    vec![
        upload("f1.csv", "id,name\n1,bolt\n2,nut\n", Fate::Rows(1..3)),
        upload(
            "f2.ndjson",
            "{\"id\":3,\"name\":\"screw\"}\n[\"reject\"]\n{\"id\":4,\"name\":\"cog\"}\n",
            Fate::Rows(3..5),
        ),
        upload("f3.csv", "id,name\n5,nail\n5\n", refused),
        upload("f4.csv", "id,name\n1,bolt\n2,nut\n", Fate::Rows(1..3)),
    ]
}

/// Files for the folder that runs a command: two results, a later one, a bad one.
pub fn commands() -> Vec<Upload> {
    let upload = |name, content: &str, fate| Upload { folder: WORK, name, content: content.to_owned(), fate };
    let result = |payload: &str| format!("{payload}\n");
    vec![
        upload("f5.txt", "both payload-5\n", Fate::Results(vec![result("payload-5"); 2])),
        upload("f6.txt", "later payload-6\n", Fate::Results(vec![result("payload-6")])),
        upload("f7.txt", "bad payload-7\n", Fate::Refused("payload-7 is bad".to_owned())),
    ]
}

/// Files for both.
pub fn everything() -> Vec<Upload> {
    [imports(), commands()].concat()
}

/// A directory in memory, where there is one: a death loses nothing that was written, wherever it lies.
pub fn in_memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

/// Another filesystem than that of [`in_memory`]. Unmounted when dropped.
pub struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    /// `None`: this user may not mount one.
    pub fn mount() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can mount another filesystem");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "importerd-test"]).arg(directory.path()).status();
        assert!(mounted.expect("run mount").success(), "mount a tmpfs");
        Some(Self(directory))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A site with the files of a workload in its inboxes. Removed when dropped.
pub struct Scene {
    pub site: Site,
    pub list: List,
    workload: Workload,
    files: usize,
    _root: tempfile::TempDir,
    _state: Option<tempfile::TempDir>,
}

impl Scene {
    /// A new one in this directory; with another directory for the state.
    pub fn set(workload: Workload, directory: &Path, elsewhere: Option<&Path>) -> Self {
        let make = |directory: &Path| tempfile::tempdir_in(directory).expect("a temporary directory");
        let (root, state) = (make(directory), elsewhere.map(make));
        let state_path = state.as_ref().map_or(root.path(), tempfile::TempDir::path).join("state");
        let site = Site::at(root.path().join("site"), state_path);
        let uploads = (workload.uploads)();
        let list = drop_all(&site, &uploads);
        Self { site, list, workload, files: uploads.len(), _root: root, _state: state }
    }

    /// Lives on with nothing in the way until all is done.
    pub fn finish(&self) -> Life {
        self.live(Verb::Run, None)
    }

    /// What is wrong when all must be done.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = books::problems_after_a_drain(&self.site, &self.list);
        let at_end = self.at_end();
        if at_end < self.files {
            let text = format!("of {} files {at_end} are at their end", self.files);
            problems.push(Problem { kind: books::Kind::Half, text });
        }
        problems
    }

    fn at_end(&self) -> usize {
        let files = [ROWS, WORK].map(|folder| {
            ["archive", "quarantine"].map(|directory| harness::files(&self.site.directory(folder, directory)))
        });
        let is_file = |path: &&PathBuf| !path.to_string_lossy().ends_with(".reason.txt");
        files.as_flattened().iter().flatten().filter(is_file).count()
    }

    fn command(&self, verb: Verb) -> Command {
        let word = match verb {
            Verb::Once => "once",
            Verb::Run => "run",
        };
        let mut command = self.site.command(word, self.workload.processors);
        command.args(["--set", "backoff.min=1ms", "--set", "backoff.max=20ms"]);
        // What no event brings back, the rescan does.
        command.args(["--set", "folder.rows.rescan=1s", "--set", "folder.work.rescan=1s"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// One life of the daemon, to its end.
    pub fn live(&self, verb: Verb, plan: Option<(&'static [Call], Plan)>) -> Life {
        match plan {
            None => self.live_untraced(self.command(verb), verb),
            Some((calls, plan)) => self.live_traced(verb, calls, plan, |tracer| tracer),
        }
    }

    /// One life of the daemon, traced in a way of the caller's.
    pub fn live_traced(
        &self,
        verb: Verb,
        calls: &'static [Call],
        plan: Plan,
        prepare: impl FnOnce(Tracer) -> Tracer,
    ) -> Life {
        let mut tracer = prepare(Tracer::start(self.command(verb), calls, plan).expect("start importerd"));
        let (pid, stderr) = (tracer.pid(), tracer.child().stderr.take().expect("its stderr"));
        std::thread::scope(|scope| {
            let keeper = scope.spawn(|| self.keep(verb, pid, stderr));
            let report = tracer.run().expect("trace importerd");
            let (log, hung) = keeper.join().expect("a keeper doesn't panic");
            Life { code: report.code, log, hung, report }
        })
    }

    fn live_untraced(&self, mut command: Command, verb: Verb) -> Life {
        let mut child = command.spawn().expect("start importerd");
        let pid = Pid::from_raw(child.id().cast_signed());
        let (log, hung) = self.keep(verb, pid, child.stderr.take().expect("its stderr"));
        let code = child.wait().expect("wait").code();
        Life { code, log, hung, report: Report::default() }
    }

    /// Reads what the daemon says, to its end, and sends SIGTERM when all is done. True: it hung, and was killed.
    fn keep(&self, verb: Verb, pid: Pid, mut stderr: ChildStderr) -> (String, bool) {
        let (mut log, mut told_to_stop) = (Vec::new(), verb == Verb::Once);
        let began = Instant::now();
        let mut hung = false;
        let look_every = Timespec::try_from(LOOK_EVERY).expect("a short time");
        loop {
            let ready = poll(&mut [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN)], Some(&look_every));
            if ready == Ok(1) {
                let mut chunk = [0; 8192];
                match stderr.read(&mut chunk).expect("read its stderr") {
                    0 => return (String::from_utf8_lossy(&log).into_owned(), hung),
                    length => log.extend_from_slice(&chunk[..length]),
                }
            }
            // Before it is ready, it ends without having looked at anything.
            // Where that record was lost it shows no other sign.
            let is_ready = || began.elapsed() > READY_MAX || log.windows(READY.len()).any(|words| words == READY);
            if !told_to_stop && is_ready() && self.at_end() == self.files {
                told_to_stop = true;
                let _ = kill(pid, Signal::SIGTERM);
            }
            if !hung && began.elapsed() > LIFE_MAX {
                hung = true;
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

/// How a life went.
pub struct Life {
    /// `None`: a signal killed it.
    pub code: Option<i32>,
    /// What it said on standard error.
    pub log: String,
    /// It had to be killed.
    pub hung: bool,
    /// Of the tracer.
    pub report: Report,
}

impl Life {
    /// The records of the log.
    pub fn records(&self) -> Vec<Value> {
        self.log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}
