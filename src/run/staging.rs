//! The private directory in which a command works, and what is found there when it has ended.
//!
//! STAGING is called `ID-INODE-DEFERRALS-NAME` after the file that it is for: enough to undo an attempt that nobody saw
//! the end of, and there for as long as anything is that was moved into it. Beside it, `ID-INODE-DEFERRALS.out` is what was
//! printed. Only where the name would be too long, `ID-INODE-DEFERRALS.for` is a symbolic link that says which file it is;
//! a power cut may take it away. STAGING is made before these two and removed after them.
//!
//! No more than that: what is made and removed for each command costs most of what a short one costs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::process::geteuid;

use super::input::{Input, find_moved};
use super::results::Produced;
use super::tree::{self, Node};
use crate::fault::{Fault, Reason, if_there};
use crate::file::FileId;
use crate::folder::moves;
use crate::room;

/// What the command printed, beside its working directory.
const PRINTED: &str = ".out";
/// Which file it works on, there too.
const NOTE: &str = ".for";

/// How the name of what can't be removed begins.
pub(super) const LEFT: &str = ".left-";

/// Nobody else's business.
const WORK_MODE: u32 = 0o700;

/// How long a name may be on any filesystem: eCryptfs takes no longer one.
const NAME_BYTES_MAX: usize = 143;

/// A staging directory made for one attempt.
pub(super) struct Staging<'a> {
    root: &'a Path,
    /// Opened before the command could write: it will know of every write that fails from now on.
    opened: File,
}

impl<'a> Staging<'a> {
    /// Makes it, after removing what an earlier attempt left. Its parent must exist.
    pub(super) fn fresh(root: &'a Path) -> Result<Self, Fault> {
        let made = || {
            DirBuilder::new().mode(WORK_MODE).create(root)?;
            File::open(root)
        };
        let opened = match made() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                discard(root)?;
                made()
            }
            opened => opened,
        };
        let opened = opened.map_err(|error| Fault::io(format_args!("make {}", root.display()), &error))?;
        Ok(Self { root, opened })
    }

    /// Writes down which file it is for, unless its own name says so. A symbolic link is there as a whole or not at all.
    pub(super) fn note(&self, input: &Input<'_>) -> Result<(), Fault> {
        if Named::of(self.root).is_some_and(|named| named.file.is_some()) {
            return Ok(());
        }
        let path = beside(self.root, NOTE);
        symlink(input.note(), &path).map_err(|error| Fault::io(format_args!("make {}", path.display()), &error))
    }

    /// Where the command works.
    pub(super) fn work(&self) -> &Path {
        self.root
    }

    /// What keeps a command from writing here, if anything does.
    pub(super) fn obstacle(&self) -> Option<io::Error> {
        room::obstacle(&self.opened)
    }

    /// Where its standard output goes.
    pub(super) fn stdout(&self) -> Result<File, Fault> {
        let path = printed(self.root);
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        made.map_err(|error| Fault::io(format_args!("make {}", path.display()), &error))
    }

    /// Takes stock of what a command that ended well has left: regular files and directories only.
    ///
    /// Set-user-ID, set-group-ID and capabilities are taken away (fault 43); what the owner could
    /// not read or move becomes readable and movable.
    pub(super) fn harvest(self, name: &OsStr) -> Result<Produced, Fault> {
        let work = self.work();
        let of = |path: &Path, error: &io::Error| Fault::io(path.display(), error);
        let found = if_there(fs::symlink_metadata(work)).map_err(|error| of(work, &error))?;
        found.filter(Metadata::is_dir).ok_or_else(work_is_gone)?;
        open_up(work).map_err(|error| of(work, &error))?;
        let mut entries = Vec::new();
        let mut nodes = 0;
        tree::walk(work, &mut |node| {
            tame(node)?;
            nodes += 1;
            if node.path.parent() == Some(Path::new("")) {
                entries.push(node.name.to_owned());
            }
            Ok(())
        })?;
        let stdout = printed(work);
        let stdout = if_there(fs::symlink_metadata(&stdout)).map_err(|error| of(&stdout, &error))?;
        let stdout = stdout.is_some_and(|found| found.is_file() && found.len() > 0);
        let nodes = nodes + usize::from(stdout);
        Ok(Produced { entries, stdout, staging: self.root.into(), name: name.into(), nodes, opened: self.opened })
    }
}

/// Where what was printed lies.
pub(super) fn printed(root: &Path) -> PathBuf {
    beside(root, PRINTED)
}

/// Without the file's name: there is room for the ending.
fn beside(root: &Path, ending: &str) -> PathBuf {
    let name = Named::of(root).map(|named| Named { file: None, ..named }.name());
    let mut name = name.unwrap_or_else(|| root.file_name().unwrap_or_default().to_owned());
    name.push(ending);
    root.with_file_name(name)
}

