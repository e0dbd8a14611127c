//! A drain takes nothing new, finishes what is in hand, says how it ended, and always ends.

mod script;

use std::time::Duration;

use actix::Addr;
use importerd_actors::{Drain, Ending, Happening, Plan, Start, Threads};
use script::{Act, Gate, Stage, State, Tree, World, on_threads, plan, quiet, stopped_clock};
use tokio::time::Instant;

fn threads(processors: usize) -> Plan {
    Plan { threads: Threads::Own, ..plan(processors, 1) }
}

fn is_draining(state: &State) -> bool {
    state.happened(|what| matches!(what, Happening::Draining { .. })) > 0
}

/// A tree whose Processors each wait at the gate with a file in hand, and more before them.
async fn all_in_hand(world: &World, plan: Plan) -> (Tree, Gate) {
    let (gate, processors) = (Gate::default(), plan.processors);
    let wait = gate.clone();
    world.script(move |step| if step.stage == Stage::Process { Act::Wait(wait.clone()) } else { Act::Go });
    world.drop_files(0, 0..100);
    let tree = Tree::grow(world, plan).await;
    world.until(|state| state.calls(Stage::Process) == processors).await;
    (tree, gate)
}

/// Fault 81.
#[test]
fn a_drain_finishes_what_is_in_hand_and_leaves_the_rest_in_the_inbox() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(2)).await;
        tree.begin_drain().await;
        world.until(|state| state.happened(|what| matches!(what, Happening::DrainProgress { .. })) > 0).await;
        gate.open();
        assert_eq!(tree.end().await, Ending::Drained);
        assert_eq!(world.state().archived.len(), 2);
        assert_eq!(world.state().in_inbox(), 98);
        assert_eq!(world.state().alive, 0, "every thread has ended");
        world.check();
    });
}

#[test]
fn a_drain_tells_every_second_what_is_in_hand() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(1)).await;
        tree.begin_drain().await;
        let told = |state: &State| {
            state.happened(|what| match what {
                Happening::DrainProgress { in_hand: 1, oldest: Some((name, _)) } => name == "0.csv",
                _ => false,
            })
        };
        world.until(|state| told(state) == 2).await;
        gate.open();
        assert_eq!(tree.end().await, Ending::Drained);
    });
}

#[test]
fn nothing_is_looked_for_or_claimed_once_the_drain_has_begun() {
    stopped_clock(async {
        let world = World::new();
        let watched = world.clone();
        world.script(move |step| {
            let late = is_draining(&watched.state()) && matches!(step.stage, Stage::Look | Stage::Claim);
            if late {
                watched.state().wrongs.push(format!("{:?} in a drain", step.stage));
            }
            Act::Go
        });
        world.drop_files(0, 0..10_000);
        let tree = Tree::grow(&world, plan(4, 2)).await;
        world.until(|state| state.archived.len() > 500).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        assert!(world.state().in_inbox() > 0, "the drain came in the middle");
        world.check();
    });
}

#[test]
fn a_drain_past_its_grace_leaves_the_rest_behind_and_says_how_many() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, Plan { drain_grace: Duration::from_millis(300), ..threads(3) }).await;
        let began = Instant::now();
        assert_eq!(tree.drain().await, Ending::LeftBehind { files: 3 });
        assert!(began.elapsed() >= Duration::from_millis(300));
        world.check();
        gate.open();
    });
}

/// Fault 82.
#[test]
fn a_second_signal_ends_a_drain_at_once() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(2)).await;
        tree.begin_drain().await;
        tree.abandon().await;
        let began = Instant::now();
        assert_eq!(tree.end().await, Ending::LeftBehind { files: 2 });
        assert!(began.elapsed() < Duration::from_secs(5));
        gate.open();
    });
}

#[test]
fn an_abandoned_tree_claims_nothing_more() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(2)).await;
        tree.abandon().await;
        assert_eq!(tree.end().await, Ending::LeftBehind { files: 2 });
        gate.open();
        world.until(|state| state.archived.len() == 2).await;
        assert_eq!(world.state().calls(Stage::Claim), 2);
    });
}

