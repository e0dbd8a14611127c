//! What lies in a folder's quarantine, each with the reason beside it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::{Learnt, Site};
use crate::fault::Fault;
use crate::file::FileId;
use crate::folder::name::suffixed;
use crate::folder::quarantine::REASON_SUFFIX;
use crate::folder::survey::{self, Lying};
use crate::ledger::draft::Draft;
use crate::ledger::{Entry, Row, State};
use crate::log::unescape;

/// What a reason file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Explanation {
    id: Option<FileId>,
    name: Option<OsString>,
    attempt: u32,
    code: String,
    reason: String,
    hint: Option<String>,
}

impl Site<'_> {
    pub(super) fn meet_refused(&self, draft: &mut Draft) -> Result<(), Fault> {
        let files = survey::in_quarantine(self.settings).map_err(Fault::World)?;
        files.iter().filter_map(|file| Explanation::beside(&file.path).id).for_each(|id| draft.met(id));
        Ok(())
    }

    /// Enters the refused files with the numbers and reasons that their reason files tell.
    pub(super) fn learn_quarantine(&self, draft: &mut Draft, learnt: &mut Learnt) -> Result<(), Fault> {
        for file in survey::in_quarantine(self.settings).map_err(Fault::World)? {
            let known = draft.by_identity(&self.settings.name, &file.identity)?;
            if known.is_none_or(|row| row.state == State::Deferred) {
                self.enter_quarantined(draft, &file, Explanation::beside(&file.path))?;
                learnt.from_quarantine += 1;
            }
        }
        Ok(())
    }

    fn enter_quarantined(&self, draft: &mut Draft, file: &Lying, explanation: Explanation) -> Result<(), Fault> {
        let Explanation { id, name, attempt, code, reason, hint } = explanation;
        // A number that another file has is not believed. In a copied folder it is known by its place.
        let place = self.place(&file.path);
        let is_its_own = |row: Row| {
            let is_here = row.folder == self.settings.name && row.place.as_ref() == Some(&place);
            row.identity.is_same_file(&file.identity) || (row.state == State::Quarantined && is_here)
        };
        let is_free = |id: FileId| draft.by_id(id).map(|row| row.is_none_or(is_its_own));
        let id = match id {
            Some(id) if is_free(id)? => id,
            _ => draft.next_id(),
        };
        let entry = Entry {
            attempts: attempt,
            place: Some(place.clone()),
            claimed_at: file.since,
            changed_at: file.since,
            ..self.entry(id, name.as_ref().unwrap_or(&file.name), file.identity, State::Quarantined)
        };
        draft.enter(&entry)?;
        draft.explain(id, &code, &reason, hint.as_deref())
    }
}

impl Explanation {
    fn beside(path: &Path) -> Self {
        let reason_file = path.with_file_name(suffixed(path.file_name().unwrap_or_default(), REASON_SUFFIX));
        fs::read_to_string(reason_file).ok().map_or_else(Self::none, |text| Self::read(&text))
    }

    fn none() -> Self {
        let reason = "nobody knows why: its reason file is missing".to_owned();
        Self { code: "unknown".to_owned(), reason, ..Self::default() }
    }

    /// Of what `stages::aside` writes; the reason may have been edited by hand.
    fn read(text: &str) -> Self {
        let mut explanation = Self::none();
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        if let Some((name, _)) = text.lines().next().and_then(|line| line.rsplit_once(" was refused on ")) {
            explanation.name = unescape(name);
        }
        if let Some(reason) = line("  ") {
            reason.clone_into(&mut explanation.reason);
        }
        explanation.hint = line("What to do: ").map(str::to_owned);
        let facts = text.lines().rfind(|line| line.starts_with("folder ") && line.contains(", file #"));
        for fact in facts.into_iter().flat_map(|line| line.split(", ")) {
            match fact.split_once(' ') {
                Some(("file", id)) => explanation.id = id.trim_start_matches('#').parse().ok().map(FileId),
                Some(("attempt", attempt)) => explanation.attempt = attempt.parse().unwrap_or_default(),
                Some(("code", code)) => code.clone_into(&mut explanation.code),
                _ => {}
            }
        }
        explanation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_file_tells_number_name_and_cause_and_one_that_says_nothing_is_no_harm() {
        let text = "a\\n.csv was refused on 2026-11-24 03:04:05 UTC\n\n  line 7: 3 fields\n\nNothing of it was taken over.\n\
            What to do: correct it\nThen move it back into /srv/inbox\n\n\
            folder orders, file #4711, attempt 2, code ragged_row\n\nThe command's last words (standard error):\n  folder x\n";
        let expected = Explanation {
            id: Some(FileId(4711)),
            name: Some("a\n.csv".into()),
            attempt: 2,
            code: "ragged_row".to_owned(),
            reason: "line 7: 3 fields".to_owned(),
            hint: Some("correct it".to_owned()),
        };
        assert_eq!(Explanation::read(text), expected);
        assert_eq!(Explanation::read("mine\n"), Explanation::none());
    }
}
