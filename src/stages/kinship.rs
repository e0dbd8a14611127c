//! Whether ledger, folder and target belong together: a ledger that is missing, another one or an older one is
//! noticed before a file is touched. fault 76
//!
//! | the folder remembers | the ledger | then |
//! |---|---|---|
//! | nothing, and its target has no marker that the ledger doesn't account for | any | they begin together |
//! | nothing, but its target has such markers | | refused |
//! | a ledger | missing, or never used | refused |
//! | a ledger | another one | refused |
//! | a ledger, and another name than the folder has now | the same: it knows the files by that name | refused |
//! | nothing, or numbers below that of a file which is under way | the same | held: it lies in the place of the folder that this file is in, which may not be mounted |
//! | a ledger | the same, but it has given out fewer numbers, or the log of a killed daemon is gone: restored from a backup | *import*: the load markers tell what it lacks; its numbers go on behind those of the folder. *run*: refused, since it doesn't know which results are published |

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::target;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::folder::directory::open_directory;
use crate::folder::lock;
use crate::folder::places::LOCK;
use crate::folder::remembered::{self, Remembered};
use crate::import::{Newest, Place};
use crate::ledger::history::History;
use crate::ledger::{FILE_NAME, Ledger, LedgerId, REBUILD};
use crate::log::{escape, unescape};
use crate::settings::{self, Work};

/// What a ledger says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Which one it is.
    pub identity: Option<LedgerId>,
    /// Every number that it gave out is below this.
    pub numbers_below: i64,
    /// The same of the folder's files alone, as the folder was told to remember. `None`: that was not entered yet.
    pub folder_below: Option<i64>,
    /// The highest number that it has of the folder, or 0.
    pub last: FileId,
    /// The highest of a file that it holds to be on its way in the folder, or 0.
    pub under_way: FileId,
    /// Its last entries are gone, with the log that held them.
    pub has_lost_its_log: bool,
}

impl Known {
    pub(super) fn to(ledger: &Ledger, folder: &str) -> Result<Self, Fault> {
        let identity = ledger.identity()?;
        let (numbers_below, last) = (ledger.numbers_below()?, ledger.last_id(folder)?);
        let (folder_below, under_way) = (ledger.folder_below(folder)?, ledger.under_way(folder)?);
        let has_lost_its_log = ledger.has_lost_its_log();
        Ok(Self { identity, numbers_below, folder_below, last, under_way, has_lost_its_log })
    }

    pub(crate) fn to_history(history: &History, folder: &str) -> Result<Self, Reason> {
        let identity = history.identity()?;
        let (numbers_below, last) = (history.numbers_below()?, history.last_id(folder)?);
        let (folder_below, under_way) = (history.folder_below(folder)?, history.under_way(folder)?);
        let has_lost_its_log = history.has_lost_its_log();
        Ok(Self { identity, numbers_below, folder_below, last, under_way, has_lost_its_log })
    }

    /// It never gave out a number: as good as none.
    fn is_unused(&self) -> bool {
        self.numbers_below <= 1 && self.last.0 == 0
    }
}

/// Refuses folders that aren't those of this ledger, before anything of them is changed; `None`: there is no ledger.
/// What can't be looked at now, or is in use by another daemon, is passed over: who opens it says why. A target that can't
/// is not asked again for the next folder: each may take its time to say nothing.
///
/// # Errors
/// Codes `ledger_missing`, `ledger_other`, `ledger_older`, `folder_renamed`; or the ledger can't be read.
pub fn check(
    settings: &settings::Settings,
    state_directory: &Path,
    ledger: Option<&Ledger>,
    silent: &mut Silent,
) -> Result<(), Fault> {
    settings.folders.values().try_for_each(|folder| {
        let known = ledger.map(|ledger| Known::to(ledger, &folder.name)).transpose()?;
        match check_with(folder, state_directory, known, silent) {
            // Held when it is opened.
            Err(Fault::World(_)) => Ok(()),
            checked => checked,
        }
    })
}

/// As [`check`], for those who only look.
///
/// # Errors
/// The same.
pub fn look(settings: &settings::Settings, state_directory: &Path, history: Option<&History>) -> Result<(), Reason> {
    let mut silent = Silent::default();
    settings.folders.values().try_for_each(|folder| {
        let known = history.map(|history| Known::to_history(history, &folder.name)).transpose()?;
        check_with(folder, state_directory, known, &mut silent).map_err(|fault| fault.reason().clone())
    })
}

