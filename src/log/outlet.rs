//! A descriptor that somebody else reads, and that keeps nobody waiting who writes to it.
//!
//! A terminal that is stopped, a pipe that nobody reads: a write waits for room for a moment, once. The following ones
//! don't wait at all until one gets through. Since flags belong to the open file description, which the shell and
//! others share, `O_NONBLOCK` is only set in one of our own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, write};
use rustix::net::{SendFlags, send};
use rustix::pipe::PIPE_BUF;
use rustix::process::getsid;
use rustix::termios::tcgetsid;

use super::lost::Lost;

/// How long a write waits for room.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// And at the end of the program: a pager may be about to read.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// So many bytes are written at once, of lines that are told together.
const TOGETHER_BYTES_MAX: usize = 32 << 10;

pub(super) struct Outlet<F> {
    end: Mutex<End<F>>,
    /// The last write waited in vain.
    is_stuck: AtomicBool,
    lost: Arc<Lost>,
}

struct End<F> {
    given: F,
    way: Way,
    unwritten: Vec<u8>,
    /// So much of it is the rest of what was begun, and is kept until it is written: a line is never left torn.
    begun: usize,
}

/// Nothing in here panics halfway.
impl<F> RefUnwindSafe for Outlet<F> {}

/// How to write without waiting.
enum Way {
    /// A file: a write never waits for a reader.
    Plain,
    /// A terminal or a pipe, opened again without waiting.
    Own(OwnedFd),
    /// Each call says that it won't wait.
    Socket,
    /// A terminal or a pipe of another user, which can't be opened again. Where there is room, a pipe takes `PIPE_BUF`.
    Asked,
}

impl<F: AsFd> Outlet<F> {
    /// What can't be written there is counted as lost.
    pub fn to(given: F, lost: Arc<Lost>) -> Self {
        let way = Way::to(given.as_fd());
        let end = End { given, way, unwritten: Vec::new(), begun: 0 };
        Self { end: Mutex::new(end), is_stuck: AtomicBool::new(false), lost }
    }

    /// Writes whole lines with one call if it can, so that those of several threads, and of others who share the
    /// descriptor, don't mix: all of them or none.
    pub fn write(&self, lines: &[u8]) -> io::Result<()> {
        self.add(lines, false)
    }

    /// Writes them now, or with what follows until it is [flushed](Self::flush).
    pub fn gather(&self, lines: &[u8]) -> io::Result<()> {
        self.add(lines, true)
    }

    fn add(&self, lines: &[u8], more_follows: bool) -> io::Result<()> {
        let Some(mut end) = self.end() else {
            self.lost.count(lines, Errno::AGAIN);
            return Err(Errno::AGAIN.into());
        };
        end.unwritten.extend_from_slice(lines);
        if more_follows && end.unwritten.len() < TOGETHER_BYTES_MAX { Ok(()) } else { self.write_out(&mut end) }
    }

    /// What was gathered is written.
    pub fn flush(&self) -> io::Result<()> {
        match self.end() {
            Some(mut end) if !end.unwritten.is_empty() => self.write_out(&mut end),
            _ => Ok(()),
        }
    }

    /// `None`: who has it doesn't come back, as from a file on a disk that hangs.
    fn end(&self) -> Option<MutexGuard<'_, End<F>>> {
        let end = self.end.try_lock().or_else(|| self.end.try_lock_for(self.patience()));
        self.is_stuck.fetch_or(end.is_none(), Ordering::Relaxed);
        end
    }

    fn write_out(&self, end: &mut End<F>) -> io::Result<()> {
        let (written, fault) = end.push(self.patience());
        self.is_stuck.store(fault == Some(Errno::AGAIN), Ordering::Relaxed);
        // Of lines that are begun, the rest is kept; of others, nothing.
        let kept = if written > end.begun || fault.is_none() { end.unwritten.len() } else { end.begun };
        let lost = end.unwritten.split_off(kept);
        end.unwritten.drain(..written);
        end.begun = end.unwritten.len();
        match fault {
            Some(fault) if !lost.is_empty() => {
                self.lost.count(&lost, fault);
                Err(fault.into())
            }
            _ => Ok(()),
        }
    }

    fn patience(&self) -> Duration {
        match self.is_stuck.load(Ordering::Relaxed) {
            _ if super::is_ending() => LAST_PATIENCE,
            true => Duration::ZERO,
            false => PATIENCE,
        }
    }
}

impl Way {
    fn to(given: BorrowedFd) -> Self {
        match fstat(given).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Socket) => Self::Socket,
            Ok(FileType::Fifo | FileType::CharacterDevice) => {
                let path = format!("/proc/self/fd/{}", given.as_raw_fd());
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let own = open(path, flags, Mode::empty()).or_else(|error| match tcgetsid(given) {
                    // A terminal of another user (su, runuser), but ours.
                    Ok(session) if getsid(None) == Ok(session) => open("/dev/tty", flags, Mode::empty()),
                    _ => Err(error),
                });
                own.map_or(Self::Asked, Self::Own)
            }
            _ => Self::Plain,
        }
    }
}

