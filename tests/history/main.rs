//! A long history: what the ledger lets go of it, and that what it keeps slows nothing down.
//!
//! `benches/history` runs this with the release build and ten million files, and prints the numbers.
#![allow(clippy::print_stderr, reason = "the numbers are the product of the measurement")]

#[path = "../harness/mod.rs"]
mod harness;
mod long;
mod measured;
mod reads;

use harness::Drop;
use long::prolong;
use reads::bytes_read_by;
use serde_json::Value;

/// A start looks at the last 4,096 files again; a history that is longer than that is long.
const FILES: u64 = 6_000;
const MORE_FILES: u64 = 30_000;
/// So much more may be read because of them: one or two more levels of a few trees. The history itself is a hundred times that.
const MORE_BYTES_MAX: u64 = 256 << 10;

/// The standard output of a command over this folder, which must end well.
fn output(drop: &Drop, arguments: &[&str]) -> String {
    let output = drop.command(arguments).output().expect("run importerd");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn count(drop: &Drop, sql: &str) -> i64 {
    drop.ledger().query_row(sql, [], |row| row.get(0)).expect("ask the ledger")
}

/// Makes everything in the ledger so many days older.
fn age(drop: &Drop, days: i64) {
    let microseconds = days * 24 * 60 * 60 * 1_000_000;
    for (table, column) in
        [("event", "at_us"), ("failure", "at_us"), ("file", "claimed_at_us"), ("file", "changed_at_us")]
    {
        drop.ledger()
            .execute(&format!("UPDATE {table} SET {column} = {column} - ?"), [microseconds])
            .expect("ask the ledger");
    }
}

#[test]
fn a_daemon_lets_go_what_is_older_than_its_history_and_says_so() {
    let drop = Drop::with_daemon("history = \"30d\"", "match = [\"*.csv\"]");
    let mut daemon = drop.start();
    for (name, event) in [("a.csv", "file.archived"), ("bad.csv", "file.quarantined")] {
        drop.put(name, if name == "a.csv" { "id\n1\n" } else { "id\n1,2\n" });
        daemon.wait_for_file(event, name);
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(count(&drop, "SELECT count(*) FROM event JOIN file ON file_id = file.id WHERE state = 'archived'"), 3);
    age(&drop, 40);
    let mut daemon = drop.start();
    let told = daemon.wait_for("ledger.pruned");
    assert!(told["events"].as_u64() >= Some(3), "{told}");
    assert_eq!(count(&drop, "SELECT count(*) FROM event JOIN file ON file_id = file.id WHERE state = 'archived'"), 0);
    // The same bytes are told as ever.
    drop.put("again.csv", "id\n1\n");
    daemon.wait_for("file.duplicate");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);

    let story: Value = serde_json::from_str(&output(&drop, &["explain", "a.csv", "--json"])).unwrap();
    assert_eq!((&story["state"], &story["events"]), (&"archived".into(), &Value::Array(Vec::new())));
    assert!(story["events_pruned_before"].is_string(), "{story}");
    let page = output(&drop, &["explain", "a.csv"]);
    assert!(page.contains("keeps no events of before then"), "{page}");
    let story: Value = serde_json::from_str(&output(&drop, &["explain", "bad.csv", "--json"])).unwrap();
    assert_eq!(story["state"], "quarantined");
    assert_eq!(story["events"].as_array().unwrap().len(), 2);
    assert_eq!(story["events_pruned_before"], Value::Null);
}

#[test]
fn without_the_setting_nothing_is_let_go() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert!(drop.once().success());
    age(&drop, 4_000);
    let before = count(&drop, "SELECT count(*) FROM event");
    assert!(drop.once().success());
    assert_eq!(count(&drop, "SELECT count(*) FROM event WHERE kind = 'ledger.pruned'"), 0);
    assert!(count(&drop, "SELECT count(*) FROM event") > before);
}

/// How much is read by commands, and by a daemon that does one more file.
fn reads(drop: &Drop) -> Vec<(String, u64)> {
    let first: String =
        drop.ledger().query_row("SELECT name FROM file LIMIT 1", [], |row| row.get(0)).expect("ask the ledger");
    let commands: [&[&str]; 6] = [
        &["explain", &first],
        &["explain", "#1"],
        &["status"],
        &["ls"],
        &["ls", "--duplicate"],
        &["events", "--kind", "file.deferred"],
    ];
    let of_command = |arguments: &&[&str]| (arguments.join(" "), bytes_read_by(drop.command(arguments)));
    let mut reads: Vec<_> = commands.iter().map(of_command).collect();
    drop.put("one-more.csv", "id,name\n77000001,one more\n");
    reads.push(("once".to_owned(), bytes_read_by(drop.command(&["once"]))));
    reads
}

/// Counted, so that it is the same on every machine: no question reads the history from end to end.
#[test]
fn what_is_read_does_not_grow_with_the_history() {
    let (young, old) = (Drop::new(), Drop::new());
    for drop in [&young, &old] {
        drop.put("first.csv", "id,name\n77000000,first\n");
        assert!(drop.once().success());
    }
    prolong(&young, FILES);
    prolong(&old, MORE_FILES);
    let size = std::fs::metadata(old.state().join("ledger.db")).unwrap().len();
    for ((what, young), (_, old)) in reads(&young).into_iter().zip(reads(&old)) {
        let said = format!("{what}: {young} bytes with {FILES} files, {old} with {MORE_FILES}");
        eprintln!("{said}");
        assert!(old <= young + MORE_BYTES_MAX, "{said}");
    }
    // The control: what has to read it all is noticed.
    let all = bytes_read_by(old.command(&["ledger", "check"]));
    assert!(all > size && size > 50 * MORE_BYTES_MAX, "{all} of {size}");
}

/// See `benches/history`.
#[test]
fn a_long_history_is_measured_where_somebody_asks_for_it() {
    match std::env::var("IMPORTERD_HISTORY") {
        Ok(files) => measured::measure(files.parse().expect("a number")),
        Err(_) => eprintln!("skipped: benches/history measures"),
    }
}
