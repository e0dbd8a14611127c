//! Names as uploaders, operating systems and attackers choose them: every one is imported, archived and told of
//! as itself, and none can act on a terminal, a log or a command line. faults 24-28, 30

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs;
use std::io::BufRead;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Output;

use harness::{Drop, files};
use importerd::log::unescape;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

/// What a line of the log would look like that nobody wrote.
const FORGED: &str = "Jan 01 00:00:00.000 ERRO all is lost";

fn nasty() -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = [
        b"two\nlines.csv".as_slice(),
        b"\n.csv",
        b"carriage\rreturn\tand tab.csv",
        b"esc\x1b[31m\x1b]0;owned\x07.csv",
        b"\"quoted\" 'twice' `thrice`.csv",
        b"-rf.csv",
        b"--help",
        b"$(id) ${HOME}; rm -rf * | cat &.csv",
        b" spaces at both ends ",
        b"back\\slash\\n.csv",
        b"percent%s%n%00.csv",
        b"not \xff\xfe UTF-8 \xc3.csv",
        b"{\"event\":\"file.archived\"}.csv",
        b"a'); DROP TABLE \"drop\"; --.csv",
        b"Case.csv",
        b"case.csv",
        "composed-\u{e9}.csv".as_bytes(),
        "composed-e\u{301}.csv".as_bytes(),
        "right\u{202e}vsc.exe".as_bytes(),
        "zero\u{200b}width\u{feff}.csv".as_bytes(),
        "c1\u{9b}31m.csv".as_bytes(),
        b"_importerd_files",
        b"sqlite_master.csv",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push(format!("forged\n{FORGED}.csv").into_bytes());
    names.push(format!("{}.csv", "long-".repeat(51)).into_bytes()[4..].to_vec());
    names.push([b"x".repeat(254), b"\xff".to_vec()].concat());
    assert!(names.iter().rev().take(2).all(|name| name.len() == 255));
    let mut names: Vec<_> = names.into_iter().map(OsString::from_vec).collect();
    names.sort();
    names
}

/// A file of so many rows that no other file has.
fn rows(file: usize) -> String {
    let mut text = String::from("id,file\n");
    for row in 0..=file {
        writeln!(text, "{row},{file}").unwrap();
    }
    text
}

fn put_all(drop: &Drop, content: impl Fn(usize) -> String) -> Vec<OsString> {
    let names = nasty();
    for (at, name) in names.iter().enumerate() {
        drop.put(name, content(at));
    }
    names
}

fn once(drop: &Drop, log: &str) -> Output {
    drop.command_logging(log, &["once"]).output().unwrap()
}

/// A name as the database has it: text where it is UTF-8, else its bytes.
fn name_at(row: &rusqlite::Row<'_>, column: usize) -> OsString {
    match row.get_ref(column).unwrap() {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => OsStr::from_bytes(bytes).to_owned(),
        other => panic!("a name is {other:?}"),
    }
}

