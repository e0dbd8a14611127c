//! The real stages under random schedules: two Processors over one folder, ledger and database, in memory; each schedule
//! is a seed. Between any two calls of a stage may come a panic of one Processor, a kill, a power cut with what it may
//! undo, an uploader who opens his file again, and an operator's hand.
//!
//! What is inside a call is the business of the model and of the sweep. `IMPORTERD_SEED` repeats one schedule.
#![allow(clippy::print_stderr, reason = "a proof says what it has shown")]

mod books;
mod life;
#[path = "../parts/mod.rs"]
mod parts;
mod plan;
#[path = "../proof/mod.rs"]
mod proof;
mod schedule;

use std::time::Instant;

use importerd::settings::Duplicates;
use life::Spoilt;
use plan::Plan;
use proof::{Row, is_full, seed};
use schedule::Schedule;

/// What some schedules came to.
#[derive(Default)]
struct Sum {
    row: Row,
    problems: Vec<String>,
}

/// Runs so many schedules, or those up to the first that shows a problem.
fn run(name: &str, plan: Plan, count: u64) -> Sum {
    let mut sum = Sum { row: Row::new(name), ..Sum::default() };
    let count = if std::env::var_os("IMPORTERD_SEED").is_some() { 1 } else { count };
    let began = Instant::now();
    for seed in (0..count).map(|number| seed().wrapping_add(number)) {
        let mut schedule = Schedule::new(seed, plan);
        schedule.run();
        sum.row.faults += schedule.faults;
        sum.row.states += schedule.states;
        if !schedule.problems.is_empty() {
            let story = schedule.story.join("\n  ");
            sum.problems.push(format!("IMPORTERD_SEED={seed}: {:#?}\n  {story}", schedule.problems));
            break;
        }
    }
    sum.row.note = format!("{count} schedules");
    eprintln!("{name}: {count} schedules in {:?}", began.elapsed());
    sum
}

fn prove(name: &str, plan: Plan, count: u64) {
    let sum = run(name, plan, if is_full() { count * 10 } else { count });
    assert!(sum.problems.is_empty(), "{name}: {}", sum.problems.concat());
    assert!(sum.row.faults > 0, "{name}: no fault came");
    sum.row.enter();
}

/// faults 14, 15, 16, 75, 80
#[test]
fn imports_come_once_in_whatever_order_and_whatever_comes_between() {
    prove("schedules: import", Plan::import(Duplicates::ByContent), 80);
    prove("schedules: import, duplicates allowed", Plan::import(Duplicates::Allow), 80);
}

/// faults 14, 15, 75, 80
#[test]
fn results_come_once_in_whatever_order_and_whatever_comes_between() {
    prove("schedules: run", Plan::run(Duplicates::ByContent), 20);
    prove("schedules: run, duplicates allowed", Plan::run(Duplicates::Allow), 20);
}

/// Else the schedules would prove nothing.
#[test]
fn a_world_that_forgets_what_was_durable_is_found_out() {
    for (name, plan, spoilt) in [
        ("the target loses its load markers", Plan::import(Duplicates::Allow), Spoilt::Markers),
        ("the ledger loses what was flushed", Plan::run(Duplicates::Allow), Spoilt::FlushedEntries),
        ("a file is lost", Plan::import(Duplicates::ByContent), Spoilt::File),
    ] {
        let sum = run(name, plan.spoilt(spoilt), 300);
        proof::control(&format!("schedules: {name}"), sum.row.faults, sum.row.states, !sum.problems.is_empty());
    }
}
