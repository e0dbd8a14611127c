//! What can be wrong, and what it comes to.

use std::fmt;

/// What a problem comes to for who dropped the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A file, a row, a result or a reason is missing.
    Lost,
    /// A file, a row or a result is there too often, or a command ran beside itself.
    Doubled,
    /// A row set, a file, a result, a reason or a move is there in part.
    Half,
    /// Nothing of these, but disk, target and ledger say different things.
    Disagrees,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}
