//! The log: slog to a terminal, as JSON lines, or to the journal; always on stderr's side, never on stdout.
//!
//! Every drain here is synchronous and formats a record to the end before it writes it with one
//! call, so a record is there whole or not at all. Where it can't be written (disk full, pipe closed,
//! nobody reads), it is lost, and told as lost when one gets through again: the files matter more.

mod escape;
mod journal;
mod json;
mod lost;
mod outlet;
mod term;

pub(crate) use escape::visible;
pub use escape::{escape, unescape};

/// The tag of records that are events.
pub(crate) const EVENT_TAG: &str = "event";

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use slog::{Drain, Level, LevelFilter, Logger, SendSyncUnwindSafeDrain, o};

use lost::{Accounted, Lost};
use outlet::Outlet;

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
    let journal = Path::new(journal::SOCKET);
    match choice.unwrap_or_else(Target::detect) {
        Target::Term => logger(io::stderr(), level, |outlet| term::drain(outlet, colour())),
        Target::Json => logger(io::stderr(), level, json::drain),
        Target::Journal => logger(io::stderr(), level, |outlet| journal::drain(journal, json::drain(outlet))),
    }
}

/// What the drain makes of the records goes to `out`.
fn logger<F, D>(out: F, level: Level, drain: impl FnOnce(Arc<Outlet<F>>) -> D) -> Logger
where
    F: AsFd + Send + Sync + 'static,
    D: SendSyncUnwindSafeDrain<Ok = (), Err = io::Error> + RefUnwindSafe + 'static,
{
    let lost = Arc::<Lost>::default();
    let outlet = Arc::new(Outlet::to(out, Arc::clone(&lost)));
    let drain = drain(Arc::clone(&outlet));
    Logger::root(LevelFilter::new(Accounted { drain, outlet, lost }, level).ignore_res(), o!())
}

/// On standard output, for people; where nobody reads it, that keeps nobody from working or from ending.
pub fn print(text: &str) {
    let _ = Outlet::to(io::stdout(), Arc::default()).write(format!("{text}\n").as_bytes());
}

/// The last word of the program: what is begun is written to its end, and what was lost is told, for a reader who comes
/// in time; then `say` has its say.
pub fn end(logger: &Logger, say: impl FnOnce()) {
    IS_ENDING.set(true);
    let _ = logger.flush();
    say();
    IS_ENDING.set(false);
}

thread_local! {
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
    static MORE_IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is about to say more, which may be written together.
fn more_is_told() -> bool {
    MORE_IS_TOLD.get()
}

/// Whether nothing more is told after this.
fn is_ending() -> bool {
    IS_ENDING.get()
}

/// What is told by `tell` is written when it returns, and no more is waited for.
fn alone<T>(tell: impl FnOnce() -> T) -> T {
    let more = MORE_IS_TOLD.replace(false);
    let told = tell();
    MORE_IS_TOLD.set(more);
    told
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
            logger(full(), Level::Info, json::drain),
            logger(full(), Level::Info, |outlet| term::drain(outlet, true)),
            logger(full(), Level::Info, |outlet| journal::drain(Path::new("/nowhere"), json::drain(outlet))),
        ] {
            info!(log, "no room for this"; "file" => "orders.csv");
            error!(log, "nor for this");
        }
    }

    #[test]
    fn a_closed_pipe_does_not_stop_the_program() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let log = logger(writer, Level::Info, json::drain);
        info!(log, "nobody reads this");
        info!(log, "nor this");
    }

    #[test]
    fn a_record_below_the_level_is_dropped() {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = logger(writer, Level::Info, json::drain);
        slog::debug!(log, "quiet");
        info!(log, "loud");
        drop(log);
        let text = io::read_to_string(&mut reader).unwrap();
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    }
}
