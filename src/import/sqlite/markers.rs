//! Load markers in SQLite.
//!
//! A name that isn't UTF-8 is stored as a BLOB of its bytes, any other as TEXT.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rusqlite::types::{FromSql, FromSqlError, ToSqlOutput, Type as SqlType, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::super::header::LINEAGE;
use super::super::marker::{Counted, Marker, Newest};
use super::super::reject::Rejected;
use super::super::table::identifier;
use super::super::target::Markers;
use super::hashes::{self, Recent};
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId, Identity};

/// The table of markers.
pub const NAME: &str = "_importerd_files";

/// That of what didn't fit.
const REJECTS: &str = "_importerd_rejects";

/// A connection that may ask for markers.
pub trait Connected {
    /// The connection.
    fn connection(&self) -> &Connection;
    /// What its error means.
    fn fault(&self, error: &rusqlite::Error) -> Fault;
    /// The new hashes, where they are at hand.
    fn recent(&self) -> Option<&Recent> {
        None
    }
}

impl<C: Connected> Markers for C {
    fn by_id(&self, id: FileId) -> Result<Option<Marker>, Fault> {
        by_id(self.connection(), id).map_err(|error| self.fault(&error))
    }

    fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Marker>, Fault> {
        by_identity(self.connection(), folder, file).map_err(|error| self.fault(&error))
    }

    fn by_content(&self, folder: &str, digest: Digest, other_than: FileId) -> Result<Option<Marker>, Fault> {
        hashes::by_content(self.connection(), self.recent(), folder, digest, other_than)
            .map_err(|error| self.fault(&error))
    }

    fn by_name(&self, folder: &str, name: &OsStr, other_than: FileId) -> Result<Option<Marker>, Fault> {
        by_name(self.connection(), folder, name, other_than).map_err(|error| self.fault(&error))
    }

    fn latest(&self, table: &str, other_than: FileId) -> Result<Option<Marker>, Fault> {
        latest(self.connection(), table, other_than).map_err(|error| self.fault(&error))
    }

    fn replaced_after(&self, table: &str, id: FileId) -> Result<Option<FileId>, Fault> {
        replaced_after(self.connection(), table, id).map_err(|error| self.fault(&error))
    }

    fn since(&self, folder: &str, from: FileId) -> Result<Vec<Marker>, Fault> {
        since(self.connection(), folder, from).map_err(|error| self.fault(&error))
    }

    fn among(&self, folder: &str, ids: &[FileId]) -> Result<Vec<Marker>, Fault> {
        among(self.connection(), folder, ids).map_err(|error| self.fault(&error))
    }

    fn newest(&self, folder: &str) -> Result<Option<Newest>, Fault> {
        newest(self.connection(), folder).map_err(|error| self.fault(&error))
    }

    fn each(&self, folder: &str, visit: &mut dyn FnMut(Marker) -> bool) -> Result<(), Fault> {
        each(self.connection(), folder, visit).map_err(|error| self.fault(&error))
    }

    fn each_count(&self, folder: &str, visit: &mut dyn FnMut(Counted)) -> Result<(), Fault> {
        each_count(self.connection(), folder, visit).map_err(|error| self.fault(&error))
    }

    fn each_reject(&self, of: FileId, visit: &mut dyn FnMut(Rejected)) -> Result<(), Fault> {
        each_reject(self.connection(), of, visit).map_err(|error| self.fault(&error))
    }

    fn each_reject_count(&self, visit: &mut dyn FnMut(FileId, Option<u64>, u64)) -> Result<(), Fault> {
        each_reject_count(self.connection(), visit).map_err(|error| self.fault(&error))
    }
}

macro_rules! select {
    ($where:literal) => {
        concat!("SELECT * FROM _importerd_files WHERE ", $where)
    };
}

