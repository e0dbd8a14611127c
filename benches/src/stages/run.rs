//! A command for each file, beside the bare start of the same command.

use super::per_second;
use crate::contest::{self, Contender, Figure, Standing};
use crate::ground::{Ground, files_below};
use crate::process::run;
use crate::setup::Setup;
use crate::workload::name_of;
use crate::{Outcome, check};

/// What is run, and whether it prints something.
const COMMANDS: [(&[&str], bool); 2] = [(&["/bin/true"], false), (&["/bin/sh", "-c", "echo done"], true)];

pub fn hold(setup: &Setup) -> Vec<Standing> {
    COMMANDS.iter().map(|(command, prints)| hold_with(setup, command, *prints)).collect()
}

fn hold_with(setup: &Setup, command: &[&str], prints: bool) -> Standing {
    let files = (setup.files / 5).max(100);
    let title = command.join(" ");
    let quoted: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
    let does = format!("run = {{ command = [{}] }}", quoted.join(", "));
    let importerd = || {
        let ground = Ground::with_backlog(&setup.directory, "run", files)?;
        let took = run(&mut setup.importerd(&ground, "once", &does)?, &ground)?;
        check::archived(&ground, files)?;
        published(&ground, if prints { files } else { 0 })?;
        Ok(vec![per_second(files as u64, took)])
    };
    let floor = || {
        let ground = Ground::new(&setup.directory, "spawn")?;
        let times = files.to_string();
        // The same words: importerd puts the path of the file behind them, and a program like `true` does more with an argument
        // than without.
        let path = ground.inbox().join(name_of(0)).display().to_string();
        let words: Vec<&str> = ["spawn", &times].into_iter().chain(command.iter().copied()).chain([&*path]).collect();
        let took = run(&mut setup.floor(&words), &ground)?;
        Ok(vec![per_second(files as u64, took)])
    };
    let contenders = [Contender::new("importerd once", importerd), Contender::new("posix_spawn and wait", floor)];
    let title = format!("A command for each of {files} files: `{title}`");
    let figure = Figure { title, unit: "commands/s" };
    contest::hold(setup.rounds, vec![figure], &[1], &contenders)
}

/// Every file has its result.
fn published(ground: &Ground, files: usize) -> Outcome<()> {
    let results = files_below(&ground.results());
    if results.len() != files {
        return Err(format!("{} results of {files}", results.len()).into());
    }
    for result in results {
        if std::fs::read(&result)? != b"done\n" {
            return Err(format!("{} isn't what the command printed", result.display()).into());
        }
    }
    Ok(())
}
