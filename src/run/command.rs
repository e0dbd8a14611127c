//! One attempt: the command of a folder, run on one file.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::results::Produced;
use super::running::{Running, Turn};
use super::staging::{self, Input, Staging};
use super::supervise::{self, Ended};
use super::verdict::{self, End};
use super::{argv, environment, orphans};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::settings;

/// The command of a folder.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<String>,
    timeout: Duration,
    running: Arc<Running>,
}

/// One file for a command.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Its number in the ledger.
    pub id: FileId,
    /// The name of its folder.
    pub folder: &'a str,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Its name, as the uploader chose it.
    pub name: &'a OsStr,
    /// Where it lies since it was claimed. Absolute.
    pub path: &'a Path,
    /// Where the attempt works: a directory of this file's own, on the filesystem of results/.
    /// Absolute. Its parent exists; it need not.
    pub staging: &'a Path,
}

/// What became of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What was produced, not yet durable; or why nothing was.
    pub outcome: Result<Produced, Fault>,
    /// How the command ended. `None`: it never started.
    pub end: Option<End>,
    /// The last [`STDERR_TAIL_BYTES_MAX`](super::STDERR_TAIL_BYTES_MAX) bytes of its standard error.
    pub stderr_tail: Vec<u8>,
}

impl Attempt {
    fn not_started(fault: Fault) -> Self {
        Self { outcome: Err(fault), end: None, stderr_tail: Vec::new() }
    }
}

impl Command {
    /// The command of a folder's settings, listed in `running` while it runs.
    #[must_use]
    pub fn new(run: &settings::Run, running: Arc<Running>) -> Self {
        Self { argv: run.command.clone(), timeout: run.timeout, running }
    }

    /// Runs the command on one file, to its end. Blocks.
    ///
    /// Nothing changes but `job.staging`, which is made empty first. When this returns, the command
    /// and its process group are gone; after a fault everything that it started is gone, and so is
    /// staging.
    #[must_use]
    pub fn process(&self, job: &Job<'_>) -> Attempt {
        // Held to the very end: who abandons everything waits for the clearing up as well.
        let Some(turn) = self.running.enter(job) else { return Attempt::not_started(verdict::abandoned()) };
        match self.run(job, &turn) {
            Ok((input, staging, ended)) => {
                let outcome = self.conclude(job, &input, staging, &ended);
                Attempt { outcome, end: Some(ended.end), stderr_tail: ended.stderr_tail }
            }
            Err(fault) => Attempt::not_started(fault),
        }
    }

    fn run<'a>(&self, job: &Job<'a>, turn: &Turn<'_>) -> Result<(Input<'a>, Staging<'a>, Ended), Fault> {
        let (program, arguments) =
            self.argv.split_first().ok_or_else(|| Fault::world("command_missing", "the command is empty"))?;
        let input = Input::at(job.path)?;
        let staging = Staging::fresh(job.staging)?;
        staging.note(&input)?;
        let mut command = process::Command::new(program);
        command
            .args(argv::filled(arguments, job.path, job.name))
            .current_dir(staging.work())
            .stdin(Stdio::null())
            .stdout(staging.stdout()?);
        environment::set(&mut command, job);
        let ended =
            supervise::run(&mut command, self.timeout, turn).map_err(|error| verdict::of_start(program, &error))?;
        Ok((input, staging, ended))
    }

    fn conclude(
        &self,
        job: &Job<'_>,
        input: &Input<'_>,
        staging: Staging<'_>,
        ended: &Ended,
    ) -> Result<Produced, Fault> {
        let verdict = verdict::of(ended.end, &ended.stderr_tail, self.timeout);
        let outcome = match verdict {
            Ok(()) => {
                // Nothing may still be writing to what is published.
                ended.left_behind.map_or(Ok(()), orphans::end_group)?;
                staging.harvest(job.name)
            }
            Err(Fault::Deferred { reason, charged: true }) => Err(unless_full(staging.obstacle(), reason)),
            Err(fault) => Err(fault),
        };
        if outcome.is_err() {
            // Nothing at all may be running if the command is started again.
            orphans::end_rest_of(job.path, job.staging)?;
        }
        let is_there = input.bring_back(job.staging)?;
        outcome.map_err(|fault| {
            // Only room is lost if this does not work: the next attempt removes it or says why not.
            let _ = staging::discard(job.staging);
            if is_there { fault } else { input_gone(&fault) }
        })
    }
}

/// faults 68, 69, 72: what fails where nothing can be written is not the file's fault.
fn unless_full(obstacle: Option<io::Error>, reason: Reason) -> Fault {
    match obstacle {
        None => Fault::Deferred { reason, charged: true },
        Some(error) => {
            let fault =
                Fault::io(format_args!("nothing can be written where the command works ({})", reason.text), &error);
            fault.with_hint("free space on the filesystem of the folder, raise the quota, or make it writable")
        }
    }
}

/// The file can't be tried again.
fn input_gone(fault: &Fault) -> Fault {
    let text = format!("the command moved or removed the file and then failed: {fault}");
    Fault::Permanent(Reason::new("input_gone", text).hint("a command must leave {path} where it is"))
}
