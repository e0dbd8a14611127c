//! What the load markers of a folder's target prove.

use super::{Learnt, Site};
use crate::fault::Fault;
use crate::file::FileId;
use crate::import::{Marker, Markers, Place};
use crate::ledger::draft::Draft;
use crate::ledger::{Entry, Row, State};
use crate::settings::Work;
use crate::stages::target;

impl Site<'_> {
    pub(super) fn meet_markers(&self, draft: &mut Draft) -> Result<(), Fault> {
        let Some(markers) = self.markers()? else { return Ok(()) };
        if let Some(newest) = markers.newest(&self.settings.name)? {
            draft.met(newest.of_all);
        }
        Ok(())
    }

    /// Enters every file of which a marker is there. Where old ledger and target disagree, the target is right: its
    /// marker came with the rows.
    pub(super) fn learn_markers(&self, draft: &mut Draft, learnt: &mut Learnt) -> Result<(), Fault> {
        learnt.target = self.target().map(|place| place.to_string());
        let Some(markers) = self.markers()? else { return Ok(()) };
        let mut failed = Ok(());
        markers.each(&self.settings.name, &mut |marker| {
            learnt.markers += 1;
            failed = self.learn_marker(draft, &marker).map(|is_news| learnt.from_markers += u64::from(is_news));
            failed.is_ok()
        })?;
        failed
    }

    fn target(&self) -> Option<Place> {
        match &self.settings.work {
            Work::Import(import) => Some(target(import, self.state_directory)),
            Work::Run(_) => None,
        }
    }

    /// `None`: there is no target, or nothing was imported into it. One that can't be read is an error, and so is one that
    /// isn't there while files are archived: it may be elsewhere, and the daemon would make it anew. fault 13
    fn markers(&self) -> Result<Option<Box<dyn Markers>>, Fault> {
        let Some(place) = self.target() else { return Ok(None) };
        if place.is_missing() && self.has_archived()? {
            let archive = self.settings.path.join("archive");
            let text = format!("the database {place} is not there, and files lie in {}", archive.display());
            let hint = "without its load markers nobody knows what is imported: mount its filesystem, or restore it; \
                where it is lost for good, put an empty file in its place";
            return Err(Fault::world("missing", text).with_hint(hint));
        }
        let hint = "without its load markers nobody knows what is imported: make it readable, or restore it first";
        place.look().map_err(|fault| fault.with_hint(hint))
    }

    /// Returns whether it was news.
    fn learn_marker(&self, draft: &mut Draft, marker: &Marker) -> Result<bool, Fault> {
        if draft.by_id(marker.id)?.is_some_and(|row| self.says_the_same(&row, marker)) {
            return Ok(false);
        }
        let since = marker.committed_at.parse().unwrap_or_default();
        let state = if marker.forgotten_at.is_some() { State::Forgotten } else { State::Committed };
        let entry = Entry {
            blake3: Some(marker.blake3),
            rows: Some(marker.rows),
            rejects: marker.rejects,
            claimed_at: since,
            changed_at: since,
            replaces: marker.replaces,
            ..self.entry(marker.id, &marker.name, marker.identity, state)
        };
        draft.enter(&entry)?;
        marker.replaces.map_or(Ok(()), |earlier| draft.replaced(earlier))?;
        Ok(true)
    }

    fn says_the_same(&self, row: &Row, marker: &Marker) -> bool {
        row.folder == self.settings.name
            && match marker.forgotten_at {
                Some(_) => row.state == State::Forgotten,
                None => matches!(row.state, State::Committed | State::Archived),
            }
            && row.replaces == marker.replaces
            && row.blake3 == Some(marker.blake3)
            && row.identity == marker.identity
            && (row.rows, row.rejects) == (Some(marker.rows), marker.rejects)
    }

    /// What is to be entered of a file, and nothing that is not known of every file.
    pub(super) fn entry<'e>(
        &'e self,
        id: FileId,
        name: &'e std::ffi::OsStr,
        identity: crate::file::Identity,
        state: State,
    ) -> Entry<'e> {
        Entry::new(id, &self.settings.name, name, identity, state)
    }
}
