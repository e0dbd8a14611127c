//! Whether this user may do what the daemon has to do. Asked of the kernel, as far as it can be asked without
//! doing it.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::checklist::Section;
use crate::exit;

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

/// Whether a directory can be used, or made; enters why not.
pub fn directory(path: &Path, section: &mut Section, name: &str) -> Usable {
    let (at, missing) = nearest(path);
    let fault = match at.metadata() {
        Ok(metadata) if !metadata.is_dir() => (exit::CONFIG, format!("{} is not a directory", at.display())),
        Ok(_) => match may(at, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => return if missing { Usable::Later } else { Usable::Now },
            Err(error) => {
                let verb = if missing { "be made in" } else { "be used:" };
                (code(&error), format!("{name} can't {verb} {}: {error}", at.display()))
            }
        },
        Err(error) => (code(&error), format!("{name}: {}: {error}", at.display())),
    };
    section.fail(fault.0, fault.1, Some(fix(path)));
    Usable::No
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

fn fix(path: &Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    format!("sudo install -d -o {user} {}", super::super::shell::quoted(path))
}
