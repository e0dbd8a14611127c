//! `once`: what is there now is carried, then the tree ends by itself.

mod script;

use std::time::Duration;

use importerd_actors::{Ending, Happening, Plan};
use script::{Act, Stage, Tree, World, plan, stopped_clock};
use tokio::time::Instant;

fn once(processors: usize, folders: usize) -> Plan {
    Plan { once: true, ..plan(processors, folders) }
}

#[test]
fn once_ends_when_everything_is_carried() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..300);
        world.drop_files(2, 1000..1100);
        let tree = Tree::grow(&world, once(3, 3)).await;
        assert_eq!(tree.end().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn once_with_nothing_there_ends_at_once() {
    stopped_clock(async {
        for folders in [0, 1, 4] {
            let tree = Tree::grow(&World::new(), once(2, folders)).await;
            let began = Instant::now();
            assert_eq!(tree.end().await, Ending::Drained);
            assert_eq!(began.elapsed(), Duration::ZERO);
        }
    });
}

#[test]
fn once_waits_for_what_is_settling() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..10);
        world.write_file(0, 100, Duration::from_secs(90));
        let tree = Tree::grow(&world, once(1, 1)).await;
        assert_eq!(tree.end().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn once_ends_when_a_folder_is_held_and_the_others_are_carried() {
    for trouble in [Stage::Look, Stage::Claim, Stage::Process, Stage::Commit] {
        stopped_clock(async {
            let world = World::new();
            world.script(move |step| if step.stage == trouble && step.folder == 0 { Act::Hold } else { Act::Go });
            world.drop_files(0, 0..10);
            world.drop_files(1, 100..200);
            let tree = Tree::grow(&world, once(2, 2)).await;
            let ending = tree.end().await;
            let claimed = world.state().claimed.len();
            assert_eq!(ending, Ending::LeftBehind { files: claimed }, "{trouble:?}");
            assert_eq!(world.state().archived.len(), 100);
            world.check();
        });
    }
}

#[test]
fn once_does_not_end_before_a_crashed_processor_is_back() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.files.contains(&99) { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, once(2, 1)).await;
        assert_eq!(tree.end().await, Ending::Drained);
        let state = world.state();
        assert_eq!((state.archived.len(), state.quarantined.len()), (99, 1));
        let last = |what: fn(&Happening) -> bool| state.happenings.iter().rposition(|(_, happening)| what(happening));
        let back = last(|what| matches!(what, Happening::ProcessorRestarted { .. }));
        assert!(back < last(|what| matches!(what, Happening::Draining { .. })), "the drain comes last");
        drop(state);
        world.check();
    });
}

#[test]
fn once_goes_on_after_a_scanner_has_crashed() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Look && step.before < 5 { Act::PanicAfter } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, once(2, 1)).await;
        assert_eq!(tree.end().await, Ending::Drained);
        world.check_all_archived();
    });
}
