//! Rows into the table, one prepared statement for all of them.

use rusqlite::{CachedStatement, Connection};

use super::database::Database;
use super::layout::Layout;
use super::rows::Sink;
use super::value::Value;
use crate::fault::Fault;
use crate::file::FileId;

/// Inserts rows of one file.
pub struct Insert<'c> {
    database: &'c Database,
    statement: CachedStatement<'c>,
    /// Whether the first two parameters are the file's number and the line.
    lineage: bool,
    /// How many parameters there are.
    parameters: usize,
    /// The parameters bound so far.
    bound: usize,
}

impl<'c> Insert<'c> {
    /// Rows of this file, laid out like this.
    pub fn new(database: &'c Database, connection: &'c Connection, layout: &Layout, id: FileId) -> Result<Self, Fault> {
        let fault = |error| database.fault(&error);
        let mut statement = connection.prepare_cached(layout.insert_sql()).map_err(fault)?;
        let lineage = layout.table().lineage();
        if lineage {
            // Stays bound from row to row.
            statement.raw_bind_parameter(1, id.0).map_err(fault)?;
        }
        let bound = Self::ours(lineage);
        Ok(Self { database, statement, lineage, parameters: bound + layout.names().len(), bound })
    }

    fn ours(lineage: bool) -> usize {
        if lineage { 2 } else { 0 }
    }

    fn bind(&mut self, value: Value<'_>) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
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

impl Sink for Insert<'_> {
    fn cell(&mut self, value: Value<'_>) -> Result<(), Fault> {
        self.bind(value).map_err(|error| self.database.fault(&error))
    }

    fn row(&mut self, line: u64) -> Result<(), Fault> {
        self.execute(line).map_err(|error| match self.database.fault(&error) {
            Fault::Permanent(reason) => Fault::Permanent(reason.at_line(line)),
            other => other,
        })
    }
}
