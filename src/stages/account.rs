//! Account: what a done file came to, as the ledger holds it and as it is told.

use std::ffi::OsStr;

use jiff::Timestamp;

use super::file::Claimed;
use crate::events::{Event, Kind};
use crate::file::{Digest, FileId};
use crate::import::{Effect, Written};
use crate::ledger::{Entry, State};
use crate::log::escape;

/// See the module.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) digest: Digest,
    pub(super) end: End,
    /// Before the file is moved on.
    pub(super) committed_at: Timestamp,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    Rows {
        rows: u64,
        rejects: u64,
        effect: Effect,
    },
    /// In place of earlier ones.
    Instead {
        rows: u64,
        rejects: u64,
        effect: Effect,
        rows_before: u64,
        changed: bool,
    },
    Results {
        json: String,
        count: usize,
    },
    DuplicateOf {
        id: FileId,
        name: String,
    },
}

impl Account {
    /// Of now.
    pub(super) fn new(digest: Digest, end: End) -> Self {
        Self { digest, end, committed_at: Timestamp::now() }
    }

    /// What is told of the file.
    pub(super) fn event(&self, file: &Claimed) -> Event {
        let event = match &self.end {
            End::Rows { rows, rejects, effect } => committed(file, *rows, *rejects, effect),
            End::Instead { rows, rejects, effect, rows_before, changed } => committed(file, *rows, *rejects, effect)
                .with("rows_before", *rows_before)
                .with("bytes_changed", *changed),
            End::Results { count, .. } => file.event(Kind::FileCommitted, "commit").with("results", *count),
            End::DuplicateOf { id, name } => {
                file.event(Kind::FileDuplicate, "commit").with("original_id", id.0).with("original", name.as_str())
            }
        };
        Event { at: self.committed_at, ..event }
    }

    /// What the ledger is to hold of it, as it stands before it is archived.
    pub(super) fn entry<'f>(&self, file: &'f Claimed) -> Entry<'f> {
        let known = Entry { blake3: Some(self.digest), changed_at: self.committed_at, ..file.entry(State::Committed) };
        match &self.end {
            End::Rows { rows, rejects, .. } | End::Instead { rows, rejects, .. } => {
                Entry { rows: Some(*rows), rejects: *rejects, ..known }
            }
            End::Results { json, .. } => Entry { results: Some(json.clone()), ..known },
            End::DuplicateOf { id, .. } => Entry { duplicate_of: Some(*id), state: State::Duplicate, ..known },
        }
    }
}

fn committed(file: &Claimed, rows: u64, rejects: u64, effect: &Effect) -> Event {
    let mut event = file.event(Kind::FileCommitted, "commit").with("rows", rows);
    if rejects > 0 {
        event = event.with("rejects", rejects);
    }
    if let Some(Written { inserted, updated, skipped }) = effect.keyed {
        event = event.with("rows_inserted", inserted).with("rows_updated", updated).with("rows_skipped", skipped);
    }
    if effect.left_out > 0 {
        event = event.with("rows_skipped", effect.left_out);
    }
    if let Some(before) = effect.rows_before {
        event = event.with("rows_before", before);
    }
    for (field, columns) in [("columns_added", &effect.added), ("columns_ignored", &effect.ignored)] {
        if !columns.is_empty() {
            event = event.with(field, listed(columns));
        }
    }
    if let Some(later) = effect.superseded_by {
        event = event.with("superseded_by", later.0);
    }
    match file.replaces {
        Some(earlier) => event.with("replaces", earlier.0),
        None => event,
    }
}

/// The first few names of columns, in one field.
fn listed(columns: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let shown: Vec<_> = columns.iter().take(SHOWN_MAX).map(|column| escape(OsStr::new(column))).collect();
    match columns.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}
