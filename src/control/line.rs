//! Lines: what is told of an order while it is carried out. On the socket, each is a line of JSON.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use crate::exit;
use crate::fault::Fault;
use crate::ledger::Row;
use crate::log::escape;

/// Something told. The last is `Done` or `Refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The daemon has read the order.
    Heard,
    /// What became of one file or folder.
    Outcome(Outcome),
    /// How far the drain is.
    Progress {
        /// How many files are claimed.
        in_hand: usize,
        /// The one that has been at work for longest, and for how many seconds.
        oldest: Option<(String, u64)>,
    },
    /// The order is carried out, as far as it could be.
    Done {
        /// The exit code, from [`crate::exit`].
        exit: u8,
    },
    /// It is not.
    Refused(Refusal),
}

/// What became of one file or folder. `--json` prints it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The file's number; null where it has none, and for a folder.
    pub id: Option<i64>,
    /// The folder; null where it is not known.
    pub folder: Option<String>,
    /// The file's name, escaped; null for a folder.
    pub name: Option<String>,
    /// What became of it, as a stable word.
    pub outcome: String,
    /// Whether that is what was ordered.
    pub ok: bool,
    /// The same in words, and what to do.
    pub text: String,
}

impl Outcome {
    /// What became of a file of the ledger.
    pub fn of_file(row: &Row, outcome: &str, ok: bool, text: impl Into<String>) -> Self {
        let (folder, name) = (Some(row.folder.clone()), Some(escape(&row.name)));
        Self { id: Some(row.id.0), folder, name, outcome: outcome.to_owned(), ok, text: text.into() }
    }

    /// Nothing is known of a file, as it was typed.
    #[must_use]
    pub fn unknown(typed: &str) -> Self {
        let text = "nothing is known of it".to_owned();
        Self { id: None, folder: None, name: Some(typed.to_owned()), outcome: "unknown".to_owned(), ok: false, text }
    }

    /// What became of a folder.
    pub fn of_folder(folder: &str, outcome: &str, text: impl Into<String>) -> Self {
        let (folder, outcome) = (Some(folder.to_owned()), outcome.to_owned());
        Self { id: None, folder, name: None, outcome, ok: true, text: text.into() }
    }
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The exit code, from [`crate::exit`].
    pub exit: u8,
    /// What is wrong.
    pub text: String,
    /// What to type or to do.
    pub next: String,
}

impl Refusal {
    /// What is wrong, and what to type or to do.
    pub fn new(exit: u8, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, text: text.into(), next: next.into() }
    }
}

impl Refusal {
    /// Digits are the number of one file, and the name of another.
    #[must_use]
    pub fn ambiguous(typed: &OsStr, numbered: &Row, named: &Row) -> Self {
        let typed = escape(typed);
        let text = format!(
            "{typed} is the number of {} ({}), and the name of {} ({})",
            escape(&numbered.name),
            numbered.folder,
            named.id,
            named.folder
        );
        Self::new(exit::USAGE, text, format!("type '#{typed}' for the one, '{}' for the other", named.id))
    }
}

/// The world or the ledger is in the way.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let next = fault.reason().hint.clone().unwrap_or_else(|| "mend that, and type it again".to_owned());
        Self::new(exit::of(&fault), fault.to_string(), next)
    }
}
