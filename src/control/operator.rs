//! The operator: who may give orders, over what, and in whose name.

use std::fmt;

use super::{Folders, Line, Outcome, Refusal, Request};
use crate::events::{Event, Kind};
use crate::exit;
use crate::ledger::Ledger;
use crate::stages::{Folder, Journal};

/// Who gave an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The user's number, as the kernel says.
    pub uid: u32,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)
    }
}

/// One order's hands: what is open, and who ordered it. One order is carried out at a time.
#[derive(Debug)]
pub struct Operator<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// The folders, their locks held.
    pub folders: &'a [Folder],
    /// Where events are told.
    pub journal: &'a Journal,
    /// Who ordered it.
    pub by: By,
}

/// Hears what came of an order, as it comes.
pub type Tell<'a> = &'a mut dyn FnMut(Line);

/// The exit code of an order that was carried out, well or not.
pub type Performed = Result<u8, Refusal>;

impl<'a> Operator<'a> {
    /// Carries out an order, and tells of it to its end.
    pub fn obey(&self, request: &Request, tell: Tell<'_>) {
        let performed = self.perform(request, tell);
        tell(match performed {
            Ok(exit) => Line::Done { exit },
            Err(refusal) => Line::Refused(refusal),
        });
    }

    fn perform(&self, request: &Request, tell: Tell<'_>) -> Performed {
        match request {
            Request::Pause(folders) => self.pause(folders, tell),
            Request::Resume(folders) => self.resume(folders, tell),
            Request::Retry { files, dry_run } => self.retry(files, *dry_run, tell),
            Request::Replay(ended) => self.replay(ended, tell),
            Request::Forget(ended) => self.forget(ended, tell),
            Request::Drain => Err(Refusal::new(exit::UNAVAILABLE, "no daemon runs", "nothing: there is none to end")),
        }
    }

    /// The folders that are meant; an unknown one refuses the whole order before anything is done.
    pub(super) fn chosen(&self, folders: &Folders) -> Result<Vec<&'a Folder>, Refusal> {
        match folders {
            Folders::All => Ok(self.folders.iter().collect()),
            Folders::Named(names) => names.iter().map(|name| self.folder(name)).collect(),
        }
    }

    /// The folder of that name.
    pub(super) fn folder(&self, name: &str) -> Result<&'a Folder, Refusal> {
        self.folders.iter().find(|folder| *folder.name == *name).ok_or_else(|| {
            let known: Vec<_> = self.folders.iter().map(|folder| &*folder.name).collect();
            Refusal::new(exit::USAGE, format!("folder {name:?} is unknown"), format!("known: {}", known.join(", ")))
        })
    }

    /// An event that tells of an order in a folder.
    pub(super) fn event(&self, kind: Kind, folder: &Folder) -> Event {
        Event::new(kind).folder(std::sync::Arc::clone(&folder.name)).with("by", self.by.to_string())
    }
}

impl Operator<'_> {
    /// Says in the log what the ledger has been told.
    pub(super) fn tell_entered(&self, events: &[Event]) {
        for event in events {
            self.journal.tell_entered(event);
        }
    }
}

/// Tells what became of one folder or file.
pub(super) fn told(tell: Tell<'_>, outcome: Outcome) {
    tell(Line::Outcome(outcome));
}
