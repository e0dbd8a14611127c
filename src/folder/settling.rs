//! Files of which the kernel can't say that they are complete: they must stay as they are for a while.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use rustix::fs::Statx;

use super::places::identity;
use crate::file::Identity;

/// The most files waited for at the same time; more begin to wait with a later rescan.
pub(super) const WAITING_MAX: usize = 65_536;

/// Files seen changing, or for the first time, by name; the monotonic clock counts.
#[derive(Debug)]
pub(super) struct Settling {
    wait: Duration,
    files: HashMap<OsString, Seen>,
    /// When each is to be looked at again. A name that was taken from here is looked at next.
    due: BTreeSet<(Instant, OsString)>,
}

#[derive(Debug)]
struct Seen {
    state: State,
    settled_at: Instant,
}

/// What changes when a file does. A copy keeps an old modification time, but not the time of its last change.
#[derive(Debug, PartialEq, Eq)]
struct State {
    file: Identity,
    changed: (i64, u32),
}

impl Settling {
    /// Files must stay as they are for so long.
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, files: HashMap::new(), due: BTreeSet::new() }
    }

    /// Whether a file has stayed as it is for long enough; then it is forgotten. A change begins the wait anew.
    pub(super) fn has_settled(&mut self, name: &OsStr, stat: &Statx) -> bool {
        let state = State { file: identity(stat), changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec) };
        let now = Instant::now();
        match self.files.get(name) {
            Some(seen) if seen.state == state => {
                let settled = seen.settled_at <= now;
                if settled {
                    self.forget(name);
                }
                return settled;
            }
            Some(_) => self.forget(name),
            None if self.files.len() >= WAITING_MAX => return false,
            None => {}
        }
        let settled_at = now + self.wait;
        self.due.insert((settled_at, name.to_owned()));
        self.files.insert(name.to_owned(), Seen { state, settled_at });
        false
    }

    /// Whether its wait has begun.
    pub(super) fn waits_for(&self, name: &OsStr) -> bool {
        self.files.contains_key(name)
    }

    /// It is gone, or no longer waited for.
    pub(super) fn forget(&mut self, name: &OsStr) {
        if let Some((name, seen)) = self.files.remove_entry(name) {
            self.due.remove(&(seen.settled_at, name));
        }
    }

    /// A name whose wait is over: to be looked at now. It is not told again.
    pub(super) fn take_due(&mut self) -> Option<OsString> {
        let (at, _) = self.due.first()?;
        if *at > Instant::now() {
            return None;
        }
        self.due.pop_first().map(|(_, name)| name)
    }

    /// When the next wait is over.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many are waited for.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, CWD, statx};

    use super::super::places::identity_flags;
    use super::*;

    fn stat(path: &std::path::Path) -> Statx {
        statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).unwrap()
    }

    #[test]
    fn a_file_is_told_due_once_and_has_settled_then() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (stat, name) = (stat(file.path()), OsStr::new("a"));
        let mut settling = Settling::new(Duration::from_millis(50));
        let began = Instant::now();
        assert!(!settling.has_settled(name, &stat));
        let due = settling.next_due().unwrap();
        assert!(due >= began + Duration::from_millis(50));
        assert!(settling.take_due().is_none() || Instant::now() >= due);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        assert_eq!(settling.take_due().unwrap(), name);
        assert_eq!((settling.take_due(), settling.next_due(), settling.len()), (None, None, 1));
        assert!(settling.has_settled(name, &stat));
        assert_eq!(settling.len(), 0);
    }

    #[test]
    fn a_change_begins_the_wait_anew_and_is_waited_for_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (before, name) = (stat(file.path()), OsStr::new("a"));
        let mut settling = Settling::new(Duration::from_millis(1));
        assert!(!settling.has_settled(name, &before));
        std::thread::sleep(Duration::from_millis(2));
        std::fs::write(file.path(), "more").unwrap();
        assert!(!settling.has_settled(name, &stat(file.path())));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(settling.take_due().unwrap(), name);
        assert_eq!(settling.take_due(), None);
        assert!(settling.has_settled(name, &stat(file.path())));
    }

    #[test]
    fn no_more_are_waited_for_than_memory_is_set_aside_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stat = stat(file.path());
        let mut settling = Settling::new(Duration::from_hours(1));
        for number in 0..WAITING_MAX + 10 {
            assert!(!settling.has_settled(OsStr::new(&number.to_string()), &stat));
        }
        assert_eq!((settling.len(), settling.due.len()), (WAITING_MAX, WAITING_MAX));
        settling.forget(OsStr::new("0"));
        assert_eq!((settling.len(), settling.due.len()), (WAITING_MAX - 1, WAITING_MAX - 1));
    }
}
