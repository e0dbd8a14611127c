//! Tests of what the ledger lets go.

use std::ffi::OsStr;

use jiff::Span;

use super::super::history::{History, Wanted};
use super::super::{Entry, Failure};
use super::*;
use crate::events::{Event, Kind, Subject};
use crate::fault::Reason;
use crate::file::{Digest, Identity};

/// A ledger whose present is `days` after everything that is entered by it.
struct Bench {
    _state: tempfile::TempDir,
    ledger: Ledger,
    history: History,
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::now().checked_sub(Span::new().hours(days * 24)).unwrap()
}

impl Bench {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        ledger.next_id().unwrap();
        let history = History::open(state.path()).unwrap().unwrap();
        Self { _state: state, ledger, history }
    }

    /// A file with a failed attempt, and what was told of it so many days ago.
    fn file(&self, id: i64, state: State, days: i64, kinds: &[Kind]) {
        let reason = Reason::new("exit", "exit status 1");
        let failure = (state != State::Committed).then_some(Failure { attempt: 1, reason: &reason, stderr: b"words" });
        let identity = Identity { device: 1, inode: id.cast_unsigned(), born_ns: 8, size: 9, mtime_ns: 10 };
        let entry = Entry {
            blake3: Some(Digest([u8::try_from(id).unwrap(); 32])),
            claimed_at: days_ago(days),
            failure,
            ..Entry::new(FileId(id), "orders", OsStr::new("a.csv"), identity, state)
        };
        let events: Vec<_> = kinds.iter().map(|kind| about(*kind, id, days)).collect();
        self.ledger.enter(Durability::Lazy, &[entry], &events).unwrap();
        let aged = "UPDATE failure SET at_us = ?2 WHERE file_id = ?1";
        self.ledger.connection().unwrap().execute(aged, params![id, days_ago(days).as_microsecond()]).unwrap();
    }

    fn tell(&self, events: &[Event]) {
        self.ledger.enter(Durability::Lazy, &[], events).unwrap();
    }

    /// Lets go what is older than this, to the end, when something has happened since.
    fn prune(&self, days: i64) -> Pruned {
        self.tell(&[Event::new(Kind::FolderOverflow)]);
        let mut all = Pruned::default();
        loop {
            let pruned = self.ledger.prune(days_ago(days)).unwrap();
            all += pruned;
            if !pruned.more {
                return all;
            }
        }
    }

    fn events(&self) -> Vec<String> {
        let stored = self.history.last_events(&Wanted::default(), 10_000).unwrap();
        let kinds = stored.iter().map(|event| Event::from_json(&event.json).unwrap().kind);
        kinds.filter(|kind| *kind != Kind::FolderOverflow).map(|kind| kind.name().to_owned()).collect()
    }

    fn events_of(&self, id: i64) -> usize {
        self.history.events_of(FileId(id)).unwrap().len()
    }

    fn failures_of(&self, id: i64) -> usize {
        self.history.failures(FileId(id)).unwrap().len()
    }
}

fn about(kind: Kind, id: i64, days: i64) -> Event {
    let subject = Subject { id: FileId(id), name: "a.csv".into(), attempt: 1, stage: "commit" };
    Event { at: days_ago(days), ..Event::new(kind).folder("orders").file(subject) }
}

fn of_folder(kind: Kind, folder: &str, days: i64) -> Event {
    Event { at: days_ago(days), ..Event::new(kind).folder(folder) }
}

const DONE: [Kind; 3] = [Kind::FileClaimed, Kind::FileCommitted, Kind::FileArchived];

#[test]
fn the_story_of_a_file_that_is_done_goes_and_what_tells_its_duplicates_stays() {
    let bench = Bench::new();
    bench.file(1, State::Archived, 40, &DONE);
    bench.file(2, State::Duplicate, 40, &[Kind::FileClaimed, Kind::FileDuplicate]);
    bench.file(3, State::Archived, 20, &DONE);
    let row = bench.ledger.by_id(FileId(1)).unwrap();
    assert_eq!(bench.history.pruned_before().unwrap(), None);
    assert_eq!(bench.prune(30), Pruned { events: 5, failures: 2, more: false });
    assert_eq!([1, 2, 3].map(|id| bench.events_of(id)), [0, 0, 3]);
    assert_eq!([1, 2, 3].map(|id| bench.failures_of(id)), [0, 0, 1]);
    assert_eq!(bench.ledger.by_id(FileId(1)).unwrap(), row, "the file itself is known as before");
    let same = crate::ledger::Same::Bytes(Digest([1; 32]));
    assert_eq!(bench.ledger.done_before("orders", &same).unwrap().unwrap().id, FileId(1));
    let before = bench.history.pruned_before().unwrap().unwrap();
    assert!(before <= days_ago(30) && before > days_ago(31), "{before}");
    assert_eq!(bench.prune(30), Pruned::default());
    assert_eq!(bench.prune(10).events, 3, "a shorter setting lets more go");
}

