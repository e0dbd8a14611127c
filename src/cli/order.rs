//! The commands that order something: `pause`, `resume`, `retry`, `replay`, `forget`, `drain`. A running daemon is told, by its socket; where
//! none runs, this process takes the daemon's place for as long as that takes.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::args::{Folders, Forget, Global, Replay, Retry};
use super::complaint::{Complaint, told};
use super::page::{Page, print, print_json};
use super::serve::loaded_and_directories;
use super::stranger;
use super::surroundings::{Daemon, SETTINGS_CHANGED, are_changed, daemon, directories, sources, typed};
use crate::control::client::Given;
use crate::control::{self, By, Ended, Line, Operator, Outcome, Refusal, Request, Selection, socket};
use crate::daemon::Opened;
use crate::exit;
use crate::ledger::history::History;
use crate::ledger::{self, State};
use crate::log::{escape, visible};
use crate::settings::{self, Directories, Loaded};
use crate::stages::{Journal, kinship};

/// `importerd pause`
pub fn pause(folders: Folders) -> Request {
    Request::Pause(chosen(folders))
}

/// `importerd resume`
pub fn resume(folders: Folders) -> Request {
    Request::Resume(chosen(folders))
}

/// `importerd retry`
pub fn retry(retry: &Retry) -> Request {
    let mut states = Vec::new();
    if retry.failed {
        states.push(State::Quarantined);
    }
    if retry.deferred {
        states.push(State::Deferred);
    }
    let files = retry.files.iter().map(|file| named(file)).collect();
    let files = Selection { files, states, folder: retry.folder.clone(), code: retry.code.clone() };
    Request::Retry { files, dry_run: retry.dry_run }
}

/// `importerd replay`
pub fn replay(global: &Global, replay: &Replay) -> u8 {
    let selection = Selection {
        files: replay.files.iter().map(|file| named(file)).collect(),
        states: vec![State::Archived],
        folder: replay.folder.clone(),
        code: None,
    };
    let since_us = replay.since.map(Timestamp::as_microsecond);
    let ended = Ended { selection, since_us, dry_run: replay.dry_run };
    let given =
        give_when_meant(global, &ended, replay.yes, &Request::Replay, "loaded again, each in place of its rows");
    told(given.map_err(|complaint| complaint.with_options(&typed(global))))
}

/// `importerd forget`
pub fn forget(global: &Global, forget: &Forget) -> u8 {
    let mut states = vec![State::Quarantined];
    if !forget.quarantined {
        states.extend([State::Archived, State::Duplicate]);
    }
    let files = forget.files.iter().map(|file| named(file)).collect();
    let selection = Selection { files, states, folder: forget.folder.clone(), code: forget.code.clone() };
    let since_us = forget.since.map(Timestamp::as_microsecond);
    let ended = Ended { selection, since_us, dry_run: forget.dry_run };
    let what = "forgotten: the same bytes count as new then";
    let given = give_when_meant(global, &ended, forget.yes, &Request::Forget, what);
    told(given.map_err(|complaint| complaint.with_options(&typed(global))))
}

/// Of files that nobody named, it is said how many there are, and asked; without a terminal it needs `--yes`.
fn give_when_meant(
    global: &Global,
    ended: &Ended,
    yes: bool,
    request: &dyn Fn(Ended) -> Request,
    what: &str,
) -> Result<u8, Complaint> {
    if ended.selection.files.is_empty() && !ended.dry_run {
        let mut counted = Paper { silent: true, ..Paper::new(global) };
        carry(global, &request(Ended { dry_run: true, ..ended.clone() }), &mut counted)?;
        let files = if counted.did == 1 { "file is" } else { "files are" };
        let how_many = format!("{} {files} to be {what}", counted.did);
        let asks = !yes && counted.did > 0;
        if asks && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            let next = "to have it done without being asked, add --yes; to see which files, add --dry-run";
            return Err(Complaint::new(exit::USAGE, format!("nothing was done: {how_many}"), next));
        }
        if !global.json {
            print(&format!("{how_many}\n"))?;
        }
        if asks && !is_meant()? {
            print("nothing was done\n")?;
            return Ok(exit::OK);
        }
    }
    give(global, &request(ended.clone()))
}

fn is_meant() -> Result<bool, Complaint> {
    print("go on? [y/N] ")?;
    io::stdout().flush().ok();
    let mut said = String::new();
    let heard = io::stdin().read_line(&mut said);
    Ok(heard.is_ok() && matches!(said.trim(), "y" | "Y" | "yes"))
}

fn chosen(folders: Folders) -> control::Folders {
    if folders.all { control::Folders::All } else { control::Folders::Named(folders.folders) }
}

/// A path is meant from here.
pub fn named(file: &OsStr) -> String {
    let is_path = file.as_bytes().contains(&b'/');
    match std::path::absolute(Path::new(file)) {
        Ok(path) if is_path => escape(path.as_os_str()),
        _ => escape(file),
    }
}

