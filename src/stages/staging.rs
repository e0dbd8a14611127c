//! Staging: where the commands of a slot work, `active/SLOT/.staging/ID-INODE/`, and what earlier ones left there.
//! The inode is that of the claimed file: see [`run::undo`].

use std::path::PathBuf;

use importerd_actors::Halt;
use rustix::fs::{AtFlags, statat};

use super::carrier::{Carrier, halt};
use super::file::SlotDirectory;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::folder::places::{self, STAGING, subdirectory};
use crate::ledger::State;
use crate::run;

impl SlotDirectory {
    /// Where the command of a file of this slot works; its parent is made when missing.
    pub(super) fn staging(&self, id: FileId, file: &Identity) -> Result<PathBuf, Fault> {
        subdirectory(&self.descriptor, STAGING.as_ref())
            .map_err(|error| Fault::io(format_args!("make {}", self.path.join(STAGING).display()), &error))?;
        Ok(self.path.join(STAGING).join(format!("{}-{}", id.0, file.inode)))
    }

    /// What is in staging, whoever made it.
    fn staged(&self) -> Result<Vec<(FileId, PathBuf)>, Fault> {
        let of_staging = |error| Fault::io(self.path.join(STAGING).display(), &error);
        if statat(&self.descriptor, STAGING, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Ok(Vec::new());
        }
        let directory = subdirectory(&self.descriptor, STAGING.as_ref()).map_err(of_staging)?;
        let names = places::names(directory).map_err(of_staging)?;
        let staged = names.iter().filter_map(|name| {
            let id = name.to_str()?.split('-').next()?.parse().ok()?;
            Some((FileId(id), self.path.join(STAGING).join(name)))
        });
        Ok(staged.collect())
    }
}

impl Carrier {
    /// Clears away what attempts of this slot left that came to no end; a file that a command had moved is
    /// where it was claimed again. Results that are committed stay to be published.
    pub(super) fn undo_attempts(&self, slot: &SlotDirectory) -> Result<(), Halt> {
        for (id, staging) in slot.staged().map_err(|fault| halt(&fault))? {
            let row = self.ledger.by_id(id).map_err(|fault| halt(&fault))?;
            if row.is_none_or(|row| row.state != State::Committed) {
                run::undo(&staging, &slot.path).map_err(|fault| halt(&fault))?;
            }
        }
        Ok(())
    }

    /// The staging directory of a committed file, in whichever slot. `None`: all of it is published.
    pub(super) fn find_staging(&mut self, folder: usize, id: FileId) -> Result<Option<PathBuf>, Halt> {
        for slot in self.slots(folder)? {
            let staged = self.slot_directory(folder, slot)?.staged().map_err(|fault| halt(&fault))?;
            if let Some((_, staging)) = staged.into_iter().find(|(staged, _)| *staged == id) {
                return Ok(Some(staging));
            }
        }
        self.folders[folder].places.check().map_err(|fault| halt(&fault))?;
        Ok(None)
    }
}
