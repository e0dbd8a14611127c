//! The Carrier: one Processor's way of doing the stages. It lives on the Processor's thread.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use importerd_actors::{Blame, Halt, Recovered, Stages};
use jiff::Timestamp;

use super::file::{Body, Claimed, Committed, Processed, SlotDirectory};
use super::folder::{Folder, Work};
use super::journal::Journal;
use super::kinship;
use super::ready::MarkersLeft;
use crate::events::Kind;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::folder::claim::{self, Claim};
use crate::folder::inbox::Settled;
use crate::folder::places::Open;
use crate::ledger::Ledger;
use crate::log::escape;

/// The stages for one slot.
#[derive(Debug)]
pub struct Carrier {
    pub(super) slot: usize,
    pub(super) processors: usize,
    pub(super) folders: Arc<[Folder]>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) journal: Journal,
    pub(super) markers: MarkersLeft,
    /// By folder and slot, with the folder that they were opened in.
    slots: HashMap<(usize, usize), (Arc<Open>, Arc<SlotDirectory>)>,
}

impl Carrier {
    /// For one slot of `processors`.
    #[must_use]
    pub fn new(slot: usize, processors: usize, folders: Arc<[Folder]>, ledger: Arc<Ledger>, journal: Journal) -> Self {
        Self { slot, processors, folders, ledger, journal, markers: MarkersLeft::default(), slots: HashMap::new() }
    }

    /// `active/SLOT/` of a folder.
    pub(super) fn slot_directory(&mut self, folder: usize, slot: usize) -> Result<Arc<SlotDirectory>, Halt> {
        let places = &self.folders[folder].places;
        let open = places.now().map_err(|error| halt(&Fault::io(places.path.display(), &error.into())))?;
        if let Some((of, opened)) = self.slots.get(&(folder, slot))
            && Arc::ptr_eq(of, &open)
        {
            return Ok(Arc::clone(opened));
        }
        let path = places.path.join("active").join(slot.to_string());
        let descriptor = open.slot(slot).map_err(|error| halt(&Fault::io(path.display(), &error)))?;
        let opened = Arc::new(SlotDirectory { descriptor, path });
        self.slots.insert((folder, slot), (open, Arc::clone(&opened)));
        Ok(opened)
    }

    /// After a fault, whatever lies there now counts: another folder, or a slot made again.
    pub(super) fn refresh(&mut self, folder: usize) -> Result<(), Halt> {
        self.slots.retain(|(of, _), _| *of != folder);
        self.folders[folder].places.refresh().map_err(|fault| halt(&fault))
    }

    /// A file in a slot, with the number it has or gets.
    pub(super) fn claimed(
        &self,
        folder: usize,
        name: &OsStr,
        identity: Identity,
        body: Body,
        slot: &Arc<SlotDirectory>,
    ) -> Result<Claimed, Halt> {
        let folder = &self.folders[folder];
        let known = folder.deferrals.take(&identity);
        let is_entered = known.as_ref().is_some_and(|known| known.is_entered);
        let (id, replaces, attempts, deferrals) = match known {
            Some(known) => (known.id, known.replaces, known.attempts, known.deferrals),
            None => (self.next_id(folder)?, None, 0, 0),
        };
        Ok(Claimed {
            id,
            is_entered,
            folder: Arc::clone(&folder.name),
            name: name.to_owned(),
            identity,
            replaces,
            attempts,
            deferrals,
            claimed_at: Timestamp::now(),
            slot: Arc::clone(slot),
            body,
            told: Vec::new(),
        })
    }

    /// A folder put in the place of this ledger's own is held, and nothing of it is touched: it may be mended while the
    /// others go on.
    pub(super) fn check_belonging(&self, folder: usize) -> Result<(), Halt> {
        self.folders[folder].check_belonging(&self.ledger).map_err(|fault| match fault {
            Fault::Fatal(reason) if kinship::is_of_another(&reason) => halt(&Fault::World(reason)),
            fault => halt(&fault),
        })
    }

    fn next_id(&self, folder: &Folder) -> Result<FileId, Halt> {
        folder.next_id(&self.ledger).map_err(|fault| halt(&fault))
    }
}

impl Stages for Carrier {
    type Settled = Settled;
    type Claimed = Claimed;
    type Processed = Processed;
    type Committed = Committed;

