//! A working directory that its command has left as it was made, for the next command of the slot.
//!
//! To make and to remove one, and a file for what is printed, costs more than all else that is done for a short command. So
//! the next one of a batch gets it under another name, if it can't tell it from one that was just made, and no process is left that
//! might write there. What recovery reads from the name is true at any time: a rename changes it in one step, and before the
//! command begins that may move its file in there.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags, llistxattr, renameat_with};
use rustix::io::Errno;

use super::staging;
use crate::fault::Fault;

/// What the commands of a slot leave for each other: one directory, or none.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Option<Clean>>);

/// An empty working directory in which nobody works.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) root: PathBuf,
    pub(super) opened: Arc<File>,
    pub(super) made: Made,
    /// The empty file beside it, if there is one.
    pub(super) printed: Option<Made>,
}

/// What a directory or a file was when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    device: u64,
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    links: u64,
}

impl Made {
    pub(super) fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            links: found.nlink(),
        }
    }

    /// Whether it is the very same still, as far as one can see from outside; what lies there now is `found`.
    pub(super) fn is_as_it_was(&self, found: &Metadata, path: &Path) -> bool {
        *self == Self::of(found) && has_no_attributes(path)
    }
}

/// Attributes that the system gives every file count as well: nobody knows whether they are as they were.
fn has_no_attributes(path: &Path) -> bool {
    matches!(llistxattr(path, &mut [0_u8; 64]), Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS))
}

impl Spare {
    /// For the next one.
    pub(super) fn put(&self, clean: Clean) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(clean);
    }

    pub(super) fn take(&self) -> Option<Clean> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Removes it: it isn't kept for longer than a batch.
    ///
    /// # Errors
    /// [`Fault::World`]: it can't be removed now; recovery of the slot removes it later.
    pub fn discard(&self) -> Result<(), Fault> {
        self.take().map_or(Ok(()), |clean| staging::discard(&clean.root))
    }
}

/// Gives what lies there another name, which nothing has.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}
