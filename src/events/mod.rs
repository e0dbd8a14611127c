//! The supervision events: what operators tail.
//!
//! One list, [`Kind`], and one of what they carry, [`FIELDS`]; the log, the ledger, `importerd events`,
//! docs/events.md and the tests read them.

mod record;
mod sentence;
mod tally;

pub use tally::{Counts, Tally};

use std::ffi::OsString;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::fault::Reason;
use crate::file::FileId;

/// How loud an event is in the log. The ledger keeps them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// One of many for a file; only at debug level.
    Debug,
    /// What an operator wants to see pass by.
    Info,
    /// Something wants a look some time.
    Warning,
    /// Something wants a look now.
    Error,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $loudness:ident $help:literal)*) => {
        /// The name of an event. Stable: scripts depend on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $help] $kind,)*
        }

        impl Kind {
            /// Every event there is, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The stable name, for instance `file.committed`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// The event of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }

            /// How loud it is in the log.
            #[must_use]
            pub fn loudness(self) -> Loudness {
                match self { $(Self::$kind => Loudness::$loudness),* }
            }

            /// What it means, for the manual page.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$kind => $help),* }
            }
        }
    };
}

kinds! {
    DaemonStarted     "daemon.started"     Info    "recovery is over and every folder is watched"
    DaemonDraining    "daemon.draining"    Info    "told to stop: nothing new is taken"
    DaemonDrained     "daemon.drained"     Info    "all that was in hand is done, but for files of held folders (`in_hand`); the daemon exits"
    DaemonAbandoned   "daemon.abandoned"   Warning "the drain ended with files in hand; the next start recovers them"
    FolderWatching    "folder.watching"    Info    "the inbox is watched"
    FolderPolling     "folder.polling"     Warning "the inbox can't be watched, for the stated reason; it is read every two seconds instead"
    FolderPaused      "folder.paused"      Error   "the folder takes nothing, for the stated cause; it resumes by itself. A warning where an operator ordered it (`by`): then it resumes when one says so"
    FolderResumed     "folder.resumed"     Info    "the cause is gone, or an operator says so (`by`): the folder goes on"
    FolderOverflow    "folder.overflow"    Warning "the kernel dropped events; the inbox is read from end to end"
    FolderUnseen      "folder.unseen"      Warning "the disk doesn't say what lies in the inbox under a name, for the stated reason; it stays there, and others are taken"
    ProcessorStarted  "processor.started"  Debug   "a Processor is ready for work"
    ProcessorCrashed  "processor.crashed"  Error   "a Processor panicked; the file in its hand is named"
    ProcessorRestarted "processor.restarted" Warning "a fresh Processor took the slot of a crashed one"
    ProcessorGaveUp   "processor.gave_up"  Error   "more crashes than the restart budget allows: the daemon stops"
    FileClaimed       "file.claimed"       Debug   "the file was moved out of the uploader's reach"
    FileCommitted     "file.committed"     Info    "its rows or results are durable. A warning where it has `rejects`"
    FileArchived      "file.archived"      Debug   "the original lies in archive/"
    FileDeferred      "file.deferred"      Warning "tried in vain; back in the inbox until the stated time"
    FileQuarantined   "file.quarantined"   Error   "refused; it lies in quarantine/ with a reason file"
    FileDuplicate     "file.duplicate"     Info    "done before, as the named file; archived without being done again"
    FileReplayed      "file.replayed"      Info    "asked for again: what lies in the archive is loaded in place of its rows"
    FileForgotten     "file.forgotten"     Info    "the same bytes or name count as new from now on; all that is there stays"
    FileReturned      "file.returned"      Info    "put back untouched, no attempt charged"
    FileRetried       "file.retried"       Info    "an operator had it tried again, or now"
    LedgerRebuilt     "ledger.rebuilt"     Warning "the ledger was made anew from what could be read of it, the targets and the folders"
    LedgerPruned      "ledger.pruned"      Info    "the ledger let go what is older than the setting `history`: events of files that are done, and of the daemon"
    ConfigReloaded    "config.reloaded"    Info    "new settings are in force"
    ConfigRefused     "config.refused"     Error   "the new settings are wrong; the old ones stay in force"
}

