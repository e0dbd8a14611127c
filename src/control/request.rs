//! Requests: what can be ordered. On the socket, one is a line of JSON.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Ended, Selection};

/// An order on its way to a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressed {
    /// Whose daemon is meant: the state directory, by device and inode. `None`: it could not be looked at.
    #[serde(default)]
    pub state: Option<(u64, u64)>,
    /// The order.
    #[serde(flatten)]
    pub request: Request,
}

impl Addressed {
    /// Whether it is meant for the daemon of another state directory.
    pub(super) fn is_for_another(&self, than: Option<(u64, u64)>) -> bool {
        self.state.is_some() && self.state != than
    }
}

/// A state directory by device and inode, whatever the path to it.
pub(super) fn identity(state: &Path) -> Option<(u64, u64)> {
    state.metadata().ok().map(|found| (found.dev(), found.ino()))
}

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

impl Request {
    /// Whether it may have to wait for files or databases.
    #[must_use]
    pub fn may_take_long(&self) -> bool {
        !matches!(self, Self::Pause(_) | Self::Resume(_) | Self::Drain)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_arrives_as_it_was_given() {
        let files = Selection { files: vec!["a.csv".to_owned()], ..Selection::default() };
        let ended = Ended { since_us: Some(i64::MIN), ..Ended::default() };
        for request in [
            Request::Pause(Folders::All),
            Request::Resume(Folders::Named(vec!["orders".to_owned()])),
            Request::Retry { files, dry_run: true },
            Request::Replay(ended.clone()),
            Request::Forget(ended),
            Request::Drain,
        ] {
            for state in [None, Some((1, u64::MAX))] {
                let order = Addressed { state, request: request.clone() };
                let line = serde_json::to_vec(&order).unwrap();
                assert_eq!(serde_json::from_slice::<Addressed>(&line).unwrap(), order);
            }
        }
        let order: Addressed = serde_json::from_str("{\"resume\":\"all\"}").unwrap();
        assert!(!order.is_for_another(Some((1, 2))));
    }
}
