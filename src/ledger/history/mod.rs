//! Questions to the ledger by those who only read: `status`, `ls`, `explain`, `events`.
//!
//! They may be asked while a daemon writes, when none runs, and by another user than the daemon's: nothing
//! is locked, made or changed.

mod events;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

pub use events::{Stored, Wanted};

use super::read_only::{self, ReadOnly};
use super::refusal::classed;
use super::row::{identity_columns, name_column, timestamp};
use super::{FILE_NAME, LedgerId, NAMESAKES_MAX, Pause, Row, Same, State, doubt, identity, ids, prune, schema};
use crate::fault::Reason;
use crate::file::{FileId, Identity};

/// The ledger, opened for reading.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    connection: Connection,
    frozen: bool,
    /// Of its tables: an older one lacks some, until a daemon of this version has opened it.
    version: usize,
    has_lost_its_log: bool,
}

/// Which files are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Of this folder.
    pub folder: &'a str,
    /// In one of these states.
    pub states: &'a [State],
    /// Only those that went in without some of their rows.
    pub with_rejects: bool,
    /// At most so many.
    pub limit: u32,
}

/// How many files of a folder came to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The state.
    pub state: State,
    /// How many files.
    pub files: u64,
    /// How many rows they brought.
    pub rows: u64,
    /// How many of them went in without some of their rows.
    pub with_rejects: u64,
    /// How many rows those were.
    pub rejects: u64,
}

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Why, as a stable word.
    pub code: String,
    /// Why.
    pub reason: String,
    /// The end of what a command wrote to its standard error.
    pub stderr: Option<Vec<u8>>,
}

type Answer<T> = Result<T, Reason>;

