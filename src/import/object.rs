//! A JSON object as a record: its keys are the columns, in the order in which they first appear.
//!
//! Nothing is changed on the way: a number stays its literal, an object or array inside stays its
//! text, to the letter. A key given twice, text behind the object and, outside of those, halves of surrogate pairs are
//! refused.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::header::Header;
use super::plain::{Key, Members};
use super::record::{Holds, Span};
use super::shown;
use crate::fault::Reason;

/// How deep objects and arrays may lie in each other.
pub const DEPTH_MAX: usize = 128;

/// The code of a reason: the text is not JSON.
pub const BAD_JSON: &str = "bad_json";

/// The column of a record's key, where records are the members of an object.
pub const KEY: &str = "_key";

/// One object, taken apart: the buffers are kept from one to the next.
#[derive(Default)]
pub struct Object {
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
    refused: Option<Flaw>,
}

/// What makes an object unreadable.
pub struct Flaw {
    /// The byte of its text, counted from 1, where the reason needs it.
    pub at: Option<usize>,
    /// The reason, without its line.
    pub reason: Box<Reason>,
    /// Whether the text ends within the object.
    pub cut: bool,
    /// Whether a column is to blame, and so the file.
    pub of_columns: bool,
}

impl From<Reason> for Flaw {
    fn from(reason: Reason) -> Self {
        Self { at: None, reason: Box::new(reason), cut: false, of_columns: false }
    }
}

impl Object {
    /// With the columns that were seen so far.
    pub fn like(&self) -> Self {
        Self { header: self.header.clone(), seen: vec![0; self.header.len()], ..Self::default() }
    }

    /// What the columns are called that were seen so far.
    pub fn names(&self) -> &[String] {
        self.header.names()
    }

    /// The names, the decoded texts, and the cells of the last object.
    pub fn cells(&self) -> (&[String], &str, &[Span]) {
        (self.header.names(), &self.rewritten, &self.spans)
    }

    /// Takes this text apart; `key`: under which it lies in an object of objects. One that is refused brings no
    /// columns.
    pub fn read(&mut self, raw: &str, key: Option<&str>) -> Result<(), Flaw> {
        let columns = self.header.len();
        self.take_apart(raw, key).inspect_err(|_| self.header.truncate(columns))
    }

