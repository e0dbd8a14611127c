//! Where in its file each copied row stood: the server counts rows, an operator lines.

/// The most places remembered at which the rows' lines don't follow one after another.
const LEAPS_MAX: usize = 1 << 20;

/// On which line each row began. Most lines follow one after another, and take no memory.
#[derive(Debug, Default)]
pub struct Lines {
    rows: u64,
    /// The row from which on lines follow one after another, and its line.
    leaps: Vec<(u64, u64)>,
    /// Too many to be remembered: what comes after the last has no line.
    is_full: bool,
}

impl Lines {
    /// One more row, which began on this line.
    pub fn add(&mut self, line: u64) {
        self.rows += 1;
        if self.is_full || self.of(self.rows) == Some(line) {
            return;
        }
        self.is_full = self.leaps.len() >= LEAPS_MAX;
        self.leaps.push((self.rows, line));
    }

    /// How many rows there were.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The line of a row, counted from 1.
    pub fn of(&self, row: u64) -> Option<u64> {
        let after = self.leaps.partition_point(|(from, _)| *from <= row);
        if self.is_full && after == self.leaps.len() {
            return None;
        }
        let (from, line) = self.leaps.get(after.checked_sub(1)?)?;
        Some(line + (row - from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_every_row_is_known_wherever_they_leap() {
        let lines_are = [2, 3, 4, 9, 10, 13, 14, 15];
        let mut lines = Lines::default();
        for line in lines_are {
            lines.add(line);
        }
        for (row, line) in (1..).zip(lines_are) {
            assert_eq!(lines.of(row), Some(line));
        }
        assert_eq!((lines.leaps.len(), lines.of(0)), (3, None));
    }

    #[test]
    fn lines_that_leap_too_often_are_not_told_wrongly() {
        let mut lines = Lines::default();
        let rows = LEAPS_MAX as u64 + 9;
        (1..=rows).for_each(|row| lines.add(row * 2));
        assert_eq!(lines.of(7), Some(14));
        assert_eq!(lines.of(rows), None);
    }
}
