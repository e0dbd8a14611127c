//! A small file's checked rows, kept in flat buffers between process and commit.

use super::value::Value;
use crate::fault::Fault;

/// The most memory that the kept rows of one file may take, in bytes. A file that needs more is
/// read again at commit.
pub const KEPT_BYTES_MAX: usize = 16 << 20;

/// Takes checked rows, cell by cell, in the order of the file.
pub trait Sink {
    /// The next cell of the row.
    fn cell(&mut self, value: Value<'_>) -> Result<(), Fault>;
    /// The row is whole; it started on this line. Cells that it lacks at its end are NULL.
    fn row(&mut self, line: u64) -> Result<(), Fault>;
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

/// Rows, or nothing once they were too many.
#[derive(Debug, Default)]
pub struct Rows {
    cells: Vec<Packed>,
    text: String,
    ends: Vec<Row>,
    overflowed: bool,
}

impl Rows {
    /// All rows. `None`: they were too many to keep.
    pub fn kept(self) -> Option<Self> {
        if self.overflowed { None } else { Some(self) }
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.cells[..]) + self.text.len() + size_of_val(&self.ends[..])
    }

    /// Hands them on as they came.
    pub fn replay(&self, sink: &mut (impl Sink + ?Sized)) -> Result<(), Fault> {
        let (mut cell, mut start) = (0, 0);
        for row in &self.ends {
            for packed in &self.cells[cell..row.end] {
                sink.cell(match *packed {
                    Packed::Null => Value::Null,
                    Packed::Integer(integer) => Value::Integer(integer),
                    Packed::Real(real) => Value::Real(real),
                    Packed::Text(end) => Value::Text(&self.text[std::mem::replace(&mut start, end)..end]),
                })?;
            }
            cell = row.end;
            sink.row(row.line)?;
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

    fn row(&mut self, line: u64) -> Result<(), Fault> {
        if !self.overflowed {
            self.ends.push(Row { line, end: self.cells.len() });
            if self.bytes() > KEPT_BYTES_MAX {
                *self = Self { overflowed: true, ..Self::default() };
            }
        }
        Ok(())
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
}
