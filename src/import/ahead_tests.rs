//! What is read ahead is what is read, and nothing outlasts whoever asked for it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::super::bounds::Bounds;
use super::super::check::{Texts, Typing};
use super::super::layout::Layout;
use super::super::reader::Reader;
use super::super::rows::FULL_BYTES;
use super::super::table::Table;
use super::super::value::Type;
use super::*;
use crate::settings;

fn file(content: impl AsRef<[u8]>) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file
}

fn open<'f>(file: &'f File, name: &str) -> Reader<'f> {
    Reader::open(file, OsStr::new(name), &settings(), None, None).unwrap()
}

fn settings() -> settings::Import {
    settings::Import { new_columns: settings::NewColumns::Ignore, ..settings::Import::into_table("t") }
}

fn layout(reader: &Reader<'_>) -> Arc<Layout> {
    let columns = [("id", Type::Integer), ("name", Type::Text), ("note", Type::Text), ("s", Type::Text)];
    let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
    let table = Table::made_for("t", columns.into_iter(), &|kind| (kind, Bounds::Open));
    Arc::new(Layout::new(&Arc::new(table), &Arc::new(settings()), reader.names()).unwrap())
}

/// All that is met, a text each, and how it ends.
fn told(reader: &mut Reader<'_>, is_large: bool) -> Vec<String> {
    let (mut typing, mut told) = (Typing::new(layout(reader), Texts::Kept), Vec::new());
    let read = each(
        is_large,
        Rows::default(),
        |rows| typing.fill(reader, rows),
        |rows| {
            told.extend((0..rows.len()).map(|row| {
                let values = rows.values(row).collect::<Vec<_>>();
                format!("{} {values:?} {}", rows.line(row), rows.record(row))
            }));
            told.extend(rows.rejects().iter().map(|reject| format!("{}: {}", reject.reason, reject.record)));
            Ok(())
        },
    );
    told.push(format!("{read:?} {:?}", reader.names()));
    told
}

/// Several of what is handed over at once, with a bit of everything.
fn csv() -> String {
    let mut content = String::from("id,name,note\n");
    for id in 0..20_000 {
        let note = ["plain", "\"a \"\"quoted\"\" one\"", "\"on two\nlines\"", ""][id % 4];
        let more = if id % 1_000 == 999 { ",one too many" } else { "" };
        let sign = if id % 1_000 == 500 { "+" } else { "" };
        writeln!(content, "{sign}{id},\u{fc}{id},{note}{more}").unwrap();
    }
    content
}

fn ndjson() -> String {
    let mut content = String::new();
    for id in 0..20_000 {
        let late = if id > 15_000 { format!(", \"late{}\": [{id}]", id / 5_000) } else { String::new() };
        let line = if id % 1_000 == 999 {
            "{\"id\": 1, \"id\": 2}".to_owned()
        } else {
            format!("{{\"id\": {id}, \"s\": \"a\\n\\u00fc\"{late}}}")
        };
        writeln!(content, "{line}").unwrap();
    }
    content
}

fn json() -> String {
    let members: Vec<String> = (0..20_000).map(|id| format!("\"k{id}\": {{\"id\": {id},\n \"s\": \"x\"}}")).collect();
    format!("{{{}}}", members.join(",\n"))
}

#[test]
fn the_same_is_met_in_the_same_order_as_without_it() {
    let unclosed = csv() + "1,\"never closed\n2,x,y\n";
    let broken = ndjson() + "{\"id\": ";
    for (name, content, end) in [
        ("a.csv", csv(), "Ok"),
        ("b.csv", unclosed, "unclosed_quote"),
        ("c.ndjson", ndjson(), "Ok"),
        ("d.ndjson", broken, "bad_json"),
        ("e.json", json(), "Ok"),
    ] {
        let file = file(&content);
        let (mut alone, mut ahead) = (open(&file, name), open(&file, name));
        let (expected, told) = (told(&mut alone, false), told(&mut ahead, true));
        assert!(expected.len() > 15_000 && expected[expected.len() - 1].contains(end), "{name}: {}", expected.len());
        assert!(expected == told, "{name}");
        assert_eq!((alone.digest(), alone.names()), (ahead.digest(), ahead.names()), "{name}");
    }
}

