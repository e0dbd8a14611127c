//! import: a file's rows into a database table, all of them or none, once.
//!
//! ```text
//! file ─ bytes ─ unpack ─ text ─ source ─ reader ─┬─ csv (scanner) ─┬─ record ─ check ─ Checked ─┬─ insert ─ table
//!        hash    gzip,    UTF-8  window           ├─ ndjson ────────┤    │  header, layout, value └─ marker
//!                zstd                             └─ json (object) ─┘    └─ infer: when there is no table yet
//!        └─────────────────── process: in memory ────────────────────────────┘└─ commit: one transaction ─┘
//!        └─────── ahead, where it is large: a thread of its own ────┘
//! ```
//!
//! **Replayed, a file replaces itself**: the rows and the marker of its earlier number go in the transaction in which
//! the new ones come (`replace`).
//!
//! **The table is the contract.** A file is matched with its columns by name and checked against their types
//! before SQLite sees a value; where the table isn't there, the first file that has rows makes it. A
//! file of zero bytes, or with no row below its header, is a success with 0 rows that touches no table.
//!
//! **Every row says where it came from**: tables that we make have `_file_id` and `_line`. A table that the user made
//! without these two is filled without them; its files can still be found in `_importerd_files`, their rows
//! can't.
//!
//! **A target is a port** (`target`): what decides about a load stands in `commit` and `replace`, once for all databases.
//!
//! **What doesn't fit refuses its file**, or is left out of it, within `import.rejects`, and kept beside the load marker
//! with its text (`reject`). Whether the next record can still be read is known to the readers: else it is the file's fault.
//!
//! **What would become of a file** can be asked without any of it (`trial`): the same check, and one more reading for what
//! is told of the columns (`why`).
//!
//! **Memory is flat**: a record is bounded, the rows kept until commit are bounded, and a file with more is
//! read a second time inside the transaction.
//!
//! **A large file takes two threads**: one reads it, takes it apart and types it ahead of the other, which inserts its rows
//! (`ahead`). Nothing but that thread knows of it. Before, when nothing is inserted, two look through it (`halves`).

mod bytes;
mod content;
mod source;
mod text;
mod unpack;

mod ahead;
mod csv;
mod dialect;
mod guess;
mod halves;
mod header;
mod json;
mod ndjson;
mod object;
mod plain;
mod reader;
mod record;
mod reject;
mod scanner;

mod bounds;
mod infer;
mod literal;
mod reading;
mod shown;
mod value;

mod check;
mod layout;
mod recheck;
mod rows;
mod table;

mod commit;
mod contract;
mod lately;
mod marker;
mod mode;
mod postgres;
mod replace;
mod sqlite;
mod target;
mod targets;

mod trial;
mod why;

#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use check::Checked;
pub use marker::{Counted, Marker, Newest, emptied};
pub use mode::{Effect, Written};
pub use postgres::Hindrance;
pub use recheck::Recheck;
pub use reject::Rejected;
pub use rows::KEPT_BYTES_MAX;
pub use source::RECORD_BYTES_MAX;
pub use sqlite::BRING_BACK;
pub use target::{Markers, Target};
pub use targets::{Place, Targets};
pub use text::is_utf8;
pub use trial::{Column as TriedColumn, Dialect as TriedDialect, ReadAs, Subject, Trial};

use crate::fault::{Fault, Reason};
use crate::file::{FileId, Identity};
use crate::settings::{self, NewColumns};
use check::Content;
use infer::Inferred;
use layout::{Layout, NEW_COLUMN, to_take};
use reader::Reader;
use table::{AsMade, Maker, Table};

/// How one folder imports. Shared by all Processors.
pub struct Import {
    folder: String,
    table: String,
    /// How files are read.
    settings: Arc<settings::Import>,
    target: Arc<dyn Target>,
    /// The delimiter of this folder's files, from the first that was committed.
    delimiter: Mutex<Option<u8>>,
    /// The layout of the last file: the next one's, most of the time.
    layout: Mutex<Option<Arc<Layout>>>,
    /// The table, and when it was looked at.
    seen: Mutex<Option<(Instant, Arc<Table>)>>,
    /// The last batch had a load that could not go in.
    is_wary: AtomicBool,
}

/// How long files are checked against a table without a look whether it is still the same.
const LATELY: Duration = Duration::from_millis(100);

