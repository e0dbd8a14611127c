//! What a compressed file holds: gzip and zstd, member by member, within limits that a bomb meets early.
//!
//! Every byte of the file counts. Data that break off, that don't keep their checksum, or that are followed by
//! something else, are refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::bytes::Bytes;
use crate::fault::{Fault, Reason};
use crate::settings::Unpack;

/// What gzip files start with.
const GZIP: &[u8] = b"\x1f\x8b";

/// What frames of zstd start with.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// So many bytes tell what a file is.
const MAGIC_BYTES: usize = 4;

/// How much of a compressed file is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The most that zstd may ask to be kept of what came before; up to its level 20 it asks for no more.
const ZSTD_WINDOW_BYTES_MAX: u64 = 32 << 20;

/// Before so much has come out, no ratio is suspicious: a small file does no harm.
const UNSUSPECTED_BYTES: u64 = 16 << 20;

/// Whether a file that starts so is one of gzip.
pub fn is_gzip(first: &[u8]) -> bool {
    first.starts_with(GZIP)
}

/// Whether a file that starts so is one of zstd: with a frame, or, as pzstd's, with one to be skipped.
pub fn is_zstd(first: &[u8]) -> bool {
    first.len() >= MAGIC_BYTES && may_be_zstd(first)
}

/// Of bytes that may be cut off: whether they are no other's.
fn may_be_gzip(first: &[u8]) -> bool {
    agree(first, GZIP)
}

/// The same.
fn may_be_zstd(first: &[u8]) -> bool {
    agree(first, ZSTD) || matches!(first, [0x50..=0x5F, rest @ ..] if agree(rest, b"\x2a\x4d\x18"))
}

fn agree(first: &[u8], magic: &[u8]) -> bool {
    first.iter().zip(magic).all(|(byte, expected)| byte == expected)
}

/// A file's bytes, unpacked where it is compressed.
pub struct Unpacked<'f> {
    content: Content<'f>,
    /// How many bytes came out.
    bytes: u64,
    /// Whether all of them did.
    ended: bool,
    limits: Unpack,
    /// Why no more will come.
    broken: Option<Fault>,
}

enum Content<'f> {
    Plain(Box<Bytes<'f>>),
    Gzip(Box<Gzip<'f>>),
    Zstd(Box<Zstd<'f>>),
}

/// What is wrong with compressed data.
enum Damage {
    /// The decoder's own words.
    Says(String),
    /// Behind the last member lies something else.
    Followed,
    /// It asks for more memory than is given.
    Window { bytes: u64 },
}

impl<'f> Unpacked<'f> {
    /// By the file's first bytes, whatever it is called.
    pub fn open(file: &'f File, limits: Unpack) -> Result<Self, Fault> {
        let (mut bytes, mut first) = (Bytes::of(file), [0; MAGIC_BYTES]);
        bytes.peek(0, &mut first).map_err(|error| Fault::unreadable(&error))?;
        let content = match first {
            _ if is_gzip(&first) => Content::Gzip(Box::new(Gzip::open(bytes))),
            _ if is_zstd(&first) => Content::Zstd(Box::new(Zstd::open(bytes))),
            _ => Content::Plain(Box::new(bytes)),
        };
        Ok(Self { content, bytes: 0, ended: false, limits, broken: None })
    }

    /// Whether it is compressed.
    pub fn packed(&self) -> bool {
        !matches!(self.content, Content::Plain(_))
    }

    /// What it is compressed with.
    pub fn compression(&self) -> Option<&'static str> {
        match self.content {
            Content::Plain(_) => None,
            Content::Gzip(_) => Some("gzip"),
            Content::Zstd(_) => Some("zstd"),
        }
    }

    /// The next bytes; 0: there are no more, and every byte of the file was read.
    pub fn fill(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let filled = match (&self.broken, &mut self.content) {
            (Some(fault), _) => return Err(fault.clone()),
            (None, Content::Plain(bytes)) => return bytes.read(into).map_err(|error| Fault::unreadable(&error)),
            _ if self.ended => return Ok(0),
            (None, Content::Gzip(gzip)) => gzip.fill(into),
            (None, Content::Zstd(zstd)) => zstd.fill(into),
        };
        let filled = filled.map_err(|damage| self.refused(damage)).and_then(|filled| {
            self.bytes += filled as u64;
            self.ended = filled == 0;
            self.check_limits().map(|()| filled)
        });
        filled.inspect_err(|fault| self.broken = Some(fault.clone()))
    }

    /// The file as it lies on the disk.
    pub fn file(&self) -> &Bytes<'f> {
        match &self.content {
            Content::Plain(bytes) => bytes,
            Content::Gzip(gzip) => gzip.reader().get_ref(),
            Content::Zstd(zstd) => zstd.reader.get_ref(),
        }
    }

    fn check_limits(&self) -> Result<(), Fault> {
        let Unpack { bytes_max, ratio_max } = self.limits;
        let read = self.file().offset();
        let (code, text, hint) = if self.bytes > bytes_max {
            let text = format!("more than {} GiB come out of the compressed file", bytes_max >> 30);
            ("too_large", text, "raise import.unpacked_gib_max, or split the file")
        } else if self.bytes > UNSUSPECTED_BYTES && self.bytes / read.max(1) > ratio_max {
            let text = format!("{} come out of {read} bytes: more than {ratio_max} for one", self.bytes);
            ("suspicious_ratio", text, "is it a bomb? if it is not, raise import.unpack_ratio_max")
        } else {
            return Ok(());
        };
        Err(Fault::Permanent(Reason::new(code, text).hint(hint)))
    }

    fn refused(&self, damage: Damage) -> Fault {
        let (what, buffered) = match &self.content {
            Content::Gzip(gzip) => ("gzip", gzip.reader().buffer().len()),
            Content::Zstd(zstd) => ("zstd", zstd.reader.buffer().len()),
            Content::Plain(_) => ("plain", 0),
        };
        let (file, whole) = (self.file(), "upload it again, under a temporary name until it is whole");
        if let Some(error) = file.failed() {
            return Fault::unreadable(&error);
        }
        let at = file.offset() - buffered as u64;
        Fault::Permanent(match damage {
            Damage::Followed => {
                let text = format!("something else follows the {what} data at byte {}", at + 1);
                Reason::new("trailing_data", text).hint("several files must be compressed each, or packed as one")
            }
            Damage::Window { bytes } => {
                let (wanted, most) = (bytes >> 20, ZSTD_WINDOW_BYTES_MAX >> 20);
                let text = format!("to unpack it takes a window of {wanted} MiB, where at most {most} are given");
                Reason::new("zstd_window", text).hint("compress it at a level up to 19, without --long")
            }
            Damage::Says(_) if file.ended() => {
                let text = format!("the {what} data break off behind {at} bytes, at the end of the file");
                Reason::new("truncated", text).hint(whole)
            }
            Damage::Says(error) => {
                let text = format!("the {what} data are damaged before byte {at}: {error}");
                Reason::new("damaged", text).hint(whole)
            }
        })
    }
}

