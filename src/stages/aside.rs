//! A file that can't be done now, or not at all: set aside alone, its neighbours go on.
//!
//! The ledger comes first, durably; then the file moves. If the program dies between, recovery reads the ledger
//! and finishes the move.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use importerd_actors::{Halt, InHand};
use jiff::Timestamp;

use super::carrier::{Carrier, halt};
use super::file::{Claimed, Outcome};
use super::folder::{Folder, Work};
use crate::events::{Event, Kind};
use crate::fault::{self, Fault, Listed, Reason};
use crate::file::FileId;
use crate::folder::claim;
use crate::folder::deferral::Deferral;
use crate::folder::quarantine::{Cell, by_hand};
use crate::ledger::{Durability, Entry, Failure, Row, State};
use crate::log::{escape, unescape};
use crate::run;

/// A line of a reason file, where a setting is to be changed.
const RESTART: &str = "Then restart the daemon, if one runs: it reads its settings when it starts";
/// How much of a command's standard error goes into the reason file.
const STDERR_LINES_MAX: usize = 40;

impl Carrier {
    /// Sets one file aside as its fault says. A fault that is not its own halts the batch.
    pub(super) fn set_aside(&self, folder: usize, file: Claimed, fault: Fault, stderr_tail: &[u8]) -> Result<(), Halt> {
        match fault {
            Fault::Permanent(reason) => self.quarantine(folder, file, &reason, stderr_tail),
            // What the end of a drain cut short stays claimed; the next start finds it.
            Fault::Deferred { reason, .. } if reason.code == "abandoned" => Err(Halt::Hold(reason.to_string())),
            Fault::Deferred { reason, charged } => self.defer(folder, file, reason, charged, stderr_tail),
            fault @ (Fault::World(_) | Fault::Fatal(_)) => Err(halt(&fault)),
        }
    }

    /// Back in the inbox until a later time, and no attempt is charged.
    pub(super) fn later(&self, folder: usize, file: Claimed, reason: Reason) -> Result<(), Halt> {
        self.defer(folder, file, reason, false, b"")
    }

    /// Back in the inbox until a later time; after the last attempt, to quarantine.
    fn defer(
        &self,
        folder: usize,
        mut file: Claimed,
        reason: Reason,
        charged: bool,
        stderr_tail: &[u8],
    ) -> Result<(), Halt> {
        let attempt = file.attempt();
        let rules = &self.folders[folder];
        if charged && attempt >= rules.attempts_max {
            let text = format!("{} (attempt {attempt} of {})", reason.text, rules.attempts_max);
            return self.quarantine(folder, file, &Reason { text, ..reason }, stderr_tail);
        }
        // Its command may have touched it; who does from here on brings another upload.
        file.is_what_lies_there()?;
        let (wait, retry_at) = rules.next_try(&file);
        let event = deferred(&file, "process", &reason, rules, retry_at);
        file.told.push(event.clone());
        file.attempts += u32::from(charged);
        file.deferrals += 1;
        let entry = Entry {
            retry_at: Some(retry_at),
            reason: Some(&reason),
            failure: Some(Failure { attempt, reason: &reason, stderr: stderr_tail }),
            ..file.entry(State::Deferred)
        };
        self.ledger.enter(Durability::Flushed, &[entry], &file.told).map_err(|fault| halt(&fault))?;
        file.is_entered = true;
        put_back(rules, &file, wait)?;
        // Who hears of it may look for it in the inbox at once.
        self.journal.tell_entered(&event);
        Ok(())
    }

    /// A file that can't be taken out of the inbox: it stays there, is told of, and tried again; no attempt is
    /// charged, since it could not be moved to quarantine either. fault 39
    pub(super) fn leave(&self, folder: usize, mut file: Claimed, reason: &Reason) -> Result<(), Halt> {
        let rules = &self.folders[folder];
        let (wait, retry_at) = rules.next_try(&file);
        // Told once: it may stay so for months.
        let event = (file.deferrals == 0).then(|| deferred(&file, "claim", reason, rules, retry_at));
        file.told.extend(event.clone());
        file.deferrals += 1;
        let entry = Entry { retry_at: Some(retry_at), reason: Some(reason), ..file.entry(State::Deferred) };
        // Known first: it lies where it would else be taken for a new one if the ledger can't be written.
        rules.deferrals.insert(deferral(&file, &file.name, wait));
        self.ledger.enter(Durability::Flushed, &[entry], &file.told).map_err(|fault| halt(&fault))?;
        rules.deferrals.is_entered(&file.identity);
        if let Some(event) = &event {
            self.journal.tell_entered(event);
        }
        Ok(())
    }

