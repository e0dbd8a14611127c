//! A SQLite file that rows go into: one writer, one reader.
//!
//! WAL and `synchronous=FULL`: what is committed is on disk, and others may query while it
//! imports. Our own threads wait for each other at a mutex, never at SQLite's lock; that one is
//! waited for only when another program holds it.

mod contract;
mod fault;
mod hashes;
mod insert;
mod markers;
mod references;
mod schema;
mod table;
mod transaction;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::bounds::Bounds;
use super::contract::Contract;
use super::header::LINEAGE;
use super::lately::Lately;
use super::lock;
use super::marker::emptied;
use super::table::{Maker, Table, identifier};
use super::target::{Markers, Target, Transaction, Yielding};
use super::value::Type;
use crate::fault::Fault;
use crate::file::FileId;
use crate::ledger::read_only;
use crate::pulse;
use crate::write_back::Log;
use fault::{LOCK_WAIT, fault};
use hashes::Recent;
use markers::{Connected, NAME};
#[cfg(fuzzing)]
pub(super) use table::type_of;
pub(super) use table::{add_column_sql, as_made, create_sql, declared};
use transaction::Open;

/// How often who waits for a connection gives a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Prepared statements kept per connection: about ten of ours, and one for every layout in use.
const STATEMENTS_MAX: usize = 64;

/// What to do where a database is missing that files were imported into.
pub const BRING_BACK: &str =
    "mount its disk, or put it back; to begin with an empty one, put an empty file in its place";

/// One database file.
pub struct Database {
    path: PathBuf,
    writer: parking_lot::Mutex<Held>,
    reader: parking_lot::Mutex<Held>,
    tables: Mutex<HashMap<String, Seen>>,
    log: Log,
    /// It was there once, or files were imported into it: it isn't made anew.
    is_known: AtomicBool,
    /// Files count as imported into it: where others have tables, ours aren't made anew.
    expects_markers: AtomicBool,
    /// There was none for a transaction, and when that was undone, there was some.
    has_room_again: AtomicBool,
    /// Opening came to nothing.
    unopened: Lately,
}

/// That of no file.
const NO_FILE: (u64, u64) = (0, 0);

/// A connection, the file (device, inode) that it holds open, and which hashes are new there.
struct Held {
    connection: Connection,
    file: (u64, u64),
    recent: Recent,
}

/// A table as it stood at a version of the schema.
#[derive(Clone)]
struct Seen {
    version: i64,
    table: Option<Arc<Table>>,
}

impl Database {
    /// The file at this absolute path, opened, or made, by who wants it first.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: there is no memory.
    pub fn closed(path: &Path) -> Result<Self, Fault> {
        let held = || Held::closed().map(parking_lot::Mutex::new).map_err(|error| fault(path, &error));
        Ok(Self {
            path: path.to_owned(),
            writer: held()?,
            reader: held()?,
            tables: Mutex::default(),
            log: Log::default(),
            is_known: AtomicBool::new(false),
            expects_markers: AtomicBool::new(false),
            has_room_again: AtomicBool::new(false),
            unopened: Lately::default(),
        })
    }

    /// Opens it, or makes it.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be opened or written, or is no SQLite database.
    pub fn open(&self) -> Result<(), Fault> {
        drop(self.checked(&self.writer)?);
        self.checked(&self.reader).map(drop)
    }

    /// From now on it is not made anew.
    pub fn keep_from_being_made(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// From now on it is not made anew, and held where there are tables and no load markers among them.
    pub fn expect_markers(&self) {
        self.keep_from_being_made();
        self.expects_markers.store(true, Ordering::Relaxed);
    }

    /// The writing connection, for one transaction.
    fn writer(&self) -> Result<parking_lot::MutexGuard<'_, Held>, Fault> {
        self.checked(&self.writer)
    }

    /// As another program would that has the same connection.
    #[cfg(test)]
    pub(super) fn with_writer<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> Result<T, Fault> {
        Ok(work(&mut self.writer()?.connection))
    }

    /// What SQLite can't open for writing, be it for a moment, it opens for reading, and leaves it at that.
    /// Both are closed before one is opened: they share the index of the log. fault 84
    fn close(&self, writer: &mut Held) {
        writer.close();
        self.reader.lock().close();
    }

