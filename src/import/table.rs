//! The table is the contract: which columns it has, and what they hold.

use std::collections::HashMap;

use super::bounds::Bounds;
use super::value::Type;

/// A column that a file may fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as declared.
    pub name: String,
    /// What it holds.
    pub kind: Type,
    /// And what not of that.
    pub bounds: Bounds,
    /// NOT NULL without a default: every file must have it.
    pub required: bool,
    /// Computed by the database: no file may have it.
    pub generated: bool,
}

/// What a column of a table that a database makes for a type holds: as it is read back.
pub type AsMade<'a> = &'a dyn Fn(Type) -> (Type, Bounds);

/// A database that tables are made in.
pub trait Maker {
    /// What a column of a table that is made here for a type holds: as it is read back.
    fn as_made(&self, kind: Type) -> (Type, Bounds);

    /// The statements that make a table wider.
    fn add_column_sql(&self, table: &Table, wider: &Table) -> Vec<String>;
}

/// A column that isn't there yet.
fn made(as_made: AsMade<'_>) -> impl Fn((String, Type)) -> Column + '_ {
    move |(name, kind)| {
        let (kind, bounds) = as_made(kind);
        Column { name, kind, bounds, required: false, generated: false }
    }
}

/// A table's columns, without our own two.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    name: String,
    /// The same as its database reads it.
    sql_name: String,
    columns: Vec<Column>,
    /// By name in lower case: SQL knows no other difference without quotes.
    numbers: HashMap<String, usize>,
    lineage: bool,
    /// By number, in ascending order: the columns whose values together no two rows may share.
    unique: Vec<Vec<usize>>,
    /// Rows must go in one by one.
    alone: bool,
    /// Its columns can be declared as integers, real numbers and text only.
    strict: bool,
}

impl Table {
    /// With these columns of the user's; `lineage`: and with our own two.
    pub fn new(name: &str, columns: Vec<Column>, lineage: bool) -> Self {
        let numbers = columns.iter().enumerate().map(|(at, column)| (column.name.to_ascii_lowercase(), at)).collect();
        let sql_name = identifier(name);
        let (unique, alone, strict) = (Vec::new(), false, false);
        Self { name: name.to_owned(), sql_name, columns, numbers, lineage, unique, alone, strict }
    }

    /// The same, in a database that reads its name so: `"sales"."orders"`.
    #[must_use]
    pub fn written(self, sql_name: String) -> Self {
        Self { sql_name, ..self }
    }

    /// The same; no two rows may share the values of any of these sets of columns.
    #[must_use]
    pub fn unique<'n>(mut self, sets: impl Iterator<Item = &'n [String]>) -> Self {
        let numbers = |names: &[String]| names.iter().map(|name| self.number(name)).collect::<Option<Vec<_>>>();
        let mut unique: Vec<Vec<usize>> = sets.filter(|names| !names.is_empty()).filter_map(numbers).collect();
        for numbers in &mut unique {
            numbers.sort_unstable();
        }
        unique.sort();
        unique.dedup();
        self.unique = unique;
        self
    }

    /// The same; each row goes in by a statement of its own, so that what the table does with it is done before the next.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// The same; columns that it gets are integers, real numbers or text.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// A table that isn't there yet, for a file with these columns. `as_made`: what a column holds that the database made
    /// for a type.
    pub fn made_for(name: &str, columns: impl Iterator<Item = (String, Type)>, as_made: AsMade<'_>) -> Self {
        Self::new(name, columns.map(made(as_made)).collect(), true)
    }

    /// The same with more columns at its end.
    pub fn wider(&self, more: impl Iterator<Item = (String, Type)>, as_made: AsMade<'_>) -> Self {
        let as_made = |kind| match as_made(kind) {
            made @ (Type::Integer | Type::Real, _) => made,
            (_, bounds) if self.strict => (Type::Text, bounds),
            made => made,
        };
        let columns = self.columns.iter().cloned().chain(more.map(made(&as_made))).collect();
        Self {
            unique: self.unique.clone(),
            sql_name: self.sql_name.clone(),
            alone: self.alone,
            strict: self.strict,
            ..Self::new(&self.name, columns, self.lineage)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same, as it is to be typed.
    pub fn sql_name(&self) -> &str {
        &self.sql_name
    }

    /// The same, without the schema that it may be in.
    pub fn bare_name(&self) -> &str {
        let is_whole = self.sql_name == identifier(&self.name);
        self.name.split_once('.').filter(|_| !is_whole).map_or(&self.name, |(_schema, table)| table)
    }

    /// Its columns, without our own two.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether its rows carry `_file_id` and `_line`.
    pub fn lineage(&self) -> bool {
        self.lineage
    }

    /// Whether several rows may go in by one statement.
    pub fn takes_rows_together(&self) -> bool {
        !self.alone
    }

    /// Whether there is a unique index on exactly these columns, by number.
    pub fn is_unique(&self, columns: &[usize]) -> bool {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        self.unique.contains(&columns)
    }

    /// The columns whose values together no two rows may share.
    pub fn unique_columns(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.unique.iter().map(|set| set.iter().map(|&number| self.columns[number].name.as_str()))
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
