//! The drain: what is in hand is finished, it is said what is waited for, and there is an end to waiting.

mod harness;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::manager::Manager;
use harness::{Daemon, Drop, eventually};
use jiff::Timestamp;
use rusqlite::Connection;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use serde_json::Value;

/// A folder whose command waits for a word: the test decides how long it takes.
struct Slow {
    drop: Drop,
}

impl Slow {
    fn with(daemon_keys: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let gate = root.path().join("gate");
        mkfifoat(CWD, &gate, Mode::RWXU).expect("make a FIFO");
        let script = format!("read -r word <{}; echo $word", gate.display());
        Self { drop: Drop::at(root, daemon_keys, &run(&script)) }
    }

    /// Returns when a command waits; it goes on when a word is written.
    fn open_gate(&self) -> File {
        OpenOptions::new().write(true).open(self.drop.root().join("gate")).expect("open the FIFO")
    }
}

/// Keys of a folder that runs this shell script; `$1` is the file.
fn run(script: &str) -> String {
    format!("run = {{ command = [\"/bin/sh\", \"-c\", \"{script}\", \"sh\", \"{{path}}\"] }}")
}

/// What is charged to a file, and how often it was tried in vain.
fn charged(drop: &Drop, name: &str) -> (i64, i64) {
    let sql = "SELECT attempts, (SELECT count(*) FROM failure WHERE file_id = id) FROM file WHERE name = ?";
    drop.ledger().query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).expect("a file of the ledger")
}

/// Processes that were started for a file below here.
fn commands_below(root: &Path) -> Vec<PathBuf> {
    let ours = format!("IMPORTERD_PATH={}", root.display()).into_bytes();
    let processes = fs::read_dir("/proc").expect("read /proc").flatten().map(|process| process.path());
    let is_ours = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|pair| pair.starts_with(&ours))
    };
    processes.filter(is_ours).collect()
}

fn is_progress(record: &Value) -> bool {
    record["msg"].as_str().is_some_and(|text| text.starts_with("draining: 1 file in hand, oldest"))
}

/// fault 81
#[test]
fn a_drain_finishes_the_slow_command_in_hand_and_takes_nothing_new() {
    let slow = Slow::with("processors = 1");
    let mut daemon = slow.drop.start();
    slow.drop.put("a.txt", "a");
    let mut gate = slow.open_gate();
    daemon.signal(Signal::TERM);
    daemon.wait_for("daemon.draining");
    slow.drop.put("late.txt", "late");
    daemon.wait_until("progress", is_progress);
    gate.write_all(b"finished\n").expect("write into the FIFO");
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!(slow.drop.read("results", "a.txt.out"), b"finished\n");
    assert_eq!(slow.drop.names("archive"), ["a.txt"]);
    assert_eq!(slow.drop.names("inbox"), ["late.txt"]);
    assert_eq!(slow.drop.names("active"), [""; 0]);
}

/// fault 81
#[test]
fn a_drain_past_its_grace_ends_the_commands_and_the_next_start_does_their_files_uncharged() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let (log, open) = (root.path().join("log"), root.path().join("open"));
    let script = format!(
        "trap 'echo told >>{log}' TERM; sleep 1000 & echo begun >>{log}; \
         while [ ! -e {open} ]; do sleep 0.02; done; kill $!; echo done",
        log = log.display(),
        open = open.display()
    );
    let drop = Drop::at(root, "processors = 1\ndrain_grace = \"500ms\"", &run(&script));
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    eventually("the command has begun", || fs::read_to_string(&log).is_ok_and(|log| log.contains("begun\n")));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_for("daemon.abandoned")["in_hand"], 1);
    assert_eq!(daemon.end().code(), Some(75));
    assert_eq!(fs::read_to_string(&log).expect("the log"), "begun\ntold\n", "SIGTERM first, to the group");
    assert_eq!(commands_below(drop.root()), [] as [PathBuf; 0], "then SIGKILL, to the group");
    assert_eq!(drop.names("active"), ["a.txt"], "it stays claimed");
    assert_eq!(drop.names("results"), [""; 0]);

    fs::write(open, "").expect("let it go on");
    let mut daemon = drop.launch();
    assert_eq!(daemon.wait_for("daemon.started")["recovered"], 1);
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "a.txt.out"), b"done\n");
    assert_eq!(charged(&drop, "a.txt"), (0, 0));
}

