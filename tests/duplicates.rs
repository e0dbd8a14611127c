//! The same file again: what each policy takes for done, and that none is silent. faults 15 and 16

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;

use harness::{Daemon, Drop};

fn with_policy(policy: &str) -> (Drop, Daemon) {
    let drop = Drop::with(&format!("duplicates = \"{policy}\""));
    let daemon = drop.start();
    (drop, daemon)
}

fn assert_imported(drop: &Drop, daemon: &mut Daemon, name: &str, content: &str, rows: u64) {
    drop.put(name, content);
    daemon.wait_for_file("file.archived", name);
    assert!(!daemon.has_heard("file.duplicate"));
    assert_eq!(drop.row_count(), rows);
}

fn assert_duplicate(drop: &Drop, daemon: &mut Daemon, name: &str, content: &str, original: &str) {
    let before = (drop.row_count(), drop.names("archive").len());
    drop.put(name, content);
    let event = daemon.wait_for_file("file.duplicate", name);
    assert_eq!(event["original"], original, "{event}");
    daemon.wait_for_file("file.archived", name);
    assert_eq!((drop.row_count(), drop.names("archive").len()), (before.0, before.1 + 1));
    let state = "SELECT d.state, o.name FROM file d JOIN file o ON o.id = d.duplicate_of ORDER BY d.id DESC LIMIT 1";
    let told: (String, String) = drop.ledger().query_row(state, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(told, ("duplicate".to_owned(), original.to_owned()));
}

/// An operator takes a done file out of the archive and drops it again.
fn drop_again(drop: &Drop, name: &str) {
    let archived = harness::files(&drop.path().join("archive")).into_iter().find(|path| path.ends_with(name)).unwrap();
    fs::rename(archived, drop.inbox().join(name)).unwrap();
}

#[test]
fn by_content_the_same_bytes_are_done_once_whatever_they_are_called() {
    let (drop, mut daemon) = with_policy("by-content");
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", 1);
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n2,b\n", 2);
    assert_duplicate(&drop, &mut daemon, "b.csv", "id,name\n1,a\n", "a.csv");
    assert_duplicate(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", "a.csv");
    drop_again(&drop, "b.csv");
    let event = daemon.wait_for_file("file.duplicate", "b.csv");
    assert_eq!(event["original"], "a.csv");
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
}

#[test]
fn by_content_the_original_dropped_again_is_its_own_duplicate() {
    let (drop, mut daemon) = with_policy("by-content");
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", 1);
    drop_again(&drop, "a.csv");
    daemon.wait_for_file("file.duplicate", "a.csv");
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
    assert_eq!(drop.names("archive"), ["a.csv"]);
}

#[test]
fn by_name_the_same_name_is_done_once_whatever_it_holds() {
    let (drop, mut daemon) = with_policy("by-name");
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", 1);
    assert_imported(&drop, &mut daemon, "b.csv", "id,name\n1,a\n", 2);
    assert_duplicate(&drop, &mut daemon, "a.csv", "id,name\n2,b\n", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn with_allow_every_drop_is_done() {
    let (drop, mut daemon) = with_policy("allow");
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", 1);
    assert_imported(&drop, &mut daemon, "a.csv", "id,name\n1,a\n", 2);
    // The very same file: inode, birth, size and times.
    drop_again(&drop, "a.csv");
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 3);
    // And once more where a start finds it.
    drop_again(&drop, "a~2.csv");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.row_count(), 4);
}

#[test]
fn a_command_is_not_run_for_a_duplicate() {
    let drop = Drop::with("run = { command = [\"cat\", \"{path}\"] }");
    let mut daemon = drop.start();
    drop.put("a.txt", "same");
    daemon.wait_for_file("file.archived", "a.txt");
    drop.put("b.txt", "same");
    let event = daemon.wait_for_file("file.duplicate", "b.txt");
    assert_eq!(event["original"], "a.txt");
    daemon.wait_for_file("file.archived", "b.txt");
    drop.put("c.txt", "other");
    daemon.wait_for_file("file.archived", "c.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.txt.out", "c.txt.out"]);
}

#[test]
fn duplicates_in_one_batch_are_found_too() {
    // They are there before the start, and share a commit.
    for (work, imported) in [("", 1), ("run = { command = [\"cat\", \"{path}\"] }", 0)] {
        let drop = Drop::with(work);
        for copy in 0..20 {
            drop.put(format!("{copy}.csv"), "id,name\n1,a\n");
        }
        assert_eq!(drop.once().code(), Some(0));
        assert_eq!(drop.names("archive").len(), 20);
        assert_eq!(drop.row_count(), imported);
        let states = "SELECT count(*) FILTER (WHERE state = 'archived'), count(*) FILTER (WHERE state = 'duplicate')";
        let states: (u32, u32) =
            drop.ledger().query_row(&format!("{states} FROM file"), [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(states, (1, 19));
        if imported == 0 {
            assert_eq!(drop.names("results").len(), 1);
        }
    }
}
