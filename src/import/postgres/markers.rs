//! Load markers in PostgreSQL.
//!
//! A name is stored as the events print it: what a text can't hold, or a terminal shouldn't see, is escaped.

use std::ffi::OsStr;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::super::header::LINEAGE;
use super::super::marker::{Counted, Marker, Newest};
use super::super::reject::Rejected;
use super::super::table::identifier;
use super::super::target::Markers;
use super::session::{Parameter, Session};
use super::table::qualified;
use super::transaction::Open;
use super::{Looked, Reading};
use crate::fault::Fault;
use crate::file::{Digest, FileId, Identity};
use crate::log::{escape, unescape};

macro_rules! select {
    ($where:literal) => {
        // By name: for `*`, a kept statement fails once somebody has added a column.
        concat!(
            "SELECT id, folder, name, size, blake3, rows, rejects, table_name, committed_at, device, inode, born_ns,
                mtime_ns, replaces, forgotten_at, header, mode FROM _importerd_files WHERE ",
            $where
        )
    };
}

/// A session that may ask for markers.
pub trait Connected {
    /// The session.
    fn session(&self) -> &Session;
    /// Whether the table of markers is there.
    fn has_markers(&self) -> Result<bool, Fault>;
}

/// Whether the table of markers is there.
pub fn are_there(session: &Session) -> Result<bool, Fault> {
    Ok(session.query_one("SELECT to_regclass('_importerd_files') IS NOT NULL", &[])?.get(0))
}

/// Enters a marker. `false`: one with its number is there already. One that is about to be is waited for.
pub fn enter(session: &Session, folder: &str, marker: &Marker) -> Result<bool, Fault> {
    let sql = "INSERT INTO _importerd_files (id, folder, name, size, blake3, rows, rejects, table_name, committed_at,
        device, inode, born_ns, mtime_ns, replaces, header, mode)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO NOTHING";
    let identity = &marker.identity;
    let entered = session.execute(
        sql,
        &[
            &marker.id.0,
            &folder,
            &escape(&marker.name),
            &identity.size.cast_signed(),
            &marker.blake3.to_string(),
            &marker.rows.cast_signed(),
            &marker.rejects.cast_signed(),
            &marker.table,
            &instant(&marker.committed_at),
            &identity.device.cast_signed(),
            &identity.inode.cast_signed(),
            &identity.born_ns,
            &identity.mtime_ns,
            &marker.replaces.map(|id| id.0),
            &marker.header.clone().map(|header| session.storable(header)),
            &marker.mode,
        ],
    )?;
    Ok(entered == 1)
}

/// Writes again what a marker says of its rows.
pub fn amend(session: &Session, marker: &Marker) -> Result<(), Fault> {
    let sql = "UPDATE _importerd_files SET rows = $2, rejects = $3, header = $4 WHERE id = $1";
    let (rows, rejects) = (marker.rows.cast_signed(), marker.rejects.cast_signed());
    let header = marker.header.clone().map(|header| session.storable(header));
    session.execute(sql, &[&marker.id.0, &rows, &rejects, &header]).map(drop)
}

/// Takes a marker away, and the rejects beside it.
pub fn remove(session: &Session, id: FileId) -> Result<(), Fault> {
    session.execute("DELETE FROM _importerd_rejects WHERE file_id = $1", &[&id.0])?;
    session.execute("DELETE FROM _importerd_files WHERE id = $1", &[&id.0]).map(drop)
}

/// Lets a marker count no longer; the first time stays.
pub fn forget(session: &Session, folder: &str, id: FileId, now: &str) -> Result<(), Fault> {
    let sql = "UPDATE _importerd_files SET forgotten_at = coalesce(forgotten_at, $3) WHERE folder = $1 AND id = $2";
    session.execute(sql, &[&folder, &id.0, &instant(now)]).map(drop)
}

