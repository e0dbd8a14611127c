//! `importerd retry`: refused files begin anew under their own numbers, deferred ones are due now.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Drop, eventually, has, open_gate};
use crate::{done, order, told};

const GOOD: &str = "id,name\n1,a\n2,b\n";
const BAD: &str = "id,name\n3\n";

/// A folder whose files are shell scripts: each says itself how it ends.
fn scripts(daemon_keys: &str) -> Drop {
    Drop::with_daemon(daemon_keys, "run = { command = [\"sh\", \"{path}\"] }")
}

/// A script that fails until a file is there.
fn fails_until(drop: &Drop, mended: &str, code: u8) -> String {
    format!("[ -e {} ] || exit {code}; echo done in attempt $IMPORTERD_ATTEMPT", drop.root().join(mended).display())
}

fn row(drop: &Drop, name: &str) -> String {
    told(
        drop,
        &format!(
            "SELECT id || ' ' || state || ' ' || attempts || ' ' || coalesce(place, '-') FROM file WHERE name = '{name}'"
        ),
    )
}

#[test]
fn a_refused_file_is_tried_again_from_the_beginning_under_its_own_number() {
    let drop = scripts("attempts = 2\nbackoff = { min = \"10ms\", max = \"20ms\" }");
    let mut daemon = drop.start();
    drop.put("a.sh", fails_until(&drop, "mended", 1));
    daemon.wait_for_file("file.quarantined", "a.sh");
    assert_eq!(row(&drop, "a.sh"), "1 quarantined 2 quarantine/a.sh");
    fs::write(drop.root().join("mended"), "").unwrap();
    assert_eq!(done(&drop, &["retry", "a.sh"]), "a.sh  #1  drop: back in the inbox\n");
    let event = daemon.wait_for_file("file.retried", "a.sh");
    assert_eq!((&event["file_id"], &event["attempt"]), (&json!(1), &json!(1)));
    daemon.wait_for_file("file.archived", "a.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(row(&drop, "a.sh").starts_with("1 archived 0 archive/"), "{}", row(&drop, "a.sh"));
    assert_eq!(drop.read("results", "a.sh.out"), b"done in attempt 1\n");
    assert_eq!(drop.names("quarantine"), [""; 0], "the reason file is gone too");
    let explained = done(&drop, &["explain", "1"]);
    assert!(explained.contains("retried: by an operator (uid "), "{explained}");
}

#[test]
fn without_a_daemon_it_waits_in_the_inbox_for_the_next_one_and_keeps_its_number() {
    let drop = scripts("attempts = 1");
    drop.put("a.sh", fails_until(&drop, "mended", 65));
    assert_eq!(drop.once().code(), Some(1));
    fs::write(drop.root().join("mended"), "").unwrap();
    let said = done(&drop, &["retry", "#1"]);
    assert_eq!(said, "a.sh  #1  drop: back in the inbox\nno daemon runs: they are worked on when one does\n");
    assert_eq!((drop.names("inbox"), drop.names("quarantine")), (vec!["a.sh".into()], vec![]));
    assert_eq!(row(&drop, "a.sh"), "1 deferred 0 -");
    assert_eq!(drop.once().code(), Some(0));
    assert!(row(&drop, "a.sh").starts_with("1 archived 0 "));
}

/// fault 14
#[test]
fn a_file_that_came_meanwhile_under_its_name_is_not_overwritten() {
    let drop = scripts("");
    let mut daemon = drop.start();
    drop.put("a.sh", fails_until(&drop, "mended", 65));
    daemon.wait_for_file("file.quarantined", "a.sh");
    done(&drop, &["pause", "drop"]);
    drop.put("a.sh", "echo newer");
    fs::write(drop.root().join("mended"), "").unwrap();
    let said = done(&drop, &["retry", "--failed"]);
    assert!(
        said.starts_with(
            "a.sh  #1  drop: back in the inbox as a~2.sh, beside another of its name; the folder is paused"
        )
    );
    assert_eq!(drop.names("inbox"), ["a.sh", "a~2.sh"]);
    done(&drop, &["resume", "drop"]);
    daemon.wait_for_many("file.archived", 2);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.sh.out", "a~2.sh.out"]);
    assert_eq!(
        told(&drop, "SELECT group_concat(id || ' ' || state, ', ' ORDER BY id) FROM file"),
        "1 archived, 2 archived"
    );
}

#[test]
fn a_file_that_was_corrected_in_quarantine_is_tried_as_it_lies_there_now() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    for name in ["in-place.csv", "rewritten.csv"] {
        drop.put(name, BAD);
        daemon.wait_for_file("file.quarantined", name);
    }
    let quarantine = drop.path().join("quarantine");
    fs::write(quarantine.join("in-place.csv"), "id,name\n3,c\n").unwrap();
    // As most editors do.
    fs::write(quarantine.join("new"), "id,name\n4,d\n").unwrap();
    fs::rename(quarantine.join("new"), quarantine.join("rewritten.csv")).unwrap();
    let path = quarantine.join("rewritten.csv");
    done(&drop, &["retry", "in-place.csv", path.to_str().unwrap()]);
    daemon.wait_for_many("file.archived", 2);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
    assert_eq!(
        told(&drop, "SELECT group_concat(id || ' ' || state, ', ' ORDER BY id) FROM file"),
        "1 archived, 2 archived"
    );
    assert_eq!(drop.names("quarantine"), [""; 0]);
}

