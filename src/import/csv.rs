//! CSV (RFC 4180): records of a file, with the line each starts on and whether a field was quoted.
//!
//! Written by hand because the difference between an empty field and a quoted empty one matters
//! (NULL and the empty string), and because a quote that is never closed must name its line.
//!
//! Stricter than most: a quote inside an unquoted field and text behind a closing quote are
//! refused, since programs disagree on what they mean. Lines end with LF, CRLF or CR, mixed as
//! may be. Empty lines are skipped, except in a file of one column, where they are its NULLs.

use std::str;

use super::header::{COLUMNS_MAX, Header};
use super::record::{Holds, Record, Span};
use super::shown;
use super::source::{RECORD_BYTES_MAX, Source};
use crate::fault::{Fault, Reason};

/// Finds the fields of one record in a buffer.
pub struct Scanner {
    delimiter: u8,
    /// The bytes that end an unquoted field.
    ends: [bool; 256],
    /// The fields of the last record, as far as a table could hold them.
    spans: Vec<Span>,
    /// How many fields the last record has.
    fields: usize,
    /// Whether a field of it has doubled quotes.
    doubled: bool,
    /// Line breaks inside its quoted fields.
    breaks: u64,
}

/// How far a record reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes, without its line end.
    pub length: usize,
    /// Its bytes, with its line end.
    pub taken: usize,
}

/// What makes a record unreadable, and at which byte.
pub struct Flaw {
    at: usize,
    code: &'static str,
    text: &'static str,
}

impl Scanner {
    /// For this delimiter.
    pub fn new(delimiter: u8) -> Self {
        let mut ends = [false; 256];
        for byte in [delimiter, b'"', b'\n', b'\r'] {
            ends[usize::from(byte)] = true;
        }
        Self { delimiter, ends, spans: Vec::new(), fields: 0, doubled: false, breaks: 0 }
    }

    /// How many fields the last record had.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// The record that starts at the first of `bytes`. `None`: it isn't complete; with `last` (no
    /// more bytes will come): there is none.
    pub fn scan(&mut self, bytes: &[u8], last: bool) -> Result<Option<Extent>, Flaw> {
        self.spans.clear();
        (self.fields, self.doubled, self.breaks) = (0, false, 0);
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut at = 0;
        loop {
            let end = match bytes.get(at) {
                Some(b'"') => self.quoted(bytes, at, last)?,
                _ => self.bare(bytes, at, last)?,
            };
            let Some(end) = end else { return Ok(None) };
            match bytes.get(end) {
                Some(&byte) if byte == self.delimiter => at = end + 1,
                Some(b'\r') if end + 1 == bytes.len() && !last => return Ok(None),
                Some(b'\r') if bytes.get(end + 1) == Some(&b'\n') => {
                    return Ok(Some(Extent { length: end, taken: end + 2 }));
                }
                Some(_) => return Ok(Some(Extent { length: end, taken: end + 1 })),
                None => return Ok(Some(Extent { length: end, taken: end })),
            }
        }
    }

    /// An unquoted field; answers where it ends.
    fn bare(&mut self, bytes: &[u8], start: usize, last: bool) -> Result<Option<usize>, Flaw> {
        let end = match bytes[start..].iter().position(|&byte| self.ends[usize::from(byte)]) {
            Some(length) => start + length,
            None if last => bytes.len(),
            None => return Ok(None),
        };
        if bytes.get(end) == Some(&b'"') {
            return Err(Flaw { at: end, code: "stray_quote", text: "a quote inside an unquoted field" });
        }
        let holds = if start == end { Holds::Null } else { Holds::Field };
        self.push(Span { holds, rewritten: false, start, end });
        Ok(Some(end))
    }

    /// A quoted field; answers where it ends, behind the closing quote.
    fn quoted(&mut self, bytes: &[u8], open: usize, last: bool) -> Result<Option<usize>, Flaw> {
        let mut doubled = false;
        let mut close = open + 1;
        loop {
            close += match memchr::memchr(b'"', &bytes[close..]) {
                Some(length) => length,
                None if last => {
                    return Err(Flaw { at: open, code: "unclosed_quote", text: "a quote opens here and never closes" });
                }
                None => return Ok(None),
            };
            match bytes.get(close + 1) {
                Some(b'"') => (doubled, close) = (true, close + 2),
                None if !last => return Ok(None),
                None | Some(b'\n' | b'\r') => break,
                Some(&byte) if byte == self.delimiter => break,
                Some(_) => {
                    return Err(Flaw { at: close + 1, code: "stray_quote", text: "text behind a closing quote" });
                }
            }
        }
        self.doubled |= doubled;
        self.breaks += breaks(&bytes[open + 1..close]);
        self.push(Span { holds: Holds::Field, rewritten: doubled, start: open + 1, end: close });
        Ok(Some(close + 1))
    }

    fn push(&mut self, span: Span) {
        self.fields += 1;
        if self.fields <= COLUMNS_MAX {
            self.spans.push(span);
        }
    }
}

/// How many lines end in `bytes`: LF, CRLF and CR are one each.
fn breaks(bytes: &[u8]) -> u64 {
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
        .count() as u64
}

/// The records of a CSV file behind its header row.
pub struct Reader<'f> {
    source: Source<'f>,
    scanner: Scanner,
    header: Header,
    /// The line on which the next record starts.
    line: u64,
    /// The bytes of the last record, not consumed while it is borrowed.
    taken: usize,
    /// The lines of the last record, likewise.
    lines: u64,
    rewritten: String,
}

