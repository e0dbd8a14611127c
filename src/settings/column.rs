//! How a column is to be read, as an operator declares it: `columns = { amount = "decimal" }`.

use std::collections::BTreeMap;
use std::fmt;

use super::kind::Wrong;
use super::nearest::similar;
use super::value::excerpt;
use crate::pattern::Pattern;

/// The type of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Any text, as it stands.
    Text,
    /// 64 bits, signed.
    Integer,
    /// Every digit is kept.
    Decimal,
    /// The nearest floating-point number of 64 bits.
    Real,
    /// True or false.
    Boolean,
    /// A day; `None`: `YYYY-MM-DD`.
    Date(Option<Pattern>),
    /// A day and a time of day; `None`: as ISO 8601 has it.
    Timestamp(Option<Pattern>),
}

impl Column {
    /// What may be written.
    pub const NAMES: [&str; 7] = ["text", "integer", "decimal", "real", "boolean", "date", "timestamp"];

    /// The one that is called so: `integer`, `date:%d.%m.%Y`.
    ///
    /// # Errors
    ///
    /// Text for the operator.
    pub fn of(text: &str) -> Result<Self, Wrong> {
        let (name, form) = match text.split_once(':') {
            Some((name, form)) => (name, Some(form)),
            None => (text, None),
        };
        let declared = |pattern: fn(&str) -> Result<Pattern, String>| match form {
            Some(form) => pattern(form).map(Some).map_err(|why| format!("{} can't be used: {why}", excerpt(text))),
            None => Ok(None),
        };
        let column = match name {
            "date" => return declared(Pattern::of_dates).map(Self::Date),
            "timestamp" => return declared(Pattern::of_timestamps).map(Self::Timestamp),
            "text" => Self::Text,
            "integer" => Self::Integer,
            "decimal" => Self::Decimal,
            "real" => Self::Real,
            "boolean" => Self::Boolean,
            _ => return Err(unknown(name)),
        };
        match form {
            None => Ok(column),
            Some(_) => Err(format!("{} can't be used: only date and timestamp take a format", excerpt(text))),
        }
    }
}

/// As [`Column::of`] takes it.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formed = |name: &str, form: &Option<Pattern>| match form {
            Some(form) => format!("{name}:{}", form.text()),
            None => name.to_owned(),
        };
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::Date(form) => return f.write_str(&formed("date", form)),
            Self::Timestamp(form) => return f.write_str(&formed("timestamp", form)),
        })
    }
}

fn unknown(name: &str) -> Wrong {
    match Column::NAMES.iter().find(|known| similar(name, known)) {
        Some(known) => format!("{} is no type of a column; did you mean {known:?}?", excerpt(name)),
        None => format!("{} is no type of a column; write one of {}", excerpt(name), Column::NAMES.join(", ")),
    }
}

/// The columns that have a type of their own, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<String, Column>);

impl Columns {
    /// The one of this name, in whatever case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Column> {
        if self.0.is_empty() { None } else { self.0.get(&name.to_lowercase()) }
    }

    /// Each with its name, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.0.iter().map(|(name, column)| (name.as_str(), column))
    }
}

impl<N: AsRef<str>> FromIterator<(N, Column)> for Columns {
    fn from_iter<I: IntoIterator<Item = (N, Column)>>(columns: I) -> Self {
        Self(columns.into_iter().map(|(name, column)| (name.as_ref().to_lowercase(), column)).collect())
    }
}
