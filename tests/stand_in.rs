//! A folder that lies in the place of another: an empty inbox that is made at every boot on the mount point, or another
//! path in the settings. What is under way waits for the folder that it is in: nothing of it is settled over this one.
//! faults 12, 13

mod harness;
mod tracer;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use harness::{Drop, eventually, open_gate};
use importerd::events::{Event, Kind};
use importerd::folder::survey;
use importerd::ledger::Ledger;
use tracer::calls::CHANGING;
use tracer::{Hit, Plan, Tracer};

const RESULTS: [&str; 3] = ["1.part", "2.part", "3.part"];

/// A folder whose command leaves several results.
fn of_results() -> Drop {
    let script = "cat \\\"$1\\\" >1.part; cp 1.part 2.part; cp 1.part 3.part";
    Drop::with(&format!("run = {{ command = [\"/bin/sh\", \"-c\", \"{script}\", \"sh\", \"{{path}}\"] }}"))
}

/// Dies when it moves the second of a file's results.
fn die_while_publishing(drop: &Drop) {
    drop.put("a.txt", "a");
    let mut command = drop.command(&["once"]);
    command.stderr(Stdio::null());
    let is_of_a_result =
        |hit: &Hit| hit.call.starts_with("rename") && RESULTS.iter().any(|name| hit.target.ends_with(name));
    let tracer = Tracer::start(command, CHANGING, Plan::KillAt(2)).expect("start importerd");
    let report = tracer.only(is_of_a_result).run().expect("trace importerd");
    assert!(report.hit.is_some(), "it is killed");
    assert_eq!((drop.names("results").len(), state(drop)), (1, "committed".to_owned()));
}

/// Another folder lies in its place, with nothing but an inbox. Returns where it lies now.
fn take_away(drop: &Drop) -> PathBuf {
    let away = drop.root().join("away");
    fs::rename(drop.path(), &away).expect("take the folder away");
    fs::create_dir_all(drop.inbox()).expect("make an inbox in its place");
    away
}

fn bring_back(drop: &Drop) {
    fs::rename(drop.path(), drop.root().join("other")).expect("take the other one away");
    fs::rename(drop.root().join("away"), drop.path()).expect("bring it back");
}

/// Of the only file of the ledger, or the last.
fn state(drop: &Drop) -> String {
    drop.ledger().query_row("SELECT state FROM file ORDER BY id DESC", [], |row| row.get(0)).expect("a file")
}

/// How many files gave way to themselves.
fn replaced(drop: &Drop) -> i64 {
    let count = "SELECT count(*) FROM file WHERE state = 'replaced'";
    drop.ledger().query_row(count, [], |row| row.get(0)).expect("a count")
}

fn run(drop: &Drop, words: &[&str]) -> Output {
    drop.command(words).output().expect("run importerd")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// It waits, and says for what.
fn assert_held(drop: &Drop) {
    let before = state(drop);
    let once = run(drop, &["once"]);
    assert_eq!(once.status.code(), Some(75), "{}", text(&once));
    for said in [once, run(drop, &["ledger", "check"]), run(drop, &["check"])] {
        assert!(text(&said).contains("mount its filesystem, or put the folder back"), "{}", text(&said));
        assert_ne!(said.status.code(), Some(0));
    }
    assert_eq!(state(drop), before);
}

#[test]
fn results_that_are_half_published_wait_for_their_folder() {
    let drop = of_results();
    die_while_publishing(&drop);
    take_away(&drop);
    drop.put("b.txt", "b");
    assert_held(&drop);
    assert_eq!(drop.names("inbox"), ["b.txt"], "nothing is taken");
    bring_back(&drop);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.names("results"), state(&drop)), (RESULTS.map(Into::into).into(), "archived".to_owned()));
    assert_eq!(drop.names("archive"), ["a.txt"]);
}

#[test]
fn under_a_running_daemon_they_wait_as_well() {
    let drop = of_results();
    die_while_publishing(&drop);
    take_away(&drop);
    let mut daemon = drop.launch();
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().is_some_and(|reason| reason.contains("#1 is under way")), "{paused}");
    bring_back(&drop);
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), RESULTS);
}

/// A folder that knows the numbers passes for the one that they are in: a copy, or one that was worked on as well.
#[test]
fn results_are_published_also_of_a_file_that_was_missed_in_a_copy_of_its_folder() {
    let drop = of_results();
    die_while_publishing(&drop);
    let away = take_away(&drop);
    fs::create_dir(drop.path().join("active")).expect("make a directory");
    fs::copy(away.join("active/.ledger"), drop.path().join("active/.ledger")).expect("copy what it remembers");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(state(&drop), "archived", "the control: it was missed");
    bring_back(&drop);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.names("results"), drop.names("archive")), (RESULTS.map(Into::into).into(), vec!["a.txt".into()]));
}

