//! One daemon a directory: a lock that dies with its holder and names it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The lock of the state directory: who has it is the daemon.
pub const STATE_LOCK: &str = "importerd.lock";

/// [`holder`] has the lock for a moment while it asks; a taker who meets it tries again for so long.
const ASKED_WAIT: Duration = Duration::from_millis(100);
/// A daemon that was killed just as it started a command leaves the lock to the child, until that has become
/// the command. Long enough for a machine under heavy load.
const LEFT_WAIT: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// An exclusive lock on a directory, held until dropped or until the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not had.
#[derive(Debug)]
pub enum Refused {
    /// Another process has it.
    Held {
        /// Its process id, when it could be read.
        pid: Option<u32>,
    },
    /// The lock file can't be made or opened.
    Io(io::Error),
}

/// Takes the lock kept in the file `name` of the directory.
///
/// # Errors
/// See [`Refused`].
pub fn take(directory: impl AsFd, name: &str) -> Result<Lock, Refused> {
    take_noting(directory, name, "")
}

/// Takes the lock, and notes a line for those who ask.
///
/// # Errors
/// See [`Refused`].
pub fn take_noting(directory: impl AsFd, name: &str, note: &str) -> Result<Lock, Refused> {
    // Held by a reader, so that the filesystem can be made read-only meanwhile.
    let mut file = open(&directory, name, OFlags::RDONLY | OFlags::CREATE).map_err(Refused::Io)?;
    let began = Instant::now();
    while let Err(error) = retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        if error != Errno::WOULDBLOCK {
            return Err(Refused::Io(error.into()));
        }
        file.rewind().map_err(Refused::Io)?;
        let pid = read_pid(&mut file);
        let wait = if pid.is_some_and(is_gone) { LEFT_WAIT } else { ASKED_WAIT };
        if began.elapsed() > wait {
            return Err(Refused::Held { pid });
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
    open(&directory, name, OFlags::WRONLY | OFlags::TRUNC)
        .and_then(|mut file| file.write_all(format!("{}\n{note}\n", std::process::id()).as_bytes()))
        .map_err(Refused::Io)?;
    Ok(Lock { _file: file })
}

/// The process that holds the lock, if any does. `Some(0)`: one that could not be named.
#[must_use]
pub fn holder(directory: impl AsFd, name: &str) -> Option<u32> {
    let mut file = open(directory, name, OFlags::RDONLY).ok()?;
    match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockShared)) {
        Ok(()) => None,
        Err(_) => Some(read_pid(&mut file).unwrap_or(0)),
    }
}

/// What the process that holds the lock has noted, if any does.
#[must_use]
pub fn noted(directory: impl AsFd, name: &str) -> Option<String> {
    holder(&directory, name)?;
    let mut text = String::new();
    open(directory, name, OFlags::RDONLY).and_then(|mut file| file.read_to_string(&mut text)).ok()?;
    text.lines().nth(1).map(str::to_owned)
}

fn open(directory: impl AsFd, name: &str, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file: OwnedFd = retry_on_intr(|| openat(&directory, name, flags, Mode::from_raw_mode(0o644)))?;
    Ok(File::from(file))
}

/// Whether a process has ended, though its parent may not have heard of it yet.
fn is_gone(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&Timespec::default())) == Ok(1),
        Err(error) => error == Errno::SRCH,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.lines().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fault 86
    #[test]
    fn a_second_taker_is_refused_and_told_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let directory = File::open(folder.path()).unwrap();
        assert_eq!(holder(&directory, ".lock"), None);
        let lock = take(&directory, ".lock").unwrap();
        let Err(Refused::Held { pid }) = take(&directory, ".lock") else { panic!("taken twice") };
        assert_eq!(pid, Some(std::process::id()));
        assert_eq!(holder(&directory, ".lock"), Some(std::process::id()));
        drop(lock);
        assert_eq!(holder(&directory, ".lock"), None);
        take(&directory, ".lock").unwrap();
    }

    #[test]
    fn a_note_is_read_as_long_as_the_lock_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let directory = File::open(folder.path()).unwrap();
        let lock = take_noting(&directory, ".lock", "as it was").unwrap();
        assert_eq!(noted(&directory, ".lock").as_deref(), Some("as it was"));
        assert_eq!(holder(&directory, ".lock"), Some(std::process::id()));
        drop(lock);
        assert_eq!(noted(&directory, ".lock"), None);
        let _lock = take(&directory, ".lock").unwrap();
        assert_eq!(noted(&directory, ".lock").as_deref(), Some(""));
    }

    /// fault 80: the child of a killed daemon has the lock until it has become the command.
    #[test]
    fn a_lock_that_the_dead_left_to_a_child_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let directory = File::open(folder.path()).unwrap();
        let lock = take(&directory, ".lock").unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        std::fs::write(folder.path().join(".lock"), format!("{}\n", dead.id())).unwrap();
        dead.wait().unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let taker = std::thread::spawn(move || {
            begun.send(()).unwrap();
            take(&directory, ".lock")
        });
        begins.recv().unwrap();
        std::thread::sleep(2 * ASKED_WAIT);
        drop(lock);
        taker.join().unwrap().unwrap();
    }

    #[test]
    fn a_daemon_that_starts_while_somebody_asks_for_the_holder_gets_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let directory = File::open(folder.path()).unwrap();
        drop(take(&directory, ".lock").unwrap());
        let asking = open(&directory, ".lock", OFlags::RDONLY).unwrap();
        flock(&asking, FlockOperation::NonBlockingLockShared).unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let taker = std::thread::spawn(move || {
            begun.send(()).unwrap();
            take(&directory, ".lock")
        });
        begins.recv().unwrap();
        std::thread::sleep(BETWEEN_TRIES);
        drop(asking);
        taker.join().unwrap().unwrap();
    }
}
