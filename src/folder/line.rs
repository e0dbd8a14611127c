//! A line, oldest first: the names that wait in an inbox whose files must be taken in order.
//!
//! It holds the oldest of all that were seen since it was begun, and no more than that: when they are through, the
//! inbox is read again for those behind them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use rustix::fs::Statx;

/// The most names that stand in it.
const NAMES_MAX: usize = 65_536;

/// When a file was changed last, and its name where that is the same.
type Place = (i64, u32, OsString);

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    names_max: usize,
    places: BTreeSet<Place>,
    /// The first that found no room: nothing from there on gets in before it.
    closed_from: Option<Place>,
    /// The first waits for time to show that it is complete, and all others for it.
    pub(super) waits: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self { names_max: NAMES_MAX, places: BTreeSet::new(), closed_from: None, waits: false }
    }
}

impl Line {
    /// A name takes its place.
    pub(super) fn join(&mut self, name: &OsStr, stat: &Statx) {
        let place = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec, name.to_owned());
        if self.closed_from.as_ref().is_some_and(|closed| place >= *closed) {
            return;
        }
        self.places.insert(place);
        if self.places.len() > self.names_max {
            self.closed_from = self.places.pop_last();
        }
    }

    /// The oldest leaves it.
    pub(super) fn next(&mut self) -> Option<OsString> {
        self.places.pop_first().map(|(.., name)| name)
    }

    /// The oldest, in order.
    pub(super) fn first(&self, count: usize) -> Vec<OsString> {
        self.places.iter().take(count).map(|(.., name)| name.clone()).collect()
    }

    /// Whether nobody stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All are through, and more found no room: they may join now, once the inbox is read again.
    pub(super) fn reopens(&mut self) -> bool {
        self.places.is_empty() && self.closed_from.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use rustix::fs::{AtFlags, statx};

    use super::super::places::identity_flags;
    use super::*;

    /// As seen at this second.
    fn stat(second: u64) -> Statx {
        let file = tempfile::tempfile().unwrap();
        File::set_modified(&file, SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        statx(&file, "", AtFlags::EMPTY_PATH, identity_flags()).unwrap()
    }

    fn all(line: &mut Line) -> Vec<OsString> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn the_oldest_is_first_and_names_decide_where_age_does_not() {
        let mut line = Line::default();
        for (name, second) in [("c", 5), ("a", 7), ("b", 5), ("z", 1), ("c", 5)] {
            line.join(OsStr::new(name), &stat(second));
        }
        assert_eq!(all(&mut line), ["z", "b", "c", "a"]);
        assert!(!line.reopens());
    }

    #[test]
    fn one_that_found_no_room_is_not_overtaken_by_a_younger_one() {
        let mut line = Line { names_max: 3, ..Line::default() };
        for second in [4, 2, 5, 1, 3] {
            line.join(OsStr::new(&second.to_string()), &stat(second));
        }
        assert_eq!(line.next().unwrap(), "1");
        // There is room now, but 4 and 5 come before it.
        line.join(OsStr::new("6"), &stat(6));
        line.join(OsStr::new("0"), &stat(0));
        assert!(!line.reopens());
        assert_eq!(all(&mut line), ["0", "2", "3"]);
        assert!(line.reopens());
        line.join(OsStr::new("4"), &stat(4));
        assert_eq!(all(&mut line), ["4"]);
    }
}
