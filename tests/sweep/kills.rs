//! Kills: the whole tree dies at a state-changing call, for every one of them; the next life sets all right.

use std::path::Path;

use crate::crash::books::{Kind, Problem, problems_after_a_kill};
use crate::points::{self, Outcome, spread};
use crate::proof;
use crate::tracer::Plan;
use crate::tracer::calls::CHANGING;
use crate::workload::{Elsewhere, Life, Scene, Verb, Workload, commands, everything, imports, in_memory};

/// How many calls a life has that is not hit.
pub fn calls(workload: Workload, elsewhere: Option<&Path>) -> u64 {
    let scene = Scene::set(workload, &in_memory(), elsewhere);
    let life = scene.live(workload.verb, Some((CHANGING, Plan::Count)));
    assert_eq!(scene.problems(), [], "nothing in the way; {}", life.log);
    life.report.calls
}

/// One life after the other is killed at the call of its number; then one isn't.
fn killed_at(workload: Workload, elsewhere: Option<&Path>, deaths: &[u64]) -> Outcome {
    let scene = Scene::set(workload, &in_memory(), elsewhere);
    let mut outcome = Outcome { story: format!("IMPORTERD_POINT={}", in_words(deaths)), ..Outcome::default() };
    for death in deaths {
        let life = scene.live(workload.verb, Some((CHANGING, Plan::KillAt(*death))));
        outcome.states += 1;
        outcome.problems.extend(problems_after_a_kill(&scene.site, &scene.list));
        let Some(hit) = &life.report.hit else { break };
        outcome.hits += 1;
        outcome.story = format!("{}\nkilled at call {death}: {hit}", outcome.story);
    }
    let life = scene.finish();
    outcome.states += 1;
    outcome.problems.extend(ended_well(&life));
    outcome.problems.extend(scene.problems());
    outcome.log = life.log;
    outcome
}

fn in_words(deaths: &[u64]) -> String {
    deaths.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn ended_well(life: &Life) -> Option<Problem> {
    let well = life.code == Some(0) && !life.hung;
    let text = || format!("the life after the kill ended with {:?}, hung: {}", life.code, life.hung);
    (!well).then(|| Problem { kind: Kind::Disagrees, text: text() })
}

fn kills(name: &str, sample: u64, workload: Workload, elsewhere: Option<&Path>) {
    let counted = calls(workload, elsewhere);
    // Another life may have some calls more. One that ends unhit counts nothing.
    let beyond = if proof::is_full() { counted / 20 } else { 0 };
    let deaths = spread(counted + beyond, sample, proof::seed());
    points::sweep(name, deaths, |death| killed_at(workload, elsewhere, &[death]));
}

const IMPORT: Workload = Workload { uploads: imports, verb: Verb::Once, processors: 1 };
const COMMAND: Workload = Workload { uploads: commands, verb: Verb::Once, processors: 1 };

const fn daemon(processors: usize) -> Workload {
    Workload { uploads: everything, verb: Verb::Run, processors }
}

/// fault 80
#[test]
fn a_kill_at_any_call_of_an_import_loses_nothing_and_doubles_nothing() {
    kills("kill at a call: import", 300, IMPORT, None);
}

/// fault 80
#[test]
fn a_kill_at_any_call_of_a_command_loses_nothing_and_doubles_nothing() {
    kills("kill at a call: command", 300, COMMAND, None);
}

/// fault 80
#[test]
fn a_kill_at_any_call_of_a_life_with_a_drain_loses_nothing_and_doubles_nothing() {
    for processors in 1..=3 {
        kills(&format!("kill at a call: run and drain, processors {processors}"), 200, daemon(processors), None);
    }
}

/// fault 80
#[test]
fn a_kill_with_the_ledger_on_another_filesystem_loses_nothing_and_doubles_nothing() {
    let Some(elsewhere) = Elsewhere::mount() else { return };
    for processors in 1..=3 {
        let name = format!("kill at a call: ledger elsewhere, processors {processors}");
        kills(&name, 120, daemon(processors), Some(elsewhere.path()));
    }
}

/// fault 80
#[test]
fn a_kill_inside_the_recovery_from_a_kill_loses_nothing_and_doubles_nothing() {
    let (workload, mut random) = (daemon(2), fastrand::Rng::with_seed(proof::seed()));
    let whole = calls(workload, None);
    let lives = if proof::is_full() { 2_000 } else { 260 };
    let deaths = |_| {
        // A recovery begins when all is opened, and is shorter than a whole life.
        let first = random.u64(whole / 4..=whole);
        [first, random.u64(1..=whole / 2), random.u64(1..=whole / 2)]
    };
    let points: Vec<_> = match recorded() {
        Some(deaths) => vec![deaths],
        None => (0..lives).map(deaths).collect(),
    };
    points::sweep("kill inside recovery, twice", points, |deaths| killed_at(workload, None, &deaths));
}

/// `IMPORTERD_POINT=500,120,80` repeats a point of the recoveries.
fn recorded() -> Option<[u64; 3]> {
    let deaths = std::env::var("IMPORTERD_POINT").ok()?;
    let deaths: Vec<_> = deaths.split(',').map(|death| death.parse().expect("the number of a call")).collect();
    Some(deaths.try_into().expect("three numbers"))
}
