//! A walk through a directory from end to end, a bounded part at a time.
//!
//! A directory gives its names in the order of their hashes. Within a part they are taken in the order of their inodes,
//! which is mostly that in which they came: what lies side by side on the disk and in the indexes of ledger and target
//! is done together.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, FileType};
use rustix::io::{Errno, retry_on_intr};

/// The most names read ahead.
const NAMES_MAX: usize = 32_768;
/// A part ends after this, where a directory is read slowly.
const TIME_MAX: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Walk {
    directory: Dir,
    names_max: usize,
    time_max: Duration,
    /// Those that were read and not taken, by inode, the next one last.
    part: Vec<(u64, OsString)>,
    ended: bool,
}

impl Walk {
    /// From the first name on.
    pub(super) fn begin(directory: impl AsFd) -> Result<Self, Errno> {
        let directory = retry_on_intr(|| Dir::read_from(&directory))?;
        Ok(Self { directory, names_max: NAMES_MAX, time_max: TIME_MAX, part: Vec::new(), ended: false })
    }

    /// The next name that is no directory's. `None`: there is none any more.
    pub(super) fn next(&mut self) -> Result<Option<OsString>, Errno> {
        if self.part.is_empty() && !self.ended {
            self.read_part()?;
        }
        Ok(self.part.pop().map(|(_, name)| name))
    }

    fn read_part(&mut self) -> Result<(), Errno> {
        let until = Instant::now() + self.time_max;
        while self.part.len() < self.names_max && (self.part.is_empty() || Instant::now() < until) {
            let Some(entry) = self.directory.read() else {
                self.ended = true;
                break;
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() != FileType::Directory && name != b"." && name != b".." {
                self.part.push((entry.ino(), OsStr::from_bytes(name).to_owned()));
            }
        }
        self.part.sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn walked(directory: &std::path::Path, names_max: usize) -> Vec<OsString> {
        let mut walk = Walk { names_max, ..Walk::begin(File::open(directory).unwrap()).unwrap() };
        std::iter::from_fn(|| walk.next().unwrap()).collect()
    }

    #[test]
    fn every_name_comes_once_however_many_parts_there_are_and_directories_never() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("not me")).unwrap();
        let mut names: Vec<OsString> = (0..100).map(|number| format!("{number}.csv").into()).collect();
        for name in &names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        names.sort_unstable();
        for names_max in [1, 7, 100, 1000] {
            let mut walked = walked(directory.path(), names_max);
            walked.sort_unstable();
            assert_eq!(walked, names, "{names_max} at a time");
        }
        let mut hasty =
            Walk { time_max: Duration::ZERO, ..Walk::begin(File::open(directory.path()).unwrap()).unwrap() };
        let mut walked: Vec<_> = std::iter::from_fn(|| hasty.next().unwrap()).collect();
        walked.sort_unstable();
        assert_eq!(walked, names, "each part after no time");
    }

    #[test]
    fn names_read_together_come_in_the_order_of_their_inodes() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..50 {
            fs::write(directory.path().join(format!("{number}.csv")), "").unwrap();
        }
        let inode = |name: &OsString| fs::metadata(directory.path().join(name)).unwrap().ino();
        assert!(walked(directory.path(), 100).iter().map(inode).is_sorted());
        assert!(!walked(directory.path(), 1).iter().map(inode).is_sorted(), "a directory has an order of its own");
    }
}
