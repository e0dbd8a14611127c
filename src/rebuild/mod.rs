//! Makes a ledger anew: from what can be read of the old one, the load markers of the targets, and what lies in the
//! folders.
//!
//! 1. The state directory is locked, and every folder; commands that a killed daemon left are ended.
//! 2. A draft takes over what can be salvaged, then learns from targets and folders.
//! 3. It is flushed, and gets its number.
//! 4. The folders remember that number: from here on, no other ledger is theirs.
//! 5. The old ledger is put aside, the draft takes its place.
//!
//! A crash before 4 leaves the old ledger as it was, refused as it was; the draft is begun again. A crash behind it
//! leaves a draft that the folders know: the next try goes on with 5. Files are moved only from `active/` to
//! `quarantine/`, with what is known of them beside them, so a try that was cut short finds them there.

mod archive;
mod hand;
mod quarantine;
mod target;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::events::{Event, Kind};
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::folder::name::Filter;
use crate::folder::places::{BRING_BACK, Places};
use crate::folder::remembered::Remembered;
use crate::ledger::draft::Draft;
use crate::ledger::history::History;
use crate::ledger::swap::swap;
use crate::ledger::{FILE_NAME, LedgerId, Salvaged};
use crate::log::escape;
use crate::settings::{self, Settings};
use crate::stages::kinship;

/// What is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Missing,
    /// It can't be read, or not all of it.
    Damaged(Reason),
    /// It is sound, but not the one of the folders, or older than they are.
    Unrelated(Reason),
    /// Nothing.
    Sound,
}

/// What was found and done.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the old ledger lies now.
    pub aside: Option<PathBuf>,
    /// Why nothing of the old one could be read, when nothing could.
    pub unreadable: Option<String>,
    /// Files taken over from it.
    pub salvaged_files: u64,
    /// Events taken over from it.
    pub salvaged_events: u64,
    /// Places in it that could not be read.
    pub damaged_places: u64,
    /// Below which number none will be given out.
    pub numbers_below: i64,
    /// What each folder taught.
    pub folders: Vec<Learnt>,
}

/// What one folder taught.
#[derive(Debug, Default, Serialize)]
pub struct Learnt {
    /// Its name.
    pub folder: String,
    /// Where it is.
    pub path: PathBuf,
    /// The target, for an import.
    pub target: Option<String>,
    /// Load markers found in the target.
    pub markers: u64,
    /// Of these, files that the old ledger didn't say to be done.
    pub from_markers: u64,
    /// Files in `archive/` that the old ledger didn't say to be done.
    pub from_archive: u64,
    /// Files in `archive/` that neither ledger nor target accounts for.
    pub unexplained: u64,
    /// Files in `quarantine/` that the old ledger didn't know to be there.
    pub from_quarantine: u64,
    /// Files that were in hand and went to quarantine, since their results may be published.
    pub ledger_lost: Vec<String>,
}

/// One folder, locked.
struct Site<'a> {
    settings: &'a settings::Folder,
    state_directory: &'a Path,
    /// As it is to be typed here.
    importerd: &'a str,
    places: Places,
    filter: Filter,
    /// Whether what the old ledger doesn't say of this folder never happened.
    trusted: bool,
    numbers_below: i64,
}

/// Looks at the ledger of a state directory as a whole, and at its folders.
///
/// # Errors
/// It can't be looked at, or is newer than we are (code `ledger_newer`).
pub fn condition(settings: &Settings, state_directory: &Path) -> Result<Condition, Reason> {
    let history = match History::open(state_directory) {
        Ok(None) => return Ok(Condition::Missing),
        Ok(Some(history)) => history,
        Err(reason) if reason.code == "ledger_corrupt" => return Ok(Condition::Damaged(reason)),
        Err(reason) => return Err(reason),
    };
    match history.problems() {
        Err(reason) if reason.code == "ledger_corrupt" => return Ok(Condition::Damaged(reason)),
        Err(reason) => return Err(reason),
        Ok(problems) => {
            if let Some(first) = problems.first() {
                let text = format!("{}: {first}", state_directory.join(FILE_NAME).display());
                return Ok(Condition::Damaged(Reason::new("ledger_corrupt", text)));
            }
        }
    }
    match kinship::look(settings, state_directory, Some(&history)) {
        Ok(()) => Ok(Condition::Sound),
        Err(reason) => Ok(Condition::Unrelated(reason)),
    }
}

/// Makes it anew. The caller has the lock of the state directory; see [`condition`] for whether there is a need. What reason files
/// say to type has `importerd` as it is to be typed here.
///
/// # Errors
/// What can't be opened, read or written. The old ledger is as it was, or a next try finishes this one.
pub fn rebuild(settings: &Settings, state_directory: &Path, importerd: &str) -> Result<Report, Fault> {
    let condition = condition(settings, state_directory).map_err(Fault::Fatal)?;
    let unfinished = Draft::finished(state_directory);
    let mut sites = Vec::new();
    for folder in settings.folders.values() {
        sites.push(Site::open(folder, state_directory, importerd)?);
    }
    if let Some(draft) = unfinished
        && !sites.is_empty()
        && sites.iter().all(|site| site.remembers(draft))
    {
        return finish_swap(state_directory, &condition);
    }
    let mut draft = Draft::begin(state_directory)?;
    let old = state_directory.join(FILE_NAME);
    let salvaged = if condition == Condition::Missing { Salvaged::default() } else { draft.salvage(&old)? };
    let mut folders = Vec::new();
    for site in &mut sites {
        site.meet_numbers(&mut draft)?;
        site.trusted = site.is_accounted_for(&condition, &salvaged, unfinished);
    }
    for site in &sites {
        folders.push(site.learn(&mut draft)?);
    }
    let told = Event::new(Kind::LedgerRebuilt).with("path", escape(old.as_os_str()));
    let (id, numbers_below) = draft.finish(&told)?;
    for site in &sites {
        site.remember(id, numbers_below)?;
    }
    let aside = swap(state_directory, condition.word())?;
    let Salvaged { files, events, damaged_places, unreadable, .. } = salvaged;
    Ok(Report {
        aside,
        unreadable,
        salvaged_files: files,
        salvaged_events: events,
        damaged_places,
        numbers_below,
        folders,
    })
}

