//! What the NDJSON reader takes, and what it refuses and where.

use std::fs::File;
use std::io::Write;

use super::*;
use crate::import::record::Cell;
use crate::import::source::Source;
use crate::settings;

/// The names of the columns; every record's line and cells.
type Read = (Vec<String>, Vec<(u64, String)>);

fn open(file: &File) -> Reader<Source<'_>> {
    Reader::open(Source::open(file, &settings::Import::into_table("x")).unwrap())
}

fn read(content: &[u8]) -> Result<Read, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut reader = open(&file);
    let mut records = Vec::new();
    while let Some(record) = reader.next().map_err(|fault| fault.to_string())? {
        let cells: Vec<Cell<'_>> = (0..record.names.len()).map(|column| record.cell(column)).collect();
        records.push((record.line, format!("{cells:?}")));
    }
    assert_eq!(reader.source().digest().0, *blake3::hash(content).as_bytes(), "the whole file was hashed");
    Ok((reader.names().to_vec(), records))
}

fn refused(content: impl AsRef<[u8]>) -> String {
    read(content.as_ref()).expect_err("a refusal")
}

#[test]
fn every_kind_of_value_stays_what_it_is() {
    let line =
        r#" {"i": 1, "r": 1.50, "s": "x", "t": true, "n": null, "o": {"k": [1, 2]}, "e": "\u00e9\n\ud83d\ude00"} "#;
    let (names, records) = read(line.as_bytes()).unwrap();
    assert_eq!(names, ["i", "r", "s", "t", "n", "o", "e"]);
    let cells = r#"[Number("1"), Number("1.50"), String("x"), Boolean("true"), Null, Nested("{\"k\": [1, 2]}"), String("é\n😀")]"#;
    assert_eq!(records, [(1, cells.to_owned())]);
}

#[test]
fn keys_may_be_missing_new_and_in_any_order() {
    let (names, records) = read(b"{\"a\":1,\"b\":2}\n\n{\"b\":3}\r\n  \r{\"c\":4,\"a\":5}").unwrap();
    assert_eq!(names, ["a", "b", "c"]);
    let lines: Vec<(u64, &str)> = records.iter().map(|(line, cells)| (*line, cells.as_str())).collect();
    assert_eq!(
        lines,
        [
            (1, r#"[Number("1"), Number("2")]"#),
            (3, r#"[Null, Number("3")]"#),
            (5, r#"[Number("5"), Null, Number("4")]"#)
        ]
    );
}

/// fault 62
#[test]
fn a_number_stays_its_literal() {
    let (_, records) = read(b"{\"a\":123456789012345678901234567890,\"b\":1e400,\"c\":-0,\"d\":0.10}").unwrap();
    let cells = r#"[Number("123456789012345678901234567890"), Number("1e400"), Number("-0"), Number("0.10")]"#;
    assert_eq!(records, [(1, cells.to_owned())]);
}

/// fault 62
#[test]
fn a_key_given_twice_is_refused() {
    assert_eq!(refused(r#"{"a":1,"b":2,"a":3}"#), r#"line 1: the key "a" stands twice"#);
    assert_eq!(refused(r#"{"a":1,"\u0061":3}"#), r#"line 1: the key "a" stands twice"#);
    assert_eq!(refused("{\"a\":1}\n{\"A\":1}"), r#"line 2: column names "a" and "A" differ only in case"#);
}

/// fault 63
#[test]
fn a_line_that_is_not_one_object_is_refused() {
    for (content, why) in [
        ("{\"a\":1}\n5\n", r#"line 2: "5" is not a JSON object"#),
        ("[1,2]", r#"line 1: "[1,2]" is not a JSON object"#),
        ("{\"a\":1}\nnull", r#"line 2: "null" is not a JSON object"#),
        ("{\"a\":1}{\"a\":2}", "line 1: byte 8 of the line: trailing characters"),
        ("{\"a\":1} x", "line 1: byte 9 of the line: trailing characters"),
        ("{\"a\":1}\n{\"a\":", "line 2: byte 5 of the line: the text ends inside a value"),
        ("{\n \"a\": 1\n}\n", "line 1: byte 1 of the line: the text ends inside an object"),
        ("{\"a\":01}", "line 1: byte 7 of the line: invalid number"),
        ("{\"a\":NaN}", "line 1: byte 6 of the line: expected value"),
        ("{\"a\":1,}", "line 1: byte 8 of the line: trailing comma"),
        ("{'a':1}", "line 1: byte 2 of the line: key must be a string"),
    ] {
        assert_eq!(refused(content), why, "{content}");
    }
}

#[test]
fn texts_that_no_database_holds_are_refused() {
    assert_eq!(
        refused(r#"{"a":1,"b":"x\ud800y"}"#),
        "line 1, column b: byte 20 of the line: unexpected end of hex escape"
    );
    assert_eq!(refused(r#"{"a":"x\u0000y"}"#), r#"line 1, column a: a NUL character in "x\0y""#);
    assert_eq!(refused(b"{\"a\":\"x\0y\"}"), "line 1: byte 8 of the line: a NUL byte");
    assert_eq!(refused(b"{\"a\":\"x\"}\n{\"a\":\"\xe9\"}"), "line 2: byte 0xE9 is not UTF-8");
}

/// fault 51, fault 60
#[test]
fn keys_that_no_table_can_have_are_refused() {
    assert_eq!(refused(r#"{"":1}"#), "line 1: column 1 has no name");
    assert!(refused(r#"{"_line":1}"#).contains("is taken"));
    let (names, _) = read(br#"{"a\") ; drop table":1}"#).unwrap();
    assert_eq!(names, ["a\") ; drop table"]);
}

/// fault 61
#[test]
fn deep_nesting_is_refused_without_a_deep_stack() {
    let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(deep(127).as_bytes()).is_ok());
    assert_eq!(refused(deep(100_000)), "line 1, column a: objects nested more than 128 deep");
    assert!(read(format!("{{\"a\":[\"{}\"]}}", "[{".repeat(1_000)).as_bytes()).is_ok());
}

/// fault 55
#[test]
fn a_giant_line_is_refused_in_flat_memory() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"{\"a\":1}\n{\"a\":\"").unwrap();
    // A hole: 300 MB that no disk has to hold.
    file.set_len(300_000_000).unwrap();
    let mut reader = open(&file);
    assert!(reader.next().unwrap().is_some());
    assert_eq!(reader.next().unwrap_err().to_string(), "line 2: a record of more than 16 MiB");
    assert!(reader.source().bytes() < 17 << 20);
}

/// fault 19
#[test]
fn an_empty_file_has_no_rows() {
    assert_eq!(read(b"").unwrap(), (Vec::new(), Vec::new()));
    assert_eq!(read(b"\n \n\r\n").unwrap(), (Vec::new(), Vec::new()));
}
