//! Archive: where done files lie, by day, under their own names, never one over another.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use jiff::Zoned;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statx};
use rustix::io::{Errno, retry_on_intr};

use super::claim::{Claim, Sealed, seal};
use super::moves::{move_as, move_numbered};
use super::name::numbered;
use super::places::{Places, identity, identity_flags};
use crate::fault::{Reason, if_there};
use crate::file::Identity;

/// How the directory of a day is called.
pub const DAY: &str = "%Y-%m-%d";

/// Today's directory below `archive/`, for one batch: opened anew for each, since operators move the archive
/// away and days change.
#[derive(Debug)]
pub struct Day {
    /// `2026-11-22`, by the local clock.
    name: String,
    directory: OwnedFd,
}

impl Day {
    /// Today's, made when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(places: &Places) -> io::Result<Self> {
        let name = Zoned::now().strftime(DAY).to_string();
        let directory = places.archive_of(&name)?;
        Ok(Self { name, directory })
    }

    /// Moves a file here from a slot. Returns where it is, relative to the folder: `archive/2026-11-22/orders~2.csv`.
    /// A rename keeps the modification time; a crash leaves the file in its slot or here. `None`: it is no longer in
    /// the slot; scripts do move the file they were given.
    ///
    /// # Errors
    /// What the system says; the file is still in its slot then.
    pub fn put(&self, slot: impl AsFd, name: &OsStr) -> io::Result<Option<OsString>> {
        let archived = match move_numbered(&slot, name, &self.directory, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !still_there(&slot, name)? => return Ok(None),
            moved => moved?,
        };
        let mut place = OsString::from(format!("archive/{}/", self.name));
        place.push(archived);
        Ok(Some(place))
    }

    /// Makes all moves into this directory durable.
    ///
    /// # Errors
    /// What the system says; then none of them may be counted on.
    pub fn flush(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }
}

