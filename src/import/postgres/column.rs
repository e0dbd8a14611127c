//! A column of a table in PostgreSQL: what its type is to a file, and how a value of it is written in binary.

use std::borrow::Cow;

use super::super::shown;
use super::super::value::{Type, Value};
use super::{numeric, time};
use crate::fault::Reason;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `smallint`, `integer`, `bigint`, by their bytes.
    Integer(usize),
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, with so many digits behind the point, where that is declared.
    Numeric(Option<i32>),
    /// `boolean`
    Boolean,
    /// `date`
    Date,
    /// `timestamp`, with so many digits of a second's fraction; `timestamptz` where it is an instant.
    Timestamp {
        /// Digits of the fraction.
        digits: usize,
        /// Whether it has an offset in the file.
        instant: bool,
    },
    /// `time`
    Time(usize),
    /// `uuid`
    Uuid,
    /// What is written as its text: `text`, `varchar`, `json`, an enum.
    Text,
    /// `jsonb`
    Jsonb,
    /// `xml`
    Xml,
    /// A type that no file can fill.
    Unknown,
}

/// So many digits of a second's fraction there are.
const FRACTION_DIGITS: usize = 6;

/// The enums' `typtype`.
const ENUM: &str = "e";

impl Wire {
    /// Of a type by its name in the catalog, its kind and its modifier.
    pub fn of(name: &str, kind: &str, modifier: i32) -> Self {
        let digits = usize::try_from(modifier).unwrap_or(FRACTION_DIGITS).min(FRACTION_DIGITS);
        match name {
            _ if kind == ENUM => Self::Text,
            "int2" => Self::Integer(2),
            "int4" => Self::Integer(4),
            "int8" => Self::Integer(8),
            "float4" => Self::Float4,
            "float8" => Self::Float8,
            // The scale is in the lower eleven bits, with a sign.
            "numeric" => Self::Numeric((modifier >= 4).then(|| (((modifier - 4) & 0x7ff) ^ 1024) - 1024)),
            "bool" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp { digits, instant: false },
            "timestamptz" => Self::Timestamp { digits, instant: true },
            "time" => Self::Time(digits),
            "uuid" => Self::Uuid,
            "text" | "varchar" | "bpchar" | "citext" | "name" | "json" => Self::Text,
            "jsonb" => Self::Jsonb,
            "xml" => Self::Xml,
            _ => Self::Unknown,
        }
    }

    /// What a file's column must hold.
    pub fn kind(self) -> Type {
        match self {
            Self::Integer(_) => Type::Integer,
            Self::Float4 | Self::Float8 => Type::Real,
            Self::Numeric(_) => Type::Decimal,
            Self::Boolean => Type::Boolean,
            Self::Date => Type::Date,
            Self::Timestamp { instant: false, .. } => Type::Timestamp,
            Self::Timestamp { instant: true, .. } => Type::Instant,
            Self::Time(_) | Self::Uuid | Self::Text | Self::Jsonb | Self::Xml => Type::Text,
            Self::Unknown => Type::Unfillable,
        }
    }