impl<F: AsFd> End<F> {
    /// How much of what is unwritten could be written, and why not more.
    fn push(&self, patience: Duration) -> (usize, Option<Errno>) {
        let (mut written, mut until) = (0, None);
        while written < self.unwritten.len() {
            match self.try_write(&self.unwritten[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let waited_until = until.is_some_and(|until| Instant::now() >= until);
                    let until = *until.get_or_insert_with(|| Instant::now() + patience);
                    if waited_until || !self.has_room_within(until.saturating_duration_since(Instant::now())) {
                        return (written, Some(Errno::AGAIN));
                    }
                }
                Err(fault) => return (written, Some(fault)),
            }
        }
        (written, None)
    }

    /// `AGAIN`: there is no room.
    fn try_write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Plain => write(&self.given, bytes),
            Way::Own(own) => write(own, bytes),
            Way::Socket => send(&self.given, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::Asked if self.has_room_within(Duration::ZERO) => {
                write(&self.given, &bytes[..bytes.len().min(PIPE_BUF)])
            }
            Way::Asked => Err(Errno::AGAIN),
        }
    }

    fn has_room_within(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            match poll(&mut [PollFd::new(&self.given, PollFlags::OUT)], left.as_ref()) {
                // A signal, such as that somebody opens a leased file, says nothing of the reader.
                Err(Errno::INTR) => {}
                polled => return polled == Ok(1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use serde_json::Value;
    use slog::{Level, info};

    use super::super::{json, logger, together};
    use super::*;

    /// More than a pipe or a socket takes that nobody reads.
    const RECORDS: u64 = 5_000;

    /// fault 68
    fn is_not_waited_for_twice(mut reader: impl Read, writer: impl Into<OwnedFd>, is_asked: bool) {
        let log = logger(writer.into(), Level::Info, |outlet| {
            if is_asked {
                outlet.end.lock().way = Way::Asked;
            }
            json::drain(outlet)
        });
        let began = Instant::now();
        for number in (0..RECORDS).step_by(10) {
            together(&log, || (number..number + 10).for_each(|number| info!(log, "said"; "number" => number)));
        }
        let took = began.elapsed();
        assert!(took >= PATIENCE && took < 4 * PATIENCE, "once: {took:?}");

        let mut lines = vec![0; 1 << 20];
        let length = reader.read(&mut lines).unwrap();
        lines.truncate(length);
        info!(log, "read again"; "number" => RECORDS);
        drop(log);
        reader.read_to_end(&mut lines).unwrap();
        let lines: Vec<Value> =
            lines.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        let numbers: Vec<_> = lines.iter().filter_map(|line| line["number"].as_u64()).collect();
        assert!(numbers.is_sorted() && numbers.last() == Some(&RECORDS), "in their order");
        // The last bit of room may be enough to tell of it, and to wait once more.
        let told: Vec<_> = lines.iter().filter(|line| line["level"] == "WARNING").collect();
        let lost = told.iter().map(|line| line["lost"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(numbers.len() as u64 + lost, RECORDS + 1);
        let one = told[0];
        assert_eq!(one["msg"], format!("{} records of the log were lost: nobody read it", one["lost"]));
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_waited_for_once_and_what_is_lost_is_told() {
        let (reader, writer) = io::pipe().unwrap();
        is_not_waited_for_twice(reader, writer, false);
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_not_waited_for_either() {
        let (reader, writer) = io::pipe().unwrap();
        is_not_waited_for_twice(reader, writer, true);
    }

    #[test]
    fn a_socket_that_nobody_reads_is_not_waited_for_either() {
        let (reader, writer) = UnixStream::pair().unwrap();
        is_not_waited_for_twice(reader, writer, false);
    }

    #[test]
    fn the_flags_of_a_shared_descriptor_stay_as_they_are() {
        let (_reader, writer) = io::pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let outlet = Outlet::to(writer, Arc::default());
        outlet.write(b"a line\n").unwrap();
        assert!(matches!(outlet.end.lock().way, Way::Own(_)));
        assert!(!rustix::fs::fcntl_getfl(shared).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn who_writes_to_a_disk_that_hangs_keeps_no_other_waiting() {
        let (_reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::to(writer, Arc::default());
        let _hangs = outlet.end.lock();
        assert_eq!(outlet.patience(), PATIENCE);
        assert!(outlet.write(b"a line\n").is_err());
        // Nor the next one, be the machine as busy as it may.
        assert_eq!(outlet.patience(), Duration::ZERO);
        assert!(outlet.write(b"a line\n").is_err());
    }
}
