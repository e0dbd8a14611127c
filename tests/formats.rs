//! Formats from outside: files as partners send them are dropped, and land in the table or in quarantine.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::{Drop, has};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// With these keys of `import`.
fn with(keys: &str) -> Drop {
    Drop::with(&format!("import = {{ into = \"sqlite:rows.db\", {keys} }}"))
}

/// What a query answers, as one text.
fn answer(drop: &Drop, query: &str) -> String {
    drop.rows().query_row(query, (), |row| row.get(0)).unwrap()
}

#[test]
fn compressed_files_land_in_the_table_and_in_the_archive_as_they_were_dropped() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    let files = [
        ("a.csv.gz", gzip(b"id,name\n1,bolt\n")),
        ("b.csv.zst", zstd(b"id,name\n2,nut\n")),
        ("c.json.gz", gzip(b"[{\"id\": 3, \"name\": \"cog\"},\n {\"id\": 4}]")),
        ("d.ndjson", zstd(b"{\"id\": 5}\n")),
    ];
    for (name, content) in &files {
        drop.put(name, content);
        daemon.wait_for_file("file.archived", name);
        assert_eq!(drop.read("archive", name), *content);
    }
    assert_eq!(daemon.stop().code(), Some(0));
    let names = "SELECT group_concat(id || ifnull(name, '-'), ' ' ORDER BY id) FROM \"drop\"";
    assert_eq!(answer(&drop, names), "1bolt 2nut 3cog 4- 5-");
    let digest = blake3::hash(&files[0].1).to_hex().to_string();
    assert_eq!(answer(&drop, "SELECT blake3 FROM _importerd_files WHERE name = 'a.csv.gz'"), digest);
}

