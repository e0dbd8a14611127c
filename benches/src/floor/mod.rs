//! What the machine gives: the same work with nothing but the calls that it needs. Each is a process of its own, as the others are.

mod bare;
mod command;
pub mod import;
mod kept;
mod large;
mod spool;
mod write_ahead;

use crate::Outcome;
use std::path::Path;

/// How each is asked for, after the word `floor`.
pub fn main(words: &[String]) -> Outcome<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["bare", root] => bare::backlog(Path::new(root)),
        ["bare-live", root] => bare::live(Path::new(root)),
        ["write-ahead", root] => write_ahead::backlog(Path::new(root)),
        ["write-ahead-live", root] => write_ahead::live(Path::new(root)),
        ["import", root] => import::backlog(Path::new(root)),
        ["import-live", root] => import::live(Path::new(root)),
        ["kept", root] => kept::backlog(Path::new(root)),
        ["kept-live", root] => kept::live(Path::new(root)),
        ["handed-live", root] => kept::handed(Path::new(root)),
        ["csv", file, database] => large::csv(Path::new(file), Path::new(database)),
        ["ndjson", file, database] => large::ndjson(Path::new(file), Path::new(database)),
        ["spawn", times, ref command @ ..] => command::spawn(times.parse()?, command),
        _ => Err(format!("there is no floor {words:?}").into()),
    }
}
