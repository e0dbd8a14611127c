//! Checked rows in flat buffers: how they go from one thread to another, and wait between process and commit.

use super::reject::Rejected;
use super::value::Value;
use crate::fault::{Fault, Reason};

/// The most memory that the kept rows of one file may take, in bytes. A file that needs more is
/// read again at commit.
pub const KEPT_BYTES_MAX: usize = 16 << 20;

/// So much is filled before it goes on, and the record that reaches beyond it.
pub const FULL_BYTES: usize = 256 << 10;

/// Takes checked rows, in the order of the file.
pub trait Sink {
    /// Takes all of these, but for those that can't be taken by their own fault: `refuse` is told of each by its place
    /// among them, in order, and nothing of it was taken. Cells that a row lacks at its end are NULL.
    fn rows(&mut self, rows: &Rows, refuse: &mut dyn FnMut(usize, Reason)) -> Result<(), Fault>;
    /// A record that doesn't fit, with its text.
    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault>;
    /// A record that doesn't fit and is not kept, since the file is refused for it; nothing will be finished any more.
    fn skip(&mut self) {}
}

/// A value without its text: 16 bytes.
#[derive(Debug, Clone, Copy)]
enum Packed {
    Null,
    Integer(i64),
    Real(f64),
    /// Ends here in `text`, and starts where the text before it ends.
    Text(usize),
}

/// Where what belongs to a row ends.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    line: u64,
    cells: usize,
    text: usize,
    record: usize,
}

/// A record that doesn't fit.
#[derive(Debug)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// Its text.
    pub record: String,
}

impl Reject {
    /// As it is kept.
    pub fn rejected(&self) -> Rejected {
        Rejected::of(&self.reason, &self.record)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.record.len() + self.reason.text.len()
    }
}

/// Rows, and the records between them that don't fit.
#[derive(Debug, Default)]
pub struct Rows {
    cells: Vec<Packed>,
    text: String,
    ends: Vec<Row>,
    /// The texts of the rows' records, where somebody may ask for them.
    records: String,
    rejects: Vec<Reject>,
    rejects_bytes: usize,
}

impl Rows {
    /// None yet, and room for those of a text of so many bytes, where it is a small one.
    pub fn with_room(text_bytes: u64) -> Self {
        const ROOM_BYTES_MAX: usize = 64 << 10;
        const CELL_BYTES: usize = 8;
        const ROW_BYTES: usize = 64;
        let bytes = usize::try_from(text_bytes).unwrap_or(usize::MAX).min(ROOM_BYTES_MAX);
        Self {
            cells: Vec::with_capacity(bytes / CELL_BYTES),
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(bytes / ROW_BYTES),
            ..Self::default()
        }
    }

    /// The next cell of the row in hand.
    #[inline]
    pub fn cell(&mut self, value: Value<'_>) {
        self.cells.push(match value {
            Value::Null => Packed::Null,
            Value::Integer(integer) => Packed::Integer(integer),
            Value::Real(real) => Packed::Real(real),
            Value::Text(text) => {
                self.text.push_str(text);
                Packed::Text(self.text.len())
            }
        });
    }

    /// The row in hand is whole; it started on this line, as this text.
    pub fn row(&mut self, line: u64, record: &str) {
        self.records.push_str(record);
        self.ends.push(Row { line, cells: self.cells.len(), text: self.text.len(), record: self.records.len() });
    }

    /// A record that doesn't fit. The cells since the last row were its own.
    pub fn reject(&mut self, reason: Reason, record: String) {
        let Row { cells, text, .. } = self.ends.last().copied().unwrap_or_default();
        self.cells.truncate(cells);
        self.text.truncate(text);
        self.rejects.push(Reject { reason, record });
        self.rejects_bytes += self.rejects[self.rejects.len() - 1].bytes();
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The records that don't fit.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// The line on which a row started.
    pub fn line(&self, row: usize) -> u64 {
        self.ends[row].line
    }

    /// What a row holds.
    #[inline]
    pub fn values(&self, row: usize) -> impl Iterator<Item = Value<'_>> {
        let begin = row.checked_sub(1).map_or_else(Row::default, |before| self.ends[before]);
        let mut start = begin.text;
        self.cells[begin.cells..self.ends[row].cells].iter().map(move |packed| match *packed {
            Packed::Null => Value::Null,
            Packed::Integer(integer) => Value::Integer(integer),
            Packed::Real(real) => Value::Real(real),
            Packed::Text(end) => Value::Text(&self.text[std::mem::replace(&mut start, end)..end]),
        })
    }