/// Fault 82.
#[test]
fn a_drain_told_twice_is_one_drain() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(1)).await;
        tree.begin_drain().await;
        for _ in 0..10 {
            tree.supervisor.send(Drain { cause: "again".to_owned() }).await.unwrap();
        }
        gate.open();
        assert_eq!(tree.end().await, Ending::Drained);
        assert_eq!(world.state().happened(|what| matches!(what, Happening::Draining { .. })), 1);
        world.check();
    });
}

fn start<A>(supervisor: &Addr<A>)
where
    A: actix::Actor<Context = actix::Context<A>> + actix::Handler<Start>,
{
    let supervisor = supervisor.clone();
    actix_rt::spawn(async move { supervisor.send(Start).await });
}

/// Fault 81: SIGTERM during start-up.
#[test]
fn a_drain_during_the_start_starts_nothing_more() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.stage == Stage::Recover { Act::Wait(wait.clone()) } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::plant(&world, threads(4));
        start(&tree.supervisor);
        world.until(|state| state.calls(Stage::Recover) == 1).await;
        tree.begin_drain().await;
        gate.open();
        assert_eq!(tree.end().await, Ending::Drained);
        let state = world.state();
        assert_eq!((state.calls(Stage::Recover), state.calls(Stage::Look), state.in_inbox()), (1, 0, 100));
        assert_eq!(state.alive, 0, "every thread has ended");
        assert_eq!(state.happened(|what| matches!(what, Happening::Ready { .. })), 0);
    });
}

#[test]
fn a_drain_during_a_recovery_that_hangs_ends_at_its_grace() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| if step.stage == Stage::Recover { Act::Wait(wait.clone()) } else { Act::Go });
        let tree = Tree::plant(&world, Plan { drain_grace: Duration::from_millis(200), ..threads(2) });
        start(&tree.supervisor);
        world.until(|state| state.calls(Stage::Recover) == 1).await;
        assert_eq!(tree.drain().await, Ending::LeftBehind { files: 0 });
        gate.open();
    });
}

#[test]
fn a_drain_before_the_start_ends_and_the_start_starts_nothing() {
    stopped_clock(async {
        let world = World::new();
        world.drop_files(0, 0..10);
        let tree = Tree::plant(&world, plan(2, 1));
        tree.begin_drain().await;
        tree.supervisor.send(Start).await.unwrap();
        assert_eq!(tree.end().await, Ending::Drained);
        assert_eq!(world.state().steps.len(), 0);
    });
}

#[test]
fn a_drain_waits_for_a_processor_in_its_back_off() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.before == 1 { Act::Panic } else { Act::Go });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.happened(|what| matches!(what, Happening::ProcessorCrashed { .. })) == 1).await;
        assert!(world.state().claimed.len() > 1);
        assert_eq!(tree.drain().await, Ending::Drained);
        assert_eq!(world.state().claimed.len(), 0);
        world.check();
    });
}

#[test]
fn a_crash_in_a_drain_is_charged_to_its_file_and_the_others_are_carried() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(move |step| match step.stage {
            Stage::Process if step.files == [20] => Act::Wait(wait.clone()),
            Stage::Commit if step.files.contains(&20) => Act::Panic,
            _ => Act::Go,
        });
        world.drop_files(0, 0..100);
        let tree = Tree::grow(&world, threads(1)).await;
        world.until(|state| state.calls(Stage::Process) == 21).await;
        tree.begin_drain().await;
        gate.open();
        assert_eq!(tree.end().await, Ending::Drained);
        assert_eq!(world.state().archived.len(), 20);
        assert_eq!(world.state().quarantined.iter().copied().collect::<Vec<_>>(), [20]);
        assert_eq!(world.state().alive, 0);
        world.check();
    });
}

#[test]
fn a_crash_loop_in_a_drain_ends_it() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, Plan { restarts: 3, ..threads(1) }).await;
        tree.begin_drain().await;
        world.script(|step| if matches!(step.stage, Stage::Commit | Stage::Recover) { Act::Panic } else { Act::Go });
        gate.open();
        assert_eq!(tree.end().await, Ending::GaveUp);
        world.check();
    });
}

