//! The database that the files go into, and what is in it.

use std::collections::HashMap;
use std::fmt;

use importerd::import::Place;
use importerd::settings::postgres::Address;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::harness::postgres::Server;
use super::loader::{Declared, Loader};

pub struct Database {
    loader: Loader,
    /// To a file that holds nothing where there is a server.
    connection: Connection,
    /// `None`: SQLite.
    server: Option<Server>,
}

/// A file, and what is declared of it.
pub struct Dropped<'c> {
    pub name: &'c str,
    pub content: &'c [u8],
    pub declared: &'c Declared,
}

impl fmt::Display for Dropped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}, {} bytes", self.name, self.declared, self.content.len())
    }
}

impl Database {
    pub fn sqlite() -> Self {
        let loader = Loader::new();
        Self { connection: loader.rows(), loader, server: None }
    }

    /// `None`, and says so: there is none.
    pub fn postgresql() -> Option<Self> {
        let server = Server::start()?;
        server.sql("ALTER DATABASE postgres SET timezone = 'UTC'");
        let address = Address::parse(&server.url()).expect("an address");
        let loader = Loader::into(&Place::Postgres(Box::new(address)));
        Some(Self { connection: loader.rows(), loader, server: Some(server) })
    }

    pub fn is_sqlite(&self) -> bool {
        self.server.is_none()
    }

    pub fn load(&mut self, table: &str, dropped: &Dropped<'_>) -> Result<u64, String> {
        self.loader.load_into(table, dropped.name, dropped.content, dropped.declared)
    }

    /// What these columns were made as.
    pub fn declared(&self, table: &str, columns: &[String]) -> Vec<String> {
        let Some(server) = &self.server else {
            let query = "SELECT type FROM pragma_table_info(?) WHERE name = ?";
            let mut statement = self.connection.prepare(query).expect("a query");
            let mut declared =
                |name| statement.query_row([table, name], |row| row.get(0)).expect("the column is there");
            return columns.iter().map(|name| declared(name)).collect();
        };
        let types = server.sql(&format!(
            "SELECT json_object_agg(attname, format_type(atttypid, NULL)) FROM pg_attribute WHERE attrelid = '{table}'::regclass"
        ));
        let mut types: HashMap<String, String> = serde_json::from_str(&types).expect("an object");
        columns.iter().map(|name| types.remove(name).expect("the column is there")).collect()
    }

    /// Line and these columns of every row, in the order in which they went in.
    pub fn rows(&self, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
        let columns = columns.iter().map(|column| format!("\"{}\"", column.replace('"', "\"\"")));
        let columns: Vec<String> = std::iter::once("_line".to_owned()).chain(columns).collect();
        let Some(server) = &self.server else { return self.rows_of_sqlite(table, &columns) };
        let columns: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
        let query = format!("SELECT json_build_array({}) FROM \"{table}\" ORDER BY ctid", columns.join(", "));
        let row = |line: &str| {
            let cells: Vec<Option<String>> = serde_json::from_str(line).expect("an array of texts");
            cells.into_iter().map(|cell| cell.map_or(Value::Null, Value::Text)).collect()
        };
        server.sql(&query).lines().map(row).collect()
    }

    fn rows_of_sqlite(&self, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
        let query = format!("SELECT {} FROM \"{table}\" ORDER BY rowid", columns.join(", "));
        let mut statement = self.connection.prepare(&query).expect("the columns are there");
        let rows = statement.query_map((), |row| (0..columns.len()).map(|column| row.get(column)).collect());
        rows.expect("a query").map(|row| row.expect("a row")).collect()
    }
}
