//! What may be written as the value of a key: its type, its limits, and what to say otherwise.

use std::fmt;
use std::time;

use toml::de::DeValue;

use super::column::Column;
use super::value::{Value, excerpt};
use super::{limits, mode};

/// The type of a key and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Count {
        /// The smallest that is allowed.
        min: u64,
        /// The largest that is allowed.
        max: u64,
    },
    /// A whole number, or a percentage such as `"1%"`.
    CountOrPercent {
        /// The largest number that is allowed.
        max: u64,
    },
    /// Yes or no.
    Flag,
    /// A time with its unit, such as `30s`.
    Duration {
        /// The shortest that is allowed.
        min: &'static str,
        /// The longest that is allowed.
        max: &'static str,
    },
    /// A time with its unit, or `forever`.
    Retention {
        /// The shortest that is allowed.
        min: &'static str,
        /// The longest that is allowed.
        max: &'static str,
    },
    /// The absolute path of a directory.
    Directory,
    /// The address of a database: `sqlite:PATH`, or a URL of PostgreSQL.
    Target,
    /// The name of a systemd credential.
    Credential,
    /// The name of a database table.
    Table,
    /// The end of a file name.
    Suffix,
    /// One character of ASCII.
    Character {
        /// Whether `none` is allowed.
        none: bool,
    },
    /// The label of a text encoding.
    Encoding,
    /// A JSON pointer.
    Pointer,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The type of a column.
    Column,
    /// What becomes of the rows that are there already.
    Mode,
    /// A list of globs; it may be empty.
    Globs,
    /// A list of words; it may be empty.
    Words,
    /// A program and its arguments.
    Command,
}

/// For the manual: what to write, with the limits.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { min, max } => write!(f, "A whole number from {min} to {max}"),
            Self::CountOrPercent { max } => write!(f, "A whole number from 0 to {max}, or a percentage such as \"1%\""),
            Self::Flag => f.write_str("true or false"),
            Self::Duration { min, max } => write!(f, "A duration from {min} to {max}"),
            Self::Retention { min, max } => write!(f, "{FOREVER}, or a duration from {min} to {max}"),
            Self::Directory => f.write_str("An absolute path"),
            Self::Target => {
                f.write_str("sqlite:PATH; a relative PATH is below the state directory. Or a PostgreSQL URL")
            }
            Self::Credential => f.write_str("The name of a credential"),
            Self::Table => f.write_str("The name of a table"),
            Self::Suffix => f.write_str("The end of a file name"),
            Self::Character { none: false } => f.write_str("A character of ASCII, or tab"),
            Self::Character { none: true } => f.write_str("A character of ASCII, or none"),
            Self::Encoding => f.write_str("A label of the WHATWG encoding standard"),
            Self::Pointer => f.write_str("A JSON pointer"),
            Self::OneOf(words) => write!(f, "One of {}", words.join(", ")),
            Self::Column => {
                write!(f, "One of {}; date:FORMAT and timestamp:FORMAT with FORMAT as strftime's", columns())
            }
            Self::Mode => f.write_str(mode::ALLOWED),
            Self::Globs => f.write_str("A list of globs"),
            Self::Words => f.write_str("A list of words"),
            Self::Command => f.write_str("A program and its arguments, as a list"),
        }
    }
}

/// The time that has no end.
pub(super) const FOREVER: &str = "forever";

/// Text for the operator: what is wrong with a value and what to write instead.
pub(super) type Wrong = String;

