//! What is entered for a file behind its commit.

use rusqlite::{Transaction, params};

use super::{Entry, State, schema, write_event};
use crate::events::Event;
use crate::file::FileId;

/// Stands for the place of a done file that somebody took away before it was known to lie anywhere: its command, or an
/// operator. No place in the archive is called so, which all have a day.
pub const TAKEN_AWAY: &str = "archive";

/// A file that was committed, and mostly archived.
#[derive(Debug)]
pub struct Archived<'a> {
    /// Its number.
    pub id: FileId,
    /// Where it stays, relative to the folder, or [`TAKEN_AWAY`]. `None`: it could not be moved.
    pub place: Option<&'a str>,
    /// What the ledger doesn't have of it, with state and place.
    pub entry: Option<Entry<'a>>,
    /// What was told of it and is not entered yet.
    pub told: &'a [Event],
    /// What is to be told of it: that it was committed, where that is not entered yet; at last, that it is archived.
    pub events: &'a [Event],
}

impl<'a> Archived<'a> {
    /// One that the ledger knows, and lies there now.
    #[must_use]
    pub fn known(id: FileId, place: Option<&'a str>, events: &'a [Event]) -> Self {
        Self { id, place, entry: None, told: &[], events }
    }

    /// Returns what was news: the events of the changes that nobody else has entered meanwhile.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<&'a [Event]> {
        self.told.iter().try_for_each(|event| write_event(transaction, event))?;
        let news = match &self.entry {
            Some(entry) if entry.is_news(transaction)? => {
                entry.write(transaction)?;
                self.events
            }
            Some(entry) if entry.state != State::Archived => &[],
            // Committed, it is known to be.
            _ if self.is_placed_anew(transaction)? => &self.events[self.events.len().saturating_sub(1)..],
            _ => &[],
        };
        news.iter().try_for_each(|event| write_event(transaction, event))?;
        Ok(news)
    }

    fn is_placed_anew(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        Ok(transaction.prepare_cached(schema::ARCHIVED)?.execute(params![self.id.0, self.place])? > 0)
    }
}
