//! A SQLite file opened by somebody who only looks: its writer notices nothing of it.
//!
//! A write-ahead log has two files beside the database, and a reader makes those that are missing. So as
//! long as there is no log, nobody writes, and the database is read as it lies there, without any lock; with
//! a log, as one more reader of it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a reader waits for a writer that recovers the log.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A connection that can't write.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    pub connection: Connection,
    /// Nobody had the database open: what is written from now on is not seen.
    pub frozen: bool,
}

/// Opens the database at this path. It must be there.
pub(crate) fn open(path: &Path) -> rusqlite::Result<ReadOnly> {
    // A rollback journal: a database that is being made.
    let frozen = !["-wal", "-journal"].iter().any(|suffix| beside(path, suffix).exists());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if frozen {
        Connection::open_with_flags(as_it_lies(path), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        refuse_to_leave_files(path)?;
        Connection::open_with_flags(path, flags)?
    };
    connection.busy_timeout(LOCK_WAIT)?;
    // Nothing is read before the first question; whether that works should be known here.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(ReadOnly { connection, frozen })
}

/// The index of a log that a killed writer left would be made anew and belong to us; its owner could
/// then not write it. SQLite hands it over only as root.
fn refuse_to_leave_files(path: &Path) -> rusqlite::Result<()> {
    let user = rustix::process::geteuid();
    let is_ours = || fs::metadata(path).is_ok_and(|metadata| metadata.uid() == user.as_raw());
    if user.is_root() || is_ours() || beside(path, "-shm").exists() {
        return Ok(());
    }
    let text = "its writer was killed, and only its owner can read what is left of its log";
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_PERM), Some(text.to_owned())))
}

/// A database and its log, as they lie there. Who reads it frozen, and finds it otherwise afterwards, has read pages of
/// different times, which look like damage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lies([Option<Stamp>; 2]);

/// Device, inode, size, and the time of the last change.
type Stamp = (u64, u64, u64, i64, i64);

/// How they lie there now.
pub(crate) fn lies(path: &Path) -> Lies {
    let stamp = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    };
    Lies([stamp(path), stamp(&beside(path, "-wal"))])
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// A URI that tells SQLite to take no locks and look for no log.
fn as_it_lies(path: &Path) -> String {
    let escaped = path.as_os_str().as_bytes().iter().map(|byte| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    format!("file:{}?immutable=1", escaped.collect::<String>())
}
