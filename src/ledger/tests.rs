//! Tests of the ledger.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, ffi};

use super::*;
use crate::events::{Event, Kind};
use crate::fault::Reason;
use crate::file::{Digest, Identity};

fn entry(id: FileId, name: &OsStr, state: State) -> Entry<'_> {
    let identity = Identity { device: 1, inode: 7, born_ns: 8, size: 9, mtime_ns: -10 };
    Entry { blake3: Some(Digest([3; 32])), rows: Some(12), ..Entry::new(id, "orders", name, identity, state) }
}

#[test]
fn numbers_are_never_given_out_twice_whatever_happens() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let first: Vec<_> = (0..2_000).map(|_| ledger.next_id().unwrap()).collect();
    assert!(first.is_sorted_by(|a, b| a < b));
    drop(ledger);
    let ledger = Ledger::open(state.path()).unwrap();
    let next = ledger.next_id().unwrap();
    assert!(next > first[1_999]);
    ledger.never_again(FileId(next.0 + 5_000)).unwrap();
    assert!(ledger.next_id().unwrap().0 > next.0 + 5_000);
}

#[test]
fn a_file_is_known_again_by_what_it_is() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let name = OsStr::from_bytes(b"\xff\n.csv");
    let committed = Entry { rows: None, ..entry(FileId(1), name, State::Committed) };
    let event = Event::new(Kind::FileCommitted).folder("orders");
    ledger.enter(Durability::Flushed, std::slice::from_ref(&committed), &[event]).unwrap();
    let row = ledger.by_identity("orders", &committed.identity).unwrap().unwrap();
    assert_eq!((row.id, row.name.as_os_str(), row.state), (FileId(1), name, State::Committed));
    let other = Identity { size: 10, ..committed.identity };
    assert_eq!(ledger.by_identity("orders", &other).unwrap(), None);
    assert_eq!(ledger.by_identity("scans", &committed.identity).unwrap(), None);
    assert_eq!(ledger.done_before("orders", &Same::Bytes(Digest([3; 32]))).unwrap().unwrap().id, FileId(1));
    assert_eq!(ledger.done_before("orders", &Same::Name(name)).unwrap().unwrap().id, FileId(1));
}

#[test]
fn an_archived_file_is_no_longer_open_and_a_duplicate_stays_one() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let entries = [
        entry(FileId(1), OsStr::new("a.csv"), State::Committed),
        entry(FileId(2), OsStr::new("b.csv"), State::Duplicate),
    ];
    ledger.enter(Durability::Lazy, &entries, &[]).unwrap();
    let places = [(FileId(1), "archive/a.csv"), (FileId(2), "archive/b.csv")];
    ledger.archived(&places.map(|(id, place)| Archived::known(id, Some(place), &[]))).unwrap();
    assert_eq!(ledger.unplaced("orders", State::Committed).unwrap(), []);
    assert_eq!(ledger.by_id(FileId(1)).unwrap().unwrap().state, State::Archived);
    assert_eq!(ledger.by_id(FileId(2)).unwrap().unwrap().state, State::Duplicate);
    assert_eq!(ledger.by_id(FileId(2)).unwrap().unwrap().place.as_deref(), Some("archive/b.csv"));
}

