//! commit: rows and load markers of a whole batch in one transaction, with one flush.
//!
//! Most batches go in as they are. Where one of the loads can't, the batch is done again, and every load has a savepoint
//! of its own, so the bad one is set aside alone. Some faults of one load only show at the COMMIT (deferred foreign keys)
//! or end the transaction under the others (a trigger that rolls back): then each load gets a transaction of its own.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::check::{self, Checked, Content, Texts};
use super::marker::{Marker, SUPERSEDED};
use super::mode::{self, Effect};
use super::reject::Rejects;
use super::rows::Rows;
use super::target::Transaction;
use super::{Import, Load, Outcome, lock};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::room::ROOM_BACK_BYTES_MIN;
use crate::settings::Tolerance;

impl Import {
    /// Commits all loads in one transaction: durable on return. The outcomes stand in the order of
    /// the loads; where that counts, or the world is to blame, the first that is refused is the last, and those behind it
    /// are to be committed when it is set aside. To repeat a load is safe: the second time it is [`Outcome::Loaded`]
    /// without a second set of rows.
    ///
    /// # Errors
    ///
    /// Nothing was committed: the world is at fault. When nobody can say whether it was committed,
    /// [`Fault::Fatal`]: after the restart, [`Import::marker`] knows.
    pub fn commit(&self, loads: &[Load]) -> Result<Vec<Outcome>, Fault> {
        if loads.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = match self.commit_together(loads) {
            Err(Fault::Permanent(_)) => self.commit_one_by_one(loads),
            Err(fault) if self.is_of_one_file(&fault) => match loads {
                [_] => vec![Outcome::Refused(blamed(fault))],
                _ => self.commit_one_by_one(loads),
            },
            // The next file looks whether the table is still there.
            Err(fault) => return Err(self.look_anew(fault)),
            Ok(outcomes) => outcomes,
        };
        for (load, outcome) in loads.iter().zip(&outcomes) {
            if is_in(outcome) {
                self.remember(&load.checked);
            }
        }
        Ok(outcomes)
    }

    /// Does what commits have put off, behind a batch of so many files: a time when nobody waits for it.
    pub fn write_back(&self, files: usize) {
        self.target.write_back(files);
    }

    /// What later files of this folder are measured by, or spared.
    fn remember(&self, checked: &Checked) {
        if let Some(delimiter) = checked.folders_delimiter {
            lock(&self.delimiter).get_or_insert(delimiter);
        }
    }

    fn commit_one_by_one(&self, loads: &[Load]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(loads.len());
        for load in loads {
            outcomes.push(self.commit_alone(load));
            if self.stops_behind(outcomes.last()) {
                break;
            }
        }
        outcomes
    }

    /// Where the order counts, no later file is in before the ledger knows that this one is not: else a crash would
    /// have it carried again, as if it were the latest. And what the world is to blame for, the others would meet as well.
    fn stops_behind(&self, outcome: Option<&Outcome>) -> bool {
        match outcome {
            Some(Outcome::Refused(Fault::World(_) | Fault::Fatal(_))) => true,
            Some(Outcome::Refused(_)) => self.settings.mode.needs_order(),
            _ => false,
        }
    }

    fn commit_alone(&self, load: &Load) -> Outcome {
        match self.commit_together(slice::from_ref(load)) {
            Ok(mut outcomes) => outcomes.remove(0),
            Err(fault) if self.is_of_one_file(&fault) => Outcome::Refused(blamed(fault)),
            Err(fault) => Outcome::Refused(fault),
        }
    }

    /// fault 68: there was no room, and there is now that the transaction is undone.
    fn is_of_one_file(&self, fault: &Fault) -> bool {
        matches!(fault, Fault::World(reason) if reason.is_no_room()) && self.target.has_room_again()
    }

    /// [`Fault::Permanent`]: one of the loads broke the transaction for all.
    fn commit_together(&self, loads: &[Load]) -> Result<Vec<Outcome>, Fault> {
        if self.trusts(loads) {
            match self.commit_trusted(loads) {
                Ok(Some(outcomes)) => return Ok(outcomes),
                Err(fault @ (Fault::World(_) | Fault::Fatal(_))) => return Err(fault),
                Ok(None) | Err(_) => self.is_wary.store(true, Ordering::Relaxed),
            }
        }
        let outcomes = self.commit_each(loads)?;
        self.is_wary.store(!outcomes.iter().all(is_in), Ordering::Relaxed);
        Ok(outcomes)
    }

