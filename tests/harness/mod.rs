//! What the black-box tests share: a drop folder of their own, and the real program over it, heard through
//! the events that it logs. Nothing here sleeps: a test waits for an event, or for what it can see.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

pub mod line;
pub mod manager;
pub mod nobody;
pub mod postgres;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything takes on a loaded machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// How much of the log a failed test shows.
const STORY_LINES_MAX: usize = 40;

/// A drop folder in a directory of its own, with a settings file and a state directory beside it.
pub struct Drop {
    root: tempfile::TempDir,
}

impl Drop {
    /// An empty one: the folder `drop`, imported into `rows.db`.
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more keys for the folder, as lines of TOML.
    pub fn with(keys: &str) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary directory"), "", keys)
    }

    /// With keys for the daemon, and keys for the folder.
    pub fn with_daemon(daemon_keys: &str, folder_keys: &str) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary directory"), daemon_keys, folder_keys)
    }

    /// In this directory, with keys for the daemon, and keys for the folder.
    pub fn at(root: tempfile::TempDir, daemon_keys: &str, folder_keys: &str) -> Self {
        let drop = Self { root };
        let says_what = folder_keys.contains("run =") || folder_keys.contains("import =");
        let work = if says_what { "" } else { "import = { into = \"sqlite:rows.db\" }" };
        let settings =
            format!("{daemon_keys}\n[folder.drop]\npath = \"{}\"\n{work}\n{folder_keys}\n", drop.path().display());
        fs::write(drop.settings(), settings).expect("write settings");
        for name in ["inbox", "active", "archive", "quarantine", "results"] {
            fs::create_dir_all(drop.path().join(name)).expect("make a directory");
        }
        drop
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn settings(&self) -> PathBuf {
        self.root().join("importerd.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.root().join("drop")
    }

    pub fn inbox(&self) -> PathBuf {
        self.path().join("inbox")
    }

    /// Makes a FIFO that opens for a command when [`open_gate`] is called on it.
    pub fn gate(&self, name: &str) -> PathBuf {
        let gate = self.root().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).expect("make a FIFO");
        gate
    }

    /// Puts a file into the inbox, as `cp` does.
    pub fn put(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
        fs::write(self.inbox().join(name.as_ref()), content).expect("write into the inbox");
    }

    /// The names below one of the folder's directories, at any depth, without hidden ones; sorted.
    pub fn names(&self, directory: &str) -> Vec<OsString> {
        let mut names: Vec<_> = files(&self.path().join(directory))
            .into_iter()
            .filter_map(|path| path.file_name().map(OsStr::to_owned))
            .collect();
        names.sort();
        names
    }

    /// A file of that name below one of the folder's directories.
    pub fn read(&self, directory: &str, name: impl AsRef<OsStr>) -> Vec<u8> {
        let path = files(&self.path().join(directory)).into_iter().find(|path| path.file_name() == Some(name.as_ref()));
        fs::read(path.unwrap_or_else(|| panic!("{directory}/ has no {}", name.as_ref().display()))).expect("read")
    }

    /// The rows' database.
    pub fn rows(&self) -> Connection {
        Connection::open(self.state().join("rows.db")).expect("open rows.db")
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> Connection {
        Connection::open(self.state().join("ledger.db")).expect("open ledger.db")
    }

    /// How many rows the table has; 0 when it isn't there.
    pub fn row_count(&self) -> u64 {
        let count = self.rows().query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get::<_, i64>(0));
        count.map_or(0, i64::cast_unsigned)
    }

    /// A command line of the program over this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_logging("json", arguments)
    }

    /// A command line of the program over this folder, with a log of that kind.
    pub fn command_logging(&self, log: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args(["--log", log, "-v"]).arg("--config").arg(self.settings()).arg("--state-dir").arg(self.state());
        command.args(arguments).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command
    }

    /// Starts the daemon, and waits until it is ready and has the inbox under its eyes.
    pub fn start(&self) -> Daemon {
        let mut daemon = self.launch();
        daemon.wait_for("daemon.started");
        daemon.wait_for("folder.watching");
        daemon
    }

    /// Starts the daemon.
    pub fn launch(&self) -> Daemon {
        Daemon::of(self.command(&["run"]))
    }

    /// Starts the daemon through another program, which must become it: `prlimit --nofile=64`.
    pub fn launch_through(&self, words: &[&str]) -> Daemon {
        let daemon = self.command(&["run"]);
        let mut through = Command::new(words[0]);
        through.args(&words[1..]).arg(daemon.get_program()).args(daemon.get_args());
        through.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        Daemon::of(through)
    }

    /// Runs the daemon once over what is there.
    pub fn once(&self) -> ExitStatus {
        let output = self.command(&["once"]).output().expect("run importerd once");
        output.status
    }
}

/// A line of the log; one that is no JSON object has the field `stray`.
pub fn record(line: &[u8]) -> Value {
    let parsed = serde_json::from_slice(line).ok().filter(Value::is_object);
    parsed.unwrap_or_else(|| serde_json::json!({ "msg": String::from_utf8_lossy(line), "stray": true }))
}

/// All files below a directory, hidden ones left out.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
    found
}

/// The program, running.
pub struct Daemon {
    child: Child,
    heard: Receiver<Value>,
    /// Heard while waiting for something else.
    passed: VecDeque<Value>,
}

