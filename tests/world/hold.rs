//! A folder that is held: for what, at which cost, until when; and that nothing was lost by it.

use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Daemon, Drop};

/// Short waits, so that a held folder is tried often; and whoever is charged one attempt is out.
pub const BACK_OFF: &str = "backoff = { min = \"20ms\", max = \"100ms\" }\nattempts = 1";
/// Ticks of the clock that /proc counts in, by which all of Linux's user space is told the same.
const TICKS_PER_SEC: f64 = 100.0;

/// Processor time that the daemon has used.
pub fn cpu_time(daemon: &Daemon) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid().as_raw_pid())).expect("read its stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks: u32 = [11, 12].map(|field: usize| fields[field].parse::<u32>().expect("ticks")).iter().sum();
    Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SEC)
}

/// Waits until the folder is held, for a cause with these words in it.
pub fn paused_for(daemon: &mut Daemon, cause: &str) -> Value {
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().is_some_and(|reason| reason.contains(cause)), "{cause} is not in {paused}");
    paused
}

/// When the daemon told of it.
fn told_at(event: &Value) -> Timestamp {
    event["ts"].as_str().and_then(|time| time.parse().ok()).expect("the time of an event")
}

/// Waits until the folder is held for a cause, sees that it is tried again at growing intervals and at little cost, mends
/// the world, and waits until the folder goes on.
pub fn held_for(daemon: &mut Daemon, cause: &str, mend: impl FnOnce()) {
    let (first, cpu) = (told_at(&paused_for(daemon, cause)), cpu_time(daemon));
    daemon.wait_for_many("folder.paused", 9);
    // By its own clock: on a busy machine the first is heard late.
    let took = told_at(&daemon.wait_for("folder.paused")).duration_since(first).unsigned_abs();
    let used = cpu_time(daemon).saturating_sub(cpu);
    // It waits 20, 40, 80, 100, 100, … ms.
    assert!(took > Duration::from_millis(700), "10 tries in {took:?}");
    assert!(used < took / 2, "{used:?} of processor time in {took:?}");
    mend();
    daemon.wait_for("folder.resumed");
}

/// Drops the file `NUMBER.csv` with one row, whose id is the number.
pub fn put_row(drop: &Drop, number: u32) {
    drop.put(format!("{number}.csv"), format!("id\n{number}\n"));
}

/// All files of the ledger, by name, with state and attempts charged.
pub fn told(drop: &Drop) -> Vec<(String, String, i64)> {
    let ledger = drop.ledger();
    let mut query = ledger.prepare("SELECT name, state, attempts FROM file ORDER BY name").expect("a query");
    let files = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("files");
    files.map(|file| file.expect("a file")).collect()
}

pub fn entry(name: &str, state: &str, attempts: i64) -> (String, String, i64) {
    (name.to_owned(), state.to_owned(), attempts)
}

/// What is not as it must be when `NUMBER.csv` was dropped for each of these numbers and all are done: each row once,
/// each file archived once and nowhere else, none charged.
pub fn problems(drop: &Drop, target: &Connection, numbers: Range<u32>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut query = target.prepare("SELECT id FROM \"drop\" ORDER BY id").expect("a query");
    let ids: Vec<u32> = query.query_map([], |row| row.get(0)).expect("rows").map(|id| id.expect("an id")).collect();
    if !ids.iter().copied().eq(numbers.clone()) {
        problems.push(format!("the rows are {ids:?}"));
    }
    let mut names: Vec<String> = numbers.map(|number| format!("{number}.csv")).collect();
    names.sort();
    if !drop.names("archive").iter().eq(names.iter().map(OsStr::new)) {
        problems.push(format!("archive/ has {:?}", drop.names("archive")));
    }
    for directory in ["inbox", "active", "quarantine"] {
        if !drop.names(directory).is_empty() {
            problems.push(format!("{directory}/ has {:?}", drop.names(directory)));
        }
    }
    let wanted: Vec<_> = names.iter().map(|name| entry(name, "archived", 0)).collect();
    if told(drop) != wanted {
        problems.push(format!("the ledger says {:?}", told(drop)));
    }
    problems
}

/// Ends the daemon, and sees that each of these was done once and nothing else is left.
pub fn all_done(daemon: Daemon, drop: &Drop, numbers: Range<u32>) {
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(problems(drop, &drop.rows(), numbers), [""; 0]);
}

/// The control of all tests here that compare: what is missing, doubled, left or charged is seen.
#[test]
fn what_is_missing_doubled_left_behind_or_charged_is_noticed() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    (0..3).for_each(|number| put_row(&drop, number));
    daemon.wait_for_many("file.archived", 3);
    all_done(daemon, &drop, 0..3);
    let archived = |name: &str| {
        let found = crate::harness::files(&drop.path().join("archive")).into_iter().find(|path| path.ends_with(name));
        found.expect("an archived file")
    };
    let now = |problem: &str| {
        let problems = problems(&drop, &drop.rows(), 0..3);
        assert!(problems.len() == 1 && problems[0].starts_with(problem), "{problem}: {problems:?}");
    };
    drop.rows().execute_batch("DELETE FROM \"drop\" WHERE id = 1").expect("lose a row");
    now("the rows are [0, 2]");
    drop.rows().execute_batch("INSERT INTO \"drop\" (id) VALUES (1), (2)").expect("double a row");
    now("the rows are [0, 1, 2, 2]");
    drop.rows().execute_batch("DELETE FROM \"drop\" WHERE rowid = (SELECT max(rowid) FROM \"drop\")").expect("mend");
    drop.ledger().execute_batch("UPDATE file SET attempts = 1 WHERE name = '1.csv'").expect("charge a file");
    now("the ledger says");
    drop.ledger().execute_batch("UPDATE file SET attempts = 0").expect("mend");
    let aside = drop.root().join("aside");
    fs::rename(archived("1.csv"), &aside).expect("lose a file");
    now("archive/ has");
    fs::rename(aside, archived("0.csv").with_file_name("1.csv")).expect("mend");
    drop.put("left.csv", "");
    now("inbox/ has");
}
