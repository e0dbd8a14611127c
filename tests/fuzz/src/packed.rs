//! gzip and zstd: whatever is in a file, it is taken out within its limits or refused; what was packed comes out again, however
//! it was cut into members; and what was damaged is refused, never taken for something else.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use importerd::import::fuzz::{Cuts, cut, unpacked};
use importerd::settings::Unpack;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::input::{Choices, UNPACKED_BYTES_MAX, file, is_packed, is_planted, reason};

/// The decoders hand over a block or more at once.
const BLOCK_BYTES_MAX: usize = 256 << 10;

pub fn look(input: &[u8]) {
    let mut choices = Choices(input);
    let mode = choices.byte();
    let cuts = Cuts { read_bytes: choices.of(&[usize::MAX, 1, 2, 3, 7, 64]), ..Cuts::NONE };
    let piece_bytes = choices.of(&[64 << 10, 1, 5, 1_000]);
    let take_out = |content: &[u8], cuts| {
        cut(cuts);
        let result = unpacked(&file(content), Unpack { bytes_max: UNPACKED_BYTES_MAX, ratio_max: 200 }, piece_bytes);
        cut(Cuts::NONE);
        // How it is refused may follow from how much was read; that it is, does not.
        result.map_err(|fault| drop(reason(fault)))
    };
    let packed = match mode % 3 {
        0 => choices.0.to_vec(),
        mode => {
            let (content, packed) = pack(&mut choices, mode == 1);
            assert_eq!(take_out(&packed, cuts), Ok(spoilt(content.clone())), "what was packed");
            let damaged = damage(&mut choices, packed);
            // Damaged where it says what it is, it is a plain file.
            if let (true, Ok(found)) = (is_packed(&damaged), take_out(&damaged, cuts)) {
                assert!(content.starts_with(&found[..]), "damaged, it is taken for something else");
            }
            damaged
        }
    };
    let whole = take_out(&packed, Cuts::NONE);
    assert_eq!(take_out(&packed, cuts), whole, "in pieces, and at once");
    let Ok(whole) = whole else { return };
    if !is_packed(&packed) {
        assert_eq!(whole, packed, "what is not packed");
        return;
    }
    assert!(whole.len() as u64 <= UNPACKED_BYTES_MAX + BLOCK_BYTES_MAX as u64, "{} bytes came out", whole.len());
    if packed.starts_with(b"\x1f\x8b") {
        let mut theirs = Vec::new();
        MultiGzDecoder::new(&packed[..]).read_to_end(&mut theirs).expect("flate2 takes what we took");
        assert_eq!(whole, theirs);
    }
}

/// The content, and itself packed as one member or as two.
fn pack(choices: &mut Choices<'_>, gzip: bool) -> (Vec<u8>, Vec<u8>) {
    let (repeat, at) = (choices.of(&[1, 1, 40]), usize::from(choices.byte()));
    // Two for the damage.
    let content = choices.0.get(2..).unwrap_or_default().repeat(repeat);
    let (one, other) = content.split_at(at.min(content.len()));
    let member = |content: &[u8]| if gzip { gzipped(content) } else { compress_to_vec(content, LEVEL) };
    let packed = if at == 0 { member(&content) } else { [member(one), member(other)].concat() };
    (content, packed)
}

const LEVEL: CompressionLevel = CompressionLevel::Fastest;

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// One byte is another, or the end is missing.
fn damage(choices: &mut Choices<'_>, mut packed: Vec<u8>) -> Vec<u8> {
    let (at, by) = (usize::from(choices.byte()) % packed.len(), choices.byte());
    match by {
        0 => packed.truncate(at),
        by => packed[at] ^= by,
    }
    packed
}

/// Planted: the last byte of a content of 40 is lost.
fn spoilt(mut content: Vec<u8>) -> Vec<u8> {
    if is_planted() && content.len() == 40 {
        content.pop();
    }
    content
}