    /// Whether these are likely to go in one and all, and cheap to be done once more if they don't.
    fn trusts(&self, loads: &[Load]) -> bool {
        !self.is_wary.load(Ordering::Relaxed) && !loads.iter().any(is_large)
    }

    /// All of them, or none: `None` then. A savepoint each would have the database keep every page as it was before each
    /// of them.
    fn commit_trusted(&self, loads: &[Load]) -> Result<Option<Vec<Outcome>>, Fault> {
        let mut transaction = self.target.begin(&self.folder, &self.table, largest(loads))?;
        let committed_at = now();
        let mut outcomes = Vec::with_capacity(loads.len());
        for load in loads {
            let outcome = self.insert(&mut *transaction, load, &committed_at)?;
            if !is_in(&outcome) {
                return Ok(None);
            }
            outcomes.push(outcome);
        }
        transaction.commit()?;
        Ok(Some(outcomes))
    }

    /// Each behind a savepoint of its own, so that one is set aside alone.
    fn commit_each(&self, loads: &[Load]) -> Result<Vec<Outcome>, Fault> {
        let mut transaction = self.target.begin(&self.folder, &self.table, largest(loads))?;
        let committed_at = now();
        let mut outcomes = Vec::with_capacity(loads.len());
        for load in loads {
            outcomes.push(self.load(&mut *transaction, load, &committed_at)?);
            if self.stops_behind(outcomes.last()) {
                break;
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// One load behind its savepoint.
    fn load(&self, transaction: &mut dyn Transaction, load: &Load, committed_at: &str) -> Result<Outcome, Fault> {
        transaction.set_savepoint()?;
        let mut inserted = self.insert(transaction, load, committed_at);
        while matches!(inserted, Err(Fault::Permanent(_)))
            && self.settings.rejects != Tolerance::NONE
            && transaction.is_wiser()
        {
            transaction.roll_back()?;
            inserted = self.insert(transaction, load, committed_at);
        }
        let outcome = match inserted {
            Ok(outcome) if is_in(&outcome) => outcome,
            // Set aside, unless the whole transaction is gone.
            Ok(outcome) => {
                transaction.roll_back()?;
                outcome
            }
            Err(fault @ (Fault::Permanent(_) | Fault::Deferred { .. })) if transaction.is_open() => {
                transaction.roll_back()?;
                Outcome::Refused(fault)
            }
            Err(fault) => return Err(fault),
        };
        transaction.release_savepoint()?;
        Ok(outcome)
    }

    /// Marker, then rows; the marker first, because it says whether the rows are in already.
    fn insert(&self, transaction: &mut dyn Transaction, load: &Load, committed_at: &str) -> Result<Outcome, Fault> {
        let checked = &load.checked;
        let superseded_by = mode::superseded(transaction, &self.settings, load.id)?;
        let mut marker = Marker {
            id: load.id,
            name: load.name.clone(),
            rows: checked.rows,
            rejects: checked.rejects(),
            header: checked.header.clone().filter(|_| checked.rejects() > 0),
            blake3: checked.digest,
            committed_at: committed_at.to_owned(),
            identity: load.identity,
            table: self.table.clone(),
            replaces: load.replaces,
            forgotten_at: None,
            // A file without a row takes the place of none.
            mode: self.marked_mode().filter(|_| matches!(checked.content, Content::Rows { .. })),
        };
        if superseded_by.is_some() {
            mode::supersede(&mut marker);
        }
        if !transaction.enter(&self.folder, &marker)? {
            return self.repeated(transaction, load, superseded_by);
        }
        if superseded_by.is_some() {
            let effect = Effect { superseded_by, ..Effect::default() };
            return Ok(Outcome::Loaded { rows: 0, rejects: 0, effect });
        }
        let gone = load.replaces.map(|earlier| self.make_way(transaction, earlier)).transpose()?;
        let subject = (load.id, load.name.as_os_str(), marker.blake3);
        let first = mode::first_of_its_kind(transaction, &self.folder, &self.settings, load.duplicates, subject)?;
        if let Some(of) = first {
            return Ok(Outcome::Duplicate { of });
        }
        let mut effect = Effect::default();
        if let Content::Rows { .. } = load.checked.content {
            let counts;
            (counts, effect) = self.insert_rows(transaction, load)?;
            if counts != (marker.rows, marker.rejects) {
                (marker.rows, marker.rejects) = counts;
                marker.header = checked.header.clone().filter(|_| marker.rejects > 0);
                transaction.amend(&marker)?;
            }
        }
        let Marker { rows, rejects, blake3, .. } = marker;
        Ok(match gone {
            Some(gone) => {
                let changed = gone.blake3 != blake3;
                Outcome::Replaced { rows, rejects, effect, rows_before: gone.rows, changed }
            }
            None => Outcome::Loaded { rows, rejects, effect },
        })
    }

    /// A marker with this number is there: this very load's, or the target and the ledger don't belong together.
    fn repeated(
        &self,
        transaction: &mut dyn Transaction,
        load: &Load,
        superseded_by: Option<FileId>,
    ) -> Result<Outcome, Fault> {
        match transaction.by_id(load.id)? {
            Some(marker) if marker.identity == load.identity && marker.blake3 == load.checked.digest => {
                let superseded_by = superseded_by.filter(|_| marker.mode.as_deref() == Some(SUPERSEDED));
                let effect = Effect { superseded_by, ..Effect::default() };
                Ok(Outcome::Loaded { rows: marker.rows, rejects: marker.rejects, effect })
            }
            _ => {
                let text = format!("{} has another file under the number {}", self.target.place(), load.id);
                let hint = "it was filled with another ledger: give this daemon a database of its own, or that ledger";
                Err(Fault::World(Reason::new("other_ledger", text).hint(hint)))
            }
        }
    }

    /// The rows, laid out for the table as it is now, and what doesn't fit. Answers how many went in of both.
    fn insert_rows(&self, transaction: &mut dyn Transaction, load: &Load) -> Result<((u64, u64), Effect), Fault> {
        let table = transaction.table(&self.table)?;
        // The table may have changed, or been made by an earlier file, since this one was checked.
        let stale = !load.checked.fits(table.as_ref());
        let again = stale.then(|| self.check(&load.file, &load.name, table.as_ref())).transpose()?;
        let checked = again.as_ref().unwrap_or(&load.checked);
        let Content::Rows { layout, kept } = &checked.content else { return Err(changed()) };
        let mut effect = self.make_ready(transaction, table.as_ref(), checked.narrower.as_ref(), layout)?;
        let mut insert = transaction.insert(layout, load.id)?;
        let mut rejects = Rejects::new(self.settings.rejects).among(checked.rows + checked.rejects());
        let mut taken = 0;
        let mut put = |some: &Rows| check::put(some, &mut rejects, &mut *insert).map(|rows| taken += rows);
        let digest = if let Some(kept) = kept {
            kept.rows().iter().try_for_each(put)?;
            checked.digest
        } else {
            let mut reader = self.reader(&load.file, &load.name, checked.delimiter, Some(layout.table()))?;
            check::each(&mut reader, Arc::clone(layout), Texts::of(&self.settings), |some| put(some))?;
            reader.digest()
        };
        rejects.check(taken)?;
        // Of those that it took, the database may have left some out by its own rules.
        let written = insert.finish()?;
        if self.settings.mode.key().is_empty() {
            effect.left_out = written.skipped;
        } else {
            effect.keyed = Some(written);
        }
        if digest == load.checked.digest { Ok(((written.rows(), rejects.count()), effect)) } else { Err(changed()) }
    }
}

/// Whether it is read once more within its transaction.
fn is_large(load: &Load) -> bool {
    matches!(load.checked.content, Content::Rows { kept: None, .. })
}

/// The size of the largest, where others may miss the room that it takes: a compressed file may have many rows.
fn largest(loads: &[Load]) -> Option<u64> {
    let large = loads.iter().filter(|load| load.identity.size >= ROOM_BACK_BYTES_MIN || is_large(load));
    large.map(|load| load.identity.size).max()
}

/// Whether its rows are in.
fn is_in(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Loaded { .. } | Outcome::Replaced { .. })
}

/// The file needs more room than there is, and others don't.
fn blamed(fault: Fault) -> Fault {
    match fault {
        Fault::World(reason) => reason.of_one_file(),
        fault => fault,
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
