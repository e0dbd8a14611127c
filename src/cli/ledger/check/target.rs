//! A folder's target: its load markers, against the ledger and against the rows.

use std::collections::{HashMap, HashSet};

use super::super::super::check::checklist::{About, Section};
use crate::exit;
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId};
use crate::import::{Counted, Marker, Markers, Place};
use crate::ledger::history::History;
use crate::ledger::{self, REBUILD, Row, State};
use crate::log::escape;
use crate::settings::{Duplicates, Folder, Import, Work};
use crate::stages::{MARKERS_BACK, has_gone_in};

/// So many are named.
const EXAMPLES_MAX: usize = 5;

/// What to do about files without a load marker.
const RESTORE: &str = "restore the database's latest state, with _importerd_files";
const DROP_AGAIN: &str = "what is in no backup, drop again from archive/";

/// Enters it.
pub fn check(
    folder: &Folder,
    (import, place): (&Import, &Place),
    history: &History,
    importerd: &str,
    section: &mut Section,
) -> Result<(), Reason> {
    let mut markers = Vec::new();
    let mut look = || {
        let target = place.look()?;
        if let Some(target) = &target {
            target.each(&folder.name, &mut |marker| {
                markers.push(marker);
                true
            })?;
        }
        Ok(target)
    };
    let target = match look() {
        Ok(target) => target,
        Err(fault) => {
            let fault: Fault = fault;
            let Reason { text, hint, .. } = fault.reason().clone();
            let fix = hint.unwrap_or_else(|| "make it readable, or restore it from a backup".to_owned());
            section.fail(exit::UNAVAILABLE, text, Some(fix));
            return Ok(());
        }
    };
    unknown_markers(folder, &markers, history, importerd, section)?;
    unmarked_entries(folder, (import, place), &markers, history, importerd, section)?;
    if let Some(target) = target {
        rows(folder, &*target, section);
        rejects(&*target, section);
    }
    Ok(())
}

/// Imported, and the ledger doesn't say so.
fn unknown_markers(
    folder: &Folder,
    markers: &[Marker],
    history: &History,
    importerd: &str,
    section: &mut Section,
) -> Result<(), Reason> {
    let highest = history.last_id(&folder.name)?;
    let (mut to_learn, mut lost) = (0, Vec::new());
    for marker in markers {
        let row = history.by_id(marker.id)?.filter(|row| row.folder == folder.name);
        match row {
            Some(row) if !row.state.may_go_in() => {}
            Some(row) if has_gone_in(&row, marker) => to_learn += 1,
            _ if marker.id.0 >= highest.0 - MARKERS_BACK => to_learn += 1,
            _ => lost.push((marker.id, escape(&marker.name))),
        }
    }
    if to_learn > 0 {
        section.ok(format!("{to_learn} load markers are news: the next start learns them"));
    }
    if !lost.is_empty() {
        let text = format!("{} were imported and are not in the ledger: {}", lost.len(), listed(&lost));
        section.fail(exit::REFUSED, text, Some(ledger::typed(&format!("{REBUILD} --force"), importerd)));
        section.about(about(lost));
    }
    Ok(())
}

/// The ledger says that they are imported, and the target doesn't.
fn unmarked_entries(
    folder: &Folder,
    (import, place): (&Import, &Place),
    markers: &[Marker],
    history: &History,
    importerd: &str,
    section: &mut Section,
) -> Result<(), Reason> {
    let marked: HashSet<FileId> = markers.iter().map(|marker| marker.id).collect();
    let again = Again::of(folder, markers);
    // A replay that is missing has the rows of the load before in its place.
    let (mut unmarked, mut loads) = (Vec::new(), Vec::new());
    history.each_file(&folder.name, |row| {
        let is_imported = matches!(row.state, State::Committed | State::Archived) && row.rows.is_some();
        if is_imported && !marked.contains(&row.id) && !again.has(&row) {
            unmarked.push((row.id, escape(&row.name)));
            loads.push([Some(row.id), row.replaces]);
        }
    })?;
    if unmarked.is_empty() {
        section.ok(format!("{} load markers in {}, one for every imported file", markers.len(), place));
    } else {
        let text = format!("{} have no load marker in {}: {}", unmarked.len(), place, listed(&unmarked));
        let there = place.files_with_rows(&import.table).unwrap_or_default();
        let bring_back = bring_back(folder, importerd);
        let is_there = |there: &HashSet<FileId>| {
            loads.iter().filter(|loads| loads.iter().flatten().any(|load| there.contains(load))).count()
        };
        let (rows, fix) = match there.as_ref().map(is_there) {
            Some(0) => ("no row of them is there".to_owned(), bring_back),
            Some(some) => {
                (format!("rows of {some} of them are there"), format!("{RESTORE}; dropped again, those would double"))
            }
            None => {
                let text = format!("whether rows of them are there can't be told from the table {}", import.table);
                (text, format!("{bring_back}; only where you see that its rows are not there"))
            }
        };
        section.fail(exit::REFUSED, format!("{text}; {rows}"), Some(fix));
        section.about(about(unmarked));
    }
    Ok(())
}

