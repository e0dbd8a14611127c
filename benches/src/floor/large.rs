//! A large file as a loop written by hand for it alone: one thread reads, parses and types, the other one inserts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use csv_core::{ReadRecordResult, Reader};
use serde::Deserialize;

use super::import::{INSERT, fields, open};
use crate::Outcome;

/// So many rows go from one thread to the other at once.
const BATCH: usize = 512;

/// So many batches wait at most.
const BATCHES_MAX: usize = 8;

/// Read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What both threads return.
type Told<T> = Result<T, String>;

/// A CSV file with a header.
pub fn csv(file: &Path, database: &Path) -> Outcome<()> {
    let file = File::open(file)?;
    load(database, move |out| parse_csv(file, out))
}

/// A file with a JSON object a line.
pub fn ndjson(file: &Path, database: &Path) -> Outcome<()> {
    let file = BufReader::with_capacity(CHUNK_BYTES, File::open(file)?);
    load(database, move |out| parse_ndjson(file, out))
}

fn load(database: &Path, parse: impl FnOnce(&SyncSender<Batch>) -> Outcome<()> + Send) -> Outcome<()> {
    let (send, receive) = sync_channel(BATCHES_MAX);
    std::thread::scope(|scope| {
        let parser = scope.spawn(move || parse(&send).map_err(|error| error.to_string()));
        let inserted = insert(database, &receive);
        drop(receive);
        let parsed: Told<()> = parser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        inserted.and(parsed.map_err(Into::into))
    })
}

fn insert(database: &Path, batches: &Receiver<Batch>) -> Outcome<()> {
    let mut connection = open(database)?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare(INSERT)?;
    insert.raw_bind_parameter(1, 1)?;
    for batch in batches {
        for row in &batch.rows {
            let text = |field: usize| &batch.text[row.texts[field].0..row.texts[field].1];
            insert.raw_bind_parameter(2, row.line)?;
            insert.raw_bind_parameter(3, row.id)?;
            insert.raw_bind_parameter(4, text(0))?;
            insert.raw_bind_parameter(5, row.qty)?;
            insert.raw_bind_parameter(6, row.price)?;
            insert.raw_bind_parameter(7, text(1))?;
            insert.raw_bind_parameter(8, text(2))?;
            insert.raw_execute()?;
        }
    }
    drop(insert);
    Ok(transaction.commit()?)
}

/// Typed rows, with their texts one behind the other.
#[derive(Default)]
struct Batch {
    text: String,
    rows: Vec<Typed>,
}

struct Typed {
    line: i64,
    id: i64,
    qty: i64,
    price: f64,
    /// Where name, ts and note are in the text.
    texts: [(usize, usize); 3],
}

impl Batch {
    fn push(&mut self, line: i64, id: i64, qty: i64, price: f64, texts: [&str; 3]) {
        let texts = texts.map(|text| {
            let begins = self.text.len();
            self.text.push_str(text);
            (begins, self.text.len())
        });
        self.rows.push(Typed { line, id, qty, price, texts });
    }

    /// Sends it when it is full.
    fn pass_on(&mut self, out: &SyncSender<Self>, is_last: bool) -> Outcome<()> {
        if self.rows.len() >= BATCH || is_last {
            let next = Self { text: String::with_capacity(self.text.len()), rows: Vec::with_capacity(BATCH) };
            out.send(std::mem::replace(self, next)).map_err(|_| "nobody inserts any more")?;
        }
        Ok(())
    }
}

fn parse_csv(mut file: File, out: &SyncSender<Batch>) -> Outcome<()> {
    let (mut reader, mut batch) = (Reader::new(), Batch::default());
    let (mut chunk, mut record, mut ends) = (vec![0; CHUNK_BYTES], vec![0; 64 << 10], [0; 16]);
    let (mut written, mut ended, mut is_header, mut line) = (0, 0, true, 1);
    loop {
        let length = file.read(&mut chunk)?;
        let mut at = 0;
        // An empty chunk, and nothing else, is the end of the file.
        while at < length || length == 0 {
            let (result, read, wrote, found) =
                reader.read_record(&chunk[at..length], &mut record[written..], &mut ends[ended..]);
            (at, written, ended) = (at + read, written + wrote, ended + found);
            match result {
                ReadRecordResult::Record => {
                    if !std::mem::take(&mut is_header) {
                        let [id, name, qty, price, ts, note] = fields(&record[..written], &ends[..ended])?;
                        line += 1;
                        let text = |field| std::str::from_utf8(field);
                        let (id, qty, price) = (text(id)?.parse()?, text(qty)?.parse()?, text(price)?.parse()?);
                        batch.push(line, id, qty, price, [text(name)?, text(ts)?, text(note)?]);
                        batch.pass_on(out, false)?;
                    }
                    (written, ended) = (0, 0);
                }
                ReadRecordResult::InputEmpty => break,
                ReadRecordResult::End => return batch.pass_on(out, true),
                other => return Err(format!("{other:?} in line {line}").into()),
            }
        }
    }
}

#[derive(Deserialize)]
struct Object<'l> {
    id: i64,
    name: &'l str,
    qty: i64,
    price: f64,
    ts: &'l str,
    note: &'l str,
}

fn parse_ndjson(mut file: BufReader<File>, out: &SyncSender<Batch>) -> Outcome<()> {
    let (mut batch, mut text, mut line) = (Batch::default(), Vec::new(), 0);
    loop {
        text.clear();
        if file.read_until(b'\n', &mut text)? == 0 {
            return batch.pass_on(out, true);
        }
        line += 1;
        let object: Object = serde_json::from_slice(&text)?;
        batch.push(line, object.id, object.qty, object.price, [object.name, object.ts, object.note]);
        batch.pass_on(out, false)?;
    }
}
