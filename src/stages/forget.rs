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

/// Whether a file is to be forgotten by the same order.
pub type GoesToo<'g> = &'g dyn Fn(&Row) -> bool;

impl Folder {
    /// Forgets files of this folder; durable on return, and repeatable. For each, in order: done, or why not. `goes_too`: of
    /// others that are to be forgotten.
    ///
    /// # Errors
    /// Some may be forgotten in the target, and none in the ledger.
    pub fn forget(
        &self,
        ledger: &Ledger,
        journal: &Journal,
        by: &str,
        files: &[Row],
        goes_too: GoesToo<'_>,
    ) -> Result<Vec<Result<(), Reason>>, Fault> {
        let may = files.iter().map(|row| self.may_forget(ledger, row, goes_too));
        let mut answers = may.collect::<Result<Vec<_>, _>>()?;
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
    pub fn may_forget(&self, ledger: &Ledger, row: &Row, goes_too: GoesToo<'_>) -> Result<Result<(), Reason>, Fault> {
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
                if let Some(first) = first_of_its_kind(ledger, row)?.filter(|first| !goes_too(first)) {
                    return Ok(Err(done_before(first.id)));
                }
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

fn done_before(first: FileId) -> Reason {
    let hint = format!("to have it done as a new file, forget that one: importerd forget {}", first.quoted());
    Reason::new("done_before", format!("it was done before as {first}, which still counts")).hint(hint)
}

/// The file that makes this one a duplicate, and any other of its kind, as long as it is not forgotten.
fn first_of_its_kind(ledger: &Ledger, row: &Row) -> Result<Option<Row>, Fault> {
    let first = row.duplicate_of.filter(|_| row.state == State::Duplicate);
    let mut first = first.map(|id| ledger.by_id(id)).transpose()?.flatten();
    // Its rows may have given way to those of a later number.
    while let Some(replaced) = first.as_ref().filter(|first| first.state == State::Replaced) {
        first = ledger.replay_of(replaced.id)?;
    }
    Ok(first.filter(|first| matches!(first.state, State::Archived | State::Committed)))
}