    fn recover(&mut self, folder: usize, blame: Option<&Blame>) -> Result<Recovered<Claimed>, Halt> {
        let folders = Arc::clone(&self.folders);
        let recovering = &folders[folder].recovering;
        recovering.fetch_add(1, Ordering::Relaxed);
        let recovered = self.recover_slot(folder, blame);
        recovering.fetch_sub(1, Ordering::Relaxed);
        recovered
    }

    fn claim(&mut self, folder: usize, file: Settled) -> Result<Option<Claimed>, Halt> {
        let gate = Arc::clone(&self.folders[folder].gate);
        // Closed since the file was offered: it stays where it is.
        let Some(_pass) = gate.pass() else { return Ok(None) };
        self.check_belonging(folder)?;
        if file.is_archived() {
            return self.claim_archived(folder, &file.name);
        }
        let slot = self.slot_directory(folder, self.slot)?;
        let places = Arc::clone(&self.folders[folder].places);
        // Until its marker is moved as well: whatever fails between leaves it.
        let key = (folder, file.name.clone());
        if self.folders[folder].rules.ready_marker.is_some() {
            self.markers.left.insert(key.clone());
        }
        let claim = claim::claim(&places, &slot.descriptor, &file.name).map_err(|error| match error.kind() {
            // The visit that ends the hold recovers it, and the name is free.
            io::ErrorKind::AlreadyExists => {
                self.markers.left.remove(&key);
                let (name, slot) = (escape(&file.name), slot.path.display());
                Halt::Hold(format!("{name} is to be claimed, and another of that name lies in {slot}: it comes first"))
            }
            _ => {
                halt(&Fault::io(format_args!("{}: claim {}", places.inbox_path.display(), escape(&file.name)), &error))
            }
        })?;
        let (identity, body) = match claim {
            Claim::NotTaken | Claim::GivenBack(_) => {
                self.markers.left.remove(&key);
                return Ok(None);
            }
            Claim::Sealed(sealed) => (sealed.identity, Body::Sealed(sealed)),
            Claim::Unfit { identity, reason } => (identity, Body::Unfit(reason)),
            Claim::Unreadable { identity, error } => (identity, Body::Unreadable(error)),
            Claim::NotMovable { identity, reason } => {
                self.markers.left.remove(&key);
                let file = self.claimed(folder, &file.name, identity, Body::Unfit(reason.clone()), &slot)?;
                return self.leave(folder, file, &reason).map(|()| None);
            }
        };
        if self.folders[folder].is_begun_anew(&file.name, &identity).map_err(|fault| halt(&fault))? {
            self.markers.left.remove(&key);
            places
                .give_back(&slot.descriptor, &file.name)
                .map_err(|error| halt(&Fault::io(slot.path.join(&file.name).display(), &error)))?;
            return Ok(None);
        }
        let stuck = self.archive_marker(folder, &file.name)?;
        self.markers.left.remove(&key);
        let mut claimed = self.claimed(folder, &file.name, identity, body, &slot)?;
        let event = claimed.event(Kind::FileClaimed, "claim").with("bytes", identity.size);
        claimed.told.push(self.journal.tell(event));
        match stuck {
            None => Ok(Some(claimed)),
            Some(reason) => self.later(folder, claimed, reason).map(|()| None),
        }
    }

    fn process(&mut self, folder: usize, file: Claimed) -> Result<Option<Processed>, Halt> {
        self.process_one(folder, file)
    }

    fn commit(&mut self, folder: usize, files: Vec<Processed>) -> Result<Committed, Halt> {
        self.commit_all(folder, files)
    }

    fn archive(&mut self, folder: usize, files: Committed) -> Result<(), Halt> {
        self.archive_all(folder, &files.files)?;
        // Nobody waits for these files any more, and other Processors take those that come.
        if let Work::Import(import) = &self.folders[folder].work {
            import.write_back(files.files.len());
        }
        self.ledger.write_back(files.files.len());
        Ok(())
    }
}

/// What a fault that is not one file's own means for the batch.
pub(super) fn halt(fault: &Fault) -> Halt {
    match fault {
        Fault::Fatal(reason) => Halt::Fatal(reason.with_hint_text()),
        Fault::World(reason) | Fault::Permanent(reason) | Fault::Deferred { reason, .. } => {
            Halt::Hold(reason.with_hint_text())
        }
    }
}
