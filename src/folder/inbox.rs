//! Settle: finds the files of an inbox that nobody writes to any more.
//!
//! Events and the rescan only *nominate* a name; the lease *decides*. Where no lease can be had, a file must
//! stay unchanged for `settle` by the monotonic clock. Memory is bounded whatever the backlog: the folder is
//! read as a stream, a little further with each look. Where the order counts, it is read to its end before the oldest
//! is taken (`line`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use importerd_actors::{Halt, Look, Nudge};
use rustix::fs::{AtFlags, FileType, Mode, Statx, openat, statat, statx};
use rustix::io::{Errno, retry_on_intr};

use super::claim::open_flags;
use super::deferral::Deferrals;
use super::gate::Gate;
use super::lease::{self, Lease};
use super::line::Line;
use super::name::{Filter, marked_by, marker_of};
use super::places::{Open, Places, identity, identity_flags};
use super::replays::Replay;
use super::settling::Settling;
use super::walk::Walk;
use super::watch::{Armed, Watch};
use crate::fault::is_of_the_world;

/// An offer ends with the file that makes it as large as this.
const OFFER_BYTES_MAX: u64 = 8 << 20;
/// The most names judged in one look, so that a look stays short.
const JUDGED_MAX: usize = 512;
/// The most names remembered because an event pointed at them; of more, the inbox is read from end to end.
const NOMINATED_MAX: usize = 65_536;
/// Without a watch, the inbox is read this often.
const RESCAN_UNWATCHED: Duration = Duration::from_secs(2);

/// A file that has settled: a name in the inbox, or a place in the archive, which no name in the inbox can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its name there; or, of a file that is to be done again, where it lies relative to the folder.
    pub name: OsString,
}

impl Settled {
    /// Whether it lies in the archive.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        self.name.as_bytes().contains(&b'/')
    }
}

/// How an inbox is looked at.
#[derive(Debug)]
pub struct Rules {
    /// Which names are taken.
    pub filter: Filter,
    /// How long a file must stay unchanged where the kernel can't say that it is complete.
    pub settle: Duration,
    /// How often the inbox is read from end to end.
    pub rescan: Duration,
    /// A file is complete when its name with this suffix exists.
    pub ready_marker: Option<String>,
    /// Of files that wait together, the oldest is taken first.
    pub in_order: bool,
}

impl Rules {
    /// The name that says of this one that it is complete, where there is such a rule.
    #[must_use]
    pub fn marker_of(&self, name: &OsStr) -> Option<OsString> {
        self.ready_marker.as_deref().map(|ending| marker_of(name, ending))
    }
}

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
    /// It is read from end to end from here on, for whatever reason: the time for what is to be done now and then.
    Reading,
}

/// One inbox, as its Scanner sees it.
pub struct Inbox {
    places: Arc<Places>,
    rules: Arc<Rules>,
    deferrals: Arc<Deferrals>,
    gate: Arc<Gate>,
    watch: Watch,
    /// The directories that were read last.
    open: Option<Arc<Open>>,
    /// Others lie in their place, and nobody has been told.
    others: bool,
    /// What was told last of the watch.
    notice: Option<Notice>,
    told: Told,
    /// Names that an event pointed at, or that an offer gave back.
    nominated: VecDeque<OsString>,
    /// How far the inbox has been read.
    walk: Option<Walk>,
    next_walk: Instant,
    /// Whether the walk is asked for the next name before the events are: neither keeps the other waiting.
    walk_first: bool,
    settling: Settling,
    /// Where the order counts: those that were found so far.
    line: Option<Line>,
    /// Whether the archive is asked for the next file before the inbox is.
    replay_first: bool,
    under_way: HashSet<OsString>,
    /// Names that are under way for a file of the archive, by its place.
    replaying: HashMap<OsString, OsString>,
    offers: HashMap<u64, Vec<OsString>>,
}

/// What is looked at next.
enum Next {
    /// A name in the inbox.
    Name(OsString),
    /// A file of the archive that is to be done again.
    Replay(Replay),
}