/// Refuses what can't be a result and takes away what a result must not have.
fn tame(node: &Node<'_>) -> Result<(), Fault> {
    let needed = match node.kind() {
        FileType::RegularFile => Mode::RUSR,
        FileType::Directory => Mode::RWXU,
        other => return Err(not_a_result(node, other)),
    };
    let mode = Mode::from_raw_mode(node.stat.st_mode);
    let tamed = mode.difference(Mode::SUID | Mode::SGID).union(needed);
    let of_node = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => another_users(node),
        _ => Fault::io(format_args!("permissions of result {:?}", node.path), &error),
    };
    if tamed != mode {
        node.set_mode(tamed).map_err(of_node)?;
    }
    if node.kind() == FileType::RegularFile && mode.intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH) {
        node.drop_capabilities().map_err(of_node)?;
    }
    // Those bits are its owner's.
    if node.stat.st_uid == geteuid().as_raw() { Ok(()) } else { node.is_ours_to_move().map_err(of_node) }
}

/// Only the command itself can have done this.
fn work_is_gone() -> Fault {
    Fault::Deferred { reason: Reason::new("work_is_gone", "the command removed its working directory"), charged: true }
}

/// As a container leaves them, or sudo: to be published, it must be read, and a directory be written to.
fn another_users(node: &Node<'_>) -> Fault {
    let text = format!("result {:?} belongs to user {}, and this one may not move it", node.path, node.stat.st_uid);
    let reason = Reason::new("not_a_result", text);
    let hint = "have the command give it to the daemon's user (chown; docker run --user), or copy it";
    Fault::Deferred { reason: reason.hint(hint), charged: true }
}

fn not_a_result(node: &Node<'_>, kind: FileType) -> Fault {
    let kind = match kind {
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    let text = format!("result {:?} is {kind}: only regular files and directories can be published", node.path);
    Fault::Deferred { reason: Reason::new("not_a_result", text), charged: true }
}

/// What the name of a staging directory says: `ID-INODE-DEFERRALS-NAME`, or without the last where it would be too long.
#[derive(Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The number of the claimed file.
    pub id: FileId,
    /// Its inode.
    pub inode: u64,
    /// How often it was deferred before.
    pub deferrals: u32,
    /// Its name.
    pub file: Option<&'a OsStr>,
}

impl<'a> Named<'a> {
    /// Reads the name of a directory. `None`: it is no staging directory's.
    #[must_use]
    pub fn of(root: &'a Path) -> Option<Self> {
        let mut parts = root.file_name()?.as_bytes().splitn(4, |&byte| byte == b'-');
        let mut number = || str::from_utf8(parts.next()?).ok();
        let (id, inode, deferrals) = (number()?.parse().ok()?, number()?.parse().ok()?, number()?.parse().ok()?);
        Some(Self { id: FileId(id), inode, deferrals, file: parts.next().map(OsStr::from_bytes) })
    }

    /// The name to give to one.
    #[must_use]
    pub fn name(&self) -> OsString {
        let mut name = OsString::from(format!("{}-{}-{}", self.id.0, self.inode, self.deferrals));
        if let Some(file) = self.file.filter(|file| name.len() + 1 + file.len() <= NAME_BYTES_MAX) {
            name.push("-");
            name.push(file);
        }
        name
    }
}

/// Which file an attempt is for, as its staging directory says: its inode and its name.
fn noted(root: &Path) -> Result<Option<(u64, OsString)>, Fault> {
    if let Some(Named { inode, file: Some(file), .. }) = Named::of(root) {
        return Ok(Some((inode, file.to_owned())));
    }
    let path = beside(root, NOTE);
    let note = if_there(fs::read_link(&path)).map_err(|error| Fault::io(path.display(), &error))?;
    Ok(note.and_then(|note| Some((note.parent()?.to_str()?.parse().ok()?, note.file_name()?.to_owned()))))
}

/// Undoes an attempt that nobody saw the end of: the claimed file lies in `active` again, should the command
/// have moved it, and the staging directory is gone. Nothing of the attempt may be alive. Returns where what can't be
/// removed lies now, out of the way.
///
/// # Errors
/// [`Fault::World`]: it can't be undone now; nothing is lost.
pub fn undo(root: &Path, active: &Path) -> Result<Option<PathBuf>, Fault> {
    open_up(root).map_err(|error| cannot_remove(root, &error))?;
    match noted(root)? {
        Some((inode, name)) => {
            let path = active.join(name);
            Input { path: &path, inode }.bring_back(root)?;
            if inode_at(&path) != Some(inode) {
                // Another has its name now.
                rescue(inode, root, active)?;
            }
        }
        // The command was never started; or the power failed, and a filesystem that keeps what was renamed (btrfs)
        // need not keep what was made before.
        None => Named::of(root).map_or(Ok(()), |named| rescue(named.inode, root, active))?,
    }
    discard(root)
}

