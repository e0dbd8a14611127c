//! Keeps the past of the ledger within `history`: a little at a time, when an inbox is read anyway.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::events::{Event, Kind};
use crate::fault::Fault;
use crate::ledger::{Ledger, Pruned};

/// When all is let go, the next look is worth while after this.
const REST: Duration = Duration::from_hours(1);
/// At most so long it goes on; more is let go when an inbox is read again.
const SPELL_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Retention {
    /// `None`: for ever.
    history: Option<Duration>,
    /// By both clocks.
    made_at: (Timestamp, Instant),
    stand: Mutex<Stand>,
}

#[derive(Debug)]
struct Stand {
    due_at: Instant,
    /// Since when it has been under way.
    spell: Option<Instant>,
    /// What was let go, and not told yet.
    untold: Pruned,
}

impl Retention {
    /// Nothing was let go yet.
    pub fn of(history: Option<Duration>) -> Self {
        let stand = Stand { due_at: Instant::now(), spell: None, untold: Pruned::default() };
        Self { history, made_at: (Timestamp::now(), Instant::now()), stand: Mutex::new(stand) }
    }

    /// What is older than this may go. A clock that somebody sets ahead, and be it for a moment, makes nothing older: no
    /// more time has passed than by the monotonic one. fault 85
    fn before(&self, now: Timestamp) -> Timestamp {
        let (made_at, since) = self.made_at;
        let latest = made_at.checked_add(since.elapsed()).unwrap_or(now);
        self.history.and_then(|history| now.min(latest).checked_sub(history).ok()).unwrap_or(Timestamp::MIN)
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time; nobody is woken where it is not.
    pub fn is_due(&self) -> bool {
        let stand = self.stand();
        self.history.is_some() && stand.spell.is_none() && stand.due_at <= Instant::now()
    }

    /// From here on, a little after the other.
    pub fn begin(&self) {
        self.stand().spell.get_or_insert_with(Instant::now);
    }

    /// Whether it has begun, and there may be more.
    pub fn is_under_way(&self) -> bool {
        self.stand().spell.is_some()
    }

    /// Lets a little go. Returns what is to be told, when all is let go.
    pub fn prune(&self, ledger: &Ledger) -> Result<Option<Event>, Fault> {
        let before = self.before(Timestamp::now());
        let pruned = ledger.prune(before);
        let mut stand = self.stand();
        let Ok(pruned) = pruned else {
            (stand.spell, stand.due_at) = (None, Instant::now() + REST);
            return pruned.map(|_| None);
        };
        stand.untold += pruned;
        if pruned.more {
            if stand.spell.is_none_or(|begun| begun.elapsed() >= SPELL_MAX) {
                stand.spell = None;
            }
            return Ok(None);
        }
        (stand.spell, stand.due_at) = (None, Instant::now() + REST);
        let Pruned { events, failures, .. } = std::mem::take(&mut stand.untold);
        let told = Event::new(Kind::LedgerPruned).with("events", events).with("failures", failures);
        Ok((events > 0).then(|| told.with("before", before.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Span;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// fault 85
    #[test]
    fn a_clock_that_is_ten_years_ahead_for_a_moment_lets_nothing_go_early() {
        let retention = Retention::of(Some(DAY));
        let day_ago = |now: Timestamp| now.checked_sub(DAY).unwrap();
        let (now, hours) = (Timestamp::now(), |count: i64| Span::new().hours(count));
        let ahead = now.checked_add(hours(10 * 365 * 24)).unwrap();
        assert!(retention.before(ahead) <= day_ago(Timestamp::now()));
        assert!(retention.before(ahead) >= day_ago(now.checked_sub(hours(1)).unwrap()), "and what is old goes");
        let behind = now.checked_sub(hours(5)).unwrap();
        assert_eq!(retention.before(behind), day_ago(behind));
        assert_eq!(Retention::of(None).before(ahead), Timestamp::MIN);
    }
}
