//! The exit codes, named as in sysexits(3). Scripts depend on them.

use crate::fault::Fault;
use crate::ledger;

/// All went well; after a drain: nothing was left in hand, but for files of held folders.
pub const OK: u8 = 0;
/// `once`: some file was refused; `explain`, `rejects`, `retry`, `replay`, `forget`, `ledger`: it is unknown, or can't be done so.
pub const REFUSED: u8 = 1;
/// The command line can't be understood, or says too little.
pub const USAGE: u8 = 64;
/// A command's own word for "this file is bad"; `try`: the file would be refused, or is never taken.
pub const DATAERR: u8 = 65;
/// `try`: there is no such file, or it can't be read.
pub const NOINPUT: u8 = 66;
/// The daemon or the target can't be reached, or is in use by another.
pub const UNAVAILABLE: u8 = 69;
/// A bug, or more crashes than the restart budget allows.
pub const SOFTWARE: u8 = 70;
/// The drain ended with work left behind, which the next start recovers; `once`: some is held, paused, deferred or was not
/// begun; an order was not carried out to its end.
pub const TEMPFAIL: u8 = 75;
/// Permission is missing.
pub const NOPERM: u8 = 77;
/// The settings are wrong, or the ledger can't be trusted.
pub const CONFIG: u8 = 78;

/// The exit code for a start, or an order, that came to nothing. What no restart can heal is told apart: systemd
/// doesn't restart after these codes.
#[must_use]
pub fn of(fault: &Fault) -> u8 {
    match fault.reason().code {
        "no_permission" => NOPERM,
        code if ledger::REFUSALS.contains(&code) => CONFIG,
        "other_filesystem" | "folder_twice" | "bad_glob" | "bad_table" | "bad_target" => CONFIG,
        _ if matches!(fault, Fault::Fatal(_)) => SOFTWARE,
        _ => UNAVAILABLE,
    }
}
