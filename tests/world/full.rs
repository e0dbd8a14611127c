//! A full disk: bytes and inodes, under the target, the ledger and each directory of the folder.

use std::fs;

use crate::filesystem::{Filesystem, Kind, drop_with};
use crate::harness::Drop;
use crate::hold::{BACK_OFF, all_done, entry, held_for, told};
use rusqlite::Connection;
use serde_json::Value;

const SMALL: Kind = Kind::Memory("size=4m");
/// The folder's own directories, and a few files.
const FEW_INODES: Kind = Kind::Memory("nr_inodes=40");
/// Without a reserve for root, or the last blocks would never be used up.
const SMALL_EXT4: Kind = Kind::Ext4(16, &["-m0"]);
/// As many inodes as a filesystem of this size can't do without.
const FEW_INODES_EXT4: Kind = Kind::Ext4(16, &["-m0", "-N64"]);

const INTO_DISK: &str = "import = { into = \"sqlite:../disk/rows.db\", table = \"drop\" }";
/// The target lies beside the state directory.
const INTO_ROOT: &str = "import = { into = \"sqlite:../rows.db\", table = \"drop\" }";
const COPY_TWICE: &str =
    "run = { command = [\"/bin/sh\", \"-c\", \"cat \\\"$1\\\" \\\"$1\\\" >copy\", \"sh\", \"{path}\"] }";

/// A row whose text fills some hundred pages of a database.
fn wide(number: u32) -> String {
    format!("id,text\n{number},{}\n", "x".repeat(400_000))
}

/// Makes the file appear whole, on a disk that may be full by then.
fn reveal(drop: &Drop, name: &str) {
    fs::rename(drop.inbox().join(format!(".{name}")), drop.inbox().join(name)).expect("rename in the inbox");
}

fn target_is_filled(kind: &Kind) {
    let Some((drop, disk)) = drop_with(kind, "disk", BACK_OFF, INTO_DISK) else { return };
    let mut daemon = drop.start();
    drop.put("0.csv", wide(0));
    daemon.wait_for_file("file.archived", "0.csv");
    disk.fill();
    drop.put("1.csv", wide(1));
    held_for(&mut daemon, "full", || disk.free());
    daemon.wait_for_file("file.archived", "1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(drop.root().join("disk/rows.db")).expect("open rows.db");
    assert_eq!(crate::hold::problems(&drop, &target, 0..2), [""; 0]);
}

/// fault 68
#[test]
fn a_full_disk_under_the_target_holds_the_folder_until_there_is_room() {
    target_is_filled(&SMALL);
}

/// fault 68
#[test]
fn a_full_ext4_under_the_target_holds_the_folder_until_there_is_room() {
    target_is_filled(&SMALL_EXT4);
}

fn ledger_is_filled(kind: &Kind) {
    let Some((drop, disk)) = drop_with(kind, "state", BACK_OFF, INTO_ROOT) else { return };
    let mut daemon = drop.start();
    drop.put("0.csv", "id\n0\n");
    daemon.wait_for_file("file.archived", "0.csv");
    disk.fill();
    // Its rows go in; that they are in can't be entered.
    drop.put("1.csv", "id\n1\n");
    held_for(&mut daemon, "full", || {
        // The ledger can't take that the folder is held, and yet it is told.
        let said = drop.command(&["status"]).output().expect("run status").stdout;
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains("PAUSED") && said.contains("/state is full"), "{said}");
        disk.free();
    });
    daemon.wait_for_file("file.archived", "1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(drop.root().join("rows.db")).expect("open rows.db");
    assert_eq!(crate::hold::problems(&drop, &target, 0..2), [""; 0]);
}

/// fault 68
#[test]
fn a_full_disk_under_the_ledger_holds_the_folder_until_there_is_room() {
    ledger_is_filled(&SMALL);
}

/// fault 68
#[test]
fn a_full_ext4_under_the_ledger_holds_the_folder_until_there_is_room() {
    ledger_is_filled(&SMALL_EXT4);
}

/// fault 68: what they need they have opened before.
#[test]
fn target_and_ledger_go_on_without_inodes() {
    for (place, into) in [("disk", INTO_DISK), ("state", "")] {
        let Some((drop, disk)) = drop_with(&FEW_INODES, place, BACK_OFF, into) else { return };
        let mut daemon = drop.start();
        drop.put("0.csv", "id,text\n0,a\n");
        daemon.wait_for_file("file.archived", "0.csv");
        disk.fill_inodes();
        drop.put("1.csv", wide(1));
        daemon.wait_for_file("file.archived", "1.csv");
        disk.free();
        if place == "state" {
            all_done(daemon, &drop, 0..2);
        } else {
            assert_eq!(daemon.stop().code(), Some(0));
        }
    }
}

fn results_are_filled(kind: &Kind, fill: impl Fn(&Filesystem)) {
    let Some((drop, disk)) = drop_with(kind, "drop", BACK_OFF, COPY_TWICE) else { return };
    let mut daemon = drop.start();
    drop.put("a.txt", "a".repeat(100_000));
    daemon.wait_for_file("file.archived", "a.txt");
    drop.put(".b.txt", "b".repeat(100_000));
    fill(&disk);
    reveal(&drop, "b.txt");
    held_for(&mut daemon, "o space", || disk.free());
    daemon.wait_for_file("file.archived", "b.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["copy", "copy~2"]);
    assert_eq!(drop.read("results", "copy~2").len(), 200_000);
    assert_eq!(drop.names("active"), [""; 0]);
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0), entry("b.txt", "archived", 0)]);
}

