//! The import as a loop written by hand for these files alone: no actors, no ledger, no claims, no markers. The same rows, as durable.

use std::ffi::CString;
use std::path::Path;

use csv_core::{ReadRecordResult, Reader};
use rusqlite::Connection;

use super::spool::{Spool, if_there};
use crate::Outcome;

/// So many files share a transaction.
const BATCH: usize = 256;

/// As importerd makes it of these files.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"rows\" (\"_file_id\" INTEGER, \"_line\" INTEGER, \"id\" INTEGER, \"name\" TEXT, \
  \"qty\" INTEGER, \"price\" REAL, \"ts\" TIMESTAMP, \"note\" TEXT)";

/// A row of it.
pub const INSERT: &str = "INSERT INTO \"rows\" VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

/// What is there.
pub fn backlog(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let mut import = Import::open(root)?;
    for names in spool.names()?.chunks(BATCH) {
        import.take(&spool, names)?;
    }
    Ok(())
}

/// What comes, as it comes: what waits together shares a transaction.
pub fn live(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let mut import = Import::open(root)?;
    spool.live(root, |names: &[CString]| names.chunks(BATCH).try_for_each(|names| import.take(&spool, names)))
}

struct Import {
    connection: Connection,
    files: i64,
    content: Vec<u8>,
    record: Record,
}

impl Import {
    fn open(root: &Path) -> Outcome<Self> {
        let connection = open(&root.join("state/rows.db"))?;
        Ok(Self { connection, files: 0, content: Vec::new(), record: Record::default() })
    }

    fn take(&mut self, spool: &Spool, names: &[CString]) -> Outcome<()> {
        let mut taken = Vec::with_capacity(names.len());
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        for name in names {
            if if_there(spool.read(name, &mut self.content))?.is_none() {
                continue;
            }
            self.files += 1;
            let (file, mut line) = (self.files, 1);
            self.record.each(&self.content, |fields| {
                line += 1;
                bind(&mut insert, file, line, fields)
            })?;
            taken.push(name);
        }
        drop(insert);
        transaction.commit()?;
        taken.into_iter().try_for_each(|name| spool.archive(name))?;
        Ok(spool.flush()?)
    }
}

/// With the settings of importerd.
pub fn open(database: &Path) -> Outcome<Connection> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLE)?;
    Ok(connection)
}

/// Inserts a row, typed.
pub fn bind(insert: &mut rusqlite::Statement, file: i64, line: i64, fields: [&[u8]; 6]) -> Outcome<()> {
    let [id, name, qty, price, ts, note] = fields;
    let text = |field| std::str::from_utf8(field);
    insert.raw_bind_parameter(1, file)?;
    insert.raw_bind_parameter(2, line)?;
    insert.raw_bind_parameter(3, text(id)?.parse::<i64>()?)?;
    insert.raw_bind_parameter(4, text(name)?)?;
    insert.raw_bind_parameter(5, text(qty)?.parse::<i64>()?)?;
    insert.raw_bind_parameter(6, text(price)?.parse::<f64>()?)?;
    insert.raw_bind_parameter(7, text(ts)?)?;
    insert.raw_bind_parameter(8, text(note)?)?;
    insert.raw_execute()?;
    Ok(())
}

/// Room for one record.
pub struct Record {
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl Default for Record {
    fn default() -> Self {
        Self { fields: vec![0; 64 << 10], ends: vec![0; 16] }
    }
}

impl Record {
    /// Calls for each record of a file behind its header.
    pub fn each(&mut self, content: &[u8], mut call: impl FnMut([&[u8]; 6]) -> Outcome<()>) -> Outcome<()> {
        let mut reader = Reader::new();
        let (mut at, mut is_header) = (0, true);
        loop {
            let (result, read, _, ends) = reader.read_record(&content[at..], &mut self.fields, &mut self.ends);
            at += read;
            match result {
                ReadRecordResult::Record if is_header => is_header = false,
                ReadRecordResult::Record => call(fields(&self.fields, &self.ends[..ends])?)?,
                ReadRecordResult::End => return Ok(()),
                other => return Err(format!("{other:?} at byte {at}").into()),
            }
        }
    }
}

/// The fields of a record that csv-core has read.
pub fn fields<'r>(record: &'r [u8], ends: &[usize]) -> Outcome<[&'r [u8]; 6]> {
    let mut begins = 0;
    let mut fields: [&[u8]; 6] = [&[]; 6];
    if ends.len() != fields.len() {
        return Err(format!("{} fields instead of six", ends.len()).into());
    }
    for (field, end) in fields.iter_mut().zip(ends) {
        *field = &record[begins..*end];
        begins = *end;
    }
    Ok(fields)
}
