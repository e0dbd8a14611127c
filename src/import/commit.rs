//! commit: rows and load markers of a whole batch in one transaction, with one flush.
//!
//! Every load has a savepoint of its own, so a bad one is set aside alone. Some faults of one load
//! only show at the COMMIT (deferred foreign keys) or end the transaction under the others (a
//! trigger that rolls back): then each load gets a transaction of its own.

use std::slice;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};

use super::check::{self, Checked, Content};
use super::database::{Seen, lock};
use super::insert::Insert;
use super::marker::{self, Marker};
use super::replace::Gone;
use super::{Import, Load, Outcome};
use crate::fault::{Fault, Reason};
use crate::settings::Duplicates;

impl Import {
    /// Commits all loads in one transaction: durable on return. The outcomes stand in the order of
    /// the loads. To repeat a load is safe: the second time it is [`Outcome::Loaded`] without a second set of rows.
    ///
    /// # Errors
    ///
    /// Nothing was committed: the world is at fault. When nobody can say whether it was committed,
    /// [`Fault::Fatal`]: after the restart, [`Import::marker`] knows.
    pub fn commit(&self, loads: &[Load]) -> Result<Vec<Outcome>, Fault> {
        if loads.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.database.write(|connection| match self.commit_together(connection, loads) {
            Err(Fault::Permanent(_)) => Ok(loads.iter().map(|load| self.commit_alone(connection, load)).collect()),
            result => result,
        })?;
        for (load, outcome) in loads.iter().zip(&outcomes) {
            if matches!(outcome, Outcome::Loaded { .. } | Outcome::Replaced { .. }) {
                self.remember(&load.checked);
            }
        }
        Ok(outcomes)
    }

    /// What later files of this folder are measured by, or spared.
    fn remember(&self, checked: &Checked) {
        if let Some(delimiter) = checked.delimiter {
            lock(&self.delimiter).get_or_insert(delimiter);
        }
    }

    fn commit_alone(&self, connection: &mut Connection, load: &Load) -> Outcome {
        match self.commit_together(connection, slice::from_ref(load)) {
            Ok(mut outcomes) => outcomes.remove(0),
            Err(fault) => Outcome::Refused(fault),
        }
    }

