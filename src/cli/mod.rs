//! The command line: what was typed, and which command answers.

mod args;
mod complaint;
mod found;
mod page;
mod shell;
mod stranger;
mod surroundings;
mod table;
mod when;

mod check;
mod config;
mod events;
mod explain;
mod ledger;
mod ls;
mod manual;
mod order;
mod rejects;
mod serve;
mod status;
mod trial;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use complaint::told;
use surroundings::typed;

use crate::exit;

/// Reads the command line, does what it says, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    ExitCode::from(answer(arguments))
}

fn answer(arguments: Arguments) -> u8 {
    let Arguments { global, command } = arguments;
    match command {
        Command::Watch(watch) => told(serve::watch(&global, watch)),
        Command::Run => told(serve::run(&global).map_err(|complaint| complaint.with_options(&typed(&global)))),
        Command::Once => told(serve::once(&global).map_err(|complaint| complaint.with_options(&typed(&global)))),
        Command::Check => check::answer(&global),
        Command::Try(file) => trial::answer(&global, &file),
        Command::Status => status::answer(&global),
        Command::Ls(ls) => ls::answer(&global, &ls),
        Command::Explain(explain) => explain::answer(&global, &explain),
        Command::Rejects(rejects) => rejects::answer(&global, &rejects),
        Command::Events(events) => events::answer(&global, &events),
        Command::Pause(folders) => order::answer(&global, &order::pause(folders)),
        Command::Resume(folders) => order::answer(&global, &order::resume(folders)),
        Command::Retry(retry) => order::answer(&global, &order::retry(&retry)),
        Command::Replay(replay) => order::replay(&global, &replay),
        Command::Forget(forget) => order::forget(&global, &forget),
        Command::Drain => order::drain(&global),
        Command::Ledger(ledger) => ledger::answer(&global, &ledger),
        Command::Config(config) => config::answer(&global, &config),
        Command::Man { page } => told(manual::man(page)),
        Command::Completions { shell } => told(manual::completions(shell)),
    }
}
