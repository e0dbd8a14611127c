//! Moves: renames that never replace a file.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, RenameFlags, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::name::{free, numbered};

/// Moves a file, never over another: under `wanted`, or `wanted~2`, `wanted~3`, … Returns its new name.
///
/// One rename: a crash leaves the file at the one place or at the other.
///
/// # Errors
/// What the system says; the file is where it was then.
pub fn move_numbered(from: impl AsFd, name: &OsStr, to: impl AsFd, wanted: &OsStr) -> io::Result<OsString> {
    let mut target = wanted.to_owned();
    loop {
        match move_as(from.as_fd(), name, to.as_fd(), &target) {
            Ok(()) => return Ok(target),
            // Also when another took the free name just before us.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        target = free_name(wanted, |name| is_taken(to.as_fd(), name))?;
    }
}

/// Moves a file under exactly this name. `EEXIST`: it is taken by another, nothing was moved. If it is there already,
/// since a power cut left the file with both names, the old one goes.
pub(crate) fn move_as(
    from: BorrowedFd<'_>,
    name: &OsStr,
    to: BorrowedFd<'_>,
    target: &OsStr,
) -> rustix::io::Result<()> {
    let moved = match renameat_with(from, name, to, target, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => look_and_move(from, name, to, target),
        moved => moved,
    };
    match moved {
        Err(Errno::EXIST) if is_same_file(from, name, to, target) => unlinkat(from, name, AtFlags::empty()),
        moved => moved,
    }
}

/// Whether two names are those of one file. A journal makes a rename one step, whichever directory is flushed; btrfs,
/// asked for the new directory only, may bring up the file with its new name and its old one.
pub(super) fn is_same_file(one: BorrowedFd<'_>, name: &OsStr, other: BorrowedFd<'_>, other_name: &OsStr) -> bool {
    let inode = |directory, name| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let found = inode(one, name).and_then(|one| Ok((one, inode(other, other_name)?)));
    found.is_ok_and(|(one, other)| one.st_nlink > 1 && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// For filesystems that can't refuse to replace (NFS, 9P, some of FUSE): none of our threads comes between.
/// Another program can, for as long as a system call takes, and only in the inbox: a file is put back there when an
/// uploader has come back to it.
fn look_and_move(from: BorrowedFd<'_>, name: &OsStr, to: BorrowedFd<'_>, target: &OsStr) -> rustix::io::Result<()> {
    static MOVING: Mutex<()> = Mutex::new(());
    let _moving = MOVING.lock().unwrap_or_else(PoisonError::into_inner);
    if is_taken(to, target)? {
        return Err(Errno::EXIST);
    }
    renameat(from, name, to, target)
}

/// A name for a copy of `wanted` that is not taken.
pub(super) fn free_name(
    wanted: &OsStr,
    taken: impl Fn(&OsStr) -> rustix::io::Result<bool>,
) -> rustix::io::Result<OsString> {
    free(|copy| numbered(wanted, copy), taken)
}

/// Whether anything has that name.
pub(crate) fn is_taken(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<bool> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> File {
        fs::create_dir_all(path).unwrap();
        File::open(path).unwrap()
    }

    fn count(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn a_second_file_of_a_name_is_numbered_and_the_first_stays() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (open(&root.path().join("from")), open(&root.path().join("to")));
        for (content, expected) in [("1", "a.csv"), ("2", "a~2.csv"), ("3", "a~3.csv")] {
            fs::write(root.path().join("from/a.csv"), content).unwrap();
            let wanted = OsStr::new("a.csv");
            assert_eq!(move_numbered(&from, wanted, &to, wanted).unwrap(), expected);
            assert_eq!(fs::read_to_string(root.path().join("to").join(expected)).unwrap(), content);
        }
        fs::remove_file(root.path().join("to/a~2.csv")).unwrap();
        fs::write(root.path().join("from/a.csv"), "4").unwrap();
        move_numbered(&from, OsStr::new("a.csv"), &to, OsStr::new("a.csv")).unwrap();
        assert_eq!(count(&root.path().join("to")), 3);
    }

    /// fault 75
    #[test]
    fn a_move_that_a_power_cut_left_with_both_names_is_finished() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (open(&root.path().join("from")), open(&root.path().join("to")));
        fs::write(root.path().join("from/a.csv"), "1").unwrap();
        fs::hard_link(root.path().join("from/a.csv"), root.path().join("to/a.csv")).unwrap();
        let name = OsStr::new("a.csv");
        assert_eq!(move_numbered(&from, name, &to, name).unwrap(), "a.csv");
        assert_eq!((count(&root.path().join("from")), count(&root.path().join("to"))), (0, 1));
    }

    #[test]
    fn the_ten_thousandth_file_of_a_name_asks_for_few_names() {
        let asked = std::cell::Cell::new(0);
        let taken = |name: &OsStr| {
            asked.set(asked.get() + 1);
            let stem = name.to_str().unwrap().trim_end_matches(".csv");
            Ok(stem.strip_prefix("a~").map_or(1, |copy| copy.parse().unwrap()) < 10_000)
        };
        assert_eq!(free_name(OsStr::new("a.csv"), taken).unwrap(), "a~10000.csv");
        assert!(asked.get() < 40, "{}", asked.get());
    }

    /// fault 14
    #[test]
    fn files_of_one_name_moved_at_the_same_time_are_all_kept() {
        all_are_kept(|from, name, to| drop(move_numbered(from, name, to, OsStr::new("a.csv")).unwrap()));
    }

    #[test]
    fn where_the_kernel_cannot_refuse_to_replace_no_file_is_replaced_either() {
        all_are_kept(|from, name, to| {
            let mut copy = 1;
            while let Err(error) = look_and_move(from, name, to, &numbered(OsStr::new("a.csv"), copy)) {
                assert_eq!(error, Errno::EXIST);
                copy += 1;
            }
        });
    }

    fn all_are_kept(move_one: impl Fn(BorrowedFd<'_>, &OsStr, BorrowedFd<'_>) + Sync) {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (open(&root.path().join("from")), open(&root.path().join("to")));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (root, from, to, move_one) = (root.path(), &from, &to, &move_one);
                scope.spawn(move || {
                    for number in 0..50 {
                        let name = format!("{thread}-{number}");
                        fs::write(root.join("from").join(&name), &name).unwrap();
                        move_one(from.as_fd(), OsStr::new(&name), to.as_fd());
                    }
                });
            }
        });
        let kept = fs::read_dir(root.path().join("to")).unwrap();
        let kept: BTreeSet<_> = kept.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        assert_eq!((kept.len(), count(&root.path().join("from"))), (200, 0));
    }
}
