//! Records that could not be written: they are counted, and told as soon as something can be written again.

use std::io;
use std::os::fd::AsFd;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;
use slog::{Drain, FlushError, Level, OwnedKVList, Record, b, o, record};

use super::outlet::Outlet;

/// What is lost and not told yet.
#[derive(Default)]
pub(super) struct Lost(Mutex<Option<Loss>>);

/// Nothing panics while it is held.
impl RefUnwindSafe for Lost {}

#[derive(Clone, Copy)]
struct Loss {
    records: usize,
    cause: Errno,
}

impl Lost {
    /// A record is a line.
    pub fn count(&self, lines: &[u8], cause: Errno) {
        self.add(Loss { records: memchr::memchr_iter(b'\n', lines).count(), cause });
    }

    fn add(&self, more: Loss) {
        let mut untold = self.0.lock();
        let before = untold.map_or(0, |loss| loss.records);
        *untold = Some(Loss { records: before + more.records, ..more });
    }

    fn take(&self) -> Option<Loss> {
        self.0.lock().take()
    }
}

/// The records of `drain`, and where some are missing, how many.
pub(super) struct Accounted<D, F> {
    pub drain: D,
    /// Where `drain` writes.
    pub outlet: Arc<Outlet<F>>,
    /// What it could not write.
    pub lost: Arc<Lost>,
}

impl<D: Drain<Ok = (), Err = io::Error>, F: AsFd> Drain for Accounted<D, F> {
    type Ok = ();
    type Err = io::Error;

    fn log(&self, record: &Record, values: &OwnedKVList) -> io::Result<()> {
        if let Some(loss) = self.lost.take() {
            // Where this can't be written, it is counted, in place of the record that is given up here.
            super::alone(|| self.tell(loss)).inspect_err(|_| self.lost.add(loss))?;
        }
        self.drain.log(record, values)
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.outlet.flush().map_err(FlushError::Io)?;
        match if super::is_ending() { self.lost.take() } else { None } {
            Some(loss) => self.tell(loss).map_err(FlushError::Io),
            None => Ok(()),
        }
    }
}

impl<D: Drain<Ok = (), Err = io::Error>, F> Accounted<D, F> {
    fn tell(&self, loss: Loss) -> io::Result<()> {
        let records = loss.records;
        let (s, were) = if records == 1 { ("", "was") } else { ("s", "were") };
        let cause = match loss.cause {
            Errno::AGAIN => "nobody read it".to_owned(),
            other => io::Error::from(other).to_string(),
        };
        let text = format_args!("{records} record{s} of the log {were} lost: {cause}");
        self.drain.log(&record!(Level::Warning, "", &text, b!("lost" => records)), &o!().into())
    }
}
