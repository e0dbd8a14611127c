//! Unentered: files that are on their way to the archive, and of which only their load markers tell until the ledger hears
//! of their place. A kill in that moment is mended by a look at the markers of the last numbers; a disk that hangs makes
//! the moment long, and the other Processors must not leave those numbers behind meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reconcile::MARKERS_BACK;
use crate::fault::Fault;
use crate::file::FileId;

/// The lowest number of each slot that has such files, in one folder.
#[derive(Debug, Default)]
pub(super) struct Unentered(Mutex<BTreeMap<usize, FileId>>);

impl Unentered {
    fn lowest(&self) -> MutexGuard<'_, BTreeMap<usize, FileId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the first of a slot is moved.
    pub(super) fn begin(&self, slot: usize, lowest: Option<FileId>) {
        if let Some(lowest) = lowest {
            self.lowest().insert(slot, lowest);
        }
    }

    /// The ledger has all of a slot; or recovery has learnt of them.
    pub(super) fn end(&self, slot: usize) {
        self.lowest().remove(&slot);
    }

    /// Whether a file may have this number.
    ///
    /// # Errors
    /// Once it were entered, recovery wouldn't look for the marker of one that is not.
    pub(super) fn check(&self, id: FileId) -> Result<(), Fault> {
        match self.lowest().values().min() {
            Some(lowest) if id.0 - lowest.0 > MARKERS_BACK => {
                let text =
                    format!("{lowest} and others are being archived: the disk takes long to flush the directories");
                Err(Fault::world("archive_hangs", text))
            }
            _ => Ok(()),
        }
    }
}
