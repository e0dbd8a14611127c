//! Runs a contender, and times it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Outcome;
use crate::arrivals::Arrivals;
use crate::ground::Ground;

/// Runs it to its end, and returns how long that took.
pub fn run(command: &mut Command, ground: &Ground) -> Outcome<Duration> {
    prepare(command, ground)?;
    let begun = Instant::now();
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let took = begun.elapsed();
    ended_well(status, ground)?;
    Ok(took)
}

/// A program that goes on until it is stopped, with all its children.
pub struct Running {
    child: Child,
}

impl Running {
    pub fn start(command: &mut Command, ground: &Ground) -> Outcome<Self> {
        use std::os::unix::process::CommandExt;
        prepare(command, ground)?;
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Waits until so many files are archived, and returns when the last was.
    pub fn wait_for(&mut self, arrivals: &mut Arrivals, files: usize, ground: &Ground) -> Outcome<Instant> {
        let waited = arrivals.wait_for(files, || matches!(self.child.try_wait(), Ok(Some(_))));
        waited.map_err(|error| format!("{error}; {}", ground.last_words()).into())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> Outcome<()> {
        self.signal(Signal::TERM);
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs it over a backlog of small files until the last one is archived.
pub fn run_until_archived(command: &mut Command, ground: &Ground, files: usize) -> Outcome<Duration> {
    let mut arrivals = Arrivals::watch(&ground.archive(), files)?;
    let begun = Instant::now();
    let mut running = Running::start(command, ground)?;
    let last = running.wait_for(&mut arrivals, files, ground)?;
    running.stop()?;
    Ok(last - begun)
}

/// What a program said that was to succeed.
pub fn ended_well(status: ExitStatus, ground: &Ground) -> Outcome<()> {
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}; {}", ground.last_words()).into()) }
}

/// Where a program is, if it is installed.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}

fn prepare(command: &mut Command, ground: &Ground) -> Outcome<()> {
    let log = File::options().create(true).append(true).open(ground.log())?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).env_remove("NOTIFY_SOCKET");
    Ok(())
}
