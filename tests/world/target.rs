//! A target that is locked, gone, read-only or another one.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::filesystem::{Kind, drop_with};
use crate::harness::Drop;
use crate::hold::{BACK_OFF, all_done, cpu_time, held_for, paused_for, problems, put_row};

const INTO_DISK: &str = "import = { into = \"sqlite:../disk/rows.db\", table = \"drop\" }";

/// fault 92
#[test]
fn a_locked_target_holds_the_folder_until_it_is_free() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.start();
    put_row(&drop, 1);
    daemon.wait_for_file("file.archived", "1.csv");
    let target = drop.rows();
    target.execute_batch("BEGIN EXCLUSIVE").expect("lock the target");
    (2..10).for_each(|number| put_row(&drop, number));
    let cpu = cpu_time(&daemon);
    let began = std::time::Instant::now();
    paused_for(&mut daemon, "locked");
    assert!(cpu_time(&daemon).saturating_sub(cpu) < began.elapsed() / 2, "waiting costs little");
    target.execute_batch("ROLLBACK").expect("unlock the target");
    daemon.wait_for("folder.resumed");
    daemon.wait_for_many("file.archived", 8);
    all_done(daemon, &drop, 1..10);
}

/// The database, and its write-ahead log with its index.
fn move_target(from: &Path, to: &Path) {
    for name in ["rows.db", "rows.db-wal", "rows.db-shm"] {
        fs::rename(from.join(name), to.join(name)).expect("move");
    }
}

/// fault 92: its load markers say what is in, so another is not made in its place.
#[test]
fn a_deleted_target_holds_the_folder_until_it_is_put_back() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    let aside = drop.root().join("aside");
    fs::create_dir(&aside).expect("make a directory");
    // SQLite has the files open all the while.
    move_target(&drop.state(), &aside);
    put_row(&drop, 1);
    held_for(&mut daemon, "rows.db: No such file", || move_target(&aside, &drop.state()));
    daemon.wait_for_file("file.archived", "1.csv");
    all_done(daemon, &drop, 0..2);
}

/// fault 92
#[test]
fn a_target_restored_from_a_copy_is_written_from_then_on() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    let copy = drop.root().join("copy.db");
    drop.rows().execute("VACUUM INTO ?", [copy.to_str().expect("text")]).expect("copy the target");
    let aside = tempfile::tempdir_in(drop.root()).expect("a directory");
    move_target(&drop.state(), aside.path());
    aside.close().expect("delete the target");
    put_row(&drop, 1);
    held_for(&mut daemon, "rows.db: No such file", || {
        fs::rename(copy, drop.state().join("rows.db")).expect("restore the target");
    });
    daemon.wait_for_file("file.archived", "1.csv");
    all_done(daemon, &drop, 0..2);
}

/// fault 92
#[test]
fn a_target_whose_filesystem_is_taken_away_holds_the_folder_until_it_is_back() {
    let Some((drop, disk)) = drop_with(&Kind::Ext4(16, &[]), "disk", BACK_OFF, INTO_DISK) else { return };
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    disk.take_away();
    put_row(&drop, 1);
    held_for(&mut daemon, "rows.db: No such file", || disk.mount_again());
    daemon.wait_for_file("file.archived", "1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(drop.root().join("disk/rows.db")).expect("open rows.db");
    assert_eq!(problems(&drop, &target, 0..2), [""; 0]);
}

/// fault 13: at the start, `check` and `once` say the same.
#[test]
fn a_target_that_files_went_into_and_that_is_not_there_at_the_start_is_waited_for_and_not_made_anew() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    let away = drop.root().join("away.db");
    fs::rename(drop.state().join("rows.db"), &away).expect("move the target away");
    put_row(&drop, 1);
    for (words, code, line) in [
        ("check", 69, "rows.db is not there, and this folder has imported: it is held until the database is"),
        ("check", 69, "mount its disk, or put it back; to begin with an empty one, put an empty file in its place"),
        ("once", 75, "rows.db: No such file or directory"),
        ("explain 0.csv", 0, "can't be reached: it is gone"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let said = drop.command(&words).output().expect("run it");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(line), "{words:?}: {text}");
    }
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    held_for(&mut daemon, "to begin with an empty one, put an empty file in its place", || {
        assert!(!drop.state().join("rows.db").exists(), "nothing is made");
        fs::rename(away, drop.state().join("rows.db")).expect("put it back");
    });
    daemon.wait_for_file("file.archived", "1.csv");
    all_done(daemon, &drop, 0..2);
}

