//! A panic costs one actor, and the guilty file alone is charged.

mod script;

use std::time::Duration;

use importerd_actors::{Ending, Happening, Plan};
use script::{Act, Stage, Tree, World, plan, quiet, stopped_clock};
use tokio::time::Instant;

fn restarts(world: &World) -> Vec<(usize, Duration)> {
    let state = world.state();
    let restarts = state.happenings.iter().filter_map(|(_, what)| match what {
        Happening::ProcessorRestarted { crashes, back_off, .. } => Some((*crashes, *back_off)),
        _ => None,
    });
    restarts.collect()
}

fn blamed(world: &World) -> Vec<i64> {
    world.state().blames.iter().map(|blame| blame.id).collect()
}

/// Fault 67.
#[test]
fn the_file_that_crashes_a_processor_is_blamed_and_its_neighbours_are_carried_again() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Process && step.files == [40] { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 99).await;
        assert_eq!(blamed(&world), [40]);
        assert_eq!(world.state().blames[0].name, "40.csv");
        assert_eq!(world.state().blames[0].panic, "scripted");
        assert_eq!(world.state().quarantined.iter().copied().collect::<Vec<_>>(), [40]);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn what_a_crash_left_is_carried_as_soon_as_the_next_processor_is_there() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.before == 1 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..5);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        let began = Instant::now();
        world.until(|state| state.archived.len() == 5).await;
        assert!(began.elapsed() < Duration::from_millis(100), "not at the next rescan: {:?}", began.elapsed());
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_crash_in_a_shared_commit_is_found_out_one_by_one() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.files.contains(&40) { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 99).await;
        assert_eq!(blamed(&world), [40], "the first crash has nobody to blame, the second has");
        assert_eq!(restarts(&world).len(), 2);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn a_crash_after_the_commit_commits_nothing_twice_and_quarantines_nothing() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| match step.stage {
            Stage::Commit if step.before == 3 => Act::PanicAfter,
            Stage::Archive if step.before == 6 => Act::Panic,
            Stage::Archive if step.before == 7 => Act::PanicAfter,
            _ => Act::Go,
        });
        world.drop_files(0, 0..200);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 200).await;
        quiet().await;
        assert_eq!(restarts(&world).len(), 3);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_crash_in_a_claim_blames_no_file_that_was_processed_before() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Claim && step.before == 20 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 100).await;
        assert_eq!(blamed(&world), []);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_blame_outlives_a_crash_and_a_hold_of_the_recovery_that_was_to_hear_it() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| match (step.stage, step.before) {
            (Stage::Process, 0) | (Stage::Recover, 1) => Act::Panic,
            (Stage::Recover, 2) => Act::Hold,
            _ => Act::Go,
        });
        world.drop_files(0, [7, 8]);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 1).await;
        assert_eq!(blamed(&world), [7]);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn an_actor_that_panics_while_it_is_made_is_made_again() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| match (step.stage, step.before) {
            (Stage::MakeStages | Stage::MakeInbox, 0) => Act::Panic,
            _ => Act::Go,
        });
        world.drop_files(0, 0..10);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.archived.len() == 10).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_scanner_that_panics_is_restarted_and_goes_on() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Look && step.before % 3 == 1 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 100).await;
        assert!(world.state().happened(|what| matches!(what, Happening::ScannerCrashed { folder: 0, .. })) > 1);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_scanner_that_panics_after_it_has_looked_loses_nothing() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Look && step.before == 2 { Act::PanicAfter } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 100).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn one_crash_too_many_ends_the_tree() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Recover && step.before > 0 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, Plan { restarts: 3, ..plan(2, 1) }).await;
        assert_eq!(tree.end().await, Ending::GaveUp);
        let state = world.state();
        assert_eq!(state.happened(|what| matches!(what, Happening::ProcessorCrashed { .. })), 4);
        assert_eq!(state.happened(|what| *what == Happening::GaveUp { crashes: 4 }), 1);
        drop(state);
        world.check();
    });
}

/// Fault 67: what was carried before the tree gave up is carried, the rest waits for the next one.
#[test]
fn a_crash_loop_leaves_nothing_half_done() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Process && step.before >= 30 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, Plan { restarts: 5, ..plan(2, 1) }).await;
        assert_eq!(tree.end().await, Ending::GaveUp);
        world.check();
        world.script(|_| Act::Go);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() + state.quarantined.len() == 100).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn restarts_wait_longer_with_every_crash_and_the_budget_forgets() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Process && step.files[0] < 4 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..5);
        let tree = Tree::grow(&world, Plan { restarts: 4, ..plan(1, 1) }).await;
        world.until(|state| state.archived.len() == 1).await;
        for (crash, (crashes, back_off)) in restarts(&world).into_iter().enumerate() {
            assert_eq!(crashes, crash + 1);
            let expected = Duration::from_millis(20) * (1 << crash);
            assert!(back_off >= expected / 2 && back_off <= expected * 3 / 2, "{back_off:?} after {crashes} crashes");
        }
        assert_eq!(restarts(&world).len(), 4);
        tokio::time::sleep(Duration::from_mins(2)).await;
        world.drop_files(0, [100, 101]);
        world.script(|step| if step.stage == Stage::Process && step.files == [100] { Act::Panic } else { Act::Go });
        world.nudge(0);
        world.until(|state| state.archived.len() == 2).await;
        assert_eq!(restarts(&world).last().map(|(crashes, _)| *crashes), Some(1));
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}

#[test]
fn a_crash_in_one_folder_counts_nothing_against_the_files_held_in_another() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| match (step.stage, step.folder) {
            (Stage::Commit, 0) => Act::Hold,
            (Stage::Commit, 1) if step.files == [10] => Act::Panic,
            _ => Act::Go,
        });
        world.drop_files(0, [1]);
        let tree = Tree::grow(&world, plan(1, 2)).await;
        quiet().await;
        world.drop_files(1, [10]);
        world.nudge(1);
        world.until(|state| state.quarantined.contains(&10)).await;
        assert_eq!(blamed(&world), [10]);
        world.script(|_| Act::Go);
        world.until(|state| state.archived.contains(&1)).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check();
    });
}
