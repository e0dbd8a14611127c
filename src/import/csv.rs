//! The rows of a CSV file, behind its header where it has one, each with the line on which it starts.
//!
//! Empty lines are skipped, except in a file of one column, where they are its NULLs.

use std::str;

use super::dialect::{Dialect, Note};
use super::header::{COLUMNS_MAX, EMPTY_COLUMN, Header};
use super::record::{Holds, Record, Span};
use super::reject::Refused;
use super::scanner::{Scanner, breaks, rewrite};
use super::shown;
use super::source::{RECORD_BYTES_MAX, Window};
use super::table::Table;
use crate::fault::{Fault, Reason};

const ENDS_OPEN: &str =
    "this line ends with a delimiter, most likely all do: have files written without it, or name the column";

/// Where the names of the columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns<'t> {
    /// The first record.
    Header,
    /// There is no header, and no table yet: c1, c2, …
    Numbered,
    /// There is no header: the table's columns, by position.
    Table(&'t Table),
}

/// The records of a CSV file behind its header row.
pub struct Reader<S> {
    source: S,
    scanner: Scanner,
    header: Header,
    /// Who says how many fields a record has. `None`: nobody, the first record is being read.
    counted_by: Option<&'static str>,
    /// The line on which the next record starts.
    line: u64,
    /// The bytes of the last record, not consumed while it is borrowed.
    taken: usize,
    /// The lines of the last record, likewise.
    lines: u64,
    /// The length of a record that was looked at and not read.
    looked_at: Option<usize>,
    rewritten: String,
    /// What stands above the rows: a note of the delimiter, and the header as it is.
    raw_header: Option<String>,
    /// Words that are NULL where no quotes are.
    nulls: Vec<String>,
}

impl<S: Window> Reader<S> {
    /// Finds the columns, behind a note of the delimiter. A file without any record has none, and no rows.
    pub fn open(source: S, dialect: Dialect, columns: Columns<'_>) -> Result<Self, Fault> {
        let mut reader = Self::new(source, dialect);
        if dialect.is_noted
            && let Some(note) = Note::of(reader.source.unread())
        {
            reader.skip(note.bytes, 1);
            reader.raw_header = Some(format!("sep={}", char::from(note.delimiter)));
        }
        let (header, counted_by) = match columns {
            Columns::Header => (reader.header_row()?, "header"),
            Columns::Numbered => (reader.numbered()?, "first row"),
            Columns::Table(table) => {
                let fillable = table.columns().iter().filter(|column| !column.generated);
                let names = fillable.map(|column| column.name.as_str());
                (Header::of(names).map_err(Fault::Permanent)?, "table")
            }
        };
        (reader.header, reader.counted_by) = (header, Some(counted_by));
        Ok(reader)
    }

    /// Before anything is known of its columns.
    fn new(source: S, dialect: Dialect) -> Self {
        Self {
            source,
            scanner: Scanner::new(dialect),
            header: Header::default(),
            counted_by: None,
            line: 1,
            taken: 0,
            lines: 0,
            looked_at: None,
            rewritten: String::new(),
            raw_header: None,
            nulls: Vec::new(),
        }
    }

    /// With these words as NULL in the rows to come.
    pub fn with_nulls(self, words: &[String]) -> Self {
        Self { nulls: words.to_vec(), ..self }
    }

    fn header_row(&mut self) -> Result<Header, Fault> {
        let Some(record) = self.record().map_err(Refused::of_file)? else { return Ok(Header::default()) };
        let names = (0..record.spans.len()).map(|column| record.cell(column).text().unwrap_or_default());
        let header = Header::of(names.clone()).map_err(|reason| {
            let reason = reason.at_line(record.line);
            let is_named = |name: &&str| !name.is_empty();
            let ends_open = reason.code == EMPTY_COLUMN
                && names.clone().next().is_some_and(|first| is_named(&first))
                && names.skip_while(is_named).all(str::is_empty);
            Fault::Permanent(if ends_open { reason.hint(ENDS_OPEN) } else { reason })
        })?;
        let raw = record.raw.to_owned();
        self.raw_header = Some(match self.raw_header.take() {
            Some(note) => format!("{note}\n{raw}"),
            None => raw,
        });
        self.check_width().map(|()| header)
    }

