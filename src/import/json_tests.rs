//! What the reader of JSON documents takes, and what it refuses and where.

use std::fs::File;
use std::io::Write;

use super::*;
use crate::import::record::Cell;
use crate::settings;

fn open<'f>(file: &'f File, pointer: &str) -> Reader<'f> {
    Reader::open(Source::open(file, &settings::Import::into_table("x")).unwrap(), pointer)
}

/// Every record: its line, and its cells.
fn read_at(pointer: &str, content: &[u8]) -> Result<Vec<(u64, String)>, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut reader = open(&file, pointer);
    let mut records = Vec::new();
    while let Some(record) = reader.next().map_err(|fault| fault.to_string())? {
        assert_eq!(record.number, Some(records.len() as u64 + 1));
        let cells = record.names.iter().enumerate().filter_map(|(column, name)| match record.cell(column) {
            Cell::Null => None,
            cell => Some(format!("{name}={}", cell.text().unwrap())),
        });
        records.push((record.line, cells.collect::<Vec<_>>().join(" ")));
    }
    assert!(reader.next().unwrap().is_none(), "it stays at its end");
    assert_eq!(reader.source().digest().0, *blake3::hash(content).as_bytes(), "the whole file was hashed");
    Ok(records)
}

fn read(content: &str) -> Result<Vec<(u64, String)>, String> {
    read_at("", content.as_bytes())
}

fn rows(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter().map(|(line, cells)| (*line, (*cells).to_owned())).collect()
}

fn refused(content: &str) -> String {
    read(content).expect_err("a refusal")
}

