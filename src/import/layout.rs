//! How a file's columns lie in the table's: matched by name, in the file's order.

use std::sync::Arc;

use super::reading::Reading;
use super::shown;
use super::table::{Table, identifier};
use crate::fault::Reason;
use crate::settings;

const NO_COLUMN: &str = "no column of the file is in the table: is its header row missing?";

/// The columns of one file, each with its place in the table.
#[derive(Debug, Clone)]
pub struct Layout {
    table: Arc<Table>,
    settings: Arc<settings::Import>,
    names: Vec<String>,
    readings: Vec<Reading>,
    /// The columns of the table, by number.
    columns: Vec<usize>,
    is_complete: bool,
}

impl Layout {
    /// For a file with these columns; more may be added before it is [complete](Self::complete).
    pub fn new(table: &Arc<Table>, settings: &Arc<settings::Import>, names: &[String]) -> Result<Self, Reason> {
        let mut layout = Self {
            table: Arc::clone(table),
            settings: Arc::clone(settings),
            names: Vec::new(),
            readings: Vec::new(),
            columns: Vec::new(),
            is_complete: false,
        };
        let strange = !names.is_empty() && names.iter().all(|name| table.number(name).is_none());
        for name in names {
            layout.add(name).map_err(|reason| if strange { reason.hint(NO_COLUMN) } else { reason })?;
        }
        Ok(layout)
    }

    /// Adds a column of the file.
    pub fn add(&mut self, name: &str) -> Result<(), Reason> {
        let table = identifier(self.table.name());
        let Some(number) = self.table.number(name) else {
            let text = format!("new column {}: the table {table} has no such column", shown::value(name));
            let add = format!("to take it: ALTER TABLE {table} ADD COLUMN {} TEXT; then retry", identifier(name));
            return Err(Reason::new("new_column", text).hint(add));
        };
        let column = &self.table.columns()[number];
        if column.generated {
            let text = format!("the column {} is computed by the database", shown::value(name));
            return Err(Reason::new("generated_column", text).hint("leave it out of the file"));
        }
        self.is_complete = false;
        self.names.push(name.to_owned());
        self.readings.push(Reading::new(name, column.kind, &self.settings));
        self.columns.push(number);
        Ok(())
    }

    /// Checks that nothing is missing which the table must have.
    pub fn complete(&mut self) -> Result<(), Reason> {
        let missing = |(number, column): &(usize, &super::table::Column)| {
            column.required && !column.generated && !self.columns.contains(number)
        };
        if let Some((_, column)) = self.table.columns().iter().enumerate().find(missing) {
            let text = format!("the file has no column {}, which must not be NULL", shown::value(&column.name));
            return Err(Reason::new("missing_column", text).hint("give the column a default, or the file the column"));
        }
        self.is_complete = true;
        Ok(())
    }

    /// Whether no column was added since [`Self::complete`].
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The file's columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How each column of the file is read.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// The table's names of the file's columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|&number| self.table.columns()[number].name.as_str())
    }
}
