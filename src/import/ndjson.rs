//! NDJSON: one JSON object a line; its keys are the columns, in the order in which they first appear.

use std::str;

use super::csv::{not_utf8, nul_byte, too_long};
use super::object::{Flaw, Object, is_blank};
use super::record::Record;
use super::reject::Refused;
use super::source::{RECORD_BYTES_MAX, Window};
use crate::fault::{Fault, Reason};

/// The objects of an NDJSON file.
pub struct Reader<S> {
    source: S,
    object: Object,
    /// The line of the next record.
    line: u64,
    /// The bytes of the last record, not consumed while it is borrowed.
    taken: usize,
}

impl<S: Window> Reader<S> {
    /// Starts at the first line.
    pub fn open(source: S) -> Self {
        Self { source, object: Object::default(), line: 0, taken: 0 }
    }

    /// What the columns are called that were seen so far.
    pub fn names(&self) -> &[String] {
        self.object.names()
    }

    /// The bytes behind the records.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The text behind the last record, where another reader can begin.
    pub fn rest(&mut self) -> &mut S {
        self.source.consume(std::mem::take(&mut self.taken));
        &mut self.source
    }

    /// A reader of a part of it.
    pub fn part<P: Window>(&self, source: P) -> Reader<P> {
        Reader { object: self.object.like(), ..Reader::open(source) }
    }

    /// How many lines were read, when there are no more.
    pub fn lines(&self) -> u64 {
        self.line - 1
    }

    /// Goes on behind what others have read.
    pub fn skip(&mut self, bytes: usize, lines: u64) {
        self.source.consume(bytes);
        self.line += lines;
    }

    /// The next object; blank lines are skipped. `None`: the file has ended.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        let length = loop {
            let Some(length) = self.advance()? else { return Ok(None) };
            if !is_blank(&self.source.unread()[..length]) {
                break length;
            }
        };
        let bytes = &self.source.unread()[..length];
        let at_line = |reason: Reason| Fault::Permanent(reason.at_line(self.line));
        let raw = str::from_utf8(bytes).map_err(|error| at_line(not_utf8(bytes, error)))?;
        if let Err(flaw) = self.object.read(raw, None) {
            // JSON has no such byte anywhere.
            if let Some(at) = memchr::memchr(0, bytes) {
                let flaw = Flaw { at: Some(at + 1), ..nul_byte().into() };
                return Err(at_line(placed(flaw)).into());
            }
            let is_cut_off = flaw.cut && self.source.ended() && self.source.unread().len() == length;
            let is_whole = flaw.of_columns || is_cut_off;
            let reason = placed(flaw).at_line(self.line);
            return Err(if is_whole {
                Refused::File(Fault::Permanent(reason))
            } else {
                Refused::Record(Box::new(reason), raw.into())
            });
        }
        let (names, rewritten, spans) = self.object.cells();
        Ok(Some(Record { line: self.line, number: None, key: None, names, raw, rewritten, spans }))
    }

    /// Goes to the next line, complete in the window; answers its length. A lone CR ends a line
    /// too: JSON can't have one inside a string.
    fn advance(&mut self) -> Result<Option<usize>, Fault> {
        self.source.consume(std::mem::take(&mut self.taken));
        self.line += 1;
        loop {
            let unread = self.source.unread();
            let ended = self.source.ended();
            let length = match memchr::memchr2(b'\n', b'\r', unread) {
                // LF may follow.
                Some(length) if unread[length] == b'\r' && length + 1 == unread.len() && !ended => None,
                None if ended && unread.is_empty() => return Ok(None),
                None if ended => Some(unread.len()),
                found => found,
            };
            match length {
                Some(length) if length <= RECORD_BYTES_MAX => {
                    let end = if unread[length..].starts_with(b"\r\n") { 2 } else { 1 };
                    self.taken = unread.len().min(length + end);
                    return Ok(Some(length));
                }
                None if unread.len() <= RECORD_BYTES_MAX => self.source.more().map_err(|fault| match fault {
                    Fault::Permanent(reason) => Fault::Permanent(reason.at_line(self.line)),
                    other => other,
                })?,
                _ => return Err(Fault::Permanent(too_long(self.line))),
            }
        }
    }
}

/// The reason, with the place in the line.
fn placed(flaw: Flaw) -> Reason {
    let Flaw { at, reason, cut, .. } = flaw;
    let mut reason = *reason;
    if let Some(at) = at {
        reason.text = format!("byte {at} of the line: {}", reason.text);
    }
    match (cut, reason.code) {
        (true, _) => reason.hint("every object must stand on one line, whole; else set import.format = \"json\""),
        (_, "not_an_object") => reason.hint("every line must be one object, {\"column\": value, …}"),
        _ => reason,
    }
}

#[cfg(test)]
#[path = "ndjson_tests.rs"]
mod tests;
