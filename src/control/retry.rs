//! Retry: deferred files are due now, refused ones go back into the inbox and begin anew.
//!
//! The ledger first, durably, then the move; see [`crate::stages`] for what a crash between leaves.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, statx};
use rustix::io::retry_on_intr;

use super::operator::{Operator, Performed, Tell, told};
use super::{Outcome, Refusal, Selection};
use crate::events::{Event, Kind, Subject};
use crate::exit;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::folder::places::{identity, identity_flags};
use crate::ledger::{Row, State};
use crate::log::escape;
use crate::run;
use crate::stages::{Back, Folder};

/// What can be tried again.
const OPEN: &[State] = &[State::Quarantined, State::Deferred];

impl Operator<'_> {
    /// Has files tried again.
    pub(super) fn retry(&self, files: &Selection, dry_run: bool, tell: Tell<'_>) -> Performed {
        // Which are meant is known before anything is done.
        for typed in &files.files {
            self.selected(files, typed, OPEN)?;
        }
        let mut retrial = Retrial { operator: self, dry_run, by_name: true, held: 0, not: 0, tell };
        for typed in &files.files {
            match self.selected(files, typed, OPEN)? {
                Some(one) => retrial.again(one.folder, vec![one.row])?,
                None => retrial.says(Outcome::unknown(typed)),
            }
        }
        retrial.by_name = false;
        if files.states.contains(&State::Quarantined) {
            // Those of an order that was cut short are no longer refused, and not yet back.
            for folder in self.folders_of(files)? {
                let mut rows = self.ledger.releasing(&folder.name)?;
                rows.retain(|row| files.means(row));
                retrial.again(folder, rows)?;
            }
        }
        self.each_batch(files, |folder, rows| retrial.again(folder, rows))?;
        match retrial {
            Retrial { held: 1.., .. } => Ok(exit::TEMPFAIL),
            Retrial { not: 1.., .. } => Ok(exit::REFUSED),
            _ => Ok(exit::OK),
        }
    }

    fn retried(&self, folder: &Folder, row: &Row, attempts: u32) -> Event {
        let subject = Subject { id: row.id, name: row.name.clone(), attempt: attempts + 1, stage: "settle" };
        self.event(Kind::FileRetried, folder).file(subject).with("reason", format!("by an operator ({})", self.by))
    }
}

/// One order to try files again, on its way.
struct Retrial<'r> {
    operator: &'r Operator<'r>,
    /// Nothing is done, only told.
    dry_run: bool,
    /// Each file was named; who asks for all that are alike is not told of those that can't be meant.
    by_name: bool,
    /// The world is in the way.
    held: u64,
    /// They can't be tried again.
    not: u64,
    tell: Tell<'r>,
}

