//! Whose a folder is: asked once of each folder that lies at the path, before anything of it is touched, and kept up
//! with the numbers that its files get. See [`kinship`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::folder::Work;
use super::kinship::{self, Known};
use super::unentered::Unentered;
use crate::fault::Fault;
use crate::file::FileId;
use crate::folder::places::{Open, Places};
use crate::folder::remembered::{self, Remembered};
use crate::ledger::Ledger;
use crate::log::escape;
use crate::settings;

/// What a folder is asked for.
#[derive(Debug)]
pub(super) struct Belonging {
    folder: settings::Folder,
    state_directory: PathBuf,
    /// Of the directories that were asked last: others may be mounted in their place.
    asked: Mutex<Option<Asked>>,
}

#[derive(Debug)]
struct Asked {
    open: Arc<Open>,
    remembered: Remembered,
}

impl Belonging {
    /// Nothing has been asked yet.
    pub(super) fn new(folder: &settings::Folder, state_directory: &Path) -> Self {
        Self { folder: folder.clone(), state_directory: state_directory.to_owned(), asked: Mutex::default() }
    }

    /// The folder that lies there now is this ledger's, and from here on remembers it.
    ///
    /// # Errors
    /// [`Fault::Fatal`]: it isn't. [`Fault::World`]: none lies there, or one that files under way are not in; or it can't be
    /// asked.
    pub(super) fn check(&self, places: &Places, work: &Work, ledger: &Ledger) -> Result<(), Fault> {
        self.asked(places, work, ledger).map(drop)
    }

    /// A number for a file of the folder that lies there now, which remembers it, durably, before the file has it.
    ///
    /// # Errors
    /// As [`check`](Self::check); or it would leave behind files that are on their way to the archive.
    pub(super) fn next_id(
        &self,
        places: &Places,
        work: &Work,
        unentered: &Unentered,
        ledger: &Ledger,
    ) -> Result<FileId, Fault> {
        let mut asked = self.asked(places, work, ledger)?;
        let id = ledger.next_id()?;
        unentered.check(id)?;
        asked.iter_mut().try_for_each(|asked| self.remember(id, asked, ledger))?;
        Ok(id)
    }

    fn remember(&self, id: FileId, asked: &mut Asked, ledger: &Ledger) -> Result<(), Fault> {
        let Asked { open, remembered } = asked;
        if id.0 < remembered.numbers_below {
            return Ok(());
        }
        // All that the ledger has set aside at once, so that this is rarely written; never more, or the ledger
        // would seem to be older than the folder.
        let more = Remembered { numbers_below: ledger.numbers_below()?, ..remembered.clone() };
        ledger.set_folder_below(&self.folder.name, more.numbers_below)?;
        self.write(&more, open)?;
        *remembered = more;
        Ok(())
    }

    fn asked(&self, places: &Places, work: &Work, ledger: &Ledger) -> Result<MutexGuard<'_, Option<Asked>>, Fault> {
        let open = places.now().map_err(|error| Fault::io(places.path.display(), &error.into()))?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.as_ref().is_none_or(|asked| !Arc::ptr_eq(&asked.open, &open)) {
            let remembered = self.ask(&open, work, ledger)?;
            // What folders remember tells them apart: two that got numbers of one block would pass for each other.
            if asked.is_some() {
                ledger.never_again(FileId(ledger.numbers_below()? - 1))?;
            }
            *asked = Some(Asked { open, remembered });
        }
        Ok(asked)
    }

    /// The last word, under the folder's lock.
    fn ask(&self, open: &Open, work: &Work, ledger: &Ledger) -> Result<Remembered, Fault> {
        let Self { folder, state_directory, .. } = self;
        let before = kinship::remembered(&open.active, &folder.path)?;
        let newest = match work {
            Work::Import(import) if before.is_none() => import.newest_marker()?,
            _ => None,
        };
        let known = Known::to(ledger, &folder.name)?;
        let folder_below = known.folder_below;
        let numbers_below = kinship::judge(folder, state_directory, before.as_ref(), newest.as_ref(), Some(known))?;
        // A ledger restored from a backup goes on behind what its folders had.
        if numbers_below > ledger.numbers_below()? {
            ledger.never_again(FileId(numbers_below - 1))?;
        }
        if folder_below.is_none_or(|known| known < numbers_below) {
            ledger.set_folder_below(&folder.name, numbers_below)?;
        }
        let state_directory = escape(state_directory.as_os_str());
        let name = Some(folder.name.clone());
        let now = Remembered { folder: name, ledger: ledger.identified()?, numbers_below, state_directory };
        if before.as_ref() != Some(&now) {
            self.write(&now, open)?;
        }
        Ok(now)
    }

    fn write(&self, remembered: &Remembered, open: &Open) -> Result<(), Fault> {
        let place = || self.folder.path.join("active").join(remembered::FILE_NAME);
        remembered.write(&open.active).map_err(|error| Fault::io(format_args!("write {}", place().display()), &error))
    }
}
