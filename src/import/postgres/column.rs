//! A column of a table in PostgreSQL: what its type is to a file, which values it holds, and how they are written in binary.

use std::borrow::Cow;

use super::super::bounds::Bounds;
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
    /// `numeric`
    Numeric,
    /// `boolean`
    Boolean,
    /// `date`
    Date,
    /// `timestamp`; `timestamptz` where it is an instant, with an offset in the file.
    Timestamp {
        /// Whether it is one.
        instant: bool,
    },
    /// `time`
    Time,
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

/// A type as the catalogs have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name there.
    pub name: String,
    /// Its `typtype`.
    pub kind: String,
    /// What is declared of its length and digits; -1: nothing.
    pub modifier: i32,
    /// The values of an enum.
    pub labels: Vec<String>,
}

/// The most bytes that a name may have; PostgreSQL cuts longer ones without a word.
pub const NAME_BYTES_MAX: usize = 63;

/// So many digits of a second's fraction there are.
const FRACTION_DIGITS: usize = 6;

/// The enums' `typtype`.
const ENUM: &str = "e";

/// What a modifier of a length, or of digits, counts beside these.
const MODIFIER_MORE: i32 = 4;

/// So many digits before the point, and so many behind it, a `numeric` holds at most.
const WHOLE_MAX: i32 = 131_072;
const SCALE_MAX: i32 = 16_383;

impl Declared {
    /// How its values are written.
    pub fn wire(&self) -> Wire {
        match self.name.as_str() {
            _ if self.kind == ENUM => Wire::Text,
            "int2" => Wire::Integer(2),
            "int4" => Wire::Integer(4),
            "int8" => Wire::Integer(8),
            "float4" => Wire::Float4,
            "float8" => Wire::Float8,
            "numeric" => Wire::Numeric,
            "bool" => Wire::Boolean,
            "date" => Wire::Date,
            "timestamp" => Wire::Timestamp { instant: false },
            "timestamptz" => Wire::Timestamp { instant: true },
            "time" => Wire::Time,
            "uuid" => Wire::Uuid,
            "text" | "varchar" | "bpchar" | "citext" | "name" | "json" => Wire::Text,
            "jsonb" => Wire::Jsonb,
            "xml" => Wire::Xml,
            _ => Wire::Unknown,
        }
    }

    /// What of its values it doesn't hold, in a database that `holds_all` characters; in others they are counted by the
    /// server. `shown`: the type in SQL.
    pub fn bounds(&self, holds_all: bool, shown: &str) -> Bounds {
        let length = usize::try_from(self.modifier - MODIFIER_MORE).ok().filter(|_| holds_all);
        let digits = usize::try_from(self.modifier).unwrap_or(FRACTION_DIGITS).min(FRACTION_DIGITS);
        match (self.wire(), self.name.as_str()) {
            (Wire::Unknown, _) => Bounds::Closed(shown.to_owned()),
            (Wire::Integer(8) | Wire::Float8 | Wire::Boolean | Wire::Date, _) => Bounds::Open,
            (Wire::Integer(bytes), _) => Bounds::Integer(bytes),
            (Wire::Float4, _) => Bounds::Real32,
            (Wire::Numeric, _) => decimal(self.modifier),
            (Wire::Timestamp { .. }, _) => Bounds::Fraction(digits),
            (Wire::Time, _) => Bounds::Time(digits),
            (Wire::Uuid, _) => Bounds::Uuid,
            (Wire::Text, _) if self.kind == ENUM => {
                let mut labels = self.labels.clone();
                labels.sort();
                Bounds::OneOf(labels.into())
            }
            (Wire::Text, "name") if holds_all => Bounds::Name(NAME_BYTES_MAX),
            (Wire::Text, "varchar" | "bpchar") => Bounds::Text(length),
            (Wire::Text | Wire::Jsonb | Wire::Xml, _) => Bounds::Text(None),
        }
    }
}

/// The precision is in the upper bits, the scale in the lower eleven, with a sign.
fn decimal(modifier: i32) -> Bounds {
    let Some(declared) = modifier.checked_sub(MODIFIER_MORE).filter(|declared| *declared >= 0) else {
        return Bounds::Decimal { whole: WHOLE_MAX, scale: SCALE_MAX };
    };
    let (precision, scale) = ((declared >> 16) & 0xffff, ((declared & 0x7ff) ^ 1024) - 1024);
    Bounds::Decimal { whole: precision - scale, scale }
}

impl Wire {
    /// What a file's column must hold.
    pub fn kind(self) -> Type {
        match self {
            Self::Integer(_) => Type::Integer,
            Self::Float4 | Self::Float8 => Type::Real,
            Self::Numeric => Type::Decimal,
            Self::Boolean => Type::Boolean,
            Self::Date => Type::Date,
            Self::Timestamp { instant: false } => Type::Timestamp,
            Self::Timestamp { instant: true } => Type::Instant,
            Self::Time | Self::Uuid | Self::Text | Self::Jsonb | Self::Xml => Type::Text,
            Self::Unknown => Type::Unfillable,
        }
    }

