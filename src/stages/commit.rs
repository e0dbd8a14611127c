//! Commit: rows or results durable and visible, and the ledger says so.
//!
//! *import*: the load marker is in the target, in the transaction of the rows. It is the proof, so the ledger's
//! entry need not wait for the disk; that of a duplicate, which has no marker, must. *run*: results are durable in
//! staging, then the ledger says `committed`, durably and with the plan under which names they go; from there on
//! publishing is repeated until it is done.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};

use importerd_actors::Halt;

use super::carrier::{Carrier, halt};
use super::file::{Body, Claimed, Committed, Outcome, Processed};
use super::folder::{Folder, Work};
use crate::events::{Event, Kind};
use crate::fault::Fault;
use crate::file::{Digest, FileId};
use crate::import::{self, Effect, Import, Load, Written};
use crate::ledger::{Durability, Entry, State};
use crate::log::escape;
use crate::run::results::{self, Planned, Produced, Publication};
use crate::settings::Duplicates;

/// A file whose command has produced its results.
struct Made {
    claimed: Claimed,
    digest: Digest,
    produced: Produced,
}

/// A file on its way through the commit, and what the ledger is to hold of it.
struct Accounted {
    claimed: Claimed,
    digest: Digest,
    account: Account,
}

enum Account {
    Rows {
        rows: u64,
        rejects: u64,
        effect: Effect,
    },
    /// In place of earlier ones.
    Instead {
        rows: u64,
        rejects: u64,
        effect: Effect,
        rows_before: u64,
        changed: bool,
    },
    Results {
        json: String,
        count: usize,
    },
    DuplicateOf {
        id: FileId,
        name: String,
    },
}

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
            if file.claimed.is_whole() {
                whole.push(file);
            } else {
                self.redo(folder, file.claimed, Ok(file.outcome))?;
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
            committed.files.extend(self.enter_rows(done)?.files);
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
            let account = match outcome {
                import::Outcome::Loaded { rows, rejects, effect } => Account::Rows { rows, rejects, effect },
                import::Outcome::Replaced { rows, rejects, effect, rows_before, changed } => {
                    Account::Instead { rows, rejects, effect, rows_before, changed }
                }
                import::Outcome::Duplicate { of } => Account::DuplicateOf { id: of.id, name: escape(&of.name) },
                import::Outcome::Refused(fault) => {
                    self.set_aside(folder, claimed, fault, b"")?;
                    continue;
                }
            };
            done.push(Accounted { claimed, digest: load.checked.digest(), account });
        }
        Ok(done)
    }

    fn enter_rows(&self, done: Vec<Accounted>) -> Result<Committed, Halt> {
        // A duplicate has no load marker: only the ledger knows of it.
        let has_duplicates = done.iter().any(|file| matches!(file.account, Account::DuplicateOf { .. }));
        let durability = if has_duplicates { Durability::Flushed } else { Durability::Lazy };
        self.enter(durability, done)
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
                        results::discard(produced).map_err(|fault| halt(&fault))?;
                    }
                    let (id, name) = first.unwrap_or_else(|| (claimed.id, escape(&claimed.name)));
                    done.push(Accounted { claimed, digest, account: Account::DuplicateOf { id, name } });
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
            let account = Account::Results { json: to_json(&plan), count: plan.len() };
            publications.push((claimed.id, Publication { staging: produced.staging().to_owned(), plan }));
            done.push(Accounted { claimed, digest, account });
        }
        let committed = self.enter(Durability::Flushed, done)?;
        *planned = promised;
        drop(planned);
        self.publish(folder, publications)?;
        Ok(committed)
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
    fn enter(&self, durability: Durability, done: Vec<Accounted>) -> Result<Committed, Halt> {
        let outcomes: Vec<Event> = done.iter().map(Accounted::event).collect();
        let events = done.iter().zip(&outcomes).flat_map(|(file, outcome)| file.claimed.told.iter().chain([outcome]));
        let events: Vec<Event> = events.cloned().collect();
        let entries: Vec<Entry<'_>> = done.iter().map(Accounted::entry).collect();
        self.ledger.enter(durability, &entries, &events).map_err(|fault| halt(&fault))?;
        drop(entries);
        // Only now: what could not be entered is told of when recovery learns it, or commits it another time.
        self.journal.tell_all_entered(&outcomes);
        Ok(Committed { files: done.into_iter().map(|file| file.claimed).collect() })
    }
}

impl Accounted {
    fn event(&self) -> Event {
        match &self.account {
            Account::Rows { rows, rejects, effect } => self.committed(*rows, *rejects, effect),
            Account::Instead { rows, rejects, effect, rows_before, changed } => self
                .committed(*rows, *rejects, effect)
                .with("rows_before", *rows_before)
                .with("bytes_changed", *changed),
            Account::Results { count, .. } => self.claimed.event(Kind::FileCommitted, "commit").with("results", *count),
            Account::DuplicateOf { id, name } => self
                .claimed
                .event(Kind::FileDuplicate, "commit")
                .with("original_id", id.0)
                .with("original", name.as_str()),
        }
    }

    fn committed(&self, rows: u64, rejects: u64, effect: &Effect) -> Event {
        let mut event = self.claimed.event(Kind::FileCommitted, "commit").with("rows", rows);
        if rejects > 0 {
            event = event.with("rejects", rejects);
        }
        if let Some(Written { inserted, updated, skipped }) = effect.keyed {
            event = event.with("rows_inserted", inserted).with("rows_updated", updated).with("rows_skipped", skipped);
        }
        if let Some(before) = effect.rows_before {
            event = event.with("rows_before", before);
        }
        for (field, columns) in [("columns_added", &effect.added), ("columns_ignored", &effect.ignored)] {
            if !columns.is_empty() {
                event = event.with(field, listed(columns));
            }
        }
        if let Some(later) = effect.superseded_by {
            event = event.with("superseded_by", later.0);
        }
        match self.claimed.replaces {
            Some(earlier) => event.with("replaces", earlier.0),
            None => event,
        }
    }

    fn entry(&self) -> Entry<'_> {
        let known = Entry { blake3: Some(self.digest), ..self.claimed.entry(State::Committed) };
        match &self.account {
            Account::Rows { rows, rejects, .. } | Account::Instead { rows, rejects, .. } => {
                Entry { rows: Some(*rows), rejects: *rejects, ..known }
            }
            Account::Results { json, .. } => Entry { results: Some(json.clone()), ..known },
            Account::DuplicateOf { id, .. } => Entry { duplicate_of: Some(*id), state: State::Duplicate, ..known },
        }
    }
}

/// The first few names of columns, in one field.
fn listed(columns: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let shown: Vec<_> = columns.iter().take(SHOWN_MAX).map(|column| escape(OsStr::new(column))).collect();
    match columns.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

fn to_json(plan: &[Planned]) -> String {
    serde_json::to_string(plan).expect("names and paths are text once escaped")
}
