//! What is found in halves is what is found record by record.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use super::super::bounds::Bounds;
use super::super::check::{self, Texts};
use super::super::guess::Guess;
use super::super::infer;
use super::super::layout::Layout;
use super::super::reject::Rejects;
use super::super::table::Table;
use super::super::value::Type;
use super::*;
use crate::settings::{self, Tolerance};

/// Several windows.
const BYTES: usize = 3 << 19;

fn settings() -> settings::Import {
    let rejects = Tolerance::Rows(u64::MAX);
    settings::Import { rejects, new_columns: settings::NewColumns::Ignore, ..settings::Import::into_table("t") }
}

fn file(content: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn open<'f>(file: &'f File, name: &str) -> Reader<'f> {
    Reader::open(file, OsStr::new(name), &settings(), None, None).unwrap()
}

/// The next number that looks random.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Rows of CSV, one in `odd` of which isn't like the others.
fn csv(mut seed: u64, odd: u64) -> String {
    let mut text = "id,name,amount\n".to_owned();
    while text.len() < BYTES {
        let line = next(&mut seed);
        match if next(&mut seed).is_multiple_of(odd) { line % 8 } else { 8 + line % 3 } {
            0 => text.push_str("1,too,many,fields\n"),
            1 => text.push_str("\n\r\n"),
            2 => text.push_str("7,cr,2\r8,cr,3\r"),
            3 => text.push_str("9,,\n"),
            4 => text.push_str("x,no number,1.5\n"),
            5 => _ = writeln!(text, "5,\"{}\",1", "a long one\n".repeat(30_000)),
            6 => text.push_str("6,\"five \"\"quotes\"\"\n,\",0.12345678901234567890\r\n"),
            7 => text.push_str("\"7\",\"\",007\n"),
            8 => _ = writeln!(text, "{line},part {line},{}.5", line % 100),
            9 => _ = writeln!(text, "{line},\"a line\nbreak\",{}", line % 100),
            _ => _ = writeln!(text, "{line},\"a \"\"word\"\"\",{}\r", line % 100),
        }
    }
    text
}

/// The same of NDJSON.
fn ndjson(mut seed: u64, odd: u64) -> String {
    let mut text = String::new();
    while text.len() < BYTES {
        let line = next(&mut seed);
        match if next(&mut seed).is_multiple_of(odd) { line % 8 } else { 8 + line % 3 } {
            0 => text.push_str("{\"id\": 1, \"name\": \n"),
            1 => text.push_str("\n \r\n"),
            2 => text.push_str("{\"id\": 2}\r{\"id\": 3}\r"),
            3 => _ = writeln!(text, "{{\"new {}\": true}}", line % 100),
            4 => text.push_str("{\"id\": \"no number\"}\n"),
            5 => _ = writeln!(text, "{{\"name\": \"{}\"}}", "a long one ".repeat(30_000)),
            6 => text.push_str("[1]\n"),
            7 => text.push_str("{\"id\": 1, \"id\": 2}\n"),
            8 => _ = writeln!(text, "{{\"id\": {line}, \"name\": \"part {line}\", \"amount\": {}.5}}", line % 100),
            9 => _ = writeln!(text, "{{\"amount\": {}, \"id\": {line}}}\r", line % 100),
            _ => _ = writeln!(text, " {{\"id\": {line}, \"name\": \"\\u00fc \\\"word\\\"\"}}"),
        }
    }
    text
}

/// Some of everything, and how each ends: whole, or where nobody can read on.
fn cases() -> Vec<(&'static str, String)> {
    let mut cases = Vec::new();
    for (seed, odd) in [(1, u64::MAX), (2, 4_000), (3, 20)] {
        cases.push(("a.csv", csv(seed, odd)));
        cases.push(("a.ndjson", ndjson(seed, odd)));
        cases.push(("a.csv", csv(seed, odd) + "8,\"never closed\n1,b,2\n"));
        cases.push(("a.ndjson", ndjson(seed, odd) + "{\"ID\": 1}\n{\"id\": 1}\n"));
        cases.push(("a.csv", csv(seed, odd) + "1,\0,2\n" + &csv(seed, odd)));
    }
    cases
}

