//! Whether a ledger is sound: looked at from end to end when there is reason for doubt.
//!
//! Reading a ledger of a million files takes a second, so a start after a clean end doesn't. There is doubt when the
//! last daemon didn't end well (it left its log), or when one met damage: it leaves a note. Damage that nobody has
//! met yet is met when its page is read, and ends the daemon then.
//!
//! Without damage that was met, a start isn't kept waiting by a large ledger: it is looked at while the daemon works.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, ffi};

use super::read_only::beside;

/// There while a daemon has the ledger open.
const OPEN: &str = ".open";
const PAGE_BYTES_MIN: u64 = 512;

/// The note of a look that was begun, and perhaps not finished.
const BEGUN: &[u8] = b"looking";

/// When a ledger has to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// There is no reason.
    Not,
    /// Before it is relied on.
    First,
    /// While it is used.
    Meanwhile,
}

/// Whether the ledger has to be looked at. `first_bytes_max`: one that is larger may wait, if nobody has met damage.
pub(super) fn due(path: &Path, first_bytes_max: u64) -> Due {
    let is_large = || fs::metadata(path).is_ok_and(|ledger| ledger.len() > first_bytes_max);
    match fs::read(note(path)) {
        Ok(said) if said != BEGUN => Due::First,
        Err(_) if !has_log(path) => Due::Not,
        _ if is_large() => Due::Meanwhile,
        _ => Due::First,
    }
}

/// Says for the next start that it is being looked at.
pub(super) fn begin(path: &Path) {
    let _ = fs::write(note(path), BEGUN);
}

/// A daemon that ends well takes its log away; an empty one says nothing.
fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Says so for the next start. Where that can't be written, the damage will be met again.
pub(super) fn leave_note(path: &Path) {
    let _ = File::create(note(path));
}

/// The ledger is sound.
pub(super) fn dismiss(path: &Path) {
    let _ = fs::remove_file(note(path));
}

fn note(path: &Path) -> PathBuf {
    beside(path, ".doubtful")
}

/// Says, durably, that a daemon has the ledger open, and as which of all that ever had. The ledger says so already.
pub(super) fn mark_open(path: &Path, begun: i64) -> io::Result<()> {
    let mut mark = File::create(beside(path, OPEN))?;
    mark.write_all(begun.to_string().as_bytes())?;
    mark.sync_all()?;
    flush_directory(path)
}

/// Takes that back, durably.
pub(super) fn mark_closed(path: &Path) -> io::Result<()> {
    match fs::remove_file(beside(path, OPEN)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    flush_directory(path)
}

/// Whether the last daemon didn't end well, and the ledger doesn't know that it ever began: its log was taken away by
/// hand, or the ledger was restored from a backup. Whoever only looks at it with SQLite may take the log away too, but
/// puts what is in it into the ledger first.
pub(super) fn has_lost_its_log(path: &Path, ledger: &Connection) -> rusqlite::Result<bool> {
    let Ok(mark) = fs::read_to_string(beside(path, OPEN)) else { return Ok(false) };
    let sql = "SELECT value FROM counter WHERE name = 'begun'";
    let begun: Option<i64> = ledger.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(begun.unwrap_or_default() < mark.parse().unwrap_or_default())
}

fn flush_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// SQLite writes whole pages. It takes less than one for an empty database, and fills half a last one up with zeros; what
/// a power cut left so it mends from its log.
pub(super) fn refuse_cut(path: &Path) -> rusqlite::Result<()> {
    match fs::metadata(path) {
        Ok(file) if file.len() % PAGE_BYTES_MIN != 0 && !has_log(path) => {
            Err(damage(format!("cut to {} bytes, in the middle of a page", file.len())))
        }
        _ => Ok(()),
    }
}

/// Reads every page.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<()> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" {
        return Ok(());
    }
    Err(damage(said.replace('\n', ": ")))
}

pub(super) fn damage(text: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(text))
}
