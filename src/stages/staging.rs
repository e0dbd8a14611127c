//! Staging: where the commands of a slot work, `active/SLOT/.staging/ID-INODE.BORN-DEFERRALS-NAME/`, and what earlier ones left
//! there. Inode and name are those of the claimed file: see [`run::bring_home`]. How often the file was deferred before tells this
//! attempt from one in another slot, which a power cut may bring back (btrfs).

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use importerd_actors::Halt;
use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, statat, statx};

use super::carrier::{Carrier, halt};
use super::file::{Body, Claimed, SlotDirectory};
use crate::fault::{Fault, Reason, if_there};
use crate::file::{FileId, Identity};
use crate::folder::directory::{self, subdirectory};
use crate::folder::places::{STAGING, identity, identity_flags};
use crate::ledger::{Row, State, TAKEN_AWAY};
use crate::run::results::{self, Produced};
use crate::run::{self, Fate};

/// A staging directory.
struct Staged {
    id: FileId,
    inode: u64,
    born: Option<i64>,
    deferrals: u32,
    path: PathBuf,
}

impl Staged {
    /// Whether the results of this committed file are in it.
    fn is_of(&self, row: &Row) -> bool {
        (self.id, self.deferrals) == (row.id, row.deferrals)
    }

    fn is_past(&self, row: &Row) -> bool {
        let is_gone = row.state == State::Quarantined && row.reason_code.as_deref() == Some(run::GONE);
        let is_open = matches!(row.state, State::Deferred | State::Committed) || is_gone;
        row.deferrals > self.deferrals || !is_open
    }

    /// Its file, which is gone.
    fn file(&self, name: Option<OsString>, row: Option<&Row>, slot: &Arc<SlotDirectory>, folder: &Arc<str>) -> Claimed {
        let name = name.or_else(|| Some(row?.name.clone())).unwrap_or_else(|| self.id.0.to_string().into());
        let born_ns = self.born.unwrap_or_default();
        let identity = Identity { device: 0, inode: self.inode, born_ns, size: 0, mtime_ns: 0 };
        Claimed {
            id: self.id,
            is_entered: row.is_some(),
            folder: Arc::clone(folder),
            name,
            identity: row.map_or(identity, |row| row.identity),
            replaces: row.and_then(|row| row.replaces),
            attempts: row.map_or(0, |row| row.attempts),
            deferrals: self.deferrals,
            claimed_at: row.map_or_else(Timestamp::now, |row| row.claimed_at),
            slot: Arc::clone(slot),
            body: Body::Unfit(Reason::new(run::GONE, "")),
            told: Vec::new(),
        }
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
        let (inode, born) = file.identity.key();
        let named =
            run::Named { id: file.id, inode, born: Some(born), deferrals: file.deferrals, file: Some(&file.name) };
        Ok(self.path.join(STAGING).join(named.name()))
    }

    /// The inodes of the files that commands were started for, and that came to no end.
    pub(super) fn worked_on(&self) -> Result<HashSet<u64>, Fault> {
        Ok(self.staged()?.iter().map(|staged| staged.inode).collect())
    }

    /// What is in staging, whoever made it.
    fn staged(&self) -> Result<Vec<Staged>, Fault> {
        let of_staging = |error| Fault::io(self.path.join(STAGING).display(), &error);
        let found = statat(&self.descriptor, STAGING, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into);
        if if_there(found).map_err(of_staging)?.is_none() {
            return Ok(Vec::new());
        }
        let directory = subdirectory(&self.descriptor, STAGING.as_ref()).map_err(of_staging)?;
        directory::open_up(&directory).map_err(of_staging)?;
        let names = directory::names(directory).map_err(of_staging)?;
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
        let run::Named { id, inode, born, deferrals, .. } = run::Named::of(name.as_ref())?;
        Some(Staged { id, inode, born, deferrals, path: self.path.join(STAGING).join(name) })
    }
}

fn is_to_be_published(row: &Row) -> bool {
    row.state == State::Committed || row.place.as_deref() == Some(TAKEN_AWAY)
}

