//! CSV (RFC 4180): the fields of one record in a buffer, and whether each was quoted.
//!
//! Written by hand because the difference between an empty field and a quoted empty one matters
//! (NULL and the empty string), and because a quote that is never closed must name its line.
//!
//! Stricter than most: a quote inside an unquoted field and text behind a closing quote are
//! refused, since programs disagree on what they mean; so is an escape in front of a letter or a digit, but for
//! `\N`, which every program that writes it means as NULL. Lines end with LF, CRLF or CR, mixed as
//! may be.

use super::dialect::Dialect;
use super::header::COLUMNS_MAX;
use super::record::{Holds, Span};

/// Finds the fields of one record in a buffer.
pub struct Scanner {
    /// The bytes that mean something.
    pub dialect: Dialect,
    /// The bytes that end an unquoted field, or mean something within.
    stops: [bool; 256],
    /// The fields of the last record, as far as a table could hold them.
    pub spans: Vec<Span>,
    /// How many fields the last record has; none: it is a comment.
    pub fields: usize,
    /// Whether a field of it has doubled quotes or escapes.
    pub rewritten: bool,
    /// Line breaks inside its fields.
    pub breaks: u64,
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
    /// The byte of the buffer.
    pub at: usize,
    /// A stable word.
    pub code: &'static str,
    /// In words.
    pub text: &'static str,
}

impl Scanner {
    /// For this dialect.
    pub fn new(dialect: Dialect) -> Self {
        let mut stops = [false; 256];
        let special = [dialect.quote, dialect.escape].into_iter().flatten();
        for byte in special.chain([dialect.delimiter, b'\n', b'\r']) {
            stops[usize::from(byte)] = true;
        }
        Self { dialect, stops, spans: Vec::new(), fields: 0, rewritten: false, breaks: 0 }
    }

    /// The record that starts at the first of `bytes`. `None`: it isn't complete; with `last` (no
    /// more bytes will come): there is none.
    pub fn scan(&mut self, bytes: &[u8], last: bool) -> Result<Option<Extent>, Flaw> {
        self.spans.clear();
        (self.fields, self.rewritten, self.breaks) = (0, false, 0);
        let Some(&first) = bytes.first() else { return Ok(None) };
        if self.dialect.comment == Some(first) {
            let end = memchr::memchr2(b'\n', b'\r', bytes).or(last.then_some(bytes.len()));
            return Ok(end.and_then(|end| line_end(bytes, end, last)));
        }
        let mut at = 0;
        loop {
            let end = match bytes.get(at) {
                Some(&byte) if self.dialect.quote == Some(byte) => self.quoted(bytes, at, byte, last)?,
                _ => self.bare(bytes, at, last)?,
            };
            let Some(end) = end else { return Ok(None) };
            match bytes.get(end) {
                Some(&byte) if byte == self.dialect.delimiter => at = end + 1,
                _ => return Ok(line_end(bytes, end, last)),
            }
        }
    }

    /// An unquoted field; answers where it ends.
    fn bare(&mut self, bytes: &[u8], start: usize, last: bool) -> Result<Option<usize>, Flaw> {
        let Some(end) = self.stop(bytes, start, last) else { return Ok(None) };
        if bytes.get(end).is_some_and(|&byte| self.is_special(byte)) {
            return self.bare_special(bytes, start, end, last);
        }
        let holds = if start == end { Holds::Null } else { Holds::Field };
        self.push(Span::raw(holds, start..end));
        Ok(Some(end))
    }

    /// The next byte that ends an unquoted field, or means something within.
    fn stop(&self, bytes: &[u8], from: usize, last: bool) -> Option<usize> {
        let length = bytes[from..].iter().position(|&byte| self.stops[usize::from(byte)]);
        length.map(|length| from + length).or(last.then_some(bytes.len()))
    }

    fn is_special(&self, byte: u8) -> bool {
        self.dialect.quote == Some(byte) || self.dialect.escape == Some(byte)
    }

    /// An unquoted field with a quote or an escape, the first of which is at `stop`.
    #[cold]
    fn bare_special(&mut self, bytes: &[u8], start: usize, stop: usize, last: bool) -> Result<Option<usize>, Flaw> {
        if bytes[start..].starts_with(&[bytes[stop], b'N']) && self.dialect.escape == Some(bytes[stop]) {
            return self.null(bytes, start, last);
        }
        let mut end = stop;
        while let Some(&byte) = bytes.get(end).filter(|&&byte| self.is_special(byte)) {
            if self.dialect.escape != Some(byte) {
                return Err(Flaw { at: end, code: "stray_quote", text: "a quote inside an unquoted field" });
            }
            let Some(behind) = escaped(bytes, end, last)? else { return Ok(None) };
            let Some(next) = self.stop(bytes, behind, last) else { return Ok(None) };
            end = next;
        }
        self.rewritten = true;
        // CR that an escape keeps in the field and LF that ends the record are one line end to whoever looks.
        let is_one = bytes[..end].ends_with(b"\r") && bytes.get(end) == Some(&b'\n');
        self.breaks += breaks(&bytes[start..end]) - u64::from(is_one);
        self.push(Span::rewritten(Holds::Field, start..end));
        Ok(Some(end))
    }

