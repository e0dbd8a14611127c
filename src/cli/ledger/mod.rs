//! `importerd ledger`: whether the ledger is sound, and how it is made anew.

mod check;
mod rebuild;

use super::args::{Global, Ledger, LedgerCommand};
use super::complaint::{Complaint, told};
use super::surroundings::{directories, how_to_begin, sources, typed};
use crate::exit;
use crate::settings::{self, Directories, Settings};

/// `importerd ledger check`, `importerd ledger rebuild`
pub fn answer(global: &Global, ledger: &Ledger) -> u8 {
    let answer = match ledger.command {
        LedgerCommand::Check => check::answer(global),
        LedgerCommand::Rebuild { yes, force } => rebuild::answer(global, yes, force),
    };
    told(answer.map_err(|complaint| complaint.with_options(&typed(global))))
}

/// Where the ledger lies, and the folders that it belongs to.
fn whereabouts(global: &Global) -> Result<(Directories, Settings), Complaint> {
    let directories = directories(global)?;
    let loaded = settings::load(&sources(global, &directories))
        .map_err(|error| Complaint::whole(exit::CONFIG, error.to_string()))?;
    if loaded.settings.folders.is_empty() {
        return Err(Complaint::new(exit::CONFIG, "a ledger belongs to folders", how_to_begin()));
    }
    Ok((directories, loaded.settings))
}
