//! `importerd ledger check`: it finds what is wrong, says what to do, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::collections::BTreeSet;
use std::fs;

use harness::Drop;

fn check(drop: &Drop) -> (Option<i32>, String) {
    let output = drop.command(&["ledger", "check"]).output().unwrap();
    (
        output.status.code(),
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    )
}

fn assert_says(drop: &Drop, code: i32, words: &[&str]) {
    let (ended, said) = check(drop);
    assert_eq!(ended, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// A file archived, one refused, and one archived as a duplicate.
fn worked_on(drop: &Drop) {
    for (name, content) in [("a.csv", "id\n1\n2\n"), ("bad.csv", "id\n1,2\n"), ("same.csv", "id\n1\n2\n")] {
        drop.put(name, content);
        drop.once();
    }
}

#[test]
fn what_agrees_is_said_to_be_well_and_what_operators_take_away_is_no_failure() {
    let drop = Drop::new();
    assert_says(&drop, 0, &["there is none yet", "all is well"]);
    worked_on(&drop);
    let well = ["2 archived, of which 0 no longer", "1 refused, of which 0 were", "every page and index can be read"];
    assert_says(&drop, 0, &well);
    assert_says(
        &drop,
        0,
        &["1 load markers in", "every file has the rows", "it is the ledger of this folder", "all is well"],
    );
    fs::remove_dir_all(drop.path().join("archive")).unwrap();
    fs::remove_file(drop.path().join("quarantine/bad.csv")).unwrap();
    assert_says(&drop, 0, &["2 archived, of which 2 no longer", "1 refused, of which 1 were", "all is well"]);
    let output = drop.command(&["--json", "ledger", "check"]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["sections"].as_array().unwrap().len(), 2, "{list}");
}

#[test]
fn rows_without_a_marker_and_markers_without_rows_or_entry_are_found() {
    let drop = Drop::new();
    worked_on(&drop);
    let rows = drop.state().join("rows.db");
    let (well, ledger) = (fs::read(&rows).unwrap(), fs::read(drop.state().join("ledger.db")).unwrap());
    let spoilt = |database: &str, sql: &str| {
        let connection = if database == "rows" { drop.rows() } else { drop.ledger() };
        assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
    };
    let mend = || {
        fs::write(&rows, &well).unwrap();
        fs::write(drop.state().join("ledger.db"), &ledger).unwrap();
    };
    spoilt("rows", "INSERT INTO \"drop\" SELECT * FROM \"drop\" LIMIT 1");
    assert_says(&drop, 1, &["1 files have more: #1 3 rows instead of 2", "fix: look at the rows", "ledger check"]);
    mend();
    spoilt("rows", "DELETE FROM \"drop\" WHERE _line = 2");
    assert_says(&drop, 0, &["1 files have fewer rows than they brought"]);
    mend();
    spoilt("rows", "DELETE FROM _importerd_files");
    assert_says(&drop, 1, &["1 have no load marker in", "#1 a.csv", "restore the database's latest state"]);
    assert_says(&drop, 1, &["; rows of 1 of them are there", "dropped again, those would double"]);
    spoilt("rows", "DELETE FROM \"drop\"");
    assert_says(&drop, 1, &["; no row of them is there", "what is in no backup, drop again from archive/"]);
    mend();
    spoilt("ledger", "DELETE FROM file WHERE id = 1");
    assert_says(&drop, 0, &["1 load markers are news", "are not in the ledger, for instance archive/"]);
    spoilt("ledger", "UPDATE file SET id = id + 10000");
    assert_says(&drop, 1, &["1 were imported and are not in the ledger: #1 a.csv", "ledger rebuild --force"]);
    mend();
    assert_says(&drop, 0, &["all is well"]);
}

/// SQLite doesn't count what a trigger does in place of a row. The control without one is above.
#[test]
fn rows_that_a_trigger_of_the_table_puts_there_are_a_warning() {
    let drop = Drop::new();
    drop.once();
    drop.rows()
        .execute_batch(
            "CREATE TABLE \"drop\" (_file_id INTEGER, _line INTEGER, id INTEGER, v TEXT);
            CREATE TRIGGER known BEFORE INSERT ON \"drop\" WHEN new.id IN (SELECT id FROM \"drop\") BEGIN
                UPDATE \"drop\" SET v = new.v, _file_id = new._file_id WHERE id = new.id;
                SELECT RAISE(IGNORE);
            END",
        )
        .unwrap();
    for (name, content) in [("a.csv", "id,v\n1,a\n2,b\n"), ("b.csv", "id,v\n1,c\n3,d\n")] {
        drop.put(name, content);
        assert!(drop.once().success());
    }
    let events = drop.command(&["events"]).output().unwrap().stdout;
    let told = String::from_utf8_lossy(&events);
    assert!(told.contains("1 row; 1 skipped"), "{told}");
    assert_says(
        &drop,
        0,
        &["1 files have more: #1025 2 rows instead of 1; the table's triggers, or somebody, put them"],
    );
}

/// faults 76, 77
#[test]
fn a_damaged_missing_or_newer_ledger_ends_the_check_with_78() {
    let drop = Drop::new();
    worked_on(&drop);
    let path = drop.state().join("ledger.db");
    let well = fs::read(&path).unwrap();
    let mut spoilt = well.clone();
    let middle = spoilt.len() / 4096 / 2 * 4096;
    spoilt[middle..middle + 4096].fill(0x5a);
    fs::write(&path, spoilt).unwrap();
    assert_says(&drop, 78, &["FAIL", "ledger rebuild"]);
    fs::write(&path, &well[..well.len() / 2]).unwrap();
    assert_says(&drop, 78, &["damaged, or not a ledger", "ledger rebuild"]);
    fs::remove_file(&path).unwrap();
    assert_says(&drop, 78, &["missing; ", "ledger rebuild"]);
    fs::write(&path, &well).unwrap();
    drop.ledger().pragma_update(None, "user_version", 99).unwrap();
    assert_says(&drop, 78, &["newer importerd", "install that version again"]);
    fs::write(&path, &well).unwrap();
    assert_says(&drop, 0, &["all is well"]);
}

#[test]
fn beside_a_running_daemon_it_says_what_it_does_not_check() {
    let drop = Drop::new();
    worked_on(&drop);
    let mut daemon = drop.start();
    let pid = format!("a daemon runs (pid {})", daemon.pid().as_raw_nonzero());
    assert_says(&drop, 0, &[&pid, "systemctl stop importerd", "every page and index can be read"]);
    drop.put("after.csv", "id\n7\n");
    daemon.wait_for_file("file.archived", "after.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_check_changes_nothing() {
    let drop = Drop::new();
    worked_on(&drop);
    let before = fs::read(drop.state().join("ledger.db")).unwrap();
    let names = |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let listed = names(drop.state());
    check(&drop);
    assert_eq!((fs::read(drop.state().join("ledger.db")).unwrap(), names(drop.state())), (before, listed));
}

#[test]
fn a_file_that_its_command_took_away_is_done_and_so_says_everybody() {
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"cat $1; rm $1\", \"sh\"] }");
    drop.put("a.txt", "a");
    assert!(drop.once().success());
    for _ in 0..2 {
        assert_says(&drop, 0, &["1 archived, of which 1 no longer lie where they were put", "all is well"]);
        assert!(!check(&drop).1.contains("committed and not entered"));
        let explained = drop.command(&["explain", "#1"]).output().unwrap();
        let said = String::from_utf8_lossy(&explained.stdout).into_owned();
        assert!(said.contains("archived: its command has moved or removed it"), "{said}");
        assert!(said.contains("it is not where it was put"), "{said}");
        drop.once();
    }
}

#[test]
fn a_deferred_file_whose_inode_has_another_file_now_is_gone_from_the_inbox() {
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"exit 75\"] }");
    drop.put("a.txt", "a");
    drop.once();
    assert_says(&drop, 0, &["1 wait for another try, of which 0 were taken out"]);
    // As if it had been removed, and its inode been given to the one that lies there.
    assert_eq!(drop.ledger().execute("UPDATE file SET born_ns = born_ns - 1", []).unwrap(), 1);
    assert_says(&drop, 0, &["1 wait for another try, of which 1 were taken out"]);
}

/// Files imported, and the database as it was before the last ones.
fn with_an_older_database(keys: &str, files: u8) -> Drop {
    let drop = Drop::with(keys);
    drop.put("0.csv", "id\n0\n");
    drop.once();
    let older = fs::read(drop.state().join("rows.db")).unwrap();
    for file in 1..=files {
        drop.put(format!("{file}.csv"), format!("id\n{file}\n"));
    }
    assert_eq!(drop.once().code(), Some(0));
    fs::write(drop.state().join("rows.db"), older).unwrap();
    drop
}

#[test]
fn files_that_a_restored_database_lacks_are_all_named_and_no_longer_when_they_were_dropped_again() {
    let drop = with_an_older_database("", 7);
    assert_says(&drop, 1, &["7 have no load marker in", "… (--json names all)", "drop again from archive/"]);
    let output = drop.command(&["--json", "ledger", "check"]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = list["sections"][1]["items"].as_array().unwrap();
    let failed = items.iter().find(|item| item["level"] == "fail").unwrap();
    let files = failed["files"].as_array().unwrap();
    let names: BTreeSet<_> = files.iter().map(|file| file["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!((files.len(), names), (7, (1..=7).map(|file| format!("{file}.csv")).collect()), "{list}");
    for file in 1..=7 {
        drop.put(format!("again-{file}.csv"), format!("id\n{file}\n"));
        if file == 6 {
            assert_eq!(drop.once().code(), Some(0));
            assert_says(&drop, 1, &["1 have no load marker in", "7.csv"]);
        }
    }
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 8));
    assert_says(&drop, 0, &["8 load markers in", "all is well"]);
}

/// Its rows of before are there. The control is above: without them it is to be dropped again.
#[test]
fn a_replay_that_a_restored_database_lacks_is_not_to_be_dropped_again() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    let target = drop.state().join("rows.db");
    let earlier = fs::read(&target).unwrap();
    assert!(drop.command(&["replay", "a.csv"]).status().unwrap().success());
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 1));
    fs::write(&target, earlier).unwrap();
    let (code, said) = check(&drop);
    assert!(code == Some(1) && said.contains("dropped again, those would double"), "{said}");
    assert!(!said.contains("drop again from archive/"), "{said}");
}