/// A recovery by another Processor may learn of a file from its load marker while its own one moves it.
#[test]
fn what_a_recovery_has_entered_and_told_meanwhile_is_not_entered_and_told_again() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let name = OsStr::new("a.csv");
    let learnt = entry(FileId(1), name, State::Committed);
    assert!(ledger.learn(&learnt, &Event::new(Kind::FileCommitted).folder("orders")).unwrap());
    let told = [Event::new(Kind::FileClaimed).folder("orders")];
    let events = [Kind::FileCommitted, Kind::FileArchived].map(|kind| Event::new(kind).folder("orders"));
    let place = "archive/2026-11-29/a.csv";
    let done = |id| {
        let entry = Entry { place: Some(place.to_owned()), ..entry(FileId(id), name, State::Archived) };
        Archived { id: FileId(id), place: Some(place), entry: Some(entry), told: &told, events: &events }
    };
    let left = Archived { place: None, entry: Some(learnt.clone()), ..done(1) };
    let news = |files: &[Archived<'_>]| -> Vec<usize> {
        ledger.archived(files).unwrap().into_iter().map(<[Event]>::len).collect()
    };
    assert_eq!(news(&[left]), [0]);
    assert_eq!(ledger.by_id(FileId(1)).unwrap().unwrap().state, State::Committed, "it could not be moved");
    // Where it went is told by who moved it: that it was committed is told already.
    assert_eq!(news(&[done(1), done(2)]), [1, 2]);
    // What the ledger knew at the commit may be found in the archive by a recovery first.
    ledger.enter(Durability::Lazy, &[entry(FileId(3), name, State::Committed)], &events[..1]).unwrap();
    assert!(ledger.found_archived(FileId(3), place, &events[1]).unwrap());
    assert_eq!(news(&[Archived::known(FileId(3), Some(place), &events[1..]), done(2)]), [0, 0]);
    for id in [1, 2, 3] {
        let row = ledger.by_id(FileId(id)).unwrap().unwrap();
        assert_eq!((row.state, row.place.as_deref()), (State::Archived, Some(place)));
    }
    assert_eq!(count(&ledger, "SELECT count(*) FROM event WHERE kind = 'file.committed'"), 3, "once for each");
    assert_eq!(count(&ledger, "SELECT count(*) FROM event WHERE kind = 'file.archived'"), 3, "once for each");
}

#[test]
fn what_is_forgotten_stays_so_whoever_enters_where_it_lies() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let ids = [FileId(1), FileId(2)];
    let entries = ids.map(|id| entry(id, OsStr::new("a.csv"), State::Duplicate));
    ledger.enter(Durability::Lazy, &entries, &[]).unwrap();
    ledger.forget(&ids, &[]).unwrap();
    ledger.archived(&[Archived::known(ids[0], Some("archive/a.csv"), &[])]).unwrap();
    assert!(ledger.found_archived(ids[1], "archive/a~2.csv", &Event::new(Kind::FileArchived)).unwrap());
    for (id, place) in ids.into_iter().zip(["archive/a.csv", "archive/a~2.csv"]) {
        let row = ledger.by_id(id).unwrap().unwrap();
        assert_eq!((row.state, row.place.as_deref()), (State::Forgotten, Some(place)));
    }
}

/// faults 76, 77
#[test]
fn a_damaged_a_foreign_and_a_newer_ledger_are_refused_and_left_as_they_are() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join(FILE_NAME);
    std::fs::write(&path, "this is not a database at all, and it is long enough to be read as one").unwrap();
    let refused = Ledger::open(state.path()).unwrap_err();
    assert!(matches!(refused, Fault::Fatal(_)) && refused.to_string().contains("not a ledger"), "{refused}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is not"));

    std::fs::remove_file(&path).unwrap();
    drop(Ledger::open(state.path()).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refused = Ledger::open(state.path()).unwrap_err();
    assert!(refused.to_string().contains("newer importerd"), "{refused}");
}

