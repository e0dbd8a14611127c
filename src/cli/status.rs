//! `importerd status`: what goes on now, one line a folder, and what needs the operator.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args::Global;
use super::check::rights::no_room;
use super::complaint::{Complaint, told};
use super::page::{Look, Page, print_json};
use super::surroundings::{Daemon, SETTINGS_CHANGED, Surroundings, detail, filter, how_to_begin, typed};
use super::table::{Side, Table};
use super::when::{self, Stamp};
use crate::exit;
use crate::fault::Reason;
use crate::folder::survey::{Names, Oldest, Survey, survey};
use crate::ledger::history::Tally;
use crate::ledger::{Pause, State};
use crate::log::{escape, visible};
use crate::settings::Folder;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What `status --json` prints: one object.
#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    /// Where the ledger lies.
    state_directory: String,
    /// Whether a daemon holds the state directory.
    running: bool,
    /// Its process id; null when none runs.
    pid: Option<u32>,
    /// RFC 3339: when everything was watched; null when none runs, or it still starts.
    up_since: Option<Stamp>,
    /// Whether the settings' files say something else than when it started.
    settings_changed: bool,
    /// Why a start would be refused, with what to do: ledger and folders don't belong together. Null: they do, or one runs.
    refused: Option<String>,
    folders: Vec<FolderStatus>,
}

/// One folder of `status --json`.
#[derive(Debug, Serialize)]
struct FolderStatus {
    folder: String,
    path: String,
    /// `ok`, `paused` (by an operator, or for a fault of the world), `stopped` (no daemon runs), or `unreadable` (by
    /// this user: the numbers of files are 0 then).
    state: &'static str,
    /// Who paused it, for instance `uid 0`: an operator's pause ends when one says so. Null for a fault of the world,
    /// which ends by itself.
    paused_by: Option<String>,
    /// RFC 3339: since when an operator has paused it.
    paused_since: Option<Stamp>,
    /// Why it is paused or unreadable; else null.
    reason: Option<String>,
    /// RFC 3339: when the pause is looked at again, where that is known.
    retry_at: Option<String>,
    /// Files in the inbox to be taken, without those that wait for another try.
    waiting: u64,
    /// Files in `active/`.
    working: u64,
    /// Files in the inbox that wait for another try, and files of the archive that are to be loaded again.
    deferred: u64,
    /// Files done in the last 24 hours.
    done_24h: u64,
    /// Rows that they brought.
    rows_24h: u64,
    /// Files among them that went in without some of their rows.
    with_rejects_24h: u64,
    /// How many rows those were.
    rejects_24h: u64,
    /// Files in `quarantine/`, without those that are forgotten.
    quarantined: u64,
    /// Files of the last 24 hours that were done before under another name.
    duplicates_24h: u64,
    /// How long the oldest waiting file has been there; null when none waits.
    oldest_waiting_secs: Option<i64>,
    /// False where the inbox holds too many files to ask them all: an older one may be among them.
    oldest_waiting_exact: bool,
    /// Subdirectories of the inbox: they are left alone.
    subdirectories: u64,
    /// Files in the inbox that `match` doesn't fit: they are left alone.
    unmatched: u64,
    /// Waiting files that can't be looked at; of many, the first 2,000 are asked.
    unseen: u64,
    /// What to type to end an operator's pause.
    #[serde(skip)]
    resume: Option<String>,
    /// What to type to see files with rejects.
    #[serde(skip)]
    see_rejects: String,
    #[serde(skip)]
    left_alone: Vec<String>,
}

