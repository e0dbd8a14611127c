//! Folders that take nothing until an operator says so.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::timestamp;
use super::{Durability, Ledger, schema, write_event};
use crate::events::{Event, Kind};
use crate::fault::Fault;

/// An operator's pause of a folder. It outlives the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who ordered it, for instance `uid 1000`.
    pub by: String,
}

impl Pause {
    pub(super) fn of(connection: &Connection, folder: &str) -> rusqlite::Result<Option<Self>> {
        let pause = |row: &rusqlite::Row<'_>| Ok(Self { since: timestamp(row.get(0)?), by: row.get(1)? });
        connection.prepare_cached(schema::PAUSED)?.query_row([folder], pause).optional()
    }

    /// Why the folder takes nothing: `by an operator (uid 1000)`.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("by an operator ({})", self.by)
    }

    /// What is told of it, also when a daemon finds it at its start.
    #[must_use]
    pub fn event(&self, folder: &str) -> Event {
        let event = Event::new(Kind::FolderPaused).folder(folder).with("reason", self.reason());
        event.with("by", self.by.as_str()).with("since", self.since.to_string())
    }
}

impl Ledger {
    /// Enters that a folder is paused, and the event that tells of it, durably. `false`: it was already, and stays as
    /// it was.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn pause(&self, folder: &str, pause: &Pause, event: &Event) -> Result<bool, Fault> {
        let entered = params![folder, pause.since.as_microsecond(), pause.by];
        self.order(schema::PAUSE, entered, event)
    }

    /// Enters that a folder is paused no more, and the event that tells of it, durably. `false`: it was not.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn resume(&self, folder: &str, event: &Event) -> Result<bool, Fault> {
        self.order(schema::RESUME, params![folder], event)
    }

    fn order(&self, sql: &str, params: impl rusqlite::Params, event: &Event) -> Result<bool, Fault> {
        self.write(Durability::Flushed, |transaction| {
            let is_news = transaction.prepare_cached(sql)?.execute(params)? > 0;
            if is_news {
                write_event(transaction, event)?;
            }
            Ok(is_news)
        })
    }

    /// The folder's pause, if it has one.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn pause_of(&self, folder: &str) -> Result<Option<Pause>, Fault> {
        self.read(|connection| Pause::of(connection, folder))
    }
}
