//! Archived files that are to be done again, as an operator has asked: offered from where they lie.
//!
//! They don't go through the inbox: there an uploader could write over them. What is asked for is in the ledger; this
//! is the part of it that is still to be claimed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::file::FileId;

/// The most that are looked at to find one that may go; the next time it goes on behind them.
const LOOKED_AT_MAX: usize = 256;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The number under which it is done again.
    pub id: FileId,
    /// What it is called, whatever its name in the archive is.
    pub name: OsString,
    /// Where it lies, relative to the folder: `archive/2026-11-22/orders~2.csv`.
    pub place: OsString,
    /// Its size.
    pub bytes: u64,
}

/// The replays of one folder that are not claimed yet. Shared by its Scanner, all Processors, and who asks.
#[derive(Debug, Default)]
pub struct Replays {
    asked: Mutex<Asked>,
    claims: RwLock<()>,
}

#[derive(Debug, Default)]
struct Asked {
    by_place: HashMap<OsString, Replay>,
    /// Places to be offered, and not before when; one that is claimed meanwhile is passed over.
    queue: VecDeque<(OsString, Instant)>,
}

impl Replays {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held from the question whether one is still asked for until it is in its slot.
    pub fn claiming(&self) -> RwLockReadGuard<'_, ()> {
        self.claims.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody claims one meanwhile.
    pub fn unclaimed(&self) -> RwLockWriteGuard<'_, ()> {
        self.claims.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a file.
    pub fn ask(&self, replay: Replay) {
        let mut asked = self.asked();
        let place = replay.place.clone();
        if asked.by_place.insert(place.clone(), replay).is_none() {
            asked.queue.push_back((place, Instant::now()));
        }
    }

    /// The next one to be offered that `may` be offered now. Until [`Self::again`] it is not told again.
    pub fn next(&self, may: impl Fn(&Replay) -> bool) -> Option<Replay> {
        let (mut asked, now) = (self.asked(), Instant::now());
        for _ in 0..asked.queue.len().min(LOOKED_AT_MAX) {
            let (place, due) = asked.queue.pop_front()?;
            let Some(replay) = asked.by_place.get(&place) else { continue };
            if due <= now && may(replay) {
                return Some(replay.clone());
            }
            asked.queue.push_back((place, due));
        }
        None
    }

    /// What is asked for at a place, offered or not.
    #[must_use]
    pub fn at(&self, place: &OsStr) -> Option<Replay> {
        self.asked().by_place.get(place).cloned()
    }

    /// It was offered and not claimed: to be offered again, not before the wait is over.
    pub fn again(&self, place: &OsStr, wait: Duration) {
        let mut asked = self.asked();
        if asked.by_place.contains_key(place) && !asked.queue.iter().any(|(queued, _)| queued == place) {
            asked.queue.push_back((place.to_owned(), Instant::now() + wait));
        }
    }

    /// All that are asked for are to be offered, whoever had offered some of them before.
    pub fn offer_all(&self) {
        let mut asked = self.asked();
        let queued: HashSet<_> = asked.queue.iter().map(|(place, _)| place.clone()).collect();
        let lost: Vec<_> = asked.by_place.keys().filter(|place| !queued.contains(*place)).cloned().collect();
        let now = Instant::now();
        asked.queue.extend(lost.into_iter().map(|place| (place, now)));
    }

    /// It is claimed, or nothing is to come of it. What was asked for there under another number stays.
    pub fn done(&self, place: &OsStr, id: FileId) {
        let mut asked = self.asked();
        if asked.by_place.get(place).is_some_and(|replay| replay.id == id) {
            asked.by_place.remove(place);
        }
    }

    /// How long until the next one that `may` be offered can be.
    #[must_use]
    pub fn next_due(&self, may: impl Fn(&Replay) -> bool) -> Option<Duration> {
        let (asked, now) = (self.asked(), Instant::now());
        let queued = asked.queue.iter().filter(|(place, _)| asked.by_place.get(place).is_some_and(&may));
        let mut first = None;
        for (_, due) in queued {
            // There may be a million, of which nearly all are due.
            if *due <= now {
                return Some(Duration::ZERO);
            }
            first = Some(first.map_or(*due, |first: Instant| first.min(*due)));
        }
        first.map(|due| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(id: i64, name: &str) -> Replay {
        Replay { id: FileId(id), name: name.into(), place: format!("archive/{id}/{name}").into(), bytes: 9 }
    }

    #[test]
    fn each_is_offered_once_until_it_is_given_back_and_never_when_it_is_done() {
        let replays = Replays::default();
        for id in [1, 2] {
            replays.ask(replay(id, "a.csv"));
            replays.ask(replay(id, "a.csv"));
        }
        let next = || replays.next(|_| true).map(|replay| replay.id.0);
        assert_eq!([next(), next(), next()], [Some(1), Some(2), None]);
        let place = replay(1, "a.csv").place;
        replays.again(&place, Duration::ZERO);
        replays.again(&place, Duration::ZERO);
        assert_eq!(replays.next_due(|_| true), Some(Duration::ZERO));
        assert_eq!([next(), next()], [Some(1), None]);
        replays.again(&place, Duration::ZERO);
        replays.done(&place, FileId(9));
        assert!(replays.at(&place).is_some(), "that was another number");
        replays.done(&place, FileId(1));
        replays.again(&place, Duration::ZERO);
        assert_eq!((next(), replays.next_due(|_| true), replays.at(&place)), (None, None, None));
    }

    #[test]
    fn what_was_offered_and_lost_is_offered_once_more() {
        let replays = Replays::default();
        replays.ask(replay(1, "a.csv"));
        replays.ask(replay(2, "b.csv"));
        assert!(replays.next(|_| true).is_some());
        replays.offer_all();
        let rest: Vec<_> = std::iter::from_fn(|| replays.next(|_| true)).map(|replay| replay.id.0).collect();
        assert_eq!(rest, [2, 1]);
    }

    #[test]
    fn one_that_has_to_wait_keeps_no_other_waiting() {
        let replays = Replays::default();
        replays.ask(replay(1, "a.csv"));
        replays.ask(replay(2, "a.csv"));
        replays.ask(replay(3, "b.csv"));
        assert_eq!(replays.next(|_| true).unwrap().id.0, 1);
        replays.again(&replay(1, "a.csv").place, Duration::from_hours(1));
        assert_eq!(replays.next(|replay| replay.name != "a.csv").unwrap().id.0, 3);
        assert_eq!(replays.next_due(|_| true), Some(Duration::ZERO));
        assert_eq!(replays.next(|_| true).unwrap().id.0, 2);
        assert!(replays.next_due(|_| true).unwrap() > Duration::from_mins(59));
    }
}
