//! `importerd once`, as cron and CI see it: what it does, prints and returns.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use harness::{Drop, eventually, has};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn once(drop: &Drop, more: &[&str]) -> Output {
    drop.command(&[&["once"], more].concat()).output().unwrap()
}

fn printed(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn with_nothing_to_do_it_is_done_at_once() {
    let drop = Drop::new();
    let output = once(&drop, &[]);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), "0 done\n"));
}

#[test]
fn what_is_there_is_done_and_counted() {
    let drop = Drop::new();
    for file in 0..300 {
        drop.put(format!("{file}.csv"), format!("id,name\n{file},a\n"));
    }
    drop.put("again.csv", "id,name\n7,a\n");
    let output = once(&drop, &[]);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), "300 done, 1 duplicate\n"));
    assert_eq!(drop.row_count(), 300);
    assert_eq!(drop.names("inbox"), [""; 0]);
    let output = once(&drop, &[]);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), "0 done\n"));
}

#[test]
fn a_refused_file_is_exit_code_1_and_the_last_line_says_what_to_type() {
    let drop = Drop::new();
    drop.put("good.csv", "id,name\n1,a\n");
    drop.put("bad.csv", "id,name\n1\n");
    let output = once(&drop, &[]);
    assert_eq!(output.status.code(), Some(1));
    let (settings, state) = (drop.settings(), drop.state());
    let importerd = format!("importerd --config {} --state-dir {}", settings.display(), state.display());
    assert_eq!(printed(&output), format!("1 done, 1 refused\nsee why: {importerd} ls --quarantined\n"));
    assert_eq!(drop.names("quarantine"), ["bad.csv", "bad.csv.reason.txt"]);
    // Nothing is there any more: the next run has nothing to complain of.
    assert_eq!(once(&drop, &[]).status.code(), Some(0));
}

#[test]
fn a_held_folder_is_exit_code_75_and_its_file_stays() {
    let drop = Drop::with("run = { command = [\"/nowhere/ocr\", \"{path}\"] }");
    drop.put("a.txt", "text");
    let output = once(&drop, &[]);
    assert_eq!(output.status.code(), Some(75));
    assert!(printed(&output).contains("folder drop is held: command \"/nowhere/ocr\" not found"), "{output:?}");
    assert_eq!(drop.names("quarantine"), [""; 0]);
    let good = once(&drop, &["--set", "folder.drop.run.command=[\"/bin/cat\", \"{path}\"]"]);
    assert_eq!((good.status.code(), printed(&good)), (Some(0), "1 done\n"));
    assert_eq!(drop.read("results", "a.txt.out"), b"text");
}

#[test]
fn a_deferred_file_is_exit_code_75() {
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"exit 75\"] }");
    drop.put("a.txt", "text");
    let output = once(&drop, &[]);
    assert_eq!((output.status.code(), printed(&output)), (Some(75), "0 done, 1 deferred\n"));
    assert_eq!(drop.names("inbox"), ["a.txt"]);
}

/// `timeout 10m importerd once && report`: what is left undone is no success, however calmly it ended.
#[test]
fn told_to_stop_with_files_left_is_exit_code_75_and_it_says_how_many() {
    for by_order in [false, true] {
        let command = "[\"sh\", \"-c\", \"sleep 0.1\", \"{path}\"]";
        let drop = Drop::with(&format!("run = {{ command = {command} }}\nduplicates = \"allow\""));
        for file in 0..50 {
            drop.put(format!("{file}.txt"), "1");
        }
        let child = drop.command(&["once"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        eventually("some are done", || drop.names("archive").len() > 1);
        if by_order {
            assert_eq!(drop.command(&["drain"]).output().unwrap().status.code(), Some(0));
        } else {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let (done, left) = (drop.names("archive").len(), drop.names("inbox").len());
        assert!(left > 0, "the control: it was told in time");
        assert_eq!(
            (output.status.code(), printed(&output)),
            (Some(75), &*format!("{done} done, {left} left (told to stop)\n"))
        );
        let output = once(&drop, &["--set", "folder.drop.run.command=[\"true\", \"{path}\"]"]);
        assert_eq!((output.status.code(), printed(&output)), (Some(0), &*format!("{left} done\n")));
    }
}

/// A start that waits for a server has taken up nothing yet of what an earlier run had in hand when the power went.
#[test]
fn told_to_stop_during_the_start_is_exit_code_75_while_a_file_lies_in_active() {
    let drop = Drop::with("run = { command = [\"cat\", \"{path}\"] }");
    assert_eq!(once(&drop, &[]).status.code(), Some(0));
    fs::create_dir_all(drop.path().join("active/0")).unwrap();
    fs::write(drop.path().join("active/0/f.txt"), "text").unwrap();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let into = format!("postgres://ann@127.0.0.1:{port}/sales?sslmode=disable&connect_timeout=60");
    let path = format!("folder.far.path={}", drop.root().join("far").display());
    let into = format!("folder.far.import.into={into}");
    let mut child = drop.command(&["once", "--set", &path, "--set", &into]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("starting for ")), "the control: it waits");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), printed(&output)), (Some(75), "0 done, 1 left (told to stop)\n"));
    let output = once(&drop, &[]);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), "1 done\n"));
}