/// fault 82
#[test]
fn a_second_signal_ends_at_once_and_leaves_the_file_claimed() {
    let slow = Slow::with("processors = 1\ndrain_grace = \"1d\"");
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::INT)] {
        let mut daemon = slow.drop.launch();
        slow.drop.put("a.txt", "a");
        let _gate = slow.open_gate();
        daemon.signal(first);
        daemon.wait_for("daemon.draining");
        // One that comes at once has the same cause as the first.
        let mut told = || {
            daemon.signal(second);
            daemon.next_within(Duration::from_millis(100)).is_some_and(|record| record["event"] == "daemon.abandoned")
        };
        eventually("it is told a second time", &mut told);
        assert_eq!(daemon.end().code(), Some(75));
        assert_eq!(commands_below(slow.drop.root()), [] as [PathBuf; 0]);
        assert_eq!(slow.drop.names("active"), ["a.txt"]);
        fs::remove_file(slow.drop.path().join("active/0/a.txt")).expect("take it away");
    }
}

/// fault 82: timeout(1) signals its child, and then the group that the child is in.
#[test]
fn two_signals_of_one_cause_are_one_stop() {
    let slow = Slow::with("processors = 1\ndrain_grace = \"1d\"");
    let mut daemon = slow.drop.launch();
    slow.drop.put("a.txt", "a");
    let mut gate = slow.open_gate();
    // Of two that are alike, the second may be lost in the first.
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::INT);
    daemon.wait_for("daemon.draining");
    daemon.wait_until("progress", is_progress);
    gate.write_all(b"finished\n").expect("write into the FIFO");
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!(slow.drop.names("archive"), ["a.txt"]);
}

#[test]
fn a_hangup_storm_ends_nothing() {
    // fault 82
    let drop = Drop::new();
    let mut daemon = drop.start();
    for _ in 0..100 {
        daemon.signal(Signal::HUP);
    }
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_drain_says_every_five_seconds_what_it_waits_for() {
    let slow = Slow::with("processors = 1");
    let mut daemon = slow.drop.start();
    slow.drop.put("a.txt", "a");
    let mut gate = slow.open_gate();
    daemon.signal(Signal::TERM);
    let told: Vec<Timestamp> = (0..3)
        .map(|_| {
            let record = daemon.wait_until("progress", is_progress);
            let text = record["msg"].as_str().expect("text");
            assert!(text.ends_with(" s (a.txt)"), "{text}");
            record["ts"].as_str().expect("a time").parse().expect("a time")
        })
        .collect();
    for pair in told.windows(2) {
        // Every five seconds, and what a loaded machine adds.
        let gap_secs = pair[1].duration_since(pair[0]).as_secs_f64();
        assert!((4.0..8.0).contains(&gap_secs), "{gap_secs} s");
    }
    gate.write_all(b"finished\n").expect("write into the FIFO");
    assert_eq!(daemon.end().code(), Some(0));
}

/// faults 81, 92
#[test]
fn a_stop_while_the_target_is_locked_ends_well_and_leaves_the_file_claimed_and_the_next_start_imports_it() {
    let drop = Drop::with_daemon("backoff = { min = \"10ms\", max = \"50ms\" }", "");
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    let target = drop.rows();
    target.execute_batch("BEGIN EXCLUSIVE").expect("lock the target");
    drop.put("b.csv", "id\n2\n");
    let cause = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(cause.contains("locked by another program"), "{cause}");
    daemon.signal(Signal::TERM);
    let drained = daemon.wait_until("the end, and no second pause", |record| {
        assert_ne!(record["event"], "folder.paused");
        record["event"] == "daemon.drained"
    });
    assert_eq!(drained["in_hand"], 1);
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!(drop.names("active"), ["b.csv"]);
    target.execute_batch("ROLLBACK").expect("unlock the target");
    let mut daemon = drop.start();
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
    assert_eq!(charged(&drop, "b.csv"), (0, 0));
}

/// A file is in; then the target is locked, another file is claimed, and the daemon told to stop.
fn stopped_over_a_locked_target() -> (Drop, Daemon, Connection) {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    let target = drop.rows();
    target.execute_batch("BEGIN EXCLUSIVE").expect("lock the target");
    drop.put("b.csv", "id\n2\n");
    daemon.wait_for_file("file.claimed", "b.csv");
    daemon.signal(Signal::TERM);
    (drop, daemon, target)
}

/// fault 81
#[test]
fn a_folder_that_is_held_only_after_the_stop_is_told_with_the_cause() {
    let (_drop, mut daemon, _target) = stopped_over_a_locked_target();
    daemon.wait_for("daemon.draining");
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].to_string().contains("locked by another program"), "{paused}");
    assert_eq!(daemon.wait_for("daemon.drained")["in_hand"], 1);
    assert_eq!(daemon.end().code(), Some(0));
}

