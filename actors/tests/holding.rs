//! A fault of the world holds one folder, for longer each time, and ends by itself.

mod script;

use std::time::Duration;

use importerd_actors::{Ending, Happening};
use script::{Act, Stage, State, Tree, World, plan, stopped_clock};

/// The waits of folder 0, in seconds.
fn waits(state: &State) -> Vec<u64> {
    let waits = state.happenings.iter().filter_map(|(_, what)| match what {
        Happening::FolderPaused { folder: 0, retry_in, .. } => Some(retry_in.as_secs()),
        _ => None,
    });
    waits.collect()
}

fn resumed(world: &World) -> usize {
    world.state().happened(|what| *what == Happening::FolderResumed { folder: 0 })
}

/// Faults 68, 72 and 92: an hour of trouble in one stage of folder 0, then none.
fn an_hour_of_holds_in(trouble: Stage, act: &Act) {
    stopped_clock(async {
        let world = World::new();
        let act = act.clone();
        world.script(move |step| if step.stage == trouble && step.folder == 0 { act.clone() } else { Act::Go });
        world.drop_files(0, 0..50);
        let tree = Tree::grow(&world, plan(2, 2)).await;
        world.until(|state| !waits(state).is_empty()).await;
        world.drop_files(1, 100..150);
        world.nudge(1);
        tokio::time::sleep(Duration::from_hours(1)).await;

        assert_eq!(world.state().archived.iter().filter(|file| **file >= 100).count(), 50, "the other folder goes on");
        assert_eq!(waits(&world.state())[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        let calls = world.state().steps.iter().filter(|step| step.folder == 0).count();
        assert!(calls < 600, "{calls} calls in an hour");
        assert_eq!(resumed(&world), 0);

        world.script(|_| Act::Go);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(world.state().archived.len(), 100);
        assert_eq!(resumed(&world), 1);
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn an_inbox_that_cannot_be_read_holds_its_folder() {
    an_hour_of_holds_in(Stage::Look, &Act::Hold);
}

#[test]
fn a_claim_that_cannot_be_made_holds_its_folder() {
    an_hour_of_holds_in(Stage::Claim, &Act::Hold);
}

#[test]
fn a_claim_whose_end_is_unknown_holds_its_folder() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Claim && step.before < 3 { Act::HoldAfter } else { Act::Go });
        world.drop_files(0, 0..50);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 50).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_process_that_cannot_go_on_holds_its_folder() {
    an_hour_of_holds_in(Stage::Process, &Act::Hold);
}

#[test]
fn a_commit_that_is_refused_holds_its_folder() {
    an_hour_of_holds_in(Stage::Commit, &Act::Hold);
}

/// Fault 91: the reply to the commit is lost, the commit is not.
#[test]
fn a_commit_whose_reply_is_lost_is_made_once() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.before % 3 == 0 { Act::HoldAfter } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        world.until(|state| state.archived.len() == 100).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn an_archive_that_cannot_be_reached_holds_its_folder() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| match step.stage {
            Stage::Archive => Act::Hold,
            Stage::Recover if step.before > 2 => Act::Hold,
            _ => Act::Go,
        });
        world.drop_files(0, 0..50);
        let tree = Tree::grow(&world, plan(2, 1)).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(waits(&world.state())[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(world.state().steps.len() < 600);
        world.script(|_| Act::Go);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_recovery_that_cannot_be_made_holds_its_folder_and_not_the_start() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..10);
        world.change(|state| {
            let file = state.inbox.get_mut(&0).unwrap().pop_first().unwrap();
            state.claimed.insert(file, (1, 0));
        });
        world.script(|step| if step.stage == Stage::Recover && step.folder == 0 { Act::Hold } else { Act::Go });
        let tree = Tree::grow(&world, plan(2, 2)).await;
        world.drop_files(1, [100]);
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(world.state().archived.iter().copied().collect::<Vec<_>>(), [100]);
        assert_eq!(waits(&world.state())[..7], [1, 2, 4, 8, 16, 32, 60]);
        world.script(|_| Act::Go);
        world.until(|state| state.archived.len() == 11).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_hold_does_not_undo_what_the_batch_had_ready() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Process && step.files == [20] { Act::Hold } else { Act::Go });
        world.drop_files(0, 0..30);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| !waits(state).is_empty()).await;
        assert_eq!(world.state().archived.len(), 20, "those before it");
        assert_eq!(world.state().claimed.len(), 1, "itself");
        world.script(|_| Act::Go);
        world.until(|state| state.archived.len() == 30).await;
        let processed = world.state().batches(Stage::Process).len();
        assert_eq!(processed, 31, "none but the held one is worked on twice");
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_fatal_answer_of_any_stage_ends_the_tree_at_once() {
    for stage in [Stage::Look, Stage::Recover, Stage::Claim, Stage::Process, Stage::Commit, Stage::Archive] {
        stopped_clock(async {
            let world = World::new();
            world.script(move |step| if step.stage == stage { Act::Fatal } else { Act::Go });
            world.drop_files(0, 0..100);
            let tree = Tree::grow(&world, plan(2, 1)).await;
            assert_eq!(tree.end().await, Ending::Fatal("scripted fatal".to_owned()), "{stage:?}");
            let calls = world.state().steps.len();
            tokio::time::sleep(Duration::from_hours(1)).await;
            assert!(world.state().steps.len() <= calls + 40, "{stage:?}: the rest of a batch at most");
            world.script(|_| Act::Go);
            let tree = Tree::grow(&world, plan(2, 1)).await;
            world.until(|state| state.archived.len() == 100).await;
            assert_eq!(tree.drain().await, Ending::Drained);
            world.check_all_archived();
        });
    }
}
