//! `importerd drain`: the daemon finishes and ends, and who ordered it sees that.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Drop, eventually, gate_in_use, has, open_gate};
use crate::order;

/// Its command waits at a gate.
fn slow(daemon_keys: &str) -> Drop {
    let root = tempfile::tempdir().unwrap();
    let gate = root.path().join("gate");
    let work = format!("run = {{ command = [\"cat\", \"{}\"] }}", gate.display());
    let drop = Drop::at(root, daemon_keys, &work);
    drop.gate("gate");
    drop
}

/// An `importerd drain` that is under way: its first line has come.
fn draining(drop: &Drop) -> (Child, BufReader<impl std::io::Read + use<>>) {
    let mut child = drop.command(&["--json", "drain"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["in_hand"], 1, "{first}");
    (child, lines)
}

fn last(lines: BufReader<impl std::io::Read>) -> Value {
    serde_json::from_str(&lines.lines().last().unwrap().unwrap()).unwrap()
}

/// fault 81
#[test]
fn what_is_in_hand_is_finished_and_the_order_ends_when_the_daemon_has() {
    let drop = slow("");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    daemon.wait_for_file("file.claimed", "a.txt");
    let (mut first, lines) = draining(&drop);
    assert!(daemon.wait_for("daemon.draining")["signal"].as_str().unwrap().starts_with("importerd drain by uid "));
    // A second order, and the first signal, are no reason to abandon anything.
    let (mut second, more_lines) = draining(&drop);
    daemon.signal(Signal::TERM);
    drop.put("b.txt", "b");
    open_gate(&drop.root().join("gate"), "finished\n");
    for (lines, child) in [(last(lines), &mut first), (last(more_lines), &mut second)] {
        assert_eq!(lines, serde_json::json!({ "drained": true, "exit": 0 }));
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!((drop.names("archive"), drop.names("inbox")), (vec!["a.txt".into()], vec!["b.txt".into()]));
    assert!(!drop.state().join("run/control.sock").exists(), "the socket goes with the daemon");
}

#[test]
fn on_a_terminal_it_shows_what_is_in_hand() {
    if !has("script") {
        return;
    }
    let drop = slow("");
    let gate = drop.root().join("gate");
    let mut daemon = drop.start();
    drop.put("slow.csv", "id\n1\n");
    daemon.wait_for_file("file.claimed", "slow.csv");
    let typed = drop.command(&["drain"]);
    let words = typed.get_args().map(|word| word.to_str().unwrap());
    let line = words.fold(env!("CARGO_BIN_EXE_importerd").to_owned(), |line, word| format!("{line} '{word}'"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    daemon.wait_for("daemon.draining");
    let mut shown = BufReader::new(terminal.stdout.take().unwrap());
    let mut told = Vec::new();
    eventually("it says what is in hand", || {
        shown.read_until(b'd', &mut told).unwrap();
        String::from_utf8_lossy(&told).contains("1 file in hand")
    });
    open_gate(&gate, "");
    shown.read_to_end(&mut told).unwrap();
    assert!(!String::from_utf8_lossy(&told).contains("0/0"), "{}", String::from_utf8_lossy(&told));
    assert_eq!((terminal.wait().unwrap().code(), daemon.end().code()), (Some(0), Some(0)));
}

/// faults 81, 92
#[test]
fn a_drain_past_its_grace_is_75_for_who_ordered_it_too() {
    let drop = slow("drain_grace = \"300ms\"");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    daemon.wait_for_file("file.claimed", "a.txt");
    let said = order(&drop, &["drain"]);
    assert_eq!(said.code, Some(75));
    assert!(said.out.ends_with("the daemon has ended with work left behind; the next start recovers it\n"), "{said:?}");
    assert_eq!(daemon.end().code(), Some(75));
    assert_eq!(drop.names("active"), ["a.txt"]);
}

#[test]
fn where_no_daemon_runs_there_is_none_to_drain() {
    let drop = Drop::new();
    for _ in 0..2 {
        let said = order(&drop, &["drain"]);
        assert_eq!((said.code, said.err.lines().next()), (Some(69), Some("importerd: no daemon runs")));
        drop.once();
    }
}

/// fault 80
#[test]
fn a_daemon_that_is_killed_while_it_drains_is_told_so() {
    let drop = slow("");
    let mut daemon = drop.start();
    drop.put("a.txt", "a");
    daemon.wait_for_file("file.claimed", "a.txt");
    // Its command outlives it, but not this.
    let _gate = gate_in_use(&drop.root().join("gate"));
    let (mut child, lines) = draining(&drop);
    daemon.kill();
    assert_eq!(last(lines), serde_json::json!({ "drained": false, "exit": 75 }));
    assert_eq!(child.wait().unwrap().code(), Some(75));
}
