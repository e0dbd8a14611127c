//! A daemon that stands still for a while, or whose program is replaced under it.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::filesystem::succeeds;
use crate::harness::{Daemon, Drop, eventually, open_gate};
use crate::hold::{all_done, entry, put_row, told};

const TIMEOUT: Duration = Duration::from_secs(1);

/// A folder whose command says what it is told through a FIFO beside the folder.
const GATED: &str =
    "timeout = \"1s\", command = [\"sh\", \"-c\", 'cat \"${1%/drop/active/*}/gate\"', \"sh\", \"{path}\"]";

/// Children of the daemon that have ended and that it hasn't heard of.
fn has_zombie(daemon: &Daemon) -> bool {
    let pid = daemon.pid().as_raw_pid();
    let ended = Command::new("pgrep").args(["-P", &pid.to_string(), "-r", "Z"]).output().expect("run pgrep");
    ended.status.success()
}

/// fault 87
#[test]
fn a_command_that_ended_in_time_while_the_daemon_stood_still_has_ended_well() {
    let drop = Drop::with_daemon("attempts = 1", &format!("run = {{ {GATED} }}"));
    let gate = drop.gate("gate");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    // Returns when the command reads.
    let mut gate = File::options().write(true).open(gate).expect("open the FIFO");
    let began = Instant::now();
    daemon.signal(Signal::STOP);
    gate.write_all(b"done").expect("write into the FIFO");
    std::mem::drop(gate);
    eventually("its command has ended", || has_zombie(&daemon));
    // Time itself is what is tested.
    std::thread::sleep((2 * TIMEOUT).saturating_sub(began.elapsed()));
    daemon.signal(Signal::CONT);
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "a.txt.out"), b"done");
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0)]);
}

/// fault 87
#[test]
fn what_came_while_the_daemon_stood_still_is_done_once() {
    let drop = Drop::with("rescan = \"1d\"");
    let mut daemon = drop.start();
    for round in 0..10 {
        daemon.signal(Signal::STOP);
        for number in round * 10..round * 10 + 10 {
            put_row(&drop, number);
        }
        daemon.signal(Signal::CONT);
    }
    daemon.wait_for_many("file.archived", 100);
    all_done(daemon, &drop, 0..100);
}

/// fault 88
#[test]
fn a_program_replaced_while_a_command_runs_drains_and_the_new_one_goes_on() {
    let drop = Drop::with_daemon("processors = 1", &format!("run = {{ {GATED} }}").replace("1s", "1h"));
    let gate = drop.gate("gate");
    let (installed, new) = (drop.root().join("importerd"), drop.root().join("importerd.new"));
    let install = || {
        succeeds(Command::new("cp").arg(env!("CARGO_BIN_EXE_importerd")).arg(&new));
        std::fs::rename(&new, &installed).expect("install the program");
    };
    let start = || {
        let mut daemon = Command::new(&installed);
        daemon.args(drop.command(&["run"]).get_args()).env_remove("NOTIFY_SOCKET");
        let mut daemon = Daemon::of(daemon);
        daemon.wait_for("daemon.started");
        daemon
    };
    install();
    let mut daemon = start();
    drop.put("a.txt", "a");
    daemon.wait_for_file("file.claimed", "a.txt");
    install();
    drop.put("b.txt", "b");
    daemon.signal(Signal::TERM);
    daemon.wait_for("daemon.draining");
    open_gate(&gate, "done by the old one");
    assert_eq!(daemon.end().code(), Some(0));
    let mut daemon = start();
    open_gate(&gate, "done by the new one");
    daemon.wait_for_file("file.archived", "b.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "a.txt.out"), b"done by the old one");
    assert_eq!(drop.read("results", "b.txt.out"), b"done by the new one");
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0), entry("b.txt", "archived", 0)]);
}