/// As [`check`], for one folder.
///
/// # Errors
/// They don't belong together.
pub fn check_folder(folder: &settings::Folder, state_directory: &Path, ledger: Option<Known>) -> Result<(), Reason> {
    check_with(folder, state_directory, ledger, &mut Silent::default()).map_err(|fault| fault.reason().clone())
}

fn check_with(
    folder: &settings::Folder,
    state_directory: &Path,
    ledger: Option<Known>,
    silent: &mut Silent,
) -> Result<(), Fault> {
    let remembered = match open_directory(&folder.path.join("active")) {
        Ok(active) if lock::holder(&active, LOCK).is_some() => return Ok(()),
        Ok(active) => Remembered::read(active).unwrap_or_default(),
        // What it remembers may come with it, when it is mounted: it is asked then.
        Err(_) if ledger.is_some_and(|known| known.folder_below.is_some()) => return Ok(()),
        Err(_) => None,
    };
    let newest = if remembered.is_none() { newest_marker(folder, state_directory, silent) } else { None };
    judge(folder, state_directory, remembered.as_ref(), newest.as_ref(), ledger).map(drop)
}

/// Targets that couldn't be looked at.
#[derive(Debug, Default)]
pub struct Silent(Vec<Place>);

/// What the target of a folder says, as far as it can be read now by somebody who only looks.
fn newest_marker(folder: &settings::Folder, state_directory: &Path, silent: &mut Silent) -> Option<Newest> {
    let Work::Import(import) = &folder.work else { return None };
    let place = target(import, state_directory);
    if silent.0.contains(&place) {
        return None;
    }
    let Ok(looked) = place.look() else {
        silent.0.push(place);
        return None;
    };
    looked?.newest(&folder.name).ok().flatten()
}

/// Whether a folder was refused because it isn't this ledger's.
pub(super) fn is_of_another(reason: &Reason) -> bool {
    ["ledger_missing", "ledger_other", "ledger_older", "folder_renamed"].contains(&reason.code)
}

/// See the module's table. Returns below which number none may be given out again.
///
/// # Errors
/// [`Fault::Fatal`]: they don't belong together. [`Fault::World`]: another folder lies there.
pub(super) fn judge(
    folder: &settings::Folder,
    state_directory: &Path,
    remembered: Option<&Remembered>,
    target_says: Option<&Newest>,
    ledger: Option<Known>,
) -> Result<i64, Fault> {
    let refused = |code, text: &str, hint: String| {
        let place = state_directory.join(FILE_NAME);
        Err(Fault::fatal(code, format!("{}: {text}", place.display())).with_hint(hint))
    };
    let path = folder.path.display();
    // A folder remembers a number before any file has it.
    let has_what_is_under_way = |known: &Known, had: i64| match known.under_way {
        id if id.0 >= had => {
            let text = format!("{path}: this is not the folder that {id} is under way in");
            Err(Fault::world("missing", text).with_hint(format!("{PUT_IT_BACK}: {REBUILD}")))
        }
        _ => Ok(had),
    };
    let is_of_folder = |known: &Known| remembered.is_none_or(|remembered| known.identity == Some(remembered.ledger));
    match (remembered, ledger.filter(|known| !known.is_unused() || is_of_folder(known))) {
        (Some(remembered), None) => {
            let text = format!("missing; {path} was worked on with {}", named(remembered));
            refused("ledger_missing", &text, what_to_do_with(remembered, "it", state_directory))
        }
        (Some(remembered), Some(known)) if !is_of_folder(&known) => {
            let text = format!("another ledger than the one of {path}, which was {}", named(remembered));
            refused("ledger_other", &text, what_to_do_with(remembered, "that one", state_directory))
        }
        (Some(_), Some(known)) if known.has_lost_its_log && matches!(folder.work, Work::Run(_)) => {
            let text = format!("its last entries on {path} are gone with ledger.db-wal: the daemon was killed");
            refused("ledger_older", &text, what_to_do("ledger.db-wal", ""))
        }
        (Some(remembered), Some(known)) => {
            refuse_another_name(folder, remembered).map_err(Fault::Fatal)?;
            // Since it was restored, files of other folders may have got the numbers that it lacks.
            let (below, had) = (known.folder_below.unwrap_or(known.numbers_below), remembered.numbers_below);
            if below < had && matches!(folder.work, Work::Run(_)) {
                let text =
                    format!("older than {path}: it knows files below {below}, there have been files below {had}");
                return refused("ledger_older", &text, what_to_do("its latest state, with ledger.db-wal", ""));
            }
            has_what_is_under_way(&known, had)
        }
        (None, known) => match (target_says, known.filter(|known| !known.is_unused())) {
            (Some(newest), None) => {
                let text = format!("missing; the target of {path} has files up to {}", newest.of_all);
                refused("ledger_missing", &text, what_to_do("it", OWN_DATABASE))
            }
            (Some(newest), Some(known))
                if newest.of_all.0 >= known.numbers_below || (newest.has_folder && known.last.0 == 0) =>
            {
                let text = format!("another ledger than the one that filled the target of {path}");
                refused("ledger_other", &text, what_to_do("that one", OWN_DATABASE))
            }
            (_, Some(known)) if known.folder_below.is_some() => has_what_is_under_way(&known, 1),
            _ => Ok(1),
        },
    }
}

