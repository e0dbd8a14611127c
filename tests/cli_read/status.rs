//! `importerd status`

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use importerd::events::{Event, Kind};
use importerd::file::FileId;
use importerd::folder::{directory, lock, places};
use importerd::ledger::{Durability, State};

use super::desk::{Desk, ORDERS, entry, plain, tell};

#[test]
fn without_any_folder_it_says_how_to_begin() {
    let answer = Desk::with("").ask(&["status"]);
    assert_eq!(answer.code, Some(0));
    let expected = "importerd 0.1.0 not running\nno folder is set up yet; to begin, type: importerd watch DIR; or name the settings: --config FILE\n";
    assert_eq!(plain(&answer.out), expected);
}

#[test]
fn a_folder_at_work_has_its_numbers_in_one_line() {
    let desk = Desk::with(&format!("{ORDERS}match = ['*.csv']\n"));
    let _daemon = desk.daemon();
    let ledger = desk.ledger();
    let late = desk.put("orders/inbox/late.csv");
    for file in
        ["inbox/a.csv", "inbox/b.csv", "inbox/c.csv.part", "inbox/note.txt", "inbox/sub/d.csv", "active/0/e.csv"]
    {
        desk.put(format!("orders/{file}"));
    }
    let refused = desk.put("orders/quarantine/bad.csv");
    desk.put("orders/quarantine/bad.csv.reason.txt");
    let mut done = entry(1, OsStr::new("done.csv"), refused, State::Archived);
    done.rows = Some(1204);
    let entries = [
        done,
        entry(2, OsStr::new("late.csv"), late, State::Deferred),
        entry(3, OsStr::new("again.csv"), refused, State::Duplicate),
        entry(4, OsStr::new("bad.csv"), refused, State::Quarantined),
    ];
    ledger.enter(Durability::Flushed, &entries, &[Event::new(Kind::DaemonStarted)]).unwrap();
    let answer = desk.ask(&["status"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let expected = "\
importerd 0.1.0 running (pid PID), up since TIME
  folder state waiting working deferred done/24h rows/24h quarantined duplicates/24h oldest
  orders ok 2 1 1 1 1204 1 1 N s
  orders: 1 subdirectory in the inbox left alone: sub
  orders: 1 file in the inbox left alone, `match` doesn't fit: note.txt
1 file needs you; to see why, type: importerd --config /T/importerd.toml --state-dir /T/state ls --quarantined
";
    assert_eq!(plain(&answer.out), expected);
}

/// fault 85
#[test]
fn a_daemon_is_up_whatever_the_clock_did_since_it_began() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let ledger = desk.ledger();
    let started = |pid: u32| tell(&ledger, Event::new(Kind::DaemonStarted).with("pid", pid));
    started(std::process::id());
    let lock = fs::File::options().write(true).open(desk.path("state/importerd.lock")).unwrap();
    lock.set_modified(SystemTime::now() + Duration::from_hours(1)).unwrap();
    let status = || plain(&desk.ask(&["status"]).out);
    assert!(status().contains("running (pid PID), up since TIME"), "{}", status());
    // One of before, that had the same pid, and has ended.
    tell(&ledger, Event::new(Kind::DaemonDrained));
    assert!(status().contains("starting (pid PID)"), "{}", status());
    started(std::process::id() + 1);
    assert!(status().contains("starting (pid PID)"), "{}", status());
}

#[test]
fn a_paused_folder_is_seen_with_its_cause_until_it_resumes() {
    let desk = Desk::with(ORDERS);
    let daemon = desk.daemon();
    let ledger = desk.ledger();
    tell(&ledger, Event::new(Kind::DaemonStarted));
    let paused = || Event::new(Kind::FolderPaused).folder("orders").with("reason", "disk full\n\u{1b}[2J");
    tell(&ledger, paused());
    let out = plain(&desk.ask(&["status"]).out);
    assert!(out.contains("  orders PAUSED 0 0 0"), "{out}");
    assert!(out.contains("  orders: paused: disk full\\n\\x1b[2J\n"), "{out}");
    tell(&ledger, Event::new(Kind::FolderResumed).folder("orders"));
    let out = plain(&desk.ask(&["status"]).out);
    assert!(out.contains("  orders ok 0 0 0"), "{out}");

    tell(&ledger, paused());
    drop(daemon);
    let out = plain(&desk.ask(&["status"]).out);
    assert!(out.contains("  orders stopped 0 0 0"), "{out}");
    let _next = desk.daemon();
    let out = plain(&desk.ask(&["status"]).out);
    assert!(out.contains("importerd 0.1.0 starting (pid PID)\n") && out.contains("  orders ok 0 0 0"), "{out}");
}

#[test]
fn files_that_wait_for_no_daemon_are_said_to_wait_in_vain() {
    let desk = Desk::with(ORDERS);
    desk.put("orders/inbox/a.csv");
    let out = desk.ask(&["status"]).out;
    assert!(out.ends_with("nothing is taken until it runs, for instance: importerd --config /T/importerd.toml --state-dir /T/state run\n"), "{out}");
    // By the usual ways, it is the service manager's.
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.env_clear().env("IMPORTERD_STATE_DIRECTORY", desk.path("state")).arg("status");
    command.env("IMPORTERD__FOLDER__ORDERS__PATH", desk.path("orders"));
    let out = desk.answer(command).out;
    assert!(out.ends_with("nothing is taken until it runs, for instance: systemctl start importerd\n"), "{out}");
}

#[test]
fn its_json_is_one_object_with_stable_names() {
    let desk = Desk::with(ORDERS);
    desk.put("orders/inbox/a.csv");
    let answer = desk.ask(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(status["running"], false);
    assert_eq!(status["state_directory"], "/T/state");
    let folder = &status["folders"][0];
    assert_eq!(
        (&folder["folder"], &folder["state"], &folder["waiting"]),
        (&"orders".into(), &"stopped".into(), &1.into())
    );
    let names: Vec<_> = folder.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "folder",
        "path",
        "state",
        "paused_by",
        "paused_since",
        "reason",
        "retry_at",
        "waiting",
        "working",
        "deferred",
        "done_24h",
        "rows_24h",
        "with_rejects_24h",
        "rejects_24h",
        "quarantined",
        "duplicates_24h",
        "oldest_waiting_secs",
        "oldest_waiting_exact",
        "subdirectories",
        "unmatched",
        "unseen",
    ];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn what_importerd_watch_recorded_is_found_by_the_state_directory_alone() {
    let desk = Desk::with("");
    desk.put("drops/inbox/a.csv");
    fs::create_dir(desk.path("drops/.importerd")).unwrap();
    let settings = format!("[folder.drops]\npath = '{}'\n", desk.path("drops").display());
    fs::write(desk.path("drops/.importerd/watch.toml"), settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.env_clear().env("TZ", "UTC").args(["status", "--state-dir"]).arg(desk.path("drops/.importerd"));
    let out = plain(&desk.answer(command).out);
    assert!(out.contains("  drops stopped 1 0 0"), "{out}");
    // It is no service of systemd that is to be started.
    let begin = "for instance: importerd --state-dir /T/drops/.importerd run\n";
    assert!(out.ends_with(begin), "{out}");
}

#[test]
fn settings_that_are_wrong_are_told_and_end_every_command_with_78() {
    let desk = Desk::with("[folder.orders]\npath = '/T/orders'\nsetle = '2s'\n");
    for arguments in [&["status"][..], &["ls"], &["explain", "a.csv"], &["events"]] {
        let answer = desk.ask(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (Some(78), ""), "{arguments:?}");
        let expected = "importerd: /T/importerd.toml:3:1: folder.orders.setle: unknown key; did you mean folder.orders.settle?\n\
            to see every value and where it comes from, type: importerd --config /T/importerd.toml --state-dir /T/state config show --origin\n";
        assert_eq!(answer.err, expected);
    }
}

/// fault 76
#[test]
fn a_damaged_ledger_is_told_by_every_command_and_left_as_it_is() {
    let desk = Desk::with(ORDERS);
    let garbage = "this is not a database at all, and it is long enough to be read as one";
    fs::write(desk.path("state/ledger.db"), garbage).unwrap();
    let command = "importerd --config /T/importerd.toml --state-dir /T/state ledger rebuild\n";
    for arguments in [&["status"][..], &["ls"], &["explain", "a.csv"], &["events"]] {
        let answer = desk.ask(arguments);
        assert_eq!(answer.code, Some(78), "{arguments:?}");
        assert!(answer.err.ends_with(command), "{}", answer.err);
    }
    let answer = desk.ask(&["check"]);
    assert!(answer.code == Some(78) && answer.out.contains(command), "{}", answer.out);
    assert_eq!(fs::read_to_string(desk.path("state/ledger.db")).unwrap(), garbage);
}

/// Another's state directory is as good as none: that nothing runs would be wrong, and so would be to take the folder's place.
#[test]
fn folders_in_use_by_a_daemon_with_another_state_directory_are_told_with_what_to_name() {
    let desk = Desk::with(ORDERS);
    fs::create_dir_all(desk.path("orders/active")).unwrap();
    let active = directory::open_directory(&desk.path("orders/active")).unwrap();
    let _other = lock::take(&active, places::LOCK).unwrap();
    for asked in [
        &["status"][..],
        &["ls"],
        &["explain", "a.csv"],
        &["events"],
        &["rejects", "a.csv"],
        &["try", "a.csv"],
        &["ledger", "check"],
        &["pause", "orders"],
        &["retry", "--failed"],
        &["drain"],
    ] {
        let answer = desk.ask(asked);
        assert_eq!(answer.code, Some(69), "{answer:?}");
        let expected = format!(
            "importerd: folder orders is in use by another importerd (pid {}), not by one of /T/state\n\
             name its state directory by --state-dir; the service's is /var/lib/importerd\n",
            std::process::id()
        );
        assert_eq!(answer.err, expected);
    }
    let _own = desk.daemon();
    assert_eq!(desk.ask(&["status"]).code, Some(0));
}

/// Nobody is told that nothing runs who can't see it.
#[test]
fn who_may_not_see_whether_folders_are_in_use_is_told_so_with_77() {
    let desk = Desk::with(ORDERS);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    fs::create_dir_all(desk.path("orders/active")).unwrap();
    let active = directory::open_directory(&desk.path("orders/active")).unwrap();
    let _other = lock::take(&active, places::LOCK).unwrap();
    desk.allow("orders/active", 0o700);
    chown(desk.path("state"), Some(65_534), None).unwrap();
    for asked in
        [&["status"][..], &["ls", "--quarantined"], &["try", "importerd.toml"], &["ledger", "check"], &["drain"]]
    {
        let answer = desk.answer(desk.command_without_root(asked));
        assert_eq!((answer.code, answer.out.as_str()), (Some(77), ""), "{answer:?}");
        let command = asked.join(" ");
        let expected = format!(
            "importerd: /T/orders/active: Permission denied (os error 13)\n\
             type it as root or as the daemon's user: sudo -u importerd importerd --config /T/importerd.toml \
             --state-dir /T/state {command}\n"
        );
        assert_eq!(answer.err, expected);
    }
    let answer = desk.answer(desk.command_without_root(&["check"]));
    assert!(answer.out.contains("whether a daemon runs can't be seen by user 65534\n"), "{}", answer.out);
}

/// Also where options stand behind the command.
#[test]
fn who_may_not_read_something_is_told_to_type_the_very_command_as_another() {
    let desk = Desk::with(ORDERS);
    let state = desk.path("state");
    drop(desk.ledger());
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(desk.command_without_root(&[]).get_program());
    command
        .env_clear()
        .args(["explain", "a.csv", "--state-dir"])
        .arg(&state)
        .arg("--config")
        .arg(desk.path("importerd.toml"));
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    desk.allow("state/ledger.db", if is_root { 0o600 } else { 0 });
    let answer = desk.answer(command);
    assert_eq!(answer.code, Some(77), "{answer:?}");
    let next = "importerd explain a.csv --state-dir /T/state --config /T/importerd.toml\n";
    assert!(
        answer.err.ends_with(&format!("sudo -u {} {next}", if is_root { "'#0'" } else { "importerd" })),
        "{}",
        answer.err
    );
}

#[test]
fn who_may_not_read_the_state_directory_is_told_so_with_77() {
    let desk = Desk::with(ORDERS);
    drop(desk.ledger());
    let command = desk.command_without_root(&["status"]);
    desk.allow("state", if rustix::process::geteuid().is_root() { 0o700 } else { 0 });
    let answer = desk.answer(command);
    desk.allow("state", 0o700);
    assert_eq!(answer.code, Some(77), "{answer:?}");
    assert!(answer.err.starts_with("importerd: /T/state: Permission denied"), "{}", answer.err);
    let whose = if rustix::process::geteuid().is_root() { "'#0'" } else { "importerd" };
    let next = format!(": sudo -u {whose} importerd --config /T/importerd.toml --state-dir /T/state status");
    assert!(answer.err.trim_end().ends_with(&next), "{}", answer.err);
}

#[test]
fn a_file_that_is_loaded_again_now_is_in_hand_and_waits_no_more() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let ledger = desk.ledger();
    let mut again = entry(2, OsStr::new("a.csv"), desk.put("orders/active/0/a.csv"), State::Deferred);
    (again.replaces, again.place) = (Some(FileId(1)), Some("archive/2026-11-22/a.csv".to_owned()));
    let mut next = entry(4, OsStr::new("b.csv"), desk.put("orders/archive/2026-11-22/b.csv"), State::Deferred);
    (next.replaces, next.place) = (Some(FileId(3)), Some("archive/2026-11-22/b.csv".to_owned()));
    ledger.enter(Durability::Flushed, &[again, next], &[]).unwrap();
    let status: serde_json::Value = serde_json::from_str(&desk.ask(&["status", "--json"]).out).unwrap();
    let folder = &status["folders"][0];
    assert_eq!((&folder["working"], &folder["deferred"]), (&1.into(), &1.into()));
    let listed = plain(&desk.ask(&["ls"]).out);
    let lines: Vec<_> = listed.lines().skip(1).map(|line| line.split(' ').take(2).collect::<Vec<_>>()).collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines.contains(&vec!["#2", "active"]) && lines.contains(&vec!["#4", "deferred"]), "{listed}");
    let story = desk.ask(&["explain", "#2"]).out;
    assert!(story.contains("nothing: it is in hand"), "{story}");
}
