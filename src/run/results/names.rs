//! Names for results: numbered when taken, short enough, and written so that any bytes survive.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::folder::name::{free, joined};

/// An extension longer than this is no extension worth keeping.
const EXTENSION_BYTES_MAX: usize = 32;

/// A name that a result would like to have, and its variants for when it is taken.
pub(super) struct Wish {
    stem: Vec<u8>,
    extension: Vec<u8>,
}

impl Wish {
    /// The name itself.
    pub(super) fn named(name: &OsStr) -> Self {
        let bytes = name.as_bytes();
        let dot = bytes.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
        let split = dot.filter(|dot| bytes.len() - dot <= EXTENSION_BYTES_MAX).unwrap_or(bytes.len());
        Self { stem: bytes[..split].into(), extension: bytes[split..].into() }
    }

    /// The name of what was printed on standard output.
    pub(super) fn printed(name: &OsStr) -> Self {
        Self { stem: name.as_bytes().into(), extension: b".out".into() }
    }

    /// The first variant is the name itself, the second `report~2.pdf`. The stem gives way if the
    /// name would be longer than a filesystem takes.
    fn variant(&self, number: usize) -> OsString {
        let tail = match number {
            1 => String::new(),
            number => format!("~{number}"),
        };
        joined(&self.stem, tail.as_bytes(), &self.extension)
    }

    /// A variant that is free.
    pub(super) fn free<E>(&self, is_taken: impl FnMut(&OsStr) -> Result<bool, E>) -> Result<OsString, E> {
        free(|number| self.variant(number), is_taken)
    }
}

/// Any name as text: `%` and what is not printable is written as `%25`.
pub(super) fn to_text(name: &OsStr) -> String {
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    };
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_control() {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The name that [`to_text`] wrote. `None`: it did not write this.
pub(super) fn from_text(text: &str) -> Option<OsString> {
    let mut pieces = text.split('%');
    let mut name = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        name.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        name.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Some(OsString::from_vec(name))
}

/// For `#[serde(with)]`.
pub(super) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{Cow, OsStr, OsString};

    pub(in super::super) fn serialize<S: Serializer>(name: &OsStr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_text(name))
    }

    pub(in super::super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<OsString, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        super::from_text(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no escaped file name")))
    }
}
