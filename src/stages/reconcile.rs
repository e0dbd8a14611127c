//! Reconcile: before a slot is recovered, the ledger learns what the target knows, and files that a power cut
//! put back to where they were before they were claimed are brought to their end.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use importerd_actors::Halt;
use jiff::{Span, Timestamp, Zoned};
use rustix::fs::{AtFlags, statx};

use super::carrier::{Carrier, halt};
use super::copied::Copied;
use super::file::{Body, Claimed, Done};
use super::folder::{Folder, Work};
use super::recover::from_row;
use crate::events::{Event, Kind, Subject};
use crate::fault::{Fault, Reason, if_there};
use crate::file::{FileId, Identity};
use crate::folder::archive;
use crate::folder::moves::move_numbered;
use crate::folder::places::{identity, identity_flags};
use crate::import::Marker;
use crate::ledger::{Entry, Row, State, TAKEN_AWAY};
use crate::log::{escape, unescape};
use crate::run::results::{Planned, Publication};

/// The ledger's last entries may be lost in a power cut, and Processors enter theirs out of order: how far
/// below the last number that is left a load marker may be unknown to it. A file that is in a slot is asked
/// for by itself, however old its number.
pub(crate) const MARKERS_BACK: i64 = 4_096;

/// For the load markers of so many files is asked whether they are there.
const LATEST_ASKED_FOR: u32 = 100;

impl Carrier {
    /// See the module. Repeatable at any time, by several slots at once and while others work: what they enter
    /// meanwhile is left as it is.
    pub(super) fn reconcile(&mut self, folder: usize) -> Result<(), Halt> {
        let held = self.folders[folder].finish_releases(&self.ledger).map_err(|fault| halt(&fault))?;
        for fault in &held {
            self.journal.warn(fault);
        }
        self.learn_markers(folder)?;
        self.warn_of_an_older_target(folder)?;
        self.finish_unplaced(folder, State::Committed)?;
        self.finish_unplaced(folder, State::Duplicate)
    }

    /// What is known of a file in a slot: by the ledger, or, when its last word is older, by the target.
    pub(super) fn known(&self, folder: usize, file: &Identity) -> Result<Option<Row>, Halt> {
        let folder = &self.folders[folder];
        let halted = |fault: Fault| halt(&fault);
        let mut row = self.ledger.by_identity(&folder.name, file).map_err(halted)?;
        if row.is_none() {
            let deferred = self.ledger.deferred_by_key(&folder.name, file).map_err(halted)?;
            row = deferred.map(|row| Row { identity: *file, ..row });
        }
        let Work::Import(import) = &folder.work else { return Ok(row) };
        let Some(marker) = import.marker(file).map_err(halted)? else { return Ok(row) };
        let is_news =
            row.as_ref().is_none_or(|row| marker.id > row.id || (marker.id == row.id && row.state.may_go_in()));
        if !is_news {
            return Ok(row);
        }
        self.ledger.never_again(marker.id).map_err(halted)?;
        self.learn(folder, &marker).map_err(halted)?;
        self.ledger.by_id(marker.id).map_err(halted)
    }

