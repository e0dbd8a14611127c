//! Replay: an archived file is loaded again under a new number, whose rows take the place of the old ones.
//!
//! What is asked for is in the ledger before anything else happens: the new number, deferred, due now, with the place in
//! the archive. The file stays there until a Processor claims it, straight into its slot: in the inbox an uploader could
//! write over it. From there on it is a file like any other, but for its commit.

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use importerd_actors::Halt;
use jiff::Timestamp;

use super::carrier::{Carrier, halt};
use super::file::{Body, Claimed};
use super::folder::{Folder, Work};
use super::journal::Journal;
use super::recover::from_row;
use crate::events::{Event, Kind, Subject};
use crate::fault::{Fault, Reason};
use crate::file::{FileId, Identity};
use crate::folder::archive::{self, Fetch};
use crate::folder::replays::Replay;
use crate::ledger::{Durability, Entry, Ledger, Row, State};
use crate::log::{escape, unescape};

/// How long an archived file that somebody has open for writing is left alone.
const WRITER_WAIT: Duration = Duration::from_secs(2);

/// What the ledger holds of a file that is asked for and not claimed yet. `None`: it is another kind of deferred file.
pub(super) fn asked(row: &Row) -> Option<Replay> {
    let place = row.place().filter(|_| row.waits_in_archive())?;
    Some(Replay { id: row.id, name: row.name.clone(), place, bytes: row.identity.size })
}

impl Folder {
    /// Asks for files of this folder to be loaded again; durable on return. For each, in order: its new number, or why
    /// it can't be. Of those that can't, nothing is changed.
    ///
    /// # Errors
    /// Nothing is asked for.
    pub fn replay(
        &self,
        ledger: &Ledger,
        journal: &Journal,
        by: &str,
        files: &[Row],
    ) -> Result<Vec<Result<FileId, Reason>>, Fault> {
        let (mut answers, mut asked) = (Vec::with_capacity(files.len()), Vec::new());
        for row in files {
            let found = match self.may_replay(ledger, row) {
                Err(Fault::Permanent(reason)) => Err(reason),
                found => Ok(found?),
            };
            answers.push(match found {
                Ok((place, identity)) => {
                    let id = self.next_id(ledger)?;
                    asked.push(Again { id, row, place, identity });
                    Ok(id)
                }
                Err(reason) => Err(reason),
            });
        }
        self.ask(ledger, journal, by, &asked).map(|()| answers)
    }

    /// What [`Self::replay`] would answer, but for the number.
    ///
    /// # Errors
    /// [`Fault::Permanent`]: why this file can't be loaded again; anything else: nobody can say.
    pub fn may_replay(&self, ledger: &Ledger, row: &Row) -> Result<(OsString, Identity), Fault> {
        let Work::Import(import) = &self.work else {
            let text = "the folder runs a command: its results would be published a second time, beside the first ones";
            let hint = "take its results away, then forget the file and move it from archive/ into the inbox";
            return Err(Fault::Permanent(Reason::new("runs_a_command", text).hint(hint)));
        };
        let earlier = ledger.replay_of(row.id)?;
        if let Some(reason) = not_replayable(row, earlier.as_ref()) {
            return Err(Fault::Permanent(reason));
        }
        import.can_replace(row.id)?;
        self.find_archived(ledger, row, earlier.as_ref())
    }

