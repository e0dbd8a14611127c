//! Requests: what can be ordered. On the socket, one is a line of JSON.

use serde::{Deserialize, Serialize};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Nothing new is taken from these inboxes; what is in hand finishes.
    Pause(Folders),
    /// These folders go on.
    Resume(Folders),
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
