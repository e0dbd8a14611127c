//! The claimed file while its command works, and the slot that it lies in, which no command may add to.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Statx, renameat};
use rustix::io::{Errno, retry_on_intr};

use super::{look, removal};
use crate::fault::{Fault, Reason, if_there};
use crate::folder::directory::ACTIVE_MODE;
use crate::folder::moves;
use crate::folder::places::STAGING;

/// The code of a file that its command has put another in the place of.
pub const REPLACED: &str = "input_replaced";

/// The code of a file that its command has moved or removed, and then failed.
pub const GONE: &str = "input_gone";

/// The claimed file, as it was before the command started.
///
/// Scripts like to `mv "$1" .`; the original must survive that, above all when they fail next.
pub(super) struct Input<'a> {
    pub(super) path: &'a Path,
    pub(super) inode: u64,
}

/// What has the name of the claimed file when its command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    /// The file itself.
    Here,
    /// Nothing: the command has taken it away.
    Nowhere,
    /// Another one, and the file itself is gone.
    Another,
}

impl<'a> Input<'a> {
    pub(super) fn at(path: &'a Path) -> Result<Self, Fault> {
        let found = fs::symlink_metadata(path)
            .map_err(|error| Fault::io(format_args!("claimed file {}", path.display()), &error))?;
        Ok(Self { path, inode: found.ino() })
    }

    /// `INODE/NAME`
    pub(super) fn note(&self) -> PathBuf {
        Path::new(&self.inode.to_string()).join(self.path.file_name().unwrap_or_default())
    }

    /// Brings the file back from wherever the command has put it, over what it has put in its place. What that was before
    /// the command started is put out of the way, and its place returned.
    pub(super) fn put_right(&self, staging: &Path, slot: &Slot<'_>) -> Result<(Lies, Option<PathBuf>), Fault> {
        if self.lies()? == Lies::Another {
            // It may be another dropped file.
            slot.bring_home(self.path)?;
        }
        let lies = self.lies()?;
        if lies == Lies::Here {
            return Ok((lies, None));
        }
        let found = match slot.find_news(self.inode)? {
            // Also in those of others.
            None => find_moved(self.inode, staging.parent().unwrap_or(staging))?.pop(),
            found => found,
        };
        let Some(found) = found else { return Ok((lies, None)) };
        let left = if lies == Lies::Another { make_way(self.path, staging)? } else { None };
        let back = look::take_out(&found, |from, name| Ok(renameat(from, name, CWD, self.path)?))?;
        Ok((if back.is_some() { Lies::Here } else { self.lies()? }, left))
    }

    /// Makes results of their own of those that are the file itself, moved there or linked: who writes to a result
    /// must not write to the original. It lies where it was claimed then, if it is anywhere.
    pub(super) fn part_from_results(&self, staging: &Path, slot: &Slot<'_>) -> Result<(), Fault> {
        let there = if_there(fs::symlink_metadata(self.path)).map_err(|error| self.fault(&error))?;
        if there.is_some_and(|there| there.nlink() == 1) {
            return Ok(());
        }
        let results = find_moved(self.inode, staging)?;
        self.put_right(staging, slot)?;
        // Until it is committed, all of it is undone by whoever finds it half done.
        results.iter().try_for_each(|result| {
            let copied = if_there(fs::remove_file(result)).and_then(|_| fs::copy(self.path, result));
            copied.map(drop).map_err(|error| {
                Fault::io(format_args!("copy {} to {}", self.path.display(), result.display()), &error)
            })
        })
    }

    /// A command that ended well may have taken the file away, and not put another in its place.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.lies()? != Lies::Another {
            return Ok(());
        }
        let reason = Reason::new(REPLACED, "the command put another file in the place of its own").hint(ONLY_READ);
        Err(Fault::Deferred { reason, charged: true })
    }

    fn lies(&self) -> Result<Lies, Fault> {
        let there = if_there(fs::symlink_metadata(self.path)).map_err(|error| self.fault(&error))?;
        Ok(match there {
            Some(there) if there.ino() == self.inode => Lies::Here,
            Some(_) => Lies::Another,
            None => Lies::Nowhere,
        })
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::io(self.path.display(), error)
    }
}

/// What is not the command's own, and what no file can be moved over, goes out of the way. Returns where it lies then.
fn make_way(path: &Path, staging: &Path) -> Result<Option<PathBuf>, Fault> {
    let fault = |error: &io::Error| Fault::io(path.display(), error);
    let there = if_there(look::stat_of(CWD, path)).map_err(|error| fault(&error))?;
    let is_stranger = |there: &Statx| !look::is_file(there) || look::may_be_dropped(there, look::born_at(staging));
    if !there.as_ref().is_some_and(is_stranger) {
        return Ok(None);
    }
    removal::leave(path).map(Some).map_err(|error| fault(&error))
}