/// Writes a marker. `false`: one with its number is there already.
pub fn insert(connection: &Connection, recent: &mut Recent, folder: &str, marker: &Marker) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO _importerd_files (id, folder, name, size, blake3, rows, rejects, table_name, committed_at,
        device, inode, born_ns, mtime_ns, replaces, header, mode)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
        ON CONFLICT (id) DO NOTHING";
    let identity = &marker.identity;
    let inserted = connection.prepare_cached(sql)?.execute((
        marker.id.0,
        folder,
        name_sql(&marker.name),
        identity.size.cast_signed(),
        marker.blake3.to_string(),
        marker.rows.cast_signed(),
        marker.rejects.cast_signed(),
        &marker.table,
        &marker.committed_at,
        identity.device.cast_signed(),
        identity.inode.cast_signed(),
        identity.born_ns,
        identity.mtime_ns,
        marker.replaces.map(|id| id.0),
        &marker.header,
        &marker.mode,
    ))? == 1;
    if inserted {
        recent.enter(connection, marker.blake3, marker.id)?;
    }
    Ok(inserted)
}

/// Writes again what a marker says of its rows.
pub fn amend(connection: &Connection, marker: &Marker) -> rusqlite::Result<()> {
    let sql = "UPDATE _importerd_files SET rows = ?2, rejects = ?3, header = ?4 WHERE id = ?1";
    let (rows, rejects) = (marker.rows.cast_signed(), marker.rejects.cast_signed());
    connection.prepare_cached(sql)?.execute((marker.id.0, rows, rejects, &marker.header)).map(drop)
}

/// Keeps a record that doesn't fit.
pub fn reject(connection: &Connection, id: FileId, reason: &Reason, record: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO _importerd_rejects (file_id, line, column_name, code, reason, record)
        VALUES (?, ?, ?, ?, ?, ?)";
    let line = reason.line.map(u64::cast_signed);
    connection.prepare_cached(sql)?.execute((id.0, line, &reason.column, reason.code, &reason.text, record)).map(drop)
}

/// Takes a marker away, and the rejects beside it; the file's rows are taken away in the same transaction.
pub fn remove(connection: &Connection, id: FileId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM _importerd_rejects WHERE file_id = ?")?.execute([id.0])?;
    connection.prepare_cached("DELETE FROM _importerd_files WHERE id = ?")?.execute([id.0]).map(drop)
}

/// Lets a marker count no longer; the first time stays. Returns whether there is one.
pub fn forget(connection: &Connection, folder: &str, id: FileId, now: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE _importerd_files SET forgotten_at = coalesce(forgotten_at, ?3) WHERE folder = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute((folder, id.0, now))? == 1)
}

/// The marker with this number, forgotten or not.
fn by_id(connection: &Connection, id: FileId) -> rusqlite::Result<Option<Marker>> {
    first(connection, select!("id = ?1"), (id.0,))
}

/// The marker of this very file. The device is a hint: it only prefers one of two.
fn by_identity(connection: &Connection, folder: &str, file: &Identity) -> rusqlite::Result<Option<Marker>> {
    let sql = select!(
        "folder = ?1 AND inode = ?2 AND born_ns = ?3 AND size = ?4 AND mtime_ns = ?5 AND forgotten_at IS NULL
        ORDER BY device = ?6 DESC, id DESC"
    );
    let (inode, size, device) = (file.inode.cast_signed(), file.size.cast_signed(), file.device.cast_signed());
    first(connection, sql, (folder, inode, file.born_ns, size, file.mtime_ns, device))
}

/// The first file of this folder with this name, other than this one.
fn by_name(
    connection: &Connection,
    folder: &str,
    name: &OsStr,
    other_than: FileId,
) -> rusqlite::Result<Option<Marker>> {
    let sql = select!(
        "folder = ?1 AND name = ?2 AND id <> ?3 AND forgotten_at IS NULL AND mode IS NOT 'superseded' ORDER BY id"
    );
    first(connection, sql, (folder, name_sql(name), other_than.0))
}

