//! Compressed files, whole and otherwise.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKERS: [(&str, Pack); 2] = [("gzip", gzip), ("zstd", zstd)];

/// What came out, and what stopped it.
fn unpacked(content: &[u8], limits: Unpack) -> (Vec<u8>, Option<Reason>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut unpacked = Unpacked::open(&file, limits).unwrap();
    assert!(unpacked.packed());
    let (mut seen, mut chunk) = (Vec::new(), vec![0; 10_000]);
    loop {
        match unpacked.fill(&mut chunk) {
            Ok(0) => break,
            Ok(filled) => seen.extend_from_slice(&chunk[..filled]),
            Err(Fault::Permanent(reason)) => {
                assert_eq!(unpacked.fill(&mut chunk), Err(Fault::Permanent(reason.clone())), "it stays broken");
                return (seen, Some(reason));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(unpacked.fill(&mut chunk), Ok(0), "it stays at its end");
    assert_eq!(unpacked.file().digest().0, *blake3::hash(content).as_bytes(), "every byte of the file was read");
    (seen, None)
}

fn whole(content: &[u8]) -> Vec<u8> {
    let (seen, stopped) = unpacked(content, Unpack::default());
    assert_eq!(stopped, None);
    seen
}

fn refused(content: &[u8]) -> Reason {
    unpacked(content, Unpack::default()).1.expect("a refusal")
}

/// Text that hardly repeats itself.
fn text(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..bytes).map(|_| if random.u8(..20) == 0 { b'\n' } else { random.u8(b'a'..=b'z') }).collect()
}

#[test]
fn what_was_packed_comes_out() {
    for (_, pack) in PACKERS {
        for bytes in [0, 1, 9_999, 10_000, 3_000_000] {
            let text = text(bytes);
            assert!(whole(&pack(&text)) == text, "{bytes}");
        }
    }
}

#[test]
fn members_and_frames_are_read_one_behind_the_other() {
    for (_, pack) in PACKERS {
        let members = [&text(70_000)[..], b"", b"x", &text(100_000)];
        let packed: Vec<u8> = members.iter().flat_map(|member| pack(member)).collect();
        assert!(whole(&packed) == members.concat());
    }
    // A frame to be skipped, first and last.
    let skipped = b"\x53\x2a\x4d\x18\x05\0\0\0hello";
    assert_eq!(whole(&[&zstd(b"")[..], skipped, &zstd(b"abc"), skipped].concat()), b"abc");
    // As pzstd writes them: before each frame one that says its length.
    let pzstd = |text: &[u8]| {
        let frame = zstd(text);
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        [b"\x50\x2a\x4d\x18\x04\0\0\0", &length[..], &frame].concat()
    };
    assert!(whole(&[pzstd(&text(70_000)), pzstd(b"abc")].concat()) == [&text(70_000)[..], b"abc"].concat());
    assert_eq!(refused(&[&zstd(b"abc")[..], &skipped[..10]].concat()).code, "truncated");
}

/// A real file of the zstd program, with its checksum and a window of its own: `zstd -19`.
#[test]
fn a_file_of_the_zstd_program_is_read() {
    let packed = include_bytes!("../../tests/data/formats/numbers.txt.zst");
    let expected: Vec<u8> = (1..=20_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    assert!(whole(packed) == expected);
    let mut damaged = packed.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(refused(&damaged).text.ends_with("the checksum is another"));
}

/// fault 64
#[test]
fn data_that_break_off_anywhere_are_refused() {
    for (name, pack) in PACKERS {
        let packed = pack(&text(3_000));
        for length in 4..packed.len() {
            let reason = refused(&packed[..length]);
            assert_eq!(reason.code, "truncated", "{name} of {length} bytes: {reason}");
        }
        let half = &packed[..packed.len() / 2];
        assert_eq!(
            refused(half).text,
            format!("the {name} data break off behind {} bytes, at the end of the file", half.len())
        );
    }
}

/// fault 64
#[test]
fn what_follows_the_data_is_refused() {
    for (name, pack) in PACKERS {
        let packed = pack(b"a,b\n");
        // Also what begins as such data do.
        let alike: [&[u8]; 6] = [b"\x1f\x8c\x08", b"\x1fx", b"(1)", b"Pxyz", b"\x28\xb5\x2f\xfe", b"\x5a\x2a\x4d\x19"];
        for rest in [&[&b"x"[..], b"\0\0\0", b"\n"][..], &alike].concat() {
            let reason = refused(&[&packed, rest].concat());
            assert_eq!(reason.text, format!("something else follows the {name} data at byte {}", packed.len() + 1));
        }
    }
}

/// fault 64
#[test]
fn what_follows_is_known_wherever_a_buffer_or_the_file_ends() {
    let member = gzip(b"abc");
    let frames = [zstd(b"abc"), [&b"\x57\x2a\x4d\x18\x01\0\0\0x"[..], &zstd(b"abc")].concat()];
    for (pack, next) in [(long_gzip as LongPack, &member), (long_zstd, &frames[0]), (long_zstd, &frames[1])] {
        for left in 0..5 {
            let packed = pack(b"begun", CHUNK_BYTES - left);
            assert_eq!(whole(&[&packed[..], next].concat()), b"begunabc", "{left}");
            // Behind a frame to be skipped the file may end.
            for length in (1..next.len()).filter(|length| next[0] != 0x57 || *length != 9) {
                let reason = refused(&[&packed, &next[..length]].concat());
                assert_eq!(reason.code, "truncated", "{left}, {length}: {reason}");
            }
            let reason = refused(&[&packed[..], &next[..1], b"xyz"].concat());
            assert_eq!(reason.code, "trailing_data", "{left}: {reason}");
            assert!(reason.text.ends_with(&format!("at byte {}", packed.len() + 1)), "{left}: {reason}");
        }
    }
}

type LongPack = fn(&[u8], usize) -> Vec<u8>;

/// So many bytes, by a comment.
fn long_gzip(content: &[u8], bytes: usize) -> Vec<u8> {
    let comment = vec![b'x'; bytes - gzip(content).len() - 1];
    let mut encoder = GzBuilder::new().comment(comment).write(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// So many bytes, by a frame to be skipped.
fn long_zstd(content: &[u8], bytes: usize) -> Vec<u8> {
    let frame = zstd(content);
    let skipped = vec![0; bytes - frame.len() - 8];
    let length = u32::try_from(skipped.len()).unwrap().to_le_bytes();
    [b"\x50\x2a\x4d\x18", &length[..], &skipped, &frame].concat()
}

/// fault 64
#[test]
fn a_changed_bit_never_comes_out_as_another_text() {
    for (name, pack) in PACKERS {
        let text = text(2_000);
        let packed = pack(&text);
        let mut silent = 0;
        for at in 4..packed.len() {
            let mut changed = packed.clone();
            changed[at] ^= 1 << (at % 8);
            match unpacked(&changed, Unpack::default()) {
                (_, Some(_)) => {}
                (seen, None) if seen == text => silent += 1,
                (_, None) => panic!("{name}: byte {at} changed the text unnoticed"),
            }
        }
        // A few bits mean nothing: the time and the system in gzip's header.
        assert!(silent < 20, "{name}: {silent}");
    }
}

/// fault 64
#[test]
fn a_bomb_is_refused_by_its_ratio_and_by_its_size() {
    for (name, pack) in PACKERS {
        let bomb = pack(&vec![b'0'; 40 << 20]);
        let (seen, reason) = unpacked(&bomb, Unpack::default());
        assert_eq!(reason.unwrap().code, "suspicious_ratio", "{name}");
        assert!(seen.len() < 17 << 20, "{name}: {}", seen.len());
        let patient = Unpack { ratio_max: 1_000_000, ..Unpack::default() };
        assert_eq!(unpacked(&bomb, patient), (vec![b'0'; 40 << 20], None), "{name}");
        let (seen, reason) = unpacked(&bomb, Unpack { bytes_max: 1 << 20, ..patient });
        assert_eq!(reason.unwrap().code, "too_large", "{name}");
        assert!(seen.len() <= 1 << 20, "{name}: {}", seen.len());
    }
}

/// fault 64
#[test]
fn a_zstd_frame_that_wants_much_memory_is_refused() {
    // A window of 1 GiB, then an empty last block.
    let frame = b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00";
    assert_eq!(refused(frame).text, "to unpack it takes a window of 1024 MiB, where at most 32 are given");
}
