//! What can be read of a damaged ledger, row by row, around the places that can't.
//!
//! SQLite finds damage when it reads a page. Behind it, rows are asked for one by one until a page can be read again.
//! A file's row counts only when all of it makes sense.

use std::ops::RangeInclusive;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params_from_iter};

use super::{LedgerId, Row, doubt, identity, read_only};

/// So many numbers are tried behind a damaged place where nobody knows how many rows there are.
const GAP_MAX: i64 = 200_000;

/// What was salvaged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Which ledger it was, where that can be read.
    pub identity: Option<LedgerId>,
    /// Every number that it gave out is below this, as far as it can be read.
    pub numbers_below: i64,
    /// How many files.
    pub files: u64,
    /// How many events.
    pub events: u64,
    /// How many damaged places were met.
    pub damaged_places: u64,
    /// Whether its last entries are gone, with the log that held them.
    pub has_lost_its_log: bool,
    /// Why nothing can be read at all, when nothing can.
    pub unreadable: Option<String>,
}

/// Copies every table that both have, column by column. An error is the new one's.
pub(super) fn all(old: &Path, new: &Connection) -> rusqlite::Result<Salvaged> {
    let mut salvaged = Salvaged { numbers_below: 1, ..Salvaged::default() };
    let (path, old) = match read_only::open(old) {
        Ok(opened) => (old, opened.connection),
        Err(error) => return Ok(Salvaged { unreadable: Some(error.to_string()), ..salvaged }),
    };
    salvaged.has_lost_its_log = doubt::has_lost_its_log(path, &old).unwrap_or_default();
    salvaged.identity = identity::of(&old).ok().flatten();
    let counted = old.query_row("SELECT value FROM counter WHERE name = 'next_id'", [], |row| row.get(0));
    salvaged.damaged_places += u64::from(counted.is_err());
    salvaged.numbers_below = counted.unwrap_or(1).max(1);
    for (table, has_rowid) in tables(new)? {
        let table = Table { name: &table, old: &old, new };
        let places = &mut salvaged.damaged_places;
        let rows = if has_rowid { table.copy(salvaged.numbers_below, places)? } else { table.copy_begin(places)? };
        match table.name {
            "file" => salvaged.files = rows,
            "event" => salvaged.events = rows,
            _ => {}
        }
    }
    let senseless = drop_senseless(new)?;
    salvaged.files -= senseless;
    salvaged.damaged_places += senseless;
    let highest: i64 = new.query_row(
        "SELECT max(coalesce((SELECT max(id) FROM file), 0), coalesce((SELECT max(file_id) FROM failure), 0),
            coalesce((SELECT max(file_id) FROM event), 0))",
        [],
        |row| row.get(0),
    )?;
    salvaged.numbers_below = salvaged.numbers_below.max(highest.saturating_add(1));
    Ok(salvaged)
}

/// All but that of numbers, which are handed over by themselves; and whether their rows are numbered.
fn tables(new: &Connection) -> rusqlite::Result<Vec<(String, bool)>> {
    let sql = "SELECT name, sql NOT LIKE '%WITHOUT ROWID%' FROM sqlite_schema
        WHERE type = 'table' AND name <> 'counter' AND name NOT LIKE 'sqlite%' ORDER BY name";
    new.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

struct Table<'a> {
    name: &'a str,
    old: &'a Connection,
    new: &'a Connection,
}