    fn take_apart(&mut self, raw: &str, key: Option<&str>) -> Result<(), Flaw> {
        self.begin();
        if key.is_none() && self.take_plain(raw).is_some() {
            return Ok(());
        }
        self.begin();
        if !raw.trim_ascii_start().starts_with('{') {
            let text = format!("{} is not a JSON object", shown::value(raw.trim_ascii()));
            return Err(Reason::new("not_an_object", text).into());
        }
        if let Some(key) = key {
            self.fill_key(key)?;
        }
        let mut parser = serde_json::Deserializer::from_str(raw);
        let visited = parser.deserialize_map(Fill { object: self, raw });
        match visited.and_then(|()| parser.end()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refused.take().unwrap_or_else(|| malformed(&error, raw, 0))),
        }
    }

    fn begin(&mut self) {
        self.spans.clear();
        self.spans.resize(self.header.len(), Span::NULL);
        self.rewritten.clear();
        self.number += 1;
        self.expected = 0;
    }

    /// Takes a plain object apart that has no new column, and no key twice. `None`: it isn't one.
    fn take_plain(&mut self, raw: &str) -> Option<()> {
        let mut members = Members::of(raw)?;
        while let Some((key, span)) = members.next(self.header.plain_name(self.expected)).ok()? {
            let column = match key {
                Key::Expected => self.expected,
                Key::Other(key) => self.known_column(key)?,
            };
            self.expected = column + 1;
            if std::mem::replace(&mut self.seen[column], self.number) == self.number {
                return None;
            }
            self.spans[column] = span;
        }
        Some(())
    }

    fn fill_key(&mut self, key: &str) -> Result<(), Flaw> {
        let column = self.unset_column(KEY)?;
        self.spans[column] = self.rewrite(key)?;
        Ok(())
    }

    fn fill(&mut self, key: &str, raw: &str, value: &str) -> Result<(), Flaw> {
        let column = self.unset_column(key)?;
        let start = value.as_ptr().addr() - raw.as_ptr().addr();
        self.spans[column] = self.span(value, raw, start).map_err(|mut flaw| {
            flaw.reason.column = Some(shown::name(key));
            flaw
        })?;
        Ok(())
    }

    /// The column of this key, which this object must not have had.
    fn unset_column(&mut self, key: &str) -> Result<usize, Flaw> {
        let column = self.column(key).map_err(|reason| Flaw { of_columns: true, ..reason.into() })?;
        if self.seen[column] == self.number {
            return Err(Reason::new("duplicate_key", format!("the key {} stands twice", shown::value(key))).into());
        }
        self.seen[column] = self.number;
        Ok(column)
    }

    /// The column of this key, a new one when it is new.
    fn column(&mut self, key: &str) -> Result<usize, Reason> {
        if let Some(column) = self.known_column(key) {
            return Ok(column);
        }
        let column = self.header.push(key)?;
        self.spans.resize(self.header.len(), Span::NULL);
        self.seen.resize(self.header.len(), 0);
        self.expected = column + 1;
        Ok(column)
    }

    fn known_column(&mut self, key: &str) -> Option<usize> {
        let is_expected = self.header.names().get(self.expected).is_some_and(|name| name == key);
        let column = if is_expected { self.expected } else { self.header.number(key)? };
        self.expected = column + 1;
        Some(column)
    }

    /// Where the text of `value` lies, which starts at `start` of `raw`.
    fn span(&mut self, value: &str, raw: &str, start: usize) -> Result<Span, Flaw> {
        let end = start + value.len();
        let span = |holds| Span::raw(holds, start..end);
        Ok(match value.as_bytes().first() {
            Some(b'"') if memchr::memchr(b'\\', value.as_bytes()).is_none() => {
                Span::raw(Holds::String, start + 1..end - 1)
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(value).map_err(|error| malformed(&error, raw, start))?;
                self.rewrite(&text)?
            }
            Some(b'{' | b'[') => {
                too_deep(value)?;
                span(Holds::Nested)
            }
            Some(b't' | b'f') => span(Holds::Boolean),
            Some(b'n') => Span::NULL,
            _ => span(Holds::Number),
        })
    }

    /// A text that had escapes.
    fn rewrite(&mut self, text: &str) -> Result<Span, Reason> {
        if text.contains('\0') {
            return Err(Reason::new("nul_byte", format!("a NUL character in {}", shown::value(text))));
        }
        let start = self.rewritten.len();
        self.rewritten.push_str(text);
        Ok(Span::rewritten(Holds::String, start..self.rewritten.len()))
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
        while let Some(AnyKey(key)) = map.next_key()? {
            let value: &'r RawValue = map.next_value()?;
            if let Err(flaw) = self.object.fill(&key, self.raw, value.get()) {
                self.object.refused = Some(flaw);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct AnyKey<'r>(#[serde(borrow)] Cow<'r, str>);

/// The parser's own words, with the place in `raw`, a part of which was parsed from `start` on.
pub fn malformed(error: &serde_json::Error, raw: &str, start: usize) -> Flaw {
    let text = error.to_string();
    let what = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = what.replacen("EOF while parsing", "the text ends inside", 1);
    let lines = raw[start..].split_inclusive('\n').take(error.line().saturating_sub(1));
    let at = start + lines.map(str::len).sum::<usize>() + error.column();
    Flaw {
        at: Some(at.clamp(1, raw.len().max(1))),
        reason: Box::new(Reason::new(BAD_JSON, what)),
        cut: error.is_eof(),
        of_columns: false,
    }
}

/// Whether there is nothing but JSON's white space.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
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
