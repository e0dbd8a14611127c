//! Mistakes that readers make, each of which must be noticed.

use super::case::Plant;
use super::cells::{Cell, Kind, Row};

pub const PLANTS: [(&str, Plant); 11] = [
    ("zeros in front are lost", |kinds, rows| {
        texts(kinds, rows, Kind::Code, |text| text.trim_start_matches('0').to_owned());
    }),
    ("integers go through a real number", |kinds, rows| {
        texts(kinds, rows, Kind::Integer, |text| real(text).to_string());
    }),
    ("decimals go through a real number", |kinds, rows| {
        texts(kinds, rows, Kind::Decimal, |text| real(text).to_string());
    }),
    ("an offset is taken for UTC", |kinds, rows| {
        texts(kinds, rows, Kind::Moment, |text| format!("{}Z", &text[..19]));
    }),
    ("CR becomes LF", |kinds, rows| texts(kinds, rows, Kind::Text, |text| text.replace('\r', "\n"))),
    ("white space at the ends is trimmed", |kinds, rows| {
        texts(kinds, rows, Kind::Text, |text| text.trim_matches(' ').to_owned());
    }),
    ("a byte order mark within is dropped", |kinds, rows| {
        texts(kinds, rows, Kind::Text, |text| text.replace('\u{feff}', ""));
    }),
    ("half a surrogate pair is kept", |kinds, rows| {
        texts(kinds, rows, Kind::Text, |text| text.replace('😀', "\u{fffd}"));
    }),
    ("NULL becomes an empty text", |kinds, rows| {
        let cells = rows.iter_mut().flat_map(|row| row.iter_mut().zip(kinds));
        for (cell, _) in cells.filter(|(_, kind)| **kind == Kind::Text) {
            cell.get_or_insert(Cell { text: String::new(), bare: false });
        }
    }),
    ("an empty text becomes NULL", |_, rows| {
        for cell in rows.iter_mut().flatten() {
            cell.take_if(|cell| cell.text.is_empty());
        }
    }),
    ("the last row is lost", |_, rows| rows.truncate(rows.len() - 1)),
];

fn texts(kinds: &[Kind], rows: &mut [Row], of: Kind, spoil: impl Fn(&str) -> String) {
    for (cell, kind) in rows.iter_mut().flat_map(|row| row.iter_mut().zip(kinds)) {
        if let Some(cell) = cell.as_mut().filter(|_| *kind == of) {
            cell.text = spoil(&cell.text);
        }
    }
}

fn real(text: &str) -> f64 {
    text.parse().expect("a number")
}
