//! Where the daemon keeps its state (ledger, databases) and its runtime files (lock, socket).

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The two directories; absolute, not yet made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Outlives a reboot: `ledger.db`, and `sqlite:PATH` where PATH is relative.
    pub state: PathBuf,
    /// Gone after a reboot.
    pub runtime: PathBuf,
}

/// Of the service, its user, and of root.
pub const SYSTEM_STATE: &str = "/var/lib/importerd";

/// What the choice of the directories depends on.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a, E> {
    /// `--state-directory`.
    pub state_flag: Option<&'a Path>,
    /// `--runtime-directory`.
    pub runtime_flag: Option<&'a Path>,
    /// Whether [`SYSTEM_STATE`] is this user's: root's, and the daemon's.
    pub system: bool,
    /// Looks up a variable of the environment.
    pub environment: E,
}

/// No directory could be found; the text says what to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDirectory(String);

impl fmt::Display for NoDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoDirectory {}

impl Directories {
    /// The directories of this process.
    ///
    /// # Errors
    /// See [`Directories::find`].
    pub fn of_process(state_flag: Option<&Path>, runtime_flag: Option<&Path>) -> Result<Self, NoDirectory> {
        let user = rustix::process::geteuid();
        let is_its_owner = || Path::new(SYSTEM_STATE).metadata().is_ok_and(|state| state.uid() == user.as_raw());
        let system = user.is_root() || is_its_owner();
        Self::find(&Surroundings { state_flag, runtime_flag, system, environment: |name: &str| std::env::var_os(name) })
    }

    /// The first that is set of: flag, `$IMPORTERD_STATE_DIRECTORY`, systemd's `$STATE_DIRECTORY`, and then
    /// /var/lib/importerd as root or as the user whom it belongs to, or the XDG directory as another. The same for the
    /// runtime directory; where nobody has named it, it follows from the state directory alone, so that a daemon and a
    /// command that have the same one meet: /run/importerd for /var/lib/importerd, `$XDG_RUNTIME_DIR/importerd` for the
    /// user's own, and `run` below any other.
    ///
    /// # Errors
    /// A variable with a relative path, or a user without `$HOME`.
    pub fn find<E: Fn(&str) -> Option<OsString>>(surroundings: &Surroundings<'_, E>) -> Result<Self, NoDirectory> {
        let state = match surroundings.chosen(surroundings.state_flag, "STATE_DIRECTORY")? {
            Some(state) => state,
            None => surroundings.usual_state()?,
        };
        let runtime = match surroundings.chosen(surroundings.runtime_flag, "RUNTIME_DIRECTORY")? {
            Some(runtime) => runtime,
            None => surroundings.usual_runtime(&state),
        };
        Ok(Self { state, runtime })
    }
}

impl<E: Fn(&str) -> Option<OsString>> Surroundings<'_, E> {
    /// What the operator or systemd chose.
    fn chosen(&self, flag: Option<&Path>, variable: &str) -> Result<Option<PathBuf>, NoDirectory> {
        if let Some(flag) = flag {
            let absolute = std::path::absolute(flag);
            return absolute.map(Some).map_err(|error| NoDirectory(format!("{}: {error}", flag.display())));
        }
        if let Some(path) = self.variable(&format!("IMPORTERD_{variable}"))? {
            return Ok(Some(path));
        }
        self.variable(variable)
    }

    /// The path in a variable; of a colon-separated list (systemd's `StateDirectory=a b`) the first.
    fn variable(&self, name: &str) -> Result<Option<PathBuf>, NoDirectory> {
        let Some(path) = (self.environment)(name).and_then(|value| std::env::split_paths(&value).next()) else {
            return Ok(None);
        };
        if path.as_os_str().is_empty() || path.is_absolute() {
            return Ok(Some(path).filter(|path| path.is_absolute()));
        }
        Err(NoDirectory(format!("${name} is {}; it must be an absolute path", path.display())))
    }

    fn usual_state(&self) -> Result<PathBuf, NoDirectory> {
        if self.system {
            return Ok(SYSTEM_STATE.into());
        }
        let xdg = self.xdg("XDG_STATE_HOME").or_else(|| Some(self.xdg("HOME")?.join(".local/state")));
        xdg.map(|base| base.join("importerd")).ok_or_else(|| {
            NoDirectory("no state directory: $HOME is not set; set $IMPORTERD_STATE_DIRECTORY".to_owned())
        })
    }

    fn usual_runtime(&self, state: &Path) -> PathBuf {
        if state == Path::new(SYSTEM_STATE) {
            return "/run/importerd".into();
        }
        let own = self.usual_state().is_ok_and(|own| own == state);
        let base = self.xdg("XDG_RUNTIME_DIR").filter(|_| own);
        base.map_or_else(|| state.join("run"), |base| base.join("importerd"))
    }

    /// The XDG specification ignores relative paths.
    fn xdg(&self, name: &str) -> Option<PathBuf> {
        (self.environment)(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }
}