    fn ask(&self, ledger: &Ledger, journal: &Journal, by: &str, asked: &[Again<'_>]) -> Result<(), Fault> {
        let reasons: Vec<_> = asked.iter().map(Again::reason).collect();
        let entries: Vec<_> = asked.iter().zip(&reasons).map(|(again, reason)| again.entry(reason)).collect();
        let events: Vec<_> = asked.iter().map(|again| again.event(&self.name).with("by", by)).collect();
        ledger.enter(Durability::Flushed, &entries, &events)?;
        for (again, event) in asked.iter().zip(&events) {
            journal.tell_entered(event);
            self.deferrals.replays.ask(again.replay());
        }
        self.gate.wake();
        Ok(())
    }

    /// What was asked for and is not claimed yet is let go: nothing becomes of its number, and the rows of the earlier one
    /// stay. Durable on return; or why it can't be.
    ///
    /// # Errors
    /// Nobody can say whether it is loaded already; or the ledger can't be written.
    pub(super) fn take_back(
        &self,
        ledger: &Ledger,
        journal: &Journal,
        by: &str,
        row: &Row,
    ) -> Result<Result<(), Reason>, Fault> {
        let _unclaimed = self.deferrals.replays.unclaimed();
        if !self.is_untouched(ledger, row)? {
            let text = "it is being loaded again just now";
            return Ok(Err(Reason::new("not_at_its_end", text).hint("wait until that is done")));
        }
        self.let_go(ledger, journal, row, Reason::new("taken_back", "it was taken back"), Some(by)).map(Ok)
    }

    /// Whether what is asked for is in the archive alone: in no slot, and not in the target, whatever a crash has undone.
    fn is_untouched(&self, ledger: &Ledger, row: &Row) -> Result<bool, Fault> {
        let (Work::Import(import), Some(Replay { place, .. })) = (&self.work, asked(row)) else { return Ok(false) };
        let now = ledger.by_id(row.id)?.filter(|now| now.place == row.place && now.waits_in_archive());
        let Some(now) = now else { return Ok(false) };
        let lies = archive::look(&self.places, &place)
            .map_err(|error| Fault::io(self.places.path.join(&place).display(), &error))?;
        Ok(lies.is_some_and(|lies| lies.is_same_file(&now.identity)) && import.marker_of(row.id)?.is_none())
    }

    /// Nothing becomes of what is asked for: said so, and nothing else is changed.
    fn let_go(
        &self,
        ledger: &Ledger,
        journal: &Journal,
        row: &Row,
        reason: Reason,
        by: Option<&str>,
    ) -> Result<(), Fault> {
        let stay = row.replaces.map_or(String::new(), |earlier| format!("; the rows of {earlier} stay"));
        let reason = Reason { text: format!("it is not loaded again: {}{stay}", reason.text), ..reason };
        let event = event(&self.name, Kind::FileForgotten, row.id, &row.name).because(&reason);
        let event = by.into_iter().fold(event, |event, by| event.with("by", by));
        let entry = Entry { reason: Some(&reason), ..entry(row.id, row, State::Forgotten) };
        ledger.enter(Durability::Flushed, &[entry], std::slice::from_ref(&event))?;
        journal.tell_entered(&event);
        self.deferrals.replays.done(&row.place().unwrap_or_default(), row.id);
        Ok(())
    }

    /// Where the file of a number lies in the archive, and which one it is now.
    fn find_archived(&self, ledger: &Ledger, row: &Row, earlier: Option<&Row>) -> Result<(OsString, Identity), Fault> {
        // It may have come back to the archive as a duplicate, under another number.
        let latest = ledger.by_identity(&self.name, &row.identity)?;
        for known in [Some(row), earlier, latest.as_ref()].into_iter().flatten() {
            let Some(place) = known.place.as_deref().filter(|place| place.starts_with("archive/")).and_then(unescape)
            else {
                continue;
            };
            let place: OsString = place;
            let at = archive::look(&self.places, &place)
                .map_err(|error| Fault::io(self.places.path.join(&place).display(), &error))?;
            let Some(identity) = at else { continue };
            // The archive may have been moved away, and another file have been given the name since. Of a folder that was
            // copied, a rebuild of an earlier version took every file for a duplicate of itself.
            let holder = ledger.by_identity(&self.name, &identity)?;
            let has_bytes = |holder: &Row| holder.blake3.is_some() && holder.blake3 == row.blake3;
            let is_another =
                |holder: Row| holder.id != row.id && holder.replaces != Some(row.id) && !has_bytes(&holder);
            if identity.is_same_file(&row.identity) || !holder.is_some_and(is_another) {
                return Ok((place, identity));
            }
        }
        let text = format!("it no longer lies in the archive, at {}", row.place.as_deref().unwrap_or("a known place"));
        let hint = match earlier {
            Some(earlier) => format!("to see where it is, type: importerd explain {}", earlier.id.quoted()),
            None => format!("put it back there; for its story, type: importerd explain {}", row.id.quoted()),
        };
        Err(Fault::Permanent(Reason::new("not_in_archive", text).hint(hint)))
    }
}

/// Why a file in this state can't be loaded again. `earlier`: the last that was to take its place.
fn not_replayable(row: &Row, earlier: Option<&Row>) -> Option<Reason> {
    let refused = |code, text: &str, hint: String| Some(Reason::new(code, text).hint(hint));
    let replay = |id: FileId| format!("for {id}, type: importerd replay {}", id.quoted());
    let wait = || "wait until that is done".to_owned();
    match (row.state, earlier) {
        (State::Archived, Some(under_way)) if matches!(under_way.state, State::Deferred | State::Committed) => {
            refused("under_way", &format!("it is being loaded again already, as {}", under_way.id), wait())
        }
        (State::Archived, _) => None,
        (State::Deferred, _) => refused("not_done", "it waits for a try, and was not imported yet", wait()),
        (State::Committed, _) => refused("not_done", "it is being archived", wait()),
        (State::Duplicate, _) => {
            let hint = row.duplicate_of.map_or_else(String::new, replay);
            refused("duplicate", "nothing of it was imported: the rows are those of the first one", hint)
        }
        (State::Quarantined, _) => {
            let hint = format!("to have it tried again, type: importerd retry {}", row.id.quoted());
            refused("refused", "it was refused, and not imported", hint)
        }
        (State::Replaced, earlier) => {
            let hint = earlier.map_or_else(String::new, |earlier| replay(earlier.id));
            refused("replaced", "its rows gave way to those of a later number", hint)
        }
        (State::Forgotten, _) => {
            let hint = "move it into the inbox to import it as a new file; the rows of this number stay";
            refused("forgotten", "it is forgotten", hint.to_owned())
        }
    }
}

/// A file that is asked for.
struct Again<'a> {
    id: FileId,
    row: &'a Row,
    place: OsString,
    identity: Identity,
}

