//! The floor of a command for each file: the command, started with `posix_spawn`, so many at a time as there are processors.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Outcome;

/// Starts it so many times, and waits for each.
pub fn spawn(times: usize, command: &[&str]) -> Outcome<()> {
    let (program, words) = command.split_first().ok_or("no command")?;
    let next = AtomicUsize::new(0);
    // With nothing to set up in the child, the standard library calls `posix_spawn`.
    let work = || -> Result<(), String> {
        while next.fetch_add(1, Ordering::Relaxed) < times {
            let status = Command::new(program).args(words).stdin(Stdio::inherit()).status();
            match status {
                Ok(status) if status.success() => {}
                other => return Err(format!("{program}: {other:?}")),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..crate::processors()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(())
}
