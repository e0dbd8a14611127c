//! Strangers: who isn't the daemon's user leaves files that the daemon can't read, and is refused before that. Root too,
//! who may do everything.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::process::geteuid;

use super::args::Global;
use super::check::rights::may;
use super::complaint::Complaint;
use super::shell;
use super::surroundings::{Daemon, daemon};
use crate::exit;
use crate::fault::{Fault, Reason};
use crate::folder::directory::open_directory;
use crate::folder::lock;
use crate::folder::places::{LOCK, with_pid};
use crate::ledger::FILE_NAME;
use crate::ledger::history::History;
use crate::settings::directories::SYSTEM_STATE;
use crate::settings::{Directories, Settings};

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

/// Refuses who has another state directory than the daemon that has the folders: what is known of them is known there. So is
/// who has no ledger yet, and may not see whether a daemon has them.
pub fn refuse_beside_another_daemon(settings: &Settings, directories: &Directories) -> Result<(), Reason> {
    let (mut held, mut unseen) = (None, None);
    for folder in settings.folders.values() {
        let active = folder.path.join("active");
        match open_directory(&active) {
            Ok(opened) => held = held.or_else(|| Some((&folder.name, lock::holder(opened, LOCK)?))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => unseen = unseen.or(Some((active, error))),
            Err(_) => {}
        }
    }
    // Asked last: who starts takes it first.
    if daemon(directories)? != Daemon::Stopped {
        return Ok(());
    }
    let state = &directories.state;
    if let Some((name, pid)) = held {
        let pid = with_pid(Some(pid).filter(|pid| *pid > 0));
        let text = format!("folder {name} is in use by another importerd{pid}, not by one of {}", state.display());
        let hint = format!("name its state directory by --state-dir; the service's is {SYSTEM_STATE}");
        return Err(Reason::new("in_use", text).hint(hint));
    }
    match unseen {
        Some((active, error)) if History::open(state)?.is_none() => {
            Err(Fault::io(active.display(), &error).reason().clone())
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
            Err(Complaint::whole(exit::NOPERM, text).but_type(next))
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
    shell::typed_again(Some(state).filter(|_| global.state_dir.is_none()))
}
