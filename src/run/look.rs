//! A look through what commands have left, for what they have not made.
//!
//! One rule tells what may be removed of it. A regular file that is not provably younger than the staging directory was moved
//! there, or linked: it may be a dropped file, and this name the last that it has. What is no such file is the command's own.
//! Where the filesystem keeps no times of birth, nothing is provably younger.
//!
//! A dropped file was closed, seen, claimed and read before a staging directory is made for it: where both have the same
//! time, as within one tick of the filesystem's clock, the file is the command's.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Statx, chmod, statx};
use rustix::io::Errno;

use super::tree;
use crate::fault::{Fault, if_there};
use crate::folder::places::{identity, identity_flags};

/// When something was made, in nanoseconds since 1970. `None`: the filesystem doesn't tell.
pub(super) type Born = Option<i64>;

fn born(stat: &Statx) -> Born {
    Some(identity(stat).born_ns).filter(|born| *born != 0)
}

/// When what lies there was made.
pub(super) fn born_at(path: &Path) -> Born {
    born(&stat_of(CWD, path).ok()?)
}

/// Shows everything at this path and below it, at any depth. Directories that are shut are opened, where this user may.
/// Returns whether that was all: what can't be entered is passed over.
///
/// # Errors
/// [`Fault::World`]: of the disk. What a command has made of its own tree is no error.
pub(super) fn look(root: &Path, mut see: impl FnMut(&Path, &Statx)) -> Result<bool, Fault> {
    let fault = |path: &Path, error: &io::Error| Fault::io(path.display(), error);
    let mut is_all = true;
    // By paths, one directory open at a time: no depth is too deep for that.
    let mut to_enter = Vec::new();
    match if_there(stat_of(CWD, root)).map_err(|error| fault(root, &error))? {
        None => {}
        Some(stat) if is_directory(&stat) => to_enter.push(root.to_owned()),
        Some(stat) => see(root, &stat),
    }
    while let Some(directory) = to_enter.pop() {
        let names = enter(&directory).and_then(|opened| Ok((tree::names(opened.as_fd())?, opened)));
        let Some((names, opened)) = passing_over(names, &mut is_all).map_err(|error| fault(&directory, &error))? else {
            continue;
        };
        for name in names {
            let path = directory.join(&name);
            let stat = passing_over(stat_of(&opened, name.as_ref()), &mut is_all);
            let Some(stat) = stat.map_err(|error| fault(&path, &error))? else { continue };
            see(&path, &stat);
            if is_directory(&stat) {
                to_enter.push(path);
            }
        }
    }
    Ok(is_all)
}

fn enter(directory: &Path) -> io::Result<OwnedFd> {
    match tree::open_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            chmod(directory, Mode::RWXU)?;
            tree::open_dir(directory)
        }
        opened => opened,
    }
}

pub(super) fn stat_of(directory: impl AsFd, name: &Path) -> io::Result<Statx> {
    Ok(statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags())?)
}

pub(super) fn is_file(stat: &Statx) -> bool {
    is_a(stat, FileType::RegularFile)
}

pub(super) fn is_directory(stat: &Statx) -> bool {
    is_a(stat, FileType::Directory)
}

fn is_a(stat: &Statx, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == kind
}

fn passing_over<T>(found: io::Result<T>, is_all: &mut bool) -> io::Result<Option<T>> {
    match if_there(found) {
        Err(error) if is_of_a_tree(&error) => {
            *is_all = false;
            Ok(None)
        }
        found => found,
    }
}

/// Whether it is what a command has made of its own files that stands in the way, and nothing of the disk or the machine.
pub(super) fn is_of_a_tree(error: &io::Error) -> bool {
    use Errno as E;
    let of_a_tree = [E::ACCESS, E::PERM, E::NAMETOOLONG, E::LOOP, E::NOTDIR, E::ISDIR, E::NOTEMPTY, E::EXIST, E::BUSY];
    Errno::from_io_error(error).is_some_and(|error| of_a_tree.contains(&error))
}

/// The rule of the module. `staging`: when the staging directory was made.
pub(super) fn may_be_dropped(stat: &Statx, staging: Born) -> bool {
    is_file(stat) && born(stat).zip(staging).is_none_or(|(born, staging)| born < staging)
}

/// Whether it was certainly made after the staging directory.
pub(super) fn is_younger(stat: &Statx, staging: Born) -> bool {
    born(stat).zip(staging).is_some_and(|(born, staging)| born > staging)
}

/// Whether what lies there may be the last name of a dropped file, or have one in it.
pub(super) fn may_hold_dropped(root: &Path, staging: Born) -> Result<bool, Fault> {
    let mut links: HashMap<u64, (u32, u32)> = HashMap::new();
    let is_all = look(root, |_, stat| {
        if may_be_dropped(stat, staging) {
            links.entry(stat.stx_ino).or_insert((0, stat.stx_nlink)).0 += 1;
        }
    })?;
    Ok(!is_all || links.values().any(|(found, all)| found >= all))
}

/// Where the files are that this is said of.
pub(super) fn find(root: &Path, is_wanted: impl Fn(&Statx) -> bool) -> Result<Vec<(PathBuf, Statx)>, Fault> {
    let mut found = Vec::new();
    look(root, |path, stat| {
        // It is on the same filesystem: nothing but a rename or a link gets it there.
        if is_wanted(stat) {
            found.push((path.to_owned(), *stat));
        }
    })?;
    Ok(found)
}

/// Moves a file out of the directory that it is in, which is opened first where it is shut. `None`: it is not to be had, and
/// stays there.
pub(super) fn take_out<T>(
    path: &Path,
    act: impl Fn(BorrowedFd<'_>, &OsStr) -> io::Result<T>,
) -> Result<Option<T>, Fault> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let act = || act(File::open(parent)?.as_fd(), name);
    let moved = match act() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            chmod(parent, Mode::RWXU).map_err(io::Error::from).and_then(|()| act())
        }
        moved => moved,
    };
    match if_there(moved) {
        Err(error) if is_of_a_tree(&error) => Ok(None),
        moved => moved.map_err(|error| Fault::io(format_args!("bring back {}", path.display()), &error)),
    }
}
