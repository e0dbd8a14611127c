//! Rows into a table by COPY in binary.
//!
//! The server tells what it thinks of a row when it has read it, often not before the end of the COPY, and then takes none
//! of them. So a row that it refuses is remembered by its place, and the load is tried again without it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;

use super::super::bounds::Bounds;
use super::super::header::LINEAGE;
use super::super::layout::{Layout, Taken};
use super::super::mode::Written;
use super::super::reject::NAMED_MAX;
use super::super::rows::{Rows, Sink};
use super::super::shown;
use super::super::table::identifier;
use super::super::target::Insert;
use super::super::value::Value;
use super::column::{Wire, changed};
use super::driver::wait;
use super::fault::{During, copied};
use super::lines::Lines;
use super::merge::{Merge, PLACE, STAGE, STAGE_NAME};
use super::rejects::Rejects;
use super::session::Session;
use super::table::{Read, bare, no_integer, possible_count, qualified};
use crate::fault::{Fault, Listed, Reason};
use crate::file::FileId;

/// So much is handed over at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What every stream begins with: a signature, no flags, no more header.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What every stream ends with.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The most rows of one file that the server may refuse: for each of them the file is copied once more.
const REFUSED_MAX: usize = 100;

/// Rows of the load in hand that the server refused, by their places among all rows of the file.
#[derive(Debug, Default)]
pub struct Refused {
    rows: RefCell<BTreeMap<u64, Reason>>,
    is_news: Cell<bool>,
}

impl Refused {
    /// Whether the last try found one that it didn't know before.
    pub fn is_news(&self) -> bool {
        self.is_news.take()
    }

    /// One more. Answers why the load fails: for it, unless they are too many.
    fn learn(&self, place: u64, reason: Reason) -> Reason {
        let mut rows = self.rows.borrow_mut();
        let is_new = rows.insert(place, reason.clone()).is_none();
        self.is_news.set(is_new && rows.len() <= REFUSED_MAX);
        let Some(first) = rows.values().next().filter(|_| rows.len() > REFUSED_MAX) else { return reason };
        let text =
            format!("only the server knows of more than {REFUSED_MAX} rows that they don't fit; the first: {first}");
        let named = rows.values().take(NAMED_MAX).map(ToString::to_string).collect();
        let listed = Some(Box::new(Listed { rows: named, all: rows.len() as u64 }));
        Reason { listed, ..Reason::new("too_many_rejects", text) }
    }

    fn of(&self, place: u64) -> Option<Reason> {
        self.rows.borrow().get(&place).cloned()
    }
}

/// Copies rows of one file.
pub struct Copying<'t> {
    session: &'t Session,
    id: FileId,
    sql: String,
    table: String,
    /// What the server calls the table that is copied into.
    relation: String,
    /// `None`: none is under way.
    stream: Option<Pin<Box<CopyInSink<Bytes>>>>,
    /// How every column of the file is written, and what it is called.
    columns: Vec<(Wire, String)>,
    /// Rows are copied beside the table, to be merged into it.
    merge: Option<Merge>,
    /// The first bytes of every row: how many fields it has.
    fields: [u8; 2],
    /// The bytes of the integers that say where each row came from.
    lineage: Option<[usize; 2]>,
    /// The last bytes of every row: NULLs for columns that the file doesn't have.
    nulls: Vec<u8>,
    /// Whole rows, and the one in hand.
    buffer: Vec<u8>,
    /// Where the row in hand begins.
    start: usize,
    /// Its cells so far.
    cells: usize,
    /// Why it can't be copied.
    misfit: Option<Reason>,
    refused: &'t Refused,
    /// The place of the next row in the file.
    place: u64,
    /// The places of rows that were not copied, in order.
    skipped: Vec<u64>,
    lines: Lines,
    /// How many rows earlier streams were handed, and how many of these went in: a trigger may leave some out.
    sent_before: u64,
    inserted: u64,
    rejects: Rejects,
}

impl<'t> Copying<'t> {
    /// Rows of this file, laid out like this.
    pub fn begin(
        session: &'t Session,
        refused: &'t Refused,
        read: &Read,
        layout: &Layout,
        id: FileId,
    ) -> Result<Self, Fault> {
        let columns = columns(read, layout).map_err(Fault::Permanent)?;
        let ours = LINEAGE.into_iter().filter(|_| read.lineage.is_some());
        let mut names: Vec<String> = layout.columns().chain(ours).map(identifier).collect();
        let merge = Merge::of(layout, &names);
        let unasked = read.unasked.iter().filter(|name| merge.is_none() && layout.columns().all(|it| it != *name));
        let nulls = unasked.map(|name| names.push(identifier(name))).count();
        // Before the place where they wait is made, of which a refusal would be the world's.
        let count = names.len() + usize::from(merge.is_some());
        let fields = possible_count(count)?;
        let (into, relation, place) = match &merge {
            Some(merge) => {
                merge.make_stage(session)?;
                (STAGE.to_owned(), STAGE_NAME, format!("{PLACE}, "))
            }
            None => (qualified(read.table.name()), bare(read.table.name()), String::new()),
        };
        let sql = format!("COPY {into} ({place}{}) FROM STDIN (FORMAT binary)", names.join(", "));
        Ok(Self {
            session,
            id,
            sql,
            table: read.table.name().to_owned(),
            relation: relation.to_owned(),
            stream: None,
            columns,
            merge,
            fields: fields.to_be_bytes(),
            lineage: read.lineage,
            nulls: (-1_i32).to_be_bytes().repeat(nulls),
            buffer: Vec::new(),
            start: 0,
            cells: 0,
            misfit: None,
            refused,
            place: 0,
            skipped: Vec::new(),
            lines: Lines::default(),
            sent_before: 0,
            inserted: 0,
            rejects: Rejects::default(),
        })
    }