#[test]
fn the_objects_of_an_array_are_records_with_their_lines() {
    let content = "\n[ {\"a\": 1, \"b\": \"x]}\\\"\"},\r\n{\"b\":\r[2, {\"c\": \"{\"}],\n\"a\": null} ,{}\r\n,\r{\"d\":1e400}]\n\n";
    let expected = rows(&[(2, r#"a=1 b=x]}""#), (3, r#"b=[2, {"c": "{"}]"#), (5, ""), (7, "d=1e400")]);
    assert_eq!(read(content).unwrap(), expected);
    assert_eq!(read("[]").unwrap(), []);
    assert_eq!(read(" [\n] ").unwrap(), []);
}

/// fault 19
#[test]
fn an_empty_file_has_no_records() {
    assert_eq!(read("").unwrap(), []);
    assert_eq!(read(" \n").unwrap(), []);
}

#[test]
fn the_members_of_an_object_are_records_with_their_keys() {
    let content = "{\"x\\u00e9\": {\"a\": 1},\n \"y\": {\"a\": 2}}";
    assert_eq!(read(content).unwrap(), rows(&[(1, "_key=xé a=1"), (2, "_key=y a=2")]));
    assert_eq!(read("{}").unwrap(), []);
    assert_eq!(refused(r#"{"x": {"_key": 1}}"#), r#"line 1: record 1: the key "_key" stands twice"#);
    assert_eq!(refused(r#"{"x": 1}"#), r#"line 1: record 1: "1" is not a JSON object"#);
}

#[test]
fn a_pointer_leads_to_the_records() {
    let content = br#"{"meta": {"rows": [{"no": 1}], "n": [1, [2, {"x": "}"}], {}, []]}, "e": "",
        "a/b~": [0, {"rows": [{"a": 1}, {"a": 2}], "next": null}], "behind": {"rows": [{"no": 2}]}}"#;
    assert_eq!(read_at("/a~1b~0/1/rows", content).unwrap(), rows(&[(2, "a=1"), (2, "a=2")]));
    assert_eq!(read_at("/meta/rows", content).unwrap(), rows(&[(1, "no=1")]));
    let refused = |pointer: &str| read_at(pointer, content).unwrap_err();
    assert_eq!(refused("/a~1b~0/2/rows"), r#"line 2: the document has nothing at "/a/b~/2""#);
    assert_eq!(refused("/rows"), r#"line 2: the document has nothing at "/rows""#);
    assert_eq!(refused("/e"), r#"line 1: "\"\"" stands where an array or an object must"#);
    assert_eq!(refused("/e/f"), r#"line 1: "\"\"" stands where an array or an object must"#);
    // Two of them, of which other readers take the last.
    let twice = br#"{"rows": [{"a": 1}], "rows": [{"a": 2}]}"#;
    assert_eq!(read_at("/rows", twice).unwrap_err(), r#"line 1: byte 29 of the line: the key "rows" stands twice"#);
}

/// fault 46, fault 63
#[test]
fn what_is_not_one_document_is_refused_where_it_stops_being_one() {
    for (content, why) in [
        ("[{\"a\":1},\n{\"a\":", "line 2: the file ends inside or behind record 2, before the end of the document"),
        ("[{\"a\":1}\n", "line 2: the file ends inside or behind record 1, before the end of the document"),
        ("[{\"a\":\"x", "line 1: the file ends inside or behind record 1, before the end of the document"),
        ("[", "line 1: the file ends before its first record"),
        ("[{\"a\":1},]", "line 1: byte 10 of the line: a value is expected"),
        ("[{\"a\":1} {\"a\":2}]", "line 1: byte 10 of the line: \",\" or \"]\" is expected"),
        ("[{\"a\":1}]\nx", "line 2: byte 1 of the line: something follows the document"),
        ("[{\"a\":1}][{\"a\":2}]", "line 1: byte 10 of the line: something follows the document"),
        ("[,{}]", "line 1: record 1: \",\" is not a JSON object"),
        ("[1]", "line 1: record 1: \"1\" is not a JSON object"),
        ("[[1,2]]", "line 1: record 1: \"[1,2]\" is not a JSON object"),
        ("\"x\"", "line 1: \"\\\"x\\\"\" stands where an array or an object must"),
        ("x", "line 1: \"x\" stands where an array or an object must"),
        ("]", "line 1: \"]\" stands where an array or an object must"),
        ("[{\"a\":1},\n\n {\"a\":\n  01}]", "line 4: byte 4 of the line, record 2: invalid number"),
        ("[{\"a\":1}, {\"a\":NaN}]", "line 1: byte 16 of the line, record 2: expected value"),
        ("[{\"a\":1}, {\"a\":[}]}]", "line 1: byte 17 of the line, record 2: expected value"),
        ("[{\"a\":1,\"a\":2}]", "line 1: record 1: the key \"a\" stands twice"),
        ("{\"a\" {}}", "line 1: byte 6 of the line: \":\" is expected"),
        ("{a: {}}", "line 1: byte 2 of the line: a key is expected"),
        ("{\"a\": {},}", "line 1: byte 10 of the line: a key is expected"),
    ] {
        assert_eq!(refused(content), why, "{content}");
    }
    let beside = |meta: &str| read_at("/rows", format!("{{\"meta\": {meta}, \"rows\": []}}").as_bytes());
    assert_eq!(beside("[1, {\"x\": -0.5e3}]").unwrap(), []);
    for meta in ["[1,]", "{]", "01", "tru", "\"\u{1}\"", "{\"x\"}", "{1: 2}", "[1 2]", "'x'"] {
        assert!(beside(meta).is_err(), "{meta}");
    }
    assert!(read_at("/rows", b"{\"meta\": \"\xFF\", \"rows\": []}").unwrap_err().contains("not UTF-8"));
}

/// fault 61
#[test]
fn deep_nesting_is_refused_without_a_deep_stack() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let why = "line 1, column a: record 1: objects nested more than 128 deep";
    assert_eq!(refused(&format!("[{{\"a\":{}}}]", deep(100_000))), why);
    let beside = read_at("/rows", format!("{{\"meta\": {}, \"rows\": []}}", deep(100_000)).as_bytes());
    assert!(beside.unwrap_err().ends_with("objects nested more than 128 deep"));
}

/// fault 50
#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_line() {
    let refused = read_at("", b"[{\"a\": 1},\n{\"a\":\n\"\xe9\"}]").unwrap_err();
    assert_eq!(refused, "line 3: byte 2 of the line, record 2: byte 0xE9 is not UTF-8");
}

/// fault 55
#[test]
fn a_giant_record_is_refused_in_flat_memory() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"[{\"a\":1},\n{\"a\":\"").unwrap();
    // A hole: 300 MB that no disk has to hold.
    file.set_len(300_000_000).unwrap();
    let mut reader = open(&file, "");
    assert!(reader.next().unwrap().is_some());
    assert_eq!(reader.next().unwrap_err().to_string(), "line 2: a record of more than 16 MiB");
    assert!(reader.source().bytes() < 17 << 20);
}

/// What is read over beside the records may be of any size.
#[test]
fn a_document_larger_than_a_record_is_read_over() {
    let filler = "{\"x\": [1, 2, \"three\"]},\n".repeat(1_000_000);
    let content = format!("{{\"meta\": [{filler}0], \"rows\": [{{\"a\": 1}}], \"more\": [{filler}0]}}");
    assert!(content.len() > 2 * RECORD_BYTES_MAX);
    assert_eq!(read_at("/rows", content.as_bytes()).unwrap(), rows(&[(1_000_001, "a=1")]));
}

/// However the window falls on the bytes, the records are the same.
#[test]
fn records_do_not_depend_on_where_the_window_ends() {
    let record = "{\"a\": \"\\\\\\\"}\",\r\n\"b\": [1]},\r\n";
    for shift in 0..2 * record.len() {
        let padding = (256 << 10) - 3 * record.len() + shift;
        let content = format!("[{}{}{{}}]", " ".repeat(padding), record.repeat(6));
        let records = read(&content).unwrap();
        assert_eq!(records.len(), 7, "shift {shift}");
        for (number, found) in (0..).zip(&records[..6]) {
            assert_eq!(*found, (1 + 2 * number, "a=\\\"} b=[1]".to_owned()), "shift {shift}");
        }
    }
}