    /// Appends a value with its length.
    ///
    /// # Errors
    ///
    /// The column's type doesn't hold it.
    pub fn write(self, value: Value<'_>, buffer: &mut Vec<u8>) -> Result<(), Reason> {
        if value == Value::Null {
            buffer.extend((-1_i32).to_be_bytes());
            return Ok(());
        }
        let at = buffer.len();
        buffer.extend([0; 4]);
        self.write_bare(value, buffer)?;
        let length = i32::try_from(buffer.len() - at - 4);
        let length = length.map_err(|_| Reason::new("value", "a value of more than 2 GiB"))?;
        buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn write_bare(self, value: Value<'_>, buffer: &mut Vec<u8>) -> Result<(), Reason> {
        match (self, value) {
            (Self::Integer(bytes), Value::Integer(integer)) => write_integer(bytes, integer, buffer)?,
            (Self::Float8, Value::Real(real)) => buffer.extend(real.to_be_bytes()),
            (Self::Float4, Value::Real(real)) => buffer.extend(narrow(real)?.to_be_bytes()),
            (Self::Numeric(scale), Value::Integer(integer)) => write_numeric(scale, &integer.to_string(), buffer)?,
            (Self::Numeric(scale), Value::Real(real)) => write_numeric(scale, &real.to_string(), buffer)?,
            (Self::Numeric(scale), Value::Text(text)) => write_numeric(scale, text, buffer)?,
            (Self::Boolean, Value::Integer(boolean)) => buffer.push(u8::from(boolean != 0)),
            (Self::Date, Value::Text(text)) => {
                buffer.extend(time::date(text).ok_or_else(|| not(text, "a date (YYYY-MM-DD)"))?.to_be_bytes());
            }
            (Self::Timestamp { digits, instant }, Value::Text(text)) => {
                buffer.extend(microseconds(text, digits, instant)?.to_be_bytes());
            }
            (Self::Time(digits_max), Value::Text(text)) => {
                let (microseconds, digits) = time::time(text).ok_or_else(|| not(text, "a time of day (HH:MM:SS)"))?;
                check_digits(text, digits, digits_max)?;
                buffer.extend(microseconds.to_be_bytes());
            }
            (Self::Uuid, Value::Text(text)) => buffer.extend(uuid(text).ok_or_else(|| not(text, "a UUID"))?),
            (Self::Text, Value::Text(text)) => write_text(text, buffer)?,
            (Self::Jsonb, Value::Text(text)) => {
                // The version of the format.
                buffer.push(1);
                write_text(text, buffer)?;
            }
            (Self::Xml, Value::Text(text)) => write_text(&without_encoding(text), buffer)?,
            _ => return Err(Reason::new("wrong_type", "the column's type changed while the file was read")),
        }
        Ok(())
    }
}

fn write_integer(bytes: usize, integer: i64, buffer: &mut Vec<u8>) -> Result<(), Reason> {
    let limits = (i64::MIN >> (64 - 8 * bytes), i64::MAX >> (64 - 8 * bytes));
    if integer < limits.0 || integer > limits.1 {
        let text = format!("{integer} does not fit the column's type ({} to {})", limits.0, limits.1);
        return Err(Reason::new("out_of_range", text).hint("if such values are right, make the column a bigint"));
    }
    buffer.extend(&integer.to_be_bytes()[8 - bytes..]);
    Ok(())
}

/// The nearest one; but a whole number stays the one that it is, and nothing becomes 0.
fn narrow(real: f64) -> Result<f32, Reason> {
    #[expect(clippy::cast_possible_truncation, reason = "the nearest one is what the column keeps")]
    let narrow = real as f32;
    if !narrow.is_finite() || (narrow == 0.0 && real != 0.0) {
        return Err(Reason::new("out_of_range", format!("{real:?} does not fit a real of 32 bits")));
    }
    // By its digits as well: 1e30 is no real number, and is 1e30 again when it is read.
    let is_kept = |kept: f64| kept.to_bits() == real.to_bits();
    if real.fract() == 0.0 && !is_kept(f64::from(narrow)) && !narrow.to_string().parse().is_ok_and(is_kept) {
        let reason = Reason::new("would_change", format!("{real} has more digits than a real of 32 bits keeps"));
        return Err(reason.hint("make the column a double precision, or numeric"));
    }
    Ok(narrow)
}

fn write_numeric(scale: Option<i32>, text: &str, buffer: &mut Vec<u8>) -> Result<(), Reason> {
    if let Some(scale) = scale.filter(|scale| *scale < scale_of(text)) {
        let finer = if scale < 0 {
            format!("is finer than the column's scale of {scale}")
        } else {
            format!("has more than the column's {scale} digits behind the point")
        };
        let text = format!("{} {finer}", shown::value(text));
        return Err(Reason::new("would_change", text).hint("PostgreSQL would round it: give the column more digits"));
    }
    numeric::encode(text, buffer).map_err(|misfit| match misfit {
        numeric::Misfit::NotANumber => not(text, "a number"),
        numeric::Misfit::OutOfRange => Reason::new("out_of_range", "more digits than a numeric holds"),
    })
}

/// How many digits behind the point it needs; less than 0 where it ends with zeros before the point.
fn scale_of(text: &str) -> i32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let count = |digits: usize| i32::try_from(digits).unwrap_or(i32::MAX);
    let behind = fraction.trim_end_matches('0').len();
    let before = whole.trim_end_matches('0').trim_start_matches('-').len();
    match (behind, before) {
        (0, 0) => i32::MIN,
        (0, _) => -count(whole.len() - whole.trim_end_matches('0').len()),
        _ => count(behind),
    }
}

