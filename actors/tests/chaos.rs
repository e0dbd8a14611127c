//! Whatever happens, in whatever order: nothing is lost and nothing is committed twice.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod script;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use importerd_actors::{Drain, Ending, Plan, Start, Threads};
use script::{Act, Stage, Step, Tree, World, on_threads, plan, stopped_clock};
use tokio::sync::Notify;

/// Faults 80, 81 and 88, and a lost reply or a crash at any call.
#[test]
fn no_order_of_crashes_holds_drains_and_kills_loses_or_doubles_a_file() {
    for seed in 0..500 {
        let told = std::panic::catch_unwind(|| lives_of_a_world(seed));
        assert!(told.is_ok(), "seed {seed}");
    }
}

/// The same with actors that really run at once. A life ends by its drain, so that no thread outlives it.
#[test]
fn no_order_of_crashes_and_holds_on_threads_loses_or_doubles_a_file() {
    for seed in 0..30 {
        let told = std::panic::catch_unwind(|| life_on_threads(seed));
        assert!(told.is_ok(), "seed {seed}");
    }
}

fn life_on_threads(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let world = World::new();
    world.drop_files(0, 0..200);
    world.drop_files(1, 1000..1100);
    // A budget that forgets at once: no back-off grows.
    let (restart_window, hold_min) = (Duration::from_millis(1), Duration::from_millis(5));
    let plan = Plan { restart_window, hold_min, threads: Threads::Own, ..plan(4, 2) };
    let cut_at = rng.usize(1..500);
    let fate = Mutex::new(rng);
    world.script(move |step| {
        let rng = &mut *fate.lock().unwrap();
        let act = if rng.usize(0..20) == 0 { wrong(step, rng) } else { Act::Go };
        if matches!(act, Act::Fatal) { Act::Go } else { act }
    });
    on_threads(async {
        let tree = Tree::grow(&world, plan.clone()).await;
        world.until(|state| state.steps.len() >= cut_at).await;
        assert!(matches!(tree.drain().await, Ending::Drained | Ending::Held { .. } | Ending::LeftBehind { .. }));
    });
    assert_eq!(world.state().alive, 0);
    world.check();
    world.script(|_| Act::Go);
    on_threads(async {
        assert_eq!(Tree::grow(&world, Plan { once: true, ..plan }).await.end().await, Ending::Drained);
    });
    world.check();
    let state = world.state();
    assert_eq!(state.archived.len() + state.quarantined.len(), state.dropped);
}

fn lives_of_a_world(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let world = World::new();
    let folders = rng.usize(1..4);
    for folder in 0..folders {
        let first = i64::try_from(folder).unwrap() * 1000;
        world.drop_files(folder, first..first + rng.i64(0..120));
    }
    // A slot belongs to its number, so every life has as many.
    let processors = rng.usize(1..5);
    for _ in 0..rng.usize(1..4) {
        let restarts = if rng.bool() { 3 } else { 1000 };
        troubled_life(&world, Plan { restarts, ..plan(processors, folders) }, rng.fork());
        world.check();
    }
    world.script(|_| Act::Go);
    stopped_clock(async {
        let tree = Tree::grow(&world, Plan { once: true, ..plan(processors, folders) }).await;
        assert_eq!(tree.end().await, Ending::Drained);
    });
    world.check();
    let state = world.state();
    assert_eq!(state.archived.len() + state.quarantined.len(), state.dropped);
}

/// How a life is cut short.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Drain,
    Abandon,
    Kill,
}

/// A life with one call in so many going wrong, cut short at some call, or after an hour.
fn troubled_life(world: &World, plan: Plan, mut rng: Rng) {
    let cut = *rng.choice(&[Cut::Drain, Cut::Abandon, Cut::Kill]).unwrap();
    let (wrong_in, calls_left) = (rng.usize(3..60), rng.usize(1..400));
    let now = Arc::new(Notify::new());
    let (tell, fate) = (Arc::clone(&now), Mutex::new((rng, calls_left)));
    world.script(move |step| {
        let (rng, calls_left) = &mut *fate.lock().unwrap();
        *calls_left = calls_left.saturating_sub(1);
        if *calls_left == 0 {
            tell.notify_one();
        }
        if rng.usize(0..wrong_in) == 0 { wrong(step, rng) } else { Act::Go }
    });
    stopped_clock(async {
        let tree = Tree::plant(world, plan);
        let supervisor = tree.supervisor.clone();
        actix_rt::spawn(async move { supervisor.send(Start).await });
        let _ = tokio::time::timeout(Duration::from_hours(1), now.notified()).await;
        match cut {
            // It may have ended by itself before.
            Cut::Drain => {
                tree.supervisor.send(Drain { cause: "chaos".to_owned() }).await.unwrap();
                tree.end().await;
            }
            Cut::Abandon => tree.abandon().await,
            // The runtime goes, and with it everything that is not in the world.
            Cut::Kill => {}
        }
    });
}

fn wrong(step: &Step, rng: &mut Rng) -> Act {
    match rng.usize(0..50) {
        0 => Act::Fatal,
        1..12 => Act::Panic,
        12..24 => Act::PanicAfter,
        24..36 => Act::Hold,
        36..46 => Act::HoldAfter,
        _ if matches!(step.stage, Stage::Claim | Stage::Process) => Act::Refuse,
        _ => Act::Go,
    }
}
