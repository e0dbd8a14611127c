//! A disk that hangs: who writes to it doesn't come back, and no signal ends them. The drain has its deadline all the same.
//!
//! Even a process that has ended stays until the last of its threads comes back, so a disk is thawed before the exit code is
//! asked for.

use rustix::process::Signal;

use crate::filesystem::{Filesystem, Kind, drop_with};
use crate::harness::{Daemon, Drop, eventually};
use crate::hold::{problems, put_row};

const DISK: Kind = Kind::Ext4(16, &[]);
const SHORT_GRACE: &str = "drain_grace = \"500ms\"";
const INTO_ROOT: &str = "import = { into = \"sqlite:../rows.db\", table = \"drop\" }";

/// Whether a thread of the daemon waits for a disk, where no signal reaches it.
fn hangs(daemon: &Daemon) -> bool {
    daemon.states().contains(&'D')
}

/// A daemon that has done `0.csv`, and hangs over `1.csv`.
fn hung(drop: &Drop, disk: &Filesystem) -> Daemon {
    let mut daemon = drop.start();
    put_row(drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    daemon.signal(Signal::STOP);
    put_row(drop, 1);
    disk.freeze();
    daemon.signal(Signal::CONT);
    eventually("it hangs", || hangs(&daemon));
    daemon
}

/// The disk is back: the daemon ends as it would have long before, and the next one does what is left. That may be
/// nothing: the thread that hung can be quicker than the end.
fn thawed(mut daemon: Daemon, drop: &Drop, disk: &Filesystem) {
    disk.thaw();
    assert_eq!(daemon.end().code(), Some(75));
    let daemon = drop.start();
    eventually("1.csv is in the archive", || drop.names("archive") == ["0.csv", "1.csv"]);
    assert_eq!(daemon.stop().code(), Some(0));
    let target = rusqlite::Connection::open(drop.root().join("rows.db")).expect("open rows.db");
    assert_eq!(problems(drop, &target, 0..2), [""; 0]);
}

/// fault 73
#[test]
fn a_folder_on_a_hung_disk_keeps_no_drain_from_its_deadline_and_nothing_is_lost() {
    let Some((drop, disk)) = drop_with(&DISK, "drop", SHORT_GRACE, INTO_ROOT) else { return };
    let mut daemon = hung(&drop, &disk);
    daemon.signal(Signal::TERM);
    daemon.wait_for("daemon.abandoned");
    thawed(daemon, &drop, &disk);
}

/// fault 73
#[test]
fn a_ledger_on_a_hung_disk_keeps_no_drain_from_its_deadline_and_nothing_is_lost() {
    let Some((drop, disk)) = drop_with(&DISK, "state", SHORT_GRACE, INTO_ROOT) else { return };
    let mut daemon = hung(&drop, &disk);
    daemon.signal(Signal::TERM);
    let told = daemon.wait_until("what can't be entered", |record| {
        record["msg"].as_str().is_some_and(|text| text.contains("the ledger's disk hangs"))
    });
    assert_eq!(told["level"], "ERROR");
    thawed(daemon, &drop, &disk);
}