/// The latest file that went into this table, other than this one.
fn latest(connection: &Connection, table: &str, other_than: FileId) -> rusqlite::Result<Option<Marker>> {
    let sql =
        select!("table_name = ?1 COLLATE NOCASE AND id <> ?2 AND mode IS NOT 'superseded' ORDER BY id DESC LIMIT 1");
    first(connection, sql, (table, other_than.0))
}

/// The latest file that has replaced all rows of this table, if it is later than this one. Few markers are.
fn replaced_after(connection: &Connection, table: &str, id: FileId) -> rusqlite::Result<Option<FileId>> {
    let sql =
        "SELECT max(id) FROM _importerd_files WHERE id > ?2 AND table_name = ?1 COLLATE NOCASE AND mode = 'replace'";
    let latest: Option<i64> = connection.prepare_cached(sql)?.query_row((table, id.0), |row| row.get(0))?;
    Ok(latest.map(FileId))
}

/// By their numbers: few have such a number, and very many may be of this folder. `+` keeps SQLite from its index.
const SINCE: &str = select!("+folder = ?1 AND id >= ?2 ORDER BY id");

/// The markers of this folder from a number on, oldest first, forgotten or not.
fn since(connection: &Connection, folder: &str, from: FileId) -> rusqlite::Result<Vec<Marker>> {
    let mut query = connection.prepare_cached(SINCE)?;
    query.query_map((folder, from.0), read)?.collect()
}

/// The numbers are a list in JSON.
const AMONG: &str = select!("+folder = ?1 AND id IN (SELECT value FROM json_each(?2)) ORDER BY id");

/// The markers of this folder with these numbers, oldest first, forgotten or not.
fn among(connection: &Connection, folder: &str, ids: &[FileId]) -> rusqlite::Result<Vec<Marker>> {
    let ids = ids.iter().map(|id| id.0).collect::<serde_json::Value>().to_string();
    connection.prepare_cached(AMONG)?.query_map((folder, ids), read)?.collect()
}

/// Shows every marker of this folder, oldest first, until no more are wanted.
fn each(connection: &Connection, folder: &str, visit: &mut dyn FnMut(Marker) -> bool) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached(select!("folder = ?1 ORDER BY id"))?;
    let mut rows = query.query([folder])?;
    while let Some(row) = rows.next()? {
        if !visit(read(row)?) {
            break;
        }
    }
    Ok(())
}

/// Whether later files may have taken rows away from a file of the table `?2`, or its own lines from each other.
const OVERWRITTEN: &str = "mode IS 'upsert' OR id < (SELECT max(id) FROM _importerd_files
    WHERE table_name = ?2 COLLATE NOCASE AND mode IN ('replace', 'upsert'))";

/// Shows every marker of a folder whose table says in `_file_id` where its rows came from.
fn each_count(connection: &Connection, folder: &str, visit: &mut dyn FnMut(Counted)) -> rusqlite::Result<()> {
    let has_modes = connection.column_exists(None, NAME, "mode")?;
    let mut tables = connection.prepare("SELECT DISTINCT table_name FROM _importerd_files WHERE folder = ?")?;
    for table in tables.query_map([folder], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()? {
        if !connection.table_exists(None, table.as_str())?
            || !connection.column_exists(None, table.as_str(), LINEAGE[0])?
            || !connection.column_exists(None, table.as_str(), LINEAGE[1])?
        {
            continue;
        }
        let sql = format!(
            "SELECT id, CASE WHEN {} THEN min(rows, coalesce(there, 0)) ELSE rows END, coalesce(there, 0)
            FROM _importerd_files LEFT JOIN
                (SELECT _file_id, count(*) AS there FROM {} GROUP BY _file_id) ON _file_id = id
            WHERE folder = ?1 AND table_name = ?2",
            if has_modes { OVERWRITTEN } else { "false" },
            identifier(&table)
        );
        let has_triggers = has_triggers(connection, &table)?;
        let mut query = connection.prepare(&sql)?;
        let mut rows = query.query((folder, &table))?;
        while let Some(row) = rows.next()? {
            let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            visit(Counted { id: FileId(row.get(0)?), brought: unsigned(1)?, there: unsigned(2)?, has_triggers });
        }
    }
    Ok(())
}

fn has_triggers(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)";
    connection.query_row(sql, [table], |row| row.get(0))
}

