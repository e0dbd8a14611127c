//! What can be seen of a stopped task through /proc: its descriptors, its memory, its name.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::libc::{self, user_regs_struct};
use nix::unistd::Pid;

use super::calls::{About, Call};

/// The name of the program or thread.
pub fn name(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// What a call is about to be done to.
pub fn target(pid: Pid, call: Option<&Call>, registers: &user_regs_struct) -> String {
    match call.map_or(About::Nothing, |call| call.about) {
        About::Nothing => String::new(),
        About::Descriptor => descriptor(pid, registers.rdi),
        About::Lock => format!("{} {}", descriptor(pid, registers.rdi), kind_of_lock(pid, registers.rdx)),
        About::Path => text(pid, registers.rdi),
        About::PathAt => format!("{}/{}", descriptor(pid, registers.rdi), text(pid, registers.rsi)),
    }
}

fn descriptor(pid: Pid, number: u64) -> String {
    // Its low half: so the kernel takes it.
    let number = u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default().cast_signed();
    if number == libc::AT_FDCWD {
        return ".".to_owned();
    }
    let link = fs::read_link(format!("/proc/{pid}/fd/{number}"));
    link.map_or_else(|_| format!("descriptor {number}"), |path| path.display().to_string())
}

fn kind_of_lock(pid: Pid, address: u64) -> &'static str {
    // `l_type`, the first of `struct flock`.
    match memory(pid, address, 2)[..] {
        [kind, 0] if i32::from(kind) == libc::F_UNLCK => "unlock",
        _ => "lock",
    }
}

fn memory(pid: Pid, address: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_at(&mut bytes, address));
    bytes.truncate(read.unwrap_or(0));
    bytes
}

fn text(pid: Pid, address: u64) -> String {
    let bytes = memory(pid, address, 256);
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