impl<'f> Reader<'f> {
    /// Reads the header. A file without any record has no columns and no rows.
    pub fn open(source: Source<'f>, delimiter: u8) -> Result<Self, Fault> {
        let mut reader = Self {
            source,
            scanner: Scanner::new(delimiter),
            header: Header::default(),
            line: 1,
            taken: 0,
            lines: 0,
            rewritten: String::new(),
        };
        let mut header = Header::default();
        if let Some(record) = reader.record()? {
            for column in 0..record.spans.len() {
                let name = record.cell(column).text().unwrap_or_default();
                header.push(name).map_err(|reason| Fault::Permanent(reason.at_line(record.line)))?;
            }
            let line = record.line;
            let columns = reader.scanner.fields;
            if columns > COLUMNS_MAX {
                let text = format!("{columns} columns, where at most {COLUMNS_MAX} fit a table");
                return Err(Fault::Permanent(Reason::new("too_many_columns", text).at_line(line)));
            }
        }
        reader.header = header;
        Ok(reader)
    }

    /// What the columns are called.
    pub fn names(&self) -> &[String] {
        self.header.names()
    }

    /// What separates the fields.
    pub fn delimiter(&self) -> u8 {
        self.scanner.delimiter
    }

    /// The bytes behind the records.
    pub fn source(&self) -> &Source<'f> {
        &self.source
    }

    /// The next record, with as many fields as the header. `None`: the file has ended.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        self.record()
    }

    fn record(&mut self) -> Result<Option<Record<'_>>, Fault> {
        let Some(length) = self.advance()? else { return Ok(None) };
        let (fields, columns) = (self.scanner.fields, self.header.len());
        if fields != columns && columns > 0 {
            let text = format!("{fields} {} where the header has {columns}", plural(fields));
            return Err(Fault::Permanent(Reason::new("ragged_row", text).at_line(self.line)));
        }
        let raw = &self.source.unread()[..length];
        if let Some(at) = memchr::memchr(0, raw) {
            let text = "a NUL byte";
            return Err(self.refuse(at, Reason::new("nul_byte", text).hint("is the file UTF-16, or not text at all?")));
        }
        let raw = match str::from_utf8(raw) {
            Ok(raw) => raw,
            Err(error) => return Err(self.refuse(error.valid_up_to(), not_utf8(raw, error))),
        };
        if self.scanner.doubled {
            undouble(raw, &mut self.scanner.spans, &mut self.rewritten);
        }
        let (line, names, rewritten) = (self.line, self.header.names(), &self.rewritten);
        Ok(Some(Record { line, names, raw, rewritten, spans: &self.scanner.spans }))
    }

    /// Goes to the next record, complete in the window; answers its length.
    fn advance(&mut self) -> Result<Option<usize>, Fault> {
        loop {
            self.source.consume(std::mem::take(&mut self.taken));
            self.line += std::mem::take(&mut self.lines);
            match self.scanner.scan(self.source.unread(), self.source.ended()) {
                Err(flaw) => return Err(self.refuse(flaw.at, Reason::new(flaw.code, flaw.text))),
                Ok(Some(extent)) if extent.length <= RECORD_BYTES_MAX => {
                    (self.taken, self.lines) = (extent.taken, self.scanner.breaks + 1);
                    if extent.length > 0 || self.header.len() == 1 {
                        return Ok(Some(extent.length));
                    }
                }
                Ok(None) if self.source.ended() => return Ok(None),
                Ok(None) if self.source.unread().len() <= RECORD_BYTES_MAX => self.source.more()?,
                Ok(_) => {
                    let reason = too_long(self.line).hint("is a quote opened here and never closed?");
                    return Err(Fault::Permanent(reason));
                }
            }
        }
    }

    /// The reason, at the line and column of this byte of the window.
    fn refuse(&self, at: usize, reason: Reason) -> Fault {
        let line = self.line + breaks(&self.source.unread()[..at]);
        let number = self.scanner.spans.iter().take_while(|span| span.end < at).count();
        let column = self.names().get(number).map_or_else(|| (number + 1).to_string(), |name| shown::name(name));
        Fault::Permanent(reason.at_line(line).in_column(column))
    }
}

fn plural(fields: usize) -> &'static str {
    if fields == 1 { "field" } else { "fields" }
}

/// Writes the fields with doubled quotes anew, with single ones.
fn undouble(raw: &str, spans: &mut [Span], rewritten: &mut String) {
    rewritten.clear();
    for span in spans.iter_mut().filter(|span| span.rewritten) {
        let start = rewritten.len();
        for part in raw[span.start..span.end].split_inclusive("\"\"") {
            match part.strip_suffix("\"\"") {
                Some(before) => {
                    rewritten.push_str(before);
                    rewritten.push('"');
                }
                None => rewritten.push_str(part),
            }
        }
        (span.start, span.end) = (start, rewritten.len());
    }
}

/// The reason for bytes that are no UTF-8.
pub fn not_utf8(bytes: &[u8], error: str::Utf8Error) -> Reason {
    let byte = bytes[error.valid_up_to()];
    Reason::new("not_utf8", format!("byte 0x{byte:02X} is not UTF-8"))
        .hint("convert the file first, for instance with iconv -f LATIN1 -t UTF-8")
}

/// The reason for a record that is longer than allowed.
pub fn too_long(line: u64) -> Reason {
    Reason::new("too_long", format!("a record of more than {} MiB", RECORD_BYTES_MAX >> 20)).at_line(line)
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
