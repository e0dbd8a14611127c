//! `importerd events`: the supervision events, as `tail -f` would show them.
//!
//! `--json` prints the records of the ledger, one object a line; docs/events.md says what is in them.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::args::{Events, Global};
use super::complaint::{Complaint, told};
use super::page::{Page, print};
use super::surroundings::{Surroundings, typed};
use crate::events::{Event, Kind};
use crate::exit;
use crate::ledger::FILE_NAME;
use crate::ledger::history::{History, Stored, Wanted};
use crate::log::visible;

/// How often the ledger is asked for more. Such a question takes some microseconds.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// How many events are read and printed at once.
const BATCH_MAX: u32 = 1_000;
/// So many looks in a row may fail, five seconds in all: a ledger that is being made or restored is none for a moment.
const FAILED_MAX: u32 = 20;

/// `importerd events`
pub fn answer(global: &Global, events: &Events) -> u8 {
    told(show(global, events).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global, events: &Events) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let kind = events.event.as_deref().map(named).transpose()?;
    if let Some(folder) = &events.folder {
        surroundings.folders(Some(folder))?;
    }
    let wanted = Wanted { folder: events.folder.as_deref(), kind };
    let (mut last, mut read_on) = (0, true);
    if let Some(history) = &surroundings.history {
        // Asked first: what comes between is after it.
        last = history.last_number()?;
        let stored = history.last_events(&wanted, events.lines)?;
        last = last.max(stored.last().map_or(0, |event| event.number));
        read_on = print_all(&stored, global.json)?;
    } else if events.follow {
        // On stderr: what follows on stdout is events.
        let state = surroundings.directories.state.display().to_string();
        let _ = writeln!(io::stderr(), "waiting: no daemon has run yet with the state directory {}", visible(&state));
    } else {
        let mut page = Page::new();
        page.line("nothing has happened yet: no daemon has run here");
        if !global.json {
            page.print()?;
        }
    }
    if events.follow && read_on {
        follow(&surroundings.directories.state, surroundings.history, last, &wanted, global.json)?;
    }
    Ok(exit::OK)
}

/// Prints what comes, until nobody reads on or a signal ends the process: there is nothing to clear up.
fn follow(
    state: &Path,
    mut history: Option<History>,
    mut last: i64,
    wanted: &Wanted<'_>,
    json: bool,
) -> Result<(), Complaint> {
    let (mut opened, mut failed) = (None, 0);
    loop {
        let mut look = || -> Result<Vec<Stored>, Complaint> {
            // Looked at before it is opened: one that is put in its place between is met the next time.
            let lying = lying(state);
            // One that nobody wrote when it was opened, or that wasn't there; or another lies there now, made anew or restored.
            if history.as_ref().is_none_or(History::is_frozen) || lying != opened {
                history = History::open(state)?;
                opened = lying;
                // Another one may be behind.
                if let Some(history) = &history {
                    last = last.min(history.last_number()?);
                }
            }
            let Some(history) = &history else { return Ok(Vec::new()) };
            let newest = history.last_number()?;
            let stored = history.events_after(last, wanted, BATCH_MAX)?;
            // All that is wanted of those up to the newest is here: the next look begins behind it.
            let read = if stored.len() < BATCH_MAX as usize { newest } else { 0 };
            last = stored.last().map_or(last, |event| event.number).max(read);
            Ok(stored)
        };
        let stored = match look() {
            Ok(stored) => stored,
            // It may be being made, or put in its place, just now.
            Err(_) if failed < FAILED_MAX => {
                failed += 1;
                (history, opened) = (None, None);
                Vec::new()
            }
            Err(complaint) => return Err(complaint),
        };
        if history.is_some() {
            failed = 0;
        }
        if !print_all(&stored, json)? {
            return Ok(());
        }
        if stored.is_empty() && is_reader_gone() {
            return Ok(());
        }
    }
}

/// Which file is the ledger now.
fn lying(state: &Path) -> Option<(u64, u64)> {
    state.join(FILE_NAME).metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// Waits for a moment, or until nobody reads on.
fn is_reader_gone() -> bool {
    let stdout = io::stdout();
    let mut descriptors = [PollFd::new(&stdout, PollFlags::empty())];
    let ready = poll(&mut descriptors, Some(&PAUSE));
    ready.is_ok_and(|ready| ready > 0)
        && descriptors[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

/// `false`: nobody reads on.
fn print_all(stored: &[Stored], json: bool) -> Result<bool, Complaint> {
    let line = |event: &Stored| match Event::from_json(&event.json) {
        // As it is stored, so that a later version's details are there too.
        _ if json => event.json.clone(),
        Ok(event) => event.line(),
        Err(_) => visible(&event.json).into_owned(),
    };
    let lines: String = stored.iter().map(|event| line(event) + "\n").collect();
    if lines.is_empty() { Ok(true) } else { print(&lines) }
}

fn named(name: &str) -> Result<Kind, Complaint> {
    Kind::named(name).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        Complaint::new(exit::USAGE, format!("event {name:?} is unknown"), format!("known: {}", known.join(", ")))
    })
}
