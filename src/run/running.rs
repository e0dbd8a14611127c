//! The commands that are running now: for `status`, and to abandon them when a drain fails.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::command::Job;
use crate::file::FileId;

/// How long [`Running::abandon`] waits, after the grace, for what was sent SIGKILL to be gone.
const KILLED_WAIT: Duration = Duration::from_secs(2);

/// Every command in hand, of all Processors.
///
/// No signal is sent from here: each command is supervised by the thread that started it, which
/// alone knows that its process identifier is still its own.
#[derive(Debug)]
pub struct Running {
    state: Mutex<State>,
    changed: Condvar,
    /// Becomes readable, for ever, when everything is abandoned.
    abandoned: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    underway: Vec<Underway>,
    entered: u64,
    /// Set when everything is abandoned: how long after SIGTERM the SIGKILL comes.
    grace: Option<Duration>,
}

/// One command in hand.
#[derive(Debug, Clone)]
pub struct Underway {
    /// The file that it works on.
    pub file: FileId,
    /// The folder of that file.
    pub folder: String,
    /// The process, which leads a group of its own; `None` until it has started.
    pub pid: Option<u32>,
    /// Since when.
    pub since: Instant,
    entry: u64,
}

impl Running {
    /// Nothing is running yet.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn new() -> io::Result<Self> {
        let abandoned = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::default(), changed: Condvar::new(), abandoned })
    }

    /// What is running, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Underway> {
        self.state().underway.clone()
    }

    /// Ends every command (SIGTERM to its group, SIGKILL after `grace`) and lets none start again.
    ///
    /// Returns when all are gone; or, with those that even SIGKILL could not end (a hung disk), two
    /// seconds after the grace.
    pub fn abandon(&self, grace: Duration) -> Vec<Underway> {
        let mut state = self.state();
        state.grace = Some(grace);
        // Adding one to a counter that nobody reads can't block; more than one call is fine.
        let _ = rustix::io::write(&self.abandoned, &1_u64.to_ne_bytes());
        let patience = grace.saturating_add(KILLED_WAIT);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| !state.underway.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.underway.clone()
    }

    /// Takes a place on the list. `None`: everything is abandoned, nothing may start.
    pub(super) fn enter(&self, job: &Job<'_>) -> Option<Turn<'_>> {
        let mut state = self.state();
        if state.grace.is_some() {
            return None;
        }
        state.entered += 1;
        let entry = state.entered;
        let folder = job.folder.to_owned();
        state.underway.push(Underway { file: job.id, folder, pid: None, since: Instant::now(), entry });
        Some(Turn { running: self, entry })
    }

    /// A panic elsewhere can't leave the list half changed: each change is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command's place on the list, until dropped.
pub(super) struct Turn<'a> {
    running: &'a Running,
    entry: u64,
}

impl Turn<'_> {
    pub(super) fn started(&self, pid: u32) {
        let mut state = self.running.state();
        if let Some(underway) = state.underway.iter_mut().find(|underway| underway.entry == self.entry) {
            underway.pid = Some(pid);
        }
    }

    /// Readable as soon as everything is abandoned.
    pub(super) fn abandoned(&self) -> BorrowedFd<'_> {
        self.running.abandoned.as_fd()
    }

    /// How long after SIGTERM the SIGKILL comes, once abandoned.
    pub(super) fn grace(&self) -> Duration {
        self.running.state().grace.unwrap_or_default()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.running.state().underway.retain(|underway| underway.entry != self.entry);
        self.running.changed.notify_all();
    }
}
