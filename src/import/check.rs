//! process: every row of a file is parsed, typed and checked against the table; nothing outside memory changes.

use std::sync::Arc;

use super::ahead;
use super::halves::{Half, Halves};
use super::layout::Layout;
use super::reader::Reader;
use super::reading::Reading;
use super::record::{Cell, Record, Records};
use super::reject::{Refused, Rejects};
use super::rows::{KEPT_BYTES_MAX, Kept, Reject, Rows, Sink};
use super::shown;
use super::source::Window as _;
use super::table::Table;
use super::value::Value;
use crate::fault::{Fault, Reason};
use crate::file::Digest;
use crate::settings::{self, Tolerance};

/// A file whose rows fit, but for so few that it goes in without them.
#[derive(Debug)]
pub struct Checked {
    pub(super) rows: u64,
    pub(super) rejects: Rejects,
    pub(super) digest: Digest,
    /// The header of CSV, as it stands in the file.
    pub(super) header: Option<String>,
    /// The delimiter of CSV: whoever reads it again reads it with that.
    pub(super) delimiter: Option<u8>,
    /// The same, where it was to be seen and is the folder's.
    pub(super) folders_delimiter: Option<u8>,
    /// The table as it was, when it is to get columns for this file.
    pub(super) narrower: Option<Arc<Table>>,
    /// The table wasn't there, and is to be made as this file needs it.
    pub(super) new_table: bool,
    pub(super) content: Content,
}

/// What there is to insert.
#[derive(Debug)]
pub(super) enum Content {
    /// No row: the table is left alone.
    Nothing,
    /// `kept`: its rows, and what doesn't fit; without, the file is read again.
    Rows { layout: Arc<Layout>, kept: Option<Kept> },
}

impl Checked {
    /// How many rows it has that fit.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of its rows don't fit.
    #[must_use]
    pub fn rejects(&self) -> u64 {
        self.rejects.count()
    }

    /// The hash of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it can be inserted into the table as it is now; `None`: it isn't there.
    pub(super) fn fits(&self, table: Option<&Arc<Table>>) -> bool {
        match (&self.content, table) {
            (Content::Nothing, _) => true,
            (Content::Rows { .. }, None) => self.new_table,
            (Content::Rows { layout, .. }, Some(table)) => {
                let expected = self.narrower.as_ref().unwrap_or(layout.table());
                Arc::ptr_eq(expected, table) || expected == table
            }
        }
    }

    /// The table as it is to be, where it is to get columns.
    pub(super) fn wider(&self) -> Option<&Arc<Table>> {
        match (&self.content, &self.narrower) {
            (Content::Rows { layout, .. }, Some(_)) => Some(layout.table()),
            _ => None,
        }
    }

    /// The table as it is to be, where it is to be made or to get columns.
    pub(super) fn to_be(&self) -> Option<&Arc<Table>> {
        match &self.content {
            Content::Rows { layout, .. } if self.new_table => Some(layout.table()),
            _ => self.wider(),
        }
    }

    /// How much memory it takes until it is committed.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        match &self.content {
            Content::Rows { kept: Some(kept), .. } => kept.bytes(),
            _ => 0,
        }
    }
}

/// Checks the file against the table. `known`: the layout of an earlier file, taken where it fits.
pub fn against(
    reader: &mut Reader<'_>,
    table: &Arc<Table>,
    settings: &Arc<settings::Import>,
    known: Option<Arc<Layout>>,
) -> Result<Checked, Fault> {
    let known = known.filter(|known| Arc::ptr_eq(known.table(), table) && known.names() == reader.names());
    let layout = match known {
        Some(known) => known,
        None => Arc::new(Layout::new(table, settings, reader.names()).map_err(Fault::Permanent)?),
    };
    let mut rejects = Rejects::new(settings.rejects);
    let (mut layout, count, kept) = if reader.source().size() > KEPT_BYTES_MAX as u64 {
        let (layout, count) = count(reader, layout, &mut rejects)?;
        (layout, count, None)
    } else {
        let (mut kept, mut count) = (Kept::default(), 0);
        let layout = each(reader, layout, Texts::of(settings), |rows| {
            count += told(rows, &mut rejects);
            kept.keep(rows);
            Ok(())
        })?;
        (layout, count, kept.all())
    };
    rejects.check(count)?;
    let content = if count == 0 {
        Content::Nothing
    } else {
        if !layout.is_complete() {
            Arc::make_mut(&mut layout).complete().map_err(Fault::Permanent)?;
        }
        Content::Rows { layout, kept }
    };
    Ok(Checked { new_table: false, ..checked(reader, count, rejects, content) })
}

