//! One command from its start to its end: its time, its standard error, its group.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal, test_kill_process_group,
};

use super::running::Turn;
use super::verdict::End;

/// How long after SIGTERM a command that ran out of time gets SIGKILL.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// How much of a command's standard error is kept: the end of it.
pub const STDERR_TAIL_BYTES_MAX: usize = 16 * 1024;

/// How much is still read from a pipe whose command is gone: a stranger may write to it for ever.
const LAST_WORDS_BYTES_MAX: usize = 1 << 20;

/// How a command ended and what it said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) stderr_tail: Vec<u8>,
    /// The group, if processes in it outlived the command. They were sent SIGKILL.
    pub(super) left_behind: Option<Pid>,
}

/// Runs a command to its end, in a process group of its own.
///
/// A command that overstays `timeout`, or is abandoned, gets SIGTERM and after a grace SIGKILL, as
/// a group. Whatever is left of the group when the command itself ends gets SIGKILL. Standard error
/// is always read, so that a talkative command never waits; who holds its pipe open is not waited for.
///
/// # Errors
/// The command can't be started.
pub(super) fn run(command: &mut std::process::Command, timeout: Duration, turn: &Turn<'_>) -> io::Result<Ended> {
    let (stderr, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&stderr, OFlags::NONBLOCK)?;
    // The builder holds our copy of their end, so that the pipe has no end of its own, which would only wake us once more.
    let child = command.process_group(0).stderr(theirs).spawn()?;
    let leader = Leader::new(child)?;
    turn.started(leader.child.id());
    let mut stderr = Stderr { pipe: Some(stderr), tail: Vec::new() };
    let stopped_for = watch(&leader, &mut stderr, timeout, turn)?;
    leader.signal(Signal::KILL);
    stderr.last_words();
    let group = leader.group;
    let end = stopped_for.unwrap_or(leader.reap()?.into());
    let left_behind = test_kill_process_group(group).is_ok().then_some(group);
    Ok(Ended { end, stderr_tail: stderr.into_tail(), left_behind })
}

/// Waits until the leader has ended, stopping it when it must. Says why it was stopped.
fn watch(leader: &Leader, stderr: &mut Stderr, timeout: Duration, turn: &Turn<'_>) -> io::Result<Option<End>> {
    let mut stopped_for = None;
    let mut next_step_at = Instant::now().checked_add(timeout);
    loop {
        let ready = wait(leader, stderr, stopped_for.is_none().then_some(turn), next_step_at)?;
        if ready.stderr {
            stderr.read();
        }
        if ready.ended {
            return Ok(stopped_for);
        }
        let late = next_step_at.is_some_and(|at| at <= Instant::now());
        match stopped_for {
            None if ready.abandoned => {
                leader.terminate();
                stopped_for = Some(End::Abandoned);
                next_step_at = Instant::now().checked_add(turn.grace());
            }
            None if late => {
                leader.terminate();
                stopped_for = Some(End::TimedOut);
                next_step_at = Instant::now().checked_add(STOP_GRACE);
            }
            Some(_) if late => {
                leader.signal(Signal::KILL);
                next_step_at = None;
            }
            _ => {}
        }
    }
}

struct Ready {
    ended: bool,
    stderr: bool,
    abandoned: bool,
}

/// Sleeps until something happens or `until` has come. With `turn`, abandonment counts.
fn wait(leader: &Leader, stderr: &Stderr, turn: Option<&Turn<'_>>, until: Option<Instant>) -> io::Result<Ready> {
    let timeout = until.and_then(|at| Timespec::try_from(at.saturating_duration_since(Instant::now())).ok());
    let mut fds = vec![PollFd::new(&leader.pidfd, PollFlags::IN)];
    let pipe = stderr.pipe.as_ref().map(|pipe| {
        fds.push(PollFd::new(pipe, PollFlags::IN));
        fds.len() - 1
    });
    let abandoned = turn.map(|turn| {
        fds.push(PollFd::from_borrowed_fd(turn.abandoned(), PollFlags::IN));
        fds.len() - 1
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready = |at: usize| !fds[at].revents().is_empty();
    Ok(Ready { ended: is_ready(0), stderr: pipe.is_some_and(is_ready), abandoned: abandoned.is_some_and(is_ready) })
}

/// The process that was started. Never left running and never left a zombie, not even by a panic.
struct Leader {
    child: Child,
    pidfd: OwnedFd,
    group: Pid,
    reaped: bool,
}

impl Leader {
    fn new(mut child: Child) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        match pidfd_open(group, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { child, pidfd, group, reaped: false }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Asks the group to end. A stopped process hears it only when continued.
    fn terminate(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Sends a signal to the group. The leader is not reaped yet, so the number is still its own.
    fn signal(&self, signal: Signal) {
        // Fails only if nothing is there to hear it, or if it may not be told (set-user-ID).
        let _ = kill_process_group(self.group, signal);
        if signal == Signal::KILL {
            // The leader may have moved to another group.
            let _ = pidfd_send_signal(self.pidfd.as_fd(), signal);
        }
    }

    fn reap(mut self) -> io::Result<ExitStatus> {
        self.reaped = true;
        self.child.wait()
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// The end of what a command writes to its standard error.
struct Stderr {
    pipe: Option<OwnedFd>,
    tail: Vec<u8>,
}

impl Stderr {
    /// Reads once, without waiting. Returns how many bytes came.
    fn read(&mut self) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut chunk = [0; 8192];
        match rustix::io::read(pipe, &mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                self.tail.extend_from_slice(&chunk[..length]);
                if self.tail.len() >= 4 * STDERR_TAIL_BYTES_MAX {
                    self.forget_the_start();
                }
                return length;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.pipe = None,
        }
        0
    }

    /// Reads what is already in the pipe of a command that is gone.
    fn last_words(&mut self) {
        let mut read = 0;
        while read < LAST_WORDS_BYTES_MAX {
            match self.read() {
                0 => return,
                length => read += length,
            }
        }
    }

    fn forget_the_start(&mut self) {
        self.tail.drain(..self.tail.len().saturating_sub(STDERR_TAIL_BYTES_MAX));
    }

    fn into_tail(mut self) -> Vec<u8> {
        self.forget_the_start();
        self.tail
    }
}
