//! A backlog: files that lie in the inbox when the daemon starts. It begins at once, and needs no more memory for
//! many than for few.
//!
//! `benches/backlog` runs this with the release build and 200,000 files, and prints the numbers.
#![allow(clippy::print_stderr, reason = "the numbers are the product of the measurement")]

mod harness;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, Drop, PATIENCE};
use jiff::Timestamp;
use serde_json::Value;

/// How many files, unless `IMPORTERD_BACKLOG` says it.
const FILES: usize = 20_000;
/// After so many files the daemon has all it will ever need, but for what this allows.
const FEW: usize = 5_000;
const GROWTH_KIB_MAX: u64 = 4 * 1024;
/// What is promised of the program that is shipped; a build without optimisation is larger.
const PEAK_KIB_MAX: u64 = if cfg!(debug_assertions) { 96 * 1024 } else { 48 * 1024 };
/// What is promised of the program that is shipped; and what a build without optimisation needs on a machine
/// that has other things to do.
const FIRST_COMMIT_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// fault 21
#[test]
fn a_backlog_is_begun_at_once_and_its_size_costs_no_memory() {
    let files = std::env::var("IMPORTERD_BACKLOG").map_or(FILES, |files| files.parse().expect("a number"));
    let few = FEW.max(files / 10);
    let drop = Drop::new();
    for file in 0..files {
        drop.put(format!("{file}.csv"), format!("id\n{file}\n"));
    }
    let mut daemon = launch_quietly(&drop);
    let ready = next(&mut daemon, "daemon.started");
    let first = next(&mut daemon, "file.committed");
    let began = Instant::now();
    for _ in 1..few {
        next(&mut daemon, "file.committed");
    }
    let peak_of_few = peak_kib(&daemon);
    for _ in few..files {
        next(&mut daemon, "file.committed");
    }
    let (took, peak) = (began.elapsed(), peak_kib(&daemon));
    let first_after = time(&first).duration_since(time(&ready)).unsigned_abs();
    eprintln!("{files} files: {:.0} a second", per_second(files, took));
    eprintln!("first commit {:.3} s after READY", first_after.as_secs_f64());
    eprintln!("peak of memory {peak_of_few} KiB after {few} files, {peak} KiB after {files}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), files as u64);
    assert_eq!(drop.names("archive").len(), files);
    assert!(first_after < FIRST_COMMIT_MAX, "the first commit came {first_after:?} after READY");
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    assert!(peak <= peak_of_few + GROWTH_KIB_MAX, "{peak_of_few} KiB after {few} files, {peak} KiB after {files}");
}

/// Without the events of every stage: the log is not what is measured.
fn launch_quietly(drop: &Drop) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.args(["run", "--log", "json"]).arg("--config").arg(drop.settings());
    command.arg("--state-dir").arg(drop.state()).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    Daemon::of(command)
}

/// The next event of that name. What else is said is forgotten: the test must not remember a whole backlog.
fn next(daemon: &mut Daemon, event: &str) -> Value {
    loop {
        let record = daemon.next_within(PATIENCE).expect("the daemon goes on");
        assert!(record["level"] != "ERROR" && record["level"] != "CRITICAL", "{record}");
        if record["event"] == event {
            return record;
        }
    }
}

fn time(record: &Value) -> Timestamp {
    record["ts"].as_str().and_then(|time| time.parse().ok()).expect("a time")
}

/// The most memory that the daemon ever had.
fn peak_kib(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid().as_raw_pid())).expect("read its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[expect(clippy::cast_precision_loss, reason = "fewer files than a float can count")]
fn per_second(files: usize, took: Duration) -> f64 {
    files as f64 / took.as_secs_f64()
}
