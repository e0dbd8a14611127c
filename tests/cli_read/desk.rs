//! A desk to work at: settings, folders and a ledger in a directory of their own, and the program to ask.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use importerd::events::{Event, Kind, Subject};
use importerd::file::{FileId, Identity};
use importerd::folder::lock::{self, Lock, STATE_LOCK};
use importerd::folder::{directory, survey};
use importerd::ledger::{Durability, Entry, Ledger, State};
use jiff::Timestamp;
use tempfile::TempDir;

pub const ORDERS: &str = "[folder.orders]\npath = '/T/orders'\n";

const NOBODY: u32 = 65_534;

pub struct Desk {
    root: TempDir,
}

/// What the program answered; the desk's own path is `/T` in it.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Desk {
    /// With these settings; `/T` in them is the desk.
    pub fn with(settings: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let desk = Self { root };
        fs::create_dir(desk.path("state")).unwrap();
        fs::write(
            desk.path("importerd.toml"),
            settings.replace("/T", desk.path("").to_str().unwrap().trim_end_matches('/')),
        )
        .unwrap();
        desk
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Puts a file there, making its directories.
    pub fn put(&self, below: impl AsRef<Path>) -> Identity {
        let path = self.root.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a,b\n1,2\n").unwrap();
        survey::at(&path).unwrap().identity
    }

    /// As [`Desk::put`], and later than all before by the filesystem's clock, which ticks every few milliseconds.
    pub fn put_last(&self, below: &str) {
        let now = Timestamp::now();
        while self.put(below).mtime_ns <= i64::try_from(now.as_nanosecond()).unwrap() {}
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::open(&self.path("state")).unwrap()
    }

    /// Holds the state directory, as a daemon does.
    pub fn daemon(&self) -> Lock {
        let state = directory::open_directory(&self.path("state")).unwrap();
        lock::take(state, STATE_LOCK).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").current_dir(self.root.path());
        command.arg("--config").arg(self.path("importerd.toml")).arg("--state-dir").arg(self.path("state"));
        command.args(arguments);
        command
    }

    pub fn ask(&self, arguments: &[&str]) -> Answer {
        self.answer(self.command(arguments))
    }

    /// As a user who is not root, with the program where that user may run it.
    pub fn command_without_root(&self, arguments: &[&str]) -> Command {
        let program = self.path("importerd");
        // By another process: a program that a thread's child still has open for writing can't be started.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_importerd")).arg(&program).status().unwrap();
        assert!(copied.success());
        self.allow("", 0o755);
        let mut command = Command::new(&program);
        command.env_clear().arg("--config").arg(self.path("importerd.toml"));
        command.arg("--state-dir").arg(self.path("state")).args(arguments);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    pub fn allow(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn answer(&self, mut command: Command) -> Answer {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(self.root.path().to_str().unwrap(), "/T");
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A row of the ledger.
pub fn entry(id: i64, name: &OsStr, identity: Identity, state: State) -> Entry<'_> {
    Entry::new(FileId(id), "orders", name, identity, state)
}

pub fn event(kind: Kind, id: i64, name: &str, stage: &'static str) -> Event {
    Event::new(kind).folder("orders").file(Subject { id: FileId(id), name: name.into(), attempt: 1, stage })
}

pub fn tell(ledger: &Ledger, event: Event) {
    ledger.enter(Durability::Flushed, &[], &[event]).unwrap();
}

/// The text with times as `TIME`, spans in seconds as `N s`, process ids as `PID`, and columns two blanks apart.
pub fn plain(text: &str) -> String {
    text.lines().map(|line| plain_line(line) + "\n").collect()
}

fn plain_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut said: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c| "(),;:".contains(c));
        let is_time = bare.len() == 8 && bare.split(':').count() == 3 && bare.split(':').all(is_number);
        let unit = words.get(at + 1).map(|next| next.trim_matches(|c| "(),;".contains(c)));
        let before = words.get(at.wrapping_sub(1)).copied().unwrap_or_default();
        said.push(match bare {
            _ if is_time => word.replace(bare, "TIME"),
            _ if is_number(bare) && unit == Some("s") => word.replace(bare, "N"),
            _ if is_number(bare) && before.ends_with("pid") => word.replace(bare, "PID"),
            _ => (*word).to_owned(),
        });
    }
    " ".repeat(indent) + &said.join(" ")
}
