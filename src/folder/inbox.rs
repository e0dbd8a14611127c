//! Settle: finds the files of an inbox that nobody writes to any more.
//!
//! Events and the rescan only *nominate* a name (`finding`); the lease *decides* (`judge`). Where no lease can be had, a
//! file must stay unchanged for `settle` by the monotonic clock (`settling`). Memory is bounded whatever the backlog: the
//! folder is read as a stream, a little further with each look. Where the order counts, it is read to its end before the
//! oldest is taken (`line`).

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use importerd_actors::{Halt, Look, Nudge};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use super::deferral::Deferrals;
use super::finding::{Finding, hold, hold_line};
use super::gate::Gate;
use super::judge::{Blind, Judge, Judged};
use super::line::Line;
use super::name::{Filter, marker_of};
use super::places::Places;
use super::replays::Replay;
use super::settling::Settling;

pub use super::finding::{Notice, Told};

/// An offer ends with the file that makes it as large as this.
const OFFER_BYTES_MAX: u64 = 8 << 20;
/// The most names judged in one look, so that a look stays short.
const JUDGED_MAX: usize = 512;
/// And where each takes long, on a filesystem behind a slow line, a look ends after this: the actor has to answer.
const LOOK_MAX: Duration = Duration::from_millis(250);

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

    /// That marker, as it lies in the inbox: anything but a directory. A name that would be too long for any file has none.
    ///
    /// # Errors
    /// What the system says beyond that.
    pub fn marker_in(&self, inbox: impl AsFd, name: &OsStr) -> rustix::io::Result<Option<Statx>> {
        let Some(marker) = self.marker_of(name) else { return Ok(None) };
        match statx(inbox, &marker, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            Ok(stat) => Ok(Some(stat).filter(|stat| !is_directory(stat))),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_directory(stat: &Statx) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory
}

/// One inbox, as its Scanner sees it.
pub struct Inbox {
    places: Arc<Places>,
    rules: Arc<Rules>,
    deferrals: Arc<Deferrals>,
    gate: Arc<Gate>,
    finding: Finding,
    judge: Judge,
    settling: Settling,
    /// Where the order counts: those that were found so far.
    line: Option<Line>,
    /// Whether the archive is asked for the next file before the inbox is.
    replay_first: bool,
    under_way: HashSet<OsString>,
    /// Names that are under way for a file of the archive, by its place.
    replaying: HashMap<OsString, OsString>,
    offers: HashMap<u64, Vec<OsString>>,
    look_max: Duration,
}

/// What is looked at next.
enum Next {
    /// A name in the inbox.
    Name(OsString),
    /// A file of the archive that is to be done again.
    Replay(Replay),
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
        // Those that an inbox before this one had offered when its Scanner was lost.
        deferrals.replays.offer_all();
        Self {
            finding: Finding::new(Arc::clone(&places), Arc::clone(&rules), nudge, told),
            judge: Judge { places: Arc::clone(&places), rules: Arc::clone(&rules), deferrals: Arc::clone(&deferrals) },
            settling: Settling::new(rules.settle),
            line: rules.in_order.then(Line::default),
            places,
            rules,
            deferrals,
            gate,
            replay_first: false,
            under_way: HashSet::new(),
            replaying: HashMap::new(),
            offers: HashMap::new(),
            look_max: LOOK_MAX,
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
        self.finding.forget();
        self.line = self.rules.in_order.then(Line::default);
        Look { settled: Vec::new(), settling: 0, due: self.rules.rescan, others: false }
    }

    /// Hears of what is new, and of files whose time has come.
    fn refresh(&mut self) -> Result<(), Halt> {
        for name in self.deferrals.take_due_names() {
            self.finding.nominate(name);
        }
        self.finding.refresh()
    }

    fn hold(&self, error: Errno) -> Halt {
        hold(&self.places, error)
    }

    /// Puts what events and the walk point at into the line, a little at a time. Whether all that waits stands in it.
    fn line_up(&mut self) -> Result<bool, Halt> {
        if let Some(line) = &mut self.line {
            line.waits = false;
            if line.reopens() {
                self.finding.begin_walk()?;
            }
        }
        let until = Instant::now() + self.look_max;
        for judged in 0..JUDGED_MAX {
            if judged > 0 && Instant::now() >= until {
                break;
            }
            let Some(name) = self.next_found()? else { return Ok(true) };
            if self.under_way.contains(&name) || self.judge.ignores(&name) {
                continue;
            }
            let stat = self.judge.stat(&name);
            if let (Some(stat), Some(line)) = (self.met(&name, stat)?.flatten(), &mut self.line) {
                line.join(&name, &stat);
            }
        }
        Ok(false)
    }

    /// Those behind one that is in doubt begin their wait with it.
    fn wait_in_line(&mut self) -> Result<(), Halt> {
        let until = Instant::now() + self.look_max;
        for name in self.line.iter().flat_map(|line| line.first(JUDGED_MAX)).collect::<Vec<_>>() {
            if Instant::now() >= until {
                break;
            }
            if self.settling.waits_for(&name) {
                continue;
            }
            let judged = self.judge(&name);
            if let Some(Judged::InDoubt(stat)) = self.met(&name, judged)? {
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

    /// The next name that was found: one whose wait is over, before all others.
    fn next_found(&mut self) -> Result<Option<OsString>, Halt> {
        match self.settling.take_due() {
            Some(name) => Ok(Some(name)),
            None => self.finding.next(),
        }
    }

    /// Takes settled files, until there are enough for one offer; new ones and those to be done again in turn.
    fn gather(&mut self, files_max: usize, settled: &mut Vec<Settled>) -> Result<(), Halt> {
        let mut bytes = 0;
        if self.line.is_some() && !self.line_up()? {
            return Ok(());
        }
        let until = Instant::now() + self.look_max;
        for judged in 0..JUDGED_MAX {
            let is_late = judged > 0 && Instant::now() >= until;
            if settled.len() >= files_max || bytes >= OFFER_BYTES_MAX || is_late {
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
            let judged = self.judge(&name);
            let Some(judged) = self.met(&name, judged)? else { continue };
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

    /// Whether a name can be taken now.
    fn judge(&self, name: &OsStr) -> Result<Judged, Blind> {
        if self.under_way.contains(name) { Ok(Judged::Passed) } else { self.judge.judge(name) }
    }

    /// What a look at a name says. `None`: the disk doesn't, and others go on; but where the order counts, nobody knows whether
    /// it is the oldest, and they wait.
    fn met<T>(&mut self, name: &OsStr, looked: Result<T, Blind>) -> Result<Option<T>, Halt> {
        let halt = match looked {
            Ok(seen) => {
                self.finding.seen(name);
                return Ok(Some(seen));
            }
            Err(Blind::Folder(error)) => self.hold(error),
            Err(Blind::Name(error)) if self.line.is_some() => hold_line(&self.places, name, error),
            Err(Blind::Name(error)) => {
                self.settling.forget(name);
                self.finding.unseen(name, error);
                return Ok(None);
            }
        };
        self.finding.nominate_first(name);
        Err(halt)
    }

    /// When another look is worth while.
    fn due(&self) -> Duration {
        if self.is_reading() {
            return Duration::ZERO;
        }
        let next_walk = self.finding.next_walk;
        let walk = self.settling.next_due().map_or(next_walk, |due| due.min(next_walk));
        let wait = walk.saturating_duration_since(Instant::now());
        [self.deferrals.next_due(), self.replay_due()].into_iter().flatten().fold(wait, Duration::min)
    }

    /// Whether there are names that were not looked at yet.
    fn is_reading(&self) -> bool {
        let in_line = self.line.as_ref().is_some_and(|line| !line.is_empty() && !line.waits);
        self.finding.is_reading() || in_line || self.replay_due() == Some(Duration::ZERO)
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
        if self.finding.take_others() {
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
            self.finding.nominate(name);
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
