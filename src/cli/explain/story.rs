//! One file's story: what is known of it, put together.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::found::{is_of, is_within, place};
use super::super::shell::quoted;
use super::super::surroundings::Surroundings;
use super::super::when::{self, Stamp};
use super::obstacle::{self, obstacles};
use super::target::Target;
use crate::fault::{self, Reason};
use crate::folder::name::suffixed;
use crate::folder::quarantine::{REASON_SUFFIX, is_reason};
use crate::folder::survey::Lying;
use crate::import::BRING_BACK;
use crate::ledger::history::{Failed, History};
use crate::ledger::{self, Row, State};
use crate::log::escape;
use crate::run::results::Planned;
use crate::settings::Folder;

/// A story; `explain --json` prints one such object a line.
#[derive(Debug, Serialize)]
pub struct Story {
    /// Its number in the ledger; null where it has none yet.
    pub id: Option<i64>,
    pub folder: String,
    /// Escaped, as everywhere.
    pub name: String,
    /// `waiting active deferred committed archived duplicate quarantined replaced forgotten`, or `unknown` to the ledger though it
    /// lies in archive or quarantine, or in none of the folder's directories for what was dropped.
    pub state: &'static str,
    /// RFC 3339: since when.
    pub since: Stamp,
    pub bytes: u64,
    pub blake3: Option<String>,
    pub rows: Option<u64>,
    /// How many rows didn't fit; it went in without them.
    pub rejects: Option<u64>,
    /// Attempts that were charged.
    pub attempts: u32,
    /// RFC 3339: not to be tried before.
    pub retry_at: Option<Stamp>,
    pub reason: Option<String>,
    /// The reason as a stable word.
    pub code: Option<String>,
    /// The number of the file that was done before.
    pub duplicate_of: Option<i64>,
    /// The number whose rows gave way to its own, or are to.
    pub replaces: Option<i64>,
    /// The last number that its own rows gave way to, or were to.
    pub replay: Option<i64>,
    /// Where it lies; null: not where it was put.
    pub path: Option<String>,
    /// The name of the reason file beside it, when it was refused.
    pub reason_file: Option<String>,
    /// RFC 3339: it was done before then, and some of its events are no longer kept; else null.
    pub events_pruned_before: Option<Stamp>,
    /// The events about it, as `events --json` prints them.
    pub events: Vec<Box<RawValue>>,
    /// The attempts that came to nothing.
    pub failures: Vec<Failure>,
    /// What the database says; null for a command, and for a file without a number.
    pub target: Option<Target>,
    /// The names that a command's results have in `results/`.
    pub results: Vec<String>,
    /// Why it is not taken yet, the most lasting first.
    pub obstacles: Vec<String>,
    /// What to do.
    pub next: String,
}

