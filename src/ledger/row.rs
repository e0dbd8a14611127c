//! A file's row, as it is read back.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use jiff::Timestamp;
use rusqlite::types::{FromSql, Value, ValueRef};

use super::state::State;
use crate::file::{Digest, FileId, Identity};

/// What the ledger knows of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number.
    pub id: FileId,
    /// Its folder.
    pub folder: String,
    /// Its name.
    pub name: OsString,
    /// Which file it is.
    pub identity: Identity,
    /// The hash of its bytes.
    pub blake3: Option<Digest>,
    /// Where it stands.
    pub state: State,
    /// Attempts charged.
    pub attempts: u32,
    /// How often it was deferred.
    pub deferrals: u32,
    /// How many rows went in.
    pub rows: Option<u64>,
    /// How many rows didn't fit, and it went in without them.
    pub rejects: u64,
    /// When it was claimed last.
    pub claimed_at: Timestamp,
    /// When it came to where it stands.
    pub changed_at: Timestamp,
    /// Not to be tried before.
    pub retry_at: Option<Timestamp>,
    /// Where it lies, relative to the folder.
    pub place: Option<String>,
    /// Why, as a stable word.
    pub reason_code: Option<String>,
    /// Why, with the place in the file.
    pub reason: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The file that it is a duplicate of.
    pub duplicate_of: Option<FileId>,
    /// The file whose rows are to give way to its own, or have.
    pub replaces: Option<FileId>,
    /// What a command produced, as JSON.
    pub results: Option<String>,
}

impl Row {
    /// Whether it is to be loaded again, and lies in the archive until a Processor claims it.
    #[must_use]
    pub fn waits_in_archive(&self) -> bool {
        let there = self.place.as_deref().is_some_and(|place| place.starts_with("archive/"));
        self.state == State::Deferred && self.replaces.is_some() && there
    }

    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |column: &str| row.get(column).map(timestamp);
        let state: String = row.get("state")?;
        Ok(Self {
            id: FileId(row.get("id")?),
            folder: row.get("folder")?,
            name: name(row.get_ref("name")?),
            identity: Identity {
                device: row.get::<_, i64>("device")?.cast_unsigned(),
                inode: row.get::<_, i64>("inode")?.cast_unsigned(),
                born_ns: row.get("born_ns")?,
                size: row.get::<_, i64>("size")?.cast_unsigned(),
                mtime_ns: row.get("mtime_ns")?,
            },
            blake3: row.get::<_, Option<[u8; 32]>>("blake3")?.map(Digest),
            state: State::named(&state).ok_or_else(|| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    format!("state {state:?}").into(),
                )
            })?,
            attempts: row.get("attempts")?,
            deferrals: row.get("deferrals")?,
            rows: row.get::<_, Option<i64>>("rows")?.map(i64::cast_unsigned),
            rejects: added::<i64>(row, "rejects")?.unwrap_or_default().cast_unsigned(),
            claimed_at: time("claimed_at_us")?,
            changed_at: time("changed_at_us")?,
            retry_at: row.get::<_, Option<i64>>("retry_at_us")?.map(timestamp),
            place: row.get("place")?,
            reason_code: row.get("reason_code")?,
            reason: row.get("reason")?,
            hint: row.get("hint")?,
            duplicate_of: row.get::<_, Option<i64>>("duplicate_of")?.map(FileId),
            replaces: added(row, "replaces")?.map(FileId),
            results: row.get("results")?,
        })
    }
}

/// Who only reads may meet a ledger of an earlier version, which has no such column.
fn added<T: FromSql>(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    match row.get(column) {
        Err(rusqlite::Error::InvalidColumnName(_)) => Ok(None),
        value => value,
    }
}

/// A time beyond what can be told is the beginning of 1970.
pub(super) fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

/// A name as it is stored: text, or a blob where it is not UTF-8.
pub(super) fn name_column(name: &OsStr) -> Value {
    name.to_str().map_or_else(|| Value::Blob(name.as_bytes().to_vec()), |text| Value::Text(text.to_owned()))
}

fn name(stored: ValueRef<'_>) -> OsString {
    match stored {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => OsString::from_vec(bytes.to_vec()),
        _ => OsString::new(),
    }
}

/// Inode, birth, size and modification as SQLite's signed integers.
pub(super) fn identity_columns(file: &Identity) -> (i64, i64, i64, i64) {
    (file.inode.cast_signed(), file.born_ns, file.size.cast_signed(), file.mtime_ns)
}
