//! What the tests of stops and kills share: a site with two folders, a load on it, and the books that say
//! whether every file is in exactly one place and every row and result there exactly once.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a failure tells its seed")]

pub mod books;
pub mod load;
pub mod problem;
pub mod site;

use std::time::{Duration, Instant};

use crate::harness::{Daemon, PATIENCE};
use load::Load;
use site::Site;

/// When nothing is heard for so long, what was dropped is likely to be done: time for the next moment.
const QUIET: Duration = Duration::from_millis(20);

/// A moment in the daemon's life: so many records, or quiet, and a little more.
pub fn await_a_moment(daemon: &mut Daemon, random: &mut fastrand::Rng) {
    // At least one: a signal before the program hears signals ends it as the kernel does.
    assert!(daemon.next_within(PATIENCE).is_some(), "it says nothing");
    let records = random.usize(0..40);
    let _ = (0..records).map_while(|_| daemon.next_within(QUIET)).count();
    spin(Duration::from_micros(random.u64(0..3_000)));
}

/// Lets time pass without giving up the processor: sleeps end when timers tick.
pub fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Lets the daemon do all that was dropped, and looks at the books a last time.
pub fn finish(site: &Site, load: &Load, seed: u64) {
    let until = Instant::now() + PATIENCE;
    let mut waiting = usize::MAX;
    while waiting > 0 {
        let mut daemon = site.launch(2);
        daemon.wait_for("daemon.started");
        while daemon.next_within(Duration::from_millis(300)).is_some() {}
        assert_eq!(daemon.stop().code(), Some(0), "seed {seed}");
        let problems = books::problems_after_a_drain(site, &load.list());
        assert!(problems.is_empty(), "seed {seed}: {problems:#?}");
        waiting = books::waiting(site);
        assert!(Instant::now() < until, "seed {seed}: {waiting} files are still waiting");
    }
}
