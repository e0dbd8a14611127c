//! The start of a program that is traced from its first instruction.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc::{self, sock_filter, sock_fprog};
use nix::sys::ptrace;
use nix::unistd::execveat;

use super::calls::Call;
use super::filter;

/// Starts it. This thread is its tracer, and is told of it first when it has become the program.
#[expect(unsafe_code, reason = "what is to be done between fork and exec")]
pub fn spawn(mut command: Command, calls: &[Call]) -> io::Result<Child> {
    let mut filter = filter::stopping_at(calls);
    let program = c_string(command.get_program().to_owned());
    let arguments: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|text| c_string(text.to_owned()))
        .collect();
    let environment = environment(&command);
    let become_it = move || {
        ptrace::traceme()?;
        install(&mut filter)?;
        // The filter may stop `execve`, and nobody can be told of a stop before the tracer has set its options; it never
        // stops this one. On success it doesn't return.
        execveat(AT_FDCWD, &program, &arguments, &environment, AtFlags::empty())?;
        Ok(())
    };
    // SAFETY: the child is a copy of one thread. All it does is system calls, and allocations, which the C library
    // makes safe there.
    unsafe { command.pre_exec(become_it) };
    command.spawn()
}

#[expect(unsafe_code, reason = "no safe wrapper of these two calls")]
fn install(filter: &mut [sock_filter]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program and what it points to live until the calls return; the kernel copies them.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn environment(command: &Command) -> Vec<CString> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => variables.insert(name.to_owned(), value.to_owned()),
            None => variables.remove(name),
        };
    }
    let pair = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(name)
    };
    variables.into_iter().map(pair).collect()
}

fn c_string(text: OsString) -> CString {
    CString::new(text.into_vec()).expect("no zero byte in a command line")
}