#[test]
fn a_drain_with_a_held_folder_says_how_many_files_stay_claimed() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Commit && step.folder == 0 { Act::Hold } else { Act::Go });
        world.drop_files(0, 0..100);
        world.drop_files(1, 100..200);
        let tree = Tree::grow(&world, plan(3, 2)).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        let claimed = world.state().claimed.len();
        assert!(claimed > 0);
        assert_eq!(tree.drain().await, Ending::Held { files: claimed });
        assert_eq!(world.state().claimed.len(), claimed);

        world.script(|_| Act::Go);
        let tree = Tree::grow(&world, plan(3, 2)).await;
        let ready = Happening::Ready { archived: 0, again: claimed };
        assert_eq!(world.state().happened(|what| *what == ready), 1);
        world.until(|state| state.archived.len() == 200).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        world.check_all_archived();
    });
}

#[test]
fn a_folder_that_is_held_while_the_daemon_drains_is_told_with_the_cause() {
    for holds in [false, true] {
        on_threads(async {
            let world = World::new();
            let (tree, gate) = all_in_hand(&world, threads(2)).await;
            let files = world.state().claimed.len();
            tree.begin_drain().await;
            world.script(move |step| if holds && step.stage == Stage::Commit { Act::Hold } else { Act::Go });
            gate.open();
            assert_eq!(tree.end().await, if holds { Ending::Held { files } } else { Ending::Drained });
            let told = |what: &Happening| matches!(what, Happening::FolderLeft { cause, .. } if !cause.is_empty());
            assert_eq!(world.state().happened(told), usize::from(holds));
            assert_eq!(world.state().happened(|what| matches!(what, Happening::FolderPaused { .. })), 0);
        });
    }
}

#[test]
fn a_drain_with_a_folder_held_from_the_start_counts_no_file_that_nobody_has_seen() {
    for once in [false, true] {
        stopped_clock(async {
            let world = World::new();
            world.script(|step| match step.stage {
                Stage::Recover | Stage::Look if step.folder == 0 => Act::Hold,
                _ => Act::Go,
            });
            let tree = Tree::grow(&world, Plan { once, ..plan(4, 2) }).await;
            world.until(|state| state.happened(|what| matches!(what, Happening::FolderPaused { .. })) == 1).await;
            if once {
                assert_eq!(tree.end().await, Ending::LeftBehind { files: 0 });
            } else {
                assert_eq!(tree.drain().await, Ending::Held { files: 0 });
            }
            let told = |what: &Happening| matches!(what, Happening::DrainProgress { in_hand: 1.., .. });
            assert_eq!(world.state().happened(told), 0);
        });
    }
}

/// Fault 71: a ledger that can't be trusted is no clean end.
#[test]
fn a_fatal_answer_in_a_drain_is_heard() {
    on_threads(async {
        let world = World::new();
        let (tree, gate) = all_in_hand(&world, threads(2)).await;
        tree.begin_drain().await;
        world.script(|step| if step.stage == Stage::Commit { Act::Fatal } else { Act::Go });
        gate.open();
        assert_eq!(tree.end().await, Ending::Fatal("scripted fatal".to_owned()));
        world.check();
    });
}

/// Fault 73.
#[test]
fn a_scanner_that_hangs_does_not_outlast_the_grace() {
    on_threads(async {
        let world = World::new();
        let gate = Gate::default();
        let wait = gate.clone();
        world.script(
            move |step| {
                if step.stage == Stage::Look && step.folder == 0 { Act::Wait(wait.clone()) } else { Act::Go }
            },
        );
        world.drop_files(1, 0..10);
        let grace = Duration::from_millis(300);
        let tree = Tree::grow(&world, Plan { drain_grace: grace, threads: Threads::Own, ..plan(2, 2) }).await;
        let hangs = |state: &State| state.steps.iter().any(|step| step.stage == Stage::Look && step.folder == 0);
        world.until(|state| state.archived.len() == 10 && hangs(state)).await;
        assert_eq!(tree.drain().await, Ending::LeftBehind { files: 0 });
        gate.open();
        world.check();
    });
}

#[test]
fn a_scanner_that_crashes_is_not_missed_by_a_drain() {
    stopped_clock(async {
        let world = World::new();
        world.script(|step| if step.stage == Stage::Look { Act::Panic } else { Act::Go });
        let tree = Tree::grow(&world, plan(1, 1)).await;
        world.until(|state| state.happened(|what| matches!(what, Happening::ScannerCrashed { .. })) == 3).await;
        assert_eq!(tree.drain().await, Ending::Drained);
        let looks = world.state().calls(Stage::Look);
        quiet().await;
        assert_eq!(world.state().calls(Stage::Look), looks, "it stays dead");
    });
}
