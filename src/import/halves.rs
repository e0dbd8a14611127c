//! A large file looked through by two threads: what is in the window is taken apart in two halves at once.
//!
//! Where the first half ends is a guess: behind a line break that is outside of quotes, by their count. It was right if the
//! half turns out plain: all its records can be read, the last one ends where it ends, and `look` finds nothing odd in them. From
//! a half on that isn't plain, the records of the window are for the file's own reader, one by one. So what is found, in
//! which order, and what is said of it don't depend on where halves begin.

use std::panic::resume_unwind;
use std::thread;

use super::csv;
use super::ndjson;
use super::reader::Reader;
use super::record::{Record, Records};
use super::reject::Refused;
use super::source::Window;
use crate::fault::Fault;

/// How much is looked at together.
const WINDOW_BYTES: usize = 1 << 20;

/// How far a file was looked through in halves.
#[derive(Debug, Default)]
pub struct Halves {
    /// Up to this byte of the text, records are read one by one.
    odd_until: u64,
}

impl Halves {
    /// Has window by window looked through in halves, for as long as `look` answers that one is plain, with what it found;
    /// `take` gets that, in order. The reader stands behind the last of them.
    pub fn pass<F: Send>(
        &mut self,
        reader: &mut Reader<'_>,
        look: impl Fn(&mut Half<'_>) -> Option<F> + Sync,
        mut take: impl FnMut(F),
    ) -> Result<(), Fault> {
        loop {
            let Some(source) = reader.rest().filter(|source| !source.ended() && source.position() >= self.odd_until)
            else {
                return Ok(());
            };
            source.widen(WINDOW_BYTES)?;
            self.odd_until = source.bytes();
            let text = reader.source().unread();
            let (first, rest) = text.split_at(whole_records(&text[..text.len() / 2], reader.quote()));
            let second = &rest[..whole_records(rest, reader.quote())];
            if second.is_empty() {
                return Ok(());
            }
            let look = |text: &[u8]| {
                let mut half = reader.half(text)?;
                look(&mut half).map(|found| (found, text.len(), half.lines()))
            };
            for half in at_once(|| look(first), || look(second))? {
                let Some((found, bytes, lines)) = half else { return Ok(()) };
                reader.skip(bytes, lines);
                take(found);
            }
            self.odd_until = 0;
        }
    }
}

/// Both, the first in a thread of its own.
fn at_once<T: Send>(first: impl FnOnce() -> T + Send, second: impl FnOnce() -> T) -> Result<[T; 2], Fault> {
    thread::scope(|scope| {
        let first = thread::Builder::new().name("half".to_owned()).spawn_scoped(scope, first);
        let first = first.map_err(|error| Fault::io("start a thread that reads the file", &error))?;
        let second = second();
        Ok([first.join().unwrap_or_else(|panic| resume_unwind(panic)), second])
    })
}

/// How many bytes of this text are whole records, as far as line breaks and quotes tell.
fn whole_records(text: &[u8], quote: Option<u8>) -> usize {
    let has_odd_quotes = |text| quote.is_some_and(|quote| memchr::memchr_iter(quote, text).count() % 2 == 1);
    let (mut end, mut is_quoted) = (text.len(), has_odd_quotes(text));
    while let Some(line_break) = memchr::memrchr(b'\n', &text[..end]) {
        is_quoted ^= has_odd_quotes(&text[line_break..end]);
        if !is_quoted {
            return line_break + 1;
        }
        end = line_break;
    }
    0
}

/// Records of a file that lie behind one another in its window.
pub enum Half<'t> {
    /// Rows of CSV.
    Csv(Box<csv::Reader<Part<'t>>>),
    /// Lines of NDJSON.
    Ndjson(Box<ndjson::Reader<Part<'t>>>),
}

impl Half<'_> {
    /// How many lines were read.
    fn lines(&self) -> u64 {
        match self {
            Self::Csv(reader) => reader.lines(),
            Self::Ndjson(reader) => reader.lines(),
        }
    }
}

impl Records for Half<'_> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        match self {
            Self::Csv(reader) => reader.next(),
            Self::Ndjson(reader) => reader.next(),
        }
    }
}

/// A part of a text, all of which is there.
pub struct Part<'t>(pub &'t [u8]);

impl Window for Part<'_> {
    fn unread(&self) -> &[u8] {
        self.0
    }

    fn ended(&self) -> bool {
        true
    }

    fn consume(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }

    fn more(&mut self) -> Result<(), Fault> {
        unreachable!("it has ended")
    }
}

#[cfg(test)]
#[path = "halves_tests.rs"]
mod tests;