/// Whether there is more, and more of the same. What a buffer has no room for is read from the file.
fn follows(reader: &mut BufReader<Bytes<'_>>, may_be_one: fn(&[u8]) -> bool) -> Result<bool, Damage> {
    let mut first = [0; MAGIC_BYTES];
    let buffered = reader.fill_buf()?;
    let length = match (buffered.first_chunk(), buffered.len()) {
        (Some(four), _) => {
            first = *four;
            MAGIC_BYTES
        }
        (None, 0) => return Ok(false),
        (None, few) => reader.get_mut().peek(few, &mut first)?,
    };
    if may_be_one(&first[..length]) { Ok(true) } else { Err(Damage::Followed) }
}

/// A gzip file: one member or several, one behind the other.
struct Gzip<'f> {
    /// Always there, but while `next` changes one for the next.
    member: Option<GzDecoder<BufReader<Bytes<'f>>>>,
}

impl<'f> Gzip<'f> {
    fn open(bytes: Bytes<'f>) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, bytes))) }
    }

    fn reader(&self) -> &BufReader<Bytes<'f>> {
        self.member.as_ref().expect("it is only gone within `next`").get_ref()
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<usize, Damage> {
        loop {
            let member = self.member.as_mut().expect("it is only gone within `next`");
            match member.read(into)? {
                0 if !self.next()? => return Ok(0),
                0 => {}
                read => return Ok(read),
            }
        }
    }

    /// Goes to the next member, if there is one.
    fn next(&mut self) -> Result<bool, Damage> {
        let member = self.member.as_mut().expect("it is only gone within `next`");
        let follows = follows(member.get_mut(), may_be_gzip)?;
        if follows {
            self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(follows)
    }
}

/// A zstd file: frames, some of which are to be skipped.
struct Zstd<'f> {
    reader: BufReader<Bytes<'f>>,
    decoder: FrameDecoder,
    in_frame: bool,
    /// How many bytes came out of this frame.
    bytes: u64,
}

impl<'f> Zstd<'f> {
    fn open(bytes: Bytes<'f>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
        Self { reader: BufReader::with_capacity(CHUNK_BYTES, bytes), decoder, in_frame: false, bytes: 0 }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<usize, Damage> {
        loop {
            if !self.in_frame && !self.next()? {
                return Ok(0);
            }
            if self.decoder.can_collect() > 0 {
                let read = self.decoder.read(into)?;
                self.bytes += read as u64;
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.verify()?;
                self.in_frame = false;
            } else {
                self.decoder.decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1))?;
            }
        }
    }

    /// Goes into the next frame that holds something, if there is one.
    fn next(&mut self) -> Result<bool, Damage> {
        loop {
            if !follows(&mut self.reader, may_be_zstd)? {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.reader) {
                Ok(()) => {
                    (self.in_frame, self.bytes) = (true, 0);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())? < length {
                        return Err(Damage::Says("a frame to be skipped is not whole".to_owned()));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The frame against what it says of itself.
    fn verify(&self) -> Result<(), Damage> {
        let stated = self.decoder.content_size();
        let says = |text: &str| Err(Damage::Says(text.to_owned()));
        match self.decoder.get_checksum_from_data() {
            Some(sum) if Some(sum) != self.decoder.get_calculated_checksum() => says("the checksum is another"),
            _ if stated != 0 && stated != self.bytes => says("the size is another"),
            _ => Ok(()),
        }
    }
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Says(error.to_string())
    }
}

impl From<FrameDecoderError> for Damage {
    fn from(error: FrameDecoderError) -> Self {
        match error {
            FrameDecoderError::WindowSizeTooBig { requested, .. } => Self::Window { bytes: requested },
            other => Self::Says(other.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
