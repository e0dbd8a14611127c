//! Every key that can be set, one row each.
//!
//! The rows are the single source: the checks of every layer, the suggestions for a misspelt key,
//! `importerd config show` and `etc/importerd.toml` follow from them or are tested against them.

use std::fmt;

use super::kind::Kind;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// The way to it; `*` stands for a folder's name, as in `folder.*.settle`, and at the end for a column's.
    pub path: &'static str,
    /// What may be written there, with its limits.
    pub kind: Kind,
    /// What holds where nobody wrote anything.
    pub preset: Preset,
    /// What it does, in one line.
    pub help: &'static str,
}

/// What holds where nobody wrote anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This, written as for `--set`.
    Is(&'static str),
    /// The number of processor cores.
    Cores,
    /// The name of the folder.
    FolderName,
    /// This directory below the folder's `path`.
    BelowPath(&'static str),
    /// Nothing: the key must be set. An example of what to write.
    Required(&'static str),
    /// Nothing, and that is fine.
    Unset,
}

/// For the manual.
impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => f.write_str(value),
            Self::Cores => f.write_str("the number of processor cores"),
            Self::FolderName => f.write_str("the name of the folder"),
            Self::BelowPath(directory) => write!(f, "{directory} below path"),
            Self::Required(example) => write!(f, "none, it must be set, for instance to {example}"),
            Self::Unset => f.write_str("none"),
        }
    }
}

use Kind::{
    Character, Column, Command, Count, CountOrPercent, Credential, Directory, Duration, Encoding, Flag, Globs, Mode,
    OneOf, Pointer, Retention, Suffix, Table, Target, Words,
};
use Preset::{BelowPath, Cores, FolderName, Is, Required, Unset};

/// The rows, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    row("processors", Count { min: 1, max: 256 }, Cores, "How many files are worked on side by side."),
    row(
        "drain_grace",
        Duration { min: "0s", max: "1d" },
        Is("60s"),
        "How long a stop waits for the files in hand; what is left then is recovered at the next start.",
    ),
    row("attempts", Count { min: 1, max: 100 }, Is("5"), "How often a file is tried before it goes to quarantine."),
    row(
        "backoff.min",
        Duration { min: "1ms", max: "1d" },
        Is("1s"),
        "The wait before the second attempt; it doubles from one attempt to the next.",
    ),
    row("backoff.max", Duration { min: "1ms", max: "30d" }, Is("10m"), "The longest wait between two attempts."),
    row(
        "restarts",
        Count { min: 0, max: 10_000 },
        Is("20"),
        "How many crashes of Processors `restart_window` may see before the daemon gives up.",
    ),
    row("restart_window", Duration { min: "1s", max: "1d" }, Is("60s"), "The time in which `restarts` are counted."),
    row(
        "history",
        Retention { min: "1h", max: "100y" },
        Is("forever"),
        "How long the ledger keeps the events of files that are done; what tells duplicates it keeps for ever.",
    ),
    row(
        "folder.*.path",
        Directory,
        Required("\"/srv/importerd/orders\""),
        "Holds inbox/ active/ archive/ quarantine/ results/; made when missing.",
    ),
    row(
        "folder.*.inbox",
        Directory,
        BelowPath("inbox"),
        "Where files are dropped, if not in `path`/inbox; on the same filesystem.",
    ),
    row("folder.*.match", Globs, Is("[]"), "Globs of the names that are taken; none: every name."),
    row(
        "folder.*.ignore",
        Globs,
        Is("[]"),
        "Globs of names never taken, beside hidden ones, *.part, *.tmp and the like.",
    ),
    row(
        "folder.*.settle",
        Duration { min: "10ms", max: "1d" },
        Is("2s"),
        "How long a file must stay unchanged where the kernel can't say that nobody writes to it.",
    ),
    row(
        "folder.*.rescan",
        Duration { min: "1s", max: "1d" },
        Is("30s"),
        "How often the inbox is read from end to end, whatever was notified.",
    ),
    row(
        "folder.*.ready.marker",
        Suffix,
        Unset,
        "A file is taken only when a second one exists, named like it and ending in this; both are archived.",
    ),
    row(
        "folder.*.duplicates",
        OneOf(&["by-content", "by-name", "allow"]),
        Is("by-content"),
        "Which files count as already done: the same bytes, the same name, or none.",
    ),
    row(
        "folder.*.import.into",
        Target,
        Is("sqlite:importerd.db"),
        "The database: sqlite:PATH, relative to the state directory, or a PostgreSQL URL.",
    ),
    row(
        "folder.*.import.password.file",
        Directory,
        Unset,
        "The file with the password of a PostgreSQL database; it counts before one in the URL.",
    ),
    row(
        "folder.*.import.password.credential",
        Credential,
        Unset,
        "The systemd credential with this password (LoadCredential= in the unit); it counts before the file.",
    ),
    row("folder.*.import.table", Table, FolderName, "The table; by default called as the folder."),
    row(
        "folder.*.import.mode",
        Mode,
        Is("append"),
        "What becomes of the rows that are there: they stay, go, or give way to new ones of the same key.",
    ),
    row(
        "folder.*.import.new_columns",
        OneOf(&["refuse", "add", "ignore"]),
        Is("refuse"),
        "What becomes of a file with a column that the table lacks: refused, the table gets it, or it is left out.",
    ),
    row(
        "folder.*.import.format",
        OneOf(&["csv", "tsv", "ndjson", "json"]),
        Unset,
        "The format of the files, compressed or not; by default told from name and content.",
    ),
    row(
        "folder.*.import.delimiter",
        Character { none: false },
        Unset,
        "What separates the fields of CSV; by default found, and then the folder's.",
    ),
    row(
        "folder.*.import.quote",
        Character { none: true },
        Is("\""),
        "What encloses fields of CSV, doubled inside them; none: nothing does.",
    ),
    row(
        "folder.*.import.escape",
        Character { none: false },
        Unset,
        "What takes the meaning from the next character of CSV; by default only doubled quotes do.",
    ),
    row("folder.*.import.comment", Character { none: false }, Unset, "What begins a line of CSV that is skipped."),
    row(
        "folder.*.import.header",
        Flag,
        Is("true"),
        "Whether CSV begins with its columns' names; else the table's are meant by position, or c1, c2, ….",
    ),
    row("folder.*.import.encoding", Encoding, Is("utf-8"), "The encoding of files without a byte order mark."),
    row(
        "folder.*.import.records",
        Pointer,
        Unset,
        "Where in a JSON document the array, or the object, of records is; by default it is the document.",
    ),
    row(
        "folder.*.import.rejects",
        CountOrPercent { max: 1_000_000_000 },
        Is("0"),
        "How many rows of a file may not fit, or what share of them, before the whole file is refused.",
    ),
    row(
        "folder.*.import.columns.*",
        Column,
        Unset,
        "How a column is read, by its name; by default as its values, or the table, say.",
    ),
    row(
        "folder.*.import.decimal",
        OneOf(&[".", ","]),
        Is("."),
        "The decimal mark in CSV, and in texts of JSON whose column has a type in `columns`.",
    ),
    row(
        "folder.*.import.nulls",
        Words,
        Is("[]"),
        "Words that mean NULL where they stand alone in a field of CSV, without quotes.",
    ),
    row(
        "folder.*.import.unpacked_gib_max",
        Count { min: 1, max: 1_000_000 },
        Is("100"),
        "The most that may come out of a compressed file, in GiB.",
    ),
    row(
        "folder.*.import.unpack_ratio_max",
        Count { min: 2, max: 100_000 },
        Is("200"),
        "The most bytes that may come out of a compressed file for one that is read.",
    ),
    row(
        "folder.*.run.command",
        Command,
        Required("[\"/opt/scans/ocr.sh\", \"{path}\"]"),
        "The program and its arguments, no shell; {path} {name} {stem} are filled in, or else the path comes last.",
    ),
    row(
        "folder.*.run.timeout",
        Duration { min: "100ms", max: "30d" },
        Is("10m"),
        "How long one attempt may take before the command is killed.",
    ),
];

