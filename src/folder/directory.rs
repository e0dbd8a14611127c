//! Directories by descriptor: opened, made when missing, opened up where somebody has shut them, and read.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, chmodat, fchmod, fstat, mkdirat, openat};
use rustix::io::{Errno, retry_on_intr};

/// Claimed files are nobody else's.
pub(crate) const ACTIVE_MODE: u32 = 0o750;
/// A directory of our own below one of a folder's, made when missing. A symbolic link is refused.
///
/// # Errors
/// What the system says.
pub fn subdirectory(parent: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let open = || open_below(parent.as_fd(), name, ACTIVE_MODE, OFlags::NOFOLLOW);
    let opened = open();
    // A command may have shut it.
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        chmodat(parent.as_fd(), name, Mode::from_raw_mode(ACTIVE_MODE), AtFlags::empty())?;
        return open();
    }
    opened
}

/// The owner may do everything in it again, should a command have shut it.
pub(crate) fn open_up(directory: impl AsFd) -> io::Result<()> {
    let mode = Mode::from_raw_mode(fstat(directory.as_fd())?.st_mode);
    if !mode.contains(Mode::RWXU) {
        fchmod(directory, Mode::from_raw_mode(ACTIVE_MODE))?;
    }
    Ok(())
}

/// A directory below another, made with this mode when missing.
pub(super) fn open_below(parent: impl AsFd, name: &OsStr, mode: u32, flags: OFlags) -> io::Result<OwnedFd> {
    let open = || retry_on_intr(|| openat(parent.as_fd(), name, directory_flags() | flags, Mode::empty()));
    match open() {
        Err(Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    match mkdirat(parent.as_fd(), name, Mode::from_raw_mode(mode)) {
        // A new directory is durable when its parent is.
        Ok(()) => rustix::fs::fsync(parent.as_fd())?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(open()?)
}

/// How all of them are opened.
pub(super) fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens a directory by its path.
///
/// # Errors
/// What the system says.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| rustix::fs::open(path, directory_flags(), Mode::empty()))?)
}

/// Makes a directory, and those above it that are missing.
pub(super) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// The names in a directory, without those that start with a dot.
///
/// # Errors
/// What the system says.
pub fn names(directory: impl AsFd) -> io::Result<Vec<OsString>> {
    use std::os::unix::ffi::OsStrExt;
    let mut names = Vec::new();
    for entry in retry_on_intr(|| rustix::fs::Dir::read_from(&directory))? {
        let name = entry?.file_name().to_bytes().to_owned();
        if name.first() != Some(&b'.') {
            names.push(OsStr::from_bytes(&name).to_owned());
        }
    }
    Ok(names)
}
