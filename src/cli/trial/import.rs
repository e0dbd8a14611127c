//! A folder that imports: the file against its table.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::check::rights;
use super::super::complaint::Complaint;
use super::super::found::place;
use super::super::rejects::ONE_COLUMN;
use super::super::shell::quoted;
use super::super::surroundings::{Daemon, Surroundings};
use super::{Answer, Done, Refusal, Verdict};
use crate::exit;
use crate::fault::{Fault, Reason, if_there};
use crate::file::FileId;
use crate::import::{Place, ReadAs, Subject, Trial, TriedColumn};
use crate::ledger::State;
use crate::log::escape;
use crate::settings::{self, Duplicates, Folder};
use crate::stages;

/// What would happen in the database.
#[derive(Debug, Serialize)]
pub(super) struct Import {
    /// Null: it can't be read as anything.
    pub read_as: Option<ReadAs>,
    /// As far as it could be read.
    pub columns: Vec<TriedColumn>,
    /// How many rows fit; null: it can't be read to its end.
    pub rows: Option<u64>,
    /// How many don't.
    pub rejects: u64,
    /// The first of them.
    pub rejected: Vec<Rejected>,
    /// The database's file.
    pub database: String,
    pub database_is_there: bool,
    pub table: String,
    pub table_is_there: bool,
    /// The statement that would be run to make the table.
    pub create_table: Option<String>,
    /// What would become of the rows that are there: `append`, `replace`, `upsert`, `insert`.
    pub mode: &'static str,
    /// How many rows would go in.
    pub rows_added: u64,
    /// What could not be tried.
    pub notes: Vec<String>,
}

/// A row that doesn't fit.
#[derive(Debug, Serialize)]
pub(super) struct Rejected {
    pub line: Option<u64>,
    pub column: Option<String>,
    pub code: String,
    pub text: String,
}

impl Answer {
    pub(super) fn try_import(
        &mut self,
        surroundings: &Surroundings,
        folder: &Folder,
        import: &settings::Import,
        file: &File,
        name: &OsStr,
    ) -> Result<(Verdict, u8), Complaint> {
        let state = &surroundings.directories.state;
        let place = stages::target(import, state);
        let database_is_there = is_there(&place, state)?;
        let subject = Subject { file, name, id: number(surroundings, folder, file, name)?, folder, import };
        let trial = Trial::of(subject, &place).map_err(|fault| complaint(&fault))?;
        self.duplicate_of = trial.duplicate_of.as_ref().map(|marker| Done {
            id: marker.id.0,
            name: escape(&marker.name),
            same: if folder.duplicates == Duplicates::ByName { "name" } else { "bytes" },
        });
        self.superseded_by = trial.superseded_by.map(|later| later.0);
        self.refused = trial.refused.as_ref().map(Refusal::from);
        let (verdict, exit) = self.outcome(Verdict::Imported);
        let notes = notes(surroundings, &trial, database_is_there);
        let added = if verdict == Verdict::Imported { trial.rows.unwrap_or_default() } else { 0 };
        self.import = Some(Import {
            read_as: trial.read_as,
            columns: trial.columns,
            rows: trial.rows,
            rejects: trial.rejects,
            rejected: trial.rejected.into_iter().map(Rejected::from).collect(),
            database: escape(place.to_string().as_ref()),
            database_is_there,
            table: import.table.clone(),
            table_is_there: trial.table_is_there,
            create_table: trial.create_table.filter(|_| verdict == Verdict::Imported),
            mode: import.mode.name(),
            rows_added: added,
            notes,
        });
        Ok((verdict, exit))
    }
}

impl From<crate::import::Rejected> for Rejected {
    fn from(rejected: crate::import::Rejected) -> Self {
        Self { line: rejected.line, column: rejected.column, code: rejected.code, text: rejected.reason }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Reason { line: self.line, column: self.column.clone(), ..Reason::new("", self.text.as_str()) }.fmt(f)
    }
}

/// The number of a file that was refused, or put off, and lies where the ledger says: tried again, it keeps it.
fn number(
    surroundings: &Surroundings,
    folder: &Folder,
    file: &File,
    name: &OsStr,
) -> Result<Option<FileId>, Complaint> {
    let Some(history) = &surroundings.history else { return Ok(None) };
    let this = file.metadata().map_err(|error| complaint(&Fault::unreadable(&error)))?;
    let lies_at = |path: PathBuf| {
        let is_it = |there: Metadata| (there.dev(), there.ino()) == (this.dev(), this.ino());
        path.file_name() == Some(name) && path.metadata().is_ok_and(is_it)
    };
    let refused = history.in_state(&folder.name, State::Quarantined)?;
    let refused = refused.iter().find(|row| place(folder, row).is_some_and(lies_at));
    // Another in its place is a new one.
    let put_off = history.in_state(&folder.name, State::Deferred)?;
    let put_off = put_off.iter().find(|row| row.identity.inode == this.ino() && lies_at(folder.inbox.join(&row.name)));
    Ok(refused.or(put_off).map(|row| row.id))
}

/// Whether the database is there, or would be made.
fn is_there(place: &Place, state: &Path) -> Result<bool, Complaint> {
    // A server that isn't there says so when it is asked.
    let Place::Sqlite(path) = place else { return Ok(true) };
    let unreadable = |error| complaint(&Fault::io(format_args!("the database {place}"), &error));
    if if_there(path.metadata()).map_err(unreadable)?.is_some() {
        return Ok(true);
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    // The daemon makes its own directory, and no other for a database.
    if rights::nearest(parent).1 && parent != state {
        let text = format!("the database's directory {} is missing", parent.display());
        return Err(Complaint::new(exit::UNAVAILABLE, text, format!("mkdir -p {}", quoted(parent))));
    }
    Ok(false)
}

fn complaint(fault: &Fault) -> Complaint {
    let reason = fault.reason();
    let code = if matches!(fault, Fault::Deferred { .. }) { exit::NOINPUT } else { exit::of(fault) };
    let next = reason.hint.clone().unwrap_or_else(|| "see what is wrong there: importerd check".to_owned());
    Complaint::new(code, reason.to_string(), next)
}

/// What the daemon asks, and a trial can't.
fn notes(surroundings: &Surroundings, trial: &Trial, database_is_there: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if trial.has_constraints {
        notes.push(
            "the table's keys, NOT NULLs, checks, expressions and triggers are only asked when rows go in".to_owned(),
        );
    }
    if trial.reads_itself {
        let text =
            "what is no JSON or XML, and a character that the database's encoding lacks, is only found when rows go in";
        notes.push(text.to_owned());
    }
    let dialect = trial.read_as.as_ref().and_then(|read_as| read_as.dialect.as_ref());
    let by_content = dialect.filter(|dialect| dialect.delimiter_by == "content");
    if database_is_there && surroundings.daemon != Daemon::Stopped {
        notes.extend(by_content.map(|dialect| match dialect.delimiter {
            Some(_) => "the running daemon refuses another delimiter than that of the folder's first file".to_owned(),
            None => ONE_COLUMN.to_owned(),
        }));
    }
    notes
}
