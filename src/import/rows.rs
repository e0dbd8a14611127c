//! A small file's checked rows, kept in flat buffers between process and commit.

use super::value::Value;
use crate::fault::{Fault, Reason};

/// The most memory that the kept rows of one file may take, in bytes. A file that needs more is
/// read again at commit.
pub const KEPT_BYTES_MAX: usize = 16 << 20;

/// Takes checked rows, cell by cell, in the order of the file.
pub trait Sink {
    /// The next cell of the row.
    fn cell(&mut self, value: Value<'_>) -> Result<(), Fault>;
    /// The row is whole; it started on this line. Cells that it lacks at its end are NULL. Answers why this row alone
    /// can't be taken, if it can't: then nothing of it was.
    fn row(&mut self, line: u64) -> Result<Option<Box<Reason>>, Fault>;
    /// A record that doesn't fit, with its text. The cells since the last row were its own: nothing of them is taken.
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

#[derive(Debug, Clone, Copy)]
struct Row {
    line: u64,
    /// Ends here in `cells`.
    end: usize,
}

/// A record that doesn't fit.
#[derive(Debug)]
struct Reject {
    reason: Reason,
    record: String,
}

impl Reject {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.record.len() + self.reason.text.len()
    }
}

/// Rows and rejects, or nothing once they were too many.
#[derive(Debug, Default)]
pub struct Rows {
    cells: Vec<Packed>,
    text: String,
    ends: Vec<Row>,
    /// Where the text of the row in hand begins.
    text_start: usize,
    rejects: Vec<Reject>,
    rejects_bytes: usize,
    overflowed: bool,
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

    /// All rows. `None`: they were too many to keep.
    pub fn kept(self) -> Option<Self> {
        if self.overflowed { None } else { Some(self) }
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.cells[..]) + self.text.len() + size_of_val(&self.ends[..]) + self.rejects_bytes
    }

    /// Hands the rejects on, then the rows as they came. `refused` is told of those that the sink doesn't take, by their
    /// place among the rows.
    pub fn replay(&self, sink: &mut (impl Sink + ?Sized), mut refused: impl FnMut(u64, Reason)) -> Result<(), Fault> {
        self.rejects.iter().try_for_each(|reject| sink.reject(&reject.reason, &reject.record))?;
        let (mut cell, mut start) = (0, 0);
        for (place, row) in (0..).zip(&self.ends) {
            for packed in &self.cells[cell..row.end] {
                sink.cell(match *packed {
                    Packed::Null => Value::Null,
                    Packed::Integer(integer) => Value::Integer(integer),
                    Packed::Real(real) => Value::Real(real),
                    Packed::Text(end) => Value::Text(&self.text[std::mem::replace(&mut start, end)..end]),
                })?;
            }
            cell = row.end;
            if let Some(reason) = sink.row(row.line)? {
                refused(place, reason.at_line(row.line));
            }
        }
        Ok(())
    }
}

impl Sink for Rows {
    #[inline]
    fn cell(&mut self, value: Value<'_>) -> Result<(), Fault> {
        if !self.overflowed {
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
        Ok(())
    }

    fn row(&mut self, line: u64) -> Result<Option<Box<Reason>>, Fault> {
        if !self.overflowed {
            self.ends.push(Row { line, end: self.cells.len() });
            self.text_start = self.text.len();
            self.forget_too_many();
        }
        Ok(None)
    }

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        if !self.overflowed {
            self.cells.truncate(self.ends.last().map_or(0, |row| row.end));
            self.text.truncate(self.text_start);
            self.rejects.push(Reject { reason: reason.clone(), record: record.to_owned() });
            self.rejects_bytes += self.rejects[self.rejects.len() - 1].bytes();
            self.forget_too_many();
        }
        Ok(())
    }
}

impl Rows {
    fn forget_too_many(&mut self) {
        if self.bytes() > KEPT_BYTES_MAX {
            *self = Self { overflowed: true, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_rows_are_forgotten_not_kept_in_part() {
        let mut rows = Rows::default();
        let text = "x".repeat(1 << 20);
        for line in 0..20 {
            rows.cell(Value::Text(&text)).unwrap();
            rows.row(line).unwrap();
            assert!(rows.bytes() <= KEPT_BYTES_MAX);
        }
        assert!(rows.kept().is_none());
    }

    #[test]
    fn rejects_count_as_what_is_kept_too() {
        let mut rows = Rows::default();
        let text = "x".repeat(1 << 20);
        for line in 0..20 {
            rows.reject(&Reason::new("ragged_row", "x").at_line(line), &text).unwrap();
            assert!(rows.bytes() <= KEPT_BYTES_MAX);
        }
        assert!(rows.kept().is_none());
    }

    /// What a sink is handed, a line each.
    #[derive(Default)]
    struct Heard(String, Vec<String>);

    impl Sink for Heard {
        fn cell(&mut self, value: Value<'_>) -> Result<(), Fault> {
            self.0.extend([format!("{value:?} ")]);
            Ok(())
        }

        fn row(&mut self, line: u64) -> Result<Option<Box<Reason>>, Fault> {
            self.1.push(format!("{line}: {}", std::mem::take(&mut self.0)));
            Ok((line == 4).then(|| Box::new(Reason::new("constraint", "no"))))
        }

        fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
            self.1.push(format!("{reason}: {record}"));
            Ok(())
        }
    }

    #[test]
    fn nothing_of_a_reject_gets_into_the_next_row() {
        let mut rows = Rows::default();
        for (line, is_row) in [(2, true), (3, false), (4, true), (5, true)] {
            rows.cell(Value::Text(["two", "three", "four", "five"][line - 2])).unwrap();
            rows.cell(Value::Integer(i64::try_from(line).unwrap())).unwrap();
            if is_row {
                rows.row(line as u64).unwrap();
            } else {
                rows.reject(&Reason::new("wrong_type", "bad"), "raw").unwrap();
            }
        }
        let (mut heard, mut refused) = (Heard::default(), Vec::new());
        rows.replay(&mut heard, |place, reason| refused.push((place, reason.to_string()))).unwrap();
        let rows = ["2: Text(\"two\") Integer(2) ", "4: Text(\"four\") Integer(4) ", "5: Text(\"five\") Integer(5) "];
        assert_eq!(heard.1[0], "bad: raw");
        assert_eq!(heard.1[1..], rows);
        assert_eq!(refused, [(1, "line 4: no".to_owned())]);
    }
}
