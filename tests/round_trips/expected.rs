//! What a row of the table must be.

use rusqlite::types::Value;

use super::cells::{Cell, Kind, Row, number, time};

pub struct Expected<'c> {
    pub kinds: &'c [Kind],
    pub line: u64,
    /// Of an object that lies in an object.
    pub key: Option<&'c str>,
    pub row: &'c Row,
    pub is_json: bool,
}

impl Expected<'_> {
    /// With a row that is there: line, key, cells. `is_sqlite`: times stand as they were written, numbers have their type.
    pub fn compare(&self, got: &[Value], is_sqlite: bool) -> Result<(), String> {
        let line = shown(&got[0]);
        if line != self.line.to_string() {
            return Err(format!("line {line}, it is on line {}", self.line));
        }
        let key = self.key.map(|key| Value::Text(key.to_owned()));
        if key.as_ref().is_some_and(|key| *key != got[1]) {
            return Err(format!("key {:?}, it is {key:?}", got[1]));
        }
        let cells = &got[1 + usize::from(key.is_some())..];
        for ((kind, cell), got) in self.kinds.iter().zip(self.row).zip(cells) {
            let same = match cell {
                None => *got == Value::Null,
                Some(cell) if is_sqlite => is_same(*kind, cell, got, self.is_json),
                Some(cell) => matches!(got, Value::Text(got) if is_told(*kind, cell, got, self.is_json)),
            };
            if !same {
                return Err(format!("{kind:?} {cell:?} became {got:?}"));
            }
        }
        Ok(())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Integer(integer) => integer.to_string(),
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// As SQLite keeps it.
fn is_same(kind: Kind, cell: &Cell, got: &Value, is_json: bool) -> bool {
    // A string of JSON is no number, whatever it looks like.
    let is_text = is_json && !cell.bare;
    match got {
        Value::Text(got) => !matches!(kind, Kind::Integer | Kind::Real | Kind::Boolean) && *got == cell.text,
        Value::Integer(integer) if kind == Kind::Boolean => cell.text == ["false", "true"][usize::from(*integer != 0)],
        Value::Integer(integer) if kind == Kind::Mixed && !is_text => {
            cell.text == integer.to_string()
                || cell.text.eq_ignore_ascii_case(if *integer == 1 { "true" } else { "false" })
        }
        Value::Integer(integer) => kind == Kind::Integer && cell.text == integer.to_string(),
        // A real number's shortest text says all of it.
        Value::Real(real) => {
            matches!(kind, Kind::Real | Kind::Mixed) && !is_text && number(&cell.text) == number(&format!("{real:e}"))
        }
        Value::Null | Value::Blob(_) => false,
    }
}

/// As PostgreSQL tells it: other words for the same.
fn is_told(kind: Kind, cell: &Cell, got: &str, is_json: bool) -> bool {
    let is_time = matches!(kind, Kind::Local | Kind::Moment | Kind::Mixed) && time(&cell.text).is_some();
    let is_number = kind == Kind::Mixed && (cell.bare || !is_json) && number(&cell.text).is_some();
    let is_word = kind == Kind::Mixed && (cell.bare || !is_json) && ["true", "false"].contains(&got);
    got == cell.text
        || (is_time && time(&cell.text) == time(got))
        || (is_number && number(&cell.text) == number(got))
        || (is_word && cell.text.eq_ignore_ascii_case(got))
}
