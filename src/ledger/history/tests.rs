//! Tests of what the ledger is asked by who only reads.

use super::*;
use crate::events::{Event, Kind};
use crate::ledger::{Durability, Ledger};

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn where_nothing_was_ever_written_there_is_no_history_and_none_is_made() {
    let state = tempfile::tempdir().unwrap();
    assert!(History::open(state.path()).unwrap().is_none());
    assert!(History::open(&state.path().join("missing")).unwrap().is_none());
    assert_eq!(names(state.path()), [""; 0]);
}

#[test]
fn a_reader_of_a_ledger_at_rest_leaves_no_file_behind() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    ledger.enter(Durability::Flushed, &[], &[Event::new(Kind::DaemonStarted)]).unwrap();
    drop(ledger);
    let history = History::open(state.path()).unwrap().unwrap();
    assert!(history.is_frozen());
    assert_eq!(history.last_events(&Wanted::default(), 5).unwrap().len(), 1);
    assert_eq!(names(state.path()), [FILE_NAME]);
}

#[test]
fn a_reader_sees_what_a_running_daemon_enters_at_once_and_does_not_hold_it_up() {
    let state = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(state.path()).unwrap();
    ledger.next_id().unwrap();
    let history = History::open(state.path()).unwrap().unwrap();
    assert!(!history.is_frozen());
    assert_eq!(history.last_number().unwrap(), 0);
    for number in 1..=3 {
        ledger.enter(Durability::Lazy, &[], &[Event::new(Kind::FolderPaused).folder("orders")]).unwrap();
        assert_eq!(history.events_after(number - 1, &Wanted::default(), 9).unwrap().len(), 1);
    }
    let other = Wanted { folder: Some("scans"), ..Wanted::default() };
    assert_eq!(history.events_after(0, &other, 9).unwrap(), []);
    ledger.enter(Durability::Lazy, &[], &[Event::new(Kind::FolderResumed).folder("orders")]).unwrap();
    let kinds = [Kind::FolderPaused, Kind::FolderResumed];
    assert_eq!(history.last_numbered(&kinds, Some("orders")).unwrap().unwrap().1.kind, Kind::FolderResumed);
    assert_eq!(history.last_numbered(&kinds, Some("scans")).unwrap(), None);
    drop(ledger);
    assert_eq!(history.last_number().unwrap(), 4, "it goes on reading when the daemon has ended");
}

#[test]
fn a_ledger_that_a_killed_daemon_left_is_read_to_its_last_entry() {
    let (state, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = Ledger::open(state.path()).unwrap();
    ledger.enter(Durability::Flushed, &[], &[Event::new(Kind::DaemonStarted)]).unwrap();
    // What lies on the disk at this moment is what a power cut leaves.
    for name in names(state.path()).iter().filter(|name| !name.ends_with("-shm")) {
        std::fs::copy(state.path().join(name), copy.path().join(name)).unwrap();
    }
    let history = History::open(copy.path()).unwrap().unwrap();
    assert_eq!(history.last_number().unwrap(), 1);
}

/// faults 76, 77
#[test]
fn a_damaged_ledger_is_refused_by_a_reader_too() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join(FILE_NAME), "this is not a database at all, but long enough for one").unwrap();
    assert_eq!(History::open(state.path()).unwrap_err().code, "ledger_corrupt");
}
