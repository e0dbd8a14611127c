//! Valid files with bytes changed at random: each is refused, or loaded as exactly what Python's readers read in it. Never
//! does the parser panic, and never does it take much memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
#[path = "harness/loader.rs"]
mod loader;
mod proof;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::has;
use loader::{Loader, declared};
use rustix::process::{Resource, Rlimit, setrlimit};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How many files are made of each of the valid ones.
const MUTANTS: usize = 60;

/// The most memory that this process may take beside what is mapped from files.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

const CSV: &[u8] = b"a,b,c\n1,bolt,\"x, y\"\n2,\"say \"\"hi\"\"\",\n\n3,\xc3\xbc,\"two\r\nlines\"\r\n4,,\"\"\n";
const ESCAPED: &[u8] = b"a;b;c\r\n1;x\\;y;\"q\\\"\"\r\n\\N;\"\";\\\\\r\n2;\"a\\\nb\";'\r\n";
const QUOTELESS: &[u8] = b"1\t5\" disk\tx\r2\t\"\ty'\r3\t\tz";
const LATIN: &[u8] = b"name|city\nM\xfcller|K\xf6ln\n\"\x80\"|Z\xfcrich\n";
const NDJSON: &[u8] = b"{\"a\": 1, \"b\": \"x\\u00e9\\n\", \"c\": [1, {\"d\": null}]}\n\n{\"b\": \"\xc3\xbc\", \"a\": -0.5e3}\r\n{\"c\": true}\n";
const ARRAY: &[u8] =
    b"[{\"a\": 1, \"b\": \"]\\\"}\"},\n {\"b\": \"\\ud83d\\ude00\", \"a\": 2.50},\r\n{\"c\": {\"x\": [\"{\"]}}\n]\n";
const DOCUMENT: &[u8] =
    b"{\"meta\": {\"rows\": [1, \"]\"], \"n\": null},\n\"rows\": {\"k1\": {\"a\": 1}, \"k\\u0032\": {\"a\": 2, \"b\": \"\"}}, \"more\": []}";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

fn utf16(content: &[u8]) -> Vec<u8> {
    let text = format!("\u{feff}{}", str::from_utf8(content).unwrap());
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Name, what is declared, content.
fn valid() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    vec![
        ("a.csv", "delimiter=,", CSV.to_vec()),
        ("a.csv.gz", "delimiter=,", gzip(CSV)),
        ("a.csv.zst", "delimiter=,", zstd(CSV)),
        ("utf16.csv", "delimiter=,", utf16(CSV)),
        ("headless.csv", "delimiter=, header=false", CSV.to_vec()),
        ("escaped.csv", "delimiter=; escape=\\", ESCAPED.to_vec()),
        ("quoteless.tsv", "delimiter=tab quote=none header=false", QUOTELESS.to_vec()),
        ("latin.csv", "delimiter=| encoding=windows-1252", LATIN.to_vec()),
        ("a.ndjson", "", NDJSON.to_vec()),
        ("a.ndjson.gz", "", [gzip(&NDJSON[..20]), gzip(&NDJSON[20..])].concat()),
        ("a.json", "", ARRAY.to_vec()),
        ("a.json.zst", "", zstd(ARRAY)),
        ("document.json", "format=json records=/rows", DOCUMENT.to_vec()),
    ]
}

/// Bytes that mean something to some parser.
const MEANINGFUL: &[&[u8]] = &[
    b",",
    b";",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\\",
    b"\0",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"\\N",
    b"\\u0000",
    b"\\ud800",
    b"1e400",
    b" ",
    b"\x1f\x8b",
    b"#",
    b"'",
];

fn mutate(content: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=content.len());
        let length = random.usize(..8).min(content.len() - at);
        match random.u8(..6) {
            0 if length > 0 => content[at] = random.u8(..),
            0 | 1 => drop(content.splice(at..at, random.choice(MEANINGFUL).unwrap().iter().copied())),
            2 => drop(content.splice(at..at + length.min(1), random.choice(MEANINGFUL).unwrap().iter().copied())),
            3 => drop(content.drain(at..at + length)),
            4 => {
                let copy = content[at..at + length].to_vec();
                drop(content.splice(at..at, copy));
            }
            _ => content.truncate(at.max(content.len() / 2)),
        }
    }
}

#[test]
fn a_changed_file_is_refused_or_loaded_as_what_it_says() {
    setrlimit(Resource::Data, Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) }).unwrap();
    let seed = proof::seed();
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut loader = Loader::new();
    let mut refused = 0;
    for (name, text, content) in valid() {
        assert!(loader.load(name, &content, &declared(text)).is_ok(), "{name}");
        for _ in 0..MUTANTS {
            let mut changed = content.clone();
            mutate(&mut changed, &mut random);
            refused += usize::from(loader.load(name, &changed, &declared(text)).is_err());
        }
    }
    assert!(
        refused > 200 && loader.loaded() > 100,
        "{refused} refused, {} loaded: this proves little",
        loader.loaded()
    );
    if !has("python3") || !has("zstd") {
        return;
    }
    assert_eq!(loader.disagreements(), [""; 0], "seed {seed}");
    // And were there a difference, it would be told.
    assert_eq!(loader.rows().execute("UPDATE t1 SET b = b || 'x' WHERE rowid = 2", ()).unwrap(), 1);
    assert_eq!(loader.disagreements().len(), 1);
}
