//! One record of a file, whatever its format: cells by column, borrowed from the reader's buffers.

use std::borrow::Cow;
use std::ops::Range;

use super::object::KEY;
use super::reject::Refused;
use super::source::RECORD_BYTES_MAX;
use crate::fault::Reason;

/// A cell as the file has it, before any type is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'r> {
    /// An unquoted empty CSV field, a JSON `null`, a key that is not there.
    Null,
    /// A CSV field: CSV has no types, so any type that its text allows.
    Field(&'r str),
    /// A JSON string, decoded.
    String(&'r str),
    /// A JSON number, by its literal.
    Number(&'r str),
    /// `true` or `false` of JSON.
    Boolean(&'r str),
    /// A JSON object or array, by its text.
    Nested(&'r str),
}

impl<'r> Cell<'r> {
    /// The text, where there is any.
    pub fn text(self) -> Option<&'r str> {
        match self {
            Self::Null => None,
            Self::Field(text) | Self::String(text) | Self::Number(text) | Self::Boolean(text) | Self::Nested(text) => {
                Some(text)
            }
        }
    }
}

/// What a [`Span`] holds. The cells of [`Cell`] without their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// [`Cell::Null`]
    Null,
    /// [`Cell::Field`]
    Field,
    /// [`Cell::String`]
    String,
    /// [`Cell::Number`]
    Number,
    /// [`Cell::Boolean`]
    Boolean,
    /// [`Cell::Nested`]
    Nested,
}

/// Where a cell's text lies. Small, since one is made for every cell: a record is never so long that its places need more.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// What it holds.
    pub holds: Holds,
    /// In [`Record::rewritten`] (it had escapes), not in [`Record::raw`].
    pub rewritten: bool,
    start: u32,
    end: u32,
}

impl Span {
    /// A cell with no value.
    pub const NULL: Self = Self { holds: Holds::Null, rewritten: false, start: 0, end: 0 };

    /// In [`Record::raw`].
    #[inline]
    pub fn raw(holds: Holds, bytes: Range<usize>) -> Self {
        Self { holds, rewritten: false, start: place(bytes.start), end: place(bytes.end) }
    }

    /// In [`Record::rewritten`].
    pub fn rewritten(holds: Holds, bytes: Range<usize>) -> Self {
        Self { rewritten: true, ..Self::raw(holds, bytes) }
    }

    /// Which bytes it takes.
    #[inline]
    pub fn bytes(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

const _: () = assert!(RECORD_BYTES_MAX < u32::MAX as usize / 2);

#[inline]
fn place(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

/// Records of a file, one after the other.
pub trait Records {
    /// The next one. `None`: the file has ended, and every byte of it was read.
    fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>>;
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// The physical line on which it starts, counted from 1.
    pub line: u64,
    /// Its number among the records, counted from 1, where lines don't tell them apart.
    pub number: Option<u64>,
    /// Under which it lies, where records are the members of an object.
    pub key: Option<&'r str>,
    /// The names of the columns, as far as they are known.
    pub names: &'r [String],
    /// Its text as the file has it.
    pub raw: &'r str,
    /// The texts of the cells that had escapes, decoded.
    pub rewritten: &'r str,
    /// Its cells, in the order of the reader's column names.
    pub spans: &'r [Span],
}

impl<'r> Record<'r> {
    /// The reason, at this record.
    pub fn place(&self, mut reason: Reason) -> Reason {
        if let Some(number) = self.number {
            reason.text = format!("record {number}: {}", reason.text);
        }
        reason.at_line(self.line)
    }

    /// Its text, to be read again: see [`alone`].
    pub fn text(&self) -> Cow<'r, str> {
        if self.number.is_some() { alone(self.raw, self.key) } else { self.raw.into() }
    }

    /// The cell of the column with this number; NULL where the record ends before it.
    pub fn cell(&self, column: usize) -> Cell<'r> {
        let span = self.spans.get(column).unwrap_or(&Span::NULL);
        let text = &(if span.rewritten { self.rewritten } else { self.raw })[span.bytes()];
        match span.holds {
            Holds::Null => Cell::Null,
            Holds::Field => Cell::Field(text),
            Holds::String => Cell::String(text),
            Holds::Number => Cell::Number(text),
            Holds::Boolean => Cell::Boolean(text),
            Holds::Nested => Cell::Nested(text),
        }
    }
}

/// The text of an object of a JSON document as one that stands alone, on one line. `key`: under which it lies, where
/// that is a column.
pub fn alone<'r>(raw: &'r str, key: Option<&str>) -> Cow<'r, str> {
    // Within a string there is no line break.
    let line = if raw.contains(['\n', '\r']) { Cow::Owned(raw.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(raw) };
    match (key, line.strip_prefix('{')) {
        (Some(key), Some(members)) => {
            let comma = if members.trim_start().starts_with('}') { "" } else { ", " };
            format!("{{\"{KEY}\": {}{comma}{members}", serde_json::Value::from(key)).into()
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_a_document_stands_on_one_line_with_its_key() {
        assert_eq!(alone("{\"a\": 1}", None), "{\"a\": 1}");
        assert_eq!(alone("{\n  \"a\":\r\n 1}", None), "{   \"a\":   1}");
        assert_eq!(alone("{\"a\": 1}", Some("k\"1")), "{\"_key\": \"k\\\"1\", \"a\": 1}");
        assert_eq!(alone("{ }", Some("k")), "{\"_key\": \"k\" }");
        assert_eq!(alone("5", Some("k")), "5");
    }
}
