//! The tables of load markers, of their hashes, and of what didn't fit, in SQLite: how they are made, and made complete
//! where an earlier version made them.

use rusqlite::{Connection, TransactionBehavior};

use super::hashes;

pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS _importerd_files (
        id INTEGER PRIMARY KEY,
        folder TEXT NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        blake3 TEXT NOT NULL,
        rows INTEGER NOT NULL,
        rejects INTEGER NOT NULL,
        table_name TEXT NOT NULL,
        committed_at TEXT NOT NULL,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        born_ns INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        replaces INTEGER,
        forgotten_at TEXT,
        header TEXT,
        mode TEXT
    );
    CREATE INDEX IF NOT EXISTS _importerd_files_identity ON _importerd_files (folder, inode, born_ns);
    CREATE INDEX IF NOT EXISTS _importerd_files_name ON _importerd_files (folder, name);
    CREATE TABLE IF NOT EXISTS _importerd_rejects (
        file_id INTEGER NOT NULL,
        line INTEGER,
        column_name TEXT,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        record TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS _importerd_rejects_file ON _importerd_rejects (file_id);";

/// Columns that tables made by earlier versions lack, and their types.
const ADDED: [(&str, &str); 4] =
    [("replaces", "INTEGER"), ("forgotten_at", "TEXT"), ("header", "TEXT"), ("mode", "TEXT")];

/// Whether there are tables, and that of the markers isn't among them. A database without any is one to begin with.
pub fn is_emptied(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 AND total(name = '_importerd_files') = 0 FROM sqlite_schema";
    connection.query_row(sql, (), |row| row.get(0))
}

/// Makes the tables when they aren't there, or adds what older ones lack.
pub fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    if lacking(connection)?.is_empty() && hashes::are_whole(connection)? {
        return Ok(());
    }
    // Another connection may be about to do the same.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, kind) in lacking(&transaction)? {
        transaction.execute_batch(&format!("ALTER TABLE _importerd_files ADD COLUMN {name} {kind}"))?;
    }
    if !hashes::are_whole(&transaction)? {
        hashes::make(&transaction)?;
    }
    transaction.commit()
}

pub(super) fn lacking(connection: &Connection) -> rusqlite::Result<Vec<(&'static str, &'static str)>> {
    let mut query = connection.prepare("SELECT name FROM pragma_table_info('_importerd_files')")?;
    let there: Vec<String> = query.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(ADDED.into_iter().filter(|(name, _)| !there.iter().any(|there| there == name)).collect())
}
