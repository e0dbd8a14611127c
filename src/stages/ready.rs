//! Ready: the marker that said of an upload that it is complete goes into the archive with its file. It counts for one
//! file: the next upload of the name is not complete because this one was. It may be a manifest, so it is kept. fault 20
//!
//! A claim takes the file first. What comes between leaves the marker in the inbox, and recovery takes it from there: of this
//! life it is known, and of an earlier one it is older than the claim, as the next upload's can't be.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;

use importerd_actors::{Blame, Halt};
use rustix::fs::{AtFlags, Statx, statx};
use rustix::io::Errno;

use super::carrier::{Carrier, halt};
use super::file::SlotDirectory;
use super::folder::Folder;
use crate::fault::{Fault, Reason, if_there};
use crate::file::Identity;
use crate::folder::archive::Day;
use crate::folder::claim::{self, Claim};
use crate::folder::directory;
use crate::folder::places::{STAGING, identity, identity_flags};
use crate::ledger::{Row, State};
use crate::log::escape;

/// Seconds and nanoseconds, as a filesystem tells them.
type Time = (i64, u32);

/// What a Carrier knows of markers that were left.
#[derive(Debug, Default)]
pub(super) struct MarkersLeft {
    /// Folders in which recovery has seen to those of an earlier life.
    pub(super) recovered: HashSet<usize>,
    /// Files of this life, by folder and name, whose marker could not be moved.
    pub(super) left: HashSet<(usize, OsString)>,
}