/// Cron mails on the code: a file that waits is no news that all is well, whichever run deferred it.
#[test]
fn a_file_that_an_earlier_run_deferred_is_exit_code_75_until_it_is_gone() {
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"exit 75\"] }");
    drop.put("a.txt", "text");
    let waits = ["--set", "backoff.min=1h", "--set", "backoff.max=1h"];
    assert_eq!(once(&drop, &waits).status.code(), Some(75));
    let output = once(&drop, &waits);
    assert_eq!((output.status.code(), printed(&output)), (Some(75), "0 done, 1 deferred\n"));
    std::fs::remove_file(drop.path().join("inbox/a.txt")).unwrap();
    let output = once(&drop, &waits);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), "0 done\n"));
}

/// A command that unpacks an archive may leave its working directory so.
#[test]
fn a_command_that_leaves_its_directory_shut_and_fails_is_tried_again_and_nothing_of_it_is_left() {
    if !rustix::process::geteuid().is_root() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: only root can be another user, and root may do everything");
        }
        return;
    }
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"touch x; chmod 555 .; exit 1\"] }");
    drop.put("a.txt", "text");
    let program = drop.root().join("importerd");
    // By another process: a program that is open for writing in a child of another thread can't be started.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_importerd")).arg(&program).status().unwrap().success());
    assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(drop.root()).status().unwrap().success());
    let mut command = Command::new(&program);
    command.arg("--config").arg(drop.settings()).arg("--state-dir").arg(drop.state()).arg("once");
    let output = command.uid(65534).gid(65534).current_dir("/").output().unwrap();
    assert_eq!((output.status.code(), printed(&output)), (Some(75), "0 done, 1 deferred\n"), "{output:?}");
    let left = std::fs::read_dir(drop.path().join("active/0/.staging")).into_iter().flatten();
    assert_eq!(left.count(), 0);
}

#[test]
fn with_json_it_prints_one_object() {
    let drop = Drop::new();
    drop.put("good.csv", "id,name\n1,a\n2,b\n");
    drop.put("same.csv", "id,name\n1,a\n2,b\n");
    drop.put("bad.csv", "id,name\n1\n");
    let output = once(&drop, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_str(printed(&output)).unwrap();
    let expected = serde_json::json!({
        "committed": 1, "rows": 2, "with_rejects": 0, "rejects": 0, "duplicates": 1, "quarantined": 1, "deferred": 0,
        "left": 0, "unseen": 0, "paused": {}, "exit": 1
    });
    assert_eq!(report, expected);
}

#[test]
fn on_a_terminal_it_shows_how_far_it_is() {
    if !has("script") {
        return;
    }
    let drop = Drop::new();
    // Each takes so long that the bar is drawn on the way.
    let work = "folder.drop.run.command=[\"sh\", \"-c\", \"sleep 0.3\"]";
    let drop_run = Drop::with("run = { command = [\"true\"] }\nduplicates = \"allow\"");
    for file in 0..4 {
        drop.put(format!("{file}.csv"), format!("id,name\n{file},a\n"));
        drop_run.put(format!("{file}.txt"), "text");
    }
    let output = on_a_terminal(&drop_run, &["--set", work]);
    assert!(output.contains("/4 files"), "{output:?}");
    assert!(output.contains("4 done"), "{output:?}");
    let output = on_a_terminal(&drop, &[]);
    assert!(output.ends_with("4 done\r\n"), "{output:?}");
    assert!(!output.contains("committed"), "a line for each file spoils the bar: {output:?}");
    let output = once(&Drop::new(), &[]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("files "), "a bar without a terminal");
}

/// What it shows on a pseudo-terminal; with the log that fits there.
fn on_a_terminal(drop: &Drop, more: &[&str]) -> String {
    let command = drop.command(&[&["once"], more].concat());
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = all.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let line = words.join(" ").replace("'--log' 'json' '-v'", "");
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
