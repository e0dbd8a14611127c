//! `importerd ls`

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use importerd::events::Kind;
use importerd::fault::Reason;
use importerd::file::FileId;
use importerd::ledger::{Durability, State};
use jiff::{SignedDuration, Timestamp};

use super::desk::{Desk, ORDERS, entry, event, plain};

/// One file in each state.
fn desk() -> Desk {
    let desk = Desk::with(ORDERS);
    let ledger = desk.ledger();
    let gone = desk.put("elsewhere");
    let late = desk.put("orders/inbox/late.csv");
    let bad = desk.put("orders/quarantine/bad.csv");
    let locked = Reason::new("target_locked", "the database is locked");
    let ragged = Reason::new("ragged_row", "3 fields where the header has 4").at_line(7).hint("correct line 7");
    let mut archived = entry(1, OsStr::new("done.csv"), gone, State::Archived);
    archived.rows = Some(1204);
    archived.place = Some("archive/2026-11-22/done.csv".to_owned());
    let mut duplicate = entry(2, OsStr::new("again.csv"), gone, State::Duplicate);
    duplicate.duplicate_of = Some(FileId(1));
    let mut quarantined = entry(3, OsStr::new("bad.csv"), bad, State::Quarantined);
    quarantined.place = Some("quarantine/bad.csv".to_owned());
    quarantined.reason = Some(&ragged);
    let mut deferred = entry(4, OsStr::new("late.csv"), late, State::Deferred);
    deferred.reason = Some(&locked);
    deferred.retry_at = Some(Timestamp::now() + SignedDuration::from_secs(60));
    for entry in [archived, duplicate, quarantined, deferred] {
        ledger.enter(Durability::Flushed, &[entry], &[]).unwrap();
    }
    desk.put_last("orders/active/0/now.csv");
    desk.put_last("orders/inbox/new.csv");
    desk
}

#[test]
fn files_are_listed_by_state_the_latest_first() {
    let desk = desk();
    let answer = desk.ask(&["ls"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let expected = "\
id state age rows rejects folder name reason
 - waiting N s - - orders new.csv
 - active N s - - orders now.csv
#4 deferred N s - - orders late.csv the database is locked; next try in N s
#3 quarantined N s - - orders bad.csv line 7: 3 fields where the header has 4
#2 duplicate N s - - orders again.csv done before as #1
#1 archived N s 1204 0 orders done.csv
";
    assert_eq!(plain(&answer.out), expected);
}

/// The daemon waits no longer than that, whatever the clock did.
#[test]
fn no_next_try_is_further_than_the_longest_back_off() {
    let desk = Desk::with(&format!("backoff.max = '10m'\n{ORDERS}"));
    let _daemon = desk.daemon();
    let late = desk.put("orders/inbox/late.csv");
    let mut deferred = entry(1, OsStr::new("late.csv"), late, State::Deferred);
    deferred.retry_at = Some(Timestamp::now() + SignedDuration::from_hours(87_600));
    desk.ledger().enter(Durability::Flushed, &[deferred], &[]).unwrap();
    for asked in [&["ls"][..], &["explain", "late.csv"]] {
        let answer = desk.ask(asked);
        assert!(answer.out.contains("in 9 min") || answer.out.contains("in 10 min"), "{}", answer.out);
    }
}

#[test]
fn a_limit_of_none_is_wrong_usage() {
    let answer = desk().ask(&["ls", "--limit", "0"]);
    assert_eq!((answer.code, answer.out.as_str()), (Some(64), ""));
}

#[test]
fn each_filter_lists_its_own_files_and_two_of_them_both() {
    let desk = desk();
    let names = |arguments: &[&str]| {
        let out = desk.ask(&[&["ls", "--json"], arguments].concat()).out;
        let name =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
        out.lines().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--waiting"]), ["new.csv"]);
    assert_eq!(names(&["--active"]), ["now.csv"]);
    assert_eq!(names(&["--deferred"]), ["late.csv"]);
    assert_eq!(names(&["--quarantined"]), ["bad.csv"]);
    assert_eq!(names(&["--duplicate"]), ["again.csv"]);
    assert_eq!(names(&["--archived"]), ["done.csv"]);
    assert_eq!(names(&["--archived", "--waiting"]), ["new.csv", "done.csv"]);
    assert_eq!(names(&["--limit", "2"]), ["new.csv", "now.csv"]);
    let out = desk.ask(&["ls", "--limit", "2"]).out;
    assert!(out.ends_with("older ones are left out; for more, add: --limit 20\n"), "{out}");
    let whole = [&["ls", "--json", "--limit", "2"][..], &["ls", "--json"]].map(|arguments| desk.ask(arguments).err);
    assert_eq!(whole, ["older ones are left out; for more, add: --limit 20\n", ""]);
}

#[test]
fn a_refused_file_that_the_operator_took_away_is_listed_no_more() {
    let desk = desk();
    std::fs::remove_file(desk.path("orders/quarantine/bad.csv")).unwrap();
    assert_eq!(desk.ask(&["ls", "--quarantined"]).out, "no files\n");
}

#[test]
fn its_json_has_every_field_of_a_refused_file() {
    let out = desk().ask(&["ls", "--quarantined", "--json"]).out;
    let mut file: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(file["since"].take().as_str().unwrap().parse::<Timestamp>().is_ok());
    let expected = serde_json::json!({
        "id": 3, "folder": "orders", "name": "bad.csv", "state": "quarantined", "since": null, "rows": null, "rejects": null,
        "bytes": 8, "reason": "line 7: 3 fields where the header has 4", "hint": "correct line 7", "replaces": null,
        "retry_at": null,
        "duplicate_of": null, "path": "/T/orders/quarantine/bad.csv",
    });
    assert_eq!(file, expected);
}

/// faults 24, 25
#[test]
fn no_name_forges_a_line_in_any_command() {
    let desk = Desk::with(ORDERS);
    let ledger = desk.ledger();
    let name = OsStr::from_bytes(b"a\n#1  archived\x1b[2J\xff.csv");
    let identity = desk.put(std::path::Path::new("orders/inbox").join(name));
    let mut told = event(Kind::FileDeferred, 1, "", "process");
    told.file.as_mut().unwrap().name = name.to_owned();
    ledger.enter(Durability::Flushed, &[entry(1, name, identity, State::Deferred)], &[told]).unwrap();
    let escaped = r"a\n#1  archived\x1b[2J\xff.csv";
    for arguments in [&["ls"][..], &["events"], &["explain", escaped], &["explain", "1"], &["ls", "--json"]] {
        let answer = desk.ask(arguments);
        assert_eq!(answer.code, Some(0), "{arguments:?}: {}", answer.err);
        assert!(!answer.out.contains('\u{1b}') && !answer.out.contains("\n#1  archived"), "{}", answer.out);
        assert!(answer.out.contains(escaped) || answer.out.contains(&escaped.replace('\\', "\\\\")), "{}", answer.out);
    }
}

#[test]
fn an_unknown_folder_is_wrong_usage_and_the_known_ones_are_named() {
    for arguments in [&["ls", "--folder", "x"][..], &["events", "--folder", "x"], &["explain", "a", "--folder", "x"]] {
        let answer = Desk::with(ORDERS).ask(arguments);
        assert_eq!(
            (answer.code, answer.err.as_str()),
            (Some(64), "importerd: folder \"x\" is unknown\nknown: orders\n")
        );
    }
}
