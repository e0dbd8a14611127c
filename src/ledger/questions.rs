//! What the ledger is asked by those who work: each question is answered by an index, however long the history.

use std::ffi::OsStr;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{Ledger, Row, State, row, schema};
use crate::fault::Fault;
use crate::file::{Digest, FileId, Identity};

/// A feed may have had the same name every minute for years: so many files of one name are looked at, the latest.
pub const NAMESAKES_MAX: u32 = 1_000;

/// What makes a file a duplicate of one that was done before.
#[derive(Debug, Clone, Copy)]
pub enum Same<'a> {
    /// The same bytes.
    Bytes(Digest),
    /// The same name.
    Name(&'a OsStr),
}

impl Ledger {
    pub(super) fn rows(&self, sql: &str, params: impl Params) -> Result<Vec<Row>, Fault> {
        self.read(|connection| connection.prepare_cached(sql)?.query_map(params, Row::read)?.collect())
    }

    pub(super) fn read<T>(&self, story: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        self.connection().and_then(|connection| story(&connection)).map_err(|error| self.fault(&error))
    }

    /// What is known of a file, by what it is and not by what it is called.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Row>, Fault> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(schema::BY_IDENTITY)?;
            let (inode, born, size, mtime) = row::identity_columns(file);
            query.query_row(params![folder, inode, born, size, mtime], Row::read).optional()
        })
    }

    /// The file that waits to be tried again, though it may have been written to meanwhile.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn deferred_by_key(&self, folder: &str, file: &Identity) -> Result<Option<Row>, Fault> {
        let (inode, born, _, mtime) = row::identity_columns(file);
        Ok(self.rows(schema::DEFERRED_BY_KEY, params![folder, inode, born, mtime])?.pop())
    }

    /// What is known of a number.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_id(&self, id: FileId) -> Result<Option<Row>, Fault> {
        self.read(|connection| connection.prepare_cached(schema::BY_ID)?.query_row([id.0], Row::read).optional())
    }

    /// The last file that was to take the place of this one's rows.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn replay_of(&self, id: FileId) -> Result<Option<Row>, Fault> {
        Ok(self.rows(schema::REPLAY_OF, [id.0])?.pop())
    }

    /// The end of what the command wrote to its standard error when the file was last tried in vain.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_words(&self, id: FileId) -> Result<Vec<u8>, Fault> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(schema::LAST_WORDS)?;
            let words: Option<Option<Vec<u8>>> = query.query_row([id.0], |row| row.get(0)).optional()?;
            Ok(words.flatten().unwrap_or_default())
        })
    }

    /// A file of the folder that was done before: with the same bytes and by a command, or with the same name. Of imports
    /// the load markers tell the bytes.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn done_before(&self, folder: &str, same: &Same<'_>) -> Result<Option<Row>, Fault> {
        self.read(|connection| match same {
            Same::Bytes(digest) => connection
                .prepare_cached(schema::DONE_WITH_BYTES)?
                .query_row(params![folder, digest.0], Row::read)
                .optional(),
            Same::Name(name) => connection
                .prepare_cached(schema::DONE_WITH_NAME)?
                .query_row(params![folder, row::name_column(name)], Row::read)
                .optional(),
        })
    }

    /// The files of this name in any folder, the latest first: at most [`NAMESAKES_MAX`].
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn by_name(&self, name: &OsStr) -> Result<Vec<Row>, Fault> {
        self.rows(schema::BY_NAME, params![row::name_column(name), NAMESAKES_MAX])
    }

    /// The folder's files in one state with higher numbers than this, at most so many, in order; none for
    /// [`State::Archived`] and [`State::Duplicate`], which are without end.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn in_state_after(&self, folder: &str, state: State, after: FileId, limit: u32) -> Result<Vec<Row>, Fault> {
        self.rows(schema::IN_STATE_AFTER, params![folder, state.name(), after.0, limit])
    }

    /// So many of the folder's files in a state that files stay in, with higher numbers than this, in their order.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn ended_after(&self, folder: &str, state: State, after: FileId, limit: u32) -> Result<Vec<Row>, Fault> {
        self.rows(schema::ENDED_AFTER, params![folder, state.name(), after.0, limit])
    }

    /// The refused file that was put there last.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn quarantined_at(&self, folder: &str, place: &str) -> Result<Option<Row>, Fault> {
        Ok(self.rows(schema::QUARANTINED_AT, params![folder, place])?.pop())
    }

    /// The folder's files in one state that are not known to lie where they stay, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn unplaced(&self, folder: &str, state: State) -> Result<Vec<Row>, Fault> {
        self.rows(schema::UNPLACED, params![folder, state.name()])
    }

    /// The files whose rows went in last, so many of those that lie in the archive, the latest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn latest_imported(&self, folder: &str, files_max: u32) -> Result<Vec<Row>, Fault> {
        self.rows(schema::LATEST_IMPORTED, params![folder, State::Archived.name(), files_max])
    }

    /// The folder's files that wait for a try, wherever they lie, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn deferred(&self, folder: &str) -> Result<Vec<Row>, Fault> {
        self.rows(schema::IN_STATE, [folder, State::Deferred.name()])
    }

    /// The highest number entered for a folder, 0 when there is none.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_id(&self, folder: &str) -> Result<FileId, Fault> {
        self.read(|connection| connection.query_row(schema::LAST_ID, [folder], |row| row.get(0).map(FileId)))
    }

    /// The highest number of a file that is on its way in a folder, 0 when there is none: committed and not yet known to lie
    /// anywhere, or on its way back into the inbox, or to be loaded again.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn under_way(&self, folder: &str) -> Result<FileId, Fault> {
        self.read(|connection| connection.query_row(schema::UNDER_WAY, [folder], |row| row.get(0).map(FileId)))
    }

    /// The folder's numbers from one on, but for those of files that may still go in, as far as is known.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn ids_ended_from(&self, folder: &str, first: FileId) -> Result<Vec<FileId>, Fault> {
        self.ids(schema::IDS_ENDED_FROM, folder, first)
    }

    /// The numbers below one of the folder's files that may still go in, as far as is known.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn ids_not_in_below(&self, folder: &str, first: FileId) -> Result<Vec<FileId>, Fault> {
        self.ids(schema::IDS_NOT_IN_BELOW, folder, first)
    }

    fn ids(&self, sql: &str, folder: &str, bound: FileId) -> Result<Vec<FileId>, Fault> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(sql)?;
            query.query_map(params![folder, bound.0], |row| row.get(0).map(FileId))?.collect()
        })
    }

    /// Whether this folder has ever been watched, or read, with its inbox at this path.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_watched(&self, folder: &str, inbox: &Path) -> Result<bool, Fault> {
        self.read(|connection| schema::has_watched(connection, folder, inbox))
    }

    /// Whether a file of this folder was ever imported.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_imported(&self, folder: &str) -> Result<bool, Fault> {
        self.read(|connection| schema::has_imported(connection, folder))
    }

    /// Whether a file of this folder counts as imported: neither forgotten nor replaced.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn has_in(&self, folder: &str) -> Result<bool, Fault> {
        self.read(|connection| schema::has_in(connection, folder))
    }
}
