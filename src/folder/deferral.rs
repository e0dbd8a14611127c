//! Files that are known already: tried before, and to be tried again at a stated time; or done before, and to be done
//! again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::replays::Replays;
use crate::file::{FileId, Identity};

/// What is remembered of a deferred file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferral {
    /// Its number, which it keeps.
    pub id: FileId,
    /// Whether the ledger has an entry of that number: not of one that a writer had come back to.
    pub is_entered: bool,
    /// Its name in the inbox.
    pub name: OsString,
    /// Which file it is, as it was when it was put off: who writes to it from then on brings another upload.
    pub file: Identity,
    /// The file whose rows are to give way to its own.
    pub replaces: Option<FileId>,
    /// Attempts charged so far.
    pub attempts: u32,
    /// How often it was deferred, charged or not: the back-off grows with it.
    pub deferrals: u32,
    /// Not to be tried before.
    pub until: Instant,
    /// Its time has come, and the inbox was told so.
    pub told_due: bool,
}

/// The deferred files of one folder, shared by its Scanner and all Processors.
#[derive(Debug, Default)]
pub struct Deferrals {
    by_key: Mutex<HashMap<Key, Deferral>>,
    /// Those that lie in the archive.
    pub replays: Replays,
}

/// [`Identity::key`]: a file is known also when its bytes were changed meanwhile.
type Key = (u64, i64);

impl Deferrals {
    fn map(&self) -> MutexGuard<'_, HashMap<Key, Deferral>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a file.
    pub fn insert(&self, deferral: Deferral) {
        self.map().insert(deferral.file.key(), deferral);
    }

    /// The ledger has an entry of a file's number from now on.
    pub fn is_entered(&self, file: &Identity) {
        if let Some(deferral) = self.map().get_mut(&file.key()) {
            deferral.is_entered = true;
        }
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    /// What is known of a file.
    #[must_use]
    pub fn get(&self, file: &Identity) -> Option<Deferral> {
        self.map().get(&file.key()).cloned()
    }

    /// The time of a file has come. `false`: it is not known, or it is in hand.
    pub fn make_due(&self, file: &Identity) -> bool {
        let mut map = self.map();
        let Some(deferral) = map.get_mut(&file.key()) else { return false };
        deferral.until = Instant::now();
        deferral.told_due = false;
        true
    }

    /// Forgets a file, and says what was known of it.
    pub fn take(&self, file: &Identity) -> Option<Deferral> {
        self.map().remove(&file.key())
    }

    /// The names whose time has come; each is told once, then the rescan comes back to it.
    pub fn take_due_names(&self) -> Vec<OsString> {
        let now = Instant::now();
        let mut map = self.map();
        let due = map.values_mut().filter(|deferral| !deferral.told_due && deferral.until <= now);
        due.map(|deferral| {
            deferral.told_due = true;
            deferral.name.clone()
        })
        .collect()
    }

    /// How long until the next one is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let now = Instant::now();
        let map = self.map();
        map.values()
            .filter(|deferral| !deferral.told_due)
            .map(|deferral| deferral.until.saturating_duration_since(now))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Identity = Identity { device: 1, inode: 7, born_ns: 8, size: 9, mtime_ns: 10 };

    fn deferral(file: Identity, name: &str, wait: Duration) -> Deferral {
        let until = Instant::now() + wait;
        let name = name.into();
        Deferral {
            id: FileId(3),
            is_entered: true,
            name,
            file,
            replaces: None,
            attempts: 1,
            deferrals: 2,
            until,
            told_due: false,
        }
    }

    #[test]
    fn a_file_is_known_after_it_was_renamed_or_changed_but_not_by_its_inode_alone() {
        let deferrals = Deferrals::default();
        deferrals.insert(deferral(FILE, "a", Duration::ZERO));
        let changed = Identity { size: 11, mtime_ns: 12, ..FILE };
        assert_eq!(deferrals.get(&changed).unwrap().id, FileId(3));
        assert_eq!(deferrals.get(&Identity { born_ns: 13, ..FILE }), None);
        let unborn = Identity { born_ns: 0, ..FILE };
        deferrals.insert(deferral(unborn, "b", Duration::ZERO));
        assert_eq!(deferrals.get(&Identity { mtime_ns: 11, ..unborn }), None);
        assert_eq!(deferrals.take(&unborn).unwrap().name, "b");
        assert_eq!(deferrals.take(&FILE).unwrap().name, "a");
        assert!(deferrals.is_empty());
    }

    #[test]
    fn a_name_is_told_once_when_its_time_has_come_and_not_before() {
        let deferrals = Deferrals::default();
        deferrals.insert(deferral(FILE, "now", Duration::ZERO));
        let later = Identity { inode: 8, ..FILE };
        deferrals.insert(deferral(later, "later", Duration::from_hours(1)));
        assert_eq!(deferrals.next_due(), Some(Duration::ZERO));
        assert_eq!(deferrals.take_due_names(), ["now"]);
        assert_eq!(deferrals.take_due_names(), [] as [&str; 0]);
        let next = deferrals.next_due().unwrap();
        assert!(next > Duration::from_mins(59) && next <= Duration::from_hours(1), "{next:?}");
        assert!(deferrals.get(&FILE).is_some(), "told is not forgotten");
        assert!(deferrals.make_due(&later) && deferrals.make_due(&FILE));
        assert_eq!(deferrals.take_due_names().len(), 2, "an operator's word makes it due, and due again");
        assert!(!deferrals.make_due(&Identity { inode: 9, ..FILE }));
    }
}
