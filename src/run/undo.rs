//! Attempts that nobody saw the end of: the files that they were for lie in the slot again, and what they have made is gone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Statx};

use super::command::naming;
use super::input;
use super::look::{self, Born};
#[cfg(doc)]
use super::removal::discard;
use super::removal::{LEFT, kept_at, leave};
use super::staging::{NOTE, Named, beside};
use super::tree;
use crate::fault::{Fault, Reason, if_there};
use crate::folder::directory;
use crate::folder::moves;
use crate::folder::places::identity;

/// Which file an attempt is for, as its staging directory says.
struct Noted {
    inode: u64,
    born: Option<i64>,
    /// `None`: the command was never started; or the power failed, and a filesystem that keeps what was renamed (btrfs)
    /// need not keep what was made before.
    name: Option<OsString>,
    /// When the staging directory was made.
    staging: Born,
}

impl Noted {
    fn of(root: &Path) -> Result<Option<Self>, Fault> {
        let named = Named::of(root);
        let mut noted = named.map(|Named { inode, born, file, .. }| (inode, born, file.map(OsStr::to_owned)));
        if noted.as_ref().is_none_or(|(_, _, name)| name.is_none()) {
            let path = beside(root, NOTE);
            let note = if_there(fs::read_link(&path)).map_err(|error| Fault::io(path.display(), &error))?;
            if let Some((inode, name)) = note.as_deref().and_then(read) {
                noted = Some((inode, noted.and_then(|(_, born, _)| born), Some(name)));
            }
        }
        Ok(noted.map(|(inode, born, name)| Self { inode, born, name, staging: look::born_at(root) }))
    }

    /// Whether it is this very file: an inode is given out again as soon as its file is gone, to what its command makes next.
    fn is(&self, stat: &Statx) -> bool {
        stat.stx_ino == self.inode
            && match self.born {
                Some(born) if identity(stat).born_ns != 0 => identity(stat).key() == (self.inode, born),
                // As an earlier version named it, or where no birth is kept: its command may have written to it.
                _ => !look::is_younger(stat, self.staging),
            }
    }

    /// Whether it lies in the slot, whatever it is called there.
    fn lies_in(&self, active: &Path) -> Result<bool, Fault> {
        let lies_at = |name: &OsString| self.lies_at(&active.join(name));
        if self.name.as_ref().is_some_and(lies_at) {
            return Ok(true);
        }
        let fault = |error| Fault::io(active.display(), &error);
        let directory = directory::open_directory(active).map_err(fault)?;
        Ok(directory::names(directory).map_err(fault)?.iter().any(lies_at))
    }

    fn lies_at(&self, path: &Path) -> bool {
        look::stat_of(CWD, path).is_ok_and(|stat| self.is(&stat))
    }

    /// Moves it to its own name, or the next free one where another file has that now. What no file can be moved over is
    /// put out of the way, and its place returned.
    fn bring_home(&self, active: &Path, found: &[&(PathBuf, Statx)]) -> Result<Option<PathBuf>, Fault> {
        let is_in_slot = |path: &Path| path.parent() == Some(active);
        let Some((path, stat)) = found.iter().find(|(path, _)| is_in_slot(path)).or(found.last()) else {
            return Ok(None);
        };
        let home = self.name.as_ref().map(|name| active.join(name));
        let there = home.as_ref().and_then(|home| look::stat_of(CWD, home).ok());
        let is_linked = usize::try_from(stat.stx_nlink).is_ok_and(|links| links > found.len());
        let left = match (&home, there) {
            (Some(home), Some(there)) if !look::is_file(&there) => {
                Some(leave(home).map_err(|error| Fault::io(home.display(), &error))?)
            }
            // Its command has linked it there, from where else it lies.
            (Some(_), Some(_)) | (None, _) if is_linked => return Ok(None),
            (None, _) if is_in_slot(path) => return Ok(None),
            _ => None,
        };
        // Without a note, the name that its command gave it is the same most of the time.
        let active = directory::open_directory(active).map_err(|error| Fault::io(active.display(), &error))?;
        look::take_out(path, |from, name| {
            moves::move_numbered(from, name, &active, self.name.as_deref().unwrap_or(name))
        })?;
        Ok(left)
    }
}