/// What an event may carry beside its folder and file: the name and what it means.
pub const FIELDS: &[(&str, &str)] = &[
    ("reason", "why, with the place in the file"),
    ("by", "who ordered it, for instance `uid 1000`"),
    ("since", "since when, RFC 3339"),
    ("code", "the reason as a stable word, for instance `ragged_row` or `disk_full`"),
    ("line", "the line of the file, counted from 1"),
    ("column", "the name of the column"),
    ("hint", "what to do about it"),
    ("rows", "how many rows went in"),
    ("committed_at", "when they did, RFC 3339: the ledger has learnt it only now, from the load marker"),
    ("replaces", "the number of the same file whose rows give way to these"),
    ("rows_before", "how many rows gave way"),
    ("rows_inserted", "of these, how many have a key that was not there"),
    ("rows_updated", "of these, how many took the place of a row with their key"),
    ("rows_skipped", "how many were left out: their key is there, or the table has a rule of its own"),
    ("columns_added", "columns that the table has got"),
    ("columns_ignored", "columns of the file that the table lacks, and that were left out"),
    (
        "superseded_by",
        "the number of the later file that has replaced all rows: this one came too late, and changed nothing",
    ),
    ("bytes_changed", "whether the file has other bytes than when it was imported before"),
    ("rejects", "how many rows did not fit; it went in without them"),
    ("results", "how many result files were published"),
    ("bytes", "the file's size"),
    ("took_ms", "how long it took, in milliseconds"),
    ("attempts_max", "how many attempts the file has"),
    ("retry_at", "when the next try is due, RFC 3339"),
    ("original", "the name of the file that was done before"),
    ("original_id", "its number"),
    ("moved_to", "where the file lies now"),
    ("path", "the directory, the settings file, or the file that can't be looked at"),
    ("folders", "how many folders there are"),
    ("recovered", "how many files of an earlier run were found in active/"),
    ("in_hand", "how many files are known to be claimed and not yet archived"),
    ("oldest", "the name of the one that is longest in hand"),
    ("oldest_secs", "since when, in seconds"),
    ("grace_secs", "how long the drain may take, in seconds"),
    ("signal", "what told the daemon to stop"),
    ("processor", "the number of the Processor, from 1"),
    ("restarts", "how many crashes the restart window has seen"),
    ("restarts_max", "how many it may see"),
    ("backoff_ms", "how long the slot waits before the restart, in milliseconds"),
    ("events", "how many events were let go"),
    ("failures", "how many failed attempts were let go"),
    ("before", "of before when, RFC 3339"),
    ("pid", "the daemon's process number"),
    ("version", "the daemon's version"),
];

/// The stages of a file, in order: what [`Subject::stage`] may say.
pub const STAGES: &[&str] = &["settle", "claim", "process", "commit", "archive"];

/// One event: what happened, when, to which file.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// In which folder.
    pub folder: Option<Arc<str>>,
    /// To which file.
    pub file: Option<Subject>,
    /// The rest, by names of [`FIELDS`].
    pub detail: Vec<(&'static str, Value)>,
}

/// The file that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its number in the ledger.
    pub id: FileId,
    /// Its name; bytes, as the uploader chose them.
    pub name: OsString,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The stage it is in, one of [`STAGES`].
    pub stage: &'static str,
}

impl Event {
    /// An event of now, about nothing in particular.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { at: Timestamp::now(), kind, folder: None, file: None, detail: Vec::new() }
    }

    /// The same event, in a folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<Arc<str>>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The same event, about a file.
    #[must_use]
    pub fn file(mut self, file: Subject) -> Self {
        self.file = Some(file);
        self
    }

    /// The same event, with one more detail, named in [`FIELDS`]. A file name goes through
    /// [`crate::log::escape`] first.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        debug_assert!(FIELDS.iter().any(|(name, _)| *name == key), "events::FIELDS does not know {key}");
        self.detail.push((key, value.into()));
        self
    }

    /// The same event, with its reason as the details `reason code line column hint`.
    #[must_use]
    pub fn because(self, reason: &Reason) -> Self {
        let mut event = self.with("reason", reason.to_string()).with("code", reason.code);
        if let Some(line) = reason.line {
            event = event.with("line", line);
        }
        if let Some(column) = &reason.column {
            event = event.with("column", column.as_str());
        }
        if let Some(hint) = &reason.hint {
            event = event.with("hint", hint.as_str());
        }
        event
    }

    /// Whether an operator ordered it.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.value("by").is_some()
    }

    /// Whether it tells of a file that went in without some of its rows.
    fn has_rejects(&self) -> bool {
        self.number("rejects") > Some(0)
    }

    /// How loud it is in the log: what an operator ordered alarms nobody, and rows that are left out want a look.
    #[must_use]
    pub fn loudness(&self) -> Loudness {
        match self.kind.loudness() {
            Loudness::Info if self.has_rejects() => Loudness::Warning,
            Loudness::Error if self.is_ordered() => Loudness::Warning,
            usual => usual,
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.detail.iter().find_map(|(name, value)| (*name == key).then_some(value))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.as_u64()
    }
}

#[cfg(test)]
mod tests;
