//! Rows into the table, several of them by a statement where the table bears it.

use std::cell::OnceCell;
use std::ops::Range;

use rusqlite::{CachedStatement, Statement};

use super::super::header::LINEAGE;
use super::super::layout::Layout;
use super::super::mode::Written;
use super::super::rows::{Rows, Sink};
use super::super::table::identifier;
use super::super::target::Insert;
use super::super::value::Value;
use super::fault::{Blame, blame, is_unclassed, of_an_expression};
use super::markers::{self, Connected};
use super::transaction::Open;
use crate::fault::{Fault, Reason};
use crate::file::FileId;
use crate::settings::Mode;

/// So many rows share a statement at most.
const GROUP_ROWS_MAX: usize = 16;

/// And so many parameters: with more of them it takes longer.
const GROUP_PARAMETERS_MAX: usize = 256;

/// Inserts rows of one file.
pub(super) struct Inserting<'t> {
    transaction: &'t Open<'t>,
    form: Form,
    table: String,
    /// Those of one row.
    sql: Vec<String>,
    /// For a row that a statement of them fails at, without SQLite saying why.
    blame: OnceCell<Blame>,
    /// Of one row.
    statement: CachedStatement<'t>,
    /// What is done where the key is there already; with the parameters of the insert.
    update: Option<CachedStatement<'t>>,
    /// So many rows share a statement. 1: each has its own.
    group_rows: usize,
    /// Of that many, once there were as many.
    group: Option<CachedStatement<'t>>,
    written: Written,
    id: FileId,
    /// Whether a row may be there already.
    keyed: bool,
}

impl<'t> Inserting<'t> {
    /// Rows of this file, laid out like this.
    pub(super) fn begin(transaction: &'t Open<'t>, layout: &Layout, id: FileId) -> Result<Self, Fault> {
        let form = Form::of(layout);
        let prepare = |sql: &str| form.prepare(transaction, id, sql).map_err(|error| transaction.fault(&error));
        let (insert, update) = (insert_sql(&form, layout), update_sql(&form, layout));
        let statement = prepare(&insert)?;
        let sql: Vec<String> = std::iter::once(insert).chain(update).collect();
        let update = sql.get(1).map(|sql| prepare(sql)).transpose()?;
        let keyed = !layout.mode().key().is_empty();
        let are_alone = keyed || !layout.table().takes_rows_together();
        let group_rows = if are_alone { 1 } else { (GROUP_PARAMETERS_MAX / form.width).clamp(1, GROUP_ROWS_MAX) };
        let written = Written::default();
        let table = layout.table().name().to_owned();
        let (blame, group) = (OnceCell::new(), None);
        Ok(Self { transaction, form, table, sql, blame, statement, update, group_rows, group, written, id, keyed })
    }

    /// Inserts as many rows as share a statement, from this one on. `false`: nothing of them is in, since one can't be
    /// taken.
    fn insert_group(&mut self, rows: &Rows, from: usize) -> Result<bool, Fault> {
        let changes = self.transaction.connection().total_changes();
        let Err(error) = self.execute_group(rows, from) else {
            self.written.inserted += self.group_rows as u64;
            return Ok(true);
        };
        match self.refusal(&error, changes)? {
            (_, true) => Ok(false),
            (reason, false) => Err(Fault::Permanent(reason)),
        }
    }

    fn execute_group(&mut self, rows: &Rows, from: usize) -> rusqlite::Result<()> {
        let group = match &mut self.group {
            Some(group) => group,
            none => {
                let sql = self.form.insert_sql(self.group_rows);
                none.insert(self.form.prepare(self.transaction, self.id, &sql)?)
            }
        };
        (0..self.group_rows).try_for_each(|number| self.form.bind(group, number, rows, from + number))?;
        group.raw_execute().map(drop)
    }

    /// Why this row alone can't be taken, if it can't.
    fn insert_one(&mut self, rows: &Rows, row: usize) -> Result<Option<Reason>, Fault> {
        let changes = self.transaction.connection().total_changes();
        let Err(error) = self.execute_one(rows, row) else { return Ok(None) };
        let (reason, is_undone) = self.refusal(&error, changes)?;
        let reason = reason.at_line(rows.line(row));
        if is_undone { Ok(Some(reason)) } else { Err(Fault::Permanent(reason)) }
    }

    fn execute_one(&mut self, rows: &Rows, row: usize) -> rusqlite::Result<()> {
        self.form.bind(&mut self.statement, 0, rows, row)?;
        // What the triggers of a view do with a row is not counted.
        if self.statement.raw_execute()? > 0 || (!self.keyed && self.is_view()?) {
            self.written.inserted += 1;
            return Ok(());
        }
        let Some(update) = &mut self.update else {
            self.written.skipped += 1;
            return Ok(());
        };
        self.form.bind(update, 0, rows, row)?;
        match update.raw_execute()? {
            0 => self.written.skipped += 1,
            _ => self.written.updated += 1,
        }
        Ok(())
    }

    fn is_view(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE)";
        self.transaction.connection().prepare_cached(sql)?.query_row([&self.table], |row| row.get(0))
    }

    /// Why the rows of a statement that failed can't be taken, where it is their fault, and whether nothing of them is left:
    /// as usual; but a trigger, or a constraint with a clause of its own, may have kept some of it, or ended the transaction.
    fn refusal(&self, error: &rusqlite::Error, changes_before: u64) -> Result<(Reason, bool), Fault> {
        let blame = if is_unclassed(error) { Some(self.blame()?) } else { None };
        let fault = match blame {
            Some(Blame::Row | Blame::File) => of_an_expression(error),
            Some(Blame::Table) | None => self.transaction.fault(error),
        };
        let Fault::Permanent(reason) = fault else { return Err(fault) };
        let connection = self.transaction.connection();
        let is_undone = !connection.is_autocommit() && connection.total_changes() == changes_before;
        Ok((reason, is_undone && blame != Some(Blame::File)))
    }

    /// The same for all rows: the table stays as it is while the transaction lasts.
    fn blame(&self) -> Result<Blame, Fault> {
        if let Some(blame) = self.blame.get() {
            return Ok(*blame);
        }
        let found = blame(self.transaction.connection(), &self.table, &self.sql);
        let found = found.map_err(|error| self.transaction.fault(&error))?;
        Ok(*self.blame.get_or_init(|| found))
    }
}

