//! The ledger: the record of every file and attempt. It survives restarts and answers `explain`.
//!
//! `ledger.db` in the state directory: SQLite, write-ahead log. What a decision rests on (a deferral, a
//! refusal, the results of a command) is flushed before anything moves. What can be found out again (an
//! import has its load marker in the target) is written without waiting for the disk.

mod archived;
mod counter;
mod doubt;
pub mod draft;
mod entry;
pub mod history;
mod identity;
mod ids;
mod opening;
mod pause;
#[cfg(test)]
mod plans;
mod prune;
mod questions;
pub(crate) mod read_only;
mod refusal;
mod release;
mod row;
mod salvage;
mod schema;
mod state;
pub mod swap;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, Transaction, params};

pub use archived::{Archived, TAKEN_AWAY};
pub use entry::{Entry, Failure};
pub use identity::LedgerId;
pub use opening::look_meanwhile;
pub use pause::Pause;
pub use prune::Pruned;
pub use questions::{NAMESAKES_MAX, Same};
pub(crate) use refusal::MAKE_ROOM;
pub use refusal::{REBUILD, REFUSALS, typed};
pub use row::Row;
pub use salvage::Salvaged;
pub use state::State;

use crate::events::Event;
use crate::fault::Fault;
use crate::file::{FileId, Identity};
use crate::write_back::Log;
use ids::Ids;

/// The ledger's file in the state directory.
pub const FILE_NAME: &str = "ledger.db";

/// What is known when a write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: a power cut can't undo it.
    Flushed,
    /// It survives the end of the process; a power cut may undo it, and recovery finds it out again.
    Lazy,
}

/// The ledger, opened for writing by the one daemon that holds the state directory.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
    log: Log,
    /// The connection can't write; it is replaced before it is used again.
    is_worn: AtomicBool,
    ids: Ids,
    has_lost_its_log: bool,
    is_marked: AtomicBool,
    is_doubted: bool,
    /// What was found while it was used: nothing of it is relied on any more.
    is_damaged: AtomicBool,
}

