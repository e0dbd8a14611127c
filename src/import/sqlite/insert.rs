//! Rows into the table, one prepared statement for all of them.

use rusqlite::CachedStatement;

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::rows::Sink;
use super::super::table::identifier;
use super::super::target::Insert;
use super::super::value::Value;
use super::markers::{self, Connected};
use super::transaction::Open;
use crate::fault::{Fault, Reason};
use crate::file::FileId;

/// Inserts rows of one file.
pub(super) struct Inserting<'t> {
    transaction: &'t Open<'t>,
    statement: CachedStatement<'t>,
    /// Whether the first two parameters are the file's number and the line.
    lineage: bool,
    id: FileId,
    /// How many parameters there are.
    parameters: usize,
    /// The parameters bound so far.
    bound: usize,
}

impl<'t> Inserting<'t> {
    /// Rows of this file, laid out like this.
    pub(super) fn begin(transaction: &'t Open<'t>, layout: &Layout, id: FileId) -> Result<Self, Fault> {
        let fault = |error| transaction.fault(&error);
        let mut statement = transaction.connection().prepare_cached(&insert_sql(layout)).map_err(fault)?;
        let lineage = layout.table().lineage();
        if lineage {
            // Stays bound from row to row.
            statement.raw_bind_parameter(1, id.0).map_err(fault)?;
        }
        let bound = Self::ours(lineage);
        Ok(Self { transaction, statement, lineage, id, parameters: bound + layout.names().len(), bound })
    }

    fn ours(lineage: bool) -> usize {
        if lineage { 2 } else { 0 }
    }

    fn bind(&mut self, value: Value<'_>) -> rusqlite::Result<()> {
        self.bound += 1;
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
        self.statement.raw_execute().map(|_| ())
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

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        self.bound = Self::ours(self.lineage);
        let transaction = self.transaction;
        markers::reject(transaction.connection(), self.id, reason, record).map_err(|error| transaction.fault(&error))
    }
}

impl Insert for Inserting<'_> {
    fn finish(self: Box<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Parameters: our two where the table has them, then the file's columns in order.
fn insert_sql(layout: &Layout) -> String {
    let table = layout.table();
    let ours: &[&str] = if table.lineage() { &LINEAGE } else { &[] };
    let names: Vec<String> = ours.iter().copied().chain(layout.columns()).map(identifier).collect();
    let marks = vec!["?"; names.len()].join(", ");
    format!("INSERT INTO {} ({}) VALUES ({marks})", identifier(table.name()), names.join(", "))
}
