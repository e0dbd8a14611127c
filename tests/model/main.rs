//! The protocol of settle, claim, process, commit, archive and recover as a model, in which every interleaving and every
//! fault at every step is tried: a kill, a power cut with all that it may leave, a panic, a writer that comes back.
//!
//! Each step of the model says which function of the program it stands for. What always holds is in `invariants`, the
//! worlds that are tried and the controls in `worlds`. `IMPORTERD_PROOF=full` tries larger ones.
#![allow(clippy::print_stderr, reason = "a proof says what it has shown")]

mod carry;
mod disk;
mod invariants;
mod ledger;
#[path = "../proof/mod.rs"]
mod proof;
mod protocol;
mod recover;
mod scenario;
mod step;
mod world;
mod worlds;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proof::{Row, is_full};
use protocol::{Action, Protocol};
use scenario::{Scenario, Work};
use stateright::{Checker, HasDiscoveries, Model, Path};
use world::World;

/// What the checker says of one world.
struct Verdict {
    faults: u64,
    states: u64,
    /// Some way leads to the end of everything.
    ends: bool,
    /// What was refuted, and how it comes to that.
    refuted: Vec<(&'static str, String)>,
}

impl Verdict {
    fn told(&self) -> String {
        self.refuted.iter().map(|(property, story)| format!("{property}:\n{story}")).collect::<Vec<_>>().concat()
    }
}

fn check(scenario: Scenario, until: HasDiscoveries) -> Verdict {
    let protocol = Protocol::new(scenario);
    let faults = Arc::clone(&protocol.faults);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = protocol.checker().threads(threads).finish_when(until).spawn_bfs().join();
    let (found, refuted): (Vec<_>, Vec<_>) =
        checker.discoveries().into_iter().partition(|(name, _)| *name == invariants::SOME_END);
    Verdict {
        faults: faults.load(Ordering::Relaxed),
        states: checker.unique_state_count() as u64,
        ends: !found.is_empty(),
        refuted: refuted.into_iter().map(|(name, path)| (name, story(path))).collect(),
    }
}

/// A counterexample, a line a step.
fn story(path: Path<World, Action>) -> String {
    let line = |(world, action): (World, Option<Action>)| match action {
        Some(Action::Step { daemon, slot }) => {
            let running = world.daemons[usize::from(daemon)].as_ref();
            let next = running.and_then(|running| running.processors[usize::from(slot)].todo.last());
            format!("  daemon {daemon}, slot {slot}: {next:?}\n")
        }
        Some(action) => format!("  {action:?}\n"),
        None => format!("  {world:?}\n"),
    };
    path.into_vec().into_iter().map(line).collect()
}

/// Tries all worlds of one kind of work, and enters their sum in the table.
fn prove(work: Work) {
    let mut row = Row::new(format!("model: {work:?}").to_lowercase());
    let worlds = worlds::of(work, is_full());
    row.note = format!("{} worlds, every interleaving", worlds.len());
    for scenario in worlds {
        let name = scenario.name;
        let verdict = check(scenario, HasDiscoveries::AnyFailures);
        eprintln!("{work:?}: {name}: {} states, {} faults", verdict.states, verdict.faults);
        assert!(verdict.refuted.is_empty(), "{name}: it does not hold that {}", verdict.told());
        assert!(verdict.ends && verdict.faults > 0, "{name}: the model stands still");
        row.faults += verdict.faults;
        row.states += verdict.states;
    }
    row.enter();
}

#[test]
fn an_import_is_done_once_and_nothing_is_lost_whatever_fails_at_any_step() {
    prove(Work::Import);
}

#[test]
fn a_command_s_results_are_there_once_and_nothing_is_lost_whatever_fails_at_any_step() {
    prove(Work::Run);
}

#[test]
fn each_step_done_wrongly_is_refuted() {
    for control in worlds::controls() {
        let verdict = check(control.world, HasDiscoveries::AnyOf([control.breaks].into()));
        let is_caught = verdict.refuted.iter().any(|(property, _)| *property == control.breaks);
        let refuted: Vec<_> = verdict.refuted.iter().map(|(property, _)| *property).collect();
        eprintln!("{}: refuted: {refuted:?}", control.what);
        proof::control(&format!("model: {}", control.what), verdict.faults, verdict.states, is_caught);
    }
}
