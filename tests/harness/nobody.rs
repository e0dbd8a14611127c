//! The daemon as `nobody`, where the tests run as root: root may read everything, and enter everything.

use std::process::Command;

use super::{Daemon, Drop};

/// Whom files belong to that the daemon may change.
pub const NOBODY: u32 = 65_534;

/// Started, and not as root.
pub fn unprivileged(drop: &Drop) -> Daemon {
    let mut daemon = Daemon::of(as_nobody(drop, "run"));
    daemon.wait_for("daemon.started");
    daemon
}

/// `importerd VERB`, not as root.
pub fn as_nobody(drop: &Drop, verb: &str) -> Command {
    let command = drop.command(&[verb]);
    if !rustix::process::getuid().is_root() {
        return command;
    }
    // Where the program was built, nobody may not be let in.
    let program = drop.root().join("importerd");
    // By a process of its own: a file that this one has open for writing could be inherited by another test's
    // child, and can't be executed as long.
    assert!(Command::new("cp").arg(command.get_program()).arg(&program).status().expect("run cp").success());
    let mut entries = vec![drop.root().to_owned(), drop.path()];
    entries.extend(["inbox", "active", "archive", "quarantine", "results"].map(|name| drop.path().join(name)));
    for path in entries {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("give it to nobody");
    }
    let mut as_nobody = Command::new("setpriv");
    as_nobody.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
    as_nobody.arg(program).args(command.get_args()).env_remove("NOTIFY_SOCKET");
    as_nobody
}