/// An earlier try had all of it ready.
fn finish_swap(state_directory: &Path, condition: &Condition) -> Result<Report, Fault> {
    let aside = swap(state_directory, condition.word())?;
    let history = History::open(state_directory).map_err(Fault::Fatal)?;
    let numbers_below = history.map_or(Ok(1), |history| history.numbers_below()).map_err(Fault::Fatal)?;
    Ok(Report {
        aside,
        unreadable: None,
        salvaged_files: 0,
        salvaged_events: 0,
        damaged_places: 0,
        numbers_below,
        folders: Vec::new(),
    })
}

impl Condition {
    /// How the old ledger is called when it is put aside.
    fn word(&self) -> &'static str {
        match self {
            Self::Missing | Self::Damaged(_) => "damaged",
            Self::Unrelated(_) | Self::Sound => "replaced",
        }
    }
}

impl<'a> Site<'a> {
    fn open(settings: &'a settings::Folder, state_directory: &'a Path, importerd: &'a str) -> Result<Self, Fault> {
        let filter = Filter::new(&settings.matching, &settings.ignore, settings.ready_marker.as_deref());
        // One that is not mounted would be made on its mount point, and be taken for the folder by the next start. fault 13
        let places = Places::open(settings, true)?;
        if places.now().is_err() {
            let inbox = settings.inbox.display();
            return Err(Fault::world("missing", format!("{inbox}: no such directory")).with_hint(BRING_BACK));
        }
        let site = Self {
            settings,
            state_directory,
            importerd,
            places,
            filter: filter.map_err(Fault::World)?,
            trusted: false,
            numbers_below: 1,
        };
        let remembered = site.remembered();
        if let Some(remembered) = &remembered {
            kinship::refuse_another_name(settings, remembered).map_err(Fault::Fatal)?;
        }
        let numbers_below = remembered.map_or(1, |remembered| remembered.numbers_below);
        Ok(Self { numbers_below, ..site })
    }

    /// What can't be read is as good as nothing: it is about to be written anew.
    fn remembered(&self) -> Option<Remembered> {
        self.places.now().ok().and_then(|open| Remembered::read(&open.active).ok().flatten())
    }

    fn remembers(&self, ledger: LedgerId) -> bool {
        self.remembered().is_some_and(|remembered| remembered.ledger == ledger)
    }

    /// The old ledger is whole, is the folder's, and not older than it. A folder may know the draft of an earlier try
    /// instead: it was asked before it learnt that.
    fn is_accounted_for(&self, condition: &Condition, salvaged: &Salvaged, unfinished: Option<LedgerId>) -> bool {
        let is_whole = matches!(condition, Condition::Sound | Condition::Unrelated(_))
            && salvaged.damaged_places == 0
            && !salvaged.has_lost_its_log
            && salvaged.unreadable.is_none();
        let is_its_own = self.remembered().is_none_or(|remembered| {
            let known = [salvaged.identity, unfinished].contains(&Some(remembered.ledger));
            known && (remembered.numbers_below <= salvaged.numbers_below || Some(remembered.ledger) == unfinished)
        });
        is_whole && is_its_own
    }

    /// All numbers that a file of the folder is known to have had, before the first new one is given out.
    fn meet_numbers(&self, draft: &mut Draft) -> Result<(), Fault> {
        draft.met(FileId(self.numbers_below - 1));
        self.meet_markers(draft)?;
        self.meet_refused(draft)?;
        self.meet_staged(draft)
    }

    fn learn(&self, draft: &mut Draft) -> Result<Learnt, Fault> {
        let (folder, path) = (self.settings.name.clone(), self.settings.path.clone());
        let mut learnt = Learnt { folder, path, ..Learnt::default() };
        self.learn_markers(draft, &mut learnt)?;
        self.learn_archive(draft, &mut learnt)?;
        self.learn_quarantine(draft, &mut learnt)?;
        self.set_aside_what_was_in_hand(draft, &mut learnt)?;
        Ok(learnt)
    }

    fn remember(&self, ledger: LedgerId, numbers_below: i64) -> Result<(), Fault> {
        let state_directory = escape(self.state_directory.as_os_str());
        let folder = Some(self.settings.name.clone());
        let remembered = Remembered { folder, ledger, numbers_below, state_directory };
        let written = self.places.now().map_err(Into::into).and_then(|open| remembered.write(&open.active));
        written.map_err(|error| self.fault("active", &error))
    }

    fn fault(&self, below: &str, error: &std::io::Error) -> Fault {
        Fault::io(self.settings.path.join(below).display(), error)
    }
}
