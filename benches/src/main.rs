//! Measures importerd beside the floor of the machine, a loop written by hand, and what people use instead.
//!
//! Called by `benches/compare`. Everybody does the same work in turns, each in a process of its own and on a fresh
//! directory of the same filesystem; whoever loses, doubles or changes a row has failed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the product")]

mod arrivals;
mod check;
mod contest;
mod floor;
mod ground;
mod machine;
mod peers;
mod plot;
mod postgres;
mod process;
mod report;
mod setup;
mod stages;
mod workload;

use std::process::ExitCode;

/// What may go wrong is only told.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((first, words)) if first == "floor" => floor::main(words).map(|()| true),
        _ => setup::Setup::from_words(&words).and_then(|setup| compare(&setup)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(64)
        }
    }
}

/// Holds the stages that were asked for, and prints and draws what came of them. `false`: somebody failed.
fn compare(setup: &setup::Setup) -> Outcome<bool> {
    let mut text = machine::describe(&setup.out, setup.rounds)?;
    println!("{text}");
    let mut standings = Vec::new();
    for stage in &setup.stages {
        eprintln!("{stage}:");
        let _runs = ground::Runs::make(&setup.directory)?;
        for standing in stages::hold(setup, stage)? {
            let tables = report::markdown(&standing);
            println!("{tables}");
            text.push('\n');
            text.push_str(&tables);
            standings.push(standing);
        }
    }
    let [written, drawn] = ["compare.md", "compare.svg"].map(|name| setup.out.join(name));
    std::fs::write(&written, text)?;
    std::fs::write(&drawn, plot::svg(&standings))?;
    println!("written to {}, drawn in {}", written.display(), drawn.display());
    Ok(standings.iter().all(|standing| standing.shown.iter().all(|shown| shown.failed.is_none())))
}

/// As many as importerd has Processors.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
