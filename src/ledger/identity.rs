//! Which ledger this is: a number drawn once, which its folders remember.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

/// The number of a ledger. No other ledger has it, not even one that was made anew from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LedgerId(i64);

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for LedgerId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(|number| Self(number.cast_signed()))
    }
}

impl TryFrom<String> for LedgerId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LedgerId> for String {
    fn from(id: LedgerId) -> Self {
        id.to_string()
    }
}

/// The number that it has. `None`: it is of a time when ledgers had none.
pub(super) fn of(connection: &Connection) -> rusqlite::Result<Option<LedgerId>> {
    connection
        .query_row("SELECT value FROM counter WHERE name = 'ledger'", [], |row| row.get(0).map(LedgerId))
        .optional()
}

/// The number that it has; drawn now for a ledger of a time when they had none.
pub(super) fn of_or_drawn(connection: &Connection) -> rusqlite::Result<LedgerId> {
    if let Some(id) = of(connection)? {
        return Ok(id);
    }
    // SQLite's own chance comes from the system's.
    connection.execute("INSERT INTO counter VALUES ('ledger', random())", [])?;
    of(connection)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}