/// fault 77: an older one is brought up to date, with all that is in it; those who only read it don't touch it.
#[test]
fn a_ledger_of_the_first_version_is_read_as_it_is_and_gets_what_it_lacks_when_a_daemon_opens_it() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join(FILE_NAME);
    let version = || {
        let connection = Connection::open(&path).unwrap();
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
    };
    let told = r#"{"ts":"2026-11-22T09:14:37.123456Z","event":"file.archived","folder":"orders","file":"old.csv","file_id":1,"attempt":1,"stage":"archive"}"#;
    let event = Event::from_json(told).unwrap();
    let row = params![event.at.as_microsecond(), "file.archived", "orders", 1, told];
    schema::first_version(&path).execute(schema::EVENT, row).unwrap();
    let history = || history::History::open(state.path()).unwrap().unwrap();
    let all_told = || history().events_of(FileId(1)).unwrap().into_iter().map(|event| event.json).collect::<Vec<_>>();
    assert_eq!((history().pause("orders").unwrap(), all_told()), (None, vec![told.to_owned()]));
    assert_eq!(version(), 1);
    let ledger = Ledger::open(state.path()).unwrap();
    assert_eq!(version(), 7);
    ledger.enter(Durability::Lazy, &[], &[event]).unwrap();
    assert_eq!(all_told(), [told, told], "one as it was, one without what its columns say");
    assert_eq!(ledger.by_name(OsStr::new("old.csv")).unwrap().len(), 1);
    assert_eq!(ledger.pause_of("orders").unwrap(), None);
    let fresh = tempfile::tempdir().unwrap();
    let fresh = Ledger::open(fresh.path()).unwrap();
    assert_eq!(objects(&ledger.connection().unwrap()), objects(&fresh.connection().unwrap()));
}

#[test]
fn a_pause_is_entered_once_with_its_event_and_outlives_the_ledger_that_entered_it() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let since = Timestamp::from_microsecond(1_700_000_000_000_000).unwrap();
    let pause = Pause { since, by: "uid 7".to_owned() };
    let event = |kind| Event::new(kind).folder("orders").with("by", "uid 7");
    assert!(ledger.pause("orders", &pause, &event(Kind::FolderPaused)).unwrap());
    let later = Pause { since: Timestamp::now(), by: "uid 8".to_owned() };
    assert!(!ledger.pause("orders", &later, &event(Kind::FolderPaused)).unwrap(), "it is already");
    drop(ledger);
    let ledger = Ledger::open(state.path()).unwrap();
    assert_eq!(ledger.pause_of("orders").unwrap(), Some(pause));
    assert_eq!(ledger.pause_of("scans").unwrap(), None);
    assert!(ledger.resume("orders", &event(Kind::FolderResumed)).unwrap());
    assert!(!ledger.resume("orders", &event(Kind::FolderResumed)).unwrap());
    assert_eq!(ledger.pause_of("orders").unwrap(), None);
    assert_eq!(count(&ledger, "SELECT count(*) FROM event"), 2);
}

#[test]
fn numbers_asked_for_on_many_threads_while_others_are_ruled_out_are_all_different() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let numbers = std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|round| ledger.never_again(FileId(round * 200)).unwrap()));
        let ask = || (0..3_000).map(|_| ledger.next_id().unwrap()).collect::<Vec<_>>();
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 12_000);
    assert!(ledger.next_id().unwrap() > FileId(39 * 200));
}

/// fault 16: the same file dropped again has the same identity, and a row of its own.
#[test]
fn of_two_rows_of_one_file_the_later_is_found() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let name = OsStr::new("a.csv");
    let entries = [entry(FileId(1), name, State::Archived), entry(FileId(2), name, State::Deferred)];
    ledger.enter(Durability::Lazy, &entries, &[]).unwrap();
    let elsewhere = Identity { device: 99, ..entries[0].identity };
    assert_eq!(ledger.by_identity("orders", &elsewhere).unwrap().unwrap().id, FileId(2), "device numbers may change");
    let quarantined = entry(FileId(2), OsStr::new("b.csv"), State::Quarantined);
    ledger.enter(Durability::Lazy, &[quarantined], &[]).unwrap();
    let row = ledger.by_identity("orders", &elsewhere).unwrap().unwrap();
    assert_eq!((row.state, row.name.as_os_str()), (State::Quarantined, OsStr::new("b.csv")));
}

