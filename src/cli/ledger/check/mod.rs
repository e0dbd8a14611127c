//! `importerd ledger check`: whether the ledger is sound, and whether ledger, folders and targets agree. Changes
//! nothing.

mod folder;
mod target;

use super::super::args::Global;
use super::super::check::checklist::{Checklist, Section};
use super::super::complaint::Complaint;
use super::super::page::print_json;
use super::super::surroundings::{Daemon, daemon, typed};
use super::whereabouts;
use crate::exit;
use crate::fault::Reason;
use crate::folder::places::with_pid;
use crate::ledger::history::History;
use crate::ledger::{FILE_NAME, REBUILD};
use crate::settings::{Directories, Settings};
use crate::stages::kinship;

/// Exit code 1: something is wrong, with what to do.
pub fn answer(global: &Global) -> Result<u8, Complaint> {
    let (directories, settings) = whereabouts(global)?;
    let checklist = checklist(global, &directories, &settings)?;
    if global.json {
        print_json(&checklist)?;
    } else {
        checklist.page(&format!("{} ledger check", typed(global))).print()?;
    }
    Ok(checklist.code())
}

fn checklist(global: &Global, directories: &Directories, settings: &Settings) -> Result<Checklist, Reason> {
    let (importerd, state) = (typed(global), &directories.state);
    let mut section = Section::new(format!("ledger  {}", state.join(FILE_NAME).display()));
    let daemon = daemon(directories)?;
    let history = sound(directories, settings, &importerd, &mut section);
    let mut checklist = Checklist::default();
    if let Daemon::Running { pid, .. } = daemon {
        let pid = with_pid(Some(pid).filter(|pid| *pid > 0));
        let text =
            format!("a daemon runs{pid}: files and load markers can't be compared with what it is about to enter");
        section
            .warn(text, Some(format!("for the rest: systemctl stop importerd, then type: {importerd} ledger check")));
    }
    checklist.sections.push(section);
    if let (Some(history), Daemon::Stopped) = (history, daemon) {
        for settings in settings.folders.values() {
            checklist.sections.push(folder::section(settings, state, &history, &importerd)?);
        }
    }
    Ok(checklist)
}

/// The ledger, when it is one and all of it can be read.
fn sound(directories: &Directories, settings: &Settings, importerd: &str, section: &mut Section) -> Option<History> {
    let state = &directories.state;
    let history = match History::open(state).and_then(|history| match history {
        Some(history) => Ok(Some(history)),
        None => kinship::look(settings, state, None).map(|()| None),
    }) {
        Ok(Some(history)) => history,
        Ok(None) => {
            section.ok("there is none yet: the first start makes it");
            return None;
        }
        Err(reason) => {
            section.fail_for(&reason, importerd);
            return None;
        }
    };
    let said = || Ok((history.version()?, history.identity()?, history.numbers_below()?, history.problems()?));
    match said() {
        Err(reason) => {
            section.fail_for(&reason, importerd);
            None
        }
        Ok((version, identity, numbers_below, problems)) => {
            let number =
                identity.map_or_else(|| "without a number of its own yet".to_owned(), |id| format!("number {id}"));
            section.ok(format!("version {version}, {number}, file numbers below {numbers_below}"));
            for problem in &problems {
                let fix = crate::ledger::typed(&format!("restore it from a backup, or: {REBUILD}"), importerd);
                section.fail(exit::CONFIG, format!("damaged: {problem}"), Some(fix));
            }
            if problems.is_empty() {
                section.ok("every page and index can be read");
            }
            problems.is_empty().then_some(history)
        }
    }
}
