//! One record of a file, whatever its format: cells by column, borrowed from the reader's buffers.

use crate::fault::{Fault, Reason};

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

/// Where a cell's text lies.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// What it holds.
    pub holds: Holds,
    /// In [`Record::rewritten`] (it had escapes), not in [`Record::raw`].
    pub rewritten: bool,
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

impl Span {
    /// A cell with no value.
    pub const NULL: Self = Self { holds: Holds::Null, rewritten: false, start: 0, end: 0 };
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// The physical line on which it starts, counted from 1.
    pub line: u64,
    /// Its number among the records, counted from 1, where lines don't tell them apart.
    pub number: Option<u64>,
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
    pub fn refuse(&self, mut reason: Reason) -> Fault {
        if let Some(number) = self.number {
            reason.text = format!("record {number}: {}", reason.text);
        }
        Fault::Permanent(reason.at_line(self.line))
    }

    /// The cell of the column with this number; NULL where the record ends before it.
    pub fn cell(&self, column: usize) -> Cell<'r> {
        let span = self.spans.get(column).unwrap_or(&Span::NULL);
        let text = &(if span.rewritten { self.rewritten } else { self.raw })[span.start..span.end];
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