fn microseconds(text: &str, digits_max: usize, instant: bool) -> Result<i64, Reason> {
    let read = time::timestamp(text).ok_or_else(|| not(text, "a timestamp (YYYY-MM-DD HH:MM:SS)"))?;
    check_digits(text, read.fraction_digits, digits_max)?;
    match (read.has_offset, instant) {
        (true, false) => {
            let why = format!("{} has an offset, and the column is a timestamp without time zone", shown::value(text));
            Err(Reason::new("would_change", why).hint("make the column a timestamptz"))
        }
        (false, true) => {
            let why = format!("{} has no offset, and the column is a timestamp with time zone", shown::value(text));
            let hint = "nobody knows which moment is meant: write Z or an offset, or make the column a timestamp";
            Err(Reason::new("would_change", why).hint(hint))
        }
        _ => Ok(read.microseconds),
    }
}

fn check_digits(text: &str, digits: usize, digits_max: usize) -> Result<(), Reason> {
    if digits <= digits_max {
        return Ok(());
    }
    let why = format!("{} has a finer fraction of a second than the column's {digits_max} digits", shown::value(text));
    Err(Reason::new("would_change", why).hint("PostgreSQL would round it: write fewer digits"))
}

fn write_text(text: &str, buffer: &mut Vec<u8>) -> Result<(), Reason> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Reason::new("nul", "a NUL character, which PostgreSQL can't hold in a text"));
    }
    buffer.extend(text.as_bytes());
    Ok(())
}

/// A document without the encoding that it declares, which the server would believe: the file's is UTF-8 by now.
fn without_encoding(text: &str) -> Cow<'_, str> {
    let found = || {
        let (declared, content) = text.strip_prefix("<?xml")?.split_once("?>")?;
        // Else it is another instruction, whose name begins alike.
        declared.strip_prefix(|next: char| next.is_ascii_whitespace())?;
        let (before, behind) = declared.rsplit_once("encoding")?;
        let value = behind.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
        let (_, after) = value[1..].split_once(quote)?;
        Some(format!("<?xml{}{after}?>{content}", before.trim_end()))
    };
    found().map_or(Cow::Borrowed(text), Cow::Owned)
}

/// `550e8400-e29b-41d4-a716-446655440000`, also without hyphens or in braces.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let hyphens = [8, 13, 18, 23];
    let is_plain = text.len() == 32;
    let fits = is_plain || (text.len() == 36 && hyphens.iter().all(|&at| text.as_bytes()[at] == b'-'));
    let digits: Vec<u8> = text
        .bytes()
        .enumerate()
        .filter(|(at, _)| is_plain || !hyphens.contains(at))
        .map(|(_, byte)| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect();
    if fits { bytes.try_into().ok() } else { None }
}

