//! A transaction on the writing connection.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, ffi, params_from_iter};

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::marker::Marker;
use super::super::reject::Rejects;
use super::super::table::{Table, identifier};
use super::super::target::{Insert, Transaction, Yielding};
use super::fault::{OTHER, READ_ONLY};
use super::hashes::Recent;
use super::insert::Inserting;
use super::markers::{self, Connected};
use super::{Database, Held, Seen, references, table};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::room;
use crate::settings::Tolerance;

/// A file takes at most so many times its bytes, as a rule: in its table, in indexes, and in the log.
const ROOM_TIMES: u64 = 16;

/// A compressed file may be smaller, and have as many rows.
const LARGE_BYTES_MIN: u64 = 16 << 20;

/// A transaction that is open.
pub(super) struct Open<'d> {
    database: &'d Database,
    held: parking_lot::MutexGuard<'d, Held>,
    /// The table that was asked for last. Nothing of it is remembered beyond: all may be rolled back.
    seen: Option<(String, Seen)>,
    /// The table that says which rows are of the last load, and that load.
    filled: Option<(Arc<Table>, FileId)>,
    /// References are looked at only at the end.
    is_deferred: bool,
    /// The connection is to be closed: SQLite said that it can't write, or doesn't find what it needs.
    is_of_no_use: Cell<bool>,
    /// It said that there is no room, and so did the disk.
    is_full: Cell<bool>,
}

impl<'d> Open<'d> {
    /// It is the only one: others wait until it is dropped.
    pub(super) fn begin(database: &'d Database, large: Option<u64>) -> Result<Self, Fault> {
        // That was of an earlier one.
        database.has_room_again.store(false, Ordering::Relaxed);
        let mut held = database.writer()?;
        if large.is_some_and(|bytes| may_fill(&database.path, bytes)) {
            // What the log grows by can be cut off again only when nothing before it waits to be written back.
            let _ = held.connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
        }
        let Held { connection, recent, .. } = &mut *held;
        recent.tidy(connection, &database.path);
        let [is_of_no_use, is_full] = [false; 2].map(Cell::new);
        let mut open = Self { database, held, seen: None, filled: None, is_deferred: false, is_of_no_use, is_full };
        open.execute("BEGIN IMMEDIATE", ())?;
        let Held { connection, recent, .. } = &mut *open.held;
        match recent.catch_up(connection) {
            Ok(()) => Ok(open),
            Err(error) => {
                // Somebody has restored a database of an earlier version into this one: opening it makes it complete.
                open.is_of_no_use.set(true);
                Err(open.fault(&error))
            }
        }
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        let executed = self.held.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        executed.map_err(|error| self.fault(&error))
    }

    fn ask<T: FromSql>(&self, sql: &str, parameter: Option<i64>) -> Result<T, Fault> {
        let query = self.held.connection.prepare_cached(sql);
        let found = query.and_then(|mut query| query.query_row(params_from_iter(parameter), |row| row.get(0)));
        found.map_err(|error| self.fault(&error))
    }