/// The answers of [`Markers`], for whatever has a session.
pub trait Answers: Connected {
    fn by_id(&self, id: FileId) -> Result<Option<Marker>, Fault> {
        self.first(select!("id = $1"), &[&id.0])
    }

    fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Marker>, Fault> {
        let sql = select!(
            "folder = $1 AND inode = $2 AND born_ns = $3 AND size = $4 AND mtime_ns = $5 AND forgotten_at IS NULL
            ORDER BY device = $6 DESC, id DESC LIMIT 1"
        );
        let (inode, size, device) = (file.inode.cast_signed(), file.size.cast_signed(), file.device.cast_signed());
        self.first(sql, &[&folder, &inode, &file.born_ns, &size, &file.mtime_ns, &device])
    }

    fn by_content(&self, folder: &str, digest: Digest, other_than: FileId) -> Result<Option<Marker>, Fault> {
        let sql = select!(
            "folder = $1 AND blake3 = $2 AND id <> $3 AND forgotten_at IS NULL AND mode IS DISTINCT FROM 'superseded'
            ORDER BY id LIMIT 1"
        );
        self.first(sql, &[&folder, &digest.to_string(), &other_than.0])
    }

    fn by_name(&self, folder: &str, name: &OsStr, other_than: FileId) -> Result<Option<Marker>, Fault> {
        let sql = select!(
            "folder = $1 AND name = $2 AND id <> $3 AND forgotten_at IS NULL AND mode IS DISTINCT FROM 'superseded'
            ORDER BY id LIMIT 1"
        );
        self.first(sql, &[&folder, &escape(name), &other_than.0])
    }

    fn latest(&self, table: &str, other_than: FileId) -> Result<Option<Marker>, Fault> {
        let sql =
            select!("table_name = $1 AND id <> $2 AND mode IS DISTINCT FROM 'superseded' ORDER BY id DESC LIMIT 1");
        self.first(sql, &[&table, &other_than.0])
    }

    fn replaced_after(&self, table: &str, id: FileId) -> Result<Option<FileId>, Fault> {
        if !self.has_markers()? {
            return Ok(None);
        }
        let sql = "SELECT max(id) FROM _importerd_files WHERE id > $2 AND table_name = $1 AND mode = 'replace'";
        Ok(self.session().query_one(sql, &[&table, &id.0])?.get::<_, Option<i64>>(0).map(FileId))
    }

    fn since(&self, folder: &str, from: FileId) -> Result<Vec<Marker>, Fault> {
        let mut found = Vec::new();
        self.all(select!("folder = $1 AND id >= $2 ORDER BY id"), &[&folder, &from.0], &mut |marker| {
            found.push(marker);
            true
        })?;
        Ok(found)
    }

