//! `importerd events`

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use importerd::events::{Event, Kind};
use importerd::ledger::Durability;
use rustix::process::{Pid, Signal, kill_process};

use super::desk::{Desk, ORDERS, event, plain, tell};

/// Longer than anything here takes; only a fault waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_last_events_are_printed_in_order_as_lines_or_as_json() {
    let desk = Desk::with(ORDERS);
    let ledger = desk.ledger();
    tell(&ledger, Event::new(Kind::DaemonStarted));
    tell(&ledger, event(Kind::FileClaimed, 7, "a.csv", "claim"));
    tell(&ledger, event(Kind::FileCommitted, 7, "a.csv", "commit").with("rows", 3));
    let answer = desk.ask(&["events", "-n", "2"]);
    let expected = "TIME orders a.csv claimed #7\nTIME orders a.csv committed 3 rows #7\n";
    assert_eq!(plain(&answer.out), expected);
    let json = desk.ask(&["events", "--json", "--event", "file.committed"]).out;
    let event = Event::from_json(json.trim_end()).unwrap();
    assert_eq!((event.kind, json.lines().count()), (Kind::FileCommitted, 1));
    assert_eq!(desk.ask(&["events", "-n", "0"]).out, "");
}

#[test]
fn an_unknown_event_is_wrong_usage_and_the_known_ones_are_named() {
    let answer = Desk::with(ORDERS).ask(&["events", "--event", "file.eaten"]);
    assert_eq!(answer.code, Some(64));
    assert!(answer.err.contains("known: daemon.started, "), "{}", answer.err);
}

#[test]
fn where_no_daemon_has_run_nothing_has_happened() {
    let desk = Desk::with(ORDERS);
    assert_eq!(desk.ask(&["events"]).out, "nothing has happened yet: no daemon has run here\n");
    assert_eq!(desk.ask(&["events", "--json"]).out, "");
    assert_eq!(std::fs::read_dir(desk.path("state")).unwrap().count(), 0, "and no ledger is made");
}

/// `events -f`, and the lines that it prints as they come.
struct Followed {
    child: Child,
    lines: Receiver<String>,
}

impl Followed {
    fn start(desk: &Desk) -> Self {
        Self::with(desk, &[])
    }

    fn with(desk: &Desk, wanted: &[&str]) -> Self {
        let mut command = desk.command(&[&["events", "-f"], wanted].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                // Nobody listens any more: stdout is closed with this thread.
                if told.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    fn end(mut self) -> (std::process::ExitStatus, String) {
        let (done, ended) = mpsc::channel();
        let mut stderr = self.child.stderr.take().unwrap();
        std::thread::spawn(move || {
            let status = self.child.wait().unwrap();
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            done.send((status, said)).unwrap();
        });
        ended.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn what_happens_is_followed_from_before_the_first_start_to_after_a_restart() {
    let desk = Desk::with(ORDERS);
    let followed = Followed::start(&desk);
    for version in ["one", "two"] {
        let ledger = desk.ledger();
        for kind in [Kind::DaemonStarted, Kind::DaemonDrained] {
            tell(&ledger, Event::new(kind).with("version", version));
            assert!(followed.next().contains("daemon"));
        }
        drop(ledger);
    }
    kill_process(Pid::from_child(&followed.child), Signal::INT).unwrap();
    let (status, stderr) = followed.end();
    assert_eq!(status.signal(), Some(2), "Ctrl-C ends it like any other program: {stderr}");
    // It may have looked before or after the ledger was made.
    let said = "waiting: no daemon has run yet with the state directory ";
    assert!(stderr.is_empty() || (stderr.starts_with(said) && stderr.lines().count() == 1), "{stderr}");
}

/// Each look begins behind what is known not to be wanted, also where more of that came than is read at once.
#[test]
fn an_event_that_is_wanted_is_heard_among_thousands_that_are_not() {
    let desk = Desk::with(ORDERS);
    let ledger = desk.ledger();
    let followed = Followed::with(&desk, &["--event", "daemon.drained"]);
    for _ in 0..3 {
        let others: Vec<_> = (0..1_500).map(|_| Event::new(Kind::DaemonStarted)).collect();
        ledger.enter(Durability::Lazy, &[], &others).unwrap();
        tell(&ledger, Event::new(Kind::DaemonDrained));
        assert!(followed.next().contains("drained"));
    }
}

/// After `ledger rebuild`, or a restore.
#[test]
fn a_ledger_that_was_put_in_the_place_of_another_is_followed() {
    let desk = Desk::with(ORDERS);
    let old = desk.ledger();
    for _ in 0..9 {
        tell(&old, Event::new(Kind::DaemonStarted));
    }
    let followed = Followed::start(&desk);
    for _ in 0..9 {
        followed.next();
    }
    // Open all the while, as by the one who follows.
    for ending in ["", "-wal", "-shm"] {
        let file = desk.path(&format!("state/ledger.db{ending}"));
        let _ = std::fs::rename(&file, file.with_extension(format!("replaced{ending}")));
    }
    let new = desk.ledger();
    let since = std::time::Instant::now();
    // What comes before it is noticed may be taken for what was told before.
    let heard = loop {
        tell(&new, Event::new(Kind::DaemonDrained));
        match followed.lines.recv_timeout(std::time::Duration::from_millis(50)) {
            Ok(line) => break line,
            Err(_) => assert!(since.elapsed() < PATIENCE, "nothing is heard"),
        }
    };
    assert!(heard.contains("drained"), "{heard}");
    drop(old);
}

#[test]
fn it_ends_when_nobody_reads_on_though_nothing_happens() {
    let desk = Desk::with(ORDERS);
    tell(&desk.ledger(), Event::new(Kind::DaemonStarted));
    let mut child = desk.command(&["events", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let (status, stderr) = Followed { child, lines: mpsc::channel().1 }.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}
