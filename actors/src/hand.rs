//! What a slot has in hand, and its signs of life, visible from outside the Processor's thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{Blame, InHand};

/// A sign of life. Work that takes long beats it now and then; one that stops beating hangs.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Still alive.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has beaten.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The claimed files of a slot, written by its Processor and read by the Supervisor. It outlives the
/// Processor, so a crash loses neither the count nor the blame.
#[derive(Debug, Default)]
pub(crate) struct Hand(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    /// The Processor handles a message.
    busy: bool,
    /// The folder of the batch.
    folder: usize,
    /// The batch at work, in the order taken.
    batch: Vec<Taken>,
    /// Whether a panic now would be the fault of the one taken last.
    at_work: bool,
    /// How many wait claimed, by folder: not carried yet, or held.
    waiting: BTreeMap<usize, usize>,
    /// Folders whose last recovery failed: whether files of theirs wait, beside those counted, nobody knows.
    unknown: BTreeSet<usize>,
    /// Files that crashed a Processor, by folder, until recovery has heard of them.
    blames: BTreeMap<usize, Blame>,
}

#[derive(Debug)]
struct Taken {
    id: i64,
    name: String,
    attempt: u32,
    since: Instant,
}

/// What the Processor says.
impl Hand {
    /// It handles a message, or has handled it.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.files().busy = busy;
    }

    /// Recovery heard of the blame and found so many files that wait in the folder.
    pub(crate) fn found(&self, folder: usize, files: usize) {
        let mut hand = self.files();
        hand.blames.remove(&folder);
        hand.unknown.remove(&folder);
        hand.waiting.insert(folder, files);
    }

    /// Recovery failed: what waits in the folder is not known.
    pub(crate) fn not_found(&self, folder: usize) {
        self.files().unknown.insert(folder);
    }

    /// So many files of the folder wait still.
    pub(crate) fn waits(&self, folder: usize, files: usize) {
        self.files().waiting.insert(folder, files);
    }

    /// One more file of the batch is at work.
    pub(crate) fn took(&self, folder: usize, file: &impl InHand) {
        let taken = Taken { id: file.id(), name: file.name(), attempt: file.attempt(), since: Instant::now() };
        let mut hand = self.files();
        hand.folder = folder;
        hand.batch.push(taken);
        hand.at_work = true;
    }

    /// The file taken last is done with, and waits for the rest of the batch.
    pub(crate) fn processed(&self) {
        self.files().at_work = false;
    }

    /// The file taken last is out of hand.
    pub(crate) fn set_aside(&self) {
        let mut hand = self.files();
        hand.at_work = false;
        hand.batch.pop();
    }

    /// The file taken last can't be worked on now, and waits.
    pub(crate) fn put_back(&self) {
        let mut hand = self.files();
        hand.at_work = false;
        if hand.batch.pop().is_some() {
            let folder = hand.folder;
            *hand.waiting.entry(folder).or_default() += 1;
        }
    }

    /// The batch is worked on together: no one is to blame, unless there is only one.
    pub(crate) fn commits(&self) {
        let mut hand = self.files();
        hand.at_work = hand.batch.len() == 1;
    }

    /// The work is done; a panic from here on is no file's fault.
    pub(crate) fn archives(&self) {
        self.files().at_work = false;
    }

    /// The batch is out of hand.
    pub(crate) fn empty(&self) {
        self.files().batch.clear();
    }

    /// The batch can't be finished now, and waits.
    pub(crate) fn halted(&self) {
        self.files().halt();
    }

    /// The file of the folder that crashed an earlier Processor.
    pub(crate) fn blame(&self, folder: usize) -> Option<Blame> {
        self.files().blames.get(&folder).cloned()
    }
}

/// What the Supervisor asks.
impl Hand {
    /// The Processor died. Returns the file to blame, which recovery will be told of.
    pub(crate) fn crashed(&self, panic: &str) -> Option<Blame> {
        let mut hand = self.files();
        let folder = hand.folder;
        let guilty = if hand.at_work { hand.batch.last() } else { None };
        let blame = guilty.map(|file| Blame {
            folder,
            id: file.id,
            name: file.name.clone(),
            attempt: file.attempt,
            panic: panic.to_owned(),
        });
        if let Some(blame) = &blame {
            hand.blames.insert(folder, blame.clone());
        }
        hand.halt();
        hand.busy = false;
        blame
    }

    /// Whether the Processor handles a message.
    pub(crate) fn is_busy(&self) -> bool {
        self.files().busy
    }

    /// How many files are known to be claimed, at work or waiting.
    pub(crate) fn count(&self) -> usize {
        let hand = self.files();
        hand.batch.len() + hand.waiting.values().sum::<usize>()
    }

    /// Whether more may wait than is known.
    pub(crate) fn is_unknown(&self) -> bool {
        !self.files().unknown.is_empty()
    }

    /// The file that has been at work for longest.
    pub(crate) fn oldest(&self) -> Option<(String, Duration)> {
        self.files().batch.first().map(|file| (file.name.clone(), file.since.elapsed()))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn halt(&mut self) {
        self.at_work = false;
        *self.waiting.entry(self.folder).or_default() += self.batch.len();
        self.batch.clear();
    }
}