/// fault 13, the controls: what an operator puts there on purpose is taken, and where nothing went in, one is made.
#[test]
fn a_target_is_begun_anew_by_an_empty_file_in_its_place_and_made_where_nothing_was_imported() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let target = drop.state().join("rows.db");
    assert_eq!(drop.once().code(), Some(0));
    fs::remove_file(&target).expect("delete it");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    fs::write(&target, "").expect("empty it");
    put_row(&drop, 1);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(ids(&drop), [1], "the rows of 0.csv were in the old one");
}

fn ids(drop: &Drop) -> Vec<i64> {
    let rows = drop.rows();
    let mut query = rows.prepare("SELECT id FROM \"drop\"").expect("a query");
    query.query_map([], |row| row.get(0)).expect("rows").map(|id| id.expect("an id")).collect()
}

/// What a restore of the tables with the rows alone leaves.
fn lose_markers(target: &Connection) {
    let drop = "DROP TABLE _importerd_files; DROP TABLE _importerd_rejects";
    target.execute_batch(drop).expect("drop the load markers");
}

/// fault 92: the same bytes would go in again. `check` and `once` say the same.
#[test]
fn a_target_that_lost_its_load_markers_is_not_begun_anew_at_the_start() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    let copy = drop.root().join("copy.db");
    fs::copy(drop.state().join("rows.db"), &copy).expect("copy the target");
    lose_markers(&drop.rows());
    put_row(&drop, 0);
    let lost = "rows.db has no table _importerd_files, and files of its folders count as imported";
    for (words, code, line) in
        [("check", 69, lost), ("check", 69, "importerd forget --folder NAME"), ("once", 75, lost)]
    {
        let said = drop.command(&[words]).output().expect("run it");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said.status.code(), Some(code), "{words}: {text}");
        assert!(text.contains(line), "{words}: {text}");
    }
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    held_for(&mut daemon, "restore it together with _importerd_files", || {
        fs::rename(copy, drop.state().join("rows.db")).expect("restore the whole target");
    });
    daemon.wait_for("file.duplicate");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(ids(&drop), [0]);
}

/// fault 92
#[test]
fn a_target_restored_without_its_load_markers_holds_the_folder_of_a_running_daemon() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    let mut daemon = drop.start();
    let copy = drop.root().join("copy.db");
    drop.rows().execute("VACUUM INTO ?", [copy.to_str().expect("text")]).expect("copy the target");
    lose_markers(&Connection::open(&copy).expect("open the copy"));
    let aside = drop.root().join("aside");
    fs::create_dir(&aside).expect("make a directory");
    move_target(&drop.state(), &aside);
    fs::rename(copy, drop.state().join("rows.db")).expect("restore half of the target");
    put_row(&drop, 0);
    held_for(&mut daemon, "rows.db has no table _importerd_files", || move_target(&aside, &drop.state()));
    daemon.wait_for("file.duplicate");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(ids(&drop), [0]);
}

/// fault 92: nor could it be forgotten, being on its way.
#[test]
fn a_file_that_is_committed_and_not_archived_holds_no_target_that_lost_its_load_markers() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let day = drop.path().join("archive").join(jiff::Zoned::now().strftime("%Y-%m-%d").to_string());
    fs::write(&day, "").expect("there is no room for its day");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(75));
    assert_eq!(drop.names("active").len(), 1);
    fs::remove_file(&day).expect("make room");
    lose_markers(&drop.rows());
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.names("active").len(), ids(&drop)), (0, vec![0]), "it is archived, and not done again");
}

/// fault 92, the control: on purpose, everything counts as new.
#[test]
fn a_target_that_lost_its_load_markers_is_begun_anew_when_its_files_are_forgotten() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    put_row(&drop, 0);
    assert_eq!(drop.once().code(), Some(0));
    lose_markers(&drop.rows());
    put_row(&drop, 0);
    let mut daemon = drop.launch();
    daemon.wait_for("folder.paused");
    let forget = drop.command(&["forget", "--folder", "drop", "--yes"]).output().expect("run forget");
    assert_eq!(forget.status.code(), Some(0), "{forget:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(ids(&drop), [0, 0]);
}
