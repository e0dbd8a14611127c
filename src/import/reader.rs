//! Opens a file as what it is: by the settings, else by its name, else by its content.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use super::record::Record;
use super::source::Source;
use super::{csv, dialect, ndjson};
use crate::fault::{Fault, Reason};
use crate::file::Digest;
use crate::settings::Format;

/// What a file that isn't text starts with, what it then is, and what to do.
const BINARY: [(&[u8], &str, &str); 10] = [
    (b"PK\x03\x04", "a zip archive (an Excel workbook?)", "export it as CSV"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook", "export it as CSV"),
    (b"%PDF-", "a PDF", "export it as CSV"),
    (b"\x1f\x8b", "gzip", "gzip is not read yet: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd is not read yet: unpack it first"),
    (b"\xfd7zXZ\0", "xz", "unpack it first"),
    (b"PAR1", "Parquet", "export it as CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export its tables as CSV"),
    (b"\x89PNG", "an image", "only CSV and NDJSON are imported"),
    (b"\x7fELF", "a program", "only CSV and NDJSON are imported"),
];

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";
const UTF16_BOMS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

/// A file's records.
pub enum Reader<'f> {
    /// Rows of CSV.
    Csv(csv::Reader<'f>),
    /// Lines of NDJSON.
    Ndjson(ndjson::Reader<'f>),
}

impl<'f> Reader<'f> {
    /// `format`: as set, `None`: to be found. `delimiter`: of this folder's earlier files.
    pub fn open(file: &'f File, name: &OsStr, format: Option<Format>, delimiter: Option<u8>) -> Result<Self, Fault> {
        let mut source = Source::open(file)?;
        refuse_binary(source.unread())?;
        if source.unread().starts_with(UTF8_BOM) {
            source.consume(UTF8_BOM.len());
        }
        match format_of(source.unread(), name, format)? {
            Format::Csv => {
                let delimiter = dialect::find(source.unread(), source.ended(), delimiter)?;
                Ok(Self::Csv(csv::Reader::open(source, delimiter)?))
            }
            Format::Ndjson => Ok(Self::Ndjson(ndjson::Reader::open(source))),
        }
    }

    /// The next record. `None`: the file has ended, and every byte of it was read.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        match self {
            Self::Csv(reader) => reader.next(),
            Self::Ndjson(reader) => reader.next(),
        }
    }

    /// What the columns are called; NDJSON may still find more.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Csv(reader) => reader.names(),
            Self::Ndjson(reader) => reader.names(),
        }
    }

    /// The delimiter, where it was to be seen.
    pub fn delimiter(&self) -> Option<u8> {
        match self {
            Self::Csv(reader) if reader.names().len() > 1 => Some(reader.delimiter()),
            _ => None,
        }
    }

    /// The hash of what was read.
    pub fn digest(&self) -> Digest {
        self.source().digest()
    }

    /// How many bytes were read.
    pub fn bytes_read(&self) -> u64 {
        self.source().bytes_read()
    }

    fn source(&self) -> &Source<'f> {
        match self {
            Self::Csv(reader) => reader.source(),
            Self::Ndjson(reader) => reader.source(),
        }
    }
}

fn refuse_binary(bytes: &[u8]) -> Result<(), Fault> {
    if UTF16_BOMS.iter().any(|bom| bytes.starts_with(bom)) {
        let reason = Reason::new("utf16", "UTF-16 is not read yet");
        return Err(Fault::Permanent(reason.hint("convert the file first: iconv -f UTF-16 -t UTF-8")));
    }
    match BINARY.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        Some((_, what, advice)) => {
            let reason = Reason::new("not_text", format!("the file looks like {what}, not like CSV or NDJSON"));
            Err(Fault::Permanent(reason.hint(*advice)))
        }
        None => Ok(()),
    }
}

fn format_of(bytes: &[u8], name: &OsStr, set: Option<Format>) -> Result<Format, Fault> {
    if let Some(format) = set {
        return Ok(format);
    }
    let extension = Path::new(name).extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("csv" | "tsv" | "tab") => return Ok(Format::Csv),
        Some("ndjson" | "jsonl") => return Ok(Format::Ndjson),
        _ => {}
    }
    let mut content = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (content.next(), content.next()) {
        (Some(b'['), Some(b'{')) => {
            let reason = Reason::new("json_array", "a JSON array is not read yet");
            Err(Fault::Permanent(reason.hint("write one object a line: jq -c '.[]'")))
        }
        (Some(b'{'), _) => Ok(Format::Ndjson),
        _ if extension == "json" => Ok(Format::Ndjson),
        _ => Ok(Format::Csv),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn opened(name: &str, content: &[u8]) -> Result<&'static str, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        match Reader::open(&file, OsStr::new(name), None, None) {
            Ok(Reader::Csv(_)) => Ok("csv"),
            Ok(Reader::Ndjson(_)) => Ok("ndjson"),
            Err(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn the_name_says_the_format_and_else_the_content() {
        assert_eq!(opened("a.csv", b"a,b\n").unwrap(), "csv");
        assert_eq!(opened("a.CSV", b"a,b\n").unwrap(), "csv");
        assert_eq!(opened("a.tsv", b"a\tb\n").unwrap(), "csv");
        assert_eq!(opened("a.jsonl", b"").unwrap(), "ndjson");
        assert_eq!(opened("a.txt", b"\n  {\"a\": 1}").unwrap(), "ndjson");
        assert_eq!(opened("a", b"a,b\n").unwrap(), "csv");
        assert_eq!(opened("a", b"\xEF\xBB\xBF{}").unwrap(), "ndjson");
        assert_eq!(opened("PK", b"PK,name\n1,x\n").unwrap(), "csv");
    }

    // fault 65, fault 48
    #[test]
    fn a_file_that_is_something_else_is_refused_by_what_it_is() {
        for (content, what) in [
            (&b"PK\x03\x04rest"[..], "zip archive (an Excel workbook?)"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"%PDF-1.7", "PDF"),
            (b"\xFF\xFEa\0,\0", "UTF-16"),
            (b"[{\"a\":1}]", "JSON array"),
        ] {
            let name = if content[0] == b'[' { "a.json" } else { "a.csv" };
            let text = opened(name, content).unwrap_err();
            assert!(text.contains(what), "{text}");
        }
    }
}
