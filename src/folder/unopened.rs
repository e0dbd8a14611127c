//! What keeps a folder from being opened, in words, with what to do.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::lock;
use crate::fault::{Fault, Reason};

/// What to do when an inbox isn't there.
pub(crate) const BRING_BACK: &str = "mount its filesystem, or make the directory if it is to be a new one";
/// What to do when nothing can be written, though the daemon's user may.
const WRITABLE: &str = "make its filesystem writable; under systemd, name the folder in ReadWritePaths=";

/// Not what was opened lies at this path.
pub(crate) fn moved(path: &Path) -> Fault {
    let text = format!("{}: the folder was moved or taken away", path.display());
    Fault::world("missing", text).with_hint("put it back, or mount its filesystem")
}

/// A directory that can't be made or opened.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let fault = Fault::io(path.display(), error);
    match error.kind() {
        Kind::NotFound => fault.with_hint(BRING_BACK),
        Kind::ReadOnlyFilesystem => fault.with_hint(WRITABLE),
        Kind::StorageFull | Kind::QuotaExceeded => fault.with_hint("free some space"),
        Kind::PermissionDenied => fault.with_hint("give the daemon's user the right to make and open the directory"),
        Kind::NotADirectory | Kind::AlreadyExists | Kind::InvalidFilename => {
            Fault::world("no_directory", fault.reason().text.as_str())
                .with_hint("make it a directory, or name another path")
        }
        _ => fault.with_hint("see the kernel's log for the disk's errors"),
    }
}

/// In one word, for who finds the folder not opened.
pub(super) fn errno(fault: &Fault) -> Errno {
    match fault.reason().code {
        "read_only" => Errno::ROFS,
        "disk_full" => Errno::NOSPC,
        "quota_exceeded" => Errno::DQUOT,
        "no_permission" => Errno::ACCESS,
        "io" => Errno::IO,
        _ => Errno::NOENT,
    }
}

/// Another daemon has it.
pub(super) fn locked(path: &Path, refused: lock::Refused) -> Fault {
    match refused {
        lock::Refused::Io(error) => unusable(path, &error),
        lock::Refused::Held { pid } if pid == Some(std::process::id()) => Fault::World(
            Reason::new("folder_twice", format!("{}: another folder of the settings lies there too", path.display()))
                .hint("give each folder a directory of its own; where they lie, says: importerd config show"),
        ),
        lock::Refused::Held { pid } => Fault::World(
            Reason::new("in_use", format!("{}: in use by another importerd{}", path.display(), with_pid(pid)))
                .hint("a folder belongs to one daemon: stop the other one, or choose another folder"),
        ),
    }
}

/// ` (pid 4711)`, or nothing.
#[must_use]
pub fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
