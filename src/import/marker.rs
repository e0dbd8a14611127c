//! The load marker: a row beside the imported rows, written in their transaction, that proves a file is in.
//!
//! `_importerd_files` is for operators too: `SELECT * FROM orders JOIN _importerd_files f ON f.id = _file_id`.
//!
//! Every row's `_file_id` has a marker. The marker of a file that was replayed is gone with its rows; that of the file
//! which took their place says so in `replaces`. The marker of a forgotten file stays with its rows, and `forgotten_at`
//! says that it proves nothing any more.
//!
//! What of a file didn't fit is in `_importerd_rejects`, beside its marker; both go when the file is replayed, and stay
//! when it is forgotten.

use std::ffi::OsString;

use crate::fault::Fault;
use crate::file::{Digest, FileId, Identity};

/// The tables whose names start with this are ours.
pub const OURS: &str = "_importerd_";

/// The mode of a file whose rows were left out, because a later one has replaced all there were.
pub const SUPERSEDED: &str = "superseded";

/// The code where a database that files are in has no load markers any more.
pub const EMPTIED: &str = "target_emptied";

/// What to do there.
const RESTORE: &str = "restore it together with _importerd_files, or name the database that they are in; to begin with an empty \
    one, so that files done before count as new: importerd forget --folder NAME, for each folder that imports into it, and restart \
    importerd";

/// A database without load markers, while files count as imported into it: what is in would go in again.
#[must_use]
pub fn emptied(place: &str) -> Fault {
    let text = format!("{place} has no table _importerd_files, and files of its folders count as imported");
    Fault::world(EMPTIED, text).with_hint(RESTORE)
}

/// Proof that a file was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The number under which it was imported; its rows have it as `_file_id`.
    pub id: FileId,
    /// What it was called.
    pub name: OsString,
    /// How many rows it brought.
    pub rows: u64,
    /// How many of its rows didn't fit, and it is in without them.
    pub rejects: u64,
    /// The line of CSV that names the columns, as it stands in the file, where there are rejects.
    pub header: Option<String>,
    /// The hash of its bytes.
    pub blake3: Digest,
    /// When, in UTC: `2026-11-22T03:04:05.678Z`.
    pub committed_at: String,
    /// Which file it was.
    pub identity: Identity,
    /// The table that its rows went into.
    pub table: String,
    /// How its rows went in, where not only added: the name of the mode, or `superseded`.
    pub mode: Option<String>,
    /// The file whose rows gave way to its own.
    pub replaces: Option<FileId>,
    /// Since when it counts no longer, in UTC.
    pub forgotten_at: Option<String>,
}

/// The markers of a target, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// The highest number that any file has in it.
    pub of_all: FileId,
    /// Whether a file of this folder is among them.
    pub has_folder: bool,
}

/// The rows of a file whose table says in `_file_id` where they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The file's number.
    pub id: FileId,
    /// How many it brought; where later files may have taken some away, as many as are there.
    pub brought: u64,
    /// How many are there.
    pub there: u64,
    /// Whether the table has triggers: they may put rows there, of which the database doesn't tell.
    pub has_triggers: bool,
}
