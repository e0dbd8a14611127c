//! Quarantine: where refused files lie, each with a reason file beside it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, fsync, openat};
use rustix::io::retry_on_intr;

use super::moves::{free_name, is_taken, move_as};
use super::name::suffixed;
use super::places::Places;

/// What is put behind the name of a refused file.
pub const REASON_SUFFIX: &str = ".reason.txt";

/// Whether this is how a reason file is called.
#[must_use]
pub fn is_reason(name: &OsStr) -> bool {
    name.as_bytes().ends_with(REASON_SUFFIX.as_bytes())
}

/// The other way to have a refused file tried again, for its reason file.
#[must_use]
pub fn by_hand(inbox: &Path, ready_marker: Option<&str>) -> String {
    match ready_marker {
        None => format!("   (or move it back into {})", inbox.display()),
        // There, it would wait for another one.
        Some(_) => String::new(),
    }
}

/// A name in `quarantine/` that is free, and so is that of its reason file. Nobody else chooses one in this folder
/// for as long as this is held.
#[derive(Debug)]
pub struct Cell<'a> {
    name: OsString,
    directory: OwnedFd,
    _choosing: MutexGuard<'a, ()>,
}

impl<'a> Cell<'a> {
    /// A free one for a file of this name.
    ///
    /// # Errors
    /// What the system says.
    pub fn choose(places: &'a Places, wanted: &OsStr) -> io::Result<Self> {
        let choosing = places.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = places.quarantine()?;
        // A file called like a reason would be taken for one, and be removed when the file that it seems to explain leaves.
        let wanted = if is_reason(wanted) { &suffixed(wanted, "~2") } else { wanted };
        let name = free_name(wanted, |name| {
            Ok(is_taken(directory.as_fd(), name)? || is_taken(directory.as_fd(), &suffixed(name, REASON_SUFFIX))?)
        })?;
        Ok(Self { name, directory, _choosing: choosing })
    }

    /// The one chosen before a crash, for a file that is still in its slot; its reason file may lie there already.
    /// Another one, should it have been taken since.
    ///
    /// # Errors
    /// What the system says.
    pub fn chosen_before(places: &'a Places, name: &OsStr) -> io::Result<Self> {
        let choosing = places.choosing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = places.quarantine()?;
        if is_reason(name) || is_taken(directory.as_fd(), name)? {
            drop(choosing);
            return Self::choose(places, name);
        }
        Ok(Self { name: name.to_owned(), directory, _choosing: choosing })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Writes the reason, then moves the file here from its slot, durably: no refused file lies here unexplained.
    ///
    /// A crash leaves the file in its slot, perhaps with a reason file here already; or here, with its reason. Repeated
    /// by [`Cell::chosen_before`], it comes to the same end.
    ///
    /// # Errors
    /// What the system says; the file is still in its slot then, or here.
    pub fn put(self, slot: impl AsFd, name: &OsStr, reason: &str) -> io::Result<()> {
        self.explain(reason)?;
        move_as(slot.as_fd(), name, self.directory.as_fd(), &self.name)?;
        // The old name first: see moves::is_same_file.
        fsync(slot)?;
        fsync(&self.directory)?;
        Ok(())
    }

    /// Writes the reason alone, durably: there is no file any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn put_reason(self, reason: &str) -> io::Result<()> {
        self.explain(reason)?;
        Ok(fsync(&self.directory)?)
    }

