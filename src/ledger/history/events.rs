//! Questions to the ledger about what happened: its events, in the order in which they were entered.

use jiff::Timestamp;
use rusqlite::{Params, params};

use super::{Answer, History, schema};
use crate::events::{Event, Kind};
use crate::file::FileId;

/// Which events are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Of this folder only.
    pub folder: Option<&'a str>,
    /// Of this kind only.
    pub kind: Option<Kind>,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the order of events; later ones have higher numbers.
    pub number: i64,
    /// [`Event::to_json`] of it.
    pub json: String,
}

impl History {
    /// The events about a file, in order.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn events_of(&self, id: FileId) -> Answer<Vec<Stored>> {
        self.events(schema::EVENTS_OF, [id.0])
    }

    /// The last events of those wanted, in order.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_events(&self, wanted: &Wanted<'_>, limit: u32) -> Answer<Vec<Stored>> {
        let sql = schema::last_events(&schema::of_kind(wanted.kind));
        let mut events = self.events(&sql, params![wanted.folder, wanted.kind.map(Kind::name), limit])?;
        events.reverse();
        Ok(events)
    }

    /// The events wanted that came after this number, in order; at most so many.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn events_after(&self, number: i64, wanted: &Wanted<'_>, limit: u32) -> Answer<Vec<Stored>> {
        let sql = schema::events_after(&schema::of_kind(wanted.kind));
        self.events(&sql, params![wanted.folder, wanted.kind.map(Kind::name), limit, number])
    }

    /// The number of the last event of all, 0 when there is none.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_number(&self) -> Answer<i64> {
        self.ask(|connection| connection.query_row(schema::LAST_EVENT, [], |row| row.get(0)))
    }

    /// The last event about no file that is of one of these kinds, and of this folder where one is named; what
    /// operators ordered is left out. With its place in the order of events.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn last_numbered(&self, kinds: &[Kind], folder: Option<&str>) -> Answer<Option<(i64, Event)>> {
        let mut last: Option<Stored> = None;
        for kind in kinds {
            let of_kind = self.events(schema::LAST_OF_KIND, params![kind.name(), folder])?.pop();
            last = last.into_iter().chain(of_kind).max_by_key(|event| event.number);
        }
        Ok(last.and_then(|stored| Some((stored.number, Event::from_json(&stored.json).ok()?))))
    }

    fn events(&self, sql: &str, params: impl Params) -> Answer<Vec<Stored>> {
        let stored = |row: &rusqlite::Row<'_>| {
            let at = Timestamp::from_microsecond(row.get("at_us")?).unwrap_or_default();
            let (kind, folder) = (row.get_ref("kind")?.as_str()?, row.get_ref("folder")?.as_str_or_null()?);
            let id = row.get::<_, Option<i64>>("file_id")?.map(FileId);
            let json = Event::whole_json(at, kind, folder, id, row.get_ref("json")?.as_str()?);
            Ok(Stored { number: row.get("id")?, json })
        };
        self.ask(|connection| connection.prepare_cached(sql)?.query_map(params, stored)?.collect())
    }
}
