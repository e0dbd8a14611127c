//! Commit: rows or results durable and visible.
//!
//! *import*: the load marker is in the target, in the transaction of the rows. It is the proof, so the ledger's
//! entry can come with that of the file's place in the archive; that of a duplicate, which has no marker, is made now,
//! and flushed. *run*: results are durable in
//! staging, then the ledger says `committed`, durably and with the plan under which names they go; from there on
//! publishing is repeated until it is done.

use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};

use importerd_actors::Halt;

use super::account::{Account, End};
use super::carrier::{Carrier, halt};
use super::file::{Body, Claimed, Committed, Done, Outcome, Processed};
use super::folder::{Folder, Work};
use super::reconcile::MARKERS_BACK;
use crate::events::Event;
use crate::fault::Fault;
use crate::file::{Digest, FileId};
use crate::import::{self, Import, Load};
use crate::ledger::{Durability, Entry};
use crate::log::escape;
use crate::run::results::{self, Planned, Produced, Publication};
use crate::settings::Duplicates;

/// A file whose command has produced its results.
struct Made {
    claimed: Claimed,
    digest: Digest,
    produced: Produced,
}

type Accounted = (Claimed, Account);

impl Carrier {
    /// Commits a batch; a file that turns out bad is set aside alone.
    pub(super) fn commit_all(&mut self, folder: usize, files: Vec<Processed>) -> Result<Committed, Halt> {
        let files = self.still_whole(folder, files)?;
        match &self.folders[folder].work {
            Work::Import(_) => self.commit_rows(folder, files),
            Work::Run(_) => self.commit_results(folder, files),
        }
    }

    /// The last look before the commit: what a writer has come back to is worked on another time.
    fn still_whole(&mut self, folder: usize, files: Vec<Processed>) -> Result<Vec<Processed>, Halt> {
        let mut whole = Vec::with_capacity(files.len());
        for file in files {
            if self.is_to_be_redone(folder, &file.claimed) {
                self.redo(folder, file.claimed, Ok(file.outcome))?;
            } else {
                whole.push(file);
            }
        }
        Ok(whole)
    }

    fn commit_rows(&mut self, folder: usize, files: Vec<Processed>) -> Result<Committed, Halt> {
        let (mut owners, mut loads) = (Vec::new(), Vec::new());
        for Processed { claimed, outcome } in files {
            let (Outcome::Checked(checked), Body::Sealed(sealed)) = (outcome, &claimed.body) else {
                unreachable!("an import folder checks sealed files")
            };
            loads.push(Load {
                id: claimed.id,
                name: claimed.name.clone(),
                identity: claimed.identity,
                file: Arc::clone(&sealed.file),
                checked,
                duplicates: self.folders[folder].duplicates,
                replaces: claimed.replaces,
            });
            owners.push(claimed);
        }
        let mut committed = Committed { files: Vec::with_capacity(owners.len()) };
        let mut owners = owners.into_iter();
        // All in one go, but for those behind a refused one where the order counts.
        while owners.len() > 0 {
            let waiting = &loads[loads.len() - owners.len()..];
            let outcomes = self.import(folder).commit(waiting).map_err(|fault| halt(&fault))?;
            // The outcomes lead: where they end, no owner is taken.
            let files = outcomes.into_iter().zip(owners.by_ref().zip(waiting));
            let done = self.account_for(folder, files.map(|(outcome, (claimed, load))| (claimed, load, outcome)))?;
            committed.files.extend(self.enter_rows(done)?);
        }
        Ok(committed)
    }

    /// Sets aside what is refused.
    fn account_for<'l>(
        &mut self,
        folder: usize,
        files: impl Iterator<Item = (Claimed, &'l Load, import::Outcome)>,
    ) -> Result<Vec<Accounted>, Halt> {
        let mut done = Vec::new();
        for (claimed, load, outcome) in files {
            let end = match outcome {
                import::Outcome::Loaded { rows, rejects, effect } => End::Rows { rows, rejects, effect },
                import::Outcome::Replaced { rows, rejects, effect, rows_before, changed } => {
                    End::Instead { rows, rejects, effect, rows_before, changed }
                }
                import::Outcome::Duplicate { of } => End::DuplicateOf { id: of.id, name: escape(&of.name) },
                import::Outcome::Refused(fault) => {
                    self.set_aside(folder, claimed, fault, b"")?;
                    continue;
                }
            };
            done.push((claimed, Account::new(load.checked.digest(), end)));
        }
        Ok(done)
    }

    /// Enters the few of which recovery could not learn all there is from the load markers it looks at. Of the others
    /// the ledger hears once they are archived: one entry is half the work of two.
    fn enter_rows(&self, done: Vec<Accounted>) -> Result<Vec<Done>, Halt> {
        let (now, later): (Vec<_>, Vec<_>) = done.into_iter().partition(|(claimed, account)| {
            // Its last word would be that the file waits, or it is among numbers that are settled.
            let has_marker = !matches!(account.end, End::DuplicateOf { .. });
            !has_marker || claimed.is_entered || self.ledger.given_since(claimed.id) > MARKERS_BACK / 2
        });
        // A duplicate has no load marker, and that of an old number nobody asks for: only the ledger knows of them.
        let is_known_by_marker =
            |(claimed, account): &Accounted| claimed.is_entered && !matches!(account.end, End::DuplicateOf { .. });
        let durability = if now.iter().all(is_known_by_marker) { Durability::Lazy } else { Durability::Flushed };
        let mut done = self.enter(durability, now)?;
        done.extend(later.into_iter().map(|(claimed, account)| Done { claimed, unentered: Some(account) }));
        Ok(done)
    }

