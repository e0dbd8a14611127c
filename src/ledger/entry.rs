//! What is entered for a file when its state changes.

use std::ffi::OsStr;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{identity_columns, name_column};
use super::schema;
use super::state::State;
use crate::fault::Reason;
use crate::file::{Digest, FileId, Identity};

/// A file's row, as it stands from now on.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its number.
    pub id: FileId,
    /// Its folder.
    pub folder: &'a str,
    /// Its name.
    pub name: &'a OsStr,
    /// Which file it is.
    pub identity: Identity,
    /// The hash of its bytes, when they were read.
    pub blake3: Option<Digest>,
    /// Where it stands.
    pub state: State,
    /// Attempts charged.
    pub attempts: u32,
    /// How often it was deferred.
    pub deferrals: u32,
    /// How many rows went in.
    pub rows: Option<u64>,
    /// How many rows didn't fit, and the file went in without them.
    pub rejects: u64,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// Since when it stands there. Who moves it on later than that, even at once, has changed it since.
    pub changed_at: Timestamp,
    /// Not to be tried before.
    pub retry_at: Option<Timestamp>,
    /// Where it lies, or will lie, relative to the folder.
    pub place: Option<String>,
    /// Why it stands there.
    pub reason: Option<&'a Reason>,
    /// The file that it is a duplicate of.
    pub duplicate_of: Option<FileId>,
    /// The file whose rows are to give way to its own; with [`State::Committed`] they have, and that is entered too.
    pub replaces: Option<FileId>,
    /// What a command produced, as JSON.
    pub results: Option<String>,
    /// The attempt that came to nothing, when one did.
    pub failure: Option<Failure<'a>>,
}

/// An attempt that came to nothing.
#[derive(Debug, Clone)]
pub struct Failure<'a> {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why.
    pub reason: &'a Reason,
    /// The end of what a command wrote to its standard error.
    pub stderr: &'a [u8],
}

pub(super) const UPSERT: &str = "
INSERT INTO file (id, folder, name, device, inode, born_ns, size, mtime_ns, blake3, state, attempts, deferrals, rows,
  claimed_at_us, changed_at_us, retry_at_us, place, reason_code, reason, hint, duplicate_of, results, replaces, rejects)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)
ON CONFLICT (id) DO UPDATE SET name = ?3, device = ?4, inode = ?5, born_ns = ?6, size = ?7, mtime_ns = ?8, blake3 = ?9,
  state = ?10, attempts = ?11, deferrals = ?12, rows = ?13, claimed_at_us = ?14, changed_at_us = ?15, retry_at_us = ?16,
  place = ?17, reason_code = ?18, reason = ?19, hint = ?20, duplicate_of = ?21, results = ?22, replaces = ?23, rejects = ?24";

const FAILURE: &str = "INSERT INTO failure (file_id, attempt, at_us, code, reason, stderr) VALUES (?, ?, ?, ?, ?, ?)";

impl<'a> Entry<'a> {
    /// A file that stands there since now, and of which nothing else is known.
    #[must_use]
    pub fn new(id: FileId, folder: &'a str, name: &'a OsStr, identity: Identity, state: State) -> Self {
        let now = Timestamp::now();
        Self {
            id,
            folder,
            name,
            identity,
            blake3: None,
            state,
            attempts: 0,
            deferrals: 0,
            rows: None,
            rejects: 0,
            claimed_at: now,
            changed_at: now,
            retry_at: None,
            place: None,
            reason: None,
            duplicate_of: None,
            replaces: None,
            results: None,
            failure: None,
        }
    }

    /// Whether nothing is known of its number, or only that the file was deferred or refused.
    pub(super) fn is_news(&self, transaction: &Connection) -> rusqlite::Result<bool> {
        let mut query = transaction.prepare_cached(schema::STATE)?;
        let state: Option<String> = query.query_row([self.id.0], |row| row.get(0)).optional()?;
        Ok(state.is_none_or(|state| State::named(&state).is_some_and(State::may_go_in)))
    }

    pub(super) fn write(&self, transaction: &Connection) -> rusqlite::Result<()> {
        let changed_at = self.changed_at.as_microsecond();
        let (inode, born, size, mtime) = identity_columns(&self.identity);
        transaction.prepare_cached(UPSERT)?.execute(params![
            self.id.0,
            self.folder,
            name_column(self.name),
            self.identity.device.cast_signed(),
            inode,
            born,
            size,
            mtime,
            self.blake3.map(|digest| digest.0),
            self.state.name(),
            self.attempts,
            self.deferrals,
            self.rows.map(u64::cast_signed),
            self.claimed_at.as_microsecond(),
            changed_at,
            self.retry_at.map(Timestamp::as_microsecond),
            self.place,
            self.reason.map(|reason| reason.code),
            self.reason.map(ToString::to_string),
            self.reason.and_then(|reason| reason.hint.as_deref()),
            self.duplicate_of.map(|id| id.0),
            self.results,
            self.replaces.map(|id| id.0),
            self.rejects.cast_signed(),
        ])?;
        if let (State::Committed, Some(replaced)) = (self.state, self.replaces) {
            transaction.prepare_cached(schema::REPLACED)?.execute(params![replaced.0, changed_at])?;
        }
        if let Some(failure) = &self.failure {
            let stderr = (!failure.stderr.is_empty()).then_some(failure.stderr);
            let reason = failure.reason;
            transaction.prepare_cached(FAILURE)?.execute(params![
                self.id.0,
                failure.attempt,
                changed_at,
                reason.code,
                reason.to_string(),
                stderr
            ])?;
        }
        Ok(())
    }
}
