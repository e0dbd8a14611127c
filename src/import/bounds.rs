//! What a column's type in its database keeps of the values of its kind: not every integer, digit or text.

use std::sync::Arc;

use super::value::Value;
use super::{literal, shown};
use crate::fault::Reason;

/// The bounds of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Bounds {
    /// There are none.
    #[default]
    Open,
    /// Integers of so many bytes.
    Integer(usize),
    /// Real numbers of 32 bits.
    Real32,
    /// Decimal numbers.
    Decimal {
        /// They are less than this power of ten.
        whole: i32,
        /// The most digits behind the point; less than 0 where so many before it are 0.
        scale: i32,
    },
    /// Timestamps with so many digits of a second's fraction at most.
    Fraction(usize),
    /// Times of day, with so many of them.
    Time(usize),
    /// UUIDs.
    Uuid,
    /// Texts without NUL, of so many characters at most; spaces at their end that are too many are cut.
    Text(Option<usize>),
    /// Texts without NUL, of so many bytes at most.
    Name(usize),
    /// One of these texts, which are sorted.
    OneOf(Arc<[String]>),
    /// Nothing: no file may have the column, whose type is called so.
    Closed(String),
}

impl Bounds {
    /// Why this value of the column's kind is beyond them, if it is.
    #[inline]
    pub fn misfit(&self, value: Value<'_>) -> Option<Reason> {
        match (self, value) {
            (Self::Integer(bytes), Value::Integer(integer)) => beyond(*bytes, integer),
            (Self::Real32, Value::Real(real)) => not_narrow(real),
            (Self::Decimal { whole, scale }, Value::Text(text)) => too_many_digits(text, *whole, *scale),
            (Self::Time(_), Value::Text(text)) if !literal::is_time(text) => not(text, "a time of day (HH:MM:SS)"),
            (Self::Fraction(digits) | Self::Time(digits), Value::Text(text)) => too_fine(text, *digits),
            (Self::Uuid, Value::Text(text)) if !literal::is_uuid(text) => not(text, "a UUID"),
            (Self::Text(chars), Value::Text(text)) => with_nul(text).or_else(|| too_long(text, (*chars)?)),
            (Self::Name(bytes), Value::Text(text)) if text.len() > *bytes => {
                Some(refusal("value", text, &format!("has more than the column's {bytes} bytes")))
            }
            (Self::Name(_), Value::Text(text)) => with_nul(text),
            (Self::OneOf(texts), Value::Text(text)) if texts.binary_search_by(|it| (**it).cmp(text)).is_err() => {
                not(text, "one of the values that the column's type has")
            }
            // NULL is within all of them.
            _ => None,
        }
    }
}

fn refusal(code: &'static str, text: &str, why: &str) -> Reason {
    Reason::new(code, format!("{} {why}", shown::value(text)))
}

#[expect(clippy::unnecessary_wraps, reason = "the misfit of a value")]
fn not(text: &str, what: &str) -> Option<Reason> {
    Some(refusal("wrong_type", text, &format!("is not {what}")))
}

fn beyond(bytes: usize, integer: i64) -> Option<Reason> {
    let limits = (i64::MIN >> (64 - 8 * bytes), i64::MAX >> (64 - 8 * bytes));
    (integer < limits.0 || integer > limits.1).then(|| {
        let text = format!("{integer} does not fit the column's type ({} to {})", limits.0, limits.1);
        Reason::new("out_of_range", text).hint("if such values are right, make the column a bigint")
    })
}

/// The nearest one is kept; but a whole number stays the one that it is, and nothing becomes 0.
fn not_narrow(real: f64) -> Option<Reason> {
    #[expect(clippy::cast_possible_truncation, reason = "the nearest one is what the column keeps")]
    let narrow = real as f32;
    if !narrow.is_finite() || (narrow == 0.0 && real != 0.0) {
        return Some(Reason::new("out_of_range", format!("{real:?} does not fit a real of 32 bits")));
    }
    // By its digits as well: 1e30 is no real number, and is 1e30 again when it is read.
    let is_kept = |kept: f64| kept.to_bits() == real.to_bits();
    let is_changed =
        real.fract() == 0.0 && !is_kept(f64::from(narrow)) && !narrow.to_string().parse().is_ok_and(is_kept);
    is_changed.then(|| {
        let reason = Reason::new("would_change", format!("{real} has more digits than a real of 32 bits keeps"));
        reason.hint("make the column a double precision, or numeric")
    })
}

fn too_many_digits(text: &str, whole_max: i32, scale_max: i32) -> Option<Reason> {
    let (whole, scale) = digits(text);
    if scale > scale_max {
        let finer = if scale_max < 0 {
            format!("is finer than the column's scale of {scale_max}")
        } else {
            format!("has more than the column's {scale_max} digits behind the point")
        };
        let reason = refusal("would_change", text, &finer);
        return Some(reason.hint("it would be rounded: give the column more digits"));
    }
    (whole > whole_max).then(|| {
        let why = format!("does not fit the column's type (less than 10^{whole_max}, whatever its sign)");
        refusal("out_of_range", text, &why).hint("if such values are right, give the column more digits")
    })
}

/// Of a decimal number: the power of ten that it is less than, and how many digits behind the point it needs; less than 0
/// where it ends with zeros before the point.
fn digits(text: &str) -> (i32, i32) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let count = |digits: &str| i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |kept: &str, all: &str| -(count(all) - count(kept));
    match (whole.is_empty(), fraction.is_empty()) {
        (true, true) => (i32::MIN, i32::MIN),
        (true, false) => (zeros(fraction.trim_start_matches('0'), fraction), count(fraction)),
        (false, true) => (count(whole), zeros(whole.trim_end_matches('0'), whole)),
        (false, false) => (count(whole), count(fraction)),
    }
}

