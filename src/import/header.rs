//! The names of a file's columns: what a table can be made of, or matched with.

use std::collections::HashMap;

use super::marker::OURS;
use super::shown;
use crate::fault::Reason;

/// The most columns of a file: SQLite's 2,000, less our two.
pub const COLUMNS_MAX: usize = 1_998;

/// The code of a refusal for a column without a name.
pub const EMPTY_COLUMN: &str = "empty_column";

/// The columns that carry where a row came from: the file's number and its line.
pub const LINEAGE: [&str; 2] = ["_file_id", "_line"];

/// Column names in the file's order. All differ, also without regard to case, as SQLite asks.
#[derive(Debug, Default, Clone)]
pub struct Header {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// A name has a quote or a backslash.
    has_odd_name: bool,
}

impl Header {
    /// With these names.
    pub fn of<'n>(names: impl Iterator<Item = &'n str>) -> Result<Self, Reason> {
        let mut header = Self::default();
        for name in names {
            header.push(name)?;
        }
        Ok(header)
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a column, where none of them has a quote or a backslash: JSON writes it as it is.
    pub fn plain_name(&self, column: usize) -> Option<&str> {
        if self.has_odd_name { None } else { self.names.get(column).map(String::as_str) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Forgets the columns behind the first so many.
    pub fn truncate(&mut self, columns: usize) {
        for name in self.names.drain(columns.min(self.names.len())..) {
            self.numbers.remove(&name.to_ascii_lowercase());
        }
    }

    /// Which column has exactly this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        let number = *self.numbers.get(&name.to_ascii_lowercase())?;
        (self.names[number] == name).then_some(number)
    }

    /// Adds a name, or says why no table can have it.
    pub fn push(&mut self, name: &str) -> Result<usize, Reason> {
        let number = self.names.len();
        if name.is_empty() {
            return Err(Reason::new(EMPTY_COLUMN, format!("column {} has no name", number + 1)));
        }
        if name.contains('\0') {
            let text = format!("the column name {} has a NUL character, no table's can", shown::value(name));
            return Err(Reason::new("nul_byte", text));
        }
        if name.starts_with('\u{feff}') {
            let text =
                format!("the name of column {} begins with a byte order mark: {}", number + 1, shown::value(name));
            let hint = "the file has one too many, or one that isn't at its very start: take it away";
            return Err(Reason::new("byte_order_mark", text).hint(hint));
        }
        if LINEAGE.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
            let text = format!("the column name {} is taken: it says where a row came from", shown::value(name));
            return Err(Reason::new("reserved_column", text));
        }
        if name.get(..OURS.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(OURS)) {
            let text = format!("the column name {} is taken: those that begin with {OURS} are", shown::value(name));
            return Err(Reason::new("reserved_column", text));
        }
        if number == COLUMNS_MAX {
            return Err(Reason::new("too_many_columns", format!("more than {COLUMNS_MAX} columns")));
        }
        if let Some(other) = self.numbers.insert(name.to_ascii_lowercase(), number) {
            let names = (shown::value(name), shown::value(&self.names[other]));
            let text = if self.names[other] == name {
                format!("columns {} and {} are both named {}", other + 1, number + 1, names.0)
            } else {
                format!("column names {} and {} differ only in case", names.1, names.0)
            };
            return Err(Reason::new("duplicate_column", text));
        }
        self.has_odd_name |= name.contains(['"', '\\']);
        self.names.push(name.to_owned());
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: &[&str]) -> String {
        let mut header = Header::default();
        names.iter().find_map(|name| header.push(name).err()).expect("a refusal").to_string()
    }

    // fault 51
    #[test]
    fn names_that_no_table_can_have_are_refused() {
        assert_eq!(refused(&["a", "b", "a"]), r#"columns 1 and 3 are both named "a""#);
        assert_eq!(refused(&["a", "A"]), r#"column names "a" and "A" differ only in case"#);
        assert_eq!(refused(&["a", ""]), "column 2 has no name");
        assert_eq!(refused(&["a\0b"]), r#"the column name "a\0b" has a NUL character, no table's can"#);
        let mark = r#"the name of column 2 begins with a byte order mark: "\u{feff}b""#;
        assert_eq!(refused(&["a", "\u{feff}b"]), mark);
        assert_eq!(refused(&["_LINE"]), r#"the column name "_LINE" is taken: it says where a row came from"#);
        let ours = r#"the column name "_Importerd_place" is taken: those that begin with _importerd_ are"#;
        assert_eq!(refused(&["_importerd", "_Importerd_place"]), ours);
        let many: Vec<String> = (0..=COLUMNS_MAX).map(|at| format!("c{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(refused(&many), "more than 1998 columns");
    }

    #[test]
    fn a_number_is_found_by_the_exact_name() {
        let mut header = Header::default();
        header.push("Id").unwrap();
        assert_eq!((header.number("Id"), header.number("id")), (Some(0), None));
    }
}
