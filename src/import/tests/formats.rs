//! Every format through both stages, in its dialects, encodings and compressions.

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::settings::{Csv, Format};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn headless() -> settings::Import {
    settings::Import { csv: Csv { header: false, ..Csv::default() }, ..settings("orders") }
}

#[test]
fn files_without_a_header_make_numbered_columns_and_are_matched_by_position() {
    let mut orders = Orders::reading(&headless());
    assert_eq!(orders.import("a.csv", "1,bolt,\n2,nut,\"\"\n").unwrap(), loaded(2));
    assert_eq!(orders.declared()[2..], ["'c1'|'INTEGER'", "'c2'|'TEXT'", "'c3'|'TEXT'"]);
    orders.sql().execute_batch("ALTER TABLE orders RENAME COLUMN c2 TO name").unwrap();
    assert_eq!(orders.import("b.csv", "3,cog,x\n").unwrap(), loaded(1));
    assert_eq!(
        orders.rows("SELECT _line, c1, name, c3 FROM orders"),
        ["1|1|'bolt'|NULL", "2|2|'nut'|''", "1|3|'cog'|'x'"]
    );
    assert_eq!(orders.refused("c.csv", "4,pin\n"), "line 1: 2 fields where the table has 3");
    assert_eq!(orders.refused("d.csv", "x,pin,y\n"), r#"line 1, column c1: "x" is not an integer"#);
    assert_eq!(orders.import("e.csv", "").unwrap(), loaded(0));
}

#[test]
fn a_users_table_is_filled_by_position_but_for_what_it_computes() {
    let mut orders = Orders::reading(&headless());
    orders.sql().execute_batch("CREATE TABLE orders (a INTEGER, twice AS (a * 2), b TEXT)").unwrap();
    assert_eq!(orders.import("a.csv", "1;x\n2;y\n").unwrap(), loaded(2));
    assert_eq!(orders.rows("SELECT * FROM orders"), ["1|2|'x'", "2|4|'y'"]);
}

#[test]
fn the_objects_of_a_json_document_become_rows() {
    let mut orders = Orders::new();
    let content =
        "[\n {\"id\": 1, \"note\": \"x\", \"tags\": [\"a\", 1]},\n {\"big\": 18446744073709551616, \"id\": 2}\n]\n";
    assert_eq!(orders.import("a.json", content).unwrap(), loaded(2));
    let rows = orders.rows("SELECT _line, id, note, tags, big FROM orders");
    assert_eq!(rows, ["2|1|'x'|'[\"a\", 1]'|NULL", "3|2|NULL|NULL|'18446744073709551616'"]);
    assert_eq!(
        orders.refused("b.json", r#"[{"id": 3}, {"id": "4"}]"#),
        r#"line 1, column id: record 2: the JSON string "4" is not an integer"#
    );
    let new = orders.refused("c.json", r#"[{"id": 3}, {"new": 4}]"#);
    assert_eq!(new, r#"line 1: record 2: new column "new": the table "orders" has no such column"#);
}

#[test]
fn the_keys_of_an_object_of_objects_become_a_column() {
    let settings = settings::Import { format: Some(Format::Json), records: "/data".to_owned(), ..settings("orders") };
    let mut orders = Orders::reading(&settings);
    let content = r#"{"version": 3, "data": {"x-1": {"id": 1}, "x-2": {"id": 2}}}"#;
    assert_eq!(orders.import("a.txt", content).unwrap(), loaded(2));
    assert_eq!(orders.rows("SELECT _key, id FROM orders"), ["'x-1'|1", "'x-2'|2"]);
}

/// fault 51
#[test]
fn a_name_with_a_nul_is_refused() {
    let mut orders = Orders::new();
    let text = orders.refused("a.ndjson", r#"{"a\u0000b": 1}"#);
    assert_eq!(text, r#"line 1: the column name "a\0b" has a NUL character, no table's can"#);
}

/// Too big to be kept: unpacked and decoded again inside the transaction.
#[test]
fn a_large_packed_file_in_another_encoding_is_streamed_twice() {
    let mut content = String::from("\u{feff}id,note\n");
    let note = "ü€".repeat(200);
    for id in 0..40_000 {
        writeln!(content, "{id},{note}").unwrap();
    }
    let packed = gzip(&utf16le(&content));
    assert!(packed.len() < KEPT_BYTES_MAX && content.len() > KEPT_BYTES_MAX);
    let mut orders = Orders::new();
    let load = orders.load("big.csv.gz", &packed).unwrap();
    assert_eq!((load.checked.kept_bytes(), load.checked.rows()), (0, 40_000));
    assert_eq!(load.checked.digest().0, *blake3::hash(&packed).as_bytes(), "of the file as it was dropped");
    assert_eq!(orders.import.commit(&[load]).unwrap(), [loaded(40_000)]);
    let query = "SELECT count(*), sum(id), max(_line), count(DISTINCT note), max(length(note)) FROM orders";
    assert_eq!(orders.rows(query), ["40000|799980000|40001|1|400"]);
    assert!(matches!(orders.import("again.csv.gz", &packed).unwrap(), Outcome::Duplicate { .. }));
    // Damaged behind all of its rows: nothing of it is in.
    let mut damaged = gzip(&utf16le(&content.replace("id,note", "note,id").replace(&note, "x")));
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let mut empty = Orders::new();
    assert!(empty.refused("damaged.csv.gz", &damaged).contains("the gzip data are damaged"));
    assert!(empty.declared().is_empty());
}

/// fault 46, fault 48, fault 64
#[test]
fn a_text_that_breaks_is_refused_at_the_line_where_it_does() {
    let mut content = String::from("id,code\n");
    for id in 0..50_000 {
        writeln!(content, "{id},{}", id * 7919 % 65_536).unwrap();
    }
    let packed = gzip(content.as_bytes());
    let mut orders = Orders::new();
    let text = orders.refused("a.csv.gz", &packed[..packed.len() / 2]);
    let line = text.strip_prefix("line ").and_then(|text| text.split([',', ':']).next()).unwrap();
    assert!((10_000..40_000).contains(&line.parse::<u64>().unwrap()), "{text}");
    assert!(text.ends_with("bytes, at the end of the file"), "{text}");
    let odd = [&b"\xFF\xFE"[..], &utf16le(&content), b"\0"].concat();
    assert_eq!(orders.refused("b.csv", &odd), "line 50002, column id: the byte 0x00 is not UTF-16LE");
    let half_a_pair = [&b"\xFF\xFE"[..], &utf16le("id,code\n1,a\n2,"), b"\x00\xD8", &utf16le("b\n")].concat();
    assert_eq!(orders.refused("c.csv", &half_a_pair), "line 3, column code: the bytes 0x00 0xD8 are not UTF-16LE");
    assert!(orders.declared().is_empty());
}
