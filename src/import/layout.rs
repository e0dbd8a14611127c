//! How a file's columns lie in the table's: matched by name, in the file's order. Those that the table lacks are
//! refused or left out; where it is to get them, it has them already ([`super::infer::widen`]).

use std::fmt::Write;
use std::sync::Arc;

use super::bounds::Bounds;
use super::reading::Reading;
use super::shown;
use super::table::{Table, identifier};
use crate::fault::Reason;
use crate::settings::{self, Mode, NewColumns};

/// The code of a refusal for a column that the table lacks.
pub const NEW_COLUMN: &str = "new_column";

const NO_COLUMN: &str = "no column of the file is in the table: is its header row missing? do the records of a JSON document lie deeper (import.records)?";

/// Of so many new columns the names are told.
const NEW_TOLD_MAX: usize = 8;

/// The columns of one file, each with its place in the table.
#[derive(Debug, Clone)]
pub struct Layout {
    table: Arc<Table>,
    settings: Arc<settings::Import>,
    names: Vec<String>,
    taken: Vec<Taken>,
    /// How many of these are of the key.
    of_key: usize,
    is_complete: bool,
}

/// A column of the file that goes into the table.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its number in the file.
    pub column: usize,
    /// Its number in the table.
    pub number: usize,
    /// How it is read.
    pub reading: Reading,
    /// Whether it must hold something: it tells one row from another.
    pub is_key: bool,
}

impl Layout {
    /// For a file with these columns; more may be added before it is [complete](Self::complete).
    pub fn new(table: &Arc<Table>, settings: &Arc<settings::Import>, names: &[String]) -> Result<Self, Reason> {
        let mut layout = Self {
            table: Arc::clone(table),
            settings: Arc::clone(settings),
            names: Vec::new(),
            taken: Vec::new(),
            of_key: 0,
            is_complete: false,
        };
        layout.add(names)?;
        if !names.is_empty() {
            layout.check_key()?;
        }
        Ok(layout)
    }

    /// Adds columns of the file. Those that the table lacks are all named at once.
    pub fn add(&mut self, names: &[String]) -> Result<(), Reason> {
        let is_new = |name: &&str| self.table.number(name).is_none();
        let new: Vec<&str> = names.iter().map(String::as_str).filter(is_new).collect();
        if !new.is_empty() && self.settings.new_columns != NewColumns::Ignore {
            let reason = new_columns(&self.table, &new);
            let is_all = self.names.is_empty() && new.len() == names.len();
            return Err(if is_all { reason.hint(NO_COLUMN) } else { reason });
        }
        names.iter().try_for_each(|name| self.add_one(name))
    }

    fn add_one(&mut self, name: &str) -> Result<(), Reason> {
        let Some(number) = self.table.number(name) else {
            self.names.push(name.to_owned());
            return Ok(());
        };
        let column = &self.table.columns()[number];
        if column.generated {
            let text = format!("the column {} is computed by the database", shown::value(name));
            return Err(Reason::new("generated_column", text).hint("leave it out of the file"));
        }
        self.is_complete = false;
        let is_key = self.mode().key().iter().any(|key| key.eq_ignore_ascii_case(name));
        self.of_key += usize::from(is_key);
        let reading = Reading::new(name, column.kind, &self.settings).within(column.bounds.clone());
        self.taken.push(Taken { column: self.names.len(), number, reading, is_key });
        self.names.push(name.to_owned());
        Ok(())
    }

    /// The file and the table have the columns that tell one row from another, and the table keeps them apart.
    fn check_key(&self) -> Result<(), Reason> {
        check_key_among(&self.names, self.mode())?;
        let refused = |text: String, hint: String| Err(Reason::new("key", text).hint(hint));
        let (key, table) = (self.mode().key(), self.table.sql_name());
        if let Some(name) = key.iter().find(|key| self.table.number(key).is_none()) {
            let text = format!("the table {table} has no column {}, which tells rows apart", shown::value(name));
            return refused(text, "give it that column, with a unique index on the key".to_owned());
        }
        let numbers: Vec<usize> = self.taken.iter().filter(|taken| taken.is_key).map(|taken| taken.number).collect();
        let names = key.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
        if !key.is_empty() && !self.table.is_unique(&numbers) {
            let text = format!("the table {table} has no unique index on exactly {names}, which tells rows apart");
            return refused(text, self.index_hint(&names));
        }
        Ok(())
    }

    fn index_hint(&self, names: &str) -> String {
        let name = identifier(&format!("{}_key", self.table.bare_name()));
        format!("to make one: CREATE UNIQUE INDEX {name} ON {} ({names}); then retry", self.table.sql_name())
    }

