//! Requests: what can be ordered. On the socket, one is a line of JSON.

use serde::{Deserialize, Serialize};

use super::{Ended, Selection};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Nothing new is taken from these inboxes; what is in hand finishes.
    Pause(Folders),
    /// These folders go on.
    Resume(Folders),
    /// Files are tried again: deferred ones now, refused ones from the beginning.
    Retry {
        /// Which.
        files: Selection,
        /// Nothing is done, only told.
        dry_run: bool,
    },
    /// Archived files are loaded again, each in place of its rows.
    Replay(Ended),
    /// The bytes and names of these files count as new from now on.
    Forget(Ended),
    /// The daemon finishes what it has in hand, and ends.
    Drain,
}

/// Which folders an order is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folders {
    /// Every one of the settings.
    All,
    /// These.
    Named(Vec<String>),
}
