//! A ready marker counts for one upload, also where the daemon dies, or a move fails, between the claim of a file and
//! the move of its marker: else the next upload of the name would be taken before it is complete.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod harness;
mod tracer;

use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;
use std::process::Command;

use harness::nobody::{NOBODY, unprivileged};
use harness::{Daemon, Drop, eventually, has};
use nix::errno::Errno;
use tracer::calls::{CHANGING, Call};
use tracer::{Change, Hit, Plan, Report, Tracer};

const CALLS: &[Call] = CHANGING;
/// More than a life with one file has.
const RENAMES_MAX: u64 = 20;

fn marked() -> Drop {
    let drop = Drop::with_daemon("backoff = { min = \"10ms\", max = \"100ms\" }", "ready = { marker = \".done\" }");
    drop.put("a.csv", "id\n1\n");
    drop.put("a.csv.done", "");
    drop
}

/// A life over what is there, in which one move of a file comes to another end.
fn live(drop: &Drop, plan: Plan) -> Report {
    let mut command = drop.command(&["once"]);
    command.stderr(std::process::Stdio::null());
    let is_move = |hit: &Hit| hit.call.starts_with("rename");
    Tracer::start(command, CALLS, plan).expect("start importerd").only(is_move).run().expect("trace importerd")
}

/// The next upload of the name comes in two parts, and the marker behind them.
fn assert_next_upload_is_waited_for(drop: &Drop, what: &str) {
    assert_eq!(drop.names("inbox"), [""; 0], "{what}: the marker is left behind");
    drop.put("a.csv", "id\n2\n");
    drop.once();
    assert_eq!((drop.row_count(), drop.names("inbox")), (1, vec!["a.csv".into()]), "{what}: half an upload is taken");
    drop.put("a.csv", "id\n2\n3\n");
    drop.put("a.csv.done", "");
    assert!(drop.once().success(), "{what}");
    assert_eq!((drop.row_count(), drop.names("inbox")), (3, vec![]), "{what}");
}

/// faults 20, 80
#[test]
fn a_kill_at_any_move_leaves_no_marker_for_the_next_upload() {
    let mut left = 0;
    for at in 1..RENAMES_MAX {
        let drop = marked();
        let report = live(&drop, Plan::KillAt(at));
        let Some(hit) = report.hit else {
            assert!(at > 3, "the file, its marker, and the file again are moved");
            break;
        };
        // The control: there is something to be mended.
        left += usize::from(drop.names("inbox") == ["a.csv.done"]);
        assert!(drop.once().success());
        assert_next_upload_is_waited_for(&drop, &format!("killed at {hit}"));
    }
    assert!(left > 0, "no death was between the two moves");
}

/// faults 20, 68
#[test]
fn a_move_that_fails_leaves_no_marker_for_the_next_upload() {
    let mut failed = Vec::new();
    for at in 1..RENAMES_MAX {
        let drop = marked();
        let Some(hit) = live(&drop, Plan::ChangeAt(at, Change::Fail(Errno::ENOSPC))).hit else { break };
        failed.push(hit.target.clone());
        drop.once();
        assert_next_upload_is_waited_for(&drop, &format!("{hit} failed"));
    }
    assert!(failed.iter().any(|target| target.ends_with("a.csv.done")), "no move of a marker failed: {failed:?}");
}

/// Deaths and faults of the recovery from a death between the moves of a file and its marker.
const SECOND: [Plan; 4] = [
    Plan::KillAt(1),
    Plan::KillAt(2),
    Plan::ChangeAt(1, Change::Fail(Errno::ENOSPC)),
    Plan::ChangeAt(2, Change::Fail(Errno::ENOSPC)),
];

