//! What every command looks at first: directories, settings, the daemon, the ledger.

use std::collections::HashSet;
use std::io;

use jiff::Timestamp;

use super::args::Global;
use super::check::rights;
use super::complaint::Complaint;
use super::shell::quoted;
use super::stranger;
use crate::events::{Event, Kind};
use crate::exit;
use crate::fault::Reason;
use crate::file::Identity;
use crate::folder::directory::open_directory;
use crate::folder::lock::{self, STATE_LOCK};
use crate::folder::name::Filter;
use crate::folder::survey;
use crate::ledger::history::History;
use crate::ledger::{self, Pause, Row, State};
use crate::room;
use crate::settings::{self, Base, Directories, Folder, Loaded, Settings, Sources, word_without_password};
use crate::stages::kinship;

/// The settings that `importerd watch` records in its state directory, so that the other commands find them.
pub const WATCH_FILE: &str = "watch.toml";
/// Where `watch` keeps its state, below the folder.
pub const WATCH_STATE: &str = ".importerd";

/// The directories of this process.
pub fn directories(global: &Global) -> Result<Directories, Complaint> {
    Directories::of_process(global.state_dir.as_deref(), None)
        .map_err(|error| Complaint::new(exit::USAGE, error.to_string(), "or name it: --state-dir DIR"))
}

/// Where the settings come from: `--config`, or what `importerd watch` recorded in the state directory, or the
/// system's files.
pub fn sources(global: &Global, directories: &Directories) -> Sources {
    let recorded = Some(directories.state.join(WATCH_FILE)).filter(|file| file.exists());
    Sources::of_process(Base::of_system(global.config.clone().or(recorded)), global.set.clone())
}

/// The daemon of the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// None runs.
    Stopped,
    /// It holds the lock of the state directory.
    Running {
        /// Its process id; 0 when it can't be told.
        pid: u32,
        /// When it took the lock.
        begun: Timestamp,
    },
}

/// That a daemon runs which has not read what the settings say now, and what to do.
pub const SETTINGS_CHANGED: &str = "the settings were changed since the daemon started; restart it to use them";

/// All of it.
#[derive(Debug)]
pub struct Surroundings {
    /// The directories.
    pub directories: Directories,
    /// The settings.
    pub settings: Settings,
    /// Whether their files say something else than when the daemon started.
    pub settings_changed: bool,
    /// The daemon.
    pub daemon: Daemon,
    /// The ledger. `None`: there is none yet.
    pub history: Option<History>,
    /// `importerd` with the options that lead to these surroundings, to be typed again.
    pub importerd: String,
}

impl Surroundings {
    /// Looks at the state directory of the daemon that has the folders, and at no other.
    pub fn look(global: &Global) -> Result<Self, Complaint> {
        let (directories, loaded) = Self::loaded(global)?;
        let state = directories.state.clone();
        stranger::refuse_beside_another_daemon(&loaded.settings, &directories)
            .map_err(Complaint::from)
            .and_then(|()| Self::at(global, directories, loaded))
            .map_err(|complaint| stranger::may_as_owner(global, &state, complaint))
    }

    /// Looks where a daemon has just ended, whoever has the folders now.
    pub fn look_aside(global: &Global) -> Result<Self, Complaint> {
        let (directories, loaded) = Self::loaded(global)?;
        Self::at(global, directories, loaded)
    }

    fn loaded(global: &Global) -> Result<(Directories, Loaded), Complaint> {
        let directories = directories(global)?;
        let loaded = settings::load(&sources(global, &directories))
            .map_err(|error| Complaint::whole(exit::CONFIG, error.to_string()))?;
        Ok((directories, loaded))
    }

    fn at(global: &Global, directories: Directories, loaded: Loaded) -> Result<Self, Complaint> {
        let daemon = daemon(&directories)?;
        let history = History::open(&directories.state)?;
        // Nobody is told that there is nothing when there was something.
        if history.is_none() {
            kinship::look(&loaded.settings, &directories.state, None)?;
        }
        let settings_changed = are_changed(&directories, &loaded);
        let Loaded { settings, .. } = loaded;
        Ok(Self { daemon, history, directories, settings, settings_changed, importerd: typed(global) })
    }

