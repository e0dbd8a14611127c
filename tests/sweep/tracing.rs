//! The tracer does what its plans say: without that no sweep proves anything.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;

use crate::tracer::calls::{CHANGING, FLUSHES, RENAMES};
use crate::tracer::{Change, Plan, Report, Tracer};

/// Three directories made by three processes; then half a line, and all of it.
const SCRIPT: &str = "mkdir a; mkdir b; mkdir c; printf 0123456789 >digits; exit 3";

fn traced(at: &Path, script: &str, plan: Plan) -> Report {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).current_dir(at).stderr(Stdio::null());
    Tracer::start(command, CHANGING, plan).expect("start").run().expect("trace")
}

fn made(at: &Path) -> String {
    ["a", "b", "c"].into_iter().filter(|name| at.join(name).exists()).collect()
}

#[test]
fn a_kill_at_each_call_ends_the_tree_before_the_call_is_done() {
    let mut stories = Vec::new();
    for at in 1.. {
        let root = tempfile::tempdir().expect("a temporary directory");
        let report = traced(root.path(), SCRIPT, Plan::KillAt(at));
        let Some(hit) = report.hit else {
            assert_eq!((report.code, made(root.path())), (Some(3), "abc".to_owned()), "unhit it runs to its end");
            break;
        };
        assert_eq!((report.code, report.calls), (None, at), "{hit}");
        stories.push((hit.call, hit.target.split('/').next_back().unwrap_or_default().to_owned(), made(root.path())));
    }
    let mkdirs: Vec<_> = stories.iter().filter(|(call, ..)| *call == "mkdir").collect();
    let [first, second, third] = mkdirs[..] else { panic!("{stories:?}") };
    assert_eq!([&first.2, &second.2, &third.2], ["", "a", "ab"]);
    assert_eq!([&first.1, &second.1, &third.1], ["a", "b", "c"]);
}

#[test]
fn an_injected_error_is_what_the_program_sees_and_nothing_is_done() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let count = traced(root.path(), "exec mkdir a", Plan::Count).calls;
    fs::remove_dir(root.path().join("a")).expect("made");
    let at = (1..=count).find(|&at| {
        let report = traced(root.path(), "exec mkdir a", Plan::ChangeAt(at, Change::Fail(Errno::ENOSPC)));
        let hit = report.hit.expect("a call of that number");
        let is_it = hit.call == "mkdir";
        assert_eq!((is_it, is_it), (report.code == Some(1), !root.path().join("a").exists()), "{hit}");
        let _ = fs::remove_dir(root.path().join("a"));
        is_it
    });
    at.expect("mkdir calls mkdir");
}

#[test]
fn a_halved_write_writes_half_and_the_program_is_told() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let whole = traced(root.path(), "printf 0123456789 >digits", Plan::Count).calls;
    let halved: Vec<_> = (1..=whole)
        .map(|at| traced(root.path(), "printf 0123456789 >digits", Plan::ChangeAt(at, Change::Halve)))
        .filter(|report| report.hit.as_ref().is_some_and(|hit| hit.call == "write"))
        .collect();
    assert_eq!(halved.len(), 1);
    assert_eq!(halved[0].calls, whole + 1, "the rest is written by another call");
    assert_eq!(fs::read(root.path().join("digits")).expect("read"), b"0123456789");
}

#[test]
fn calls_that_lie_are_not_done_and_say_nothing() {
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::write(root.path().join("from"), "").expect("write");
    let mut command = Command::new("/bin/mv");
    command.args(["from", "to"]).current_dir(root.path()).stderr(Stdio::null());
    let report = Tracer::start(command, RENAMES, Plan::ChangeAll(Change::Skip)).expect("start").run().expect("trace");
    assert_eq!((report.code, report.changed), (Some(0), 1));
    assert!(root.path().join("from").exists() && !root.path().join("to").exists());
    let mut command = Command::new("/bin/sync");
    command.arg("from").current_dir(root.path());
    let report = Tracer::start(command, FLUSHES, Plan::ChangeAll(Change::Skip)).expect("start").run().expect("trace");
    assert_eq!((report.code, report.changed), (Some(0), 1));
}