/// What a look at one name says.
enum Judged {
    /// It is complete, and has so many bytes.
    Complete(u64),
    /// Nobody can say that it is complete: time must show.
    InDoubt(Box<Statx>),
    /// Not now; an event, the passing of time or the rescan comes back to it.
    Passed,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("path", &self.places.inbox_path).finish_non_exhaustive()
    }
}

impl Inbox {
    /// An inbox that has not been looked at yet.
    #[must_use]
    pub fn new(
        places: Arc<Places>,
        rules: Arc<Rules>,
        deferrals: Arc<Deferrals>,
        gate: Arc<Gate>,
        nudge: Nudge,
        told: Told,
    ) -> Self {
        gate.wakes(nudge.clone());
        Self {
            watch: Watch::new(&places.inbox_path, &places.path, nudge),
            settling: Settling::new(rules.settle),
            line: rules.in_order.then(Line::default),
            places,
            rules,
            deferrals,
            gate,
            open: None,
            others: false,
            notice: None,
            told,
            nominated: VecDeque::new(),
            walk: None,
            next_walk: Instant::now(),
            walk_first: false,
            replay_first: false,
            under_way: HashSet::new(),
            replaying: HashMap::new(),
            offers: HashMap::new(),
        }
    }

    /// The same inbox, watched from now on. What keeps it from being watched or read, the first look tells.
    #[must_use]
    pub fn watched(mut self) -> Self {
        let _ = self.refresh();
        self
    }

    /// An operator has closed the gate. What is missed meanwhile, a walk finds when it is open again.
    fn look_away(&mut self) -> Look<Settled> {
        drop(self.watch.hints());
        self.nominated.clear();
        self.line = self.rules.in_order.then(Line::default);
        self.walk = None;
        self.next_walk = Instant::now();
        Look { settled: Vec::new(), settling: 0, due: self.rules.rescan, others: false }
    }

    /// Hears the hints, and begins a walk when one is due.
    fn refresh(&mut self) -> Result<(), Halt> {
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
        for name in self.deferrals.take_due_names() {
            self.nominate(name);
        }
        // A walk under way is finished first: what made the next one due may lie where it has been already.
        if self.walk.is_none() && self.next_walk <= Instant::now() {
            self.begin_walk()?;
        }
        Ok(())
    }

    /// A name is worth a look; if it is a ready marker, the file that it speaks of is.
    fn nominate(&mut self, name: OsString) {
        let ending = self.rules.ready_marker.as_deref();
        let name = ending.and_then(|ending| marked_by(&name, ending)).map(OsStr::to_owned).unwrap_or(name);
        if self.nominated.len() < NOMINATED_MAX {
            self.nominated.push_back(name);
        } else {
            self.next_walk = Instant::now();
        }
    }

    /// Watch first, then read: what arrives between is seen twice rather than never. fault 8
    fn begin_walk(&mut self) -> Result<(), Halt> {
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
        (self.told)(Notice::Reading);
        let rescan = match self.notice {
            Some(Notice::Watching) => self.rules.rescan,
            _ => self.rules.rescan.min(RESCAN_UNWATCHED),
        };
        self.next_walk = Instant::now() + rescan;
        Ok(())
    }

    fn hold(&self, error: Errno) -> Halt {
        Halt::Hold(format!("{}: {}", self.places.inbox_path.display(), std::io::Error::from(error)))
    }

    /// Puts what events and the walk point at into the line, a little at a time. Whether all that waits stands in it.
    fn line_up(&mut self) -> Result<bool, Halt> {
        if let Some(line) = &mut self.line {
            line.waits = false;
            if line.reopens() {
                self.begin_walk()?;
            }
        }
        for _ in 0..JUDGED_MAX {
            let Some(name) = self.next_found()? else { return Ok(true) };
            let is_known =
                self.under_way.contains(&name) || (!self.rules.filter.takes(&name) && self.deferrals.is_empty());
            if is_known {
                continue;
            }
            let open = self.places.now().map_err(|error| self.hold(error))?;
            let stat = statx(&open.inbox, &name, AtFlags::SYMLINK_NOFOLLOW, identity_flags());
            if let (Some(line), Ok(stat)) = (&mut self.line, stat) {
                line.join(&name, &stat);
            }
        }
        Ok(false)
    }

