//! `importerd ledger check`: it finds what is wrong, says what to do, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

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