/// fault 80
/// A folder copied in two passes, as one does that is moved to another disk: in the first its command was half way.
#[test]
fn a_copy_of_what_a_command_was_making_is_not_published_when_its_file_is_done() {
    let root = tempfile::tempdir().expect("a directory");
    let gate = root.path().join("gate");
    let script = format!("echo half >1.part; cat '{}' >/dev/null; echo whole >1.part", gate.display());
    let drop = Drop::at(root, "", &format!("run = {{ command = [\"/bin/sh\", \"-c\", \"{script}\"] }}"));
    drop.gate("gate");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    let copy = drop.root().join("copy");
    let copied = |from: PathBuf| {
        let copied = Command::new("cp").arg("-a").arg(from).arg(&copy).status();
        assert!(copied.expect("run cp").success());
    };
    eventually("the command is half way", || is_made_in(&drop.path()));
    copied(drop.path());
    assert!(is_made_in(&copy), "the control: it is in the copy");
    open_gate(&gate, "");
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    copied(drop.path().join("."));
    fs::rename(drop.path(), drop.root().join("old")).expect("take the old one away");
    fs::rename(&copy, drop.path()).expect("bring the copy");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("results"), ["1.part"]);
    assert_eq!(fs::read_to_string(drop.path().join("results/1.part")).expect("a result"), "whole\n");
}

/// Whether a command has made something, and not come to its end.
fn is_made_in(folder: &Path) -> bool {
    let found = Command::new("find").arg(folder.join("active")).args(["-name", "1.part", "-size", "+0"]).output();
    !found.expect("run find").stdout.is_empty()
}

#[test]
fn a_file_on_its_way_out_of_quarantine_waits_for_its_folder() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1,2\n");
    assert_eq!(drop.once().code(), Some(1));
    let refused = drop.path().join("quarantine/a.csv");
    fs::write(&refused, "id\n1\n").expect("mend it");
    let ledger = Ledger::open(&drop.state()).expect("the ledger");
    let row = ledger.by_name(OsStr::new("a.csv")).expect("a row").remove(0);
    let identity = survey::at(&refused).expect("the file").identity;
    ledger.release(&[(row.id, identity)], &[Event::new(Kind::FileRetried).folder("drop")]).expect("an order");
    std::mem::drop(ledger);
    take_away(&drop);
    assert_held(&drop);
    let retried = run(&drop, &["retry", "--failed"]);
    assert!(!retried.status.success() && text(&retried).contains("put the folder back"), "{}", text(&retried));
    bring_back(&drop);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.names("archive"), drop.names("quarantine")), (vec!["a.csv".into()], vec![]));
}

#[test]
fn a_file_that_is_to_be_loaded_again_waits_for_its_folder() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    assert!(run(&drop, &["replay", "a.csv"]).status.success());
    take_away(&drop);
    assert_held(&drop);
    bring_back(&drop);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(replaced(&drop), 1);
}

/// It was worked on in the same life of the daemon: its numbers are others all the same.
#[test]
fn a_folder_that_got_files_in_the_place_of_the_right_one_does_not_pass_for_it_later() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    let mut done = |name: &str, content: &str| {
        drop.put(name, content);
        daemon.wait_for_file("file.archived", name);
    };
    done("a.csv", "id\n1\n");
    take_away(&drop);
    done("b.csv", "id\n2\n");
    bring_back(&drop);
    done("c.csv", "id\n3\n");
    // So that what is ordered waits.
    for order in [["pause", "drop"], ["replay", "a.csv"]] {
        assert!(run(&drop, &order).status.success());
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(run(&drop, &["resume", "drop"]).status.success());
    fs::rename(drop.path(), drop.root().join("away")).expect("take the folder away");
    fs::rename(drop.root().join("other"), drop.path()).expect("put the other one in its place");
    assert_eq!(drop.names("archive"), ["b.csv"], "the control: it is the other one");
    assert_held(&drop);
    bring_back(&drop);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(replaced(&drop), 1);
}

/// The way on that is named: the folder is gone, and another one is to take its place.
#[test]
fn what_was_under_way_in_a_folder_that_is_gone_for_good_is_let_go_by_a_word() {
    let drop = of_results();
    die_while_publishing(&drop);
    fs::remove_dir_all(take_away(&drop)).expect("remove the folder");
    assert_held(&drop);
    let rebuilt = run(&drop, &["ledger", "rebuild", "--yes"]);
    assert!(rebuilt.status.success(), "{}", text(&rebuilt));
    drop.put("b.txt", "b");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.names("results"), drop.names("archive")), (RESULTS.map(Into::into).into(), vec!["b.txt".into()]));
    let story = text(&run(&drop, &["explain", "a.txt"]));
    assert!(story.contains("it was moved on or removed meanwhile"), "{story}");
    assert!(run(&drop, &["ledger", "check"]).status.success());
}

/// The control: what is done, and what waits in an inbox, is in nobody's way.
#[test]
fn a_new_folder_begins_where_nothing_is_under_way() {
    let drop = Drop::with_daemon(
        "backoff = { min = \"1h\", max = \"1h\" }",
        "run = { command = [\"/bin/sh\", \"-c\", \"case $1 in *later*) exit 75;; esac\", \"sh\", \"{path}\"] }",
    );
    drop.put("a.txt", "a");
    drop.put("later.txt", "later");
    assert_eq!(drop.once().code(), Some(75));
    assert_eq!((drop.names("archive"), drop.names("inbox")), (vec!["a.txt".into()], vec!["later.txt".into()]));
    take_away(&drop);
    drop.put("b.txt", "b");
    drop.once();
    assert_eq!(drop.names("archive"), ["b.txt"]);
}