    /// [`Fault::Permanent`]: one of the loads broke the transaction for all.
    fn commit_together(&self, connection: &mut Connection, loads: &[Load]) -> Result<Vec<Outcome>, Fault> {
        let fault = |error: rusqlite::Error| self.database.fault(&error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        if loads.iter().any(|load| load.replaces.is_some()) {
            // What refers to rows that go may refer to those that come.
            transaction.pragma_update(None, "defer_foreign_keys", true).map_err(fault)?;
        }
        let committed_at = now();
        let mut seen = None;
        let mut outcomes = Vec::with_capacity(loads.len());
        for load in loads {
            outcomes.push(self.load(&transaction, load, &committed_at, &mut seen)?);
        }
        transaction.commit().map_err(|error| self.commit_fault(&error))?;
        Ok(outcomes)
    }

    /// One load behind its savepoint.
    fn load(
        &self,
        transaction: &Transaction<'_>,
        load: &Load,
        committed_at: &str,
        seen: &mut Option<Seen>,
    ) -> Result<Outcome, Fault> {
        let execute = |sql: &str| match transaction.prepare_cached(sql).and_then(|mut sql| sql.execute(())) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.database.fault(&error)),
        };
        execute("SAVEPOINT load")?;
        let outcome = match self.insert(transaction, load, committed_at, seen) {
            Ok(outcome @ (Outcome::Loaded { .. } | Outcome::Replaced { .. })) => outcome,
            // Set aside, unless the whole transaction is gone.
            Ok(outcome) => {
                execute("ROLLBACK TO load")?;
                outcome
            }
            Err(fault @ (Fault::Permanent(_) | Fault::Deferred { .. })) if !transaction.is_autocommit() => {
                execute("ROLLBACK TO load")?;
                Outcome::Refused(fault)
            }
            Err(fault) => return Err(fault),
        };
        execute("RELEASE load")?;
        Ok(outcome)
    }

    /// Marker, then rows; the marker first, because it says whether the rows are in already.
    fn insert(
        &self,
        transaction: &Transaction<'_>,
        load: &Load,
        committed_at: &str,
        seen: &mut Option<Seen>,
    ) -> Result<Outcome, Fault> {
        let fault = |error: rusqlite::Error| self.database.fault(&error);
        let marker = Marker {
            id: load.id,
            name: load.name.clone(),
            rows: load.checked.rows,
            blake3: load.checked.digest,
            committed_at: committed_at.to_owned(),
            identity: load.identity,
            table: self.table.clone(),
            replaces: load.replaces,
            forgotten_at: None,
        };
        if !marker::insert(transaction, &self.folder, &marker).map_err(fault)? {
            return self.repeated(transaction, load);
        }
        let gone = load.replaces.map(|earlier| self.make_way(transaction, earlier, seen)).transpose()?;
        let first = match load.duplicates {
            Duplicates::ByContent => marker::by_content(transaction, &self.folder, marker.blake3, load.id),
            Duplicates::ByName => marker::by_name(transaction, &self.folder, &load.name, load.id),
            Duplicates::Allow => Ok(None),
        };
        if let Some(of) = first.map_err(fault)? {
            return Ok(Outcome::Duplicate { of });
        }
        if let Content::Rows { .. } = load.checked.content {
            self.insert_rows(transaction, load, seen)?;
        }
        Ok(match gone {
            Some(Gone { rows, blake3 }) => {
                Outcome::Replaced { rows: marker.rows, rows_before: rows, changed: blake3 != marker.blake3 }
            }
            None => Outcome::Loaded { rows: marker.rows },
        })
    }

    /// A marker with this number is there: this very load's, or the target and the ledger don't belong together.
    fn repeated(&self, transaction: &Transaction<'_>, load: &Load) -> Result<Outcome, Fault> {
        let there = marker::by_id(transaction, load.id).map_err(|error| self.database.fault(&error))?;
        match there {
            Some(marker) if marker.identity == load.identity && marker.blake3 == load.checked.digest => {
                Ok(Outcome::Loaded { rows: marker.rows })
            }
            _ => {
                let text = format!(
                    "the database {} has another file under the number {}",
                    self.database.path().display(),
                    load.id
                );
                let hint = "it was filled with another ledger: give this daemon a database of its own, or that ledger";
                Err(Fault::World(Reason::new("other_ledger", text).hint(hint)))
            }
        }
    }

    /// The rows, laid out for the table as it is now.
    fn insert_rows(&self, transaction: &Transaction<'_>, load: &Load, seen: &mut Option<Seen>) -> Result<(), Fault> {
        let table = self.database.table_within(transaction, &self.table, seen)?;
        // The table may have changed, or been made by an earlier file, since this one was checked.
        let stale = !load.checked.fits(table.as_ref());
        let again = stale.then(|| self.check(&load.file, &load.name, table.as_ref())).transpose()?;
        let checked = again.as_ref().unwrap_or(&load.checked);
        let Content::Rows { layout, kept } = &checked.content else { return Err(changed()) };
        if table.is_none() {
            let made = transaction.execute_batch(&layout.table().create_sql());
            made.map_err(|error| self.database.fault(&error))?;
        }
        let mut insert = Insert::new(&self.database, transaction, layout, load.id)?;
        let digest = if let Some(rows) = kept {
            rows.replay(&mut insert)?;
            checked.digest
        } else {
            let mut reader = self.reader(&load.file, &load.name, checked.delimiter, Some(layout.table()))?;
            check::each_row(&mut reader, Arc::clone(layout), &mut insert)?;
            reader.digest()
        };
        if digest == load.checked.digest { Ok(()) } else { Err(changed()) }
    }

    /// A failed flush leaves it open whether the transaction is on disk: only the write-ahead log, read anew,
    /// can tell. After any other error it isn't: what SQLite has not rolled back, the transaction's drop does.
    fn commit_fault(&self, error: &rusqlite::Error) -> Fault {
        let fault = self.database.fault(error);
        let code = error.sqlite_error().map_or(0, |error| error.extended_code);
        if code != ffi::SQLITE_IOERR_FSYNC {
            return fault;
        }
        let hint = "restart importerd: the load markers then say what is in";
        Fault::Fatal(Reason::new("commit_unknown", fault.reason().text.clone()).hint(hint))
    }
}

fn changed() -> Fault {
    let reason = Reason::new("changed", "the file's bytes changed between its check and its commit");
    Fault::Permanent(reason.hint("upload it again, under a temporary name until it is whole"))
}

/// To the millisecond, always with three digits, in UTC.
pub(super) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
