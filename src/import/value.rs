//! Column types, and the values that a cell becomes in a column of a type.

use super::record::Cell;
use super::{literal, shown};
use crate::fault::Reason;

/// What goes into the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'r> {
    /// No value.
    Null,
    /// An integer; 0 or 1 for a boolean.
    Integer(i64),
    /// A real number, finite.
    Real(f64),
    /// A text; dates and timestamps as the file has them.
    Text(&'r str),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 64 bits, signed.
    Integer,
    /// 64 bits, floating.
    Real,
    /// An integer or a real number, each value for itself, with no more digits than those keep.
    Number,
    /// Every digit, whatever their number.
    Decimal,
    /// 0 and 1 in the database.
    Boolean,
    /// `YYYY-MM-DD`
    Date,
    /// `YYYY-MM-DD HH:MM:SS` and its variants of ISO 8601, by a clock that nobody knows.
    Timestamp,
    /// The same with its offset from UTC.
    Instant,
    /// A [`Type::Timestamp`] or a [`Type::Instant`], each value for itself.
    Moment,
    /// Any text.
    Text,
    /// Nothing that a file can have: NULL only.
    Unfillable,
    /// A declared type that SQLite gives numeric affinity without our knowing it (`STRING`, `UUID`):
    /// any value that this affinity leaves as it is.
    Untyped,
}

impl Type {
    /// Whether a column of this type has a place for values of another, be it not for every one.
    pub fn holds(self, other: Self) -> bool {
        match self {
            Self::Text | Self::Untyped => true,
            Self::Real => matches!(other, Self::Real | Self::Number | Self::Integer),
            Self::Number => matches!(other, Self::Real | Self::Number | Self::Integer | Self::Decimal),
            Self::Decimal => matches!(other, Self::Decimal | Self::Integer),
            Self::Moment => matches!(other, Self::Timestamp | Self::Instant | Self::Moment),
            Self::Timestamp | Self::Instant => other == self || other == Self::Moment,
            Self::Integer | Self::Boolean | Self::Date | Self::Unfillable => other == self,
        }
    }