/// A folder's files are known by its name, to ledger and target: under another one, a file that is in would go in again.
///
/// # Errors
/// Code `folder_renamed`.
pub(crate) fn refuse_another_name(folder: &settings::Folder, remembered: &Remembered) -> Result<(), Reason> {
    let Some(before) = remembered.folder.as_ref().filter(|before| **before != folder.name) else { return Ok(()) };
    let (path, active) = (folder.path.display(), folder.path.join("active"));
    let text = format!("{path}: its files are known under the name {before}, and it is called {} now", folder.name);
    let hint = format!(
        "name it [folder.{before}] again; or, to begin anew with it, so that files done before count as new: when no file \
         is left below {0}, remove {0}/{1}",
        active.display(),
        remembered::FILE_NAME
    );
    Err(Reason::new("folder_renamed", text).hint(hint))
}

/// What to do where another folder lies in the place of one with files under way.
const PUT_IT_BACK: &str =
    "mount its filesystem, or put the folder back; if it is gone for good, and with it what was under way, let that go";

const OWN_DATABASE: &str = ", or give this daemon a database of its own";

fn named(remembered: &Remembered) -> String {
    format!("the ledger {} in {}", remembered.ledger, remembered.state_directory)
}

/// Refuses to make a ledger anew for folders that have theirs elsewhere: it would be of no use there any more.
///
/// # Errors
/// Code `ledger_other`.
pub fn refuse_a_second_ledger(settings: &settings::Settings, state_directory: &Path) -> Result<(), Reason> {
    settings.folders.values().try_for_each(|folder| {
        let active = open_directory(&folder.path.join("active")).ok();
        match active.and_then(|active| Remembered::read(active).ok().flatten()) {
            Some(remembered) if lies_elsewhere(&remembered, state_directory) => {
                let text =
                    format!("{} is worked on with {}, not known to be lost", folder.path.display(), named(&remembered));
                let hint = format!("{}; to take the folder from it all the same, add --force", name_it(&remembered));
                Err(Reason::new("ledger_other", text).hint(hint))
            }
            _ => Ok(()),
        }
    })
}

/// Whether another state directory has the ledger that a folder was worked on with; one that this user may not see has it.
fn lies_elsewhere(remembered: &Remembered, state_directory: &Path) -> bool {
    let there = unescape(&remembered.state_directory).map(PathBuf::from);
    there.filter(|there| there != state_directory).is_some_and(|there| match History::open(&there) {
        Ok(None) => false,
        Ok(Some(history)) => history.identity().is_ok_and(|identity| identity == Some(remembered.ledger)),
        Err(_) => true,
    })
}

fn name_it(remembered: &Remembered) -> String {
    format!("name its state directory: --state-dir {}", remembered.state_directory)
}

/// What to do without the ledger that a folder was worked on with. To make one anew is no advice while there is that one.
fn what_to_do_with(remembered: &Remembered, restore: &str, state_directory: &Path) -> String {
    let there = &remembered.state_directory;
    if lies_elsewhere(remembered, state_directory) {
        name_it(remembered)
    } else if *there == escape(state_directory.as_os_str()) {
        what_to_do(restore, "")
    } else {
        what_to_do(restore, &format!(", or start with --state-dir {there}"))
    }
}

fn what_to_do(restore: &str, or: &str) -> String {
    format!("restore {restore} from a backup{or}; or make one anew from the folders and targets: {REBUILD}")
}

/// What a folder remembers, read under its lock.
pub(super) fn remembered(active: impl AsFd, path: &Path) -> Result<Option<Remembered>, Fault> {
    Remembered::read(active).map_err(|error| {
        let place = path.join("active").join(remembered::FILE_NAME);
        if error.kind() != io::ErrorKind::InvalidData {
            return Fault::io(place.display(), &error);
        }
        let text = format!("{}: it doesn't say which ledger the folder was worked on with", place.display());
        Fault::Fatal(Reason::new("ledger_other", text).hint(what_to_do("it", "")))
    })
}
