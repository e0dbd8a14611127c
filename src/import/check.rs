//! process: every row of a file is parsed, typed and checked against the table; nothing outside memory changes.

use std::sync::Arc;

use super::ahead;
use super::header::COLUMNS_MAX;
use super::infer::Guess;
use super::layout::{Layout, no_column, no_key};
use super::reader::Reader;
use super::reading::{self, Reading};
use super::record::{Record, Records};
use super::reject::{Refused, Rejects};
use super::rows::{KEPT_BYTES_MAX, Kept, Reject, Rows, Sink};
use super::shown;
use super::source::Window as _;
use super::table::{AsMade, Table};
use super::value::{Type, Value};
use crate::fault::{Fault, Reason};
use crate::file::Digest;
use crate::settings::{self, Column, Tolerance};

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
    let (mut kept, mut rejects, mut count) = (Kept::default(), Rejects::new(settings.rejects), 0);
    let mut layout = each(reader, layout, Texts::of(settings), |rows| {
        count += rows.len() as u64;
        rows.rejects().iter().for_each(|reject| rejects.add(reject.reason.clone()));
        kept.keep(rows);
        Ok(())
    })?;
    rejects.check(count)?;
    let content = if count == 0 {
        Content::Nothing
    } else {
        if !layout.is_complete() {
            Arc::make_mut(&mut layout).complete().map_err(Fault::Permanent)?;
        }
        Content::Rows { layout, kept: kept.all() }
    };
    Ok(Checked { new_table: false, ..checked(reader, count, rejects, content) })
}

fn checked(reader: &Reader<'_>, rows: u64, rejects: Rejects, content: Content) -> Checked {
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
                for name in &record.names[known..] {
                    let added = Arc::make_mut(&mut self.layout).add(name);
                    added.map_err(|reason| Fault::Permanent(record.place(reason)))?;
                }
            }
            match self.cells(&record, rows) {
                None if self.texts == Texts::Kept => rows.row(record.line, &record.text()),
                None => rows.row(record.line, ""),
                Some(reason) => rows.reject(record.place(reason), record.text().into_owned()),
            }
        }
        Ok(true)
    }

    /// Why it is no row, if it isn't.
    fn cells(&mut self, record: &Record<'_>, rows: &mut Rows) -> Option<Reason> {
        let layout = &*self.layout;
        for taken in layout.taken() {
            match taken.reading.read(record.cell(taken.column), &mut self.scratch) {
                None => return Some(misfit(record, taken.column, &taken.reading)),
                Some(Value::Null) if taken.is_key => return Some(null_key(&layout.names()[taken.column])),
                Some(value) => rows.cell(value),
            }
        }
        layout.lacking_key().map(null_key)
    }
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

fn null_key(column: &str) -> Reason {
    Reason::new("null_key", "NULL in the key, which tells one row from another").in_column(shown::name(column))
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

/// Why the record isn't as the settings declare its columns, if it isn't.
pub fn misdeclared(record: &Record<'_>, declared: &[Option<Reading>], scratch: &mut String) -> Option<Reason> {
    declared.iter().enumerate().find_map(|(column, reading)| {
        let reading = reading.as_ref()?;
        let is_one = reading.read(record.cell(column), scratch).is_some();
        (!is_one).then(|| misfit(record, column, reading))
    })
}

/// The type of a column of a table that isn't there yet.
fn settle(name: &str, guess: Guess, settings: &settings::Import) -> Type {
    match (settings.columns.get(name), guess.settle()) {
        (None, certain) | (Some(Column::Timestamp(None)), certain @ (Type::Timestamp | Type::Instant)) => certain,
        (Some(column), _) => reading::made_for(column),
    }
}

/// The table with those columns of the file that it lacks. Their types are found as those of a new table are.
pub fn widen(
    reader: &mut Reader<'_>,
    table: &Table,
    settings: &settings::Import,
    as_made: AsMade<'_>,
) -> Result<Table, Fault> {
    let (guesses, ..) = find(reader, settings, Some(table))?;
    let names = reader.names().iter().cloned();
    let (known, new): (Vec<_>, Vec<_>) = names.zip(guesses).partition(|(name, _)| table.number(name).is_some());
    if known.is_empty() {
        return Err(Fault::Permanent(no_column(table)));
    }
    if table.columns().len() + new.len() > COLUMNS_MAX {
        let text = format!("{} more columns make more than {COLUMNS_MAX}", new.len());
        return Err(Fault::Permanent(Reason::new("too_many_columns", text)));
    }
    let typed = new.into_iter().map(|(name, guess)| {
        let kind = settle(&name, guess, settings);
        (name, kind)
    });
    Ok(table.wider(typed, as_made))
}

/// What every record of the file that can be read says of its columns, how many these are, and the others.
fn find(
    records: &mut impl Records,
    settings: &settings::Import,
    table: Option<&Table>,
) -> Result<(Vec<Guess>, u64, Rejects), Fault> {
    let mark = if settings.decimal_comma { ',' } else { '.' };
    let (mut guesses, mut declared) = (Vec::new(), Vec::new());
    let (mut rows, mut rejects, mut scratch) = (0, Rejects::new(settings.rejects), String::new());
    loop {
        let record = match records.next() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(Refused::Record(reason, _)) => {
                rejects.add(*reason);
                continue;
            }
            Err(Refused::File(fault)) => return Err(fault),
        };
        let new = &record.names[declared.len()..];
        // A column that the table has is read by it.
        let is_new = |name: &String| table.is_none_or(|table| table.number(name).is_none());
        declared.extend(new.iter().map(|name| Reading::declared(name, settings).filter(|_| is_new(name))));
        guesses.resize(declared.len(), Guess::ANY);
        if let Some(reason) = misdeclared(&record, &declared, &mut scratch) {
            rejects.add(record.place(reason));
            continue;
        }
        guesses.iter_mut().enumerate().for_each(|(column, guess)| guess.see(record.cell(column), mark));
        rows += 1;
    }
    rejects.check(rows)?;
    Ok((guesses, rows, rejects))
}

/// Finds the table that every record of the file fits that can be read.
pub fn infer(
    reader: &mut Reader<'_>,
    settings: &Arc<settings::Import>,
    as_made: AsMade<'_>,
) -> Result<Inferred, Fault> {
    let (guesses, rows, rejects) = find(reader, settings, None)?;
    if rows == 0 {
        return Ok(Inferred::Nothing(checked(reader, rows, rejects, Content::Nothing)));
    }
    if guesses.is_empty() {
        return Err(Fault::Permanent(no_key()));
    }
    let columns = reader.names().iter().zip(guesses).map(|(name, guess)| (name.clone(), settle(name, guess, settings)));
    let table = Table::made_for(&settings.table, columns, as_made).unique(std::iter::once(settings.mode.key()));
    let table = Arc::new(table);
    if reader.bytes() <= KEPT_BYTES_MAX as u64 {
        return Ok(Inferred::Small(table));
    }
    let mut layout = Layout::new(&table, settings, reader.names()).map_err(Fault::Permanent)?;
    layout.complete().map_err(Fault::Permanent)?;
    let content = Content::Rows { layout: Arc::new(layout), kept: None };
    Ok(Inferred::Large(checked(reader, rows, rejects, content)))
}