    /// Enters what the target says was imported and the ledger has forgotten.
    fn learn_markers(&self, folder: usize) -> Result<(), Halt> {
        let folder = &self.folders[folder];
        let Work::Import(import) = &folder.work else { return Ok(()) };
        let halted = |fault: Fault| halt(&fault);
        let last = self.ledger.last_id(&folder.name).map_err(halted)?;
        let from = FileId(last.0 - MARKERS_BACK);
        let known: HashSet<FileId> =
            self.ledger.ids_ended_from(&folder.name, from).map_err(halted)?.into_iter().collect();
        let mut markers = import.markers_from(from).map_err(halted)?;
        // A file that was deferred or refused, or is to be loaded again, may have waited for so long that its number is far
        // below.
        let waited = self.ledger.ids_not_in_below(&folder.name, from).map_err(halted)?;
        for marker in import.markers_among(&waited).map_err(halted)? {
            let row = self.ledger.by_id(marker.id).map_err(halted)?;
            markers.extend(row.filter(|row| has_gone_in(row, &marker)).map(|_| marker));
        }
        let forgotten: Vec<_> = markers.iter().filter(|marker| marker.forgotten_at.is_some()).map(|it| it.id).collect();
        let news: Vec<_> = markers.iter().filter(|marker| !known.contains(&marker.id)).collect();
        // Before the first is entered: what a crash leaves entered is no news next time.
        if let Some(newest) = news.iter().map(|marker| marker.id).max() {
            self.ledger.never_again(newest).map_err(halted)?;
        }
        news.into_iter().try_for_each(|marker| self.learn(folder, marker)).map_err(halted)?;
        if forgotten.is_empty() { Ok(()) } else { self.ledger.forget(&forgotten, &[]).map_err(halted) }
    }

    /// A database of an earlier time lacks what went in since, and would go on as if nothing were missing. Where it is another
    /// one on purpose, it lacks all that came before its first file.
    fn warn_of_an_older_target(&self, folder: usize) -> Result<(), Halt> {
        let folder = &self.folders[folder];
        let Work::Import(import) = &folder.work else { return Ok(()) };
        let halted = |fault: Fault| halt(&fault);
        let latest = self.ledger.latest_imported(&folder.name, LATEST_ASKED_FOR).map_err(halted)?;
        let ids: Vec<_> = latest.iter().map(|row| row.id).collect();
        let there: BTreeSet<_> = import.markers_among(&ids).map_err(halted)?.iter().map(|marker| marker.id).collect();
        let is_lost = |(at, row): &(usize, &Row)| {
            !there.contains(&row.id) && (*at == 0 || there.range(..row.id).next().is_some())
        };
        if let Some((_, row)) = latest.iter().enumerate().find(is_lost)
            && folder.told_missing.swap(row.id.0, Ordering::Relaxed) != row.id.0
        {
            let (file, id, name) = (escape(&row.name), row.id, &folder.name);
            let text = format!(
                "folder {name}: {file} ({id}) went in, and {} doesn't know of it; if it was restored from a backup, stop the \
                 daemon and type importerd ledger check: it names the files that are missing",
                import.place()
            );
            self.journal.warn(&Fault::world("target_older", text));
        }
        Ok(())
    }

    fn learn(&self, folder: &Folder, marker: &Marker) -> Result<(), Fault> {
        let subject = Subject { id: marker.id, name: marker.name.clone(), attempt: 1, stage: "commit" };
        let event = Event::new(Kind::FileCommitted).folder(Arc::clone(&folder.name)).file(subject);
        let mut event = event.with("rows", marker.rows).with("committed_at", marker.committed_at.as_str());
        if marker.rejects > 0 {
            event = event.with("rejects", marker.rejects);
        }
        if let Some(replaced) = marker.replaces {
            event = event.with("replaces", replaced.0);
        }
        let entry = Entry {
            blake3: Some(marker.blake3),
            rows: Some(marker.rows),
            rejects: marker.rejects,
            replaces: marker.replaces,
            changed_at: committed_at(marker),
            ..Entry::new(marker.id, &folder.name, &marker.name, marker.identity, State::Committed)
        };
        if self.ledger.learn(&entry, &event)? {
            self.journal.tell_entered(&event);
        }
        // What a start has read in the ledger before is of no account any more.
        folder.deferrals.take(&marker.identity);
        Ok(())
    }