/// `importerd status`
pub fn answer(global: &Global) -> u8 {
    told(show(global).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let status = Status::of(&surroundings)?;
    if global.json {
        print_json(&status)?;
    } else {
        status.page(&surroundings).print()?;
    }
    Ok(exit::OK)
}

impl Status {
    fn of(surroundings: &Surroundings) -> Result<Self, Reason> {
        let pid = match surroundings.daemon {
            Daemon::Running { pid, .. } => Some(pid),
            Daemon::Stopped => None,
        };
        let since = Timestamp::now() - DAY;
        let folders = surroundings.settings.folders.values().map(|folder| {
            let tallies = match &surroundings.history {
                Some(history) => history.tallies_since(&folder.name, since)?,
                None => Vec::new(),
            };
            FolderStatus::of(surroundings, folder, &tallies)
        });
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            state_directory: surroundings.directories.state.display().to_string(),
            running: pid.is_some(),
            pid,
            up_since: surroundings.up_since()?.map(Stamp),
            settings_changed: surroundings.settings_changed,
            refused: surroundings.refusal(),
            folders: folders.collect::<Result<_, _>>()?,
        })
    }

    fn page(&self, surroundings: &Surroundings) -> Page {
        let mut page = Page::new();
        page.line(format!("importerd {}  {}", self.version, self.daemon(&page)));
        if self.settings_changed {
            page.line(page.paint(Look::Warning, SETTINGS_CHANGED));
        }
        if self.folders.is_empty() {
            page.line(how_to_begin());
            return page;
        }
        let (mut table, mut notes) = (table(), Vec::new());
        for folder in &self.folders {
            folder.row(&mut table);
            notes.extend(folder.notes(&page));
        }
        for line in table.lines(&page) {
            page.line(format!("  {line}"));
        }
        for note in notes {
            page.line(format!("  {note}"));
        }
        // A daemon that starts now has no room to say that it does.
        let state = &surroundings.directories.state;
        if let Some(text) = no_room(state, state).filter(|_| !self.running) {
            page.line(page.paint(Look::Warning, &text));
        }
        if let Some(refused) = &self.refused {
            page.line(format!("{}: {}", page.paint(Look::Bad, "a start would be refused"), visible(refused)));
        }
        if let Some(line) = self.last_line(surroundings) {
            page.line(line);
        }
        page
    }

    fn daemon(&self, page: &Page) -> String {
        let Some(pid) = self.pid else { return page.paint(Look::Warning, "not running") };
        let pid = if pid == 0 { String::new() } else { format!(" (pid {pid})") };
        match self.up_since {
            Some(Stamp(at)) => format!("running{pid}, up since {}", when::clock(at)),
            None => format!("starting{pid}"),
        }
    }

    /// What needs the operator, and what to type.
    fn last_line(&self, surroundings: &Surroundings) -> Option<String> {
        let quarantined: u64 = self.folders.iter().map(|folder| folder.quarantined).sum();
        if quarantined > 0 {
            let (files, need) = if quarantined == 1 { ("file", "needs") } else { ("files", "need") };
            let importerd = &surroundings.importerd;
            return Some(format!("{quarantined} {files} {need} you; to see why, type: {importerd} ls --quarantined"));
        }
        let open: u64 = self.folders.iter().map(|folder| folder.waiting + folder.working).sum();
        let begin = || format!("nothing is taken until it runs, for instance: {}", surroundings.start());
        (!self.running && self.refused.is_none() && open > 0).then(begin)
    }
}

impl FolderStatus {
    fn of(surroundings: &Surroundings, folder: &Folder, tallies: &[Tally]) -> Result<Self, Reason> {
        let counted = survey(folder, &filter(folder)?, &surroundings.deferred(folder)?);
        let (survey, unreadable) = match counted {
            Ok(survey) => (survey, None),
            Err(reason) => (Survey::default(), Some(reason.to_string())),
        };
        let pause = surroundings.pause(folder)?;
        let (ordered, resume) = surroundings.ordered_pause(folder)?.unzip();
        let state = match (&unreadable, surroundings.daemon, &pause) {
            (Some(_), ..) => "unreadable",
            _ if ordered.is_some() => "paused",
            (_, Daemon::Stopped, _) => "stopped",
            (.., Some(_)) => "paused",
            _ => "ok",
        };
        let fault = |event| detail(event, "reason").unwrap_or("no reason was told").to_owned();
        // Both may be.
        let pauses = ordered.iter().map(Pause::reason).chain(pause.as_ref().map(fault)).collect::<Vec<_>>();
        let sum = |states: &[State], count: fn(&Tally) -> u64| {
            tallies.iter().filter(|tally| states.contains(&tally.state)).map(count).sum()
        };
        let done = [State::Committed, State::Archived];
        Ok(Self {
            folder: folder.name.clone(),
            path: folder.path.display().to_string(),
            state,
            paused_by: ordered.as_ref().map(|pause| pause.by.clone()),
            paused_since: ordered.as_ref().map(|pause| Stamp(pause.since)),
            reason: unreadable.or_else(|| (!pauses.is_empty()).then(|| pauses.join("; and "))),
            retry_at: pause.as_ref().and_then(|event| detail(event, "retry_at")).map(str::to_owned),
            waiting: survey.waiting,
            working: survey.active,
            deferred: survey.deferred + surroundings.waiting_in_archive(folder)?.len() as u64,
            done_24h: sum(&done, |tally| tally.files),
            rows_24h: sum(&done, |tally| tally.rows),
            with_rejects_24h: sum(&done, |tally| tally.with_rejects),
            rejects_24h: sum(&done, |tally| tally.rejects),
            quarantined: survey.quarantined.saturating_sub(surroundings.let_go(folder)?.len() as u64),
            duplicates_24h: sum(&[State::Duplicate], |tally| tally.files),
            oldest_waiting_secs: survey.oldest.map(|oldest| when::age_secs(oldest.since)),
            oldest_waiting_exact: survey.oldest.is_none_or(|Oldest { exact, .. }| exact),
            subdirectories: survey.directories.count,
            unmatched: survey.unmatched.count,
            unseen: survey.unseen.count,
            resume,
            see_rejects: format!("{} ls --rejects --folder {}", surroundings.importerd, folder.name),
            left_alone: left_alone(&survey),
        })
    }

