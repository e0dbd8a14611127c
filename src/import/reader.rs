//! Opens a file as what it is: by the settings, else by its name, else by its content.

use std::ffi::OsStr;
use std::fs::File;

use super::csv::Columns;
use super::dialect::Known;
use super::halves::{Half, Part};
use super::record::{Record, Records};
use super::reject::Refused;
use super::source::{Source, Window as _};
use super::table::Table;
use super::{content, csv, dialect, json, ndjson};
use crate::fault::Fault;
use crate::file::Digest;
use crate::settings::{self, Format};

const TAB: u8 = b'\t';

/// A file's records.
pub enum Reader<'f> {
    /// Rows of CSV, and whether a folder's other files are to have its delimiter.
    Csv(Box<csv::Reader<Source<'f>>>, bool),
    /// Lines of NDJSON.
    Ndjson(ndjson::Reader<Source<'f>>),
    /// Objects of a JSON document.
    Json(json::Reader<'f>),
}

impl<'f> Reader<'f> {
    /// `earlier`: the delimiter of this folder's earlier files; `table`: where it goes, when that is there.
    pub fn open(
        file: &'f File,
        name: &OsStr,
        settings: &settings::Import,
        earlier: Option<u8>,
        table: Option<&Table>,
    ) -> Result<Self, Fault> {
        let source = Source::open(file, settings)?;
        let format = content::format(source.unread(), name, settings.format);
        match format {
            Format::Csv | Format::Tsv => {
                let known = match (settings.csv.delimiter, format, settings.format, earlier) {
                    (Some(declared), ..) => Known::Declared(declared),
                    (None, Format::Tsv, Some(_), _) => Known::Declared(TAB),
                    (None, Format::Tsv, None, _) => Known::Named(TAB),
                    (.., Some(earlier)) => Known::Earlier(earlier),
                    (.., None) => Known::Nothing,
                };
                let dialect = dialect::find(source.unread(), source.ended(), &settings.csv, known)?;
                let columns = match table {
                    _ if settings.csv.header => Columns::Header,
                    Some(table) => Columns::Table(table),
                    None => Columns::Numbered,
                };
                let reader = csv::Reader::open(source, dialect, columns)?.with_nulls(&settings.nulls);
                Ok(Self::Csv(Box::new(reader), format == Format::Csv))
            }
            Format::Ndjson => Ok(Self::Ndjson(ndjson::Reader::open(source))),
            Format::Json => Ok(Self::Json(json::Reader::open(source, &settings.records))),
        }
    }

    /// What the columns are called; JSON may still find more.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Csv(reader, _) => reader.names(),
            Self::Ndjson(reader) => reader.names(),
            Self::Json(reader) => reader.names(),
        }
    }

    /// What stands above the rows of CSV: the line that names the columns, and one that says what separates them.
    pub fn raw_header(&self) -> Option<&str> {
        match self {
            Self::Csv(reader, _) => reader.raw_header(),
            Self::Ndjson(_) | Self::Json(_) => None,
        }
    }

    /// What separates the fields of CSV, or would.
    pub fn delimiter(&self) -> Option<u8> {
        match self {
            Self::Csv(reader, _) => Some(reader.delimiter()),
            Self::Ndjson(_) | Self::Json(_) => None,
        }
    }

    /// The same, where it was to be seen and the file doesn't say it itself: the folder's other files are to have it.
    pub fn folders_delimiter(&self) -> Option<u8> {
        let is_to_be_seen =
            matches!(self, Self::Csv(reader, true) if reader.names().len() > 1 && !reader.dialect().is_noted);
        self.delimiter().filter(|_| is_to_be_seen)
    }

    /// The hash of the file, as far as it was read.
    pub fn digest(&self) -> Digest {
        self.source().digest()
    }

    /// How many bytes of text were read.
    pub fn bytes(&self) -> u64 {
        self.source().bytes()
    }

    /// The text behind the last record, where other readers can begin.
    pub fn rest(&mut self) -> Option<&mut Source<'f>> {
        match self {
            Self::Csv(reader, _) => reader.rest(),
            Self::Ndjson(reader) => Some(reader.rest()),
            Self::Json(_) => None,
        }
    }

    /// A reader of a part of that text, which knows the columns that were found so far.
    pub fn half<'t>(&self, text: &'t [u8]) -> Option<Half<'t>> {
        match self {
            Self::Csv(reader, _) => Some(Half::Csv(Box::new(reader.part(Part(text))))),
            Self::Ndjson(reader) => Some(Half::Ndjson(Box::new(reader.part(Part(text))))),
            Self::Json(_) => None,
        }
    }

    /// Goes on behind what others have read.
    pub fn skip(&mut self, bytes: usize, lines: u64) {
        match self {
            Self::Csv(reader, _) => reader.skip(bytes, lines),
            Self::Ndjson(reader) => reader.skip(bytes, lines),
            Self::Json(_) => unreachable!("nobody else reads it"),
        }
    }

    /// What encloses fields of CSV.
    pub fn quote(&self) -> Option<u8> {
        match self {
            Self::Csv(reader, _) => reader.dialect().quote,
            Self::Ndjson(_) | Self::Json(_) => None,
        }
    }

    /// The text behind the records.
    pub fn source(&self) -> &Source<'f> {
        match self {
            Self::Csv(reader, _) => reader.source(),
            Self::Ndjson(reader) => reader.source(),
            Self::Json(reader) => reader.source(),
        }
    }
}

impl Records for Reader<'_> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        match self {
            Self::Csv(reader, _) => reader.next(),
            Self::Ndjson(reader) => reader.next(),
            Self::Json(reader) => reader.next(),
        }
    }
}
