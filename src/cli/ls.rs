//! `importerd ls`: files by state, the latest first.
//!
//! Files that wait, are in hand or are refused are looked for where they lie; what became of the others is
//! what the ledger says.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::args::{Global, Ls};
use super::complaint::{Complaint, told};
use super::explain::obstacle::{self, Obstacle};
use super::page::{Look, Page, print_json};
use super::surroundings::{Surroundings, filter, how_to_begin, typed};
use super::table::{Side, Table};
use super::when::{self, Stamp};
use crate::exit;
use crate::fault::Reason;
use crate::folder::survey::{self, Lying};
use crate::folder::unseen::WHAT_TO_DO;
use crate::ledger::history::Selection;
use crate::ledger::{Row, State};
use crate::log::{escape, visible};
use crate::settings::Folder;

/// One file; `ls --json` prints one such object a line.
#[derive(Debug, Serialize)]
struct Listed {
    /// Its number in the ledger; null where it has none yet.
    id: Option<i64>,
    folder: String,
    /// Escaped, as everywhere.
    name: String,
    /// `waiting unseen active deferred committed archived duplicate quarantined replaced forgotten`; unseen: it lies in the
    /// inbox, and can't be looked at.
    state: &'static str,
    /// RFC 3339: since when it has been in that state. Null where it can't be looked at.
    since: Option<Stamp>,
    rows: Option<u64>,
    /// How many rows didn't fit; it went in without them.
    rejects: Option<u64>,
    /// Null where it can't be looked at.
    bytes: Option<u64>,
    /// Why it is there.
    reason: Option<String>,
    /// What to do about it.
    hint: Option<String>,
    /// RFC 3339: not to be tried before. Null: it is tried at once, or waits for something else than the time.
    retry_at: Option<Stamp>,
    /// The number of the file that was done before.
    duplicate_of: Option<i64>,
    /// The number whose rows gave way to its own, or are to.
    replaces: Option<i64>,
    /// Where it lies.
    path: String,
}

/// `importerd ls`
pub fn answer(global: &Global, ls: &Ls) -> u8 {
    told(show(global, ls).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global, ls: &Ls) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let folders = surroundings.folders(ls.folder.as_deref())?;
    let mut files = Vec::new();
    for folder in &folders {
        files.extend(listed(&surroundings, folder, &Chosen::by(ls))?);
    }
    // Of which it is not known since when, first: somebody has to see to them.
    files.sort_by_key(|file| std::cmp::Reverse((file.since.is_none(), file.since, file.id)));
    let limit = usize::try_from(ls.limit).unwrap_or(usize::MAX);
    let more = files.len() > limit;
    files.truncate(limit);
    if global.json {
        for file in &files {
            if !print_json(file)? {
                break;
            }
        }
        if more {
            let _ = writeln!(io::stderr(), "{}", left_out(ls.limit));
        }
    } else if folders.is_empty() {
        let mut page = Page::new();
        page.line(how_to_begin());
        page.print()?;
    } else {
        page(&files, more, ls.limit).print()?;
    }
    Ok(exit::OK)
}

/// Which states are asked for.
#[expect(clippy::struct_excessive_bools, reason = "a switch for each state")]
struct Chosen {
    waiting: bool,
    active: bool,
    deferred: bool,
    quarantined: bool,
    /// States whose files are only looked up in the ledger.
    past: Vec<State>,
    /// Of these only those that went in without some of their rows.
    with_rejects: bool,
    limit: u32,
}

impl Chosen {
    fn by(ls: &Ls) -> Self {
        let past_only = ls.duplicate || ls.archived || ls.rejects || ls.replaced || ls.forgotten;
        let all = !(ls.waiting || ls.active || ls.deferred || ls.quarantined || past_only);
        let mut past = Vec::new();
        if all || ls.archived || ls.rejects {
            past.extend([State::Committed, State::Archived]);
        }
        if all || ls.duplicate {
            past.push(State::Duplicate);
        }
        // Only when they are asked for: others stand for them, or they are to be out of sight.
        past.extend(ls.replaced.then_some(State::Replaced));
        past.extend(ls.forgotten.then_some(State::Forgotten));
        Self {
            waiting: all || ls.waiting,
            active: all || ls.active,
            deferred: all || ls.deferred,
            quarantined: all || ls.quarantined,
            past,
            with_rejects: ls.rejects,
            // One more, to know whether there are more.
            limit: ls.limit.saturating_add(1),
        }
    }
}