/// fault 68
#[test]
fn a_full_disk_under_the_folder_blames_no_file_of_a_command() {
    results_are_filled(&SMALL, Filesystem::fill);
    results_are_filled(&SMALL, |disk| disk.fill_but(150_000));
}

/// fault 68
#[test]
fn a_folder_without_inodes_blames_no_file_of_a_command() {
    results_are_filled(&FEW_INODES, Filesystem::fill_inodes);
}

/// fault 68
#[test]
fn a_full_ext4_under_the_folder_blames_no_file_of_a_command() {
    results_are_filled(&SMALL_EXT4, Filesystem::fill);
    results_are_filled(&SMALL_EXT4, |disk| disk.fill_but(150_000));
    results_are_filled(&FEW_INODES_EXT4, Filesystem::fill_inodes);
}

/// Whoever meets the disk while another fills it up has the folder held.
fn one_by_one() -> String {
    format!("processors = 1\n{BACK_OFF}")
}

/// Others go on, and the file, which has one attempt, is put off at no cost: it goes through when there is room.
fn one_is_too_large(
    (drop, disk): (&Drop, &Filesystem),
    mut daemon: crate::harness::Daemon,
    large: &str,
    small: [(&str, String); 2],
) {
    for (name, content) in small {
        drop.put(name, content);
        daemon.wait_for_file("file.archived", name);
    }
    for _ in 0..2 {
        let told = daemon.wait_for_file("file.deferred", large);
        assert_eq!((&told["code"], &told["attempt"]), (&"disk_full".into(), &1.into()), "{told}");
        assert!(told["reason"].as_str().is_some_and(|it| it.contains("it needs more room than there is")), "{told}");
    }
    disk.remount("size=128m");
    daemon.wait_for_file("file.archived", large);
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!((drop.names("active"), drop.names("inbox")), (vec![], vec![]));
}

/// fault 68: where the disk is full without it as well, the folder is held; see above.
#[test]
fn a_file_whose_command_alone_fills_the_disk_is_put_off_and_holds_nobody_up() {
    let keys = "run = { command = [\"/bin/sh\", \"-c\", \"case $1 in *large*) exec head -c 30000000 /dev/zero;; esac; echo fine\", \"sh\", \"{path}\"] }";
    let Some((drop, disk)) = drop_with(&Kind::Memory("size=16m"), "drop", &one_by_one(), keys) else { return };
    let daemon = drop.start();
    drop.put("large.txt", "x");
    one_is_too_large((&drop, &disk), daemon, "large.txt", [("a.txt", "a".to_owned()), ("b.txt", "b".to_owned())]);
    assert_eq!(drop.names("results"), ["a.txt.out", "b.txt.out", "large.txt.out"]);
}

/// fault 68
#[test]
fn a_file_whose_rows_alone_fill_the_disk_is_put_off_and_holds_nobody_up() {
    let Some((drop, disk)) = drop_with(&Kind::Memory("size=12m"), "disk", &one_by_one(), INTO_DISK) else { return };
    let mut daemon = drop.start();
    drop.put("0.csv", wide(0));
    daemon.wait_for_file("file.archived", "0.csv");
    let row = format!("1,{}\n", "x".repeat(400_000));
    drop.put("large.csv", format!("id,text\n{}", row.repeat(40)));
    one_is_too_large((&drop, &disk), daemon, "large.csv", [("1.csv", wide(1)), ("2.csv", wide(2))]);
    let target = Connection::open(drop.root().join("disk/rows.db")).expect("open rows.db");
    let rows: i64 = target.query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 3 + 40);
}

