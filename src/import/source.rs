//! A dropped file's bytes: read once from start to end, hashed on the way, seen through a bounded window.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::fault::Fault;
use crate::file::Digest;

/// The longest record (a CSV row, a line of NDJSON) in bytes. It bounds the memory of a file
/// that never ends a line or never closes a quote.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How much of a file is looked at before a record needs more.
const WINDOW_BYTES: usize = 256 << 10;

/// What is left unread of a file, in order.
pub struct Source<'f> {
    file: &'f File,
    offset: u64,
    window: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    hasher: blake3::Hasher,
}

impl<'f> Source<'f> {
    /// Starts at the first byte, whatever the descriptor's own position is, and leaves that alone.
    pub fn open(file: &'f File) -> Result<Self, Fault> {
        let size = file.metadata().map_err(|error| Fault::unreadable(&error))?.len();
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1).min(WINDOW_BYTES);
        let mut source = Self {
            file,
            offset: 0,
            window: vec![0; room],
            start: 0,
            end: 0,
            ended: false,
            hasher: blake3::Hasher::new(),
        };
        while source.end < source.window.len() && !source.ended {
            source.more()?;
        }
        Ok(source)
    }

    /// The bytes that are in the window and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Whether the window reaches the end of the file.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// How many bytes were read from the file so far.
    pub fn bytes_read(&self) -> u64 {
        self.offset
    }

    /// Drops the first `bytes` of [`Self::unread`].
    pub fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.end, "consumed more than there is");
    }

    /// Reads on, in a window that doubles when one record fills it. It stays bounded because the
    /// readers never ask for more than a record of [`RECORD_BYTES_MAX`].
    pub fn more(&mut self) -> Result<(), Fault> {
        crate::pulse::beat();
        if self.start > 0 {
            self.window.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.window.len() {
            let room = (self.window.len() * 2).min(RECORD_BYTES_MAX + WINDOW_BYTES);
            self.window.resize(room, 0);
        }
        let read = self.read_once().map_err(|error| Fault::unreadable(&error))?;
        self.hasher.update(&self.window[self.end..self.end + read]);
        self.end += read;
        self.offset += read as u64;
        self.ended = read == 0;
        Ok(())
    }

    fn read_once(&mut self) -> io::Result<usize> {
        loop {
            match self.file.read_at(&mut self.window[self.end..], self.offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The hash of the bytes read so far: of the whole file once [`Self::ended`].
    pub fn digest(&self) -> Digest {
        Digest(*self.hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_byte_is_seen_once_and_hashed() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..WINDOW_BYTES * 3 + 17).map(|at| u8::try_from(at % 251).unwrap()).collect();
        file.write_all(&content).unwrap();
        let mut source = Source::open(&file).unwrap();
        let mut seen = Vec::new();
        while !source.ended() {
            let some = source.unread().len() / 2 + 1;
            let some = some.min(source.unread().len());
            seen.extend_from_slice(&source.unread()[..some]);
            source.consume(some);
            source.more().unwrap();
        }
        seen.extend_from_slice(source.unread());
        assert_eq!(seen, content);
        assert_eq!(source.digest().0, *blake3::hash(&content).as_bytes());
        assert_eq!(source.bytes_read(), content.len() as u64);
    }
}