fn listed(surroundings: &Surroundings, folder: &Folder, chosen: &Chosen) -> Result<Vec<Listed>, Reason> {
    let mut files = Vec::new();
    if chosen.waiting || chosen.deferred {
        in_inbox(surroundings, folder, chosen, &mut files)?;
    }
    if chosen.active {
        in_active(surroundings, folder, &mut files)?;
    }
    if chosen.quarantined {
        in_quarantine(surroundings, folder, &mut files)?;
    }
    if let (Some(history), false) = (&surroundings.history, chosen.past.is_empty()) {
        let Chosen { past: states, with_rejects, limit, .. } = chosen;
        let selection = Selection { folder: &folder.name, states, with_rejects: *with_rejects, limit: *limit };
        let in_hand: HashSet<_> = files.iter().filter_map(|file| file.id).collect();
        let past = history.latest(&selection)?;
        files.extend(past.iter().filter(|row| !in_hand.contains(&row.id.0)).map(|row| of_row(folder, row)));
    }
    Ok(files)
}

fn in_inbox(
    surroundings: &Surroundings,
    folder: &Folder,
    chosen: &Chosen,
    files: &mut Vec<Listed>,
) -> Result<(), Reason> {
    let rows = match &surroundings.history {
        Some(history) => history.in_state(&folder.name, State::Deferred)?,
        None => Vec::new(),
    };
    let deferred: HashMap<_, _> = rows.iter().map(|row| (row.identity.inode, row)).collect();
    let (reason, hint) = match surroundings.ordered_pause(folder)? {
        Some((pause, resume)) => (Some(format!("the folder is paused {}", pause.reason())), Some(resume)),
        None => (None, None),
    };
    // They lie in the archive until it is their turn.
    let replays = if chosen.deferred { surroundings.waiting_in_archive(folder)? } else { Vec::new() };
    files.extend(replays.iter().map(|row| Listed { state: "deferred", ..of_row(folder, row) }));
    let mut unseen = Vec::new();
    let lying_there = survey::in_inbox(folder, &filter(folder)?, |name, error| {
        unseen.push(unseen_file(folder, name, error));
    })?;
    files.extend(unseen.into_iter().filter(|_| chosen.waiting));
    for file in lying_there {
        let known = deferred.get(&file.identity.inode).filter(|row| row.identity.key() == file.identity.key());
        match known {
            Some(row) if chosen.deferred => {
                files.push(deferred_file(surroundings, folder, row, &file));
            }
            None if chosen.waiting => {
                let marker = obstacle::marker(folder, &file).map(|marker| (marker.text, marker.next)).unzip();
                let (reason, hint) = if reason.is_some() { (reason.clone(), hint.clone()) } else { marker };
                files.push(Listed { reason, hint, ..lying(folder, &file, None) });
            }
            _ => {}
        }
    }
    Ok(())
}

fn unseen_file(folder: &Folder, name: &OsStr, error: &io::Error) -> Listed {
    Listed {
        state: "unseen",
        reason: Some(format!("it can't be looked at: {error}")),
        hint: Some(WHAT_TO_DO.to_owned()),
        ..named(folder, &folder.inbox.join(name))
    }
}

fn deferred_file(surroundings: &Surroundings, folder: &Folder, row: &Row, file: &Lying) -> Listed {
    let listed = Listed { state: "deferred", ..lying(folder, file, Some(row)) };
    match obstacle::of_deferred(folder, row, file) {
        // It waits for that, and for no time.
        Some(Obstacle { text, next }) => Listed { reason: Some(text), hint: Some(next), ..listed },
        None => Listed { retry_at: surroundings.next_try(row.retry_at).map(Stamp), ..listed },
    }
}

fn in_active(surroundings: &Surroundings, folder: &Folder, files: &mut Vec<Listed>) -> Result<(), Reason> {
    for file in survey::in_active(folder)? {
        let row = match &surroundings.history {
            Some(history) => history.by_identity(&folder.name, &file.identity)?,
            None => None,
        };
        // What the ledger says of it is of an earlier try.
        let number = row.map(|row| row.id.0);
        files.push(Listed { state: "active", id: number, ..lying(folder, &file, None) });
    }
    Ok(())
}

