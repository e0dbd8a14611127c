//! A folder whose directories vanish: unmounted, renamed, removed; and come back, or others in their place.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::filesystem::{Kind, drop_with};
use crate::harness::{Daemon, Drop, eventually, open_gate};
use crate::hold::{BACK_OFF, all_done, entry, held_for, paused_for, put_row, told};

const DISK: Kind = Kind::Ext4(16, &[]);
const OFTEN: &str = "rescan = \"1s\"";
const EVENTS_ONLY: &str = "rescan = \"1d\"";
const NO_INBOX: &str = "inbox: No such file or directory";

fn taken(daemon: &mut Daemon, drop: &Drop, number: u32) {
    put_row(drop, number);
    daemon.wait_for_file("file.archived", &format!("{number}.csv"));
}

/// An uploader's `mkdir -p` and nothing else: what else a folder needs is made.
fn make_inbox(drop: &Drop) {
    fs::create_dir_all(drop.inbox()).expect("make the inbox");
}

/// fault 12
#[test]
fn a_folder_whose_filesystem_is_taken_away_is_held_until_it_is_back() {
    let Some((drop, disk)) = drop_with(&DISK, "drop", BACK_OFF, OFTEN) else { return };
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    disk.take_away();
    held_for(&mut daemon, NO_INBOX, || disk.mount_again());
    taken(&mut daemon, &drop, 1);
    assert_eq!(fs::read_dir(drop.path()).expect("the folder").count(), 6, "lost+found and five");
    all_done(daemon, &drop, 0..2);
}

/// faults 12, 72: what lies on it is the same, its number is another.
#[test]
fn a_folder_that_comes_back_on_another_disk_goes_on() {
    let Some((drop, mut disk)) = drop_with(&DISK, "drop", BACK_OFF, OFTEN) else { return };
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    put_row(&drop, 1);
    daemon.wait_for_file("file.archived", "1.csv");
    disk.break_down();
    put_row_in_vain(&drop);
    disk.take_away();
    held_for(&mut daemon, NO_INBOX, || disk.replace());
    taken(&mut daemon, &drop, 2);
    all_done(daemon, &drop, 0..3);
}

fn put_row_in_vain(drop: &Drop) {
    let refused = fs::write(drop.inbox().join("late.csv"), "id\n").expect_err("nobody can write there");
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

/// fault 12
#[test]
fn a_folder_that_is_renamed_is_held_until_it_has_its_name_again() {
    let drop = Drop::with_daemon(BACK_OFF, EVENTS_ONLY);
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    let aside = drop.root().join("aside");
    fs::rename(drop.path(), &aside).expect("rename the folder");
    held_for(&mut daemon, NO_INBOX, || fs::rename(&aside, drop.path()).expect("rename it back"));
    taken(&mut daemon, &drop, 1);
    all_done(daemon, &drop, 0..2);
}

/// fault 12
#[test]
fn a_folder_made_in_place_of_one_that_was_renamed_or_removed_is_the_folder_from_then_on() {
    for remove in [false, true] {
        let drop = Drop::with_daemon(BACK_OFF, EVENTS_ONLY);
        let mut daemon = drop.start();
        taken(&mut daemon, &drop, 0);
        if remove {
            fs::remove_dir_all(drop.path()).expect("remove the folder");
        } else {
            fs::rename(drop.path(), drop.root().join("aside")).expect("rename the folder");
        }
        held_for(&mut daemon, NO_INBOX, || make_inbox(&drop));
        taken(&mut daemon, &drop, 1);
        taken(&mut daemon, &drop, 2);
        assert_eq!(daemon.stop().code(), Some(0));
        assert_eq!(drop.names("archive"), ["1.csv", "2.csv"]);
        assert_eq!(drop.row_count(), 3);
        assert!(drop.path().join("active/.lock").exists());
    }
}

/// fault 12: restored from a copy, perhaps, with what was in hand then.
#[test]
fn what_is_claimed_in_a_folder_that_is_put_in_place_of_another_is_carried() {
    let drop = Drop::with_daemon(&format!("processors = 2\n{BACK_OFF}"), EVENTS_ONLY);
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    let (other, aside) = (drop.root().join("other"), drop.root().join("aside"));
    for slot in ["active/0", "active/1", "inbox"] {
        fs::create_dir_all(other.join(slot)).expect("make another folder");
    }
    fs::write(other.join("active/0/1.csv"), "id\n1\n").expect("a claimed file");
    fs::write(other.join("active/1/2.csv"), "id\n2\n").expect("a claimed file");
    fs::write(other.join("inbox/3.csv"), "id\n3\n").expect("a file that waits");
    fs::rename(drop.path(), aside).and_then(|()| fs::rename(other, drop.path())).expect("put it in place");
    daemon.wait_for_many("file.archived", 3);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("archive"), ["1.csv", "2.csv", "3.csv"]);
    assert_eq!(drop.row_count(), 4);
}