/// faults 20, 68, 80: which files had a command, and so which markers are whose, is known for as long as it is asked.
#[test]
fn what_fails_in_a_recovery_leaves_no_marker_for_the_next_upload_either() {
    const ROUNDS_MAX: usize = 5;
    let mut left = 0;
    // A busy machine may have no two files in one batch: that says nothing.
    for at in iter::repeat_n(1..60, ROUNDS_MAX).flatten() {
        if at == 1 && left > 1 {
            break;
        }
        let keys = "ready = { marker = \".done\" }\nduplicates = \"allow\"\nrun = { command = [\"true\"] }";
        let drop = Drop::with_daemon("processors = 1\nbackoff = { min = \"10ms\", max = \"20ms\" }", keys);
        for file in 10..22 {
            drop.put(format!("{file}"), "dropped");
            drop.put(format!("{file}.done"), "");
        }
        live(&drop, Plan::KillAt(at));
        let inbox = drop.names("inbox");
        let is_left = |name: &&OsString| {
            name.to_str().and_then(|name| name.strip_suffix(".done")).is_some_and(|file| !inbox.contains(&file.into()))
        };
        let staged = std::fs::read_dir(drop.path().join("active/0/.staging")).into_iter().flatten().count();
        if inbox.iter().find(is_left).is_none() || staged == 0 {
            continue;
        }
        live(&drop, SECOND[left % SECOND.len()]);
        left += 1;
        for _ in 0..3 {
            drop.once();
        }
        assert_eq!(drop.names("inbox"), [""; 0], "killed at {at}, and then {:?}", SECOND[(left - 1) % SECOND.len()]);
    }
    assert!(left > 1, "no death was between two moves while another file had its command");
}

/// fault 39
#[test]
fn a_file_whose_marker_can_not_be_moved_waits_until_it_can() {
    let drop = marked();
    let chattr = |flag| {
        let marker = drop.inbox().join("a.csv.done");
        Command::new("chattr").arg(flag).arg(marker).status().is_ok_and(|status| status.success())
    };
    if !chattr("+i") {
        eprintln!("skipped: chattr +i is for root, on a filesystem that knows it");
        return;
    }
    let mut daemon: Daemon = drop.start();
    let told = daemon.wait_for_file("file.deferred", "a.csv");
    let ask = |sql: &str| drop.ledger().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    eventually("it is tried again", || ask("SELECT deferrals FROM file WHERE state = 'deferred'") > 2);
    let rows = drop.row_count();
    assert!(chattr("-i"));
    assert_eq!((told["code"].as_str(), rows), (Some("not_movable"), 0), "{told}");
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(ask("SELECT count(*) FROM file WHERE attempts = 0 AND state = 'archived'"), 1);
    assert_next_upload_is_waited_for(&drop, "movable again");
}

/// Where files and markers go, today and tomorrow.
fn days(drop: &Drop) -> [PathBuf; 2] {
    [0, 1].map(|days| {
        let day = jiff::Zoned::now().checked_add(jiff::Span::new().days(days)).expect("a day");
        drop.path().join("archive").join(day.strftime("%Y-%m-%d").to_string())
    })
}

/// fault 78: the directory is to blame, and nothing is said of the marker.
#[test]
fn an_archive_that_may_not_be_written_to_holds_the_folder_and_no_marker_is_blamed() {
    if !rustix::process::getuid().is_root() || !has("setpriv") {
        eprintln!("skipped: only root can make another user's directory");
        return;
    }
    let drop = Drop::with("settle = \"50ms\"\nready = { marker = \".done\" }");
    for day in days(&drop) {
        std::fs::create_dir(day).expect("make a directory");
    }
    let mut daemon = unprivileged(&drop);
    drop.put("a.csv", "id\n1\n");
    drop.put("a.csv.done", "");
    let paused = daemon.wait_for("folder.paused");
    let reason = paused["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Permission denied") && !reason.contains("take the marker away"), "{paused}");
    for day in days(&drop) {
        std::os::unix::fs::chown(day, Some(NOBODY), Some(NOBODY)).expect("give it to nobody");
    }
    daemon.wait_for_file("file.archived", "a.csv");
    assert!(!daemon.has_heard("file.deferred"), "its marker was blamed");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("inbox"), [""; 0]);
}

