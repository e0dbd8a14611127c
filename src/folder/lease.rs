//! Read leases: the kernel's own word on whether anybody has a file open for writing.
//!
//! The only unsafe code of the project: `fcntl(F_SETLEASE)` has no safe wrapper in the libraries used here.
#![expect(unsafe_code, reason = "fcntl with F_SETLEASE, F_GETLEASE or F_SETSIG needs a system call")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// As in the kernel's fcntl.h; `libc` doesn't have it.
const F_SETSIG: libc::c_int = 10;

/// The answer to asking for a read lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Nobody has the file open for writing. The lease is held until the descriptor is closed.
    Held,
    /// Somebody has it open for writing, or mapped writable.
    Writer,
    /// This filesystem, or this user, can't have leases.
    Unavailable,
}

/// Asks for a read lease on a file opened read-only. About 4 µs on a local filesystem.
///
/// # Errors
/// What the kernel says beyond the three answers, for instance EBADF.
pub fn take(file: BorrowedFd<'_>) -> io::Result<Lease> {
    // SAFETY: F_SETLEASE takes an integer and touches no memory of ours; the descriptor is open, since it is borrowed.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if answer != -1 {
        return Ok(Lease::Held);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(Lease::Writer),
        // EINVAL: not on this filesystem. EACCES, EPERM: another owner's file, without CAP_LEASE. ENOLCK: leases are off.
        Some(libc::EINVAL | libc::EACCES | libc::EPERM | libc::ENOLCK | libc::EOPNOTSUPP) => Ok(Lease::Unavailable),
        _ => Err(error),
    }
}

/// Asks as [`take`] does, and gives the lease back at once: for those who only look.
///
/// A writer who comes at that very moment waits for a few microseconds. The kernel then tells of it by a
/// signal, here one that is ignored by default; SIGIO would end a process that doesn't expect it.
///
/// # Errors
/// As [`take`].
pub fn ask(file: BorrowedFd<'_>) -> io::Result<Lease> {
    // SAFETY: F_SETSIG takes an integer and touches no memory of ours; the descriptor is open, since it is borrowed.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    let lease = take(file)?;
    if lease == Lease::Held {
        // SAFETY: as in take.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
    Ok(lease)
}

/// Whether a lease that was taken is still whole: nobody has asked to write since.
#[must_use]
pub fn is_whole(file: BorrowedFd<'_>) -> bool {
    // SAFETY: F_GETLEASE takes no argument and touches no memory of ours; the descriptor is open, since it is borrowed.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) };
    answer == libc::F_RDLCK
}

/// Takes a lease for writing, as file servers do.
#[cfg(test)]
pub(super) fn take_for_writing(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: as in take.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn a_file_open_for_writing_gives_no_lease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(take(reader.as_fd()).unwrap(), Lease::Writer);
        drop(writer);
        assert_eq!(take(reader.as_fd()).unwrap(), Lease::Held);
        assert!(is_whole(reader.as_fd()));
    }

    #[test]
    fn who_only_asks_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(ask(reader.as_fd()).unwrap(), Lease::Writer);
        drop(writer);
        assert_eq!(ask(reader.as_fd()).unwrap(), Lease::Held);
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    }

    /// fault 17: an uploader who kept a read descriptor reopens the claimed file for writing.
    #[test]
    fn a_write_that_begins_later_breaks_the_lease() {
        // The kernel tells of the break by SIGIO, whose default would end the process.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let _sigio = actix_rt::signal::unix::signal(actix_rt::signal::unix::SignalKind::io()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(take(reader.as_fd()).unwrap(), Lease::Held);
        let refused = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EAGAIN));
        assert!(!is_whole(reader.as_fd()));
    }
}
