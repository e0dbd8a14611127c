//! A file's text as UTF-8, whatever it is written in. What isn't text in that encoding is refused, never replaced.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::unpack::Unpacked;
use crate::fault::{Fault, Reason};

/// How much is unpacked at a time to be decoded.
const CHUNK_BYTES: usize = 64 << 10;

/// The longest sequence of bytes that is shown when it is malformed.
const SHOWN_BYTES_MAX: usize = 8;

/// The least room in which a decoder is sure to get on.
pub const ROOM_BYTES_MIN: usize = 64;

/// The encoding that this label stands for on the web, where there is one that holds texts.
pub fn encoding(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.as_bytes())
}

/// Whether this label, or none, is that of what every text is made into.
#[must_use]
pub fn is_utf8(label: Option<&str>) -> bool {
    label.and_then(encoding).is_none_or(|encoding| encoding == UTF_8)
}

/// What a text that starts with these bytes is written in, and how long its byte order mark is: a mark is
/// certain, whatever was declared.
pub fn encoding_of(first: &[u8], declared: Option<&'static Encoding>) -> (&'static Encoding, usize) {
    Encoding::for_bom(first).unwrap_or((declared.unwrap_or(UTF_8), 0))
}

/// Whether these are UTF-32's byte order marks, of which one begins as UTF-16's does.
pub fn is_utf32(first: &[u8]) -> bool {
    first.starts_with(b"\xFF\xFE\0\0") || first.starts_with(b"\0\0\xFE\xFF")
}

/// Makes UTF-8 of another encoding.
pub struct Transcoder {
    decoder: Decoder,
    /// What was unpacked, behind the end of what came before it.
    raw: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether nothing more can be unpacked.
    ended: bool,
}

impl Transcoder {
    /// For a text in this encoding that starts like this, without a byte order mark.
    pub fn new(encoding: &'static Encoding, first: &[u8]) -> Self {
        let mut raw = vec![0; SHOWN_BYTES_MAX + CHUNK_BYTES.max(first.len())];
        let (start, end) = (SHOWN_BYTES_MAX, SHOWN_BYTES_MAX + first.len());
        raw[start..end].copy_from_slice(first);
        Self { decoder: encoding.new_decoder_without_bom_handling(), raw, start, end, ended: false }
    }

    /// The next piece of text, of whole characters; 0: there is no more. The fault is the second of the pair when
    /// the text before it comes first. `into` has room for [`ROOM_BYTES_MIN`].
    pub fn fill(&mut self, unpacked: &mut Unpacked<'_>, into: &mut [u8]) -> (usize, Result<(), Fault>) {
        loop {
            let raw = &self.raw[self.start..self.end];
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(raw, into, self.ended);
            self.start += read;
            match result {
                DecoderResult::Malformed(length, behind) => {
                    let reason = self.malformed(usize::from(length), usize::from(behind));
                    return (written, Err(Fault::Permanent(reason)));
                }
                _ if written > 0 => return (written, Ok(())),
                DecoderResult::OutputFull => unreachable!("there is room for more than one character"),
                DecoderResult::InputEmpty if self.ended => return (0, Ok(())),
                DecoderResult::InputEmpty => {
                    if let Err(fault) = self.refill(unpacked) {
                        return (0, Err(fault));
                    }
                }
            }
        }
    }

    fn refill(&mut self, unpacked: &mut Unpacked<'_>) -> Result<(), Fault> {
        // The last bytes are kept: a malformed sequence may have begun there.
        self.raw.copy_within(self.end - SHOWN_BYTES_MAX..self.end, 0);
        let read = unpacked.fill(&mut self.raw[SHOWN_BYTES_MAX..])?;
        (self.start, self.end) = (SHOWN_BYTES_MAX, SHOWN_BYTES_MAX + read);
        self.ended = read == 0;
        Ok(())
    }

    fn malformed(&self, length: usize, behind: usize) -> Reason {
        let end = self.start.saturating_sub(behind);
        let bytes = &self.raw[end.saturating_sub(length)..end];
        let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02X}")).collect();
        let name = self.decoder.encoding().name();
        let (what, is) = if let [one] = &shown[..] {
            (format!("byte {one}"), "is")
        } else {
            (format!("bytes {}", shown.join(" ")), "are")
        };
        let reason = Reason::new("malformed_text", format!("the {what} {is} not {name}"));
        if self.ended {
            reason.hint("is the file cut off?")
        } else {
            reason.hint(format!("is the file really {name}? another encoding can be declared: import.encoding"))
        }
    }
}
