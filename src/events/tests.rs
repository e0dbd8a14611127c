//! What an event looks like in the log, in the ledger and on the screen.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use jiff::tz::TimeZone;
use slog::{Drain, Level, Logger, OwnedKVList, Record, o};

use super::*;

fn subject(name: &[u8]) -> Subject {
    Subject { id: FileId(48213), name: OsString::from_vec(name.to_vec()), attempt: 2, stage: "process" }
}

fn about(kind: Kind) -> Event {
    let mut event = Event::new(kind).folder("orders").file(subject(b"orders-17.csv"));
    event.at = "2026-11-22T09:14:37.123456Z".parse().unwrap();
    event
}

fn refused() -> Event {
    about(Kind::FileQuarantined)
        .because(&Reason::new("bad_real", "\"1.234,5O\" is not a real number").at_line(418).in_column("amount"))
}

fn said(event: &Event) -> String {
    event.sentence().to_string()
}

#[test]
fn a_sentence_says_what_happened_to_what_and_why() {
    assert_eq!(said(&about(Kind::FileClaimed)), "orders-17.csv claimed");
    assert_eq!(said(&about(Kind::FileCommitted).with("rows", 1204)), "orders-17.csv committed: 1204 rows");
    let learnt = about(Kind::FileCommitted).with("rows", 2).with("committed_at", "2026-11-22T03:04:05.678Z");
    let at = "at 2026-11-22T03:04:05.678Z, as the load marker says";
    assert_eq!(said(&learnt), format!("orders-17.csv committed: 2 rows; {at}"));
    assert_eq!(
        said(&about(Kind::FileCommitted).with("rows", 1).with("rejects", 2)),
        "orders-17.csv committed: 1 row; 2 rejects"
    );
    assert_eq!(
        said(&refused()),
        "orders-17.csv quarantined: line 418, column amount: \"1.234,5O\" is not a real number"
    );
    assert_eq!(
        said(
            &about(Kind::FileDeferred)
                .with("reason", "exit status 1")
                .with("attempts_max", 5)
                .with("retry_at", "2026-11-22T09:15:17.2Z")
        ),
        "orders-17.csv deferred: exit status 1; attempt 2 of 5; next try in 40 s"
    );
    assert_eq!(
        said(&about(Kind::FileDuplicate).with("original", "orders-1.csv").with("original_id", 12)),
        "orders-17.csv is a duplicate of orders-1.csv (#12)"
    );
    assert_eq!(said(&about(Kind::FolderPaused).with("reason", "disk full")), "folder orders paused: disk full");
    assert_eq!(
        said(&about(Kind::ProcessorCrashed).with("processor", 3).with("reason", "index 5")),
        "processor 3 crashed: index 5; orders-17.csv was in hand"
    );
    assert_eq!(
        said(&Event::new(Kind::DaemonDraining).with("in_hand", 3).with("oldest", "a.csv").with("oldest_secs", 42)),
        "daemon draining: 3 files in hand, oldest 42 s (a.csv)"
    );
    assert_eq!(
        said(&Event::new(Kind::DaemonDrained).with("in_hand", 2)),
        "daemon drained: all is done but 2 files of held folders; the next start goes on with them"
    );
    assert_eq!(
        said(&Event::new(Kind::DaemonDrained).with("in_hand", 0)),
        "daemon drained: all is done that could be; a folder is held, and the next start goes on with it"
    );
}

#[test]
fn every_kind_has_a_sentence_without_any_detail() {
    for kind in Kind::ALL {
        let sentence = said(&Event::new(*kind));
        assert!(!sentence.trim().is_empty() && !sentence.contains("  "), "{kind:?}: {sentence:?}");
        assert!(!sentence.ends_with(": ") && !sentence.ends_with("; "), "{kind:?}: {sentence:?}");
    }
}

#[test]
fn a_line_has_time_folder_file_verb_story_and_number() {
    let today = "2026-11-22T23:00:00Z".parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC);
    let expected = "09:14:37  orders    orders-17.csv             quarantined  \
                    line 418, column amount: \"1.234,5O\" is not a real number  #48213";
    assert_eq!(refused().line_seen(&today), expected);
    let tomorrow = today.tomorrow().unwrap();
    assert_eq!(refused().line_seen(&tomorrow), format!("2026-11-22 {expected}"));
}

#[test]
fn no_name_and_no_reason_can_forge_a_line() {
    // fault 24
    let mut event = refused().with("original", "x\ny");
    event.file = Some(subject(b"a\nb\xff\x1b[m"));
    event.detail[0].1 = "\u{1b}[2J\nforged".into();
    for text in [event.line(), said(&event), event.to_json()] {
        assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        assert!(text.contains("b\\xff") || text.contains("b\\\\xff"), "{text:?}");
    }
}

