//! What people use instead: made when it can be, and else it is said why not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ground::Ground;
use crate::process::has;
use crate::setup::Setup;

/// Where each is, or why it isn't.
pub struct Peers {
    go: Result<PathBuf, String>,
    python: Result<PathBuf, String>,
}

impl Peers {
    /// Builds the daemon in Go, and gets watchdog by pip, unless they are there.
    pub fn make(setup: &Setup) -> Self {
        Self { go: make_go(&setup.out), python: make_python(&setup.out) }
    }

    pub fn no_go(&self) -> Option<String> {
        self.go.clone().err()
    }

    pub fn no_python(&self) -> Option<String> {
        self.python.clone().err()
    }

    /// A daemon on inotify with four workers; durable: each result and its directory are flushed.
    pub fn go(&self, is_durable: bool) -> impl Fn(&Ground) -> Command {
        let program = self.go.clone().unwrap_or_default();
        move |ground| {
            let mut command = Command::new(&program);
            command.arg("-dir").arg(ground.root()).args(is_durable.then_some("-durable"));
            command
        }
    }

    /// A daemon on watchdog with four threads.
    pub fn python(&self) -> impl Fn(&Ground) -> Command {
        let program = self.python.clone().unwrap_or_default();
        move |ground| {
            let mut command = Command::new(&program);
            command.arg(source("watch.py")).arg(ground.root());
            command
        }
    }

    /// One pass over the inbox, as cron would start it.
    #[expect(clippy::unused_self, reason = "as the others are asked for")]
    pub fn cron(&self, ground: &Ground) -> Command {
        let mut command = Command::new("bash");
        command.arg(source("cron.sh")).arg(ground.root());
        command
    }
}

fn source(name: &str) -> PathBuf {
    Setup::sources().join("peers").join(name)
}

fn make_go(out: &Path) -> Result<PathBuf, String> {
    if !has("go") {
        return Err("Go is not installed (Debian's golang-go)".into());
    }
    let program = out.join("peer-go");
    quietly(Command::new("go").args(["build", "-o"]).arg(&program).arg(source("drop.go")).env("GO111MODULE", "off"))?;
    Ok(program)
}

fn make_python(out: &Path) -> Result<PathBuf, String> {
    if !has("python3") {
        return Err("Python is not installed".into());
    }
    let (place, program) = (out.join("python"), out.join("python/bin/python"));
    let is_there = || quietly(Command::new(&program).args(["-c", "import watchdog"])).is_ok();
    if !is_there() {
        quietly(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        quietly(Command::new(&program).args(["-m", "pip", "install", "--quiet", "watchdog"]))?;
    }
    Ok(program)
}

fn quietly(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    if output.status.success() { Ok(()) } else { Err(format!("{}: {last}", command.get_program().display())) }
}