impl Again<'_> {
    fn reason(&self) -> Reason {
        Reason::new("replay", format!("to be loaded again, in place of the rows of {}", self.row.id))
    }

    fn entry<'a>(&'a self, reason: &'a Reason) -> Entry<'a> {
        let now = Timestamp::now();
        Entry {
            identity: self.identity,
            claimed_at: now,
            retry_at: Some(now),
            place: Some(escape(&self.place)),
            reason: Some(reason),
            replaces: Some(self.row.id),
            ..entry(self.id, self.row, State::Deferred)
        }
    }

    fn event(&self, folder: &Arc<str>) -> Event {
        let event = event(folder, Kind::FileReplayed, self.id, &self.row.name).with("replaces", self.row.id.0);
        event.with("path", escape(&self.place))
    }

    fn replay(&self) -> Replay {
        let (name, place) = (self.row.name.clone(), self.place.clone());
        Replay { id: self.id, name, place, bytes: self.identity.size }
    }
}

/// An entry of a number for the file of a row, with nothing that its story has to add.
fn entry(id: FileId, row: &Row, state: State) -> Entry<'_> {
    Entry {
        claimed_at: row.claimed_at,
        replaces: row.replaces,
        ..Entry::new(id, &row.folder, &row.name, row.identity, state)
    }
}

/// An event about a file that is in nobody's hand.
pub(super) fn event(folder: &Arc<str>, kind: Kind, id: FileId, name: &OsStr) -> Event {
    let subject = Subject { id, name: name.to_owned(), attempt: 1, stage: "settle" };
    Event::new(kind).folder(Arc::clone(folder)).file(subject)
}

impl Carrier {
    /// Takes a file of the archive into the slot, as it was asked for. `None`: it stays where it is.
    pub(super) fn claim_archived(&mut self, folder: usize, place: &OsStr) -> Result<Option<Claimed>, Halt> {
        let slot = self.slot_directory(folder, self.slot)?;
        let folders = Arc::clone(&self.folders);
        let (rules, replays) = (&folders[folder], &folders[folder].deferrals.replays);
        let fault = |error: io::Error| halt(&Fault::io(rules.places.path.join(place).display(), &error));
        let _claiming = replays.claiming();
        let Some(mut row) = self.still_asked(rules, place)? else { return Ok(None) };
        // In its slot it is known by what it is: so the ledger knows that first.
        if let Some(identity) = archive::look(&rules.places, place).map_err(fault)?.filter(|now| *now != row.identity) {
            row.identity = identity;
            self.enter_identity(&row)?;
        }
        let fetched = archive::fetch(&rules.places, place, &row.identity, &slot.descriptor, &row.name);
        let sealed = match fetched.map_err(fault)? {
            Fetch::Sealed(sealed) => sealed,
            Fetch::Taken => return Ok(None),
            Fetch::Busy => {
                replays.again(place, WRITER_WAIT);
                return Ok(None);
            }
            // Offered twice, and the other offer was faster.
            Fetch::Gone if self.slot_of(folder, &row)?.is_some() => return Ok(None),
            Fetch::Gone => {
                let reason = Reason::new("not_in_archive", format!("it no longer lies at {}", escape(place)));
                return self.give_up(rules, place, reason);
            }
            Fetch::Unfit(reason) => return self.give_up(rules, place, reason),
        };
        replays.done(place, row.id);
        let file = from_row(&row, &row.name, Body::Sealed(sealed), &slot);
        let mut file = Claimed { claimed_at: Timestamp::now(), ..file };
        let event = file.event(Kind::FileClaimed, "claim").with("bytes", file.identity.size);
        file.told.push(self.journal.tell(event));
        Ok(Some(file))
    }

    /// The bytes in the archive are others than when the file was asked for.
    fn enter_identity(&self, row: &Row) -> Result<(), Halt> {
        let reason = Reason::new("replay", row.reason.clone().unwrap_or_default());
        let (retry_at, place) = (row.retry_at, row.place.clone());
        let entry = Entry { retry_at, place, reason: Some(&reason), ..entry(row.id, row, State::Deferred) };
        self.ledger.enter(Durability::Flushed, &[entry], &[]).map_err(|fault| halt(&fault))
    }

    /// What the ledger says of the file that is asked for there. `None`: its story has gone on, and it is done with.
    fn still_asked(&self, folder: &Folder, place: &OsStr) -> Result<Option<Row>, Halt> {
        let Some(replay) = folder.deferrals.replays.at(place) else { return Ok(None) };
        let row = self.ledger.by_id(replay.id).map_err(|fault| halt(&fault))?;
        let still = row.filter(|row| asked(row).is_some_and(|asked| asked.place == place));
        if still.is_none() {
            folder.deferrals.replays.done(place, replay.id);
        }
        Ok(still)
    }

    /// It can't be done again: said so, and nothing else is changed.
    fn give_up(&self, folder: &Folder, place: &OsStr, reason: Reason) -> Result<Option<Claimed>, Halt> {
        let Some(row) = self.still_asked(folder, place)? else { return Ok(None) };
        folder.let_go(&self.ledger, &self.journal, &row, reason, None).map_err(|fault| halt(&fault))?;
        Ok(None)
    }
}
