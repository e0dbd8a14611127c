//! A walk over what a command left behind, which never leaves it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, Stat, accessat, openat, statat};
use rustix::io::{Errno, retry_on_intr};

use crate::fault::{Fault, Reason};

/// How deep results may be nested.
const DEPTH_MAX: usize = 64;

/// The extended attribute that gives a program rights beyond its user's.
const CAPABILITY: &str = "security.capability";

/// One thing in a directory.
pub(super) struct Node<'a> {
    /// The directory that it is in.
    pub(super) parent: BorrowedFd<'a>,
    /// What it is called there.
    pub(super) name: &'a OsStr,
    /// Its path from where the walk began, for messages.
    pub(super) path: &'a Path,
    /// What it is; symbolic links are not followed.
    pub(super) stat: Stat,
}

impl Node<'_> {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Opens a regular file or a directory for reading, and nothing else.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        Ok(retry_on_intr(|| openat(self.parent, self.name, READ | OFlags::NONBLOCK, Mode::empty()))?)
    }

    /// Changes the permission bits.
    pub(super) fn set_mode(&self, mode: Mode) -> io::Result<()> {
        self.through_proc(|path| Ok(rustix::fs::chmod(path, mode)?))
    }

    /// Whether this user may read it, as is needed to flush it, and write to a directory that is moved itself.
    pub(super) fn is_ours_to_move(&self) -> io::Result<()> {
        let is_moved = self.path.components().count() == 1;
        let rights = match self.kind() {
            FileType::Directory if is_moved => Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
            FileType::Directory => Access::READ_OK | Access::EXEC_OK,
            _ => Access::READ_OK,
        };
        Ok(accessat(self.parent, self.name, rights, AtFlags::EACCESS)?)
    }

    /// Takes the capabilities of a program away.
    pub(super) fn drop_capabilities(&self) -> io::Result<()> {
        self.through_proc(|path| match rustix::fs::getxattr(path, CAPABILITY, &mut [0_u8; 64]) {
            Ok(_) | Err(Errno::RANGE) => Ok(rustix::fs::removexattr(path, CAPABILITY)?),
            Err(_) => Ok(()),
        })
    }

    /// Acts on this very node by a path that no rename can divert, whatever its permission bits are.
    fn through_proc(&self, act: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let node = retry_on_intr(|| openat(self.parent, self.name, flags, Mode::empty()))?;
        act(&format!("/proc/self/fd/{}", node.as_raw_fd()))
    }
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory that may be a symbolic link only before its last component.
pub(super) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| rustix::fs::open(path, READ | OFlags::DIRECTORY, Mode::empty()))?)
}

/// Visits everything below `top`, a directory before what is in it, names in order.
pub(super) fn walk(top: &Path, visit: &mut impl FnMut(&Node<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
    let dir = open_dir(top).map_err(|error| Fault::io(format_args!("read {}", top.display()), &error))?;
    descend(dir.as_fd(), &mut PathBuf::new(), DEPTH_MAX, visit)
}

fn descend(
    dir: BorrowedFd<'_>,
    path: &mut PathBuf,
    depth_left: usize,
    visit: &mut impl FnMut(&Node<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if depth_left == 0 {
        let text = format!("results nested deeper than {DEPTH_MAX} directories");
        return Err(Fault::Deferred { reason: Reason::new("results_too_deep", text), charged: true });
    }
    let names = names(dir).map_err(|error| Fault::io(format_args!("read staging directory {path:?}"), &error))?;
    for name in names {
        path.push(&name);
        let of_path = |error: io::Error| Fault::io(format_args!("staged result {path:?}"), &error);
        let stat = statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| of_path(error.into()))?;
        let node = Node { parent: dir, name: &name, path, stat };
        visit(&node)?;
        if node.kind() == FileType::Directory {
            let below = node.open().map_err(of_path)?;
            descend(below.as_fd(), path, depth_left - 1, visit)?;
        }
        path.pop();
    }
    Ok(())
}

/// The names in a directory, in order.
pub(super) fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in retry_on_intr(|| Dir::read_from(dir))? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}
