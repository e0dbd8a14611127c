//! Makes what was produced durable, while it is still in staging.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FileType, fsync, syncfs};

use super::Produced;
use crate::fault::Fault;
use crate::run::{staging, tree};

/// Up to how many files and directories of a batch are flushed one by one. More of them are flushed
/// by one `syncfs`, which also has to wait for what everybody else wrote to the filesystem.
pub const FSYNC_NODES_MAX: usize = 8;

/// Flushes a batch to disk, in the order in which it was processed. On return a power loss takes
/// nothing of it away: contents, names, and the names of the staging directories.
///
/// # Errors
/// [`Fault::World`]: some of it may be lost although a later flush says otherwise. The whole batch
/// has to be processed again, never only sealed again.
pub fn seal(batch: &[&Produced]) -> Result<(), Fault> {
    if batch.iter().map(|produced| produced.nodes).sum::<usize>() <= FSYNC_NODES_MAX {
        batch.iter().try_for_each(|produced| flush_each(produced))
    } else {
        flush_filesystems(batch).map_err(|error| Fault::io("flush results to disk", &error))?;
        batch.iter().try_for_each(|produced| is_there(produced))
    }
}

/// What a command of the same batch has removed would be taken for published.
fn is_there(produced: &Produced) -> Result<(), Fault> {
    let stdout = produced.stdout.then(|| staging::printed(&produced.staging));
    [Some(produced.staging.clone()), stdout].iter().flatten().try_for_each(|path| {
        let found = path.symlink_metadata();
        found.map(drop).map_err(|error| Fault::io(format_args!("find result {}", path.display()), &error))
    })
}

/// One `syncfs` for each filesystem. It reports every write that failed since its descriptor was
/// opened, and the first one of the batch was opened before any command of the batch wrote.
fn flush_filesystems(batch: &[&Produced]) -> io::Result<()> {
    let mut flushed = Vec::new();
    for produced in batch {
        let device = produced.opened.metadata()?.dev();
        if !flushed.contains(&device) {
            syncfs(&produced.opened)?;
            flushed.push(device);
        }
    }
    Ok(())
}

fn flush_each(produced: &Produced) -> Result<(), Fault> {
    if produced.nodes == 0 {
        return Ok(());
    }
    tree::walk(&produced.staging, &mut |node| {
        let flushed = match node.kind() {
            FileType::RegularFile | FileType::Directory => node.open().and_then(|file| Ok(fsync(file.as_fd())?)),
            _ => Ok(()),
        };
        flushed.map_err(|error| Fault::io(format_args!("flush result {:?}", node.path), &error))
    })?;
    let stdout = produced.stdout.then(|| staging::printed(&produced.staging));
    let parent = produced.staging.parent();
    let rest = [stdout.as_deref(), Some(&produced.staging), parent];
    rest.into_iter().flatten().try_for_each(flush)
}

fn flush(path: &Path) -> Result<(), Fault> {
    let flushed = File::open(path).and_then(|file| file.sync_all());
    flushed.map_err(|error| Fault::io(format_args!("flush {}", path.display()), &error))
}