#[test]
fn a_failed_attempt_and_its_events_are_entered_with_the_state_or_not_at_all() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let reason = Reason::new("exit_1", "exit 1").hint("look");
    let failure = Failure { attempt: 1, reason: &reason, stderr: b"\xff oh" };
    let deferred = Entry {
        reason: Some(&reason),
        failure: Some(failure),
        ..entry(FileId(1), OsStr::new("a.csv"), State::Deferred)
    };
    let event = Event::new(Kind::FileDeferred).folder("orders");
    ledger.enter(Durability::Flushed, std::slice::from_ref(&deferred), std::slice::from_ref(&event)).unwrap();
    let row = ledger.by_id(FileId(1)).unwrap().unwrap();
    assert_eq!((row.reason_code.as_deref(), row.hint.as_deref()), (Some("exit_1"), Some("look")));
    assert_eq!(count(&ledger, "SELECT count(*) FROM failure WHERE file_id = 1 AND stderr = x'ff206f68'"), 1);
    assert_eq!(count(&ledger, "SELECT count(*) FROM event WHERE kind = 'file.deferred' AND folder = 'orders'"), 1);

    ledger.connection().unwrap().execute_batch("DROP TABLE event").unwrap();
    let again = Entry { state: State::Quarantined, ..deferred };
    let refused = ledger.enter(Durability::Flushed, &[again], &[event]).unwrap_err();
    assert!(matches!(refused, Fault::Fatal(_)), "{refused:?}");
    assert_eq!(ledger.by_id(FileId(1)).unwrap().unwrap().state, State::Deferred);
    assert_eq!(count(&ledger, "SELECT count(*) FROM failure"), 1);
}

/// Which indexes a statement may write, by SQLite's program for it.
fn indexes_written_by(connection: &Connection, sql: &str) -> BTreeSet<String> {
    let mut program = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
    let nothing = rusqlite::params_from_iter(vec![None::<i64>; program.parameter_count()]);
    let roots = program
        .query_map(nothing, |row| Ok((row.get::<_, String>("opcode")?, row.get::<_, i64>("p2")?)))
        .unwrap()
        .map(Result::unwrap)
        .filter_map(|(opcode, root)| (opcode == "OpenWrite").then_some(root));
    let name = |root: i64| {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND rootpage = ?";
        connection.query_row(sql, [root], |row| row.get(0)).optional().unwrap()
    };
    roots.filter_map(name).collect()
}

/// An entry in the index of hashes costs a page of its own, in a ledger of millions of files.
#[test]
fn the_index_of_hashes_has_the_files_of_commands_only_and_each_is_entered_once() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let of_import = entry(FileId(1), OsStr::new("a.csv"), State::Committed);
    let of_command = Entry { rows: None, ..entry(FileId(2), OsStr::new("b.csv"), State::Committed) };
    let duplicate = entry(FileId(3), OsStr::new("c.csv"), State::Duplicate);
    let again = Entry { rows: None, duplicate_of: Some(FileId(2)), ..duplicate };
    ledger.enter(Durability::Lazy, &[of_import, of_command, again], &[]).unwrap();
    let entered = "SELECT count(*) FROM file INDEXED BY file_bytes
        WHERE blake3 IS NOT NULL AND rows IS NULL AND duplicate_of IS NULL";
    assert_eq!(count(&ledger, entered), 1);
    for state in ["committed", "archived"] {
        let known = ledger.done_before("orders", &Same::Bytes(Digest([3; 32]))).unwrap().unwrap();
        assert_eq!((known.id, known.state.name()), (FileId(2), state));
        ledger.archived(&[Archived::known(FileId(2), Some("archive/2026-11-22/b.csv"), &[])]).unwrap();
    }
    let connection = ledger.connection().unwrap();
    for sql in [schema::ARCHIVED, schema::FOUND_ARCHIVED] {
        let written = indexes_written_by(&connection, sql);
        assert!(written.contains("file_unplaced") && !written.contains("file_bytes"), "{written:?}");
    }
    // The control: as it was in earlier versions.
    let before = "DROP INDEX file_bytes;
        CREATE INDEX file_bytes ON file(folder, blake3) WHERE state IN ('committed', 'archived')";
    connection.execute_batch(before).unwrap();
    assert!(indexes_written_by(&connection, schema::ARCHIVED).contains("file_bytes"));
}

