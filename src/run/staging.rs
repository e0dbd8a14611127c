//! The private directory in which a command works, and what is found there when it has ended.
//!
//! STAGING is called `ID-INODE.BORN-DEFERRALS-NAME` after the file that it is for: enough to undo an attempt that nobody saw
//! the end of, and there for as long as anything is that was moved into it. Beside it, `ID-INODE.BORN-DEFERRALS.out` is what
//! was printed. Only where the name would be too long, `ID-INODE.BORN-DEFERRALS.for` is a symbolic link that says which file it is;
//! a power cut may take it away. STAGING is made before these two and removed after them.
//!
//! No more than that: what is made and removed for each command costs most of what a short one costs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::process::geteuid;

use super::input::Input;
use super::removal::{discard, open_up};
use super::results::Produced;
use super::tree::{self, Node};
use crate::fault::{Fault, Reason, if_there};
use crate::file::FileId;
#[cfg(doc)]
use crate::file::Identity;
use crate::room;

/// What the command printed, beside its working directory.
pub(super) const PRINTED: &str = ".out";
/// Which file it works on, there too.
pub(super) const NOTE: &str = ".for";

/// Nobody else's business.
pub(super) const WORK_MODE: u32 = 0o700;

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
        let opened = opened.map_err(|error| cannot_make(root, &error))?;
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
        self.produced(name, entries, nodes)
    }

    /// Whether the command has left nothing there. What can't be listed may be anything.
    pub(super) fn is_empty(&self) -> bool {
        tree::open_dir(self.work()).is_ok_and(|work| tree::names(work.as_fd()).is_ok_and(|names| names.is_empty()))
    }

    /// These entries, which are so many nodes, and what was printed.
    pub(super) fn produced(self, name: &OsStr, entries: Vec<OsString>, nodes: usize) -> Result<Produced, Fault> {
        let stdout = printed(self.root);
        let stdout = if_there(fs::symlink_metadata(&stdout)).map_err(|error| Fault::io(stdout.display(), &error))?;
        let stdout = stdout.is_some_and(|found| found.is_file() && found.len() > 0);
        let nodes = nodes + usize::from(stdout);
        Ok(Produced { entries, stdout, staging: self.root.into(), name: name.into(), nodes, opened: self.opened })
    }
}

/// What an earlier attempt of the same file has left there is no fault of the disk's.
fn cannot_make(root: &Path, error: &io::Error) -> Fault {
    match Fault::io(format_args!("make {}", root.display()), error) {
        Fault::World(reason) if error.kind() == io::ErrorKind::AlreadyExists => {
            Fault::Deferred { reason, charged: true }
        }
        fault => fault,
    }
}

/// Where what was printed lies.
pub(super) fn printed(root: &Path) -> PathBuf {
    beside(root, PRINTED)
}

/// Without the file's name: there is room for the ending.
pub(super) fn beside(root: &Path, ending: &str) -> PathBuf {
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

/// What the name of a staging directory says: `ID-INODE.BORN-DEFERRALS-NAME`, or without the last where it would be too long.
#[derive(Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The number of the claimed file.
    pub id: FileId,
    /// Its inode.
    pub inode: u64,
    /// What tells it from others that had or have that inode: see [`Identity::key`]. `None`: an earlier version made it.
    pub born: Option<i64>,
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
        let (id, file, deferrals) = (number()?.parse().ok()?, number()?, number()?.parse().ok()?);
        let (inode, born) = match file.split_once('.') {
            Some((inode, born)) => (inode, Some(u64::from_str_radix(born, 16).ok()?.cast_signed())),
            None => (file, None),
        };
        let inode = inode.parse().ok()?;
        Some(Self { id: FileId(id), inode, born, deferrals, file: parts.next().map(OsStr::from_bytes) })
    }

    /// The name to give to one.
    #[must_use]
    pub fn name(&self) -> OsString {
        let born = self.born.map_or_else(String::new, |born| format!(".{born:x}"));
        let mut name = OsString::from(format!("{}-{}{born}-{}", self.id.0, self.inode, self.deferrals));
        if let Some(file) = self.file.filter(|file| name.len() + 1 + file.len() <= NAME_BYTES_MAX) {
            name.push("-");
            name.push(file);
        }
        name
    }
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
