//! Sees files arrive in an archive, by inotify: the moment of the rename.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use crate::Outcome;
use crate::ground::files_below;
use crate::workload::number_of;

/// A contender that gets nothing done for so long has lost a file.
const STALL_MAX: Duration = Duration::from_secs(20);

/// How long one look waits.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Files seen in an archive, and in its directories of days.
pub struct Arrivals {
    archive: PathBuf,
    inotify: OwnedFd,
    days: Vec<PathBuf>,
    /// When each file was seen first.
    pub seen: Vec<Option<Instant>>,
    count: usize,
    /// More came than the kernel kept for us: some were seen late.
    pub is_blurred: bool,
}

impl Arrivals {
    /// Of so many files, from now on.
    pub fn watch(archive: &Path, files: usize) -> Outcome<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let archive = archive.to_owned();
        let mut arrivals =
            Self { archive, inotify, days: Vec::new(), seen: vec![None; files], count: 0, is_blurred: false };
        arrivals.add(arrivals.archive.clone())?;
        Ok(arrivals)
    }

    /// Waits until so many were seen, and returns when the last was. Who `has_ended` has nothing more to show.
    pub fn wait_for(&mut self, files: usize, mut has_ended: impl FnMut() -> bool) -> Outcome<Instant> {
        let (mut last, mut before) = (Instant::now(), self.count);
        while self.count < files {
            if has_ended() {
                return Err(format!("it ended, and {} of {files} files are archived", self.count).into());
            }
            self.look()?;
            if self.count != before {
                (last, before) = (Instant::now(), self.count);
            } else if last.elapsed() > STALL_MAX {
                self.rescan();
                if self.count < files {
                    return Err(
                        format!("{} of {files} files are archived, and nothing more happens", self.count).into()
                    );
                }
            }
        }
        Ok(self.seen.iter().flatten().max().copied().unwrap_or(last))
    }

    fn add(&mut self, directory: PathBuf) -> Outcome<()> {
        add_watch(&self.inotify, &directory, WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::ONLYDIR)?;
        self.days.push(directory);
        Ok(())
    }

    fn look(&mut self) -> Outcome<()> {
        if poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&LOOK))? == 0 {
            return Ok(());
        }
        let mut buffer = vec![MaybeUninit::uninit(); 64 << 10];
        let now = Instant::now();
        let (mut names, mut is_overrun, mut has_day) = (Vec::new(), false, false);
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            is_overrun |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            has_day |= event.events().contains(ReadFlags::ISDIR);
            names.extend(event.file_name().and_then(|name| number_of(name.to_bytes())));
            if reader.is_buffer_empty() {
                break;
            }
        }
        for file in names {
            self.saw(file, now);
        }
        self.is_blurred |= is_overrun;
        if has_day {
            for entry in fs::read_dir(&self.archive)?.flatten() {
                if entry.file_type()?.is_dir() && !self.days.contains(&entry.path()) {
                    self.add(entry.path())?;
                }
            }
        }
        if has_day || is_overrun {
            self.rescan();
        }
        Ok(())
    }

    fn rescan(&mut self) {
        let now = Instant::now();
        for path in files_below(&self.archive) {
            if let Some(file) = path.file_name().and_then(|name| number_of(name.as_encoded_bytes())) {
                self.saw(file, now);
            }
        }
    }

    fn saw(&mut self, file: usize, when: Instant) {
        if let Some(seen) = self.seen.get_mut(file)
            && seen.is_none()
        {
            *seen = Some(when);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::name_of;

    #[test]
    fn files_are_seen_in_the_archive_and_in_its_days_and_who_ends_too_early_is_told() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (archive, day) = (directory.path().join("archive"), directory.path().join("archive/2026-11-24"));
        fs::create_dir(&archive).expect("make the archive");
        let mut arrivals = Arrivals::watch(&archive, 4).expect("watched");
        let arrive = |file, at: &Path| {
            fs::write(directory.path().join("staged"), "").expect("write");
            fs::rename(directory.path().join("staged"), at.join(name_of(file))).expect("rename");
        };
        arrive(0, &archive);
        fs::create_dir(&day).expect("make a day");
        // Perhaps before the day is watched.
        arrive(1, &day);
        arrivals.wait_for(2, || false).expect("both are seen");
        arrive(2, &day);
        arrivals.wait_for(3, || false).expect("the third is seen");
        let told = arrivals.wait_for(4, || true).expect_err("there is no fourth");
        assert_eq!(told.to_string(), "it ended, and 3 of 4 files are archived");
    }
}