    /// `\N` alone in its field.
    fn null(&mut self, bytes: &[u8], start: usize, last: bool) -> Result<Option<usize>, Flaw> {
        let end = start + 2;
        match bytes.get(end) {
            None if !last => return Ok(None),
            None | Some(b'\n' | b'\r') => {}
            Some(&byte) if byte == self.dialect.delimiter => {}
            Some(_) => return Err(unclear(start)),
        }
        self.push(Span::raw(Holds::Null, start..end));
        Ok(Some(end))
    }

    /// A quoted field; answers where it ends, behind the closing quote.
    fn quoted(&mut self, bytes: &[u8], open: usize, quote: u8, last: bool) -> Result<Option<usize>, Flaw> {
        let unclosed = Flaw { at: open, code: "unclosed_quote", text: "a quote opens here and never closes" };
        let mut rewritten = false;
        let mut close = open + 1;
        loop {
            let rest = &bytes[close..];
            let found = match self.dialect.escape {
                None => memchr::memchr(quote, rest),
                Some(escape) => memchr::memchr2(quote, escape, rest),
            };
            close += match found {
                Some(length) => length,
                None if last => return Err(unclosed),
                None => return Ok(None),
            };
            if bytes[close] != quote {
                rewritten = true;
                close = match escaped(bytes, close, last) {
                    Ok(Some(behind)) => behind,
                    Ok(None) => return Ok(None),
                    Err(flaw) if flaw.code == UNFINISHED => return Err(unclosed),
                    Err(flaw) => return Err(flaw),
                };
                continue;
            }
            match bytes.get(close + 1) {
                Some(&byte) if byte == quote => (rewritten, close) = (true, close + 2),
                None if !last => return Ok(None),
                None | Some(b'\n' | b'\r') => break,
                Some(&byte) if byte == self.dialect.delimiter => break,
                Some(_) => {
                    return Err(Flaw { at: close + 1, code: "stray_quote", text: "text behind a closing quote" });
                }
            }
        }
        self.rewritten |= rewritten;
        self.breaks += breaks(&bytes[open + 1..close]);
        self.push(if rewritten {
            Span::rewritten(Holds::Field, open + 1..close)
        } else {
            Span::raw(Holds::Field, open + 1..close)
        });
        Ok(Some(close + 1))
    }

    fn push(&mut self, span: Span) {
        self.fields += 1;
        if self.fields <= COLUMNS_MAX {
            self.spans.push(span);
        }
    }
}

/// The extent of a record whose last field ends here.
fn line_end(bytes: &[u8], end: usize, last: bool) -> Option<Extent> {
    match bytes.get(end) {
        Some(b'\r') if end + 1 == bytes.len() && !last => None,
        Some(b'\r') if bytes.get(end + 1) == Some(&b'\n') => Some(Extent { length: end, taken: end + 2 }),
        Some(_) => Some(Extent { length: end, taken: end + 1 }),
        None => Some(Extent { length: end, taken: end }),
    }
}

/// The code of a [`Flaw`]: nothing follows the escape.
const UNFINISHED: &str = "unfinished_escape";

/// What lies behind an escape and the character that it protects. `None`: it isn't there yet.
fn escaped(bytes: &[u8], at: usize, last: bool) -> Result<Option<usize>, Flaw> {
    match bytes.get(at + 1) {
        None if last => Err(Flaw { at, code: UNFINISHED, text: "the file ends behind an escape" }),
        None => Ok(None),
        Some(byte) if byte.is_ascii_alphanumeric() => Err(unclear(at)),
        Some(_) => Ok(Some(at + 2)),
    }
}

fn unclear(at: usize) -> Flaw {
    Flaw {
        at,
        code: "unclear_escape",
        text: "an escape in front of a letter or a digit: programs disagree on its meaning",
    }
}

/// How many lines end in `bytes`: LF, CRLF and CR are one each.
pub fn breaks(bytes: &[u8]) -> u64 {
    memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
        .count() as u64
}

/// Writes the fields with doubled quotes or escapes anew, without them.
pub fn rewrite(raw: &str, dialect: Dialect, spans: &mut [Span], rewritten: &mut String) {
    rewritten.clear();
    let mut special = [dialect.quote, dialect.escape].into_iter().flatten();
    let Some(first) = special.next() else { return };
    let second = special.next().unwrap_or(first);
    for span in spans.iter_mut().filter(|span| span.rewritten) {
        let start = rewritten.len();
        let mut rest = &raw[span.bytes()];
        while let Some(at) = memchr::memchr2(first, second, rest.as_bytes()) {
            // What follows is meant, be it a quote behind a quote: none is alone here.
            rewritten.push_str(&rest[..at]);
            let mut behind = rest[at + 1..].chars();
            rewritten.extend(behind.next());
            rest = behind.as_str();
        }
        rewritten.push_str(rest);
        *span = Span::rewritten(span.holds, start..rewritten.len());
    }
}
