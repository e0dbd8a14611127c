//! The model: what can happen next, and what then is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use crate::carry::{self, is_claimable};
use crate::disk::{Directory, Remains};
use crate::invariants;
use crate::recover;
use crate::scenario::{Scenario, Wrong};
use crate::step::{At, Step, can_go_on};
use crate::world::{Daemon, Processor, World};

/// A scenario, as the checker sees it.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub scenario: Scenario,
    /// How many faults the checker has injected.
    pub faults: Arc<AtomicU64>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// An uploader drops a file.
    Drop(u8),
    /// The time of a deferred file's next try has come.
    Due(u8),
    /// Somebody who had a file open for writing closes it, written to or not.
    Close { file: u8, written: bool },
    /// A daemon is started.
    Start(u8),
    /// A Processor claims a file that the Scanner offered.
    Claim { daemon: u8, slot: u8, file: u8 },
    /// A Processor's batch is full, or nothing more was offered.
    Complete { daemon: u8, slot: u8 },
    /// A Processor's next step.
    Step { daemon: u8, slot: u8 },
    /// Fault: `kill -9`.
    Kill(u8),
    /// Fault: a Processor panics.
    Panic { daemon: u8, slot: u8 },
    /// Fault: the power fails, and this is left.
    PowerCut { remains: Remains, page: usize },
    /// Fault: somebody opens a file for writing that he dropped before.
    Open(u8),
}

impl Protocol {
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, faults: Arc::default() }
    }

    /// What happens without a fault.
    pub fn undisturbed(&self, world: &World, actions: &mut Vec<Action>) {
        for file in world.disk.files() {
            match world.disk.place(file) {
                None if world.disk.at(World::dropped_place(&self.scenario, file)).is_none() => {
                    actions.push(Action::Drop(file));
                }
                None => {}
                Some(place) => {
                    if !world.is_due(file) && place.directory == Directory::Inbox {
                        actions.push(Action::Due(file));
                    }
                    self.closes(world, file, place.directory, actions);
                }
            }
        }
        for (daemon, running) in (0..).zip(&world.daemons) {
            match running {
                None if world.lock.is_none() || self.scenario.wrong == Wrong::NoLock => {
                    actions.push(Action::Start(daemon));
                }
                None => {}
                Some(running) => {
                    for slot in 0..self.scenario.processors {
                        self.goes_on(world, daemon, running, slot, actions);
                    }
                }
            }
        }
    }

    /// The kernel keeps a writer waiting for as long as the lease is held.
    fn closes(&self, world: &World, file: u8, directory: Directory, actions: &mut Vec<Action>) {
        let is_leased = world.hands(file) > 0 && self.scenario.wrong != Wrong::LeaseGivenUp;
        if !world.is_written(file) || is_leased {
            return;
        }
        actions.push(Action::Close { file, written: false });
        // What is written to a file of the archive is written to the archive.
        if matches!(directory, Directory::Inbox | Directory::Slot(_)) {
            actions.push(Action::Close { file, written: true });
        }
    }

    fn goes_on(&self, world: &World, daemon: u8, running: &Daemon, slot: u8, actions: &mut Vec<Action>) {
        if can_go_on(running, slot) {
            return actions.push(Action::Step { daemon, slot });
        }
        let me = &running.processors[usize::from(slot)];
        if !running.is_ready || !me.is_open || !me.todo.is_empty() {
            return;
        }
        if me.ready.len() < self.scenario.batch_max {
            let offered = world.disk.files().filter(|file| is_claimable(&self.scenario, world, running, slot, *file));
            actions.extend(offered.map(|file| Action::Claim { daemon, slot, file }));
        }
        if !me.ready.is_empty() {
            actions.push(Action::Complete { daemon, slot });
        }
    }

    fn faults(world: &World, actions: &mut Vec<Action>) {
        let left = world.faults_left;
        for (daemon, running) in (0..).zip(&world.daemons) {
            let Some(running) = running else { continue };
            if left.kills > 0 {
                actions.push(Action::Kill(daemon));
            }
            if left.panics > 0 {
                let slots =
                    (0..).zip(&running.processors).filter(|(_, processor)| running.is_ready && is_busy(processor));
                actions.extend(slots.map(|(slot, _)| Action::Panic { daemon, slot }));
            }
        }
        if left.power_cuts > 0 {
            for remains in world.disk.after_power_cut() {
                let pages = 0..world.ledger.pages();
                actions.extend(pages.map(|page| Action::PowerCut { remains: remains.clone(), page }));
            }
        }
        if left.writers > 0 {
            let within_reach = |file: &u8| {
                let place = world.disk.place(*file).map(|place| place.directory);
                matches!(place, Some(Directory::Inbox | Directory::Slot(_))) && !world.is_written(*file)
            };
            actions.extend(world.disk.files().filter(within_reach).map(Action::Open));
        }
    }

    pub fn after(&self, world: &World, action: &Action) -> World {
        let mut next = world.clone();
        match action {
            Action::Drop(file) => next.disk.drop_file(*file, World::dropped_place(&self.scenario, *file)),
            Action::Due(file) => next.due[usize::from(*file)] = true,
            Action::Close { file, written } => {
                next.writer[usize::from(*file)] = false;
                next.version[usize::from(*file)] += u8::from(*written);
            }
            Action::Start(daemon) => next.start(&self.scenario, *daemon),
            Action::Claim { daemon, slot, file } => carry::claim(&mut self.at(&mut next, *daemon, *slot), *file),
            Action::Complete { daemon, slot } => self.at(&mut next, *daemon, *slot).first([Step::Commit]),
            Action::Step { daemon, slot } => self.at(&mut next, *daemon, *slot).go_on(),
            Action::Kill(daemon) => {
                next.faults_left.kills -= 1;
                next.kill(*daemon);
            }
            Action::Panic { daemon, slot } => {
                next.faults_left.panics -= 1;
                self.panic(&mut self.at(&mut next, *daemon, *slot));
            }
            Action::PowerCut { remains, page } => {
                next.faults_left.power_cuts -= 1;
                (0..self.scenario.daemons).for_each(|daemon| next.kill(daemon));
                next.writer.fill(false);
                next.disk.cut(remains.clone());
                next.ledger.cut(*page);
            }
            Action::Open(file) => {
                next.faults_left.writers -= 1;
                next.writer[usize::from(*file)] = true;
            }
        }
        next
    }

    fn at<'a>(&'a self, world: &'a mut World, daemon: u8, slot: u8) -> At<'a> {
        At { scenario: &self.scenario, world, daemon, slot }
    }

    /// A fresh Processor takes the slot; the file at work is to blame.
    fn panic(&self, at: &mut At<'_>) {
        let blame = match at.me().todo.last() {
            Some(Step::Work(file)) => Some((file.name, file.number)),
            _ => None,
        };
        *at.me() = Processor { blame, ..Processor::default() };
        let slot = at.slot;
        at.memory().planned.take_if(|holder| *holder == slot);
        at.first(recover::steps(&self.scenario));
    }
}

fn is_busy(processor: &Processor) -> bool {
    !processor.todo.is_empty() || !processor.ready.is_empty()
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.scenario)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.undisturbed(world, actions);
        Self::faults(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let is_fault =
            matches!(action, Action::Kill(_) | Action::Panic { .. } | Action::PowerCut { .. } | Action::Open(_));
        self.faults.fetch_add(u64::from(is_fault), Ordering::Relaxed);
        Some(self.after(world, &action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::all()
    }
}
