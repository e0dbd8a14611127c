//! Column types from a file's own values: certain, or text.

use super::literal;
use super::record::Cell;
use super::value::Type;

/// The types that every value of a column seen so far allows; a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess(u16);

const INTEGER: u16 = 1;
/// A real number keeps every digit.
const REAL: u16 = 1 << 1;
/// Plain digits, without an exponent.
const DECIMAL: u16 = 1 << 2;
/// `true`, `false`. Booleans in two spellings in one column are no certain booleans.
const BOOLEAN_LOWER: u16 = 1 << 3;
/// `TRUE`, `FALSE`
const BOOLEAN_UPPER: u16 = 1 << 4;
const DATE: u16 = 1 << 5;
/// Without an offset. Some with and some without are no certain timestamps.
const TIMESTAMP: u16 = 1 << 6;
/// With an offset.
const INSTANT: u16 = 1 << 7;
/// No value was seen.
const UNSEEN: u16 = 1 << 8;

impl Guess {
    /// Before any value.
    pub const ANY: Self = Self((UNSEEN << 1) - 1);

    /// One more value. `mark`: the decimal mark of CSV.
    #[inline]
    pub fn see(&mut self, cell: Cell<'_>, mark: char) {
        // Once text, always text: most columns get here soon, and pay nothing more.
        if self.0 != 0 && cell != Cell::Null {
            self.0 &= possible(cell, mark);
        }
    }

    /// The values that another guess has seen.
    pub fn join(&mut self, other: Self) {
        self.0 &= other.0;
    }

    /// The type that every value allows. A column without any value is text.
    pub fn settle(self) -> Type {
        match self.0 {
            set if set & UNSEEN != 0 => Type::Text,
            set if set & INTEGER != 0 => Type::Integer,
            set if set & REAL != 0 => {
                // How a target keeps plain decimals that a real number would keep too is its own choice.
                if set & DECIMAL != 0 { Type::Number } else { Type::Real }
            }
            set if set & DECIMAL != 0 => Type::Decimal,
            set if set & (BOOLEAN_LOWER | BOOLEAN_UPPER) != 0 => Type::Boolean,
            set if set & DATE != 0 => Type::Date,
            set if set & TIMESTAMP != 0 => Type::Timestamp,
            set if set & INSTANT != 0 => Type::Instant,
            _ => Type::Text,
        }
    }
}

fn possible(cell: Cell<'_>, mark: char) -> u16 {
    match cell {
        Cell::Null | Cell::Nested(_) => 0,
        Cell::Field(text) => match number(text, mark) | boolean(text) {
            0 => time(text),
            set => set,
        },
        Cell::String(text) => time(text),
        Cell::Number(text) => match number(text, '.') {
            0 if text.contains(['e', 'E']) => {
                let is_kept = |number| number != 0.0 || !text.starts_with('-');
                if literal::exact_number(text).is_some_and(is_kept) { REAL } else { 0 }
            }
            set => set,
        },
        Cell::Boolean(text) => boolean(text),
    }
}

fn number(text: &str, mark: char) -> u16 {
    match literal::integer(text) {
        Some(integer) if literal::fits_real(integer) => INTEGER | REAL | DECIMAL,
        Some(_) => INTEGER | DECIMAL,
        None => match literal::fraction(text, mark) {
            Some(digits) if literal::real_keeps(digits) => REAL | DECIMAL,
            Some(_) => DECIMAL,
            None => 0,
        },
    }
}

fn boolean(text: &str) -> u16 {
    match text {
        "true" | "false" => BOOLEAN_LOWER,
        "TRUE" | "FALSE" => BOOLEAN_UPPER,
        _ => 0,
    }
}

fn time(text: &str) -> u16 {
    match () {
        () if literal::is_date(text) => DATE,
        () if literal::is_timestamp(text) => {
            if literal::has_offset(text) {
                INSTANT
            } else {
                TIMESTAMP
            }
        }
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[Cell<'_>]) -> Type {
        let mut guess = Guess::ANY;
        for &cell in cells {
            guess.see(cell, '.');
        }
        guess.settle()
    }

    fn fields(texts: &[&str]) -> Type {
        of(&texts.iter().map(|text| Cell::Field(text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_type_is_certain_only_when_every_value_says_so() {
        assert_eq!(fields(&["1", "-2", "9223372036854775807"]), Type::Integer);
        assert_eq!(fields(&["1", "2.5"]), Type::Number);
        assert_eq!(fields(&["1.5", "0.30000000000000004"]), Type::Decimal);
        assert_eq!(fields(&["9007199254740993", "0.5"]), Type::Decimal);
        assert_eq!(fields(&["true", "false"]), Type::Boolean);
        assert_eq!(fields(&["TRUE", "FALSE"]), Type::Boolean);
        assert_eq!(fields(&["2026-11-22", "2024-02-29"]), Type::Date);
        assert_eq!(fields(&["2026-11-22T03:04:05", "2026-11-22 03:04:05.5"]), Type::Timestamp);
        assert_eq!(fields(&["2026-11-22T03:04:05Z", "2026-11-22 03:04:05-01:00"]), Type::Instant);
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
            &["9223372036854775808", "0.5"],
            &["2026-11-22T03:04:05", "2026-11-22T03:04:05Z"],
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
        assert_eq!(of(&[Cell::Number("1"), Cell::Number("2.5")]), Type::Number);
        assert_eq!(of(&[Cell::Number("0.30000000000000004")]), Type::Decimal);
        assert_eq!(of(&[Cell::Number("0.30000000000000004"), Cell::Number("2e3")]), Type::Text);
        assert_eq!(of(&[Cell::Boolean("true")]), Type::Boolean);
        assert_eq!(of(&[Cell::String("12")]), Type::Text);
        assert_eq!(of(&[Cell::String("true")]), Type::Text);
        assert_eq!(of(&[Cell::String("2026-11-22")]), Type::Date);
        for text in ["1e400", "1e-400", "-0.0", "-0e1"] {
            assert_eq!(of(&[Cell::Number(text)]), Type::Text, "{text}");
        }
        assert_eq!(of(&[Cell::Number("18446744073709551616")]), Type::Text);
        assert_eq!(of(&[Cell::Nested("[1]")]), Type::Text);
    }

    #[test]
    fn a_decimal_comma_is_one_in_csv_alone() {
        let of = |cell| {
            let mut guess = Guess::ANY;
            guess.see(cell, ',');
            guess.settle()
        };
        assert_eq!(of(Cell::Field("1,5")), Type::Number);
        assert_eq!(of(Cell::Field("17")), Type::Integer);
        assert_eq!(of(Cell::Field("0,30000000000000004")), Type::Decimal);
        assert_eq!(of(Cell::Number("1.5")), Type::Number);
        for text in ["1.5", "1.000,5", "1,000,5", ",5", "1,"] {
            assert_eq!(of(Cell::Field(text)), Type::Text, "{text}");
        }
    }
}