#[test]
fn what_somebody_has_moved_by_hand_or_is_done_or_unknown_is_told_and_left_alone() {
    let drop = Drop::new();
    drop.put("moved.csv", BAD);
    drop.put("good.csv", GOOD);
    assert_eq!(drop.once().code(), Some(1));
    fs::rename(drop.path().join("quarantine/moved.csv"), drop.root().join("moved.csv")).unwrap();
    for with_daemon in [false, true] {
        let daemon = with_daemon.then(|| drop.start());
        let said = order(&drop, &["retry", "moved.csv", "good.csv", "nobody.csv"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let lines: Vec<_> = said.out.lines().collect();
        assert!(
            lines[0]
                .ends_with("it doesn't lie at quarantine/moved.csv: it is on its way there, or somebody has moved it")
        );
        assert!(lines[1].ends_with("it is archived: there is nothing to try again"), "{lines:?}");
        assert_eq!(lines[2], "nobody.csv  nothing is known of it");
        let said = order(&drop, &["retry", "--failed"]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), "there is no such file: nothing to do\n"));
        assert_eq!(drop.names("quarantine"), ["moved.csv.reason.txt"]);
        if let Some(daemon) = daemon {
            assert_eq!(daemon.stop().code(), Some(0));
        }
    }
    assert!(told(&drop, "SELECT state FROM file WHERE name = 'moved.csv'") == "quarantined");
}

#[test]
fn deferred_files_are_due_at_once() {
    for with_daemon in [true, false] {
        let drop = scripts("backoff = { min = \"1h\", max = \"1h\" }");
        let mut daemon = drop.start();
        for name in ["a.sh", "b.sh"] {
            drop.put(name, fails_until(&drop, "mended", 75) + name);
            daemon.wait_for_file("file.deferred", name);
        }
        fs::write(drop.root().join("mended"), "").unwrap();
        if with_daemon {
            assert_eq!(done(&drop, &["retry", "a.sh"]), "a.sh  #1  drop: is tried now\n");
            daemon.wait_for_file("file.archived", "a.sh");
            assert_eq!(drop.names("inbox"), ["b.sh"], "the control: the other one waits");
            done(&drop, &["retry", "--deferred", "--folder", "drop"]);
        } else {
            assert_eq!(daemon.stop().code(), Some(0));
            let said = done(&drop, &["retry", "--deferred"]);
            assert!(said.starts_with("a.sh  #1  drop: is tried now\nb.sh  #2  drop: is tried now\n"), "{said}");
            daemon = drop.start();
            daemon.wait_for_file("file.archived", "a.sh");
        }
        daemon.wait_for_file("file.archived", "b.sh");
        assert_eq!(daemon.stop().code(), Some(0));
        assert_eq!(drop.names("results"), ["a.sh.out", "b.sh.out"]);
    }
}

