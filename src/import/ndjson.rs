//! NDJSON: one JSON object a line; its keys are the columns, in the order in which they first appear.
//!
//! Nothing is changed on the way: a number stays its literal, an object or array inside stays its
//! text. A key given twice, text behind the object and halves of surrogate pairs are refused.

use std::borrow::Cow;
use std::{fmt, str};

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::csv::{not_utf8, too_long};
use super::header::Header;
use super::record::{Holds, Record, Span};
use super::shown;
use super::source::{RECORD_BYTES_MAX, Source};
use crate::fault::{Fault, Reason};

/// How deep objects and arrays may lie in each other.
const DEPTH_MAX: usize = 128;

/// The objects of an NDJSON file.
pub struct Reader<'f> {
    source: Source<'f>,
    object: Object,
    /// The line of the next record.
    line: u64,
    /// The bytes of the last record, not consumed while it is borrowed.
    taken: usize,
}

impl<'f> Reader<'f> {
    /// Starts at the first line.
    pub fn open(source: Source<'f>) -> Self {
        Self { source, object: Object::default(), line: 0, taken: 0 }
    }

    /// What the columns are called that were seen so far.
    pub fn names(&self) -> &[String] {
        self.object.header.names()
    }

    /// The bytes behind the records.
    pub fn source(&self) -> &Source<'f> {
        &self.source
    }

    /// The next object; blank lines are skipped. `None`: the file has ended.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        let length = loop {
            let Some(length) = self.advance()? else { return Ok(None) };
            if !self.source.unread()[..length].trim_ascii().is_empty() {
                break length;
            }
        };
        let bytes = &self.source.unread()[..length];
        let at_line = |reason: Reason| Fault::Permanent(reason.at_line(self.line));
        let raw = str::from_utf8(bytes).map_err(|error| at_line(not_utf8(bytes, error)))?;
        self.object.read(raw).map_err(at_line)?;
        let Object { header, spans, rewritten, .. } = &self.object;
        Ok(Some(Record { line: self.line, names: header.names(), raw, rewritten, spans }))
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
                None if unread.len() <= RECORD_BYTES_MAX => self.source.more()?,
                _ => return Err(Fault::Permanent(too_long(self.line))),
            }
        }
    }
}

/// One object, taken apart: the buffers are kept from line to line.
#[derive(Default)]
struct Object {
    header: Header,
    spans: Vec<Span>,
    /// By column: the number of the last object that had it.
    seen: Vec<u64>,
    /// The number of this object.
    number: u64,
    /// The column that comes next if the keys stand as in the object before.
    expected: usize,
    rewritten: String,
    /// What the visitor found, in our words.
    refused: Option<Reason>,
}

impl Object {
    fn read(&mut self, raw: &str) -> Result<(), Reason> {
        self.spans.fill(Span::NULL);
        self.rewritten.clear();
        self.number += 1;
        self.expected = 0;
        if !raw.trim_ascii_start().starts_with('{') {
            let text = format!("{} is not a JSON object", shown::value(raw.trim_ascii()));
            return Err(
                Reason::new("not_an_object", text).hint("every line must be one object, {\"column\": value, …}")
            );
        }
        let mut parser = serde_json::Deserializer::from_str(raw);
        let visited = parser.deserialize_map(Fill { object: self, raw });
        match visited.and_then(|()| parser.end()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refused.take().unwrap_or_else(|| malformed(&error, 0))),
        }
    }

    fn fill(&mut self, key: &str, raw: &str, value: &str) -> Result<(), Reason> {
        let column = self.column(key)?;
        if self.seen[column] == self.number {
            return Err(Reason::new("duplicate_key", format!("the key {} stands twice", shown::value(key))));
        }
        self.seen[column] = self.number;
        let start = value.as_ptr().addr() - raw.as_ptr().addr();
        self.spans[column] = self.span(value, start).map_err(|reason| reason.in_column(shown::name(key)))?;
        Ok(())
    }

    /// The column of this key, a new one when it is new.
    fn column(&mut self, key: &str) -> Result<usize, Reason> {
        let expected = self.expected;
        let column = match self.header.names().get(expected) {
            Some(name) if name == key => expected,
            _ => match self.header.number(key) {
                Some(column) => column,
                None => self.header.push(key)?,
            },
        };
        self.spans.resize(self.header.len(), Span::NULL);
        self.seen.resize(self.header.len(), 0);
        self.expected = column + 1;
        Ok(column)
    }

    /// Where the text of `value` lies, which starts at `start` of the line.
    fn span(&mut self, value: &str, start: usize) -> Result<Span, Reason> {
        let end = start + value.len();
        let span = |holds| Span { holds, rewritten: false, start, end };
        Ok(match value.as_bytes().first() {
            Some(b'"') if memchr::memchr(b'\\', value.as_bytes()).is_none() => {
                Span { start: start + 1, end: end - 1, ..span(Holds::String) }
            }
            Some(b'"') => self.decode(value, start)?,
            Some(b'{' | b'[') => {
                too_deep(value)?;
                span(Holds::Nested)
            }
            Some(b't' | b'f') => span(Holds::Boolean),
            Some(b'n') => Span::NULL,
            _ => span(Holds::Number),
        })
    }

    /// A string with escapes.
    fn decode(&mut self, value: &str, at: usize) -> Result<Span, Reason> {
        let text: String = serde_json::from_str(value).map_err(|error| malformed(&error, at))?;
        if text.contains('\0') {
            let reason = Reason::new("nul_byte", format!("a NUL character in {}", shown::value(&text)));
            return Err(reason);
        }
        let start = self.rewritten.len();
        self.rewritten.push_str(&text);
        Ok(Span { holds: Holds::String, rewritten: true, start, end: self.rewritten.len() })
    }
}

/// Walks the keys of one object.
struct Fill<'o, 'r> {
    object: &'o mut Object,
    raw: &'r str,
}

impl<'r> Visitor<'r> for Fill<'_, 'r> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'r>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let value: &'r RawValue = map.next_value()?;
            if let Err(reason) = self.object.fill(&key, self.raw, value.get()) {
                self.object.refused = Some(reason);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'r>(#[serde(borrow)] Cow<'r, str>);

/// The parser's own words, with the place in the line.
fn malformed(error: &serde_json::Error, offset: usize) -> Reason {
    let text = error.to_string();
    let what = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let reason = Reason::new("bad_json", format!("byte {} of the line: {}", offset + error.column(), lower(what)));
    if error.is_eof() { reason.hint("every object must stand on one line, whole") } else { reason }
}

/// `EOF while parsing …` in the style of our own messages.
fn lower(what: &str) -> String {
    what.replacen("EOF while parsing", "the line ends inside", 1)
}

fn too_deep(value: &str) -> Result<(), Reason> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
        if depth >= DEPTH_MAX {
            return Err(Reason::new("too_deep", format!("objects nested more than {DEPTH_MAX} deep")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "ndjson_tests.rs"]
mod tests;
