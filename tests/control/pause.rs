//! `importerd pause` and `resume`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::geteuid;
use serde_json::json;

use crate::harness::{Daemon, Drop, eventually};
use crate::{done, order, told};

/// A second folder beside `drop`, to see that the daemon is at work.
fn two_folders(more: &str) -> Drop {
    let root = tempfile::tempdir().unwrap();
    let other = root.path().join("other");
    fs::create_dir_all(other.join("inbox")).unwrap();
    let keys = format!(
        "import = {{ into = \"sqlite:rows.db\" }}\n{more}\n[folder.other]\npath = \"{}\"\nimport = {{ into = \"sqlite:rows.db\" }}",
        other.display()
    );
    Drop::at(root, "", &keys)
}

fn put_in_other(drop: &Drop, daemon: &mut Daemon, name: &str) {
    fs::write(drop.root().join("other/inbox").join(name), format!("id\n{name}\n")).unwrap();
    daemon.wait_for_file("file.archived", name);
}

fn by() -> String {
    format!("uid {}", geteuid().as_raw())
}

#[test]
fn a_paused_folder_takes_nothing_until_it_is_resumed_and_the_others_go_on() {
    let drop = two_folders("");
    let mut daemon = drop.start();
    assert_eq!(done(&drop, &["pause", "drop"]), "drop: paused\n");
    let paused = daemon.wait_for("folder.paused");
    let reason = format!("by an operator ({})", by());
    assert_eq!((&paused["folder"], &paused["reason"], &paused["by"]), (&json!("drop"), &json!(reason), &json!(by())));
    assert_eq!(paused["level"], "WARNING", "it alarms nobody");
    drop.put("a.csv", "id\n1\n");
    put_in_other(&drop, &mut daemon, "1.csv");
    put_in_other(&drop, &mut daemon, "2.csv");
    assert_eq!(drop.names("inbox"), ["a.csv"]);
    assert_eq!(done(&drop, &["pause", "drop"]), "drop: was paused already\n");
    assert_eq!(done(&drop, &["resume", "drop"]), "drop: goes on\n");
    assert_eq!(daemon.wait_for("folder.resumed")["by"], by());
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(done(&drop, &["resume", "--all"]).lines().count(), 2);
    assert!(!daemon.has_heard("folder.resumed"), "what was not paused is not resumed");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// fault 80
#[test]
fn a_pause_survives_kills_and_restarts_and_is_told_of_at_every_start() {
    let drop = two_folders("");
    let daemon = drop.start();
    done(&drop, &["pause", "drop"]);
    daemon.kill();
    drop.put("a.csv", "id\n1\n");
    for round in 0..2 {
        let mut daemon = drop.start();
        assert_eq!(daemon.wait_for("folder.paused")["folder"], "drop");
        put_in_other(&drop, &mut daemon, &format!("{round}.csv"));
        assert_eq!(drop.names("inbox"), ["a.csv"]);
        assert_eq!(daemon.stop().code(), Some(0));
    }
    assert_eq!(done(&drop, &["resume", "drop"]), "drop: goes on\n");
    let mut daemon = drop.start();
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn without_a_daemon_a_folder_is_paused_for_the_next_one_and_everybody_says_so() {
    let drop = Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert_eq!(done(&drop, &["pause", "--all"]), "drop: paused\n");
    let resume =
        format!("importerd --config {} --state-dir {} resume drop", drop.settings().display(), drop.state().display());
    let reason = format!("by an operator ({})", by());
    let once = order(&drop, &["once"]);
    assert_eq!(once.code, Some(75), "{once:?}");
    assert_eq!(once.out, format!("0 done\nfolder drop is paused {reason}; to let it go on, type: {resume}\n"));
    assert_eq!(drop.names("inbox"), ["a.csv"]);
    let once = order(&drop, &["once", "--json"]);
    assert_eq!(once.objects()[0]["paused"], json!({ "drop": reason }));
    let status = done(&drop, &["status"]);
    assert!(status.contains(&format!("drop: paused: {reason}; to let it go on, type: {resume}\n")), "{status}");
    let status = order(&drop, &["status", "--json"]).objects().remove(0);
    let folder = &status["folders"][0];
    assert_eq!((&folder["state"], &folder["paused_by"]), (&json!("paused"), &json!(by())));
    assert!(done(&drop, &["ls"]).contains(&format!("the folder is paused {reason}")));
    let explained = done(&drop, &["explain", "a.csv"]);
    assert!(explained.contains(&format!("not yet   the folder is paused {reason} since ")), "{explained}");
    assert!(explained.contains(&format!("do        to let it go on, type: {resume}")), "{explained}");
    done(&drop, &["resume", "drop"]);
    let once = order(&drop, &["once"]);
    assert_eq!((once.code, once.out.as_str()), (Some(0), "1 done\n"));
}

#[test]
fn what_is_in_hand_finishes_and_once_the_order_is_answered_not_one_file_more_is_taken() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    let put = |number: usize| drop.put(format!("{number}.csv"), format!("id\n{number}\n"));
    let (answered, mut dropped) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let is_wanted = |_: &usize| !answered.load(Ordering::Relaxed);
        let dropping = scope.spawn(move || (0..100_000).take_while(is_wanted).map(put).count());
        daemon.wait_for("file.committed");
        done(&drop, &["pause", "drop"]);
        answered.store(true, Ordering::Relaxed);
        dropped = dropping.join().unwrap();
    });
    put(dropped);
    let left = drop.names("inbox");
    assert!(!left.is_empty(), "the last one came after the pause");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("inbox"), left);
    assert_eq!(drop.names("active"), [""; 0]);
    assert_eq!(drop.names("archive").len() + left.len(), dropped + 1);
    assert_eq!(drop.row_count(), (dropped + 1 - left.len()) as u64);
    done(&drop, &["resume", "drop"]);
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.row_count(), dropped as u64 + 1);
}

