//! `importerd watch`, as somebody types it who has no settings file.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use harness::{Daemon, eventually};
use tempfile::TempDir;

/// Typed in that directory.
fn importerd(from: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(from).args(arguments);
    command
}

fn settings_of(from: &Path) -> String {
    let output = importerd(from, &["config", "show", "--state-dir", "drop/.importerd"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_second_watch_that_is_refused_says_nothing_was_done_and_leaves_the_settings_of_the_first() {
    let here = TempDir::new().unwrap();
    let mut first = Daemon::of(importerd(here.path(), &["watch", "drop/"]));
    first.wait_for("daemon.started");
    let settings = settings_of(here.path());
    assert!(settings.contains("folder.drop.import.table = \"drop\"\n"), "{settings}");

    let second = importerd(here.path(), &["-v", "watch", "drop", "--", "cat", "{path}"]).output().unwrap();
    assert_eq!((second.status.code(), str::from_utf8(&second.stdout).unwrap()), (Some(69), ""));
    assert_eq!(settings_of(here.path()), settings);
    assert_eq!(first.stop().code(), Some(0));
}

#[test]
fn a_command_named_by_a_relative_path_is_the_one_where_it_was_typed() {
    let here = TempDir::new().unwrap();
    let script = here.path().join("shout.sh");
    fs::write(&script, "#!/bin/sh\ntr a-z A-Z <\"$1\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "watch", "drop", "--", "./shout.sh", "{path}"]));
    daemon.wait_for("daemon.started");
    fs::write(here.path().join("drop/inbox/a.txt"), "text").unwrap();
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(fs::read(here.path().join("drop/results/a.txt.out")).unwrap(), b"TEXT");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_it_says_to_type_finds_the_folder_and_begins_it_again() {
    let here = TempDir::new().unwrap();
    let drop = here.path().join("drop");
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "watch", "drop", "--", "sh", "-c", "exit 65"]));
    daemon.wait_for("daemon.started");
    fs::write(drop.join("inbox/a.txt"), "text").unwrap();
    daemon.wait_for_file("file.quarantined", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));

    let reason = fs::read_to_string(drop.join("quarantine/a.txt.reason.txt")).unwrap();
    let inbox = drop.join("inbox");
    assert!(reason.contains(&format!(" (or move it back into {})\n", inbox.display())), "{reason}");
    fs::rename(drop.join("quarantine/a.txt"), inbox.join("a.txt")).unwrap();

    let output = importerd(here.path(), &["status", "--state-dir", "drop/.importerd"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let typed = said.trim_end().rsplit_once("for instance: ").unwrap().1;
    assert_eq!(typed, format!("importerd watch {} -- sh -c 'exit 65'", drop.display()));

    // A new command for the same file: it is done, and nobody is needed any more.
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "watch", "drop", "--", "cat", "{path}"]));
    daemon.wait_for_file("file.archived", "a.txt");
    eventually("nothing needs anybody", || {
        let output = importerd(here.path(), &["status", "--state-dir", "drop/.importerd"]).output().unwrap();
        !String::from_utf8(output.stdout).unwrap().contains("to see why")
    });
    assert_eq!(daemon.stop().code(), Some(0));
}