/// fault 12
#[test]
fn a_command_whose_folder_is_replaced_under_it_costs_no_attempt() {
    let drop = Drop::with_daemon(BACK_OFF, &format!("{EVENTS_ONLY}\n{GATED}"));
    let gate = drop.gate("gate");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    let reads = fs::OpenOptions::new().write(true).open(&gate).expect("open the FIFO");
    let aside = drop.root().join("aside");
    fs::rename(drop.path(), &aside).expect("rename the folder");
    make_inbox(&drop);
    eventually("the new one is the folder", || drop.path().join("active/.lock").exists());
    std::mem::drop(reads);
    daemon.wait_until("the pause", |record| {
        record["event"] == "folder.paused"
            && record["reason"].as_str().is_some_and(|reason| reason.contains("the folder was moved or taken away"))
    });
    drop.put("b.txt", "b");
    open_gate(&gate, "done");
    daemon.wait_for_file("file.archived", "b.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(told(&drop), [entry("b.txt", "archived", 0)]);
    let claimed = ["0", "1"].map(|slot| aside.join("active").join(slot).join("a.txt").exists());
    assert!(claimed.contains(&true), "it lies where it was");
}

/// faults 12, 78: by somebody who tidies up.
#[test]
fn directories_removed_from_a_folder_are_made_again() {
    let drop = Drop::with_daemon(BACK_OFF, EVENTS_ONLY);
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    let mut number = 0;
    for removed in ["active", "active/0", "active/1", "quarantine", "results"] {
        let _ = fs::remove_dir_all(drop.path().join(removed));
        for _ in 0..4 {
            number += 1;
            taken(&mut daemon, &drop, number);
        }
    }
    drop.put("bad.csv", "id\n1,2\n");
    daemon.wait_for_file("file.quarantined", "bad.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), u64::from(number) + 1);
    assert_eq!(drop.names("quarantine"), ["bad.csv", "bad.csv.reason.txt"]);
}

fn children(daemon: &Daemon) -> usize {
    let listed =
        Command::new("pgrep").args(["-P", &daemon.pid().as_raw_pid().to_string()]).output().expect("run pgrep");
    listed.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count()
}

/// A folder whose command prints what it is told through a FIFO outside the folder.
const GATED: &str = "run = { command = [\"sh\", \"-c\", 'cat \"${1%/drop/active/*}/gate\"', \"sh\", \"{path}\"] }";

/// fault 12
#[test]
fn a_command_whose_folder_is_renamed_under_it_costs_no_attempt_and_its_results_are_published_once() {
    let drop = Drop::with_daemon(BACK_OFF, &format!("{EVENTS_ONLY}\n{GATED}"));
    let gate = drop.gate("gate");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    daemon.wait_for_file("file.claimed", "a.txt");
    let reads = fs::OpenOptions::new().write(true).open(&gate).expect("open the FIFO");
    let aside = drop.root().join("aside");
    fs::rename(drop.path(), &aside).expect("rename the folder");
    // It ends, with nothing printed.
    std::mem::drop(reads);
    paused_for(&mut daemon, NO_INBOX);
    eventually("the command has ended", || children(&daemon) == 0);
    daemon.wait_for_many("folder.paused", 3);
    fs::rename(&aside, drop.path()).expect("rename it back");
    open_gate(&gate, "done");
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.txt.out"]);
    assert_eq!(drop.read("results", "a.txt.out"), b"done");
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0)]);
}

/// fault 13
#[test]
fn a_folder_that_is_not_mounted_at_the_start_is_held_until_it_is() {
    let Some((drop, disk)) = drop_with(&DISK, "drop", BACK_OFF, OFTEN) else { return };
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    assert_eq!(daemon.stop().code(), Some(0));
    put_row(&drop, 1);
    eventually("it is unmounted", || {
        disk.take_away();
        !Path::new(&drop.inbox()).exists()
    });
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    held_for(&mut daemon, "mount its filesystem", || {
        assert_eq!(fs::read_dir(drop.path()).expect("the mount point").count(), 0, "nothing is made on it");
        disk.mount_again();
    });
    daemon.wait_for_file("file.archived", "1.csv");
    taken(&mut daemon, &drop, 2);
    all_done(daemon, &drop, 0..3);
}

/// fault 13, the control: a folder that was never there is made.
#[test]
fn a_folder_that_is_new_is_made_and_one_that_was_removed_on_purpose_when_its_inbox_is() {
    let drop = Drop::with_daemon(BACK_OFF, OFTEN);
    fs::remove_dir_all(drop.path()).expect("remove the folder");
    let mut daemon = drop.start();
    taken(&mut daemon, &drop, 0);
    assert_eq!(daemon.stop().code(), Some(0));
    fs::remove_dir_all(drop.path()).expect("remove the folder");
    let mut daemon = drop.launch();
    paused_for(&mut daemon, NO_INBOX);
    make_inbox(&drop);
    daemon.wait_for("folder.resumed");
    taken(&mut daemon, &drop, 1);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("archive"), ["1.csv"]);
    assert_eq!(drop.row_count(), 2);
}
