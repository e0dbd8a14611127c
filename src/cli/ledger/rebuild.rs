//! `importerd ledger rebuild`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use super::super::args::Global;
use super::super::complaint::Complaint;
use super::super::page::{Look, Page, print_json};
use super::super::stranger;
use super::super::surroundings::{Surroundings, typed};
use super::whereabouts;
use crate::daemon::lock_state;
use crate::exit;
use crate::fault::Fault;
use crate::ledger::FILE_NAME;
use crate::log::visible;
use crate::rebuild::{Condition, Learnt, Report, condition, rebuild};
use crate::stages::kinship;

/// Asks, unless told not to; without a terminal it needs `--yes`.
pub fn answer(global: &Global, yes: bool, force: bool) -> Result<u8, Complaint> {
    let (directories, settings) = whereabouts(global)?;
    let state = &directories.state;
    if !force {
        kinship::refuse_a_second_ledger(&settings, state)?;
    }
    stranger::refuse(global, &settings, state)?;
    let _lock = lock_state(state, "").map_err(|fault| fault.reason().clone())?;
    let condition = condition(&settings, state)?;
    if condition == Condition::Sound && !force {
        let text = format!("{}: nothing is wrong with it", state.join(FILE_NAME).display());
        let next =
            format!("to look closer, type: {} ledger check; to make it anew all the same, add --force", typed(global));
        return Err(Complaint::new(exit::REFUSED, text, next));
    }
    if !yes && !is_wanted(state, &condition)? {
        return Err(Complaint::new(exit::REFUSED, "nothing was done", "to make it anew, answer y, or add --yes"));
    }
    let report = rebuild(&settings, state, &typed(global)).map_err(|fault| fault.reason().clone())?;
    if global.json {
        print_json(&report)?;
    } else {
        let start = Surroundings::look(global)?.start();
        page(&report, &condition, state, &typed(global), &start).print()?;
    }
    Ok(exit::OK)
}

fn is_wanted(state: &Path, condition: &Condition) -> Result<bool, Complaint> {
    let ledger = state.join(FILE_NAME);
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text = format!("nothing was done: {}", told(condition, &ledger));
        return Err(Complaint::new(exit::USAGE, text, "to have it made anew without being asked, add --yes"));
    }
    let question = format!(
        "{}\nIt is put aside, and one is made anew from what can be read of it, the targets and the folders. Go on? [y/N] ",
        visible(&told(condition, &ledger)).replace("\\n", "\n")
    );
    let mut typed = String::new();
    let asked = io::stderr().write_all(question.as_bytes()).and_then(|()| io::stdin().lock().read_line(&mut typed));
    asked.map_err(|error| Fault::io("ask", &error).reason().clone())?;
    Ok(matches!(typed.trim(), "y" | "Y" | "yes"))
}

fn told(condition: &Condition, ledger: &Path) -> String {
    match condition {
        Condition::Missing => format!("{}: missing", ledger.display()),
        Condition::Damaged(reason) | Condition::Unrelated(reason) => reason.to_string(),
        Condition::Sound => format!("{}: nothing is wrong with it", ledger.display()),
    }
}

fn page(report: &Report, condition: &Condition, state: &Path, importerd: &str, start: &str) -> Page {
    let mut page = Page::new();
    let mut line = |text: String| page.line(format!("  {}", visible(&text)));
    line(told(condition, &state.join(FILE_NAME)));
    match &report.unreadable {
        Some(why) => line(format!("  nothing of it can be read: {why}")),
        None if *condition == Condition::Missing => {}
        None => line(format!(
            "  taken over from it: {}, {}; damaged places in it: {}",
            counted(report.salvaged_files, "file"),
            counted(report.salvaged_events, "event"),
            report.damaged_places
        )),
    }
    if let Some(aside) = &report.aside {
        line(format!("  it lies in {} now", aside.display()));
    }
    for folder in &report.folders {
        line(format!("folder {}  {}", folder.folder, folder.path.display()));
        for text in learnt(folder) {
            line(format!("  {text}"));
        }
    }
    line(format!("numbers go on at {}", report.numbers_below));
    line(
        "what only the old ledger knew is lost where it could not be read: attempts, deferrals, pauses (a folder that was \
         paused goes on), names of results"
            .into(),
    );
    let needed: usize = report.folders.iter().map(|folder| folder.ledger_lost.len()).sum();
    if needed > 0 {
        let text =
            format!("{} in quarantine/ to be looked at: {importerd} ls --quarantined", counted(needed as u64, "file"));
        let text = page.paint(Look::Bad, visible(&text));
        page.line(text);
    }
    page.line(format!("the ledger is made anew; start importerd again, for instance: {start}"));
    page
}

/// What a folder taught, a line each.
fn learnt(folder: &Learnt) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(target) = &folder.target {
        let what = counted(folder.markers, "load marker");
        lines.push(format!("{what} in {target}; new to the ledger: {}", folder.from_markers));
    }
    lines.push(format!("files in archive/ that are new to the ledger: {}", folder.from_archive));
    if folder.unexplained > 0 {
        lines.push(format!(
            "files in archive/ that nothing accounts for, and that are left alone: {}",
            folder.unexplained
        ));
    }
    lines.push(format!("files in quarantine/ that are new to the ledger: {}", folder.from_quarantine));
    for name in &folder.ledger_lost {
        lines.push(format!("{name} was in hand, and nobody knows whether its results are published: to quarantine/"));
    }
    lines
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
