//! Attempts that nobody saw the end of: the files that they were for lie in the slot again, and what they have made is gone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Statx};

use super::command::naming;
use super::input;
use super::look::{self, Born};
#[cfg(doc)]
use super::removal::discard;
use super::removal::{kept_at, leave};
use super::staging::{NOTE, Named, beside};
use crate::fault::{Fault, Reason, if_there};
use crate::folder::moves;
use crate::folder::places::{self, identity};

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
                Some(born) => identity(stat).key() == (self.inode, born),
                // As an earlier version named it.
                None => !look::is_younger(stat, self.staging),
            }
    }

    /// Whether it lies in the slot, whatever it is called there.
    fn lies_in(&self, active: &Path) -> Result<bool, Fault> {
        let lies_at = |name: &OsStr| look::stat_of(CWD, &active.join(name)).is_ok_and(|stat| self.is(&stat));
        if self.name.as_deref().is_some_and(lies_at) {
            return Ok(true);
        }
        let fault = |error| Fault::io(active.display(), &error);
        let directory = places::open_directory(active).map_err(fault)?;
        Ok(places::names(directory).map_err(fault)?.iter().any(|name| lies_at(name)))
    }

    /// Moves it to its own name. Where another file has that now, it has the name that its command gave it: it is the same
    /// most of the time.
    fn bring_home(&self, active: &Path, found: &[&(PathBuf, Statx)]) -> Result<(), Fault> {
        let is_in_slot = |path: &Path| path.parent() == Some(active);
        let Some((path, stat)) = found.iter().find(|(path, _)| is_in_slot(path)).or(found.last()) else {
            return Ok(());
        };
        let home = self.name.as_ref().map(|name| active.join(name));
        let there = home.as_ref().and_then(|home| Some((home, look::stat_of(CWD, home).ok()?)));
        let is_taken = match there {
            Some((home, there)) if !look::is_file(&there) => {
                leave(home).map_err(|error| Fault::io(home.display(), &error))?;
                false
            }
            there => home.is_none() || there.is_some(),
        };
        let is_linked = usize::try_from(stat.stx_nlink).is_ok_and(|links| links > found.len());
        if is_taken && (is_in_slot(path) || is_linked) {
            return Ok(());
        }
        let wanted = self.name.as_deref().filter(|_| !is_taken);
        let active = places::open_directory(active).map_err(|error| Fault::io(active.display(), &error))?;
        look::take_out(path, |from, name| moves::move_numbered(from, name, &active, wanted.unwrap_or(name))).map(drop)
    }
}

/// `INODE/NAME`, see [`Input::note`](super::input::Input::note).
fn read(note: &Path) -> Option<(u64, OsString)> {
    Some((note.parent()?.to_str()?.parse().ok()?, note.file_name()?.to_owned()))
}

/// Brings the files home that these staging directories are for, from wherever in the slot `active` commands have put them:
/// also into the staging directories of others. Nothing may be alive that was started for one.
///
/// # Errors
/// [`Fault::World`]: of the disk; nothing is lost.
pub fn bring_home(roots: &[PathBuf], active: &Path) -> Result<(), Fault> {
    let mut away = Vec::new();
    for root in roots {
        let lies_at =
            |noted: &Noted, name: &OsString| look::stat_of(CWD, &active.join(name)).is_ok_and(|stat| noted.is(&stat));
        away.extend(Noted::of(root)?.filter(|noted| !noted.name.as_ref().is_some_and(|name| lies_at(noted, name))));
    }
    if away.is_empty() {
        return Ok(());
    }
    let found = look::find(active, |stat| look::is_file(stat) && away.iter().any(|noted| noted.is(stat)))?;
    away.iter().try_for_each(|noted| {
        let mine: Vec<_> = found.iter().filter(|(_, stat)| noted.is(stat)).collect();
        noted.bring_home(active, &mine)
    })
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
