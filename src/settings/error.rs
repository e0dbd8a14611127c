//! What is wrong with the settings: everything that was found, not only the first.

use std::fmt::{self, Write as _};

use super::show::Shown;

/// The layer of `--set`.
pub(super) const SET: &str = "--set";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The layer and where in it: `/etc/importerd/importerd.toml:12:9`,
    /// `environment IMPORTERD__PROCESSORS`, `--set`.
    pub place: String,
    /// The key, as far as there is one.
    pub key: Option<String>,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl Problem {
    /// A problem of one key.
    pub(super) fn of_key(place: impl Into<String>, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), key: Some(key.into()), text: text.into() }
    }

    /// A problem of a whole layer.
    pub(super) fn of_layer(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), key: None, text: text.into() }
    }
}

impl fmt::Display for Problem {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some(key) = &self.key {
            f.write_str(if self.place == SET { " " } else { ": " })?;
            key.chars().flat_map(char::escape_debug).try_for_each(|c| f.write_char(c))?;
        }
        f.write_str(": ")?;
        // It may repeat a name as it was typed.
        self.text
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_debug()) } else { f.write_char(c) })
    }
}

/// The settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong, in the order of the layers. Never empty.
    pub problems: Vec<Problem>,
    /// What was understood nevertheless, for `config show`.
    pub values: Vec<Shown>,
}

impl fmt::Display for Error {
    /// One problem a line; the last line says what to type next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        f.write_str("to see every value and where it comes from, type: importerd config show --origin")
    }
}

impl std::error::Error for Error {}
