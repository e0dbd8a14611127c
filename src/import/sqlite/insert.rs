//! Rows into the table, one prepared statement for all of them.

use rusqlite::CachedStatement;

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::mode::Written;
use super::super::rows::Sink;
use super::super::table::identifier;
use super::super::target::Insert;
use super::super::value::Value;
use super::markers::{self, Connected};
use super::transaction::Open;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::settings::Mode;

/// Inserts rows of one file.
pub(super) struct Inserting<'t> {
    transaction: &'t Open<'t>,
    statement: CachedStatement<'t>,
    /// What is done where the key is there already; with the parameters of the insert.
    update: Option<CachedStatement<'t>>,
    written: Written,
    /// Whether the first two parameters are the file's number and the line.
    lineage: bool,
    id: FileId,
    /// How many parameters there are.
    parameters: usize,
    /// Whether a row may be there already.
    keyed: bool,
    /// The parameters bound so far.
    bound: usize,
}

impl<'t> Inserting<'t> {
    /// Rows of this file, laid out like this.
    pub(super) fn begin(transaction: &'t Open<'t>, layout: &Layout, id: FileId) -> Result<Self, Fault> {
        let fault = |error| transaction.fault(&error);
        let mut statement = transaction.connection().prepare_cached(&insert_sql(layout)).map_err(fault)?;
        let lineage = layout.table().lineage();
        let update = update_sql(layout).map(|sql| transaction.connection().prepare_cached(&sql));
        let mut update = update.transpose().map_err(fault)?;
        if lineage {
            // Stays bound from row to row.
            statement.raw_bind_parameter(1, id.0).map_err(fault)?;
            update.iter_mut().try_for_each(|update| update.raw_bind_parameter(1, id.0)).map_err(fault)?;
        }
        let bound = Self::ours(lineage);
        let parameters = bound + layout.taken().len();
        let keyed = !layout.mode().key().is_empty();
        let written = Written::default();
        Ok(Self { transaction, statement, update, written, lineage, id, parameters, keyed, bound })
    }

    fn ours(lineage: bool) -> usize {
        if lineage { 2 } else { 0 }
    }

    fn bind(&mut self, value: Value<'_>) -> rusqlite::Result<()> {
        self.bound += 1;
        if let Some(update) = &mut self.update {
            update.raw_bind_parameter(self.bound, value)?;
        }
        self.statement.raw_bind_parameter(self.bound, value)
    }

    /// Whether nothing is left of the statement that failed, as usual; a trigger, or a constraint with a clause of its own,
    /// may have kept some of it, or ended the transaction.
    fn is_undone(&self, changes_before: u64) -> bool {
        let connection = self.transaction.connection();
        !connection.is_autocommit() && connection.total_changes() == changes_before
    }

    fn execute(&mut self, line: u64) -> rusqlite::Result<()> {
        while self.bound < self.parameters {
            self.bind(Value::Null)?;
        }
        self.bound = Self::ours(self.lineage);
        if self.lineage {
            self.statement.raw_bind_parameter(2, line.cast_signed())?;
        }
        if self.statement.raw_execute()? > 0 || !self.keyed {
            self.written.inserted += 1;
            return Ok(());
        }
        let Some(update) = &mut self.update else {
            self.written.skipped += 1;
            return Ok(());
        };
        if self.lineage {
            update.raw_bind_parameter(2, line.cast_signed())?;
        }
        match update.raw_execute()? {
            0 => self.written.skipped += 1,
            _ => self.written.updated += 1,
        }
        Ok(())
    }
}

impl Sink for Inserting<'_> {
    fn cell(&mut self, value: Value<'_>) -> Result<(), Fault> {
        self.bind(value).map_err(|error| self.transaction.fault(&error))
    }

    fn row(&mut self, line: u64) -> Result<Option<Box<Reason>>, Fault> {
        let changes = self.transaction.connection().total_changes();
        let Err(error) = self.execute(line) else { return Ok(None) };
        match self.transaction.fault(&error) {
            Fault::Permanent(reason) if self.is_undone(changes) => Ok(Some(Box::new(reason.at_line(line)))),
            Fault::Permanent(reason) => Err(Fault::Permanent(reason.at_line(line))),
            other => Err(other),
        }
    }

    fn skip(&mut self) {
        self.bound = Self::ours(self.lineage);
    }

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        self.skip();
        let transaction = self.transaction;
        markers::reject(transaction.connection(), self.id, reason, record).map_err(|error| transaction.fault(&error))
    }
}

impl Insert for Inserting<'_> {
    fn finish(self: Box<Self>) -> Result<Written, Fault> {
        Ok(self.written)
    }
}

/// Parameters: our two where the table has them, then the file's columns in order.
fn insert_sql(layout: &Layout) -> String {
    let nothing = on_conflict(layout).map(|conflict| format!("{conflict} DO NOTHING"));
    format!("{}{}", plain_sql(layout), nothing.unwrap_or_default())
}

fn plain_sql(layout: &Layout) -> String {
    let table = layout.table();
    let ours: &[&str] = if table.lineage() { &LINEAGE } else { &[] };
    let names: Vec<String> = ours.iter().copied().chain(layout.columns()).map(identifier).collect();
    let marks = vec!["?"; names.len()].join(", ");
    format!("INSERT INTO {} AS there ({}) VALUES ({marks})", identifier(table.name()), names.join(", "))
}

/// `None`: rows have no keys that matter.
fn on_conflict(layout: &Layout) -> Option<String> {
    let key: Vec<String> = layout.mode().key().iter().map(|name| identifier(name)).collect();
    (!key.is_empty()).then(|| format!(" ON CONFLICT ({})", key.join(", ")))
}

/// With the same parameters: sets what the file has, and where it came from, unless that is a later file already. The row
/// is found by the index that has its key: that may have another collation than the column.
/// `None`: what is there is left alone.
fn update_sql(layout: &Layout) -> Option<String> {
    let (table, Mode::Upsert(_)) = (layout.table(), layout.mode()) else { return None };
    let ours: &[&str] = if table.lineage() { &LINEAGE } else { &[] };
    let set = layout.taken().iter().filter(|taken| !taken.is_key);
    let set = set.map(|taken| table.columns()[taken.number].name.as_str());
    let set: Vec<String> = ours.iter().copied().chain(set).map(identifier).collect();
    let set: Vec<String> = set.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let file = identifier(LINEAGE[0]);
    let earlier = format!(" WHERE there.{file} IS NULL OR there.{file} <= excluded.{file}");
    let earlier = if table.lineage() { earlier } else { String::new() };
    let conflict = on_conflict(layout).filter(|_| !set.is_empty())?;
    Some(format!("{}{conflict} DO UPDATE SET {}{earlier}", plain_sql(layout), set.join(", ")))
}
