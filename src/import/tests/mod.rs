//! Files through process and commit, into a real SQLite file.

mod batches;
mod contract;
mod expressions;
mod formats;
mod large;
mod locks;
mod modes;
mod new_columns;
mod references;
mod rejects;
mod replays;
mod types;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use tempfile::TempDir;

use super::sqlite::Database;
use super::*;
use crate::settings::Duplicates;

/// A folder `orders` that imports into the table `orders` of a database in a directory of its own.
struct Orders {
    directory: TempDir,
    import: Import,
    target: Arc<Database>,
    files: i64,
}

impl Orders {
    fn new() -> Self {
        Self::reading(&settings("orders"))
    }

    /// With files read like this.
    fn reading(settings: &settings::Import) -> Self {
        let directory = TempDir::new().unwrap();
        let target = Targets::default().file(&directory.path().join("orders.db")).unwrap();
        let import = Import::new("orders", settings, target.clone()).unwrap();
        Self { directory, import, target, files: 0 }
    }

    /// With a table that the user made.
    fn with(sql: &str) -> Self {
        let orders = Self::new();
        orders.sql().execute_batch(sql).unwrap();
        orders
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("orders.db")
    }

    /// Another program's connection.
    fn sql(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }

    /// A file, processed.
    fn load(&mut self, name: &str, content: impl AsRef<[u8]>) -> Result<Load, Fault> {
        self.load_named(OsStr::new(name), content.as_ref(), Duplicates::ByContent)
    }

    fn load_named(&mut self, name: &OsStr, content: &[u8], duplicates: Duplicates) -> Result<Load, Fault> {
        self.files += 1;
        let path = self.directory.path().join(format!("{}.file", self.files));
        fs::File::create_new(&path).unwrap().write_all(content).unwrap();
        let file = fs::File::open(&path).unwrap();
        let checked = self.import.process(&file, name)?;
        let identity = identity(&file);
        let (id, name) = (FileId(self.files), name.to_owned());
        Ok(Load { id, name, identity, file: file.into(), checked, duplicates, replaces: None })
    }

    /// One file through both stages, alone.
    fn import(&mut self, name: &str, content: impl AsRef<[u8]>) -> Result<Outcome, Fault> {
        let load = self.load(name, content)?;
        Ok(self.import.commit(&[load])?.remove(0))
    }

