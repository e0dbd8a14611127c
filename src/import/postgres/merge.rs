//! Rows whose keys may be there already: they are copied beside the table first, and merged into it by one statement.

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::mode::Written;
use super::super::table::identifier;
use super::fault::During;
use super::session::Session;
use super::table::qualified;
use crate::fault::Fault;
use crate::file::FileId;
use crate::settings::Mode;

/// Where they wait, until the transaction's end at most.
pub const STAGE: &str = "pg_temp.importerd_stage";

/// The same, without its schema.
pub const STAGE_NAME: &str = "importerd_stage";

/// The place of each of them in the file.
pub const PLACE: &str = "_importerd_place";

/// What is to be merged.
#[derive(Debug)]
pub struct Merge {
    table: String,
    /// All columns that the file fills, and our own.
    columns: Vec<String>,
    key: Vec<String>,
    lineage: bool,
    /// A row that is there gives way, and the last of the file counts; else it stays, and the first counts.
    overwrites: bool,
}

impl Merge {
    /// `None`: rows have no keys that matter.
    pub fn of(layout: &Layout, columns: &[String]) -> Option<Self> {
        let table = layout.table();
        let key = layout.taken().iter().filter(|taken| taken.is_key);
        let key: Vec<String> = key.map(|taken| identifier(&table.columns()[taken.number].name)).collect();
        (!key.is_empty()).then(|| Self {
            table: qualified(table.name()),
            columns: columns.to_vec(),
            key,
            lineage: table.lineage(),
            overwrites: matches!(layout.mode(), Mode::Upsert(_)),
        })
    }

    /// Makes the place where rows wait: with the table's types, and none of its constraints.
    pub fn make_stage(&self, session: &Session) -> Result<(), Fault> {
        let columns = self.columns.join(", ");
        session.run(&format!(
            "CREATE TEMPORARY TABLE importerd_stage ON COMMIT DROP AS
                SELECT NULL::bigint AS {PLACE}, {columns} FROM {} WITH NO DATA",
            self.table
        ))
    }

    /// Merges all that wait, and says what became of them.
    pub fn run(&self, session: &Session, id: FileId) -> Result<Written, Fault> {
        let before = session.query_one_during(During::Rows, &self.count_sql(), &[&id.0])?;
        let [all, later, new] = [0, 1, 2].map(|column| before.get::<_, i64>(column).cast_unsigned());
        let written = session.execute_during(During::Rows, &self.merge_sql(), &[])?;
        let is_all = self.updates().is_empty() || written == all - later;
        // A key stands twice in the file, or a trigger leaves rows out.
        let left_out = if is_all { 0 } else { self.count_keys(session, id)?.saturating_sub(written) };
        session.run(&format!("DROP TABLE {STAGE}"))?;
        Ok(if self.updates().is_empty() {
            Written { inserted: written, updated: 0, skipped: all - written }
        } else {
            let inserted = new.saturating_sub(left_out);
            Written { inserted, updated: (all - later).saturating_sub(left_out + inserted), skipped: later + left_out }
        })
    }

    /// The columns that are overwritten.
    fn updates(&self) -> Vec<&String> {
        self.columns.iter().filter(|column| self.overwrites && !self.key.contains(column)).collect()
    }

    /// How many keys wait for which no later file's row is there.
    fn count_keys(&self, session: &Session, id: FileId) -> Result<u64, Fault> {
        let (keys, later) = (self.keys(), self.later());
        let sql =
            format!("SELECT count(DISTINCT ROW({keys})) FILTER (WHERE ({later}) IS NOT TRUE) FROM {}", self.met());
        Ok(session.query_one_during(During::Rows, &sql, &[&id.0])?.get::<_, i64>(0).cast_unsigned())
    }

    /// How many rows wait, for how many of them a later file's row is there, and how many keys are new.
    fn count_sql(&self) -> String {
        let (keys, later, first) = (self.keys(), self.later(), &self.key[0]);
        format!(
            "SELECT count(*), count(*) FILTER (WHERE {later}),
                count(DISTINCT ROW({keys})) FILTER (WHERE there.{first} IS NULL)
            FROM {}",
            self.met()
        )
    }

    /// The key of a row that waits.
    fn keys(&self) -> String {
        let keys: Vec<String> = self.key.iter().map(|key| format!("stage.{key}")).collect();
        keys.join(", ")
    }

    /// Whether the row that is there is a later file's.
    fn later(&self) -> String {
        if self.lineage {
            format!("there.{} > $1::bigint", identifier(LINEAGE[0]))
        } else {
            "$1::bigint < 0".to_owned()
        }
    }

    /// The rows that wait, beside those that are there.
    fn met(&self) -> String {
        let equal: Vec<String> = self.key.iter().map(|key| format!("stage.{key} = there.{key}")).collect();
        format!("{STAGE} AS stage LEFT JOIN {} AS there ON {}", self.table, equal.join(" AND "))
    }

    fn merge_sql(&self) -> String {
        let (columns, key) = (self.columns.join(", "), self.key.join(", "));
        let order = if self.overwrites { "DESC" } else { "ASC" };
        let updates: Vec<String> =
            self.updates().iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let conflict = if updates.is_empty() {
            "NOTHING".to_owned()
        } else {
            let file = identifier(LINEAGE[0]);
            let earlier = if self.lineage {
                format!(" WHERE there.{file} IS NULL OR there.{file} <= excluded.{file}")
            } else {
                String::new()
            };
            format!("UPDATE SET {}{earlier}", updates.join(", "))
        };
        format!(
            "INSERT INTO {} AS there ({columns}) SELECT {columns} FROM
                (SELECT DISTINCT ON ({key}) * FROM {STAGE} ORDER BY {key}, {PLACE} {order}) AS chosen
            ORDER BY {PLACE} ON CONFLICT ({key}) DO {conflict}",
            self.table
        )
    }
}