fn in_quarantine(surroundings: &Surroundings, folder: &Folder, files: &mut Vec<Listed>) -> Result<(), Reason> {
    let rows = match &surroundings.history {
        Some(history) => history.in_state(&folder.name, State::Quarantined)?,
        None => Vec::new(),
    };
    let by_place: HashMap<_, _> = rows.iter().filter_map(|row| Some((row.place.as_deref()?, row))).collect();
    let let_go = surroundings.let_go(folder)?;
    for file in survey::in_quarantine(folder)?.iter().filter(|file| !let_go.contains(&file.identity)) {
        let place = format!("quarantine/{}", escape(&file.name));
        let row = by_place.get(place.as_str()).copied();
        files.push(Listed { state: "quarantined", ..lying(folder, file, row) });
    }
    Ok(())
}

/// A file that was found where it lies, and what the ledger says of it.
fn lying(folder: &Folder, file: &Lying, row: Option<&Row>) -> Listed {
    let (since, bytes) = (Some(Stamp(file.since)), Some(file.identity.size));
    let found = Listed { since, bytes, ..named(folder, &file.path) };
    let Some(row) = row else { return found };
    Listed {
        id: Some(row.id.0),
        since: Some(Stamp(row.changed_at)),
        reason: row.reason.clone(),
        hint: row.hint.clone(),
        replaces: row.replaces.map(|id| id.0),
        ..found
    }
}

/// What a path says alone.
fn named(folder: &Folder, path: &Path) -> Listed {
    Listed {
        id: None,
        folder: folder.name.clone(),
        name: escape(path.file_name().unwrap_or_default()),
        state: "waiting",
        since: None,
        rows: None,
        rejects: None,
        bytes: None,
        reason: None,
        hint: None,
        retry_at: None,
        duplicate_of: None,
        replaces: None,
        path: escape(path.as_os_str()),
    }
}

fn of_row(folder: &Folder, row: &Row) -> Listed {
    let place = row.place.as_deref().unwrap_or("active");
    Listed {
        id: Some(row.id.0),
        folder: row.folder.clone(),
        name: escape(&row.name),
        state: row.state.name(),
        since: Some(Stamp(row.changed_at)),
        rows: row.rows,
        rejects: row.rows.map(|_| row.rejects),
        bytes: Some(row.identity.size),
        reason: row.reason.clone(),
        hint: row.hint.clone(),
        retry_at: None,
        duplicate_of: row.duplicate_of.map(|id| id.0),
        replaces: row.replaces.map(|id| id.0),
        path: format!("{}/{place}", escape(folder.path.as_os_str())),
    }
}

fn left_out(limit: u32) -> String {
    format!("older ones are left out; for more, add: --limit {}", limit.saturating_mul(10))
}

fn page(files: &[Listed], more: bool, limit: u32) -> Page {
    use Side::{Left, Right};
    let mut page = Page::new();
    if files.is_empty() {
        page.line("no files");
        return page;
    }
    let head = [
        ("id", Right),
        ("state", Left),
        ("age", Right),
        ("rows", Right),
        ("rejects", Right),
        ("folder", Left),
        ("name", Left),
        ("reason", Left),
    ];
    let mut table = Table::new(&head);
    for file in files {
        let plain = |text: String| (Look::Plain, text);
        table.row([
            plain(file.id.map_or("-".to_owned(), |id| format!("#{id}"))),
            (file.look(), file.state.to_owned()),
            plain(file.since.map_or("-".to_owned(), |since| when::age(since.0))),
            plain(file.rows.map_or("-".to_owned(), |rows| rows.to_string())),
            plain(file.rejects.map_or("-".to_owned(), |rejects| rejects.to_string())),
            plain(file.folder.clone()),
            plain(file.name.clone()),
            plain(file.story()),
        ]);
    }
    for line in table.lines(&page) {
        page.line(line);
    }
    if more {
        page.line(left_out(limit));
    }
    page
}

impl Listed {
    fn look(&self) -> Look {
        match self.state {
            "quarantined" => Look::Bad,
            "deferred" | "unseen" => Look::Warning,
            "archived" | "committed" if self.rejects > Some(0) => Look::Warning,
            "archived" | "committed" => Look::Good,
            _ => Look::Plain,
        }
    }

    fn story(&self) -> String {
        let reason = self.reason.as_deref().map(|reason| visible(reason).into_owned());
        let next = self.retry_at.map(|at| format!("next try in {}", when::until(at.0)));
        let first = self.duplicate_of.map(|id| format!("done before as #{id}"));
        let earlier = self.replaces.map(|id| format!("in place of #{id}"));
        // Of one that is still to come, the reason says it.
        let earlier = earlier.filter(|_| reason.is_none());
        reason.into_iter().chain(next).chain(first).chain(earlier).collect::<Vec<_>>().join("; ")
    }
}
