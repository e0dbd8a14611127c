//! Text that can't forge a log line: what a terminal or a reader would not show becomes an escape.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A file name as it is printed and stored: printable UTF-8 stays, backslashes are doubled, all
/// else becomes `\n`, `\x1b` (a byte), or `\u{202e}` (a character).
///
/// Two names never give the same text, and [`unescape`] gives the name back.
#[must_use]
pub fn escape(name: &OsStr) -> String {
    let mut escaped = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => escaped.push_str(r"\\"),
                other => push_visible(&mut escaped, other),
            }
        }
        push_bytes(&mut escaped, chunk.invalid());
    }
    escaped
}

/// The name that [`escape`] made this text of; `None` if it made it of none.
#[must_use]
pub fn unescape(text: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        name.extend_from_slice(plain.as_bytes());
        let (kind, tail) = escape.split_at_checked(1)?;
        rest = match kind {
            "\\" | "n" | "r" | "t" => {
                name.push(match kind {
                    "n" => b'\n',
                    "r" => b'\r',
                    "t" => b'\t',
                    _ => b'\\',
                });
                tail
            }
            "x" => {
                let (digits, tail) = tail.split_at_checked(2)?;
                name.push(u8::from_str_radix(digits, 16).ok()?);
                tail
            }
            "u" => {
                let (digits, tail) = tail.strip_prefix('{')?.split_once('}')?;
                let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                tail
            }
            _ => return None,
        };
    }
    name.extend_from_slice(rest.as_bytes());
    Some(OsString::from_vec(name))
}

/// Any text, made harmless: as [`escape`] does it, but backslashes stay as they are, since names
/// in it are escaped already.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    text.chars().for_each(|character| push_visible(&mut shown, character));
    Cow::Owned(shown)
}

/// What may move the cursor, colour the screen, reorder the line or vanish from it: control
/// characters, line and paragraph separators, direction marks, zero-width characters and tags.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Adds `character`, as itself or as its escape.
pub(super) fn push_visible(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str(r"\n"),
        '\r' => text.push_str(r"\r"),
        '\t' => text.push_str(r"\t"),
        hidden if hidden.is_ascii_control() => push_bytes(text, &[hidden as u8]),
        hidden if is_hidden(hidden) => text.extend(hidden.escape_unicode()),
        shown => text.push(shown),
    }
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, r"\x{byte:02x}").expect("a String takes all that is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> OsString {
        OsString::from_vec(bytes.to_vec())
    }

    #[test]
    fn a_name_of_printable_characters_stays_as_it_is() {
        for plain in
            ["orders.csv", "Aufträge 2026 – Köln.csv", "e\u{301}.csv", "注文.csv", "-rf", "$(id);'\".csv", "😀"]
        {
            assert_eq!(escape(plain.as_ref()), plain);
        }
    }

    #[test]
    fn a_name_cannot_forge_a_line_or_colour_the_screen() {
        // faults 24 and 25
        assert_eq!(escape(&name(b"a\nERROR all is lost")), r"a\nERROR all is lost");
        assert_eq!(escape(&name(b"\x1b[2J\x07\t\r\x7f")), r"\x1b[2J\x07\t\r\x7f");
        assert_eq!(escape(&name(b"caf\xe9.csv")), r"caf\xe9.csv");
        assert_eq!(escape(&name("\u{85}\u{9b}31m".as_bytes())), r"\u{85}\u{9b}31m");
        assert_eq!(escape(&name("vsc.\u{202e}exe".as_bytes())), r"vsc.\u{202e}exe");
        assert_eq!(escape(&name(br"C:\new")), r"C:\\new");
    }

    #[test]
    fn every_name_comes_back_from_its_escape() {
        let mut random = fastrand::Rng::with_seed(24);
        let alphabet =
            [b"\\".as_slice(), b"n", b"x1b", b"u{", b"}", b"\n", b"\xff", "\u{202e}".as_bytes(), b"\xe2\x80"];
        for byte in 0..=255 {
            assert_eq!(unescape(&escape(&name(&[byte]))), Some(name(&[byte])));
        }
        for _ in 0..10_000 {
            let parts: Vec<_> = (0..random.usize(..8)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let odd = name(&parts.concat());
            let escaped = escape(&odd);
            assert!(!escaped.contains(is_hidden), "{escaped}");
            assert_eq!(unescape(&escaped), Some(odd), "{escaped}");
        }
    }

    #[test]
    fn text_that_is_no_escape_gives_no_name() {
        for bad in [r"\", r"\q", r"\x", r"\x1", r"\xzz", r"\x€", r"\u", r"\u{}", r"\u{d800}", r"\u{1", r"\é"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_value_keeps_its_backslashes() {
        assert_eq!(visible("a\\n\u{1b}[m"), r"a\n\x1b[m");
        assert!(matches!(visible("plain"), Cow::Borrowed("plain")));
    }
}