    fn explain(&self, reason: &str) -> io::Result<()> {
        let explanation = suffixed(&self.name, REASON_SUFFIX);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(&self.directory, &explanation, flags, Mode::from_raw_mode(0o640));
        let mut file = File::from(retry_on_intr(open)?);
        file.write_all(reason.as_bytes())?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::name::NAME_BYTES_MAX;
    use super::super::scratch::Scratch;
    use super::*;

    const NAME: &str = "a.csv";

    fn refuse(scratch: &Scratch, slot: usize, content: &str) -> OsString {
        let directory = scratch.places.slot(slot).unwrap();
        fs::write(scratch.path(format!("active/{slot}/{NAME}")), content).unwrap();
        let cell = Cell::choose(&scratch.places, OsStr::new(NAME)).unwrap();
        let chosen = cell.name().to_owned();
        cell.put(&directory, OsStr::new(NAME), content).unwrap();
        chosen
    }

    fn is_explained(scratch: &Scratch, name: &str, content: &str) -> bool {
        scratch.read(format!("quarantine/{name}")) == content
            && scratch.read(format!("quarantine/{name}{REASON_SUFFIX}")) == content
    }

    #[test]
    fn refused_files_of_one_name_each_have_their_own_reason() {
        let scratch = Scratch::new();
        assert_eq!(refuse(&scratch, 0, "1"), "a.csv");
        assert_eq!(refuse(&scratch, 0, "2"), "a~2.csv");
        assert!(is_explained(&scratch, "a.csv", "1") && is_explained(&scratch, "a~2.csv", "2"));
        // An operator took the file and left its reason: that name is not free.
        fs::remove_file(scratch.path("quarantine/a.csv")).unwrap();
        assert_eq!(refuse(&scratch, 0, "3"), "a~3.csv");
    }

    /// fault 14
    #[test]
    fn files_of_one_name_refused_at_the_same_time_each_have_their_own_reason() {
        let scratch = Scratch::new();
        std::thread::scope(|scope| {
            for slot in 0..4 {
                let scratch = &scratch;
                scope
                    .spawn(move || (0..10).for_each(|number| drop(refuse(scratch, slot, &format!("{slot} {number}")))));
            }
        });
        let names = scratch.names("quarantine");
        assert_eq!(names.len(), 80);
        for name in names.iter().filter(|name| !name.ends_with(REASON_SUFFIX)) {
            assert!(is_explained(&scratch, name, &scratch.read(format!("quarantine/{name}"))), "{name}");
        }
    }

    #[test]
    fn a_refused_file_that_is_called_like_a_reason_is_not_called_so_here() {
        let scratch = Scratch::new();
        let long = "n".repeat(NAME_BYTES_MAX - REASON_SUFFIX.len());
        for name in ["a.csv", "a~2.csv", "no-ending", &long] {
            let name = format!("{name}{REASON_SUFFIX}");
            let chosen = Cell::choose(&scratch.places, OsStr::new(&name)).unwrap().name().to_owned();
            fs::write(scratch.path("quarantine").join(&chosen), "1").unwrap();
            let second = Cell::choose(&scratch.places, OsStr::new(&name)).unwrap().name().to_owned();
            let before = Cell::chosen_before(&scratch.places, OsStr::new(&name)).unwrap().name().to_owned();
            assert!(!is_reason(&chosen) && !is_reason(&second) && second != chosen, "{chosen:?}, {second:?}");
            assert_eq!(before, second, "as an earlier version had chosen it");
        }
    }

    /// fault 80
    #[test]
    fn a_crash_at_any_point_and_the_repetition_come_to_the_same_end() {
        for reason_written in ["", "half a rea"] {
            let scratch = Scratch::new();
            let slot = scratch.slot();
            fs::write(scratch.path("active/0/a.csv"), "1").unwrap();
            let chosen = Cell::choose(&scratch.places, OsStr::new(NAME)).unwrap().name().to_owned();
            if !reason_written.is_empty() {
                fs::write(scratch.path("quarantine/a.csv.reason.txt"), reason_written).unwrap();
            }
            let cell = Cell::chosen_before(&scratch.places, &chosen).unwrap();
            cell.put(&slot, OsStr::new(NAME), "1").unwrap();
            assert_eq!(scratch.names("quarantine"), ["a.csv", "a.csv.reason.txt"]);
            assert!(is_explained(&scratch, "a.csv", "1"));
            assert_eq!(scratch.names("active/0"), [] as [&str; 0]);
        }
    }

    #[test]
    fn a_name_taken_since_a_crash_is_left_to_its_file() {
        let scratch = Scratch::new();
        let chosen = Cell::choose(&scratch.places, OsStr::new(NAME)).unwrap().name().to_owned();
        assert_eq!(refuse(&scratch, 1, "another"), chosen);
        fs::write(scratch.path("active/1/a.csv"), "1").unwrap();
        let cell = Cell::chosen_before(&scratch.places, &chosen).unwrap();
        cell.put(scratch.places.slot(1).unwrap(), OsStr::new(NAME), "1").unwrap();
        assert!(is_explained(&scratch, "a.csv", "another") && is_explained(&scratch, "a~2.csv", "1"));
    }

    /// fault 26
    #[test]
    fn long_names_that_begin_alike_do_not_share_a_reason() {
        let scratch = Scratch::new();
        let slot = scratch.slot();
        for ending in ["x", "y"] {
            let name = OsString::from("n".repeat(NAME_BYTES_MAX - 1) + ending);
            fs::write(scratch.path("active/0").join(&name), ending).unwrap();
            Cell::choose(&scratch.places, &name).unwrap().put(&slot, &name, ending).unwrap();
        }
        let reasons = scratch.names("quarantine").into_iter().filter(|name| name.ends_with(REASON_SUFFIX));
        let mut reasons: Vec<_> = reasons.map(|name| scratch.read(format!("quarantine/{name}"))).collect();
        reasons.sort();
        assert_eq!(reasons, ["x", "y"]);
    }
}
