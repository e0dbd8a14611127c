//! `importerd watch`, as somebody types it who has no settings file.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{Daemon, eventually, has};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
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
    assert_eq!(typed, "importerd --state-dir drop/.importerd run");
    fs::remove_file(drop.join("quarantine/a.txt.reason.txt")).unwrap();
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "--state-dir", "drop/.importerd", "run"]));
    daemon.wait_for_file("file.quarantined", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    fs::rename(drop.join("quarantine/a.txt"), inbox.join("a.txt")).unwrap();

    // A new command for the same file: it is done, and nobody is needed any more.
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "watch", "drop", "--", "cat", "{path}"]));
    daemon.wait_for_file("file.archived", "a.txt");
    eventually("nothing needs anybody", || {
        let output = importerd(here.path(), &["status", "--state-dir", "drop/.importerd"]).output().unwrap();
        !String::from_utf8(output.stdout).unwrap().contains("to see why")
    });
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_it_says_to_type_has_the_settings_of_the_first_time() {
    let here = TempDir::new().unwrap();
    let mode = "folder.drop.import.mode=replace";
    let mut daemon = Daemon::of(importerd(here.path(), &["-v", "watch", "drop", "--set", mode]));
    daemon.wait_for("daemon.started");
    assert_eq!(daemon.stop().code(), Some(0));
    fs::write(here.path().join("drop/inbox/one.csv"), "id\n1\n").unwrap();
    let output = importerd(here.path(), &["status", "--state-dir", "drop/.importerd"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let typed = said.trim_end().rsplit_once("for instance: importerd ").unwrap().1;
    let words: Vec<_> = std::iter::once("-v").chain(typed.split(' ')).collect();
    let mut daemon = Daemon::of(importerd(here.path(), &words));
    daemon.wait_for_file("file.archived", "one.csv");
    fs::write(here.path().join("drop/inbox/two.csv"), "id\n2\n").unwrap();
    daemon.wait_for_file("file.archived", "two.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let settings = settings_of(here.path());
    assert!(settings.contains("folder.drop.import.mode = \"replace\"\n"), "{settings}");
    let rows = rusqlite::Connection::open(here.path().join("drop/importerd.db")).unwrap();
    let count = rows.query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get::<_, i64>(0));
    assert_eq!(count, Ok(1));
}

#[test]
fn its_greeting_can_be_pasted_into_a_shell() {
    let here = TempDir::new().unwrap();
    let mut command = importerd(here.path(), &["watch", "my drop"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stop = lines.find(|line| line.as_ref().unwrap().starts_with("stop with")).unwrap().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let state = here.path().canonicalize().unwrap().join("my drop/.importerd");
    assert!(stop.ends_with(&format!("(look: importerd --state-dir '{}' status)", state.display())), "{stop}");
}

#[test]
fn a_password_of_the_environment_is_not_written_down_and_no_stars_in_its_place() {
    let here = TempDir::new().unwrap();
    let mut command = importerd(here.path(), &["watch", "drop"]);
    command.env("IMPORTERD__FOLDER__DROP__IMPORT__INTO", "postgres://me:s3cret@127.0.0.1:1/sales");
    let mut daemon = Daemon::of(command);
    daemon.wait_for("daemon.started");
    assert_eq!(daemon.stop().code(), Some(0));
    let settings = settings_of(here.path());
    assert!(settings.contains("folder.drop.import.into = \"postgres://me@127.0.0.1:1/sales\"\n"), "{settings}");
}

#[test]
fn with_json_nothing_else_is_on_standard_output() {
    let here = TempDir::new().unwrap();
    let mut command = importerd(here.path(), &["--json", "watch", "drop"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut started = log.lines().map(Result::unwrap).skip_while(|line| !line.contains("folder.watching"));
    assert!(started.next().is_some());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended: serde_json::Value = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    assert_eq!(ended["exit"], 0);
    child.wait().unwrap();
}

#[test]
fn a_file_that_is_refused_once_more_when_it_is_tried_again_is_one_refused_file() {
    let here = TempDir::new().unwrap();
    let mut command = importerd(here.path(), &["--json", "watch", "drop"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.any(|line| line.contains("folder.watching")));
    fs::write(here.path().join("drop/inbox/a.csv"), "id\n1,2\n").unwrap();
    assert!(log.any(|line| line.contains("file.quarantined")));
    let retried = importerd(here.path(), &["retry", "a.csv", "--state-dir", "drop/.importerd"]).output().unwrap();
    assert!(retried.status.success(), "{retried:?}");
    assert!(log.any(|line| line.contains("file.quarantined")));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended: serde_json::Value = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    assert_eq!((&ended["quarantined"], &ended["deferred"]), (&1.into(), &0.into()), "{ended}");
    child.wait().unwrap();
}

#[test]
fn what_is_typed_wrong_is_told_with_what_helps() {
    let here = TempDir::new().unwrap();
    fs::write(here.path().join("file"), "").unwrap();
    for (typed, code, wrong, next) in [
        (&["watch", "file"][..], 64, "/file is not a directory", "importerd try FILE"),
        (&["watch", "drop", "--into", "foo.db"], 78, "folder.drop.import.into", "importerd watch --help"),
        (&["config", "show", "--config", "/dev/fd/0"], 78, "/dev/fd/0: can't be read: not a regular file", "check"),
    ] {
        let output = importerd(here.path(), typed).env("HOME", here.path()).stdin(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(wrong) && told.trim_end().ends_with(next), "{told}");
    }
}

/// A daemon that is nobody's child: where the test fails, it is not left behind.
struct Left(OwnedFd);

impl Left {
    fn by_status(said: &str) -> Self {
        let pid = said.split_once("(pid ").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
        Self(pidfd_open(Pid::from_raw(pid.parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap())
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// A shell that goes, as when a line breaks, would leave it to itself, with the folder in use.
#[test]
fn it_drains_when_its_terminal_goes() {
    if !has("script") {
        return;
    }
    let here = TempDir::new().unwrap();
    let line = format!("'{}' watch drop", env!("CARGO_BIN_EXE_importerd"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(here.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut terminal = script.spawn().unwrap();
    let status = || {
        let output = importerd(here.path(), &["status", "--state-dir", "drop/.importerd"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    eventually("it runs", || status().contains("up since"));
    let _left = Left::by_status(&status());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    eventually("it has ended", || status().contains("not running"));
    let output = importerd(here.path(), &["events", "--json", "--state-dir", "drop/.importerd"]).output().unwrap();
    let events = String::from_utf8(output.stdout).unwrap();
    assert!(events.contains("SIGHUP") && events.lines().last().unwrap().contains("daemon.drained"), "{events}");
}