impl Table<'_> {
    fn copy(&self, numbers_below: i64, damaged_places: &mut u64) -> rusqlite::Result<u64> {
        let columns = self.columns()?;
        if columns.is_empty() {
            return Ok(0);
        }
        let list = columns.join(", ");
        let read = format!("SELECT rowid, {list} FROM {} WHERE rowid >= ? ORDER BY rowid", self.name);
        let places = vec!["?"; columns.len() + 1].join(", ");
        let write = format!("INSERT OR IGNORE INTO {} (rowid, {list}) VALUES ({places})", self.name);
        let mut write = self.new.prepare(&write)?;
        // What is below `from` is copied, or can't be.
        let (mut copied, mut from, mut end) = (0, 1, None);
        loop {
            let (mut next, mut written) = (from, Ok(()));
            let scanned = self.scan(&read, from, columns.len() + 1, |rowid, values| {
                next = rowid.saturating_add(1);
                written = write.execute(params_from_iter(values)).map(|rows| copied += rows as u64);
                written.is_ok()
            });
            written?;
            if scanned.is_ok() {
                return Ok(copied);
            }
            // Without a row, it is the same place as before.
            *damaged_places += u64::from(next > from || end.is_none());
            let end = *end.get_or_insert_with(|| self.end(next, numbers_below));
            match self.next_readable(next.max(from + 1)..=end, &list) {
                Some(rowid) => from = rowid,
                None => return Ok(copied),
            }
        }
    }

    /// Without numbers, a damaged place is the end.
    fn copy_begin(&self, damaged_places: &mut u64) -> rusqlite::Result<u64> {
        let columns = self.columns()?;
        if columns.is_empty() {
            return Ok(0);
        }
        let (list, places) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
        let mut write = self.new.prepare(&format!("INSERT OR IGNORE INTO {} ({list}) VALUES ({places})", self.name))?;
        let mut found = Vec::new();
        let mut read = || -> rusqlite::Result<()> {
            let mut query = self.old.prepare(&format!("SELECT {list} FROM {}", self.name))?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                found.push(values(row, columns.len())?);
            }
            Ok(())
        };
        *damaged_places += u64::from(read().is_err());
        found.into_iter().try_fold(0, |copied, row| Ok(copied + write.execute(params_from_iter(row))? as u64))
    }

    /// The columns that both have.
    fn columns(&self) -> rusqlite::Result<Vec<String>> {
        let of = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
            let mut query = connection.prepare("SELECT name FROM pragma_table_info(?)")?;
            query.query_map([self.name], |row| row.get(0))?.collect()
        };
        let old = of(self.old).unwrap_or_default();
        Ok(of(self.new)?.into_iter().filter(|column| old.contains(column)).collect())
    }

    /// Visits rows until there are no more, one can't be read, or the visitor wants no more.
    fn scan(
        &self,
        sql: &str,
        after: i64,
        columns: usize,
        mut visit: impl FnMut(i64, Vec<Value>) -> bool,
    ) -> rusqlite::Result<()> {
        let mut query = self.old.prepare(sql)?;
        let mut rows = query.query([after])?;
        while let Some(row) = rows.next()? {
            let values = values(row, columns)?;
            let Some(Value::Integer(rowid)) = values.first() else { break };
            if !visit(*rowid, values) {
                break;
            }
        }
        Ok(())
    }

    /// Behind this there is no row, or none that can be reached.
    fn end(&self, next: i64, numbers_below: i64) -> i64 {
        let highest = self.old.query_row(&format!("SELECT max(rowid) FROM {}", self.name), [], |row| row.get(0));
        match highest {
            Ok(highest) => highest,
            Err(_) if self.name == "file" && numbers_below > next => numbers_below,
            Err(_) => next.saturating_add(GAP_MAX),
        }
    }

    /// The first number behind a damaged place where SQLite can say whether there is a row.
    fn next_readable(&self, mut numbers: RangeInclusive<i64>, columns: &str) -> Option<i64> {
        let mut query = self.old.prepare(&format!("SELECT {columns} FROM {} WHERE rowid = ?", self.name)).ok()?;
        let width = query.column_count();
        numbers.find(|rowid| query.query_row([rowid], |row| values(row, width).map(drop)).optional().is_ok())
    }
}

fn values(row: &SqlRow<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    (0..columns).map(|column| row.get(column)).collect()
}

/// Takes out the files whose rows say what can't be. Returns how many there were.
fn drop_senseless(new: &Connection) -> rusqlite::Result<u64> {
    let mut senseless = Vec::new();
    let mut query = new.prepare("SELECT * FROM file")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get("id")?;
        let makes_sense = Row::read(row).is_ok_and(|row| id > 0 && !row.folder.is_empty() && !row.name.is_empty());
        if !makes_sense {
            senseless.push(id);
        }
    }
    for id in &senseless {
        new.execute("DELETE FROM file WHERE id = ?", [id])?;
    }
    Ok(senseless.len() as u64)
}
