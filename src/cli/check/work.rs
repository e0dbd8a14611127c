//! What a folder does with its files: whether the database can be written, whether the command is there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::super::shell::quoted;
use super::checklist::Section;
use super::rights;
use crate::exit;
use crate::import::{BRING_BACK, Hindrance, Place, emptied};
use crate::ledger::history::History;
use crate::run::argv;
use crate::settings::{Directories, Folder, Import, Mode, Settings, Work, placeholders_of};
use crate::stages;

/// The kernel looks no further for an interpreter.
const SHEBANG_BYTES_MAX: usize = 256;

/// Enters it.
pub fn check(settings: &Settings, folder: &Folder, directories: &Directories, section: &mut Section) {
    match &folder.work {
        Work::Import(import) => database(settings, import, &directories.state, section),
        Work::Run(run) => command(&run.command, section),
    }
}

fn database(settings: &Settings, import: &Import, state: &Path, section: &mut Section) {
    let place = stages::target(import, state);
    if let Err(reason) = stages::refuse_ledger(&place, state) {
        return section.fail(exit::CONFIG, reason.text, reason.hint);
    }
    let is_known = has_imports(settings, &place, state);
    if place.is_missing() && is_known {
        let text = format!(
            "the database {place} is not there, and this folder has imported: it is held until the database is"
        );
        return section.fail(exit::UNAVAILABLE, text, Some(BRING_BACK.to_owned()));
    }
    match &place {
        Place::Sqlite(path) => file(path, import, (&place, is_known), state, section),
        Place::Postgres(_) => server(import, (&place, is_known), section),
    }
}

/// fault 13: a daemon doesn't make anew what they are in. That the ledger can't be read is said of the state directory.
fn has_imports(settings: &Settings, place: &Place, state: &Path) -> bool {
    let known = |history: History| {
        let has = |folder: &str| if place.is_missing() { history.has_imported(folder) } else { history.has_in(folder) };
        stages::has_imports(settings, place, state, has).unwrap_or_default()
    };
    History::open(state).ok().flatten().is_some_and(known)
}

/// fault 92: nor anew where the load markers are gone.
fn markers_there(place: &Place, section: &mut Section) {
    match place.is_emptied() {
        Ok(false) => {}
        Ok(true) => section.fail_for(emptied(&format!("the database {place}")).reason(), "importerd"),
        Err(fault) => section.fail_for(fault.reason(), "importerd"),
    }
}

/// A server is asked.
fn server(import: &Import, (place, is_known): (&Place, bool), section: &mut Section) {
    match place.has_table(&import.table) {
        Ok(true) => {
            section.ok(format!("the database {place} has the table {}", import.table));
            losing(import, place, section);
        }
        Ok(false) => section.ok(format!("the database {place}: the first file makes the table {}", import.table)),
        Err(fault) => return section.fail(exit::UNAVAILABLE, fault.to_string(), fault.reason().hint.clone()),
    }
    if is_known {
        markers_there(place, section);
    }
    rights_there(import, place, section);
}

fn file(path: &Path, import: &Import, (place, is_known): (&Place, bool), state: &Path, section: &mut Section) {
    let shown = path.display();
    let parent = path.parent().unwrap_or(Path::new("/"));
    // The daemon makes its own directory, and no other for a database.
    let (above, missing) = rights::nearest(parent);
    if missing && parent != state {
        let fix = format!("mkdir -p {}", quoted(parent));
        return section.fail(
            exit::UNAVAILABLE,
            format!("the database's directory {} is missing", parent.display()),
            Some(fix),
        );
    }
    // A write-ahead log lies beside it.
    if let Err(error) = rights::may(above, Access::WRITE_OK | Access::EXEC_OK) {
        let text = format!("the database's directory {} can't be written: {error}", parent.display());
        return section.fail(
            rights::code(&error),
            text,
            Some("give the daemon's user the right to write it".to_owned()),
        );
    }
    if !path.exists() {
        return section.ok(format!("the database {shown} will be made"));
    }
    if let Err(error) = rights::may(path, Access::READ_OK | Access::WRITE_OK) {
        let fix = "give the daemon's user the right to read and write it".to_owned();
        return section.fail(rights::code(&error), format!("the database {shown}: {error}"), Some(fix));
    }
    match place.has_table(&import.table) {
        Ok(true) => {
            section.ok(format!("the database {shown} has the table {}", import.table));
            losing(import, place, section);
        }
        Ok(false) => section.ok(format!("the database {shown}: the first file makes the table {}", import.table)),
        Err(fault) => {
            let fix = "move that file away, or import into another one".to_owned();
            return section.fail(exit::UNAVAILABLE, fault.reason().text.clone(), Some(fix));
        }
    }
    if is_known {
        markers_there(place, section);
    }
}