/// How many records fit, and the layout with all columns that were found.
pub fn count(reader: &mut Reader<'_>, layout: Arc<Layout>, rejects: &mut Rejects) -> Result<(Arc<Layout>, u64), Fault> {
    let (mut typing, mut halves) = (Typing::new(layout, Texts::Dropped), Halves::default());
    let (mut rows, mut count) = (Rows::default(), 0);
    loop {
        let layout = &typing.layout;
        halves.pass(reader, |half| fitting(half, layout), |fitting| count += fitting)?;
        let filled = typing.fill(reader, &mut rows);
        count += told(&rows, rejects);
        rows.clear();
        if !filled? {
            return Ok((typing.layout, count));
        }
    }
}

/// How many rows there are; the records between them that don't fit are added.
fn told(rows: &Rows, rejects: &mut Rejects) -> u64 {
    rows.rejects().iter().for_each(|reject| rejects.add(reject.reason.clone()));
    rows.len() as u64
}

/// How many records of a half fit, if all do, with these columns.
fn fitting(half: &mut Half<'_>, layout: &Layout) -> Option<u64> {
    let (mut count, mut scratch) = (0, String::new());
    while let Some(record) = half.next().ok()? {
        if record.names.len() > layout.names().len() || misfit(&record, layout, &mut scratch, |_| ()).is_some() {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// What was found in a file; the table was not there.
pub fn checked(reader: &Reader<'_>, rows: u64, rejects: Rejects, content: Content) -> Checked {
    let header = reader.raw_header().map(str::to_owned);
    let (delimiter, folders_delimiter) = (reader.delimiter(), reader.folders_delimiter());
    let (digest, narrower, new_table) = (reader.digest(), None, true);
    Checked { rows, rejects, digest, header, delimiter, folders_delimiter, narrower, new_table, content }
}

/// Whether the texts of records that fit are kept with them: the database may refuse some, and they are then told with theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// They may be asked for.
    Kept,
    /// Nobody will ask.
    Dropped,
}

impl Texts {
    /// Where no record may be left out, the first that is refused has its whole file refused.
    pub fn of(settings: &settings::Import) -> Self {
        if settings.rejects == Tolerance::NONE { Self::Dropped } else { Self::Kept }
    }
}

/// Hands all records on to `work`, typed, and those that don't fit, as rejects. Answers the layout with all columns that were found.
pub fn each(
    reader: &mut Reader<'_>,
    layout: Arc<Layout>,
    texts: Texts,
    work: impl FnMut(&mut Rows) -> Result<(), Fault>,
) -> Result<Arc<Layout>, Fault> {
    let (is_large, rows) = (!reader.source().ended(), Rows::with_room(reader.bytes()));
    let mut typing = Typing::new(layout, texts);
    ahead::each(is_large, rows, |rows| typing.fill(reader, rows), work)?;
    Ok(typing.layout)
}

/// Makes rows of records.
pub struct Typing {
    layout: Arc<Layout>,
    texts: Texts,
    scratch: String,
}

impl Typing {
    /// Laid out like this.
    pub fn new(layout: Arc<Layout>, texts: Texts) -> Self {
        Self { layout, texts, scratch: String::new() }
    }

    /// Until they are many. `false`: there are no more.
    pub fn fill(&mut self, records: &mut impl Records, rows: &mut Rows) -> Result<bool, Fault> {
        while !rows.are_many() {
            let record = match records.next() {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(false),
                Err(Refused::Record(reason, text)) => {
                    rows.reject(*reason, text.into_owned());
                    continue;
                }
                Err(Refused::File(fault)) => return Err(fault),
            };
            let known = self.layout.names().len();
            if record.names.len() > known {
                let added = Arc::make_mut(&mut self.layout).add(&record.names[known..]);
                added.map_err(|reason| Fault::Permanent(record.place(reason)))?;
            }
            match misfit(&record, &self.layout, &mut self.scratch, |value| rows.cell(value)) {
                None if self.texts == Texts::Kept => rows.row(record.line, &record.text()),
                None => rows.row(record.line, ""),
                Some(reason) => rows.reject(record.place(reason), record.text().into_owned()),
            }
        }
        Ok(true)
    }
}

/// Why a record is no row, if it isn't. `take` gets its cells.
#[inline]
fn misfit(
    record: &Record<'_>,
    layout: &Layout,
    scratch: &mut String,
    mut take: impl FnMut(Value<'_>),
) -> Option<Reason> {
    for taken in layout.taken() {
        match taken.reading.read(record.cell(taken.column), scratch) {
            None => return Some(misread(record, taken.column, &taken.reading)),
            Some(Value::Null) if taken.is_key => return Some(null_key(&layout.names()[taken.column])),
            Some(value) => take(value),
        }
    }
    layout.lacking_key().map(null_key)
}

/// Hands rows and rejects to the sink. Answers how many rows it took; the others are rejects as well.
pub fn put(rows: &Rows, rejects: &mut Rejects, sink: &mut (impl Sink + ?Sized)) -> Result<u64, Fault> {
    for Reject { reason, record } in rows.rejects() {
        set_aside(reason.clone(), record, rejects, sink)?;
    }
    let mut refused = Vec::new();
    sink.rows(rows, &mut |row, reason| refused.push((row, reason)))?;
    let taken = (rows.len() - refused.len()) as u64;
    for (row, reason) in refused {
        set_aside(reason, rows.record(row), rejects, sink)?;
    }
    Ok(taken)
}

/// One that doesn't fit. It is kept only while the file may go in without it: all rows of a large one may not fit.
fn set_aside(
    reason: Reason,
    record: &str,
    rejects: &mut Rejects,
    sink: &mut (impl Sink + ?Sized),
) -> Result<(), Fault> {
    if rejects.have_room() {
        sink.reject(&reason, record)?;
    } else {
        sink.skip();
    }
    rejects.add(reason);
    Ok(())
}

/// Of a record that is read without a layout: why it is no row, where its key has a NULL.
pub fn keyless(record: &Record<'_>, key: &[String]) -> Option<Reason> {
    key.iter().find_map(|key| match record.names.iter().position(|name| name.eq_ignore_ascii_case(key)) {
        Some(column) if record.cell(column) != Cell::Null => None,
        Some(column) => Some(null_key(&record.names[column])),
        None => Some(null_key(key)),
    })
}

fn null_key(column: &str) -> Reason {
    Reason::new("null_key", "NULL in the key, which tells one row from another").in_column(shown::name(column))
}

/// Why the cell of this column is no value.
fn misread(record: &Record<'_>, column: usize, reading: &Reading) -> Reason {
    reading.misfit(record.cell(column)).in_column(shown::name(&record.names[column]))
}

/// Why the record isn't as the settings declare its columns, if it isn't.
pub fn misdeclared(record: &Record<'_>, declared: &[Option<Reading>], scratch: &mut String) -> Option<Reason> {
    declared.iter().enumerate().find_map(|(column, reading)| {
        let reading = reading.as_ref()?;
        let is_one = reading.read(record.cell(column), scratch).is_some();
        (!is_one).then(|| misread(record, column, reading))
    })
}
