//! What is checked: a world to begin with, which faults may come and how often, and one step done wrongly, or none.

/// What the folder does with its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Import,
    Run,
}

/// `settings::Duplicates`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    ByContent,
    Allow,
}

/// How a file fares when it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    /// Refused at once.
    Bad,
    /// Its first attempt fails, and is charged.
    Flaky,
    /// Every attempt fails, until it is refused.
    Failing,
}

/// A file that will be dropped.
#[derive(Debug, Clone, Copy)]
pub struct Upload {
    pub stem: u8,
    pub content: u8,
    pub kind: Kind,
}

/// How often each fault may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// `kill -9` of a daemon.
    pub kills: u8,
    pub power_cuts: u8,
    /// A Processor panics, the others go on.
    pub panics: u8,
    /// An uploader opens a file for writing again.
    pub writers: u8,
}

/// One world and its bounds.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub work: Work,
    pub duplicates: Duplicates,
    pub uploads: Vec<Upload>,
    pub daemons: u8,
    pub processors: u8,
    pub batch_max: usize,
    pub faults: Faults,
    pub wrong: Wrong,
}

impl Scenario {
    /// One daemon with one Processor that takes one file at a time, and no faults.
    pub fn new(name: &'static str, work: Work, duplicates: Duplicates, uploads: &[Upload]) -> Self {
        let uploads = uploads.to_vec();
        let faults = Faults::default();
        Self { name, work, duplicates, uploads, daemons: 1, processors: 1, batch_max: 1, faults, wrong: Wrong::Nothing }
    }

    pub fn faults(self, kills: u8, power_cuts: u8) -> Self {
        Self { faults: Faults { kills, power_cuts, ..self.faults }, ..self }
    }

    pub fn panics(self, panics: u8) -> Self {
        Self { faults: Faults { panics, ..self.faults }, ..self }
    }

    pub fn writers(self, writers: u8) -> Self {
        Self { faults: Faults { writers, ..self.faults }, ..self }
    }

    pub fn processors(self, processors: u8) -> Self {
        Self { processors, ..self }
    }

    pub fn daemons(self, daemons: u8) -> Self {
        Self { daemons, ..self }
    }

    pub fn batches(self, batch_max: usize) -> Self {
        Self { batch_max, ..self }
    }

    pub fn wrong(self, wrong: Wrong) -> Self {
        Self { wrong, ..self }
    }
}

/// The negative controls: the protocol with one step wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The protocol as it is.
    Nothing,
    /// The claim replaces what has its name in the slot.
    ClaimReplaces,
    /// The lease is given up right after the claim.
    LeaseGivenUp,
    /// Numbers are reserved without a flush, and recovery doesn't skip those that the target has.
    NumbersReservedLazily,
    /// The load marker is written in a transaction after that of the rows.
    MarkerApart,
    /// A refused file is moved before the ledger says so.
    QuarantinedBeforeEntered,
    /// Results are not flushed in staging.
    ResultsNotSealed,
    /// Results are published before the ledger says `committed`.
    PublishedBeforeEntered,
    /// The ledger's `committed` of a command's results isn't flushed.
    ResultsEnteredLazily,
    /// Two Processors ask at once whether the same bytes were done.
    JudgedTogether,
    /// `archived` is entered before the directories are flushed.
    ArchivedBeforeFlushed,
    /// What recovery finds in the archive is entered without a flush of the directories.
    FoundArchivedUnflushed,
    /// Recovery gives a file back that is done, because a writer has it open.
    GivenBackThoughDone,
    /// Recovery publishes committed results when it comes to their file, if that is still as it was.
    PublishedWithItsFile,
    /// Recovery takes a done file from the inbox under its own name only.
    TakenBackByName,
    /// Recovery asks the ledger only.
    TargetNotAsked,
    /// Recovery knows files by their names.
    KnownByName,
    /// Recovery leaves committed results unpublished.
    NotPublishedAgain,
    /// A second daemon isn't refused.
    NoLock,
}
