//! What the errors of SQLite mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::fault::Fault;
use crate::room;

/// How long another program may hold the file locked before the folder is held.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The code of a fault that says that nothing can be written.
pub(super) const READ_ONLY: &str = "read_only";

/// The code of a fault of which SQLite says no more than its message.
pub(super) const OTHER: &str = "target";

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
        ErrorCode::ReadOnly => world(READ_ONLY, "make the file, its directory and its filesystem writable"),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            world("no_permission", "give the daemon's user the right to write it")
        }
        ErrorCode::CannotOpen => world("target_missing", "make the directory, and let the daemon's user write in it"),
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

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