/// fault 92: else the folder is held at its first file.
fn rights_there(import: &Import, place: &Place, section: &mut Section) {
    match place.missing_rights(import) {
        Ok(missing) => {
            for Hindrance { reason, of_some } in missing {
                if of_some {
                    section.warn(reason.text, reason.hint);
                } else {
                    section.fail_for(&reason, "importerd");
                }
            }
        }
        Err(fault) => section.fail_for(fault.reason(), "importerd"),
    }
}

/// Every file of mode replace deletes all rows, also those that it brings again.
fn losing(import: &Import, place: &Place, section: &mut Section) {
    if import.mode != Mode::Replace {
        return;
    }
    let losing = place.losing_with(&import.table).unwrap_or_default();
    if !losing.is_empty() {
        let text = format!(
            "with the rows of {}, which every file replaces, other tables lose theirs by ON DELETE: {}",
            import.table,
            losing.join(", ")
        );
        let fix = "if that is not meant: declare their references without an action, in PostgreSQL as DEFERRABLE";
        section.warn(text, Some(fix.to_owned()));
    }
}

/// fault 89: not found, or not executable.
fn command(command: &[String], section: &mut Section) {
    let Some(program) = command.first() else { return };
    if program.contains('/') && !Path::new(program).is_absolute() {
        let text = format!("command {program:?} has a relative path, and commands start in an empty directory");
        return section.fail(exit::CONFIG, text, Some("write its absolute path".to_owned()));
    }
    let Some(path) = find(program) else {
        let place = if program.contains('/') { "there" } else { "in $PATH" };
        let text = format!("command {program:?} is not {place}");
        return section.fail(exit::CONFIG, text, Some("install it, or write its absolute path".to_owned()));
    };
    if path.is_dir() {
        return section.fail(exit::CONFIG, format!("command {program:?} is a directory"), None);
    }
    placeholders(command, section);
    if let Some(interpreter) = missing_interpreter(&path) {
        let text = format!("command {program:?}: its interpreter {interpreter:?} is not there");
        let fix = if interpreter.ends_with('\r') {
            format!("its lines end as Windows ends them: sed -i 's/\\r$//' {}", quoted(&path))
        } else {
            "install it, or correct the first line".to_owned()
        };
        return section.fail(exit::CONFIG, text, Some(fix));
    }
    match rights::may(&path, Access::EXEC_OK) {
        Ok(()) => section.ok(format!("command {} is executable", path.display())),
        Err(error) => {
            let fix = format!("chmod a+x {}", quoted(&path));
            section.fail(rights::code(&error), format!("command {}: {error}", path.display()), Some(fix));
        }
    }
}

/// The program that the first line of a script names, where there is none.
fn missing_interpreter(script: &Path) -> Option<String> {
    let mut start = [0; SHEBANG_BYTES_MAX];
    // Nobody waits for a FIFO.
    let read = script.is_file().then(|| File::open(script).and_then(|mut file| file.read(&mut start)))?.ok()?;
    let line = start[..read].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    let is_there = Path::new(OsStr::from_bytes(name)).exists();
    (!is_there).then(|| String::from_utf8_lossy(name).into_owned())
}

/// What looks like a placeholder and is none: it reaches the command as it stands. It may be meant so.
fn placeholders(command: &[String], section: &mut Section) {
    let all = command.iter().skip(1).flat_map(|argument| placeholders_of(argument));
    for placeholder in all.filter(|placeholder| !argv::PLACEHOLDERS.contains(placeholder)) {
        let fix = format!("if the file is meant: write {}", argv::PLACEHOLDERS.join(" or "));
        section.warn(format!("{placeholder} is not filled in, the command gets it as it is"), Some(fix));
    }
}

/// Where the program lies, executable or not.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH")?;
    let found: Vec<_> = std::env::split_paths(&path).map(|directory| directory.join(program)).collect();
    let runs = |path: &&PathBuf| path.is_file() && rights::may(path, Access::EXEC_OK).is_ok();
    found.iter().find(runs).or_else(|| found.iter().find(|path| path.is_file())).cloned()
}