/// The markers of the target, in short. `None`: no file was ever imported into it.
fn newest(connection: &Connection, folder: &str) -> rusqlite::Result<Option<Newest>> {
    let sql = "SELECT max(id), EXISTS (SELECT 1 FROM _importerd_files WHERE folder = ?) FROM _importerd_files";
    let (of_all, has_folder): (Option<i64>, bool) =
        connection.query_row(sql, [folder], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(of_all.map(|of_all| Newest { of_all: FileId(of_all), has_folder }))
}

fn each_reject(connection: &Connection, of: FileId, visit: &mut dyn FnMut(Rejected)) -> rusqlite::Result<()> {
    if !connection.table_exists(None, REJECTS)? {
        return Ok(());
    }
    let sql = "SELECT line, column_name, code, reason, record FROM _importerd_rejects WHERE file_id = ?
        ORDER BY line, rowid";
    let mut query = connection.prepare(sql)?;
    let rejected = |row: &Row<'_>| {
        Ok(Rejected {
            line: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
            column: row.get(1)?,
            code: row.get(2)?,
            reason: row.get(3)?,
            record: row.get(4)?,
        })
    };
    query.query_map([of.0], rejected)?.try_for_each(|rejected| rejected.map(&mut *visit))
}

fn each_reject_count(connection: &Connection, visit: &mut dyn FnMut(FileId, Option<u64>, u64)) -> rusqlite::Result<()> {
    if !connection.table_exists(None, REJECTS)? {
        return Ok(());
    }
    let sql = "SELECT file_id, rejects, there FROM (SELECT file_id, count(*) AS there FROM _importerd_rejects
        GROUP BY file_id) LEFT JOIN _importerd_files ON id = file_id";
    let mut query = connection.prepare(sql)?;
    let mut rows = query.query(())?;
    while let Some(row) = rows.next()? {
        let marked = row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
        visit(FileId(row.get(0)?), marked, row.get::<_, i64>(2)?.cast_unsigned());
    }
    Ok(())
}

/// The first marker that this asks for.
pub(super) fn first(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Option<Marker>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Marker> {
    let hex = row.get_ref("blake3")?.as_str()?;
    let blake3 = blake3::Hash::from_hex(hex).map_err(|error| {
        let error = FromSqlError::Other(Box::new(error));
        rusqlite::Error::FromSqlConversionFailure(0, SqlType::Text, Box::new(error))
    })?;
    let unsigned = |column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Marker {
        id: FileId(row.get("id")?),
        name: OsString::from_vec(row.get_ref("name")?.as_bytes()?.to_vec()),
        rows: unsigned("rows")?,
        rejects: unsigned("rejects")?,
        header: added(row, "header")?,
        blake3: Digest(*blake3.as_bytes()),
        committed_at: row.get("committed_at")?,
        identity: Identity {
            device: unsigned("device")?,
            inode: unsigned("inode")?,
            born_ns: row.get("born_ns")?,
            size: unsigned("size")?,
            mtime_ns: row.get("mtime_ns")?,
        },
        table: row.get("table_name")?,
        replaces: added::<i64>(row, "replaces")?.map(FileId),
        forgotten_at: added(row, "forgotten_at")?,
        mode: added(row, "mode")?,
    })
}

/// A column of a later version: who only reads may meet a table that lacks it.
fn added<T: FromSql>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    match row.get(column) {
        Err(rusqlite::Error::InvalidColumnName(_)) => Ok(None),
        value => value,
    }
}

fn name_sql(name: &OsStr) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match name.to_str() {
        Some(text) => ValueRef::Text(text.as_bytes()),
        None => ValueRef::Blob(name.as_bytes()),
    })
}

#[cfg(test)]
#[path = "markers_tests.rs"]
mod tests;