fn too_fine(text: &str, digits_max: usize) -> Option<Reason> {
    let (_, fraction) = text.split_once('.')?;
    let end = fraction.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    (fraction[..end].trim_end_matches('0').len() > digits_max).then(|| {
        let why = format!("has a finer fraction of a second than the column's {digits_max} digits");
        refusal("would_change", text, &why).hint("it would be rounded: write fewer digits")
    })
}

fn with_nul(text: &str) -> Option<Reason> {
    memchr::memchr(0, text.as_bytes())
        .map(|_| Reason::new("nul", "a NUL character, which the database can't hold in a text"))
}

fn too_long(text: &str, chars_max: usize) -> Option<Reason> {
    if text.len() <= chars_max || text.chars().skip(chars_max).all(|char| char == ' ') {
        return None;
    }
    let why = format!("has {} characters, and the column has room for {chars_max}", text.chars().count());
    Some(refusal("value", text, &why).hint("if such values are right, make the column a text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(bounds: &Bounds, value: Value<'_>) -> String {
        bounds.misfit(value).map(|reason| reason.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_integer_type_takes_its_whole_range_and_nothing_beyond() {
        for (bytes, low, high) in
            [(2, i64::from(i16::MIN), i64::from(i16::MAX)), (4, i64::from(i32::MIN), i64::from(i32::MAX))]
        {
            for fits in [low, 0, high] {
                assert_eq!(why(&Bounds::Integer(bytes), Value::Integer(fits)), "");
            }
            for beyond in [low - 1, high + 1] {
                let expected = format!("{beyond} does not fit the column's type ({low} to {high})");
                assert_eq!(why(&Bounds::Integer(bytes), Value::Integer(beyond)), expected);
            }
        }
        assert_eq!(why(&Bounds::Integer(8), Value::Integer(i64::MIN)), "");
    }

    #[test]
    fn a_decimal_has_as_many_digits_as_its_type_before_and_behind_the_point() {
        // numeric(6,2), numeric(3,-2), numeric(2,4)
        for (whole, scale, fits, beyond) in [
            (4, 2, ["9999.99", "-9999.990", "0.01", "0"], ["10000", "-12345.67", "0.001", "1.234"]),
            (5, -2, ["99900", "-100.0", "0", "0.0"], ["123", "-1230", "100.5", "100000"]),
            (-2, 4, ["0.0099", "-0.0001", "0", "-0.00990"], ["0.01", "-0.01", "1", "0.00991"]),
        ] {
            let bounds = Bounds::Decimal { whole, scale };
            for text in fits {
                assert_eq!(why(&bounds, Value::Text(text)), "", "{bounds:?}: {text}");
            }
            for text in beyond {
                assert_ne!(why(&bounds, Value::Text(text)), "", "{bounds:?}: {text}");
            }
        }
    }

    #[test]
    fn a_value_that_is_beyond_the_bounds_says_why() {
        let text = Value::Text;
        let mood = Bounds::OneOf(["glad".to_owned(), "sad".to_owned()].into());
        for (bounds, value, expected) in [
            (Bounds::Decimal { whole: 4, scale: 2 }, text("12.345"), "more than the column's 2 digits behind the"),
            (Bounds::Decimal { whole: 4, scale: 2 }, text("-12345"), "column's type (less than 10^4, whatever"),
            (Bounds::Decimal { whole: 5, scale: -2 }, text("123"), "is finer than the column's scale of -2"),
            (Bounds::Fraction(6), text("2026-11-22T03:04:05.1234567"), "finer fraction of a second"),
            (Bounds::Fraction(0), text("2026-11-22T03:04:05.5+01:00"), "finer fraction of a second"),
            (Bounds::Real32, Value::Real(1e39), "does not fit a real of 32 bits"),
            (Bounds::Real32, Value::Real(1e-46), "does not fit a real of 32 bits"),
            (Bounds::Real32, Value::Real(16_777_217.0), "has more digits than a real of 32 bits keeps"),
            (Bounds::Uuid, text("550e8400"), "is not a UUID"),
            (Bounds::Time(6), text("25:00:00"), "is not a time of day"),
            (Bounds::Time(1), text("23:00:00.25"), "finer fraction of a second"),
            (Bounds::Text(None), text("a\0b"), "a NUL character"),
            (Bounds::Name(63), text("a\0b"), "a NUL character"),
            (Bounds::Name(3), text("äü"), "has more than the column's 3 bytes"),
            (Bounds::Text(Some(5)), text("sechs!"), "has 6 characters, and the column has room for 5"),
            (Bounds::Text(Some(2)), text("  x"), "has 3 characters, and the column has room for 2"),
            (mood, text("Glad"), "is not one of the values that the column's type has"),
        ] {
            let said = why(&bounds, value);
            assert!(said.contains(expected), "{bounds:?}: {said}");
        }
    }

    #[test]
    fn a_value_within_the_bounds_is_taken() {
        let text = Value::Text;
        let mood = Bounds::OneOf(["glad".to_owned(), "sad".to_owned()].into());
        for (bounds, value) in [
            (Bounds::Fraction(0), text("2026-11-22T03:04:05.000Z")),
            (Bounds::Fraction(3), text("2026-11-22T03:04:05.120000-07:30")),
            (Bounds::Time(2), text("23:59:59.250")),
            (Bounds::Real32, Value::Real(1e30)),
            (Bounds::Real32, Value::Real(0.0)),
            (Bounds::Text(Some(5)), text("fünf!   ")),
            (Bounds::Name(4), text("äü")),
            (mood, text("sad")),
            (Bounds::Uuid, Value::Null),
        ] {
            assert_eq!(why(&bounds, value), "", "{bounds:?}");
        }
    }
}
