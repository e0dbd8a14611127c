//! One folder's whole way, black box: what goes in, what comes out, and what doesn't.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::Drop;

#[test]
fn ready_means_that_the_inbox_is_watched() {
    let drop = Drop::new();
    let mut daemon = drop.launch();
    let mut before = Vec::new();
    daemon.wait_until("daemon.started", |record| {
        before.push(record["event"].clone());
        record["event"] == "daemon.started"
    });
    assert!(before.contains(&"folder.watching".into()), "{before:?}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_file_is_imported_and_archived_and_a_broken_one_quarantined_with_its_reason() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("orders.csv", "id,name\n1,a\n2,b\n");
    daemon.wait_for_file("file.archived", "orders.csv");
    drop.put("broken.csv", "id,name\n3,c\n4\n");
    daemon.wait_for_file("file.quarantined", "broken.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
    assert_eq!(drop.names("archive"), ["orders.csv"]);
    assert_eq!(drop.names("quarantine"), ["broken.csv", "broken.csv.reason.txt"]);
    let reason = String::from_utf8(drop.read("quarantine", "broken.csv.reason.txt")).unwrap();
    assert!(reason.contains("line 3: 1 field where the header has 2"), "{reason}");
}

/// Waits between attempts are short.
const QUICK: &str = "attempts = 3\nbackoff = { min = \"10ms\", max = \"50ms\" }";

/// A folder whose files are run as shell scripts: each says itself how it ends.
fn scripts() -> Drop {
    Drop::with_daemon(QUICK, "run = { command = [\"sh\", \"{path}\"] }")
}

fn reason_of(drop: &Drop, name: &str) -> String {
    String::from_utf8(drop.read("quarantine", format!("{name}.reason.txt"))).unwrap()
}

#[test]
fn what_a_command_prints_and_leaves_behind_is_published() {
    let drop = scripts();
    let mut daemon = drop.start();
    drop.put("a.sh", "echo printed; echo made > made.txt; mkdir pages; echo one > pages/1.txt");
    let committed = daemon.wait_for_file("file.committed", "a.sh");
    assert_eq!(committed["results"], 3, "{committed}");
    daemon.wait_for_file("file.archived", "a.sh");
    drop.put("silent.sh", "true");
    daemon.wait_for_file("file.archived", "silent.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["1.txt", "a.sh.out", "made.txt"]);
    assert_eq!(drop.read("results", "a.sh.out"), b"printed\n");
    assert_eq!(std::fs::read(drop.path().join("results/pages/1.txt")).unwrap(), b"one\n");
    assert_eq!(drop.names("archive"), ["a.sh", "silent.sh"]);
}

#[test]
fn a_result_never_overwrites_anothers() {
    let drop = scripts();
    std::fs::write(drop.path().join("results/report.txt"), "somebody's").unwrap();
    let mut daemon = drop.start();
    for name in ["a.sh", "b.sh"] {
        drop.put(name, format!("printf {name} > report.txt"));
        daemon.wait_for_file("file.archived", name);
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["report.txt", "report~2.txt", "report~3.txt"]);
    assert_eq!(drop.read("results", "report.txt"), b"somebody's");
    assert_eq!(drop.read("results", "report~2.txt"), b"a.sh");
    assert_eq!(drop.read("results", "report~3.txt"), b"b.sh");
}

#[test]
fn a_command_that_refuses_a_file_puts_it_in_quarantine_at_once_with_its_last_words() {
    let drop = scripts();
    let mut daemon = drop.start();
    drop.put("bad.sh", "echo half a result; echo page 3 is torn >&2; exit 65");
    let event = daemon.wait_for_file("file.quarantined", "bad.sh");
    assert_eq!((&event["attempt"], &event["code"]), (&1.into(), &"command_refused".into()), "{event}");
    assert!(!daemon.has_heard("file.deferred"));
    assert_eq!(daemon.stop().code(), Some(0));
    let reason = reason_of(&drop, "bad.sh");
    assert!(reason.contains("page 3 is torn"), "{reason}");
    assert_eq!(drop.names("quarantine"), ["bad.sh", "bad.sh.reason.txt"]);
    assert_eq!(drop.names("results"), [""; 0]);
}

#[test]
fn a_command_that_says_later_is_asked_again_as_often_as_it_says_so() {
    // More often than `attempts`, which it is not charged.
    let drop = scripts();
    let (count, mut daemon) = (drop.root().join("count"), drop.start());
    let script = "echo x >> COUNT; [ $(wc -l < COUNT) -gt 5 ] || exit 75; echo at last, attempt $IMPORTERD_ATTEMPT";
    drop.put("later.sh", script.replace("COUNT", count.to_str().unwrap()));
    for _ in 0..5 {
        let event = daemon.wait_for_file("file.deferred", "later.sh");
        assert_eq!((&event["attempt"], &event["code"]), (&1.into(), &"command_later".into()), "{event}");
    }
    daemon.wait_for_file("file.archived", "later.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "later.sh.out"), b"at last, attempt 1\n");
    assert_eq!(std::fs::read_to_string(count).unwrap().lines().count(), 6);
}

#[test]
fn a_command_that_fails_is_tried_so_many_times_and_then_its_file_is_refused() {
    // fault 89: by exit code, by signal, by time
    let work = "run = { command = [\"sh\", \"{path}\"], timeout = \"200ms\" }";
    let drop = Drop::with_daemon(QUICK, work);
    let mut daemon = drop.start();
    let count = drop.root().join("count");
    let ends = [
        ("code.sh", "exit 3", "command_failed", "exit 3: attempt"),
        ("signal.sh", "kill -SEGV $$", "command_killed", "killed by signal 11 (SIGSEGV): attempt"),
        ("time.sh", "exec sleep 1000", "command_timeout", "no end after 200ms: stopped: attempt"),
    ];
    for (name, end, code, text) in ends {
        let say = format!("echo x >> {}\necho attempt $IMPORTERD_ATTEMPT says {name} >&2", count.display());
        drop.put(name, format!("{say}\necho half > half.txt\n{end}"));
        for attempt in 1..=2 {
            let event = daemon.wait_for_file("file.deferred", name);
            assert_eq!((&event["attempt"], &event["code"]), (&attempt.into(), &code.into()), "{event}");
        }
        let event = daemon.wait_for_file("file.quarantined", name);
        assert_eq!((&event["attempt"], &event["code"]), (&3.into(), &code.into()), "{event}");
        let reason = reason_of(&drop, name);
        assert!(reason.contains(&format!("{text} 3 says {name} (attempt 3 of 3)")), "{reason}");
        assert!(reason.contains(&format!("(standard error):\n  attempt 3 says {name}\n")), "{reason}");
        let options = format!("--config {} --state-dir {}", drop.settings().display(), drop.state().display());
        let advice = format!(
            "What to do: correct the command, or the file if that is to blame\nThen type: importerd {options} retry "
        );
        assert!(reason.contains(&advice), "{reason}");
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(std::fs::read_to_string(count).unwrap().lines().count(), 9, "three attempts each");
    assert_eq!(drop.names("results"), [""; 0]);
}

/// fault 17
#[test]
fn a_command_that_writes_to_its_file_is_not_run_for_ever_and_none_of_its_results_are_kept() {
    let drop = scripts();
    let mut daemon = drop.start();
    // Who doesn't wait for the lease breaks it all the same.
    drop.put("self.sh", "dd if=/dev/null of=\"$0\" conv=notrunc oflag=nonblock; echo made > made.txt");
    for attempt in 1..=2 {
        let event = daemon.wait_for_file("file.deferred", "self.sh");
        assert_eq!((&event["attempt"], &event["code"]), (&attempt.into(), &"changed".into()), "{event}");
    }
    daemon.wait_for_file("file.quarantined", "self.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(reason_of(&drop, "self.sh").contains("a command must only read {path}"));
    for slot in std::fs::read_dir(drop.path().join("active")).unwrap() {
        let staged = std::fs::read_dir(slot.unwrap().path().join(".staging"));
        assert_eq!(staged.into_iter().flatten().count(), 0, "no attempt leaves anything for the next");
    }
    assert_eq!(drop.names("results"), [""; 0]);
}

#[test]
fn a_command_that_fails_once_has_its_second_result_published_alone() {
    let drop = scripts();
    let mut daemon = drop.start();
    drop.put("retry.sh", "echo from attempt $IMPORTERD_ATTEMPT > part-$IMPORTERD_ATTEMPT; [ $IMPORTERD_ATTEMPT = 2 ]");
    daemon.wait_for_file("file.deferred", "retry.sh");
    daemon.wait_for_file("file.archived", "retry.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["part-2"]);
}

#[test]
fn a_missing_command_holds_the_folder_and_blames_no_file() {
    // fault 89
    let root = tempfile::tempdir().unwrap();
    let program = root.path().join("ocr");
    let work = format!("run = {{ command = [\"{}\", \"{{path}}\"] }}", program.display());
    let drop = Drop::at(root, QUICK, &work);
    let mut daemon = drop.start();
    drop.put("page.txt", "text");
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().unwrap().contains("not found"), "{paused}");
    std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
    daemon.wait_for_file("file.archived", "page.txt");
    daemon.wait_for("folder.resumed");
    assert!(!daemon.has_heard("file.deferred") && !daemon.has_heard("file.quarantined"));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "page.txt.out"), b"text");
}

#[test]
fn a_command_that_takes_its_file_away_is_done_with_it_and_holds_nothing_up() {
    let drop =
        Drop::with("run = { command = [\"/bin/sh\", \"-c\", \"rm \\\"$1\\\"; echo done\", \"sh\", \"{path}\"] }");
    let mut daemon = drop.start();
    for name in ["a.txt", "b.txt"] {
        drop.put(name, name);
        let archived = daemon.wait_for_file("file.archived", name);
        assert_eq!(archived["reason"], "its command has moved or removed it");
    }
    assert!(daemon.heard().iter().all(|record| record["event"] != "folder.paused"));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.txt.out", "b.txt.out"]);
    assert_eq!(drop.names("active"), [""; 0]);
}
