//! process: every row of a file is parsed, typed and checked against the table; nothing outside memory changes.

use std::sync::Arc;

use super::infer::Guess;
use super::layout::Layout;
use super::reader::Reader;
use super::rows::{KEPT_BYTES_MAX, Rows, Sink};
use super::shown;
use super::table::Table;
use crate::fault::{Fault, Reason};
use crate::file::Digest;

/// A file whose every row fits.
#[derive(Debug)]
pub struct Checked {
    pub(super) rows: u64,
    pub(super) digest: Digest,
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
    /// `kept`: its rows; without, the file is read again.
    Rows { layout: Arc<Layout>, kept: Option<Rows> },
}

impl Checked {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
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
pub fn against(reader: &mut Reader<'_>, table: &Arc<Table>, known: Option<Arc<Layout>>) -> Result<Checked, Fault> {
    let known = known.filter(|known| Arc::ptr_eq(known.table(), table) && known.names() == reader.names());
    let layout = match known {
        Some(known) => known,
        None => Arc::new(Layout::new(table, reader.names()).map_err(Fault::Permanent)?),
    };
    let mut kept = Rows::default();
    let (mut layout, rows) = each_row(reader, layout, &mut kept)?;
    let content = if rows == 0 {
        Content::Nothing
    } else {
        if !layout.is_complete() {
            Arc::make_mut(&mut layout).complete().map_err(Fault::Permanent)?;
        }
        Content::Rows { layout, kept: kept.kept() }
    };
    Ok(Checked { rows, digest: reader.digest(), delimiter: reader.delimiter(), new_table: false, content })
}

/// Hands every row to the sink, typed. Answers the layout with all columns that were found, and
/// the number of rows.
pub fn each_row(
    reader: &mut Reader<'_>,
    mut layout: Arc<Layout>,
    sink: &mut (impl Sink + ?Sized),
) -> Result<(Arc<Layout>, u64), Fault> {
    let mut rows = 0;
    while let Some(record) = reader.next()? {
        let known = layout.names().len();
        if record.names.len() > known {
            for name in &record.names[known..] {
                Arc::make_mut(&mut layout).add(name).map_err(|reason| record.refuse(reason))?;
            }
        }
        for (column, kind) in layout.kinds().iter().enumerate() {
            let cell = record.cell(column);
            let Some(value) = kind.read(cell) else {
                let place = shown::name(&layout.names()[column]);
                return Err(record.refuse(kind.misfit(cell).in_column(place)));
            };
            sink.cell(value)?;
        }
        sink.row(record.line)?;
        rows += 1;
    }
    Ok((layout, rows))
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

/// Finds the table that every row of the file fits.
pub fn infer(reader: &mut Reader<'_>, table: &str) -> Result<Inferred, Fault> {
    let mut guesses: Vec<Guess> = Vec::new();
    let mut rows = 0;
    while let Some(record) = reader.next()? {
        guesses.resize(record.names.len(), Guess::ANY);
        guesses.iter_mut().enumerate().for_each(|(column, guess)| guess.see(record.cell(column)));
        rows += 1;
    }
    let (digest, delimiter) = (reader.digest(), reader.delimiter());
    if rows == 0 {
        return Ok(Inferred::Nothing(Checked { rows, digest, delimiter, new_table: true, content: Content::Nothing }));
    }
    if guesses.is_empty() {
        return Err(Fault::Permanent(Reason::new("no_columns", "no object has a key: there is nothing to import")));
    }
    let kinds = guesses.into_iter().map(Guess::settle);
    let table = Arc::new(Table::made_for(table, reader.names().iter().cloned().zip(kinds)));
    if reader.bytes() <= KEPT_BYTES_MAX as u64 {
        return Ok(Inferred::Small(table));
    }
    let mut layout = Layout::new(&table, reader.names()).map_err(Fault::Permanent)?;
    layout.complete().map_err(Fault::Permanent)?;
    let content = Content::Rows { layout: Arc::new(layout), kept: None };
    Ok(Inferred::Large(Checked { rows, digest, delimiter, new_table: true, content }))
}