    /// Its values, in words.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Integer => "integers",
            Self::Real => "real numbers",
            Self::Number => "numbers",
            Self::Decimal => "decimal numbers",
            Self::Boolean => "booleans",
            Self::Date => "dates",
            Self::Timestamp => "timestamps without an offset",
            Self::Instant => "timestamps with an offset",
            Self::Moment => "timestamps",
            Self::Text | Self::Untyped => "texts",
            Self::Unfillable => "nothing that a file has",
        }
    }

    /// The value of this cell in a column of this type. `None`: it isn't one; [`Self::misfit`]
    /// says why. (Apart from it, since this runs for every cell.)
    #[inline]
    pub fn read(self, cell: Cell<'_>) -> Option<Value<'_>> {
        let text = match cell {
            Cell::Null => return Some(Value::Null),
            Cell::Field(text) => return self.read_text(text),
            Cell::String(text) => match self {
                Self::Integer | Self::Real | Self::Number | Self::Decimal | Self::Boolean => return None,
                _ => return self.read_text(text),
            },
            Cell::Boolean(text) | Cell::Number(text) | Cell::Nested(text) => text,
        };
        match (self, cell) {
            (Self::Text, _) => Some(Value::Text(text)),
            (Self::Untyped, _)
            | (Self::Boolean, Cell::Boolean(_))
            | (Self::Integer | Self::Real | Self::Number | Self::Decimal | Self::Boolean, Cell::Number(_)) => {
                self.read_text(text)
            }
            _ => None,
        }
    }

    fn read_text(self, text: &str) -> Option<Value<'_>> {
        match self {
            Self::Text => Some(Value::Text(text)),
            Self::Integer => literal::integer(text).map(Value::Integer),
            Self::Real => literal::real(text).map(Value::Real),
            Self::Boolean => match text {
                "0" => Some(Value::Integer(0)),
                "1" => Some(Value::Integer(1)),
                _ => literal::boolean(text).map(|boolean| Value::Integer(i64::from(boolean))),
            },
            Self::Date => literal::is_date(text).then_some(Value::Text(text)),
            Self::Moment => literal::is_timestamp(text).then_some(Value::Text(text)),
            Self::Timestamp | Self::Instant => {
                let fits = literal::has_offset(text) == (self == Self::Instant) && literal::is_timestamp(text);
                fits.then_some(Value::Text(text))
            }
            Self::Decimal => literal::is_decimal(text).then_some(Value::Text(text)),
            Self::Unfillable => None,
            Self::Number => {
                let real = || literal::exact_number(text).filter(|real| literal::stays_exact(*real)).map(Value::Real);
                literal::integer(text).map(Value::Integer).or_else(real)
            }
            Self::Untyped => match literal::integer(text) {
                Some(integer) => Some(Value::Integer(integer)),
                None => (!literal::looks_numeric_to_sqlite(text)).then_some(Value::Text(text)),
            },
        }
    }

    /// Why [`Self::read`] found no value in this cell.
    pub fn misfit(self, cell: Cell<'_>) -> Reason {
        let text = shown::value(cell.text().unwrap_or_default());
        let kind = match cell {
            Cell::Null | Cell::Field(_) | Cell::Number(_) => "",
            Cell::String(_) => "the JSON string ",
            Cell::Boolean(_) => "the JSON boolean ",
            Cell::Nested(_) => "the JSON value ",
        };
        let reason = |code, why: &str| Reason::new(code, format!("{kind}{text} {why}"));
        let plain = cell.text().filter(|_| kind.is_empty());
        let digits = plain
            .map(|text| text.strip_prefix('-').unwrap_or(text))
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let as_text = "if the column is to hold such codes, declare it TEXT";
        match (self, digits) {
            (Self::Integer | Self::Number | Self::Decimal, Some(digits))
                if digits.len() > 1 && digits.starts_with('0') =>
            {
                reason("would_change", "is not a plain integer: its leading zero would be lost").hint(as_text)
            }
            (Self::Integer, Some("0")) => reason("would_change", "is not a plain integer: its sign would be lost"),
            (Self::Integer, Some(_)) => reason("out_of_range", "does not fit an integer of 64 bits").hint(as_text),
            (Self::Real | Self::Number, _) if plain.is_some_and(literal::is_too_small) => {
                reason("would_change", "is so small that it would be 0").hint(as_text)
            }
            (Self::Real, _) if plain.is_some_and(literal::is_decimal) => {
                reason("would_change", "has more digits than a real number keeps").hint(as_text)
            }
            (Self::Number, _) if plain.and_then(literal::number).is_some() => {
                reason("would_change", "has more digits than a number keeps").hint(as_text)
            }
            (Self::Untyped, _) => {
                reason("would_change", "would be turned into a number by the column's declared type").hint(as_text)
            }
            (Self::Integer, None) => reason("wrong_type", "is not an integer"),
            (Self::Real, _) => reason("wrong_type", "is not a real number"),
            (Self::Boolean, _) => reason("wrong_type", "is not a boolean (true, false, 1 or 0)"),
            (Self::Date, _) => reason("wrong_type", "is not a date (YYYY-MM-DD, a day that exists)"),
            (Self::Timestamp, _) if cell.text().is_some_and(literal::is_timestamp) => {
                reason("would_change", "has an offset from UTC that the column can't keep")
            }
            (Self::Instant, _) if cell.text().is_some_and(literal::is_timestamp) => {
                reason("wrong_type", "doesn't say its offset from UTC")
            }
            (Self::Instant, _) => {
                reason("wrong_type", "is not a timestamp with its offset from UTC (YYYY-MM-DD HH:MM:SSZ, or +01:00)")
            }
            (Self::Timestamp | Self::Moment, _) => reason("wrong_type", "is not a timestamp (YYYY-MM-DD HH:MM:SS)"),
            (Self::Decimal, _) => reason("wrong_type", "is not a decimal number (12 or 12.50)"),
            (Self::Number, _) => reason("wrong_type", "is not a number"),
            (Self::Text, _) => reason("wrong_type", "is not a text"),
            (Self::Unfillable, _) => {
                reason("unknown_type", "has no place: the column's type is none that a file can fill")
                    .hint("leave the column out of the file, or declare it as text")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: Type, text: &str) -> Result<Value<'_>, String> {
        kind.read(Cell::Field(text)).ok_or_else(|| kind.misfit(Cell::Field(text)).to_string())
    }

    #[test]
    fn a_column_holds_only_what_it_keeps() {
        assert!(!Type::Real.holds(Type::Decimal), "digits would be lost");
        assert!(!Type::Integer.holds(Type::Boolean) && !Type::Date.holds(Type::Moment));
        assert!(!Type::Timestamp.holds(Type::Instant) && !Type::Instant.holds(Type::Timestamp));
        assert!(Type::Text.holds(Type::Instant) && Type::Decimal.holds(Type::Integer));
    }

    #[test]
    fn a_value_that_fits_is_taken() {
        assert_eq!(field(Type::Real, "1e5"), Ok(Value::Real(1e5)));
        assert_eq!(field(Type::Real, "12"), Ok(Value::Real(12.0)));
        assert_eq!(field(Type::Real, "0.30000000000000004"), Ok(Value::Real(0.1 + 0.2)));
        assert_eq!(field(Type::Real, "0.12345678901234567890"), Ok(Value::Real(0.123_456_789_012_345_68)));
        assert_eq!(field(Type::Boolean, "TRUE"), Ok(Value::Integer(1)));
        assert_eq!(field(Type::Boolean, "0"), Ok(Value::Integer(0)));
        assert_eq!(Type::Boolean.read(Cell::Number("1")), Some(Value::Integer(1)));
        assert_eq!(Type::Boolean.read(Cell::Number("2")), None);
        assert_eq!(field(Type::Number, "12"), Ok(Value::Integer(12)));
        assert_eq!(field(Type::Number, "12.50"), Ok(Value::Real(12.5)));
        assert_eq!(field(Type::Decimal, "12.50"), Ok(Value::Text("12.50")));
        assert_eq!(field(Type::Moment, "2026-11-22 03:04:05Z"), Ok(Value::Text("2026-11-22 03:04:05Z")));
        assert_eq!(field(Type::Instant, "2026-11-22 03:04:05Z"), Ok(Value::Text("2026-11-22 03:04:05Z")));
        assert_eq!(field(Type::Timestamp, "2026-11-22 03:04:05"), Ok(Value::Text("2026-11-22 03:04:05")));
        assert_eq!(Type::Decimal.read(Cell::Number("1e5")), None);
        assert_eq!(Type::Decimal.read(Cell::String("12")), None);
        assert_eq!(field(Type::Untyped, "550e8400-e29b"), Ok(Value::Text("550e8400-e29b")));
        assert_eq!(Type::Integer.read(Cell::Null), Some(Value::Null));
        assert_eq!(Type::Text.read(Cell::Number("1e400")), Some(Value::Text("1e400")));
        assert_eq!(Type::Date.read(Cell::String("2026-11-22")), Some(Value::Text("2026-11-22")));
    }

    // fault 57, fault 62
    #[test]
    fn a_value_that_does_not_fit_says_why() {
        for (kind, text, why) in [
            (Type::Integer, "12,x", r#""12,x" is not an integer"#),
            (Type::Integer, "", r#""" is not an integer"#),
            (Type::Integer, "00417", r#""00417" is not a plain integer: its leading zero would be lost"#),
            (Type::Integer, "-0", r#""-0" is not a plain integer: its sign would be lost"#),
            (Type::Integer, "9223372036854775808", r#""9223372036854775808" does not fit an integer of 64 bits"#),
            (Type::Real, "12,x", r#""12,x" is not a real number"#),
            (Type::Real, "NaN", r#""NaN" is not a real number"#),
            (Type::Real, "1e400", r#""1e400" is not a real number"#),
            (Type::Real, "9007199254740993", r#""9007199254740993" has more digits than a real number keeps"#),
            (Type::Real, "9007199254740993.00", r#""9007199254740993.00" has more digits than a real number keeps"#),
            (Type::Real, "1e-400", r#""1e-400" is so small that it would be 0"#),
            (Type::Number, "-1e-400", r#""-1e-400" is so small that it would be 0"#),
            (
                Type::Real,
                "-18446744073709551617",
                r#""-18446744073709551617" has more digits than a real number keeps"#,
            ),
            (Type::Number, "1234567890.1234567", r#""1234567890.1234567" has more digits than a number keeps"#),
            (Type::Number, "9223373685477e5", r#""9223373685477e5" has more digits than a number keeps"#),
            (Type::Boolean, "yes", r#""yes" is not a boolean (true, false, 1 or 0)"#),
            (Type::Date, "2026-02-30", r#""2026-02-30" is not a date (YYYY-MM-DD, a day that exists)"#),
            (Type::Decimal, "12,5", r#""12,5" is not a decimal number (12 or 12.50)"#),
            (Type::Decimal, "00417", r#""00417" is not a plain integer: its leading zero would be lost"#),
            (Type::Moment, "noon", r#""noon" is not a timestamp (YYYY-MM-DD HH:MM:SS)"#),
            (
                Type::Instant,
                "noon",
                r#""noon" is not a timestamp with its offset from UTC (YYYY-MM-DD HH:MM:SSZ, or +01:00)"#,
            ),
            (Type::Instant, "2026-11-22 03:04:05", r#""2026-11-22 03:04:05" doesn't say its offset from UTC"#),
            (
                Type::Timestamp,
                "2026-11-22 03:04:05Z",
                r#""2026-11-22 03:04:05Z" has an offset from UTC that the column can't keep"#,
            ),
            (Type::Untyped, "00417", r#""00417" would be turned into a number by the column's declared type"#),
            (Type::Untyped, " 1.50 ", r#"" 1.50 " would be turned into a number by the column's declared type"#),
        ] {
            assert_eq!(field(kind, text).unwrap_err(), why);
        }
        let cell = Cell::String("12");
        assert_eq!(Type::Integer.read(cell), None);
        assert_eq!(Type::Integer.misfit(cell).to_string(), r#"the JSON string "12" is not an integer"#);
        assert_eq!(Type::Number.misfit(cell).to_string(), r#"the JSON string "12" is not a number"#);
    }
}
