//! What the archive of a folder proves: these files are done.

use std::fs::File;
use std::path::Path;

use super::{Learnt, Site};
use crate::fault::Fault;
use crate::file::{Digest, FileId};
use crate::folder::name::Rule;
use crate::folder::survey::{self, Lying};
use crate::ledger::draft::Draft;
use crate::ledger::{Entry, Row, Same, State, TAKEN_AWAY};
use crate::log::escape;
use crate::settings::{Duplicates, Work};
use crate::stages::hash;

impl Site<'_> {
    /// Enters where archived files lie. Those that nobody knows are hashed: their bytes are known again then. Day by
    /// day, in the order in which they came, so that the first of some with the same bytes is the one that was done.
    pub(super) fn learn_archive(&self, draft: &mut Draft, learnt: &mut Learnt) -> Result<(), Fault> {
        let mut days = survey::days(self.settings).map_err(Fault::World)?;
        days.sort_unstable();
        for day in days {
            let mut files = survey::in_day(&day).map_err(Fault::World)?;
            files.sort_unstable_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
            for file in files {
                self.learn_archived(draft, &file, learnt)?;
            }
        }
        Ok(())
    }

    /// Whether anything lies in the archive.
    pub(super) fn has_archived(&self) -> Result<bool, Fault> {
        for day in survey::days(self.settings).map_err(Fault::World)? {
            if !survey::in_day(&day).map_err(Fault::World)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn learn_archived(&self, draft: &mut Draft, file: &Lying, learnt: &mut Learnt) -> Result<(), Fault> {
        // The ready marker of another file is kept beside it.
        if self.filter.rule_against(&file.name) == Some(Rule::Marker) {
            return Ok(());
        }
        let place = self.place(&file.path);
        let known = draft.by_identity(&self.settings.name, &file.identity)?;
        match &known {
            Some(row) if row.waits_in_archive() => return Ok(()),
            Some(row) if row.blake3.is_some() && row.state != State::Deferred => {
                return if is_placed(row) { Ok(()) } else { draft.place(row.id, &place, &file.identity) };
            }
            // Refused, and put there by somebody.
            Some(Row { state: State::Quarantined, .. }) => return Ok(()),
            _ => {}
        }
        let digest = File::open(&file.path).and_then(|opened| hash(&opened));
        let digest = digest.map_err(|error| Fault::io(file.path.display(), &error))?;
        if known.is_none() {
            let put_here = draft.put_at(&self.settings.name, &place, digest)?;
            let missing = || draft.missing_with(&self.settings.name, digest);
            if let Some(row) = put_here.map_or_else(missing, |row| Ok(Some(row)))? {
                return draft.place(row.id, &place, &file.identity);
            }
        }
        self.enter_archived(draft, file, known.map(|row| row.id), (digest, place), learnt)
    }

    fn enter_archived(
        &self,
        draft: &mut Draft,
        file: &Lying,
        known: Option<FileId>,
        (digest, place): (Digest, String),
        learnt: &mut Learnt,
    ) -> Result<(), Fault> {
        let same = match self.settings.duplicates {
            Duplicates::ByContent => Some(Same::Bytes(digest)),
            Duplicates::ByName => Some(Same::Name(&file.name)),
            Duplicates::Allow => None,
        };
        let first = match same {
            Some(same) => draft.done_before(&self.settings.name, &same)?.filter(|row| Some(row.id) != known),
            None => None,
        };
        // An import has a marker; what has none, and is no duplicate either, was put there by somebody.
        if first.is_none() && matches!(self.settings.work, Work::Import(_)) {
            learnt.unexplained += 1;
            return Ok(());
        }
        let id = known.unwrap_or_else(|| draft.next_id());
        let state = if first.is_some() { State::Duplicate } else { State::Archived };
        let entry = Entry {
            blake3: Some(digest),
            place: Some(place),
            claimed_at: file.since,
            changed_at: file.since,
            duplicate_of: first.map(|row| row.id),
            ..self.entry(id, &file.name, file.identity, state)
        };
        learnt.from_archive += 1;
        draft.enter(&entry)
    }

    /// Relative to the folder, as the ledger spells it.
    pub(super) fn place(&self, path: &Path) -> String {
        escape(path.strip_prefix(&self.settings.path).unwrap_or(path).as_os_str())
    }
}

/// A day's directory is named when it is known.
fn is_placed(row: &Row) -> bool {
    row.place.as_deref().is_some_and(|place| place != TAKEN_AWAY)
}
