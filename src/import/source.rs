//! A dropped file's text, seen through a bounded window: unpacked and decoded on the way, UTF-8 as it is.

use std::fs::File;

use encoding_rs::{Encoding, UTF_8};

use super::content;
use super::text::{self, ROOM_BYTES_MIN, Transcoder};
use super::unpack::Unpacked;
use crate::fault::Fault;
use crate::file::Digest;
use crate::settings;

/// The longest record (a CSV row, a line of NDJSON, an object of a JSON array) in bytes. It bounds the memory
/// of a file that never ends a line or never closes a quote.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How much of a text is looked at before a record needs more.
const WINDOW_BYTES: usize = 256 << 10;

fn window_bytes() -> usize {
    #[cfg(fuzzing)]
    return WINDOW_BYTES.min(super::fuzz::cuts().window_bytes);
    #[cfg(not(fuzzing))]
    WINDOW_BYTES
}

/// What is left unread of a text, in order, of which a part is to be seen.
pub trait Window {
    /// The bytes that are in the window and not consumed.
    fn unread(&self) -> &[u8];
    /// Whether the window reaches the end of the text.
    fn ended(&self) -> bool;
    /// Drops the first `bytes` of [`Self::unread`].
    fn consume(&mut self, bytes: usize);
    /// Reads on, where it has not [`Self::ended`]. A fault of the text is met behind the last of [`Self::unread`].
    fn more(&mut self) -> Result<(), Fault>;
}

/// The text of a file.
pub struct Source<'f> {
    unpacked: Unpacked<'f>,
    /// How many bytes the file takes on the disk.
    size: u64,
    encoding: &'static Encoding,
    /// Whether a byte order mark says so.
    marked: bool,
    /// For a text that isn't UTF-8.
    transcoder: Option<Transcoder>,
    window: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// How many bytes of text came into the window.
    bytes: u64,
    /// Where the text breaks off, told when everything before it is consumed.
    broken: Option<Fault>,
}

impl<'f> Source<'f> {
    /// Starts at the first character, behind a byte order mark.
    pub fn open(file: &'f File, settings: &settings::Import) -> Result<Self, Fault> {
        let unpacked = Unpacked::open(file, settings.unpack)?;
        let size = file.metadata().map_err(|error| Fault::unreadable(&error))?.len();
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1).min(window_bytes());
        let room = if unpacked.packed() { window_bytes() } else { room };
        let mut source = Self {
            unpacked,
            size,
            encoding: UTF_8,
            marked: false,
            transcoder: None,
            window: vec![0; room],
            start: 0,
            end: 0,
            ended: false,
            bytes: 0,
            broken: None,
        };
        source.fill_window()?;
        let first = source.unread();
        content::refuse_binary(first, source.unpacked.packed())?;
        let declared = settings.encoding.as_deref().and_then(text::encoding);
        let (encoding, mark_bytes) = text::encoding_of(first, declared);
        (source.start, source.encoding, source.marked) = (mark_bytes, encoding, mark_bytes > 0);
        if encoding != UTF_8 {
            source.transcode(encoding)?;
        }
        Ok(source)
    }

    /// What is in the window so far was no UTF-8.
    fn transcode(&mut self, encoding: &'static encoding_rs::Encoding) -> Result<(), Fault> {
        self.transcoder = Some(Transcoder::new(encoding, self.unread()));
        (self.start, self.end, self.ended, self.bytes, self.broken) = (0, 0, false, 0, None);
        self.window.resize(window_bytes(), 0);
        self.fill_window()
    }

    /// Until it is full, or the text ends or breaks.
    fn fill_window(&mut self) -> Result<(), Fault> {
        while self.room() > 0 && !self.ended && self.broken.is_none() {
            self.fill()?;
        }
        Ok(())
    }

    /// How many bytes the file takes on the disk, compressed where it is.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes of text were consumed.
    pub fn position(&self) -> u64 {
        self.bytes - self.unread().len() as u64
    }

    /// As much in the window as fits, and so many bytes fit at least.
    pub fn widen(&mut self, room: usize) -> Result<(), Fault> {
        crate::pulse::beat();
        self.move_up();
        self.window.resize(self.window.len().max(room), 0);
        self.fill_window()
    }

    /// What is unread to the window's beginning.
    fn move_up(&mut self) {
        self.window.copy_within(self.start..self.end, 0);
        self.end -= std::mem::take(&mut self.start);
    }

    /// How many bytes of text there were so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it is compressed with.
    pub fn compression(&self) -> Option<&'static str> {
        self.unpacked.compression()
    }

    /// What it is written in, and whether a byte order mark says so.
    pub fn encoding(&self) -> (&'static str, bool) {
        (self.encoding.name(), self.marked)
    }

    /// The hash of the file's bytes read so far: of the whole file once [`Self::ended`].
    pub fn digest(&self) -> Digest {
        self.unpacked.file().digest()
    }

    /// How much can come into the window.
    fn room(&self) -> usize {
        let free = self.window.len() - self.end;
        if self.transcoder.is_some() && free < ROOM_BYTES_MIN { 0 } else { free }
    }

    fn fill(&mut self) -> Result<(), Fault> {
        let free = &mut self.window[self.end..];
        let (filled, result) = match &mut self.transcoder {
            None => match self.unpacked.fill(free) {
                Ok(filled) => (filled, Ok(())),
                Err(fault) => (0, Err(fault)),
            },
            Some(transcoder) => transcoder.fill(&mut self.unpacked, free),
        };
        self.end += filled;
        self.bytes += filled as u64;
        match result {
            Ok(()) => self.ended = filled == 0,
            Err(fault @ Fault::Permanent(_)) => self.broken = Some(fault),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

impl Window for Source<'_> {
    fn unread(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    fn ended(&self) -> bool {
        self.ended
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.end, "consumed more than there is");
    }

    /// In a window that doubles when one record fills it. It stays bounded because the readers never ask for more than a
    /// record of [`RECORD_BYTES_MAX`].
    fn more(&mut self) -> Result<(), Fault> {
        crate::pulse::beat();
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        self.move_up();
        if self.room() == 0 {
            let room = (self.window.len() * 2).min(RECORD_BYTES_MAX + WINDOW_BYTES);
            self.window.resize(room, 0);
        }
        self.fill_window()
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
