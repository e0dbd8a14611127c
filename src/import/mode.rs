//! Modes and new columns, in the target: what becomes of rows that are there already, and of columns that are not.

use std::ffi::OsStr;
use std::sync::Arc;

use super::Import;
use super::check::Checked;
use super::layout::Layout;
use super::marker::{Marker, SUPERSEDED};
use super::replace;
use super::table::Table;
use super::target::{Markers, Transaction, Yielding};
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId};
use crate::settings::{self, Duplicates, Mode};

/// What else became of a file's rows and columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// What became of the rows, where that depends on those that were there.
    pub keyed: Option<Written>,
    /// How many rows the table left out by a rule of its own, where that doesn't.
    pub left_out: u64,
    /// How many rows the table had, which are gone.
    pub rows_before: Option<u64>,
    /// The columns that the table has got.
    pub added: Vec<String>,
    /// The columns of the file that are left out.
    pub ignored: Vec<String>,
    /// The later file whose rows stay.
    pub superseded_by: Option<FileId>,
}

/// What became of the rows that were handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// New ones.
    pub inserted: u64,
    /// In place of what the row with this key said before.
    pub updated: u64,
    /// Left out, because of the row that has this key, or by a rule of the table's own.
    pub skipped: u64,
}

impl Written {
    /// How many are in the table now, by this file; a key that stands in it twice counts twice.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated
    }
}

impl Import {
    /// The mode, as a marker has it. Rows that were only added need none.
    pub(super) fn marked_mode(&self) -> Option<String> {
        (self.settings.mode != Mode::Append).then(|| self.settings.mode.name().to_owned())
    }

    /// The table as the rows need it: made, wider, or empty.
    pub(super) fn make_ready(
        &self,
        transaction: &mut dyn Transaction,
        table: Option<&Arc<Table>>,
        narrower: Option<&Arc<Table>>,
        layout: &Layout,
    ) -> Result<Effect, Fault> {
        let mut effect = Effect { ignored: layout.ignored(), ..Effect::default() };
        let Some(table) = table else {
            transaction.make(layout.table())?;
            return Ok(effect);
        };
        if let Some(narrower) = narrower {
            transaction.widen(narrower, layout.table())?;
            let added = &layout.table().columns()[narrower.columns().len()..];
            effect.added = added.iter().map(|column| column.name.clone()).collect();
        }
        if self.settings.mode == Mode::Replace {
            effect.rows_before = Some(replace::take_away(transaction, table, Yielding::All)?);
        }
        Ok(effect)
    }

    /// Why the rows of a file can't be replaced alone, if its mode forbids it.
    pub(super) fn refuse_replay(&self, marker: &Marker) -> Result<(), Fault> {
        let then = marker.mode.as_deref().filter(|mode| *mode != INSERTED);
        let now = Some(self.settings.mode.name()).filter(|_| self.settings.mode.overwrites());
        let Some(mode) = then.or(now) else { return Ok(()) };
        let text =
            format!("files of mode {mode} take each other's rows away: those of {} can't be told any more", marker.id);
        let hint = format!(
            "to load it as the latest: importerd forget {}, then move it from archive/ into the inbox",
            marker.id.quoted()
        );
        Err(Fault::Permanent(Reason::new("mode", text).hint(hint)))
    }
}

/// The later file whose rows are all that the table is to have: this one, tried again or recovered, is too late.
pub(super) fn superseded(
    markers: &dyn Markers,
    settings: &settings::Import,
    id: FileId,
) -> Result<Option<FileId>, Fault> {
    match settings.mode {
        Mode::Replace => markers.replaced_after(&settings.table, id),
        _ => Ok(None),
    }
}

/// The file that makes this one (its number, name and hash) a duplicate. Where files overwrite each other's rows, the same
/// bytes are nothing new only as long as no other file has come between.
pub(super) fn first_of_its_kind(
    markers: &dyn Markers,
    folder: &str,
    settings: &settings::Import,
    duplicates: Duplicates,
    (id, name, digest): (FileId, &OsStr, Digest),
) -> Result<Option<Marker>, Fault> {
    match duplicates {
        Duplicates::ByContent => match markers.by_content(folder, digest, id)? {
            Some(_) if settings.mode.overwrites() => {
                let latest = markers.latest(&settings.table, id)?;
                Ok(latest.filter(|latest| latest.blake3 == digest && latest.forgotten_at.is_none()))
            }
            first => Ok(first),
        },
        Duplicates::ByName => markers.by_name(folder, name, id),
        Duplicates::Allow => Ok(None),
    }
}

/// A file without a row is more often a mishap than a table that is to be emptied.
pub(super) fn refuse_empty(settings: &settings::Import, checked: &Checked, table: &Table) -> Result<(), Fault> {
    let (0, Mode::Replace) = (checked.rows, &settings.mode) else { return Ok(()) };
    let table = table.sql_name();
    let text = format!("the file has no row: the table {table} would be emptied");
    let hint = format!("where that is meant, type DELETE FROM {table} in the database");
    Err(Fault::Permanent(Reason::new("empty_snapshot", text).hint(hint)))
}

/// The mode that takes no rows away.
const INSERTED: &str = "insert";

/// What a marker says of a file that came too late.
pub(super) fn supersede(marker: &mut Marker) {
    (marker.rows, marker.rejects, marker.header) = (0, 0, None);
    marker.mode = Some(SUPERSEDED.to_owned());
}