    /// By the width of the first record, which stays to be read.
    fn numbered(&mut self) -> Result<Header, Fault> {
        self.looked_at = self.advance()?;
        let columns = self.looked_at.map_or(0, |_| self.scanner.fields);
        self.check_width()?;
        let names: Vec<String> = (1..=columns).map(|number| format!("c{number}")).collect();
        Header::of(names.iter().map(String::as_str)).map_err(Fault::Permanent)
    }

    fn check_width(&self) -> Result<(), Fault> {
        let columns = self.scanner.fields;
        if columns <= COLUMNS_MAX {
            return Ok(());
        }
        let text = format!("{columns} columns, where at most {COLUMNS_MAX} fit a table");
        Err(Fault::Permanent(Reason::new("too_many_columns", text).at_line(self.line)))
    }

    /// What the columns are called.
    pub fn names(&self) -> &[String] {
        self.header.names()
    }

    /// What stands above the rows: the line that they stand in, and one that says what separates them.
    pub fn raw_header(&self) -> Option<&str> {
        self.raw_header.as_deref()
    }

    /// How it is written.
    pub fn dialect(&self) -> Dialect {
        self.scanner.dialect
    }

    /// What separates the fields.
    pub fn delimiter(&self) -> u8 {
        self.scanner.dialect.delimiter
    }

    /// The bytes behind the records.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The text behind the last record, where another reader can begin: not where a record was looked at, nor
    /// where escapes hide quotes from who only counts them.
    pub fn rest(&mut self) -> Option<&mut S> {
        if self.looked_at.is_some() || self.scanner.dialect.escape.is_some() {
            return None;
        }
        self.pass();
        Some(&mut self.source)
    }

    /// A reader of a part of it.
    pub fn part<P: Window>(&self, source: P) -> Reader<P> {
        let (header, nulls) = (self.header.clone(), self.nulls.clone());
        Reader { header, nulls, counted_by: self.counted_by, ..Reader::new(source, self.dialect()) }
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

    /// Goes behind the last record.
    fn pass(&mut self) {
        self.source.consume(std::mem::take(&mut self.taken));
        self.line += std::mem::take(&mut self.lines);
    }

    /// The next record, with as many fields as the header. `None`: the file has ended.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        self.record()
    }

    fn record(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        let length = match self.looked_at.take() {
            None => self.advance()?,
            length => length,
        };
        let Some(length) = length else { return Ok(None) };
        let raw = &self.source.unread()[..length];
        if let Some(at) = memchr::memchr(0, raw) {
            return Err(self.refuse(at, nul_byte()).into());
        }
        let raw = match str::from_utf8(raw) {
            Ok(raw) => raw,
            Err(error) => return Err(self.refuse(error.valid_up_to(), not_utf8(raw, error)).into()),
        };
        if let Some(reason) = self.misfit(length)? {
            return Err(Refused::Record(Box::new(reason), raw.into()));
        }
        self.rewritten.clear();
        if self.scanner.rewritten {
            rewrite(raw, self.scanner.dialect, &mut self.scanner.spans, &mut self.rewritten);
        }
        if !self.nulls.is_empty() {
            take_nulls(raw, self.scanner.dialect.quote, &self.nulls, &mut self.scanner.spans);
        }
        let (line, names, rewritten) = (self.line, self.header.names(), &self.rewritten);
        Ok(Some(Record { line, number: None, key: None, names, raw, rewritten, spans: &self.scanner.spans }))
    }

