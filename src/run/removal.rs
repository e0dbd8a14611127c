//! Removal of what commands have made, and of nothing else: see [`look`] for how that is told. What may not be removed is
//! left, under a name that nothing else has.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::look::{self, Born};
use super::staging::{NOTE, Named, PRINTED, WORK_MODE, beside, printed};
use crate::fault::{Fault, if_there};
use crate::folder::moves;
use crate::folder::name::joined;

/// How the name of what is not removed begins.
pub(super) const LEFT: &str = ".left-";

/// Removes a staging directory with all that is in it, and what is beside it. It is no error if there is none. See
/// `remove`.
///
/// # Errors
/// [`Fault::World`]: it can't be removed now. May be repeated.
pub fn discard(root: &Path) -> Result<Option<PathBuf>, Fault> {
    remove_beside(root, PRINTED)?;
    remove_note(root)?;
    // Most of the time it is empty.
    if fs::remove_dir(root).is_ok() {
        return Ok(None);
    }
    remove(root, look::born_at(root))
}

/// Where [`keep`] will leave it, unless that name is taken. `None`: there is nothing to be kept.
pub(super) fn kept_at(root: &Path) -> Option<PathBuf> {
    let _ = open_up(root);
    let kept = if is_there(root) { root } else { &printed(root) };
    has_produced(root).then(|| kept.with_file_name(left_name(kept)))
}

/// Leaves a staging directory that may be all that there is of a dropped file, with what was printed in it. An empty one is
/// removed. Returns where it lies now.
///
/// # Errors
/// [`Fault::World`]: it is where it was. May be repeated.
pub fn keep(root: &Path) -> Result<Option<PathBuf>, Fault> {
    let fault = |error| Fault::io(format_args!("leave {}", root.display()), &error);
    if kept_at(root).is_none() {
        return discard(root);
    }
    if is_there(root) {
        gather(root).map_err(fault)?;
        remove_beside(root, PRINTED)?;
        remove_note(root)?;
        return leave(root).map(Some).map_err(fault);
    }
    let left = leave(&printed(root)).map(Some).map_err(fault)?;
    remove_note(root).map(|()| left)
}

fn remove_note(root: &Path) -> Result<(), Fault> {
    let has_note = Named::of(root).is_none_or(|named| named.file.is_none());
    if has_note { remove_beside(root, NOTE) } else { Ok(()) }
}

fn remove_beside(root: &Path, ending: &str) -> Result<(), Fault> {
    if_there(fs::remove_file(beside(root, ending))).map(drop).map_err(|error| cannot_remove(root, &error))
}

/// Removes what a command has made since its staging directory was. Where there is among it what may be a dropped file, or
/// what can't be looked through or removed, as another user's directories, it is left, and its place is returned.
pub(super) fn remove(path: &Path, staging: Born) -> Result<Option<PathBuf>, Fault> {
    let fault = |error| cannot_remove(path, &error);
    let Some(found) = if_there(fs::symlink_metadata(path)).map_err(fault)? else { return Ok(None) };
    if look::may_hold_dropped(path, staging)? {
        return leave(path).map(Some).map_err(fault);
    }
    let remove = || if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    let mut removed = remove();
    if found.is_dir() && removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        // A command may leave directories that even their owner can't empty.
        open_up(path).map_err(fault)?;
        look::look(path, |path, stat| {
            if look::is_directory(stat) {
                let _ = fs::set_permissions(path, Permissions::from_mode(WORK_MODE));
            }
        })?;
        removed = remove();
    }
    // So deep that not all of its directories can be open at the same time.
    let is_too_deep = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::MFILE);
    match if_there(removed) {
        Err(error) if look::is_of_a_tree(&error) || is_too_deep(&error) => leave(path).map(Some).map_err(fault),
        removed => removed.map(|_| None).map_err(fault),
    }
}

/// Gives it a name that nothing else has.
pub(super) fn leave(path: &Path) -> io::Result<PathBuf> {
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let directory = File::open(parent)?;
    Ok(parent.join(moves::move_numbered(&directory, name, &directory, &left_name(path))?))
}

fn left_name(path: &Path) -> OsString {
    let name = path.file_name().unwrap_or_default();
    joined(&[LEFT.as_bytes(), name.as_bytes()].concat(), b"", b"")
}

/// Whether a command has left anything in its staging directory, or printed anything.
#[must_use]
pub fn has_produced(root: &Path) -> bool {
    has_printed(root)
        || match fs::read_dir(root) {
            Ok(mut entries) => entries.next().is_some(),
            // Something else, or shut.
            Err(_) => is_there(root),
        }
}

fn has_printed(root: &Path) -> bool {
    fs::symlink_metadata(printed(root)).is_ok_and(|found| found.len() > 0)
}

fn is_there(root: &Path) -> bool {
    fs::symlink_metadata(root).is_ok()
}

/// Puts what was printed among what else a command has left: `stdout`, or the next name that is free.
///
/// # Errors
/// What the system says. May be repeated.
pub fn gather(root: &Path) -> io::Result<()> {
    let is_directory = fs::symlink_metadata(root).is_ok_and(|found| found.is_dir());
    if !is_directory || !has_printed(root) {
        return Ok(());
    }
    let printed = printed(root);
    let from = File::open(root.parent().unwrap_or(root))?;
    moves::move_numbered(&from, printed.file_name().unwrap_or_default(), &File::open(root)?, "stdout".as_ref())
        .map(drop)
}

/// The owner may do everything in it again, whatever its command has made of it. It is no error if there is none.
///
/// # Errors
/// What the system says.
pub fn open_up(root: &Path) -> io::Result<()> {
    match if_there(fs::symlink_metadata(root))? {
        Some(found) if found.is_dir() && found.mode() & 0o7777 != WORK_MODE => {
            fs::set_permissions(root, Permissions::from_mode(WORK_MODE))
        }
        _ => Ok(()),
    }
}

fn cannot_remove(root: &Path, error: &io::Error) -> Fault {
    Fault::io(format_args!("remove {}", root.display()), error)
}
