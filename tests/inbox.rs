//! What lies in an inbox beside the files that are simply carried.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod harness;

use std::process::Command;

use harness::{Drop, eventually};

#[test]
fn a_marker_goes_with_its_file_and_the_next_file_of_that_name_needs_its_own() {
    let drop = Drop::with("ready = { marker = \".done\" }");
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    drop.put("other.csv.done", "");
    drop.put("a.csv.done", "");
    daemon.wait_for_file("file.archived", "a.csv");
    drop.put("a.csv", "id\n2\n");
    drop.put("b.csv", "id\n3\n");
    drop.put("b.csv.done", "");
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("inbox"), ["a.csv", "other.csv.done"]);
    assert_eq!(drop.row_count(), 2);
}

/// fault 39
#[test]
fn an_immutable_file_is_told_once_and_tried_again_while_the_others_go_on() {
    let drop = Drop::with_daemon("backoff = { min = \"10ms\", max = \"100ms\" }", "");
    drop.put("stuck.csv", "id\n1\n");
    let stuck = drop.path().join("inbox/stuck.csv");
    let chattr = |flag| Command::new("chattr").arg(flag).arg(&stuck).status().is_ok_and(|status| status.success());
    if !chattr("+i") {
        eprintln!("skipped: chattr +i is for root, on a filesystem that knows it");
        return;
    }
    let mut daemon = drop.start();
    daemon.wait_for_file("file.deferred", "stuck.csv");
    drop.put("other.csv", "id\n2\n");
    daemon.wait_for_file("file.archived", "other.csv");
    let ask = |sql: &str| drop.ledger().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    eventually("it is tried again", || ask("SELECT deferrals FROM file WHERE state = 'deferred'") > 3);
    assert!(chattr("-i"));
    daemon.wait_for_file("file.archived", "stuck.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(ask("SELECT count(*) FROM event WHERE kind = 'file.deferred'"), 1);
    assert_eq!(ask("SELECT count(*) FROM file"), 2);
    assert_eq!(drop.row_count(), 2);
}