/// A hold that lasts for longer than one visit: the marker is moved when the file goes on.
#[test]
fn a_marker_that_could_not_be_moved_for_long_goes_with_its_file() {
    let drop = Drop::with_daemon("backoff = { min = \"10ms\", max = \"50ms\" }", "ready = { marker = \".done\" }");
    let in_the_way = days(&drop);
    for path in &in_the_way {
        std::fs::write(path, "no directory").expect("write a file");
    }
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    drop.put("a.csv.done", "");
    for _ in 0..4 {
        daemon.wait_for("folder.paused");
    }
    assert_eq!(drop.names("inbox"), ["a.csv.done"], "its file is claimed, and it could not be moved");
    for path in &in_the_way {
        std::fs::remove_file(path).expect("remove it");
    }
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_next_upload_is_waited_for(&drop, "held");
}

/// An order, or a question, over this folder.
fn said(drop: &Drop, arguments: &[&str]) -> String {
    let output = drop.command(arguments).output().expect("run importerd");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("a text")
}

/// faults 3, 20: the file is the same, opened anew and emptied as scp does; the marker of what it was is archived.
#[test]
fn half_an_upload_over_a_deferred_file_waits_for_its_own_marker() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let command = format!("[ -e {} ] || exit 75; cat \"$1\"", root.path().join("mended").display());
    let run =
        format!("ready = {{ marker = \".done\" }}\nrun = {{ command = ['sh', '-c', '{command}', 'sh', '{{path}}'] }}");
    let drop = Drop::at(root, "", &run);
    drop.put("a.csv", "whole");
    drop.put("a.csv.done", "");
    assert_eq!(drop.once().code(), Some(75));
    assert_eq!((drop.names("inbox"), drop.names("archive")), (vec!["a.csv".into()], vec!["a.csv.done".into()]));
    std::fs::write(drop.root().join("mended"), "").expect("write a file");
    drop.put("a.csv", "hal");
    let retried = said(&drop, &["retry", "a.csv"]);
    assert!(retried.contains("waits for its ready marker: it was written to"), "{retried}");
    assert_eq!(drop.once().code(), Some(75));
    assert_eq!((drop.names("inbox"), drop.names("results")), (vec!["a.csv".into()], vec![]));
    let daemon = drop.start();
    let story = said(&drop, &["explain", "a.csv"]);
    assert!(
        story.contains("not yet   it was written to since it was put off, and its marker a.csv.done is missing"),
        "{story}"
    );
    let listed = said(&drop, &["ls"]);
    let waits = "it was written to since it was put off, and its marker a.csv.done is missing";
    assert!(listed.contains(waits) && !listed.contains("next try"), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&said(&drop, &["ls", "--json"])).expect("an object");
    assert_eq!(
        (&listed["state"], &listed["reason"], &listed["retry_at"]),
        (&"deferred".into(), &waits.into(), &().into())
    );
    assert!(listed["hint"].as_str().is_some_and(|hint| hint.starts_with("when it is complete: touch ")), "{listed}");
    assert_eq!(daemon.stop().code(), Some(0));
    drop.put("a.csv", "half, and the rest");
    drop.put("a.csv.done", "");
    assert!(drop.once().success());
    assert_eq!(drop.read("results", "a.csv.out"), b"half, and the rest");
    assert_eq!(drop.names("inbox"), [""; 0]);
}

/// A folder of scripts that are run, with one that touches itself on the way, and its marker.
fn touching(attempts: u32, script: &str) -> Drop {
    let keys = "ready = { marker = \".done\" }\nrun = { command = [\"sh\", \"{path}\"] }";
    let backoff = "backoff = { min = \"10ms\", max = \"20ms\" }";
    let drop = Drop::with_daemon(&format!("attempts = {attempts}\n{backoff}"), keys);
    drop.put("a.sh", script);
    drop.put("a.sh.done", "");
    drop
}

