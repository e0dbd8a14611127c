//! Every byte of a text comes through the window once, whatever it was written in; what isn't text stops it there.

use std::io::Write;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::*;

fn settings(encoding: Option<&str>) -> settings::Import {
    settings::Import { encoding: encoding.map(str::to_owned), ..settings::Import::into_table("x") }
}

/// The text, and what stopped it.
fn read(content: &[u8], encoding: Option<&str>) -> (Vec<u8>, Option<Fault>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut source = Source::open(&file, &settings(encoding)).unwrap();
    let mut seen = Vec::new();
    let stopped = loop {
        if source.ended() {
            break None;
        }
        let some = (source.unread().len() / 2 + 1).min(source.unread().len());
        seen.extend_from_slice(&source.unread()[..some]);
        source.consume(some);
        if let Err(fault) = source.more() {
            break Some(fault);
        }
    };
    seen.extend_from_slice(source.unread());
    if stopped.is_none() {
        assert_eq!(source.digest().0, *blake3::hash(content).as_bytes());
        assert_eq!(source.bytes(), seen.len() as u64 + if content.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 });
    }
    (seen, stopped)
}

fn text(content: &[u8], encoding: Option<&str>) -> String {
    let (seen, stopped) = read(content, encoding);
    assert_eq!(stopped, None);
    String::from_utf8(seen).unwrap()
}

fn refused(content: &[u8], encoding: Option<&str>) -> (Vec<u8>, String) {
    let (seen, stopped) = read(content, encoding);
    let Some(Fault::Permanent(reason)) = stopped else { panic!("not refused: {stopped:?}") };
    (seen, reason.text)
}

fn utf16(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(|unit| if encoding == UTF_16LE { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn every_byte_is_seen_once_and_hashed() {
    let content: Vec<u8> = (0..WINDOW_BYTES * 3 + 17).map(|at| u8::try_from(at % 251).unwrap()).collect();
    assert_eq!(read(&content, None), (content, None));
}

/// fault 47, fault 48
#[test]
fn a_byte_order_mark_says_the_encoding_whatever_was_declared() {
    let long: String = "a,ü,€,😀,\u{FFFD}\n".repeat(40_000);
    for sample in ["", "a", "ü😀", &long] {
        for declared in [None, Some("windows-1252"), Some("utf-16be")] {
            assert_eq!(text(&utf16(sample, UTF_16LE), declared), *sample);
            assert_eq!(text(&utf16(sample, UTF_16BE), declared), *sample);
            assert_eq!(text(format!("\u{FEFF}{sample}").as_bytes(), declared), *sample);
        }
    }
}

#[test]
fn a_declared_encoding_is_read() {
    assert_eq!(text(b"M\xFCller \x80", Some("windows-1252")), "Müller €");
    assert_eq!(text(b"M\xFCller \xA4", Some("iso-8859-15")), "Müller €");
    assert_eq!(text(b"\x83e\x83X\x83g", Some("shift_jis")), "テスト");
    assert_eq!(text(&utf16("aü", UTF_16LE)[2..], Some("utf-16le")), "aü");
    assert_eq!(text("aü".as_bytes(), Some("utf-8")), "aü");
    let long = b"\x83e".repeat(300_000);
    assert_eq!(text(&long, Some("shift_jis")), "テ".repeat(300_000));
}

/// fault 48, fault 50
#[test]
fn what_is_no_text_in_its_encoding_is_refused_where_it_is_never_replaced() {
    let odd = |text: &str, more: &[u8]| [&utf16(text, UTF_16LE)[..], more].concat();
    let (seen, text) = refused(&odd("a\nb", b"x"), None);
    assert_eq!((&seen[..], text.as_str()), (&b"a\nb"[..], "the byte 0x78 is not UTF-16LE"));
    // Half a surrogate pair, alone, before another half, and at the end.
    for more in [&b"\x00\xD8x\0"[..], b"\x00\xDCx\0", b"\x00\xD8\x00\xD8", b"\x00\xD8"] {
        let (seen, text) = refused(&odd("a\nb", more), None);
        assert_eq!(&seen[..], b"a\nb", "{more:?}");
        assert!(text.starts_with("the bytes 0x00 0xD"), "{text}");
    }
    assert_eq!(refused(b"ab\x81", Some("shift_jis")), (b"ab".to_vec(), "the byte 0x81 is not Shift_JIS".to_owned()));
    let mut late = b"\x83e".repeat(300_000);
    late.extend_from_slice(b"\xFF, and more");
    let (seen, text) = refused(&late, Some("shift_jis"));
    assert_eq!((seen.len(), text.as_str()), (900_000, "the byte 0xFF is not Shift_JIS"));
}

/// A sequence that begins in one piece of the file and fails in the next.
#[test]
fn a_fault_across_two_pieces_is_shown_whole() {
    for shift in 0..4 {
        let mut content = b"x".repeat(WINDOW_BYTES - 2 + shift);
        content.extend_from_slice(b"\x8F\xA2\x20 and more");
        let (seen, text) = refused(&content, Some("euc-jp"));
        assert_eq!(seen.len(), WINDOW_BYTES - 2 + shift);
        assert_eq!(text, "the bytes 0x8F 0xA2 are not EUC-JP");
    }
}
