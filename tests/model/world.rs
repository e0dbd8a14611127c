//! The world: disk, ledger, target, and what the daemons have in memory.

use crate::disk::{Directory, Disk, Name, Place};
use crate::ledger::{Ledger, Target};
use crate::recover;
use crate::scenario::{Faults, Kind, Scenario};
use crate::step::Step;

/// A claimed file in a Processor's hand: `stages::Claimed`. Its lease is held for as long as this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claimed {
    pub number: u8,
    pub file: u8,
    /// Its bytes when it was sealed.
    pub version: u8,
    pub name: Name,
    pub attempts: u8,
}

/// `stages::file::Outcome`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Checked,
    Produced,
    Duplicate,
}

/// `folder::deferral::Deferral`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deferral {
    pub file: u8,
    pub number: u8,
    pub attempts: u8,
}

/// A Processor: what it is about to do, and the files in its hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Processor {
    /// The last is the next.
    pub todo: Vec<Step>,
    /// Worked on, and not committed yet.
    pub ready: Vec<(Claimed, Outcome)>,
    /// Found by recovery: done, and not archived yet.
    pub done: Vec<Claimed>,
    /// Found by recovery: to be carried again.
    pub again: Vec<Claimed>,
    /// Found by recovery: neither in a slot nor in the inbox, so they were archived.
    pub moved: Vec<u8>,
    /// What its predecessor panicked over.
    pub blame: Option<(Name, u8)>,
    pub is_open: bool,
}

impl Processor {
    /// Does these first, in this order.
    pub fn first(&mut self, steps: impl IntoIterator<Item = Step>) {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        steps.reverse();
        self.todo.append(&mut steps);
    }

    pub fn holds(&self, file: u8) -> bool {
        self.todo.iter().flat_map(Step::in_hand).any(|held| held.file == file)
            || self.ready.iter().any(|(held, _)| held.file == file)
            || self.done.iter().chain(&self.again).any(|held| held.file == file)
    }
}

/// A daemon's memory. A kill takes all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Daemon {
    pub processors: Vec<Processor>,
    pub deferrals: Vec<Deferral>,
    /// Reserved, and not given out.
    pub numbers: (u8, u8),
    /// Which Processor holds `Folder::planned`.
    pub planned: Option<u8>,
    /// Every slot is recovered, the Scanner runs.
    pub is_ready: bool,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub disk: Disk,
    pub ledger: Ledger,
    pub target: Target,
    /// None: it doesn't run.
    pub daemons: Vec<Option<Daemon>>,
    /// Which daemon has the folder's lock.
    pub lock: Option<u8>,
    /// By file: somebody has it open for writing.
    pub writer: Vec<bool>,
    /// By file: how often it was written to after it was dropped.
    pub version: Vec<u8>,
    /// By file: the time of its next try has come.
    pub due: Vec<bool>,
    pub faults_left: Faults,
    /// Of which bytes of which file somebody was told that they are committed.
    pub told: Vec<(u8, u8)>,
    /// To which file each number was given, and whether any was given to two.
    pub given: Vec<(u8, u8)>,
    pub given_twice: bool,
    /// Bytes were committed that had changed since they were sealed.
    pub torn: bool,
}

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let files = scenario.uploads.len();
        Self {
            disk: Disk::new(files),
            ledger: Ledger::new(),
            target: Target::default(),
            daemons: vec![None; usize::from(scenario.daemons)],
            lock: None,
            writer: vec![false; files],
            version: vec![0; files],
            due: vec![true; files],
            faults_left: scenario.faults,
            told: Vec::new(),
            given: Vec::new(),
            given_twice: false,
            torn: false,
        }
    }

    /// What the bytes of a file are. Written to, they are like no other's.
    pub fn content(scenario: &Scenario, file: u8, version: u8) -> (u8, u8) {
        if version == 0 { (scenario.uploads[usize::from(file)].content, 0) } else { (file, version) }
    }

    pub fn kind(scenario: &Scenario, file: u8) -> Kind {
        scenario.uploads[usize::from(file)].kind
    }

    pub fn dropped_place(scenario: &Scenario, file: u8) -> Place {
        let name = Name { stem: scenario.uploads[usize::from(file)].stem, copy: 1 };
        Place { directory: Directory::Inbox, name }
    }

    pub fn is_written(&self, file: u8) -> bool {
        self.writer[usize::from(file)]
    }

    pub fn is_due(&self, file: u8) -> bool {
        self.due[usize::from(file)]
    }

    pub fn version(&self, file: u8) -> u8 {
        self.version[usize::from(file)]
    }

    /// How many Processors have a file in hand, whose soever they are.
    pub fn hands(&self, file: u8) -> usize {
        let processors = self.daemons.iter().flatten().flat_map(|daemon| &daemon.processors);
        processors.filter(|processor| processor.holds(file)).count()
    }

    pub fn tell(&mut self, file: u8, version: u8) {
        if !self.told.contains(&(file, version)) {
            self.told.push((file, version));
            self.told.sort_unstable();
        }
    }

    /// `daemon::open` and `Folder::open`: the lock, and what waits for another try.
    pub fn start(&mut self, scenario: &Scenario, daemon: u8) {
        self.lock = Some(daemon);
        let waiting = self.ledger.now().unplaced(crate::ledger::State::Deferred);
        let deferrals =
            waiting.iter().map(|row| Deferral { file: row.file, number: row.number, attempts: row.attempts }).collect();
        let mut processors = vec![Processor::default(); usize::from(scenario.processors)];
        processors[0].first(recover::steps(scenario));
        let opened = Daemon { processors, deferrals, numbers: (0, 0), planned: None, is_ready: false };
        self.daemons[usize::from(daemon)] = Some(opened);
    }

    /// The process is gone, and with it its lock.
    pub fn kill(&mut self, daemon: u8) {
        self.daemons[usize::from(daemon)] = None;
        if self.lock == Some(daemon) {
            self.lock = None;
        }
    }
}