impl History {
    /// Opens the ledger of a state directory. `None`: there is none yet.
    ///
    /// # Errors
    /// It can't be read by this user (code `no_permission`), or is no ledger of this version.
    pub fn open(state_directory: &Path) -> Answer<Option<Self>> {
        let path = state_directory.join(FILE_NAME);
        if let Err(error) = std::fs::File::open(&path) {
            return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(unreadable(&path, &error)) };
        }
        let open = || {
            let ReadOnly { connection, frozen } = read_only::open(&path)?;
            let version = schema::version(&connection)?;
            if version == 0 {
                return Ok(None);
            }
            let has_lost_its_log = doubt::has_lost_its_log(&path, &connection)?;
            Ok(Some((connection, frozen, version, has_lost_its_log)))
        };
        let opened = open().map_err(|error: rusqlite::Error| unusable(&path, &error))?;
        Ok(opened.map(|(connection, frozen, version, has_lost_its_log)| Self {
            path: path.clone(),
            connection,
            frozen,
            version,
            has_lost_its_log,
        }))
    }

    /// Whether the last entries of a daemon that didn't end well are gone, with the log that held them.
    #[must_use]
    pub fn has_lost_its_log(&self) -> bool {
        self.has_lost_its_log
    }

    /// Nobody wrote the ledger when it was opened; what was written since is not seen. Then open it again.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Which ledger it is. `None`: it is of a time when ledgers had no number of their own.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn identity(&self) -> Answer<Option<LedgerId>> {
        self.ask(identity::of)
    }

    /// Every number that was ever given out is below this.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn numbers_below(&self) -> Answer<i64> {
        self.ask(ids::reserved_below)
    }

    /// As [`Ledger::folder_below`](super::Ledger::folder_below).
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn folder_below(&self, folder: &str) -> Answer<Option<i64>> {
        self.ask(|connection| ids::folder_below(connection, folder))
    }

    /// The highest number entered for a folder, 0 when there is none.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_id(&self, folder: &str) -> Answer<FileId> {
        self.ask(|connection| connection.query_row(schema::LAST_ID, [folder], |row| row.get(0).map(FileId)))
    }

    /// As [`Ledger::under_way`](super::Ledger::under_way).
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn under_way(&self, folder: &str) -> Answer<FileId> {
        self.ask(|connection| connection.query_row(schema::UNDER_WAY, [folder], |row| row.get(0).map(FileId)))
    }

    /// Whether this folder has ever been watched, or read, with its inbox at this path.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_watched(&self, folder: &str, inbox: &Path) -> Answer<bool> {
        self.ask(|connection| schema::has_watched(connection, folder, inbox))
    }

    /// Whether a file of this folder was ever imported.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_imported(&self, folder: &str) -> Answer<bool> {
        self.ask(|connection| schema::has_imported(connection, folder))
    }

    /// Whether a file of this folder counts as imported: neither forgotten nor replaced.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_in(&self, folder: &str) -> Answer<bool> {
        self.ask(|connection| schema::has_in(connection, folder))
    }

    /// Shows every file of a folder, in the order of their numbers.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn each_file(&self, folder: &str, mut visit: impl FnMut(Row)) -> Answer<()> {
        self.ask(|connection| {
            let mut query = connection.prepare("SELECT * FROM file WHERE folder = ? ORDER BY id")?;
            query.query_map([folder], Row::read)?.try_for_each(|row| row.map(&mut visit))
        })
    }

    /// The version of its tables.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn version(&self) -> Answer<i64> {
        self.ask(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))
    }

    /// What is wrong with the file as a whole, all pages and indexes read; nothing, if all is well.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn problems(&self) -> Answer<Vec<String>> {
        self.ask(|connection| {
            let mut check = connection.prepare("PRAGMA integrity_check(20)")?;
            let said: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(said.into_iter().filter(|line| line != "ok").map(|line| line.replace('\n', ": ")).collect())
        })
    }

    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Answer<T> {
        question(&self.connection).map_err(|error| unusable(&self.path, &error))
    }

    fn rows(&self, sql: &str, params: impl Params) -> Answer<Vec<Row>> {
        self.ask(|connection| connection.prepare_cached(sql)?.query_map(params, Row::read)?.collect())
    }

    /// The file with this number.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_id(&self, id: FileId) -> Answer<Option<Row>> {
        Ok(self.rows(schema::BY_ID, [id.0])?.pop())
    }

    /// The files of this name in any folder, the latest first: at most [`NAMESAKES_MAX`].
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_name(&self, name: &OsStr) -> Answer<Vec<Row>> {
        self.rows(schema::BY_NAME, params![name_column(name), NAMESAKES_MAX])
    }

    /// The file of this folder that makes another one a duplicate: as [`Ledger::done_before`](super::Ledger::done_before).
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn done_before(&self, folder: &str, same: &Same<'_>) -> Answer<Option<Row>> {
        let rows = match same {
            Same::Bytes(digest) => self.rows(schema::DONE_WITH_BYTES, params![folder, digest.0]),
            Same::Name(name) => self.rows(schema::DONE_WITH_NAME, params![folder, name_column(name)]),
        };
        Ok(rows?.pop())
    }

    /// This very file, whatever it was called.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_identity(&self, folder: &str, file: &Identity) -> Answer<Option<Row>> {
        let (inode, born, size, mtime) = identity_columns(file);
        Ok(self.rows(schema::BY_IDENTITY, params![folder, inode, born, size, mtime])?.pop())
    }

    /// The folder's files in one state, oldest first; none for [`State::Archived`] and [`State::Duplicate`], which are
    /// without end.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn in_state(&self, folder: &str, state: State) -> Answer<Vec<Row>> {
        self.rows(schema::IN_STATE, [folder, state.name()])
    }

    /// The last file that was to take the place of this one's rows.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn replay_of(&self, id: FileId) -> Answer<Option<Row>> {
        if self.version < schema::VERSION_OF_PAUSES {
            return Ok(None);
        }
        Ok(self.rows(schema::REPLAY_OF, [id.0])?.pop())
    }

    /// The folder's files that were refused and are forgotten: where they lie in quarantine, they need nobody.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn let_go(&self, folder: &str) -> Answer<Vec<Row>> {
        if self.version < schema::VERSION_OF_PAUSES { Ok(Vec::new()) } else { self.rows(schema::LET_GO, [folder]) }
    }

    /// The files that came last to one of the states, the latest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn latest(&self, selection: &Selection<'_>) -> Answer<Vec<Row>> {
        let Selection { folder, states, with_rejects, limit } = *selection;
        if with_rejects {
            if self.version < schema::VERSION_OF_REJECTS {
                return Ok(Vec::new());
            }
            let states = serde_json::json!(states.iter().map(|state| state.name()).collect::<Vec<_>>());
            return self.rows(schema::LATEST_WITH_REJECTS, params![folder, states.to_string(), limit]);
        }
        let mut latest = Vec::new();
        for state in states {
            let sql = match state {
                State::Archived => schema::LATEST_ARCHIVED,
                State::Duplicate | State::Replaced | State::Forgotten => schema::LATEST_RARE,
                State::Deferred | State::Committed | State::Quarantined => schema::LATEST_OPEN,
            };
            latest.extend(self.rows(sql, params![folder, state.name(), limit])?);
        }
        latest.sort_by_key(|row| std::cmp::Reverse((row.changed_at, row.id)));
        latest.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(latest)
    }

    /// How many files of a folder came to each state since then.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn tallies_since(&self, folder: &str, since: Timestamp) -> Answer<Vec<Tally>> {
        let rejects = if self.version < schema::VERSION_OF_REJECTS { "0" } else { "rejects" };
        let sql = schema::tallies_since(rejects);
        let tally = |row: &rusqlite::Row<'_>| {
            let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (files, rows, with_rejects, rejects) = (count(1)?, count(2)?, count(3)?, count(4)?);
            let state = State::named(&row.get::<_, String>(0)?);
            Ok(state.map(|state| Tally { state, files, rows, with_rejects, rejects }))
        };
        self.ask(|connection| {
            let mut query = connection.prepare_cached(&sql)?;
            let tallies = query.query_map(params![folder, since.as_microsecond()], tally)?;
            tallies.filter_map(Result::transpose).collect()
        })
    }

    /// Of before when the ledger may have let go the events of files that are done.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn pruned_before(&self) -> Answer<Option<Timestamp>> {
        Ok(self.ask(prune::pruned_before)?.map(timestamp))
    }

    /// An operator's pause of a folder, if it has one.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn pause(&self, folder: &str) -> Answer<Option<Pause>> {
        if self.version < schema::VERSION_OF_PAUSES {
            return Ok(None);
        }
        self.ask(|connection| Pause::of(connection, folder))
    }

    /// The attempts of a file that came to nothing, in order.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn failures(&self, id: FileId) -> Answer<Vec<Failed>> {
        let failed = |row: &rusqlite::Row<'_>| {
            Ok(Failed {
                attempt: row.get(0)?,
                at: timestamp(row.get(1)?),
                code: row.get(2)?,
                reason: row.get(3)?,
                stderr: row.get(4)?,
            })
        };
        self.ask(|connection| connection.prepare_cached(schema::FAILURES)?.query_map([id.0], failed)?.collect())
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Reason {
    let code = if error.kind() == io::ErrorKind::PermissionDenied { "no_permission" } else { "ledger" };
    Reason::new(code, format!("{}: {error}", path.display()))
}

/// Who may only look has no right to open it, where the daemon would have none to write.
fn unusable(path: &Path, error: &rusqlite::Error) -> Reason {
    match classed(path, error).reason() {
        Reason { code: "ledger_read_only", .. } => Reason::new("no_permission", format!("{}: {error}", path.display())),
        reason => reason.clone(),
    }
}

#[cfg(test)]
mod tests;
