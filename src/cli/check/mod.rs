//! `importerd check`: settings and surroundings, as a checklist. Changes nothing: what is missing is not made.

pub(super) mod checklist;
mod folder;
pub(super) mod rights;
pub(super) mod work;

use std::path::Path;

use checklist::{Checklist, Section};
use rights::Usable;
use rustix::fs::Access;

use super::args::Global;
use super::complaint::{Complaint, told};
use super::page::print_json;
use super::shell::quoted;
use super::stranger;
use super::surroundings::{Daemon, SETTINGS_CHANGED, are_changed, daemon, directories, how_to_begin, sources, typed};
use crate::control::socket::NAME;
use crate::exit;
use crate::fault::Reason;
use crate::ledger::{self, history::History};
use crate::settings::{self, Directories, Loaded};
use crate::stages::kinship;

/// `importerd check`
pub fn answer(global: &Global) -> u8 {
    told(show(global))
}

fn show(global: &Global) -> Result<u8, Complaint> {
    let directories = directories(global)?;
    let checklist = checklist(global, &directories);
    if global.json {
        print_json(&checklist)?;
    } else {
        checklist.page(&format!("{} check", typed(global))).print()?;
    }
    Ok(checklist.code())
}

fn checklist(global: &Global, directories: &Directories) -> Checklist {
    let loaded = settings::load(&sources(global, directories));
    let mut checklist = Checklist::default();
    checklist.sections.push(of_settings(loaded.as_ref()));
    let (section, daemon) = of_state(global, directories, loaded.as_ref().ok());
    checklist.sections.push(section);
    if let Ok(loaded) = &loaded {
        let settings = &loaded.settings;
        let folders = settings.folders.values();
        checklist.sections.extend(folders.map(|folder| folder::section(settings, folder, directories, daemon)));
    }
    checklist
}

fn of_settings(loaded: Result<&Loaded, &settings::Error>) -> Section {
    let mut section = Section::new("settings");
    match loaded.map(|loaded| loaded.settings.folders.len()) {
        Ok(0) => section.warn(how_to_begin(), None),
        Ok(1) => section.ok("1 folder, no unknown keys"),
        Ok(folders) => section.ok(format!("{folders} folders, no unknown keys")),
        Err(error) => error.problems.iter().for_each(|problem| section.fail(exit::CONFIG, problem.to_string(), None)),
    }
    section
}

fn of_state(global: &Global, directories: &Directories, loaded: Option<&Loaded>) -> (Section, Daemon) {
    let state = &directories.state;
    let mut section = Section::new(format!("state  {}", state.display()));
    match rights::directory(state, state, &mut section, "the state directory") {
        Usable::Now => section.ok("the state directory is readable and writable"),
        Usable::Later => {
            section.ok("the state directory will be made");
            of_roots_rights(global, state, &mut section);
        }
        Usable::No => {}
    }
    of_room(state, state, &mut section);
    if let Some(text) = checked_as_another(state) {
        let fix =
            format!("sudo -u '#{}' {}", rights::owner(state).unwrap_or_default(), stranger::typed_again(global, state));
        section.warn(text, Some(fix));
    }
    of_socket(directories, &mut section);
    let belonging = |history: &Option<History>| {
        loaded.map_or(Ok(()), |loaded| kinship::look(&loaded.settings, state, history.as_ref()))
    };
    match History::open(state).and_then(|history| belonging(&history).map(|()| history)) {
        Ok(Some(_)) => of_ledger(&state.join(ledger::FILE_NAME), state, &mut section),
        Ok(None) => section.ok("the ledger will be made"),
        Err(reason) => section.fail_for(&reason, &typed(global)),
    }
    let daemon = daemon(directories).and_then(|daemon| {
        let loaded = loaded.filter(|_| daemon == Daemon::Stopped);
        loaded
            .map_or(Ok(()), |loaded| stranger::refuse_beside_another_daemon(&loaded.settings, directories))
            .map(|()| daemon)
    });
    match &daemon {
        Ok(Daemon::Running { pid: 0, .. }) => section.ok("the daemon runs"),
        Ok(Daemon::Running { pid, .. }) => section.ok(format!("the daemon runs (pid {pid})")),
        Ok(Daemon::Stopped) => section.ok("no daemon runs now"),
        Err(reason) if reason.code == "in_use" => section.warn(reason.to_string(), reason.hint.clone()),
        Err(_) => {
            let user = rustix::process::geteuid().as_raw();
            section.warn(format!("whether a daemon runs can't be seen by user {user}"), None);
        }
    }
    if loaded.is_some_and(|loaded| are_changed(directories, loaded)) {
        section.warn(SETTINGS_CHANGED, None);
    }
    (section, daemon.unwrap_or(Daemon::Stopped))
}

fn of_room(path: &Path, state: &Path, section: &mut Section) {
    if let Some(text) = rights::no_room(path, state) {
        section.fail(exit::UNAVAILABLE, text, Some("free some space there".to_owned()));
    }
}

/// Nothing shows yet as whom the daemon is to run, and root may do everything.
fn of_roots_rights(global: &Global, state: &Path, section: &mut Section) {
    if rustix::process::geteuid().is_root() {
        let text = "checked as root, whose rights say nothing of the daemon's, should it run as another user";
        let (made, again) = (quoted(state), stranger::typed_again(global, state));
        let fix = format!("sudo install -d -m 0700 -o importerd {made} && sudo -u importerd {again}");
        section.warn(text, Some(fix));
    }
}

/// One that root has restored is root's, and a daemon of another user reads it and can't write.
fn of_ledger(ledger: &Path, state: &Path, section: &mut Section) {
    section.ok("the ledger can be read");
    let (owner, of_state) = (rights::owner(ledger), rights::owner(state));
    if owner != of_state && of_state != Some(0) {
        let text = "the ledger is not of the user whose the state directory is: the daemon may not write it";
        let (state, ledger) = (quoted(state), quoted(ledger));
        section.warn(text, Some(format!("sudo chown --reference={state} {ledger}*")));
    }
}

/// Without it, the daemon works all the same.
fn of_socket(directories: &Directories, section: &mut Section) {
    let (at, missing) = rights::nearest(&directories.runtime);
    let socket = directories.runtime.join(NAME);
    match rights::may(at, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if missing => section.ok(format!("the control socket will be {}", socket.display())),
        Ok(()) => section.ok(format!("the control socket is {}", socket.display())),
        Err(error) => section.warn(
            format!("no control socket can be made in {}: {error}", directories.runtime.display()),
            Some("RuntimeDirectory=importerd in the unit, or $IMPORTERD_RUNTIME_DIRECTORY".to_owned()),
        ),
    }
}

/// What this user may do says little of what the daemon's user may do.
fn checked_as_another(state: &Path) -> Option<String> {
    let (user, owner) = (rustix::process::geteuid().as_raw(), rights::owner(state)?);
    (user != owner).then(|| format!("checked as user {user}, but the state directory belongs to user {owner}"))
}

impl Section {
    /// Enters a failure that was met elsewhere; `importerd` is how to type it.
    pub fn fail_for(&mut self, reason: &Reason, importerd: &str) {
        let code = match reason.code {
            "no_permission" => exit::NOPERM,
            code if ledger::REFUSALS.contains(&code) => exit::CONFIG,
            _ => exit::UNAVAILABLE,
        };
        let fix = reason.hint.as_ref().map(|hint| ledger::typed(hint, importerd));
        self.fail(code, reason.to_string(), fix);
    }
}
