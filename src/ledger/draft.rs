//! A ledger that is being made anew, beside the one that it is to replace.
//!
//! `ledger.db.new`: nothing waits for the disk until [`Draft::finish`], and only then it has the number by which it is
//! known. One that was not finished is thrown away by the next try.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::read_only::{self, beside};
use super::salvage::{self, Salvaged};
use super::{Entry, FILE_NAME, LedgerId, Row, Same, State, identity, row, schema};
use crate::events::Event;
use crate::fault::{Fault, Reason};
use crate::file::{FileId, Identity};

/// A draft is asked for all files by their hashes, a ledger in use only for those of commands: its own index has no others.
const INDEX: &str = "CREATE INDEX draft_bytes ON file(folder, blake3) WHERE blake3 IS NOT NULL";

const WITH_BYTES: &str = "
SELECT * FROM file INDEXED BY draft_bytes WHERE folder = ? AND blake3 = ? AND state IN ('committed', 'archived')
ORDER BY id LIMIT 1";

/// Those of them that lie nobody knows where.
const MISSING_WITH_BYTES: &str = "
SELECT * FROM file INDEXED BY draft_bytes WHERE folder = ? AND blake3 = ? AND state IN ('committed', 'archived')
  AND (place IS NULL OR place = 'archive') ORDER BY id LIMIT 1";

/// See the module.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    connection: Connection,
    /// Every number met so far is below this.
    numbers_below: i64,
}

/// Where it lies.
pub(super) fn path(state_directory: &Path) -> PathBuf {
    beside(&state_directory.join(FILE_NAME), ".new")
}

/// Whatever became of them.
const WITH_BYTES_AT: &str = "
SELECT * FROM file INDEXED BY draft_bytes WHERE folder = ? AND blake3 = ? AND place = ? ORDER BY id DESC LIMIT 1";

impl Draft {
    /// The number of one that an earlier try finished, and had no time to put in place.
    #[must_use]
    pub fn finished(state_directory: &Path) -> Option<LedgerId> {
        let path = path(state_directory);
        let draft = path.exists().then(|| read_only::open(&path).ok()).flatten()?;
        schema::version(&draft.connection).ok().filter(|version| *version > 0)?;
        identity::of(&draft.connection).ok().flatten()
    }