/// fault 64, fault 48
#[test]
fn a_file_that_is_not_whole_is_quarantined_with_its_reason_and_the_others_go_on() {
    let drop = Drop::new();
    let rows: String =
        (0..2_000).fold("id,name\n".to_owned(), |rows, id| rows + &format!("{id},row {}\n", id * 7 % 1_000));
    let packed = gzip(rows.as_bytes());
    let odd = [&utf16("id,name\n1,ü\n2,")[..], b"x"].concat();
    let bomb = gzip(&[&b"id,name\n"[..], format!("0,{}\n", "0".repeat(1_000)).repeat(40_000).as_bytes()].concat());
    let followed = [&zstd(b"id,name\n1,a\n")[..], b"id,name\n2,b\n"].concat();
    let bad: [(&str, &[u8], &str, &str); 6] = [
        ("half.csv.gz", &packed[..packed.len() / 2], "truncated", "the gzip data break off behind"),
        ("twice.csv.gz", &gzip(&packed), "not_text", "the file looks like compressed twice"),
        ("bomb.csv.gz", &bomb, "suspicious_ratio", "more than 200 for one"),
        ("followed.csv.zst", &followed, "trailing_data", "something else follows the zstd data at byte"),
        ("odd.csv", &odd, "malformed_text", "line 3, column name: the byte 0x78 is not UTF-16LE"),
        ("cut.json", b"[{\"id\": 1},\n{\"id\":", "bad_json", "line 2: the file ends inside or behind record 2"),
    ];
    let mut daemon = drop.start();
    for (name, content, code, reason) in bad {
        drop.put(name, content);
        let event = daemon.wait_for_file("file.quarantined", name);
        assert_eq!(event["code"], code, "{event}");
        let text = String::from_utf8(drop.read("quarantine", format!("{name}.reason.txt"))).unwrap();
        assert!(text.contains(reason), "{text}");
        assert_eq!(drop.read("quarantine", name), content);
    }
    assert_eq!(drop.row_count(), 0);
    drop.put("whole.csv.gz", &packed);
    daemon.wait_for_file("file.archived", "whole.csv.gz");
    assert_eq!(drop.row_count(), 2_000);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_is_declared_holds_for_every_file_of_the_folder() {
    let keys = "encoding = \"windows-1252\", delimiter = \"|\", escape = '\\', comment = \"#\", header = false";
    let drop = with(keys);
    drop.put("a.txt", b"# made by SAP\nM\xfcller|\\N|\"a\\\"b\"\n");
    drop.put("b.txt", "\u{feff}Müller|x\\|y|\"\"\n");
    assert_eq!(drop.once().code(), Some(0));
    let cells = "SELECT group_concat(concat_ws('/', c1, ifnull(c2, 'NULL'), c3), ' ' ORDER BY c3 DESC) FROM \"drop\"";
    assert_eq!(answer(&drop, cells), "Müller/NULL/a\"b Müller/x|y/");
    drop.put("c.txt", "a;b;c\n");
    drop.put("d.txt", b"a|b\n");
    assert_eq!(drop.once().code(), Some(1));
    let reason = |name: &str| String::from_utf8(drop.read("quarantine", format!("{name}.reason.txt"))).unwrap();
    assert!(reason("c.txt").contains("fields are separated by \";\", the settings say \"|\""), "{}", reason("c.txt"));
    assert!(reason("d.txt").contains("line 1: 2 fields where the table has 3"), "{}", reason("d.txt"));
}

#[test]
fn records_within_a_document_are_found_by_their_pointer() {
    let drop = with("format = \"json\", records = \"/data/rows\"");
    drop.put("a.json", "{\"page\": 1, \"data\": {\"rows\": [{\"id\": 1},\n{\"id\": 2}], \"next\": null}}\n");
    drop.put("b.json", "{\"page\": 2, \"data\": {\"rows\": []}}\n");
    drop.put("c.json", "{\"page\": 3, \"data\": null}\n");
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(drop.row_count(), 2);
    assert_eq!(drop.names("quarantine"), ["c.json", "c.json.reason.txt"]);
    let reason = String::from_utf8(drop.read("quarantine", "c.json.reason.txt")).unwrap();
    assert!(reason.contains("\"null\" stands where an array or an object must"), "{reason}");
}

/// How much text the files have: more than the memory that is given.
const TEXT_MIB: usize = 96;

/// What suffices for the daemon, however large its files are, and what doesn't even suffice for a start.
const DATA_BYTES: [usize; 2] = [64 << 20, 4 << 20];

type Encode = fn(&str) -> Vec<u8>;

/// What stands around the records, and before and behind the long text in each.
struct Shape {
    name: &'static str,
    around: [&'static str; 2],
    record: [&'static str; 2],
    encode: Encode,
}

/// A file of `TEXT_MIB`, in records of a megabyte, without holding it here.
fn write_large(path: &Path, shape: &Shape) {
    let long = (shape.encode)(&"x".repeat(1 << 20));
    let mut file = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    file.write_all(&(shape.encode)(shape.around[0])).unwrap();
    for _ in 0..TEXT_MIB {
        file.write_all(&(shape.encode)(shape.record[0])).unwrap();
        file.write_all(&long).unwrap();
        file.write_all(&(shape.encode)(shape.record[1])).unwrap();
    }
    file.write_all(&(shape.encode)(shape.around[1])).unwrap();
    file.finish().unwrap();
}

fn plain(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

const LARGE: [Shape; 5] = [
    Shape { name: "a.csv.gz", around: ["id,x\n", ""], record: ["1,\"", "\"\n"], encode: plain },
    Shape { name: "wide.csv.gz", around: ["\u{feff}id,x\n", ""], record: ["1,", "\n"], encode: wide },
    Shape { name: "a.ndjson.gz", around: ["", ""], record: ["{\"id\": 1, \"x\": \"", "\"}\n"], encode: plain },
    Shape {
        name: "a.json.gz",
        around: ["[", "{\"id\": 0}]"],
        record: ["{\"id\": 1, \"x\": \"", "\"},"],
        encode: plain,
    },
    Shape { name: "beside", around: ["{\"y\": [", "0], \"r\": [{\"id\": 1}]}"], record: ["\"", "\","], encode: plain },
];

/// fault 22, fault 55
#[test]
fn memory_does_not_grow_with_a_file_of_any_format() {
    if !has("prlimit") {
        return;
    }
    for shape in &LARGE {
        let within = if shape.name == "beside" { ", format = \"json\", records = \"/r\"" } else { "" };
        let drop = with(&format!("unpack_ratio_max = 100000{within}"));
        write_large(&drop.inbox().join(shape.name), shape);
        let run = |bytes: usize| {
            let importerd = drop.command(&["once"]);
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--data={bytes}")).arg(importerd.get_program()).args(importerd.get_args());
            limited.stdin(Stdio::null()).output().unwrap()
        };
        assert!(!run(DATA_BYTES[1]).status.success(), "a limit that does nothing proves nothing");
        let output = run(DATA_BYTES[0]);
        assert!(output.status.success(), "{}: {}", shape.name, String::from_utf8_lossy(&output.stderr));
        assert!(drop.row_count() > 0, "{}", shape.name);
    }
}
