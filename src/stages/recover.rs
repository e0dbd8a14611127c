//! Recover: what an earlier owner of a slot left in `active/`, and what the accounts say of it.
//!
//! | the ledger says | then |
//! |---|---|
//! | committed | archive; `reconcile` has published its results |
//! | archived, duplicate | the move was undone by a power cut: archive |
//! | quarantined | finish the move to quarantine |
//! | deferred, until later | finish the move back to the inbox |
//! | deferred, and its time has come | the attempt was cut short: carry it again |
//! | replaced, forgotten | it was dropped again: carry it as a new file |
//! | nothing, but its load marker is in the target | learn that it is committed, archive |
//! | nothing | nobody saw anything of it: carry it again |

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use importerd_actors::{Blame, Halt, Recovered};
use jiff::Timestamp;
use rustix::fs::{AtFlags, Statx, statx};
use rustix::io::Errno;

use super::aside::put_back;
use super::carrier::{Carrier, halt};
use super::file::{Body, Claimed, Done, SlotDirectory};
use super::folder::Work;
use super::replay;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::folder::claim::{self, Claim};
use crate::folder::directory;
use crate::folder::places::{STAGING, identity, identity_flags};
use crate::ledger::{Row, State};
use crate::log::escape;
use crate::run;

impl Carrier {
    /// See [`importerd_actors::Stages::recover`].
    pub(super) fn recover_slot(&mut self, folder: usize, blame: Option<&Blame>) -> Result<Recovered<Claimed>, Halt> {
        self.refresh(folder)?;
        self.check_belonging(folder)?;
        for slot in self.own_slots(folder)? {
            let slot = self.slot_directory(folder, slot)?;
            directory::open_up(&slot.descriptor).map_err(|error| halt(&Fault::io(slot.path.display(), &error)))?;
        }
        let stuck = self.archive_markers_left(folder, blame)?;
        self.reconcile(folder)?;
        self.folders[folder].unentered.end(self.slot);
        let (mut done, mut again) = (Vec::new(), Vec::new());
        for slot in self.own_slots(folder)? {
            let directory = self.slot_directory(folder, slot)?;
            self.end_orphans(folder, &directory)?;
            self.undo_attempts(folder, &directory)?;
            let names = directory::names(&directory.descriptor)
                .map_err(|error| halt(&Fault::io(directory.path.display(), &error)))?;
            for name in self.in_line(folder, &directory, names) {
                match self.found(folder, &directory, &name, blame)? {
                    Found::Done(claimed) => {
                        // A command has had it, and its marker was gone before.
                        if matches!(self.folders[folder].work, Work::Import(_)) && claimed.replaces.is_none() {
                            let stuck = self.archive_marker_left(folder, &directory, &claimed.name, None)?;
                            self.warn_of_marker(stuck);
                        }
                        done.push(Done { claimed, unentered: None });
                    }
                    Found::Again(file) => match stuck.get(&file.identity.inode) {
                        None => again.push(file),
                        Some(reason) => self.later(folder, file, reason.clone())?,
                    },
                    Found::Settled => {}
                }
            }
        }
        self.markers.recovered.insert(folder);
        let archived = done.len();
        if archived > 0 {
            self.archive_all(folder, &done)?;
        }
        Ok(Recovered { archived, again })
    }

    /// Where the order counts, those that have no number yet get them as they would have been taken.
    fn in_line(&self, folder: usize, slot: &SlotDirectory, mut names: Vec<OsString>) -> Vec<OsString> {
        if self.folders[folder].rules.in_order {
            names.sort_by_cached_key(|name| {
                let stat = statx(&slot.descriptor, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags());
                (stat.map(|stat| (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)).ok(), name.clone())
            });
        }
        names
    }

    /// This slot, and those of a time with more Processors that fall to it.
    pub(super) fn own_slots(&self, folder: usize) -> Result<Vec<usize>, Halt> {
        Ok(self.slots(folder)?.into_iter().filter(|slot| self.owns(*slot)).collect())
    }

    pub(super) fn owns(&self, slot: usize) -> bool {
        slot % self.processors == self.slot
    }

    /// All there are in a folder, whosever they are.
    pub(super) fn slots(&self, folder: usize) -> Result<Vec<usize>, Halt> {
        let places = &self.folders[folder].places;
        places.slots().map_err(|error| halt(&Fault::io(places.path.display(), &error)))
    }

    /// No command may still work on a file that is about to be tried again. Other slots' commands go on.
    fn end_orphans(&self, folder: usize, slot: &SlotDirectory) -> Result<(), Halt> {
        if let Work::Run(_) = self.folders[folder].work {
            run::end_orphans(&slot.path, &[slot.path.join(STAGING)]).map_err(|fault| halt(&fault))?;
        }
        Ok(())
    }

    /// One name found in a slot.
    fn found(
        &mut self,
        folder: usize,
        slot: &Arc<SlotDirectory>,
        name: &OsStr,
        blame: Option<&Blame>,
    ) -> Result<Found, Halt> {
        let fault = |error| halt(&Fault::io(slot.path.join(name).display(), &error));
        claim::finish(&self.folders[folder].places, slot.descriptor.as_fd(), name).map_err(fault)?;
        let (identity, body) =
            match claim::seal(&self.folders[folder].places, slot.descriptor.as_fd(), name).map_err(fault)? {
                // Sealing moves nothing.
                Claim::NotTaken | Claim::NotMovable { .. } => return Ok(Found::Settled),
                Claim::GivenBack(_) => return self.found_open(folder, slot, name),
                Claim::Sealed(sealed) => (sealed.identity, Body::Sealed(sealed)),
                Claim::Unfit { identity, reason } => (identity, Body::Unfit(reason)),
                Claim::Unreadable { identity, error } => (identity, Body::Unreadable(error)),
            };
        let blame = blame.filter(|blame| blame.name == escape(name));
        if let Some(row) = self.known(folder, &identity)?.filter(|row| !is_dropped_again(row, &body)) {
            // It is here, whatever a start before has found.
            let deferrals = &self.folders[folder].deferrals;
            deferrals.take(&identity);
            if let Some(replay) = replay::asked(&row) {
                deferrals.replays.done(&replay.place, row.id);
            }
            return self.finish(folder, from_row(&row, name, body, slot), &row, blame);
        }
        let file = self.claimed(folder, name, identity, body, slot)?;
        self.cut_short(folder, file, blame)
    }

