//! Numbers for files: small, rising, and never given out twice, even after a power cut.
//!
//! The ledger reserves a block at a time, durably; so a number costs no flush of its own, and a crash
//! wastes at most a block.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

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
