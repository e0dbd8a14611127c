//! Which files have a hash: by its beginning, which tells it from nearly all others; the marker has the whole.
//!
//! A hash falls anywhere in an index, and so behind a long history each file would have a page of its own read and
//! written there. Here new ones are lined up at the end of a table, and remembered; when they are many, they are sorted in
//! among the older ones at once, and share pages. A file whose marker is gone may still stand here: who asks looks at the
//! marker.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::super::marker::Marker;
use super::fault::LOCK_WAIT;
use super::markers::first;
use crate::file::{Digest, FileId};
use crate::room;

/// So many are sorted in at once: twenty thousand a second arrive at best, and sorting them in takes a tenth of one.
const MANY: usize = 32_768;

/// The beginning of a hash.
type Start = [u8; 4];

/// A line of the table of new ones: its number, and what it says.
type Line = (i64, (Start, i64));

/// The new ones, as a connection remembers them. Some of them may never have been committed, or are sorted in.
pub struct Recent {
    files: BTreeSet<(Start, i64)>,
    /// The last line that was read. Once another stands in its place, all is read anew.
    last: Option<Line>,
    /// So many are to be sorted in.
    many: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { files: BTreeSet::new(), last: None, many: MANY }
    }
}

impl Recent {
    /// Reads what was committed since, by whom ever. Called at the beginning of each transaction, before it writes: what
    /// another one enters is not missed then, and what is undone not counted on.
    pub fn catch_up(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut query =
            connection.prepare_cached("SELECT n, start, file_id FROM _importerd_hashes_new WHERE n >= ? ORDER BY n")?;
        let mut read = |from: i64| -> rusqlite::Result<Vec<Line>> {
            query.query_map([from], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?.collect()
        };
        let mut lines = read(self.last.map_or(0, |(number, _)| number))?;
        if self.last.is_some() && lines.first() != self.last.as_ref() {
            *self = Self::default();
            lines = read(0)?;
        }
        self.last = lines.last().copied();
        self.files.extend(lines.into_iter().map(|(_, file)| file));
        Ok(())
    }

    /// Enters a file, in the transaction of its marker.
    pub fn enter(&mut self, connection: &Connection, digest: Digest, id: FileId) -> rusqlite::Result<()> {
        let file = (start(digest), id.0);
        let sql = "INSERT INTO _importerd_hashes_new (start, file_id) VALUES (?, ?)";
        connection.prepare_cached(sql)?.execute(file)?;
        self.files.insert(file);
        Ok(())
    }

    /// The new files that may have this hash, by their numbers.
    fn with(&self, digest: Digest) -> impl Iterator<Item = FileId> {
        let start = start(digest);
        self.files.range((start, i64::MIN)..=(start, i64::MAX)).map(|(_, id)| FileId(*id))
    }

    /// Sorts them in where they are many, and there is twice the room that it may take: others are to find some, too.
    pub fn tidy(&mut self, connection: &Connection, database: &Path) {
        if self.are_many() && !room::is_short_beside(database, 2 * sorting_bytes_max(database)) {
            self.sort_in(connection);
        }
    }

    fn are_many(&self) -> bool {
        self.files.len() >= self.many
    }

    /// Sorts them in, in a transaction of its own that waits for no other. Where that can't be done, all stays as it was: the
    /// next time is when some more have come.
    fn sort_in(&mut self, connection: &Connection) {
        let without_waiting = || {
            connection.busy_timeout(Duration::ZERO)?;
            let sorted = connection.execute_batch(SORT_IN);
            connection.busy_timeout(LOCK_WAIT)?;
            sorted
        };
        if without_waiting().is_ok() {
            *self = Self::default();
        } else {
            self.many = self.files.len() + MANY / 8;
            if !connection.is_autocommit() {
                // What fails here ends with the connection.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
    }
}

const SORT_IN: &str = "
    BEGIN IMMEDIATE;
    INSERT OR IGNORE INTO _importerd_hashes SELECT start, file_id FROM _importerd_hashes_new ORDER BY start, file_id;
    DELETE FROM _importerd_hashes_new;
    COMMIT";

/// With the index of an earlier version, or without one.
const BY_WHOLE_HASH: &str = "SELECT * FROM _importerd_files
    WHERE folder = ?1 AND substr(blake3, 1, 8) = substr(?2, 1, 8) AND blake3 = ?2 AND id <> ?3
    AND forgotten_at IS NULL AND mode IS NOT 'superseded' ORDER BY id";

/// Whether it is this one, of which the hash begins alike.
const IS_IT: &str = "SELECT * FROM _importerd_files
    WHERE id = ?4 AND folder = ?1 AND blake3 = ?2 AND id <> ?3 AND forgotten_at IS NULL AND mode IS NOT 'superseded'";

/// `hashes`: the table to look in.
macro_rules! by_hash {
    ($hashes:literal) => {
        concat!(
            "SELECT _importerd_files.* FROM ",
            $hashes,
            " CROSS JOIN _importerd_files ON id = file_id
            WHERE start = ?4 AND folder = ?1 AND blake3 = ?2 AND id <> ?3 AND forgotten_at IS NULL AND mode IS NOT 'superseded'
            ORDER BY file_id"
        )
    };
}

/// Among those that are sorted in.
const BY_HASH: &str = by_hash!("_importerd_hashes");

/// Among the new ones, line by line.
const BY_NEW_HASH: &str = by_hash!("_importerd_hashes_new");

/// The first file of this folder with these bytes, other than this one. Without the new ones, they are read: by somebody
/// who only looks, perhaps at what an earlier version has made.
pub fn by_content(
    connection: &Connection,
    recent: Option<&Recent>,
    folder: &str,
    digest: Digest,
    other_than: FileId,
) -> rusqlite::Result<Option<Marker>> {
    let (hash, start) = (digest.to_string(), start(digest));
    // New before older: a line only moves that way.
    let newer = match recent {
        Some(recent) => {
            let is_it = |id: FileId| first(connection, IS_IT, (folder, &hash, other_than.0, id.0)).transpose();
            recent.with(digest).find_map(is_it).transpose()?
        }
        None if are_whole(connection)? => first(connection, BY_NEW_HASH, (folder, &hash, other_than.0, start))?,
        None => return first(connection, BY_WHOLE_HASH, (folder, hash, other_than.0)),
    };
    let older = first(connection, BY_HASH, (folder, &hash, other_than.0, start))?;
    Ok(older.into_iter().chain(newer).min_by_key(|marker| marker.id))
}

/// What the log may grow by where many are sorted in: each on a page of its own, and no page is there that the database
/// doesn't have, but for those of the new ones.
fn sorting_bytes_max(database: &Path) -> u64 {
    let pages = fs::metadata(database).map_or(u64::MAX, |metadata| metadata.len() / PAGE_BYTES);
    pages.saturating_add(MANY as u64 / 64).min(MANY as u64) * PAGE_BYTES
}

/// Of a SQLite file, if nobody has set another size.
const PAGE_BYTES: u64 = 4096;

/// The beginning of this hash.
fn start(digest: Digest) -> Start {
    let [a, b, c, d, ..] = digest.0;
    [a, b, c, d]
}

/// Whether all markers are here. An earlier version, which has an index instead, may have written some.
pub(super) fn are_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FILTER (WHERE type = 'table') = 2 AND count(*) FILTER (WHERE type = 'index') = 0
        FROM sqlite_schema WHERE name IN
            ('_importerd_hashes', '_importerd_hashes_new', '_importerd_files_content', '_importerd_files_bytes')";
    connection.query_row(sql, (), |row| row.get(0))
}

/// Makes the tables anew of all markers, instead of what is there of them, and of the index of an earlier version.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS _importerd_hashes_new;
        DROP TABLE IF EXISTS _importerd_hashes;
        CREATE TABLE _importerd_hashes (
            start BLOB NOT NULL,
            file_id INTEGER NOT NULL,
            PRIMARY KEY (start, file_id)
        ) WITHOUT ROWID;
        CREATE TABLE _importerd_hashes_new (
            n INTEGER PRIMARY KEY,
            start BLOB NOT NULL,
            file_id INTEGER NOT NULL
        );
        INSERT OR IGNORE INTO _importerd_hashes SELECT unhex(substr(blake3, 1, 8)), id FROM _importerd_files ORDER BY 1, 2;
        DROP INDEX IF EXISTS _importerd_files_content;
        DROP INDEX IF EXISTS _importerd_files_bytes",
    )
}

#[cfg(test)]
#[path = "hashes_tests.rs"]
mod tests;
