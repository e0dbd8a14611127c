//! What the end of a command means for its file.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use crate::exit;
use crate::fault::{Fault, Reason};

/// How much of the last line of standard error goes into a reason.
const QUOTED_CHARS_MAX: usize = 200;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with an exit code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It was stopped: its time was over.
    TimedOut,
    /// It was stopped: the drain ended without it.
    Abandoned,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::TimedOut => f.write_str("timed out"),
            Self::Abandoned => f.write_str("abandoned"),
        }
    }
}

/// `Ok`: the results may be published.
pub(super) fn of(end: End, stderr_tail: &[u8], timeout: Duration) -> Result<(), Fault> {
    let said = last_line(stderr_tail);
    let with_said = |text: String| match &said {
        Some(said) => format!("{text}: {said}"),
        None => text,
    };
    let deferred = |charged, code, text| Err(Fault::Deferred { reason: Reason::new(code, text), charged });
    match end {
        End::Code(0) => Ok(()),
        End::Code(code) if code == i32::from(exit::DATAERR) => {
            let text = said.unwrap_or_else(|| format!("the command says the file is bad (exit {code})"));
            Err(Fault::permanent("command_refused", text))
        }
        End::Code(code) if code == i32::from(exit::TEMPFAIL) => {
            deferred(false, "command_later", with_said(end.to_string()))
        }
        End::Code(_) => deferred(true, "command_failed", with_said(end.to_string())),
        End::Signal(_) => deferred(true, "command_killed", with_said(end.to_string())),
        End::TimedOut => {
            let text = format!("no end after {}: stopped", humantime::format_duration(timeout));
            deferred(true, "command_timeout", with_said(text))
        }
        End::Abandoned => Err(abandoned()),
    }
}

/// The drain ended without this command.
pub(super) fn abandoned() -> Fault {
    let reason = Reason::new("abandoned", "abandoned at the end of the drain");
    Fault::Deferred { reason, charged: false }
}

/// Why a command could not be started. Only [`Errno::TOOBIG`] may be the file's fault.
pub(super) fn of_start(program: &str, error: &io::Error) -> Fault {
    let shown = format!("command {program:?}");
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR) => Fault::World(not_found(program, &shown)),
        Some(Errno::ACCESS | Errno::PERM) => {
            let hint = "chmod +x, searchable directories above it and in $PATH, no noexec mount";
            Fault::World(Reason::new("command_not_executable", format!("{shown} may not be executed")).hint(hint))
        }
        Some(Errno::NOEXEC) => {
            let hint = "a script needs a first line like #!/bin/sh";
            Fault::World(Reason::new("command_not_executable", format!("{shown} is not a program")).hint(hint))
        }
        Some(Errno::TOOBIG) => {
            Fault::permanent("arguments_too_long", format!("{shown}: arguments and environment longer than allowed"))
        }
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => {
            Fault::world("no_room_to_start", format!("{shown}: no room for another process: {error}"))
        }
        _ => Fault::world("command_not_started", format!("{shown}: {error}")),
    }
}

fn not_found(program: &str, shown: &str) -> Reason {
    let missing = |text: String| Reason::new("command_missing", text);
    if !program.contains('/') {
        missing(format!("{shown} not found in $PATH"))
    } else if Path::new(program).is_relative() {
        missing(format!("{shown} not found")).hint("commands start in an empty directory: use an absolute path")
    } else if Path::new(program).exists() {
        missing(format!("{shown}: its interpreter is not found")).hint("see its first line")
    } else {
        missing(format!("{shown} not found"))
    }
}

/// The last line that says something, fit to be printed.
fn last_line(stderr_tail: &[u8]) -> Option<String> {
    let line = stderr_tail.rsplit(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty())?;
    let line = String::from_utf8_lossy(line);
    let mut quoted = String::new();
    for (at, character) in line.chars().enumerate() {
        if at == QUOTED_CHARS_MAX {
            quoted.push('…');
            break;
        }
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    Some(quoted)
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_quoted() {
        assert_eq!(last_line(b"one\ntwo \n \n\n").as_deref(), Some("two"));
        assert_eq!(last_line(b"  \n\n"), None);
        assert_eq!(last_line(b""), None);
    }

    // fault 24
    #[test]
    fn a_quoted_line_can_not_steer_the_terminal() {
        assert_eq!(last_line(b"\x1b[2Jred\xff").as_deref(), Some("\\u{1b}[2Jred\u{fffd}"));
    }

    #[test]
    fn a_quoted_line_is_short() {
        let quoted = last_line(&[b'x'; 5000]).expect("it says something");
        assert_eq!(quoted.chars().count(), QUOTED_CHARS_MAX + 1);
    }

    #[test]
    fn a_program_that_is_missing_is_told_from_one_whose_interpreter_is() {
        let error = io::Error::from(Errno::NOENT);
        assert_eq!(of_start("ocr", &error).to_string(), r#"command "ocr" not found in $PATH"#);
        assert_eq!(of_start("/opt/x", &error).to_string(), r#"command "/opt/x" not found"#);
        assert_eq!(of_start("/bin/sh", &error).to_string(), r#"command "/bin/sh": its interpreter is not found"#);
    }
}
