//! What the load markers of a folder's target prove.

use std::path::PathBuf;

use rusqlite::Connection;

use super::{Learnt, Site};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::import::{Marker, Newest, each_marker};
use crate::ledger::draft::Draft;
use crate::ledger::{Entry, Row, State, read_only};
use crate::settings::Work;
use crate::stages::target;

impl Site<'_> {
    pub(super) fn meet_markers(&self, draft: &mut Draft) -> Result<(), Fault> {
        let newest = self.ask_target(|connection| Newest::read(connection, &self.settings.name))?;
        newest.flatten().into_iter().for_each(|newest| draft.met(newest.of_all));
        Ok(())
    }

    /// Enters every file of which a marker is there. Where old ledger and target disagree, the target is right: its
    /// marker came with the rows.
    pub(super) fn learn_markers(&self, draft: &mut Draft, learnt: &mut Learnt) -> Result<(), Fault> {
        let mut failed = Ok(());
        self.ask_target(|connection| {
            if Newest::read(connection, &self.settings.name)?.is_none() {
                return Ok(());
            }
            each_marker(connection, &self.settings.name, |marker| {
                learnt.markers += 1;
                failed = self.learn_marker(draft, &marker).map(|is_news| learnt.from_markers += u64::from(is_news));
                failed.is_ok()
            })
        })?;
        learnt.target = self.target();
        failed
    }

    fn target(&self) -> Option<PathBuf> {
        match &self.settings.work {
            Work::Import(import) => Some(target(import, self.state_directory)),
            Work::Run(_) => None,
        }
    }

    /// `None`: there is no target, or it isn't made yet. One that can't be read is an error.
    fn ask_target<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, Fault> {
        let Some(path) = self.target().filter(|path| path.exists()) else { return Ok(None) };
        let answer = read_only::open(&path).and_then(|database| ask(&database.connection));
        answer.map(Some).map_err(|error| {
            let text = format!("the database {}: {error}", path.display());
            let hint = "without its load markers nobody knows what is imported: make it readable, or restore it first";
            Fault::World(Reason::new("target", text).hint(hint))
        })
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
            claimed_at: since,
            replaces: marker.replaces,
            ..self.entry(marker.id, &marker.name, marker.identity, state)
        };
        draft.enter(&entry, since)?;
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
            && row.rows == Some(marker.rows)
    }

    /// What is to be entered of a file, and nothing that is not known of every file.
    pub(super) fn entry<'e>(
        &'e self,
        id: FileId,
        name: &'e std::ffi::OsStr,
        identity: crate::file::Identity,
        state: State,
    ) -> Entry<'e> {
        Entry {
            id,
            folder: &self.settings.name,
            name,
            identity,
            blake3: None,
            state,
            replaces: None,
            attempts: 0,
            deferrals: 0,
            rows: None,
            claimed_at: jiff::Timestamp::now(),
            retry_at: None,
            place: None,
            reason: None,
            duplicate_of: None,
            results: None,
            failure: None,
        }
    }
}
