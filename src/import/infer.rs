//! The table that a file needs: its columns' types, found by all that is in them.

use std::sync::Arc;

use super::check::{Checked, Content, checked, misdeclared};
use super::guess::Guess;
use super::halves::{Half, Halves};
use super::header::COLUMNS_MAX;
use super::layout::{Layout, no_column, no_key};
use super::reader::Reader;
use super::reading::{self, Reading};
use super::record::{Record, Records};
use super::reject::{Refused, Rejects};
use super::rows::KEPT_BYTES_MAX;
use super::table::{AsMade, Table};
use super::value::Type;
use crate::fault::{Fault, Reason};
use crate::settings::{self, Column};

/// What a file says about a table that isn't there yet.
#[derive(Debug)]
pub enum Inferred {
    /// Nothing: it has no row.
    Nothing(Checked),
    /// This one, with which it is still to be checked: its rows can be kept, or one of them may lack its key.
    Table(Arc<Table>),
    /// Checked with this; its rows are read again at commit.
    Checked(Checked),
}

/// Finds the table that every record of the file fits that can be read.
pub fn table(
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
    if reader.bytes() <= KEPT_BYTES_MAX as u64 || !settings.mode.key().is_empty() {
        return Ok(Inferred::Table(table));
    }
    let mut layout = Layout::new(&table, settings, reader.names()).map_err(Fault::Permanent)?;
    layout.complete().map_err(Fault::Permanent)?;
    let content = Content::Rows { layout: Arc::new(layout), kept: None };
    Ok(Inferred::Checked(checked(reader, rows, rejects, content)))
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
pub fn find(
    reader: &mut Reader<'_>,
    settings: &settings::Import,
    table: Option<&Table>,
) -> Result<(Vec<Guess>, u64, Rejects), Fault> {
    let mark = if settings.decimal_comma { ',' } else { '.' };
    let (mut halves, mut seen, mut declared) = (Halves::default(), Seen::default(), Vec::new());
    let (mut rejects, mut scratch) = (Rejects::new(settings.rejects), String::new());
    // A column that the table has is read by it.
    let is_new = |name: &String| table.is_none_or(|table| table.number(name).is_none());
    let declare = |declared: &mut Vec<_>, names: &[String]| {
        let new = &names[declared.len()..];
        declared.extend(new.iter().map(|name| Reading::declared(name, settings).filter(|_| is_new(name))));
    };
    loop {
        declare(&mut declared, reader.names());
        halves.pass(reader, |half| Seen::in_half(half, &declared, mark), |found| seen.join(&found))?;
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(Refused::Record(reason, _)) => {
                rejects.add(*reason);
                continue;
            }
            Err(Refused::File(fault)) => return Err(fault),
        };
        declare(&mut declared, record.names);
        match misdeclared(&record, &declared, &mut scratch) {
            Some(reason) => rejects.add(record.place(reason)),
            None => seen.see(&record, mark),
        }
    }
    rejects.check(seen.rows)?;
    seen.guesses.resize(declared.len(), Guess::ANY);
    Ok((seen.guesses, seen.rows, rejects))
}

/// What rows say of their columns.
#[derive(Debug, Default)]
pub struct Seen {
    guesses: Vec<Guess>,
    rows: u64,
}

impl Seen {
    /// In a half of a window, if it has rows with these columns only.
    fn in_half(half: &mut Half<'_>, declared: &[Option<Reading>], mark: char) -> Option<Self> {
        let (mut seen, mut scratch) = (Self::default(), String::new());
        while let Some(record) = half.next().ok()? {
            if record.names.len() > declared.len() || misdeclared(&record, declared, &mut scratch).is_some() {
                return None;
            }
            seen.see(&record, mark);
        }
        Some(seen)
    }

    fn see(&mut self, record: &Record<'_>, mark: char) {
        self.guesses.resize(record.names.len(), Guess::ANY);
        self.guesses.iter_mut().enumerate().for_each(|(column, guess)| guess.see(record.cell(column), mark));
        self.rows += 1;
    }

    fn join(&mut self, other: &Self) {
        self.guesses.resize(self.guesses.len().max(other.guesses.len()), Guess::ANY);
        self.guesses.iter_mut().zip(&other.guesses).for_each(|(guess, other)| guess.join(*other));
        self.rows += other.rows;
    }
}