    /// Those behind one that is in doubt begin their wait with it.
    fn wait_in_line(&mut self) -> Result<(), Halt> {
        for name in self.line.iter().flat_map(|line| line.first(JUDGED_MAX)).collect::<Vec<_>>() {
            if !self.settling.waits_for(&name)
                && let Judged::InDoubt(stat) = self.judge(&name).map_err(|error| self.hold(error))?
            {
                self.settling.has_settled(&name, &stat);
            }
        }
        Ok(())
    }

    /// The next name worth a look: the oldest where the order counts.
    fn next_name(&mut self) -> Result<Option<OsString>, Halt> {
        match &mut self.line {
            Some(line) => Ok(line.next()),
            None => self.next_found(),
        }
    }

    /// The next name that was found: one whose wait is over, or what events and the walk point at in turn.
    fn next_found(&mut self) -> Result<Option<OsString>, Halt> {
        if let Some(name) = self.settling.take_due() {
            return Ok(Some(name));
        }
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
        next.map_err(|error| {
            self.next_walk = Instant::now();
            self.hold(error)
        })
    }

    /// Takes settled files, until there are enough for one offer; new ones and those to be done again in turn.
    fn gather(&mut self, files_max: usize, settled: &mut Vec<Settled>) -> Result<(), Halt> {
        let mut bytes = 0;
        if self.line.is_some() && !self.line_up()? {
            return Ok(());
        }
        for _ in 0..JUDGED_MAX {
            if settled.len() >= files_max || bytes >= OFFER_BYTES_MAX {
                break;
            }
            let name = match self.next_in_turn()? {
                Some(Next::Replay(replay)) => {
                    bytes += replay.bytes;
                    settled.push(Settled { name: replay.place });
                    continue;
                }
                Some(Next::Name(name)) => name,
                None => break,
            };
            let judged = self.judge(&name).map_err(|error| {
                self.nominate(name.clone());
                self.hold(error)
            });
            let judged = judged?;
            let in_doubt = if let Judged::InDoubt(stat) = &judged { Some(stat.clone()) } else { None };
            if let Some(more) = self.taken(&name, judged) {
                bytes += more;
                self.under_way.insert(name.clone());
                settled.push(Settled { name });
            } else if let (Some(line), Some(stat)) = (&mut self.line, in_doubt) {
                line.join(&name, &stat);
                line.waits = true;
                return self.wait_in_line();
            }
        }
        Ok(())
    }

    /// What is next: the inbox and the archive don't keep each other waiting.
    fn next_in_turn(&mut self) -> Result<Option<Next>, Halt> {
        self.replay_first = !self.replay_first;
        if self.replay_first
            && let Some(replay) = self.next_replay()
        {
            return Ok(Some(Next::Replay(replay)));
        }
        match self.next_name()? {
            Some(name) => Ok(Some(Next::Name(name))),
            None => Ok(self.next_replay().map(Next::Replay)),
        }
    }

    /// The next file of the archive. In a slot it has its own name again, and so one of that name
    /// goes at a time.
    fn next_replay(&mut self) -> Option<Replay> {
        let replay = self.deferrals.replays.next(|replay| !self.under_way.contains(&replay.name))?;
        self.under_way.insert(replay.name.clone());
        self.replaying.insert(replay.place.clone(), replay.name.clone());
        Some(replay)
    }

