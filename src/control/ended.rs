//! Replay and forget: orders over files that are at their end.
//!
//! Both are entered before anything is told; what a crash leaves undone is asked for again, and does no harm twice.

use serde::{Deserialize, Serialize};

use super::operator::{Operator, Performed, Tell, told};
use super::{Outcome, Refusal, Selection};
use crate::exit;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::ledger::{Row, State};
use crate::stages::Folder;

/// So many files are entered together.
const BATCH_FILES_MAX: u32 = 256;

/// Which files, and whether it is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Each by itself; or all in these states of one folder.
    pub selection: Selection,
    /// Only those that came to where they stand since then, in microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What is to be done with files at their end.
#[derive(Clone, Copy)]
enum Order {
    Replay,
    Forget,
}

/// What became of one: its outcome as a stable word and in words, or why nothing did.
type Answer = Result<(&'static str, String), Reason>;

/// Hears of some files of a folder.
type Batch<'b> = &'b mut dyn FnMut(&Folder, &[Row]) -> Result<(), Refusal>;

impl Operator<'_> {
    /// Archived files are loaded again, each in place of its rows.
    pub(super) fn replay(&self, ended: &Ended, tell: Tell<'_>) -> Performed {
        self.carry_out(Order::Replay, ended, tell)
    }

    /// Files count as new from now on.
    pub(super) fn forget(&self, ended: &Ended, tell: Tell<'_>) -> Performed {
        self.carry_out(Order::Forget, ended, tell)
    }

    fn carry_out(&self, order: Order, ended: &Ended, tell: Tell<'_>) -> Performed {
        let mut all_well = true;
        let mut batch = |folder: &Folder, rows: &[Row]| -> Result<(), Refusal> {
            let answers = self.answers(order, ended, folder, rows)?;
            for (row, answer) in rows.iter().zip(answers) {
                let outcome = outcome(row, answer);
                all_well &= outcome.ok;
                told(tell, outcome);
            }
            Ok(())
        };
        let unknown = if ended.selection.files.is_empty() {
            self.each_ended(ended, &mut batch)?;
            Vec::new()
        } else {
            self.each_named(order, ended, &mut batch)?
        };
        for typed in &unknown {
            told(tell, Outcome::unknown(typed));
        }
        Ok(if all_well && unknown.is_empty() { exit::OK } else { exit::REFUSED })
    }

    fn answers(&self, order: Order, ended: &Ended, folder: &Folder, rows: &[Row]) -> Result<Vec<Answer>, Fault> {
        let by = self.by.to_string();
        let goes_too = |other: &Row| rows.iter().any(|row| row.id == other.id) || ended.means_all_like(other);
        match (order, ended.dry_run) {
            (Order::Replay, true) => rows
                .iter()
                .map(|row| match folder.may_replay(self.ledger, row) {
                    Ok(_) => Ok(Ok(("would_replay", "would be loaded again".to_owned()))),
                    Err(Fault::Permanent(reason)) => Ok(Err(reason)),
                    Err(fault) => Err(fault),
                })
                .collect(),
            (Order::Replay, false) => {
                let answers = folder.replay(self.ledger, self.journal, &by, rows)?;
                let said = |id: FileId| ("replaying", format!("is loaded again, as {id}; its rows stay until then"));
                Ok(answers.into_iter().map(|answer| answer.map(said)).collect())
            }
            (Order::Forget, true) => {
                let said = |row: &Row| ("would_forget", text(row, "would not be loaded again", "would count as new"));
                let answer = |row| Ok(folder.may_forget(self.ledger, row, &goes_too)?.map(|()| said(row)));
                rows.iter().map(answer).collect()
            }
            (Order::Forget, false) => {
                let answers = folder.forget(self.ledger, self.journal, &by, rows, &goes_too)?;
                let done = "counts as new from now on; all that is there stays";
                let said = |row: &Row| ("forgotten", text(row, "is not loaded again; its rows stay as they are", done));
                Ok(rows.iter().zip(answers).map(|(row, answer)| answer.map(|()| said(row))).collect())
            }
        }
    }

    /// The files that were typed, each once; returns those of which nothing is known.
    fn each_named(&self, order: Order, ended: &Ended, batch: Batch<'_>) -> Result<Vec<String>, Refusal> {
        let wanted: &[State] = match order {
            Order::Replay => &[State::Archived],
            Order::Forget => &[State::Quarantined, State::Archived, State::Duplicate],
        };
        let mut unknown = Vec::new();
        let mut chosen: Vec<(&Folder, Vec<Row>)> = Vec::new();
        for typed in &ended.selection.files {
            let Some(selected) = self.selected(&ended.selection, typed, wanted)? else {
                unknown.push(typed.clone());
                continue;
            };
            match chosen.iter_mut().find(|(folder, _)| std::ptr::eq(*folder, selected.folder)) {
                Some((_, rows)) if rows.iter().any(|row| row.id == selected.row.id) => {}
                Some((_, rows)) => rows.push(selected.row),
                None => chosen.push((selected.folder, vec![selected.row])),
            }
        }
        for (folder, rows) in &chosen {
            batch(folder, rows)?;
        }
        Ok(unknown)
    }

    /// All of a state, a batch after the other. What is replayed comes to the same state again, under a higher number:
    /// nothing beyond the last number of now is looked at.
    fn each_ended(&self, ended: &Ended, batch: Batch<'_>) -> Result<(), Refusal> {
        for folder in self.folders_of(&ended.selection)? {
            let end = self.ledger.last_id(&folder.name)?;
            for state in &ended.selection.states {
                let mut last = FileId(0);
                loop {
                    let mut rows = self.ledger.ended_after(&folder.name, *state, last, BATCH_FILES_MAX)?;
                    let Some(highest) = rows.last() else { break };
                    last = highest.id;
                    rows.retain(|row| row.id <= end && ended.means(row));
                    batch(folder, &rows)?;
                    if last >= end {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Ended {
    /// Whether a file is meant that nobody named.
    fn means_all_like(&self, row: &Row) -> bool {
        self.selection.files.is_empty() && self.selection.states.contains(&row.state) && self.means(row)
    }

    fn means(&self, row: &Row) -> bool {
        self.since_us.is_none_or(|since| row.changed_at.as_microsecond() >= since) && self.selection.means(row)
    }
}

/// What is said of a file that waits to be loaded again, and of one at its end.
fn text(row: &Row, waiting: &str, ended: &str) -> String {
    (if row.waits_in_archive() { waiting } else { ended }).to_owned()
}

fn outcome(row: &Row, answer: Answer) -> Outcome {
    match answer {
        Ok((outcome, text)) => Outcome::of_file(row, outcome, true, text),
        Err(reason) => {
            let hint = reason.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            Outcome::of_file(row, reason.code, false, format!("{reason}{hint}"))
        }
    }
}
