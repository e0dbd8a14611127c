//! A folder that the world keeps from being opened at the start: it is held, with nothing of it touched, while the others
//! work; and goes on by itself, with what was in hand first.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::filesystem::{Kind, drop_with};
use crate::harness::{Daemon, Drop, files};
use crate::hold::{BACK_OFF, held_for, paused_for, put_row};

const ONE_PROCESSOR: &str = "processors = 1\nbackoff = { min = \"20ms\", max = \"100ms\" }\nattempts = 1";
const SEVERAL: &str = "processors = 4\nbackoff = { min = \"20ms\", max = \"100ms\" }\nattempts = 1";

/// A second folder beside it, on the disk of all tests, with a file that waits.
fn put_beside(drop: &Drop) -> PathBuf {
    let path = drop.root().join("beside");
    let more =
        format!("\n[folder.beside]\npath = \"{}\"\nimport = {{ into = \"sqlite:beside.db\" }}\n", path.display());
    let settings = fs::read_to_string(drop.settings()).expect("read settings");
    fs::write(drop.settings(), settings + &more).expect("write settings");
    fs::create_dir_all(path.join("inbox")).expect("make the inbox");
    fs::write(path.join("inbox/beside.csv"), "id\n1\n").expect("write into the inbox");
    path
}

fn is_worked_on(daemon: &mut Daemon) {
    daemon.wait_for("daemon.started");
    daemon.wait_for_file("file.archived", "beside.csv");
}

fn stops_well(daemon: Daemon, drop: &Drop, archived: &[&str]) {
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("archive"), archived);
    assert_eq!(drop.row_count(), archived.len() as u64);
    for directory in ["inbox", "active", "quarantine"] {
        assert_eq!(drop.names(directory), [""; 0], "{directory}");
    }
}

/// fault 72
#[test]
fn a_folder_that_is_read_only_at_the_start_is_held_while_the_others_work_and_what_was_in_hand_comes_first() {
    for kind in [Kind::Ext4(16, &[]), Kind::Memory("size=4m")] {
        let Some((drop, disk)) = drop_with(&kind, "drop", ONE_PROCESSOR, "") else { return };
        let mut daemon = drop.start();
        put_row(&drop, 0);
        daemon.wait_for_file("file.archived", "0.csv");
        assert!(!daemon.has_heard("folder.paused"));
        assert_eq!(daemon.stop().code(), Some(0));
        put_beside(&drop);
        put_row(&drop, 1);
        fs::write(drop.path().join("active/0/2.csv"), "id\n2\n").expect("a claimed file");
        let before = files(&drop.path());
        disk.remount("ro");
        let mut daemon = drop.launch();
        is_worked_on(&mut daemon);
        held_for(&mut daemon, "Read-only file system (os error 30); make its filesystem writable", || {
            assert_eq!(files(&drop.path()), before);
            disk.remount("rw");
        });
        daemon.wait_for_file("file.archived", "1.csv");
        let heard = daemon.heard();
        let claimed = heard.iter().find(|record| record["event"] == "file.archived").expect("of the claimed file");
        assert_eq!(claimed["file"], "2.csv", "and it comes first");
        stops_well(daemon, &drop, &["0.csv", "1.csv", "2.csv"]);
    }
}

/// fault 72
#[test]
fn a_new_folder_is_made_as_soon_as_its_filesystem_is_writable() {
    let keys = "import = { into = \"sqlite:rows.db\", table = \"drop\" }";
    let Some((drop, disk)) = drop_with(&Kind::Memory("size=4m"), "drop", BACK_OFF, keys) else { return };
    put_beside(&drop);
    for name in ["inbox", "active", "archive", "quarantine", "results"] {
        fs::remove_dir(drop.path().join(name)).expect("remove a directory");
    }
    disk.remount("ro");
    let mut daemon = drop.launch();
    is_worked_on(&mut daemon);
    paused_for(&mut daemon, "drop/inbox: Read-only file system");
    disk.remount("rw");
    // Nobody has anything to offer, so no file proves that all is well; but it is watched.
    daemon.wait_until("the new inbox is watched", |record| {
        record["event"] == "folder.watching" && record["folder"] == "drop"
    });
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    stops_well(daemon, &drop, &["0.csv"]);
}

/// Another program has made the target, and is at it.
fn locked_target(drop: &Drop) -> Connection {
    fs::create_dir_all(drop.state()).expect("make the state directory");
    let target = drop.rows();
    target.execute_batch("CREATE TABLE other (id INTEGER); BEGIN EXCLUSIVE").expect("lock the target");
    target
}

