//! Reading ahead: a text of more than one window is read and taken apart in a thread of its own, while this one types its
//! records and hands them on. Each does about half of the work.
//!
//! ```text
//! own thread:   source ─ reader ─▶ Block ──┐ at most two wait ┌──▶ Block ─▶ record, one by one   :this thread
//!                          empty ◀─────────┼──────────────────┘
//!                                          └ closed: the file has ended, or nobody wants more
//! ```
//!
//! Whoever asks for records meets the same ones, the same refusals and faults in the same order as without it. A panic
//! over there is one here, and the thread has ended before [`read`] returns.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ScopedJoinHandle};

use super::reader::Reader;
use super::record::{Record, Records, Span};
use super::reject::Refused;
use crate::fault::{Fault, Reason};
use crate::pulse;

/// So much goes from one thread to the other at once, and the record that reaches beyond it.
const BLOCK_BYTES: usize = 256 << 10;

/// So many blocks wait at most.
const BLOCKS_MAX: usize = 2;

/// Has `work` go through the records that are left.
pub fn read<T>(reader: &mut Reader<'_>, work: impl FnOnce(&mut dyn Records) -> Result<T, Fault>) -> Result<T, Fault> {
    if reader.source().ended() {
        return work(reader);
    }
    beside(|block| block.fill(reader), work)
}

/// `work` gets what `fill` puts into blocks, until it says that there is no more.
fn beside<T>(
    mut fill: impl FnMut(&mut Block) -> bool + Send,
    work: impl FnOnce(&mut dyn Records) -> Result<T, Fault>,
) -> Result<T, Fault> {
    thread::scope(|scope| {
        let (send, blocks) = mpsc::sync_channel(BLOCKS_MAX);
        let (spare, emptied) = mpsc::channel();
        let pulse = pulse::of_this_thread();
        let fill_all = move || {
            pulse.into_iter().for_each(pulse::belongs_to_this_thread);
            let mut is_wanted = true;
            while is_wanted {
                let mut block: Block = emptied.try_recv().unwrap_or_default();
                let has_more = fill(&mut block);
                is_wanted = send.send(block).is_ok() && has_more;
            }
        };
        let reading = thread::Builder::new().name("reading".to_owned()).spawn_scoped(scope, fill_all);
        let reading = reading.map_err(|error| Fault::io("start a thread that reads the file", &error))?;
        work(&mut Ahead { blocks, spare, block: Block::default(), reading: Some(reading) })
    })
}

/// Records that another thread reads.
struct Ahead<'scope> {
    blocks: Receiver<Block>,
    spare: Sender<Block>,
    /// The one in hand.
    block: Block,
    /// `None`: it has ended.
    reading: Option<ScopedJoinHandle<'scope, ()>>,
}

impl Ahead<'_> {
    /// Goes to the next block. `false`: there is none.
    fn turn_over(&mut self) -> bool {
        pulse::beat();
        if let Ok(block) = self.blocks.recv() {
            let emptied = std::mem::replace(&mut self.block, block);
            // Whoever would fill it may have ended.
            let _ = self.spare.send(emptied.cleared());
            return true;
        }
        if let Some(Err(panic)) = self.reading.take().map(ScopedJoinHandle::join) {
            resume_unwind(panic);
        }
        false
    }
}

impl Records for Ahead<'_> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        while self.block.items.is_empty() {
            if !self.turn_over() {
                return Ok(None);
            }
        }
        self.block.next()
    }
}

/// Records, their texts one behind the other.
#[derive(Default)]
struct Block {
    items: VecDeque<Item>,
    raw: String,
    rewritten: String,
    spans: Vec<Span>,
    /// What the columns were called at its end.
    names: Vec<String>,
    /// Where the next record begins.
    begins: Ends,
    /// The key of the record in hand.
    key: Option<String>,
}

/// Places in the texts and among the cells of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    raw: usize,
    rewritten: usize,
    spans: usize,
}

/// What a reader answers.
enum Item {
    Record { line: u64, number: Option<u64>, key: Option<String>, columns: usize, ends: Ends },
    Refused(Box<Reason>, Ends),
    Broken(Box<Fault>),
}

impl Block {
    /// Reads until it is full. `false`: there is no more.
    fn fill(&mut self, reader: &mut Reader<'_>) -> bool {
        let has_more = loop {
            let item = match reader.next() {
                Ok(Some(record)) => self.record(&record),
                Ok(None) => break false,
                Err(Refused::Record(reason, text)) => {
                    self.raw.push_str(&text);
                    Item::Refused(reason, self.ends())
                }
                Err(Refused::File(fault)) => {
                    self.items.push_back(Item::Broken(Box::new(fault)));
                    break false;
                }
            };
            self.items.push_back(item);
            if self.bytes() > BLOCK_BYTES {
                break true;
            }
        };
        // More may come, those that are there stay.
        self.names.extend_from_slice(&reader.names()[self.names.len()..]);
        has_more
    }

    fn record(&mut self, record: &Record<'_>) -> Item {
        self.raw.push_str(record.raw);
        self.rewritten.push_str(record.rewritten);
        self.spans.extend_from_slice(record.spans);
        let (line, number, key) = (record.line, record.number, record.key.map(str::to_owned));
        Item::Record { line, number, key, columns: record.names.len(), ends: self.ends() }
    }

    fn ends(&self) -> Ends {
        Ends { raw: self.raw.len(), rewritten: self.rewritten.len(), spans: self.spans.len() }
    }

    fn bytes(&self) -> usize {
        let fixed = self.items.len() * size_of::<Item>() + size_of_val(&self.spans[..]);
        self.raw.len() + self.rewritten.len() + fixed
    }

    /// What the reader answered next. `None`: all was told.
    fn next(&mut self) -> Result<Option<Record<'_>>, Refused<'_>> {
        let begins = self.begins;
        let Some(item) = self.items.pop_front() else { return Ok(None) };
        match item {
            Item::Record { line, number, key, columns, ends } => {
                (self.begins, self.key) = (ends, key);
                Ok(Some(Record {
                    line,
                    number,
                    key: self.key.as_deref(),
                    names: &self.names[..columns],
                    raw: &self.raw[begins.raw..ends.raw],
                    rewritten: &self.rewritten[begins.rewritten..ends.rewritten],
                    spans: &self.spans[begins.spans..ends.spans],
                }))
            }
            Item::Refused(reason, ends) => {
                self.begins = ends;
                Err(Refused::Record(reason, self.raw[begins.raw..ends.raw].into()))
            }
            Item::Broken(fault) => Err(Refused::File(*fault)),
        }
    }

    /// Without records, to be filled again; without the room that a long one took.
    fn cleared(mut self) -> Self {
        self.items.clear();
        self.raw.clear();
        self.rewritten.clear();
        self.spans.clear();
        self.raw.shrink_to(2 * BLOCK_BYTES);
        self.rewritten.shrink_to(2 * BLOCK_BYTES);
        Self { begins: Ends::default(), ..self }
    }
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