#[test]
fn an_event_comes_back_from_its_json() {
    for kind in Kind::ALL {
        // fault 25
        let mut event = refused().with("rows", u64::MAX).with("rejects", -1).with("bytes", 0.5);
        event.kind = *kind;
        event.file = Some(subject(b"a\\n\n\xff.csv"));
        assert_eq!(Event::from_json(&event.to_json()).unwrap(), event);
    }
    let mut bare = Event::new(Kind::DaemonStarted);
    bare.at = "2026-11-22T09:14:37.123456Z".parse().unwrap();
    assert_eq!(bare.to_json(), r#"{"ts":"2026-11-22T09:14:37.123456Z","event":"daemon.started"}"#);
    assert_eq!(Event::from_json(&bare.to_json()).unwrap(), bare);
}

#[test]
fn what_the_ledger_keeps_of_an_event_is_made_whole_again_byte_for_byte() {
    let mut about_nobody = Event::new(Kind::DaemonStarted);
    about_nobody.at = "2026-11-22T09:14:37.123456999Z".parse().unwrap();
    let odd = Event::new(Kind::FolderPaused).folder("a\"b\\é\n").with("reason", r#"},"attempt":1,{"ts":""#);
    let mut named = refused().with("original", r#"a","attempt":7"#);
    named.file = Some(subject(b"a\",\"attempt\":7,\"b\\\n\xff,\"attempt\":"));
    let mut bare = refused();
    bare.detail.clear();
    for event in [refused(), about_nobody, odd, named, bare] {
        let (short, json) = (event.to_short_json(), event.to_json());
        assert!(
            !["ts", "event", "folder", "file_id"].iter().any(|key| short.contains(&format!(",\"{key}\":"))),
            "{short}"
        );
        // The ledger has microseconds.
        let at = Timestamp::from_microsecond(event.at.as_microsecond()).unwrap();
        let id = event.file.as_ref().map(|file| file.id);
        let whole = |json: &str| Event::whole_json(at, event.kind.name(), event.folder.as_deref(), id, json);
        assert_eq!(whole(&short), json);
        assert_eq!(whole(&json), json, "as an earlier version wrote it");
    }
}

#[test]
fn what_a_damaged_ledger_has_in_place_of_an_events_json_is_no_event() {
    for text in ["", "é", "{", "[1]"] {
        let whole = Event::whole_json(Timestamp::UNIX_EPOCH, "file.claimed", None, Some(FileId(1)), text);
        assert!(Event::from_json(&whole).is_err(), "{whole}");
    }
}

#[test]
fn json_that_is_no_event_is_refused_with_its_place() {
    for (text, complaint) in [
        ("{}", "missing field `ts`"),
        (r#"{"ts":"noon","event":"daemon.started"}"#, "ts \"noon\""),
        (r#"{"ts":"2026-11-22T09:14:37Z","event":"daemon.sang"}"#, "event \"daemon.sang\" is unknown"),
        (r#"{"ts":"2026-11-22T09:14:37Z","event":"file.claimed","file":"a"}"#, "file_id is missing"),
        (
            r#"{"ts":"2026-11-22T09:14:37Z","event":"file.claimed","file":"a\\q","file_id":1,"attempt":1}"#,
            "no escaped name",
        ),
    ] {
        let error = Event::from_json(text).unwrap_err().to_string();
        assert!(error.contains(complaint), "{text}: {error}");
    }
    let newer = r#"{"ts":"2026-11-22T09:14:37Z","event":"daemon.started","moon":"full","pid":7}"#;
    assert_eq!(Event::from_json(newer).unwrap().detail, [("pid", 7.into())]);
}

/// Writes down what it is given.
struct Witness(std::sync::mpsc::Sender<(Level, String, Vec<String>)>);

impl Drain for Witness {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record, _: &OwnedKVList) -> Result<(), slog::Never> {
        struct Fields(Vec<String>);
        impl slog::Serializer for Fields {
            fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments) -> slog::Result {
                self.0.push(format!("{key}={value}"));
                Ok(())
            }
        }
        let mut fields = Fields(Vec::new());
        slog::KV::serialize(&record.kv(), record, &mut fields).unwrap();
        self.0.send((record.level(), record.msg().to_string(), fields.0)).unwrap();
        Ok(())
    }
}

#[test]
fn the_log_has_the_same_fields_as_the_ledger() {
    let (witness, seen) = std::sync::mpsc::channel();
    let log = Logger::root(std::sync::Mutex::new(Witness(witness)).ignore_res(), o!());
    refused().log(&log);
    let (level, message, mut fields) = seen.recv().unwrap();
    assert_eq!((level, message), (Level::Error, said(&refused())));
    let ledger: serde_json::Map<String, Value> = serde_json::from_str(&refused().to_json()).unwrap();
    let mut expected: Vec<_> = ledger
        .iter()
        .filter(|(key, _)| *key != "ts")
        .map(|(key, value)| format!("{key}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
        .collect();
    fields.sort();
    expected.sort();
    assert_eq!(fields, expected);
}

#[test]
fn a_kind_is_found_by_its_name_alone() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(*kind));
    }
    assert_eq!(Kind::named("file.eaten"), None);
}