#[test]
fn a_deferred_file_in_hand_or_taken_away_is_told_so() {
    let root = tempfile::tempdir().unwrap();
    let gate = root.path().join("gate");
    let work = format!("run = {{ command = [\"sh\", \"-c\", \"exit $(cat {})\"] }}", gate.display());
    let drop = Drop::at(root, "backoff = { min = \"1h\", max = \"1h\" }", &work);
    drop.gate("gate");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    open_gate(&gate, "75\n");
    daemon.wait_for_file("file.deferred", "a.txt");
    assert_eq!(done(&drop, &["retry", "1"]), "a.txt  #1  drop: is tried now\n");
    daemon.wait_for_file("file.claimed", "a.txt");
    // Told a moment later to who hands it out.
    eventually("that it is in hand is told", || {
        let said = order(&drop, &["retry", "a.txt"]);
        said.code == Some(1) && said.out.contains("it is in hand, or somebody has taken it away")
    });
    assert_eq!(done(&drop, &["retry", "--deferred"]), "there is no such file: nothing to do\n");
    open_gate(&gate, "75\n");
    daemon.wait_for_file("file.deferred", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn all_that_are_alike_are_chosen_by_folder_and_reason_and_a_dry_run_changes_nothing() {
    let drop = Drop::new();
    drop.put("first.csv", GOOD);
    assert_eq!(drop.once().code(), Some(0));
    drop.put("ragged.csv", BAD);
    drop.put("unknown.csv", "id,weight\n1,2\n");
    assert_eq!(drop.once().code(), Some(1));
    let code = told(&drop, "SELECT reason_code FROM file WHERE name = 'ragged.csv'");
    for (selection, code) in [
        (&["--failed", "--folder", "other"][..], 64),
        (&["--failed", "--code", "no_such_reason"], 0),
        (&["--deferred"], 0),
        (&[], 64),
        (&["a.csv", "--failed"], 64),
        (&["--code", "ragged_row"], 64),
    ] {
        assert_eq!(order(&drop, &[&["retry"], selection].concat()).code, Some(code), "{selection:?}");
    }
    let before = drop.names("quarantine");
    let dry = done(&drop, &["retry", "--failed", "--dry-run"]);
    assert!(dry.lines().all(|line| line.ends_with("drop: would go back into the inbox")), "{dry}");
    assert_eq!(dry.lines().count(), 2, "{dry}");
    assert_eq!((drop.names("quarantine"), drop.names("inbox")), (before, vec![]));
    assert_eq!(told(&drop, "SELECT group_concat(state) FROM file WHERE id > 1"), "quarantined,quarantined");
    let said = order(&drop, &["--json", "retry", "--failed", "--code", &code]);
    let id: i64 = told(&drop, "SELECT CAST(id AS TEXT) FROM file WHERE name = 'ragged.csv'").parse().unwrap();
    let expected = json!({
        "id": id, "folder": "drop", "name": "ragged.csv", "outcome": "retried", "ok": true, "text": "back in the inbox"
    });
    assert_eq!((said.code, said.objects()), (Some(0), vec![expected]));
    assert_eq!(drop.names("inbox"), ["ragged.csv"]);
    assert_eq!(drop.names("quarantine"), ["unknown.csv", "unknown.csv.reason.txt"]);
}

/// faults 24, 25, 26, 27
#[test]
fn a_file_of_any_name_finds_its_way_back() {
    let drop = Drop::new();
    let names = [&b"a b'\"$(id).csv"[..], b"new\nline.csv", b"\xff\xfe.csv", b"-rf", "ä".repeat(120).as_bytes()]
        .map(<[u8]>::to_vec);
    for name in &names {
        drop.put(OsStr::from_bytes(name), BAD);
    }
    assert_eq!(drop.once().code(), Some(1));
    let mut command = drop.command(&["retry", "--"]);
    command.args(names.iter().map(|name| OsStr::from_bytes(name)));
    let said = crate::Said::by(command);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.matches("drop: back in the inbox").count(), names.len(), "{said:?}");
    assert_eq!(drop.names("inbox").len(), names.len());
    assert_eq!(drop.names("quarantine"), [""; 0]);
}

#[test]
fn two_hundred_files_and_more_go_back_in_batches_and_each_is_told_of() {
    let drop = Drop::new();
    for number in 0..300 {
        drop.put(format!("{number}.csv"), format!("id,name\n{number}\n"));
    }
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(done(&drop, &["retry", "--failed"]).matches("back in the inbox").count(), 300);
    assert_eq!((drop.names("inbox").len(), drop.names("quarantine").len()), (300, 0));
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(drop.names("quarantine").len(), 600);
    assert_eq!(told(&drop, "SELECT CAST(count(*) AS TEXT) || ' ' || max(id) FROM file"), "300 300");
}

/// As with `| less` on its first page: more is told than pipe and socket hold.
#[test]
fn who_reads_slowly_hears_all_of_it_and_keeps_nobody_waiting() {
    const FILES: usize = 2_500;
    let drop = Drop::new();
    for number in 0..FILES {
        drop.put(format!("{number}.csv"), format!("id,name\n{number}\n"));
    }
    assert_eq!(drop.once().code(), Some(1));
    done(&drop, &["pause", "drop"]);
    let mut daemon = drop.start();
    let mut command = drop.command(&["retry", "--failed"]);
    let mut reader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    daemon.wait_for_many("file.retried", FILES);
    let mut out = String::new();
    reader.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let said = reader.wait_with_output().unwrap();
    assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()), (Some(0), ""));
    assert_eq!(out.matches("back in the inbox").count(), FILES);
    assert_eq!(daemon.stop().code(), Some(0));
}

