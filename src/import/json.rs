//! JSON documents: an array of objects, or an object of objects, at the top or where a JSON pointer (RFC 6901) says.
//!
//! One record is in memory at a time, however long the document is. What lies beside the records is read over, and
//! must be JSON too.

use std::str;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::csv::{not_utf8, nul_byte, too_long};
use super::object::{BAD_JSON, DEPTH_MAX, Flaw, Object, malformed};
use super::record::{Record, alone};
use super::reject::Refused;
use super::scanner::breaks;
use super::shown;
use super::source::{RECORD_BYTES_MAX, Source, Window as _};
use crate::fault::{Fault, Reason};

/// The objects of a JSON document.
pub struct Reader<'f> {
    source: Source<'f>,
    object: Object,
    /// The way to the records.
    path: Vec<String>,
    /// The containers on that way, the records' own the last.
    open: Vec<Container>,
    stage: Stage,
    /// How many records were read.
    records: u64,
    /// Under which the last one lies.
    key: Option<String>,
    /// The bytes of the last record, not consumed while it is borrowed.
    taken: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Records,
    Behind,
}

/// What comes next in a container.
enum Next {
    /// A value of an array.
    Element,
    /// A value of an object, under this key.
    Member(String),
    /// Nothing: it has ended, and was left.
    End,
}

/// An array or an object that was entered and not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Container {
    keyed: bool,
    /// Whether nothing of it was read yet.
    fresh: bool,
}

/// Where the next byte is.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    /// The bytes before it in its line.
    column: u64,
    /// Whether the byte before it is CR: LF would belong to it.
    carriage: bool,
}

impl Place {
    const START: Self = Self { line: 1, column: 0, carriage: false };

    fn behind(self, bytes: &[u8]) -> Self {
        let Some(&last) = bytes.last() else { return self };
        let counted_before = u64::from(self.carriage && bytes[0] == b'\n');
        let line = self.line + breaks(bytes) - counted_before;
        let column = match memchr::memrchr2(b'\n', b'\r', bytes) {
            Some(at) => (bytes.len() - at - 1) as u64,
            None => self.column + bytes.len() as u64,
        };
        Self { line, column, carriage: last == b'\r' }
    }
}

impl<'f> Reader<'f> {
    /// With the records at this pointer: `""` is the document, `/data/rows` lies within.
    pub fn open(source: Source<'f>, pointer: &str) -> Self {
        let path = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        Self {
            source,
            object: Object::default(),
            path,
            open: Vec::new(),
            stage: Stage::Before,
            records: 0,
            key: None,
            taken: 0,
            place: Place::START,
        }
    }

    /// What the columns are called that were seen so far.
    pub fn names(&self) -> &[String] {
        self.object.names()
    }