impl Kind {
    /// Takes a value from a TOML file. Nothing is converted: `"12"` is not 12.
    pub(super) fn take_toml(self, value: &DeValue<'_>) -> Result<Value, Wrong> {
        let value = match (self, value) {
            (Self::Count { .. } | Self::CountOrPercent { .. }, DeValue::Integer(number)) => {
                u64::from_str_radix(number.as_str(), number.radix())
                    .map(Value::Whole)
                    .map_err(|_| self.out_of_range(&number.to_string()))?
            }
            (Self::Flag, DeValue::Boolean(yes)) => Value::Flag(*yes),
            (Self::Duration { .. } | Self::Retention { .. }, DeValue::Integer(number)) => {
                return Err(no_unit(number.as_str(), number.as_str()));
            }
            (Self::Globs | Self::Words | Self::Command, DeValue::Array(items)) => Value::List(
                items
                    .iter()
                    .map(|item| item.get_ref().as_str().map(str::to_owned).ok_or_else(|| self.mistyped(item.get_ref())))
                    .collect::<Result<_, _>>()?,
            ),
            (Self::Mode, value) => mode::take_toml(value)?,
            (Self::Count { .. } | Self::Flag | Self::Globs | Self::Words | Self::Command, other) => {
                return Err(self.mistyped(other));
            }
            (_, DeValue::String(text)) => Value::Text(text.to_string()),
            (_, other) => return Err(self.mistyped(other)),
        };
        self.check(value)
    }

