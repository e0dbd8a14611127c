//! A dropped file's bytes as they lie on the disk: read once from start to end, hashed on the way.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::file::Digest;

/// What is left of a file, in order. Starts at its first byte, whatever the descriptor's own position is, and
/// leaves that alone.
pub struct Bytes<'f> {
    file: &'f File,
    offset: u64,
    ended: bool,
    /// What the disk said when it couldn't be read.
    failed: Option<i32>,
    hasher: blake3::Hasher,
}

impl<'f> Bytes<'f> {
    /// All of it.
    pub fn of(file: &'f File) -> Self {
        Self { file, offset: 0, ended: false, failed: None, hasher: blake3::Hasher::new() }
    }

    /// The bytes from so many before the next one on, which stay as unread as they are. Answers how many there are.
    pub fn peek(&mut self, back: usize, into: &mut [u8]) -> io::Result<usize> {
        let (start, mut filled) = (self.offset - back as u64, 0);
        while filled < into.len() {
            let read = self.read_at(&mut into[filled..], start + filled as u64);
            match read.inspect_err(|error| self.failed = error.raw_os_error())? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether somebody asked for more than there is.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The disk's own fault, whatever a decoder made of it.
    pub fn failed(&self) -> Option<io::Error> {
        self.failed.map(io::Error::from_raw_os_error)
    }

    /// The hash of the bytes read: of the whole file once it has [`Self::ended`].
    pub fn digest(&self) -> Digest {
        Digest(*self.hasher.finalize().as_bytes())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        crate::pulse::beat();
        #[cfg(fuzzing)]
        let into = super::fuzz::cut_read(into);
        let read = self.read_at(into, self.offset).inspect_err(|error| self.failed = error.raw_os_error())?;
        self.hasher.update(&into[..read]);
        self.offset += read as u64;
        self.ended |= read == 0 && !into.is_empty();
        Ok(read)
    }
}