/// A draft asks for the files of imports by their hashes, too; what is made of it is a ledger like any other.
#[test]
fn a_draft_knows_what_an_import_did_by_its_bytes_and_becomes_an_ordinary_ledger() {
    let [state, fresh] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut draft = draft::Draft::begin(state.path()).unwrap();
    draft.enter(&entry(FileId(1), OsStr::new("a.csv"), State::Committed)).unwrap();
    let bytes = Digest([3; 32]);
    assert_eq!(draft.missing_with("orders", bytes).unwrap().map(|row| row.id), Some(FileId(1)));
    assert_eq!(draft.done_before("orders", &Same::Bytes(bytes)).unwrap().map(|row| row.id), Some(FileId(1)));
    draft.finish(&Event::new(Kind::LedgerRebuilt)).unwrap();
    let made = Connection::open(draft::path(state.path())).unwrap();
    drop(Ledger::open(fresh.path()).unwrap());
    let fresh = Connection::open(fresh.path().join(FILE_NAME)).unwrap();
    assert_eq!(objects(&made), objects(&fresh));
}

/// All tables and indexes.
fn objects(connection: &Connection) -> Vec<String> {
    let mut query = connection.prepare("SELECT coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn count(ledger: &Ledger, sql: &str) -> i64 {
    ledger.connection().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A ledger of ten million files stays quick: each question is answered by an index, in the order that is asked for.
#[test]
fn every_question_is_answered_by_an_index_without_sorting() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let questions = [
        (schema::BY_IDENTITY, "file_identity (inode=? AND born_ns=?)"),
        (schema::BY_ID, "INTEGER PRIMARY KEY (rowid=?)"),
        (schema::DONE_WITH_BYTES, "file_bytes (folder=? AND blake3=?)"),
        (schema::DONE_WITH_NAME, "file_name (name=?)"),
        (schema::IN_STATE, "file_open (folder=? AND state=?)"),
        (schema::UNPLACED, "file_unplaced (folder=? AND state=?)"),
        (schema::LAST_ID, "file_folder (folder=?)"),
        (schema::IDS_ENDED_FROM, "file_folder (folder=? AND rowid>?)"),
        (schema::ARCHIVED, "INTEGER PRIMARY KEY (rowid=?)"),
        (schema::IN_STATE_AFTER, "file_open (folder=? AND state=? AND rowid>?)"),
        (schema::QUARANTINED_AT, "file_refused (folder=? AND place=?)"),
        (schema::RELEASING, "file_released (folder=?)"),
        (schema::IDS_NOT_IN_BELOW, "file_open (folder=? AND state=? AND rowid<?)"),
        (schema::LET_GO, "file_let_go (folder=?)"),
        (schema::REPLAY_OF, "file_replaces (replaces=?)"),
        (schema::ENDED_AFTER, "file_folder (folder=? AND rowid>?)"),
        (schema::REPLACED, "INTEGER PRIMARY KEY (rowid=?)"),
        (schema::FORGOTTEN, "INTEGER PRIMARY KEY (rowid=?)"),
        (schema::BY_NAME, "file_name (name=?)"),
        ("SELECT * FROM failure WHERE file_id = ? ORDER BY rowid", "failure_file (file_id=?)"),
        ("SELECT * FROM event WHERE file_id = ? ORDER BY id", "event_file (file_id=?)"),
    ];
    for (question, index) in questions {
        let connection = ledger.connection().unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {question}")).unwrap();
        let nothing = rusqlite::params_from_iter(vec![None::<i64>; plan.parameter_count()]);
        let steps: Vec<String> =
            plan.query_map(nothing, |row| row.get("detail")).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(steps.len() == 1 && steps[0].ends_with(index), "{question}: {steps:?}");
    }
}

#[test]
fn the_last_number_of_a_folder_and_those_from_one_on_are_its_own() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let entries = [1, 2, 5].map(|id| entry(FileId(id), OsStr::new("a.csv"), State::Archived));
    let other = Entry { folder: "scans", ..entry(FileId(9), OsStr::new("a.csv"), State::Archived) };
    ledger.enter(Durability::Lazy, &entries, &[]).unwrap();
    ledger.enter(Durability::Lazy, &[other], &[]).unwrap();
    assert_eq!(ledger.last_id("orders").unwrap(), FileId(5));
    assert_eq!(ledger.last_id("nobody").unwrap(), FileId(0));
    let deferred = entry(FileId(6), OsStr::new("b.csv"), State::Deferred);
    ledger.enter(Durability::Flushed, &[deferred], &[]).unwrap();
    assert_eq!(ledger.ids_ended_from("orders", FileId(2)).unwrap(), [2, 5].map(FileId));
}

