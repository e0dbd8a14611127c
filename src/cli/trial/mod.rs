//! `importerd try FILE`: what would become of a file in a folder, and why. Nothing is changed: not the file, not the
//! folder, not the ledger, not the target.

mod import;
mod page;
mod run;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Serialize;

use import::Import;
use run::Run;

use super::args::{Global, Try};
use super::complaint::{Complaint, told};
use super::page::print_json;
use super::surroundings::{Surroundings, filter, how_to_begin, typed};
use crate::exit;
use crate::fault::Reason;
use crate::log::escape;
use crate::settings::{Folder, Work};

/// What `try --json` prints: one object.
#[derive(Debug, Serialize)]
struct Answer {
    /// Its name, escaped.
    file: String,
    folder: String,
    /// Why a file of this name is never taken; null: it is.
    never_taken: Option<String>,
    /// The ending of the file beside it that says that it is ready, where the folder waits for one.
    ready_marker: Option<String>,
    /// For a folder that imports.
    import: Option<Import>,
    /// For a folder that runs a command.
    run: Option<Run>,
    /// The number of the later file that has replaced all rows.
    superseded_by: Option<i64>,
    /// The file that was done before.
    duplicate_of: Option<Done>,
    /// Why it would be refused.
    refused: Option<Refusal>,
    /// Whether a daemon runs that has other settings than those it was tried with.
    settings_changed: bool,
    verdict: Verdict,
    /// The exit code.
    exit: u8,
}

/// A file that was done before.
#[derive(Debug, Serialize)]
struct Done {
    id: i64,
    /// Escaped.
    name: String,
    /// How it is the same: `bytes` or `name`.
    same: &'static str,
}

/// Why a file would be refused.
#[derive(Debug, Serialize)]
struct Refusal {
    /// A stable word.
    code: &'static str,
    line: Option<u64>,
    column: Option<String>,
    text: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Its rows would go in.
    Imported,
    /// The command would be run.
    Run,
    /// It would be archived, and nothing else: a later file has replaced all rows.
    Superseded,
    /// It would be archived, and nothing else.
    Duplicate,
    /// It would go to quarantine.
    Refused,
    /// It would stay in the inbox.
    NotTaken,
    /// The folder would be held.
    Held,
}

impl From<&Reason> for Refusal {
    fn from(reason: &Reason) -> Self {
        let Reason { code, line, column, text, hint, .. } = reason.clone();
        Self { code, line, column, text, hint }
    }
}

/// `importerd try`
pub fn answer(global: &Global, file: &Try) -> u8 {
    told(show(global, file).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global, tried: &Try) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let folder = folder(&surroundings, tried.folder.as_deref())?;
    let file = open(&tried.file)?;
    let name = tried.file.file_name().unwrap_or(tried.file.as_os_str());
    let answer = Answer::of(&surroundings, folder, &file, name)?;
    if global.json {
        print_json(&answer)?;
    } else {
        answer.page().print()?;
    }
    Ok(answer.exit)
}

/// The one that is named, or the only one.
fn folder<'a>(surroundings: &'a Surroundings, named: Option<&str>) -> Result<&'a Folder, Complaint> {
    let folders = surroundings.folders(named)?;
    match folders[..] {
        [only] => Ok(only),
        [] => Err(Complaint::new(exit::USAGE, "there is no folder to try it with", how_to_begin())),
        _ => {
            let choices: Vec<_> = folders.iter().map(|folder| format!("--folder {}", folder.name)).collect();
            let text = "more than one folder could take it";
            Err(Complaint::new(exit::USAGE, text, format!("say which: {}", choices.join(" | "))))
        }
    }
}

/// To be read; a FIFO isn't waited for.
fn open(path: &Path) -> Result<File, Complaint> {
    let complaint = |error: &dyn std::fmt::Display| {
        let text = format!("{}: {error}", escape(path.as_os_str()));
        Complaint::new(exit::NOINPUT, text, "name a file that you may read")
    };
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| complaint(&error))?;
    let is_file = file.metadata().map_err(|error| complaint(&error))?.is_file();
    if is_file { Ok(file) } else { Err(complaint(&"it is no regular file, and those are never taken")) }
}

impl Answer {
    fn of(surroundings: &Surroundings, folder: &Folder, file: &File, name: &OsStr) -> Result<Self, Complaint> {
        let rule = filter(folder)?.rule_against(name);
        let mut answer = Self {
            file: escape(name),
            folder: folder.name.clone(),
            never_taken: rule.map(|rule| rule.to_string()),
            ready_marker: folder.ready_marker.clone(),
            import: None,
            run: None,
            superseded_by: None,
            duplicate_of: None,
            refused: None,
            settings_changed: surroundings.settings_changed,
            verdict: Verdict::NotTaken,
            exit: exit::DATAERR,
        };
        let (verdict, exit) = match &folder.work {
            Work::Import(import) => answer.try_import(surroundings, folder, import, file, name)?,
            Work::Run(run) => answer.try_run(surroundings, folder, run, file, name)?,
        };
        if answer.never_taken.is_none() {
            (answer.verdict, answer.exit) = (verdict, exit);
        }
        Ok(answer)
    }

    /// In the order in which the daemon asks.
    fn outcome(&self, otherwise: Verdict) -> (Verdict, u8) {
        match () {
            () if self.refused.is_some() => (Verdict::Refused, exit::DATAERR),
            () if self.superseded_by.is_some() => (Verdict::Superseded, exit::OK),
            () if self.duplicate_of.is_some() => (Verdict::Duplicate, exit::OK),
            () => (otherwise, exit::OK),
        }
    }
}
