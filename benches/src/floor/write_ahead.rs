//! The floor of durable work: what is read goes into a write-ahead record, flushed once for all that wait, and the originals are moved away.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::spool::{Spool, if_there};
use crate::Outcome;

/// Of the record; it is begun anew when it is full, as a database does after a checkpoint.
const BYTES: usize = 8 << 20;

/// So many files share a flush.
const BATCH: usize = 64;

/// What is there.
pub fn backlog(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let mut record = Record::open(root)?;
    for names in spool.names()?.chunks(BATCH) {
        record.take(&spool, names)?;
    }
    Ok(spool.flush()?)
}

/// What comes, as it comes: what waits together shares a flush.
pub fn live(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let mut record = Record::open(root)?;
    spool.live(root, |names: &[CString]| names.chunks(BATCH).try_for_each(|names| record.take(&spool, names)))
}

/// Written with zeros first, so that a flush has no more to write than what is new.
struct Record {
    file: File,
    at: u64,
}

impl Record {
    fn open(root: &Path) -> Outcome<Self> {
        let file = File::create_new(root.join("state/record"))?;
        file.write_all_at(&vec![0; BYTES], 0)?;
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    fn take(&mut self, spool: &Spool, names: &[CString]) -> Outcome<()> {
        let (mut batch, mut content, mut taken) = (Vec::new(), Vec::new(), Vec::with_capacity(names.len()));
        for name in names {
            if if_there(spool.read(name, &mut content))?.is_some() {
                batch.extend_from_slice(name.to_bytes_with_nul());
                batch.extend_from_slice(&content);
                taken.push(name);
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        if self.at + batch.len() as u64 > BYTES as u64 {
            self.at = 0;
        }
        self.file.write_all_at(&batch, self.at)?;
        self.at += batch.len() as u64;
        self.file.sync_data()?;
        taken.into_iter().try_for_each(|name| Ok(spool.archive(name)?))
    }
}