    /// Appends a value with its length, which was found to be of the kind and within its bounds.
    ///
    /// # Errors
    ///
    /// It isn't.
    pub fn write(self, value: Value<'_>, buffer: &mut Vec<u8>) -> Result<(), Reason> {
        if value == Value::Null {
            buffer.extend((-1_i32).to_be_bytes());
            return Ok(());
        }
        let at = buffer.len();
        buffer.extend([0; 4]);
        self.write_bare(value, buffer).ok_or_else(changed)?;
        let length = i32::try_from(buffer.len() - at - 4);
        let length = length.map_err(|_| Reason::new("value", "a value of more than 2 GiB"))?;
        buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn write_bare(self, value: Value<'_>, buffer: &mut Vec<u8>) -> Option<()> {
        match (self, value) {
            (Self::Integer(2), Value::Integer(integer)) => buffer.extend(i16::try_from(integer).ok()?.to_be_bytes()),
            (Self::Integer(4), Value::Integer(integer)) => buffer.extend(i32::try_from(integer).ok()?.to_be_bytes()),
            (Self::Integer(_), Value::Integer(integer)) => buffer.extend(integer.to_be_bytes()),
            (Self::Float8, Value::Real(real)) => buffer.extend(real.to_be_bytes()),
            #[expect(clippy::cast_possible_truncation, reason = "the nearest one is what the column keeps")]
            (Self::Float4, Value::Real(real)) => buffer.extend((real as f32).to_be_bytes()),
            (Self::Numeric, Value::Text(text)) => numeric::encode(text, buffer)?,
            (Self::Boolean, Value::Integer(boolean)) => buffer.push(u8::from(boolean != 0)),
            (Self::Date, Value::Text(text)) => buffer.extend(time::date(text)?.to_be_bytes()),
            (Self::Timestamp { .. }, Value::Text(text)) => buffer.extend(time::timestamp(text)?.to_be_bytes()),
            (Self::Time, Value::Text(text)) => buffer.extend(time::time(text)?.to_be_bytes()),
            (Self::Uuid, Value::Text(text)) => {
                let digits = text.replace(['{', '-', '}'], "");
                buffer.extend(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes());
            }
            (Self::Text, Value::Text(text)) => buffer.extend(text.as_bytes()),
            (Self::Jsonb, Value::Text(text)) => {
                // The version of the format.
                buffer.push(1);
                buffer.extend(text.as_bytes());
            }
            (Self::Xml, Value::Text(text)) => buffer.extend(without_encoding(text).as_bytes()),
            _ => return None,
        }
        Some(())
    }
}

/// Why a value has no place in a column that it fitted when it was read.
pub fn changed() -> Reason {
    Reason::new("wrong_type", "the column's type changed while the file was read")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(wire: Wire, value: Value<'_>) -> Result<Vec<u8>, String> {
        let mut buffer = Vec::new();
        wire.write(value, &mut buffer).map_err(|reason| reason.to_string())?;
        Ok(buffer.split_off(4))
    }

    #[test]
    fn an_integer_is_written_by_its_columns_bytes() {
        for (bytes, low, high) in
            [(2, i64::from(i16::MIN), i64::from(i16::MAX)), (4, i64::from(i32::MIN), i64::from(i32::MAX))]
        {
            let wire = Wire::Integer(bytes);
            assert_eq!(written(wire, Value::Integer(low)).unwrap(), low.to_be_bytes()[8 - bytes..]);
            assert_eq!(written(wire, Value::Integer(high)).unwrap(), high.to_be_bytes()[8 - bytes..]);
            for beyond in [low - 1, high + 1] {
                assert!(written(wire, Value::Integer(beyond)).is_err(), "{beyond}");
            }
        }
        assert_eq!(written(Wire::Integer(8), Value::Integer(i64::MIN)).unwrap(), i64::MIN.to_be_bytes());
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

    fn declared(name: &str, modifier: i32) -> Declared {
        Declared { name: name.to_owned(), kind: "b".to_owned(), modifier, labels: Vec::new() }
    }

    #[test]
    fn a_declared_type_is_known_with_its_modifier() {
        for (name, modifier, kind, bounds) in [
            ("int4", -1, Type::Integer, Bounds::Integer(4)),
            ("int8", -1, Type::Integer, Bounds::Open),
            ("numeric", ((10 << 16) | 2) + 4, Type::Decimal, Bounds::Decimal { whole: 8, scale: 2 }),
            // numeric(3,-2)
            ("numeric", ((3 << 16) | 0x7fe) + 4, Type::Decimal, Bounds::Decimal { whole: 5, scale: -2 }),
            ("numeric", -1, Type::Decimal, Bounds::Decimal { whole: WHOLE_MAX, scale: SCALE_MAX }),
            ("timestamp", 3, Type::Timestamp, Bounds::Fraction(3)),
            ("timestamptz", -1, Type::Instant, Bounds::Fraction(6)),
            ("time", 0, Type::Text, Bounds::Time(0)),
            ("varchar", 9, Type::Text, Bounds::Text(Some(5))),
            ("varchar", -1, Type::Text, Bounds::Text(None)),
            ("jsonb", -1, Type::Text, Bounds::Text(None)),
            ("point", -1, Type::Unfillable, Bounds::Closed("as shown".to_owned())),
        ] {
            let declared = declared(name, modifier);
            assert_eq!((declared.wire().kind(), declared.bounds(true, "as shown")), (kind, bounds), "{name}");
        }
        let mood = Declared { kind: "e".to_owned(), labels: vec!["sad".into(), "glad".into()], ..declared("mood", -1) };
        assert_eq!(mood.wire(), Wire::Text);
        assert_eq!(mood.bounds(true, ""), Bounds::OneOf(["glad".to_owned(), "sad".to_owned()].into()));
    }

    /// What it counts itself, the server alone knows.
    #[test]
    fn characters_are_counted_only_in_a_database_that_holds_them_all() {
        assert_eq!(declared("varchar", 9).bounds(false, ""), Bounds::Text(None));
        assert_eq!(declared("name", -1).bounds(false, ""), Bounds::Text(None));
    }
}
