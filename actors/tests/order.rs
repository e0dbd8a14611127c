//! A folder whose files must be carried in order: one that was offered later is claimed later, and not before those
//! before it are done, whatever comes between.

mod script;

use importerd_actors::{Ending, FolderPlan, Plan, Threads};
use script::{Act, Stage, State, Step, Tree, World, on_threads, plan, stopped_clock};

const FILES: usize = 120;

fn in_order(processors: usize) -> Plan {
    Plan { folders: vec![FolderPlan { files_max: 16, in_order: true, in_turns: true }], ..plan(processors, 1) }
}

/// How often a file was committed after a later one.
fn overtakes(state: &State) -> usize {
    state.batches(Stage::Commit).concat().windows(2).filter(|pair| pair[0] > pair[1]).count()
}

/// Carries them all, with this much in the way; returns how often one overtook another.
async fn carried(plan: Plan, script: impl Fn(&Step) -> Act + Send + Sync + 'static) -> usize {
    let world = World::new();
    world.script(script);
    world.drop_files(0, (0_i64..).take(FILES));
    let tree = Tree::grow(&world, plan).await;
    world.until(|state| state.archived.len() + state.quarantined.len() == FILES).await;
    assert_eq!(tree.drain().await, Ending::Drained);
    world.check();
    overtakes(&world.state())
}

#[test]
fn no_file_overtakes_another_whatever_crashes_and_holds_come_between() {
    // Which steps go wrong, of every eleven.
    for (stage, act) in [
        (Stage::Claim, Act::Panic),
        (Stage::Claim, Act::HoldAfter),
        (Stage::Process, Act::Panic),
        (Stage::Process, Act::Hold),
        (Stage::Process, Act::Refuse),
        (Stage::Archive, Act::Panic),
        (Stage::Archive, Act::HoldAfter),
        (Stage::Recover, Act::Hold),
        (Stage::Recover, Act::Panic),
        (Stage::Look, Act::Hold),
        (Stage::MakeStages, Act::Panic),
    ] {
        stopped_clock(async {
            let (wrong, of) = (act.clone(), stage);
            let overtook = carried(in_order(3), move |step| match step.stage {
                stage if stage == of && step.before % 11 == 5 => wrong.clone(),
                // So that there is something to recover in each world.
                Stage::Process if matches!(of, Stage::Recover | Stage::MakeStages) && step.before % 20 == 7 => {
                    Act::Hold
                }
                _ => Act::Go,
            });
            assert_eq!(overtook.await, 0, "{stage:?}, {act:?}");
        });
    }
}

#[test]
fn no_file_overtakes_another_on_threads() {
    on_threads(async {
        let plan = Plan { threads: Threads::Own, ..in_order(4) };
        assert_eq!(carried(plan, |_| Act::Go).await, 0);
    });
}

/// The control: without being asked for, there is no order.
#[test]
fn files_of_any_other_folder_overtake_each_other() {
    stopped_clock(async {
        let plan = plan(3, 1);
        let script =
            |step: &Step| if step.stage == Stage::Process && step.before % 11 == 5 { Act::Hold } else { Act::Go };
        assert!(carried(plan, script).await > 0);
    });
}