    /// Files done that are in no slot and have no place: archived and not entered so, or put back into the
    /// inbox by a power cut that undid their claim.
    fn finish_unplaced(&mut self, folder: usize, state: State) -> Result<(), Halt> {
        let name = Arc::clone(&self.folders[folder].name);
        let rows = self.ledger.unplaced(&name, state).map_err(|fault| halt(&fault))?;
        let (mut back_in_inbox, mut moved) = (Vec::new(), Vec::new());
        for row in rows {
            let slot = self.slot_of(folder, &row)?;
            // By the ledger's word, not by its file's: a writer may come to that before this slot does.
            if slot.is_none_or(|slot| self.owns(slot)) {
                self.publish_again(folder, &row)?;
            }
            if slot.is_some() {
                continue;
            }
            match self.take_from_inbox(folder, &row)? {
                Some(file) => back_in_inbox.push(file),
                None => moved.push(row),
            }
        }
        self.enter_moved(folder, &moved)?;
        let done = |claimed| Done { claimed, unentered: None };
        let files: Vec<_> = back_in_inbox.into_iter().map(done).collect();
        if files.is_empty() { Ok(()) } else { self.archive_all(folder, &files) }
    }

    /// The slot that a file lies in; it is recovered with that one.
    pub(super) fn slot_of(&mut self, folder: usize, row: &Row) -> Result<Option<usize>, Halt> {
        for slot in self.slots(folder)? {
            let directory = self.slot_directory(folder, slot)?;
            if is_there(directory.descriptor.as_fd(), &directory.path, &row.name, row)? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    fn take_from_inbox(&mut self, folder: usize, row: &Row) -> Result<Option<Claimed>, Halt> {
        let slot = self.slot_directory(folder, self.slot)?;
        let places = &self.folders[folder].places;
        let open = places.now().map_err(|error| halt(&Fault::io(places.path.display(), &error.into())))?;
        let inbox = open.inbox.as_fd();
        if !is_there(inbox, &places.inbox_path, &row.name, row)? {
            return Ok(None);
        }
        // A power cut may have brought another file of that name back to this slot.
        let name = match move_numbered(inbox, &row.name, &slot.descriptor, &row.name) {
            Ok(name) => name,
            // Another slot took it, to the same end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(halt(&Fault::io(places.inbox_path.display(), &error))),
        };
        // An uploader may have put the next one in its place: that one is found in the slot.
        if !is_there(slot.descriptor.as_fd(), &slot.path, &name, row)? {
            return Ok(None);
        }
        self.warn_of_marker(self.archive_marker(folder, &row.name)?);
        let done = Body::Unfit(Reason::new("committed", "it was committed before"));
        Ok(Some(from_row(row, &name, done, &slot)))
    }

    /// They were moved, and the ledger doesn't say so. Whoever moved them may have died before he flushed the
    /// directories.
    fn enter_moved(&mut self, folder: usize, rows: &[Row]) -> Result<(), Halt> {
        if rows.is_empty() {
            return Ok(());
        }
        let places = Arc::clone(&self.folders[folder].places);
        let failed = |error| halt(&Fault::io(places.path.join("archive").display(), &error));
        let days: BTreeSet<_> = rows.iter().flat_map(likely_days).collect();
        let files: Vec<_> = rows.iter().map(|row| (row.name.as_os_str(), row.identity)).collect();
        let mut found = archive::find(&places, &days, &files).map_err(failed)?;
        archive::flush(&places, &days).map_err(failed)?;
        for slot in self.slots(folder)? {
            rustix::fs::fsync(&self.slot_directory(folder, slot)?.descriptor).map_err(|error| failed(error.into()))?;
        }
        for row in rows {
            let place = found.remove(&row.identity).map(|place| escape(&place));
            let place = place.map_or_else(|| self.never_left(folder, row), |place| Ok(Some(place)))?;
            let place = match place {
                Some(place) => Some(place),
                None => match self.copy_of(folder, row)? {
                    Copied::InSlot => continue,
                    Copied::Archived(place) => Some(place),
                    Copied::Nowhere => None,
                },
            };
            self.enter_archived(row, place.as_deref())?;
        }
        Ok(())
    }

    /// With the event that was not told. `place`: where it was found.
    fn enter_archived(&self, row: &Row, place: Option<&str>) -> Result<(), Halt> {
        let subject = Subject { id: row.id, name: row.name.clone(), attempt: row.attempts + 1, stage: "archive" };
        let event = Event::new(Kind::FileArchived).folder(row.folder.as_str()).file(subject);
        let event = match place {
            Some(place) => event.with("moved_to", place),
            None => event.with("reason", "it was moved on or removed meanwhile"),
        };
        let place = place.unwrap_or(TAKEN_AWAY);
        if self.ledger.found_archived(row.id, place, &event).map_err(|fault| halt(&fault))? {
            self.journal.tell_entered(&event);
        }
        Ok(())
    }

    /// Where a replayed file lay before, and lies again when a power cut has undone all its moves.
    fn never_left(&self, folder: usize, row: &Row) -> Result<Option<String>, Halt> {
        let Some(earlier) = row.replaces else { return Ok(None) };
        let earlier = self.ledger.by_id(earlier).map_err(|fault| halt(&fault))?;
        let Some(place) = earlier.and_then(|earlier| earlier.place) else { return Ok(None) };
        let Some(at) = unescape(&place) else { return Ok(None) };
        let lies = archive::look(&self.folders[folder].places, &at)
            .map_err(|error| halt(&Fault::io(self.folders[folder].places.path.join(&at).display(), &error)))?;
        Ok(lies.filter(|lies| lies.is_same_file(&row.identity)).map(|_| place))
    }

    /// Publishes the results of a committed file, as far as that is not done.
    pub(super) fn publish_again(&mut self, folder: usize, row: &Row) -> Result<(), Halt> {
        let Some(staging) = self.find_staging(folder, row)? else { return Ok(()) };
        self.publish_from(staging, folder, row)
    }

    /// Publishes the results of a committed file that are still in this staging directory.
    pub(super) fn publish_from(&self, staging: PathBuf, folder: usize, row: &Row) -> Result<(), Halt> {
        let Some(results) = &row.results else { return Ok(()) };
        let plan: Vec<Planned> = serde_json::from_str(results)
            .map_err(|error| Halt::Fatal(format!("the ledger's plan of results of {}: {error}", row.id)))?;
        self.publish(folder, vec![(row.id, Publication { staging, plan })])
    }
}

/// Whether a load marker, however old its number, says that a file went in of which the ledger doesn't know that. One that
/// was refused may have been mended by an editor, which puts another in its place.
pub(crate) fn has_gone_in(row: &Row, marker: &Marker) -> bool {
    row.state.may_go_in() && (row.state == State::Quarantined || marker.identity.key() == row.identity.key())
}

/// The marker says it in milliseconds, and its file was claimed before that and is archived after.
fn committed_at(marker: &Marker) -> Timestamp {
    let committed = marker.committed_at.parse::<Timestamp>().ok();
    let rounded_up = committed.and_then(|at| at.checked_add(Span::new().milliseconds(1)).ok());
    rounded_up.map_or_else(Timestamp::now, |at| at.min(Timestamp::now()))
}

/// The days of the archive on which a committed file may have been moved: at once, behind midnight, or by a recovery
/// of today.
pub(super) fn likely_days(row: &Row) -> Vec<String> {
    let committed = row.changed_at.to_zoned(jiff::tz::TimeZone::system());
    let next = committed.checked_add(Span::new().days(1)).unwrap_or_else(|_| committed.clone());
    [committed, next, Zoned::now()].iter().map(|day| day.strftime(archive::DAY).to_string()).collect()
}

/// Whether this very file lies there under this name.
fn is_there(directory: BorrowedFd<'_>, path: &Path, name: &OsStr, row: &Row) -> Result<bool, Halt> {
    let found = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(Into::into);
    let found = if_there(found)
        .map_err(|error| halt(&Fault::io(format_args!("{}: find {}", path.display(), escape(name)), &error)))?;
    Ok(found.is_some_and(|stat| identity(&stat).is_same_file(&row.identity)))
}