impl Sink for Inserting<'_> {
    fn rows(&mut self, rows: &Rows, refuse: &mut dyn FnMut(usize, Reason)) -> Result<(), Fault> {
        let mut row = 0;
        while row < rows.len() {
            let end = rows.len().min(row + self.group_rows);
            let is_group = self.group_rows > 1 && end - row == self.group_rows;
            if !(is_group && self.insert_group(rows, row)?) {
                for row in row..end {
                    self.insert_one(rows, row)?.into_iter().for_each(|reason| refuse(row, reason));
                }
            }
            row = end;
        }
        Ok(())
    }

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        let transaction = self.transaction;
        markers::reject(transaction.connection(), self.id, reason, record).map_err(|error| transaction.fault(&error))
    }
}

impl Insert for Inserting<'_> {
    fn finish(self: Box<Self>) -> Result<Written, Fault> {
        Ok(self.written)
    }
}

/// How a row is inserted.
struct Form {
    /// What stands before the values.
    begin: String,
    /// Whether the file's number is the first parameter of all, and each row begins with its line.
    lineage: bool,
    /// How many parameters a row has of its own: its line where the table has it, then the file's columns in order.
    width: usize,
}

impl Form {
    fn of(layout: &Layout) -> Self {
        let (table, lineage) = (layout.table(), layout.table().lineage());
        let ours: &[&str] = if lineage { &LINEAGE } else { &[] };
        let names: Vec<String> = ours.iter().copied().chain(layout.columns()).map(identifier).collect();
        let begin = format!("INSERT INTO {} AS there ({}) VALUES ", identifier(table.name()), names.join(", "));
        Self { begin, lineage, width: names.len() - usize::from(lineage) }
    }

    /// Of so many rows.
    fn insert_sql(&self, rows: usize) -> String {
        let values = |row: usize| {
            let file = self.lineage.then_some(1);
            let marks: Vec<String> = file.into_iter().chain(self.parameters(row)).map(|at| format!("?{at}")).collect();
            format!("({})", marks.join(", "))
        };
        self.begin.clone() + &(0..rows).map(values).collect::<Vec<_>>().join(", ")
    }

    /// Those that are a row's own.
    fn parameters(&self, row: usize) -> Range<usize> {
        let first = 1 + usize::from(self.lineage) + row * self.width;
        first..first + self.width
    }

    /// The file's number stays bound from row to row.
    fn prepare<'t>(&self, transaction: &'t Open<'t>, id: FileId, sql: &str) -> rusqlite::Result<CachedStatement<'t>> {
        let mut statement = transaction.connection().prepare_cached(sql)?;
        if self.lineage {
            statement.raw_bind_parameter(1, id.0)?;
        }
        Ok(statement)
    }

    /// Binds a row as the one with this number of the statement.
    fn bind(&self, statement: &mut Statement<'_>, number: usize, rows: &Rows, row: usize) -> rusqlite::Result<()> {
        let mut parameters = self.parameters(number);
        if self.lineage {
            parameters.next().map_or(Ok(()), |at| statement.raw_bind_parameter(at, rows.line(row).cast_signed()))?;
        }
        for value in rows.values(row) {
            parameters.next().map_or(Ok(()), |at| statement.raw_bind_parameter(at, value))?;
        }
        parameters.try_for_each(|at| statement.raw_bind_parameter(at, Value::Null))
    }
}

fn insert_sql(form: &Form, layout: &Layout) -> String {
    let nothing = on_conflict(layout).map(|conflict| format!("{conflict} DO NOTHING"));
    form.insert_sql(1) + &nothing.unwrap_or_default()
}

/// `None`: rows have no keys that matter.
fn on_conflict(layout: &Layout) -> Option<String> {
    let key: Vec<String> = layout.mode().key().iter().map(|name| identifier(name)).collect();
    (!key.is_empty()).then(|| format!(" ON CONFLICT ({})", key.join(", ")))
}

/// With the same parameters: sets what the file has, and where it came from, unless that is a later file already. The row
/// is found by the index that has its key: that may have another collation than the column.
/// `None`: what is there is left alone.
fn update_sql(form: &Form, layout: &Layout) -> Option<String> {
    let (table, Mode::Upsert(_)) = (layout.table(), layout.mode()) else { return None };
    let ours: &[&str] = if table.lineage() { &LINEAGE } else { &[] };
    let set = layout.taken().iter().filter(|taken| !taken.is_key);
    let set = set.map(|taken| table.columns()[taken.number].name.as_str());
    let set: Vec<String> = ours.iter().copied().chain(set).map(identifier).collect();
    let set: Vec<String> = set.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let file = identifier(LINEAGE[0]);
    let earlier = format!(" WHERE there.{file} IS NULL OR there.{file} <= excluded.{file}");
    let earlier = if table.lineage() { earlier } else { String::new() };
    let conflict = on_conflict(layout).filter(|_| !set.is_empty())?;
    Some(format!("{}{conflict} DO UPDATE SET {}{earlier}", form.insert_sql(1), set.join(", ")))
}