    /// The table as a transaction sees it, which may have changed it. `before`: what it saw of it before.
    fn seen_within(&self, connection: &Connection, name: &str, before: Option<Seen>) -> rusqlite::Result<Seen> {
        let version = schema_version(connection)?;
        match before.filter(|seen| seen.version == version).or_else(|| self.still_seen(name, version)) {
            Some(seen) => Ok(seen),
            None => Seen::now(connection, name),
        }
    }

    fn still_seen(&self, name: &str, version: i64) -> Option<Seen> {
        lock(&self.tables).get(name).filter(|seen| seen.version == version).cloned()
    }

    /// A connection to the file that has this path now. One that was deleted is not made anew under a running
    /// daemon: its load markers would be gone too.
    fn checked<'d>(&self, held: &'d parking_lot::Mutex<Held>) -> Result<parking_lot::MutexGuard<'d, Held>, Fault> {
        let mut held = loop {
            // Another Processor may have a file of hours in its transaction: who waits for it doesn't hang.
            match held.try_lock_for(BEAT_EVERY) {
                Some(held) => break held,
                None => pulse::beat(),
            }
        };
        let may_make = match file_at(&self.path) {
            Ok(file) if file == held.file => return Ok(held),
            Err(error) if self.is_known.load(Ordering::Relaxed) => return Err(gone(&self.path, &error)),
            // Who takes it away in this very moment has no other made in its place.
            found => found.is_err(),
        };
        // Closing the old one leaves the new file's write-ahead log alone: SQLite sees that its own file was moved.
        let expects_markers = self.expects_markers.load(Ordering::Relaxed);
        *held = self.unopened.attempt(|| Held::open(&self.path, may_make, expects_markers, &self.log))?;
        self.is_known.store(true, Ordering::Relaxed);
        lock(&self.tables).clear();
        Ok(held)
    }

    /// What this error of the database means for the file in hand.
    fn fault(&self, error: &rusqlite::Error) -> Fault {
        fault(&self.path, error)
    }
}

impl Maker for Database {
    fn as_made(&self, kind: Type) -> (Type, Bounds) {
        (as_made(kind), Bounds::Open)
    }

    fn add_column_sql(&self, table: &Table, wider: &Table) -> Vec<String> {
        add_column_sql(table, wider).collect()
    }
}

impl Target for Database {
    fn place(&self) -> String {
        place(&self.path)
    }

    fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        let reader = self.checked(&self.reader)?;
        let look = || {
            if let Some(seen) = self.still_seen(name, schema_version(&reader.connection)?) {
                return Ok(seen.table);
            }
            let transaction = reader.connection.unchecked_transaction()?;
            let seen = Seen::now(&transaction, name)?;
            lock(&self.tables).insert(name.to_owned(), seen.clone());
            Ok(seen.table)
        };
        look().map_err(|error| self.fault(&error))
    }

    fn losing_with(&self, name: &str, of: FileId) -> Result<Vec<String>, Fault> {
        let reader = self.checked(&self.reader)?;
        references::losing_with(&reader.connection, name, Yielding::Of(of)).map_err(|error| self.fault(&error))
    }

    fn markers(&self, _folder: &str, _table: &str) -> Result<Box<dyn Markers + '_>, Fault> {
        Ok(Box::new(Reading { database: self, held: self.checked(&self.reader)? }))
    }

    fn begin(&self, _folder: &str, _table: &str, large: Option<u64>) -> Result<Box<dyn Transaction + '_>, Fault> {
        Ok(Box::new(Open::begin(self, large)?))
    }

    fn has_room_again(&self) -> bool {
        self.has_room_again.load(Ordering::Relaxed)
    }

    fn write_back(&self, files: usize) {
        // Another file in its place has a log of its own.
        let is_same =
            self.reader.try_lock().is_some_and(|held| file_at(&self.path).is_ok_and(|file| file == held.file));
        if !is_same {
            return;
        }
        self.log.write_back(&self.path, files, |alone| {
            // Whoever writes just now finds the log long, and says so again.
            if let Some(writer) = self.writer.try_lock() {
                alone(&writer.connection);
            }
        });
    }
}

/// The reading connection.
struct Reading<'d> {
    database: &'d Database,
    held: parking_lot::MutexGuard<'d, Held>,
}

