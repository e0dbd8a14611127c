//! Write back: what lies in a database's write-ahead log goes into the database itself, when nobody waits for it.
//!
//! Left to itself, SQLite does that within the commit that makes the log long, and the file of that commit, with all that
//! come meanwhile, waits for ten milliseconds. Here the commit only notes it. The Processor that archives next writes
//! back, by a connection of its own; the others commit meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

/// A log of so many pages is long where files come in large batches: what many of them change, such as an index, is written
/// back once.
const LOG_PAGES: i32 = 4_000;

/// Where they come one by one, each is waited for, and the disk is busy with a log for as long as that is.
const LOG_PAGES_BETWEEN: i32 = 500;

/// Where nobody comes to write it back, it is done within the commit after all: the log has a bound.
const LOG_PAGES_MAX: i32 = 4 * LOG_PAGES;

/// Fewer files in a batch are files that come one by one.
const BATCH_FILES: usize = 32;

/// What is known of the log of one database, by all connections that write to it.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pages: Arc<AtomicI32>,
}

impl Log {
    /// This connection's commits are watched, and write nothing back unless they must.
    ///
    /// # Errors
    /// The connection is not to be used.
    pub fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let seen = Arc::clone(&self.pages);
        connection.wal_hook(Some(move |log: &mut Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            if pages >= LOG_PAGES_MAX {
                // The commit itself is done; the next one tries again.
                let _ = log.checkpoint();
            }
            Ok(())
        }))
    }

    /// Writes the log back if it is long, behind a batch of so many files. `alone` gives the writer's connection, for the little that was committed meanwhile:
    /// only a log that is written back to its end is begun anew. What goes wrong shows at a commit, and is tried again.
    pub fn write_back(&self, path: &Path, files: usize, alone: impl FnOnce(&mut dyn FnMut(&Connection))) {
        let long = if files < BATCH_FILES { LOG_PAGES_BETWEEN } else { LOG_PAGES };
        if self.pages.load(Ordering::Relaxed) < long || self.pages.swap(0, Ordering::Relaxed) < long {
            return;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let most = Connection::open_with_flags(path, flags).and_then(|connection| is_all_written_back(&connection));
        // What was committed meanwhile is not in that answer.
        if !most.unwrap_or(false) || self.pages.load(Ordering::Relaxed) > 0 {
            alone(&mut |writer| drop(is_all_written_back(writer)));
        }
    }
}

/// Writes back what nobody reads in the log, and waits for nobody.
fn is_all_written_back(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let (pages, done): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(pages == done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, log: &Log) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS filler (page)").unwrap();
        log.watch(&mut connection).unwrap();
        connection
    }

    fn fill(connection: &Connection, pages: i32) {
        connection.execute("INSERT INTO filler VALUES (zeroblob(? * 4096))", [pages]).unwrap();
    }

    fn pages(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len() / 4_096
    }

    #[test]
    fn a_long_log_is_written_back_when_it_is_asked_for_and_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, log) = (directory.path().join("a.db"), Log::default());
        let connection = open(&path, &log);
        fill(&connection, LOG_PAGES / 2);
        log.write_back(&path, BATCH_FILES, |_| panic!("it is short"));
        fill(&connection, LOG_PAGES);
        assert!(pages(&path) < 10, "nothing is written back by a commit");
        log.write_back(&path, BATCH_FILES, |_| panic!("nothing came between"));
        assert!(pages(&path) > 6_000);
        let length = || pages(&directory.path().join("a.db-wal"));
        let before = length();
        fill(&connection, LOG_PAGES);
        assert_eq!(length(), before, "the log doesn't grow");
    }

    #[test]
    fn what_a_reader_keeps_from_being_written_back_the_writer_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let (path, log) = (directory.path().join("a.db"), Log::default());
        let connection = open(&path, &log);
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM filler").unwrap();
        fill(&connection, LOG_PAGES);
        let mut asked = false;
        log.write_back(&path, BATCH_FILES, |alone| {
            reader.execute_batch("COMMIT").unwrap();
            alone(&connection);
            asked = true;
        });
        assert!(asked && pages(&path) > 3_900, "{}", pages(&path));
    }

    #[test]
    fn behind_a_few_files_a_shorter_log_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let (path, log) = (directory.path().join("a.db"), Log::default());
        let connection = open(&path, &log);
        fill(&connection, LOG_PAGES_BETWEEN);
        log.write_back(&path, BATCH_FILES, |_| panic!("it is short"));
        assert!(pages(&path) < 10);
        log.write_back(&path, 1, |_| panic!("nothing came between"));
        assert!(pages(&path) > 450);
    }

    #[test]
    fn a_log_that_nobody_writes_back_has_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let (path, log) = (directory.path().join("a.db"), Log::default());
        let connection = open(&path, &log);
        for _ in 0..10 {
            fill(&connection, LOG_PAGES);
        }
        assert!(pages(&directory.path().join("a.db-wal")) < 21_000);
    }
}
