//! `importerd ledger check`: whether the ledger is sound, and whether ledger, folders and targets agree. Changes
//! nothing.

mod folder;
mod target;

use std::path::Path;

use super::super::args::Global;
use super::super::check::checklist::{Checklist, Section};
use super::super::complaint::Complaint;
use super::super::page::print_json;
use super::super::stranger;
use super::super::surroundings::{Daemon, daemon, typed};
use super::whereabouts;
use crate::exit;
use crate::fault::Reason;
use crate::folder::places::with_pid;
use crate::ledger::history::History;
use crate::ledger::{FILE_NAME, REBUILD, read_only};
use crate::settings::{Directories, Settings};
use crate::stages::kinship;

/// How often it is looked at anew when somebody has written meanwhile: a daemon that starts or ends, `once` of cron.
const LOOKS_MAX: usize = 3;

/// Exit code 1: something is wrong, with what to do.
pub fn answer(global: &Global) -> Result<u8, Complaint> {
    let (directories, settings) = whereabouts(global)?;
    stranger::refuse_beside_another_daemon(&settings, &directories)
        .map_err(|reason| stranger::may_as_owner(global, &directories.state, reason.into()))?;
    let checklist = checklist(global, &directories, &settings)?;
    if global.json {
        print_json(&checklist)?;
    } else {
        checklist.page(&format!("{} ledger check", typed(global))).print()?;
    }
    Ok(checklist.code())
}

fn checklist(global: &Global, directories: &Directories, settings: &Settings) -> Result<Checklist, Reason> {
    let path = directories.state.join(FILE_NAME);
    let title = format!("ledger  {}", path.display());
    let undisturbed = undisturbed(&path, || look(global, directories, settings, Section::new(title.as_str())))?;
    Ok(undisturbed.unwrap_or_else(|| {
        let mut section = Section::new(title);
        let text = "somebody wrote it each time it was read: whether it is sound can't be said";
        let fix = "see what starts importerd meanwhile (systemctl status importerd, cron), stop it, and type it again";
        section.fail(exit::TEMPFAIL, text, Some(fix.to_owned()));
        Checklist { sections: vec![section] }
    }))
}

/// What was found while nobody wrote to the ledger, or by somebody who reads what others write (`true`). `None`: there
/// was no such time.
fn undisturbed<T>(ledger: &Path, mut look: impl FnMut() -> Result<(T, bool), Reason>) -> Result<Option<T>, Reason> {
    for _ in 0..LOOKS_MAX {
        let before = read_only::lies(ledger);
        let found = look();
        let sees_writers = found.as_ref().is_ok_and(|(_, sees_writers)| *sees_writers);
        if sees_writers || read_only::lies(ledger) == before {
            return found.map(|(found, _)| Some(found));
        }
    }
    Ok(None)
}

/// What is found now, and whether what a daemon writes meanwhile is seen for what it is.
fn look(
    global: &Global,
    directories: &Directories,
    settings: &Settings,
    mut section: Section,
) -> Result<(Checklist, bool), Reason> {
    let (importerd, state) = (typed(global), &directories.state);
    let daemon = daemon(directories)?;
    let history = sound(directories, settings, &importerd, &mut section);
    let mut checklist = Checklist::default();
    let mut sees_writers = false;
    if let Daemon::Running { pid, .. } = daemon {
        sees_writers = history.as_ref().is_some_and(|history| !history.is_frozen());
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
    Ok((checklist, sees_writers))
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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::ledger::Ledger;

    /// Files of which each has a row in the table and in its indexes; and then half of them, elsewhere in the file.
    fn write(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    const FILL: &str = "
        WITH RECURSIVE number(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < 5000)
        INSERT INTO file (id, folder, name, device, inode, born_ns, size, mtime_ns, state, attempts, deferrals,
            claimed_at_us, changed_at_us)
        SELECT id, 'orders', 'a.csv', 1, id, 3, 4, 5, 'archived', 0, 0, 6, 7 FROM number";
    const MOVE: &str = "DELETE FROM file WHERE id % 2 = 0; VACUUM";

    /// fault 76; with its control: what is read of two times looks like damage.
    #[test]
    fn a_ledger_that_is_written_while_it_is_read_is_read_once_more_and_not_called_damaged() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(FILE_NAME);
        drop(Ledger::open(state.path()).unwrap());
        write(&path, FILL);
        let mut found = Vec::new();
        let undisturbed = undisturbed(&path, || {
            let history = History::open(state.path())?.unwrap();
            if found.is_empty() {
                assert!(history.is_frozen());
                write(&path, MOVE);
            }
            found.push(history.problems());
            found.last().cloned().unwrap().map(|problems| (problems, !history.is_frozen()))
        });
        assert!(!matches!(&found[0], Ok(problems) if problems.is_empty()), "the control");
        assert_eq!((undisturbed, found.len()), (Ok(Some(Vec::new())), 2));
    }

    #[test]
    fn one_that_is_written_all_the_time_is_not_judged_unless_its_writer_is_seen() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(FILE_NAME);
        for (sees_writers, looks, found) in [(false, LOOKS_MAX, None), (true, 1, Some(()))] {
            let mut looked = 0;
            let undisturbed = undisturbed(&path, || {
                looked += 1;
                std::fs::write(&path, "x".repeat(looked)).unwrap();
                Ok(((), sees_writers))
            });
            assert_eq!((undisturbed, looked), (Ok(found), looks));
        }
    }
}