    /// A failed flush leaves it open whether the transaction is on disk: only the write-ahead log, read anew,
    /// can tell. After any other error it isn't: what SQLite has not rolled back, the transaction's drop does.
    fn commit_fault(&self, error: &rusqlite::Error) -> Fault {
        let fault = self.fault(error);
        match error.sqlite_error().map_or(0, |error| error.extended_code) {
            ffi::SQLITE_IOERR_FSYNC => {
                let hint = "restart importerd: the load markers then say what is in";
                Fault::Fatal(Reason::new("commit_unknown", fault.reason().text.clone()).hint(hint))
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY if self.is_deferred => self.of_lines(fault),
            _ => fault,
        }
    }

    /// The same of the rows of the last load that lack what they refer to; they would have been told one by one, had that not
    /// been put off.
    fn of_lines(&self, fault: Fault) -> Fault {
        let (Fault::Permanent(reason), Some((table, file))) = (&fault, &self.filled) else { return fault };
        let mut lacking = Rejects::new(Tolerance::NONE);
        let mut add = |line: u64| lacking.add(reason.clone().at_line(line));
        let found = references::each_lacking(&self.held.connection, table.name(), *file, &mut add);
        // Without one, or where it can't be asked, others refer to what is gone.
        found.ok().and_then(|()| lacking.check(0).err()).unwrap_or(fault)
    }
}

/// `FROM` these rows, and the parameter in it.
fn from(table: &Table, rows: Yielding) -> (String, Option<i64>) {
    let table = identifier(table.name());
    match rows {
        Yielding::All => (format!("FROM {table}"), None),
        Yielding::Of(file) => (format!("FROM {table} WHERE {} = ?", identifier(LINEAGE[0])), Some(file.0)),
    }
}

/// Of the schema, not of the world: a view, a name that a trigger can't bear.
fn of_the_schema(fault: Fault) -> Fault {
    match fault {
        Fault::World(reason) if reason.code == OTHER => Fault::Permanent(reason),
        fault => fault,
    }
}

/// Whether there may be no room for a file of so many bytes. Others wait for what is done about it.
fn may_fill(database: &Path, bytes: u64) -> bool {
    room::is_short_beside(database, bytes.max(LARGE_BYTES_MIN).saturating_mul(ROOM_TIMES))
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.held.connection.is_autocommit() {
            // What fails here ends with the connection.
            let _ = self.held.connection.execute_batch("ROLLBACK");
        }
        if self.is_full.get() {
            // The log keeps the room that it took; what fails here only leaves it so.
            let _ = self.held.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            self.database.has_room_again.store(room::is_back_beside(&self.database.path), Ordering::Relaxed);
        }
        if self.is_of_no_use.get() {
            self.database.close(&mut self.held);
        }
    }
}

impl Connected for Open<'_> {
    fn connection(&self) -> &Connection {
        &self.held.connection
    }

    fn recent(&self) -> Option<&Recent> {
        Some(&self.held.recent)
    }

    fn fault(&self, error: &rusqlite::Error) -> Fault {
        let fault = self.database.fault(error);
        if let Fault::World(reason) = &fault {
            self.is_of_no_use.set(self.is_of_no_use.get() || reason.code == READ_ONLY);
            // A bound that somebody has set for the database is met by every file.
            let is_full = || reason.is_no_room() && room::obstacle_beside(&self.database.path).is_some();
            self.is_full.set(self.is_full.get() || is_full());
            self.database.has_room_again.store(false, Ordering::Relaxed);
        }
        fault
    }
}

