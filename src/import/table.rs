//! The table is the contract: which columns it has, what they hold, and how it is made when it isn't there.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::header::LINEAGE;
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
    /// By name in lower case: SQLite knows no other difference.
    numbers: HashMap<String, usize>,
    lineage: bool,
}

impl Table {
    fn new(name: &str, columns: Vec<Column>, lineage: bool) -> Self {
        let numbers = columns.iter().enumerate().map(|(at, column)| (column.name.to_ascii_lowercase(), at)).collect();
        Self { name: name.to_owned(), columns, numbers, lineage }
    }

    /// A table that isn't there yet, for a file with these columns.
    pub fn made_for(name: &str, columns: impl Iterator<Item = (String, Type)>) -> Self {
        let column = |(name, kind)| Column { name, kind, required: false, generated: false };
        Self::new(name, columns.map(column).collect(), true)
    }

    /// The table as the database has it now. `None`: it isn't there.
    pub fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        let known = "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
        if connection.prepare_cached(known)?.query_row([name], |_| Ok(())).optional()?.is_none() {
            return Ok(None);
        }
        let columns = "SELECT name, type, \"notnull\", dflt_value IS NULL, pk, hidden FROM pragma_table_xinfo(?1)";
        let mut keys = 0;
        let mut statement = connection.prepare_cached(columns)?;
        let columns = statement.query_map([name], |row| {
            let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
            let (not_null, no_default, key): (bool, bool, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
            keys += i64::from(key > 0);
            let fills_itself = key > 0 && declared.eq_ignore_ascii_case("INTEGER");
            let column = Column {
                name,
                kind: Type::of_declared(&declared),
                required: not_null && no_default,
                generated: row.get::<_, i64>(5)? > 0,
            };
            Ok((column, fills_itself))
        })?;
        let mut columns: Vec<(Column, bool)> = columns.collect::<rusqlite::Result<_>>()?;
        // A lone INTEGER PRIMARY KEY is the rowid, which SQLite fills.
        for (column, fills_itself) in &mut columns {
            column.required &= !(*fills_itself && keys == 1);
        }
        let ours = |column: &Column| LINEAGE.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let (lineage, columns): (Vec<_>, Vec<_>) =
            columns.into_iter().map(|(column, _)| column).partition(|column| ours(column));
        Ok(Some(Self::new(name, columns, lineage.len() == LINEAGE.len())))
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

    /// The statement that makes it.
    pub fn create_sql(&self) -> String {
        let mut columns: Vec<String> = LINEAGE.iter().map(|name| format!("{} INTEGER", identifier(name))).collect();
        columns.extend(
            self.columns.iter().map(|column| format!("{} {}", identifier(&column.name), column.kind.declared())),
        );
        format!("CREATE TABLE {} ({})", identifier(&self.name), columns.join(", "))
    }
}

/// A name as SQL reads it, whatever is in it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_table_is_read_back_as_it_was_meant() {
        // fault 60
        let hostile = "a\") ; drop table x; --";
        let columns = [("id", Type::Integer), (hostile, Type::Text), ("at", Type::Timestamp), ("ok", Type::Boolean)];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
        let table = Table::made_for("my \"orders\"", columns.into_iter());
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&table.create_sql()).unwrap();
        assert_eq!(Table::read(&connection, "my \"orders\"").unwrap(), Some(table));
        assert_eq!(Table::read(&connection, "absent").unwrap(), None);
    }

    #[test]
    fn a_users_table_says_what_a_file_must_have() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT NOT NULL, b NOT NULL DEFAULT 1, c AS (a))";
        connection.execute_batch(sql).unwrap();
        let table = Table::read(&connection, "T").unwrap().unwrap();
        let facts: Vec<_> = table.columns.iter().map(|column| (column.required, column.generated)).collect();
        assert_eq!(facts, [(false, false), (true, false), (false, false), (false, true)]);
        assert!(!table.lineage());
        assert_eq!(table.number("A"), Some(1));
    }
}
