//! replay and forget, in the target: rows that give way to a file's new ones, and markers that count no longer.

use super::Import;
use super::commit::now;
use super::marker::{EMPTIED, Marker};
use super::table::{Table, identifier};
use super::target::{Transaction, Yielding};
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId};

/// `losing`: the tables that would lose something with the rows of this file, which is to have others.
fn refuse_losing(id: FileId, losing: &[String]) -> Result<(), Fault> {
    if losing.is_empty() {
        return Ok(());
    }
    let text =
        format!("what refers to the rows of {id} is lost or changed with them, by ON DELETE in: {}", losing.join(", "));
    let hint = "declare these references without an action, in PostgreSQL as DEFERRABLE: they are checked at the commit; or \
        delete the rows of the file yourself where that is meant, forget it and drop it again";
    Err(Fault::Permanent(Reason::new("cascade", text).hint(hint)))
}

/// Takes rows away that give way to a file's, one and all, and says how many there were.
pub(super) fn take_away(transaction: &mut dyn Transaction, table: &Table, rows: Yielding) -> Result<u64, Fault> {
    let gone = transaction.delete(table, rows)?;
    if !transaction.keeps(table, rows)? {
        return Ok(gone);
    }
    let rows = match rows {
        Yielding::All => "rows".to_owned(),
        Yielding::Of(file) => format!("rows of {file}"),
    };
    let text = format!("the table {} still has {rows} when they were deleted", table.sql_name());
    let hint = "a trigger or a rule of the table keeps them, or makes others; nothing was changed";
    Err(Fault::Permanent(Reason::new("rows_kept", text).hint(hint)))
}

/// What was there of a file until its replay.
pub(super) struct Gone {
    pub rows: u64,
    pub blake3: Digest,
}

impl Import {
    /// Whether the rows of this file can give way to new ones, as things stand now.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`]: they can't, and why; nothing was changed.
    pub fn can_replace(&self, id: FileId) -> Result<(), Fault> {
        let table = self.target.table(&self.table)?;
        self.replaceable(id, self.marker_of(id)?, table.as_deref())?;
        let losing = table.map(|table| self.target.losing_with(table.name(), id)).transpose()?;
        refuse_losing(id, &losing.unwrap_or_default())
    }

    /// Takes away the rows and the marker of an earlier number, within the savepoint of the load that takes its place.
    pub(super) fn make_way(&self, transaction: &mut dyn Transaction, id: FileId) -> Result<Gone, Fault> {
        let marker = transaction.by_id(id)?;
        let table = transaction.table(&self.table)?;
        let marker = self.replaceable(id, marker, table.as_deref())?;
        let rows = match table {
            Some(table) => {
                refuse_losing(id, &transaction.losing_with(&table, id)?)?;
                take_away(transaction, &table, Yielding::Of(id))?
            }
            // Dropped since; the new rows make it again.
            None => 0,
        };
        transaction.remove(id)?;
        Ok(Gone { rows, blake3: marker.blake3 })
    }

    /// The marker of a file whose rows can be told from all others in the table that rows go into now.
    fn replaceable(&self, id: FileId, marker: Option<Marker>, table: Option<&Table>) -> Result<Marker, Fault> {
        let refused = |code, text: String, hint: &str| Err(Fault::Permanent(Reason::new(code, text).hint(hint)));
        let Some(marker) = marker.filter(|marker| marker.forgotten_at.is_none()) else {
            let text = format!("{} has no load marker of {id}: it doesn't know its rows", self.target.place());
            return refused("no_marker", text, "the rows may be in another database, or the file was forgotten");
        };
        self.refuse_replay(&marker)?;
        let (then, now) = (identifier(&marker.table), identifier(&self.table));
        if !then.eq_ignore_ascii_case(&now) {
            let text = format!("the rows of {id} are in the table {then}, and the folder imports into {now} now");
            let hint = "set the folder's table back, or delete those rows, forget the file and drop it again";
            return refused("other_table", text, hint);
        }
        if table.is_some_and(|table| !table.lineage()) {
            let text = format!("the table {now} has no column _file_id: the rows of {id} can't be told from others");
            let hint = "delete its rows yourself, then forget the file and drop it again";
            return refused("no_file_id", text, hint);
        }
        Ok(marker)
    }

    /// Lets the load markers of these files count no longer, durably; their rows stay. Repeatable, and files without
    /// one are passed over.
    ///
    /// # Errors
    ///
    /// The world is at fault; none of them is forgotten.
    pub fn forget(&self, ids: &[FileId]) -> Result<(), Fault> {
        let (begun, now) = (self.target.begin(&self.folder, &self.table, None), now());
        let mut transaction = match begun {
            // They are to be forgotten because of that.
            Err(fault) if fault.reason().code == EMPTIED => return Ok(()),
            begun => begun?,
        };
        for id in ids {
            transaction.forget(&self.folder, *id, &now)?;
        }
        transaction.commit()
    }
}
