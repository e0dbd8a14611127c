//! Pause and resume: the ledger first, durably, then the gate.
//!
//! A crash between leaves a pause that holds from the next start on, or one that is over then: the gate is set from
//! the ledger.

use jiff::Timestamp;

use super::operator::{Operator, Performed, Tell, told};
use super::{Folders, Outcome};
use crate::events::Kind;
use crate::exit;
use crate::ledger::Pause;

impl Operator<'_> {
    /// Nothing new is taken when this returns.
    pub(super) fn pause(&self, folders: &Folders, tell: Tell<'_>) -> Performed {
        for folder in self.chosen(folders)? {
            let pause = Pause { since: Timestamp::now(), by: self.by.to_string() };
            let event = pause.event(&folder.name);
            let is_news = self.ledger.pause(&folder.name, &pause, &event)?;
            folder.gate.close();
            if is_news {
                self.journal.tell_entered(&event);
            }
            let outcome = if is_news { "paused" } else { "paused_before" };
            let text = if is_news { "paused" } else { "was paused already" };
            told(tell, Outcome::of_folder(&folder.name, outcome, text));
        }
        Ok(exit::OK)
    }

    /// Files are taken again.
    pub(super) fn resume(&self, folders: &Folders, tell: Tell<'_>) -> Performed {
        for folder in self.chosen(folders)? {
            let event = self.event(Kind::FolderResumed, folder).with("reason", format!("by an operator ({})", self.by));
            let is_news = self.ledger.resume(&folder.name, &event)?;
            folder.gate.open();
            if is_news {
                self.journal.tell_entered(&event);
            }
            let outcome = if is_news { "resumed" } else { "not_paused" };
            told(tell, Outcome::of_folder(&folder.name, outcome, self.now(folder, is_news)));
        }
        Ok(exit::OK)
    }

    /// What an operator's word can't mend is said.
    fn now(&self, folder: &crate::stages::Folder, is_news: bool) -> String {
        let said = if is_news { "goes on" } else { "was not paused by an operator" };
        match self.journal.counts().paused.get(&*folder.name) {
            Some(cause) => format!("{said}, but is held by a fault: {cause}; it goes on by itself when that is gone"),
            None => said.to_owned(),
        }
    }
}
