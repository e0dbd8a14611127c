//! Reading ahead: a file of more than one window of text is read, taken apart and typed in a thread of its own, while this
//! one inserts its rows.
//!
//! ```text
//! own thread:   source ─ reader ─ check ─▶ Rows ──┐ at most two wait ┌──▶ Rows ─▶ insert   :this thread
//!                                    empty ◀──────┼──────────────────┘
//!                                                 └ closed: the file has ended, or nobody wants more
//! ```
//!
//! Whoever works on the rows meets the same ones in the same order as without it, and then the same fault. A panic over
//! there is one here, and the thread has ended before [`each`] returns.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use super::rows::Rows;
use crate::fault::Fault;
use crate::pulse;

/// So many filled ones wait at most.
const WAITING_MAX: usize = 2;

/// Has `work` done on all rows, as `fill` finds them, until it says that there are no more, or fails. Work may take them away.
/// `is_large`: it is worth a thread.
pub fn each(
    is_large: bool,
    mut rows: Rows,
    mut fill: impl FnMut(&mut Rows) -> Result<bool, Fault> + Send,
    mut work: impl FnMut(&mut Rows) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if is_large {
        return beside(fill, work);
    }
    loop {
        let filled = fill(&mut rows);
        work(&mut rows)?;
        if !filled? {
            return Ok(());
        }
        rows.clear();
    }
}

/// The same, with a thread that fills.
fn beside(
    mut fill: impl FnMut(&mut Rows) -> Result<bool, Fault> + Send,
    mut work: impl FnMut(&mut Rows) -> Result<(), Fault>,
) -> Result<(), Fault> {
    thread::scope(|scope| {
        let (send, filled) = mpsc::sync_channel(WAITING_MAX);
        let (spare, emptied) = mpsc::channel();
        let pulse = pulse::of_this_thread();
        let fill_all = move || {
            pulse.into_iter().for_each(pulse::belongs_to_this_thread);
            loop {
                let mut rows: Rows = emptied.try_recv().unwrap_or_default();
                let filled = fill(&mut rows);
                if send.send(rows).is_err() || !filled? {
                    return Ok(());
                }
            }
        };
        let reading = thread::Builder::new().name("reading".to_owned()).spawn_scoped(scope, fill_all);
        let reading = reading.map_err(|error| Fault::io("start a thread that reads the file", &error))?;
        // Closed when it ends, however it does.
        for mut rows in filled {
            pulse::beat();
            work(&mut rows)?;
            rows.clear();
            // Whoever would fill it may have ended.
            let _ = spare.send(rows);
        }
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
