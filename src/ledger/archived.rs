//! What is entered for a file behind its commit.

use rusqlite::{Transaction, params};

use super::{Entry, State, schema, write_event};
use crate::events::Event;
use crate::file::FileId;

/// A file that was committed, and mostly archived.
#[derive(Debug)]
pub struct Archived<'a> {
    /// Its number.
    pub id: FileId,
    /// Where it stays, relative to the folder. `None`: its command took it away, or it could not be moved.
    pub place: Option<&'a str>,
    /// What the ledger doesn't have of it, with state and place.
    pub entry: Option<Entry<'a>>,
    /// What was told of it and is not entered yet.
    pub told: &'a [Event],
    /// What is to be told of it.
    pub events: &'a [Event],
}

impl<'a> Archived<'a> {
    /// One that the ledger knows, and lies there now.
    #[must_use]
    pub fn known(id: FileId, place: Option<&'a str>, events: &'a [Event]) -> Self {
        Self { id, place, entry: None, told: &[], events }
    }

    /// Returns whether it was news.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        self.told.iter().try_for_each(|event| write_event(transaction, event))?;
        let is_news = match &self.entry {
            None => {
                transaction.prepare_cached(schema::ARCHIVED)?.execute(params![self.id.0, self.place])?;
                true
            }
            Some(entry) if entry.is_news(transaction)? => {
                entry.write(transaction)?;
                true
            }
            Some(entry) => {
                if entry.state == State::Archived {
                    transaction.prepare_cached(schema::FOUND_ARCHIVED)?.execute(params![self.id.0, self.place])?;
                }
                false
            }
        };
        if is_news {
            self.events.iter().try_for_each(|event| write_event(transaction, event))?;
        }
        Ok(is_news)
    }
}