/// fault 92
#[test]
fn a_target_that_is_locked_at_the_start_holds_its_folder_and_is_waited_for_once_and_not_by_every_processor() {
    let drop = Drop::with_daemon(SEVERAL, "");
    let target = locked_target(&drop);
    put_beside(&drop);
    put_row(&drop, 0);
    let began = Instant::now();
    let mut daemon = drop.launch();
    is_worked_on(&mut daemon);
    // Five seconds each: to look whose it is, and to open it.
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
    paused_for(&mut daemon, "rows.db is locked by another program");
    target.execute_batch("ROLLBACK").expect("unlock the target");
    daemon.wait_for("folder.resumed");
    daemon.wait_for_file("file.archived", "0.csv");
    stops_well(daemon, &drop, &["0.csv"]);
}

/// fault 92
#[test]
fn a_target_whose_directory_is_missing_at_the_start_holds_its_folder_until_it_is_there() {
    let drop = Drop::with_daemon(BACK_OFF, "import = { into = \"sqlite:../disk/rows.db\", table = \"drop\" }");
    let (disk, aside) = (drop.root().join("disk"), drop.root().join("aside"));
    fs::create_dir(&disk).expect("make a directory");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    fs::rename(&disk, &aside).expect("take it away");
    put_beside(&drop);
    put_row(&drop, 1);
    let mut daemon = drop.launch();
    is_worked_on(&mut daemon);
    held_for(&mut daemon, "rows.db: No such file or directory", || fs::rename(&aside, &disk).expect("bring it back"));
    daemon.wait_for_file("file.archived", "1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(disk.join("rows.db")).expect("open rows.db");
    let count: i64 = target.query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get(0)).expect("count");
    assert_eq!((count, drop.names("archive").len()), (2, 2));
}

/// fault 92
/// What it has is not known then; a copy of it may be put back at any time.
#[test]
fn a_damaged_target_that_is_taken_away_to_be_mended_is_not_made_anew() {
    let drop = Drop::with_daemon(BACK_OFF, "import = { into = \"sqlite:../rows.db\", table = \"drop\" }");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    let (file, aside) = (drop.root().join("rows.db"), drop.root().join("aside.db"));
    fs::copy(&file, &aside).expect("a backup");
    let mut garbage = fs::read(&file).expect("read it");
    garbage[100..].fill(0xA5);
    fs::write(&file, garbage).expect("damage it");
    put_row(&drop, 1);
    let mut daemon = drop.launch();
    paused_for(&mut daemon, "rows.db");
    fs::remove_file(&file).expect("take it away");
    daemon.wait_until("that it is missed", |record| {
        record["reason"].as_str().is_some_and(|reason| reason.contains("No such file or directory"))
    });
    assert!(!file.exists());
    fs::rename(&aside, &file).expect("restore it");
    daemon.wait_for_file("file.archived", "1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(&file).expect("open rows.db");
    let count: i64 = target.query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get(0)).expect("count");
    assert_eq!(count, 2);
}

#[test]
fn once_does_the_other_folders_and_says_by_75_that_one_is_held() {
    let drop = Drop::with_daemon(BACK_OFF, "import = { into = \"sqlite:../disk/rows.db\", table = \"drop\" }");
    let beside = put_beside(&drop);
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(75));
    assert!(files(&beside.join("inbox")).is_empty());
    assert_eq!(drop.names("inbox"), ["0.csv"]);
    fs::create_dir(drop.root().join("disk")).expect("make a directory");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("archive"), ["0.csv"]);
}

/// The control of those above: what no waiting mends is refused at once, and the others don't start either.
#[test]
fn a_place_that_is_no_directory_and_a_file_that_is_no_database_are_refused_at_the_start() {
    let refused = |drop: &Drop| {
        let beside = put_beside(drop);
        put_row(drop, 0);
        assert_eq!(drop.once().code(), Some(69));
        assert_eq!(files(&beside.join("inbox")).len(), 1);
    };
    let drop = Drop::with_daemon(BACK_OFF, "");
    fs::create_dir_all(drop.state()).expect("make the state directory");
    fs::write(drop.state().join("rows.db"), "my notes\n".repeat(1_000)).expect("write notes");
    refused(&drop);
    let drop = Drop::with_daemon(BACK_OFF, "");
    fs::remove_dir(drop.path().join("active")).expect("remove active/");
    fs::write(drop.path().join("active"), "").expect("a file in its place");
    refused(&drop);
}
