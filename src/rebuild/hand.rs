//! Files that were in hand when the ledger was lost.
//!
//! An import's load marker says whether a file in `active/` is in, so these stay for recovery. Whether a command's results
//! are published only the ledger knew: its file goes to quarantine, with what its command had produced and not published,
//! for somebody to look at.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::{Learnt, Site};
use crate::fault::Fault;
use crate::file::FileId;
use crate::folder::directory::{self, subdirectory};
use crate::folder::moves::move_numbered;
use crate::folder::name::suffixed;
use crate::folder::places::STAGING;
use crate::folder::quarantine::{Cell, REASON_SUFFIX, by_hand};
use crate::folder::survey;
use crate::ledger::draft::Draft;
use crate::ledger::{self, State};
use crate::log::escape;
use crate::run;
use crate::settings::Work;

/// Why a file is in quarantine.
const CODE: &str = "ledger_lost";
/// What is put behind the name of a file for what its command had produced.
const UNPUBLISHED: &str = ".unpublished";

impl Site<'_> {
    pub(super) fn meet_staged(&self, draft: &mut Draft) -> Result<(), Fault> {
        for slot in self.places.slots().map_err(|error| self.fault("active", &error))? {
            let slot = self.settings.path.join("active").join(slot.to_string());
            staged(&slot)?.into_iter().for_each(|staged| draft.met(staged.id));
        }
        Ok(())
    }

    /// See the module. Every step can be repeated.
    pub(super) fn set_aside_what_was_in_hand(&self, draft: &mut Draft, learnt: &mut Learnt) -> Result<(), Fault> {
        let Work::Run(_) = self.settings.work else { return Ok(()) };
        for slot in self.places.slots().map_err(|error| self.fault("active", &error))? {
            let path = self.settings.path.join("active").join(slot.to_string());
            let directory = self.places.slot(slot).map_err(|error| Fault::io(path.display(), &error))?;
            run::end_orphans(&path, &[path.join(STAGING)])?;
            if self.trusted {
                continue;
            }
            let staged = staged(&path)?;
            let root = |staged: &Staged| path.join(STAGING).join(&staged.name);
            run::bring_home(&staged.iter().map(root).collect::<Vec<_>>(), &path)?;
            let mut produced = Vec::new();
            for staged in staged {
                if draft.by_id(staged.id)?.is_none_or(|row| row.state != State::Committed) {
                    let of = run::file_of(&root(&staged))?;
                    produced.push((staged, of));
                }
            }
            for name in directory::names(&directory).map_err(|error| Fault::io(path.display(), &error))? {
                let staged = produced.iter().find(|(_, of)| of.as_ref() == Some(&name)).map(|(staged, _)| staged);
                if self.is_lost(draft, &path.join(&name))? {
                    self.set_aside(draft, (&path, &directory), &name, staged)?;
                    learnt.ledger_lost.push(escape(&name));
                }
            }
            // Of a file that its command has removed.
            for (staged, of) in produced {
                let of = of.unwrap_or_else(|| staged.id.0.to_string().into());
                if survey::at(&path.join(&of)).is_none() {
                    self.keep_produced(&path, &staged, &of)?;
                }
            }
        }
        // With the numbers and reasons that stand in the files beside them.
        self.learn_quarantine(draft, &mut Learnt::default())
    }

    /// Nobody knows whether its results are published.
    fn is_lost(&self, draft: &Draft, path: &Path) -> Result<bool, Fault> {
        let Some(file) = survey::at(path) else { return Ok(false) };
        let known = draft.by_identity(&self.settings.name, &file.identity)?;
        Ok(known.is_none_or(|row| row.state == State::Deferred))
    }

    fn set_aside(
        &self,
        draft: &mut Draft,
        (path, slot): (&Path, impl AsFd),
        name: &OsStr,
        staged: Option<&Staged>,
    ) -> Result<(), Fault> {
        let fault = |error: std::io::Error| Fault::io(format_args!("quarantine {}", path.join(name).display()), &error);
        let half_made = self.half_made(name);
        let choose = if half_made.is_some() { Cell::chosen_before } else { Cell::choose };
        let cell = choose(&self.places, name).map_err(fault)?;
        let explanation = match half_made {
            Some(explanation) if !explanation.is_empty() => explanation,
            _ => {
                if let Some(staged) = staged {
                    self.keep_produced(path, staged, cell.name())?;
                }
                let id = staged.map_or_else(|| draft.next_id(), |staged| staged.id);
                self.explanation(name, id, cell.name())
            }
        };
        cell.put(slot.as_fd(), name, &explanation).map_err(fault)
    }

    fn in_quarantine(&self, name: &OsStr, suffix: &str) -> PathBuf {
        self.settings.path.join("quarantine").join(suffixed(name, suffix))
    }

    /// The reason file of a try that was cut short before the move: ours, or empty.
    fn half_made(&self, name: &OsStr) -> Option<String> {
        let text = fs::read_to_string(self.in_quarantine(name, REASON_SUFFIX)).ok()?;
        let is_ours = text.is_empty() || text.ends_with(&format!("code {CODE}\n"));
        (is_ours && !self.in_quarantine(name, "").exists()).then_some(text)
    }

    /// Moves what a command had produced, if it had, beside its file. The staging directory is gone then.
    fn keep_produced(&self, slot: &Path, staged: &Staged, name: &OsStr) -> Result<(), Fault> {
        let root = slot.join(STAGING).join(&staged.name);
        let fault = |error: std::io::Error| Fault::io(root.display(), &error);
        run::open_up(&root).map_err(fault)?;
        if !run::has_produced(&root) {
            // Nobody is to wonder where its file is.
            return run::discard(&root).map(drop);
        }
        run::gather(&root).map_err(fault)?;
        let staging = directory::open_directory(&slot.join(STAGING)).map_err(fault)?;
        let quarantine = self.places.quarantine().map_err(fault)?;
        move_numbered(&staging, &staged.name, &quarantine, &suffixed(name, UNPUBLISHED)).map_err(fault)?;
        rustix::fs::fsync(&quarantine).map_err(|error| fault(error.into()))
    }

    fn explanation(&self, name: &OsStr, id: FileId, cell: &OsStr) -> String {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        let path = self.settings.path.display();
        let by_hand = by_hand(&self.settings.inbox, self.settings.ready_marker.as_deref());
        // Moved there now, or by a try that was cut short.
        let kept = if self.in_quarantine(cell, UNPUBLISHED).exists() {
            format!(
                "\nWhat its command had produced, or some of it, lies beside it in {}, with what it printed in stdout.",
                escape(&suffixed(cell, UNPUBLISHED))
            )
        } else {
            String::new()
        };
        let (name, folder, number) = (escape(name), &self.settings.name, id.quoted());
        let explanation = format!(
            "{name} was refused on {now}\n\n  it was in hand when the ledger was lost, so nobody knows whether its results \
             are published\n{kept}\nWhat to do: make sure that its results are not in {path}/results (if they are, it is \
             done, and may go to {path}/archive)\nThen type: importerd retry {number}{by_hand}\n\n\
             folder {folder}, file {id}, attempt 1, code {CODE}\n"
        );
        ledger::typed(&explanation, self.importerd)
    }
}

/// A staging directory.
struct Staged {
    /// Of the file that its command worked on.
    id: FileId,
    /// See [`run::Named`].
    name: OsString,
}

/// The staging directories of a slot.
fn staged(slot: &Path) -> Result<Vec<Staged>, Fault> {
    let staging = slot.join(STAGING);
    if fs::symlink_metadata(&staging).is_err() {
        return Ok(Vec::new());
    }
    let fault = |error: std::io::Error| Fault::io(staging.display(), &error);
    let slot = directory::open_directory(slot).map_err(fault)?;
    let names = subdirectory(slot, STAGING.as_ref()).and_then(directory::names).map_err(fault)?;
    let staged = names.into_iter().filter_map(|name| {
        let id = run::Named::of(name.as_ref())?.id;
        Some(Staged { id, name })
    });
    Ok(staged.collect())
}
