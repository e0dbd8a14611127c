//! *run*: the user's own command on each file, its results published all together or not at all.
//!
//! ```text
//! active/SLOT/scan.pdf ──command──▶ STAGING/*    ──seal──▶ plan ──(ledger)──▶ publish ──▶ results/*
//!                                   STAGING.out
//! ```
//!
//! | the command ends with | then |
//! |---|---|
//! | exit 0 | its results are published |
//! | exit 0, having written to its file or beside it | later; an attempt is charged |
//! | anything, having put another file in the place of its own | quarantine |
//! | exit 65 | the file is bad: quarantine |
//! | exit 75 | later; no attempt is charged |
//! | anything else, a signal, the timeout | later; an attempt is charged |
//!
//! Who survives what: the command runs in a process group of its own, and nothing that it started
//! is alive when its file may be tried again, neither after a failure nor, see [`end_orphans`],
//! after a crash of the daemon. So it never runs twice at the same time. Results are durable in
//! staging before the ledger says *committed*, and [`results::publish()`] may be repeated from any
//! point until it has returned.

#![expect(clippy::unnecessary_debug_formatting, reason = "names are quoted and escaped: none can forge a line")]

pub(crate) mod argv;
mod command;
mod environment;
mod input;
mod look;
mod orphans;
mod removal;
pub mod results;
mod running;
mod staging;
mod supervise;
mod tree;
mod undo;
mod verdict;

pub use command::{Attempt, Command, Job};
pub use input::{GONE, REPLACED};
pub use orphans::{Orphan, end_orphans};
pub use removal::{discard, gather, has_produced, keep, open_up};
pub use running::{Running, Underway};
pub use staging::Named;
pub use supervise::{STDERR_TAIL_BYTES_MAX, STOP_GRACE};
pub use undo::{Fate, bring_home, fate, file_of};
pub use verdict::End;

#[cfg(test)]
mod tests;
