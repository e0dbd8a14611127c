//! What a file is, by its first bytes and its name.

use std::ffi::OsStr;
use std::path::Path;

use super::text;
use super::unpack::{is_gzip, is_zstd};
use crate::fault::{Fault, Reason};
use crate::settings::Format;

/// What a file that isn't text starts with, what it then is, and what to do.
const BINARY: [(&[u8], &str, &str); 12] = [
    (b"PK\x03\x04", "a zip archive (an Excel workbook?)", AS_CSV),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook", AS_CSV),
    (b"%PDF-", "a PDF", AS_CSV),
    (b"\xfd7zXZ\0", "xz", UNPACK),
    (b"BZh91AY&SY", "bzip2", UNPACK),
    (b"\x04\x22\x4d\x18", "lz4", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", UNPACK),
    (b"PAR1\x15", "Parquet", AS_CSV),
    (b"SQLite format 3\0", "an SQLite database", "export its tables as CSV"),
    (b"\x89PNG", "an image", ONLY_TEXT),
    (b"\xFF\xD8\xFF", "an image", ONLY_TEXT),
    (b"\x7fELF", "a program", ONLY_TEXT),
];

const AS_CSV: &str = "export it as CSV";
const UNPACK: &str = "unpack it first, or use gzip or zstd";
const ONLY_TEXT: &str = "only CSV and JSON are imported";

/// Where a tar archive says that it is one.
const TAR_AT: usize = 257;

/// What a compressed file may be called at its end.
const PACKED_EXTENSIONS: [&str; 4] = ["gz", "gzip", "zst", "zstd"];

/// Refuses what starts like no text. `packed`: it came out of a compressed file.
pub fn refuse_binary(first: &[u8], packed: bool) -> Result<(), Fault> {
    // As POSIX has it, and GNU; no text has a NUL.
    let is_tar = first.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar\0") || rest.starts_with(b"ustar  \0"));
    let (what, hint) = if packed && (is_gzip(first) || is_zstd(first)) {
        ("compressed twice", "compress it once")
    } else if let Some((_, what, hint)) = BINARY.iter().find(|(magic, ..)| first.starts_with(magic)) {
        (*what, *hint)
    } else if is_tar {
        ("a tar archive", "upload the files that are in it")
    } else if text::is_utf32(first) {
        ("UTF-32", "convert the file first, for instance with iconv -f UTF-32 -t UTF-8")
    } else {
        return Ok(());
    };
    let text = format!("the file looks like {what}, not like CSV or JSON");
    Err(Fault::Permanent(Reason::new("not_text", text).hint(hint)))
}

/// The format of a file that is called so and whose text starts so; `set`: as the settings say.
pub fn format(sample: &[u8], name: &OsStr, set: Option<Format>) -> Format {
    if let Some(format) = set {
        return format;
    }
    let extension = extension(name);
    if let Some(format) = of_extension(&extension) {
        return format;
    }
    let mut content = sample.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (content.next(), content.next()) {
        (Some(b'['), Some(b'{' | b']')) => Format::Json,
        (Some(b'['), _) if extension == "json" => Format::Json,
        (Some(b'{'), _) => Format::Ndjson,
        _ if extension == "json" => Format::Ndjson,
        _ => Format::Csv,
    }
}

/// What the name alone says.
pub fn format_of_name(name: &OsStr) -> Option<Format> {
    of_extension(&extension(name))
}

fn of_extension(extension: &str) -> Option<Format> {
    match extension {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

/// In lower case; of `a.csv.gz` it is `csv`.
fn extension(name: &OsStr) -> String {
    let name = Path::new(&name.to_ascii_lowercase()).to_owned();
    let packed = name.extension().is_some_and(|end| PACKED_EXTENSIONS.iter().any(|packed| end == *packed));
    let name = if packed { name.with_extension("") } else { name };
    name.extension().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, sample: &[u8]) -> Format {
        format(sample, OsStr::new(name), None)
    }

    #[test]
    fn the_name_says_the_format_and_else_the_content() {
        for (name, sample, expected) in [
            ("a.csv", &b"a,b\n"[..], Format::Csv),
            ("a.CSV", b"{}", Format::Csv),
            ("a.csv.gz", b"[{", Format::Csv),
            ("a.Tsv.ZST", b"a\tb\n", Format::Tsv),
            ("a.jsonl", b"", Format::Ndjson),
            ("a.ndjson.gz", b"[{", Format::Ndjson),
            ("a.txt", b"\n  {\"a\": 1}", Format::Ndjson),
            ("a.json", b"{\"a\": 1}", Format::Ndjson),
            ("a.json", b" [1]", Format::Json),
            ("a.json.gz", b"[\n{", Format::Json),
            ("a.json", b"", Format::Ndjson),
            ("a", b"[ {\"a\": 1}]", Format::Json),
            ("a", b"[]", Format::Json),
            ("a", b"[a],b\n", Format::Csv),
            ("a", b"a,b\n", Format::Csv),
            ("gz", b"a,b\n", Format::Csv),
        ] {
            assert_eq!(found(name, sample), expected, "{name}");
        }
        assert_eq!(format(b"[{}]", OsStr::new("a.csv"), Some(Format::Json)), Format::Json);
    }

    /// fault 65, fault 64
    #[test]
    fn a_file_that_is_something_else_is_refused_by_what_it_is() {
        let mut tar = vec![b'a'; TAR_AT];
        assert!(refuse_binary(&[&tar[..], b"ustar, a word"].concat(), false).is_ok());
        tar.extend_from_slice(b"ustar\0");
        for (content, packed, what) in [
            (&b"PK\x03\x04rest"[..], false, "zip archive (an Excel workbook?)"),
            (b"PK\x03\x04rest", true, "zip archive"),
            (b"%PDF-1.7", false, "PDF"),
            (b"\x1f\x8b\x08", true, "compressed twice"),
            (b"\x28\xb5\x2f\xfd", true, "compressed twice"),
            (b"\x50\x2a\x4d\x18", true, "compressed twice"),
            (b"PAR1\x15\x04\x15", false, "Parquet"),
            (b"\xFF\xFE\0\0a\0\0\0", false, "UTF-32"),
            (&tar, true, "a tar archive"),
        ] {
            let text = refuse_binary(content, packed).unwrap_err().to_string();
            assert!(text.contains(what), "{text}");
        }
        for text in [&b"PK,name\n1,x\n"[..], b"PAR1,PAR2\n1,2\n", b"PAR1\n1\n", b"P*M,x\n"] {
            assert!(refuse_binary(text, false).is_ok());
        }
    }
}
