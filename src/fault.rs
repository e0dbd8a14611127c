//! What can go wrong with a file, classed by what happens next.
//!
//! | class | of | next |
//! |---|---|---|
//! | [`Fault::Permanent`] | the file | quarantine, with the reason beside it |
//! | [`Fault::Deferred`] | this attempt | back in the inbox, tried again at a stated time |
//! | [`Fault::World`] | the machine or the target | the folder is held and resumes by itself; no file is to blame |
//! | [`Fault::Fatal`] | the daemon | it stops; its state can't be trusted any more |

use std::fmt;
use std::io;

use rustix::io::Errno;

/// Why a file, a folder or the daemon can't go on, in words an operator can act on.
///
/// The text names the place, the value and the limit (`3 fields where the header has 4`): lower
/// case, no full stop, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word for scripts, for instance `ragged_row` or `disk_full`.
    pub code: &'static str,
    /// The line of the file, counted from 1.
    pub line: Option<u64>,
    /// The name of the column, or its number where it has no name.
    pub column: Option<String>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The rows that don't fit, where several of a file are to blame: for its reason file.
    pub listed: Option<Box<Listed>>,
}

/// What to do about a refused file, where its reason has no hint.
#[must_use]
pub fn advice(code: &str) -> &'static str {
    match code {
        "command_failed" | "command_killed" | "command_timeout" | "work_is_gone" | "not_a_result"
        | "results_too_deep" | "wrote_beside" => "correct the command, or the file if that is to blame",
        _ => "correct the file",
    }
}

/// Whether a setting may be what is to be changed: a running daemon is to be restarted then.
#[must_use]
pub fn names_a_setting(advice: &str) -> bool {
    advice.contains("import.")
}

/// Some rows of a file, each with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The first of them, in words.
    pub rows: Vec<String>,
    /// How many there are.
    pub all: u64,
}

impl Reason {
    /// A reason with no place in the file.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, line: None, column: None, text: text.into(), hint: None, listed: None }
    }

    /// The same reason, at a line counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same reason, in the named column.
    #[must_use]
    pub fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// The same reason, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Reason {
    /// `database is locked; end that program's transaction`
    #[must_use]
    pub fn with_hint_text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }
}

impl Reason {
    /// Whether it says that there is no room.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        matches!(self.code, "disk_full" | "quota_exceeded")
    }

    /// That there is no room, where there is for smaller ones: they go on. It is no fault of the file's, and costs no attempt:
    /// room may come back.
    #[must_use]
    pub fn of_one_file(self) -> Fault {
        let text = format!("it needs more room than there is, and others go on: {}", self.text);
        Fault::Deferred { reason: Self { text, ..self }, charged: false }
    }
}

impl fmt::Display for Reason {
    /// `line 7, column amount: "12,x" is not a real number`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(column)) => write!(f, "column {column}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.text)
    }
}

/// A fault, classed by what happens next. See the module's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Of the file: it goes to quarantine.
    Permanent(Reason),
    /// Of this attempt: the file goes back to the inbox and is tried again later.
    Deferred {
        /// Why.
        reason: Reason,
        /// Whether this costs the file one of its `attempts`.
        charged: bool,
    },
    /// Of the world (disk full, target locked or gone): the folder is held, no attempt is charged.
    World(Reason),
    /// Of the daemon: it stops with [`crate::exit::SOFTWARE`].
    Fatal(Reason),
}

impl Fault {
    /// The file is refused for good.
    pub fn permanent(code: &'static str, text: impl Into<String>) -> Self {
        Self::Permanent(Reason::new(code, text))
    }

    /// The world is at fault.
    pub fn world(code: &'static str, text: impl Into<String>) -> Self {
        Self::World(Reason::new(code, text))
    }

    /// The daemon can't be trusted any more.
    pub fn fatal(code: &'static str, text: impl Into<String>) -> Self {
        Self::Fatal(Reason::new(code, text))
    }

    /// Classes an error of a system call as a fault of the world: `what` names the thing it was
    /// done to, for instance `write results/report.pdf`.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let code = match error.kind() {
            Kind::StorageFull => "disk_full",
            Kind::QuotaExceeded => "quota_exceeded",
            Kind::ReadOnlyFilesystem => "read_only",
            Kind::PermissionDenied => "no_permission",
            Kind::NotFound => "missing",
            _ => "io",
        };
        Self::world(code, format!("{what}: {error}"))
    }

    /// The same fault, with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        match &mut self {
            Self::Permanent(reason) | Self::Deferred { reason, .. } | Self::World(reason) | Self::Fatal(reason) => {
                reason.hint = Some(hint.into());
            }
        }
        self
    }

    /// Classes an error of reading a dropped file: a disk that can't read this file may read it later, and may
    /// read other files now. fault 70
    #[must_use]
    pub fn unreadable(error: &io::Error) -> Self {
        let text = format!("read the file: {error}");
        if Errno::from_io_error(error).is_some_and(is_of_the_world) {
            return Self::world("io", text);
        }
        Self::Deferred { reason: Reason::new("unreadable", text), charged: true }
    }

    /// Whether it passes by itself, or is mended without a word to the daemon: its folder waits for that, also at the
    /// start. A wrong place, a right that lacks, another daemon are refused there.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        const MAY_PASS: [&str; 10] = [
            "disk_full",
            "io",
            "missing",
            "orphan_alive",
            "quota_exceeded",
            "read_only",
            "target_corrupt",
            "target_emptied",
            "target_locked",
            "target_missing",
        ];
        matches!(self, Self::World(reason) if MAY_PASS.contains(&reason.code))
    }

    /// The reason, whatever the class.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Permanent(reason) | Self::Deferred { reason, .. } | Self::World(reason) | Self::Fatal(reason) => {
                reason
            }
        }
    }
}

/// What was found, or `None` where nothing is: any other error doesn't say that nothing is there.
///
/// # Errors
/// What the system says beyond that.
pub(crate) fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file could not be opened or read for a reason that is not its own. fault 84
pub(crate) fn is_of_the_world(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    /// faults 70, 84
    #[test]
    fn a_file_that_cannot_be_read_is_charged_unless_the_world_is_at_fault() {
        let fault = |error: Errno| Fault::unreadable(&io::Error::from(error));
        for of_the_file in [Errno::IO, Errno::ACCESS] {
            assert!(matches!(fault(of_the_file), Fault::Deferred { charged: true, .. }), "{of_the_file}");
        }
        for of_the_world in [Errno::NOMEM, Errno::MFILE, Errno::NFILE] {
            assert!(matches!(fault(of_the_world), Fault::World(_)), "{of_the_world}");
        }
    }

    #[test]
    fn only_what_says_so_is_taken_for_absence() {
        let found = |error: Errno| if_there::<()>(Err(io::Error::from(error)));
        assert!(matches!((found(Errno::NOENT), found(Errno::NOTDIR)), (Ok(None), Ok(None))));
        for error in [Errno::IO, Errno::ACCESS, Errno::NOMEM, Errno::STALE] {
            found(error).unwrap_err();
        }
        assert!(matches!(if_there(Ok(1)), Ok(Some(1))));
    }
}