/// Gives an order, and says what came of it.
pub fn answer(global: &Global, request: &Request) -> u8 {
    told(give(global, request).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn give(global: &Global, request: &Request) -> Result<u8, Complaint> {
    let mut paper = Paper::new(global);
    let code = carry(global, request, &mut paper)?;
    // Who asks for all that are alike may find none.
    if code == exit::OK && paper.did == 0 && !global.json {
        print("there is no such file: nothing to do\n")?;
    }
    Ok(code)
}

fn carry(global: &Global, request: &Request, paper: &mut Paper) -> Result<u8, Complaint> {
    let directories = directories(global)?;
    match Given::to(&directories, request) {
        Ok(mut given) => {
            while let Some(line) = given.hear().map_err(|error| garbled(&error))? {
                paper.take(line);
            }
            if waits_for_a_daemon(request) && paper.did > 0 && goes_by_other_settings(global, &directories) {
                let _ = writeln!(io::stderr(), "{SETTINGS_CHANGED}");
            }
        }
        Err(error) if is_nobody(&error) => alone(global, request, paper)?,
        Err(error) => return Err(unreachable(&directories, &error)),
    }
    match paper.last {
        Some(Line::Done { exit }) => Ok(exit),
        Some(Line::Refused(ref refusal)) => {
            let Refusal { exit, text, next } = refusal;
            Err(Complaint::new(*exit, text, paper.typed(next)))
        }
        _ => Err(Complaint::new(
            exit::TEMPFAIL,
            "the daemon ended before the order was carried out to its end",
            "what was begun is finished when it starts again; for the rest, type it again then",
        )),
    }
}

/// Whether the daemon will work on it by other settings than those that its files say now.
fn goes_by_other_settings(global: &Global, directories: &Directories) -> bool {
    settings::load(&sources(global, directories)).is_ok_and(|loaded| are_changed(directories, &loaded))
}

/// Without a daemon: with its locks, so that none starts meanwhile.
fn alone(global: &Global, request: &Request, paper: &mut Paper) -> Result<(), Complaint> {
    let (Loaded { settings, .. }, directories) = loaded_and_directories(global)?;
    stranger::refuse_beside_another_daemon(&settings, &directories)
        .map_err(|reason| stranger::may_as_owner(global, &directories.state, reason.into()))?;
    // A ledger that is gone, or lies elsewhere, is worth another word than whose the folders are.
    if matches!(History::open(&directories.state), Ok(None)) {
        kinship::look(&settings, &directories.state, None)?;
    }
    stranger::refuse(global, &settings, &directories.state)?;
    let is_of_files = !matches!(request, Request::Pause(_) | Request::Resume(_));
    if is_of_files && History::open(&directories.state)?.is_none() {
        let elsewhere = Global { state_dir: None, ..global.clone() };
        let next = format!("or name the right state directory: {} --state-dir DIR …", typed(&elsewhere));
        return Err(Complaint::new(exit::REFUSED, "nothing is known of any file: no daemon has run here", next));
    }
    let opened = Opened::open(&settings, &directories.state, None, "").map_err(|fault| {
        if fault.reason().code != "in_use" {
            return refused(Refusal::from(fault));
        }
        let text = format!("{fault}, which doesn't answer at {}", directories.runtime.join(socket::NAME).display());
        let next = format!("it may be starting or ending: type it again; to look, type: {} status", typed(global));
        Complaint::new(exit::UNAVAILABLE, text, next)
    })?;
    let by = By { uid: rustix::process::geteuid().as_raw() };
    let (ledger, folders, journal) = (&*opened.ledger, &*opened.folders, &Journal::unheard());
    Operator { ledger, folders, journal, by }.obey(request, &mut |line| paper.take(line));
    if waits_for_a_daemon(request) && paper.did > 0 && !global.json && !paper.silent {
        print("no daemon runs: they are worked on when one does\n")?;
    }
    Ok(())
}

/// What is entered now, and done by a daemon.
fn waits_for_a_daemon(request: &Request) -> bool {
    matches!(request, Request::Retry { dry_run: false, .. } | Request::Replay(Ended { dry_run: false, .. }))
}

/// What is printed, as it comes.
struct Paper {
    json: bool,
    /// As it must be typed here.
    importerd: String,
    /// Only counts.
    silent: bool,
    /// To how many files or folders something was done.
    did: u64,
    last: Option<Line>,
}

impl Paper {
    fn new(global: &Global) -> Self {
        Self { json: global.json, importerd: typed(global), silent: false, did: 0, last: None }
    }

    fn take(&mut self, line: Line) {
        if let Line::Outcome(outcome) = &line {
            self.did += u64::from(outcome.ok);
            // What is ordered is done, whoever reads on.
            let _ = if self.silent {
                Ok(true)
            } else if self.json {
                print_json(outcome)
            } else {
                print(&(self.typed(&sentence(outcome)) + "\n"))
            };
        }
        self.last = Some(line);
    }

    /// Who carries an order out doesn't know by which options he is found.
    fn typed(&self, text: &str) -> String {
        ledger::typed(text, &self.importerd)
    }
}

/// `a.csv  #17  orders: back in the inbox`
fn sentence(outcome: &Outcome) -> String {
    let id = outcome.id.map(|id| format!("  #{id}"));
    let name = outcome.name.as_deref().map(|name| format!("{name}{}  ", id.unwrap_or_default()));
    let folder = outcome.folder.as_deref().map(|folder| format!("{folder}: "));
    let line = [name, folder, Some(outcome.text.clone())].into_iter().flatten().collect::<String>();
    visible(&line).into_owned()
}

fn refused(refusal: Refusal) -> Complaint {
    Complaint::new(refusal.exit, refusal.text, refusal.next)
}

fn garbled(error: &io::Error) -> Complaint {
    let next = "after an upgrade, restart the daemon: systemctl restart importerd";
    Complaint::new(exit::UNAVAILABLE, format!("the daemon says what can't be understood: {error}"), next)
}

/// Nobody listens.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Somebody may listen, but not to us.
fn unreachable(directories: &Directories, error: &io::Error) -> Complaint {
    let socket = escape(directories.runtime.join(socket::NAME).as_os_str());
    match error.kind() {
        ErrorKind::PermissionDenied => Complaint::new(
            exit::NOPERM,
            format!("{socket}: {error}"),
            "type it as root, or as a member of the daemon's group: usermod -aG importerd USER",
        ),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Complaint::new(
            exit::UNAVAILABLE,
            format!("the daemon at {socket} doesn't answer: it hangs, or its disk does"),
            "see what it waits for: importerd status, and its log: journalctl -u importerd",
        ),
        _ => Complaint::new(exit::UNAVAILABLE, format!("{socket}: {error}"), "see whether it runs: importerd status"),
    }
}

/// `importerd drain`
pub fn drain(global: &Global) -> u8 {
    told(wait_for_drain(global).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn wait_for_drain(global: &Global) -> Result<u8, Complaint> {
    let directories = directories(global)?;
    let mut given = match Given::to(&directories, &Request::Drain) {
        Err(error) if is_nobody(&error) => return Err(nobody(global, &directories)?),
        given => given.map_err(|error| unreachable(&directories, &error))?,
    };
    let mut last = None;
    let mut shown = Shown::new(global.json);
    // It may be killed meanwhile: then nothing is told at the end.
    while let Ok(Some(line)) = given.hear() {
        match line {
            Line::Progress { in_hand, oldest } => shown.progress(in_hand, oldest),
            Line::Refused(refusal) => return Err(refused(refusal)),
            Line::Done { exit } => last = Some(exit),
            Line::Heard | Line::Outcome(_) => {}
        }
    }
    given.wait_for_the_end();
    Ok(shown.end(last))
}

/// None runs, or one that doesn't hear.
fn nobody(global: &Global, directories: &Directories) -> Result<Complaint, Complaint> {
    let socket = escape(directories.runtime.join(socket::NAME).as_os_str());
    Ok(match daemon(directories)? {
        Daemon::Stopped => {
            // Without settings it is not known where it could be.
            if let Ok((Loaded { settings, .. }, directories)) = loaded_and_directories(global) {
                stranger::refuse_beside_another_daemon(&settings, &directories)?;
            }
            Complaint::new(exit::UNAVAILABLE, "no daemon runs", "nothing: there is none to end")
        }
        Daemon::Running { pid, .. } => Complaint::new(
            exit::UNAVAILABLE,
            format!("the daemon (pid {pid}) doesn't answer at {socket}"),
            format!(
                "it may be starting or ending: look with {} status; or tell it by a signal: kill {pid}",
                typed(global)
            ),
        ),
    })
}

/// How far the drain is: on a terminal one line that changes, else a line when something has.
struct Shown {
    json: bool,
    bar: ProgressBar,
    in_hand: Option<usize>,
}

impl Shown {
    fn new(json: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let bar = bar.with_style(ProgressStyle::with_template("{msg}").expect("a template"));
        Self { json, bar, in_hand: None }
    }

    fn progress(&mut self, in_hand: usize, oldest: Option<(String, u64)>) {
        if self.json {
            let (name, secs) = oldest.unzip();
            let _ = print_json(&json!({ "in_hand": in_hand, "oldest": name, "oldest_secs": secs }));
            return;
        }
        let oldest = oldest.map(|(name, secs)| format!(", oldest {secs} s ({})", visible(&name)));
        let files = if in_hand == 1 { "file" } else { "files" };
        let line = format!("draining: {in_hand} {files} in hand{}", oldest.unwrap_or_default());
        if io::stderr().is_terminal() {
            self.bar.set_message(line);
        } else if self.in_hand.replace(in_hand) != Some(in_hand) {
            let _ = print(&format!("{line}\n"));
        }
    }

    fn end(self, exit: Option<u8>) -> u8 {
        self.bar.finish_and_clear();
        let code = exit.unwrap_or(exit::TEMPFAIL);
        if self.json {
            let _ = print_json(&json!({ "drained": code == exit::OK, "exit": code }));
            return code;
        }
        let mut page = Page::new();
        page.line(match exit {
            Some(exit::OK) => "drained: what could be done is done, and the daemon has ended",
            Some(_) => "the daemon has ended with work left behind; the next start recovers it",
            None => "the daemon was killed; the next start recovers what it had in hand",
        });
        let _ = page.print();
        code
    }
}
