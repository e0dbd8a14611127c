//! Everything offered is carried exactly once; room is bounded; nobody starves.

mod script;

use std::time::Duration;

use importerd_actors::{Ending, Threads};
use script::{Act, Gate, Stage, Tree, World, on_threads, plan, quiet, stopped_clock};
use tokio::time::Instant;

#[test]
fn one_processor_carries_every_file_once() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..500);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 500).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn four_processors_carry_every_file_of_three_folders_once() {
    on_threads(async {
        let world = World::new();
        for folder in 0..3 {
            world.drop_files(folder, (0..500).map(|file| i64::try_from(folder).unwrap() * 1000 + file));
        }
        let tree = Tree::grow(&world, importerd_actors::Plan { threads: Threads::Own, ..plan(4, 3) }).await;
        world.until(|state| state.archived.len() == 1500).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn the_first_offer_is_of_one_file_and_quick_files_share_a_commit() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 100).await;
        let sizes: Vec<_> = world.state().batches(Stage::Commit).iter().map(Vec::len).collect();
        assert_eq!(sizes[0], 1);
        assert_eq!(sizes.iter().max(), Some(&16), "{sizes:?}");
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

/// Fault 21: the backlog lies in the folder, not in memory.
#[test]
fn a_blocked_processor_bounds_the_offers_whatever_the_backlog() {
    on_threads(async {
        let world = World::new();
        world.drop_files(0, 0..100_000);
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.stage == Stage::Process { Act::Wait(wait.clone()) } else { Act::Go });
        let tree = Tree::grow(&world, importerd_actors::Plan { threads: Threads::Own, ..plan(2, 1) }).await;
        world.until(|state| state.calls(Stage::Process) == 2 && state.under_way.len() == 4).await;
        let looks = world.state().calls(Stage::Look);
        // Each a chance to look once more.
        for _ in 0..10 {
            world.nudge(0);
            tree.ping().await;
        }
        {
            let state = world.state();
            assert_eq!((state.calls(Stage::Look), state.under_way_max), (looks, 4), "two seats a slot");
        }
        world.script(|_| Act::Go);
        gate.open();
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

/// Fault 22: what lies behind a slow file in its offer goes to another Processor.
#[test]
fn a_slow_file_keeps_no_other_file_of_its_folder_waiting() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| {
            let slow = step.stage == Stage::Process && step.files == [50];
            if slow { Act::Wait(wait.clone()) } else { Act::Go }
        });
        world.drop_files(0, 0..200);
        let tree = Tree::grow(&world, importerd_actors::Plan { threads: Threads::Own, ..plan(2, 1) }).await;
        world.until(|state| (51..200).all(|file| state.archived.contains(&file))).await;
        assert!(world.state().claimed.contains_key(&50));
        gate.open();
        world.until(|state| state.archived.len() == 200).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

/// Two folders whose files wait for each other, as loads into one table do, and two Processors. Commits of the first folder wait.
async fn beside_a_slow_folder(world: &World) -> (Tree, Gate) {
    let gate = Gate::default();
    let wait = gate.clone();
    world.script(move |step| {
        let waits = step.stage == Stage::Commit && step.folder == 0;
        if waits { Act::Wait(wait.clone()) } else { Act::Go }
    });
    let mut plan = importerd_actors::Plan { threads: Threads::Own, ..plan(2, 2) };
    plan.folders.iter_mut().for_each(|folder| folder.in_turns = true);
    (Tree::grow(world, plan).await, gate)
}

async fn the_other_folder_goes_on(world: &World) {
    for file in 100..110 {
        world.drop_files(1, [file]);
        world.nudge(1);
        world.until(|state| state.archived.contains(&file)).await;
    }
}

/// Fault 22
#[test]
fn slow_files_of_one_folder_leave_a_processor_to_the_other_whether_they_come_together_or_not() {
    for together in [true, false] {
        on_threads(async move {
            let world = World::new();
            world.drop_files(0, if together { 0..4 } else { 0..1 });
            let (tree, gate) = beside_a_slow_folder(&world).await;
            world.until(|state| state.calls(Stage::Commit) == 1 && state.under_way.is_empty()).await;
            world.drop_files(0, 10..14);
            world.nudge(0);
            tree.ping().await;
            the_other_folder_goes_on(&world).await;
            gate.open();
            world
                .until(|state| {
                    state.inbox.values().all(std::collections::BTreeSet::is_empty) && state.claimed.is_empty()
                })
                .await;
            assert_eq!(tree.drain().await, Ending::Drained);
            world.check_all_archived();
        });
    }
}

/// Fault 22: what waits behind another folder's slow file makes nothing slow.
#[test]
fn a_folder_with_an_offer_behind_a_slow_file_goes_on() {
    on_threads(async {
        let world = World::new();
        world.drop_files(0, [0]);
        // Busy both, so that an offer of each waits behind the other's.
        world.drop_files(1, 100..400);
        let (tree, gate) = beside_a_slow_folder(&world).await;
        world.until(|state| (100..400).all(|file| state.archived.contains(&file))).await;
        for file in 1000..1020 {
            world.drop_files(1, [file, file + 1000]);
            world.nudge(1);
            world.until(|state| state.archived.contains(&file) && state.archived.contains(&(file + 1000))).await;
        }
        gate.open();
        world.until(|state| state.archived.contains(&0)).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

/// Fault 22: nor does a visit that waits there, after a crash in the middle of the slow file.
#[test]
fn a_folder_with_a_visit_behind_a_slow_file_goes_on() {
    on_threads(async {
        let world = World::new();
        world.drop_files(0, [0]);
        world.change(|state| {
            state.inbox.get_mut(&0).unwrap().clear();
            state.claimed.insert(0, (0, 0));
        });
        let (tree, gate) = beside_a_slow_folder(&world).await;
        world.until(|state| state.calls(Stage::Commit) == 1).await;
        the_other_folder_goes_on(&world).await;
        gate.open();
        world.until(|state| state.archived.contains(&0)).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

/// Another file may have taken the name meanwhile.
#[test]
fn what_was_offered_long_ago_is_looked_at_again_before_it_is_claimed() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.files == [0] { Act::Wait(wait.clone()) } else { Act::Go });
        world.drop_files(0, [0, 1]);
        let tree = Tree::grow(&world, importerd_actors::Plan { threads: Threads::Own, ..plan(1, 1) }).await;
        world.until(|state| state.calls(Stage::Claim) == 1 && state.under_way.len() == 2).await;
        world.until(|state| state.under_way.is_empty()).await;
        let recalled = world.state().steps.len();
        gate.open();
        world.until(|state| state.archived.len() == 2).await;
        let stages: Vec<_> = world.state().steps[recalled..].iter().map(|step| step.stage).collect();
        let (look, claim) =
            (stages.iter().position(|at| *at == Stage::Look), stages.iter().position(|at| *at == Stage::Claim));
        assert!(look < claim, "{stages:?}");
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_huge_backlog_does_not_starve_a_folder_with_one_file() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..50_000);
        let tree = Tree::grow(&world, plan(1, 2)).await;
        world.until(|state| state.archived.len() > 100).await;
        world.drop_files(1, [999_999]);
        world.nudge(1);
        world.until(|state| state.archived.contains(&999_999)).await;
        let commits = {
            let state = world.state();
            let found = state.steps.iter().rposition(|step| step.folder == 1 && step.stage == Stage::Look).unwrap();
            let carried = state.steps.iter().position(|step| step.files == [999_999]).unwrap();
            state.steps[found.min(carried)..carried].iter().filter(|step| step.stage == Stage::Commit).count()
        };
        assert!(commits <= 2, "{commits} batches went first");
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn a_nudge_wakes_a_resting_scanner_at_once() {
    stopped_clock(async {
        let world = World::new();
        let tree = Tree::grow(&world, plan(1, 1)).await;
        quiet().await;
        let dropped_at = Instant::now();
        world.drop_files(0, [1]);
        world.nudge(0);
        world.until(|state| state.archived.len() == 1).await;
        assert_eq!(dropped_at.elapsed(), Duration::ZERO);
        assert_eq!(tree.drain().await, Ending::Drained);
    });
}

#[test]
fn without_a_nudge_the_due_time_wakes_the_scanner() {
    stopped_clock(async {
        let world = World::new();
        let tree = Tree::grow(&world, plan(1, 1)).await;
        quiet().await;
        let began = Instant::now();
        world.write_file(0, 1, Duration::from_secs(5));
        world.until(|state| state.archived.len() == 1).await;
        assert_eq!(began.elapsed().as_secs(), 29, "a rescan every 30 s, one of them a second ago");
        world.write_file(0, 2, Duration::from_secs(5));
        let began = Instant::now();
        world.nudge(0);
        world.until(|state| state.archived.len() == 2).await;
        assert!((5..6).contains(&began.elapsed().as_secs()), "it settled after {:?}", began.elapsed());
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

/// Fault 39: a file that looks settled and can't be claimed makes no hot loop.
#[test]
fn a_file_that_nobody_can_claim_is_tried_once_a_second() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Claim && step.files == [1] { Act::Refuse } else { Act::Go });
        world.drop_files(0, [1]);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        let claims = world.state().calls(Stage::Claim);
        assert!((100..=3600).contains(&claims), "{claims} claims in an hour");
        world.drop_files(0, [2]);
        world.until(|state| state.archived.len() == 1).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        assert_eq!(world.state().in_inbox(), 1);
        world.check();
    });
}

#[test]
fn a_bad_file_is_set_aside_alone() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Process && step.files[0] % 7 == 3 { Act::Refuse } else { Act::Go });
        world.drop_files(0, 0..70);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 60 && state.quarantined.len() == 10).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}
