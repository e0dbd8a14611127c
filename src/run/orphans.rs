//! Processes that outlived the attempt that started them: found in /proc, ended, waited for.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::environment;
use crate::fault::{Fault, Reason};

/// How long what was sent SIGKILL may take to be gone.
const GONE_WAIT: Duration = Duration::from_secs(10);

/// How often /proc is read again for what forked meanwhile.
const ROUNDS_MAX: usize = 20;

/// Where /proc/PID/stat has the process group, counted after the name.
const GROUP: usize = 2;

/// Where it has the controlling terminal; 0 is none.
const TERMINAL: usize = 4;

/// A process that was ended because its attempt is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its process identifier.
    pub pid: i32,
    /// The file that it was started for.
    pub path: Option<PathBuf>,
}

/// Ends the commands of a daemon that is no more, before anything in `active` is touched.
///
/// An orphan is known by an `IMPORTERD_PATH` below `active` in its environment; or by a working
/// directory below one of `stagings`, the directories that hold the staging directories of files,
/// unless it has a terminal: that is somebody looking around. On return none is alive. Must not be
/// called while commands of this folder run.
///
/// # Errors
/// [`Fault::World`] if one can't be killed (it hangs in the kernel, or belongs to another user):
/// the folder must be held, or a command might run twice at the same time.
pub fn end_orphans(active: &Path, stagings: &[PathBuf]) -> Result<Vec<Orphan>, Fault> {
    let real_active = canonical(active);
    let stagings: Vec<PathBuf> = stagings.iter().map(|staging| canonical(staging)).collect();
    end_all(|process| {
        process.input().is_some_and(|path| path.starts_with(active) || path.starts_with(&real_active))
            || stagings.iter().any(|staging| process.works_below(staging))
    })
}

/// Ends whatever an attempt left, even if it changed its process group, as `timeout(1)` does.
pub(super) fn end_rest_of(input: &Path, staging: &Path) -> Result<(), Fault> {
    // It may have been removed.
    let staging = staging
        .parent()
        .map_or_else(|| canonical(staging), |parent| canonical(parent).join(staging.file_name().unwrap_or_default()));
    end_all(|process| process.input().is_some_and(|path| path == input) || process.works_below(&staging))?;
    Ok(())
}

/// The kernel names working directories without symbolic links.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Waits until nothing of a process group is alive.
pub(super) fn end_group(group: Pid) -> Result<(), Fault> {
    end_all(|process| process.status(GROUP) == Some(group.as_raw_pid()))?;
    Ok(())
}

fn end_all(is_orphan: impl Fn(&Process) -> bool) -> Result<Vec<Orphan>, Fault> {
    let deadline = Instant::now() + GONE_WAIT;
    let mut ended: Vec<Orphan> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let alive: Vec<Process> = Process::all()?.into_iter().filter(&is_orphan).filter(Process::is_alive).collect();
        if alive.is_empty() {
            return Ok(ended);
        }
        for process in &alive {
            ended.push(Orphan { pid: process.pid.as_raw_pid(), path: process.input() });
            match pidfd_send_signal(process.pidfd.as_fd(), Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(unkillable(process, &error.to_string())),
            }
        }
        if let Some(process) = alive.iter().find(|process| !process.is_gone_by(deadline)) {
            return Err(unkillable(process, "still there after SIGKILL"));
        }
    }
    Err(Fault::world("orphan_alive", "a command of an earlier attempt forks faster than it can be killed"))
}

fn unkillable(process: &Process, why: &str) -> Fault {
    let pid = process.pid.as_raw_pid();
    let text = format!("process {pid} of an earlier attempt can't be ended: {why}");
    Fault::World(Reason::new("orphan_alive", text).hint(format!("see: ps -o pid,stat,wchan,args {pid}")))
}

/// A process, held by a descriptor that was opened before anything about it was read: whatever is
/// read is either about this very process, or this process is gone and no signal can hit another.
struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Process {
    /// Every process but this one.
    fn all() -> Result<Vec<Self>, Fault> {
        let of_proc = |error| Fault::io("read /proc", &error);
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc").map_err(of_proc)? {
            let name = entry.map_err(of_proc)?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
            if pid == getpid() {
                continue;
            }
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => all.push(Self { pid, pidfd }),
                Err(Errno::SRCH | Errno::INVAL) => {}
                Err(error) => return Err(of_proc(error.into())),
            }
        }
        Ok(all)
    }

    /// The file that it was started for; nothing if it belongs to another user.
    fn input(&self) -> Option<PathBuf> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid.as_raw_pid())).ok()?;
        let of_path = |variable: &[u8]| {
            let value = variable.strip_prefix(environment::PATH.as_bytes())?.strip_prefix(b"=")?;
            Some(PathBuf::from(OsStr::from_bytes(value)))
        };
        environment.split(|&byte| byte == 0).find_map(of_path)
    }

    /// Whether its working directory is there, and it is not somebody's shell.
    fn works_below(&self, directory: &Path) -> bool {
        let path = fs::read_link(format!("/proc/{}/cwd", self.pid.as_raw_pid()));
        // So the kernel calls one that was removed.
        let was = |path: &Path| {
            path.as_os_str().as_bytes().strip_suffix(b" (deleted)").map(OsStr::from_bytes).map(PathBuf::from)
        };
        let is_below =
            |path: PathBuf| path.starts_with(directory) || was(&path).is_some_and(|path| path.starts_with(directory));
        path.is_ok_and(is_below) && self.status(TERMINAL) == Some(0)
    }

    /// A number of its status line, by its place after the name, which may itself hold anything.
    fn status(&self, place: usize) -> Option<i32> {
        let status = fs::read(format!("/proc/{}/stat", self.pid.as_raw_pid())).ok()?;
        let after_name = status.rsplit(|&byte| byte == b')').next()?;
        std::str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(place)?.parse().ok()
    }

    /// Whether it runs; a zombie does not.
    fn is_alive(&self) -> bool {
        !self.is_gone_by(Instant::now())
    }

    fn is_gone_by(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or_default();
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&timeout)) {
                Err(Errno::INTR) => {}
                ready => return ready.is_ok_and(|count| count > 0),
            }
        }
    }
}