/// A checked file, to be committed.
#[derive(Debug)]
pub struct Load {
    /// The ledger's number; its rows carry it as `_file_id`.
    pub id: FileId,
    /// What it is called.
    pub name: OsString,
    /// Which file it is.
    pub identity: Identity,
    /// Its bytes, sealed.
    pub file: Arc<File>,
    /// What process found.
    pub checked: Checked,
    /// Which files count as already imported.
    pub duplicates: settings::Duplicates,
    /// The file whose rows are to give way to these, in the same transaction.
    pub replaces: Option<FileId>,
}

/// What became of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its rows and its marker are durably in.
    Loaded {
        /// How many rows.
        rows: u64,
        /// How many didn't fit, and it is in without them.
        rejects: u64,
        /// What else became of the table.
        effect: Effect,
    },
    /// The same, and those of an earlier number are gone with its marker.
    Replaced {
        /// How many rows.
        rows: u64,
        /// How many didn't fit.
        rejects: u64,
        /// What else became of the table.
        effect: Effect,
        /// How many there were before.
        rows_before: u64,
        /// Whether the file's bytes are others than then.
        changed: bool,
    },
    /// Nothing was done: by the folder's policy it is in already.
    Duplicate {
        /// The first one.
        of: Marker,
    },
    /// Nothing of it is in, and its batch went on without it. The fault's class says what is next.
    Refused(Fault),
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = (&self.folder, &self.table, self.target.place());
        f.debug_tuple("Import").field(&target).finish()
    }
}

impl Import {
    /// For one folder, into this database.
    ///
    /// # Errors
    ///
    /// [`Fault::Fatal`] for a table name that is SQLite's or ours.
    pub fn new(folder: &str, settings: &settings::Import, target: Arc<dyn Target>) -> Result<Self, Fault> {
        check_table_name(folder, &settings.table)?;
        Ok(Self {
            folder: folder.to_owned(),
            table: settings.table.clone(),
            settings: Arc::new(settings.clone()),
            target,
            delimiter: Mutex::new(None),
            layout: Mutex::new(None),
            seen: Mutex::new(None),
            is_wary: AtomicBool::new(false),
        })
    }

    /// As [`Self::new`], into the database file at this absolute path, which no other folder uses.
    ///
    /// # Errors
    ///
    /// Also when the database can't be opened.
    pub fn open(folder: &str, settings: &settings::Import, database: &Path) -> Result<Self, Fault> {
        Self::new(folder, settings, Targets::default().open(&Place::Sqlite(database.to_owned()))?)
    }

    /// Reads the file from its start to its end and checks every row against the table, or finds the table that it
    /// needs. Changes nothing outside memory.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`] with the place of the first row that doesn't fit.
    pub fn process(&self, file: &File, name: &OsStr) -> Result<Checked, Fault> {
        let (table, checked) = match self.lately_seen() {
            None => {
                let table = self.look()?;
                let checked = self.check(file, name, table.as_ref())?;
                (table, checked)
            }
            Some(table) => match self.check(file, name, Some(&table)) {
                Ok(checked) => (Some(table), checked),
                Err(fault) => {
                    // No file is refused for what the table was.
                    let now = self.look()?;
                    if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &table)) {
                        return Err(fault);
                    }
                    let checked = self.check(file, name, now.as_ref())?;
                    (now, checked)
                }
            },
        };
        if let (Content::Rows { layout, .. }, Some(_)) = (&checked.content, table) {
            *lock(&self.layout) = Some(Arc::clone(layout));
        }
        Ok(checked)
    }

    /// The table, if somebody has looked just now. Commit knows whether it is still the same.
    fn lately_seen(&self) -> Option<Arc<Table>> {
        let seen = lock(&self.seen);
        seen.as_ref().filter(|(at, _)| at.elapsed() < LATELY).map(|(_, table)| Arc::clone(table))
    }

    fn look(&self) -> Result<Option<Arc<Table>>, Fault> {
        let table = self.target.table(&self.table)?;
        *lock(&self.seen) = table.clone().map(|table| (Instant::now(), table));
        Ok(table)
    }

    fn look_anew(&self, fault: Fault) -> Fault {
        *lock(&self.seen) = None;
        fault
    }

    /// Looks up whether a file found in active/ was imported, by this folder and its identity. With
    /// `duplicates = "allow"`, compare [`Marker::id`] too: an operator may have moved an archived file back.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    pub fn marker(&self, identity: &Identity) -> Result<Option<Marker>, Fault> {
        self.markers()?.by_identity(&self.folder, identity)
    }

    /// What the database is called in messages.
    #[must_use]
    pub fn place(&self) -> String {
        self.target.place()
    }

    /// The marker with this number, forgotten or not.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    pub fn marker_of(&self, id: FileId) -> Result<Option<Marker>, Fault> {
        self.markers()?.by_id(id)
    }

    /// The markers of this folder from a number on: what a ledger that lost its last entries has to learn.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    pub fn markers_from(&self, from: FileId) -> Result<Vec<Marker>, Fault> {
        self.markers()?.since(&self.folder, from)
    }

    /// Those of them with these numbers.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    pub fn markers_among(&self, ids: &[FileId]) -> Result<Vec<Marker>, Fault> {
        if ids.is_empty() { Ok(Vec::new()) } else { self.markers()?.among(&self.folder, ids) }
    }

    /// The markers of the target, in short. `None`: there are none.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    pub fn newest_marker(&self) -> Result<Option<Newest>, Fault> {
        self.markers()?.newest(&self.folder)
    }

    fn markers(&self) -> Result<Box<dyn Markers + '_>, Fault> {
        self.target.markers(&self.folder, &self.table)
    }

    /// The file's records, for this table where it is there.
    fn reader<'f>(
        &self,
        file: &'f File,
        name: &OsStr,
        delimiter: Option<u8>,
        table: Option<&Arc<Table>>,
    ) -> Result<Reader<'f>, Fault> {
        Reader::open(file, name, &self.settings, delimiter, table.map(Arc::as_ref))
    }

    /// Checks against this table. `None`: it isn't there.
    fn check(&self, file: &File, name: &OsStr, table: Option<&Arc<Table>>) -> Result<Checked, Fault> {
        let (delimiter, known) = (*lock(&self.delimiter), lock(&self.layout).clone());
        check(&self.settings, (file, name), delimiter, table, known, &*self.target)
    }
}