    /// The bytes behind the records.
    pub fn source(&self) -> &Source<'f> {
        &self.source
    }

    /// The next object. `None`: the file has ended, and was one document.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        self.consume(self.taken);
        self.taken = 0;
        if self.stage == Stage::Before && !self.enter_records()? {
            return Ok(None);
        }
        if self.stage == Stage::Behind {
            return Ok(None);
        }
        self.key = match self.next_in_last()? {
            Next::Element => None,
            Next::Member(key) => Some(key),
            Next::End => {
                self.leave()?;
                return Ok(None);
            }
        };
        self.peek()?;
        self.records += 1;
        let length = self.extent()?;
        let bytes = &self.source.unread()[..length];
        let refuse = |at, reason: Reason| {
            let flaw = Flaw { at: Some(at + 1), ..reason.into() };
            Fault::Permanent(placed(flaw, bytes, self.place, self.records))
        };
        let raw = str::from_utf8(bytes).map_err(|error| refuse(error.valid_up_to(), not_utf8(bytes, error)))?;
        self.taken = length;
        let key = self.key.as_deref();
        if let Err(flaw) = self.object.read(raw, key) {
            // JSON has no such byte anywhere.
            if let Some(at) = memchr::memchr(0, bytes) {
                return Err(refuse(at, nul_byte()).into());
            }
            let is_whole = flaw.of_columns || flaw.reason.code == BAD_JSON;
            let reason = placed(flaw, bytes, self.place, self.records);
            return Err(if is_whole {
                Refused::File(Fault::Permanent(reason))
            } else {
                Refused::Record(Box::new(reason), alone(raw, key))
            });
        }
        let (names, rewritten, spans) = self.object.cells();
        Ok(Some(Record { line: self.place.line, number: Some(self.records), key, names, raw, rewritten, spans }))
    }

    /// Goes into the container of the records. `false`: there is no document at all.
    fn enter_records(&mut self) -> Result<bool, Fault> {
        if self.peek_or_end()?.is_none() {
            self.stage = Stage::Behind;
            return Ok(false);
        }
        for step in 0..self.path.len() {
            self.enter()?;
            self.go_to(step)?;
        }
        self.enter()?;
        self.stage = Stage::Records;
        Ok(true)
    }

    /// Into the array or object that starts here.
    fn enter(&mut self) -> Result<(), Fault> {
        let byte = self.peek()?;
        if matches!(byte, b'{' | b'[') {
            self.consume(1);
            self.open.push(Container { keyed: byte == b'{', fresh: true });
            return Ok(());
        }
        let length = self.extent()?;
        let found = String::from_utf8_lossy(&self.source.unread()[..length]);
        let text = format!("{} stands where an array or an object must", shown::value(&found));
        Err(Fault::Permanent(Reason::new("no_records", text).at_line(self.place.line).hint(POINT)))
    }

    /// To the member of the container just entered that the path goes through.
    fn go_to(&mut self, step: usize) -> Result<(), Fault> {
        let mut index = 0_usize;
        loop {
            match self.next_in_last()? {
                Next::Member(key) if key == self.path[step] => return Ok(()),
                Next::Element if index.to_string() == self.path[step] => return Ok(()),
                Next::End => break,
                Next::Member(_) | Next::Element => self.skip_value()?,
            }
            index += 1;
        }
        let pointer = format!("/{}", self.path[..=step].join("/"));
        let text = format!("the document has nothing at {}", shown::value(&pointer));
        Err(Fault::Permanent(Reason::new("no_records", text).at_line(self.place.line).hint(POINT)))
    }

    /// Out of the containers, over what is left in them, to the end of the file.
    fn leave(&mut self) -> Result<(), Fault> {
        self.open.pop();
        while !self.open.is_empty() {
            let on_the_way = self.path[self.open.len() - 1].clone();
            loop {
                match self.next_in_last()? {
                    Next::Member(key) if key == on_the_way => {
                        let text = format!("the key {} stands twice", shown::value(&key));
                        return Err(self.refuse(Reason::new("duplicate_key", text)));
                    }
                    Next::Member(_) | Next::Element => self.skip_value()?,
                    Next::End => break,
                }
            }
            self.open.pop();
        }
        if self.peek_or_end()?.is_some() {
            return Err(self.refuse(Reason::new(BAD_JSON, "something follows the document")));
        }
        self.stage = Stage::Behind;
        Ok(())
    }

    /// To the next value of the innermost container.
    fn next_in_last(&mut self) -> Result<Next, Fault> {
        let mut container = *self.open.last().expect("a container is entered");
        let next = self.next_in(&mut container)?;
        *self.open.last_mut().expect("a container is entered") = container;
        Ok(next)
    }

    fn next_in(&mut self, container: &mut Container) -> Result<Next, Fault> {
        let end = if container.keyed { b'}' } else { b']' };
        match self.peek()? {
            byte if byte == end => {
                self.consume(1);
                return Ok(Next::End);
            }
            b',' if !container.fresh => self.consume(1),
            _ if container.fresh => {}
            _ => return Err(self.expected(&format!("\",\" or \"{}\"", char::from(end)))),
        }
        container.fresh = false;
        match (container.keyed, self.peek()?) {
            (false, b']') => Err(self.expected("a value")),
            (false, _) => Ok(Next::Element),
            (true, b'"') => {
                let key = self.parse()?;
                if self.peek()? != b':' {
                    return Err(self.expected("\":\""));
                }
                self.consume(1);
                Ok(Next::Member(key))
            }
            (true, _) => Err(self.expected("a key")),
        }
    }

    /// Over the value that starts here, however large it is.
    fn skip_value(&mut self) -> Result<(), Fault> {
        let mut inside: Vec<Container> = Vec::new();
        loop {
            match self.peek()? {
                byte @ (b'{' | b'[') => {
                    self.consume(1);
                    inside.push(Container { keyed: byte == b'{', fresh: true });
                }
                _ => {
                    self.parse::<IgnoredAny>()?;
                }
            }
            if self.open.len() + inside.len() > DEPTH_MAX {
                return Err(self.refuse(Reason::new("too_deep", format!("objects nested more than {DEPTH_MAX} deep"))));
            }
            loop {
                let Some(container) = inside.last_mut() else { return Ok(()) };
                if !matches!(self.next_in(container)?, Next::End) {
                    break;
                }
                inside.pop();
            }
        }
    }

    /// The scalar that starts here.
    fn parse<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        let length = self.extent()?;
        let bytes = &self.source.unread()[..length];
        let text = str::from_utf8(bytes).map_err(|error| self.refuse(not_utf8(bytes, error)))?;
        let value = serde_json::from_str(text).map_err(|error| self.refuse(*malformed(&error, text, 0).reason))?;
        self.consume(length);
        Ok(value)
    }

    /// How long the value is that starts here, complete in the window. It is looked for by its quotes and brackets
    /// only: whether it is JSON is for the parser to say.
    fn extent(&mut self) -> Result<usize, Fault> {
        loop {
            let ended = self.source.ended();
            match extent(self.source.unread(), ended) {
                Some(length) if length <= RECORD_BYTES_MAX => return Ok(length),
                None if ended => return Err(self.cut()),
                None if self.source.unread().len() <= RECORD_BYTES_MAX => self.more()?,
                _ => return Err(Fault::Permanent(too_long(self.place.line))),
            }
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Result<u8, Fault> {
        self.peek_or_end()?.ok_or_else(|| self.cut())
    }

    fn peek_or_end(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let unread = self.source.unread();
            let blank = unread.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            let blank_bytes = blank.unwrap_or(unread.len());
            let next = unread.get(blank_bytes).copied();
            self.consume(blank_bytes);
            match next {
                Some(byte) => return Ok(Some(byte)),
                None if self.source.ended() => return Ok(None),
                None => self.more()?,
            }
        }
    }

    fn more(&mut self) -> Result<(), Fault> {
        self.source.more().map_err(|fault| match fault {
            Fault::Permanent(reason) => Fault::Permanent(reason.at_line(self.place.behind(self.source.unread()).line)),
            other => other,
        })
    }

    fn consume(&mut self, bytes: usize) {
        self.place = self.place.behind(&self.source.unread()[..bytes]);
        self.source.consume(bytes);
    }

    fn cut(&self) -> Fault {
        let line = self.place.behind(self.source.unread()).line;
        let text = match self.records {
            0 => "the file ends before its first record".to_owned(),
            records => format!("the file ends inside or behind record {records}, before the end of the document"),
        };
        Fault::Permanent(Reason::new(BAD_JSON, text).at_line(line).hint("was it cut off?"))
    }

    fn expected(&self, what: &str) -> Fault {
        self.refuse(Reason::new(BAD_JSON, format!("{what} is expected")))
    }

    /// The reason, at the next byte.
    fn refuse(&self, mut reason: Reason) -> Fault {
        reason.text = format!("byte {} of the line: {}", self.place.column + 1, reason.text);
        Fault::Permanent(reason.at_line(self.place.line))
    }
}

const POINT: &str = "set import.records to where the array or object of records is, for instance \"/data/rows\"";

/// The reason, at the place in the file of a record that starts at `start`.
fn placed(flaw: Flaw, raw: &[u8], start: Place, number: u64) -> Reason {
    let Flaw { at, reason, .. } = flaw;
    let mut reason = *reason;
    let mut line = start.line;
    reason.text = match at {
        Some(at) => {
            let place = start.behind(&raw[..at - 1]);
            line = place.line;
            format!("byte {} of the line, record {number}: {}", place.column + 1, reason.text)
        }
        None => format!("record {number}: {}", reason.text),
    };
    if reason.code == "not_an_object" {
        reason = reason.hint(POINT);
    }
    reason.at_line(line)
}

/// See [`Reader::extent`]. `None`: it doesn't end here.
fn extent(bytes: &[u8], last: bool) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' if depth > 0 => (at, depth) = (at + 1, depth - 1),
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                // A number or a word, up to what can't belong to it.
                let end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b' ' | b'\t' | b'\n' | b'\r');
                let length = bytes.iter().position(end).or(last.then_some(bytes.len()))?;
                return Some(length.max(1));
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Behind the closing quote of the string that opens at `open`.
fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
