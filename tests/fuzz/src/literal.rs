//! Types: what is certainly a value comes back as the text that it was, also out of SQLite; and a column's type, found from
//! its values, takes each of them.

use std::cell::RefCell;

use importerd::import::fuzz::{Cell, Guess, Type, Value, as_made, type_of};
use jiff::civil;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

use crate::input::is_planted;

/// Types as a table declares them.
const DECLARED: [&str; 9] =
    ["INTEGER", "REAL", "BOOLEAN", "DATE", "TIMESTAMP", "NUMERIC", "DECIMAL TEXT", "TEXT", "STRING"];

/// The values of a column, a line each.
pub fn look(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if text.contains('\0') {
        return;
    }
    let fields: Vec<&str> = text.split('\n').collect();
    let kinds: [for<'t> fn(&'t str) -> Cell<'t>; 3] = [|text| Cell::Field(text), |text| Cell::String(text), number];
    for kind in kinds {
        let cells: Vec<Cell<'_>> = fields.iter().map(|text| kind(text)).collect();
        let mut guess = Guess::ANY;
        for &cell in &cells {
            guess.see(cell, '.');
        }
        let found = as_made(guess.settle());
        assert_eq!(found, as_made(found), "as it is declared, and read back");
        for &cell in &cells {
            let value = found.read(cell).unwrap_or_else(|| panic!("{found:?} was found, and refuses {cell:?}"));
            // Found without anybody's word, a type keeps every digit.
            certain(found, cell, spoilt(value));
        }
    }
    for declared in DECLARED {
        for text in &fields {
            stored(declared, text);
        }
    }
}

/// Only what the parser lets through is a number of JSON.
fn number(text: &str) -> Cell<'_> {
    let is_number = serde_json::from_str::<&serde_json::value::RawValue>(text)
        .is_ok_and(|raw| raw.get() == text && text.starts_with(|first: char| first == '-' || first.is_ascii_digit()));
    if is_number { Cell::Number(text) } else { Cell::String(text) }
}

/// The text of a value is that of its cell.
fn certain(kind: Type, cell: Cell<'_>, value: Value<'_>) {
    let text = cell.text().expect("no cell here is NULL");
    match (kind, value) {
        (Type::Integer, Value::Integer(integer)) => assert_eq!(integer.to_string(), text),
        (Type::Boolean, Value::Integer(integer)) => assert_eq!(text.to_ascii_lowercase(), (integer == 1).to_string()),
        (Type::Real, Value::Real(real)) => {
            assert_eq!(digits(&format!("{real:e}")), digits(text), "{text}");
            assert!(!(real == 0.0 && text.starts_with('-')), "SQLite knows no negative zero: {text}");
        }
        (Type::Date, Value::Text(date)) => {
            assert_eq!(date, text);
            let day: civil::Date = date.parse().unwrap_or_else(|error| panic!("jiff: {date}: {error}"));
            assert_eq!(day.to_string(), date);
        }
        (Type::Moment, Value::Text(time)) => {
            assert_eq!(time, text);
            let clock: civil::DateTime = time[..19].parse().unwrap_or_else(|error| panic!("jiff: {time}: {error}"));
            assert_eq!(clock.to_string(), time[..19].replace(' ', "T"));
        }
        (Type::Text | Type::Decimal, Value::Text(stored)) => assert_eq!(stored, text),
        other => panic!("{text:?} became {other:?}"),
    }
}

/// A number's sign, its digits from the first to the last that isn't 0, and the exponent behind the first.
fn digits(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let unsigned = mantissa.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(0);
    let first = i64::try_from(whole.len()).unwrap_or(0) - i64::try_from(all.len() - significant.len()).unwrap_or(0);
    let exponent = if significant.is_empty() { 0 } else { exponent + first };
    (mantissa.starts_with('-'), significant.trim_end_matches('0').to_owned(), exponent)
}

thread_local! {
    static DATABASE: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// SQLite keeps the value as it is given to a column declared like this: what it makes of a text by affinity is no other
/// value. (But it knows no negative zero.)
fn stored(declared: &str, text: &str) {
    let Some(value) = type_of(declared).read(Cell::Field(text)) else { return };
    DATABASE.with_borrow_mut(|database| {
        let database = database.get_or_insert_with(connect);
        let insert = format!("INSERT INTO t (rowid, \"{declared}\") VALUES (1, ?1) RETURNING \"{declared}\"");
        let got: Sql = database
            .prepare_cached(&insert)
            .and_then(|mut insert| insert.query_row(params![value], |row| row.get(0)))
            .expect("SQLite takes it");
        database.prepare_cached("DELETE FROM t").and_then(|mut delete| delete.execute(())).expect("SQLite empties it");
        let same = match (&got, value) {
            (Sql::Integer(got), Value::Integer(given)) => *got == given,
            (Sql::Real(got), Value::Real(given)) => got.total_cmp(&(given + 0.0)).is_eq(),
            // NUMERIC stores a whole real number as an integer, when it is the same.
            (Sql::Integer(got), Value::Real(given)) => {
                got.to_string() == (given + 0.0).to_string() && declared == "NUMERIC"
            }
            (Sql::Text(got), Value::Text(given)) => got == given,
            _ => false,
        };
        assert!(same, "{declared}: {text:?} is {value:?}, and SQLite has {got:?}");
    });
}

fn connect() -> Connection {
    let database = Connection::open_in_memory().expect("memory");
    let columns: Vec<String> = DECLARED.iter().map(|declared| format!("\"{declared}\" {declared}")).collect();
    database.execute_batch(&format!("CREATE TABLE t ({})", columns.join(", "))).expect("a table");
    database
}

/// Planted: the last day of February is another.
fn spoilt(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(text) if is_planted() && text.len() == 10 && text.ends_with("-02-29") => Value::Text("2023-02-29"),
        value => value,
    }
}
