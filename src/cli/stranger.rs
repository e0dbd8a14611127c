//! Strangers: who isn't the daemon's user leaves files that the daemon can't read, and is refused before that. Root too,
//! who may do everything.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::args::Global;
use super::complaint::Complaint;
use super::shell::quoted;
use crate::exit;
use crate::ledger::FILE_NAME;
use crate::settings::Settings;

/// Refuses who is another than the daemon's user, and says what to type: its files are the ledger, or where there is none,
/// the state directory, or what folders have in hand.
pub fn refuse(global: &Global, settings: &Settings, state: &Path) -> Result<(), Complaint> {
    let folders = settings.folders.values().map(|folder| folder.path.join("active"));
    refuse_by(global, state, [state.join(FILE_NAME), state.to_owned()].into_iter().chain(folders))
}

/// Refuses root where another user's daemon made the ledger. What anybody else may not do, the kernel says.
pub fn refuse_root(global: &Global, state: &Path) -> Result<(), Complaint> {
    if geteuid().is_root() { refuse_by(global, state, std::iter::once(state.join(FILE_NAME))) } else { Ok(()) }
}

/// The first of these places that is there tells who the daemon's user is.
fn refuse_by(global: &Global, state: &Path, mut places: impl Iterator<Item = PathBuf>) -> Result<(), Complaint> {
    let user = geteuid().as_raw();
    match places.find_map(|place| Some((place.metadata().ok()?.uid(), place))) {
        Some((owner, place)) if owner != user => {
            let text = format!("{} belongs to user {owner}, and this is user {user}", place.display());
            let next = format!("type it as that user: sudo -u '#{owner}' {}", typed_again(global, state));
            Err(Complaint::new(exit::NOPERM, text, next))
        }
        _ => Ok(()),
    }
}

/// This command line, for another user, who finds another state directory where none is named.
pub fn typed_again(global: &Global, state: &Path) -> String {
    let mut words = vec!["importerd".to_owned()];
    if global.state_dir.is_none() {
        words.extend(["--state-dir".to_owned(), quoted(state)]);
    }
    words.extend(std::env::args_os().skip(1).map(quoted));
    words.join(" ")
}
