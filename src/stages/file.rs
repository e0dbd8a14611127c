//! A file in each of its stages: types that prove what was done.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use importerd_actors::{Halt, InHand};
use jiff::Timestamp;
use rustix::fs::{AtFlags, statx};

use super::account::Account;
use super::carrier::halt;
use crate::events::{Event, Kind, Subject};
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId, Identity};
use crate::folder::claim::Sealed;
use crate::folder::moves::is_taken;
use crate::folder::places::{identity, identity_flags, moved, place, place_at};
use crate::import::Checked;
use crate::ledger::{Entry, State};
use crate::log::escape;
use crate::run::results::Produced;

/// `active/SLOT/` of a folder, opened.
#[derive(Debug)]
pub struct SlotDirectory {
    pub(super) descriptor: OwnedFd,
    pub(super) path: PathBuf,
}

impl SlotDirectory {
    /// Who worked by its path and met something strange asks whether it was this directory all the while. fault 12
    ///
    /// # Errors
    /// It was not: what was met says nothing of any file.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let is_there = place_at(&self.path).is_ok_and(|there| place(&self.descriptor) == Ok(there));
        if is_there { Ok(()) } else { Err(moved(&self.path)) }
    }
}

/// A file in `active/SLOT/`.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "claimed_at is a time")]
pub struct Claimed {
    pub(super) id: FileId,
    /// The ledger has an entry of that number.
    pub(super) is_entered: bool,
    pub(super) folder: Arc<str>,
    pub(super) name: OsString,
    pub(super) identity: Identity,
    /// The file whose rows are to give way to its own.
    pub(super) replaces: Option<FileId>,
    pub(super) attempts: u32,
    pub(super) deferrals: u32,
    pub(super) claimed_at: Timestamp,
    pub(super) slot: Arc<SlotDirectory>,
    pub(super) body: Body,
    /// Events told of it and not entered yet.
    pub(super) told: Vec<Event>,
}

/// What can be done with a claimed file.
#[derive(Debug)]
pub(super) enum Body {
    /// It can be worked on.
    Sealed(Sealed),
    /// It is no regular file, or has several names.
    Unfit(Reason),
    /// It can't be opened by this user.
    Unreadable(io::Error),
}

/// A file whose work is done, and nobody else knows of it yet.
#[derive(Debug)]
pub struct Processed {
    pub(super) claimed: Claimed,
    pub(super) outcome: Outcome,
}

/// What the work came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Rows, checked.
    Checked(Checked),
    /// A command's results, in staging.
    Produced { produced: Produced, digest: Digest },
    /// It was done before.
    Duplicate { of: FileId, name: OsString, digest: Digest },
}

/// Files whose rows or results are durable and visible.
#[derive(Debug)]
pub struct Committed {
    pub(super) files: Vec<Done>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) claimed: Claimed,
    /// What the ledger doesn't hold of it yet: it has a load marker, and is entered with its place in the archive.
    pub(super) unentered: Option<Account>,
}

impl Claimed {
    /// An event about this file.
    pub(super) fn event(&self, kind: Kind, stage: &'static str) -> Event {
        let subject = Subject { id: self.id, name: self.name.clone(), attempt: self.attempt(), stage };
        Event::new(kind).folder(Arc::clone(&self.folder)).file(subject)
    }

    /// What the ledger is to hold of it: state, and nothing else that is not known of every file.
    pub(super) fn entry(&self, state: State) -> Entry<'_> {
        Entry {
            attempts: self.attempts,
            deferrals: self.deferrals,
            claimed_at: self.claimed_at,
            replaces: self.replaces,
            ..Entry::new(self.id, &self.folder, &self.name, self.identity, state)
        }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.slot.path.join(&self.name)
    }

    /// Its command has written to it, or put another in its place, which goes by its number from here on.
    pub(super) fn is_what_lies_there(&mut self) -> Result<(), Halt> {
        let stat = statx(&self.slot.descriptor, &self.name, AtFlags::SYMLINK_NOFOLLOW, identity_flags())
            .map_err(|error| halt(&Fault::io(self.path().display(), &error.into())))?;
        self.identity = identity(&stat);
        Ok(())
    }

    /// Whether anything lies where it was claimed: its command may have taken it away. Also where that can't be told.
    pub(super) fn is_there(&self) -> bool {
        is_taken(self.slot.descriptor.as_fd(), &self.name).unwrap_or(true)
    }

    /// Whether its bytes are still those that were sealed.
    pub(super) fn is_whole(&self) -> bool {
        match &self.body {
            Body::Sealed(sealed) => sealed.is_whole(),
            Body::Unfit(_) | Body::Unreadable(_) => true,
        }
    }
}

impl InHand for Claimed {
    fn id(&self) -> i64 {
        self.id.0
    }

    fn name(&self) -> String {
        escape(&self.name)
    }

    fn attempt(&self) -> u32 {
        self.attempts + 1
    }
}

impl InHand for Processed {
    fn id(&self) -> i64 {
        self.claimed.id.0
    }

    fn name(&self) -> String {
        escape(&self.claimed.name)
    }

    fn attempt(&self) -> u32 {
        self.claimed.attempt()
    }
}