    fn row(&self, table: &mut Table) {
        let (look, state) = match self.state {
            "ok" => (Look::Good, "ok"),
            "paused" => (Look::Bad, "PAUSED"),
            "unreadable" => (Look::Bad, "UNREADABLE"),
            other => (Look::Warning, other),
        };
        let oldest = self.oldest_waiting_secs.map_or("-".to_owned(), |secs| {
            let more = if self.oldest_waiting_exact { "" } else { " or more" };
            when::span(secs) + more
        });
        let count = |number: u64| (Look::Plain, number.to_string());
        let alarming = if self.quarantined > 0 { Look::Bad } else { Look::Plain };
        table.row([
            (Look::Strong, self.folder.clone()),
            (look, state.to_owned()),
            count(self.waiting),
            count(self.working),
            count(self.deferred),
            count(self.done_24h),
            count(self.rows_24h),
            (alarming, self.quarantined.to_string()),
            count(self.duplicates_24h),
            (Look::Plain, oldest),
        ]);
    }

    /// What is said of it below the table.
    fn notes(&self, page: &Page) -> Vec<String> {
        let cause = self.reason.as_ref().map(|reason| {
            let due = self.retry_at.as_ref().and_then(|at| at.parse().ok());
            let next = due.map(|at| format!("; next try in {}", when::until(at))).unwrap_or_default();
            let resume = self.resume.as_ref().map(|resume| format!("; to let it go on, type: {resume}"));
            let next = next + &resume.unwrap_or_default();
            let state = page.paint(Look::Bad, if self.state == "paused" { "paused" } else { "no answer" });
            format!("{}: {state}: {}{next}", self.folder, visible(reason))
        });
        let rejects = (self.with_rejects_24h > 0).then(|| {
            let said = |count: u64, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
            let (files, rows) = (said(self.with_rejects_24h, "file"), said(self.rejects_24h, "row"));
            let text = page.paint(Look::Warning, "rejects");
            let see = &self.see_rejects;
            format!(
                "{}: {text}: {files} of the last 24 hours went in without {rows}; to see which, type: {see}",
                self.folder
            )
        });
        let left = self.left_alone.iter().map(|left| format!("{}: {left}", self.folder));
        cause.into_iter().chain(rejects).chain(left).collect()
    }
}

fn table() -> Table {
    use Side::{Left, Right};
    Table::new(&[
        ("folder", Left),
        ("state", Left),
        ("waiting", Right),
        ("working", Right),
        ("deferred", Right),
        ("done/24h", Right),
        ("rows/24h", Right),
        ("quarantined", Right),
        ("duplicates/24h", Right),
        ("oldest", Right),
    ])
}

/// What in the inbox is not taken.
pub fn left_alone(survey: &Survey) -> Vec<String> {
    let said = |names: &Names, one: &str, many: &str, why: &str| {
        let what = if names.count == 1 { one } else { many };
        (names.count > 0).then(|| format!("{} {what} in the inbox {why}: {}", names.count, listed(names)))
    };
    let directories = said(&survey.directories, "subdirectory", "subdirectories", "left alone");
    let unmatched = said(&survey.unmatched, "file", "files", "left alone, `match` doesn't fit");
    let unseen = said(&survey.unseen, "file", "files", "can't be looked at, whatever lies there");
    directories.into_iter().chain(unmatched).chain(unseen).collect()
}

/// The examples, and that there are more.
fn listed(names: &Names) -> String {
    let shown: Vec<_> = names.examples.iter().map(|name| escape(name)).collect();
    let more = if names.count > shown.len() as u64 { ", …" } else { "" };
    shown.join(", ") + more
}