/// faults 81, 92
#[test]
fn a_stop_while_a_commit_waits_for_the_target_finishes_it_when_the_target_is_free_in_time() {
    let (drop, mut daemon, target) = stopped_over_a_locked_target();
    daemon.wait_until("progress", is_progress);
    target.execute_batch("ROLLBACK").expect("unlock the target");
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
    assert_eq!(drop.names("archive"), ["a.csv", "b.csv"]);
}

#[test]
fn the_service_manager_hears_of_readiness_after_recovery_and_of_the_drain_to_its_end() {
    let slow = Slow::with("processors = 1");
    let drop = &slow.drop;
    let manager = Manager::listen(drop.root());
    let notified = || {
        let mut command = drop.command(&["run"]);
        command.env("NOTIFY_SOCKET", &manager.path);
        Daemon::of(command)
    };
    committed_and_not_archived(&slow);
    let mut daemon = notified();
    manager.up_to("READY=1");
    assert_eq!(drop.names("archive"), ["done.txt"], "recovery comes before readiness");
    drop.put("a.txt", "a");
    let mut gate = slow.open_gate();
    daemon.signal(Signal::TERM);
    manager.up_to("STOPPING=1\nSTATUS=draining");
    let mut heard = manager.up_to("EXTEND_TIMEOUT_USEC=15000000");
    heard.extend(manager.up_to("EXTEND_TIMEOUT_USEC=15000000"));
    assert!(heard.iter().any(|said| said.contains("STATUS=draining: 1 file in hand, oldest ")), "{heard:?}");
    gate.write_all(b"finished\n").expect("write into the FIFO");
    assert_eq!(daemon.end().code(), Some(0));
    heard.extend(manager.rest());
    assert!(heard.iter().all(|said| !said.contains("watching")), "the status of a drain is of the drain: {heard:?}");
}

/// Leaves what a kill between commit and archive leaves.
fn committed_and_not_archived(slow: &Slow) {
    let drop = &slow.drop;
    let mut daemon = drop.start();
    drop.put("done.txt", "done");
    slow.open_gate().write_all(b"finished\n").expect("write into the FIFO");
    daemon.wait_for_file("file.archived", "done.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    let archived = harness::files(&drop.path().join("archive")).pop().expect("an archived file");
    fs::rename(archived, drop.path().join("active/0/done.txt")).expect("undo the archive");
    let undone = drop.ledger().execute("UPDATE file SET state = 'committed', place = NULL", []).expect("the ledger");
    assert_eq!(undone, 1);
}
