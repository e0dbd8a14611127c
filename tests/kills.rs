//! 200 kills at random moments under load, of which some hit the recovery from the one before: nothing is lost,
//! nothing doubled, nobody blamed.
//!
//! A moment is chosen by what was heard, and a short spin after it. `IMPORTERD_SEED` repeats a run's choices.

mod crash;
mod harness;
mod proof;

use std::time::Duration;

use crash::books;
use crash::load::Load;
use crash::site::Site;

const KILLS: usize = 200;

/// fault 80
#[test]
fn two_hundred_kills_lose_nothing_and_double_nothing() {
    let seed = proof::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let site = Site::new();
    let mut load = Load::on(&site, random.u64(..));
    for kill in 0..KILLS {
        let recovery = random.u8(0..3) == 0;
        if !recovery {
            load.order(random.usize(3..20));
        }
        let mut daemon = site.launch(random.usize(1..4));
        if recovery {
            crash::spin(Duration::from_micros(random.u64(0..40_000)));
        } else {
            crash::await_a_moment(&mut daemon, &mut random);
        }
        daemon.kill();
        let problems = books::problems_after_a_kill(&site, &load.list());
        assert!(problems.is_empty(), "kill {kill} of seed {seed}: {problems:#?}");
        if random.u8(0..6) == 0 {
            let mut daemon = site.launch(random.usize(1..4));
            daemon.wait_for("daemon.started");
            let ended = daemon.stop();
            let problems = books::problems_after_a_drain(&site, &load.list());
            assert!(ended.success() && problems.is_empty(), "after kill {kill} of seed {seed}: {ended}, {problems:#?}");
        }
    }
    load.finish();
    crash::finish(&site, &load, seed);
    let tried = KILLS as u64;
    proof::Row { faults: tried, states: tried, ..proof::Row::new("kill -9 at random moments, under load") }.enter();
}
