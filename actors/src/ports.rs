//! The ports: what the tree asks of the outside, as guarantees.

use std::fmt;
use std::time::Duration;

/// A file that a Processor has claimed.
pub trait InHand {
    /// Its number.
    fn id(&self) -> i64;
    /// Its name, safe to print.
    fn name(&self) -> String;
    /// Which attempt this is, from 1.
    fn attempt(&self) -> u32;
}

/// Why a Processor or a Scanner can't go on with a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// A fault of the world: nothing of this folder is taken until it is gone. No file is to blame.
    Hold(String),
    /// The daemon can't be trusted any more: it stops.
    Fatal(String),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Hold(cause) | Self::Fatal(cause)) = self;
        f.write_str(cause)
    }
}

/// The stages of a file after it has settled. One value serves one slot and never leaves its thread.
///
/// Every call may be the last: after a panic or a kill at any point, a fresh value must find all that
/// was claimed by [`recover`](Self::recover).
pub trait Stages: Unpin + 'static {
    /// A file that nobody writes to any more, still in the inbox.
    type Settled: Send + 'static;
    /// A file out of the uploader's reach.
    type Claimed: InHand + Unpin;
    /// A file whose rows or results are known, and nobody else knows them yet.
    type Processed: InHand;
    /// Files whose rows or results are durable and visible.
    type Committed;

    /// Finds what an earlier owner of this slot left claimed in `folder`. What was committed is
    /// archived, the rest is returned to be carried again.
    ///
    /// `blame` names a file that crashed the earlier owner: unless it was committed, it is charged an
    /// attempt and deferred or quarantined, and is not among the returned. It is named again until a
    /// call for its folder has returned `Ok`.
    ///
    /// # Errors
    /// [`Halt`] leaves all that is not archived claimed; the call is repeated.
    fn recover(&mut self, folder: usize, blame: Option<&Blame>) -> Result<Recovered<Self::Claimed>, Halt>;

    /// Takes a file out of the uploader's reach. `None`: it is gone, or another slot was faster, or a
    /// writer came back; then it stays in the inbox. None of that name is in this slot's hand.
    ///
    /// # Errors
    /// [`Halt`] leaves the file in the inbox or claimed, never between. One of that name that nobody
    /// knows of is in the slot, perhaps: [`recover`](Self::recover) finds it.
    fn claim(&mut self, folder: usize, file: Self::Settled) -> Result<Option<Self::Claimed>, Halt>;

    /// Does the file's work, changing nothing that others see. `None`: the file was set aside
    /// (deferred or quarantined) with its reason.
    ///
    /// # Errors
    /// [`Halt`] leaves the file claimed.
    fn process(&mut self, folder: usize, file: Self::Claimed) -> Result<Option<Self::Processed>, Halt>;

    /// Makes the work of all these files durable and visible, each once or not at all. A file that
    /// turns out bad is set aside alone.
    ///
    /// # Errors
    /// [`Halt`] leaves the files claimed; which of them are committed is known to `recover`.
    fn commit(&mut self, folder: usize, files: Vec<Self::Processed>) -> Result<Self::Committed, Halt>;

    /// Moves the originals to where done files lie.
    ///
    /// # Errors
    /// [`Halt`] leaves those not moved to `recover`.
    fn archive(&mut self, folder: usize, files: Self::Committed) -> Result<(), Halt>;
}

/// What [`Stages::recover`] found.
#[derive(Debug)]
pub struct Recovered<C> {
    /// How many were committed, and are now archived.
    pub archived: usize,
    /// Those to be carried again from where they are.
    pub again: Vec<C>,
}

impl<C> Default for Recovered<C> {
    fn default() -> Self {
        Self { archived: 0, again: Vec::new() }
    }
}

/// The file that was in a Processor's hand when it panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The folder it belongs to.
    pub folder: usize,
    /// Its number.
    pub id: i64,
    /// Its name, safe to print.
    pub name: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// What the panic said.
    pub panic: String,
}

/// Where a Scanner finds files: one inbox. After a crash of the Scanner a fresh value takes over, which
/// knows nothing of what is under way.
pub trait Inbox: Unpin + 'static {
    /// A file that nobody writes to any more.
    type Settled: Send + 'static;

    /// Finds up to `files_max` settled files that are not under way already, and remembers them as
    /// under way in the numbered offer. Memory doesn't grow with the backlog.
    ///
    /// # Errors
    /// [`Halt::Hold`] when the inbox can't be read; the call is repeated later.
    fn look(&mut self, offer: u64, files_max: usize) -> Result<Look<Self::Settled>, Halt>;

    /// The numbered offer is over: what it held and is not claimed may be found again. A file may be
    /// about to be claimed just now; one that is then offered twice is claimed once.
    fn answered(&mut self, offer: u64);
}

/// What an [`Inbox`] found.
#[derive(Debug)]
pub struct Look<S> {
    /// Files to be offered.
    pub settled: Vec<S>,
    /// How many are not settled yet but will be looked at again by `due`.
    pub settling: usize,
    /// When another look is worth while, if nothing happens before.
    pub due: Duration,
    /// Other directories lie in place of those before: what is claimed there must be found. Nothing is settled then.
    pub others: bool,
}

/// Who hears of what happens in the tree. Called on any thread; must not block for long.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, happening: Happening);
}

/// What an [`Observer`] hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A Processor is ready for work.
    ProcessorStarted {
        /// Its slot.
        slot: usize,
    },
    /// A Processor panicked.
    ProcessorCrashed {
        /// Its slot.
        slot: usize,
        /// What the panic said.
        panic: String,
        /// The file in its hand.
        blame: Option<Blame>,
    },
    /// A fresh Processor took the slot of a crashed one.
    ProcessorRestarted {
        /// Its slot.
        slot: usize,
        /// How many crashes the window has seen.
        crashes: usize,
        /// How long the slot was empty.
        back_off: Duration,
    },
    /// A Scanner panicked; a fresh one follows.
    ScannerCrashed {
        /// Its folder.
        folder: usize,
        /// What the panic said.
        panic: String,
    },
    /// More crashes than the budget allows: the tree drains and ends.
    GaveUp {
        /// How many crashes the window has seen.
        crashes: usize,
    },
    /// A folder takes nothing until a cause is gone.
    FolderPaused {
        /// Which.
        folder: usize,
        /// Why.
        cause: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A folder is held at the end of a drain: what is claimed of it stays claimed.
    FolderLeft {
        /// Which.
        folder: usize,
        /// Why.
        cause: String,
    },
    /// The cause is gone.
    FolderResumed {
        /// Which.
        folder: usize,
    },
    /// Recovery is over, every folder is scanned from here on.
    Ready {
        /// How many files were found committed and have been archived.
        archived: usize,
        /// How many are carried again.
        again: usize,
    },
    /// The drain began.
    Draining {
        /// Why.
        cause: String,
    },
    /// The drain goes on; told once a second.
    DrainProgress {
        /// How many files are claimed.
        in_hand: usize,
        /// The one that has been at work for longest.
        oldest: Option<(String, Duration)>,
    },
}