    /// An empty one, instead of any that was not finished.
    ///
    /// # Errors
    /// It can't be made.
    pub fn begin(state_directory: &Path) -> Result<Self, Fault> {
        let path = path(state_directory);
        for leftover in ["", "-journal", "-wal", "-shm"].map(|suffix| beside(&path, suffix)) {
            match fs::remove_file(&leftover) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Fault::io(format_args!("remove {}", leftover.display()), &error));
                }
                _ => {}
            }
        }
        let make = || {
            let mut connection = Connection::open(&path)?;
            connection.pragma_update(None, "journal_mode", "memory")?;
            connection.pragma_update(None, "synchronous", "off")?;
            schema::check(&mut connection)?;
            connection.execute_batch(INDEX)?;
            connection.execute_batch("DELETE FROM counter WHERE name = 'ledger'; BEGIN")?;
            Ok(connection)
        };
        let connection = make().map_err(|error| fault(&path, &error))?;
        Ok(Self { path, connection, numbers_below: 1 })
    }

    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        question(&self.connection).map_err(|error| fault(&self.path, &error))
    }

    /// Takes over what can be read of an old ledger.
    ///
    /// # Errors
    /// The draft can't be written.
    pub fn salvage(&mut self, old: &Path) -> Result<Salvaged, Fault> {
        let salvaged = self.ask(|connection| salvage::all(old, connection))?;
        self.met(FileId(salvaged.numbers_below - 1));
        Ok(salvaged)
    }

    /// No file gets this number any more, nor one below it.
    pub fn met(&mut self, id: FileId) {
        self.numbers_below = self.numbers_below.max(id.0.saturating_add(1));
    }

    /// A number that nobody was met with.
    pub fn next_id(&mut self) -> FileId {
        let id = FileId(self.numbers_below);
        self.met(id);
        id
    }

    /// Enters a file, instead of what was there of that number.
    ///
    /// # Errors
    /// The draft can't be written.
    pub fn enter(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        self.met(entry.id);
        self.ask(|connection| {
            connection.prepare_cached("DELETE FROM file WHERE id = ?")?.execute([entry.id.0])?;
            entry.write(connection)
        })
    }

    /// Enters that the rows of this file gave way to those of another number.
    ///
    /// # Errors
    /// The draft can't be written.
    pub fn replaced(&self, id: FileId) -> Result<(), Fault> {
        let now = Timestamp::now().as_microsecond();
        self.ask(|connection| connection.prepare_cached(schema::REPLACED)?.execute([id.0, now]).map(drop))
    }

    /// Enters why a file was refused, in the words of its reason file.
    ///
    /// # Errors
    /// The draft can't be written.
    pub fn explain(&self, id: FileId, code: &str, reason: &str, hint: Option<&str>) -> Result<(), Fault> {
        self.ask(|connection| {
            let sql = "UPDATE file SET reason_code = ?2, reason = ?3, hint = ?4 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![id.0, code, reason, hint]).map(drop)
        })
    }

    /// Enters where a file lies, and which one it is there: a copied folder has other inodes.
    ///
    /// # Errors
    /// The draft can't be written.
    pub fn place(&self, id: FileId, place: &str, found: &Identity) -> Result<(), Fault> {
        self.ask(|connection| {
            let (inode, born, size, mtime) = row::identity_columns(found);
            let sql = "UPDATE file SET state = CASE WHEN state IN ('duplicate', 'replaced', 'forgotten') THEN state
                ELSE 'archived' END, place = ?2,
                device = ?3, inode = ?4, born_ns = ?5, size = ?6, mtime_ns = ?7 WHERE id = ?1";
            let device = found.device.cast_signed();
            connection.prepare_cached(sql)?.execute(params![id.0, place, device, inode, born, size, mtime]).map(drop)
        })
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Row>, Fault> {
        let (inode, born, size, mtime) = row::identity_columns(file);
        self.row(schema::BY_IDENTITY, params![folder, inode, born, size, mtime])
    }

    /// What is known of a number.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn by_id(&self, id: FileId) -> Result<Option<Row>, Fault> {
        self.row(schema::BY_ID, [id.0])
    }

    /// A file of the folder that is done.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn done_before(&self, folder: &str, same: &Same<'_>) -> Result<Option<Row>, Fault> {
        match same {
            Same::Bytes(digest) => self.row(WITH_BYTES, params![folder, digest.0]),
            Same::Name(name) => self.row(schema::DONE_WITH_NAME, params![folder, row::name_column(name)]),
        }
    }

    /// A file of the folder with these bytes that is done and lies nobody knows where.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn missing_with(&self, folder: &str, digest: crate::file::Digest) -> Result<Option<Row>, Fault> {
        self.row(MISSING_WITH_BYTES, params![folder, digest.0])
    }

    /// The file of the folder with these bytes that was put there last: in a copied folder it is another one by its inode.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn put_at(&self, folder: &str, place: &str, digest: crate::file::Digest) -> Result<Option<Row>, Fault> {
        self.row(WITH_BYTES_AT, params![folder, digest.0, place])
    }

    fn row(&self, sql: &str, params: impl rusqlite::Params) -> Result<Option<Row>, Fault> {
        self.ask(|connection| connection.prepare_cached(sql)?.query_row(params, Row::read).optional())
    }

    /// How many files of a folder are in each state that any is in.
    ///
    /// # Errors
    /// The draft can't be read.
    pub fn tally(&self, folder: &str) -> Result<Vec<(State, u64)>, Fault> {
        self.ask(|connection| {
            let mut query = connection.prepare("SELECT state, count(*) FROM file WHERE folder = ? GROUP BY state")?;
            let tally = query
                .query_map([folder], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            let known = tally.filter_map(|tally| match tally {
                Ok((state, count)) => State::named(&state).map(|state| Ok((state, count))),
                Err(error) => Some(Err(error)),
            });
            known.collect()
        })
    }

    /// Makes all of it durable. Returns its number, and below which number none will be given out.
    ///
    /// # Errors
    /// It can't be written; it is no ledger then.
    pub fn finish(self, told: &Event) -> Result<(LedgerId, i64), Fault> {
        let Self { path, connection, numbers_below } = self;
        let finish = || {
            super::write_event(&connection, told)?;
            connection.execute("UPDATE counter SET value = max(value, ?) WHERE name = 'next_id'", [numbers_below])?;
            let id = identity::of_or_drawn(&connection)?;
            connection.execute_batch("DROP INDEX draft_bytes; COMMIT")?;
            Ok(id)
        };
        let id = finish().map_err(|error| fault(&path, &error))?;
        connection.close().map_err(|(_, error)| fault(&path, &error))?;
        let flushed = File::open(&path).and_then(|file| file.sync_all());
        // Its name as well: the folders are about to know it by its number.
        let directory = path.parent().unwrap_or(Path::new("/"));
        let flushed = flushed.and_then(|()| File::open(directory)?.sync_all());
        flushed.map_err(|error| Fault::io(format_args!("flush {}", path.display()), &error))?;
        Ok((id, numbers_below))
    }
}

fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    Fault::World(Reason::new("ledger", format!("{}: {error}", path.display())).hint("see whether the disk has room"))
}
