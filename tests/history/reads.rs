//! How much a program reads: counted by the kernel, and the same on every machine.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// The bytes that a command asks of the kernel until its end, from files and from pipes.
pub fn bytes_read_by(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start importerd");
    let pid = Pid::from_child(&child);
    // It has ended, and its account is still there.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("wait for its end");
    let account = fs::read_to_string(format!("/proc/{}/io", pid.as_raw_pid())).expect("its account");
    child.wait().expect("wait for its end");
    let bytes = account.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("how much it has read");
    bytes.parse().expect("a number")
}
