//! One attempt: the command of a folder, run on one file.

use std::ffi::OsStr;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::input::{self, Input, Lies, Slot};
use super::results::Produced;
use super::running::{Running, Turn};
use super::staging::{self, Staging};
use super::supervise::{self, Ended};
use super::verdict::{self, End};
use super::{argv, environment, orphans, removal};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::room;
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
    /// Where it lies since it was claimed. Absolute. It is held open, so that no other file can have its inode.
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
    /// staging, and what it put beside its file. After [`REPLACED`](super::REPLACED) another file
    /// has the name of its own.
    #[must_use]
    pub fn process(&self, job: &Job<'_>) -> Attempt {
        // Held to the very end: who abandons everything waits for the clearing up as well.
        let Some(turn) = self.running.enter(job) else { return Attempt::not_started(verdict::abandoned()) };
        match self.run(job, &turn) {
            Ok((begun, ended)) => {
                let outcome = self.conclude(job, begun, &ended);
                Attempt { outcome, end: Some(ended.end), stderr_tail: ended.stderr_tail }
            }
            Err(fault) => Attempt::not_started(fault),
        }
    }

    fn run<'a>(&self, job: &Job<'a>, turn: &Turn<'_>) -> Result<(Begun<'a>, Ended), Fault> {
        let (program, arguments) =
            self.argv.split_first().ok_or_else(|| Fault::world("command_missing", "the command is empty"))?;
        let input = Input::at(job.path)?;
        let staging = Staging::fresh(job.staging)?;
        staging.note(&input)?;
        let slot = Slot::around(&input)?;
        let mut command = process::Command::new(program);
        command
            .args(argv::filled(arguments, job.path, job.name))
            .current_dir(staging.work())
            .stdin(Stdio::null())
            .stdout(staging.stdout()?);
        environment::set(&mut command, job);
        let ended =
            supervise::run(&mut command, self.timeout, turn).map_err(|error| verdict::of_start(program, &error))?;
        Ok((Begun { input, slot, staging }, ended))
    }

    fn conclude(&self, job: &Job<'_>, begun: Begun<'_>, ended: &Ended) -> Result<Produced, Fault> {
        let Begun { input, slot, staging } = begun;
        let outcome = match verdict::of(ended.end, &ended.stderr_tail, self.timeout) {
            Ok(()) => {
                // Who has left the group lives on: a server that it started, or a writer who is not to be waited for.
                ended.left_behind.map_or(Ok(()), orphans::end_group)?;
                take_stock(job, &input, &slot, staging)
            }
            // Asked before what it has written is gone.
            Err(Fault::Deferred { reason, charged: true }) => Err(unless_full(job, staging.obstacle(), reason)),
            Err(fault) => Err(fault),
        };
        let Err(fault) = outcome else { return outcome };
        let fault = if slot.open_up(job.staging)? { shut(fault) } else { fault };
        // Nothing at all may be running if the command is started again.
        orphans::end_rest_of(job.path, job.staging)?;
        slot.gather(job.staging)?;
        let (lies, replacement) = input.put_right(job.staging, &slot)?;
        // Who ended it is about to end: the next start undoes the attempt, and tells.
        if ended.end == End::Abandoned && lies != Lies::Here {
            return Err(fault);
        }
        let has_filled = is_no_room(&fault) && staging::room_taken(job.staging) >= room::ROOM_BACK_BYTES_MIN;
        let mut left = slot.clear(lies, job.staging)?;
        left.extend(replacement);
        // Only room is lost if this does not work: the next attempt removes it or says why not.
        let cleared = if lies == Lies::Here { removal::discard(job.staging) } else { removal::keep(job.staging) };
        left.extend(cleared.ok().flatten());
        let mut fault = match lies {
            Lies::Here if has_filled => unless_alone(job, fault),
            Lies::Here => fault,
            Lies::Nowhere => Fault::Permanent(input::gone(&fault)),
            Lies::Another => input::replaced(&fault),
        };
        if let Fault::Permanent(reason) | Fault::Deferred { reason, .. } = &mut fault {
            naming(reason, left.first().map(PathBuf::as_path));
        }
        Err(fault)
    }
}

/// What a command works with.
struct Begun<'a> {
    input: Input<'a>,
    slot: Slot<'a>,
    staging: Staging<'a>,
}

/// What a command that ended well has left, and whether it kept to what it may.
fn take_stock(job: &Job<'_>, input: &Input<'_>, slot: &Slot<'_>, staging: Staging<'_>) -> Result<Produced, Fault> {
    // As most leave it: nothing is out of its place, and all that there may be was printed.
    if staging.is_empty() && slot.is_as_before()? {
        return staging.produced(job.name, Vec::new(), 0);
    }
    slot.gather(job.staging)?;
    let produced = staging.harvest(job.name)?;
    input.check()?;
    input.part_from_results(job.staging, slot)?;
    slot.check()?;
    Ok(produced)
}

/// faults 68, 69, 72: what fails where nothing can be written is not the file's fault.
fn unless_full(job: &Job<'_>, obstacle: Option<io::Error>, reason: Reason) -> Fault {
    match obstacle {
        None => Fault::Deferred { reason, charged: true },
        Some(error) => {
            let what =
                format_args!("nothing can be written where the command works on {:?} ({})", job.name, reason.text);
            Fault::io(what, &error)
                .with_hint("free space on the filesystem of the folder, raise the quota, or make it writable")
        }
    }
}

/// What is met where the command has shut the directories that its file and its results lie in is its doing.
fn shut(fault: Fault) -> Fault {
    let hint = "a command must leave the directories that its file and its working directory lie in as they are";
    match fault {
        Fault::World(reason) if reason.code == "no_permission" => {
            Fault::Deferred { reason: reason.hint(hint), charged: true }
        }
        fault => fault,
    }
}

fn is_no_room(fault: &Fault) -> bool {
    matches!(fault, Fault::World(reason) if reason.is_no_room())
}

/// fault 68: where room is back with the end of an attempt that took much, it was the attempt that needed more than there
/// is; others go on.
fn unless_alone(job: &Job<'_>, fault: Fault) -> Fault {
    match fault {
        Fault::World(reason) if room::is_back_beside(job.staging) => reason.of_one_file(),
        fault => fault,
    }
}

/// With the place of what it left and is not removed.
pub(super) fn naming(reason: &mut Reason, left: Option<&Path>) {
    if let Some(path) = left {
        let _ = write!(reason.text, " (what it left lies in {})", path.display());
    }
}