fn by_name(connection: &Connection, sql: &str) -> BTreeMap<OsString, i64> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((name_at(row, 0), row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn expected(names: &[OsString], count: impl Fn(usize) -> i64) -> BTreeMap<OsString, i64> {
    names.iter().enumerate().map(|(at, name)| (name.clone(), count(at))).collect()
}

/// Every line of a log as JSON.
fn records(stderr: &[u8]) -> Vec<Value> {
    let lines = stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| serde_json::from_slice::<Value>(line).ok().filter(Value::is_object));
    parsed.map(|record| record.expect("a line of the log is no JSON object")).collect()
}

fn told_of(records: &[Value], event: &str) -> Vec<OsString> {
    let told = records.iter().filter(|record| record["event"] == event);
    let mut names: Vec<_> = told.map(|record| unescape(record["file"].as_str().unwrap()).unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_name_is_imported_and_archived_as_it_is() {
    let drop = Drop::new();
    let names = put_all(&drop, rows);
    let output = once(&drop, "json");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(drop.names("archive"), names);
    assert_eq!(drop.names("inbox"), [""; 0]);
    let of_rows = |at: usize| i64::try_from(at).unwrap() + 1;
    let markers = by_name(&drop.rows(), "SELECT name, rows FROM _importerd_files");
    assert_eq!(markers, expected(&names, of_rows));
    let imported = "SELECT name, count(*) FROM \"drop\" JOIN _importerd_files f ON f.id = _file_id GROUP BY f.id";
    assert_eq!(by_name(&drop.rows(), imported), expected(&names, of_rows));
    let ledger = by_name(&drop.ledger(), "SELECT name, rows FROM file WHERE state = 'archived'");
    assert_eq!(ledger, expected(&names, of_rows));
}

#[test]
fn no_name_forges_a_record_and_every_record_gives_its_name_back() {
    let drop = Drop::new();
    let names = put_all(&drop, rows);
    let records = records(&once(&drop, "json").stderr);
    assert_eq!(told_of(&records, "file.committed"), names);
    assert_eq!(told_of(&records, "file.archived"), names);
    let kept = drop.command(&["events", "--json", "--event", "file.archived", "-n", "1000"]).output().unwrap();
    let kept: Vec<Value> = kept.stdout.lines().map(|json| serde_json::from_str(&json.unwrap()).unwrap()).collect();
    assert_eq!(told_of(&kept, "file.archived"), names);
}

#[test]
fn no_name_acts_on_a_terminal() {
    let drop = Drop::new();
    let names = put_all(&drop, rows);
    let output = once(&drop, "term");
    let log = String::from_utf8(output.stderr).expect("the log is UTF-8");
    let raw =
        |character: char| character != '\n' && character.is_control() || "\u{202e}\u{200b}\u{feff}".contains(character);
    assert_eq!(log.matches(raw).collect::<String>(), "");
    assert!(!log.lines().any(|line| line.starts_with(FORGED)), "{log}");
    assert!(log.contains(&format!("forged\\n{FORGED}.csv committed")), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains(" committed: ")).count(), names.len(), "{log}");
}

#[test]
fn every_refused_name_has_its_reason_beside_it() {
    // fault 26: with a name of 255 bytes there is no room for another ending
    let drop = Drop::new();
    let names = put_all(&drop, |at| format!("id,file\n{at}\n"));
    let output = once(&drop, "json");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told_of(&records(&output.stderr), "file.quarantined"), names);
    let mut reasons = Vec::new();
    let mut refused = drop.names("quarantine");
    refused.retain(|name| {
        let is_reason = name.as_bytes().ends_with(b".reason.txt");
        reasons.extend(is_reason.then(|| name.clone()));
        !is_reason
    });
    assert_eq!(refused, names);
    assert_eq!(reasons.len(), names.len());
    for reason in reasons {
        let text = String::from_utf8(drop.read("quarantine", &reason)).unwrap();
        assert!(!text.contains(|character: char| character != '\n' && character.is_control()), "{text:?}");
        let (name, _) = text.split_once(" was refused on ").unwrap();
        let name = unescape(name).unwrap();
        let stem = reason.as_bytes().strip_suffix(b".reason.txt").unwrap();
        assert!(name.as_bytes().starts_with(stem), "{}", reason.display());
        assert!(text.contains("line 2: 1 field where the header has 2"), "{text}");
    }
}

#[test]
fn every_name_reaches_a_command_as_one_argument() {
    // faults 27 and 28: no shell, no option, no splitting
    let work = r#"run = { command = ["/bin/sh", "-c", 'printf "%s/" "$#" "${1##*/}" "$2" "$IMPORTERD_FILE"; cat "$1"', "sh", "{path}", "{name}"] }"#;
    let drop = Drop::with(work);
    let names = put_all(&drop, |at| format!("content {at}"));
    let output = once(&drop, "json");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(drop.names("archive"), names);
    let mut printed: Vec<_> = files(&drop.path().join("results")).iter().map(|path| fs::read(path).unwrap()).collect();
    let mut wanted: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let name = name.as_bytes();
            [b"2/", name, b"/", name, b"/", name, b"/", format!("content {at}").as_bytes()].concat()
        })
        .collect();
    printed.sort();
    wanted.sort();
    assert_eq!(printed, wanted);
}

#[test]
fn names_in_the_making_are_left_alone() {
    // fault 29
    let drop = Drop::new();
    let unfinished = [".hidden.csv", "a.csv.filepart", "a.csv.part", "a.csv~", "a.crdownload", "a.partial", "a.tmp"];
    for name in unfinished {
        drop.put(name, "id\n1\n");
    }
    drop.put("done.csv", "id\n1\n");
    assert_eq!(once(&drop, "json").status.code(), Some(0));
    assert_eq!(drop.names("archive"), ["done.csv"]);
    assert_eq!(drop.row_count(), 1);
    assert!(unfinished.iter().all(|name| drop.inbox().join(name).exists()));
}

/// No file is ever deleted, and each refused one is counted.
#[test]
fn a_refused_file_that_is_called_like_a_reason_outlives_the_file_that_it_seems_to_explain() {
    let drop = Drop::new();
    drop.put("a.csv", "id,name\n1\n");
    assert_eq!(drop.once().code(), Some(1));
    fs::remove_file(drop.path().join("quarantine/a.csv.reason.txt")).expect("an operator tidies up");
    drop.put("a.csv.reason.txt", "id,name\nmine\n");
    assert_eq!(drop.once().code(), Some(1));
    let status = drop.command(&["status"]).output().expect("run status");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("2 files need you"), "{said}");
    let retried = drop.command(&["retry", "#1"]).output().expect("run retry");
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(drop.names("inbox"), ["a.csv"]);
    assert_eq!(drop.read("quarantine", "a.csv.reason.txt~2"), b"id,name\nmine\n");
    let retried = drop.command(&["retry", "a.csv.reason.txt"]).output().expect("run retry");
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(drop.read("inbox", "a.csv.reason.txt"), b"id,name\nmine\n");
    assert_eq!(drop.names("quarantine"), [""; 0]);
}
