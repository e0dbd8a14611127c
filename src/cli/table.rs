//! Columns that line up.

use super::page::{Look, Page};

/// A longer cell doesn't push the columns behind it to the right in every other row.
const WIDTH_MAX: usize = 40;

/// On which side a column lines up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells; the last column is not padded.
#[derive(Debug)]
pub struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<(Look, String)>>,
}

impl Table {
    /// A table with this head.
    pub fn new(head: &[(&str, Side)]) -> Self {
        let sides = head.iter().map(|(_, side)| *side).collect();
        Self { sides, rows: vec![head.iter().map(|(name, _)| (Look::Faint, (*name).to_owned())).collect()] }
    }

    /// Adds a row; what is missing at its end is empty.
    pub fn row<const N: usize>(&mut self, cells: [(Look, String); N]) {
        self.rows.push(cells.into());
    }

    /// The lines, in order; the first is the head.
    pub fn lines(&self, page: &Page) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(_, text)| text.chars().count());
            cells.max().unwrap_or(0).min(WIDTH_MAX)
        };
        let widths: Vec<_> = (0..self.sides.len()).map(width).collect();
        let line = |row: &Vec<(Look, String)>| {
            let cells = row.iter().zip(&self.sides).zip(&widths).enumerate();
            let padded = cells.map(|(column, (((look, text), side), width))| {
                let room = " ".repeat(width.saturating_sub(text.chars().count()));
                let text = page.paint(*look, text);
                match side {
                    Side::Right => format!("{room}{text}"),
                    Side::Left if column + 1 == self.sides.len() => text,
                    Side::Left => format!("{text}{room}"),
                }
            });
            padded.collect::<Vec<_>>().join("  ")
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_line_up_on_the_right_and_a_long_name_pushes_nobody() {
        let mut table = Table::new(&[("name", Side::Left), ("rows", Side::Right), ("reason", Side::Left)]);
        let plain = |text: &str| (Look::Plain, text.to_owned());
        table.row([plain("Köln.csv"), plain("7"), plain("-")]);
        table.row([plain("a.csv"), plain("48211"), plain("none")]);
        table.row([plain(&"x".repeat(50)), plain("1"), plain("")]);
        let lines = table.lines(&Page::new());
        let pad = " ".repeat(32);
        assert_eq!(lines[0], format!("name    {pad}   rows  reason"));
        assert_eq!(lines[1], format!("Köln.csv{pad}      7  -"));
        assert_eq!(lines[2], format!("a.csv   {pad}  48211  none"));
        assert!(lines[3].starts_with(&format!("{}      1", "x".repeat(50))), "{:?}", lines[3]);
    }
}