/// The same as `infer::find`, record by record.
fn find(reader: &mut Reader<'_>) -> Result<(Vec<Guess>, u64, Rejects), Fault> {
    let (mut guesses, mut rows, mut rejects) = (Vec::new(), 0, Rejects::new(settings().rejects));
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                guesses.resize(record.names.len(), Guess::ANY);
                guesses.iter_mut().enumerate().for_each(|(column, guess)| guess.see(record.cell(column), '.'));
                rows += 1;
            }
            Ok(None) => return Ok((guesses, rows, rejects)),
            Err(Refused::Record(reason, _)) => rejects.add(*reason),
            Err(Refused::File(fault)) => return Err(fault),
        }
    }
}

fn layout(reader: &Reader<'_>) -> Arc<Layout> {
    let columns = [("id", Type::Integer), ("name", Type::Text), ("amount", Type::Real)];
    let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
    let table = Table::made_for("t", columns.into_iter(), &|kind| (kind, Bounds::Open));
    Arc::new(Layout::new(&Arc::new(table), &Arc::new(settings()), reader.names()).unwrap())
}

#[test]
fn types_are_found_in_halves_as_record_by_record() {
    for (name, content) in cases() {
        let file = file(&content);
        let (mut halved, mut whole) = (open(&file, name), open(&file, name));
        let found = infer::find(&mut halved, &settings(), None);
        assert_eq!(format!("{found:?}"), format!("{:?}", find(&mut whole)));
        assert_eq!(halved.names(), whole.names());
        // Where it can't be read to the end, more of it may have been looked at.
        assert!(found.is_err() || halved.digest() == whole.digest());
    }
}

#[test]
fn rows_are_counted_in_halves_as_record_by_record() {
    for (name, content) in cases() {
        let file = file(&content);
        let (mut halved, mut whole) = (open(&file, name), open(&file, name));
        let (mut rejects, mut rows, mut others) =
            (Rejects::new(settings().rejects), 0, Rejects::new(settings().rejects));
        let laid_out = layout(&halved);
        let counted = check::count(&mut halved, laid_out, &mut rejects);
        let laid_out = layout(&whole);
        let checked = check::each(&mut whole, laid_out, Texts::Dropped, |some| {
            rows += some.len() as u64;
            some.rejects().iter().for_each(|reject| others.add(reject.reason.clone()));
            Ok(())
        });
        let counted = counted.map(|(layout, rows)| (layout.names().to_vec(), rows));
        let checked = checked.map(|layout| (layout.names().to_vec(), rows));
        assert_eq!(format!("{counted:?}"), format!("{checked:?}"));
        assert_eq!(format!("{rejects:?}"), format!("{others:?}"));
    }
}

#[test]
fn all_but_what_is_odd_is_looked_at_in_halves() {
    for content in [csv(1, u64::MAX), csv(1, u64::MAX) + "8,\"never closed\n" + &csv(1, u64::MAX)] {
        let file = file(&content);
        let (mut reader, mut halves, mut records) = (open(&file, "a.csv"), 0, 0);
        let count = |half: &mut Half<'_>| {
            let mut count = 0;
            while half.next().ok()?.is_some() {
                count += 1;
            }
            Some(count)
        };
        Halves::default().pass(&mut reader, count, |found| (halves, records) = (halves + 1, records + found)).unwrap();
        assert!(halves >= 2 && records > 30_000, "{halves} halves, {records} records");
    }
}

#[test]
fn a_part_ends_behind_a_line_break_outside_of_quotes() {
    for (text, quote, whole) in [
        ("a\nb\nc", Some(b'"'), 4),
        ("a\n\"b\n\"\nc", Some(b'"'), 7),
        ("a\n\"b\nc\nd", Some(b'"'), 2),
        ("a\n\"b\nc\nd", None, 7),
        ("\"a\nb\nc\n", Some(b'"'), 0),
        ("\"a\"\"\nb\"\r\nc", Some(b'"'), 9),
        ("a\rb\r", None, 0),
        ("", None, 0),
    ] {
        assert_eq!(whole_records(text.as_bytes(), quote), whole, "{text:?}");
    }
}
