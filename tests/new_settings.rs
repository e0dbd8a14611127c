//! Settings that are changed while a daemon runs: it goes on with those that it began with, and whoever looks is told so.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;

use harness::Drop;
use serde_json::Value;

const CHANGED: &str = "the settings were changed since the daemon started; restart it to use them";

/// What a command says on stdout and stderr.
fn said(drop: &Drop, arguments: &[&str]) -> (String, String) {
    let output = drop.command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn field(drop: &Drop, arguments: &[&str]) -> Value {
    let said: Value = serde_json::from_str(&said(drop, arguments).0).unwrap();
    said["settings_changed"].clone()
}

fn change_settings(drop: &Drop, before: &str, after: &str) {
    let settings = fs::read_to_string(drop.settings()).unwrap();
    assert!(settings.contains(before), "{settings}");
    fs::write(drop.settings(), settings.replace(before, after)).unwrap();
}

#[test]
fn who_changes_a_setting_for_a_refused_file_is_told_to_restart_the_daemon_which_then_takes_it() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("latin1.csv", b"id,name\n1,M\xfcller\n");
    daemon.wait_for_file("file.quarantined", "latin1.csv");
    let reason = String::from_utf8(drop.read("quarantine", "latin1.csv.reason.txt")).unwrap();
    let advice = "What to do: declare the file's encoding, for instance import.encoding = \"windows-1252\"\n\
        Then restart the daemon, if one runs: it reads its settings when it starts\nThen type: importerd ";
    assert!(reason.contains(advice), "{reason}");
    let story = said(&drop, &["explain", "latin1.csv"]).0;
    let advice = "import.encoding = \"windows-1252\"; then restart the daemon, if one runs, and type: importerd ";
    assert!(story.contains(advice), "{story}");

    let refused = drop.path().join("quarantine/latin1.csv").display().to_string();
    let looks: [&[&str]; 4] = [&["status"], &["check"], &["config", "show"], &["try", &refused]];
    for look in looks {
        let (out, err) = said(&drop, look);
        assert!(!(out + &err).contains(CHANGED), "{look:?}");
    }
    change_settings(&drop, "{ into", "{ encoding = \"windows-1252\", into");
    for look in looks {
        let (out, err) = said(&drop, look);
        let told = if look[0] == "config" { err } else { out };
        assert_eq!(told.matches(CHANGED).count(), 1, "{look:?}: {told}");
    }
    // Nor does that hide it.
    let set = said(&drop, &["status", "--set", "attempts=3"]).0;
    assert_eq!(set.matches(CHANGED).count(), 1, "{set}");
    assert_eq!(field(&drop, &["status", "--json"]), true);
    assert_eq!(field(&drop, &["try", &refused, "--json"]), true);
    assert!(said(&drop, &["check"]).0.ends_with("no failure, 1 warning\n"));
    let (_, err) = said(&drop, &["retry", "latin1.csv"]);
    assert_eq!(err, format!("{CHANGED}\n"));
    daemon.wait_for_file("file.quarantined", "latin1.csv");
    assert_eq!(said(&drop, &["retry", "--failed", "--dry-run"]).1, "", "nothing is tried");

    assert_eq!(daemon.stop().code(), Some(0));
    assert!(!said(&drop, &["status"]).0.contains(CHANGED), "none runs");
    let mut daemon = drop.start();
    assert_eq!(field(&drop, &["status", "--json"]), false);
    let (out, err) = said(&drop, &["retry", "latin1.csv"]);
    assert!(out.contains("back in the inbox") && err.is_empty(), "{out}{err}");
    daemon.wait_for_file("file.committed", "latin1.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_was_given_to_the_daemon_alone_is_no_change() {
    let drop = Drop::new();
    let mut command = drop.command(&["run", "--set", "folder.drop.rescan=5s"]);
    command.env("IMPORTERD__ATTEMPTS", "7");
    let mut daemon = harness::Daemon::of(command);
    daemon.wait_for("daemon.started");
    change_settings(&drop, "[folder.drop]", "# a word more\n[folder.drop]\nmatch = []");
    assert_eq!(field(&drop, &["status", "--json"]), false);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_watched_folder_has_the_settings_that_were_typed() {
    let root = tempfile::tempdir().unwrap();
    let typed = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args(["--log", "json"]).args(arguments).env_remove("NOTIFY_SOCKET");
        command
    };
    let path = root.path().to_str().unwrap();
    let mut daemon = harness::Daemon::of(typed(&["watch", path, "--set", "attempts=3"]));
    daemon.wait_for("daemon.started");
    let state = root.path().join(".importerd");
    let output = typed(&["status", "--json", "--state-dir", state.to_str().unwrap()]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["running"], &status["settings_changed"]), (&true.into(), &false.into()));
    assert_eq!(daemon.stop().code(), Some(0));
}
