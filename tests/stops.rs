//! 200 stops at random moments under load: each ends well, and leaves every file untouched or done.
//!
//! A moment is chosen by what was heard, and a short spin after it. `IMPORTERD_SEED` repeats a run's choices.
#![allow(clippy::print_stderr, reason = "a failure tells its seed")]

mod crash;
mod harness;
mod proof;

use crash::books;
use crash::load::Load;
use crash::site::Site;
use rustix::process::Signal;

const STOPS: usize = 200;

/// fault 81
#[test]
fn two_hundred_stops_leave_every_file_untouched_or_done_once() {
    let seed = proof::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let site = Site::new();
    let mut load = Load::on(&site, random.u64(..));
    for stop in 0..STOPS {
        load.order(random.usize(3..20));
        let mut daemon = site.launch(random.usize(1..4));
        crash::await_a_moment(&mut daemon, &mut random);
        daemon.signal(Signal::TERM);
        let ended = daemon.end();
        let list = load.list();
        let problems = books::problems_after_a_drain(&site, &list);
        let heard = daemon.heard();
        assert_eq!(ended.code(), Some(0), "stop {stop} of seed {seed}: {heard:#?}");
        assert!(problems.is_empty(), "stop {stop} of seed {seed}: {problems:#?}\nheard {heard:#?}");
    }
    load.finish();
    crash::finish(&site, &load, seed);
    let tried = STOPS as u64;
    proof::Row { faults: tried, states: tried, ..proof::Row::new("SIGTERM at random moments, under load") }.enter();
}
