//! A look at a folder from outside, for `status`, `ls`, `check` and `explain`: takes no lock, changes nothing.
//!
//! Directories are read as streams, so that an inbox of 100,000 files is counted in a fraction of a second;
//! a directory that isn't there yet is an empty one.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Statx, statx};
use rustix::io::{Errno, retry_on_intr};

use super::directory::open_directory;
use super::name::{Filter, Rule};
use super::places::{identity, identity_flags};
use super::quarantine::is_reason;
use crate::fault::{Fault, Reason, if_there};
use crate::file::Identity;
use crate::settings::Folder;

/// So many of the files that wait are asked for their age: the order of a directory says nothing of it,
/// and a question costs more than the name.
const AGES_MAX: u64 = 2_000;
/// So many names are given as examples.
const EXAMPLES_MAX: usize = 3;

/// How many files lie where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the inbox, to be taken as soon as they have settled and it is their turn.
    pub waiting: u64,
    /// Since when the oldest of these lies there.
    pub oldest: Option<Oldest>,
    /// Of these, those of which the disk doesn't say what they are, as far as they were asked.
    pub unseen: Names,
    /// In the inbox, to be tried again later.
    pub deferred: u64,
    /// In the inbox and in no hurry: hidden, in the making, ready markers, ignored.
    pub passed_over: Names,
    /// In the inbox and never taken, since the folder's `match` doesn't fit.
    pub unmatched: Names,
    /// Subdirectories of the inbox, which are left alone.
    pub directories: Names,
    /// In `active/`.
    pub active: u64,
    /// In `quarantine/`, without the reason files.
    pub quarantined: u64,
}

/// The age of the oldest file that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oldest {
    /// When it came, or was changed last.
    pub since: Timestamp,
    /// Whether all files were asked; otherwise an older one may be among the rest.
    pub exact: bool,
}

/// How many there are, and the first few.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// All of them.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<OsString>,
}

impl Names {
    fn add(&mut self, name: &OsStr) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(name.to_owned());
        }
    }
}

/// A file where it lies.
#[derive(Debug, Clone)]
pub struct Lying {
    /// Its name there.
    pub name: OsString,
    /// The whole path.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// What it is.
    pub kind: FileType,
    /// How many names it has.
    pub links: u32,
    /// When it came there, or was changed last.
    pub since: Timestamp,
}

/// Counts. `deferred`: the folder's deferred files, as they were when they were deferred.
///
/// # Errors
/// A directory that can't be read.
pub fn survey(folder: &Folder, filter: &Filter, deferred: &[Identity]) -> Result<Survey, Reason> {
    let deferred: HashMap<u64, _> = deferred.iter().map(|file| (file.inode, file.key())).collect();
    // An inode alone may have been given to another file meanwhile.
    let is_deferred = |directory: &OwnedFd, entry: &Entry<'_>| {
        let key = deferred.get(&entry.inode);
        key.is_some_and(|key| stat(directory, entry.name).is_some_and(|stat| identity(&stat).key() == *key))
    };
    let mut survey = Survey::default();
    let mut asked = 0;
    each(&folder.inbox, |directory, entry| {
        if entry.kind == FileType::Directory {
            return survey.directories.add(entry.name);
        }
        match filter.rule_against(entry.name) {
            // Put back beside another of its name, it is taken though `match` doesn't fit it.
            None | Some(Rule::Unmatched | Rule::Ignored) if is_deferred(directory, &entry) => {
                return survey.deferred += 1;
            }
            Some(Rule::Unmatched) => return survey.unmatched.add(entry.name),
            Some(_) => return survey.passed_over.add(entry.name),
            None => survey.waiting += 1,
        }
        if asked < AGES_MAX {
            asked += 1;
            let stat = look(directory, entry.name);
            if stat.is_err() {
                survey.unseen.add(entry.name);
            }
            let since = stat.ok().flatten().map(|stat| changed(&stat));
            let oldest = survey.oldest.map(|oldest| oldest.since).into_iter().chain(since).min();
            survey.oldest = oldest.map(|since| Oldest { since, exact: true });
        }
    })?;
    if let Some(oldest) = &mut survey.oldest {
        oldest.exact = asked >= survey.waiting;
    }
    for slot in slots(folder)? {
        each(&slot, |_, entry| survey.active += u64::from(!is_hidden(entry.name)))?;
    }
    each(&folder.path.join("quarantine"), |_, entry| survey.quarantined += u64::from(is_refused(&entry)))?;
    Ok(survey)
}

