//! What of the past the ledger lets go: events of files that are done, and of the daemon, when they are older than
//! `history`.
//!
//! The row of a file stays for ever: it tells duplicates, and what became of the file. Of a file that isn't at its end, or
//! lies in quarantine, everything stays; of what the daemon told of itself, the last of each kind stays, since
//! `status` and the next start ask for it. The last event of all stays, or its number would be given out again, and who
//! follows the events would miss that one. A little is done at a time, in a transaction of its own; what a crash cuts
//! short, the next one goes on with.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Durability, Ledger, State, counter, schema};
use crate::fault::Fault;
use crate::file::FileId;

/// So many events are looked at in one transaction: about two milliseconds.
const EVENTS_MAX: u32 = 400;

/// Up to which event everything was looked at.
const WALKED: &str = "pruned_to";
/// Of before when something was let go, in microseconds since 1970.
const BEFORE: &str = "pruned_before_us";

/// What was let go.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many events.
    pub events: u64,
    /// How many attempts that came to nothing.
    pub failures: u64,
    /// There may be more.
    pub more: bool,
}

impl AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.failures += other.failures;
        self.more = other.more;
    }
}

impl Ledger {
    /// Lets a little go of what is older than this. Repeatable at any time; a power cut undoes the last of it, or not.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is let go.
    pub fn prune(&self, before: Timestamp) -> Result<Pruned, Fault> {
        // Who has nothing to let go writes nothing, or every look would cost the disk a page.
        if self.read(Walk::next)?.last_before(before).is_none() {
            return Ok(Pruned::default());
        }
        self.write(Durability::Lazy, |transaction| Walk::next(transaction)?.prune(transaction, before))
    }
}

/// Of before when events of files that are done may be gone.
pub(super) fn pruned_before(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    counter::get(connection, BEFORE)
}

/// The events that are looked at next, in the order in which they were entered.
struct Walk(Vec<Entered>);

struct Entered {
    id: i64,
    at_us: i64,
    file: Option<FileId>,
}

impl Walk {
    fn next(connection: &Connection) -> rusqlite::Result<Self> {
        let walked = counter::get(connection, WALKED)?.unwrap_or_default();
        let entered = |row: &rusqlite::Row<'_>| {
            Ok(Entered { id: row.get(0)?, at_us: row.get(1)?, file: row.get::<_, Option<i64>>(2)?.map(FileId) })
        };
        let mut query = connection.prepare_cached(schema::EVENTS_ENTERED_AFTER)?;
        Ok(Self(query.query_map([walked, EVENTS_MAX.into()], entered)?.collect::<rusqlite::Result<_>>()?))
    }

    /// The last of them that is old. A clock that jumped may have put younger ones before it.
    fn last_before(&self, before: Timestamp) -> Option<i64> {
        self.0.iter().rev().find(|event| event.at_us < before.as_microsecond()).map(|event| event.id)
    }

    fn prune(&self, transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<Pruned> {
        let Some(last) = self.last_before(before) else { return Ok(Pruned::default()) };
        let before = before.as_microsecond();
        let is_old = |event: &&Entered| event.id <= last && event.at_us < before;
        let last_start: i64 = transaction.prepare_cached(schema::LAST_START)?.query_row([], |row| row.get(0))?;
        let (mut events, mut failures) = (0, 0);
        let mut seen = BTreeSet::new();
        for event in self.0.iter().filter(is_old) {
            match event.file {
                None => events += transaction.prepare_cached(schema::PRUNE_OUTDATED)?.execute([event.id])?,
                Some(file) if seen.insert(file.0) && is_at_its_end(transaction, file, event.id < last_start)? => {
                    // Also what was passed over while it waited, or lay in quarantine.
                    events += transaction.prepare_cached(schema::PRUNE_EVENTS)?.execute(params![file.0, before])?;
                    failures += transaction.prepare_cached(schema::PRUNE_FAILURES)?.execute(params![file.0, before])?;
                }
                Some(_) => {}
            }
        }
        counter::raise(transaction, WALKED, last)?;
        if events > 0 {
            counter::raise(transaction, BEFORE, before)?;
        }
        Ok(Pruned { events: events as u64, failures: failures as u64, more: true })
    }
}

/// Whether nothing will be done with a file. `is_of_earlier_life`: one without a row is in nobody's hand.
fn is_at_its_end(connection: &Connection, file: FileId, is_of_earlier_life: bool) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(schema::STATE)?;
    let state: Option<String> = query.query_row([file.0], |row| row.get(0)).optional()?;
    Ok(match state.as_deref().map(State::named) {
        Some(Some(State::Archived | State::Duplicate | State::Replaced | State::Forgotten)) => true,
        Some(_) => false,
        None => is_of_earlier_life,
    })
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
