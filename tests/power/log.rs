//! The log of a life: what reached the disks, in the order in which it came, and between it what was said and what
//! was uploaded. All disks share one log, so that it tells what came before what across them too.

use serde_json::Value;

/// What can lie between two positions of a log.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Bytes on their way to a disk: there, or not, or in part, until it is flushed.
    Write { disk: usize, offset: usize, bytes: Box<[u8]> },
    /// What was written to this disk before is durable from here on.
    Flush { disk: usize },
    /// A record of the daemon's log.
    Said(Value),
    /// The upload of this number is durable, as far as its uploader can see to it.
    Uploaded(usize),
}

/// A log, and what was on the disks before.
#[derive(Debug, Clone, Default)]
pub struct Life {
    pub born: Vec<Vec<u8>>,
    pub log: Vec<Entry>,
}

impl Life {
    /// The records of the daemon's log.
    pub fn said(&self) -> Vec<Value> {
        let said = self.log.iter().filter_map(|entry| match entry {
            Entry::Said(record) => Some(record.clone()),
            _ => None,
        });
        said.collect()
    }
}
