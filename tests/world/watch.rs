//! No watch to be had: the inbox is read instead, that is told, and the watch comes back by itself.
//!
//! A user namespace has limits of its own, so nobody else's are touched.

use std::process::Command;

use rustix::process::Pid;

use crate::filesystem::{Kind, drop_with, succeeds};
use crate::harness::{Daemon, Drop, has};
use crate::hold::{all_done, put_row};

/// Only events find files where there are any.
const EVENTS_ONLY: &str = "rescan = \"1d\"";

/// A daemon whose limit of that name is 0. `None`: no namespace can be had.
fn start_without(drop: &Drop, limit: &str) -> Option<Daemon> {
    if !has("unshare") || !has("nsenter") {
        return None;
    }
    let may =
        Command::new("unshare").args(["--user", "--map-root-user", "true"]).status().is_ok_and(|tried| tried.success());
    if !may {
        eprintln!("skipped: this user may not make a user namespace");
        return None;
    }
    let script = format!("echo 0 >/proc/sys/user/{limit} && exec \"$@\"");
    let mut daemon = drop.launch_through(&["unshare", "--user", "--map-root-user", "sh", "-c", &script, "sh"]);
    daemon.wait_for("daemon.started");
    Some(daemon)
}

fn raise(pid: Pid, limit: &str) {
    let script = format!("echo 100 >/proc/sys/user/{limit}");
    let target = format!("--target={}", pid.as_raw_pid());
    succeeds(Command::new("nsenter").args([&target, "--user", "--preserve-credentials", "sh", "-c", &script]));
}

fn polls_until_raised(limit: &str, advice: &str) {
    let drop = Drop::with(EVENTS_ONLY);
    let Some(mut daemon) = start_without(&drop, limit) else { return };
    let told = daemon.wait_for("folder.polling");
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains(advice)), "{told}");
    assert!(!daemon.has_heard("folder.watching"));
    for number in 0..3 {
        put_row(&drop, number);
        daemon.wait_for_file("file.archived", &format!("{number}.csv"));
    }
    raise(daemon.pid(), limit);
    daemon.wait_for("folder.watching");
    put_row(&drop, 3);
    daemon.wait_for_file("file.archived", "3.csv");
    assert!(!daemon.has_heard("folder.polling"), "it is told once");
    all_done(daemon, &drop, 0..4);
}

/// fault 11
#[test]
fn a_folder_on_fuse_is_read_instead_and_its_files_are_taken_when_they_stay_as_they_are() {
    let Some((drop, _fuse)) = drop_with(&Kind::Fuse, "drop", "", "settle = \"100ms\"") else { return };
    let mut daemon = drop.launch();
    let told = daemon.wait_for("folder.polling");
    assert_eq!(told["reason"], "FUSE gives no events");
    for number in 0..3 {
        // As another machine writes it: nobody here hears of it.
        let behind = drop.root().join("drop.behind/inbox").join(format!("{number}.csv"));
        std::fs::write(behind, format!("id\n{number}\n")).expect("write behind it");
        daemon.wait_for_file("file.archived", &format!("{number}.csv"));
    }
    all_done(daemon, &drop, 0..3);
}

/// fault 10
#[test]
fn without_a_watch_to_be_had_files_are_taken_and_the_watch_comes_back_by_itself() {
    polls_until_raised("max_inotify_watches", "fs.inotify.max_user_watches");
}

/// fault 10
#[test]
fn without_an_inotify_instance_files_are_taken_and_the_watch_comes_back_by_itself() {
    polls_until_raised("max_inotify_instances", "fs.inotify.max_user_instances");
}
