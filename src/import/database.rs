//! The SQLite file that rows go into: one writer, one reader, and what its errors mean.
//!
//! WAL and `synchronous=FULL`: what is committed is on disk, and others may query while it
//! imports. Our own threads wait for each other at a mutex, never at SQLite's lock; that one is
//! waited for only when another program holds it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::marker;
use super::table::Table;
use crate::fault::Fault;
use crate::pulse;
use crate::room;

/// How long another program may hold the file locked before the folder is held.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often who waits for a connection gives a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Prepared statements kept per connection: about ten of ours, and one for every layout in use.
const STATEMENTS_MAX: usize = 64;

/// The database files in use, each opened once however many folders import into it.
#[derive(Default)]
pub struct Databases {
    open: Mutex<HashMap<PathBuf, Arc<Database>>>,
}

impl Databases {
    /// The database at this absolute path; opened, and made when missing, on first use.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be opened or written, or is no SQLite database.
    pub fn open(&self, path: &Path) -> Result<Arc<Database>, Fault> {
        let mut open = lock(&self.open);
        if let Some(database) = open.get(path) {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(Database::open(path)?);
        // Another path may lead to the same file.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let database = Arc::clone(open.entry(real).or_insert(database));
        open.insert(path.to_owned(), Arc::clone(&database));
        Ok(database)
    }
}

/// One database file.
pub struct Database {
    path: PathBuf,
    writer: parking_lot::Mutex<Held>,
    reader: parking_lot::Mutex<Held>,
    tables: Mutex<HashMap<String, Seen>>,
}

/// The code of a fault that says that nothing can be written.
const READ_ONLY: &str = "read_only";

/// That of no file.
const NO_FILE: (u64, u64) = (0, 0);

/// A connection, and the file (device, inode) that it holds open.
struct Held {
    connection: Connection,
    file: (u64, u64),
}

/// A table as it stood at a version of the schema.
#[derive(Clone)]
pub struct Seen {
    version: i64,
    table: Option<Arc<Table>>,
}

impl Database {
    fn open(path: &Path) -> Result<Self, Fault> {
        let writer = Held::open(path)?;
        let reader = Held::open(path)?;
        let [writer, reader] = [writer, reader].map(parking_lot::Mutex::new);
        Ok(Self { path: path.to_owned(), writer, reader, tables: Mutex::default() })
    }

    /// Runs with the writing connection, alone.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut held = self.checked(&self.writer)?;
        let written = work(&mut held.connection);
        if matches!(&written, Err(Fault::World(reason)) if reason.code == READ_ONLY) {
            // What SQLite can't open for writing, be it for a moment, it opens for reading, and leaves it at that.
            // Both are closed before one is opened: they share the index of the log. fault 84
            held.close();
            self.reader.lock().close();
        }
        written
    }

    /// Runs with the reading connection; what it sees is committed.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        work(&self.checked(&self.reader)?.connection).map_err(|error| self.fault(&error))
    }

    /// The table as committed. `None`: it isn't there.
    pub(super) fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        self.read(|connection| {
            if let Some(seen) = self.still_seen(name, schema_version(connection)?) {
                return Ok(seen.table);
            }
            let transaction = connection.unchecked_transaction()?;
            let seen = Seen::now(&transaction, name)?;
            lock(&self.tables).insert(name.to_owned(), seen.clone());
            Ok(seen.table)
        })
    }

    /// The table as a transaction sees it, which may have changed it. `seen`: what this transaction saw of
    /// it before. Nothing of it is remembered beyond: the transaction may be rolled back.
    pub(super) fn table_within(
        &self,
        connection: &Connection,
        name: &str,
        seen: &mut Option<Seen>,
    ) -> Result<Option<Arc<Table>>, Fault> {
        let now = self.seen_within(connection, name, seen.take()).map_err(|error| self.fault(&error))?;
        Ok(seen.insert(now).table.clone())
    }

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
        match file_at(&self.path) {
            Ok(file) if file == held.file => {}
            Ok(_) => {
                // Closing the old one leaves the new file's write-ahead log alone: SQLite sees that
                // its own file was moved.
                *held = Held::open(&self.path)?;
                lock(&self.tables).clear();
            }
            Err(error) => return Err(gone(&self.path, &error)),
        }
        Ok(held)
    }

    /// What this error of the database means for the file in hand.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> Fault {
        fault(&self.path, error)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Held {
    /// Closed, until it is wanted again.
    fn close(&mut self) {
        if let Ok(none) = Connection::open_in_memory() {
            *self = Self { connection: none, file: NO_FILE };
        }
    }

    fn open(path: &Path) -> Result<Self, Fault> {
        let connection = connect(path).map_err(|error| fault(path, &error))?;
        let file = file_at(path).map_err(|error| gone(path, &error))?;
        Ok(Self { connection, file })
    }
}

impl Seen {
    fn now(connection: &Connection, name: &str) -> rusqlite::Result<Self> {
        let version = schema_version(connection)?;
        let table = Table::read(connection, name)?.map(Arc::new);
        Ok(Self { version, table })
    }
}

/// Every mutex here guards something that is whole between two statements, so a panic elsewhere
/// while it was held leaves nothing half done: an open transaction was rolled back on unwinding.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    marker::prepare(&mut connection)?;
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
    Fault::io(format_args!("the database {}", path.display()), error)
        .with_hint("put it back, or restart importerd to make a new one")
}

/// The one place that says what an error of SQLite means.
fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    let at = path.display();
    let Some(code) = error.sqlite_error_code() else {
        return Fault::world("target", format!("the database {at}: {error}"));
    };
    let world = |code, hint: &str| Fault::world(code, format!("the database {at}: {}", message(error))).with_hint(hint);
    match code {
        ErrorCode::ConstraintViolation => Fault::permanent("constraint", message(error)),
        ErrorCode::TooBig | ErrorCode::TypeMismatch => Fault::permanent("value", message(error)),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            let text = format!("the database {at} is locked by another program for more than {LOCK_WAIT:?}");
            Fault::world("target_locked", text).with_hint("end that program's transaction")
        }
        ErrorCode::DiskFull => world("disk_full", "free some space"),
        ErrorCode::ReadOnly => world(READ_ONLY, "make the file, its directory and its filesystem writable"),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            world("no_permission", "give the daemon's user the right to write it")
        }
        ErrorCode::CannotOpen => world("target_missing", "make the directory, and let the daemon's user write in it"),
        ErrorCode::NotADatabase => world("not_a_database", "move that file away, or import into another one"),
        ErrorCode::DatabaseCorrupt => world("target_corrupt", "restore it from a backup, or try sqlite3 FILE .recover"),
        ErrorCode::SystemIoFailure => match room::obstacle_beside(path) {
            Some(obstacle) => Fault::io(format_args!("the database {at}"), &obstacle)
                .with_hint("free some space, or make its filesystem writable; the kernel's log has the disk's errors"),
            None => world("io", "see the kernel's log for the disk's errors"),
        },
        ErrorCode::ApiMisuse | ErrorCode::InternalMalfunction => {
            Fault::fatal("target", format!("the database {at}: {}", message(error)))
        }
        _ => world("target", "see the message; a trigger or a view of the table may be broken"),
    }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