    /// The text of a row's record; nothing, where nobody was to ask.
    pub fn record(&self, row: usize) -> &str {
        let begin = row.checked_sub(1).map_or(0, |before| self.ends[before].record);
        &self.records[begin..self.ends[row].record]
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        let texts = self.text.len() + self.records.len();
        size_of_val(&self.cells[..]) + size_of_val(&self.ends[..]) + texts + self.rejects_bytes
    }

    /// Whether it is time to hand them on.
    pub fn are_many(&self) -> bool {
        self.bytes() > FULL_BYTES
    }

    /// Forgets them, and the room that a long one took.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.ends.clear();
        self.rejects.clear();
        self.rejects_bytes = 0;
        for text in [&mut self.text, &mut self.records] {
            text.clear();
            text.shrink_to(2 * FULL_BYTES);
        }
    }
}

/// Rows that wait for the commit, or none once they were too many.
#[derive(Debug, Default)]
pub struct Kept {
    parts: Vec<Rows>,
    bytes: usize,
    overflowed: bool,
}

impl Kept {
    /// Takes these, if there is room for them.
    pub fn keep(&mut self, rows: &mut Rows) {
        self.bytes += rows.bytes();
        self.overflowed |= self.bytes > KEPT_BYTES_MAX;
        if self.overflowed {
            self.parts = Vec::new();
        } else {
            self.parts.push(std::mem::take(rows));
        }
    }

    /// All rows. `None`: they were too many to keep.
    pub fn all(self) -> Option<Self> {
        if self.overflowed { None } else { Some(self) }
    }

    /// In the order of the file.
    pub fn rows(&self) -> &[Rows] {
        &self.parts
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_rows_are_forgotten_not_kept_in_part() {
        let (mut kept, text) = (Kept::default(), "x".repeat(1 << 20));
        for line in 0..20 {
            let mut rows = Rows::default();
            rows.cell(Value::Text(&text));
            rows.row(line, "");
            kept.keep(&mut rows);
            assert!(kept.rows().iter().map(Rows::bytes).sum::<usize>() <= KEPT_BYTES_MAX);
        }
        assert!(kept.all().is_none());
    }

    #[test]
    fn rejects_and_the_texts_of_records_count_as_what_is_kept_too() {
        for is_row in [true, false] {
            let (mut kept, text) = (Kept::default(), "x".repeat(1 << 20));
            for line in 0..20 {
                let mut rows = Rows::default();
                if is_row {
                    rows.row(line, &text);
                } else {
                    rows.reject(Reason::new("ragged_row", "x").at_line(line), text.clone());
                }
                assert!(rows.are_many());
                kept.keep(&mut rows);
                assert!(kept.rows().iter().map(Rows::bytes).sum::<usize>() <= KEPT_BYTES_MAX);
            }
            assert!(kept.all().is_none());
        }
    }

    #[test]
    fn nothing_of_a_reject_gets_into_the_next_row() {
        let mut rows = Rows::default();
        for (line, is_row) in [(2, true), (3, false), (4, true), (5, true)] {
            rows.cell(Value::Text(["two", "three", "four", "five"][line - 2]));
            rows.cell(Value::Integer(i64::try_from(line).unwrap()));
            if is_row {
                rows.row(line as u64, ["2", "", "four", "5"][line - 2]);
            } else {
                rows.reject(Reason::new("wrong_type", "bad"), "raw".to_owned());
            }
        }
        let told: Vec<String> = (0..rows.len())
            .map(|row| format!("{} {} {:?}", rows.line(row), rows.record(row), rows.values(row).collect::<Vec<_>>()))
            .collect();
        let expected = [
            "2 2 [Text(\"two\"), Integer(2)]",
            "4 four [Text(\"four\"), Integer(4)]",
            "5 5 [Text(\"five\"), Integer(5)]",
        ];
        assert_eq!(told, expected);
        let rejects: Vec<String> = rows.rejects().iter().map(|it| format!("{}: {}", it.reason, it.record)).collect();
        assert_eq!(rejects, ["bad: raw"]);
    }

    #[test]
    fn a_long_record_takes_no_room_when_it_is_done() {
        let (mut rows, long) = (Rows::default(), "x".repeat(3 << 20));
        rows.cell(Value::Text(&long));
        rows.row(1, &long);
        assert!(rows.bytes() > 2 * long.len());
        rows.clear();
        assert!(rows.text.capacity() + rows.records.capacity() <= 4 * FULL_BYTES && rows.len() == 0);
    }
}
