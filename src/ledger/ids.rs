//! Numbers for files: small, rising, and never given out twice, even after a power cut.
//!
//! The ledger reserves a block at a time, durably; so a number costs no flush of its own, and a crash
//! wastes at most a block.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::{Durability, Ledger, counter};
use crate::fault::Fault;
use crate::file::FileId;

const BLOCK: i64 = 1_024;

/// The numbers that are reserved and not given out yet.
#[derive(Debug, Default)]
pub(super) struct Ids(Mutex<Range<i64>>);

impl Ids {
    /// The next number; `reserve` is asked for a block when none is left.
    pub(super) fn next(&self, reserve: impl FnOnce() -> rusqlite::Result<Range<i64>>) -> rusqlite::Result<FileId> {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if block.is_empty() {
            *block = reserve()?;
        }
        let id = block.start;
        block.start += 1;
        Ok(FileId(id))
    }

    /// The number that is given out next, if it is one of those that are reserved.
    pub(super) fn next_up(&self) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).start
    }

    /// Drops reserved numbers up to this one.
    pub(super) fn forget_up_to(&self, id: FileId) {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        block.start = block.start.max(id.0 + 1).min(block.end.max(block.start));
    }
}

/// What the folders remember.
impl Ledger {
    /// Every number of a file of this folder is below this, as it was told to remember. `None`: it was not yet told
    /// anything by this ledger, or by an earlier version.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn folder_below(&self, folder: &str) -> Result<Option<i64>, Fault> {
        self.read(|connection| folder_below(connection, folder))
    }

    /// Enters, durably, what the folder is told to remember next: one that remembers more than that has seen a later state of
    /// this ledger.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn set_folder_below(&self, folder: &str, below: i64) -> Result<(), Fault> {
        self.write(Durability::Flushed, |transaction| counter::raise(transaction, &of_folder(folder), below))
    }
}

/// See [`Ledger::folder_below`].
pub(super) fn folder_below(connection: &Connection, folder: &str) -> rusqlite::Result<Option<i64>> {
    counter::get(connection, &of_folder(folder))
}

fn of_folder(folder: &str) -> String {
    format!("below {folder}")
}

/// Reserves a block.
pub(super) fn reserve(connection: &Connection) -> rusqlite::Result<Range<i64>> {
    let end: i64 = connection.query_row(
        "UPDATE counter SET value = value + ? WHERE name = 'next_id' RETURNING value",
        [BLOCK],
        |row| row.get(0),
    )?;
    Ok(end - BLOCK..end)
}

/// Every number that was ever reserved is below this.
pub(super) fn reserved_below(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT value FROM counter WHERE name = 'next_id'", [], |row| row.get(0))
}

/// Never reserves a number up to this one.
pub(super) fn skip_past(connection: &Connection, id: FileId) -> rusqlite::Result<()> {
    connection.execute("UPDATE counter SET value = max(value, ? + 1) WHERE name = 'next_id'", [id.0])?;
    Ok(())
}
