//! Puts a new ledger in the place of an old one, which is put aside and never deleted.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use rustix::fs::{RenameFlags, fsync, renameat_with};
use rustix::io::Errno;

use super::{FILE_NAME, doubt, draft};
use crate::fault::Fault;
use crate::folder::directory::open_directory;

/// Puts the finished draft in place. Returns where the old ledger lies now, if there was one. A crash leaves no ledger,
/// and the draft, which the next try puts in place.
///
/// # Errors
/// What the system says; the next try goes on from there.
pub fn swap(state_directory: &Path, why: &str) -> Result<Option<PathBuf>, Fault> {
    let fault = |error: io::Error| Fault::io(state_directory.display(), &error);
    let directory = open_directory(state_directory).map_err(fault)?;
    let now = Zoned::now().strftime("%Y-%m-%dT%H-%M-%S.%6f").to_string();
    let aside = format!("{FILE_NAME}.{why}-{now}");
    let put = |from: &OsStr, to: &OsStr| match renameat_with(&directory, from, &directory, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(fault(error.into())),
    };
    let mut was_there = false;
    // The log of the old one must never be taken for the new one's.
    for suffix in ["", "-wal", "-shm"] {
        let name = |of: &str| OsString::from(format!("{of}{suffix}"));
        was_there |= put(&name(FILE_NAME), &name(&aside))?;
    }
    fsync(&directory).map_err(|error| fault(error.into()))?;
    let draft = draft::path(state_directory);
    if !put(draft.file_name().unwrap_or_default(), OsStr::new(FILE_NAME))? {
        return Err(Fault::fatal("ledger", format!("{}: it is gone", draft.display())));
    }
    fsync(&directory).map_err(|error| fault(error.into()))?;
    let ledger = state_directory.join(FILE_NAME);
    doubt::dismiss(&ledger);
    doubt::mark_closed(&ledger).map_err(fault)?;
    Ok(was_there.then(|| state_directory.join(aside)))
}