impl Carrier {
    /// Of a file that was just taken from the inbox. Returns why the marker stays there, if it has to: its file must not
    /// go on then.
    pub(super) fn archive_marker(&self, folder: usize, name: &OsStr) -> Result<Option<Reason>, Halt> {
        let places = &self.folders[folder].places;
        // A file that is tried again has none any more.
        let Some((marker, _)) = self.marker(folder, name)? else { return Ok(None) };
        let fault = |error: io::Error| halt(&self.folders[folder].marker_fault(&marker, &error));
        let opened = Day::open(places).and_then(|day| Ok((day, places.now()?)));
        let (day, open) = opened.map_err(fault)?;
        match day.put(&open.inbox, &marker) {
            Ok(_) => Ok(None),
            // EACCES is a directory's fault, and every file's.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::PERM | Errno::BUSY)) => {
                let text = format!("its ready marker {} can't be moved out of the inbox: {error}", escape(&marker));
                let hint = "take the marker away, or what keeps it there (lsattr shows attributes): with it in the \
                            inbox, the next upload of the name would be taken before it is complete";
                Ok(Some(Reason::new("not_movable", text).hint(hint)))
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// Of the files that are found in their slots, and that no command has had yet: what a command does with its file makes
    /// it look younger than it is, and the marker of the next upload older. Before anything is undone: by staging directories, and
    /// by when there were some, it is known which files these are. Returns why a marker stays where it is, by the inode of
    /// its file, which must not go on then. One that is loaded again came from the archive, and has none.
    pub(super) fn archive_markers_left(
        &mut self,
        folder: usize,
        blame: Option<&Blame>,
    ) -> Result<HashMap<u64, Reason>, Halt> {
        let mut stuck = HashMap::new();
        if self.folders[folder].rules.ready_marker.is_none() {
            return Ok(stuck);
        }
        for slot in self.own_slots(folder)? {
            let slot = self.slot_directory(folder, slot)?;
            let attempted = Self::attempted(&slot)?;
            let worked_on = slot.worked_on().map_err(|fault| halt(&fault))?;
            let fault = |error: io::Error| halt(&Fault::io(slot.path.display(), &error));
            for name in directory::names(&slot.descriptor).map_err(fault)? {
                let stat = statx(&slot.descriptor, &name, AtFlags::SYMLINK_NOFOLLOW, identity_flags());
                let Some(stat) = if_there(stat.map_err(Into::into)).map_err(fault)? else { continue };
                if !worked_on.contains(&stat.stx_ino)
                    && self.marker(folder, &name)?.is_some()
                    && self.is_to_be_carried(folder, &slot, &name, &identity(&stat), blame)?
                    && let Some(reason) = self.archive_marker_left(folder, &slot, &name, attempted)?
                {
                    // Whatever fails before its file is put off.
                    self.markers.left.insert((folder, name));
                    stuck.insert(stat.stx_ino, reason);
                }
            }
        }
        self.flush_markers(folder).map_err(|error| {
            halt(&Fault::io(format_args!("flush {}", self.folders[folder].places.inbox_path.display()), &error))
        })?;
        Ok(stuck)
    }

    /// Whether it was dropped, and is not done, nor to be put back into the inbox: with its marker then, if it is not complete.
    fn is_to_be_carried(
        &self,
        folder: usize,
        slot: &SlotDirectory,
        name: &OsStr,
        file: &Identity,
        blame: Option<&Blame>,
    ) -> Result<bool, Halt> {
        let row = self.known(folder, file)?;
        let has_come = |row: &Row| {
            let is_due = self.folders[folder].wait(row).is_zero() || blame.is_some();
            row.replaces.is_none() && row.state == State::Deferred && is_due
        };
        if !row.as_ref().is_none_or(has_come) {
            return Ok(false);
        }
        // Sealing moves nothing.
        let sealed = claim::seal(&self.folders[folder].places, slot.descriptor.as_fd(), name)
            .map_err(|error| halt(&Fault::io(slot.path.join(name).display(), &error)))?;
        Ok(!matches!(sealed, Claim::GivenBack(_) | Claim::NotTaken | Claim::NotMovable { .. }))
    }

    /// Of one of them. `attempted`: when an attempt in its slot began or ended last.
    pub(super) fn archive_marker_left(
        &mut self,
        folder: usize,
        slot: &SlotDirectory,
        name: &OsStr,
        attempted: Option<Time>,
    ) -> Result<Option<Reason>, Halt> {
        let key = (folder, name.to_owned());
        let is_left = self.markers.left.contains(&key);
        if self.markers.recovered.contains(&folder) && !is_left {
            return Ok(None);
        }
        let left_at = self.marker(folder, name)?.map(|(_, changed)| changed);
        let claimed_at = changed_in(&slot.descriptor, name)
            .map_err(|error| halt(&Fault::io(slot.path.join(name).display(), &error)))?;
        let had_no_command = is_left || attempted.is_none_or(|at| claimed_at.is_some_and(|claimed| at <= claimed));
        let is_older = left_at.is_some_and(|left_at| claimed_at.is_some_and(|claimed_at| left_at <= claimed_at));
        let stuck = if is_older && had_no_command { self.archive_marker(folder, name)? } else { None };
        self.markers.left.remove(&key);
        Ok(stuck)
    }

    /// When an attempt in this slot began or ended last. `None`: never.
    fn attempted(slot: &SlotDirectory) -> Result<Option<Time>, Halt> {
        let fault = |error: io::Error| halt(&Fault::io(slot.path.join(STAGING).display(), &error));
        let stat =
            statx(&slot.descriptor, STAGING, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(io::Error::from);
        Ok(if_there(stat).map_err(fault)?.map(|stat| (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)))
    }

    fn marker(&self, folder: usize, name: &OsStr) -> Result<Option<(OsString, Time)>, Halt> {
        self.folders[folder].marker(name).map_err(|fault| halt(&fault))
    }

    /// Of a file that is done nothing can be kept back any more.
    pub(super) fn warn_of_marker(&self, stuck: Option<Reason>) {
        if let Some(reason) = stuck {
            self.journal.warn(&Fault::World(reason));
        }
    }

    /// Before its file is entered as archived: a power cut must not bring the marker back into the inbox.
    pub(super) fn flush_markers(&self, folder: usize) -> io::Result<()> {
        let Folder { rules, places, .. } = &self.folders[folder];
        match rules.ready_marker {
            Some(_) => Ok(rustix::fs::fsync(&places.now()?.inbox)?),
            None => Ok(()),
        }
    }
}

impl Folder {
    /// Whether somebody has written to a file that was put off, and has not said yet that it is complete again.
    ///
    /// # Errors
    /// What the system says of the marker.
    pub fn is_begun_anew(&self, name: &OsStr, file: &Identity) -> Result<bool, Fault> {
        let known = self.deferrals.get(file).filter(|_| self.rules.ready_marker.is_some());
        Ok(known.is_some_and(|known| !file.is_unchanged_since(&known.file)) && self.marker(name)?.is_none())
    }

    /// The marker of a file, and when it was moved, or changed, last. `None`: the inbox has none.
    fn marker(&self, name: &OsStr) -> Result<Option<(OsString, Time)>, Fault> {
        let Some(marker) = self.rules.marker_of(name) else { return Ok(None) };
        let there = self.places.now().and_then(|open| self.rules.marker_in(&open.inbox, name));
        let there = there.map_err(|error| self.marker_fault(&marker, &error.into()))?;
        Ok(there.map(|stat| (marker, changed(&stat))))
    }

    fn marker_fault(&self, marker: &OsStr, error: &io::Error) -> Fault {
        Fault::io(format_args!("{}: archive {}", self.places.path.display(), escape(marker)), error)
    }
}

/// When a file was moved, or changed, last. `None`: it is gone.
fn changed_in(directory: impl AsFd, name: &OsStr) -> io::Result<Option<Time>> {
    let stat = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(io::Error::from);
    Ok(if_there(stat)?.as_ref().map(changed))
}

fn changed(stat: &Statx) -> Time {
    (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec)
}
