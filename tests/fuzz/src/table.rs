//! A whole import, of any bytes: what is read is in the table that was made for it, cell by cell; and types that were found in a file
//! refuse none of its values.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::sync::Arc;

use importerd::file::{FileId, Identity};
use importerd::import::fuzz::{Cuts, Holds, Records};
use importerd::import::{Import, Load, Outcome, Place, Target, Targets};
use importerd::settings::{self, Duplicates};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use tempfile::TempDir;

use crate::input::{Choices, file, import, is_planted, read, reason};

/// After so many imports there is a new database: the old one has a load marker of each.
const IMPORTS_MAX: i64 = 2_000;

/// Why a file is refused that can be read.
const REFUSED: [&str; 1] = ["no_columns"];

struct Site {
    directory: TempDir,
    target: Arc<dyn Target>,
    imports: i64,
}

thread_local! {
    static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
}

pub fn look(input: &[u8]) {
    let mut choices = Choices(input);
    let name = choices.of(&["a.csv", "a.ndjson", "a.json", "a.tsv", "a"]);
    let content = choices.0;
    let settings = import();
    let records = read(content, Cuts::NONE, name, &settings);
    SITE.with_borrow_mut(|site| {
        if site.as_ref().is_none_or(|site| site.imports == IMPORTS_MAX) {
            *site = Some(Site::new());
        }
        let site = site.as_mut().expect("it is there");
        match (site.load(content, name, &settings), records) {
            (Ok(rows), Ok(records)) => {
                assert_eq!(rows, records.rows.len() as u64);
                site.compare(&records);
            }
            (Err(code), Ok(records)) => {
                assert!(REFUSED.contains(&code), "{code}: what can be read is refused: {records:?}");
            }
            (Err(code), Err(reason)) => assert_eq!(code, reason.code),
            (Ok(rows), Err(reason)) => panic!("{rows} rows of what can't be read: {reason}"),
        }
    });
}

impl Site {
    fn new() -> Self {
        let directory = TempDir::new_in("/dev/shm").expect("a directory in memory");
        let target = Targets::default().open(&Place::Sqlite(directory.path().join("rows.db"))).expect("a database");
        Self { directory, target, imports: 0 }
    }

    fn load(&mut self, content: &[u8], name: &str, settings: &settings::Import) -> Result<u64, &'static str> {
        self.imports += 1;
        self.sql().execute_batch("DROP TABLE IF EXISTS t").expect("no table");
        let folder = Import::new("drop", settings, Arc::clone(&self.target)).expect("a folder");
        let (file, name) = (file(content), OsStr::new(name));
        let checked = folder.process(&file, name).map_err(|fault| reason(fault).code)?;
        let identity = Identity {
            device: 0,
            inode: self.imports.cast_unsigned(),
            born_ns: 0,
            size: content.len() as u64,
            mtime_ns: 0,
        };
        let load = Load {
            id: FileId(self.imports),
            name: name.to_owned(),
            identity,
            file: file.into(),
            checked,
            duplicates: Duplicates::Allow,
            replaces: None,
        };
        match folder.commit(&[load]).expect("nothing is wrong with the world").remove(0) {
            Outcome::Loaded { rows, .. } => Ok(rows),
            Outcome::Refused(fault) => Err(reason(fault).code),
            other => panic!("no file was there before: {other:?}"),
        }
    }

    fn sql(&self) -> Connection {
        Connection::open(self.directory.path().join("rows.db")).expect("a connection")
    }

    fn compare(&self, records: &Records) {
        if records.rows.is_empty() {
            return;
        }
        let sql = self.sql();
        let columns: Vec<String> =
            records.names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let query = format!("SELECT _line, {} FROM t ORDER BY rowid", columns.join(", "));
        let mut statement = sql.prepare(&query).expect("the columns are there");
        let mut rows = statement.query(()).expect("a query");
        for (line, cells) in &records.rows {
            let row = rows.next().expect("a row").unwrap_or_else(|| panic!("line {line} is not in the table"));
            assert_eq!(row.get::<_, i64>(0).expect("a line"), line.cast_signed());
            for column in 0..records.names.len() {
                let got: Sql = row.get(column + 1).expect("a cell");
                let null = (Holds::Null, String::new());
                let cell = cells.get(column).unwrap_or(&null);
                assert!(is_same(cell, &spoilt(got.clone())), "line {line}, column {column}: {cell:?} became {got:?}");
            }
        }
        assert!(rows.next().expect("no error").is_none(), "more rows than records");
    }
}

fn is_same((holds, text): &(Holds, String), got: &Sql) -> bool {
    match got {
        Sql::Null => *holds == Holds::Null,
        Sql::Integer(integer) if text.eq_ignore_ascii_case("true") => *integer == 1,
        Sql::Integer(integer) if text.eq_ignore_ascii_case("false") => *integer == 0,
        Sql::Integer(integer) => *text == integer.to_string(),
        Sql::Real(real) => text.parse::<f64>().is_ok_and(|number| number.to_string() == real.to_string()),
        Sql::Text(got) => got == text && *holds != Holds::Null,
        Sql::Blob(_) => false,
    }
}

/// Planted: what is one above the largest integer of a real number is one less.
fn spoilt(got: Sql) -> Sql {
    match got {
        Sql::Integer(9_007_199_254_740_993) if is_planted() => Sql::Integer(9_007_199_254_740_992),
        got => got,
    }
}