impl Carrier {
    /// Clears away what attempts of this slot left that came to no end; a file that a command had moved is
    /// where it was claimed again. Results that are committed are published, also where their file was missed since: in another
    /// folder, which may have lain here meanwhile. Of a file that is done they are out; what lies here of it is a copy.
    pub(super) fn undo_attempts(&self, folder: usize, slot: &Arc<SlotDirectory>) -> Result<(), Halt> {
        let staged = slot.staged().map_err(|fault| halt(&fault))?;
        let roots: Vec<_> = staged.iter().map(|staged| staged.path.clone()).collect();
        for left in run::bring_home(&roots, &slot.path).map_err(|fault| halt(&fault))? {
            self.warn_of_left("a command that was cut short", &left);
        }
        for attempt in &staged {
            let row = self.ledger.by_id(attempt.id).map_err(|fault| halt(&fault))?;
            match &row {
                Some(row) if row.results.is_some() && is_to_be_published(row) && attempt.is_of(row) => {
                    self.publish_from(attempt.path.clone(), folder, row)?;
                }
                row => self.undo(folder, slot, attempt, row.as_ref())?,
            }
        }
        Ok(())
    }

    fn undo(&self, folder: usize, slot: &Arc<SlotDirectory>, attempt: &Staged, row: Option<&Row>) -> Result<(), Halt> {
        let halted = |fault: Fault| halt(&fault);
        let left = match run::fate(&attempt.path, &slot.path).map_err(halted)? {
            Fate::Gone { name, reason } if !self.is_elsewhere(folder, attempt, name.as_deref(), row)? => {
                // First it is told: of what is kept nothing tells.
                if row.is_none_or(|row| row.state == State::Deferred) {
                    self.quarantine(folder, attempt.file(name, row, slot, &self.folders[folder].name), &reason, b"")?;
                }
                return run::keep(&attempt.path).map(drop).map_err(halted);
            }
            Fate::There | Fate::Gone { .. } => run::discard(&attempt.path).map_err(halted)?,
        };
        if let Some(left) = left {
            self.warn_of_left(&format!("the command of {}", attempt.id), &left);
        }
        Ok(())
    }

    fn warn_of_left(&self, who: &str, left: &Path) {
        let left = left.display();
        let text = format!("what {who} left can't be removed, or may not be its own: it lies in {left}");
        self.journal.warn(&Fault::world("not_removed", text));
    }

    /// Throws away what an attempt produced, and says what is not removed of it.
    pub(super) fn discard(&self, produced: &Produced) -> Result<(), Halt> {
        if let Some(left) = results::discard(produced).map_err(|fault| halt(&fault))? {
            self.warn_of_left("a command", &left);
        }
        Ok(())
    }

    /// Whether the ledger knows how the attempt ended, and so where its file is; or a power cut has undone its claim.
    fn is_elsewhere(
        &self,
        folder: usize,
        attempt: &Staged,
        name: Option<&OsStr>,
        row: Option<&Row>,
    ) -> Result<bool, Halt> {
        if row.is_some_and(|row| attempt.is_past(row)) {
            return Ok(true);
        }
        let inbox = &self.folders[folder].places.inbox_path;
        self.is_in_inbox(folder, attempt, name).map_err(|error| halt(&Fault::io(inbox.display(), &error)))
    }

    /// Without a name, where the cut has left but what was printed, it is looked for.
    fn is_in_inbox(&self, folder: usize, attempt: &Staged, name: Option<&OsStr>) -> io::Result<bool> {
        let open = self.folders[folder].places.now()?;
        let found = |name: &OsStr| {
            if_there(statx(&open.inbox, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(io::Error::from))
        };
        if let Some(name) = name {
            return Ok(found(name)?.is_some_and(|stat| stat.stx_ino == attempt.inode));
        }
        for entry in Dir::read_from(&open.inbox)? {
            // One that can't be looked at may be any.
            let Ok(Some(stat)) = found(OsStr::from_bytes(entry?.file_name().to_bytes())) else { continue };
            let (inode, born) = identity(&stat).key();
            if inode == attempt.inode && attempt.born.is_none_or(|known| known == born) {
                return Ok(true);
            }
        }
        Ok(false)
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
