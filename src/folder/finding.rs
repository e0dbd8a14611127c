//! Finding: which names of an inbox are worth a look. Events point at some; a walk from end to end comes by all.
//!
//! Memory is bounded whatever the backlog: what events point at beyond that is left to the next walk, and a walk reads
//! a little further each time it is asked.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::{Duration, Instant};

use importerd_actors::{Halt, Nudge};
use rustix::io::Errno;

use super::inbox::Rules;
use super::name::marked_by;
use super::places::{Open, Places};
use super::unseen::{Unseen, WHAT_TO_DO};
use super::walk::Walk;
use super::watch::{Armed, Watch};
use crate::log::escape;

/// The most names remembered because an event pointed at them; of more, the inbox is read from end to end.
pub(super) const NOMINATED_MAX: usize = 65_536;
/// Without a watch, the inbox is read this often.
const RESCAN_UNWATCHED: Duration = Duration::from_secs(2);

/// Told of what happens to the inbox.
pub type Told = Box<dyn Fn(Notice)>;

/// What an inbox tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The inbox is watched.
    Watching,
    /// It can't be watched, for this reason; it is read every two seconds instead.
    Polling(String),
    /// Events were lost; it is read from end to end.
    Overflow,
    /// The disk doesn't say what lies there under a name, for this reason; others are taken.
    Unseen {
        /// The name.
        name: OsString,
        /// What the system says.
        reason: String,
    },
    /// So many names there can't be looked at now.
    UnseenNow(usize),
    /// It is read from end to end from here on, for whatever reason: the time for what is to be done now and then.
    Reading,
}

/// See the module.
pub(super) struct Finding {
    places: Arc<Places>,
    rules: Arc<Rules>,
    pub(super) watch: Watch,
    /// What was told last of the watch.
    notice: Option<Notice>,
    told: Told,
    /// The directories that were read last.
    open: Option<Arc<Open>>,
    /// Others lie in their place, and nobody has been told.
    others: bool,
    /// Names that an event pointed at, or that an offer gave back.
    pub(super) nominated: VecDeque<OsString>,
    /// Names that can't be looked at.
    unseen: Unseen,
    /// How many it was told that they are.
    unseen_told: usize,
    /// How far the inbox has been read.
    walk: Option<Walk>,
    pub(super) next_walk: Instant,
    /// Whether the walk is asked for the next name before the events are: neither keeps the other waiting.
    walk_first: bool,
}

impl Finding {
    pub(super) fn new(places: Arc<Places>, rules: Arc<Rules>, nudge: Nudge, told: Told) -> Self {
        Self {
            watch: Watch::new(&places.inbox_path, &places.path, nudge),
            places,
            rules,
            notice: None,
            told,
            open: None,
            others: false,
            nominated: VecDeque::new(),
            unseen: Unseen::default(),
            unseen_told: 0,
            walk: None,
            next_walk: Instant::now(),
            walk_first: false,
        }
    }

    /// Hears the hints, and begins a walk when one is due.
    pub(super) fn refresh(&mut self) -> Result<(), Halt> {
        let hints = self.watch.hints();
        if hints.overflow {
            (self.told)(Notice::Overflow);
        }
        if hints.overflow || hints.moved {
            self.next_walk = Instant::now();
        }
        for name in hints.names {
            self.nominate(name);
        }
        // A walk under way is finished first: what made the next one due may lie where it has been already.
        if self.walk.is_none() && self.next_walk <= Instant::now() {
            self.begin_walk()?;
        }
        Ok(())
    }

    /// All that was found is let go; a walk finds it again.
    pub(super) fn forget(&mut self) {
        drop(self.watch.hints());
        self.nominated.clear();
        self.walk = None;
        self.next_walk = Instant::now();
    }

    /// Whether other directories lie in the place of those that were read. It is told once.
    pub(super) fn take_others(&mut self) -> bool {
        std::mem::take(&mut self.others)
    }

    /// A name is worth a look; if it is a ready marker, the file that it speaks of is.
    pub(super) fn nominate(&mut self, name: OsString) {
        let ending = self.rules.ready_marker.as_deref();
        let name = ending.and_then(|ending| marked_by(&name, ending)).map(OsStr::to_owned).unwrap_or(name);
        if self.nominated.len() < NOMINATED_MAX {
            self.nominated.push_back(name);
        } else {
            self.next_walk = Instant::now();
        }
    }