impl Retrial<'_> {
    /// Some files of a folder.
    fn again(&mut self, folder: &Folder, rows: Vec<Row>) -> Result<(), Refusal> {
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        for row in rows {
            match (row.state, &row.place) {
                (State::Deferred, None) => waiting.push(row),
                (State::Deferred, Some(_)) if row.waits_in_archive() => {
                    let text = "it is loaded again from there as soon as it is its turn";
                    self.says(Outcome::of_file(&row, "due", true, and_then(folder, text)));
                }
                (State::Quarantined | State::Deferred, _) => refused.push(row),
                _ => {
                    let text = format!("it is {}: there is nothing to try again", row.state.name());
                    self.says(Outcome::of_file(&row, "ended", false, text));
                }
            }
        }
        self.make_due(folder, &waiting)?;
        self.release(folder, &refused)
    }

    /// Deferred files.
    fn make_due(&mut self, folder: &Folder, rows: &[Row]) -> Result<(), Refusal> {
        if rows.is_empty() {
            return Ok(());
        }
        let lying = in_inbox(folder, rows)?;
        let (there, missing): (Vec<_>, Vec<_>) = rows.iter().partition(|row| lying.contains_key(&row.identity.key()));
        if !self.dry_run && !there.is_empty() {
            let events: Vec<_> = there.iter().map(|row| self.operator.retried(folder, row, row.attempts)).collect();
            folder.make_due(self.operator.ledger, &there, &events)?;
            self.operator.tell_entered(&events);
        }
        for row in there {
            let (name, now) = &lying[&row.identity.key()];
            let (outcome, text) =
                if self.dry_run { ("would_retry", "would be tried now") } else { ("due", "is tried now") };
            let awaited = "waits for its ready marker: it was written to since it was put off";
            let text = if folder.is_begun_anew(name, now)? { awaited } else { text };
            self.says(Outcome::of_file(row, outcome, true, and_then(folder, text)));
        }
        for row in missing {
            let text = "it is not in the inbox: it is in hand, or somebody has taken it away";
            self.says(Outcome::of_file(row, GONE, false, text));
        }
        Ok(())
    }

    /// Refused files, and those on their way back already.
    fn release(&mut self, folder: &Folder, rows: &[Row]) -> Result<(), Refusal> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut backs: HashMap<FileId, Back> = HashMap::new();
        if !self.dry_run {
            let released = folder.release(self.operator.ledger, rows, |row| self.operator.retried(folder, row, 0))?;
            self.operator.tell_entered(&released.events);
            backs.extend(released.backs);
        }
        for row in rows {
            let outcome = match backs.remove(&row.id) {
                Some(back) => came(folder, row, back),
                None if folder.lies_where_it_was_put(row)? => {
                    Outcome::of_file(row, "would_retry", true, and_then(folder, "would go back into the inbox"))
                }
                None => gone(row),
            };
            self.says(outcome);
        }
        Ok(())
    }

    fn says(&mut self, outcome: Outcome) {
        if !self.by_name && outcome.outcome == GONE {
            return;
        }
        match &*outcome.outcome {
            HELD => self.held += 1,
            _ => self.not += u64::from(!outcome.ok),
        }
        told(self.tell, outcome);
    }
}

/// The file doesn't lie where it should.
const GONE: &str = "gone";
/// The world is in the way.
const HELD: &str = "held";

fn came(folder: &Folder, row: &Row, back: Back) -> Outcome {
    let retried = |text: &str| Outcome::of_file(row, "retried", true, and_then(folder, text));
    match back {
        Back::InInbox(name) if name == row.name => retried("back in the inbox"),
        Back::InInbox(name) => retried(&format!("back in the inbox as {}, beside another of its name", escape(&name))),
        Back::Before => retried("has come back into the inbox"),
        Back::Gone => gone(row),
        Back::Held(fault) => {
            let text = format!("{fault}; mend that and type it again, or it goes back at the next start");
            Outcome::of_file(row, HELD, false, text)
        }
    }
}

/// A closed gate is said, or the operator waits in vain.
fn and_then(folder: &Folder, text: &str) -> String {
    match folder.gate.pass() {
        Some(_) => text.to_owned(),
        None => format!("{text}; the folder is paused; to let it go on, type: importerd resume {}", folder.name),
    }
}

fn gone(row: &Row) -> Outcome {
    let place = row.place.as_deref().unwrap_or("quarantine/");
    let text = match row.reason_code.as_deref() {
        Some(run::GONE) => "its command has moved or removed it: there is nothing to try again".to_owned(),
        _ => format!("it doesn't lie at {place}: it is on its way there, or somebody has moved it"),
    };
    Outcome::of_file(row, GONE, false, text)
}

/// Files by [`Identity::key`]: their names, and what they are now.
type Lying = HashMap<(u64, i64), (OsString, Identity)>;

/// Which of these files lie in the inbox, by what they are: they may be called otherwise there, or be gone and their inode
/// another file's. Read as a stream.
fn in_inbox(folder: &Folder, rows: &[Row]) -> Result<Lying, Refusal> {
    let wanted: HashSet<u64> = rows.iter().map(|row| row.identity.inode).collect();
    let unreadable = |error: rustix::io::Errno| Fault::io(folder.places.inbox_path.display(), &error.into());
    let mut found = Lying::new();
    let open = folder.places.now().map_err(unreadable)?;
    for entry in retry_on_intr(|| Dir::read_from(&open.inbox)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if wanted.contains(&entry.ino())
            && let Ok(stat) = statx(&open.inbox, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW, identity_flags())
        {
            let (name, file) = (OsStr::from_bytes(entry.file_name().to_bytes()), identity(&stat));
            found.insert(file.key(), (name.to_owned(), file));
        }
    }
    Ok(found)
}