/// [`Fault::Fatal`] for a table name that is SQLite's or ours.
fn check_table_name(folder: &str, name: &str) -> Result<(), Fault> {
    let table = name.to_ascii_lowercase();
    let is_taken = ["sqlite_", marker::OURS].iter().any(|taken| table.starts_with(taken));
    if !table.is_empty() && !table.contains('\0') && !is_taken {
        return Ok(());
    }
    let text = format!("folder {folder}: no table can be called {}", shown::value(name));
    let hint = "names that start with sqlite_ or _importerd_ are taken";
    Err(Fault::Fatal(Reason::new("bad_table", text).hint(hint)))
}

/// Checks a file against this table. `None`: it isn't there. `delimiter` and `known`: of this folder's earlier files.
fn check(
    settings: &Arc<settings::Import>,
    (file, name): (&File, &OsStr),
    delimiter: Option<u8>,
    table: Option<&Arc<Table>>,
    known: Option<Arc<Layout>>,
    maker: &dyn Maker,
) -> Result<Checked, Fault> {
    let as_made: AsMade<'_> = &|kind| maker.as_made(kind);
    let open = |table: Option<&Arc<Table>>| Reader::open(file, name, settings, delimiter, table.map(Arc::as_ref));
    if let Some(table) = table {
        // Not the file's fault, and mended without it.
        reading::check(table, settings).map_err(Fault::World)?;
        let checked = match check::against(&mut open(Some(table))?, table, settings, known) {
            Err(Fault::Permanent(reason)) if reason.code == NEW_COLUMN && settings.new_columns == NewColumns::Add => {
                let wider = Arc::new(infer::widen(&mut open(Some(table))?, table, settings, as_made)?);
                let checked = check::against(&mut open(Some(&wider))?, &wider, settings, None)?;
                Checked { narrower: Some(Arc::clone(table)), ..checked }
            }
            Err(Fault::Permanent(reason))
                if reason.code == NEW_COLUMN && settings.new_columns == NewColumns::Refuse =>
            {
                return Err(match infer::widen(&mut open(Some(table))?, table, settings, as_made) {
                    Ok(wider) => Fault::Permanent(reason.hint(to_take(&maker.add_column_sql(table, &wider)))),
                    Err(Fault::Permanent(_)) => Fault::Permanent(reason),
                    Err(fault) => fault,
                });
            }
            checked => checked?,
        };
        return mode::refuse_empty(settings, &checked, table).map(|()| checked);
    }
    match infer::table(&mut open(None)?, settings, as_made)? {
        Inferred::Nothing(checked) | Inferred::Checked(checked) => Ok(checked),
        Inferred::Table(table) => {
            let checked = check::against(&mut open(Some(&table))?, &table, settings, None)?;
            Ok(Checked { new_table: true, ..checked })
        }
    }
}

/// Every mutex here guards something that is whole between two statements, so a panic elsewhere
/// while it was held leaves nothing half done: an open transaction was rolled back on unwinding.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