/// The control: read to its end, all of the file was read.
#[test]
fn nobody_reads_on_when_no_more_rows_are_wanted() {
    let file = file(csv().repeat(20));
    let size = file.metadata().unwrap().len();
    let mut reader = open(&file, "a.csv");
    let mut typing = Typing::new(layout(&reader), Texts::Dropped);
    let full = |_: &mut Rows| Err(Fault::world("full", "the database is full"));
    let wanted = each(true, Rows::default(), |rows| typing.fill(&mut reader, rows), full);
    assert_eq!(wanted.unwrap_err().to_string(), "the database is full");
    // One in hand, those that wait, the one that nobody takes any more; no more of the text than what is made of it.
    let read = (WAITING_MAX + 2) * FULL_BYTES + 2 * FULL_BYTES;
    assert!(reader.bytes() < size && reader.bytes() <= read as u64, "{} of {size}", reader.bytes());
    told(&mut reader, true);
    assert_eq!(reader.bytes(), size);
}

/// What was read before comes first: whoever looks for records that don't fit finds them all.
#[test]
fn a_fault_of_the_file_comes_behind_the_rows_before_it() {
    let unclosed = csv() + "x,,\n1,\"never closed\n";
    let told = told(&mut open(&file(unclosed), "a.csv"), true);
    assert!(told[told.len() - 2].contains("\"x\" is not an integer"), "{}", told[told.len() - 2]);
    assert!(told[told.len() - 1].contains("unclosed_quote"), "{}", told[told.len() - 1]);
}

#[test]
fn a_panic_on_either_side_is_a_panic_here_and_no_end_of_the_file() {
    let content = file(csv());
    let panics = |at_fill: usize, at_work: usize| {
        let (mut reader, mut fills, mut works, mut told_all) = (open(&content, "a.csv"), 0, 0, false);
        let mut typing = Typing::new(layout(&reader), Texts::Dropped);
        let fill = |rows: &mut Rows| {
            fills += 1;
            assert!(fills != at_fill, "planted");
            typing.fill(&mut reader, rows)
        };
        let work = |_: &mut Rows| {
            works += 1;
            assert!(works != at_work, "planted");
            Ok(())
        };
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            each(true, Rows::default(), fill, work).unwrap();
            told_all = true;
        }));
        (panicked.is_err(), told_all)
    };
    assert_eq!(panics(2, usize::MAX), (true, false));
    assert_eq!(panics(usize::MAX, 1), (true, false));
    assert_eq!(panics(usize::MAX, 3), (true, false));
    assert_eq!(panics(usize::MAX, usize::MAX), (false, true), "the control");
}

/// The Processor's thread is watched: while it waits for a disk that hangs, nobody must beat; while the other gets on, it must.
#[test]
fn who_reads_beats_the_pulse_of_whoever_waits_for_it() {
    let pulse = importerd_actors::Pulse::default();
    pulse::belongs_to_this_thread(pulse.clone());
    let beats_of_another = |_: &mut Rows| {
        let before = pulse.beats();
        pulse::beat();
        assert_eq!(pulse.beats(), before + 1);
        Ok(false)
    };
    each(true, Rows::default(), beats_of_another, |_| Ok(())).unwrap();
}

#[test]
fn rows_that_are_taken_away_are_missed_by_nobody() {
    let content = file(csv());
    let (mut reader, mut taken) = (open(&content, "a.csv"), Vec::new());
    let mut typing = Typing::new(layout(&reader), Texts::Dropped);
    let take = |rows: &mut Rows| {
        taken.push(std::mem::take(rows));
        Ok(())
    };
    each(true, Rows::default(), |rows| typing.fill(&mut reader, rows), take).unwrap();
    assert!(taken.len() > 3);
    // 20 have a field too many, 20 a sign.
    assert_eq!(taken.iter().map(Rows::len).sum::<usize>(), 19_960);
}
