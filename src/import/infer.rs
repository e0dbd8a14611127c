//! Column types from a file's own values: certain, or text.

use super::literal;
use super::record::Cell;
use super::value::Type;

/// The types that every value of a column seen so far allows; a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess(u8);

const INTEGER: u8 = 1;
const REAL: u8 = 1 << 1;
/// `true`, `false`. Booleans in two spellings in one column are no certain booleans.
const BOOLEAN_LOWER: u8 = 1 << 2;
/// `TRUE`, `FALSE`
const BOOLEAN_UPPER: u8 = 1 << 3;
const DATE: u8 = 1 << 4;
const TIMESTAMP: u8 = 1 << 5;
/// No value was seen.
const UNSEEN: u8 = 1 << 6;

impl Guess {
    /// Before any value.
    pub const ANY: Self = Self(INTEGER | REAL | BOOLEAN_LOWER | BOOLEAN_UPPER | DATE | TIMESTAMP | UNSEEN);

    /// One more value.
    pub fn see(&mut self, cell: Cell<'_>) {
        // Once text, always text: most columns get here soon, and pay nothing more.
        if self.0 != 0 && cell != Cell::Null {
            self.0 &= possible(cell);
        }
    }

    /// The type that every value allows. A column without any value is text.
    pub fn settle(self) -> Type {
        match self.0 {
            set if set & UNSEEN != 0 => Type::Text,
            set if set & INTEGER != 0 => Type::Integer,
            set if set & REAL != 0 => Type::Real,
            set if set & (BOOLEAN_LOWER | BOOLEAN_UPPER) != 0 => Type::Boolean,
            set if set & DATE != 0 => Type::Date,
            set if set & TIMESTAMP != 0 => Type::Timestamp,
            _ => Type::Text,
        }
    }
}

fn possible(cell: Cell<'_>) -> u8 {
    match cell {
        Cell::Null | Cell::Nested(_) => 0,
        Cell::Field(text) => match number(text) | boolean(text) {
            0 => time(text),
            set => set,
        },
        Cell::String(text) => time(text),
        Cell::Number(text) => match number(text) {
            0 if literal::integer(text).is_none() && text.contains(['e', 'E']) => {
                if literal::exact_number(text).is_some() { REAL } else { 0 }
            }
            set => set,
        },
        Cell::Boolean(text) => boolean(text),
    }
}

fn number(text: &str) -> u8 {
    match literal::integer(text) {
        Some(integer) if literal::fits_real(integer) => INTEGER | REAL,
        Some(_) => INTEGER,
        None if literal::real(text).is_some() => REAL,
        None => 0,
    }
}

fn boolean(text: &str) -> u8 {
    match text {
        "true" | "false" => BOOLEAN_LOWER,
        "TRUE" | "FALSE" => BOOLEAN_UPPER,
        _ => 0,
    }
}

fn time(text: &str) -> u8 {
    match () {
        () if literal::is_date(text) => DATE,
        () if literal::is_timestamp(text) => TIMESTAMP,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[Cell<'_>]) -> Type {
        let mut guess = Guess::ANY;
        for &cell in cells {
            guess.see(cell);
        }
        guess.settle()
    }

    fn fields(texts: &[&str]) -> Type {
        of(&texts.iter().map(|text| Cell::Field(text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_type_is_certain_only_when_every_value_says_so() {
        assert_eq!(fields(&["1", "-2", "9223372036854775807"]), Type::Integer);
        assert_eq!(fields(&["1", "2.5"]), Type::Real);
        assert_eq!(fields(&["true", "false"]), Type::Boolean);
        assert_eq!(fields(&["TRUE", "FALSE"]), Type::Boolean);
        assert_eq!(fields(&["2026-11-22", "2024-02-29"]), Type::Date);
        assert_eq!(fields(&["2026-11-22T03:04:05Z"]), Type::Timestamp);
        assert_eq!(of(&[Cell::Null, Cell::Field("1"), Cell::Null]), Type::Integer);
    }

    #[test]
    fn what_is_not_certain_stays_text() {
        for texts in [
            &["00417"][..],
            &["1e5"],
            &["+1"],
            &["-0"],
            &["1", "x"],
            &["1", ""],
            &["9007199254740993", "0.5"],
            &["0.30000000000000004"],
            &["true", "FALSE"],
            &["True"],
            &["true", "1"],
            &["2026-11-22", "2026-11-22T03:04:05"],
            &["2026-02-30"],
            &["1,5"],
            &["9223372036854775808"],
        ] {
            assert_eq!(fields(texts), Type::Text, "{texts:?}");
        }
        assert_eq!(of(&[]), Type::Text);
        assert_eq!(of(&[Cell::Null]), Type::Text);
    }

    // fault 62
    #[test]
    fn json_has_types_of_its_own() {
        assert_eq!(of(&[Cell::Number("1"), Cell::Number("2")]), Type::Integer);
        assert_eq!(of(&[Cell::Number("1"), Cell::Number("2e3")]), Type::Real);
        assert_eq!(of(&[Cell::Boolean("true")]), Type::Boolean);
        assert_eq!(of(&[Cell::String("12")]), Type::Text);
        assert_eq!(of(&[Cell::String("true")]), Type::Text);
        assert_eq!(of(&[Cell::String("2026-11-22")]), Type::Date);
        assert_eq!(of(&[Cell::Number("1e400")]), Type::Text);
        assert_eq!(of(&[Cell::Number("18446744073709551616")]), Type::Text);
        assert_eq!(of(&[Cell::Nested("[1]")]), Type::Text);
    }
}