/// Files that went in later than others with the same bytes.
struct Again<'m> {
    latest: HashMap<Digest, &'m Marker>,
    duplicates: Duplicates,
    needs_order: bool,
}

impl<'m> Again<'m> {
    fn of(folder: &Folder, markers: &'m [Marker]) -> Self {
        let counting = markers.iter().filter(|marker| marker.forgotten_at.is_none());
        Self {
            latest: counting.map(|marker| (marker.blake3, marker)).collect(),
            duplicates: folder.duplicates,
            needs_order: folder.needs_order(),
        }
    }

    /// Whether the bytes of a file that has no marker are in all the same: it was dropped again. Where files overwrite each
    /// other's rows, the later one says the same. Where a duplicate is refused, it would be one if the earlier were in; where
    /// it is not, both may have been meant.
    fn has(&self, row: &Row) -> bool {
        let later = row.blake3.and_then(|digest| self.latest.get(&digest)).filter(|later| later.id > row.id);
        later.is_some_and(|later| match self.duplicates {
            _ if self.needs_order => true,
            Duplicates::ByContent => true,
            Duplicates::ByName => later.name == row.name,
            Duplicates::Allow => false,
        })
    }
}

/// What to do about files that are not in a database of an earlier backup.
fn bring_back(folder: &Folder, importerd: &str) -> String {
    let restore = format!("{RESTORE}; {DROP_AGAIN}");
    let (overwrites, adds) = match &folder.work {
        Work::Import(import) => (import.mode.overwrites(), !import.mode.needs_order()),
        Work::Run(_) => (false, false),
    };
    if overwrites {
        let name = &folder.name;
        let forget = match folder.duplicates {
            Duplicates::ByName => "let those that came later count as new (forget, with their numbers); ",
            _ => "",
        };
        return format!(
            "{restore} with all that came later, or older rows take the place of newer ones: first type: {importerd} pause {name}; \
             {forget}copy them with their times (cp -p), by which they are taken; then type: {importerd} resume {name}"
        );
    }
    match folder.duplicates {
        Duplicates::Allow if adds => format!("{restore}; what was dropped again since: {importerd} forget its number"),
        _ => restore,
    }
}

/// Only tables that say in `_file_id` where a row came from.
fn rows(folder: &Folder, target: &dyn Markers, section: &mut Section) {
    let (mut fewer, mut more, mut by_triggers) = (0, Vec::new(), Vec::new());
    let counted = target.each_count(&folder.name, &mut |Counted { id, brought, there, has_triggers }| {
        fewer += u64::from(there < brought);
        if there > brought {
            let files = if has_triggers { &mut by_triggers } else { &mut more };
            files.push((id, format!("{there} rows instead of {brought}")));
        }
    });
    match counted {
        Err(error) => section.warn(format!("the rows can't be counted: {error}"), None),
        Ok(()) if fewer > 0 => {
            section.warn(
                format!(
                    "{fewer} files have fewer rows than they brought: somebody deleted some, or the table replaces rows"
                ),
                None,
            );
        }
        Ok(()) => section.ok("every file has the rows that it brought"),
    }
    if !by_triggers.is_empty() {
        let text = format!("{} files have more: {}", by_triggers.len(), listed(&by_triggers));
        section.warn(format!("{text}; the table's triggers, or somebody, put them there"), None);
        section.about(about(by_triggers));
    }
    if !more.is_empty() {
        let fix = "look at the rows of that _file_id: nothing but the user's own statements adds any".to_owned();
        section.fail(exit::REFUSED, format!("{} files have more: {}", more.len(), listed(&more)), Some(fix));
        section.about(about(more));
    }
}

/// Each with the load marker of its file, which counts them. Who has mended some may delete them.
fn rejects(target: &dyn crate::import::Markers, section: &mut Section) {
    let mut wrong = Vec::new();
    let counted = target.each_reject_count(&mut |id, marked, there| match marked {
        None => wrong.push((id, format!("{there} rejects without a load marker"))),
        Some(marked) if there > marked => wrong.push((id, format!("{there} rejects instead of {marked}"))),
        Some(_) => {}
    });
    match counted {
        Err(error) => section.warn(format!("the rejects can't be counted: {error}"), None),
        Ok(()) if wrong.is_empty() => section.ok("every reject is one that its load marker counts"),
        Ok(()) => {
            let fix = "look at the rows of _importerd_rejects with that file_id".to_owned();
            section.fail(exit::REFUSED, format!("{} files have others: {}", wrong.len(), listed(&wrong)), Some(fix));
            section.about(about(wrong));
        }
    }
}

fn listed(files: &[(FileId, String)]) -> String {
    let shown: Vec<_> = files.iter().take(EXAMPLES_MAX).map(|(id, text)| format!("{id} {text}")).collect();
    let rest = if files.len() > EXAMPLES_MAX { ", … (--json names all)" } else { "" };
    shown.join(", ") + rest
}

fn about(files: Vec<(FileId, String)>) -> Vec<About> {
    files.into_iter().map(|(id, text)| About { id: id.0, text }).collect()
}
