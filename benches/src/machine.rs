//! Where it is measured: numbers of different machines, or disks, don't compare.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;

/// So many flushes tell how long one takes.
const FLUSHES: usize = 100;

/// In a line of Markdown.
pub fn describe(directory: &Path, rounds: usize) -> Outcome<String> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let filesystem = Command::new("stat").args(["--file-system", "--format=%T"]).arg(directory).output()?;
    let flush = flush(directory)?.as_secs_f64() * 1e3;
    Ok(format!(
        "{} processors ({model}), Linux {}, {}, {flush:.2} ms for a flush of 4 KiB, {rounds} rounds.\n",
        crate::processors(),
        kernel.trim(),
        String::from_utf8_lossy(&filesystem.stdout).trim(),
    ))
}

/// The median time of `fdatasync` after 4 KiB were written over.
fn flush(directory: &Path) -> Outcome<Duration> {
    let path = directory.join("flushed");
    let file = File::create(&path)?;
    let mut took = Vec::with_capacity(FLUSHES);
    for _ in 0..=FLUSHES {
        file.write_all_at(&[0; 4096], 0)?;
        let begun = Instant::now();
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    fs::remove_file(&path)?;
    took.sort();
    Ok(took[FLUSHES / 2])
}
