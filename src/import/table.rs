//! The table is the contract: which columns it has, and what they hold.

use std::collections::HashMap;

use super::sqlite;
use super::value::Type;

/// A column that a file may fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as declared.
    pub name: String,
    /// What it holds.
    pub kind: Type,
    /// NOT NULL without a default: every file must have it.
    pub required: bool,
    /// Computed by the database: no file may have it.
    pub generated: bool,
}

/// A table's columns, without our own two.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    /// By name in lower case: SQL knows no other difference without quotes.
    numbers: HashMap<String, usize>,
    lineage: bool,
}

impl Table {
    /// With these columns of the user's; `lineage`: and with our own two.
    pub fn new(name: &str, columns: Vec<Column>, lineage: bool) -> Self {
        let numbers = columns.iter().enumerate().map(|(at, column)| (column.name.to_ascii_lowercase(), at)).collect();
        Self { name: name.to_owned(), columns, numbers, lineage }
    }

    /// A table that isn't there yet, for a file with these columns.
    pub fn made_for(name: &str, columns: impl Iterator<Item = (String, Type)>) -> Self {
        let column = |(name, kind)| Column { name, kind: sqlite::as_made(kind), required: false, generated: false };
        Self::new(name, columns.map(column).collect(), true)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, without our own two.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether its rows carry `_file_id` and `_line`.
    pub fn lineage(&self) -> bool {
        self.lineage
    }

    /// The number of the column with this name, in whatever case.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(&name.to_ascii_lowercase()).copied()
    }
}

/// A name as SQL reads it, whatever is in it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