/// The files in the inbox whose names are taken. `unseen` is told of those that can't be looked at, and why.
///
/// # Errors
/// The directory can't be read.
pub fn in_inbox(
    folder: &Folder,
    filter: &Filter,
    unseen: impl FnMut(&OsStr, &io::Error),
) -> Result<Vec<Lying>, Reason> {
    lying_in(&folder.inbox, |entry| entry.kind != FileType::Directory && filter.takes(entry.name), unseen)
}

/// The files in hand, or left there by a daemon that was killed.
///
/// # Errors
/// A directory can't be read.
pub fn in_active(folder: &Folder) -> Result<Vec<Lying>, Reason> {
    let mut files = Vec::new();
    for slot in slots(folder)? {
        files.extend(lying_in(&slot, |entry| !is_hidden(entry.name), |_, _| {})?);
    }
    Ok(files)
}

/// The refused files, without the reasons beside them.
///
/// # Errors
/// The directory can't be read.
pub fn in_quarantine(folder: &Folder) -> Result<Vec<Lying>, Reason> {
    lying_in(&folder.path.join("quarantine"), is_refused, |_, _| {})
}

/// The days of the archive.
///
/// # Errors
/// The directory can't be read.
pub fn days(folder: &Folder) -> Result<Vec<PathBuf>, Reason> {
    subdirectories(&folder.path.join("archive"))
}

/// The files of a day of the archive.
///
/// # Errors
/// The directory can't be read.
pub fn in_day(day: &Path) -> Result<Vec<Lying>, Reason> {
    lying_in(day, |entry| entry.kind == FileType::RegularFile && !is_hidden(entry.name), |_, _| {})
}

/// Every place where a file of this name is seen: inbox, active, quarantine, and the days of the archive.
///
/// # Errors
/// A directory can't be read.
pub fn everywhere(folder: &Folder, name: &OsStr) -> Result<Vec<Lying>, Reason> {
    Ok(places(folder)?.iter().filter_map(|directory| at(&directory.join(name))).collect())
}

/// Whether all of these places can be asked for this name. An error doesn't say that nothing lies there. fault 70
///
/// # Errors
/// What one of them says instead.
pub fn can_be_asked(folder: &Folder, name: &OsStr) -> Result<(), Reason> {
    places(folder)?.iter().try_for_each(|directory| look_at(&directory.join(name)).map(drop))
}

fn places(folder: &Folder) -> Result<Vec<PathBuf>, Reason> {
    let mut directories = vec![folder.inbox.clone()];
    directories.extend(slots(folder)?);
    directories.push(folder.path.join("quarantine"));
    let mut days = subdirectories(&folder.path.join("archive"))?;
    days.sort_unstable_by(|a, b| b.cmp(a));
    directories.extend(days);
    Ok(directories)
}

/// What lies at a path, if anything does and it may be known.
#[must_use]
pub fn at(path: &Path) -> Option<Lying> {
    look_at(path).ok().flatten()
}

/// What lies at a path.
fn look_at(path: &Path) -> Result<Option<Lying>, Reason> {
    let stat = look(rustix::fs::CWD, path.as_os_str());
    let stat = stat.map_err(|error| Fault::io(path.display(), &error).reason().clone())?;
    Ok(stat.map(|stat| lying(path, &stat)))
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    name: &'a OsStr,
    inode: u64,
    kind: FileType,
}

/// Reads a directory to its end.
fn each(path: &Path, mut visit: impl FnMut(&OwnedFd, Entry<'_>)) -> Result<(), Reason> {
    let unreadable = |error: io::Error| Fault::io(path.display(), &error).reason().clone();
    let directory = match open_directory(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(unreadable)?,
    };
    for entry in retry_on_intr(|| Dir::read_from(&directory)).map_err(|error| unreadable(error.into()))? {
        let entry = entry.map_err(|error| unreadable(error.into()))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some filesystems don't say.
            FileType::Unknown => stat(&directory, name).map_or(FileType::Unknown, |stat| kind(&stat)),
            known => known,
        };
        visit(&directory, Entry { name, inode: entry.ino(), kind });
    }
    Ok(())
}

