//! The measurement: the same questions and the same work with a young ledger, and with one of very many files.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use jiff::Timestamp;
use rustix::fs::{Advice, fadvise};
use serde_json::Value;

use super::harness::{Daemon, Drop, PATIENCE};
use super::long::prolong;

const BACKLOG_FILES: usize = 2_000;
const ROUNDS: usize = 5;

/// Prints a table: a young ledger beside one of so many files.
pub fn measure(files: u64) {
    let began = Instant::now();
    let (young, old) = (made(), made());
    let grown = prolong(&old, files);
    println!("made in {} s", began.elapsed().as_secs());
    println!("bytes a file, with indexes: {grown}");
    println!("{:<34} {:>26} {:>26}", "", "young: median (min, max)", "old: median (min, max)");
    let row = |what: &str, unit: &str, of: &mut dyn FnMut(&Drop) -> f64| {
        // Alternately: what else the machine does meets both.
        let (mut young_took, mut old_took) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            young_took.push(of(&young));
            old_took.push(of(&old));
        }
        println!("{what:<34} {:>26} {:>26}", shown(young_took, unit), shown(old_took, unit));
    };
    for (what, at) in
        [("explain the first file", 0.0), ("explain the one in the middle", 0.5), ("explain the last file", 1.0)]
    {
        row(what, "ms", &mut |drop| millis(&["explain", &name_at(drop, at)], drop));
    }
    row("explain the one in the middle, cold", "ms", &mut |drop| {
        let name = name_at(drop, 0.5);
        uncache(drop);
        millis(&["explain", &name], drop)
    });
    row("explain a name nobody knows", "ms", &mut |drop| millis(&["explain", "nobody.csv"], drop));
    row("status", "ms", &mut |drop| millis(&["status"], drop));
    row("ls", "ms", &mut |drop| millis(&["ls"], drop));
    row("ls --duplicate", "ms", &mut |drop| millis(&["ls", "--duplicate"], drop));
    row("start to READY", "ms", &mut |drop| {
        let (daemon, took) = started(drop);
        assert_eq!(daemon.stop().code(), Some(0));
        took
    });
    let mut rounds = 0;
    row(&format!("backlog of {BACKLOG_FILES} files"), "files/s", &mut |drop| {
        rounds += 1;
        backlog(drop, rounds)
    });
    // Last: a large ledger is looked at after this, while the daemon works.
    row("start to READY after a kill", "ms", &mut |drop| {
        started(drop).0.kill();
        let (daemon, took) = started(drop);
        assert_eq!(daemon.stop().code(), Some(0));
        took
    });
}

/// A folder that has done one file.
fn made() -> Drop {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("it can be measured");
    let drop = Drop::at(root, "", "");
    drop.put("first.csv", "id,name\n77000000,first\n");
    assert!(drop.once().success());
    drop
}

/// The name of the file at this part of the history.
fn name_at(drop: &Drop, part: f64) -> String {
    let sql =
        "SELECT name FROM file WHERE id >= (SELECT min(id) + (max(id) - min(id)) * ? FROM file) ORDER BY id LIMIT 1";
    drop.ledger().query_row(sql, [part], |row| row.get(0)).expect("it can be measured")
}

fn millis(arguments: &[&str], drop: &Drop) -> f64 {
    let mut command = drop.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    command.status().expect("it can be measured");
    began.elapsed().as_secs_f64() * 1e3
}

/// Nothing of ledger and target is in memory any more.
fn uncache(drop: &Drop) {
    for name in ["ledger.db", "rows.db"] {
        let file = fs::File::open(drop.state().join(name)).expect("it can be measured");
        file.sync_all().expect("it can be measured");
        fadvise(&file, 0, None, Advice::DontNeed).expect("it can be measured");
    }
}

/// The daemon, and how long it took to be ready.
fn started(drop: &Drop) -> (Daemon, f64) {
    let began = Timestamp::now();
    let mut daemon = quietly(drop);
    let ready = next(&mut daemon, "daemon.started");
    (daemon, ready.duration_since(began).as_secs_f64() * 1e3)
}

/// Files a second, from READY to the last commit.
fn backlog(drop: &Drop, round: usize) -> f64 {
    for file in 0..BACKLOG_FILES {
        drop.put(format!("{round}-{file}.csv"), format!("id,name\n{file},{round}\n"));
    }
    let mut daemon = quietly(drop);
    let ready = next(&mut daemon, "daemon.started");
    let mut last = ready;
    for _ in 0..BACKLOG_FILES {
        last = next(&mut daemon, "file.committed");
    }
    assert_eq!(daemon.stop().code(), Some(0));
    #[expect(clippy::cast_precision_loss, reason = "few files")]
    let files = BACKLOG_FILES as f64;
    files / last.duration_since(ready).as_secs_f64()
}

/// Without the events of every stage: the log is not what is measured.
fn quietly(drop: &Drop) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.args(["run", "--log", "json"]).arg("--config").arg(drop.settings());
    command.arg("--state-dir").arg(drop.state()).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    Daemon::of(command)
}

fn next(daemon: &mut Daemon, event: &str) -> Timestamp {
    loop {
        let record: Value = daemon.next_within(PATIENCE).expect("the daemon goes on");
        assert!(record["level"] != "ERROR" && record["level"] != "CRITICAL", "{record}");
        if record["event"] == event {
            return record["ts"].as_str().and_then(|time| time.parse().ok()).expect("a time");
        }
    }
}

fn shown(mut took: Vec<f64>, unit: &str) -> String {
    took.sort_by(f64::total_cmp);
    let digits = usize::from(took[0] < 100.0);
    format!("{:.digits$} ({:.digits$}, {:.digits$}) {unit}", took[took.len() / 2], took[0], took[took.len() - 1])
}
