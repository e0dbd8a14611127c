//! process: every row of a file is parsed, typed and checked against the table; nothing outside memory changes.

use std::sync::Arc;

use super::infer::Guess;
use super::layout::Layout;
use super::reader::Reader;
use super::reading::{self, Reading};
use super::record::{Cell, Record};
use super::reject::{Refused, Rejects};
use super::rows::{KEPT_BYTES_MAX, Rows, Sink};
use super::shown;
use super::sqlite;
use super::table::Table;
use super::value::Type;
use crate::fault::{Fault, Reason};
use crate::file::Digest;
use crate::settings::{self, Column};

/// A file whose rows fit, but for so few that it goes in without them.
#[derive(Debug)]
pub struct Checked {
    pub(super) rows: u64,
    pub(super) rejects: Rejects,
    pub(super) digest: Digest,
    /// The header of CSV, as it stands in the file.
    pub(super) header: Option<String>,
    /// The delimiter, where it was to be seen.
    pub(super) delimiter: Option<u8>,
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
    Rows { layout: Arc<Layout>, kept: Option<Rows> },
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
                Arc::ptr_eq(layout.table(), table) || layout.table() == table
            }
        }
    }

    /// How much memory it takes until it is committed.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        match &self.content {
            Content::Rows { kept: Some(rows), .. } => rows.bytes(),
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
    let (mut kept, mut rejects) = (Rows::default(), Rejects::new(settings.rejects));
    let (mut layout, rows) = each_row(reader, layout, &mut rejects, &mut kept)?;
    rejects.check(rows)?;
    let content = if rows == 0 {
        Content::Nothing
    } else {
        if !layout.is_complete() {
            Arc::make_mut(&mut layout).complete().map_err(Fault::Permanent)?;
        }
        Content::Rows { layout, kept: kept.kept() }
    };
    Ok(Checked { new_table: false, ..checked(reader, rows, rejects, content) })
}

fn checked(reader: &Reader<'_>, rows: u64, rejects: Rejects, content: Content) -> Checked {
    let header = reader.raw_header().map(str::to_owned);
    let (digest, delimiter) = (reader.digest(), reader.delimiter());
    Checked { rows, rejects, digest, header, delimiter, new_table: true, content }
}

/// Hands every row to the sink, typed, and every record that doesn't fit, by itself or by the sink's word, as a
/// reject. Answers the layout with all columns that were found, and the number of rows that the sink took.
pub fn each_row(
    reader: &mut Reader<'_>,
    mut layout: Arc<Layout>,
    rejects: &mut Rejects,
    sink: &mut (impl Sink + ?Sized),
) -> Result<(Arc<Layout>, u64), Fault> {
    let mut rows = 0;
    let mut scratch = String::new();
    loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok((layout, rows)),
            Err(Refused::Record(reason, text)) => {
                sink.reject(&reason, &text)?;
                rejects.add(*reason);
                continue;
            }
            Err(Refused::File(fault)) => return Err(fault),
        };
        let known = layout.names().len();
        if record.names.len() > known {
            for name in &record.names[known..] {
                Arc::make_mut(&mut layout).add(name).map_err(|reason| Fault::Permanent(record.place(reason)))?;
            }
        }
        match one_row(&record, &layout, &mut scratch, sink)? {
            None => rows += 1,
            Some(reason) => {
                let reason = record.place(*reason);
                sink.reject(&reason, &record.text())?;
                rejects.add(reason);
            }
        }
    }
}

/// Why it is no row, if it isn't.
fn one_row(
    record: &Record<'_>,
    layout: &Layout,
    scratch: &mut String,
    sink: &mut (impl Sink + ?Sized),
) -> Result<Option<Box<Reason>>, Fault> {
    for (column, reading) in layout.readings().iter().enumerate() {
        let Some(value) = reading.read(record.cell(column), scratch) else {
            return Ok(Some(Box::new(misfit(record, column, reading))));
        };
        sink.cell(value)?;
    }
    sink.row(record.line)
}

/// What a file says about a table that isn't there yet.
#[derive(Debug)]
pub enum Inferred {
    /// Nothing: it has no row.
    Nothing(Checked),
    /// Small enough to be read again, and its rows kept.
    Small(Arc<Table>),
    /// Checked with this; its rows are read again at commit.
    Large(Checked),
}

/// Why the cell of this column is no value.
fn misfit(record: &Record<'_>, column: usize, reading: &Reading) -> Reason {
    reading.misfit(record.cell(column)).in_column(shown::name(&record.names[column]))
}

/// A column of a table that isn't there yet.
struct Found {
    guess: Guess,
    /// What the settings make of it, and how it is read then.
    declared: Option<(Column, Reading)>,
}

impl Found {
    fn new(name: &str, settings: &settings::Import) -> Self {
        let declared = settings.columns.get(name).map(|column| {
            let kind = sqlite::as_made(reading::made_for(column));
            (column.clone(), Reading::new(name, kind, settings))
        });
        Self { guess: Guess::ANY, declared }
    }

    fn settle(self) -> Type {
        match (self.declared, self.guess.settle()) {
            (None, certain) | (Some((Column::Timestamp(None), _)), certain @ (Type::Timestamp | Type::Instant)) => {
                certain
            }
            (Some((column, _)), _) => reading::made_for(&column),
        }
    }

    /// Whether the cell can be read as declared.
    fn reads(&self, cell: Cell<'_>, scratch: &mut String) -> bool {
        self.declared.as_ref().is_none_or(|(_, reading)| reading.read(cell, scratch).is_some())
    }
}

/// Finds the table that every record of the file fits that can be read.
pub fn infer(reader: &mut Reader<'_>, table: &str, settings: &Arc<settings::Import>) -> Result<Inferred, Fault> {
    let mark = if settings.decimal_comma { ',' } else { '.' };
    let mut columns: Vec<Found> = Vec::new();
    let (mut rows, mut rejects, mut scratch) = (0, Rejects::new(settings.rejects), String::new());
    loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(Refused::Record(reason, _)) => {
                rejects.add(*reason);
                continue;
            }
            Err(Refused::File(fault)) => return Err(fault),
        };
        let known = columns.len();
        columns.extend(record.names[known..].iter().map(|name| Found::new(name, settings)));
        let mut read = columns.iter().enumerate();
        if let Some((number, column)) = read.find(|(number, column)| !column.reads(record.cell(*number), &mut scratch))
            && let Some((_, reading)) = &column.declared
        {
            rejects.add(record.place(misfit(&record, number, reading)));
            continue;
        }
        columns.iter_mut().enumerate().for_each(|(number, column)| column.guess.see(record.cell(number), mark));
        rows += 1;
    }
    rejects.check(rows)?;
    if rows == 0 {
        return Ok(Inferred::Nothing(checked(reader, rows, rejects, Content::Nothing)));
    }
    if columns.is_empty() {
        return Err(Fault::Permanent(Reason::new("no_columns", "no object has a key: there is nothing to import")));
    }
    let kinds = columns.into_iter().map(Found::settle);
    let table = Arc::new(Table::made_for(table, reader.names().iter().cloned().zip(kinds)));
    if reader.bytes() <= KEPT_BYTES_MAX as u64 {
        return Ok(Inferred::Small(table));
    }
    let mut layout = Layout::new(&table, settings, reader.names()).map_err(Fault::Permanent)?;
    layout.complete().map_err(Fault::Permanent)?;
    let content = Content::Rows { layout: Arc::new(layout), kept: None };
    Ok(Inferred::Large(checked(reader, rows, rejects, content)))
}