/// `INODE/NAME`, see [`Input::note`](super::input::Input::note).
fn read(note: &Path) -> Option<(u64, OsString)> {
    Some((note.parent()?.to_str()?.parse().ok()?, note.file_name()?.to_owned()))
}

/// Brings the files home that these staging directories are for, from wherever in the slot `active` commands have put them:
/// also into the staging directories of others. Nothing may be alive that was started for one. Returns where that lies which is
/// left out of the way, and what may be a dropped file and has a name that no dropped file has.
///
/// # Errors
/// [`Fault::World`]: of the disk; nothing is lost.
pub fn bring_home(roots: &[PathBuf], active: &Path) -> Result<Vec<PathBuf>, Fault> {
    let (mut away, mut made) = (Vec::new(), Vec::new());
    for root in roots {
        let Some(noted) = Noted::of(root)? else { continue };
        made.push(noted.staging);
        if !noted.name.as_ref().is_some_and(|name| noted.lies_at(&active.join(name))) {
            away.push(noted);
        }
    }
    let mut left = Vec::new();
    if !away.is_empty() {
        let found = look::find(active, |stat| look::is_file(stat) && away.iter().any(|noted| noted.is(stat)))?;
        for noted in &away {
            let mine: Vec<_> = found.iter().filter(|(_, stat)| noted.is(stat)).collect();
            left.extend(noted.bring_home(active, &mine)?);
        }
    }
    if let Some(oldest) = made.into_iter().min() {
        left.extend(hidden(active, oldest)?);
    }
    Ok(left)
}

/// What lies in the slot under a name that no dropped file has, and is older than the staging directories.
fn hidden(active: &Path, oldest: Born) -> Result<Vec<PathBuf>, Fault> {
    let fault = |error: &io::Error| Fault::io(active.display(), error);
    let directory = directory::open_directory(active).map_err(|error| fault(&error))?;
    let names = tree::names(directory.as_fd()).map_err(|error| fault(&error))?;
    let hidden = names.iter().filter(|name| {
        let name = name.as_bytes();
        name.starts_with(b".") && !name.starts_with(LEFT.as_bytes())
    });
    let paths = hidden.map(|name| active.join(name));
    Ok(paths.filter(|path| look::stat_of(CWD, path).is_ok_and(|stat| look::may_be_dropped(&stat, oldest))).collect())
}

/// Which file a staging directory is for, where the attempt got as far as to note its name.
///
/// # Errors
/// [`Fault::World`]: of the disk.
pub fn file_of(root: &Path) -> Result<Option<OsString>, Fault> {
    Ok(Noted::of(root)?.and_then(|noted| noted.name))
}

/// Where the file of an attempt lies, after [`bring_home`] of all of its slot.
#[derive(Debug)]
pub enum Fate {
    /// In the slot: what the attempt has made is for [`discard`].
    There,
    /// Nowhere. What the attempt has made may be all that is left of it, and is for [`keep`](super::keep).
    Gone {
        /// What it was called, where the attempt got as far as to note it.
        name: Option<OsString>,
        /// With the place of what is left.
        reason: Reason,
    },
}

/// See [`Fate`].
///
/// # Errors
/// [`Fault::World`]: of the disk.
pub fn fate(root: &Path, active: &Path) -> Result<Fate, Fault> {
    let Some(noted) = Noted::of(root)? else { return Ok(Fate::There) };
    if noted.lies_in(active)? {
        return Ok(Fate::There);
    }
    let mut reason = input::gone("it was cut short");
    naming(&mut reason, kept_at(root).as_deref());
    Ok(Fate::Gone { name: noted.name, reason })
}