impl Connected for Reading<'_> {
    fn connection(&self) -> &Connection {
        &self.held.connection
    }

    fn fault(&self, error: &rusqlite::Error) -> Fault {
        self.database.fault(error)
    }
}

/// A database opened by somebody who only looks.
pub(super) struct Looked {
    connection: Connection,
    path: PathBuf,
}

impl Looked {
    /// Nothing is made or changed. `None`: there is no file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Fault> {
        match path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => match read_only::open(path) {
                Ok(opened) => Ok(Some(Self { connection: opened.connection, path: path.to_owned() })),
                Err(error) => Err(fault(path, &error)),
            },
            Err(error) => Err(Fault::io(place(path), &error)),
        }
    }

    /// The files that a table with lineage has rows of.
    pub(super) fn files_with_rows(&self, name: &str) -> Result<HashSet<FileId>, Fault> {
        let [table, file_id] = [name, LINEAGE[0]].map(identifier);
        let sql = format!("SELECT DISTINCT {file_id} FROM {table} WHERE typeof({file_id}) = 'integer'");
        let read = || -> rusqlite::Result<_> {
            self.connection.prepare(&sql)?.query_map((), |row| row.get(0).map(FileId))?.collect()
        };
        read().map_err(|error| self.fault(&error))
    }

    /// The table of this name.
    pub(super) fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        let table = table::read(&self.connection, name).map_err(|error| self.fault(&error))?;
        Ok(table.map(Arc::new))
    }

    /// What the table of this name says beyond its types; it is there.
    pub(super) fn contract(&self, name: &str) -> Result<Contract, Fault> {
        contract::read(&self.connection, name).map_err(|error| self.fault(&error))
    }

    /// The tables that lose something with the rows of this one.
    pub(super) fn losing_with(&self, name: &str) -> Result<Vec<String>, Fault> {
        references::losing_with(&self.connection, name, Yielding::All).map_err(|error| self.fault(&error))
    }

    /// Whether there are tables, and no load markers among them.
    pub(super) fn is_emptied(&self) -> Result<bool, Fault> {
        schema::is_emptied(&self.connection).map_err(|error| self.fault(&error))
    }

    /// Whether a file was ever imported into it.
    pub(super) fn has_markers(&self) -> Result<bool, Fault> {
        self.connection.table_exists(None, NAME).map_err(|error| self.fault(&error))
    }
}

impl Connected for Looked {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn fault(&self, error: &rusqlite::Error) -> Fault {
        fault(&self.path, error)
    }
}

/// As it is called in messages.
fn place(path: &Path) -> String {
    format!("the database {}", path.display())
}

impl Held {
    /// Closed, until it is wanted again.
    fn close(&mut self) {
        if let Ok(closed) = Self::closed() {
            *self = closed;
        }
    }

    fn closed() -> rusqlite::Result<Self> {
        Ok(Self { connection: Connection::open_in_memory()?, file: NO_FILE, recent: Recent::default() })
    }

    fn open(path: &Path, may_make: bool, expects_markers: bool, log: &Log) -> Result<Self, Fault> {
        let wrong = |error: rusqlite::Error| fault(path, &error);
        let mut connection = connect(path, may_make, log).map_err(wrong)?;
        if expects_markers && schema::is_emptied(&connection).map_err(wrong)? {
            return Err(emptied(&place(path)));
        }
        schema::prepare(&mut connection).map_err(wrong)?;
        let file = file_at(path).map_err(|error| gone(path, &error))?;
        Ok(Self { connection, file, recent: Recent::default() })
    }
}

impl Seen {
    fn now(connection: &Connection, name: &str) -> rusqlite::Result<Self> {
        let version = schema_version(connection)?;
        let table = table::read(connection, name)?.map(Arc::new);
        Ok(Self { version, table })
    }
}

fn connect(path: &Path, may_make: bool, log: &Log) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = if may_make { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    // A statement is planned once, not anew for each value that it is asked with.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    log.watch(&mut connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Grows with every change of any table.
fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA schema_version")?.query_row((), |row| row.get(0))
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn gone(path: &Path, error: &io::Error) -> Fault {
    Fault::io(format_args!("the database {}", path.display()), error).with_hint(BRING_BACK)
}
