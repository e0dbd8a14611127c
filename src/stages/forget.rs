//! Forget: the bytes and the name of a file count as new from now on. Its rows, its results and the file itself stay.
//!
//! The target is told first: its load markers decide on duplicates. A crash between leaves it forgotten there and
//! unchanged in the ledger, which learns it from the marker, or by being asked again.

use super::folder::{Folder, Work};
use super::journal::Journal;
use super::replay::event;
use crate::events::Kind;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::ledger::{Ledger, Row, State};

/// Until then recovery takes the ledger's word for what is to become of it.
const BEING_ARCHIVED: &str = "it is being archived";
const A_MOMENT: &str = "wait a moment";

impl Folder {
    /// Forgets files of this folder; durable on return, and repeatable. For each, in order: done, or why not.
    ///
    /// # Errors
    /// Some may be forgotten in the target, and none in the ledger.
    pub fn forget(
        &self,
        ledger: &Ledger,
        journal: &Journal,
        by: &str,
        files: &[Row],
    ) -> Result<Vec<Result<(), Reason>>, Fault> {
        let mut answers = files.iter().map(|row| self.may_forget(ledger, row)).collect::<Result<Vec<_>, _>>()?;
        for (row, answer) in files.iter().zip(&mut answers).filter(|(row, _)| row.waits_in_archive()) {
            *answer = self.take_back(ledger, journal, by, row)?;
        }
        let may: Vec<_> = files.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).collect();
        let forgotten: Vec<&Row> = may.into_iter().map(|(row, _)| row).filter(|row| !row.waits_in_archive()).collect();
        let ids: Vec<FileId> = forgotten.iter().map(|row| row.id).collect();
        if let Work::Import(import) = &self.work {
            import.forget(&ids)?;
        }
        let news = forgotten.iter().filter(|row| row.state != State::Forgotten);
        let told = |row: &&Row| event(&self.name, Kind::FileForgotten, row.id, &row.name).with("by", by);
        let events: Vec<_> = news.map(told).collect();
        ledger.forget(&ids, &events)?;
        for event in &events {
            journal.tell_entered(event);
        }
        Ok(answers)
    }

    /// Whether a file can be forgotten now, or why it can't.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub fn may_forget(&self, ledger: &Ledger, row: &Row) -> Result<Result<(), Reason>, Fault> {
        let refused = |text: String, hint: &str| Ok(Err(Reason::new("not_at_its_end", text).hint(hint)));
        let again = ledger.replay_of(row.id)?;
        match row.state {
            State::Deferred if row.waits_in_archive() => Ok(Ok(())),
            State::Deferred => refused(
                "it waits for another try".to_owned(),
                "it is not known as done yet; to have it left alone, take it out of the inbox",
            ),
            State::Committed => refused(BEING_ARCHIVED.to_owned(), A_MOMENT),
            State::Duplicate if row.place.is_none() => refused(BEING_ARCHIVED.to_owned(), A_MOMENT),
            State::Replaced => {
                let by = again.map_or("a later number".to_owned(), |row| row.id.to_string());
                refused(format!("its rows gave way to those of {by}"), "forget that one")
            }
            State::Archived | State::Duplicate | State::Quarantined | State::Forgotten => {
                match again.filter(|again| again.state == State::Deferred) {
                    Some(again) => {
                        let hint =
                            format!("wait until that is done; or let that go: importerd forget {}", again.id.quoted());
                        refused(format!("it is being loaded again, as {}", again.id), &hint)
                    }
                    None => Ok(Ok(())),
                }
            }
        }
    }
}