/// Where the file lies now that the command moved or linked to `root`, or to somewhere in it. It is held open: no other can
/// have its inode.
fn find_moved(inode: u64, root: &Path) -> Result<Vec<PathBuf>, Fault> {
    Ok(look::find(root, |stat| stat.stx_ino == inode)?.into_iter().map(|(path, _)| path).collect())
}

/// The slot that the file lies in, and what lay there when its command started.
pub(super) struct Slot<'a> {
    path: &'a Path,
    /// Another may lie at the path meanwhile, with files of its own in it.
    directory: File,
    /// The inode of the command's own file.
    own: u64,
    before: HashMap<OsString, u64>,
}

impl<'a> Slot<'a> {
    pub(super) fn around(input: &Input<'a>) -> Result<Self, Fault> {
        let path = input.path.parent().unwrap_or(input.path);
        let directory = File::open(path).map_err(|error| Fault::io(path.display(), &error))?;
        let slot = Self { path, directory, own: input.inode, before: HashMap::new() };
        let mut listed = slot.listed()?;
        listed.retain(|(name, _)| !is_hidden(name));
        // A directory tells inodes for nothing, but some (overlayfs) tell others than stat(2) does.
        let name = input.path.file_name().unwrap_or_default();
        let are_true = listed.iter().any(|(found, inode)| found == name && *inode == input.inode);
        let before = if are_true { listed } else { slot.news()? };
        Ok(Self { before: before.into_iter().collect(), ..slot })
    }

    /// Opens the slot and the place of staging directories again, should the command have shut them. Returns whether it had.
    pub(super) fn open_up(&self, staging: &Path) -> Result<bool, Fault> {
        let fault = |path: &Path, error: &io::Error| Fault::io(path.display(), error);
        let is_shut = |mode: u32| mode & 0o700 != 0o700;
        let open = || Permissions::from_mode(ACTIVE_MODE);
        let mut was_shut = false;
        let slot = self.directory.metadata().map_err(|error| fault(self.path, &error))?;
        if is_shut(slot.mode()) {
            self.directory.set_permissions(open()).map_err(|error| fault(self.path, &error))?;
            was_shut = true;
        }
        let parent = staging.parent().unwrap_or(staging);
        let there = if_there(fs::symlink_metadata(parent)).map_err(|error| fault(parent, &error))?;
        if there.is_some_and(|there| there.is_dir() && is_shut(there.mode())) {
            fs::set_permissions(parent, open()).map_err(|error| fault(parent, &error))?;
            was_shut = true;
        }
        Ok(was_shut)
    }

