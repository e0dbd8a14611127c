//! One result file for each file, by bare system calls: open, read, write, rename, rename. Nothing is flushed.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::{memchr, memchr_iter};
use rustix::fs::{Mode, OFlags, openat, renameat};

use super::spool::{Spool, if_there};
use crate::Outcome;

const THREADS: usize = 2;

/// What is there, by two threads.
pub fn backlog(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let names = spool.names()?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        let mut content = Vec::new();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            one(&spool, name, &mut content).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(())
}

/// What comes, as it comes.
pub fn live(root: &Path) -> Outcome<()> {
    let spool = Spool::open(root)?;
    let mut content = Vec::new();
    spool.live(root, |names: &[CString]| names.iter().try_for_each(|name| one(&spool, name, &mut content)))
}

fn one(spool: &Spool, name: &CStr, content: &mut Vec<u8>) -> Outcome<()> {
    if if_there(spool.read(name, content))?.is_none() {
        return Ok(());
    }
    let text = name.to_str()?;
    let (hidden, published) = (format!(".{text}.tmp"), format!("{text}.json"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&spool.results, &hidden, flags, Mode::from_raw_mode(0o644))?;
    rustix::io::write(&file, sums(text, content)?.as_bytes())?;
    drop(file);
    renameat(&spool.results, &hidden, &spool.results, published)?;
    Ok(spool.archive(name)?)
}

/// The result of a file: how many rows it has, and the sum of their third column.
pub fn sums(name: &str, content: &[u8]) -> Outcome<String> {
    let (mut rows, mut sum) = (0_u64, 0_u64);
    let body = content.get(memchr(b'\n', content).ok_or("no header")? + 1..).unwrap_or_default();
    let mut begins = 0;
    for end in memchr_iter(b'\n', body) {
        let line = &body[begins..end];
        begins = end + 1;
        let mut commas = memchr_iter(b',', line).skip(1);
        let (from, to) = (commas.next().ok_or("no third column")? + 1, commas.next().ok_or("no fourth column")?);
        sum += std::str::from_utf8(&line[from..to])?.parse::<u64>()?;
        rows += 1;
    }
    Ok(format!("{{\"file\":\"{name}\",\"rows\":{rows},\"sum\":{sum}}}\n"))
}
