//! A folder at work: its places, its rules, what is done with its files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::belonging::Belonging;
use super::replay;
use super::unentered::Unentered;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::folder::deferral::{Deferral, Deferrals};
use crate::folder::gate::Gate;
use crate::folder::inbox::Rules;
use crate::folder::name::Filter;
use crate::folder::places::{Places, STAGING};
use crate::import::{Import, Place, Targets};
use crate::ledger::{self, Ledger, Row};
use crate::run::{self, Command, Running};
use crate::settings::{self, Backoff, Duplicates};

/// Where rows go when the settings say nothing.
const DEFAULT_DATABASE: &str = "importerd.db";

/// One folder, shared by its Scanner and all Processors.
#[derive(Debug)]
pub struct Folder {
    /// Its name.
    pub name: Arc<str>,
    /// Its directories.
    pub places: Arc<Places>,
    /// How its inbox is looked at.
    pub rules: Arc<Rules>,
    /// Files that wait for another try.
    pub deferrals: Arc<Deferrals>,
    /// Closed while an operator has paused it.
    pub gate: Arc<Gate>,
    /// What is done with a file.
    pub work: Work,
    pub(super) duplicates: Duplicates,
    pub(super) attempts_max: u32,
    pub(super) backoff: Backoff,
    /// Held while results of commands are committed: whether a file was done before is asked and
    /// answered under it. The names in results/ that are planned and not published yet.
    pub(super) planned: Mutex<BTreeSet<OsString>>,
    pub(super) belonging: Belonging,
    /// How many Processors are about to find out what lies in their slots.
    pub(super) recovering: AtomicUsize,
    pub(super) unentered: Unentered,
    /// The number of the file of which it was told last that the target doesn't know it.
    pub(super) told_missing: AtomicI64,
}

/// What a folder does with a file.
#[derive(Debug)]
pub enum Work {
    /// Rows into a database.
    Import(Import),
    /// A command.
    Run(Command),
}

impl Folder {
    /// Opens a folder: directories, lock, target, and what the ledger knows to be deferred. The ledger is its own. Of
    /// what can't be had now, and perhaps soon, nothing is touched: recovery asks for it again, and holds the folder.
    ///
    /// # Errors
    /// What can't be opened and doesn't pass by itself, and what to do.
    pub fn open(
        settings: &settings::Settings,
        folder: &settings::Folder,
        state_directory: &Path,
        ledger: &Ledger,
        targets: &Targets,
        running: &Arc<Running>,
    ) -> Result<Self, Fault> {
        let marker = folder.ready_marker.clone();
        let filter = Filter::new(&folder.matching, &folder.ignore, marker.as_deref()).map_err(Fault::World)?;
        let work = match &folder.work {
            settings::Work::Import(import) => {
                let place = target(import, state_directory);
                refuse_ledger(&place, state_directory).map_err(Fault::Fatal)?;
                // fault 13: it may be that its disk is not mounted yet, or that it was emptied.
                let has = |name: &str| if place.is_missing() { ledger.has_imported(name) } else { ledger.has_in(name) };
                let is_known = has_imports(settings, &place, state_directory, has)?;
                let target = if is_known { targets.open_again(&place) } else { targets.open(&place) }?;
                Work::Import(Import::new(&folder.name, import, target)?)
            }
            settings::Work::Run(run) => Work::Run(Command::new(run, Arc::clone(running))),
        };
        let opened = Self {
            name: folder.name.as_str().into(),
            places: Arc::new(Places::open_or_wait(folder, ledger.has_watched(&folder.name, &folder.inbox)?)?),
            rules: Arc::new(Rules {
                filter,
                settle: folder.settle,
                rescan: folder.rescan,
                ready_marker: marker,
                in_order: folder.needs_order(),
            }),
            deferrals: Arc::default(),
            gate: Arc::new(Gate::new(ledger.pause_of(&folder.name)?.is_some())),
            work,
            duplicates: folder.duplicates,
            attempts_max: settings.attempts,
            backoff: settings.backoff,
            planned: Mutex::default(),
            belonging: Belonging::new(folder, state_directory),
            recovering: AtomicUsize::new(0),
            told_missing: AtomicI64::new(0),
            unentered: Unentered::default(),
        };
        if opened.places.now().is_ok() {
            match opened.check_belonging(ledger) {
                Err(Fault::World(_)) if is_on_a_server(folder) => {}
                Err(fault) if fault.may_pass() => {}
                checked => checked?,
            }
        }
        match opened.end_orphans() {
            Err(fault) if fault.may_pass() => {}
            ended => ended?,
        }
        for row in ledger.deferred(&folder.name)? {
            match replay::asked(&row) {
                Some(replay) => opened.deferrals.replays.ask(replay),
                None if row.place.is_none() => opened.remember(&row),
                // On its way back into the inbox.
                None => {}
            }
        }
        Ok(opened)
    }