    /// A writer has it open. What is done stays done, as if he had come after it was archived; of anything else he
    /// is not finished yet.
    fn found_open(&mut self, folder: usize, slot: &Arc<SlotDirectory>, name: &OsStr) -> Result<Found, Halt> {
        let fault = |error| halt(&Fault::io(slot.path.join(name).display(), &error));
        let stat = match statx(&slot.descriptor, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Found::Settled),
            Err(error) => return Err(fault(error.into())),
        };
        let is_done = |row: &Row| matches!(row.state, State::Committed | State::Archived | State::Duplicate);
        let known = self.known(folder, &identity(&stat))?;
        if let Some(row) = known.as_ref().filter(|row| is_done(row) && !is_changed_since(row, &stat)) {
            let body = Body::Unfit(Reason::new("committed", "it was committed before"));
            return Ok(Found::Done(from_row(row, name, body, slot)));
        }
        let rules = &self.folders[folder];
        match known.filter(Row::waits_in_archive) {
            // It is known in the inbox for what it is, and not looked for in the archive again.
            Some(row) => {
                let body = Body::Unfit(Reason::new("open", "a writer has it open"));
                let file = from_row(&row, name, body, slot);
                self.out_of_archive(&file, &[])?;
                rules.deferrals.replays.done(&row.place().unwrap_or_default(), row.id);
                put_back(rules, &file, Duration::ZERO)?;
            }
            None => drop(rules.places.give_back(&slot.descriptor, name).map_err(fault)?),
        }
        Ok(Found::Settled)
    }

    /// An attempt that came to no end: the file is to blame when it crashed its Processor, and only then.
    fn cut_short(&mut self, folder: usize, mut file: Claimed, blame: Option<&Blame>) -> Result<Found, Halt> {
        let Some(blame) = blame else { return Ok(Found::Again(file)) };
        file.id = FileId(blame.id);
        self.charge_crash(folder, file, &blame.panic).map(|()| Found::Settled)
    }

    /// Finishes what the ledger says was decided.
    fn finish(&mut self, folder: usize, file: Claimed, row: &Row, blame: Option<&Blame>) -> Result<Found, Halt> {
        let folders = Arc::clone(&self.folders);
        let rules = &folders[folder];
        match row.state {
            State::Committed | State::Archived | State::Duplicate => Ok(Found::Done(file)),
            State::Deferred => match rules.wait(row) {
                // A file to blame was being tried: its time had come.
                wait if wait.is_zero() || blame.is_some() => self.cut_short(folder, file, blame),
                wait => put_back(rules, &file, wait).map(|()| Found::Settled),
            },
            State::Quarantined => self.quarantine_again(folder, &file, row).map(|()| Found::Settled),
            State::Replaced | State::Forgotten => unreachable!("a file of these is dropped again"),
        }
    }
}

/// What a name in a slot turned out to be.
enum Found {
    /// Committed: to be archived.
    Done(Claimed),
    /// To be carried again.
    Again(Claimed),
    /// Put where it belongs.
    Settled,
}

/// An operator may move a file from the archive into the inbox to have it done again; it is the same file,
/// and what the ledger says of it is of the last time. Its change time is later than that then. What was replaced or
/// forgotten had come to its end long before.
fn is_dropped_again(row: &Row, body: &Body) -> bool {
    if matches!(row.state, State::Replaced | State::Forgotten) {
        return true;
    }
    // The clock was ahead then, and whatever was done since looks older. What was refused may be tried once more.
    if row.state == State::Quarantined && row.changed_at > Timestamp::now() {
        return true;
    }
    let Body::Sealed(sealed) = body else { return false };
    let stat = statx(&sealed.file, "", AtFlags::EMPTY_PATH, identity_flags());
    stat.is_ok_and(|stat| is_changed_since(row, &stat))
}

fn is_changed_since(row: &Row, stat: &Statx) -> bool {
    let done = matches!(row.state, State::Archived | State::Duplicate | State::Quarantined);
    let nanoseconds = i32::try_from(stat.stx_ctime.tv_nsec).ok();
    let changed = nanoseconds.and_then(|nanoseconds| Timestamp::new(stat.stx_ctime.tv_sec, nanoseconds).ok());
    done && changed.is_some_and(|changed| changed > row.changed_at)
}

pub(super) fn from_row(row: &Row, name: &OsStr, body: Body, slot: &Arc<SlotDirectory>) -> Claimed {
    Claimed {
        id: row.id,
        is_entered: true,
        folder: row.folder.as_str().into(),
        name: name.to_owned(),
        identity: row.identity,
        replaces: row.replaces,
        attempts: row.attempts,
        deferrals: row.deferrals,
        claimed_at: row.claimed_at,
        slot: Arc::clone(slot),
        body,
        told: Vec::new(),
    }
}
