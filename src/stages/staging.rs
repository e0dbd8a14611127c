//! Staging: where the commands of a slot work, `active/SLOT/.staging/ID-INODE-DEFERRALS-NAME/`, and what earlier ones left
//! there. Inode and name are those of the claimed file: see [`run::undo`]. How often the file was deferred before tells this
//! attempt from one in another slot, which a power cut may bring back (btrfs).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use importerd_actors::Halt;
use rustix::fs::{AtFlags, statat};

use super::carrier::{Carrier, halt};
use super::file::{Claimed, SlotDirectory};
use crate::fault::{Fault, if_there};
use crate::file::FileId;
use crate::folder::places::{self, STAGING, subdirectory};
use crate::ledger::{Row, State};
use crate::run;

/// A staging directory.
struct Staged {
    id: FileId,
    inode: u64,
    deferrals: u32,
    path: PathBuf,
}

impl Staged {
    /// Whether the results of this committed file are in it.
    fn is_of(&self, row: &Row) -> bool {
        (self.id, self.deferrals) == (row.id, row.deferrals)
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.id, self.inode, self.deferrals) == (other.id, other.inode, other.deferrals)
    }
}

impl SlotDirectory {
    /// Where the command of a file of this slot works; its parent is made when missing.
    pub(super) fn staging(&self, file: &Claimed) -> Result<PathBuf, Fault> {
        subdirectory(&self.descriptor, STAGING.as_ref())
            .map_err(|error| Fault::io(format_args!("make {}", self.path.join(STAGING).display()), &error))?;
        let (inode, deferrals) = (file.identity.inode, file.deferrals);
        let named = run::Named { id: file.id, inode, deferrals, file: Some(&file.name) };
        Ok(self.path.join(STAGING).join(named.name()))
    }

    /// What is in staging, whoever made it.
    fn staged(&self) -> Result<Vec<Staged>, Fault> {
        let of_staging = |error| Fault::io(self.path.join(STAGING).display(), &error);
        let found = statat(&self.descriptor, STAGING, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into);
        if if_there(found).map_err(of_staging)?.is_none() {
            return Ok(Vec::new());
        }
        let directory = subdirectory(&self.descriptor, STAGING.as_ref()).map_err(of_staging)?;
        let names = places::names(directory).map_err(of_staging)?;
        let mut staged: Vec<_> = names.iter().filter_map(|name| self.staged_at(name)).collect();
        // What lies beside a staging directory stands for it where a power cut has left the one and not the other.
        let alone: Vec<_> = names
            .iter()
            .filter_map(|name| self.staged_at(Path::new(name).file_stem()?))
            .filter(|alone| !staged.iter().any(|staged| staged.is_same(alone)))
            .collect();
        staged.extend(alone);
        Ok(staged)
    }

    fn staged_at(&self, name: &OsStr) -> Option<Staged> {
        let run::Named { id, inode, deferrals, .. } = run::Named::of(name.as_ref())?;
        Some(Staged { id, inode, deferrals, path: self.path.join(STAGING).join(name) })
    }
}

impl Carrier {
    /// Clears away what attempts of this slot left that came to no end; a file that a command had moved is
    /// where it was claimed again. Results that are committed stay to be published. Returns the inodes of the files that
    /// commands were started for.
    pub(super) fn undo_attempts(&self, slot: &SlotDirectory) -> Result<HashSet<u64>, Halt> {
        let mut worked_on = HashSet::new();
        for staged in slot.staged().map_err(|fault| halt(&fault))? {
            worked_on.insert(staged.inode);
            let row = self.ledger.by_id(staged.id).map_err(|fault| halt(&fault))?;
            let is_over = row.is_none_or(|row| row.state != State::Committed || !staged.is_of(&row));
            let undone = if is_over { run::undo(&staged.path, &slot.path) } else { Ok(None) };
            if let Some(left) = undone.map_err(|fault| halt(&fault))? {
                let text = format!("what a command left can't be removed: {}", left.display());
                self.journal.warn(&Fault::world("not_removed", text));
            }
        }
        Ok(worked_on)
    }

    /// The staging directory of a committed file, in whichever slot. `None`: all of it is published.
    pub(super) fn find_staging(&mut self, folder: usize, row: &Row) -> Result<Option<PathBuf>, Halt> {
        for slot in self.slots(folder)? {
            let staged = self.slot_directory(folder, slot)?.staged().map_err(|fault| halt(&fault))?;
            if let Some(staged) = staged.into_iter().find(|staged| staged.is_of(row)) {
                return Ok(Some(staged.path));
            }
        }
        self.folders[folder].places.check().map_err(|fault| halt(&fault))?;
        Ok(None)
    }
}
