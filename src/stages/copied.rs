//! A folder that was copied, to another disk or from a backup: its files have other inodes there. One that was committed and
//! not archived before is known by what a copy keeps, or it would be done a second time.
//!
//! Asked only of a file that lies nowhere as what it was, and answered only by one in a slot that nobody knows: with its
//! name, bytes and modification time; or, to say where it lies, by the only one in the archive at a place that nobody has. So the same bytes that are dropped twice on purpose are two files: in a folder that was
//! not copied the first one is found as what it was; in a copy both are there, and the second stays unknown. Where the first
//! may have come to the archive before, nobody can say which of them lies in the slot: that one is worked on.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use importerd_actors::Halt;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, openat, statx};

use super::carrier::{Carrier, halt};
use super::file::SlotDirectory;
use super::process::hash;
use super::reconcile::likely_days;
use crate::fault::{Fault, if_there};
use crate::file::{Digest, Identity};
use crate::folder::archive;
use crate::folder::places::{identity, identity_flags};
use crate::ledger::{Row, State};
use crate::log::escape;

/// Where a copy of a file lies.
pub(super) enum Copied {
    /// Nowhere, or nobody can say which one it is.
    Nowhere,
    /// In a slot: it is known as this file from now on, and recovered with that.
    InSlot,
    /// In the archive, at this place.
    Archived(String),
}

impl Carrier {
    /// Looks for a copy of a committed file that lies nowhere as what it was.
    pub(super) fn copy_of(&mut self, folder: usize, row: &Row) -> Result<Copied, Halt> {
        let Some(digest) = row.blake3.filter(|_| row.state == State::Committed) else { return Ok(Copied::Nowhere) };
        let mut archived = self.copies_in_archive(folder, row)?;
        if let Some(place) = archived.pop() {
            return Ok(if archived.is_empty() { Copied::Archived(place) } else { Copied::Nowhere });
        }
        for slot in self.slots(folder)? {
            let slot = self.slot_directory(folder, slot)?;
            let fault = |error| halt(&Fault::io(slot.path.join(&row.name).display(), &error));
            let Some(copy) = look(&slot, &row.name).map_err(fault)?.filter(|copy| is_alike(copy, row)) else {
                continue;
            };
            match self.known(folder, &copy)? {
                // Another Processor was here.
                Some(known) if known.id == row.id => return Ok(Copied::InSlot),
                None if has_bytes(&slot, &row.name, &copy, digest).map_err(fault)? => {
                    self.ledger.copied(row, &copy).map_err(|fault| halt(&fault))?;
                    return Ok(Copied::InSlot);
                }
                _ => {}
            }
        }
        Ok(Copied::Nowhere)
    }

    /// What lies in the archive and may be a copy of this file: at places that no other is known to have.
    fn copies_in_archive(&self, folder: usize, row: &Row) -> Result<Vec<String>, Halt> {
        let places = &self.folders[folder].places;
        let namesakes = archive::namesakes(places, &likely_days(row).into_iter().collect(), &row.name)
            .map_err(|error| halt(&Fault::io(places.path.join("archive").display(), &error)))?;
        let alike = namesakes.into_iter().filter(|(_, copy)| is_alike(copy, row));
        let mut alike: Vec<_> = alike.map(|(place, _)| escape(&place)).collect();
        if !alike.is_empty() {
            let known = self.ledger.by_name(&row.name).map_err(|fault| halt(&fault))?;
            alike.retain(|place| known.iter().all(|row| row.place.as_ref() != Some(place)));
        }
        Ok(alike)
    }
}

/// Nothing else than a file was ever committed.
fn look(slot: &SlotDirectory, name: &OsStr) -> io::Result<Option<Identity>> {
    let found = statx(&slot.descriptor, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(Into::into);
    let is_file = |stat: &Statx| FileType::from_raw_mode(stat.stx_mode.into()).is_file();
    Ok(if_there(found)?.filter(is_file).map(|stat| identity(&stat)))
}

/// Some programs copy a time in whole seconds.
fn is_alike(copy: &Identity, row: &Row) -> bool {
    let then = row.identity.mtime_ns;
    let seconds = then - then.rem_euclid(1_000_000_000);
    copy.size == row.identity.size && [then, seconds].contains(&copy.mtime_ns)
}

fn has_bytes(slot: &SlotDirectory, name: &OsStr, copy: &Identity, digest: Digest) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&slot.descriptor, name, flags, Mode::empty())?);
    let opened = identity(&statx(&file, "", AtFlags::EMPTY_PATH, identity_flags())?);
    Ok(opened == *copy && hash(&file)? == digest)
}
