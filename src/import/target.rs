//! The port to the databases that rows go into. What decides about a load (`commit`, `replace`) is written against
//! it, once; each database has a directory of its own that implements it.

use std::ffi::OsStr;
use std::sync::Arc;

use super::layout::Layout;
use super::marker::{Counted, Marker, Newest};
use super::mode::Written;
use super::reject::Rejected;
use super::rows::Sink;
use super::table::{Maker, Table};
use crate::fault::Fault;
use crate::file::{Digest, FileId, Identity};

/// A database that rows go into, shared by all Processors and by all folders that import into it.
pub trait Target: Maker + Send + Sync {
    /// What it is called in messages: `the database /srv/orders.db`. Never with a password.
    fn place(&self) -> String;

    /// The table as committed. `None`: it isn't there.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    fn table(&self, name: &str) -> Result<Option<Arc<Table>>, Fault>;

    /// The tables that lose rows, or what these refer to, with the rows of this file in that table, which has lineage. That
    /// table itself counts where rows of other files refer to them; another one wherever it declares such a reference, also
    /// while it is empty: its rows may be hidden from this role, and one that comes before the deletion would go as well.
    ///
    /// # Errors
    ///
    /// [`Fault::World`]: it can't be read.
    fn losing_with(&self, name: &str, of: FileId) -> Result<Vec<String>, Fault>;

    /// What is committed can be asked for, by this folder that imports into this table: of both, all that was ever begun
    /// is decided.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    fn markers(&self, folder: &str, table: &str) -> Result<Box<dyn Markers + '_>, Fault>;

    /// Begins a transaction that may write into this table for this folder; nobody else does both meanwhile. It is
    /// rolled back when it is dropped, and gives back what room it took, where it was to be a `large` one: of a file of so many
    /// bytes.
    ///
    /// # Errors
    ///
    /// The world is at fault.
    fn begin(&self, folder: &str, table: &str, large: Option<u64>) -> Result<Box<dyn Transaction + '_>, Fault>;

    /// Whether there was room again as soon as the transaction was undone that found none last. Not where nobody can say.
    fn has_room_again(&self) -> bool {
        false
    }

    /// Does what commits have put off, behind a batch of so many files: a time when nobody waits for it. To leave it undone
    /// loses nothing.
    fn write_back(&self, _files: usize) {}
}

/// The load markers of a target. Every error is a fault of the world.
#[expect(clippy::missing_errors_doc, reason = "said once for all")]
pub trait Markers {
    /// The marker with this number, forgotten or not.
    fn by_id(&self, id: FileId) -> Result<Option<Marker>, Fault>;

    /// The marker of this very file. The device is a hint: it only prefers one of two.
    fn by_identity(&self, folder: &str, file: &Identity) -> Result<Option<Marker>, Fault>;

    /// The first file of this folder with these bytes, other than this one.
    fn by_content(&self, folder: &str, digest: Digest, other_than: FileId) -> Result<Option<Marker>, Fault>;

    /// The first file of this folder with this name, other than this one.
    fn by_name(&self, folder: &str, name: &OsStr, other_than: FileId) -> Result<Option<Marker>, Fault>;

    /// The latest file that went into this table, other than this one, of whatever folder.
    fn latest(&self, table: &str, other_than: FileId) -> Result<Option<Marker>, Fault>;

    /// The latest file that has replaced all rows of this table, if it is later than this one.
    fn replaced_after(&self, table: &str, id: FileId) -> Result<Option<FileId>, Fault>;

    /// The markers of this folder from a number on, oldest first, forgotten or not.
    fn since(&self, folder: &str, from: FileId) -> Result<Vec<Marker>, Fault>;

    /// The markers of this folder with these numbers, oldest first, forgotten or not.
    fn among(&self, folder: &str, ids: &[FileId]) -> Result<Vec<Marker>, Fault>;

    /// All markers in short. `None`: no file was ever imported.
    fn newest(&self, folder: &str) -> Result<Option<Newest>, Fault>;

    /// Shows every marker of this folder, oldest first, until no more are wanted.
    fn each(&self, folder: &str, visit: &mut dyn FnMut(Marker) -> bool) -> Result<(), Fault>;

