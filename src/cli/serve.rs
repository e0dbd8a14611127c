//! The commands that work on files: `watch`, `run`, `once`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use slog::{Level, Logger};

use super::args::{Global, Watch};
use super::complaint::Complaint;
use super::shell::quoted;
use super::stranger;
use super::surroundings::{self, Surroundings, WATCH_FILE, WATCH_STATE, directories, filter, sources, typed};
use crate::daemon::{self, Ended, Life};
use crate::events::Counts;
use crate::exit;
use crate::fault::Fault;
use crate::folder::directory::open_directory;
use crate::folder::remembered::Remembered;
use crate::folder::survey::survey;
use crate::log;
use crate::settings::{self, Base, Directories, Loaded, Settings, Sources, Work};
use crate::stages;

/// `importerd run`
pub fn run(global: &Global) -> Result<u8, Complaint> {
    let (loaded, directories) = loaded_and_directories(global)?;
    stranger::refuse_root(global, &directories.state)?;
    let life = life(global, loaded, directories, Level::Info);
    let logger = life.logger.clone();
    let ended = daemon::live(life);
    log::end(&logger, || ());
    Ok(ended.code)
}

/// `importerd once`
pub fn once(global: &Global) -> Result<u8, Complaint> {
    let (loaded, directories) = loaded_and_directories(global)?;
    stranger::refuse_root(global, &directories.state)?;
    // A progress bar and a line for each file don't go together.
    let on_terminal = io::stderr().is_terminal();
    let usual = if on_terminal { Level::Error } else { Level::Info };
    let life = life(global, loaded, directories, usual);
    let logger = life.logger.clone();
    let ended = daemon::live(Life { once: true, on_terminal, ..life });
    let left = Left::by(global, &ended);
    let code = code_of_once(&ended, left);
    report(global, &logger, &ended, (code, left), &typed(global));
    Ok(code)
}

/// `importerd watch DIR`
pub fn watch(global: &Global, watch: Watch) -> Result<u8, Complaint> {
    let absolute = std::path::absolute(&watch.dir).map_err(|error| unusable(&watch.dir, &error))?;
    // Without a slash at its end: one folder has one name.
    let directory: PathBuf = absolute.components().collect();
    if directory.metadata().is_ok_and(|lies| !lies.is_dir()) {
        let text = format!("{} is not a directory", directory.display());
        let next = "name the one that holds inbox/, or is to hold it; what becomes of a file says: importerd try FILE";
        return Err(Complaint::new(exit::USAGE, text, next));
    }
    let state = global.state_dir.clone().unwrap_or_else(|| directory.join(WATCH_STATE));
    stranger::refuse_root(global, &state)?;
    let command = (!watch.command.is_empty()).then(|| program_from_here(watch.command));
    let name = remembered_name(&directory);
    let base = Base::Watch { dir: directory, name, into: watch.into.map(from_here), command };
    let loaded = settings::load(&Sources::of_process(base, global.set.clone())).map_err(|error| {
        let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
        Complaint::new(exit::CONFIG, problems.join("\n"), "correct that; how it is typed says: importerd watch --help")
    })?;
    let greeting = (!global.json).then(|| greeting(&loaded.settings, &state));
    // `status`, `ls` and the others find the settings there.
    let record = Some((WATCH_FILE, settings::show::record(&loaded.values)));
    let global = Global { state_dir: Some(state), ..global.clone() };
    let directories = directories(&global)?;
    // Its settings are what was typed, not what is recorded of them.
    let life = Life { fingerprint: String::new(), ..life(&global, loaded, directories, Level::Info) };
    let logger = life.logger.clone();
    let ended = daemon::live(Life { greeting, record, on_terminal: io::stderr().is_terminal(), ..life });
    report(&global, &logger, &ended, (ended.code, Left::known_to(&ended)), &typed(&global));
    Ok(ended.code)
}

/// A folder that was moved goes on under the name that its files are known by. What can't be read is told by who opens it.
fn remembered_name(directory: &Path) -> Option<String> {
    let active = open_directory(&directory.join("active")).ok()?;
    Remembered::read(active).ok().flatten()?.folder
}

fn life(global: &Global, loaded: Loaded, directories: Directories, usual: Level) -> Life {
    let level = if global.verbose { Level::Debug } else { usual };
    let Directories { state, runtime } = directories;
    let (logger, importerd) = (log::root(global.log, level), typed(global));
    Life {
        settings: loaded.settings,
        fingerprint: loaded.fingerprint,
        state_directory: state,
        runtime_directory: runtime,
        logger,
        once: false,
        on_terminal: false,
        greeting: None,
        record: None,
        importerd,
    }
}

pub fn loaded_and_directories(global: &Global) -> Result<(Loaded, Directories), Complaint> {
    let directories = directories(global)?;
    let loaded = settings::load(&sources(global, &directories))
        .map_err(|error| Complaint::whole(exit::CONFIG, error.to_string()))?;
    if loaded.settings.folders.is_empty() {
        return Err(Complaint::new(exit::CONFIG, "there is nothing to do", surroundings::how_to_begin()));
    }
    Ok((loaded, directories))
}

fn unusable(path: &Path, error: &io::Error) -> Complaint {
    Fault::io(path.display(), error).reason().clone().into()
}

/// On the command line, a relative path is meant from here, not from the state directory.
fn from_here(into: String) -> String {
    match into.strip_prefix("sqlite:").map(|path| (path, std::path::absolute(path))) {
        Some((path, Ok(absolute))) if !path.is_empty() => format!("sqlite:{}", absolute.display()),
        _ => into,
    }
}