    /// To quarantine, with the reason beside it.
    pub(super) fn quarantine(
        &self,
        folder: usize,
        mut file: Claimed,
        reason: &Reason,
        stderr_tail: &[u8],
    ) -> Result<(), Halt> {
        let places = &self.folders[folder].places;
        let fault = |error: std::io::Error| {
            halt(&Fault::io(format_args!("{}: quarantine {}", places.path.display(), escape(&file.name)), &error))
        };
        let cell = Cell::choose(places, &file.name).map_err(fault)?;
        let place = format!("quarantine/{}", escape(cell.name()));
        let event = file.event(Kind::FileQuarantined, "process").because(reason);
        let is_gone = reason.code == run::GONE;
        let event = if is_gone { event } else { event.with("moved_to", place.clone()) };
        file.told.push(event.clone());
        let attempt = file.attempt();
        let refusal = Refusal { code: reason.code, reason, attempt, stderr_tail };
        let explanation = self.journal.typed(&refusal.explanation(&file, &self.folders[folder]));
        let entry = Entry {
            attempts: attempt,
            place: Some(place),
            reason: Some(reason),
            failure: Some(Failure { attempt, reason, stderr: stderr_tail }),
            ..file.entry(State::Quarantined)
        };
        // Back in the inbox, it would be refused once more, as another file.
        claim::flush(places, &file.slot.descriptor).map_err(fault)?;
        self.ledger.enter(Durability::Flushed, &[entry], &file.told).map_err(|fault| halt(&fault))?;
        if is_gone {
            cell.put_reason(&explanation).map_err(fault)?;
        } else {
            cell.put(&file.slot.descriptor, &file.name, &explanation).map_err(fault)?;
        }
        // Who hears of it may look there at once.
        self.journal.tell_entered(&event);
        Ok(())
    }

    /// Finishes the move to quarantine that the ledger speaks of. Where the name that was chosen is taken by
    /// now, it gets another.
    pub(super) fn quarantine_again(&self, folder: usize, file: &Claimed, row: &Row) -> Result<(), Halt> {
        let rules = &self.folders[folder];
        let places = &rules.places;
        let fault = |error: std::io::Error| halt(&Fault::io(places.path.join("quarantine").display(), &error));
        let chosen = row.place.as_deref().and_then(|place| unescape(place.strip_prefix("quarantine/")?));
        let chosen = chosen.unwrap_or_else(|| file.name.clone());
        let cell = Cell::chosen_before(places, &chosen).map_err(fault)?;
        if cell.name() != chosen {
            let place = format!("quarantine/{}", escape(cell.name()));
            self.ledger.quarantined_as(file.id, &place).map_err(|fault| halt(&fault))?;
        }
        let reason =
            Reason { hint: row.hint.clone(), ..Reason::new("refused", row.reason.clone().unwrap_or_default()) };
        let stderr_tail = self.ledger.last_words(file.id).map_err(|fault| halt(&fault))?;
        let code = row.reason_code.as_deref().unwrap_or_default();
        // The attempt is charged in the row.
        let refusal = Refusal { code, reason: &reason, attempt: row.attempts, stderr_tail: &stderr_tail };
        let explanation = self.journal.typed(&refusal.explanation(file, rules));
        cell.put(&file.slot.descriptor, &file.name, &explanation).map_err(fault)
    }

    /// fault 17: a verdict on bytes that changed meanwhile is worth nothing, whatever it is. A command may be the
    /// one who writes, each time it is run: that is charged, or it would be run for ever.
    pub(super) fn redo(&self, folder: usize, file: Claimed, outcome: Result<Outcome, Fault>) -> Result<(), Halt> {
        if let Ok(Outcome::Produced { produced, .. }) = &outcome {
            // Nobody may take it for the results of the next attempt.
            self.discard(produced)?;
        }
        let fault = match (&self.folders[folder].work, outcome) {
            // It asked for later, be it that it writes each time.
            (Work::Run(_), Err(fault @ Fault::Deferred { charged: false, .. }))
                if fault.reason().code != "abandoned" =>
            {
                fault
            }
            (
                Work::Run(_),
                Ok(Outcome::Produced { .. }) | Err(Fault::Permanent(_) | Fault::Deferred { charged: true, .. }),
            ) => {
                let text = "the file was written to while the command worked on it";
                let hint =
                    "a command must only read {path}, and an uploader must be done with a file when it is in the inbox";
                Fault::Deferred { reason: Reason::new("changed", text).hint(hint), charged: true }
            }
            _ => return self.give_back(folder, file),
        };
        self.set_aside(folder, file, fault, b"")
    }

    /// Back in the inbox, untouched and uncharged: a writer had come back to it.
    fn give_back(&self, folder: usize, mut file: Claimed) -> Result<(), Halt> {
        let rules = &self.folders[folder];
        let event = file.event(Kind::FileReturned, "claim").with("reason", "somebody has it open for writing again");
        file.told.push(event.clone());
        self.out_of_archive(&file, &file.told)?;
        put_back(rules, &file, Duration::ZERO)?;
        self.journal.tell_entered(&event);
        Ok(())
    }

    /// Events of a file that goes back into the inbox. One that came from the archive must not be looked for there again.
    pub(super) fn out_of_archive(&self, file: &Claimed, told: &[Event]) -> Result<(), Halt> {
        let entry = Entry { retry_at: Some(Timestamp::now()), ..file.entry(State::Deferred) };
        let (durability, entries) = match file.replaces {
            Some(_) => (Durability::Flushed, std::slice::from_ref(&entry)),
            None => (Durability::Lazy, &[][..]),
        };
        self.ledger.enter(durability, entries, told).map_err(|fault| halt(&fault))
    }

