//! The log: slog to a terminal, as JSON lines, or to the journal; always on stderr's side, never on stdout.
//!
//! Every drain here is synchronous and formats a record to the end before it writes it with one
//! call, so a record is there whole or not at all. A log that can't be written (disk full, pipe
//! closed) is lost without a word and without a panic: the files matter more.

mod escape;
mod journal;
mod json;
mod term;

pub(crate) use escape::visible;
pub use escape::{escape, unescape};

/// The tag of records that are events.
pub(crate) const EVENT_TAG: &str = "event";

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use slog::{Drain, Level, LevelFilter, Logger, SendSyncUnwindSafeDrain, o};

/// Where the log goes, `--log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Lines for people, on stderr; in colour on a terminal, unless `NO_COLOR` is set.
    Term,
    /// One JSON object a line, on stderr.
    Json,
    /// The journal's native fields; JSON lines on stderr where there is no journal.
    Journal,
}

impl Target {
    /// What fits the place: the journal under systemd, a terminal where there is one, else JSON.
    #[must_use]
    pub fn detect() -> Self {
        let stderr = io::stderr();
        if is_stream(&stderr, std::env::var_os("JOURNAL_STREAM").as_deref()) {
            Self::Journal
        } else if stderr.is_terminal() {
            Self::Term
        } else {
            Self::Json
        }
    }
}

/// The root logger: `choice`, or what fits the place; records less important than `level` are dropped.
pub fn root(choice: Option<Target>, level: Level) -> Logger {
    match choice.unwrap_or_else(Target::detect) {
        Target::Term => logger(term::drain(io::stderr(), colour()), level),
        Target::Json => logger(json::drain(io::stderr()), level),
        Target::Journal => logger(journal::drain(Path::new(journal::SOCKET), json::drain(io::stderr())), level),
    }
}

fn logger<D>(drain: D, level: Level) -> Logger
where
    D: SendSyncUnwindSafeDrain<Ok = (), Err = io::Error> + RefUnwindSafe + 'static,
{
    Logger::root(LevelFilter::new(drain, level).ignore_res(), o!())
}

thread_local! {
    static MORE_IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is about to say more, which may be written together.
fn more_is_told() -> bool {
    MORE_IS_TOLD.get()
}

/// What is told by `tell` may be written together, with fewer calls; when this returns, it is written.
pub fn together<T>(logger: &Logger, tell: impl FnOnce() -> T) -> T {
    struct Written<'l>(&'l Logger);
    impl Drop for Written<'_> {
        fn drop(&mut self) {
            MORE_IS_TOLD.set(false);
            // A drain that writes each record has nothing to flush, and says so.
            let _ = self.0.flush();
        }
    }
    let _written = Written(logger);
    MORE_IS_TOLD.set(true);
    tell()
}

/// Whether stderr takes colours: <https://no-color.org>.
fn colour() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    io::stderr().is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Whether `file` is the stream that `$JOURNAL_STREAM` (`device:inode`) names: see systemd.exec(5).
fn is_stream(file: impl AsFd, stream: Option<&OsStr>) -> bool {
    let Ok(stat) = rustix::fs::fstat(file) else { return false };
    stream.is_some_and(|stream| *stream == *format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Writes a whole record with one call, so that records of several threads, and of commands that
/// share the descriptor, don't mix.
fn write_whole(out: &Mutex<impl Write>, record: &[u8]) -> io::Result<()> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    out.write_all(record)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use slog::{error, info};

    use super::*;

    #[test]
    fn the_journal_is_known_by_its_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let stat = file.metadata().unwrap();
        assert!(is_stream(&file, Some(format!("{}:{}", stat.dev(), stat.ino()).as_ref())));
        assert!(!is_stream(&file, Some(format!("{}:{}", stat.dev(), stat.ino() + 1).as_ref())));
        assert!(!is_stream(&file, None), "no JOURNAL_STREAM, no journal");
    }

    #[test]
    fn a_full_disk_does_not_stop_the_program() {
        // fault 68
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for log in [
            logger(json::drain(full()), Level::Info),
            logger(term::drain(full(), true), Level::Info),
            logger(journal::drain(Path::new("/nowhere"), json::drain(full())), Level::Info),
        ] {
            info!(log, "no room for this"; "file" => "orders.csv");
            error!(log, "nor for this");
        }
    }

    #[test]
    fn a_closed_pipe_does_not_stop_the_program() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let log = logger(json::drain(writer), Level::Info);
        info!(log, "nobody reads this");
        info!(log, "nor this");
    }

    #[test]
    fn a_record_below_the_level_is_dropped() {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = logger(json::drain(writer), Level::Info);
        slog::debug!(log, "quiet");
        info!(log, "loud");
        drop(log);
        let text = io::read_to_string(&mut reader).unwrap();
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    }
}
