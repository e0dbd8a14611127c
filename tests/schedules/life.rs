//! One daemon's life: the real parts, opened, and two Processors with what they have in hand.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use importerd::file::FileId;
use importerd::folder::inbox::Settled;
use importerd::ledger::{FILE_NAME, State};
use importerd::settings::Settings;
use importerd::stages::{Carrier, Claimed, Committed, Journal, Processed};
use importerd_actors::{Halt, InHand, Stages};
use rusqlite::Connection;

use crate::parts::{self, Parts};

pub const PROCESSORS: usize = 2;

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Load markers are gone after a kill.
    Markers,
    /// A power cut takes what the ledger had flushed, too.
    FlushedEntries,
    /// A kill takes a file.
    File,
}

/// A Processor and its hand.
pub struct Processor {
    carrier: Carrier,
    /// Its slot must be recovered first.
    pub is_fresh: bool,
    pub claimed: Vec<Claimed>,
    pub ready: Vec<Processed>,
    pub committed: Option<Committed>,
}

/// Everything that a kill takes.
pub struct Life {
    root: PathBuf,
    parts: Parts,
    pub processors: Vec<Processor>,
    /// Every slot was recovered once: the Scanner offers files.
    pub is_ready: bool,
    /// Files whose claim a power cut would undo: slot, name, inode.
    pub unflushed: Vec<(usize, OsString, u64)>,
    /// The numbers given out in this life, with their files' inodes.
    pub numbers: BTreeSet<(i64, u64)>,
    /// A copy of the ledger as it was at its last flush.
    flushed: PathBuf,
}

impl Life {
    pub fn begin(root: &Path, settings: &Settings) -> Self {
        let parts = parts::open(root, settings, Journal::unheard());
        let processors = (0..PROCESSORS).map(|slot| fresh(&parts, slot)).collect();
        let (root, flushed) = (root.to_owned(), root.join("flushed"));
        let life =
            Self { root, parts, processors, is_ready: false, unflushed: Vec::new(), numbers: BTreeSet::new(), flushed };
        life.ledger_is_flushed();
        life
    }

    fn ledger_is_flushed(&self) {
        let _ = fs::remove_dir_all(&self.flushed);
        fs::create_dir(&self.flushed).expect("a directory for the copy");
        copy_ledger(&self.root, &self.flushed);
    }

    pub fn recover(&mut self, slot: usize) -> Result<(), Halt> {
        let processor = &mut self.processors[slot];
        let recovered = processor.carrier.recover(0, None)?;
        processor.claimed = recovered.again;
        processor.is_fresh = false;
        self.is_ready |= self.processors.iter().all(|processor| !processor.is_fresh);
        // It may have flushed any of them.
        self.unflushed.clear();
        self.ledger_is_flushed();
        self.note_numbers(slot);
        Ok(())
    }

    /// `false`: the name was not taken.
    pub fn claim(&mut self, slot: usize, name: &OsString) -> Result<bool, Halt> {
        // A Scanner offers a name once at a time, and all that lies in a slot is in its hand once that has recovered.
        if self.in_slot(slot, name).exists() {
            return Ok(false);
        }
        let had_none = self.numbers.is_empty();
        let Some(claimed) = self.processors[slot].carrier.claim(0, Settled { name: name.clone() })? else {
            return Ok(false);
        };
        if had_none {
            // A block of numbers was reserved.
            self.ledger_is_flushed();
        }
        self.processors[slot].claimed.push(claimed);
        self.unflushed.push((slot, name.clone(), inode(&self.in_slot(slot, name))));
        self.note_numbers(slot);
        Ok(true)
    }

    fn in_slot(&self, slot: usize, name: &OsString) -> PathBuf {
        self.root.join("drop/active").join(slot.to_string()).join(name)
    }

    fn note_numbers(&mut self, slot: usize) {
        for claimed in &self.processors[slot].claimed {
            self.numbers.insert((claimed.id(), inode(&self.in_slot(slot, &claimed.name().into()))));
        }
    }

    pub fn process(&mut self, slot: usize) -> Result<(), Halt> {
        let processor = &mut self.processors[slot];
        let claimed = processor.claimed.remove(0);
        match processor.carrier.process(0, claimed)? {
            Some(processed) => processor.ready.push(processed),
            None => self.is_set_aside(slot),
        }
        Ok(())
    }

    fn is_set_aside(&mut self, slot: usize) {
        self.ledger_is_flushed();
        self.unflushed.retain(|(of, ..)| *of != slot);
    }

    pub fn commit(&mut self, slot: usize, is_flushed: bool) -> Result<(), Halt> {
        let processor = &mut self.processors[slot];
        let ready = std::mem::take(&mut processor.ready);
        processor.committed = Some(processor.carrier.commit(0, ready)?);
        if is_flushed {
            self.ledger_is_flushed();
        }
        Ok(())
    }

    pub fn archive(&mut self, slot: usize) -> Result<(), Halt> {
        let processor = &mut self.processors[slot];
        if let Some(committed) = processor.committed.take() {
            processor.carrier.archive(0, committed)?;
            self.unflushed.retain(|(of, ..)| *of != slot);
        }
        Ok(())
    }

    /// Whether the ledger says of one of these numbers that its file is in the archive: it does unless it lost its tail.
    pub fn has_archived(&self, numbers: Vec<i64>) -> bool {
        let entered = numbers.into_iter().map(|number| self.parts.ledger.by_id(FileId(number)).expect("the ledger"));
        entered.flatten().any(|file| matches!(file.state, State::Archived | State::Duplicate))
    }

    /// What is in its hand is gone; a fresh one follows.
    pub fn panic(&mut self, slot: usize) {
        self.processors[slot] = fresh(&self.parts, slot);
    }

    /// The power fails. What the ledger wrote since its last flush may be gone.
    pub fn cut(self, loses_tail: bool) {
        let (root, flushed) = (self.root.clone(), self.flushed.clone());
        drop(self);
        if loses_tail {
            copy_ledger(&flushed, &root);
        }
    }
}

fn fresh(parts: &Parts, slot: usize) -> Processor {
    let Parts { folders, ledger, journal } = parts;
    let carrier = Carrier::new(slot, PROCESSORS, Arc::clone(folders), Arc::clone(ledger), journal.clone());
    Processor { carrier, is_fresh: true, claimed: Vec::new(), ready: Vec::new(), committed: None }
}

/// Nobody writes to it meanwhile.
pub fn copy_ledger(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{FILE_NAME}{suffix}");
        let _ = fs::remove_file(to.join(&name));
        if suffix != "-shm" && from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).expect("copy the ledger");
        }
    }
}

/// Another program forgets what the target knows.
pub fn forget_markers(root: &Path) {
    let target = Connection::open(root.join("importerd.db")).expect("open the target");
    let _ = target.execute("DELETE FROM _importerd_files", []);
}

pub fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).map_or(0, |found| found.ino())
}