    /// Takes a value from the environment, `--set` or the built-in rows, where all is text.
    ///
    /// A list is a TOML array, or a single text as a list of one.
    pub(super) fn take_text(self, text: &str) -> Result<Value, Wrong> {
        match self {
            Self::Count { .. } => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(format!("{} is not a whole number", excerpt(text)));
                }
                let number = text.parse().map_err(|_| self.out_of_range(text))?;
                self.check(Value::Whole(number))
            }
            Self::CountOrPercent { .. } if !text.contains('%') => {
                let number = text.parse().map_err(|_| limits::no_percentage(text))?;
                self.check(Value::Whole(number))
            }
            Self::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err(format!("{} is not true or false", excerpt(text))),
            },
            Self::Mode if text.trim_start().starts_with('{') => {
                let table = DeValue::parse(text)
                    .map_err(|_| format!("{} is not TOML; write {}", excerpt(text), mode::ALLOWED))?;
                self.take_toml(table.get_ref())
            }
            Self::Globs | Self::Words | Self::Command if is_array(text) => {
                let array = DeValue::parse(text)
                    .map_err(|_| format!("{} is not a list; write it like [\"a\", \"b\"]", excerpt(text)))?;
                self.take_toml(array.get_ref())
            }
            Self::Globs | Self::Words | Self::Command => self.check(Value::List(vec![text.to_owned()])),
            _ => self.check(Value::Text(text.to_owned())),
        }
    }

    /// Takes a value of the right type, if it keeps the limits.
    pub(super) fn check(self, value: Value) -> Result<Value, Wrong> {
        match (self, &value) {
            (Self::Count { min, max }, Value::Whole(number)) if !(min..=max).contains(number) => {
                return Err(self.out_of_range(&number.to_string()));
            }
            (Self::CountOrPercent { max }, Value::Whole(number)) if *number > max => {
                return Err(self.out_of_range(&number.to_string()));
            }
            (Self::CountOrPercent { .. }, Value::Text(text)) => limits::percentage(text)?,
            (Self::Retention { .. }, Value::Text(text)) if text == FOREVER => {}
            (Self::Duration { .. } | Self::Retention { .. }, Value::Text(text)) => self.check_duration(text)?,
            (Self::Directory, Value::Text(text)) => limits::directory(text)?,
            (Self::Target, Value::Text(text)) => limits::target(text)?,
            (Self::Credential, Value::Text(text)) => limits::credential(text)?,
            (Self::Table, Value::Text(text)) => limits::table(text)?,
            (Self::Suffix, Value::Text(text)) => limits::suffix(text)?,
            (Self::Character { none }, Value::Text(text)) => limits::character(text, none)?,
            (Self::Encoding, Value::Text(text)) => limits::encoding(text)?,
            (Self::Pointer, Value::Text(text)) => limits::pointer(text)?,
            (Self::OneOf(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
                return Err(format!("{} is not one of {}", excerpt(text), self.allowed()));
            }
            (Self::Column, Value::Text(text)) => Column::of(text).map(drop)?,
            (Self::Words, Value::List(words)) => words.iter().try_for_each(|word| limits::word(word))?,
            (Self::Mode, value) => mode::check(value)?,
            (Self::Globs, Value::List(globs)) => globs.iter().try_for_each(|glob| limits::glob(glob))?,
            (Self::Command, Value::List(words)) => limits::command(words)?,
            _ => {}
        }
        Ok(value)
    }

    /// What may be written, in a few words: `1 to 256`.
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Self::Count { min, max } => format!("{min} to {max}"),
            Self::CountOrPercent { max } => format!("0 to {max}, or a percentage"),
            Self::Flag => "true or false".to_owned(),
            Self::Duration { min, max } => format!("{min} to {max}"),
            Self::Retention { min, max } => format!("{FOREVER:?}, or {min} to {max}"),
            Self::Directory => "an absolute path".to_owned(),
            Self::Target => format!("sqlite:PATH or {}", super::postgres::EXAMPLE),
            Self::Credential => "the name of a credential".to_owned(),
            Self::Table => "the name of a table".to_owned(),
            Self::Suffix => "the end of a file name".to_owned(),
            Self::Character { none: false } => "one character, or \"tab\"".to_owned(),
            Self::Character { none: true } => "one character, or \"none\"".to_owned(),
            Self::Encoding => "the label of an encoding".to_owned(),
            Self::Pointer => "a JSON pointer".to_owned(),
            Self::OneOf(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "),
            Self::Column => columns(),
            Self::Mode => mode::ALLOWED.to_owned(),
            Self::Globs => "a list of globs".to_owned(),
            Self::Words => "a list of words".to_owned(),
            Self::Command => "a list: the program and its arguments".to_owned(),
        }
    }

    fn type_needed(self) -> &'static str {
        match self {
            Self::Count { .. } => "a whole number",
            Self::CountOrPercent { .. } => "a whole number, or a percentage such as \"1%\",",
            Self::Duration { .. } => "a duration such as \"30s\"",
            Self::Retention { .. } => "a duration such as \"365d\", or \"forever\",",
            Self::Flag => "true or false",
            Self::Directory
            | Self::Table
            | Self::Suffix
            | Self::Target
            | Self::Credential
            | Self::Character { .. }
            | Self::Encoding
            | Self::Pointer
            | Self::OneOf(_) => "a string",
            Self::Column => "a column's type such as \"decimal\"",
            Self::Mode => mode::ALLOWED,
            Self::Globs => "a list of strings such as [\"*.csv\"]",
            Self::Words => "a list of strings such as [\"NA\"]",
            Self::Command => "a list of strings such as [\"/usr/bin/program\", \"{path}\"]",
        }
    }

    fn mistyped(self, value: &DeValue<'_>) -> Wrong {
        format!("{} where {} is needed", described(value), self.type_needed())
    }

    fn out_of_range(self, value: &str) -> Wrong {
        format!("{value} is out of range; {} is allowed", self.allowed())
    }

    fn check_duration(self, text: &str) -> Result<(), Wrong> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(no_unit(&excerpt(text), text));
        }
        let Ok(duration) = humantime::parse_duration(text) else {
            let like = match self {
                Self::Retention { .. } => "\"90d\", \"1y\" or \"forever\"",
                _ => "\"30s\", \"10m\" or \"1h 30m\"",
            };
            return Err(format!("{} is not a duration; write it like {like}", excerpt(text)));
        };
        let (Self::Duration { min, max } | Self::Retention { min, max }) = self else { return Ok(()) };
        if duration < row_limit(min) || duration > row_limit(max) {
            return Err(self.out_of_range(&excerpt(text)));
        }
        Ok(())
    }
}

/// A value with its TOML type: `the string "12"`.
pub(super) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {}", excerpt(text)),
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the float {number}"),
        DeValue::Boolean(yes) => format!("the boolean {yes}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A glob may begin with `[` as well, but hardly also end with `]` or go on with a quote.
fn is_array(text: &str) -> bool {
    let text = text.trim();
    text.strip_prefix('[').is_some_and(|rest| rest.ends_with(']') || rest.trim_start().starts_with(['"', '\'']))
}

fn columns() -> String {
    Column::NAMES.join(", ")
}

fn row_limit(text: &str) -> time::Duration {
    humantime::parse_duration(text).expect("a test reads the limits of every row")
}

fn no_unit(shown: &str, digits: &str) -> Wrong {
    format!("{shown} has no unit; write it with one, for instance \"{digits}s\"")
}
