//! Negative controls: calls that lie, and states that are spoilt after a kill. The same books must find what is lost,
//! doubled or half; a sweep that can't fail proves nothing.

use std::fs;

use crate::crash::books::Kind;
use crate::crash::site::ROWS;
use crate::harness;
use crate::points::{self, Outcome, spread};
use crate::proof;
use crate::tracer::calls::{CHANGING, RENAMES, WRITES};
use crate::tracer::{Change, Hit, Plan};
use crate::workload::{Scene, Verb, Workload, commands, imports, in_memory};

const IMPORT: Workload = Workload { uploads: imports, verb: Verb::Once, processors: 1 };
const COMMAND: Workload = Workload { uploads: commands, verb: Verb::Once, processors: 1 };

/// A whole life in which calls say that they were done and were not, and another one after it.
fn lied_to(workload: Workload, calls: &'static [crate::tracer::calls::Call], is_it: fn(&Hit) -> bool) -> Outcome {
    let scene = Scene::set(workload, &in_memory(), None);
    let plan = Plan::ChangeAll(Change::Skip);
    let life = scene.live_traced(workload.verb, calls, plan, |tracer| tracer.own().only(is_it));
    assert!(life.report.changed > 0, "nothing was made to lie: {}", life.log);
    let last = scene.finish();
    Outcome { hits: life.report.changed, states: 1, problems: scene.problems(), log: last.log, ..Outcome::default() }
}

fn control(name: &str, outcome: &Outcome, kind: Kind) {
    let caught = outcome.problems.iter().any(|problem| problem.kind == kind);
    proof::control(name, outcome.hits, outcome.states, caught);
}

#[test]
fn results_whose_rename_is_not_done_are_found_lost() {
    let is_publishing = |hit: &Hit| hit.target.contains("/.staging/");
    control("the rename of a result lies", &lied_to(COMMAND, RENAMES, is_publishing), Kind::Lost);
}

#[test]
fn reasons_that_are_not_written_are_found_half() {
    let is_reason = |hit: &Hit| hit.target.ends_with(".reason.txt");
    control("the write of a reason lies", &lied_to(IMPORT, WRITES, is_reason), Kind::Half);
}

/// As if the load marker were not in the transaction of the rows: after some of the kills the rows come twice.
#[test]
fn rows_whose_marker_is_gone_after_a_kill_are_found_doubled() {
    let whole = {
        let scene = Scene::set(IMPORT, &in_memory(), None);
        scene.live(IMPORT.verb, Some((CHANGING, Plan::Count))).report.calls
    };
    let name = "the marker is gone after a kill";
    let (row, _) = points::tried(name, spread(whole, 100, proof::seed()), &|death| {
        spoilt_after_a_kill(death, |scene| {
            // It may have died before there was any.
            if scene.site.state().join("rows.db").exists() {
                let _ = scene.site.database("rows.db").execute("DELETE FROM _importerd_files", []);
            }
        })
    });
    proof::control(name, row.faults, row.states, row.doubled > 0);
}

/// As if a file left the inbox for good before its rows are in.
#[test]
fn files_that_are_gone_from_their_slot_after_a_kill_are_found_lost() {
    let whole = {
        let scene = Scene::set(IMPORT, &in_memory(), None);
        scene.live(IMPORT.verb, Some((CHANGING, Plan::Count))).report.calls
    };
    let name = "what is claimed is gone after a kill";
    let (row, _) = points::tried(name, spread(whole, 100, proof::seed()), &|death| {
        spoilt_after_a_kill(death, |scene| {
            for file in harness::files(&scene.site.directory(ROWS, "active")) {
                fs::remove_file(file).expect("remove a claimed file");
            }
        })
    });
    proof::control(name, row.faults, row.states, row.lost > 0);
}

fn spoilt_after_a_kill(death: u64, spoil: impl Fn(&Scene)) -> Outcome {
    let scene = Scene::set(IMPORT, &in_memory(), None);
    let life = scene.live(IMPORT.verb, Some((CHANGING, Plan::KillAt(death))));
    spoil(&scene);
    scene.live(Verb::Once, None);
    let hits = u64::from(life.report.hit.is_some());
    Outcome { hits, states: 1, problems: scene.problems(), ..Outcome::default() }
}