impl Daemon {
    /// Starts a command line of the program, and listens to its log.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("start importerd");
        let (tell, heard) = channel();
        let log = BufReader::new(child.stderr.take().expect("its stderr"));
        std::thread::spawn(move || {
            for line in log.split(b'\n') {
                let Ok(line) = line else { return };
                if tell.send(record(&line)).is_err() {
                    return;
                }
            }
        });
        Self { child, heard, passed: VecDeque::new() }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the next record that the test knows by this, and returns it. Records before it that
    /// were not asked for stay to be asked for.
    pub fn wait_until(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        if let Some(at) = self.passed.iter().position(&mut is_it) {
            return self.passed.remove(at).expect("it is there");
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(what, deadline) {
                record if is_it(&record) => return record,
                record => self.passed.push_back(record),
            }
        }
    }

    fn next(&mut self, what: &str, deadline: Instant) -> Value {
        match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(record) => record,
            Err(RecvTimeoutError::Timeout) => panic!("waited in vain for {what}; {}", self.story()),
            Err(RecvTimeoutError::Disconnected) => panic!("ended before {what}; {}", self.story()),
        }
    }

    /// Waits for the next event of that name.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.wait_until(event, |record| record["event"] == event)
    }

    /// Waits for the next event of that name about a file, by its name as it is printed.
    pub fn wait_for_file(&mut self, event: &str, file: &str) -> Value {
        self.wait_until(&format!("{event} of {file}"), |record| record["event"] == event && record["file"] == file)
    }

    /// Waits until so many events of that name were heard.
    pub fn wait_for_many(&mut self, event: &str, count: usize) {
        let mut left = count;
        self.passed.retain(|record| {
            let counts = left > 0 && record["event"] == event;
            left -= usize::from(counts);
            !counts
        });
        let deadline = Instant::now() + PATIENCE;
        while left > 0 {
            match self.next(&format!("{count} times {event}, {left} are missing"), deadline) {
                record if record["event"] == event => left -= 1,
                record => self.passed.push_back(record),
            }
        }
    }

    /// Everything heard so far that nobody asked for.
    pub fn heard(&mut self) -> Vec<Value> {
        self.passed.extend(self.heard.try_iter());
        self.passed.iter().cloned().collect()
    }

    /// Whether an event of that name was heard that nobody asked for.
    pub fn has_heard(&mut self, event: &str) -> bool {
        self.heard().iter().any(|record| record["event"] == event)
    }

    /// What was heard last that nobody asked for, a line each.
    fn story(&self) -> String {
        let lines = self.passed.iter().rev().take(STORY_LINES_MAX).map(|record| format!("\n  {record}"));
        format!("heard, the last first:{}", lines.collect::<String>())
    }

    /// The next record, whatever it is. `None`: nothing was said for so long, or the program has ended.
    pub fn next_within(&mut self, patience: Duration) -> Option<Value> {
        self.passed.pop_front().or_else(|| self.heard.recv_timeout(patience).ok())
    }

    /// One that stops it has stopped each of its threads on return: on a busy machine they go on for a moment.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("send a signal");
        if signal == Signal::STOP {
            eventually("it stands still", || self.states().iter().all(|state| *state == 'T'));
        }
    }

    /// The state of each of its threads, as in proc(5).
    pub fn states(&self) -> Vec<char> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid().as_raw_pid())).expect("its threads").flatten();
        let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
        stats.filter_map(|stat| stat.rsplit(") ").next()?.chars().next()).collect()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.end();
    }

    /// Waits for the end.
    pub fn end(&mut self) -> ExitStatus {
        // The log is read to its end, so that the program never waits for room in the pipe.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(record) => self.passed.push_back(record),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("wait"),
                Err(RecvTimeoutError::Timeout) => panic!("it doesn't end; {}", self.story()),
            }
        }
    }
}

impl std::ops::Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed leaves no daemon behind; after `end` there is none to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something can be seen; for what no event tells. Looks again as often as the machine allows.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Waits until a command reads from the FIFO, and lets it read this.
pub fn open_gate(gate: &Path, text: &str) {
    gate_in_use(gate).write_all(text.as_bytes()).expect("write into the FIFO");
}

/// Waits until a command reads from the FIFO, which it does until this is dropped.
pub fn gate_in_use(gate: &Path) -> fs::File {
    let mut opened = None;
    eventually(&format!("a command reads {}", gate.display()), || {
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
        opened = fs::OpenOptions::new().write(true).custom_flags(flags).open(gate).ok();
        opened.is_some()
    });
    opened.expect("opened above")
}

/// Whether a program is there; where it isn't, says that the test is skipped, and fails in CI.
pub fn has(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()))
        || Path::new("/usr/sbin").join(program).is_file();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing: tests/all installs it");
        eprintln!("skipped: {program} is not installed (tests/all installs it)");
    }
    found
}

/// The library that fakes the clock of a program that it is loaded into. `None`, and says so: it isn't there.
pub fn faketime() -> Option<PathBuf> {
    if !has("faketime") {
        return None;
    }
    // Where Debian keeps it, depends on the machine.
    let found = Command::new("find").args(["/usr/lib", "-name", "libfaketimeMT.so.1"]).output().expect("run find");
    let found = String::from_utf8(found.stdout).expect("a path");
    Some(found.lines().next().map(PathBuf::from).expect("faketime has a library"))
}
