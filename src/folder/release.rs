//! Release: the way of a file back into the inbox from where it was put, and the end of its reason file.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, fsync, statx, unlinkat};
use rustix::io::Errno;

use super::moves::{is_taken, move_numbered};
use super::name::suffixed;
use super::places::{Places, identity, identity_flags};
use super::quarantine::REASON_SUFFIX;
use crate::file::Identity;

/// The way back of some files of a folder. Nobody chooses a name in `quarantine/` for as long as this is held: a reason
/// file there without its file is that of a file which has left.
#[derive(Debug)]
pub struct Way<'a> {
    places: &'a Places,
    /// Whose entries must reach the disk.
    left: Vec<OwnedFd>,
    _choosing: MutexGuard<'a, ()>,
}

impl<'a> Way<'a> {
    /// Waits until nobody else is about to use a name in `quarantine/`.
    pub fn open(places: &'a Places) -> Self {
        let choosing = places.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        Self { places, left: Vec::new(), _choosing: choosing }
    }

    /// Which file lies at a place, relative to the folder. `None`: none, or a directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn lying_at(&self, place: &OsStr) -> io::Result<Option<Identity>> {
        let Some((directory, name)) = self.locate(place)? else { return Ok(None) };
        match statx(&directory, name, AtFlags::SYMLINK_NOFOLLOW, identity_flags()) {
            Ok(stat) if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory => Ok(None),
            Ok(stat) => Ok(Some(identity(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves the file at a place into the inbox, never over another: under `wanted`, or the next free name, which is
    /// returned. One rename; durable when [`Way::flush`] has returned.
    ///
    /// # Errors
    /// What the system says; the file is where it was then.
    pub fn move_back(&mut self, place: &OsStr, wanted: &OsStr) -> io::Result<OsString> {
        let (directory, name) = self.locate(place)?.ok_or(Errno::NOENT)?;
        let back = move_numbered(&directory, name, &self.places.now()?.inbox, wanted)?;
        self.left.push(directory);
        Ok(back)
    }

    /// Makes all moves durable.
    ///
    /// # Errors
    /// What the system says; then none of them may be counted on.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.left.is_empty() {
            fsync(&self.places.now()?.inbox)?;
        }
        let mut flushed = None;
        for directory in self.left.drain(..) {
            let stat = rustix::fs::fstat(&directory)?;
            if flushed.replace((stat.st_dev, stat.st_ino)) != Some((stat.st_dev, stat.st_ino)) {
                fsync(&directory)?;
            }
        }
        Ok(())
    }

    /// Removes the reason file that explained a file which has left `quarantine/`, if it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_reason(&self, place: &OsStr) -> io::Result<()> {
        if Path::new(place).parent() != Some(Path::new("quarantine")) {
            return Ok(());
        }
        let Some((directory, name)) = self.locate(place)? else { return Ok(()) };
        // Somebody has put another file there, whose reason it may be.
        if is_taken(directory.as_fd(), name)? {
            return Ok(());
        }
        match unlinkat(&directory, suffixed(name, REASON_SUFFIX), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory of a place and the name in it. `None`: it is gone.
    fn locate<'p>(&self, place: &'p OsStr) -> io::Result<Option<(OwnedFd, &'p OsStr)>> {
        let (Some(directory), Some(name)) = (Path::new(place).parent(), Path::new(place).file_name()) else {
            return Ok(None);
        };
        match self.places.now()?.below(directory) {
            Ok(directory) => Ok(Some((directory, name))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::scratch::Scratch;
    use super::*;

    const PLACE: &str = "quarantine/a.csv";

    fn refused(scratch: &Scratch) {
        fs::write(scratch.path(PLACE), "1").unwrap();
        fs::write(scratch.path("quarantine/a.csv.reason.txt"), "why").unwrap();
    }

    #[test]
    fn a_file_goes_back_beside_the_one_of_its_name_and_its_reason_goes_last() {
        let scratch = Scratch::new();
        refused(&scratch);
        scratch.put("a.csv", "2");
        let mut way = Way::open(&scratch.places);
        assert!(way.lying_at(OsStr::new(PLACE)).unwrap().is_some());
        assert_eq!(way.move_back(OsStr::new(PLACE), OsStr::new("a.csv")).unwrap(), "a~2.csv");
        way.flush().unwrap();
        assert_eq!(scratch.names("quarantine"), ["a.csv.reason.txt"]);
        way.remove_reason(OsStr::new(PLACE)).unwrap();
        way.remove_reason(OsStr::new(PLACE)).unwrap();
        assert_eq!((scratch.read("inbox/a.csv"), scratch.read("inbox/a~2.csv")), ("2".to_owned(), "1".to_owned()));
        assert_eq!(scratch.names("quarantine"), [""; 0]);
    }

    #[test]
    fn the_reason_of_a_file_that_is_still_there_stays() {
        let scratch = Scratch::new();
        refused(&scratch);
        Way::open(&scratch.places).remove_reason(OsStr::new(PLACE)).unwrap();
        assert_eq!(scratch.names("quarantine"), ["a.csv", "a.csv.reason.txt"]);
    }

    #[test]
    fn from_a_day_of_the_archive_a_file_comes_back_and_nothing_else_is_removed() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("archive/2026-11-22")).unwrap();
        for name in ["a.csv", "a.csv.reason.txt"] {
            fs::write(scratch.path("archive/2026-11-22").join(name), "1").unwrap();
        }
        let place = OsStr::new("archive/2026-11-22/a.csv");
        let mut way = Way::open(&scratch.places);
        assert_eq!(way.move_back(place, OsStr::new("a.csv")).unwrap(), "a.csv");
        way.flush().unwrap();
        way.remove_reason(place).unwrap();
        assert_eq!(scratch.names("archive/2026-11-22"), ["a.csv.reason.txt"]);
        assert_eq!(way.lying_at(OsStr::new("archive/2026-11-23/a.csv")).unwrap(), None, "a day that is not there");
    }

    /// fault 39
    #[test]
    fn a_directory_in_the_place_of_a_file_is_left_alone() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path(PLACE)).unwrap();
        assert_eq!(Way::open(&scratch.places).lying_at(OsStr::new(PLACE)).unwrap(), None);
    }
}
