//! What the fuzz targets (`tests/fuzz`) see of this module beside what everybody sees; built for them only.

use std::cell::Cell as Held;
use std::ffi::OsStr;
use std::fs::File;

pub use super::guess::Guess;
pub use super::record::{Cell, Holds};
pub use super::value::{Type, Value};

use super::reader::Reader;
use super::record::Records as _;
use super::reject::Refused;
use super::source::{Source, Window as _};
use super::sqlite;
use super::unpack::Unpacked;
use crate::fault::Fault;
use crate::settings::{self, Unpack};

/// How a file comes in: in which pieces must not matter.
#[derive(Debug, Clone, Copy)]
pub struct Cuts {
    /// The most bytes of one read.
    pub read_bytes: usize,
    /// The window over the text, before a record needs more.
    pub window_bytes: usize,
}

impl Cuts {
    /// As much as there is.
    pub const NONE: Self = Self { read_bytes: usize::MAX, window_bytes: usize::MAX };
}

thread_local! {
    static CUTS: Held<Cuts> = const { Held::new(Cuts::NONE) };
}

/// From now on, on this thread.
pub fn cut(cuts: Cuts) {
    CUTS.set(cuts);
}

/// What is in force.
pub(super) fn cuts() -> Cuts {
    CUTS.get()
}

/// The part of `into` that one read may fill.
pub(super) fn cut_read(into: &mut [u8]) -> &mut [u8] {
    let most = into.len().min(cuts().read_bytes);
    &mut into[..most]
}

/// The records of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// What the columns are called.
    pub names: Vec<String>,
    /// Each with its line, and its cells by column.
    pub rows: Vec<(u64, Vec<(Holds, String)>)>,
}

/// Reads all records of a file.
///
/// # Errors
///
/// As it is refused.
pub fn records(file: &File, name: &str, settings: &settings::Import) -> Result<Records, Fault> {
    let mut reader = Reader::open(file, OsStr::new(name), settings, None, None)?;
    let (mut rows, mut first) = (Vec::new(), None);
    loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            // As an import does: what is wrong with the whole file is said before what is with a record.
            Err(Refused::Record(reason, _)) => {
                first.get_or_insert(*reason);
                continue;
            }
            Err(Refused::File(fault)) => return Err(fault),
        };
        let cells = record.spans.iter().zip(0..).map(|(span, column)| {
            let text = record.cell(column).text().unwrap_or_default();
            (span.holds, text.to_owned())
        });
        rows.push((record.line, cells.collect()));
    }
    match first {
        Some(reason) => Err(Fault::Permanent(reason)),
        None => Ok(Records { names: reader.names().to_vec(), rows }),
    }
}

/// What a column of SQLite that is declared like this holds.
#[must_use]
pub fn type_of(declared: &str) -> Type {
    sqlite::type_of(declared)
}

/// What the column holds that SQLite makes for values of this type.
#[must_use]
pub fn as_made(kind: Type) -> Type {
    sqlite::as_made(kind)
}

/// All of a file's text, unpacked and decoded.
///
/// # Errors
///
/// As it is refused.
pub fn text(file: &File, settings: &settings::Import) -> Result<Vec<u8>, Fault> {
    let mut source = Source::open(file, settings)?;
    let mut text = Vec::new();
    loop {
        text.extend_from_slice(source.unread());
        source.consume(source.unread().len());
        if source.ended() {
            return Ok(text);
        }
        source.more()?;
    }
}

/// What a compressed file holds, taken out in pieces of this size.
///
/// # Errors
///
/// As it is refused.
pub fn unpacked(file: &File, limits: Unpack, piece_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut unpacked = Unpacked::open(file, limits)?;
    let (mut content, mut piece) = (Vec::new(), vec![0; piece_bytes]);
    loop {
        match unpacked.fill(&mut piece)? {
            0 => return Ok(content),
            filled => content.extend_from_slice(&piece[..filled]),
        }
    }
}
