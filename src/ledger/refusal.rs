//! What an error of the ledger means: something that passes when somebody acts, or a ledger that nobody can go on with.

use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{ErrorCode as Code, ffi};

use super::{Ledger, doubt, schema};
use crate::fault::{Fault, Reason};
use crate::room;

/// What makes a ledger anew, as the hints name it; whoever prints one knows with which options it is to be typed.
pub const REBUILD: &str = "importerd ledger rebuild";

/// What to do where the state directory can't be written for want of room.
pub(crate) const MAKE_ROOM: &str =
    "free space on the filesystem of the state directory, raise the quota, or make it writable";

/// Why a ledger is refused for good, whoever opens it: no restart heals that.
pub const REFUSALS: [&str; 6] =
    ["ledger_corrupt", "ledger_newer", "ledger_missing", "ledger_other", "ledger_older", "folder_renamed"];

/// The commands that are found by options, and that a hint may name.
const NAMED: [&str; 14] = [
    "check", "config", "drain", "events", "explain", "forget", "ledger", "ls", "pause", "rejects", "replay", "resume",
    "retry", "status",
];

/// A hint with the commands in it as they are to be typed: `importerd` with its options. Those that have theirs stay as they
/// are, also where a directory is called `importerd`.
#[must_use]
pub fn typed(hint: &str, importerd: &str) -> String {
    let mut typed = String::with_capacity(hint.len());
    let mut rest = hint;
    while let Some(at) = rest.find("importerd ") {
        let (before, command) = rest.split_at(at);
        let (word, after) = command.split_at("importerd".len());
        typed.push_str(before);
        let is_command = is_program(&typed) && NAMED.contains(&name(after.trim_start()));
        typed.push_str(if is_command { importerd } else { word });
        rest = after;
    }
    typed + rest
}

/// Whether what follows this text is a program: neither the end of a path, nor the value of an option.
fn is_program(before: &str) -> bool {
    let is_within_a_word = before.ends_with(|end: char| end.is_alphanumeric() || "/.-_=".contains(end));
    let last_word = before.trim_end().rsplit(char::is_whitespace).next();
    !is_within_a_word && !last_word.is_some_and(|word| word.starts_with("--"))
}

/// The command at the beginning.
fn name(text: &str) -> &str {
    text.split(|end: char| !end.is_ascii_lowercase()).next().unwrap_or_default()
}

impl Ledger {
    /// Classes an error of a write. fault 84: what SQLite can't open for writing, be it for a moment, it opens for
    /// reading, and leaves it at that; only another connection can write again. Not where another file has taken the
    /// ledger's place: that is for a restart to judge.
    pub(super) fn write_fault(&self, error: &rusqlite::Error) -> Fault {
        let is_moved = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_DBMOVED);
        if error.sqlite_error_code() == Some(Code::ReadOnly) && !is_moved {
            self.is_worn.store(true, Ordering::Relaxed);
        }
        self.fault(error)
    }

    /// Classes an error, and says for the next start when it shows damage.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> Fault {
        if is_damage(error) {
            doubt::leave_note(&self.path);
        }
        classed(&self.path, error)
    }
}

/// Classes an error, of one that is open or is about to be: what passes when somebody acts is of the world, anything else
/// leaves the ledger in doubt. A failed flush above all: after it, nobody knows what is on disk.
pub(super) fn classed(path: &Path, error: &rusqlite::Error) -> Fault {
    if let Some(reason) = refused(path, error) {
        return Fault::Fatal(reason);
    }
    let text = format!("{}: {error}", path.display());
    let world = |code, hint: &str| Fault::world(code, text.clone()).with_hint(hint);
    match error.sqlite_error_code() {
        Some(code) if code == Code::DiskFull || is_write(error) => {
            no_room(path, error).unwrap_or_else(|| world("disk_full", MAKE_ROOM))
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            world("ledger_locked", "end the program that has the ledger open for writing")
        }
        // faults 68, 72: where a file of its log can't be made, SQLite doesn't say why.
        Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => no_room(path, error).unwrap_or_else(|| {
            world("ledger_read_only", "make the state directory and what lies in it writable for the daemon's user")
        }),
        _ => Fault::Fatal(Reason::new("ledger", text)),
    }
}

/// What keeps everybody from writing beside the ledger, if anything does.
fn no_room(path: &Path, error: &rusqlite::Error) -> Option<Fault> {
    let obstacle = room::obstacle_beside(path)?;
    Some(Fault::io(format_args!("{}: {error}", path.display()), &obstacle).with_hint(MAKE_ROOM))
}

/// faults 68, 69, 72: so SQLite calls it when its index or a page doesn't fit on a disk or into a quota that is full, or the
/// disk is read-only. Nothing was flushed, so nothing is in doubt.
fn is_write(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(Code::NotADatabase | Code::DatabaseCorrupt))
}

/// Why a ledger can't be opened, whoever tries; `None`: it is not the ledger's fault.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> Option<Reason> {
    if schema::is_newer(error) {
        let hint = "install that version again, or restore the ledger of before the upgrade with what it belongs to";
        return Some(Reason::new("ledger_newer", format!("{}: {error}", path.display())).hint(hint));
    }
    is_damage(error).then(|| damaged(path, error))
}

/// faults 71, 76
pub(super) fn damaged(path: &Path, error: &rusqlite::Error) -> Reason {
    Reason::new("ledger_corrupt", format!("{}: damaged, or not a ledger: {error}", path.display())).hint(format!(
        "it is left as it is, and nothing is taken without it: restore it from a backup (with no \
         {name}-wal and {name}-shm of the other left beside it), or make it anew from the folders and targets: {REBUILD}",
        name = super::FILE_NAME
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_has_its_options_is_not_given_them_again_whatever_its_directories_are_called() {
        let hint = "look: importerd ls; or type: importerd config show, importerd lsof, /usr/bin/importerd ls";
        for state in ["state", "x/.importerd", "/var/lib/importerd", "importerd"] {
            let importerd = format!("importerd --state-dir {state}");
            let once = typed(hint, &importerd);
            let as_expected = format!(
                "look: {importerd} ls; or type: {importerd} config show, importerd lsof, /usr/bin/importerd ls"
            );
            assert_eq!(once, as_expected);
            assert_eq!(typed(&once, &importerd), once);
        }
        assert_eq!(typed(hint, "importerd"), hint);
    }
}