/// Neither is a program: its command starts in an empty directory. A bare name is looked for in `$PATH`.
fn program_from_here(mut command: Vec<String>) -> Vec<String> {
    if let Some(program) = command.first_mut().filter(|program| program.contains('/'))
        && let Ok(absolute) = std::path::absolute(&*program)
        && let Ok(absolute) = absolute.into_os_string().into_string()
    {
        *program = absolute;
    }
    command
}

/// Where to drop files, where the outcome goes, how to stop.
fn greeting(settings: &Settings, state: &Path) -> String {
    let folder = settings.folders.values().next().expect("watch sets one folder");
    let outcome = match &folder.work {
        Work::Import(import) => {
            format!("rows go to       {}, table {:?}", stages::target(import, state), import.table)
        }
        Work::Run(_) => format!("results go to    {}", folder.path.join("results").display()),
    };
    format!(
        "drop files into  {}\n{outcome}\nstop with        Ctrl-C   (look: importerd --state-dir {} status)",
        folder.inbox.display(),
        quoted(state)
    )
}

/// Files that were not done.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// In an inbox, or in `active/` of an earlier run, since somebody told it to stop.
    waiting: u64,
    /// They wait for another try.
    deferred: u64,
}

impl Left {
    /// As far as the one that ended knows.
    fn known_to(ended: &Ended) -> Self {
        Self { waiting: 0, deferred: ended.counts.deferred.len() as u64 }
    }

    /// With those that earlier ones deferred.
    fn by(global: &Global, ended: &Ended) -> Self {
        let found = if ended.began || ended.told_to { Self::look(global).ok() } else { None };
        match found {
            Some(found) if ended.told_to => found,
            // What waits came meanwhile, or is not complete.
            Some(found) => Self { waiting: 0, ..found },
            None => Self::known_to(ended),
        }
    }

    fn look(global: &Global) -> Result<Self, Complaint> {
        let surroundings = Surroundings::look_aside(global)?;
        let mut left = Self { waiting: 0, deferred: 0 };
        for folder in surroundings.settings.folders.values() {
            let found = survey(folder, &filter(folder)?, &surroundings.deferred(folder)?)?;
            left.waiting += found.waiting + found.active;
            left.deferred += found.deferred + surroundings.waiting_in_archive(folder)?.len() as u64;
        }
        Ok(left)
    }
}

/// Files that were refused, deferred or left, and folders that were held, are worth a word to who calls.
fn code_of_once(ended: &Ended, left: Left) -> u8 {
    match ended.code {
        exit::OK if !(ended.counts.paused.is_empty() && ended.counts.paused_by_operator.is_empty()) => exit::TEMPFAIL,
        exit::OK if !ended.counts.quarantined.is_empty() => exit::REFUSED,
        exit::OK if left.deferred + left.waiting > 0 || !ended.counts.unseen.is_empty() => exit::TEMPFAIL,
        code => code,
    }
}

/// What was done, and what to type next, with `importerd` as it must be typed; after the last words of the log.
fn report(global: &Global, logger: &Logger, ended: &Ended, left: (u8, Left), importerd: &str) {
    log::end(logger, || {
        let text = told(global, ended, left, importerd);
        if !text.is_empty() {
            log::print(&text);
        }
    });
}

fn told(global: &Global, ended: &Ended, (code, left): (u8, Left), importerd: &str) -> String {
    let Left { waiting, deferred } = left;
    let Counts { committed, duplicates, rows, with_rejects, rejects, paused, paused_by_operator, .. } = &ended.counts;
    let quarantined = ended.counts.quarantined.len() as u64;
    let unseen: usize = ended.counts.unseen.values().sum();
    let pauses: BTreeMap<_, _> = paused.iter().chain(paused_by_operator).collect();
    if global.json {
        let report = serde_json::json!({
            "committed": committed, "rows": rows, "with_rejects": with_rejects, "rejects": rejects,
            "duplicates": duplicates, "quarantined": quarantined, "deferred": deferred, "left": waiting,
            "unseen": unseen, "paused": pauses, "exit": code,
        });
        return report.to_string();
    }
    if !ended.began && waiting == 0 {
        return String::new();
    }
    let mut parts = vec![format!("{committed} done")];
    if *with_rejects > 0 {
        parts.push(format!("{with_rejects} of them without {rejects} row{}", if *rejects == 1 { "" } else { "s" }));
    }
    let more = [(*duplicates, "duplicate"), (quarantined, "refused"), (deferred, "deferred")];
    parts.extend(more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    if unseen > 0 {
        parts.push(format!("{unseen} that can't be looked at"));
    }
    if waiting > 0 {
        parts.push(format!("{waiting} left (told to stop)"));
    }
    let mut lines = vec![parts.join(", ")];
    lines.extend(paused.iter().map(|(folder, cause)| format!("folder {folder} is held: {cause}")));
    lines.extend(paused_by_operator.iter().map(|(folder, by_whom)| {
        format!("folder {folder} is paused {by_whom}; to let it go on, type: {importerd} resume {folder}")
    }));
    if quarantined > 0 {
        lines.push(format!("see why: {importerd} ls --quarantined"));
    }
    if *with_rejects > 0 {
        lines.push(format!("see which rows don't fit: {importerd} ls --rejects"));
    }
    lines.join("\n")
}
