//! A folder that runs a command: how it would be called. It isn't.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use rustix::fs::Access;
use serde::Serialize;

use super::super::check::{rights, work};
use super::super::complaint::Complaint;
use super::super::shell::quoted;
use super::super::surroundings::Surroundings;
use super::{Answer, Done, Verdict};
use crate::exit;
use crate::fault::{Fault, Reason};
use crate::ledger::{Row, Same};
use crate::log::escape;
use crate::run::argv;
use crate::settings::{self, Duplicates, Folder};
use crate::stages;

/// How the command would be called.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    /// To be pasted into a shell, with the file where it would lie.
    pub command_line: String,
    /// Where the program lies. Null: it isn't there.
    pub program: Option<String>,
    /// Why it can't be run.
    pub fault: Option<String>,
}

impl Answer {
    pub(super) fn try_run(
        &mut self,
        surroundings: &Surroundings,
        folder: &Folder,
        run: &settings::Run,
        file: &File,
        name: &OsStr,
    ) -> Result<(Verdict, u8), Complaint> {
        self.duplicate_of = done_before(surroundings, folder, file, name)?.map(|row| Done {
            id: row.id.0,
            name: escape(&row.name),
            same: if folder.duplicates == Duplicates::ByName { "name" } else { "bytes" },
        });
        let (program, fault) = program(run);
        let held = fault.as_ref().map(|(_, code)| (Verdict::Held, *code));
        self.run =
            Some(Run { command_line: command_line(folder, run, name), program, fault: fault.map(|(text, _)| text) });
        Ok(match (self.outcome(Verdict::Run), held) {
            ((Verdict::Run, _), Some(held)) => held,
            (outcome, _) => outcome,
        })
    }
}

/// As it would be run by the first Processor.
fn command_line(folder: &Folder, run: &settings::Run, name: &OsStr) -> String {
    let Some((program, arguments)) = run.command.split_first() else { return String::new() };
    let path = folder.path.join("active").join("0").join(name);
    let arguments = argv::filled(arguments, &path, name);
    let words: Vec<String> = std::iter::once(quoted(program)).chain(arguments.iter().map(quoted)).collect();
    words.join(" ")
}

/// Where it lies, or why it can't be run and the exit code for that; as `check` says it.
fn program(run: &settings::Run) -> (Option<String>, Option<(String, u8)>) {
    let Some(program) = run.command.first() else { return (None, None) };
    if program.contains('/') && !Path::new(program).is_absolute() {
        return (
            None,
            Some(("it has a relative path, and commands start in an empty directory".to_owned(), exit::CONFIG)),
        );
    }
    let Some(path) = work::find(program) else {
        let place = if program.contains('/') { "there" } else { "in $PATH" };
        return (None, Some((format!("{program:?} is not {place}"), exit::CONFIG)));
    };
    let shown = escape(path.as_os_str());
    let fault = if path.is_dir() {
        Some((format!("{shown} is a directory"), exit::CONFIG))
    } else {
        let may = rights::may(&path, Access::EXEC_OK);
        may.err().map(|error| (format!("{shown}: {error}"), rights::code(&error)))
    };
    (Some(shown), fault)
}

fn done_before(
    surroundings: &Surroundings,
    folder: &Folder,
    file: &File,
    name: &OsStr,
) -> Result<Option<Row>, Complaint> {
    let Some(history) = &surroundings.history else { return Ok(None) };
    let same = match folder.duplicates {
        Duplicates::ByContent => Same::Bytes(stages::hash(file).map_err(|error| unreadable(&error))?),
        Duplicates::ByName => Same::Name(name),
        Duplicates::Allow => return Ok(None),
    };
    Ok(history.done_before(&folder.name, &same)?)
}

fn unreadable(error: &std::io::Error) -> Complaint {
    let reason: Reason = Fault::unreadable(error).reason().clone();
    Complaint::new(exit::NOINPUT, reason.to_string(), "see whether the disk is well")
}
