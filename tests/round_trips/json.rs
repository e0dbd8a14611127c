//! Writes JSON: a line each, an array, or an object of objects, anywhere in a document.

use fastrand::Rng;

use super::cells::{Cell, Row};
use super::csv::ENDS;
use super::text::Text;
use super::variant::{Coding, Format, Variant};

/// Where a file is written.
pub struct Writer<'c> {
    coding: Coding,
    random: &'c mut Rng,
    text: Text,
    /// What may stand between two tokens.
    blanks: &'static [&'static str],
}

const WITHIN_LINES: &[&str] = &["", "", " ", "\t"];
const ANYWHERE: &[&[&str]] = &[&[""], &["", " ", "\n"], &["", "\r\n  ", "\t"], &["", "\r", "\n", "\r\n", "\n\n  "]];

/// Where the records lie in a document around them.
pub const WITHIN: &str = "/da~1ta/1";
const BEFORE: &str = "{\"x\": [{}, \"]}\", [[]]], \"da/ta\": [null,";
const BEHIND: &str = ", 2], \"y\": {\"z\": [-1e5]}}";

impl<'c> Writer<'c> {
    pub fn new(variant: Variant, random: &'c mut Rng) -> Self {
        let Variant { format, coding, .. } = variant;
        let blanks =
            if format == Format::Ndjson { WITHIN_LINES } else { random.choice(ANYWHERE).expect("it has some") };
        Self { coding, random, text: Text::default(), blanks }
    }

    pub fn lines(mut self, names: &[String], rows: &[Row]) -> Text {
        let ends = *self.random.choice(&ENDS).expect("it has some");
        for row in rows {
            if self.random.u8(..8) == 0 {
                self.text.line(if self.random.bool() { " \t" } else { "" }, ends, self.random);
            }
            self.blank();
            self.object(names, row);
            self.blank();
            self.text.line("", ends, self.random);
        }
        self.text
    }

    /// `keys`: of the objects, where they lie in an object. `is_within`: in a larger document.
    pub fn document(mut self, names: &[String], rows: &[Row], keys: Option<&[String]>, is_within: bool) -> Text {
        let (open, close) = if keys.is_some() { ("{", "}") } else { ("[", "]") };
        self.text.push(if is_within { BEFORE } else { "" });
        self.blank();
        self.text.push(open);
        for (number, row) in rows.iter().enumerate() {
            self.text.push(if number > 0 { "," } else { "" });
            self.blank();
            if let Some(keys) = keys {
                self.key(&keys[number]);
            }
            self.object(names, row);
            self.blank();
        }
        self.text.push(close);
        self.text.push(if is_within { BEHIND } else { "" });
        self.blank();
        self.text
    }

    fn blank(&mut self) {
        let blank = self.random.choice(self.blanks).expect("it has some");
        self.text.push(blank);
    }

    fn object(&mut self, names: &[String], row: &Row) {
        self.text.record();
        self.text.push("{");
        let mut members: Vec<(&String, &Option<Cell>)> = names.iter().zip(row).collect();
        self.random.shuffle(&mut members);
        // NULL is a key that isn't there, or null.
        members.retain(|(_, cell)| cell.is_some() || self.random.bool());
        for (number, (name, cell)) in members.into_iter().enumerate() {
            self.text.push(if number > 0 { "," } else { "" });
            self.blank();
            self.key(name);
            match cell {
                None => self.text.push("null"),
                Some(cell) if cell.bare => self.text.push(&cell.text),
                Some(cell) => self.string(&cell.text),
            }
            self.blank();
        }
        self.text.push("}");
    }

    fn key(&mut self, key: &str) {
        self.string(key);
        self.blank();
        self.text.push(":");
        self.blank();
    }

    fn string(&mut self, text: &str) {
        let escaped = self.random.u8(..3);
        self.text.push("\"");
        for char in text.chars() {
            let must = char < ' ' || "\"\\".contains(char) || !self.coding.holds(char);
            let escape = if must || escaped == 0 { self.escape(char) } else { char.to_string() };
            self.text.push(&escape);
        }
        self.text.push("\"");
    }

    fn escape(&mut self, char: char) -> String {
        let short = match char {
            '"' | '\\' | '/' => Some(char),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        if let Some(short) = short.filter(|_| self.random.bool()) {
            return format!("\\{short}");
        }
        let units = char.encode_utf16(&mut [0; 2]).to_vec();
        let upper = self.random.bool();
        units.iter().map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }).collect()
    }
}