#[test]
fn nothing_goes_of_a_file_that_waits_or_lies_in_quarantine_until_it_is_done() {
    let bench = Bench::new();
    let open = [State::Deferred, State::Committed, State::Quarantined];
    for (state, id) in open.into_iter().zip(1..) {
        bench.file(id, state, 40, &[Kind::FileClaimed, Kind::FileDeferred]);
    }
    bench.file(9, State::Archived, 40, &DONE);
    assert_eq!(bench.prune(30).events, 3, "the control: only the one that is done");
    assert_eq!([1, 2, 3].map(|id| bench.events_of(id)), [2, 2, 2]);
    assert_eq!([1, 3].map(|id| bench.failures_of(id)), [1, 1]);
    // It was retried, and is done now: what was passed over goes with the rest, when that is old enough.
    bench.file(3, State::Archived, 35, &DONE);
    assert_eq!(bench.prune(36).events, 0);
    assert_eq!(bench.prune(30).events, 5);
    assert_eq!((bench.events_of(3), bench.failures_of(3)), (0, 0));
}

#[test]
fn a_file_that_has_no_row_yet_may_be_in_hand_since_the_last_start() {
    let bench = Bench::new();
    let started = |days| Event { at: days_ago(days), ..Event::new(Kind::DaemonStarted) };
    bench.tell(&[started(60), about(Kind::FileClaimed, 1, 50), started(45), about(Kind::FileClaimed, 2, 40)]);
    // The first start was outdated by the second; that one is the last of its kind.
    assert_eq!(bench.prune(30).events, 2);
    assert_eq!(bench.events(), ["daemon.started", "file.claimed"]);
    assert_eq!((bench.events_of(1), bench.events_of(2)), (0, 1));
}

#[test]
fn of_what_the_daemon_told_of_itself_the_last_of_each_kind_folder_and_path_stays() {
    let bench = Bench::new();
    let watching = |folder, path: &str, days| of_folder(Kind::FolderWatching, folder, days).with("path", path);
    bench.tell(&[
        watching("orders", "/srv/old/inbox", 50),
        watching("orders", "/srv/orders/inbox", 49),
        watching("scans", "/srv/scans/inbox", 48),
        of_folder(Kind::FolderPaused, "orders", 47).with("reason", "disk full"),
        of_folder(Kind::FolderPaused, "orders", 46).with("by", "uid 0"),
        of_folder(Kind::FolderPaused, "orders", 45).with("reason", "disk full"),
        watching("orders", "/srv/orders/inbox", 44),
    ]);
    assert_eq!(bench.prune(30).events, 2);
    let stays = ["folder.watching", "folder.watching", "folder.paused", "folder.paused", "folder.watching"];
    assert_eq!(bench.events(), stays);
    for (folder, inbox) in
        [("orders", "/srv/old/inbox"), ("orders", "/srv/orders/inbox"), ("scans", "/srv/scans/inbox")]
    {
        assert!(bench.ledger.has_watched(folder, std::path::Path::new(inbox)).unwrap(), "{inbox}");
    }
    assert!(!bench.ledger.has_watched("scans", std::path::Path::new("/srv/old/inbox")).unwrap());
}

/// fault 85
#[test]
fn events_of_a_clock_that_was_wrong_keep_nothing_behind_them_and_are_not_let_go_early() {
    let bench = Bench::new();
    bench.file(1, State::Archived, -30_000, &DONE);
    bench.file(2, State::Archived, 40, &DONE);
    bench.file(3, State::Archived, 1, &DONE);
    assert_eq!(bench.prune(30).events, 3);
    assert_eq!([1, 2, 3].map(|id| bench.events_of(id)), [3, 0, 3]);
}

#[test]
fn a_little_goes_at_a_time_and_an_end_between_loses_and_repeats_nothing() {
    let state = tempfile::tempdir().unwrap();
    let many = i64::from(EVENTS_MAX);
    let mut ledger = Ledger::open(state.path()).unwrap();
    let starts: Vec<_> = (0..3 * many).map(|_| Event { at: days_ago(40), ..Event::new(Kind::DaemonStarted) }).collect();
    ledger.enter(Durability::Lazy, &[], &starts).unwrap();
    let mut went = Vec::new();
    loop {
        let pruned = ledger.prune(days_ago(30)).unwrap();
        if !pruned.more {
            break;
        }
        went.push(pruned.events);
        drop(ledger);
        ledger = Ledger::open(state.path()).unwrap();
    }
    // The last of all stays.
    assert_eq!(went, [many, many, many - 1].map(i64::cast_unsigned));
    let left: i64 = ledger.connection().unwrap().query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[test]
fn a_look_that_lets_nothing_go_writes_nothing() {
    let bench = Bench::new();
    bench.file(1, State::Archived, 20, &DONE);
    let changes = || bench.ledger.connection().unwrap().total_changes();
    let before = changes();
    assert_eq!(bench.ledger.prune(days_ago(30)).unwrap(), Pruned::default());
    assert_eq!(changes(), before);
    assert_eq!(bench.prune(10).events, 3);
    assert!(changes() > before);
}

#[test]
fn the_number_of_an_event_that_went_is_not_given_to_another() {
    let bench = Bench::new();
    bench.file(1, State::Archived, 40, &DONE);
    let last = bench.history.last_number().unwrap();
    while bench.ledger.prune(days_ago(30)).unwrap().more {}
    bench.tell(&[about(Kind::FileReplayed, 1, 0)]);
    assert_eq!(bench.history.last_number().unwrap(), last + 1);
    assert_eq!(bench.history.events_after(last, &Wanted::default(), 9).unwrap().len(), 1);
    assert_eq!(bench.prune(30).events, 1, "what kept the last number goes when another has come");
}