impl Ledger {
    fn connection(&self) -> rusqlite::Result<MutexGuard<'_, Connection>> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_damaged.load(Ordering::Relaxed) {
            return Err(doubt::damage("it was looked at from end to end".to_owned()));
        }
        if self.is_worn.load(Ordering::Relaxed) {
            // The old one is closed first: a new one would share its log's index. A ledger that was moved away
            // is not made anew.
            *connection = Connection::open_in_memory()?;
            *connection = opening::connect(&self.path, OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE, false)?;
            self.log.watch(&mut connection)?;
            self.is_worn.store(false, Ordering::Relaxed);
        }
        Ok(connection)
    }

    /// A number that no file ever had, nor will have again, whatever happens.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn next_id(&self) -> Result<FileId, Fault> {
        self.ids
            .next(|| {
                let connection = self.connection()?;
                set(&connection, Durability::Flushed).and_then(|()| ids::reserve(&connection))
            })
            .map_err(|error| self.write_fault(&error))
    }

    /// How many numbers were given out after this one.
    pub fn given_since(&self, id: FileId) -> i64 {
        self.ids.next_up() - id.0 - 1
    }

    /// Enters what became of some files, and the events that tell of it, all or none.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn enter(&self, durability: Durability, entries: &[Entry<'_>], events: &[Event]) -> Result<(), Fault> {
        if entries.is_empty() && events.is_empty() {
            return Ok(());
        }
        self.write(durability, |transaction| {
            entries.iter().try_for_each(|entry| entry.write(transaction))?;
            events.iter().try_for_each(|event| write_event(transaction, event))
        })
    }

    /// Enters what became of files behind their commit. Returns of each the events that were news: a recovery may have
    /// learnt of it meanwhile, and told of that.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn archived<'a>(&self, files: &[Archived<'a>]) -> Result<Vec<&'a [Event]>, Fault> {
        self.write(Durability::Lazy, |transaction| files.iter().map(|file| file.write(transaction)).collect())
    }

    /// Enters what the target says was done, unless the ledger knows more than that the file was
    /// deferred or refused. Returns whether it was news.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn learn(&self, entry: &Entry<'_>, event: &Event) -> Result<bool, Fault> {
        self.write(Durability::Lazy, |transaction| {
            let is_news = entry.is_news(transaction)?;
            if is_news {
                entry.write(transaction)?;
                write_event(transaction, event)?;
            }
            Ok(is_news)
        })
    }

    /// Enters that files at their end are forgotten, and the events that tell of it. What is not at its end stays.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn forget(&self, files: &[FileId], events: &[Event]) -> Result<(), Fault> {
        self.write(Durability::Flushed, |transaction| {
            let now = jiff::Timestamp::now().as_microsecond();
            let mut update = transaction.prepare_cached(schema::FORGOTTEN)?;
            files.iter().try_for_each(|id| update.execute(params![id.0, now]).map(drop))?;
            events.iter().try_for_each(|event| write_event(transaction, event))
        })
    }

    /// Enters that a file was found where it stays, unless somebody has entered its place meanwhile. Returns
    /// whether it was news.
    ///
    /// # Errors
    /// The ledger can't be written; nothing is entered.
    pub fn found_archived(&self, id: FileId, place: &str, event: &Event) -> Result<bool, Fault> {
        self.write(Durability::Lazy, |transaction| {
            let entered = transaction.prepare_cached(schema::FOUND_ARCHIVED)?.execute(params![id.0, place])?;
            if entered > 0 {
                write_event(transaction, event)?;
            }
            Ok(entered > 0)
        })
    }

    /// Enters which file a committed one is in a folder that was copied, unless somebody has entered that meanwhile, or its
    /// place.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn copied(&self, row: &Row, copy: &Identity) -> Result<(), Fault> {
        let (was, born_then, ..) = row::identity_columns(&row.identity);
        let (inode, born, _, mtime) = row::identity_columns(copy);
        self.write(Durability::Lazy, |transaction| {
            let mut update = transaction.prepare_cached(schema::COPIED)?;
            update.execute(params![row.id.0, was, born_then, copy.device.cast_signed(), inode, born, mtime]).map(drop)
        })
    }

    /// Enters that a refused file lies under another name than was chosen for it.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn quarantined_as(&self, id: FileId, place: &str) -> Result<(), Fault> {
        self.write(Durability::Lazy, |transaction| {
            transaction.prepare_cached(schema::QUARANTINED_AS)?.execute(params![id.0, place]).map(drop)
        })
    }

    /// Enters that results have other names than were planned.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn published(&self, id: FileId, results: &str) -> Result<(), Fault> {
        self.write(Durability::Lazy, |transaction| {
            transaction.prepare_cached(schema::PUBLISHED)?.execute(params![id.0, results]).map(drop)
        })
    }

    /// Writes its log back if that is long, behind a batch of so many files.
    pub fn write_back(&self, files: usize) {
        self.log.write_back(&self.path, files, |alone| {
            if let Ok(connection) = self.connection() {
                alone(&connection);
            }
        });
    }

    fn write<T>(
        &self,
        durability: Durability,
        story: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let write = || {
            let mut connection = self.connection()?;
            set(&connection, durability)?;
            let transaction = connection.transaction()?;
            let told = story(&transaction)?;
            transaction.commit()?;
            Ok(told)
        };
        write().map_err(|error| self.write_fault(&error))
    }

    /// Makes sure that this number is never given out: a target has it already.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn never_again(&self, id: FileId) -> Result<(), Fault> {
        // The connection is free again before the numbers are locked: who asks for one locks them the other way round.
        let skipped = {
            self.connection().and_then(|connection| {
                set(&connection, Durability::Flushed).and_then(|()| ids::skip_past(&connection, id))
            })
        };
        skipped.map_err(|error| self.write_fault(&error))?;
        self.ids.forget_up_to(id);
        Ok(())
    }
}

/// With `synchronous=full` a commit waits for the disk; with `normal` it doesn't, in a write-ahead log.
fn set(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Flushed => "full",
        Durability::Lazy => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

fn write_event(transaction: &Connection, event: &Event) -> rusqlite::Result<()> {
    transaction.prepare_cached(schema::EVENT)?.execute(params![
        event.at.as_microsecond(),
        event.kind.name(),
        event.folder.as_deref(),
        event.file.as_ref().map(|file| file.id.0),
        event.to_short_json(),
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests;
