//! Renames files into the inbox of a running daemon, and sees when each is archived.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::arrivals::Arrivals;
use crate::ground::Ground;
use crate::process::Running;
use crate::workload::{name_of, small};

/// So many come first, and aren't counted: when they are archived, the daemon is at work, and today's directory is there.
const FIRST: usize = 20;

/// How files come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// One after the other, without a pause.
    Full,
    /// So many a second.
    PerSecond(u32),
}

/// What came of it.
pub struct Fed {
    /// From the first rename to the last archived file.
    pub took: Duration,
    /// From each file's rename to its archive.
    pub waits: Vec<Duration>,
}

/// Starts the daemon, feeds it, waits until all are archived, and stops it.
pub fn feed(command: &mut Command, ground: &Ground, files: usize, pace: Pace) -> Outcome<Fed> {
    let contents: Vec<Vec<u8>> = (0..files).map(small).collect();
    ground.settle()?;
    let mut arrivals = Arrivals::watch(&ground.archive(), files)?;
    let mut running = Running::start(command, ground)?;
    let root = ground.root();
    drop_files(root, 0, &contents[..FIRST], Pace::Full)?;
    running.wait_for(&mut arrivals, FIRST, ground)?;
    let (dropped, last) = std::thread::scope(|scope| {
        let dropping =
            scope.spawn(|| drop_files(root, FIRST, &contents[FIRST..], pace).map_err(|error| error.to_string()));
        let last = running.wait_for(&mut arrivals, files, ground);
        (dropping.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), last)
    });
    let (dropped, last) = (dropped?, last?);
    running.stop()?;
    if arrivals.is_blurred && pace != Pace::Full {
        return Err("more came at once than could be seen".into());
    }
    let seen = arrivals.seen[FIRST..].iter().copied().flatten();
    let waits = dropped.iter().zip(seen).map(|(dropped, seen)| seen.saturating_duration_since(*dropped)).collect();
    Ok(Fed { took: last - *dropped.first().ok_or("no files")?, waits })
}

/// Returns when each was renamed.
fn drop_files(root: &Path, first: usize, contents: &[Vec<u8>], pace: Pace) -> Outcome<Vec<Instant>> {
    let begun = Instant::now();
    let mut dropped = Vec::with_capacity(contents.len());
    for (at, content) in contents.iter().enumerate() {
        let name = name_of(first + at);
        let staged = root.join("stage").join(&name);
        fs::write(&staged, content)?;
        if let Pace::PerSecond(rate) = pace {
            let due = begun + Duration::from_secs_f64(f64::from(u32::try_from(at)?) / f64::from(rate));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        dropped.push(Instant::now());
        fs::rename(&staged, root.join("inbox").join(&name))?;
    }
    Ok(dropped)
}
