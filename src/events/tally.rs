//! What has happened since the start, counted: for the status line and the progress bar.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Event, Kind};
use crate::file::FileId;

/// Counts events as they are told.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<Counts>,
    changed: Notify,
}

/// How often what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files whose rows or results are durable.
    pub committed: u64,
    /// Rows that went in.
    pub rows: u64,
    /// Files among them that went in without some of their rows.
    pub with_rejects: u64,
    /// How many rows those were.
    pub rejects: u64,
    /// Files done before.
    pub duplicates: u64,
    /// Files refused, however often: one that was tried again since counts by what became of it then.
    pub quarantined: BTreeSet<FileId>,
    /// Files whose last try came to nothing, and that will have another.
    pub deferred: BTreeSet<FileId>,
    /// How many names can't be looked at in the inboxes of folders that have such.
    pub unseen: BTreeMap<String, usize>,
    /// Folders that take nothing now for a fault of the world, with the cause.
    pub paused: BTreeMap<String, String>,
    /// Folders that take nothing now because an operator paused them, and by whom that is told.
    pub paused_by_operator: BTreeMap<String, String>,
}

impl Counts {
    /// Files that came to their end.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.committed + self.duplicates + self.quarantined.len() as u64
    }

    /// The two kinds of pauses go their own ways.
    fn pauses(&mut self, event: &Event) -> &mut BTreeMap<String, String> {
        if event.is_ordered() { &mut self.paused_by_operator } else { &mut self.paused }
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more event.
    pub fn count(&self, event: &Event) {
        let mut counts = self.lock();
        let folder = || event.folder.as_deref().unwrap_or_default().to_owned();
        let file = event.file.as_ref().map(|file| file.id);
        if let (Some(id), Kind::FileCommitted | Kind::FileDuplicate | Kind::FileDeferred | Kind::FileQuarantined) =
            (file, event.kind)
        {
            counts.deferred.remove(&id);
            counts.quarantined.remove(&id);
        }
        match event.kind {
            Kind::FileCommitted => {
                counts.committed += 1;
                counts.rows += event.number("rows").unwrap_or(0);
                counts.with_rejects += u64::from(event.has_rejects());
                counts.rejects += event.number("rejects").unwrap_or(0);
            }
            Kind::FileDuplicate => counts.duplicates += 1,
            Kind::FileQuarantined => counts.quarantined.extend(file),
            Kind::FileDeferred => counts.deferred.extend(file),
            Kind::FolderPaused => {
                counts.pauses(event).insert(folder(), event.text("reason").unwrap_or_default().to_owned());
            }
            Kind::FolderResumed => {
                counts.pauses(event).remove(event.folder.as_deref().unwrap_or_default());
            }
            _ => return,
        }
        drop(counts);
        self.changed.notify_one();
    }

    /// So many names in a folder's inbox can't be looked at now.
    pub fn count_unseen(&self, folder: &str, count: usize) {
        let mut counts = self.lock();
        counts.unseen.insert(folder.to_owned(), count);
        counts.unseen.retain(|_, count| *count > 0);
    }

    /// How things stand.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// Waits until something has changed since this was last asked.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::*;

    fn count(tally: &Tally, kind: Kind, id: i64) {
        let subject = Subject { id: FileId(id), name: "a.txt".into(), attempt: 1, stage: "process" };
        tally.count(&Event::new(kind).file(subject));
    }

    #[test]
    fn a_file_is_deferred_once_however_often_it_was_tried_and_no_more_when_it_is_done() {
        let tally = Tally::default();
        for id in [7, 7, 8] {
            count(&tally, Kind::FileDeferred, id);
        }
        assert_eq!(tally.counts().deferred.len(), 2);
        count(&tally, Kind::FileCommitted, 7);
        let counts = tally.counts();
        assert_eq!((counts.committed, counts.deferred), (1, [FileId(8)].into()));
    }

    #[test]
    fn a_file_is_refused_once_however_often_it_was_tried_again_and_no_more_when_something_else_became_of_it() {
        let tally = Tally::default();
        for id in [7, 7, 8, 9] {
            count(&tally, Kind::FileQuarantined, id);
        }
        count(&tally, Kind::FileCommitted, 7);
        count(&tally, Kind::FileDeferred, 8);
        let counts = tally.counts();
        assert_eq!((counts.ended(), counts.quarantined, counts.deferred), (2, [FileId(9)].into(), [FileId(8)].into()));
    }

    #[test]
    fn names_that_can_not_be_looked_at_count_for_as_long_as_that_is_so() {
        let tally = Tally::default();
        for (folder, count) in [("drop", 2), ("other", 1), ("drop", 0)] {
            tally.count_unseen(folder, count);
        }
        assert_eq!(tally.counts().unseen, [("other".to_owned(), 1)].into());
    }
}