fn lying_in(
    path: &Path,
    wanted: impl Fn(&Entry<'_>) -> bool,
    mut unseen: impl FnMut(&OsStr, &io::Error),
) -> Result<Vec<Lying>, Reason> {
    let mut files = Vec::new();
    each(path, |directory, entry| {
        if !wanted(&entry) {
            return;
        }
        match look(directory, entry.name) {
            Ok(Some(stat)) => files.push(lying(&path.join(entry.name), &stat)),
            // Gone in the meantime: then it lies elsewhere.
            Ok(None) => {}
            Err(error) => unseen(entry.name, &error),
        }
    })?;
    Ok(files)
}

fn slots(folder: &Folder) -> Result<Vec<PathBuf>, Reason> {
    subdirectories(&folder.path.join("active"))
}

fn subdirectories(path: &Path) -> Result<Vec<PathBuf>, Reason> {
    let mut found = Vec::new();
    each(path, |_, entry| {
        if entry.kind == FileType::Directory && !is_hidden(entry.name) {
            found.push(path.join(entry.name));
        }
    })?;
    Ok(found)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().first() == Some(&b'.')
}

fn is_refused(entry: &Entry<'_>) -> bool {
    entry.kind != FileType::Directory && !is_hidden(entry.name) && !is_reason(entry.name)
}

fn stat(directory: impl AsFd, name: &OsStr) -> Option<Statx> {
    look(directory, name).ok().flatten()
}

fn look(directory: impl AsFd, name: &OsStr) -> io::Result<Option<Statx>> {
    match statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
        // Nothing can lie under such a name.
        Err(Errno::NAMETOOLONG) => Ok(None),
        found => if_there(found.map_err(Into::into)),
    }
}

fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn lying(path: &Path, stat: &Statx) -> Lying {
    Lying {
        name: path.file_name().unwrap_or_default().to_owned(),
        path: path.to_owned(),
        identity: identity(stat),
        kind: kind(stat),
        links: stat.stx_nlink,
        since: changed(stat),
    }
}

/// A rename changes it as well, and copies don't keep it: so it is when the file came.
fn changed(stat: &Statx) -> Timestamp {
    let nanosecond = i32::try_from(stat.stx_ctime.tv_nsec).unwrap_or_default();
    Timestamp::new(stat.stx_ctime.tv_sec, nanosecond).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::settings::{Duplicates, Run, Work};

    fn folder(path: &Path) -> Folder {
        Folder {
            name: "orders".to_owned(),
            path: path.to_owned(),
            inbox: path.join("inbox"),
            matching: vec!["*.csv".to_owned()],
            ignore: vec!["test-*".to_owned()],
            settle: Duration::from_secs(2),
            rescan: Duration::from_secs(30),
            ready_marker: None,
            duplicates: Duplicates::Allow,
            work: Work::Run(Run { command: vec!["true".to_owned()], timeout: Duration::from_secs(1) }),
        }
    }

    fn filter() -> Filter {
        Filter::new(&["*.csv".to_owned()], &["test-*".to_owned()], None).unwrap()
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(&root.path().join("missing"));
        assert_eq!(survey(&folder, &filter(), &[]).unwrap(), Survey::default());
        assert!(everywhere(&folder, OsStr::new("a.csv")).unwrap().is_empty());
    }

    #[test]
    fn files_are_counted_where_they_lie_and_nothing_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        for directory in ["inbox/sub", "active/0", "active/1", "active/.staging/7", "quarantine", "archive/2026-11-22"]
        {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let files = [
            "inbox/a.csv",
            "inbox/b.csv",
            "inbox/late.csv",
            "inbox/a.txt",
            "inbox/.x.csv",
            "inbox/c.csv.part",
            "inbox/test-a.csv",
            "inbox/sub/d.csv",
            "active/.lock",
            "active/0/e.csv",
            "active/1/f.csv",
            "quarantine/g.csv",
            "quarantine/g.csv.reason.txt",
            "archive/2026-11-22/a.csv",
        ];
        for file in files {
            fs::write(root.path().join(file), "").unwrap();
        }
        let late = at(&folder.inbox.join("late.csv")).unwrap();
        // It is gone, and its inode is another file's.
        let reused = Identity { born_ns: 1, ..at(&folder.inbox.join("a.csv")).unwrap().identity };
        let found = survey(&folder, &filter(), &[late.identity, reused]).unwrap();
        assert_eq!((found.waiting, found.deferred, found.active, found.quarantined), (2, 1, 2, 1));
        assert_eq!((found.passed_over.count, found.unmatched.count, found.directories.count), (3, 1, 1));
        assert_eq!(found.unmatched.examples, ["a.txt"]);
        assert!(found.oldest.unwrap().exact);
        let places = everywhere(&folder, OsStr::new("a.csv")).unwrap();
        let places: Vec<_> = places.iter().map(|file| file.path.strip_prefix(root.path()).unwrap()).collect();
        assert_eq!(places, [Path::new("inbox/a.csv"), Path::new("archive/2026-11-22/a.csv")]);
    }
}
