//! The rows that are imported: any of them can be made again from its number, so that what came of it can be checked.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The first line of every CSV file.
const HEADER: &[u8] = b"id,name,qty,price,ts,note\n";

/// How many rows a small file has; it is 4 KiB then.
pub const ROWS_OF_SMALL: u64 = 20;

const WORDS: [&str; 28] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima",
    "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray",
    "yankee", "zulu", "Zürich", "Genève",
];

/// How long the last column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Twenty of them are 4 KiB.
    Small,
    /// As in an export: 95 bytes a row.
    Large,
}

/// One row.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub id: u64,
    pub name: String,
    pub qty: u64,
    pub cents: u64,
    pub ts: String,
    pub note: String,
}

impl Row {
    /// The row of this number, always the same.
    pub fn of(id: u64, shape: Shape) -> Self {
        let mut random = Random(id ^ 0x1234_5678);
        let name = format!("{}{:03}", random.word(), random.below(1000));
        let (qty, cents) = (random.below(1000), random.below(1_000_000));
        let (month, day) = (1 + random.below(12), 1 + random.below(28));
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let ts = format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        let (bytes, quoted_percent) = match shape {
            Shape::Small => (150, 50),
            Shape::Large => (10 + random.below(60), 10),
        };
        let is_quoted = random.below(100) < quoted_percent;
        let note = random.note(bytes, if is_quoted { ", " } else { " " });
        Self { id, name, qty, cents, ts, note }
    }

    fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let quote = if self.note.contains(',') { "\"" } else { "" };
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        writeln!(
            out,
            "{},{},{},{whole}.{cents:02},{},{quote}{}{quote}",
            self.id, self.name, self.qty, self.ts, self.note
        )
    }

    fn write_ndjson(&self, out: &mut impl Write) -> io::Result<()> {
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        let Self { id, name, qty, ts, note, .. } = self;
        writeln!(
            out,
            "{{\"id\":{id},\"name\":\"{name}\",\"qty\":{qty},\"price\":{whole}.{cents:02},\"ts\":\"{ts}\",\"note\":\"{note}\"}}"
        )
    }
}

/// The name of a small file.
pub fn name_of(file: usize) -> String {
    format!("f{file:07}.csv")
}

/// The number of the small file of this name.
pub fn number_of(name: &[u8]) -> Option<usize> {
    let digits = name.strip_prefix(b"f")?.strip_suffix(b".csv")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The ids of the rows of a small file.
pub fn ids_of(file: usize) -> std::ops::Range<u64> {
    let first = file as u64 * ROWS_OF_SMALL;
    first..first + ROWS_OF_SMALL
}

/// What a small file says.
pub fn small(file: usize) -> Vec<u8> {
    let mut text = HEADER.to_vec();
    for id in ids_of(file) {
        Row::of(id, Shape::Small).write_csv(&mut text).unwrap_or_else(|_| unreachable!("memory takes everything"));
    }
    text
}

/// Writes so many small files into a directory.
pub fn write_small(directory: &Path, files: usize) -> io::Result<()> {
    std::thread::scope(|scope| {
        let half = |from: usize| {
            move || (from..files).step_by(2).try_for_each(|file| fs::write(directory.join(name_of(file)), small(file)))
        };
        let other = scope.spawn(half(1));
        half(0)()?;
        other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Writes a large CSV file.
pub fn write_csv(path: &Path, rows: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(HEADER)?;
    (0..rows).try_for_each(|id| Row::of(id, Shape::Large).write_csv(&mut out))?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Writes a large file with a JSON object a line.
pub fn write_ndjson(path: &Path, rows: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    (0..rows).try_for_each(|id| Row::of(id, Shape::Large).write_ndjson(&mut out))?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// The generator that is called split mix: the same numbers for the same beginning.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn word(&mut self) -> &'static str {
        WORDS[usize::try_from(self.below(WORDS.len() as u64)).unwrap_or_default()]
    }

    fn note(&mut self, bytes: u64, between: &str) -> String {
        let mut note = self.word().to_owned();
        while (note.len() as u64) < bytes {
            note.push_str(if self.below(5) == 0 { between } else { " " });
            note.push_str(self.word());
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_is_four_kib_and_has_its_own_rows() {
        let (one, two) = (small(1), small(2));
        assert!((3500..4600).contains(&one.len()), "{} bytes", one.len());
        assert_ne!(one, two);
        assert_eq!(one, small(1));
        assert_eq!(number_of(name_of(17).as_bytes()), Some(17));
    }
}
