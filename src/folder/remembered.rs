//! What a folder remembers of its ledger, so that another one, an older one or none at all is noticed.
//!
//! `active/.ledger`: written and flushed before a file of the folder gets a number, and always whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, fsync, openat, renameat};
use rustix::io::{Errno, retry_on_intr};
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerId;

/// Its file, in `active/`.
pub const FILE_NAME: &str = ".ledger";
const NEW: &str = ".ledger.new";

/// What a folder remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What it is called in the settings, under which ledger and load markers know its files. `None`: written by a version that
    /// didn't say.
    #[serde(default)]
    pub folder: Option<String>,
    /// The ledger that it was worked on with.
    pub ledger: LedgerId,
    /// Every number that a file of it ever had is below this.
    pub numbers_below: i64,
    /// The state directory where that ledger lay, as it is printed.
    pub state_directory: String,
}

impl Remembered {
    /// What the folder with this `active/` remembers. `None`: it was never worked on.
    ///
    /// # Errors
    /// What the system says; `InvalidData` for what we did not write.
    pub fn read(active: impl AsFd) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match retry_on_intr(|| openat(&active, FILE_NAME, flags, Mode::empty())) {
            Err(Errno::NOENT) => return Ok(None),
            opened => File::from(opened?),
        };
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let remembered = serde_json::from_str(&text);
        remembered.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Remembers it, durably; a crash leaves what was remembered before, or this.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, active: impl AsFd) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(retry_on_intr(|| openat(active.as_fd(), NEW, flags, Mode::from_raw_mode(0o640)))?);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        renameat(active.as_fd(), NEW, active.as_fd(), FILE_NAME)?;
        Ok(fsync(active)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_what_others_wrote_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let active = File::open(folder.path()).unwrap();
        assert_eq!(Remembered::read(&active).unwrap(), None);
        let ledger = "00ff00ff00ff00ff".parse().unwrap();
        for numbers_below in [1, 1_025] {
            let folder = Some("orders".to_owned());
            let remembered = Remembered { folder, ledger, numbers_below, state_directory: "/var/lib\\n".to_owned() };
            remembered.write(&active).unwrap();
            assert_eq!(Remembered::read(&active).unwrap(), Some(remembered));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let earlier = "{\"ledger\":\"00ff00ff00ff00ff\",\"numbers_below\":1,\"state_directory\":\"\"}";
        std::fs::write(folder.path().join(FILE_NAME), earlier).unwrap();
        assert_eq!(Remembered::read(&active).unwrap().unwrap().folder, None);
        for garbage in ["", "{", "{\"ledger\":\"x\",\"numbers_below\":1,\"state_directory\":\"\"}"] {
            std::fs::write(folder.path().join(FILE_NAME), garbage).unwrap();
            assert_eq!(Remembered::read(&active).unwrap_err().kind(), io::ErrorKind::InvalidData, "{garbage:?}");
        }
    }
}