    fn begin_row(&mut self) {
        if self.buffer.len() > self.start {
            return;
        }
        self.buffer.extend(self.fields);
        if self.merge.is_some() {
            self.buffer.extend(8_i32.to_be_bytes());
            self.buffer.extend(self.place.to_be_bytes());
        }
    }

    fn write(&mut self, value: Value<'_>) {
        self.begin_row();
        let Some((wire, name)) = self.columns.get(self.cells) else { return };
        self.cells += 1;
        if self.misfit.is_none()
            && let Err(reason) = wire.write(value, &mut self.buffer)
        {
            self.misfit = Some(reason.in_column(name.clone()));
        }
    }

    /// The row in hand is whole; or why it isn't copied.
    fn row(&mut self, line: u64) -> Result<Option<Reason>, Fault> {
        while self.cells < self.columns.len() {
            self.write(Value::Null);
        }
        self.begin_row();
        let place = self.place;
        self.place += 1;
        self.cells = 0;
        let misfit = self.misfit.take().map(|reason| reason.at_line(line));
        if let Some(reason) = misfit.or_else(|| self.refused.of(place)) {
            self.skipped.push(place);
            self.buffer.truncate(self.start);
            return Ok(Some(reason));
        }
        self.write_lineage(line)?;
        self.buffer.extend(&self.nulls);
        self.start = self.buffer.len();
        self.lines.add(line);
        if self.start >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(None)
    }

    /// Where the row in hand came from. The line is known at its end.
    fn write_lineage(&mut self, line: u64) -> Result<(), Fault> {
        let bytes = self.lineage.into_iter().flatten();
        for ((bytes, number), column) in bytes.zip([self.id.0, line.cast_signed()]).zip(LINEAGE) {
            let value = Value::Integer(number);
            let misfit = Bounds::Integer(bytes).misfit(value);
            let written = misfit.map_or_else(|| Wire::Integer(bytes).write(value, &mut self.buffer), Err);
            written.map_err(|reason| Fault::World(no_integer(&self.table, column, reason.text)))?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Fault> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = none.insert(Box::pin(self.session.copy(&self.sql)?));
                wait(stream.feed(Bytes::from_static(HEADER)))
                    .map_err(|error| self.session.fault(During::Rows, &error))?;
                stream
            }
        };
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES * 2)));
        self.start = 0;
        wait(stream.send(chunk)).map_err(|error| self.session.fault(During::Rows, &error))
    }

    /// Ends the stream: the server has taken its rows.
    fn end(&mut self) -> Result<(), Fault> {
        if self.start == 0 && self.stream.is_none() {
            return Ok(());
        }
        self.buffer.extend(TRAILER);
        self.send()?;
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        self.inserted += wait(stream.as_mut().finish()).map_err(|error| self.fault(&error))?;
        self.sent_before = self.lines.rows();
        Ok(())
    }

    /// What the server says of a row of the stream, which it only counts.
    fn fault(&self, error: &tokio_postgres::Error) -> Fault {
        let reason = match self.session.fault(During::Rows, error) {
            Fault::Permanent(reason) => reason,
            other => return other,
        };
        let Some(copied) = copied(error, &self.relation) else { return Fault::Permanent(reason) };
        let row = self.sent_before + copied.row;
        let reason = match copied.column {
            Some(column) if reason.column.is_none() => reason.in_column(column),
            _ => reason,
        };
        let reason = match self.lines.of(row) {
            Some(line) => reason.at_line(line),
            None => reason,
        };
        let place = self.skipped.iter().fold(row - 1, |place, skipped| place + u64::from(*skipped <= place));
        Fault::Permanent(self.refused.learn(place, reason))
    }
}

impl Sink for Copying<'_> {
    fn rows(&mut self, rows: &Rows, refuse: &mut dyn FnMut(usize, Reason)) -> Result<(), Fault> {
        for row in 0..rows.len() {
            rows.values(row).for_each(|value| self.write(value));
            if let Some(reason) = self.row(rows.line(row))? {
                refuse(row, reason);
            }
        }
        Ok(())
    }

    fn skip(&mut self) {
        // Nobody asks for places any more.
        self.skipped.clear();
    }

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        self.rejects.add(reason, record);
        if self.rejects.are_many() {
            self.end()?;
            self.rejects.write(self.session, self.id)?;
        }
        Ok(())
    }
}

impl Insert for Copying<'_> {
    fn finish(mut self: Box<Self>) -> Result<Written, Fault> {
        self.end()?;
        self.rejects.write(self.session, self.id)?;
        if let Some(merge) = &self.merge {
            return merge.run(self.session, self.id);
        }
        let skipped = self.lines.rows().saturating_sub(self.inserted);
        Ok(Written { inserted: self.inserted, updated: 0, skipped })
    }
}

/// How each column of the file is written, which is still what its values were checked with.
fn columns(read: &Read, layout: &Layout) -> Result<Vec<(Wire, String)>, Reason> {
    let column = |taken: &Taken| {
        let (name, checked) = (&layout.names()[taken.column], &layout.table().columns()[taken.number]);
        let number = read.table.number(&checked.name).filter(|&number| {
            let now = &read.table.columns()[number];
            (now.kind, &now.bounds) == (checked.kind, &checked.bounds)
        });
        let name = shown::name(name);
        number.map(|number| (read.wires[number], name.clone())).ok_or_else(|| changed().in_column(name))
    };
    layout.taken().iter().map(column).collect()
}