#[test]
fn a_reader_sees_what_was_entered_and_nothing_of_what_is_being_entered() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let reader = Connection::open(state.path().join(FILE_NAME)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let files = || reader.query_row("SELECT count(*) FROM file", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(files(), 0);
    for id in 1..=50 {
        let archived = entry(FileId(id), OsStr::new("a.csv"), State::Archived);
        ledger.enter(Durability::Flushed, &[archived], &[]).unwrap();
    }
    assert_eq!(files(), 0, "its own view stays as it is");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(files(), 50);
}

/// With `full`, a commit waits for the disk; with `normal`, it doesn't.
#[test]
fn each_write_waits_for_the_disk_or_not_as_it_was_told() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let (normal, full) = (1, 2);
    let archived = [entry(FileId(1), OsStr::new("a.csv"), State::Archived)];
    ledger.enter(Durability::Lazy, &archived, &[]).unwrap();
    assert_eq!(count(&ledger, "PRAGMA synchronous"), normal);
    ledger.enter(Durability::Flushed, &archived, &[]).unwrap();
    assert_eq!(count(&ledger, "PRAGMA synchronous"), full);
    ledger.archived(&[Archived::known(FileId(1), Some("archive/a.csv"), &[])]).unwrap();
    assert_eq!(count(&ledger, "PRAGMA synchronous"), normal);
    ledger.never_again(FileId(3)).unwrap();
    assert_eq!(count(&ledger, "PRAGMA synchronous"), full);
}

/// fault 68
#[test]
fn a_full_disk_is_a_fault_of_the_world_that_leaves_nothing_half_and_passes() {
    let state = tempfile::tempdir().unwrap();
    let mount = |program: &str, arguments: &[&OsStr]| {
        std::process::Command::new(program).args(arguments).arg(state.path()).status().is_ok_and(|done| done.success())
    };
    // Where nobody may mount a small disk, SQLite's own limit stands in.
    let mounted = mount("mount", &["-t", "tmpfs", "-o", "size=512k", "none"].map(OsStr::new));
    let ledger = Ledger::open(state.path()).unwrap();
    if !mounted {
        ledger.connection().unwrap().pragma_update(None, "max_page_count", 60).unwrap();
    }
    let long = "n".repeat(8_000);
    let (mut number, fault) = (0..)
        .find_map(|number| {
            let pair = [1, 2].map(|of| entry(FileId(2 * number + of), OsStr::new(&long), State::Committed));
            ledger.enter(Durability::Flushed, &pair, &[]).err().map(|fault| (number, fault))
        })
        .unwrap();
    assert!(matches!(fault, Fault::World(_)), "{fault:?}");
    assert_eq!(fault.reason().code, "disk_full", "{fault:?}");
    assert_eq!(count(&ledger, "SELECT count(*) FROM file"), number * 2);
    if mounted {
        assert!(mount("mount", &["-o", "remount,size=8m"].map(OsStr::new)));
    } else {
        ledger.connection().unwrap().pragma_update(None, "max_page_count", 1_000).unwrap();
    }
    number += 1;
    let pair = [1, 2].map(|of| entry(FileId(2 * number + of), OsStr::new(&long), State::Committed));
    ledger.enter(Durability::Flushed, &pair, &[]).unwrap();
    drop(ledger);
    assert_eq!(count(&Ledger::open(state.path()).unwrap(), "SELECT count(*) FROM file"), number * 2);
    assert!(!mounted || mount("umount", &[]));
}