/// fault 68: a file is moved into directories that are made for it.
#[test]
fn a_folder_without_inodes_keeps_files_until_they_can_be_moved() {
    let Some((drop, disk)) = drop_with(&FEW_INODES, "drop", BACK_OFF, "") else { return };
    let mut daemon = drop.start();
    drop.put(".0.csv", "id\n0\n");
    disk.fill_inodes();
    reveal(&drop, "0.csv");
    held_for(&mut daemon, "No space left", || disk.free());
    daemon.wait_for_file("file.archived", "0.csv");
    all_done(daemon, &drop, 0..1);
}

fn quarantine_is_filled(kind: &Kind, fill: impl Fn(&Filesystem)) {
    let Some((drop, disk)) = drop_with(kind, "drop", BACK_OFF, "") else { return };
    let mut daemon = drop.start();
    drop.put(".bad.csv", "id,name\n1\n");
    fill(&disk);
    reveal(&drop, "bad.csv");
    held_for(&mut daemon, "o space", || disk.free());
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("quarantine"), ["bad.csv", "bad.csv.reason.txt"]);
    let reason = String::from_utf8(drop.read("quarantine", "bad.csv.reason.txt")).expect("text");
    assert!(reason.contains("line 2: 1 field where the header has 2"), "{reason}");
    assert_eq!(told(&drop), [entry("bad.csv", "quarantined", 1)]);
}

/// fault 68
#[test]
fn a_full_disk_under_quarantine_keeps_a_refused_file_until_its_reason_can_be_written() {
    quarantine_is_filled(&SMALL, Filesystem::fill);
    quarantine_is_filled(&FEW_INODES, Filesystem::fill_inodes);
}

/// fault 68
#[test]
fn a_full_ext4_under_quarantine_keeps_a_refused_file_until_its_reason_can_be_written() {
    quarantine_is_filled(&SMALL_EXT4, Filesystem::fill);
    quarantine_is_filled(&FEW_INODES_EXT4, Filesystem::fill_inodes);
}

/// fault 68
#[test]
fn a_start_on_a_full_disk_under_the_ledger_waits_for_room_and_says_so() {
    for kind in [SMALL, SMALL_EXT4] {
        let Some((drop, disk)) = drop_with(&kind, "state", BACK_OFF, INTO_ROOT) else { return };
        drop.put("0.csv", "id\n0\n");
        assert_eq!(drop.once().code(), Some(0));
        disk.fill();
        drop.put("1.csv", "id\n1\n");
        for (verb, code) in [("once", 69), ("status", 69), ("ls", 69)] {
            let said = drop.command(&[verb]).output().expect("run it");
            let text = String::from_utf8_lossy(&said.stderr);
            assert!(text.contains("No space left on device") && text.contains("free space"), "{verb}: {text}");
            assert_eq!(said.status.code(), Some(code), "{verb}");
        }
        // It can be told to end meanwhile.
        let mut daemon = drop.launch();
        let has_no_room = |record: &Value| record["code"] == "disk_full";
        daemon.wait_until("that there is no room", has_no_room);
        assert_eq!(daemon.stop().code(), Some(0));
        let mut daemon = drop.launch();
        daemon.wait_until("that there is no room", has_no_room);
        daemon.wait_until("that it still starts", |record| {
            record["msg"].as_str().is_some_and(|text| text.starts_with("starting for") && text.contains("room"))
        });
        disk.free();
        daemon.wait_for_file("file.archived", "1.csv");
        assert_eq!(daemon.stop().code(), Some(0));
        let target = Connection::open(drop.root().join("rows.db")).expect("open rows.db");
        assert_eq!(crate::hold::problems(&drop, &target, 0..2), [""; 0]);
    }
}

/// fault 68: where there is nothing yet.
#[test]
fn check_and_status_say_that_a_first_start_waits_for_room() {
    let Some((drop, disk)) = drop_with(&SMALL, "state", BACK_OFF, INTO_ROOT) else { return };
    let says_full = |verb| {
        let said = drop.command(&[verb]).output().expect("run it");
        let is_told =
            String::from_utf8_lossy(&said.stdout).contains("state is full: nothing is taken until there is room");
        (is_told, said.status.code())
    };
    assert_eq!((says_full("check"), says_full("status")), ((false, Some(0)), (false, Some(0))));
    disk.fill();
    let mut daemon = drop.launch();
    let told = daemon.wait_until("that there is no room", |record| record["code"] == "disk_full");
    assert!(told["hint"].as_str().is_some_and(|hint| hint.starts_with("free space")), "{told}");
    assert_eq!((says_full("check"), says_full("status")), ((true, Some(69)), (true, Some(0))));
    disk.free();
    daemon.wait_until("that it is ready", |record| record["event"] == "daemon.started");
    assert_eq!(daemon.stop().code(), Some(0));
}