/// fault 17: it is no upload that touches it while its command works.
#[test]
fn a_command_that_touches_its_file_lets_it_wait_for_no_marker() {
    let drop = touching(3, "touch -d 2001-01-0$IMPORTERD_ATTEMPT \"$0\"");
    let mut daemon = drop.start();
    daemon.wait_for_many("file.deferred", 2);
    daemon.wait_for_file("file.quarantined", "a.sh");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// fault 17: nor is it run at once again, each time.
#[test]
fn a_command_that_writes_to_its_file_and_asks_for_later_is_run_later_and_waits_for_no_marker() {
    let drop = touching(1, "touch -d 2001-01-01 \"$0\"; exit 75");
    let mut daemon = drop.start();
    daemon.wait_for_many("file.deferred", 3);
    assert!(!daemon.has_heard("file.returned"));
    assert_eq!(daemon.stop().code(), Some(0));
}

/// fault 39: it may be another user's, and could be moved by nobody.
#[test]
fn a_directory_is_no_marker_and_is_left_alone() {
    let drop = marked();
    let directory = drop.inbox().join("a.csv.done");
    std::fs::remove_file(&directory).expect("no marker");
    std::fs::create_dir(&directory).expect("make a directory");
    drop.put("b.csv", "id\n2\n");
    drop.put("b.csv.done", "");
    assert!(drop.once().success());
    assert_eq!((drop.row_count(), drop.names("archive")), (1, vec!["b.csv".into(), "b.csv.done".into()]));
    assert!(directory.is_dir());
    let daemon = drop.start();
    let story = said(&drop, &["explain", "a.csv"]);
    assert!(story.contains("not yet   a.csv.done is a directory, and no marker"), "{story}");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// faults 26, 39: it came before there was such a rule.
#[test]
fn a_file_whose_marker_would_have_too_long_a_name_holds_nobody_up() {
    let drop = Drop::new();
    let [refused, claimed, dropped] = ["r", "c", "d"].map(|letter| format!("{}.csv", letter.repeat(249)));
    drop.put(&refused, "id,name\n3\n");
    assert_eq!(drop.once().code(), Some(1));
    let settings = std::fs::read_to_string(drop.settings()).expect("its settings");
    std::fs::write(drop.settings(), settings + "ready = { marker = \".done\" }\n").expect("write settings");
    std::fs::write(drop.path().join("quarantine").join(&refused), "id,name\n3,c\n").expect("correct it");
    std::fs::create_dir_all(drop.path().join("active/0")).expect("make a directory");
    std::fs::write(drop.path().join("active/0").join(&claimed), "id,name\n4,d\n").expect("left by a kill");
    drop.put(&dropped, "id,name\n5,e\n");
    said(&drop, &["retry", "--failed"]);
    assert!(drop.once().success());
    assert_eq!((drop.row_count(), drop.names("archive")), (2, vec![claimed.into(), refused.into()]));
    let daemon = drop.start();
    let story = said(&drop, &["explain", &dropped]);
    assert!(story.contains("not yet   the name of its marker would be too long"), "{story}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_refused_file_is_not_to_be_moved_back_by_hand_and_one_that_was_says_what_it_waits_for() {
    let drop = marked();
    drop.put("a.csv", "id\n1\n2,3\n");
    assert_eq!(drop.once().code(), Some(1));
    let reason = String::from_utf8(drop.read("quarantine", "a.csv.reason.txt")).expect("a text");
    assert!(reason.contains("retry '#1'\n") && !reason.contains("move it back"), "{reason}");
    std::fs::rename(drop.path().join("quarantine/a.csv"), drop.inbox().join("a.csv")).expect("move it back");
    let listed = said(&drop, &["ls", "--waiting"]);
    assert!(listed.contains("waiting") && listed.contains("its marker a.csv.done is missing"), "{listed}");
    let listed: serde_json::Value =
        serde_json::from_str(&said(&drop, &["ls", "--waiting", "--json"])).expect("an object");
    let hint = listed["hint"].as_str().expect("a hint");
    assert!(hint.starts_with("when it is complete: touch "), "{hint}");
    drop.put("a.csv.done", "");
    let listed = said(&drop, &["ls", "--waiting"]);
    assert!(listed.contains("waiting") && !listed.contains("marker"), "{listed}");
}
