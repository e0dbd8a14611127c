//! What the database says of a file: its load marker is the proof that it was imported.

use std::path::Path;

use serde::Serialize;

use crate::ledger::Row;
use crate::log::escape;
use crate::settings::{Folder, Work};
use crate::stages;

/// The database of an import.
#[derive(Debug, Serialize)]
pub struct Target {
    /// Its file.
    pub database: String,
    pub table: String,
    /// Whether its load marker is there; null: the database can't be read.
    pub imported: Option<bool>,
    /// How many rows it brought.
    pub rows: Option<u64>,
    /// How many didn't fit.
    pub rejects: Option<u64>,
    /// RFC 3339.
    pub committed_at: Option<String>,
    /// Why the database can't be read.
    pub error: Option<String>,
}

impl Target {
    /// Looks the marker up. `None`: the folder runs a command.
    pub fn look_up(folder: &Folder, state: &Path, row: &Row) -> Option<Self> {
        let Work::Import(import) = &folder.work else { return None };
        let place = stages::target(import, state);
        let target = Self {
            database: escape(place.to_string().as_ref()),
            table: import.table.clone(),
            imported: None,
            rows: None,
            rejects: None,
            committed_at: None,
            error: None,
        };
        if Self::is_missed(folder, state, row) {
            return Some(Self { error: Some("it is gone".to_owned()), ..target });
        }
        let marker = place.look().and_then(|markers| markers.map_or(Ok(None), |markers| markers.by_id(row.id)));
        Some(match marker {
            Ok(None) => Self { imported: Some(false), ..target },
            Ok(Some(marker)) => Self {
                imported: Some(true),
                rows: Some(marker.rows),
                rejects: Some(marker.rejects),
                committed_at: Some(marker.committed_at),
                ..target
            },
            Err(fault) => {
                let text = &fault.reason().text;
                // Which database is said already.
                let error = text.strip_prefix(&format!("the database {place}: ")).unwrap_or(text).to_owned();
                Self { error: Some(error), ..target }
            }
        })
    }

    /// Whether the file went into a database that isn't there.
    pub fn is_missed(folder: &Folder, state: &Path, row: &Row) -> bool {
        let Work::Import(import) = &folder.work else { return false };
        row.rows.is_some() && stages::target(import, state).is_missing()
    }

    /// In a few words.
    pub fn sentence(&self) -> String {
        let verdict = match (self.imported, self.rows, &self.committed_at) {
            (Some(true), Some(rows), Some(at)) => {
                let without = match self.rejects {
                    None | Some(0) => String::new(),
                    Some(rejects) => format!(" and {rejects} didn't fit"),
                };
                format!("{rows} row{} went in{without} at {at}", if rows == 1 { "" } else { "s" })
            }
            (Some(_), ..) => "nothing of it is in (no load marker)".to_owned(),
            (None, ..) => format!("can't be reached: {}", self.error.as_deref().unwrap_or_default()),
        };
        format!("{}, table {}: {verdict}", self.database, self.table)
    }
}