/// fault 14
#[test]
fn orders_given_at_the_same_time_while_files_come_in_put_every_file_back_once() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    for number in 0..300 {
        drop.put(format!("{number}.csv"), format!("id,name\n{number}\n"));
    }
    daemon.wait_for_many("file.quarantined", 300);
    // From here on it fits.
    for entry in fs::read_dir(drop.path().join("quarantine")).unwrap().flatten() {
        if !entry.file_name().as_bytes().ends_with(b".txt") {
            let content = fs::read_to_string(entry.path()).unwrap();
            fs::write(entry.path(), content.trim_end().to_owned() + ",x\n").unwrap();
        }
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let code = order(&drop, &["retry", "--failed"]).code;
                assert!(matches!(code, Some(0 | 1)), "{code:?}");
            });
        }
        for number in 300..500 {
            drop.put(format!("{number}.csv"), format!("id,name\n{number},y\n"));
        }
    });
    daemon.wait_for_many("file.archived", 500);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 500);
    assert_eq!((drop.names("quarantine"), drop.names("inbox")), (vec![], vec![]));
    assert_eq!(told(&drop, "SELECT group_concat(DISTINCT state) FROM file"), "archived");
    let retried =
        "SELECT CAST(count(*) AS TEXT) || ' ' || count(DISTINCT file_id) FROM event WHERE kind = 'file.retried'";
    assert_eq!(told(&drop, retried), "300 300");
}

/// fault 39
#[test]
fn a_file_that_cant_be_moved_holds_nobody_up_and_goes_back_when_it_can() {
    if !rustix::process::geteuid().is_root() || !has("chattr") {
        return;
    }
    let drop = Drop::new();
    drop.put("stuck.csv", BAD);
    drop.put("free.csv", "id,name\n4\n");
    assert_eq!(drop.once().code(), Some(1));
    let stuck = drop.path().join("quarantine/stuck.csv");
    let attribute = |sign: &str| std::process::Command::new("chattr").arg(sign).arg(&stuck).status().unwrap();
    if !attribute("+i").success() {
        return;
    }
    let said = order(&drop, &["retry", "--failed"]);
    let mut daemon = drop.start();
    drop.put("good.csv", GOOD);
    daemon.wait_for_file("file.archived", "good.csv");
    daemon.wait_for_file("file.quarantined", "free.csv");
    daemon.wait_until("a warning", |record| record["level"] == "WARNING");
    let explained = order(&drop, &["explain", "stuck.csv"]);
    assert!(attribute("-i").success());
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.out.contains("put stuck.csv back into the inbox: Operation not permitted"), "{said:?}");
    assert!(explained.out.contains("its way back into the inbox was cut short; to go on, type: "), "{explained:?}");
    let id = told(&drop, "SELECT CAST(id AS TEXT) FROM file WHERE name = 'stuck.csv'");
    assert_eq!(order(&drop, &["retry", "--failed"]).code, Some(0));
    let event = daemon.wait_for_file("file.quarantined", "stuck.csv");
    assert_eq!(event["file_id"].to_string(), id);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_path_means_what_lies_there_and_no_other_file_of_its_name() {
    let drop = Drop::new();
    drop.put("a.csv", BAD);
    assert_eq!(drop.once().code(), Some(1));
    drop.put("a.csv", GOOD);
    for unknown in [drop.inbox().join("a.csv"), drop.root().join("a.csv")] {
        let said = order(&drop, &["retry", unknown.to_str().unwrap()]);
        assert!(said.code == Some(1) && said.out.ends_with("nothing is known of it\n"), "{said:?}");
    }
    assert_eq!(drop.names("quarantine"), ["a.csv", "a.csv.reason.txt"]);
    let mut command = drop.command(&["retry", "./a.csv"]);
    command.current_dir(drop.path().join("quarantine"));
    assert_eq!(crate::Said::by(command).code, Some(0));
    assert_eq!(drop.names("inbox"), ["a.csv", "a~2.csv"]);
}
