//! The settings: what an operator may choose, layered from five sources.
//!
//! ```text
//! sources ──▶ toml_file, overrides ──▶ layer × n ──▶ load ──▶ assemble ──▶ Settings
//! which       each layer checked       values and    merged   what only    or every problem
//! layers      by itself, by keys       origins                shows there  that was found
//! ```
//!
//! This page holds the types that the rest of the program reads.

pub mod column;
pub mod directories;
pub mod error;
pub mod keys;
pub mod kind;
pub mod load;
pub mod postgres;
pub mod show;
pub mod sources;
pub mod value;

mod assemble;
mod layer;
mod limits;
mod mode;
mod nearest;
mod overrides;
mod toml_file;

#[cfg(test)]
mod tests;

pub use self::column::{Column, Columns};
pub use self::directories::Directories;
pub use self::error::{Error, Problem};
pub(crate) use self::limits::placeholders_of;
pub use self::load::{Loaded, are_changed, load};
pub use self::mode::Mode;
pub use self::postgres::word_without_password;
pub use self::show::Shown;
pub use self::sources::{Base, Sources};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that was set, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many Processors work side by side.
    pub processors: usize,
    /// How long a drain may take before what is left is abandoned.
    pub drain_grace: Duration,
    /// How often a file is tried before it goes to quarantine.
    pub attempts: u32,
    /// How long a deferred file or a held folder waits before the next try.
    pub backoff: Backoff,
    /// How many crashes of Processors `restart_window` may see before the daemon gives up.
    pub restarts: u32,
    /// See `restarts`.
    pub restart_window: Duration,
    /// How long the ledger keeps the events of files that are done; `None`: for ever.
    pub history: Option<Duration>,
    /// The drop folders by name.
    pub folders: BTreeMap<String, Folder>,
}

/// A wait that doubles from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
}

/// One drop folder, `[folder.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its name: `[a-z0-9_-]+`.
    pub name: String,
    /// Holds `inbox/ active/ archive/ quarantine/ results/`.
    pub path: PathBuf,
    /// Where uploads land, when not in `path/inbox`.
    pub inbox: PathBuf,
    /// Globs of the names that are taken. Empty: every name.
    pub matching: Vec<String>,
    /// Globs of names never taken, beside the built-in ones.
    pub ignore: Vec<String>,
    /// How long a file must stay unchanged where the kernel can't say that it is complete.
    pub settle: Duration,
    /// How often the inbox is read from end to end, whatever the events said.
    pub rescan: Duration,
    /// A file is complete when `NAME` + this suffix exists.
    pub ready_marker: Option<String>,
    /// Which files count as already imported.
    pub duplicates: Duplicates,
    /// What is done with a file.
    pub work: Work,
}

impl Folder {
    /// Whether what comes of its files depends on the order in which they are carried.
    #[must_use]
    pub fn needs_order(&self) -> bool {
        matches!(&self.work, Work::Import(import) if import.mode.needs_order())
    }
}

/// Which files count as already done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// The same bytes as a file already done by this folder.
    ByContent,
    /// The same name as a file already done by this folder.
    ByName,
    /// None does.
    Allow,
}

/// What a folder does with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Rows into a database.
    Import(Import),
    /// The user's own command.
    Run(Run),
}

/// `import = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The database. [`load()`] always gives one; `None` stands for `importerd.db` below the state directory.
    pub into: Option<Target>,
    /// The table; by default the folder's name.
    pub table: String,
    /// What becomes of the rows that are there.
    pub mode: Mode,
    /// What becomes of columns that the table lacks.
    pub new_columns: NewColumns,
    /// The format; `None`: by name or content.
    pub format: Option<Format>,
    /// How CSV is written.
    pub csv: Csv,
    /// The label of the encoding of files without a byte order mark; `None`: UTF-8.
    pub encoding: Option<String>,
    /// The JSON pointer to the records of a JSON document.
    pub records: String,
    /// How many rows may not fit.
    pub rejects: Tolerance,
    /// How the columns are read that have a type of their own.
    pub columns: Columns,
    /// Whether a comma is the decimal mark.
    pub decimal_comma: bool,
    /// Words that are NULL where they stand in CSV without quotes.
    pub nulls: Vec<String>,
    /// What may come out of a compressed file.
    pub unpack: Unpack,
}

impl Import {
    /// Into this table, all else as by default.
    #[must_use]
    pub fn into_table(table: &str) -> Self {
        Self {
            into: None,
            table: table.to_owned(),
            mode: Mode::Append,
            new_columns: NewColumns::Refuse,
            format: None,
            csv: Csv::default(),
            encoding: None,
            records: String::new(),
            rejects: Tolerance::NONE,
            columns: Columns::default(),
            decimal_comma: false,
            nulls: Vec::new(),
            unpack: Unpack::default(),
        }
    }
}

/// What becomes of a column that a file has and the table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewColumns {
    /// The file is refused.
    Refuse,
    /// The table gets it.
    Add,
    /// It is left out.
    Ignore,
}

/// A database that rows go into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file; a relative path is below the state directory.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<postgres::Address>),
}

/// A file format, whether or not the file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 and its dialects.
    Csv,
    /// CSV with tabs.
    Tsv,
    /// One JSON object a line.
    Ndjson,
    /// A JSON document with an array, or an object, of objects.
    Json,
}

/// How many rows of a file may not fit, before the whole file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// So many.
    Rows(u64),
    /// So many of a million.
    Millionths(u32),
}

impl Tolerance {
    /// Every row must fit.
    pub const NONE: Self = Self::Rows(0);
}

/// How CSV is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csv {
    /// Separates fields; `None`: to be found.
    pub delimiter: Option<u8>,
    /// Encloses fields; `None`: nothing does.
    pub quote: Option<u8>,
    /// Takes the meaning from the next character.
    pub escape: Option<u8>,
    /// Begins a line that is skipped.
    pub comment: Option<u8>,
    /// Whether the first record has the names of the columns.
    pub header: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: None, quote: Some(b'"'), escape: None, comment: None, header: true }
    }
}

/// What may come out of a compressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpack {
    /// How many bytes.
    pub bytes_max: u64,
    /// How many for one byte of the file.
    pub ratio_max: u64,
}

impl Default for Unpack {
    fn default() -> Self {
        Self { bytes_max: 100 << 30, ratio_max: 200 }
    }
}

/// `run = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The program and its arguments; never a shell.
    pub command: Vec<String>,
    /// How long one attempt may take.
    pub timeout: Duration,
}