#[test]
fn a_fault_and_an_operators_pause_are_told_apart_and_each_ends_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let program = root.path().join("ocr");
    let work = format!("run = {{ command = [\"{}\", \"{{path}}\"] }}", program.display());
    let drop = Drop::at(root, "backoff = { min = \"10ms\", max = \"50ms\" }", &work);
    let mut daemon = drop.start();
    drop.put("page.txt", "text");
    daemon.wait_for("folder.paused");
    done(&drop, &["pause", "drop"]);
    let folder = order(&drop, &["status", "--json"]).objects()[0]["folders"][0].clone();
    let reason = folder["reason"].as_str().unwrap();
    assert!(reason.starts_with("by an operator (") && reason.contains("; and command"), "{reason}");
    let resumed = done(&drop, &["resume", "drop"]);
    assert!(resumed.starts_with("drop: goes on, but is held by a fault: command"), "{resumed}");
    let folder = order(&drop, &["status", "--json"]).objects()[0]["folders"][0].clone();
    assert_eq!((&folder["state"], &folder["paused_by"]), (&json!("paused"), &json!(null)));
    done(&drop, &["pause", "drop"]);
    // What was claimed before the pause is in hand: it finishes when the fault is gone.
    std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
    daemon.wait_for_file("file.archived", "page.txt");
    eventually("only the operator's pause is left", || {
        let folder = order(&drop, &["status", "--json"]).objects()[0]["folders"][0].clone();
        folder["paused_by"] == by() && !folder["reason"].as_str().unwrap().contains("command")
    });
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_folder_that_is_unknown_refuses_the_whole_order() {
    let drop = Drop::new();
    let daemon = drop.start();
    for _ in 0..2 {
        let said = order(&drop, &["pause", "drop", "dorp"]);
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""));
        assert_eq!(said.err, "importerd: folder \"dorp\" is unknown\nknown: drop\n");
        assert_eq!(told(&drop, "SELECT group_concat(folder) FROM pause"), "");
        for wrong in [&["pause"][..], &["pause", "drop", "--all"]] {
            assert_eq!(order(&drop, wrong).code, Some(64));
        }
    }
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn with_json_each_folder_is_an_object() {
    let drop = Drop::new();
    let said = order(&drop, &["--json", "pause", "drop"]);
    let expected = json!({
        "id": null, "folder": "drop", "name": null, "outcome": "paused", "ok": true, "text": "paused"
    });
    assert_eq!((said.code, said.objects()), (Some(0), vec![expected]));
}
