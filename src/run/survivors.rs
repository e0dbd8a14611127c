//! Whether anything that a command has started outlives it.
//!
//! A process may leave its group and its session, but not its ancestors: who loses its parent becomes a child of the daemon, which the
//! kernel lists. So no process of an ended command is alive when that list is empty.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, getpid, set_child_subreaper, waitid, waitpid};

/// How much is read of the list; who is on it and behind that is there the next time.
const LIST_BYTES_MAX: usize = 4_096;

/// `__WNOTHREAD` of wait(2): of the children of this thread alone.
const OF_THIS_THREAD: WaitIdOptions = WaitIdOptions::from_bits_retain(0x2000_0000);

/// The processes that came to be children of the daemon because their parents had ended.
#[derive(Debug)]
pub(super) struct Survivors {
    /// The children of the first thread, which starts no command itself. `None`: nobody can tell here.
    adopted: Option<File>,
}

impl Survivors {
    /// From now on they come here.
    pub(super) fn come_here() -> Self {
        let list = || File::open(format!("/proc/self/task/{}/children", getpid()));
        Self { adopted: set_child_subreaper(Some(getpid())).ok().and_then(|()| list().ok()) }
    }

    /// Whether there are none for certain, of all commands that have ended. To be asked by a thread whose command has.
    pub(super) fn are_none(&self) -> bool {
        let Some(adopted) = &self.adopted else { return false };
        let mut list = [0; LIST_BYTES_MAX];
        match adopted.read_at(&mut list, 0) {
            // A process may also be made as a child of the thread that started its parent.
            Ok(0) => waitid(WaitId::All, OF_THIS_THREAD | LOOK).is_err_and(|error| error == Errno::CHILD),
            Ok(bytes) => {
                reap(&list[..bytes]);
                false
            }
            Err(_) => false,
        }
    }
}

const LOOK: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG).union(WaitIdOptions::NOWAIT);

/// Lets those go that have ended meanwhile: there is nobody else who would.
fn reap(list: &[u8]) {
    // Each number has a space behind it, or is cut off.
    let whole = list.iter().rposition(|&byte| byte == b' ').unwrap_or_default();
    let pids = str::from_utf8(&list[..whole]).unwrap_or_default().split(' ');
    for pid in pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