/// An attempt that came to nothing.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub attempt: u32,
    /// RFC 3339.
    pub at: Stamp,
    pub code: String,
    pub reason: String,
    /// The end of what the command wrote to its standard error; what is not UTF-8 in it is replaced.
    pub stderr: Option<String>,
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        Self {
            attempt: failed.attempt,
            at: Stamp(failed.at),
            code: failed.code,
            reason: failed.reason,
            stderr: failed.stderr.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl Story {
    /// Of a file that lies there, and of which the ledger says nothing, or nothing of this time.
    pub fn of_file(surroundings: &Surroundings, folder: &Folder, file: &Lying) -> Result<Self, Reason> {
        let within = |name: &str| is_within(&file.path, &folder.path.join(name));
        let mut story = Self {
            id: None,
            folder: folder.name.clone(),
            name: escape(&file.name),
            state: "waiting",
            since: Stamp(file.since),
            bytes: file.identity.size,
            blake3: None,
            rows: None,
            rejects: None,
            attempts: 0,
            retry_at: None,
            reason: None,
            code: None,
            duplicate_of: None,
            replaces: None,
            replay: None,
            path: Some(escape(file.path.as_os_str())),
            reason_file: None,
            events_pruned_before: None,
            events: Vec::new(),
            failures: Vec::new(),
            target: None,
            results: Vec::new(),
            obstacles: Vec::new(),
            next: String::new(),
        };
        if within("active") {
            story.state = "active";
            let obstacle = obstacle::of_folder(surroundings, folder)?;
            story.next = obstacle.as_ref().map_or(IN_HAND.to_owned(), |it| it.next.clone());
            story.obstacles.extend(obstacle.map(|it| it.text));
        } else if within("quarantine") && is_reason(&file.name) {
            story.state = "unknown";
            "nothing: it says why the file beside it was refused".clone_into(&mut story.next);
        } else if within("archive") || within("quarantine") {
            story.state = "unknown";
            story.next = format!("to have it done, drop it into {}", quoted(&folder.inbox));
        } else if !is_within(&file.path, &folder.inbox) {
            story.state = "unknown";
            story.next = format!("nothing: it has not been dropped into {}", quoted(&folder.inbox));
        } else {
            let obstacles = obstacles(surroundings, folder, file)?;
            let free = "nothing: it is taken as soon as it is its turn";
            story.next = obstacles.first().map_or_else(|| free.to_owned(), |obstacle| obstacle.next.clone());
            story.obstacles = obstacles.into_iter().map(|obstacle| obstacle.text).collect();
        }
        Ok(story)
    }

    /// Of a file that the ledger knows. `folder`: none if it is no longer in the settings.
    pub fn of_row(
        surroundings: &Surroundings,
        history: &History,
        folder: Option<&Folder>,
        row: &Row,
        file: Option<&Lying>,
    ) -> Result<Self, Reason> {
        let put = || folder.and_then(|folder| place(folder, row)).filter(|path| path.symlink_metadata().is_ok());
        let path = file.map(|file| file.path.clone()).or_else(put);
        let obstacle = match (folder, row.state) {
            (Some(folder), State::Deferred | State::Committed) => {
                obstacle::of_folder(surroundings, folder)?.or_else(|| obstacle::of_deferred(folder, row, file?))
            }
            _ => None,
        };
        let replay = history.replay_of(row.id)?;
        let moved_back = folder.zip(file).is_some_and(|(folder, file)| is_moved_back(row, folder, file));
        // An operator had moved it back into the inbox, and it was taken from there.
        let again = match row.state {
            State::Quarantined => {
                let identity = file.map_or(&row.identity, |file| &file.identity);
                history.by_identity(&row.folder, identity)?.filter(|again| again.id != row.id)
            }
            _ => None,
        };
        let raw = |json: String| RawValue::from_string(json).ok();
        // Its next try has begun; the ledger hears of that when it has ended.
        let in_hand = file.filter(|file| folder.is_some_and(|folder| is_in_hand(row, folder, file)));
        let retry_at = surroundings.next_try(row.retry_at).filter(|_| in_hand.is_none());
        let row = &Row { retry_at, ..row.clone() };
        let state = &surroundings.directories.state;
        let next = match &obstacle {
            Some(obstacle) => obstacle.next.clone(),
            None if in_hand.is_some() => IN_HAND.to_owned(),
            None if folder.is_some_and(|folder| Target::is_missed(folder, state, row)) => BRING_BACK.to_owned(),
            None => match (&again, file.filter(|_| moved_back)) {
                (Some(again), _) => dropped_again(&surroundings.importerd, again),
                (None, Some(file)) => lies_again(row, file),
                (None, None) => next(&surroundings.importerd, folder, row, replay.as_ref(), path.is_some()),
            },
        };
        Ok(Self {
            id: Some(row.id.0),
            folder: row.folder.clone(),
            name: escape(&row.name),
            state: if in_hand.is_some() { "active" } else { row.state.name() },
            since: Stamp(in_hand.map_or(row.changed_at, |file| file.since)),
            bytes: row.identity.size,
            blake3: row.blake3.map(|digest| digest.to_string()),
            rows: row.rows,
            rejects: row.rows.map(|_| row.rejects),
            attempts: row.attempts,
            retry_at: row.retry_at.map(Stamp),
            reason: row.reason.clone(),
            code: row.reason_code.clone(),
            duplicate_of: row.duplicate_of.map(|id| id.0),
            replaces: row.replaces.map(|id| id.0),
            replay: replay.as_ref().map(|replay| replay.id.0),
            reason_file: path
                .as_ref()
                .filter(|_| again.is_none() && !moved_back)
                .and_then(|path| reason_file(row, path)),
            path: path.map(|path| escape(path.as_os_str())),
            events_pruned_before: history.pruned_before()?.filter(|before| may_be_pruned(row, *before)).map(Stamp),
            events: history.events_of(row.id)?.into_iter().filter_map(|event| raw(event.json)).collect(),
            failures: history.failures(row.id)?.into_iter().map(Failure::from).collect(),
            // The rows are in under the number of another one.
            target: folder
                .filter(|_| !matches!(row.state, State::Duplicate | State::Replaced))
                .and_then(|folder| Target::look_up(folder, state, row)),
            results: row.results.as_deref().map(published).unwrap_or_default(),
            obstacles: obstacle.into_iter().map(|obstacle| obstacle.text).collect(),
            next,
        })
    }
}

fn is_in_hand(row: &Row, folder: &Folder, file: &Lying) -> bool {
    row.state == State::Deferred && is_within(&file.path, &folder.path.join("active"))
}

/// Whether some of its events may be gone: it is at its end, and had begun before then.
fn may_be_pruned(row: &Row, before: Timestamp) -> bool {
    let is_open = matches!(row.state, State::Deferred | State::Committed | State::Quarantined);
    !is_open && row.claimed_at < before
}

fn reason_file(row: &Row, path: &Path) -> Option<String> {
    let name = path.file_name().filter(|_| row.state == State::Quarantined)?;
    Some(escape(&suffixed(name, REASON_SUFFIX)))
}

fn published(results: &str) -> Vec<String> {
    let planned: Vec<Planned> = serde_json::from_str(results).unwrap_or_default();
    planned.iter().map(|result| escape(&result.published)).collect()
}

/// Whether what the ledger says is of the file as it lies there now: it may have been dropped again since. One that was refused may have
/// been mended by an editor, which puts another in its place; and in a folder that was copied every file is another.
pub fn lies_by(row: &Row, folder: &Folder, file: &Lying) -> bool {
    let may_lie_there = match row.state {
        State::Deferred => true,
        // In the archive it is what was made of it, under another number.
        State::Quarantined => is_within(&file.path, &folder.path.join("quarantine")),
        _ => !file.path.starts_with(&folder.inbox),
    };
    let is_alike = row.state == State::Quarantined || row.identity.size == file.identity.size;
    (is_of(row, file) && may_lie_there) || (is_alike && place(folder, row).as_ref() == Some(&file.path))
}

/// Whether an operator has moved it back into the inbox when it was at its end.
fn is_moved_back(row: &Row, folder: &Folder, file: &Lying) -> bool {
    let at_its_end = row.place.is_some() && row.state != State::Deferred;
    at_its_end && file.path.starts_with(&folder.inbox)
}

/// A daemon reads its settings when it starts.
const RESTART: &str = " restart the daemon, if one runs, and";

/// What to do about a file that a Processor has.
const IN_HAND: &str = "nothing: it is in hand";

/// What to do.
fn next(importerd: &str, folder: Option<&Folder>, row: &Row, replay: Option<&Row>, is_there: bool) -> String {
    let inbox = folder.map_or("its folder".to_owned(), |folder| quoted(&folder.inbox));
    match row.state {
        State::Deferred if row.waits_in_archive() => "nothing: it is loaded again as soon as it is its turn".to_owned(),
        State::Replaced | State::Archived if replay.is_some() => after(importerd, row, replay),
        State::Deferred if row.place.is_some() => {
            format!("its way back into the inbox was cut short; to go on, type: {importerd} retry {}", row.id.quoted())
        }
        State::Deferred if !is_there => format!("it is gone; to have it done, drop it again into {inbox}"),
        State::Deferred => match row.retry_at {
            Some(at) => {
                let first = row.hint.as_ref().map_or("nothing: ".to_owned(), |hint| format!("{hint}; "));
                let now = format!("to have it tried now, type: {importerd} retry {}", row.id.quoted());
                format!("{first}it is tried again in {} ({}); {now}", when::until(at), when::clock(at))
            }
            None => "nothing: it is tried again".to_owned(),
        },
        State::Committed => "nothing: it is archived at once".to_owned(),
        State::Archived if row.rejects > 0 => {
            format!("to see the rows that don't fit, and to mend them, type: {importerd} rejects {}", row.id.quoted())
        }
        State::Archived => "nothing: it is done".to_owned(),
        State::Duplicate => match row.duplicate_of {
            Some(id) => format!("nothing: it was done before; to see when, type: {importerd} explain {}", id.quoted()),
            None => "nothing: it was done before".to_owned(),
        },
        State::Replaced => "nothing: it was loaded again under another number".to_owned(),
        State::Forgotten => format!("nothing: it is forgotten; to have it done as a new file, drop it into {inbox}"),
        State::Quarantined => {
            let hint = row.hint.as_deref().unwrap_or(fault::advice(row.reason_code.as_deref().unwrap_or_default()));
            let hint = ledger::typed(hint, importerd);
            let then = if hint.ends_with('?') { " Then" } else { "; then" };
            let restart = if fault::names_a_setting(&hint) { RESTART } else { "" };
            if is_there {
                format!("{hint}{then}{restart} type: {importerd} retry {}", row.id.quoted())
            } else {
                format!("{hint}{then}{restart} drop it again into {inbox}")
            }
        }
    }
}

fn lies_again(row: &Row, file: &Lying) -> String {
    let is_as_refused = row.state == State::Quarantined && file.identity.is_unchanged_since(&row.identity);
    let how = if is_as_refused { ", as it was refused" } else { "" };
    format!("nothing: it lies in the inbox again{how}, and is a new file there, with a story of its own")
}

fn dropped_again(importerd: &str, again: &Row) -> String {
    let (id, number) = (again.id, again.id.quoted());
    format!("nothing: it was dropped again, as {id}; for that story, type: {importerd} explain {number}")
}

/// What has come of the replay of a file, and where that is told.
fn after(importerd: &str, row: &Row, replay: Option<&Row>) -> String {
    let Some(replay) = replay else { return "nothing: it is done".to_owned() };
    let came = match (row.state, replay.state) {
        (State::Replaced, _) => "its rows gave way to those of",
        (_, State::Deferred | State::Committed) => "it is being loaded again, as",
        (_, State::Quarantined) => "its rows stay, but it was refused when it was loaded again, as",
        _ => "its rows stay; nothing came of loading it again, as",
    };
    format!("nothing: {came} {}; for that story, type: {importerd} explain {}", replay.id, replay.id.quoted())
}
