//! Encodings: all of the text, or refused: as a decoder says that has everything before it at once.

use encoding_rs::Encoding;
use importerd::import::fuzz::{self, Cuts, cut};
use importerd::settings::Import;

use crate::input::{Choices, file, import, is_packed, is_planted, reason};

/// One of each kind: fixed and variable width, with and without holes, with states.
const LABELS: [Option<&str>; 10] = [
    None,
    Some("utf-8"),
    Some("utf-16le"),
    Some("utf-16be"),
    Some("windows-1252"),
    Some("windows-1253"),
    Some("shift_jis"),
    Some("gb18030"),
    Some("iso-2022-jp"),
    Some("big5"),
];

pub fn look(input: &[u8]) {
    let mut choices = Choices(input);
    let label = choices.of(&LABELS);
    let (cuts, content) = choices.cut(b'\n');
    if is_packed(&content) {
        return;
    }
    let settings = Import { encoding: label.map(str::to_owned), ..import() };
    let read = |cuts| {
        cut(cuts);
        let result = fuzz::text(&file(&content), &settings);
        cut(Cuts::NONE);
        result.map_err(|fault| reason(fault).code)
    };
    let mut whole = read(Cuts::NONE);
    let in_pieces = read(cuts);
    // What a file is, is told by its first bytes, of which a tiny window shows less.
    if whole != Err("not_text") {
        assert_eq!(in_pieces, whole, "in pieces ({cuts:?}), and at once");
    }
    if let (true, Ok(text)) = (is_planted(), &mut whole) {
        text.retain(|&byte| byte != 0xF0);
    }
    match whole {
        Ok(text) => assert_eq!(Some(text), decoded(&content, label), "{label:?}"),
        Err("malformed_text") => assert_eq!(decoded(&content, label), None, "{label:?}"),
        Err(code) => assert_eq!(code, "not_text"),
    }
}

/// UTF-8 is looked at record by record, and so comes through here as it is.
fn decoded(content: &[u8], label: Option<&str>) -> Option<Vec<u8>> {
    let declared = Encoding::for_label(label.unwrap_or("utf-8").as_bytes()).expect("a label");
    let (encoding, mark_bytes) = Encoding::for_bom(content).unwrap_or((declared, 0));
    let content = &content[mark_bytes..];
    let units = |unit: fn([u8; 2]) -> u16| {
        let units = content.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let whole = content.len().is_multiple_of(2);
        whole.then(|| char::decode_utf16(units).collect::<Result<String, _>>().ok()).flatten().map(String::into_bytes)
    };
    match encoding.name() {
        "UTF-8" => Some(content.to_vec()),
        "UTF-16LE" => units(u16::from_le_bytes),
        "UTF-16BE" => units(u16::from_be_bytes),
        _ => {
            let text = encoding.decode_without_bom_handling_and_without_replacement(content);
            text.map(|text| text.into_owned().into_bytes())
        }
    }
}
