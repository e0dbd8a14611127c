//! A ping tells who hangs, and calls nobody hung who works.

mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use importerd_actors::{Ending, Health, Plan, Threads};
use script::{Act, Gate, Stage, Tree, World, on_threads, plan, quiet, stopped_clock};

const HUNG_AFTER: Duration = Duration::from_millis(200);

fn threads(processors: usize, folders: usize) -> Plan {
    Plan { threads: Threads::Own, hung_after: HUNG_AFTER, ..plan(processors, folders) }
}

/// Pings for as long as it takes, well past the time after which silence counts.
async fn pings_until(tree: &Tree, health: &Health) {
    while tree.ping().await != *health {
        tokio::time::sleep(HUNG_AFTER / 10).await;
    }
}

#[test]
fn a_tree_at_work_or_at_rest_is_alive() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..1000);
        let tree = Tree::grow(&world, plan(2, 3)).await;
        assert_eq!(tree.ping().await, Health::Alive);
        for _ in 0..10 {
            quiet().await;
            tokio::time::sleep(Duration::from_mins(10)).await;
            assert_eq!(tree.ping().await, Health::Alive);
        }
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

/// Fault 73.
#[test]
fn a_processor_that_hangs_is_named() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.stage == Stage::Commit { Act::Wait(wait.clone()) } else { Act::Go });
        world.drop_files(0, [1]);
        let tree = Tree::grow(&world, threads(1, 1)).await;
        world.until(|state| state.calls(Stage::Commit) == 1).await;
        pings_until(&tree, &Health::Hung(vec!["processor 0".to_owned()])).await;
        gate.open();
        pings_until(&tree, &Health::Alive).await;
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

#[test]
fn a_processor_that_hangs_in_its_recovery_is_named() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| match (step.stage, step.before) {
            (Stage::Process, 0) => Act::Panic,
            (Stage::Recover, 1) => Act::Wait(wait.clone()),
            _ => Act::Go,
        });
        world.drop_files(0, [1]);
        let tree = Tree::grow(&world, threads(1, 1)).await;
        pings_until(&tree, &Health::Hung(vec!["processor 0".to_owned()])).await;
        gate.open();
        pings_until(&tree, &Health::Alive).await;
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

#[test]
fn work_that_began_between_two_rare_pings_is_not_taken_for_a_hang() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.stage == Stage::Claim { Act::Wait(wait.clone()) } else { Act::Go });
        let tree = Tree::grow(&world, Plan { hung_after: Duration::from_secs(2), ..threads(1, 1) }).await;
        assert_eq!(tree.ping().await, Health::Alive);
        tokio::time::sleep(Duration::from_millis(2100)).await;
        world.drop_files(0, [1]);
        world.nudge(0);
        world.until(|state| state.calls(Stage::Claim) == 1).await;
        assert_eq!(tree.ping().await, Health::Alive);
        gate.open();
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

#[test]
fn a_processor_that_works_long_and_beats_is_alive() {
    on_threads(async {
        let world = World::new();
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        world.script(move |step| {
            while step.stage == Stage::Process && !is_done.load(Ordering::SeqCst) {
                step.pulse.as_ref().unwrap().beat();
                std::thread::sleep(Duration::from_millis(5));
            }
            Act::Go
        });
        world.drop_files(0, [1]);
        // Long, so that a busy machine doesn't keep a beat from coming.
        let tree = Tree::grow(&world, Plan { hung_after: Duration::from_secs(1), ..threads(1, 1) }).await;
        world.until(|state| state.calls(Stage::Process) == 1).await;
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(tree.ping().await, Health::Alive);
        }
        done.store(true, Ordering::SeqCst);
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

/// Fault 73.
#[test]
fn scanners_that_hang_are_named_together() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(
            move |step| {
                if step.stage == Stage::Look && step.folder != 1 { Act::Wait(wait.clone()) } else { Act::Go }
            },
        );
        let tree = Tree::grow(&world, threads(2, 3)).await;
        let hung = Health::Hung(vec!["scanner 0".to_owned(), "scanner 2".to_owned()]);
        pings_until(&tree, &hung).await;
        tokio::time::sleep(HUNG_AFTER * 2).await;
        assert_eq!(tree.ping().await, hung, "the Processors are idle");
        gate.open();
        pings_until(&tree, &Health::Alive).await;
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}