    /// Of a daemon that was killed. Nothing of this one runs yet.
    fn end_orphans(&self) -> Result<(), Fault> {
        let Work::Run(_) = self.work else { return Ok(()) };
        let active = self.places.path.join("active");
        let slots = match self.places.now() {
            Ok(_) => self.places.slots().map_err(|error| Fault::io(active.display(), &error))?,
            Err(_) => Vec::new(),
        };
        let stagings: Vec<_> = slots.iter().map(|slot| active.join(slot.to_string()).join(STAGING)).collect();
        run::end_orphans(&active, &stagings).map(drop)
    }

    /// The folder that lies at the path now is this ledger's.
    ///
    /// # Errors
    /// It isn't, or none lies there.
    pub(super) fn check_belonging(&self, ledger: &Ledger) -> Result<(), Fault> {
        self.belonging.check(&self.places, &self.work, ledger)
    }

    /// Whether folder and target are being asked for what was left in a slot.
    #[must_use]
    pub fn is_recovered_now(&self) -> bool {
        self.recovering.load(Ordering::Relaxed) > 0
    }

    /// A number for a file of this folder, which remembers it, durably, before the file has it.
    ///
    /// # Errors
    /// As [`Self::check_belonging`]; or the ledger can't be written; or files under way would be left behind.
    pub(super) fn next_id(&self, ledger: &Ledger) -> Result<FileId, Fault> {
        self.belonging.next_id(&self.places, &self.work, &self.unentered, ledger)
    }

    /// Keeps a deferred file from being tried before its time.
    pub(super) fn remember(&self, row: &Row) {
        self.remember_as(row, row.name.clone(), self.wait(row));
    }

    /// Under the name that it has in the inbox.
    pub(super) fn remember_as(&self, row: &Row, name: OsString, wait: Duration) {
        self.deferrals.insert(Deferral {
            id: row.id,
            is_entered: true,
            name,
            file: row.identity,
            replaces: row.replaces,
            attempts: row.attempts,
            deferrals: row.deferrals,
            until: Instant::now() + wait,
            told_due: false,
        });
    }

    /// How long until a deferred file is to be tried again; never longer than the longest back-off,
    /// should the clock have jumped.
    pub(super) fn wait(&self, row: &Row) -> Duration {
        let Some(at) = row.retry_at else { return Duration::ZERO };
        let wait = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
        wait.min(self.backoff.max)
    }

    /// The wait before the next try of a file that was deferred so often before.
    pub(super) fn back_off(&self, deferrals: u32) -> Duration {
        let doubled = self.backoff.min.saturating_mul(2_u32.saturating_pow(deferrals.min(31)));
        doubled.min(self.backoff.max)
    }
}

/// Whether its target may be away while everything here is well.
fn is_on_a_server(folder: &settings::Folder) -> bool {
    let settings::Work::Import(import) = &folder.work else { return false };
    matches!(import.into, Some(settings::Target::Postgres(_)))
}

/// Whether a file was ever imported into this database by a folder that imports into it now. `has_imported`: what the ledger
/// says of a folder.
///
/// # Errors
/// Those of `has_imported`.
pub fn has_imports<E>(
    settings: &settings::Settings,
    place: &Place,
    state_directory: &Path,
    has_imported: impl Fn(&str) -> Result<bool, E>,
) -> Result<bool, E> {
    for folder in settings.folders.values() {
        let settings::Work::Import(import) = &folder.work else { continue };
        if target(import, state_directory) == *place && has_imported(&folder.name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses the ledger as a database for rows: what makes it anew would take them away.
///
/// # Errors
/// Code `bad_target`.
pub fn refuse_ledger(place: &Place, state_directory: &Path) -> Result<(), Reason> {
    let Place::Sqlite(path) = place else { return Ok(()) };
    let ledger = state_directory.join(ledger::FILE_NAME);
    let which = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let is_same = matches!((which(path), which(&ledger)), (Ok(one), Ok(other)) if one == other);
    if *path != ledger && !is_same {
        return Ok(());
    }
    let text = format!("{place}: this is the ledger, and no database for rows");
    Err(Reason::new("bad_target", text).hint("import into another file"))
}

/// The database that a folder imports into.
#[must_use]
pub fn target(import: &settings::Import, state_directory: &Path) -> Place {
    match &import.into {
        None => Place::Sqlite(state_directory.join(DEFAULT_DATABASE)),
        Some(settings::Target::Sqlite(path)) => Place::Sqlite(state_directory.join(path)),
        Some(settings::Target::Postgres(address)) => Place::Postgres(address.clone()),
    }
}
