//! A filesystem that is read-only: made so by an operator, or by the kernel that found it damaged.

use rusqlite::Connection;

use crate::filesystem::{Kind, drop_with};
use crate::hold::{BACK_OFF, all_done, held_for, paused_for, problems, put_row};

const DISK: Kind = Kind::Ext4(16, &[]);
const INTO_DISK: &str = "import = { into = \"sqlite:../disk/rows.db\", table = \"drop\" }";
const INTO_ROOT: &str = "import = { into = \"sqlite:../rows.db\", table = \"drop\" }";

/// fault 72
#[test]
fn a_folder_that_is_remounted_read_only_is_held_until_it_is_writable() {
    for kind in [DISK, Kind::Memory("size=4m")] {
        let Some((drop, disk)) = drop_with(&kind, "drop", BACK_OFF, "") else { return };
        let mut daemon = drop.start();
        put_row(&drop, 0);
        daemon.wait_for_file("file.archived", "0.csv");
        daemon.signal(rustix::process::Signal::STOP);
        put_row(&drop, 1);
        disk.remount("ro");
        daemon.signal(rustix::process::Signal::CONT);
        held_for(&mut daemon, "Read-only file system", || disk.remount("rw"));
        daemon.wait_for_file("file.archived", "1.csv");
        all_done(daemon, &drop, 0..2);
    }
}

/// The kernel gives up the filesystem at this place while files come; after its repair and a restart all are done.
fn breaks_down(place: &str, into: &str, target: &str, cause: &str) {
    let Some((drop, mut disk)) = drop_with(&DISK, place, BACK_OFF, into) else { return };
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    daemon.signal(rustix::process::Signal::STOP);
    (1..4).for_each(|number| put_row(&drop, number));
    disk.break_down();
    daemon.signal(rustix::process::Signal::CONT);
    paused_for(&mut daemon, cause);
    daemon.wait_for_many("folder.paused", 5);
    let code = daemon.stop().code();
    assert!(code == Some(0) || code == Some(75), "{code:?}");
    disk.repair();
    let mut daemon = drop.start();
    daemon.wait_for_many("file.archived", 3);
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(drop.root().join(target)).expect("open rows.db");
    assert_eq!(problems(&drop, &target, 0..4), [""; 0]);
}

/// fault 72
#[test]
fn a_folder_whose_filesystem_breaks_down_is_held_and_nothing_is_lost() {
    breaks_down("drop", INTO_ROOT, "rows.db", "Read-only file system");
}

/// faults 72, 92
#[test]
fn a_target_whose_filesystem_breaks_down_holds_the_folder_and_nothing_is_lost() {
    breaks_down("disk", INTO_DISK, "disk/rows.db", "Read-only file system");
}

/// faults 71, 72
#[test]
fn a_ledger_whose_filesystem_breaks_down_holds_the_folder_and_nothing_is_lost() {
    breaks_down("state", INTO_ROOT, "rows.db", "Read-only file system");
}