    fn import(&self, folder: usize) -> &Import {
        match &self.folders[folder].work {
            Work::Import(import) => import,
            Work::Run(_) => unreachable!("asked of an import folder only"),
        }
    }

    fn commit_results(&mut self, folder: usize, files: Vec<Processed>) -> Result<Committed, Halt> {
        let folders = Arc::clone(&self.folders);
        let open = folders[folder]
            .places
            .now()
            .map_err(|error| halt(&Fault::io(folders[folder].places.path.display(), &error.into())))?;
        let results = open.results.as_fd();
        let mut planned = folders[folder].planned.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, mut made) = (Vec::new(), Vec::<Made>::new());
        for Processed { claimed, outcome } in files {
            let (digest, first) = self.first_of_its_kind(&folders[folder], &claimed, &outcome, &made)?;
            match (first, outcome) {
                (None, Outcome::Produced { produced, .. }) => made.push(Made { claimed, digest, produced }),
                (first, outcome) => {
                    if let Outcome::Produced { produced, .. } = &outcome {
                        self.discard(produced)?;
                    }
                    let (id, name) = first.unwrap_or_else(|| (claimed.id, escape(&claimed.name)));
                    done.push((claimed, Account::new(digest, End::DuplicateOf { id, name })));
                }
            }
        }
        results::seal(&made.iter().map(|made| &made.produced).collect::<Vec<_>>()).map_err(|fault| halt(&fault))?;
        let mut publications = Vec::with_capacity(made.len());
        // Promised only once the ledger has the plan: a name that is promised and never used would stay taken.
        let mut promised = planned.clone();
        for Made { claimed, digest, produced } in made {
            let plan = results::plan(results, &produced, &promised).map_err(|fault| halt(&fault))?;
            promised.extend(plan.iter().map(|planned| planned.published.clone()));
            let end = End::Results { json: to_json(&plan), count: plan.len() };
            publications.push((claimed.id, Publication { staging: produced.staging().to_owned(), plan }));
            done.push((claimed, Account::new(digest, end)));
        }
        let files = self.enter(Durability::Flushed, done)?;
        *planned = promised;
        drop(planned);
        self.publish(folder, publications)?;
        Ok(Committed { files })
    }

    /// The hash of a file's bytes, and the file that was done before and makes this one a duplicate: it may
    /// have come while the command ran, or be in the same batch.
    fn first_of_its_kind(
        &self,
        folder: &Folder,
        claimed: &Claimed,
        outcome: &Outcome,
        made: &[Made],
    ) -> Result<(Digest, Option<(FileId, String)>), Halt> {
        let digest = match outcome {
            Outcome::Duplicate { of, name, digest } => return Ok((*digest, Some((*of, escape(name))))),
            Outcome::Produced { digest, .. } => *digest,
            Outcome::Checked(_) => unreachable!("a run folder checks no rows"),
        };
        let in_batch = made.iter().find(|made| match folder.duplicates {
            Duplicates::ByContent => made.digest == digest,
            Duplicates::ByName => made.claimed.name == claimed.name,
            Duplicates::Allow => false,
        });
        if let Some(made) = in_batch {
            return Ok((digest, Some((made.claimed.id, escape(&made.claimed.name)))));
        }
        let before = folder.done_before(&self.ledger, claimed, digest).map_err(|fault| halt(&fault))?;
        Ok((digest, before.map(|row| (row.id, escape(&row.name)))))
    }

    /// Publishes what the ledger says is committed.
    pub(super) fn publish(&self, folder: usize, publications: Vec<(FileId, Publication)>) -> Result<(), Halt> {
        if publications.is_empty() {
            return Ok(());
        }
        let folder = &self.folders[folder];
        let (ids, mut batch): (Vec<_>, Vec<_>) = publications.into_iter().unzip();
        let planned: Vec<_> = batch.iter().map(|publication| publication.plan.clone()).collect();
        let open =
            folder.places.now().map_err(|error| halt(&Fault::io(folder.places.path.display(), &error.into())))?;
        results::publish(open.results.as_fd(), &mut batch).map_err(|fault| halt(&fault))?;
        // What is not in staging any more was published before, unless staging itself was out of reach.
        folder.places.check().map_err(|fault| halt(&fault))?;
        for (id, (planned, publication)) in ids.into_iter().zip(planned.iter().zip(&batch)) {
            // Somebody else had taken a name meanwhile.
            if *planned != publication.plan {
                self.ledger.published(id, &to_json(&publication.plan)).map_err(|fault| halt(&fault))?;
            }
        }
        let mut free = folder.planned.lock().unwrap_or_else(PoisonError::into_inner);
        for published in planned.iter().flatten() {
            free.remove(&published.published);
        }
        Ok(())
    }

    /// Enters what was committed, with all that was told of it.
    fn enter(&self, durability: Durability, files: Vec<Accounted>) -> Result<Vec<Done>, Halt> {
        let outcomes: Vec<Event> = files.iter().map(|(claimed, account)| account.event(claimed)).collect();
        let events =
            files.iter().zip(&outcomes).flat_map(|((claimed, _), outcome)| claimed.told.iter().chain([outcome]));
        let events: Vec<Event> = events.cloned().collect();
        let entries: Vec<Entry<'_>> = files.iter().map(|(claimed, account)| account.entry(claimed)).collect();
        self.ledger.enter(durability, &entries, &events).map_err(|fault| halt(&fault))?;
        drop(entries);
        // Only now: what could not be entered is told of when recovery learns it, or commits it another time.
        self.journal.tell_all_entered(&outcomes);
        Ok(files.into_iter().map(|(claimed, _)| Done { claimed, unentered: None }).collect())
    }
}

fn to_json(plan: &[Planned]) -> String {
    serde_json::to_string(plan).expect("names and paths are text once escaped")
}
