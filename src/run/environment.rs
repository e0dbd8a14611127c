//! What a command finds in its environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::sync::OnceLock;

use super::command::Job;

/// The variable that holds the path of the claimed file. Orphans are known by it.
pub(super) const PATH: &str = "IMPORTERD_PATH";

/// Variables that systemd or an operator meant for the daemon alone: a command that spoke to
/// `NOTIFY_SOCKET` would speak in the daemon's name, and settings may hold secrets.
const WITHHELD: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "CREDENTIALS_DIRECTORY",
    "MAINPID",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    "FDSTORE",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
];

/// The same, by how they start.
const WITHHELD_PREFIXES: &[&str] = &["LISTEN_", "MEMORY_PRESSURE_", "IMPORTERD__"];

/// Gives a command the daemon's environment without what is the daemon's own, and the file's facts.
pub(super) fn set(command: &mut process::Command, job: &Job<'_>) {
    for name in withheld() {
        command.env_remove(name);
    }
    command
        .env("IMPORTERD_FOLDER", job.folder)
        .env("IMPORTERD_FILE", job.name)
        .env(PATH, job.path)
        .env("IMPORTERD_FILE_ID", job.id.0.to_string())
        .env("IMPORTERD_ATTEMPT", job.attempt.to_string());
}

/// Which of them are set. The daemon's environment stays as it was at the start.
fn withheld() -> &'static [OsString] {
    static SET: OnceLock<Vec<OsString>> = OnceLock::new();
    SET.get_or_init(|| std::env::vars_os().map(|(name, _)| name).filter(|name| is_withheld(name)).collect())
}

fn is_withheld(name: &OsStr) -> bool {
    WITHHELD.iter().any(|withheld| name == *withheld)
        || WITHHELD_PREFIXES.iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_daemons_own_is_withheld_and_nothing_else() {
        for name in ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "MEMORY_PRESSURE_WATCH", "IMPORTERD__PG__PASSWORD"] {
            assert!(is_withheld(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "LANG", "TZ", "IMPORTERD_FILE", "XNOTIFY_SOCKET", "NOTIFY_SOCKET2"] {
            assert!(!is_withheld(OsStr::new(name)), "{name}");
        }
    }
}
