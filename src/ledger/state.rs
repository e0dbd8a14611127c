//! The states of a file in the ledger, and how one follows another.

use serde::{Deserialize, Serialize};

/// Where a file stands. The ledger stores these names.
///
/// A file that is only in hand has no row yet: if the program dies, the file lies in `active/` and is
/// carried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Tried in vain; waits in the inbox. If the program dies in it: it may still lie in `active/`, and
    /// recovery puts it back.
    Deferred,
    /// Rows or results are durable. If the program dies in it: recovery publishes and archives.
    Committed,
    /// Done; lies in `archive/`.
    Archived,
    /// Done before, as another file; archived without being done again.
    Duplicate,
    /// Refused. If the program dies in it: recovery moves it to `quarantine/`.
    Quarantined,
    /// Was done, and later loaded again under another number: the rows are those of that one now.
    Replaced,
    /// An operator has had it forgotten: the same bytes count as new. It lies where it lay.
    Forgotten,
}

impl State {
    /// All of them, in the order of a file's life.
    pub const ALL: [Self; 7] = [
        Self::Deferred,
        Self::Committed,
        Self::Archived,
        Self::Duplicate,
        Self::Quarantined,
        Self::Replaced,
        Self::Forgotten,
    ];

    /// Whether a file may still go in under its number; where a load marker with that number is there, it has.
    #[must_use]
    pub fn may_go_in(self) -> bool {
        matches!(self, Self::Deferred | Self::Quarantined)
    }

    /// As the ledger stores it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Committed => "committed",
            Self::Archived => "archived",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Replaced => "replaced",
            Self::Forgotten => "forgotten",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