    /// The names, but for what is ours, each with the inode that the directory tells.
    fn listed(&self) -> Result<Vec<(OsString, u64)>, Fault> {
        let fault = |error: Errno| Fault::io(self.path.display(), &error.into());
        let mut listed = Vec::new();
        for entry in retry_on_intr(|| Dir::read_from(&self.directory)).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name().to_bytes();
            let is_ours = name == STAGING.as_bytes() || name.starts_with(removal::LEFT.as_bytes());
            if !is_ours && name != b"." && name != b".." {
                listed.push((OsStr::from_bytes(name).to_owned(), entry.ino()));
            }
        }
        Ok(listed)
    }

    /// Whether the very files lie there that did, the command's own among them, and nothing else. Where a directory tells other
    /// inodes than stat(2) does, nobody can say.
    pub(super) fn is_as_before(&self) -> Result<bool, Fault> {
        let listed = self.listed()?;
        let is_known = |(name, inode): &(OsString, u64)| self.before.get(name) == Some(inode);
        Ok(listed.len() == self.before.len() && listed.iter().all(is_known))
    }

    /// A path into this very directory.
    fn at(&self, name: &OsStr) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(name)
    }

    /// A command has its working directory to write into: what lies in the slot is taken for a dropped file, and has a
    /// name that no dropped file can have meanwhile. To be asked when the file itself is where it was.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let Some((name, _)) = self.news()?.into_iter().next() else { return Ok(()) };
        let reason = Reason::new("wrote_beside", format!("the command put {name:?} beside its file"))
            .hint("a command is to write into its working directory, or to standard output");
        Err(Fault::Deferred { reason, charged: true })
    }

    /// Removes what a failed command has put there, as all that it has made is removed. Where its own file is not there any
    /// more (`lies`), what it has made may be all that is left of that: nothing is removed then, nor what may not be its own
    /// (see [`look`]). Returns where what stays lies, out of the way.
    pub(super) fn clear(&self, lies: Lies, staging: &Path) -> Result<Vec<PathBuf>, Fault> {
        let mut left = Vec::new();
        for (name, _) in self.news()? {
            let at = self.at(&name);
            self.bring_home(&at)?;
            if fs::symlink_metadata(&at).is_err() {
                continue;
            }
            let there = if lies == Lies::Here {
                removal::remove(&at, look::born_at(staging))?
            } else {
                Some(removal::leave(&at).map_err(|error| self.fault(&name, &error))?)
            };
            left.extend(there.and_then(|there| Some(self.path.join(there.file_name()?))));
        }
        Ok(left)
    }

    /// Moves the other dropped files back to where they lay, wherever in the slot or in a working directory the command has
    /// put them.
    pub(super) fn gather(&self, staging: &Path) -> Result<(), Fault> {
        if self.before.len() < 2 {
            return Ok(());
        }
        self.bring_home(staging)?;
        let listed = self.listed()?;
        let is_missing = self.before.keys().any(|home| !listed.iter().any(|(name, _)| name == home));
        for name in self.news_of(listed) {
            self.bring_home(&self.at(&name))?;
        }
        // Its own is looked for by who needs it.
        if is_missing && self.before.iter().any(|(home, inode)| *inode != self.own && !self.is_home(home)) {
            self.bring_home(staging.parent().unwrap_or(staging))?;
        }
        Ok(())
    }

    fn is_home(&self, home: &OsStr) -> bool {
        fs::symlink_metadata(self.at(home)).is_ok()
    }

    /// The same of what lies at this path, or in the directory that it is.
    fn bring_home(&self, root: &Path) -> Result<(), Fault> {
        let is_another = |stat: &Statx| stat.stx_ino != self.own && self.name_before(stat.stx_ino).is_some();
        look::find(root, is_another)?.into_iter().try_for_each(|(path, stat)| {
            let Some(home) = self.name_before(stat.stx_ino) else { return Ok(()) };
            look::take_out(&path, |from, name| moves::move_numbered(from, name, &self.directory, home)).map(drop)
        })
    }

    /// What the file with this inode was called when the command started.
    fn name_before(&self, inode: u64) -> Option<&OsStr> {
        self.before.iter().find(|(_, known)| **known == inode).map(|(name, _)| name.as_os_str())
    }

    /// Where the file with this inode lies now, of what wasn't there before or in it.
    fn find_news(&self, inode: u64) -> Result<Option<PathBuf>, Fault> {
        for name in self.all_news()? {
            if let Some(found) = find_moved(inode, &self.at(&name))?.pop() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The names that weren't there before.
    fn all_news(&self) -> Result<Vec<OsString>, Fault> {
        Ok(self.news_of(self.listed()?))
    }

    fn news_of(&self, listed: Vec<(OsString, u64)>) -> Vec<OsString> {
        listed.into_iter().map(|(name, _)| name).filter(|name| !self.before.contains_key(name)).collect()
    }

    fn fault(&self, name: &OsStr, error: &io::Error) -> Fault {
        Fault::io(self.path.join(name).display(), error)
    }

    /// What lies there now and didn't before, each with its inode. Without hidden ones: no dropped file has such a name.
    fn news(&self) -> Result<Vec<(OsString, u64)>, Fault> {
        let mut news = Vec::new();
        for name in self.all_news()?.into_iter().filter(|name| !is_hidden(name)) {
            let found = if_there(fs::symlink_metadata(self.at(&name))).map_err(|error| self.fault(&name, &error))?;
            news.extend(found.map(|found| (name, found.ino())));
        }
        Ok(news)
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

const ONLY_READ: &str = "a command must only read {path}";

/// The file can't be tried again: another is in its place.
pub(super) fn replaced(fault: &Fault) -> Fault {
    let text = match fault.reason() {
        reason if reason.code == REPLACED => format!("{reason}, and what was dropped is gone"),
        reason => {
            format!("the command put another file in the place of its own, and what was dropped is gone: {reason}")
        }
    };
    Fault::Permanent(Reason::new(REPLACED, text).hint(ONLY_READ))
}

/// The file can't be tried again: it is gone.
pub(super) fn gone(why: impl fmt::Display) -> Reason {
    let text = format!("the command moved or removed the file and then failed: {why}");
    Reason::new(GONE, text).hint("a command must leave {path} where it is")
}
