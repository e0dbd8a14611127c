//! Two daemons, and signals at odd moments. faults 81, 82, 86

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Daemon, Drop, eventually};
use rustix::process::Signal;

fn raw_pid(daemon: &Daemon) -> String {
    daemon.pid().as_raw_nonzero().to_string()
}

/// A second daemon says who has the place, and ends by itself.
fn assert_refused(second: Command, first: &Daemon, place: &Path) {
    let mut second = Daemon::of(second);
    let said = second.wait_until("its refusal", |record| record["code"] == "in_use");
    let text = format!("{}: in use by another importerd (pid {})", place.display(), raw_pid(first));
    assert_eq!(said["msg"], text);
    assert!(said["hint"].is_string(), "{said}");
    assert_eq!(second.end().code(), Some(69));
}

fn assert_undisturbed(drop: &Drop, mut daemon: Daemon) {
    drop.put("after.csv", "id,name\n1,after\n");
    daemon.wait_for_file("file.archived", "after.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_told_the_pid_of_the_first() {
    let drop = Drop::new();
    let daemon = drop.start();
    let elsewhere = format!("folder.drop.path={}/elsewhere", drop.root().display());
    for command in ["run", "once"] {
        assert_refused(drop.command(&[command, "--set", &elsewhere]), &daemon, &drop.state());
    }
    assert_undisturbed(&drop, daemon);
}

#[test]
fn a_second_daemon_on_the_same_folder_is_refused_and_told_the_pid_of_the_first() {
    let drop = Drop::new();
    let daemon = drop.start();
    let other = Drop::new();
    let same = format!("folder.drop.path={}", drop.path().display());
    for command in ["run", "once"] {
        assert_refused(other.command(&[command, "--set", &same]), &daemon, &drop.path());
    }
    assert_undisturbed(&drop, daemon);
}

#[test]
fn a_folder_is_free_when_its_daemon_was_killed() {
    let drop = Drop::new();
    drop.start().kill();
    assert_undisturbed(&drop, drop.start());
}

#[test]
fn sighup_ends_nothing() {
    // fault 82: a storm of them, in start-up and in service
    let drop = Drop::new();
    let mut daemon = drop.launch();
    eventually_hears(&daemon, Signal::HUP);
    daemon.signal(Signal::HUP);
    daemon.wait_for("folder.watching");
    for _ in 0..100 {
        daemon.signal(Signal::HUP);
    }
    assert_undisturbed(&drop, daemon);
}

/// Waits until a signal no longer has its default effect: from then on it must not be lost.
fn eventually_hears(daemon: &Daemon, signal: Signal) {
    let status = format!("/proc/{}/status", raw_pid(daemon));
    eventually("the signal is heard", || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
    });
}

#[test]
fn a_stop_during_start_up_is_heard_at_once_and_leaves_everything_in_place() {
    // fault 81: it can't be ready, since somebody else has the ledger locked
    let drop = Drop::new();
    drop.put("before.csv", "id,name\n1,before\n");
    assert_eq!(drop.once().code(), Some(0));
    let ledger = drop.ledger();
    ledger.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    drop.put("waiting.csv", "id,name\n2,waiting\n");
    let mut daemon = drop.launch();
    eventually_hears(&daemon, Signal::TERM);
    let told = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code(), Some(0));
    // The ledger is waited for for 5 s.
    assert!(told.elapsed() < Duration::from_secs(4), "it ended after {:?}", told.elapsed());
    assert!(!daemon.has_heard("daemon.started"));
    assert_eq!(drop.names("inbox"), ["waiting.csv"]);
    std::mem::drop(ledger);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
}

#[test]
fn a_stop_at_any_moment_of_the_start_is_clean() {
    // fault 81: one drop folder, stopped ever later, until a start goes through
    let drop = Drop::new();
    drop.put("a.csv", "id,name\n1,a\n");
    let mut later = Duration::ZERO;
    loop {
        let mut daemon = drop.launch();
        eventually_hears(&daemon, Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < later {
            std::thread::yield_now();
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.end().code(), Some(0));
        if daemon.has_heard("file.archived") {
            break;
        }
        later += Duration::from_millis(1);
    }
    assert_eq!(drop.row_count(), 1);
    assert_eq!(drop.names("archive"), ["a.csv"]);
}
