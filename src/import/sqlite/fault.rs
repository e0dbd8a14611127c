//! What the errors of SQLite mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::table;
use crate::fault::Fault;
use crate::room;

/// How long another program may hold the file locked before the folder is held.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The code of a fault that says that nothing can be written.
pub(super) const READ_ONLY: &str = "read_only";

/// The code of a fault of which SQLite says no more than its message.
pub(super) const OTHER: &str = "target";

const WRITABLE: &str =
    "make the file, its directory and its filesystem writable; under systemd, name that directory in ReadWritePaths=";
const PERMISSION: &str = "give the daemon's user the right to write it";

/// The one place that says what an error of SQLite means.
pub(super) fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    let at = path.display();
    let Some(code) = error.sqlite_error_code() else {
        return Fault::world("target", format!("the database {at}: {error}"));
    };
    let world = |code, hint: &str| Fault::world(code, format!("the database {at}: {}", message(error))).with_hint(hint);
    match code {
        ErrorCode::ConstraintViolation => Fault::permanent("constraint", message(error)),
        ErrorCode::TooBig | ErrorCode::TypeMismatch => Fault::permanent("value", message(error)),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            let text = format!("the database {at} is locked by another program for more than {LOCK_WAIT:?}");
            Fault::world("target_locked", text).with_hint("end that program's transaction")
        }
        ErrorCode::DiskFull => world("disk_full", "free some space"),
        ErrorCode::ReadOnly => world(READ_ONLY, WRITABLE),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => world("no_permission", PERMISSION),
        ErrorCode::CannotOpen => match why_not_opened(path) {
            Some(Errno::ROFS) => world(READ_ONLY, WRITABLE),
            Some(Errno::ACCESS | Errno::PERM) => world("no_permission", PERMISSION),
            _ => world(
                "target_missing",
                "mount its filesystem, or make the directory, and let the daemon's user write in it",
            ),
        },
        ErrorCode::NotADatabase => world("not_a_database", "move that file away, or import into another one"),
        ErrorCode::DatabaseCorrupt => world("target_corrupt", "restore it from a backup, or try sqlite3 FILE .recover"),
        ErrorCode::SystemIoFailure => match room::obstacle_beside(path) {
            Some(obstacle) => Fault::io(format_args!("the database {at}"), &obstacle)
                .with_hint("free some space, or make its filesystem writable; the kernel's log has the disk's errors"),
            None => world("io", "see the kernel's log for the disk's errors"),
        },
        ErrorCode::ApiMisuse | ErrorCode::InternalMalfunction => {
            Fault::fatal("target", format!("the database {at}: {}", message(error)))
        }
        _ => world(OTHER, "see the message; a trigger or a view of the table may be broken"),
    }
}

/// Who is to blame where SQLite says no more than that a statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The statement can't even be prepared: a trigger or a view of the table is broken.
    Table,
    /// An expression of the table has no value for this row; nothing of the row is in.
    Row,
    /// The same, but a trigger may have left something of it.
    File,
}

/// Whether SQLite says no more than that. Of an expression it has words; of a virtual table that is broken, as a full-text
/// index that a trigger fills, only those of the code, and all files meet it.
pub(super) fn is_unclassed(error: &rusqlite::Error) -> bool {
    let is_without_class = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_ERROR);
    is_without_class && message(error) != ffi::code_to_str(ffi::SQLITE_ERROR)
}

/// Of statements that insert into this table. They are prepared anew: those that were prepared before the table changed
/// fail only when they run. Where a function fails that an expression calls, SQLite takes the whole statement back; where
/// a trigger reads `json_each`, it doesn't.
pub(super) fn blame(connection: &Connection, table: &str, statements: &[String]) -> rusqlite::Result<Blame> {
    if statements.iter().any(|sql| connection.prepare(sql).is_err()) {
        return Ok(Blame::Table);
    }
    Ok(if table::may_leave_something(connection, table)? { Blame::File } else { Blame::Row })
}

/// The fault of a row, or of its file.
pub(super) fn of_an_expression(error: &rusqlite::Error) -> Fault {
    let hint = "an expression of the table refuses this row: a generated column, an index, a CHECK or a trigger; \
        correct the row, or the table";
    Fault::permanent("value", message(error)).with_hint(hint)
}

/// SQLite has one word for all that keeps it from opening. Asked by name: whoever opens the file and closes it again takes
/// away the locks of this process.
fn why_not_opened(path: &Path) -> Option<Errno> {
    let refused = |path: &Path, rights| accessat(CWD, path, rights, AtFlags::EACCESS).err();
    match refused(path, Access::READ_OK | Access::WRITE_OK) {
        None | Some(Errno::NOENT) => refused(path.parent()?, Access::WRITE_OK | Access::EXEC_OK),
        refused => refused,
    }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
