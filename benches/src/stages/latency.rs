//! How long a file takes from its rename into the inbox until it is done: committed, flushed, visible, and renamed into the
//! archive, which is what is seen. That rename comes after the commit, so the commit is never later than measured.

use std::time::Duration;

use super::feed::{Pace, feed};
use super::{Checked, Make};
use crate::check;
use crate::contest::{self, Contender, Figure, Standing};
use crate::ground::Ground;
use crate::peers::Peers;
use crate::setup::Setup;

/// Files a second.
const RATES: [u32; 2] = [100, 500];

pub fn hold(setup: &Setup) -> Vec<Standing> {
    let peers = Peers::make(setup);
    RATES.map(|rate| hold_at(setup, &peers, rate)).into()
}

fn hold_at(setup: &Setup, peers: &Peers, rate: u32) -> Standing {
    let fed = |name, make, checked| fed(setup, name, rate, make, checked);
    let contenders = [
        fed("importerd run", Box::new(|ground| setup.importerd_into_sqlite(ground, "run")), check::imported),
        fed(
            "write-ahead record, a flush for what waits, durable",
            Box::new(|ground| Ok(setup.floor_over("write-ahead-live", ground))),
            check::archived,
        ),
        fed("by hand, durable", Box::new(|ground| Ok(setup.floor_over("import-live", ground))), check::imported),
        fed(
            "by hand, with claims, markers and a ledger, durable",
            Box::new(|ground| Ok(setup.floor_over("kept-live", ground))),
            check::imported,
        ),
        fed(
            "the same by three threads, durable",
            Box::new(|ground| Ok(setup.floor_over("handed-live", ground))),
            check::imported,
        ),
        fed("Go, durable", Box::new(|ground| Ok(peers.go(true)(ground))), check::summed).unless(peers.no_go()),
        fed("Go", Box::new(|ground| Ok(peers.go(false)(ground))), check::summed).unless(peers.no_go()),
    ];
    let figure =
        |percent: &str| Figure { title: format!("From rename to done at {rate} files/s: {percent}"), unit: "ms" };
    contest::hold(setup.rounds, vec![figure("p50"), figure("p99")], &[1], &contenders)
}

fn fed<'a>(setup: &'a Setup, name: &'static str, rate: u32, make: Make<'a>, checked: Checked) -> Contender<'a> {
    Contender::new(name, move || {
        let files = setup.seconds * rate as usize;
        let ground = Ground::new(&setup.directory, name)?;
        let mut waits = feed(&mut make(&ground)?, &ground, files, Pace::PerSecond(rate))?.waits;
        checked(&ground, files)?;
        waits.sort();
        Ok(vec![at_percent(&waits, 50), at_percent(&waits, 99)])
    })
}

/// In milliseconds.
fn at_percent(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
}