impl Transaction for Open<'_> {
    fn set_savepoint(&mut self) -> Result<(), Fault> {
        self.execute("SAVEPOINT load", ()).map(drop)
    }

    fn roll_back(&mut self) -> Result<(), Fault> {
        self.execute("ROLLBACK TO load", ()).map(drop)
    }

    fn release_savepoint(&mut self) -> Result<(), Fault> {
        self.execute("RELEASE load", ()).map(drop)
    }

    fn is_open(&self) -> bool {
        !self.held.connection.is_autocommit()
    }

    fn enter(&mut self, folder: &str, marker: &Marker) -> Result<bool, Fault> {
        let Held { connection, recent, .. } = &mut *self.held;
        let inserted = markers::insert(connection, recent, folder, marker);
        inserted.map_err(|error| self.fault(&error))
    }

    fn amend(&mut self, marker: &Marker) -> Result<(), Fault> {
        markers::amend(&self.held.connection, marker).map_err(|error| self.fault(&error))
    }

    fn remove(&mut self, id: FileId) -> Result<(), Fault> {
        markers::remove(&self.held.connection, id).map_err(|error| self.fault(&error))
    }

    fn forget(&mut self, folder: &str, id: FileId, now: &str) -> Result<(), Fault> {
        markers::forget(&self.held.connection, folder, id, now).map(drop).map_err(|error| self.fault(&error))
    }

    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, Fault> {
        let before = self.seen.take().filter(|(seen, _)| seen == name).map(|(_, seen)| seen);
        let now = self.database.seen_within(&self.held.connection, name, before);
        let now = now.map_err(|error| self.fault(&error))?;
        let table = now.table.clone();
        self.seen = Some((name.to_owned(), now));
        Ok(table)
    }

    fn make(&mut self, table: &Table) -> Result<(), Fault> {
        self.execute(&table::create_sql(table), ()).map(drop)
    }

    fn widen(&mut self, table: &Table, wider: &Table) -> Result<(), Fault> {
        for sql in table::add_column_sql(table, wider) {
            self.execute(&sql, ()).map_err(of_the_schema)?;
        }
        Ok(())
    }

    fn delete(&mut self, table: &Table, rows: Yielding) -> Result<u64, Fault> {
        let (from, file) = from(table, rows);
        let leads_on = references::lead_to(&self.held.connection, table.name());
        if !leads_on.map_err(|error| self.fault(&error))? {
            let deleted = self.execute(&format!("DELETE {from}"), params_from_iter(file));
            return deleted.map(|rows| rows as u64).map_err(of_the_schema);
        }
        // That defers what the new rows refer to as well: one that lacks it can't be left out then. Also where none is there to be
        // deleted: whether a file fits doesn't depend on that.
        self.execute("PRAGMA defer_foreign_keys = true", ())?;
        self.is_deferred = true;
        // Of rows that go with others of them, SQLite counts only these.
        let there: i64 = self.ask(&format!("SELECT count(*) {from}"), file)?;
        if there > 0 {
            self.execute(&format!("DELETE {from}"), params_from_iter(file)).map_err(of_the_schema)?;
        }
        Ok(there.cast_unsigned())
    }

    fn keeps(&mut self, table: &Table, rows: Yielding) -> Result<bool, Fault> {
        let (from, file) = from(table, rows);
        self.ask(&format!("SELECT EXISTS (SELECT 1 {from})"), file)
    }

    fn losing_with(&mut self, table: &Table, of: FileId) -> Result<Vec<String>, Fault> {
        let losing = references::losing_with(&self.held.connection, table.name(), Yielding::Of(of));
        losing.map_err(|error| self.fault(&error))
    }

    fn insert<'t>(&'t mut self, layout: &Layout, id: FileId) -> Result<Box<dyn Insert + 't>, Fault> {
        self.filled = Some((Arc::clone(layout.table()), id)).filter(|(table, _)| table.lineage());
        Ok(Box::new(Inserting::begin(self, layout, id)?))
    }

    fn commit(self: Box<Self>) -> Result<(), Fault> {
        self.held.connection.execute_batch("COMMIT").map_err(|error| self.commit_fault(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::target::Target;
    use super::*;

    #[test]
    fn only_where_room_may_be_short_a_large_file_waits_for_the_log_to_be_written_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.db");
        let database = Database::closed(&path).unwrap();
        database.open().unwrap();
        let size = || fs::metadata(&path).unwrap().len();
        let in_the_log = size();
        drop(Open::begin(&database, None).unwrap());
        assert_eq!(size(), in_the_log);
        drop(Open::begin(&database, Some(1)).unwrap());
        assert_eq!(size() > in_the_log, may_fill(&path, 1));
        drop(Open::begin(&database, Some(u64::MAX)).unwrap());
        assert!(size() > in_the_log);
    }

    #[test]
    fn what_room_an_earlier_transaction_left_says_nothing_of_one_that_does_not_begin() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::closed(&directory.path().join("gone/rows.db")).unwrap();
        database.has_room_again.store(true, Ordering::Relaxed);
        assert!(Open::begin(&database, None).is_err());
        assert!(!database.has_room_again());
    }
}