/// The same bytes may have been meant twice.
#[test]
fn where_duplicates_are_allowed_a_later_file_does_not_hide_that_an_earlier_one_is_missing() {
    let drop = with_an_older_database("duplicates = \"allow\"", 1);
    drop.put("1.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    assert_says(
        &drop,
        1,
        &["1 have no load marker in", "what was dropped again since: importerd", "forget its number"],
    );
    let id: i64 =
        drop.ledger().query_row("SELECT min(id) FROM file WHERE name = '1.csv'", [], |row| row.get(0)).unwrap();
    assert!(drop.command(&["forget", &format!("#{id}")]).output().unwrap().status.success());
    assert_says(&drop, 0, &["all is well"]);
}

#[test]
fn where_files_overwrite_each_others_rows_they_are_brought_back_in_their_order_and_the_later_ones_with_them() {
    let keys = "import = { into = \"sqlite:rows.db\", table = \"drop\", mode = \"replace\" }";
    let drop = with_an_older_database(keys, 1);
    assert_says(&drop, 1, &["with all that came later", "pause drop", "cp -p", "resume drop"]);
    drop.put("2.csv", "id\n2\n");
    assert_eq!(drop.once().code(), Some(0));
    assert!(drop.command(&["pause", "drop"]).output().unwrap().status.success());
    for name in ["2.csv", "1.csv"] {
        let archived =
            harness::files(&drop.path().join("archive")).into_iter().find(|path| path.ends_with(name)).unwrap();
        let copied = std::process::Command::new("cp").arg("-p").args([&archived, &drop.inbox()]).status().unwrap();
        assert!(copied.success());
    }
    assert!(drop.command(&["resume", "drop"]).output().unwrap().status.success());
    assert_eq!(drop.once().code(), Some(0));
    let id: i64 = drop.rows().query_row("SELECT id FROM \"drop\"", [], |row| row.get(0)).unwrap();
    assert_eq!((id, drop.row_count()), (2, 1));
    assert_says(&drop, 0, &["all is well"]);
}
