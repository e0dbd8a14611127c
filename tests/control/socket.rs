//! The control socket: who may use it, where it is found, and who can't disturb the daemon by it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use importerd::folder::directory;
use importerd::folder::lock::{self, STATE_LOCK};
use rustix::process::{Signal, geteuid};

use crate::harness::{Daemon, Drop, eventually};
use crate::{Said, done, order};

const NOBODY: u32 = 65_534;

fn socket(drop: &Drop) -> PathBuf {
    drop.state().join("run/control.sock")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn its_rights_are_those_of_the_daemons_user_and_group_whatever_the_umask() {
    for umask in ["000", "077"] {
        let drop = Drop::new();
        let run = drop.command(&["run"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(run.get_program()).args(run.get_args());
        let mut daemon = Daemon::of(command);
        daemon.wait_for("daemon.started");
        assert_eq!((mode(&socket(&drop)), mode(&drop.state().join("run"))), (0o660, 0o755), "umask {umask}");
        done(&drop, &["pause", "drop"]);
        assert_eq!(daemon.stop().code(), Some(0));
        assert!(!socket(&drop).exists());
    }
}

#[test]
fn no_path_is_too_long_for_it() {
    let root = tempfile::tempdir().unwrap();
    let long = root.path().join("x".repeat(200));
    fs::create_dir(&long).unwrap();
    let drop = Drop::at(tempfile::tempdir_in(long).unwrap(), "", "");
    let daemon = drop.start();
    assert!(socket(&drop).exists());
    done(&drop, &["pause", "drop"]);
    done(&drop, &["drain"]);
    drop_ends(daemon);
}

fn drop_ends(mut daemon: Daemon) {
    assert_eq!(daemon.end().code(), Some(0));
}

/// fault 80
#[test]
fn what_a_killed_daemon_left_is_no_daemon_and_is_replaced_by_the_next() {
    let drop = Drop::new();
    drop.start().kill();
    assert!(socket(&drop).exists(), "the control: it was left");
    assert_eq!(done(&drop, &["pause", "drop"]), "drop: paused\n");
    let daemon = drop.start();
    assert_eq!(done(&drop, &["resume", "drop"]), "drop: goes on\n");
    assert_eq!(order(&drop, &["drain"]).code, Some(0));
    drop_ends(daemon);
}

#[test]
fn a_command_finds_the_daemon_whatever_their_environments_say() {
    let drop = Drop::new();
    let elsewhere = drop.root().join("elsewhere");
    let mut run = drop.command(&["run"]);
    run.env("RUNTIME_DIRECTORY", &elsewhere);
    let mut daemon = Daemon::of(run);
    daemon.wait_for("daemon.started");
    assert!(elsewhere.join("control.sock").exists());
    done(&drop, &["pause", "drop"]);
    let mut resume = drop.command(&["resume", "drop"]);
    resume.env("RUNTIME_DIRECTORY", drop.root().join("nowhere"));
    assert_eq!(Said::by(resume).code, Some(0));
    daemon.wait_for("folder.resumed");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn the_socket_of_another_daemon_is_left_to_it_and_files_are_worked_on_without_one() {
    let (first, second) = (Drop::new(), Drop::new());
    let shared = first.root().join("shared");
    let run = |drop: &Drop| {
        let mut command = drop.command(&["run"]);
        command.env("IMPORTERD_RUNTIME_DIRECTORY", &shared);
        Daemon::of(command)
    };
    let mut daemon = run(&first);
    daemon.wait_for("daemon.started");
    let mut other = run(&second);
    let warned = other.wait_until("a warning", |record| record["level"] == "WARNING");
    assert!(
        warned["msg"].as_str().unwrap().contains("the daemon of another state directory listens there"),
        "{warned}"
    );
    second.put("a.csv", "id\n1\n");
    other.wait_for_file("file.archived", "a.csv");
    // An order for the one is not carried out by the other, whether the one runs or not.
    let order_second = |arguments: &[&str]| {
        let mut command = second.command(arguments);
        command.env("IMPORTERD_RUNTIME_DIRECTORY", &shared);
        Said::by(command)
    };
    for arguments in [&["pause", "drop"][..], &["drain"]] {
        let said = order_second(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(69), ""), "{arguments:?}: {said:?}");
        assert!(said.err.contains(&format!("(pid {})", other.pid().as_raw_nonzero())), "{said:?}");
    }
    assert_eq!(other.stop().code(), Some(0));
    assert_eq!(order_second(&["pause", "drop"]).out, "drop: paused\n", "as where no daemon runs");
    let said = order_second(&["drain"]);
    assert!(said.code == Some(69) && said.err.contains("no daemon runs"), "{said:?}");
    assert!(!daemon.has_heard("folder.paused") && !daemon.has_heard("daemon.draining"));
    done(&first, &["pause", "drop"]);
    daemon.wait_for("folder.paused");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_file_of_somebody_elses_in_its_place_is_left_alone() {
    let drop = Drop::new();
    fs::create_dir_all(drop.state().join("run")).unwrap();
    fs::write(socket(&drop), "mine").unwrap();
    let mut daemon = drop.start();
    let warned = daemon.wait_until("a warning", |record| record["level"] == "WARNING");
    assert!(warned["msg"].as_str().unwrap().contains("no control socket"), "{warned}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(fs::read_to_string(socket(&drop)).unwrap(), "mine");
}

#[test]
fn a_daemon_that_holds_the_state_and_does_not_listen_is_told_of_with_its_pid() {
    let drop = Drop::new();
    fs::create_dir(drop.state()).unwrap();
    let _lock = lock::take(directory::open_directory(&drop.state()).unwrap(), STATE_LOCK).unwrap();
    let said = order(&drop, &["pause", "drop"]);
    assert_eq!((said.code, said.out.as_str()), (Some(69), ""));
    let pid = std::process::id();
    let text = format!("in use by another importerd (pid {pid}), which doesn't answer at {}", socket(&drop).display());
    assert!(said.err.contains(&text), "{said:?}");
    let said = order(&drop, &["drain"]);
    assert_eq!(said.code, Some(69));
    assert!(said.err.contains(&format!("(pid {pid}) doesn't answer")), "{said:?}");
}

/// fault 87
#[test]
fn a_daemon_that_hangs_is_told_of_and_does_not_carry_out_later_what_was_given_up() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    daemon.signal(Signal::STOP);
    let said = order(&drop, &["pause", "drop"]);
    assert_eq!((said.code, said.out.as_str()), (Some(69), ""));
    assert!(said.err.contains("doesn't answer: it hangs, or its disk does\n"), "{said:?}");
    daemon.signal(Signal::CONT);
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    // Clients are heard in turn: this one came later.
    assert_eq!(done(&drop, &["resume", "drop"]), "drop: was not paused by an operator\n");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn who_hangs_floods_or_talks_nonsense_disturbs_neither_files_nor_orders() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    let connect = || UnixStream::connect(socket(&drop)).unwrap();
    let mut hanging = Vec::new();
    eventually("one more is not kept waiting, but refused", || {
        hanging = (0..64).map(|_| connect()).collect();
        let said = order(&drop, &["pause", "drop"]);
        said.code == Some(75) && said.err.contains("too many orders at a time")
    });
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    // Those who say nothing are not heard for ever.
    eventually("somebody is heard again", || order(&drop, &["pause", "drop"]).code == Some(0));
    std::mem::drop(hanging);
    let mut endless = connect();
    let flood = vec![b'x'; 1 << 20];
    while endless.write_all(&flood).is_ok() {}
    for nonsense in ["\n", "{}\n", "{\"pause\":7}\n", "\"drain me\"\n", "[[[[\n"] {
        let (mut client, mut answer) = (connect(), String::new());
        client.write_all(nonsense.as_bytes()).unwrap();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("doesn't know this order"), "{nonsense:?}: {answer}");
    }
    // Gone before the answer: what was heard is done all the same.
    let mut impatient = connect();
    impatient.write_all(b"{\"resume\":\"all\"}\n").unwrap();
    impatient.read_exact(&mut [0]).unwrap();
    std::mem::drop(impatient);
    daemon.wait_for("folder.resumed");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn another_user_may_not_and_a_member_of_the_group_may() {
    if !geteuid().is_root() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: only root can be another user");
        }
        return;
    }
    let drop = Drop::new();
    let program = drop.root().join("importerd");
    // By another process: a program that is open for writing in a child of another thread can't be started.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_importerd")).arg(&program).status().unwrap().success());
    fs::set_permissions(drop.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let runtime = drop.root().join("runtime");
    let mut run = drop.command(&["run"]);
    run.env("IMPORTERD_RUNTIME_DIRECTORY", &runtime);
    let mut daemon = Daemon::of(run);
    daemon.wait_for("daemon.started");
    fs::set_permissions(drop.state(), fs::Permissions::from_mode(0o700)).unwrap();
    let ordered_by = |group: u32| {
        let mut command = Command::new(&program);
        command.arg("--config").arg(drop.settings()).arg("--state-dir").arg(drop.state()).args(["pause", "drop"]);
        command.env("IMPORTERD_RUNTIME_DIRECTORY", &runtime).uid(NOBODY).gid(group).current_dir("/");
        Said::by(command)
    };
    let said = ordered_by(NOBODY);
    assert_eq!((said.code, said.out.as_str()), (Some(77), ""), "{said:?}");
    assert_eq!(
        said.err,
        format!(
            "importerd: {}: Permission denied (os error 13)\n\
             type it as root, or as a member of the daemon's group: usermod -aG importerd USER\n",
            runtime.join("control.sock").display()
        )
    );
    let said = ordered_by(0);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "drop: paused\n"), "{said:?}");
    assert_eq!(daemon.wait_for("folder.paused")["by"], format!("uid {NOBODY}"));
    assert_eq!(daemon.stop().code(), Some(0));
}
