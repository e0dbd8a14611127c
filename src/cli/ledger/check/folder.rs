//! One folder: what the ledger says of its files, and where they are.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::super::super::check::checklist::Section;
use super::super::super::surroundings::filter;
use super::target;
use crate::fault::Reason;
use crate::folder::name::{Filter, Rule};
use crate::folder::survey::{self, Lying};
use crate::ledger::history::History;
use crate::ledger::{self, REBUILD, Row, State, TAKEN_AWAY};
use crate::log::{escape, unescape};
use crate::run::results::Planned;
use crate::settings::{Folder, Work};
use crate::stages::kinship::{self, Known};

/// What was counted of a folder's files.
#[derive(Debug, Default)]
struct Counts {
    archived: u64,
    pruned: u64,
    refused: u64,
    taken_from_quarantine: u64,
    waiting: u64,
    gone_from_inbox: u64,
    unfinished: u64,
    results: u64,
    taken_results: u64,
}

/// All that is checked of a folder.
pub fn section(folder: &Folder, state: &Path, history: &History, importerd: &str) -> Result<Section, Reason> {
    let mut section = Section::new(format!("folder {}  {}", folder.name, folder.path.display()));
    let known = Known::to_history(history, &folder.name)?;
    match kinship::check_folder(folder, state, Some(known)) {
        Ok(()) => section.ok("it is the ledger of this folder"),
        Err(reason) => {
            let is_renamed = reason.code == "folder_renamed";
            section.fail_for(&reason, importerd);
            if is_renamed {
                // Nothing that lies there would be found under this name.
                return Ok(section);
            }
        }
    }
    entries(folder, history, &mut section)?;
    strangers(folder, history, importerd, &mut section)?;
    if let Work::Import(import) = &folder.work {
        target::check(folder, (import, &crate::stages::target(import, state)), history, importerd, &mut section)?;
    }
    Ok(section)
}

/// What was entered, against what lies there. Operators empty archives and take results away: that is no failure.
fn entries(folder: &Folder, history: &History, section: &mut Section) -> Result<(), Reason> {
    let mut counts = Counts::default();
    // An inode alone may have been given to another file.
    let inbox = survey::in_inbox(folder, &filter(folder)?, |_, _| {})?;
    let inbox: HashSet<_> = inbox.into_iter().map(|file| file.identity.key()).collect();
    history.each_file(&folder.name, |row| counts.add(folder, &row, &inbox))?;
    let Counts { archived, pruned, refused, taken_from_quarantine, waiting, gone_from_inbox, .. } = counts;
    let mut say = |count: u64, text: String| {
        if count > 0 {
            section.ok(text);
        }
    };
    say(archived, format!("{archived} archived, of which {pruned} no longer lie where they were put"));
    say(refused, format!("{refused} refused, of which {taken_from_quarantine} were taken out of quarantine/"));
    say(waiting, format!("{waiting} wait for another try, of which {gone_from_inbox} were taken out of the inbox"));
    let Counts { results, taken_results, unfinished, .. } = counts;
    say(results, format!("{results} results published, of which {taken_results} were taken out of results/"));
    say(unfinished, format!("{unfinished} committed and not entered as archived: the next start finishes that"));
    let active = survey::in_active(folder)?.len();
    say(active as u64, format!("{active} in active/: the next start recovers them"));
    Ok(())
}

impl Counts {
    fn add(&mut self, folder: &Folder, row: &Row, inbox: &HashSet<(u64, i64)>) {
        let is_there = || place(folder, row).is_some_and(|path| path.symlink_metadata().is_ok());
        match row.state {
            State::Archived | State::Duplicate if row.place.is_some() => {
                self.archived += 1;
                self.pruned += u64::from(!is_there());
            }
            State::Archived | State::Duplicate | State::Committed => self.unfinished += 1,
            State::Quarantined => {
                self.refused += 1;
                self.taken_from_quarantine += u64::from(!is_there());
            }
            State::Deferred => {
                self.waiting += 1;
                self.gone_from_inbox += u64::from(!inbox.contains(&row.identity.key()));
            }
            // Where they lie is nobody's concern any more.
            State::Replaced | State::Forgotten => {}
        }
        if row.state == State::Archived {
            let plan = row.results.as_deref().and_then(|plan| serde_json::from_str::<Vec<Planned>>(plan).ok());
            for planned in plan.into_iter().flatten() {
                let path = folder.path.join("results").join(&planned.published);
                self.results += 1;
                self.taken_results += u64::from(path.symlink_metadata().is_err());
            }
        }
    }
}

/// Where the ledger says that a file lies.
fn place(folder: &Folder, row: &Row) -> Option<PathBuf> {
    Some(folder.path.join(unescape(row.place.as_deref().filter(|place| *place != TAKEN_AWAY)?)?))
}

/// Files at their end that the ledger doesn't know: the same bytes would be done again. In a folder that was copied, and in
/// place of a refused file that an editor has mended, it knows them by their places.
fn strangers(folder: &Folder, history: &History, importerd: &str, section: &mut Section) -> Result<(), Reason> {
    let filter = filter(folder)?;
    let mut files = survey::in_quarantine(folder)?;
    for day in survey::days(folder)? {
        files.extend(survey::in_day(&day)?);
    }
    let mut unknown = BTreeMap::new();
    for file in files {
        if !is_marker(&filter, &file) && history.by_identity(&folder.name, &file.identity)?.is_none() {
            unknown.insert(file.path, file.identity.size);
        }
    }
    if !unknown.is_empty() {
        history.each_file(&folder.name, |row| {
            let Some(path) = place(folder, &row) else { return };
            let bytes = unknown.get(&path);
            if bytes.is_some_and(|bytes| row.state == State::Quarantined || *bytes == row.identity.size) {
                unknown.remove(&path);
            }
        })?;
    }
    if let Some(first) = unknown.keys().next() {
        let example = escape(first.strip_prefix(&folder.path).unwrap_or(first).as_os_str());
        let text =
            format!("{} in archive/ and quarantine/ are not in the ledger, for instance {example}", unknown.len());
        let fix = "if they were put there by hand, nothing; else have it learn them: ";
        let mut fix = ledger::typed(&format!("{fix}{REBUILD} --force"), importerd);
        if matches!(folder.work, Work::Import(_)) {
            fix.push_str("; of one that it leaves alone then, no row is in: drop it again");
        }
        section.warn(text, Some(fix));
    }
    Ok(())
}

fn is_marker(filter: &Filter, file: &Lying) -> bool {
    filter.rule_against(&file.name) == Some(Rule::Marker)
}
