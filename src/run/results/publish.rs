//! Moves sealed results from staging into results/, never over anything, as often as it takes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, RenameFlags, fsync, linkat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::names::Wish;
use super::plan::{Planned, is_taken};
use crate::fault::{Fault, Reason};
use crate::run::{removal, tree};

/// How often a name may be snatched away between looking and moving.
const TRIES_MAX: usize = 100;

/// The results of one file, sealed, with the plan that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The staging directory that they are in.
    pub staging: PathBuf,
    /// What goes where.
    pub plan: Vec<Planned>,
}

/// Publishes a batch: moves every result, flushes results/ once, removes the staging directories.
///
/// On return all of it is durable in results/. May be repeated with the same plans after a crash
/// or a fault at any point: what was moved before is not moved again. If somebody else has taken
/// a planned name meanwhile, the next free one is used and `published` is changed to say so.
///
/// # Errors
/// [`Fault::World`]: results/ can't take them now. The files stay committed; repeat later.
pub fn publish(results: BorrowedFd<'_>, batch: &mut [Publication]) -> Result<(), Fault> {
    for publication in &mut *batch {
        publication.publish(results)?;
    }
    if batch.iter().all(|publication| publication.plan.is_empty()) {
        return discard_all(batch);
    }
    // Only when the new names are durable may the old ones go for good.
    fsync(results).map_err(|error| Fault::io("flush results/", &error.into()))?;
    discard_all(batch)
}

fn discard_all(batch: &[Publication]) -> Result<(), Fault> {
    batch.iter().try_for_each(|publication| removal::discard(&publication.staging).map(drop))
}

impl Publication {
    fn publish(&mut self, results: BorrowedFd<'_>) -> Result<(), Fault> {
        let staging = match tree::open_dir(&self.staging) {
            Ok(staging) => staging,
            // An earlier try got as far as removing it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Fault::io(format_args!("read {}", self.staging.display()), &error)),
        };
        self.plan.iter_mut().try_for_each(|planned| planned.publish(staging.as_fd(), results))
    }
}

impl Planned {
    fn publish(&mut self, staging: BorrowedFd<'_>, results: BorrowedFd<'_>) -> Result<(), Fault> {
        for _ in 0..TRIES_MAX {
            match self.move_into(staging, results) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) if self.is_moved(staging) => return Ok(()),
                Err(Errno::EXIST) => self.published = self.next_name(results)?,
                Err(error) => return Err(self.fault(error)),
            }
        }
        let text = format!("result {:?}: every free name was taken at once, {TRIES_MAX} times", self.published);
        Err(Fault::world("name_taken", text))
    }

    /// Moves the result, `EEXIST` if the name is taken by another.
    fn move_into(&self, staging: BorrowedFd<'_>, results: BorrowedFd<'_>) -> Result<(), Errno> {
        match renameat_with(staging, &self.staged, results, &self.published, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) if self.is_linked(staging, results)? => unlinkat(staging, &self.staged, AtFlags::empty()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.move_by_link(staging, results),
            moved => moved,
        }
    }

    /// The same, for filesystems that can't rename without replacing.
    pub(in crate::run) fn move_by_link(&self, staging: BorrowedFd<'_>, results: BorrowedFd<'_>) -> Result<(), Errno> {
        let found = statat(staging, &self.staged, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            // Replaces nothing but an empty directory.
            return match renameat(staging, &self.staged, results, &self.published) {
                Err(Errno::NOTEMPTY | Errno::NOTDIR) => Err(Errno::EXIST),
                moved => moved,
            };
        }
        match linkat(staging, &self.staged, results, &self.published, AtFlags::empty()) {
            Err(Errno::EXIST) if !self.is_linked(staging, results)? => return Err(Errno::EXIST),
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        unlinkat(staging, &self.staged, AtFlags::empty())
    }

    /// Whether the result already has its new name, and its old one still.
    fn is_linked(&self, staging: BorrowedFd<'_>, results: BorrowedFd<'_>) -> Result<bool, Errno> {
        let staged = statat(staging, &self.staged, AtFlags::SYMLINK_NOFOLLOW)?;
        let published = match statat(results, &self.published, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            found => found?,
        };
        Ok((staged.st_dev, staged.st_ino) == (published.st_dev, published.st_ino))
    }

    /// An earlier try moved it; where it is now is its reader's business.
    fn is_moved(&self, staging: BorrowedFd<'_>) -> bool {
        matches!(statat(staging, &self.staged, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }

    fn next_name(&self, results: BorrowedFd<'_>) -> Result<OsString, Fault> {
        let staged = Path::new(&self.staged);
        let entry = staged.file_name().filter(|_| !staged.starts_with(".."));
        Wish::named(entry.unwrap_or(&self.published)).free(|name| is_taken(results, name))
    }

    fn fault(&self, error: Errno) -> Fault {
        let name = &self.published;
        if error == Errno::XDEV {
            let text = format!("results/{name:?}: results/ is on another filesystem than active/");
            return Fault::World(Reason::new("other_filesystem", text).hint("one folder, one filesystem"));
        }
        Fault::io(format_args!("publish {name:?} in results/"), &error.into())
    }
}
