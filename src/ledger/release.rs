//! What an operator has tried again: files on their way back into the inbox, and deferred ones whose time has come.

use std::ffi::OsString;

use jiff::Timestamp;
use rusqlite::params;

use super::row::identity_columns;
use super::{Durability, Ledger, Row, schema, write_event};
use crate::events::Event;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::log::unescape;

impl Row {
    /// Where the file lies, relative to the folder.
    #[must_use]
    pub fn place(&self) -> Option<OsString> {
        unescape(self.place.as_deref()?)
    }
}

impl Ledger {
    /// Enters, durably, that refused files are to be tried again: deferred, due now, no attempt charged, and still where
    /// they were put. Until [`Ledger::released`], each is on its way back into the inbox. The identity is that of the
    /// file which lies there now: an editor may have made another of it.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn release(&self, files: &[(FileId, Identity)], events: &[Event]) -> Result<(), Fault> {
        let now = Timestamp::now().as_microsecond();
        self.write(Durability::Flushed, |transaction| {
            let mut update = transaction.prepare_cached(schema::RELEASE)?;
            for (id, identity) in files {
                let (inode, born, size, mtime) = identity_columns(identity);
                update.execute(params![id.0, identity.device.cast_signed(), inode, born, size, mtime, now])?;
            }
            events.iter().try_for_each(|event| write_event(transaction, event))
        })
    }

    /// The folder's files that are on their way back into the inbox, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn releasing(&self, folder: &str) -> Result<Vec<Row>, Fault> {
        self.rows(schema::RELEASING, [folder])
    }

    /// Enters that files have come back into the inbox, as what they are now.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn released(&self, files: &[(FileId, Identity)]) -> Result<(), Fault> {
        self.write(Durability::Lazy, |transaction| {
            let mut update = transaction.prepare_cached(schema::RELEASED)?;
            files.iter().try_for_each(|(id, identity)| {
                let (.., size, mtime) = identity_columns(identity);
                update.execute(params![id.0, size, mtime]).map(drop)
            })
        })
    }

    /// Enters, durably, that the time of deferred files has come.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn make_due(&self, files: &[FileId], events: &[Event]) -> Result<(), Fault> {
        let now = Timestamp::now().as_microsecond();
        self.write(Durability::Flushed, |transaction| {
            let mut update = transaction.prepare_cached(schema::MAKE_DUE)?;
            files.iter().try_for_each(|id| update.execute(params![id.0, now]).map(drop))?;
            events.iter().try_for_each(|event| write_event(transaction, event))
        })
    }
}
