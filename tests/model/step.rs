//! What a Processor does without anything coming between: a system call, a transaction, or a look and the decision.

use crate::carry;
use crate::ledger::{Durability, Marker, Row, State};
use crate::recover;
use crate::scenario::Scenario;
use crate::world::{Claimed, Daemon, Outcome, Processor, World};

/// Committed files that the ledger hears of once they are archived.
pub type Unentered = Vec<Claimed>;

/// One step, with what its Processor has in memory for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    // Claim
    Seal(u8),
    GiveBack(u8),
    // Process
    Work(Claimed),
    // Set aside
    EnterDeferred(Claimed),
    PutBack(Claimed),
    EnterQuarantined(Claimed),
    MoveToQuarantine(Claimed),
    FlushQuarantine,
    // Commit
    Commit,
    CommitRows(Vec<(Claimed, Outcome)>),
    CommitMarkers(Vec<(Claimed, Outcome)>),
    Judge(Vec<(Claimed, Outcome)>),
    EnterCommitted(Durability, Vec<(Claimed, Outcome)>, Unentered),
    Publish(u8, usize),
    FlushResults,
    Discard(u8),
    // Archive
    MoveToArchive(Claimed),
    FlushArchive,
    EnterArchived(Vec<Claimed>, Unentered),
    // Recover
    LearnMarkers,
    NeverAgain(u8),
    Learn(Marker),
    FinishUnplaced(State),
    Look(Row),
    TakeFromInbox(Row),
    EnterMoved,
    FlushFound,
    EnterFound(u8),
    UndoAttempts,
    List,
    Find(u8),
    FindKnown(u8, Option<Row>),
    ArchiveDone,
    EndRecovery,
    CarryAgain,
}

impl Step {
    /// The files that it holds the leases of.
    pub fn in_hand(&self) -> Vec<Claimed> {
        match self {
            Self::Work(file)
            | Self::EnterDeferred(file)
            | Self::PutBack(file)
            | Self::EnterQuarantined(file)
            | Self::MoveToQuarantine(file)
            | Self::MoveToArchive(file) => vec![*file],
            Self::EnterArchived(known, unentered) => known.iter().chain(unentered).copied().collect(),
            Self::CommitRows(files) | Self::CommitMarkers(files) | Self::Judge(files) => {
                files.iter().map(|(file, _)| *file).collect()
            }
            Self::EnterCommitted(_, files, unentered) => {
                files.iter().map(|(file, _)| *file).chain(unentered.iter().copied()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it changes only what its Processor has in memory.
    fn is_silent(&self) -> bool {
        matches!(self, Self::ArchiveDone | Self::EnterMoved | Self::EndRecovery)
    }
}

/// Whether a Processor's next step can be done now; false: it has none, or waits for another Processor.
pub fn can_go_on(daemon: &Daemon, slot: u8) -> bool {
    match daemon.processors[usize::from(slot)].todo.last() {
        None => false,
        Some(Step::CarryAgain) => daemon.is_ready,
        Some(Step::Judge(_)) => daemon.planned.is_none_or(|holder| holder == slot),
        Some(_) => true,
    }
}

/// One Processor at its next step.
pub struct At<'a> {
    pub scenario: &'a Scenario,
    pub world: &'a mut World,
    pub daemon: u8,
    pub slot: u8,
}

impl At<'_> {
    pub fn memory(&mut self) -> &mut Daemon {
        self.world.daemons[usize::from(self.daemon)].as_mut().expect("it runs")
    }

    pub fn me(&mut self) -> &mut Processor {
        let slot = usize::from(self.slot);
        &mut self.memory().processors[slot]
    }

    pub fn first(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.me().first(steps);
    }

    /// The next step, and what follows it that nobody else can see or be kept from.
    pub fn go_on(&mut self) {
        self.one();
        while self.me().todo.last().is_some_and(Step::is_silent) {
            self.one();
        }
    }

    fn one(&mut self) {
        let Some(step) = self.me().todo.pop() else { return };
        match step {
            Step::LearnMarkers
            | Step::NeverAgain(_)
            | Step::Learn(_)
            | Step::FinishUnplaced(_)
            | Step::Look(_)
            | Step::TakeFromInbox(_)
            | Step::EnterMoved
            | Step::FlushFound
            | Step::EnterFound(_)
            | Step::UndoAttempts
            | Step::List
            | Step::Find(_)
            | Step::FindKnown(..)
            | Step::ArchiveDone
            | Step::EndRecovery
            | Step::CarryAgain => recover::step(self, step),
            step => carry::step(self, step),
        }
    }
}