    /// The bytes of a file that is taken now.
    fn taken(&mut self, name: &OsStr, judged: Judged) -> Option<u64> {
        if let Judged::InDoubt(stat) = judged {
            return self.settling.has_settled(name, &stat).then_some(stat.stx_size);
        }
        self.settling.forget(name);
        match judged {
            Judged::Complete(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether a name can be taken now. An error is of the world, not of the file.
    fn judge(&self, name: &OsStr) -> Result<Judged, Errno> {
        let taken = self.rules.filter.takes(name);
        // A deferred file may have come back under another name than `match` asks for.
        if self.under_way.contains(name) || (!taken && self.deferrals.is_empty()) {
            return Ok(Judged::Passed);
        }
        let Ok(stat) = statx(&self.places.now()?.inbox, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) else {
            return Ok(Judged::Passed);
        };
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let due = match self.deferrals.get(&identity(&stat)) {
            Some(deferral) => deferral.until <= Instant::now(),
            None => taken && self.is_marked_ready(name)?,
        };
        if kind == FileType::Directory || !due {
            return Ok(Judged::Passed);
        }
        // A file of two names may be about to lose one, as those who link and then unlink do it.
        if kind != FileType::RegularFile || stat.stx_nlink > 1 {
            return Ok(Judged::InDoubt(Box::new(stat)));
        }
        Ok(match self.ask_lease(name)? {
            Lease::Held => Judged::Complete(stat.stx_size),
            Lease::Writer => Judged::Passed,
            Lease::Unavailable if self.rules.ready_marker.is_some() => Judged::Complete(stat.stx_size),
            Lease::Unavailable => Judged::InDoubt(Box::new(stat)),
        })
    }

    fn is_marked_ready(&self, name: &OsStr) -> Result<bool, Errno> {
        let Some(ending) = self.rules.ready_marker.as_deref() else { return Ok(true) };
        Ok(statat(&self.places.now()?.inbox, marker_of(name, ending), AtFlags::SYMLINK_NOFOLLOW).is_ok())
    }

    /// A file that can't be opened is taken like one of which the kernel can't say anything: the claim finds out why.
    fn ask_lease(&self, name: &OsStr) -> Result<Lease, Errno> {
        if !self.places.leases() {
            return Ok(Lease::Unavailable);
        }
        let open = self.places.now()?;
        match retry_on_intr(|| openat(&open.inbox, name, open_flags(), Mode::empty())) {
            Ok(file) => Ok(lease::take(file.as_fd()).unwrap_or(Lease::Unavailable)),
            Err(error) if is_of_the_world(error) => Err(error),
            Err(Errno::AGAIN) => Ok(Lease::Writer),
            Err(_) => Ok(Lease::Unavailable),
        }
    }

    /// When another look is worth while.
    fn due(&self) -> Duration {
        if self.is_reading() {
            return Duration::ZERO;
        }
        let walk = self.settling.next_due().map_or(self.next_walk, |due| due.min(self.next_walk));
        let wait = walk.saturating_duration_since(Instant::now());
        [self.deferrals.next_due(), self.replay_due()].into_iter().flatten().fold(wait, Duration::min)
    }

    /// Whether there are names that were not looked at yet.
    fn is_reading(&self) -> bool {
        let in_line = self.line.as_ref().is_some_and(|line| !line.is_empty() && !line.waits);
        self.walk.is_some() || !self.nominated.is_empty() || in_line || self.replay_due() == Some(Duration::ZERO)
    }

    /// How long until a file of the archive can be offered.
    fn replay_due(&self) -> Option<Duration> {
        self.deferrals.replays.next_due(|replay| !self.under_way.contains(&replay.name))
    }
}

impl importerd_actors::Inbox for Inbox {
    type Settled = Settled;

    fn look(&mut self, offer: u64, files_max: usize) -> Result<Look<Settled>, Halt> {
        let gate = Arc::clone(&self.gate);
        let Some(_pass) = gate.pass() else { return Ok(self.look_away()) };
        let mut settled = Vec::new();
        let refreshed = self.refresh();
        if std::mem::take(&mut self.others) {
            return Ok(Look { settled, settling: 1, due: Duration::ZERO, others: true });
        }
        let gathered = refreshed.and_then(|()| self.gather(files_max, &mut settled));
        // What was found before a fault is offered; the next look meets the fault again.
        if settled.is_empty() {
            gathered?;
        } else {
            self.offers.insert(offer, settled.iter().map(|file| file.name.clone()).collect());
        }
        let settling = self.settling.len() + usize::from(self.is_reading());
        Ok(Look { settled, settling, due: self.due(), others: false })
    }

    fn answered(&mut self, offer: u64) {
        for name in self.offers.remove(&offer).unwrap_or_default() {
            let name = match self.replaying.remove(&name) {
                Some(called) => {
                    self.deferrals.replays.again(&name, Duration::ZERO);
                    called
                }
                None => name,
            };
            self.under_way.remove(&name);
            // What was not claimed is still there, and no event will say so again.
            self.nominate(name);
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