    fn among(&self, folder: &str, ids: &[FileId]) -> Result<Vec<Marker>, Fault> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let mut found = Vec::new();
        self.all(select!("folder = $1 AND id = ANY ($2::bigint[]) ORDER BY id"), &[&folder, &ids], &mut |marker| {
            found.push(marker);
            true
        })?;
        Ok(found)
    }

    fn newest(&self, folder: &str) -> Result<Option<Newest>, Fault> {
        if !self.has_markers()? {
            return Ok(None);
        }
        let sql = "SELECT max(id), EXISTS (SELECT 1 FROM _importerd_files WHERE folder = $1) FROM _importerd_files";
        let row = self.session().query_one(sql, &[&folder])?;
        Ok(row.get::<_, Option<i64>>(0).map(|of_all| Newest { of_all: FileId(of_all), has_folder: row.get(1) }))
    }

    fn each(&self, folder: &str, visit: &mut dyn FnMut(Marker) -> bool) -> Result<(), Fault> {
        self.all(select!("folder = $1 ORDER BY id"), &[&folder], visit)
    }

    fn each_count(&self, folder: &str, visit: &mut dyn FnMut(Counted)) -> Result<(), Fault> {
        if !self.has_markers()? {
            return Ok(());
        }
        let session = self.session();
        let tables = session.query("SELECT DISTINCT table_name FROM _importerd_files WHERE folder = $1", &[&folder])?;
        for row in tables {
            let table: String = row.get(0);
            let sql = "SELECT count(*) = 2,
                    EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass($1) AND NOT tgisinternal)
                FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attname = ANY ($2::text[]) AND NOT attisdropped";
            let about = session.query_one(sql, &[&qualified(&table), &&LINEAGE[..]])?;
            let [has_lineage, has_triggers] = [0, 1].map(|column| about.get::<_, bool>(column));
            if !has_lineage {
                continue;
            }
            let sql = format!(
                "SELECT id, CASE WHEN mode = 'upsert' OR id < (SELECT max(id) FROM _importerd_files
                        WHERE table_name = $2 AND mode IN ('replace', 'upsert'))
                    THEN least(rows, coalesce(there, 0)) ELSE rows END, coalesce(there, 0)
                FROM _importerd_files LEFT JOIN
                    (SELECT {file_id} AS file, count(*) AS there FROM {} GROUP BY {file_id}) AS counted ON file = id
                WHERE folder = $1 AND table_name = $2",
                qualified(&table),
                file_id = identifier(LINEAGE[0]),
            );
            session.each(&sql, &[&folder, &table], &mut |row| {
                let unsigned = |column| row.get::<_, i64>(column).cast_unsigned();
                visit(Counted { id: FileId(row.get(0)), brought: unsigned(1), there: unsigned(2), has_triggers });
                Ok(true)
            })?;
        }
        Ok(())
    }

    fn each_reject(&self, file: FileId, visit: &mut dyn FnMut(Rejected)) -> Result<(), Fault> {
        if !self.has_markers()? {
            return Ok(());
        }
        let sql = "SELECT line, column_name, code, reason, record FROM _importerd_rejects WHERE file_id = $1
            ORDER BY line, id";
        let session = self.session();
        session.each(sql, &[&file.0], &mut |row| {
            visit(Rejected {
                line: of::<Option<i64>>(row, "line")?.map(i64::cast_unsigned),
                column: of::<Option<String>>(row, "column_name")?.map(|name| session.stored(name)),
                code: of(row, "code")?,
                reason: session.stored(of(row, "reason")?),
                record: session.stored(of(row, "record")?),
            });
            Ok(true)
        })
    }

    fn each_reject_count(&self, visit: &mut dyn FnMut(FileId, Option<u64>, u64)) -> Result<(), Fault> {
        if !self.has_markers()? {
            return Ok(());
        }
        let sql = "SELECT file_id, rejects, there FROM (SELECT file_id, count(*) AS there FROM _importerd_rejects
            GROUP BY file_id) AS counted LEFT JOIN _importerd_files ON id = file_id";
        self.session().each(sql, &[], &mut |row| {
            let marked = of::<Option<i64>>(row, "rejects")?.map(i64::cast_unsigned);
            visit(FileId(of(row, "file_id")?), marked, of::<i64>(row, "there")?.cast_unsigned());
            Ok(true)
        })
    }

    #[doc(hidden)]
    fn first(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Option<Marker>, Fault> {
        if !self.has_markers()? {
            return Ok(None);
        }
        let session = self.session();
        session.query(sql, parameters)?.first().map(|row| read(session, row)).transpose()
    }

    #[doc(hidden)]
    fn all(&self, sql: &str, parameters: &[Parameter<'_>], visit: &mut dyn FnMut(Marker) -> bool) -> Result<(), Fault> {
        if !self.has_markers()? {
            return Ok(());
        }
        let session = self.session();
        session.each(sql, parameters, &mut |row| Ok(visit(read(session, row)?)))
    }
}

impl<C: Connected> Answers for C {}

/// Has a type answer for the port.
macro_rules! answer_for {
    ($type:ty) => {
        impl Markers for $type {
            fn by_id(&self, id: FileId) -> Result<Option<Marker>, Fault> {
                Answers::by_id(self, id)
            }

            fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Marker>, Fault> {
                Answers::by_identity(self, folder, file)
            }

            fn by_content(&self, folder: &str, digest: Digest, other_than: FileId) -> Result<Option<Marker>, Fault> {
                Answers::by_content(self, folder, digest, other_than)
            }

            fn by_name(&self, folder: &str, name: &OsStr, other_than: FileId) -> Result<Option<Marker>, Fault> {
                Answers::by_name(self, folder, name, other_than)
            }

            fn latest(&self, table: &str, other_than: FileId) -> Result<Option<Marker>, Fault> {
                Answers::latest(self, table, other_than)
            }

            fn replaced_after(&self, table: &str, id: FileId) -> Result<Option<FileId>, Fault> {
                Answers::replaced_after(self, table, id)
            }

            fn since(&self, folder: &str, from: FileId) -> Result<Vec<Marker>, Fault> {
                Answers::since(self, folder, from)
            }

            fn among(&self, folder: &str, ids: &[FileId]) -> Result<Vec<Marker>, Fault> {
                Answers::among(self, folder, ids)
            }

            fn newest(&self, folder: &str) -> Result<Option<Newest>, Fault> {
                Answers::newest(self, folder)
            }

            fn each(&self, folder: &str, visit: &mut dyn FnMut(Marker) -> bool) -> Result<(), Fault> {
                Answers::each(self, folder, visit)
            }

            fn each_count(&self, folder: &str, visit: &mut dyn FnMut(Counted)) -> Result<(), Fault> {
                Answers::each_count(self, folder, visit)
            }

            fn each_reject(&self, of: FileId, visit: &mut dyn FnMut(Rejected)) -> Result<(), Fault> {
                Answers::each_reject(self, of, visit)
            }

            fn each_reject_count(&self, visit: &mut dyn FnMut(FileId, Option<u64>, u64)) -> Result<(), Fault> {
                Answers::each_reject_count(self, visit)
            }
        }
    };
}

answer_for!(Open<'_>);
answer_for!(Reading<'_>);
answer_for!(Looked);

fn read(session: &Session, row: &Row) -> Result<Marker, Fault> {
    let wrong = |what: &str| Fault::world("target", format!("a load marker has {what}: somebody changed it"));
    let unsigned = |column: &str| of::<i64>(row, column).map(i64::cast_unsigned);
    let time = |at: Timestamp| format!("{at:.3}");
    let hex: String = of(row, "blake3")?;
    let name: String = of(row, "name")?;
    Ok(Marker {
        id: FileId(of(row, "id")?),
        name: unescape(&name).ok_or_else(|| wrong("a name that isn't escaped"))?,
        rows: unsigned("rows")?,
        rejects: unsigned("rejects")?,
        header: of::<Option<String>>(row, "header")?.map(|header| session.stored(header)),
        mode: of(row, "mode")?,
        blake3: Digest(*blake3::Hash::from_hex(hex).map_err(|_| wrong("no hash"))?.as_bytes()),
        committed_at: time(of(row, "committed_at")?),
        identity: Identity {
            device: unsigned("device")?,
            inode: unsigned("inode")?,
            born_ns: of(row, "born_ns")?,
            size: unsigned("size")?,
            mtime_ns: of(row, "mtime_ns")?,
        },
        table: of(row, "table_name")?,
        replaces: of::<Option<i64>>(row, "replaces")?.map(FileId),
        forgotten_at: of::<Option<Timestamp>>(row, "forgotten_at")?.map(time),
    })
}

fn of<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<T, Fault> {
    row.try_get(column).map_err(|error| {
        let text = format!("the table _importerd_files: {error}");
        Fault::world("target", text).with_hint("it was changed, or made by another version of importerd")
    })
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}