    /// Checks that nothing is missing which the table must have, and nothing there that it can't.
    pub fn complete(&mut self) -> Result<(), Reason> {
        for taken in &self.taken {
            if let Bounds::Closed(declared) = &self.table.columns()[taken.number].bounds {
                let text = format!("its type {declared} is none that a file can fill");
                let hint = "leave the column out of the file, or declare it as text";
                let name = shown::name(&self.names[taken.column]);
                return Err(Reason::new("unknown_type", text).in_column(name).hint(hint));
            }
        }
        let missing = |(number, column): &(usize, &super::table::Column)| {
            column.required && !column.generated && !self.taken.iter().any(|taken| taken.number == *number)
        };
        if let Some((_, column)) = self.table.columns().iter().enumerate().find(missing) {
            let text = format!("the file has no column {}, which must not be NULL", shown::value(&column.name));
            return Err(Reason::new("missing_column", text).hint("give the column a default, or the file the column"));
        }
        match (self.taken.is_empty(), self.names.is_empty()) {
            (true, false) => return Err(no_column(&self.table)),
            // Rows that say where they came from are some all the same.
            (true, true) if !self.table.lineage() => return Err(no_key()),
            _ => {}
        }
        self.check_key()?;
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

    /// The columns that go into the table, in the file's order.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The table's names of these.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.taken.iter().map(|taken| self.table.columns()[taken.number].name.as_str())
    }

    /// The file's columns that are left out.
    pub fn ignored(&self) -> Vec<String> {
        let is_taken = |column: &usize| self.taken.iter().any(|taken| taken.column == *column);
        let ignored = self.names.iter().enumerate().filter(|(column, _)| !is_taken(column));
        ignored.map(|(_, name)| name.clone()).collect()
    }

    /// What becomes of a row whose key is there.
    pub fn mode(&self) -> &Mode {
        &self.settings.mode
    }

    /// A column of the key that was not met so far: in the rows so far it is NULL.
    pub fn lacking_key(&self) -> Option<&str> {
        let key = self.mode().key();
        if self.of_key == key.len() {
            return None;
        }
        let is_met = |key: &str| self.taken.iter().any(|taken| self.names[taken.column].eq_ignore_ascii_case(key));
        key.iter().find(|key| !is_met(key)).map(String::as_str)
    }
}

/// A file with these columns has those that tell one row from another.
pub fn check_key_among(names: &[String], mode: &Mode) -> Result<(), Reason> {
    let is_missing = |key: &&String| !names.iter().any(|name| name.eq_ignore_ascii_case(key));
    let Some(name) = mode.key().iter().find(is_missing) else { return Ok(()) };
    let text = format!("the file has no column {}, which tells its rows apart", shown::value(name));
    Err(Reason::new("key", text).hint(format!("give it that column, or change import.mode.{}", mode.name())))
}

/// There are objects, and nothing in them.
pub fn no_key() -> Reason {
    Reason::new("no_columns", "no object has a key: there is nothing to import")
}

/// The file has columns that the table lacks.
fn new_columns(table: &Table, names: &[&str]) -> Reason {
    let told = names.iter().take(NEW_TOLD_MAX).map(|name| shown::value(name)).collect::<Vec<_>>().join(", ");
    let (place, more) = (table.sql_name(), names.len().saturating_sub(NEW_TOLD_MAX));
    let mut text = match (names.len(), more) {
        (1, _) => format!("new column {told}: the table {place} has no such column"),
        (_, 0) => format!("new columns {told}: the table {place} has no such columns"),
        _ => format!("new columns {told} and {more} more: the table {place} has no such columns"),
    };
    let is_there = |name: &&&str| table.number(name.trim()).is_some();
    if let Some(name) = names.iter().find(is_there) {
        let _ = write!(text, "; without its spaces, {} is one that it has", shown::value(name));
    }
    let add = |name: &&str| format!("ALTER TABLE {place} ADD COLUMN {} TEXT", identifier(name));
    let statements: Vec<String> = names.iter().map(add).collect();
    Reason::new(NEW_COLUMN, text).hint(to_take(&statements))
}

/// What to do with columns that the table lacks; `statements`: each gives it one.
pub fn to_take(statements: &[String]) -> String {
    match statements.len() {
        1 => format!("to take it: {}; then retry", statements[0]),
        2..=NEW_TOLD_MAX => format!("to take them: {}; then retry", statements.join("; ")),
        _ => "to take them all: import.new_columns = \"add\"".to_owned(),
    }
}

/// Nothing of the file is meant for this table.
pub fn no_column(table: &Table) -> Reason {
    let text = format!("the table {} has none of the file's columns", table.sql_name());
    Reason::new(NEW_COLUMN, text).hint(NO_COLUMN)
}
