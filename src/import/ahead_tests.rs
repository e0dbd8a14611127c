//! What is read ahead is what is read, and nothing outlasts whoever asked for it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::settings;

fn file(content: impl AsRef<[u8]>) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file
}

fn open<'f>(file: &'f File, name: &str) -> Reader<'f> {
    Reader::open(file, OsStr::new(name), &settings::Import::into_table("t"), None, None).unwrap()
}

/// Everything that is met, a text each.
fn told(records: &mut dyn Records) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match records.next() {
            Ok(Some(record)) => {
                let cells = (0..record.names.len()).map(|column| record.cell(column)).collect::<Vec<_>>();
                let (line, number, key) = (record.line, record.number, record.key);
                told.push(format!("{line} {number:?} {key:?} {:?} {cells:?} {}", record.names, record.text()));
            }
            Ok(None) => return told,
            Err(Refused::Record(reason, text)) => told.push(format!("{reason}: {text}")),
            Err(Refused::File(fault)) => {
                told.push(fault.to_string());
                return told;
            }
        }
    }
}

/// Several blocks, with a bit of everything.
fn csv() -> String {
    let mut content = String::from("id,name,note\n");
    for id in 0..20_000 {
        let note = ["plain", "\"a \"\"quoted\"\" one\"", "\"on two\nlines\"", ""][id % 4];
        let more = if id % 1_000 == 999 { ",one too many" } else { "" };
        writeln!(content, "{id},\u{fc}{id},{note}{more}").unwrap();
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
    for (name, content) in
        [("a.csv", csv()), ("b.csv", unclosed), ("c.ndjson", ndjson()), ("d.ndjson", broken), ("e.json", json())]
    {
        let file = file(&content);
        let (mut alone, mut ahead) = (open(&file, name), open(&file, name));
        let (expected, told) = (told(&mut alone), read(&mut ahead, |records| Ok(told(records))).unwrap());
        assert!(expected.len() > 15_000 && content.len() > BLOCK_BYTES, "{name}: {} records", expected.len());
        assert!(expected == told, "{name}");
        assert_eq!((alone.digest(), alone.names()), (ahead.digest(), ahead.names()), "{name}");
    }
}

/// The control: read to its end, all of the file was read.
#[test]
fn nobody_reads_on_when_no_more_records_are_wanted() {
    let file = file(csv().repeat(20));
    let size = file.metadata().unwrap().len();
    let mut reader = open(&file, "a.csv");
    let wanted = read(&mut reader, |records| {
        records.next().unwrap();
        Err::<(), _>(Fault::world("full", "the database is full"))
    });
    assert_eq!(wanted.unwrap_err().to_string(), "the database is full");
    let blocks = (BLOCKS_MAX + 3) * BLOCK_BYTES;
    assert!(reader.bytes() < size && reader.bytes() <= 2 * blocks as u64, "{} of {size}", reader.bytes());
    read(&mut reader, |records| Ok(told(records).len())).unwrap();
    assert_eq!(reader.bytes(), size);
}

#[test]
fn a_panic_on_either_side_is_a_panic_here_and_no_end_of_the_file() {
    let content = file(csv());
    let panics = |at_block: usize, here: bool| {
        let (mut reader, mut blocks, mut told_all) = (open(&content, "a.csv"), 0, false);
        let fill = |block: &mut Block| {
            blocks += 1;
            assert!(blocks != at_block, "planted");
            block.fill(&mut reader)
        };
        let work = |records: &mut dyn Records| {
            records.next().unwrap();
            assert!(!here, "planted");
            told(records);
            told_all = true;
            Ok(())
        };
        let panicked = catch_unwind(AssertUnwindSafe(|| beside(fill, work))).is_err();
        (panicked, told_all)
    };
    assert_eq!(panics(2, false), (true, false));
    assert_eq!(panics(usize::MAX, true), (true, false));
    assert_eq!(panics(usize::MAX, false), (false, true), "the control");
}

/// The Processor's thread is watched: while it waits for a disk that hangs, nobody must beat; while the other gets on, it must.
#[test]
fn who_reads_beats_the_pulse_of_whoever_waits_for_it() {
    let pulse = importerd_actors::Pulse::default();
    pulse::belongs_to_this_thread(pulse.clone());
    let beats_of_another = |_: &mut Block| {
        let before = pulse.beats();
        pulse::beat();
        assert_eq!(pulse.beats(), before + 1);
        false
    };
    beside(beats_of_another, |_| Ok(())).unwrap();
}

#[test]
fn a_long_record_takes_no_room_when_it_is_done() {
    let long = "x".repeat(3 << 20);
    let file = file(format!("id,note\n1,{long}\n2,\"{long}\"\"\"\n"));
    let (mut reader, mut block) = (open(&file, "a.csv"), Block::default());
    while block.fill(&mut reader) {}
    assert!(block.bytes() > 2 * long.len());
    let cleared = block.cleared();
    assert!(cleared.raw.capacity() + cleared.rewritten.capacity() <= 4 * BLOCK_BYTES);
}