    /// A name is worth a look before all others.
    pub(super) fn nominate_first(&mut self, name: &OsStr) {
        if self.nominated.len() >= NOMINATED_MAX {
            self.next_walk = Instant::now();
        } else if self.nominated.front().is_none_or(|first| first != name) {
            self.nominated.push_front(name.to_owned());
        }
    }

    /// What lies under a name was looked at, or nothing lies there.
    pub(super) fn seen(&mut self, name: &OsStr) {
        self.unseen.forget(name);
        self.tell_unseen();
    }

    /// The disk doesn't say what lies under a name: the next walk comes by again.
    pub(super) fn unseen(&mut self, name: &OsStr, error: Errno) {
        if self.unseen.is_news(name) {
            (self.told)(Notice::Unseen { name: name.to_owned(), reason: std::io::Error::from(error).to_string() });
        }
        self.tell_unseen();
    }

    fn tell_unseen(&mut self) {
        let now = self.unseen.len();
        if std::mem::replace(&mut self.unseen_told, now) != now {
            (self.told)(Notice::UnseenNow(now));
        }
    }

    /// Watch first, then read: what arrives between is seen twice rather than never. fault 8
    pub(super) fn begin_walk(&mut self) -> Result<(), Halt> {
        self.places.refresh().map_err(|fault| Halt::Hold(fault.reason().with_hint_text()))?;
        let open = self.places.now().map_err(|error| self.hold(error))?;
        self.others |= self.open.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &open));
        self.open = Some(Arc::clone(&open));
        let notice = match self.watch.arm(&open.inbox) {
            Armed::Anew => Some(Notice::Watching),
            Armed::Still => self.notice.clone(),
            Armed::Not(reason) => Some(Notice::Polling(reason)),
        };
        if notice != self.notice {
            if let Some(notice) = &notice {
                (self.told)(notice.clone());
            }
            self.notice = notice;
        }
        self.walk = Some(Walk::begin(&open.inbox).map_err(|error| self.hold(error))?);
        self.unseen.begin_walk();
        (self.told)(Notice::Reading);
        let rescan = match self.notice {
            Some(Notice::Watching) => self.rules.rescan,
            _ => self.rules.rescan.min(RESCAN_UNWATCHED),
        };
        self.next_walk = Instant::now() + rescan;
        Ok(())
    }

    /// The next name that was found: what events and the walk point at, in turn.
    pub(super) fn next(&mut self) -> Result<Option<OsString>, Halt> {
        self.walk_first = !self.walk_first;
        if self.walk_first
            && let Some(name) = self.next_walked()?
        {
            return Ok(Some(name));
        }
        match self.nominated.pop_front() {
            Some(name) => Ok(Some(name)),
            None => self.next_walked(),
        }
    }

    fn next_walked(&mut self) -> Result<Option<OsString>, Halt> {
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let next = walk.next();
        if !matches!(next, Ok(Some(_))) {
            self.walk = None;
        }
        if let Ok(None) = next {
            self.unseen.end_walk();
            self.tell_unseen();
        }
        next.map_err(|error| {
            self.next_walk = Instant::now();
            self.hold(error)
        })
    }

    /// Whether there are names that were not taken yet.
    pub(super) fn is_reading(&self) -> bool {
        self.walk.is_some() || !self.nominated.is_empty()
    }

    fn hold(&self, error: Errno) -> Halt {
        hold(&self.places, error)
    }
}

/// The folder waits: its inbox can't be looked at.
pub(super) fn hold(places: &Places, error: Errno) -> Halt {
    Halt::Hold(format!("{}: {}", places.inbox_path.display(), std::io::Error::from(error)))
}

/// The folder waits: this name can't be looked at, and may be the one whose turn it is.
pub(super) fn hold_line(places: &Places, name: &OsStr, error: Errno) -> Halt {
    let (inbox, name, error) = (places.inbox_path.display(), escape(name), std::io::Error::from(error));
    Halt::Hold(format!(
        "{inbox}/{name}: {error}; it may be the oldest, and files are taken in order here; {WHAT_TO_DO}"
    ))
}
