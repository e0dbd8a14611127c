//! A folder that was copied to another disk: what is done is known there, though every file is another by its inode.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Drop;

/// Where today's files are archived, as a file: there is no room.
fn without_archive(drop: &Drop) -> PathBuf {
    let day = drop.path().join("archive").join(jiff::Zoned::now().strftime("%Y-%m-%d").to_string());
    fs::write(&day, "").unwrap();
    day
}

/// The folder lies on another disk.
fn copy(drop: &Drop, option: &str) {
    let away = drop.root().join("away");
    fs::rename(drop.path(), &away).unwrap();
    assert!(Command::new("cp").arg(option).args([&away, &drop.path()]).status().unwrap().success());
    fs::remove_dir_all(&away).unwrap();
}

/// How often the files were worked on.
fn times(drop: &Drop) -> u64 {
    let ran = fs::read_to_string(drop.root().join("ran")).unwrap_or_default();
    drop.row_count() + ran.lines().count() as u64
}

/// Imports, or counts how often it ran, and takes the same bytes as often as they come.
fn drops() -> [Drop; 2] {
    let root = tempfile::tempdir().unwrap();
    let script = format!("echo x >>'{}/ran'; cat \\\"$1\\\"", root.path().display());
    let run =
        format!("duplicates = \"allow\"\nrun = {{ command = [\"sh\", \"-c\", \"{script}\", \"sh\", \"{{path}}\"] }}");
    [Drop::with("duplicates = \"allow\""), Drop::at(root, "", &run)]
}

/// The file `a.csv` is worked on, and can't be archived.
fn stuck(drop: &Drop) {
    let day = without_archive(drop);
    drop.put("a.csv", "id\n1\n");
    drop.once();
    assert_eq!((times(drop), drop.names("active")), (1, vec!["a.csv".into()]));
    fs::remove_file(day).unwrap();
}

fn in_slot(drop: &Drop) -> PathBuf {
    harness::files(&drop.path().join("active")).into_iter().find(|path| path.ends_with("a.csv")).unwrap()
}

fn state(drop: &Drop, id: i64) -> String {
    let sql = "SELECT state || ' ' || place FROM file WHERE id = ?";
    drop.ledger().query_row(sql, [id], |row| row.get(0)).unwrap()
}

fn place(path: &Path, drop: &Drop) -> String {
    format!("archived {}", path.strip_prefix(drop.path()).unwrap().display())
}

/// The control: what a copy does not keep the time of is another file.
#[test]
fn a_file_that_was_worked_on_and_not_archived_is_archived_in_the_copy_and_not_worked_on_again() {
    for (option, expected) in [("-a", 1), ("-r", 2)] {
        for drop in drops() {
            stuck(&drop);
            copy(&drop, option);
            assert_eq!(drop.once().code(), Some(0));
            assert_eq!((times(&drop), drop.names("archive")), (expected, vec!["a.csv".into()]));
            if expected == 1 {
                assert_eq!(state(&drop, 1), place(&harness::files(&drop.path().join("archive"))[0], &drop));
            }
            drop.once();
            assert_eq!(times(&drop), expected);
        }
    }
}

/// What README's backups are restored as: an older ledger, and a copy of the folder.
#[test]
fn what_an_older_ledger_learns_is_found_in_the_copied_archive_and_can_be_replayed() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1\n");
    drop.once();
    let ledger = drop.state().join("ledger.db");
    let backup = fs::read(&ledger).unwrap();
    drop.put("b.csv", "id\n2\n");
    assert_eq!(drop.once().code(), Some(0));
    let [id, archived] = ["id", "place"].map(|column| {
        let sql = format!("SELECT {column} FROM file WHERE name = 'b.csv'");
        drop.ledger().query_row(&sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
    });
    copy(&drop, "-a");
    fs::write(&ledger, backup).unwrap();
    assert_eq!(drop.once().code(), Some(0));
    let (rusqlite::types::Value::Integer(id), rusqlite::types::Value::Text(archived)) = (id, archived) else {
        panic!()
    };
    assert_eq!(state(&drop, id), format!("archived {archived}"));
    assert!(drop.command(&["replay", "b.csv"]).status().unwrap().success());
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
}

#[test]
fn the_same_bytes_dropped_twice_on_purpose_are_worked_on_twice_in_the_copy_too() {
    for drop in drops() {
        stuck(&drop);
        let again = drop.inbox().join("a.csv");
        assert!(Command::new("cp").arg("-p").args([in_slot(&drop), again]).status().unwrap().success());
        copy(&drop, "-a");
        for _ in 0..2 {
            assert_eq!(drop.once().code(), Some(0));
            assert_eq!((times(&drop), drop.names("archive")), (2, vec!["a.csv".into(), "a~2.csv".into()]));
        }
    }
}