    /// What is wrong with a record that hasn't as many fields as there are columns. One that has fewer where the file
    /// ends within its line is the last of a file that was cut off.
    fn misfit(&self, length: usize) -> Result<Option<Reason>, Fault> {
        let (fields, columns) = (self.scanner.fields, self.header.len());
        let Some(counted_by) = self.counted_by.filter(|_| fields != columns) else { return Ok(None) };
        let noun = if fields == 1 { "field" } else { "fields" };
        let text = format!("{fields} {noun} where the {counted_by} has {columns}");
        let reason = Reason::new("ragged_row", text).at_line(self.line);
        if fields < columns && self.source.ended() && self.source.unread().len() == length {
            let hint = "the file ends here, within a line: was it cut off?";
            return Err(Fault::Permanent(reason.hint(hint)));
        }
        Ok(Some(reason))
    }

    /// Goes to the next record, complete in the window; answers its length.
    fn advance(&mut self) -> Result<Option<usize>, Fault> {
        loop {
            self.pass();
            match self.scanner.scan(self.source.unread(), self.source.ended()) {
                Err(flaw) => return Err(self.refuse(flaw.at, Reason::new(flaw.code, flaw.text))),
                Ok(Some(extent)) if extent.length <= RECORD_BYTES_MAX => {
                    (self.taken, self.lines) = (extent.taken, self.scanner.breaks + 1);
                    let is_row = extent.length > 0 || self.header.len() == 1;
                    if is_row && self.scanner.fields > 0 {
                        return Ok(Some(extent.length));
                    }
                }
                Ok(None) if self.source.ended() => return Ok(None),
                Ok(None) if self.source.unread().len() <= RECORD_BYTES_MAX => {
                    self.source.more().map_err(|fault| self.broken(fault))?;
                }
                Ok(_) => {
                    let reason = too_long(self.line).hint("is a quote opened here and never closed?");
                    return Err(Fault::Permanent(reason));
                }
            }
        }
    }

    /// The fault, where the text that can be read ends.
    fn broken(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Permanent(reason) => self.refuse(self.source.unread().len(), reason),
            other => other,
        }
    }

    /// The reason, at the line and column of this byte of the window.
    fn refuse(&self, at: usize, reason: Reason) -> Fault {
        let line = self.line + breaks(&self.source.unread()[..at]);
        let number = self.scanner.spans.iter().take_while(|span| span.bytes().end < at).count();
        let column = self.names().get(number).map_or_else(|| (number + 1).to_string(), |name| shown::name(name));
        Fault::Permanent(reason.at_line(line).in_column(column))
    }
}

fn take_nulls(raw: &str, quote: Option<u8>, words: &[String], spans: &mut [Span]) {
    for span in spans.iter_mut().filter(|span| span.holds == Holds::Field && !span.rewritten) {
        let bytes = span.bytes();
        let is_quoted = bytes.start > 0 && Some(raw.as_bytes()[bytes.start - 1]) == quote;
        if !is_quoted && words.iter().any(|word| *word == raw[bytes.clone()]) {
            *span = Span::NULL;
        }
    }
}

/// The reason for a byte that no text has.
pub fn nul_byte() -> Reason {
    let hint = "is the file no text, or did it lose its end in a crash? if it is UTF-16, declare it: import.encoding = \"utf-16le\"";
    Reason::new("nul_byte", "a NUL byte").hint(hint)
}

/// The reason for bytes that are no UTF-8.
pub fn not_utf8(bytes: &[u8], error: str::Utf8Error) -> Reason {
    let byte = bytes[error.valid_up_to()];
    Reason::new("not_utf8", format!("byte 0x{byte:02X} is not UTF-8"))
        .hint("declare the file's encoding, for instance import.encoding = \"windows-1252\"")
}

/// The reason for a record that is longer than allowed.
pub fn too_long(line: u64) -> Reason {
    Reason::new("too_long", format!("a record of more than {} MiB", RECORD_BYTES_MAX >> 20)).at_line(line)
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
