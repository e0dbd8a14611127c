//! Why a command has no answer: what is wrong, what to type next, and the exit code.

use std::fmt;
use std::io::{self, Write};

use super::shell::typed_again;
use crate::exit;
use crate::fault::Reason;
use crate::ledger;

/// Printed on stderr; its last line says what to type or to do.
#[derive(Debug)]
pub struct Complaint {
    /// The exit code, from [`crate::exit`].
    pub code: u8,
    text: String,
    next: Option<String>,
    /// Whether what to type next has its options already.
    is_whole_line: bool,
}

impl Complaint {
    /// What is wrong, and what to type or to do next.
    pub fn new(code: u8, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, text: text.into(), next: Some(next.into()), is_whole_line: false }
    }

    /// The same, with the command to type next as it is to be typed: `importerd` with its options.
    pub fn with_options(mut self, importerd: &str) -> Self {
        match &mut self.next {
            Some(_) if self.is_whole_line => {}
            Some(next) => *next = ledger::typed(next, importerd),
            None => self.text = ledger::typed(&self.text, importerd),
        }
        self
    }

    /// The same, with something else to type next: a line with all its options.
    pub fn but_type(self, next: String) -> Self {
        Self { next: Some(next), is_whole_line: true, ..self }
    }

    /// A text that says at its end what to do.
    pub fn whole(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), next: None, is_whole_line: false }
    }
}

/// What keeps a reader from the ledger or from a folder.
impl From<Reason> for Complaint {
    fn from(reason: Reason) -> Self {
        let code = match reason.code {
            "no_permission" => exit::NOPERM,
            // No other try, and no restart, heals that.
            code if ledger::REFUSALS.contains(&code) => exit::CONFIG,
            _ => exit::UNAVAILABLE,
        };
        let text = reason.to_string();
        if reason.code == "no_permission" && reason.hint.is_none() {
            let next = format!("type it as root or as the daemon's user: sudo -u importerd {}", typed_again(None));
            return Self::whole(code, text).but_type(next);
        }
        let next = match reason.code {
            "ledger_locked" => "end the program that has it open for writing",
            _ => "see whether the disk is well and the path is right: importerd check",
        };
        Self::new(code, text, reason.hint.unwrap_or_else(|| next.to_owned()))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.text.lines().chain(self.next.as_deref());
        for (number, line) in lines.enumerate() {
            let line = crate::log::visible(line);
            if number == 0 { write!(f, "importerd: {line}")? } else { write!(f, "\n{line}")? }
        }
        Ok(())
    }
}

/// The exit code of an answer; a complaint is told on stderr.
pub fn told(answer: Result<u8, Complaint>) -> u8 {
    answer.unwrap_or_else(|complaint| {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(io::stderr(), "{complaint}");
        complaint.code
    })
}