fn inode_at(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// Moves the claimed file back, when it is there, under the name that the command gave it: it is the same most of the
/// time, and no other is known.
fn rescue(inode: u64, root: &Path, active: &Path) -> Result<(), Fault> {
    let Some(found) = find_moved(inode, root)?.pop() else { return Ok(()) };
    if fs::symlink_metadata(&found).is_ok_and(|file| file.nlink() > 1) {
        // Its command has linked it there.
        return Ok(());
    }
    let name = found.file_name().unwrap_or_default();
    let moved = found.parent().map_or_else(|| Err(io::ErrorKind::NotFound.into()), File::open).and_then(|from| {
        let active = File::open(active)?;
        moves::move_numbered(&from, name, &active, name)
    });
    moved.map(drop).map_err(|error| Fault::io(format_args!("bring back {}", found.display()), &error))
}

/// Brings back a claimed file that the command had moved, without undoing the attempt. Returns its name, where the attempt
/// got as far as to note it. Nothing of the attempt may be alive.
///
/// # Errors
/// [`Fault::World`]: it can't be brought back now; nothing is lost.
pub fn bring_back(root: &Path, active: &Path) -> Result<Option<OsString>, Fault> {
    open_up(root).map_err(|error| Fault::io(root.display(), &error))?;
    let Some((inode, name)) = noted(root)? else { return Ok(None) };
    Input { path: &active.join(&name), inode }.bring_back(root)?;
    Ok(Some(name))
}

/// Whether a command has left anything in its staging directory.
#[must_use]
pub fn has_produced(root: &Path) -> bool {
    has_printed(root) || fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some())
}

fn has_printed(root: &Path) -> bool {
    fs::symlink_metadata(printed(root)).is_ok_and(|found| found.len() > 0)
}

/// Puts what was printed among what else a command has left: `stdout`, or the next name that is free.
///
/// # Errors
/// What the system says. May be repeated.
pub fn gather(root: &Path) -> io::Result<()> {
    if !has_printed(root) {
        return Ok(());
    }
    let printed = printed(root);
    let from = File::open(root.parent().unwrap_or(root))?;
    moves::move_numbered(&from, printed.file_name().unwrap_or_default(), &File::open(root)?, "stdout".as_ref())
        .map(drop)
}

/// How much room an attempt has taken. As far as that can be seen.
pub(super) fn room_taken(root: &Path) -> u64 {
    const BLOCK_BYTES: u64 = 512;
    let mut blocks = fs::symlink_metadata(printed(root)).map_or(0, |found| found.blocks());
    let _ = tree::walk(root, &mut |node| {
        blocks = blocks.saturating_add(node.stat.st_blocks.cast_unsigned());
        Ok(())
    });
    blocks.saturating_mul(BLOCK_BYTES)
}

/// Removes a staging directory with all that is in it, and what is beside it. It is no error if there is none. See
/// [`remove`].
pub(super) fn discard(root: &Path) -> Result<Option<PathBuf>, Fault> {
    let has_note = Named::of(root).is_none_or(|named| named.file.is_none());
    for ending in [Some(PRINTED), has_note.then_some(NOTE)].into_iter().flatten() {
        if_there(fs::remove_file(beside(root, ending))).map_err(|error| cannot_remove(root, &error))?;
    }
    // Most of the time it is empty.
    if fs::remove_dir(root).is_ok() {
        return Ok(None);
    }
    remove(root)
}

/// Removes what a command has made. Where another user's directories are among it, which this one may not empty, it is
/// called [`LEFT`] and its name, which is that of nothing else, and its place is returned.
pub(super) fn remove(path: &Path) -> Result<Option<PathBuf>, Fault> {
    let fault = |error| cannot_remove(path, &error);
    let Some(found) = if_there(fs::symlink_metadata(path)).map_err(fault)? else { return Ok(None) };
    let remove = || if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let mut removed = remove();
    if found.is_dir() && removed.as_ref().is_err_and(is_refused) {
        // A command may leave directories that even their owner can't empty.
        let _ = open_all(path);
        removed = remove();
    }
    match if_there(removed) {
        Err(error) if is_refused(&error) => leave(path).map(Some).map_err(fault),
        removed => removed.map(|_| None).map_err(fault),
    }
}

/// As far as this user may.
fn open_all(root: &Path) -> Result<(), Fault> {
    open_up(root).map_err(|error| cannot_remove(root, &error))?;
    tree::walk(root, &mut |node| {
        if node.kind() == FileType::Directory {
            let _ = node.set_mode(Mode::RWXU);
        }
        Ok(())
    })
}

pub(super) fn leave(path: &Path) -> io::Result<PathBuf> {
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let mut called = OsString::from(LEFT);
    called.push(name);
    let directory = File::open(parent)?;
    Ok(parent.join(moves::move_numbered(&directory, name, &directory, &called)?))
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