/// faults 69, 71
#[test]
fn a_write_that_did_not_happen_passes_and_a_flush_that_failed_does_not() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    let class = |code| ledger.fault(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    assert!(matches!(class(ffi::SQLITE_IOERR_WRITE), Fault::World(_)));
    assert!(matches!(class(ffi::SQLITE_FULL), Fault::World(_)));
    assert!(matches!(class(ffi::SQLITE_IOERR_FSYNC), Fault::Fatal(_)));
    assert!(matches!(class(ffi::SQLITE_CORRUPT), Fault::Fatal(_)));
}

/// A ledger of some pages, of which one in the middle is overwritten if it is to be damaged, and a daemon that ended badly.
fn left_in_a_hurry(state: &std::path::Path, is_damaged: bool) {
    use std::os::unix::fs::FileExt;
    let ledger = Ledger::open(state).unwrap();
    let events: Vec<_> = (0..2_000).map(|_| Event::new(Kind::FolderOverflow).folder("orders")).collect();
    ledger.enter(Durability::Flushed, &[], &events).unwrap();
    drop(ledger);
    let path = state.join(FILE_NAME);
    if is_damaged {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let page = file.metadata().unwrap().len() / 4_096 / 2;
        file.write_all_at(&[0xA5; 4_096], page * 4_096).unwrap();
    }
    doubt::begin(&path);
}

/// faults 71, 76
#[test]
fn a_large_ledger_that_was_left_in_a_hurry_is_looked_at_while_it_is_used() {
    let state = tempfile::tempdir().unwrap();
    left_in_a_hurry(state.path(), false);
    let ledger = std::sync::Arc::new(Ledger::open_looking_first(state.path(), 0).unwrap());
    assert!(ledger.is_doubted());
    ledger.enter(Durability::Lazy, &[], &[Event::new(Kind::FolderOverflow)]).unwrap();
    look_meanwhile(&std::sync::Arc::downgrade(&ledger)).unwrap();
    drop(ledger);
    assert!(!Ledger::open_looking_first(state.path(), 0).unwrap().is_doubted(), "once is enough");
    left_in_a_hurry(state.path(), false);
    assert!(!Ledger::open(state.path()).unwrap().is_doubted(), "a small one is looked at first");
}

/// faults 71, 76
#[test]
fn damage_that_is_found_while_a_ledger_is_used_ends_its_use_and_is_looked_for_first_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    left_in_a_hurry(state.path(), true);
    let ledger = std::sync::Arc::new(Ledger::open_looking_first(state.path(), 0).unwrap());
    ledger.enter(Durability::Lazy, &[], &[Event::new(Kind::FolderOverflow)]).unwrap();
    let found = look_meanwhile(&std::sync::Arc::downgrade(&ledger)).unwrap_err();
    assert_eq!((found.reason().code, matches!(found, Fault::Fatal(_))), ("ledger_corrupt", true), "{found}");
    let refused = ledger.enter(Durability::Lazy, &[], &[Event::new(Kind::FolderOverflow)]).unwrap_err();
    assert!(matches!(refused, Fault::Fatal(_)), "{refused}");
    assert!(ledger.by_id(FileId(1)).is_err());
    drop(ledger);
    assert_eq!(Ledger::open_looking_first(state.path(), 0).unwrap_err().reason().code, "ledger_corrupt");
}
