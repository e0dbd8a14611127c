//! A clock that jumps: ten years ahead, back, an hour behind. What waits, waits by another clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Daemon, Drop, eventually, faketime, open_gate};
use crate::hold::{BACK_OFF, all_done, entry, paused_for, put_row, told};

const AHEAD: &str = "+10y";
const BEHIND: &str = "-1h";
const RIGHT: &str = "+0";

/// The clock on the wall, as the daemon sees it. The monotonic one goes on, as it does when somebody sets the other.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// `None`: there is no library that fakes it.
    fn beside(drop: &Drop) -> Option<Self> {
        let clock = Self { file: drop.root().join("clock"), library: faketime()? };
        clock.set(RIGHT);
        Some(clock)
    }

    fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, offset).and_then(|()| fs::rename(&new, &self.file)).expect("set the clock");
    }

    fn applies_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    fn start(&self, drop: &Drop) -> Daemon {
        let mut command = drop.command(&["run"]);
        self.applies_to(&mut command);
        let mut daemon = Daemon::of(command);
        daemon.wait_for("daemon.started");
        daemon
    }
}

/// The year of what the daemon says next, for this file.
fn year_of(daemon: &mut Daemon, event: &str, file: &str) -> i32 {
    let told = daemon.wait_for_file(event, file);
    told["ts"].as_str().and_then(|time| time.get(..4)).and_then(|year| year.parse().ok()).expect("a time")
}

/// fault 85
#[test]
fn a_file_deferred_while_the_clock_jumps_is_tried_again_in_its_time_and_numbers_go_on() {
    let word = Path::new("word");
    let run = "run = { command = [\"sh\", \"-c\", 'cat \"${1%/drop/active/*}/word\" && exit 0; exit 75', \"sh\", \"{path}\"] }";
    let drop = Drop::with_daemon("processors = 1\nbackoff = { min = \"50ms\", max = \"200ms\" }", run);
    let Some(clock) = Clock::beside(&drop) else { return };
    let mut daemon = clock.start(&drop);
    drop.put("a.txt", "a");
    let now = year_of(&mut daemon, "file.deferred", "a.txt");
    for offset in [AHEAD, BEHIND, AHEAD, RIGHT] {
        clock.set(offset);
        // The jump is seen, and the file is tried again as before.
        eventually("the clock has jumped", || {
            (year_of(&mut daemon, "file.deferred", "a.txt") > now) == (offset == AHEAD)
        });
        year_of(&mut daemon, "file.deferred", "a.txt");
    }
    clock.set(AHEAD);
    fs::write(drop.root().join(word), "done").expect("let the command end well");
    daemon.wait_for_file("file.archived", "a.txt");
    clock.set(BEHIND);
    drop.put("b.txt", "b");
    daemon.wait_for_file("file.archived", "b.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0), entry("b.txt", "archived", 0)]);
    let numbers: Vec<String> = ["a.txt", "b.txt"].map(|name| number(&drop, name)).into();
    assert_eq!(numbers, ["1", "2"], "numbers know no time");
}

fn number(drop: &Drop, name: &str) -> String {
    let query = drop.ledger().query_row("SELECT id FROM file WHERE name = ?", [name], |row| row.get::<_, i64>(0));
    query.expect("a file of the ledger").to_string()
}

/// fault 85
#[test]
fn a_file_deferred_until_a_year_that_was_a_mistake_is_tried_again_after_the_longest_back_off() {
    let gated = "run = { command = [\"sh\", \"-c\", 'cat \"${1%/drop/active/*}/gate\"; exit 75', \"sh\", \"{path}\"] }";
    let drop = Drop::with_daemon("processors = 1\nbackoff = { min = \"1s\", max = \"1s\" }", gated);
    let Some(clock) = Clock::beside(&drop) else { return };
    let gate = drop.gate("gate");
    clock.set(AHEAD);
    let mut daemon = clock.start(&drop);
    drop.put("a.txt", "a");
    open_gate(&gate, "");
    daemon.wait_for_file("file.deferred", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    clock.set(RIGHT);
    let mut daemon = clock.start(&drop);
    open_gate(&gate, "");
    daemon.wait_for_file("file.deferred", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// fault 85
#[test]
fn a_folder_held_while_the_clock_jumps_is_tried_at_the_same_pace_and_status_says_that_it_is_held() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let Some(clock) = Clock::beside(&drop) else { return };
    clock.set(AHEAD);
    let mut daemon = clock.start(&drop);
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    let (target, aside) = (drop.state().join("rows.db"), drop.root().join("aside"));
    fs::rename(&target, &aside).expect("move the target away");
    put_row(&drop, 1);
    for offset in [RIGHT, AHEAD, BEHIND] {
        clock.set(offset);
        let began = std::time::Instant::now();
        daemon.wait_for_many("folder.paused", 5);
        assert!(began.elapsed() > std::time::Duration::from_millis(100), "not in a hot loop");
        let mut status = drop.command(&["status"]);
        let said = clock.applies_to(&mut status).output().expect("run status").stdout;
        assert!(String::from_utf8_lossy(&said).contains("PAUSED"), "{offset}: {}", String::from_utf8_lossy(&said));
    }
    paused_for(&mut daemon, "rows.db: No such file");
    fs::rename(&aside, &target).expect("put it back");
    daemon.wait_for("folder.resumed");
    daemon.wait_for_file("file.archived", "1.csv");
    all_done(daemon, &drop, 0..2);
}
