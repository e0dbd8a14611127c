//! Strangers: who isn't the daemon's user leaves files that the daemon can't read, and is refused before that. Root too,
//! who may do everything.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::process::geteuid;

use super::args::Global;
use super::check::rights::may;
use super::complaint::Complaint;
use super::shell::quoted;
use super::surroundings::{Daemon, daemon};
use crate::exit;
use crate::folder::directory::open_directory;
use crate::folder::lock;
use crate::folder::places::{LOCK, with_pid};
use crate::ledger::FILE_NAME;
use crate::settings::directories::SYSTEM_STATE;
use crate::settings::{Directories, Folder, Settings, word_without_password};

/// Refuses who is another than the daemon's user, and says what to type: its files are the ledger, or where there is none,
/// what folders have in hand. The state directory may have been made for it by another, who isn't it for that; but root, and
/// who may not write in it, are not the one whom it was made for.
pub fn refuse(global: &Global, settings: &Settings, state: &Path) -> Result<(), Complaint> {
    let folders = settings.folders.values().map(|folder| folder.path.join("active"));
    let is_made_for_another = geteuid().is_root() || may(state, Access::WRITE_OK).is_err();
    let places = std::iter::once(state.join(FILE_NAME)).chain(folders);
    refuse_by(global, state, places.chain(is_made_for_another.then(|| state.to_owned())))
}

/// Refuses root where another user's daemon made the ledger. What anybody else may not do, the kernel says.
pub fn refuse_root(global: &Global, state: &Path) -> Result<(), Complaint> {
    if geteuid().is_root() { refuse_by(global, state, std::iter::once(state.join(FILE_NAME))) } else { Ok(()) }
}

/// Refuses who has another state directory than the daemon that has the folders: what is known of them is known there.
pub fn refuse_elsewhere(settings: &Settings, directories: &Directories) -> Result<(), Complaint> {
    let holder = |folder: &Folder| lock::holder(open_directory(&folder.path.join("active")).ok()?, LOCK);
    let held = settings.folders.values().find_map(|folder| Some((&folder.name, holder(folder)?)));
    // Asked last: who starts takes it first.
    match (held, daemon(directories)?) {
        (Some((name, pid)), Daemon::Stopped) => {
            let pid = with_pid(Some(pid).filter(|pid| *pid > 0));
            let state = directories.state.display();
            let text = format!("folder {name} is in use by another importerd{pid}, not by one of {state}");
            let next = format!("name its state directory by --state-dir; the service's is {SYSTEM_STATE}");
            Err(Complaint::new(exit::UNAVAILABLE, text, next))
        }
        _ => Ok(()),
    }
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

/// What this user may not do, the one whose state directory it is may.
pub fn may_as_owner(global: &Global, state: &Path, complaint: Complaint) -> Complaint {
    match state.metadata().map(|state| state.uid()) {
        Ok(owner) if complaint.code == exit::NOPERM && owner != geteuid().as_raw() => complaint
            .but_type(format!("type it as the daemon's user: sudo -u '#{owner}' {}", typed_again(global, state))),
        _ => complaint,
    }
}

/// This command line, for another user, who finds another state directory where none is named.
pub fn typed_again(global: &Global, state: &Path) -> String {
    let mut words = vec!["importerd".to_owned()];
    if global.state_dir.is_none() {
        words.extend(["--state-dir".to_owned(), quoted(state)]);
    }
    words.extend(std::env::args_os().skip(1).map(|word| match word.into_string() {
        Ok(word) => quoted(word_without_password(&word)),
        Err(odd) => quoted(odd),
    }));
    words.join(" ")
}
