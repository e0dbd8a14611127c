//! In which format, encoding and compression a file is written: every one with every other.

use std::io::Write as _;

use encoding_rs::Encoding;
use fastrand::Rng;
use flate2::{Compression, GzBuilder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Tsv,
    Ndjson,
    Array,
    /// An object of objects.
    Keyed,
}

const FORMATS: [Format; 5] = [Format::Csv, Format::Tsv, Format::Ndjson, Format::Array, Format::Keyed];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Members,
    Zstd,
    Frames,
}

const PACKINGS: [Packing; 5] = [Packing::Plain, Packing::Gzip, Packing::Members, Packing::Zstd, Packing::Frames];

/// How characters become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Utf8,
    LittleEndian,
    BigEndian,
    /// By the label that is declared.
    AsDeclared,
}

/// What is declared, what is written, and whether a byte order mark says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    pub declared: Option<&'static str>,
    written: Written,
    marked: bool,
}

const CODINGS: [Coding; 16] = [
    Coding::of(None, Written::Utf8, false),
    Coding::of(None, Written::Utf8, true),
    Coding::of(None, Written::LittleEndian, true),
    Coding::of(None, Written::BigEndian, true),
    Coding::of(Some("utf-16le"), Written::LittleEndian, false),
    Coding::of(Some("utf-16be"), Written::BigEndian, false),
    // A mark wins.
    Coding::of(Some("windows-1252"), Written::Utf8, true),
    Coding::of(Some("utf-16le"), Written::BigEndian, true),
    Coding::of(Some("windows-1252"), Written::AsDeclared, false),
    Coding::of(Some("iso-8859-15"), Written::AsDeclared, false),
    Coding::of(Some("windows-1251"), Written::AsDeclared, false),
    Coding::of(Some("ibm866"), Written::AsDeclared, false),
    Coding::of(Some("shift_jis"), Written::AsDeclared, false),
    Coding::of(Some("euc-jp"), Written::AsDeclared, false),
    Coding::of(Some("big5"), Written::AsDeclared, false),
    Coding::of(Some("gb18030"), Written::AsDeclared, false),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    pub format: Format,
    pub packing: Packing,
    pub coding: Coding,
}

/// How many there are.
pub const VARIANTS: usize = FORMATS.len() * PACKINGS.len() * CODINGS.len();

impl Variant {
    /// By number, beginning anew behind the last.
    pub fn of(number: usize) -> Self {
        let (rest, format) = (number / FORMATS.len(), number % FORMATS.len());
        let (rest, packing) = (rest / PACKINGS.len(), rest % PACKINGS.len());
        Self { format: FORMATS[format], packing: PACKINGS[packing], coding: CODINGS[rest % CODINGS.len()] }
    }

    pub fn is_json(&self) -> bool {
        !matches!(self.format, Format::Csv | Format::Tsv)
    }
}

impl Coding {
    const fn of(declared: Option<&'static str>, written: Written, marked: bool) -> Self {
        Self { declared, written, marked }
    }

    fn encoding(self) -> Option<&'static Encoding> {
        let label = self.declared.filter(|_| self.written == Written::AsDeclared)?;
        Encoding::for_label(label.as_bytes())
    }

    /// Whether the character comes back. Some encodings write two as the same byte.
    pub fn holds(self, char: char) -> bool {
        let Some(encoding) = self.encoding().filter(|_| !char.is_ascii()) else { return true };
        let text = char.to_string();
        let (bytes, _, is_lost) = encoding.encode(&text);
        !is_lost && encoding.decode_without_bom_handling(&bytes).0 == text
    }

    pub fn encode(self, text: &str) -> Vec<u8> {
        let marked = if self.marked { format!("\u{feff}{text}") } else { text.to_owned() };
        match self.written {
            Written::Utf8 => marked.into_bytes(),
            Written::LittleEndian => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Written::BigEndian => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Written::AsDeclared => self.encoding().expect("a label").encode(text).0.into_owned(),
        }
    }
}

impl Packing {
    /// What the name of such a file may end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip | Self::Members => ".gz",
            Self::Zstd | Self::Frames => ".zst",
        }
    }

    pub fn pack(self, content: &[u8], random: &mut Rng) -> Vec<u8> {
        let (one, other) = content.split_at(random.usize(..=content.len()));
        match self {
            Self::Plain => content.to_vec(),
            Self::Gzip => gzip(content, random),
            Self::Members => [gzip(one, random), gzip(&[], random), gzip(other, random)].concat(),
            Self::Zstd => zstd(content, random),
            Self::Frames => [zstd(one, random), SKIPPED.to_vec(), zstd(other, random)].concat(),
        }
    }
}

/// A frame of zstd that holds something else, of five bytes.
const SKIPPED: &[u8] = b"\x50\x2a\x4d\x18\x05\0\0\0other";

fn gzip(content: &[u8], random: &mut Rng) -> Vec<u8> {
    let head = match random.u8(..3) {
        0 => GzBuilder::new().filename("orders.csv").comment("a,b\n1,2\n").mtime(1),
        1 => GzBuilder::new().extra(vec![0, 10, 13, 255]),
        _ => GzBuilder::new(),
    };
    let mut encoder = head.write(Vec::new(), Compression::new(random.u32(..10)));
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(content: &[u8], random: &mut Rng) -> Vec<u8> {
    compress_to_vec(content, if random.bool() { CompressionLevel::Fastest } else { CompressionLevel::Uncompressed })
}
