//! What a hold costs with the back-off that nobody has changed: next to nothing.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Drop};
use crate::hold::{all_done, cpu_time, paused_for, put_row};

/// A folder whose target was moved away, with a file that waits for it.
fn held(daemon_keys: &str) -> (Drop, Daemon) {
    let drop = Drop::with_daemon(daemon_keys, "");
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    fs::rename(drop.state().join("rows.db"), drop.state().join("away.db")).expect("move the target away");
    put_row(&drop, 1);
    paused_for(&mut daemon, "rows.db: No such file");
    (drop, daemon)
}

/// The part of one processor that it uses until it was tried so often.
fn part_used(daemon: &mut Daemon, tries: usize) -> (f64, Duration) {
    let (began, used) = (Instant::now(), cpu_time(daemon));
    daemon.wait_for_many("folder.paused", tries);
    let took = began.elapsed();
    let used = cpu_time(daemon).saturating_sub(used);
    (used.as_secs_f64() / took.as_secs_f64(), took)
}

/// faults 68, 72, 92: of a hold that lasts it is tried every 30 s; these are the first tries, after 1, 2, 4 and 8 s.
#[test]
fn a_hold_costs_less_than_one_hundredth_of_a_processor() {
    let (drop, mut daemon) = held("");
    let (part, took) = part_used(&mut daemon, 4);
    assert!(took > Duration::from_secs(14), "4 tries in {took:?}");
    assert!(part < 0.01, "{part} of a processor");
    fs::rename(drop.state().join("away.db"), drop.state().join("rows.db")).expect("put it back");
    // The drain doesn't wait for the next try.
    all_done(daemon, &drop, 0..2);
}

/// The control: the same measure sees a loop.
#[test]
fn a_hold_that_is_tried_without_a_pause_is_seen_to_cost_more() {
    let (_drop, mut daemon) = held("backoff = { min = \"1ms\", max = \"1ms\" }");
    let (part, took) = part_used(&mut daemon, 1_000);
    assert!(part > 0.02, "{part} of a processor in {took:?}");
}
