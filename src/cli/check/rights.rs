//! Whether this user may do what the daemon has to do. Asked of the kernel, as far as it can be asked without
//! doing it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

use super::super::shell::quoted;
use super::checklist::Section;
use crate::exit;
use crate::fault::if_there;
use crate::room;

/// Whether the effective user may do that with what lies at the path.
pub fn may(path: &Path, access: Access) -> io::Result<()> {
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

/// Whether a directory can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usable {
    /// It is there.
    Now,
    /// It will be made.
    Later,
    /// It is there or above, and in the way: that is entered.
    No,
}

/// Whether a directory of the daemon with this state directory can be used, or made; enters why not.
pub fn directory(path: &Path, state: &Path, section: &mut Section, name: &str) -> Usable {
    let (at, missing) = nearest(path);
    let fault = match at.metadata() {
        Ok(metadata) if !metadata.is_dir() => {
            section.fail(exit::CONFIG, format!("{} is not a directory", at.display()), None);
            return Usable::No;
        }
        Ok(_) => match may(at, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => return if missing { Usable::Later } else { Usable::Now },
            Err(error) => {
                let verb = if missing { "be made in" } else { "be used:" };
                (code(&error), format!("{name} can't {verb} {}: {error}", at.display()))
            }
        },
        Err(error) => (code(&error), format!("{name}: {}: {error}", at.display())),
    };
    section.fail(fault.0, fault.1, fix(path, state));
    Usable::No
}

/// That there is no room where a directory is or will be, for the user whom the state directory belongs to. fault 68
pub fn no_room(path: &Path, state: &Path) -> Option<String> {
    let ((at, _), (state, _)) = (nearest(path), nearest(state));
    let is_full = room::is_full(at, owner(state) == Some(0));
    is_full.then(|| format!("the filesystem of {} is full: nothing is taken until there is room", at.display()))
}

/// The path itself, or the lowest directory above it that is there; and whether something is missing.
pub fn nearest(path: &Path) -> (&Path, bool) {
    let there = path.ancestors().find(|path| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    });
    let there = there.unwrap_or(path);
    (there, there != path)
}

/// The exit code that an error of the system leads to.
pub fn code(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => exit::NOPERM,
        _ => exit::UNAVAILABLE,
    }
}

/// Another user's daemon is not to lose what it works with: what is there is given to this user only where the state directory
/// is this user's, and nothing is made where it can't be seen whether it is there.
fn fix(path: &Path, state: &Path) -> Option<String> {
    let user = geteuid().as_raw();
    let whose = |path: &Path| if_there(path.metadata()).ok().map(|found| found.map(|found| found.uid()));
    let to_type = match (whose(path)?, whose(state)?) {
        (_, Some(owner)) if owner != user => return None,
        (None, _) => format!("sudo install -d -o {user}"),
        (Some(owner), _) if owner == user => "chmod u+rwx".to_owned(),
        (Some(_), None) => return None,
        (Some(_), Some(_)) => format!("sudo chown {user}"),
    };
    Some(format!("{to_type} {}", quoted(path)))
}

pub fn owner(path: &Path) -> Option<u32> {
    path.metadata().ok().map(|metadata| metadata.uid())
}