    /// Shows every marker of a folder whose table says in `_file_id` where its rows came from.
    fn each_count(&self, folder: &str, visit: &mut dyn FnMut(Counted)) -> Result<(), Fault>;

    /// Shows what of a file didn't fit, in the order of its lines.
    fn each_reject(&self, of: FileId, visit: &mut dyn FnMut(Rejected)) -> Result<(), Fault>;

    /// Shows for every file that has rejects: its number, how many its marker tells of, if it has one, and how many are
    /// there.
    fn each_reject_count(&self, visit: &mut dyn FnMut(FileId, Option<u64>, u64)) -> Result<(), Fault>;
}

/// Which rows of a table give way to a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yielding {
    /// All.
    All,
    /// Those of an earlier file. The table has lineage.
    Of(FileId),
}

/// A transaction of one Processor. [`Fault::Permanent`] is of the load in hand, anything else of the world.
pub trait Transaction: Markers {
    /// From here on everything can be taken back: one load's work. There is one at a time.
    fn set_savepoint(&mut self) -> Result<(), Fault>;

    /// Takes back everything since the savepoint, which stays set.
    fn roll_back(&mut self) -> Result<(), Fault>;

    /// Keeps everything since the savepoint.
    fn release_savepoint(&mut self) -> Result<(), Fault>;

    /// Whether the load that just failed is to be rolled back and tried again: the database told too late which of its
    /// rows it doesn't take, and the next try rejects that one. Never twice for the same row.
    fn is_wiser(&mut self) -> bool {
        false
    }

    /// `false`: the database has ended it by itself, and nothing of it is in.
    fn is_open(&self) -> bool;

    /// Enters a marker. `false`: one with its number is there already.
    fn enter(&mut self, folder: &str, marker: &Marker) -> Result<bool, Fault>;

    /// Enters other counts of rows and rejects, and the header, in a marker of this transaction.
    fn amend(&mut self, marker: &Marker) -> Result<(), Fault>;

    /// Takes away the marker of a file whose rows are taken away as well, and its rejects.
    fn remove(&mut self, id: FileId) -> Result<(), Fault>;

    /// Lets a marker count no longer; the first time stays. A file without one is passed over.
    fn forget(&mut self, folder: &str, id: FileId, now: &str) -> Result<(), Fault>;

    /// The table as this transaction sees it, which may have changed it.
    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, Fault>;

    /// Makes a table.
    fn make(&mut self, table: &Table) -> Result<(), Fault>;

    /// Adds columns to a table, the last ones of `wider`.
    fn widen(&mut self, table: &Table, wider: &Table) -> Result<(), Fault>;

    /// Takes rows away, and says how many there were. What refers to them may refer to those that come: constraints that allow
    /// it are checked only at the end of the transaction then.
    fn delete(&mut self, table: &Table, rows: Yielding) -> Result<u64, Fault>;

    /// Whether rows that were deleted are there all the same: triggers may keep them.
    fn keeps(&mut self, table: &Table, rows: Yielding) -> Result<bool, Fault>;

    /// As that of [`Target`]; the answer holds until the end of the transaction, whatever others do.
    fn losing_with(&mut self, table: &Table, of: FileId) -> Result<Vec<String>, Fault>;

    /// Begins to insert rows of a file; what becomes of one whose key is there, [`Layout::mode`] says. Of two of them
    /// that have the same key, one comes after the other.
    fn insert<'t>(&'t mut self, layout: &Layout, id: FileId) -> Result<Box<dyn Insert + 't>, Fault>;

    /// Commits: durable on return.
    ///
    /// # Errors
    ///
    /// Nothing is in; or [`Fault::Fatal`]: nobody can say until the markers are read anew.
    fn commit(self: Box<Self>) -> Result<(), Fault>;
}

/// Rows on their way into a table, and rejects on theirs beside the marker.
pub trait Insert: Sink {
    /// Every row was handed over. Says what became of them.
    ///
    /// # Errors
    ///
    /// As those of [`Sink`].
    fn finish(self: Box<Self>) -> Result<Written, Fault>;
}