/// The second one is in a slot already, when the first has come to the archive and nobody has entered that.
#[test]
fn the_same_bytes_dropped_twice_on_purpose_are_never_taken_for_each_other() {
    for (drop, is_copied) in drops().into_iter().zip([false; 2]).chain(drops().into_iter().zip([true; 2])) {
        stuck(&drop);
        let (first, day) = (in_slot(&drop), without_archive(&drop));
        fs::remove_file(&day).unwrap();
        fs::create_dir(&day).unwrap();
        fs::rename(&first, day.join("a.csv")).unwrap();
        assert!(Command::new("cp").arg("-p").args([&day.join("a.csv"), &first]).status().unwrap().success());
        if is_copied {
            copy(&drop, "-a");
        }
        for _ in 0..2 {
            assert_eq!(drop.once().code(), Some(0));
            assert_eq!((times(&drop), drop.names("archive")), (2, vec!["a.csv".into(), "a~2.csv".into()]));
        }
    }
}

/// One file imported, the same again, and a refused one.
fn worked_on() -> Drop {
    let drop = Drop::new();
    for (name, content) in [("a.csv", "id\n1\n2\n"), ("same.csv", "id\n1\n2\n"), ("bad.csv", "id\n1,2\n")] {
        drop.put(name, content);
        drop.once();
    }
    drop
}

fn said(drop: &Drop, arguments: &[&str]) -> String {
    let output = drop.command(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// What the ledger says of every file, but for what a copy changes.
fn entries(drop: &Drop) -> Vec<String> {
    let ledger = drop.ledger();
    let sql = "SELECT id || ' ' || name || ' ' || state || ' ' || place FROM file ORDER BY id";
    let mut query = ledger.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The control: what is put there by hand is told of.
#[test]
fn files_of_the_copy_are_not_called_unknown() {
    let drop = worked_on();
    copy(&drop, "-a");
    let checked = said(&drop, &["ledger", "check"]);
    assert!(checked.contains("all is well") && !checked.contains("not in the ledger"), "{checked}");
    for name in ["a.csv", "same.csv", "bad.csv"] {
        let explained = said(&drop, &["explain", name]);
        assert!(!explained.contains("unknown") && explained.matches(&format!("{name}  ")).count() < 2, "{explained}");
    }
    let archived = harness::files(&drop.path().join("archive"))[0].with_file_name("mine.csv");
    fs::write(&archived, "id\n1\n2\n").unwrap();
    let checked = said(&drop, &["ledger", "check"]);
    assert!(
        checked.contains("1 in archive/ and quarantine/ are not in the ledger, for instance archive/"),
        "{checked}"
    );
    assert!(said(&drop, &["explain", "mine.csv"]).contains("unknown"));
}

#[test]
fn a_rebuild_knows_the_files_of_the_copy_and_they_can_be_replayed() {
    let drop = worked_on();
    let before = entries(&drop);
    copy(&drop, "-a");
    let rebuilt = said(&drop, &["ledger", "rebuild", "--yes", "--force"]);
    assert_eq!(entries(&drop), before, "{rebuilt}");
    let replayed = said(&drop, &["replay", "#1"]);
    assert!(replayed.contains("is loaded again"), "{replayed}");
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
}

/// As an earlier version rebuilt it.
#[test]
fn a_file_that_a_rebuild_took_for_a_duplicate_of_itself_is_replayed_all_the_same() {
    let drop = worked_on();
    let columns =
        "folder, name, device, inode, born_ns, size, mtime_ns, blake3, 'duplicate', attempts, deferrals, rows,
        claimed_at_us, changed_at_us, retry_at_us, place, reason_code, reason, hint, 1, results, replaces, rejects";
    let phantom = format!("INSERT INTO file SELECT 5000, {columns} FROM file WHERE id = 1");
    drop.ledger().execute_batch(&format!("{phantom}; UPDATE file SET inode = inode + 1 WHERE id = 1")).unwrap();
    let replayed = said(&drop, &["replay", "#1"]);
    assert!(replayed.contains("is loaded again"), "{replayed}");
    // The control: another file in its place is not loaded.
    let drop = worked_on();
    drop.ledger().execute_batch(&format!("{phantom}; UPDATE file SET inode = inode + 1 WHERE id = 1")).unwrap();
    drop.ledger().execute_batch("UPDATE file SET blake3 = zeroblob(32) WHERE id = 5000").unwrap();
    let refused = said(&drop, &["replay", "#1"]);
    assert!(refused.contains("no longer lies in the archive"), "{refused}");
}