    /// Why a daemon that starts now would be refused by what the folders remember.
    pub fn refusal(&self) -> Option<String> {
        let history = self.history.as_ref().filter(|_| self.daemon == Daemon::Stopped)?;
        let reason = kinship::look(&self.settings, &self.directories.state, Some(history)).err()?;
        Some(ledger::typed(&reason.with_hint_text(), &self.importerd))
    }

    /// The folders that are asked for.
    pub fn folders(&self, named: Option<&str>) -> Result<Vec<&Folder>, Complaint> {
        let Some(name) = named else { return Ok(self.settings.folders.values().collect()) };
        let known = || self.settings.folders.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let folder = self.settings.folders.get(name).ok_or_else(|| {
            let next = if self.settings.folders.is_empty() { how_to_begin() } else { format!("known: {}", known()) };
            Complaint::new(exit::USAGE, format!("folder {name:?} is unknown"), next)
        })?;
        Ok(vec![folder])
    }

    /// What starts the daemon, to be typed. The service manager's has its settings and its state where no option leads elsewhere,
    /// unless it began as `importerd watch`: of that one, the settings are recorded.
    pub fn start(&self) -> String {
        let is_elsewhere = self.importerd != "importerd" || self.directories.state.join(WATCH_FILE).exists();
        if is_elsewhere { format!("{} run", self.importerd) } else { "systemctl start importerd".to_owned() }
    }

    /// When a file is tried again, of which the ledger says so: a clock that has jumped puts nothing off.
    pub fn next_try(&self, said: Option<Timestamp>) -> Option<Timestamp> {
        let latest = Timestamp::now().checked_add(self.settings.backoff.max).unwrap_or(Timestamp::MAX);
        said.map(|at| at.min(latest))
    }

    /// A folder's files that wait for another try, also those that somebody has taken away since.
    pub fn deferred(&self, folder: &Folder) -> Result<Vec<Identity>, Reason> {
        let Some(history) = &self.history else { return Ok(Vec::new()) };
        let rows = history.in_state(&folder.name, State::Deferred)?;
        Ok(rows.into_iter().map(|row| row.identity).collect())
    }

    /// An operator's pause of the folder, and what ends it, to be typed.
    pub fn ordered_pause(&self, folder: &Folder) -> Result<Option<(Pause, String)>, Reason> {
        let Some(history) = &self.history else { return Ok(None) };
        let resume = || format!("{} resume {}", self.importerd, folder.name);
        Ok(history.pause(&folder.name)?.map(|pause| (pause, resume())))
    }

    /// A folder's files that are to be loaded again, and lie in the archive.
    pub fn waiting_in_archive(&self, folder: &Folder) -> Result<Vec<Row>, Reason> {
        let Some(history) = &self.history else { return Ok(Vec::new()) };
        let mut rows = history.in_state(&folder.name, State::Deferred)?;
        rows.retain(Row::waits_in_archive);
        // The ledger hears of one that is in hand when it is done.
        let in_hand = if rows.is_empty() { Vec::new() } else { survey::in_active(folder)? };
        let in_hand: HashSet<_> = in_hand.iter().map(|file| file.identity.key()).collect();
        rows.retain(|row| !in_hand.contains(&row.identity.key()));
        Ok(rows)
    }

    /// The files in quarantine that are forgotten: they need nobody.
    pub fn let_go(&self, folder: &Folder) -> Result<Vec<Identity>, Reason> {
        let Some(history) = &self.history else { return Ok(Vec::new()) };
        let lies = |row: &Row| {
            survey::at(&folder.path.join(row.place()?)).filter(|file| file.identity.is_same_file(&row.identity))
        };
        Ok(history.let_go(&folder.name)?.iter().filter_map(lies).map(|file| file.identity).collect())
    }

