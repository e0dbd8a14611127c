//! What a command prints on stdout: collected first, written at once, coloured only for eyes.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::complaint::Complaint;
use crate::exit;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    Plain,
    /// What to begin with.
    Strong,
    /// What matters less.
    Faint,
    /// All is well.
    Good,
    /// Wants a look some time.
    Warning,
    /// Wants a look now.
    Bad,
}

/// Lines to be printed.
#[derive(Debug)]
pub struct Page {
    text: String,
    colour: bool,
}

impl Page {
    /// An empty page; in colour on a terminal, unless `NO_COLOR` is set: <https://no-color.org>.
    pub fn new() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let wanted = set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb");
        Self { text: String::new(), colour: wanted && io::stdout().is_terminal() }
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl Display) {
        let line = line.to_string();
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// The text as it looks on this page.
    pub fn paint(&self, look: Look, text: impl Display) -> String {
        let code = match look {
            _ if !self.colour => return text.to_string(),
            Look::Plain => return text.to_string(),
            Look::Strong => "1",
            Look::Faint => "2",
            Look::Good => "32",
            Look::Warning => "33",
            Look::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Prints the page.
    pub fn print(self) -> Result<(), Complaint> {
        print(&self.text).map(|_| ())
    }
}

/// Prints text as it is. `false`: nobody reads on (`| head`), which is no error.
pub fn print(text: &str) -> Result<bool, Complaint> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Complaint::new(exit::UNAVAILABLE, format!("stdout: {error}"), "print to another place")),
    }
}

/// Prints one JSON object as a line.
pub fn print_json(object: &impl serde::Serialize) -> Result<bool, Complaint> {
    let text = serde_json::to_string(object).expect("strings, numbers and lists are always JSON");
    print(&format!("{text}\n"))
}
