//! All messages, with who sends them to whom, and what can follow.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::Message;

use crate::offered::Offered;
use crate::pool::Seat;

/// Scanner → Processor: files of one folder that are settled; or none, for a visit.
#[derive(Debug)]
pub(crate) struct Offer<S> {
    pub(crate) folder: usize,
    pub(crate) files: Offered<S>,
    /// Carry what recovery left; if nothing is known to be left, have another look.
    pub(crate) visit: bool,
    /// Room in the mailbox, given back when the message is gone, handled or not.
    pub(crate) seat: Seat,
}

impl<S> Message for Offer<S> {
    type Result = Answer;
}

/// What became of an [`Offer`]. What it doesn't name was not claimed and lies in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All that was claimed has ended somewhere: archive, quarantine, or deferred.
    Carried { files: usize, took: Duration },
    /// A fault of the world; what was claimed stays claimed.
    Held { cause: String },
    /// The daemon can't go on.
    Fatal { cause: String },
}

/// Supervisor → Processor, first of all messages: find what the slot's earlier owner left.
#[derive(Debug)]
pub(crate) struct Recover;

impl Message for Recover {
    type Result = Found;
}

/// What a Processor found in its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Offers may come.
    Ready { archived: usize, again: usize },
    /// The daemon can't go on.
    Fatal { cause: String },
}

/// Supervisor → Processor, behind the last offer: the answer proves that the mailbox is empty.
#[derive(Debug)]
pub(crate) struct Finish;

impl Message for Finish {
    type Result = Finished;
}

/// The mailbox is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finished {
    /// What was claimed is carried, but for the files of these folders, which are held for these causes.
    Empty { held: BTreeMap<usize, String> },
    /// The daemon can't go on.
    Fatal { cause: String },
}

/// Supervisor → Processor: end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

/// Supervisor → Scanner: from the answer on, nothing new is offered. What was offered may be under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StopScanning;

/// Supervisor → Scanner: the slot has a fresh Processor; have it carry what recovery left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Visit {
    pub(crate) slot: usize,
}

/// Supervisor → Scanner: are you there?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Knock;

/// Daemon → Supervisor: start the tree. Answered when recovery is over and every Scanner runs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Start;

/// Daemon → Supervisor: stop taking files, finish those in hand, and end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// Why, for the log.
    pub cause: String,
}

/// Daemon → Supervisor: end at once; what is in hand stays claimed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Abandon;

/// Daemon → Supervisor: is every actor alive?
#[derive(Debug)]
pub struct Ping;

impl Message for Ping {
    type Result = Health;
}

/// The answer to a [`Ping`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Every Scanner answered, and no Processor has been without a sign of life for too long.
    Alive,
    /// These actors hang.
    Hung(Vec<String>),
}

/// How the tree ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Nothing stays claimed. What an earlier run left in slots that were not recovered yet doesn't
    /// count: the drain came during the start.
    Drained,
    /// All is done that could be; files of held folders stay claimed, or a folder is held whose files were never found.
    Held {
        /// How many are known to be claimed.
        files: usize,
    },
    /// Files stay claimed, because the grace is over, or a second signal came; or a folder was held when everything
    /// was to be carried once.
    LeftBehind {
        /// How many are known to be claimed.
        files: usize,
    },
    /// More crashes than the restart budget allows.
    GaveUp,
    /// The daemon's own state can't be trusted.
    Fatal(String),
}
