//! A site: the daemon over two folders, `rows` which imports, and `work` which runs a command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::harness::Daemon;

/// The folder that imports.
pub const ROWS: &str = "rows";
/// The folder that runs a command.
pub const WORK: &str = "work";

/// What the command does is told by the first word of the file. The claimed file itself is locked while the
/// command runs: a second command on the same file says so in the file `twice`, and fails.
const SCRIPT: &str = r#"#!/bin/sh
exec 9<"$1"
flock -n 9 || { echo "$1" >>"$SITE/twice"; exit 1; }
read -r kind payload <&9
case $kind in
bad) echo "$payload is bad" >&2; exit 65 ;;
later) [ -e "$SITE/seen/$payload" ] || { : >"$SITE/seen/$payload"; exit 75; } ;;
moved) mv "$1" . ; exit 0 ;;
printed) echo "$payload"; exit 0 ;;
both) echo "$payload" ;;
slow) sleep 0.15 ;;
esac
echo "$payload" >report.txt
"#;

/// A directory of its own with everything in it.
pub struct Site {
    root: PathBuf,
    state: PathBuf,
    settings: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Site {
    /// Two empty folders.
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let (root, state) = (temporary.path().to_owned(), temporary.path().join("state"));
        Self { _temporary: Some(temporary), ..Self::at(root, state) }
    }

    /// Two empty folders in this directory, which is the caller's to remove, with this state directory.
    pub fn at(root: PathBuf, state: PathBuf) -> Self {
        let site = Self { settings: root.join("importerd.toml"), root, state, _temporary: None };
        fs::create_dir_all(site.root()).expect("make a directory");
        site.write_settings();
        site.furnish();
        site
    }

    /// One that may have been made in another directory, and is in this one now; it gets settings that say so.
    pub fn found(root: PathBuf, state: PathBuf, settings: PathBuf) -> Self {
        let site = Self { root, state, settings, _temporary: None };
        site.write_settings();
        site
    }

    fn write_settings(&self) {
        let root = self.root().display();
        let settings = format!(
            r#"
            drain_grace = "60s"
            backoff = {{ min = "20ms", max = "200ms" }}
            [folder.rows]
            path = "{root}/rows"
            import = {{ into = "sqlite:rows.db", rejects = "34%" }}
            [folder.work]
            path = "{root}/work"
            run = {{ command = ["/usr/bin/env", "SITE={root}", "{root}/command", "{{path}}"] }}
            "#
        );
        fs::write(&self.settings, settings).expect("write settings");
    }

    fn furnish(&self) {
        fs::write(self.root().join("command"), SCRIPT).expect("write the command");
        fs::set_permissions(self.root().join("command"), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::create_dir(self.root().join("seen")).expect("make a directory");
        for folder in [ROWS, WORK] {
            fs::create_dir_all(self.directory(folder, "inbox")).expect("make an inbox");
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// One of a folder's directories.
    pub fn directory(&self, folder: &str, directory: &str) -> PathBuf {
        self.root().join(folder).join(directory)
    }

    /// The command line of `run` or `once`, with so many Processors.
    pub fn command(&self, verb: &str, processors: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args([verb, "--log", "json", "-v"]).arg("--config").arg(&self.settings);
        command.arg("--state-dir").arg(&self.state).arg("--set").arg(format!("processors={processors}"));
        command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command
    }

    /// Starts the daemon with so many Processors.
    pub fn launch(&self, processors: usize) -> Daemon {
        Daemon::of(self.command("run", processors))
    }

    /// The rows' database, or the ledger.
    pub fn database(&self, name: &str) -> Connection {
        Connection::open(self.state.join(name)).expect("open a database")
    }

    /// Commands of this site that are alive: process identifiers.
    pub fn commands_alive(&self) -> Vec<String> {
        let ours = format!("IMPORTERD_PATH={}", self.root().display()).into_bytes();
        let processes = fs::read_dir("/proc").expect("read /proc").flatten();
        let alive = processes.filter(|process| {
            fs::read(process.path().join("environ"))
                .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|pair| pair.starts_with(&ours)))
        });
        alive.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
    }
}