fn not(text: &str, what: &str) -> Reason {
    Reason::new("wrong_type", format!("{} is not {what}", shown::value(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(wire: Wire, value: Value<'_>) -> Result<Vec<u8>, String> {
        let mut buffer = Vec::new();
        wire.write(value, &mut buffer).map_err(|reason| reason.to_string())?;
        Ok(buffer.split_off(4))
    }

    #[test]
    fn every_integer_type_takes_its_whole_range_and_nothing_beyond() {
        for (bytes, low, high) in
            [(2, i64::from(i16::MIN), i64::from(i16::MAX)), (4, i64::from(i32::MIN), i64::from(i32::MAX))]
        {
            let wire = Wire::Integer(bytes);
            assert_eq!(written(wire, Value::Integer(low)).unwrap(), low.to_be_bytes()[8 - bytes..]);
            assert_eq!(written(wire, Value::Integer(high)).unwrap(), high.to_be_bytes()[8 - bytes..]);
            for beyond in [low - 1, high + 1] {
                let why = written(wire, Value::Integer(beyond)).unwrap_err();
                assert_eq!(why, format!("{beyond} does not fit the column's type ({low} to {high})"));
            }
        }
        assert_eq!(written(Wire::Integer(8), Value::Integer(i64::MIN)).unwrap(), i64::MIN.to_be_bytes());
    }

    #[test]
    fn nothing_is_rounded_and_no_offset_made_up() {
        let text = Value::Text;
        for (wire, value, why) in [
            (Wire::Numeric(Some(2)), Value::Real(12.345), "has more than the column's 2 digits behind the point"),
            (Wire::Timestamp { digits: 6, instant: false }, text("2026-11-22T03:04:05Z"), "has an offset"),
            (Wire::Timestamp { digits: 6, instant: true }, text("2026-11-22T03:04:05"), "has no offset"),
            (Wire::Timestamp { digits: 6, instant: false }, text("2026-11-22T03:04:05.1234567"), "finer fraction"),
            (Wire::Timestamp { digits: 0, instant: false }, text("2026-11-22T03:04:05.5"), "finer fraction"),
            (Wire::Float4, Value::Real(1e39), "does not fit a real of 32 bits"),
            (Wire::Numeric(Some(-2)), text("123"), "is finer than the column's scale of -2"),
            (Wire::Numeric(Some(-2)), text("-1230"), "is finer than the column's scale of -2"),
            (Wire::Numeric(Some(-2)), text("100.5"), "is finer than the column's scale of -2"),
            (Wire::Uuid, text("550e8400"), "is not a UUID"),
            (Wire::Time(6), text("25:00:00"), "is not a time of day"),
            (Wire::Text, text("a\0b"), "a NUL character"),
        ] {
            let wrong = written(wire, value).unwrap_err();
            assert!(wrong.contains(why), "{wire:?}: {wrong}");
        }
        assert!(written(Wire::Numeric(Some(2)), Value::Real(12.5)).is_ok());
        for fits in ["1200", "-100.0", "0"] {
            assert!(written(Wire::Numeric(Some(-2)), text(fits)).is_ok(), "{fits}");
        }
        assert!(written(Wire::Timestamp { digits: 0, instant: false }, text("2026-11-22T03:04:05.000")).is_ok());
    }

    #[test]
    fn a_uuid_is_taken_as_people_write_it() {
        let bytes: Vec<u8> = (0..16).collect();
        for text in ["00010203-0405-0607-0809-0a0b0c0d0e0f", "{00010203-0405-0607-0809-0A0B0C0D0E0F}"] {
            assert_eq!(written(Wire::Uuid, Value::Text(text)).unwrap(), bytes);
        }
        assert!(written(Wire::Uuid, Value::Text("00010203-0405-0607-0809-0a0b0c0d0eé")).is_err());
    }

    #[test]
    fn of_an_xml_declaration_the_encoding_alone_is_left_out() {
        for (text, kept) in [
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", "<?xml version=\"1.0\"?><a/>"),
            (
                "<?xml version='1.0'\n encoding = 'x' standalone='yes' ?>\n<a/>",
                "<?xml version='1.0' standalone='yes' ?>\n<a/>",
            ),
            ("<?xml version='encoding' encoding='x'?><a/>", "<?xml version='encoding'?><a/>"),
            ("<?xml version='1.0'?><a encoding='x'/>", "<?xml version='1.0'?><a encoding='x'/>"),
            ("<a>encoding='x'?></a>", "<a>encoding='x'?></a>"),
            ("<?xml encoding='x?><a/>", "<?xml encoding='x?><a/>"),
            ("<?xml-model encoding='x'?><a/>", "<?xml-model encoding='x'?><a/>"),
        ] {
            assert_eq!(written(Wire::Xml, Value::Text(text)).unwrap(), kept.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_declared_type_is_known_with_its_modifier() {
        assert_eq!(Wire::of("numeric", "b", ((10 << 16) | 2) + 4), Wire::Numeric(Some(2)));
        assert_eq!(Wire::of("numeric", "b", -1), Wire::Numeric(None));
        assert_eq!(Wire::of("timestamp", "b", 3), Wire::Timestamp { digits: 3, instant: false });
        assert_eq!(Wire::of("mood", "e", -1), Wire::Text);
        assert_eq!(Wire::of("point", "b", -1), Wire::Unknown);
    }
}