const fn row(path: &'static str, kind: Kind, preset: Preset, help: &'static str) -> Key {
    Key { path, kind, preset, help }
}

impl Key {
    /// The key for the folder `name`; a key of the whole daemon stays as it is.
    pub(super) fn of_folder(&self, name: &str) -> String {
        self.path.replacen('*', name, 1)
    }
}

/// The columns of a folder: whatever follows is a column's name, dots and all.
const COLUMNS: [&str; 4] = ["folder", "*", "import", "columns"];

/// The way that `key` means: `folder.orders.settle`.
pub(super) fn way(key: &str) -> Vec<&str> {
    let way: Vec<&str> = key.splitn(COLUMNS.len() + 1, '.').collect();
    if leads(&way, &COLUMNS) { way } else { key.split('.').collect() }
}

/// The table of columns and the name of one, where `way` leads to one.
pub(super) fn column(way: &[&str]) -> Option<(String, String)> {
    match way.split_last() {
        // Databases know no difference between names but for their case.
        Some((name, table)) if leads(way, &COLUMNS) => Some((table.join("."), name.to_lowercase())),
        _ => None,
    }
}

/// Whether `way` goes one step beyond `table`.
fn leads(way: &[&str], table: &[&str]) -> bool {
    way.len() == table.len() + 1 && table.iter().zip(way).all(|(known, step)| *known == "*" || known == step)
}

/// What a way leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// A key.
    Key(&'static Key),
    /// A table that holds keys.
    Table,
    /// Nothing known.
    Nothing,
}

/// Looks up where `segments` lead: `["folder", "orders", "settle"]`.
pub(super) fn find(segments: &[&str]) -> Found {
    let leads_there = |key: &&Key| {
        let mut way = key.path.split('.');
        segments.iter().all(|segment| way.next().is_some_and(|known| known == "*" || known == *segment))
    };
    let mut below = KEYS.iter().filter(leads_there).peekable();
    match below.peek() {
        None => Found::Nothing,
        Some(key) if key.path.split('.').count() == segments.len() => Found::Key(key),
        Some(_) => Found::Table,
    }
}

/// Checks that a folder may be called `name`.
///
/// # Errors
/// Text for the operator when the name has other characters than `[a-z0-9_-]`.
pub(super) fn check_folder_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!("a folder's name holds only a-z, 0-9, _ and -, for instance {:?}", folder_name_from(name)))
}

/// The folder name nearest to `text`; `inbox` where nothing of it can be kept.
pub(super) fn folder_name_from(text: &str) -> String {
    let words: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { ' ' }).collect();
    let name = words.split_whitespace().collect::<Vec<_>>().join("-");
    if name.is_empty() { "inbox".to_owned() } else { name }
}