    /// The file that crashed an earlier Processor: charged, and not carried again at once.
    pub(super) fn charge_crash(&self, folder: usize, file: Claimed, panic: &str) -> Result<(), Halt> {
        let reason = Reason::new("crashed", format!("the Processor panicked over it: {panic}"))
            .hint("this is a bug: please report it with the file, if you may share it");
        self.set_aside(folder, file, Fault::Deferred { reason, charged: true }, b"")
    }
}

/// Moves a file to the inbox, remembered as not to be tried before its time.
pub(super) fn put_back(folder: &Folder, file: &Claimed, wait: Duration) -> Result<(), Halt> {
    let remember = |name: &OsStr| folder.deferrals.insert(deferral(file, name, wait));
    // First the wait, then the move: the Scanner may see the name at once.
    remember(&file.name);
    let back = folder.places.give_back(&file.slot.descriptor, &file.name).map_err(|error| {
        folder.deferrals.take(&file.identity);
        halt(&Fault::io(format_args!("{}: put back {}", folder.places.path.display(), escape(&file.name)), &error))
    })?;
    if back != file.name {
        remember(&back);
    }
    Ok(())
}

fn deferral(file: &Claimed, name: &OsStr, wait: Duration) -> Deferral {
    Deferral {
        id: file.id,
        is_entered: file.is_entered,
        name: name.to_owned(),
        file: file.identity,
        replaces: file.replaces,
        attempts: file.attempts,
        deferrals: file.deferrals,
        until: Instant::now() + wait,
        told_due: false,
    }
}

fn deferred(file: &Claimed, stage: &'static str, reason: &Reason, folder: &Folder, retry_at: Timestamp) -> Event {
    let event = file.event(Kind::FileDeferred, stage).because(reason);
    event.with("attempts_max", folder.attempts_max).with("retry_at", retry_at.to_string())
}

impl Folder {
    /// How long until the next try of a file, and when that is.
    fn next_try(&self, file: &Claimed) -> (Duration, Timestamp) {
        let wait = jittered(self.back_off(file.deferrals)).min(self.backoff.max);
        (wait, Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX))
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.25 * fastrand::f64())
}

/// Why a file was refused, for its reason file.
struct Refusal<'a> {
    code: &'a str,
    reason: &'a Reason,
    attempt: u32,
    stderr_tail: &'a [u8],
}

impl Refusal<'_> {
    /// The text of the reason file.
    fn explanation(&self, file: &Claimed, folder: &Folder) -> String {
        let name = escape(&file.name);
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        let Self { code, reason, attempt, stderr_tail } = self;
        let rows = reason.listed.as_ref().map_or(String::new(), |listed| rows(listed, file.id));
        // No full stop behind it: a hint may be a command, to be copied.
        let advice = reason.hint.as_deref().unwrap_or(fault::advice(code));
        let inbox = folder.places.inbox_path.display();
        let by_hand = by_hand(&folder.places.inbox_path, folder.rules.ready_marker.as_deref());
        let (folder, id, number) = (&folder.name, file.id, file.id.quoted());
        let again = format!("Then type: importerd retry {number}");
        let again = if fault::names_a_setting(advice) { format!("{RESTART}\n{again}") } else { again };
        let (stays, again) = match file.replaces {
            // There is nothing to try again.
            _ if *code == run::GONE => {
                (String::new(), format!("Then put it into {inbox} again, if there is a copy of it"))
            }
            // By hand, it would be imported as another file, beside those rows.
            Some(earlier) => (format!("; the rows of {earlier} stay"), again),
            None => (String::new(), again + &by_hand),
        };
        format!(
            "{name} was refused on {now}\n\n  {reason}\n\n{rows}Nothing of it was taken over{stays}.\nWhat to do: {advice}\n\
             {again}\n\n\
             folder {folder}, file {id}, attempt {attempt}, code {code}\n{}",
            last_words(stderr_tail)
        )
    }
}

/// The rows that don't fit. After a crash the ledger doesn't know them; `rejects` finds all of them at any time.
fn rows(Listed { rows, all }: &Listed, id: FileId) -> String {
    let first = if rows.len() as u64 == *all { String::new() } else { format!(" (the first {} of {all})", rows.len()) };
    let (lines, number) = (rows.join("\n  "), id.quoted());
    format!(
        "Rows that don't fit{first}:\n  {lines}\nTo have all of them with their text, type: importerd rejects {number}\n\n"
    )
}

/// The end of what a command wrote to its standard error.
fn last_words(stderr_tail: &[u8]) -> String {
    if stderr_tail.is_empty() {
        return String::new();
    }
    let said = String::from_utf8_lossy(stderr_tail);
    let lines: Vec<String> = said.lines().map(|line| format!("  {}\n", escape(OsStr::new(line)))).collect();
    let last = &lines[lines.len().saturating_sub(STDERR_LINES_MAX)..];
    format!("\nThe command's last words (standard error):\n{}", last.concat())
}
