//! What the database says of a file: its load marker is the proof that it was imported.

use std::path::Path;

use serde::Serialize;

use crate::file::FileId;
use crate::import::{Marker, marker_by_id};
use crate::ledger::read_only;
use crate::log::escape;
use crate::settings::{Folder, Work};
use crate::stages;

const MARKERS: &str = "_importerd_files";

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
    /// RFC 3339.
    pub committed_at: Option<String>,
    /// Why the database can't be read.
    pub error: Option<String>,
}

impl Target {
    /// Looks the marker up. `None`: the folder runs a command.
    pub fn look_up(folder: &Folder, state: &Path, id: FileId) -> Option<Self> {
        let Work::Import(import) = &folder.work else { return None };
        let path = stages::target(import, state);
        let target = Self {
            database: escape(path.as_os_str()),
            table: import.table.clone(),
            imported: None,
            rows: None,
            committed_at: None,
            error: None,
        };
        Some(match marker(&path, id) {
            Ok(None) => Self { imported: Some(false), ..target },
            Ok(Some(marker)) => Self {
                imported: Some(true),
                rows: Some(marker.rows),
                committed_at: Some(marker.committed_at),
                ..target
            },
            Err(error) => Self { error: Some(error), ..target },
        })
    }

    /// In a few words.
    pub fn sentence(&self) -> String {
        let verdict = match (self.imported, self.rows, &self.committed_at) {
            (Some(true), Some(rows), Some(at)) => {
                format!("{rows} row{} went in at {at}", if rows == 1 { "" } else { "s" })
            }
            (Some(_), ..) => "nothing of it is in (no load marker)".to_owned(),
            (None, ..) => format!("can't be reached: {}", self.error.as_deref().unwrap_or_default()),
        };
        format!("{}, table {}: {verdict}", self.database, self.table)
    }
}

fn marker(path: &Path, id: FileId) -> Result<Option<Marker>, String> {
    // Not made yet, or not to be seen by this user.
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(_) => {}
    }
    let look = || {
        let database = read_only::open(path)?;
        if database.connection.table_exists(None, MARKERS)? { marker_by_id(&database.connection, id) } else { Ok(None) }
    };
    look().map_err(|error: rusqlite::Error| error.to_string())
}