fn still_there(slot: impl AsFd, name: &OsStr) -> io::Result<bool> {
    let found = statx(slot, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(Into::into);
    Ok(if_there(found)?.is_some())
}

/// What became of fetching a file.
#[derive(Debug)]
pub enum Fetch {
    /// It is in the slot, and nobody else can change it.
    Sealed(Sealed),
    /// The slot has a file of that name; it lies where it lay.
    Taken,
    /// Somebody writes to it, or has just done so; it lies where it lay.
    Busy,
    /// Nothing lies there.
    Gone,
    /// It can't be worked on, and lies where it lay.
    Unfit(Reason),
}

/// Moves this very file from its place in the archive into a slot, under its own name and never over another.
///
/// A crash leaves it in the archive or in the slot.
///
/// # Errors
/// What the system says; the file is in the archive then.
pub fn fetch(places: &Places, place: &OsStr, file: &Identity, slot: impl AsFd, name: &OsStr) -> io::Result<Fetch> {
    let Some((day, archived)) = day_of(places, place)? else { return Ok(Fetch::Gone) };
    let sealed = match seal(places, day.as_fd(), archived)? {
        Claim::Sealed(sealed) if sealed.identity == *file => sealed,
        Claim::Sealed(_) | Claim::GivenBack(_) => return Ok(Fetch::Busy),
        Claim::Unfit { reason, .. } | Claim::NotMovable { reason, .. } => return Ok(Fetch::Unfit(reason)),
        Claim::Unreadable { error, .. } => {
            let text = format!("it can't be opened for reading: {error}");
            return Ok(Fetch::Unfit(Reason::new("unreadable", text)));
        }
        Claim::NotTaken => return Ok(Fetch::Gone),
    };
    match move_as(day.as_fd(), archived, slot.as_fd(), name) {
        Ok(()) => Ok(Fetch::Sealed(sealed)),
        Err(Errno::EXIST) => Ok(Fetch::Taken),
        Err(Errno::NOENT) => Ok(Fetch::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Which file lies at a place in the archive now.
///
/// # Errors
/// What the system says.
pub fn look(places: &Places, place: &OsStr) -> io::Result<Option<Identity>> {
    let Some((day, archived)) = day_of(places, place)? else { return Ok(None) };
    match statx(&day, archived, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
        Ok(stat) => Ok(Some(identity(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The directory of a place, and the name in it. `None`: it isn't there.
fn day_of<'a>(places: &Places, place: &'a OsStr) -> io::Result<Option<(OwnedFd, &'a OsStr)>> {
    let mut parts = Path::new(place).components();
    let names = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(_), Some(Component::Normal(day)), Some(Component::Normal(name)), None) = names else { return Ok(None) };
    Ok(open_day(places.archive()?, day)?.map(|directory| (directory, name)))
}

/// `None`: nothing was moved there, or an operator took it away.
fn open_day(archive: impl AsFd, day: &OsStr) -> io::Result<Option<OwnedFd>> {
    match openat(archive, day, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where files lie that were moved into the directory of one of these days, relative to the folder: under the names that
/// they had, or whatever they are called there. An operator who takes files away leaves gaps between the names; and not
/// every filesystem says in its directories which file it is.
///
/// # Errors
/// What the system says.
pub fn find(
    places: &Places,
    days: &BTreeSet<String>,
    files: &[(&OsStr, Identity)],
) -> io::Result<HashMap<Identity, OsString>> {
    let archive = places.archive()?;
    let mut found = HashMap::new();
    for day in days {
        let Some(directory) = open_day(&archive, OsStr::new(day))? else { continue };
        let at = |name: &OsStr| {
            let stat = statx(&directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()).map_err(io::Error::from);
            if_there(stat).map(|stat| stat.map(|stat| identity(&stat)))
        };
        let place = |name: &OsStr| Path::new("archive").join(day).join(name).into_os_string();
        for (name, file) in files {
            // Names were given in order.
            for name in (1..).map(|copy| numbered(name, copy)) {
                let Some(there) = at(&name)? else { break };
                if there.is_same_file(file) {
                    found.insert(*file, place(&name));
                    break;
                }
            }
        }
        let missed = files.iter().map(|(_, file)| file).filter(|file| !found.contains_key(file));
        let missed: HashMap<u64, Identity> = missed.map(|file| (file.inode, *file)).collect();
        if missed.is_empty() {
            continue;
        }
        for entry in retry_on_intr(|| Dir::read_from(&directory))? {
            let entry = entry?;
            let Some(file) = missed.get(&entry.ino()) else { continue };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if at(name)?.is_some_and(|there| there.is_same_file(file)) {
                found.insert(*file, place(name));
            }
        }
    }
    Ok(found)
}

/// Every file that lies in one of these days under this name, or one that was given for it: where, relative to the folder, and
/// which one it is.
///
/// # Errors
/// What the system says.
pub fn namesakes(places: &Places, days: &BTreeSet<String>, name: &OsStr) -> io::Result<Vec<(OsString, Identity)>> {
    let mut found = Vec::new();
    for day in days {
        for name in (1..).map(|copy| numbered(name, copy)) {
            let place = Path::new("archive").join(day).join(name).into_os_string();
            let Some(there) = look(places, &place)? else { break };
            found.push((place, there));
        }
    }
    Ok(found)
}

/// Makes all moves into the directories of these days durable.
///
/// # Errors
/// What the system says; then none of them may be counted on.
pub fn flush(places: &Places, days: &BTreeSet<String>) -> io::Result<()> {
    let archive = places.archive()?;
    for day in days {
        if let Some(directory) = open_day(&archive, OsStr::new(day))? {
            rustix::fs::fsync(&directory)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::super::scratch::Scratch;
    use super::*;

    fn put(scratch: &Scratch, content: &str) -> String {
        let slot = scratch.slot();
        fs::write(scratch.path("active/0/a.csv"), content).unwrap();
        let day = Day::open(&scratch.places).unwrap();
        let place = day.put(&slot, OsStr::new("a.csv")).unwrap();
        day.flush().unwrap();
        place.unwrap().into_string().unwrap()
    }

    #[test]
    fn a_second_file_of_a_name_lies_beside_the_first() {
        let scratch = Scratch::new();
        let (first, second) = (put(&scratch, "1"), put(&scratch, "2"));
        assert!(first.starts_with("archive/2") && first.ends_with("/a.csv"), "{first}");
        assert!(second.ends_with("/a~2.csv"), "{second}");
        assert_eq!((scratch.read(first), scratch.read(second)), ("1".to_owned(), "2".to_owned()));
        assert_eq!(scratch.names("active/0"), [] as [&str; 0]);
    }

    /// fault 23
    #[test]
    fn the_modification_time_is_kept() {
        let scratch = Scratch::new();
        let slot = scratch.slot();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        fs::File::create(scratch.path("active/0/a.csv")).unwrap().set_modified(old).unwrap();
        let place = Day::open(&scratch.places).unwrap().put(slot, OsStr::new("a.csv")).unwrap();
        assert_eq!(fs::metadata(scratch.path(place.unwrap())).unwrap().modified().unwrap(), old);
    }

    /// fault 78, while running
    #[test]
    fn an_archive_that_was_moved_away_or_removed_is_made_again() {
        let scratch = Scratch::new();
        let first = put(&scratch, "1");
        fs::rename(scratch.path("archive"), scratch.path("old")).unwrap();
        assert_eq!(put(&scratch, "2"), first);
        assert_eq!(scratch.read(&first), "2");
        fs::remove_dir_all(scratch.path("archive")).unwrap();
        assert_eq!(put(&scratch, "3"), first);
        assert_eq!(scratch.read(first.replace("archive", "old")), "1");
    }

    #[test]
    fn of_a_file_that_is_gone_nothing_is_made() {
        let scratch = Scratch::new();
        let day = Day::open(&scratch.places).unwrap();
        assert_eq!(day.put(scratch.slot(), OsStr::new("a.csv")).unwrap(), None);
        assert_eq!(scratch.names(&format!("archive/{}", day.name)), [] as [&str; 0]);
    }
}