    /// How the file is refused, in either stage.
    fn refused(&mut self, name: &str, content: impl AsRef<[u8]>) -> String {
        match self.import(name, content) {
            Err(fault @ Fault::Permanent(_)) | Ok(Outcome::Refused(fault @ Fault::Permanent(_))) => fault.to_string(),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// What a query answers, every row as one text.
    fn rows(&self, query: &str) -> Vec<String> {
        let connection = self.sql();
        let mut statement = connection.prepare(query).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map((), |row| {
            let cells: Vec<String> = (0..columns).map(|at| shown(row.get(at).unwrap())).collect();
            Ok(cells.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn declared(&self) -> Vec<String> {
        self.rows("SELECT name, type FROM pragma_table_info('orders')")
    }
}

fn shown(value: Sql) -> String {
    match value {
        Sql::Null => "NULL".to_owned(),
        Sql::Integer(integer) => integer.to_string(),
        Sql::Real(real) => format!("{real:?}"),
        Sql::Text(text) => format!("'{text}'"),
        Sql::Blob(bytes) => format!("{bytes:?}"),
    }
}

fn settings(table: &str) -> settings::Import {
    settings::Import::into_table(table)
}

fn identity(file: &fs::File) -> Identity {
    let metadata = file.metadata().unwrap();
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        born_ns: born.map_or(0, |born| i64::try_from(born.as_nanos()).unwrap()),
        size: metadata.len(),
        mtime_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
    }
}

fn loaded(rows: u64) -> Outcome {
    Outcome::Loaded { rows, rejects: 0, effect: Effect::default() }
}

#[test]
fn a_first_file_makes_the_table_and_its_rows_say_where_they_came_from() {
    let mut orders = Orders::new();
    let content = "id,amount,paid,day,at,code,note\n1,1.50,true,2026-11-22,2026-11-22T03:04:05Z,00417,\n2,7,false,2026-11-23,2026-11-22 03:04:06+01:00,1e5,\"\"\n";
    assert_eq!(orders.import("a.csv", content).unwrap(), loaded(2));
    assert_eq!(
        orders.declared(),
        [
            "'_file_id'|'INTEGER'",
            "'_line'|'INTEGER'",
            "'id'|'INTEGER'",
            "'amount'|'REAL'",
            "'paid'|'BOOLEAN'",
            "'day'|'DATE'",
            "'at'|'TIMESTAMP'",
            "'code'|'TEXT'",
            "'note'|'TEXT'",
        ]
    );
    assert_eq!(
        orders.rows("SELECT * FROM orders"),
        [
            "1|2|1|1.5|1|'2026-11-22'|'2026-11-22T03:04:05Z'|'00417'|NULL",
            "1|3|2|7.0|0|'2026-11-23'|'2026-11-22 03:04:06+01:00'|'1e5'|''",
        ]
    );
}

#[test]
fn ndjson_lines_become_rows() {
    let mut orders = Orders::new();
    let content = r#"{"id": 1, "note": "x", "tags": ["a", 1]}
{"big": 18446744073709551616, "note": null, "id": 2, "odd": 1e400}
"#;
    assert_eq!(orders.import("a.ndjson", content).unwrap(), loaded(2));
    let expected = ["1|'x'|'[\"a\", 1]'|NULL|NULL", "2|NULL|NULL|'18446744073709551616'|'1e400'"];
    assert_eq!(orders.rows("SELECT id, note, tags, big, odd FROM orders"), expected);
    assert_eq!(
        orders.refused("b.ndjson", "{\"id\": 3}\n{\"id\": 1e400}\n"),
        r#"line 2, column id: "1e400" is not an integer"#
    );
    assert_eq!(
        orders.refused("c.ndjson", r#"{"id": "12"}"#),
        r#"line 1, column id: the JSON string "12" is not an integer"#
    );
    assert_eq!(orders.refused("d.ndjson", "{}\n{}\n{\"new\": 1}"), NEW_COLUMN);
}

const NEW_COLUMN: &str = r#"line 3: new column "new": the table "orders" has no such column"#;

#[test]
fn objects_without_any_key_make_no_table() {
    let mut orders = Orders::new();
    assert_eq!(orders.refused("a.ndjson", "{}\n{}\n"), "no object has a key: there is nothing to import");
    orders.import("b.ndjson", r#"{"id": 1}"#).unwrap();
    assert_eq!(orders.import("c.ndjson", "{}\n").unwrap(), loaded(1));
    assert_eq!(orders.rows("SELECT _line, id FROM orders"), ["1|1", "1|NULL"]);
}

/// The control is the file behind it, of which one object has a key.
#[test]
fn objects_without_any_key_are_refused_where_the_table_would_get_nothing_of_them() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER, note TEXT)");
    for (name, content) in [("a.ndjson", "{}\n"), ("b.json", "[{}, {}]")] {
        assert_eq!(orders.refused(name, content), "no object has a key: there is nothing to import");
    }
    assert_eq!(orders.import("c.ndjson", "{}\n{\"id\": 1}\n").unwrap(), loaded(2));
    assert_eq!(orders.rows("SELECT * FROM orders"), ["NULL|NULL", "1|NULL"]);
}

// fault 19, fault 54
#[test]
fn files_without_rows_succeed_and_touch_no_table() {
    let mut orders = Orders::new();
    assert_eq!(orders.import("a.csv", "").unwrap(), loaded(0));
    assert_eq!(orders.import("b.csv", "id,amount\n").unwrap(), loaded(0));
    assert!(orders.declared().is_empty());
    assert_eq!(orders.rows("SELECT id, name, rows FROM _importerd_files"), ["1|'a.csv'|0", "2|'b.csv'|0"]);
    orders.import("c.csv", "id\n1\n").unwrap();
    assert_eq!(orders.import("d.csv", "\u{feff}id\n").unwrap(), loaded(0));
    assert!(orders.refused("e.csv", "id,more\n").starts_with("new column"));
}

// fault 47, fault 53
#[test]
fn a_byte_order_mark_and_other_delimiters_are_no_matter() {
    let mut orders = Orders::new();
    orders.import("a.csv", "\u{feff}id;amount\n1;2,5\n").unwrap();
    assert_eq!(orders.rows("SELECT id, amount FROM orders"), ["1|'2,5'"]);
    assert_eq!(
        orders.refused("b.csv", "id,amount\n1,2\n"),
        r#"line 1: fields are separated by ",", in this folder's earlier files by ";""#
    );
}

// fault 47
#[test]
fn a_second_byte_order_mark_is_no_part_of_a_name() {
    let mut orders = Orders::new();
    let why = r#"line 1: the name of column 1 begins with a byte order mark: "\u{feff}id""#;
    assert_eq!(orders.refused("a.csv", "\u{feff}\u{feff}id,amount\n1,2\n"), why);
    assert_eq!(orders.refused("b.csv", "\"\u{feff}id\",amount\n1,2\n"), why);
    assert_eq!(orders.refused("c.ndjson", "{\"\u{feff}id\": 1}\n"), why);
    let utf16: Vec<u8> = "\u{feff}\u{feff}id\n1\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(orders.refused("d.csv", utf16), why);
    let why = why.replace("line 1: ", "line 2: ").replace("column 1", "column 2");
    assert_eq!(orders.refused("e.csv", "\nat,\u{feff}id\n1,2\n"), why);
    assert!(orders.declared().is_empty());
}

// fault 58, fault 59, fault 60
#[test]
fn hostile_names_and_cells_are_stored_as_they_are() {
    let directory = TempDir::new().unwrap();
    let table = "x\"; DROP TABLE _importerd_files; --";
    let target = Targets::default().file(&directory.path().join("odd.db")).unwrap();
    let import = Import::new("odd", &settings(table), target.clone()).unwrap();
    let mut orders = Orders { directory, import, target, files: 0 };
    let content = "\"a\"\") ; drop table\",select\n=1+cmd|' /C calc',\\.\n";
    let load = orders.load("a.csv", content).unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [loaded(1)]);
    let connection = Connection::open(orders.directory.path().join("odd.db")).unwrap();
    let query = r#"SELECT "a"") ; drop table" || "select" FROM "x""; DROP TABLE _importerd_files; --""#;
    let text: String = connection.query_row(query, (), |row| row.get(0)).unwrap();
    assert_eq!(text, "=1+cmd|' /C calc'\\.");
}

// fault 25
#[test]
fn a_name_that_is_not_utf8_comes_back_by_its_bytes() {
    let mut orders = Orders::new();
    let name = OsStr::from_bytes(b"a\xff.csv");
    let load = orders.load_named(name, b"id\n1\n", Duplicates::ByName).unwrap();
    let identity = load.identity;
    orders.import.commit(&[load]).unwrap();
    assert_eq!(orders.import.marker(&identity).unwrap().unwrap().name, name);
    let again = orders.load_named(name, b"id\n2\n", Duplicates::ByName).unwrap();
    assert!(matches!(&orders.import.commit(&[again]).unwrap()[0], Outcome::Duplicate { of } if of.id == FileId(1)));
}

/// Too big to be kept: read again inside the transaction.
#[test]
fn a_large_first_file_is_streamed_and_typed_by_every_row() {
    let mut orders = Orders::new();
    let mut content = String::from("id,code,note\n");
    let rows = 40_000;
    let note = "x".repeat(450);
    for id in 0..rows {
        writeln!(content, "{id},{},{note}", if id == rows - 1 { "007" } else { "7" }).unwrap();
    }
    assert!(content.len() > KEPT_BYTES_MAX);
    let load = orders.load("big.csv", &content).unwrap();
    assert_eq!((load.checked.kept_bytes(), load.checked.rows()), (0, rows));
    assert_eq!(orders.import.commit(&[load]).unwrap(), [loaded(rows)]);
    assert_eq!(orders.declared()[2..], ["'id'|'INTEGER'", "'code'|'TEXT'", "'note'|'TEXT'"]);
    assert_eq!(
        orders.rows("SELECT count(*), sum(id), max(_line), count(DISTINCT code) FROM orders"),
        ["40000|799980000|40001|2"]
    );
    // And one that is checked against the table.
    content.push_str("x,1,2\n");
    assert_eq!(orders.refused("bigger.csv", &content), r#"line 40002, column id: "x" is not an integer"#);
}

fn refusal(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(Fault::Permanent(reason)) => reason.code,
        other => panic!("not refused: {other:?}"),
    }
}