    /// That the folder takes nothing now for a fault of the world, if the running daemon said so last, or had no room to say so.
    pub fn pause(&self, folder: &Folder) -> Result<Option<Event>, Reason> {
        if let (Daemon::Running { .. }, Some(reason)) = (self.daemon, self.no_room()) {
            return Ok(Some(Event::new(Kind::FolderPaused).folder(folder.name.as_str()).with("reason", reason)));
        }
        let (Some(history), Daemon::Running { begun, .. }) = (&self.history, self.daemon) else { return Ok(None) };
        let last = history.last_numbered(&[Kind::FolderPaused, Kind::FolderResumed], Some(&folder.name))?;
        let Some((number, event)) = last.filter(|(_, event)| event.kind == Kind::FolderPaused) else { return Ok(None) };
        let is_of_this_life = match self.started(history)? {
            // fault 85: by their order, since the clock may have jumped.
            Some((started, _)) if number > started => true,
            Some((_, started)) => (begun..=started.at).contains(&event.at),
            None => event.at >= begun,
        };
        Ok(is_of_this_life.then_some(event))
    }

    /// That the daemon that runs now was ready; by its process id, since the clock may have jumped. One that has ended may have
    /// had the same, as the first in a container.
    fn started(&self, history: &History) -> Result<Option<(i64, Event)>, Reason> {
        let Daemon::Running { pid, begun } = self.daemon else { return Ok(None) };
        let last = history.last_numbered(&[Kind::DaemonStarted, Kind::DaemonDrained, Kind::DaemonAbandoned], None)?;
        let is_its = |event: &Event| match event.detail.iter().find(|(name, _)| *name == "pid") {
            Some((_, value)) if pid != 0 => *value == pid,
            _ => event.at >= begun,
        };
        Ok(last.filter(|(_, event)| event.kind == Kind::DaemonStarted && is_its(event)))
    }

    /// fault 68: on a full disk the ledger takes no event, not even that the disk is full.
    fn no_room(&self) -> Option<String> {
        let state = &self.directories.state;
        let shown = crate::log::escape(state.as_os_str());
        room::is_full(state, rights::owner(state) == Some(0)).then(|| {
            format!("the filesystem of {shown} is full, and what happened since is not in the ledger; free some space")
        })
    }

    /// Since when everything is watched. `None`: the daemon isn't running, or still starts.
    pub fn up_since(&self) -> Result<Option<Timestamp>, Reason> {
        let Some(history) = &self.history else { return Ok(None) };
        Ok(self.started(history)?.map(|(_, event)| event.at))
    }
}

/// What to type when there is no folder.
pub fn how_to_begin() -> String {
    "no folder is set up yet; to begin, type: importerd watch DIR; or name the settings: --config FILE".to_owned()
}

/// Which names of a folder are taken.
pub fn filter(folder: &Folder) -> Result<Filter, Reason> {
    Filter::new(&folder.matching, &folder.ignore, folder.ready_marker.as_deref())
}

/// A detail of an event, where it is a text.
pub fn detail<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    event.detail.iter().find_map(|(name, value)| if *name == key { value.as_str() } else { None })
}

/// Who holds the state directory.
pub fn daemon(directories: &Directories) -> Result<Daemon, Reason> {
    let state = match open_directory(&directories.state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Daemon::Stopped),
        opened => {
            opened.map_err(|error| crate::fault::Fault::io(directories.state.display(), &error).reason().clone())?
        }
    };
    let Some(pid) = lock::holder(&state, STATE_LOCK) else { return Ok(Daemon::Stopped) };
    let written = directories.state.join(STATE_LOCK).metadata().and_then(|metadata| metadata.modified());
    let begun = written.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
    Ok(Daemon::Running { pid, begun })
}

/// Whether the settings' files say something else than when the daemon started. Where that can't be known, they don't.
pub fn are_changed(directories: &Directories, loaded: &Loaded) -> bool {
    let state = open_directory(&directories.state).ok();
    let before = state.and_then(|state| lock::noted(state, STATE_LOCK));
    before.is_some_and(|before| settings::are_changed(&before, &loaded.fingerprint))
}

/// `importerd`, and the options that choose settings and state; without a password, since it ends up in logs.
pub fn typed(global: &Global) -> String {
    let mut words = vec!["importerd".to_owned()];
    for (option, path) in [("--config", &global.config), ("--state-dir", &global.state_dir)] {
        words.extend(path.iter().flat_map(|path| [option.to_owned(), quoted(path)]));
    }
    words.extend(global.set.iter().flat_map(|pair| ["--set".to_owned(), quoted(word_without_password(pair))]));
    words.join(" ")
}
