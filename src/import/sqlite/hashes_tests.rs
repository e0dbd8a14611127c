//! Tests of which files have a hash.

use std::ffi::OsStr;
use std::path::Path;

use super::super::super::target::{Markers, Target, Transaction};
use super::super::Database;
use super::super::schema::prepare;
use super::super::transaction::Open;
use super::*;
use crate::fault::Fault;
use crate::file::Identity;

/// Of the same hash as every other one of this number's hundreds.
fn marker(id: i64) -> Marker {
    let hash = blake3::hash(&(id % 100).to_le_bytes());
    Marker {
        id: FileId(id),
        name: OsStr::new("a.csv").to_owned(),
        rows: 1,
        rejects: 0,
        header: None,
        blake3: Digest(*hash.as_bytes()),
        committed_at: String::new(),
        identity: Identity { device: 1, inode: 2, born_ns: id, size: 4, mtime_ns: 5 },
        table: "t".to_owned(),
        replaces: None,
        forgotten_at: None,
        mode: None,
    }
}

fn opened(path: &Path) -> Database {
    let database = Database::closed(path).unwrap();
    database.open().unwrap();
    database
}

fn enter(database: &Database, ids: impl IntoIterator<Item = i64>) {
    let mut open = Box::new(Open::begin(database, None).unwrap());
    ids.into_iter().for_each(|id| assert!(open.enter("orders", &marker(id)).unwrap()));
    open.commit().unwrap();
}

/// What a transaction finds of these hashes, and what one finds who only reads.
fn found(database: &Database, of: i64) -> Option<i64> {
    let ask = |markers: &dyn Markers| {
        let first = markers.by_content("orders", marker(of).blake3, FileId(of)).unwrap();
        assert_eq!(markers.by_content("other", marker(of).blake3, FileId(of)).unwrap(), None);
        first.map(|first| first.id.0)
    };
    let found = ask(&*Box::new(Open::begin(database, None).unwrap()));
    assert_eq!(ask(&*database.markers("orders", "t").unwrap()), found);
    found
}

fn lines(database: &Database) -> [i64; 2] {
    ["_importerd_hashes", "_importerd_hashes_new"].map(|table| {
        let sql = format!("SELECT count(*) FROM {table}");
        database.with_writer(|writer| writer.query_row(&sql, (), |row| row.get(0)).unwrap()).unwrap()
    })
}

fn sort_in(database: &Database) {
    let mut held = database.writer().unwrap();
    let held = &mut *held;
    held.recent.sort_in(&held.connection);
}

#[test]
fn the_first_file_of_a_hash_is_found_before_and_after_they_are_sorted_in() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, [107, 8]);
    assert_eq!((found(&database, 7), found(&database, 108), found(&database, 8)), (Some(107), Some(8), None));
    sort_in(&database);
    assert_eq!(lines(&database), [2, 0]);
    enter(&database, [7, 207, 208]);
    assert_eq!(lines(&database), [2, 3]);
    assert_eq!((found(&database, 307), found(&database, 7), found(&database, 308)), (Some(7), Some(107), Some(8)));
    sort_in(&database);
    assert_eq!(lines(&database), [5, 0]);
    assert_eq!((found(&database, 307), found(&database, 7), found(&database, 308)), (Some(7), Some(107), Some(8)));
    // As after a restart.
    let again = opened(&directory.path().join("rows.db"));
    assert_eq!((found(&again, 307), found(&again, 9)), (Some(7), None));
}

#[test]
fn a_transaction_finds_what_it_has_entered_itself() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    let mut open = Box::new(Open::begin(&database, None).unwrap());
    assert!(open.enter("orders", &marker(7)).unwrap());
    assert!(!open.enter("orders", &marker(7)).unwrap(), "it is there already");
    let first = open.by_content("orders", marker(7).blake3, FileId(107)).unwrap();
    assert_eq!(first.map(|first| first.id), Some(FileId(7)));
    open.commit().unwrap();
    assert_eq!(lines(&database), [0, 1]);
}

#[test]
fn what_is_undone_is_not_found_and_hides_nothing_that_comes_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, [1]);
    let mut undone = Open::begin(&database, None).unwrap();
    for id in [2, 3, 4] {
        assert!(undone.enter("orders", &marker(id)).unwrap());
    }
    drop(undone);
    assert_eq!(found(&database, 102), None);
    // By another connection, under the same numbers of lines.
    let other = opened(&directory.path().join("rows.db"));
    enter(&other, [5, 6, 7, 8]);
    for id in [1, 5, 6, 7, 8] {
        assert_eq!((found(&database, id + 100), found(&other, id + 100)), (Some(id), Some(id)));
    }
    let mut open = Box::new(Open::begin(&database, None).unwrap());
    open.set_savepoint().unwrap();
    assert!(open.enter("orders", &marker(9)).unwrap());
    open.roll_back().unwrap();
    open.release_savepoint().unwrap();
    assert!(open.enter("orders", &marker(10)).unwrap());
    open.commit().unwrap();
    assert_eq!((found(&database, 109), found(&database, 110), found(&other, 110)), (None, Some(10), Some(10)));
}

#[test]
fn what_another_program_enters_and_sorts_in_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = [(), ()].map(|()| opened(&directory.path().join("rows.db")));
    let mut id = 0;
    for round in 0..6 {
        for database in [&ours, &theirs] {
            enter(database, [id, id + 1]);
            id += 2;
        }
        if round % 2 == 0 {
            sort_in(&theirs);
        }
        for of in 0..id {
            assert_eq!((found(&ours, of + 100), found(&theirs, of + 100)), (Some(of), Some(of)), "round {round}");
        }
    }
}

#[test]
fn many_are_sorted_in_at_the_next_transaction_and_where_that_fails_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, 1..=30);
    assert!(!database.writer().unwrap().recent.are_many());
    database.writer().unwrap().recent.many = 20;
    let full = "CREATE TEMP TRIGGER full BEFORE DELETE ON _importerd_hashes_new BEGIN SELECT RAISE(ABORT, 'full'); END";
    database.with_writer(|writer| writer.execute_batch(full).unwrap()).unwrap();
    drop(Open::begin(&database, None).unwrap());
    assert_eq!(lines(&database), [0, 30], "it is undone as a whole");
    assert!(!database.writer().unwrap().recent.are_many(), "it is not tried again for each transaction");
    assert_eq!(found(&database, 107), Some(7));
    database.with_writer(|writer| writer.execute_batch("DROP TRIGGER full").unwrap()).unwrap();
    database.writer().unwrap().recent.many = 20;
    drop(Open::begin(&database, None).unwrap());
    assert_eq!(lines(&database), [30, 0]);
    assert_eq!(found(&database, 107), Some(7));
}

#[test]
fn what_has_no_marker_any_more_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, [1, 2, 3]);
    sort_in(&database);
    enter(&database, [4]);
    let mut open = Box::new(Open::begin(&database, None).unwrap());
    for id in [1, 4] {
        open.remove(FileId(id)).unwrap();
    }
    open.forget("orders", FileId(2), "today").unwrap();
    open.commit().unwrap();
    assert_eq!([101, 102, 103, 104].map(|of| found(&database, of)), [None, None, Some(3), None]);
}

#[test]
fn the_beginning_of_a_hash_leads_to_its_markers() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&mut connection).unwrap();
    let plan = |sql: &str| -> Vec<String> {
        let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        query.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<_>>().unwrap()
    };
    let marker = "SEARCH _importerd_files USING INTEGER PRIMARY KEY (rowid=?)";
    assert_eq!(plan(BY_HASH), ["SEARCH _importerd_hashes USING PRIMARY KEY (start=?)", marker]);
    assert_eq!(plan(IS_IT), [marker]);
}

#[test]
fn hashes_that_begin_alike_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    let alike = |id, last| {
        let blake3 = Digest(std::array::from_fn(|byte| if byte < 31 { 7 } else { last }));
        Marker { blake3, ..marker(id) }
    };
    for sorted in [false, true] {
        let mut open = Box::new(Open::begin(&database, None).unwrap());
        for (id, last) in [(1, 0), (2, 1)] {
            assert_eq!(open.enter("orders", &alike(id, last)).unwrap(), !sorted);
        }
        let found = |id, last| open.by_content("orders", alike(id, last).blake3, FileId(id)).unwrap();
        let found = [(9, 0), (9, 1), (1, 0), (9, 2)].map(|(id, last)| found(id, last).map(|marker| marker.id.0));
        assert_eq!(found, [Some(1), Some(2), None, None]);
        open.commit().unwrap();
        sort_in(&database);
    }
}

/// Both index names: of whole hashes, and of their beginnings.
#[test]
fn what_an_earlier_version_has_written_is_found_and_what_it_writes_after_a_step_back_too() {
    for index in
        ["_content ON _importerd_files (folder, blake3)", "_bytes ON _importerd_files (folder, substr(blake3, 1, 8))"]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.db");
        let database = opened(&path);
        enter(&database, [1, 2]);
        let earlier = format!(
            "DROP TABLE _importerd_hashes; DROP TABLE _importerd_hashes_new; CREATE INDEX _importerd_files{index}"
        );
        database.with_writer(|writer| writer.execute_batch(&earlier).unwrap()).unwrap();
        let reader = rusqlite::Connection::open(&path).unwrap();
        let ask = || by_content(&reader, None, "orders", marker(1).blake3, FileId(9)).unwrap();
        assert_eq!(ask().map(|marker| marker.id), Some(FileId(1)), "by who only reads, and changes nothing");
        drop(database);
        let database = opened(&path);
        assert_eq!((found(&database, 101), lines(&database)), (Some(1), [2, 0]));
        // The step back: it makes its index again, and knows nothing of the tables.
        let back = format!("DELETE FROM _importerd_hashes WHERE file_id = 2; CREATE INDEX _importerd_files{index}");
        database.with_writer(|writer| writer.execute_batch(&back).unwrap()).unwrap();
        assert_eq!(found(&database, 101), Some(1));
        drop(database);
        let database = opened(&path);
        assert_eq!((found(&database, 102), lines(&database)), (Some(2), [2, 0]));
        assert!(are_whole(&reader).unwrap());
    }
}

#[test]
fn a_table_of_hashes_that_somebody_has_dropped_is_made_again() {
    for table in ["_importerd_hashes", "_importerd_hashes_new"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.db");
        let database = opened(&path);
        enter(&database, [1]);
        sort_in(&database);
        enter(&database, [2]);
        database.with_writer(|writer| writer.execute_batch(&format!("DROP TABLE {table}")).unwrap()).unwrap();
        drop(database);
        let database = opened(&path);
        assert_eq!((found(&database, 101), found(&database, 102), lines(&database)), (Some(1), Some(2), [2, 0]));
    }
}

#[test]
fn a_backup_of_an_earlier_version_that_is_restored_under_us_is_made_complete() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, [1]);
    let earlier = "DROP TABLE _importerd_hashes; DROP TABLE _importerd_hashes_new;
        CREATE INDEX _importerd_files_content ON _importerd_files (folder, blake3)";
    database.with_writer(|writer| writer.execute_batch(earlier).unwrap()).unwrap();
    assert!(matches!(Open::begin(&database, None).map(drop), Err(Fault::World(_))), "nobody is to blame");
    assert_eq!((found(&database, 101), lines(&database)), (Some(1), [1, 0]));
}

#[test]
fn who_sorts_in_waits_for_no_other_program() {
    let directory = tempfile::tempdir().unwrap();
    let database = opened(&directory.path().join("rows.db"));
    enter(&database, [1]);
    let other = Connection::open(directory.path().join("rows.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = std::time::Instant::now();
    sort_in(&database);
    assert!(begun.elapsed() < LOCK_WAIT, "it waited");
    assert_eq!(lines(&database), [0, 1]);
    other.execute_batch("ROLLBACK").unwrap();
    sort_in(&database);
    assert_eq!(lines(&database), [1, 0]);
}

#[test]
fn room_is_asked_for_as_many_pages_as_there_can_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.db");
    assert_eq!(sorting_bytes_max(&path), MANY as u64 * PAGE_BYTES);
    let file = fs::File::create(&path).unwrap();
    for (pages, asked) in [(0, 512), (1_000, 1_512), (1_000_000, MANY as u64)] {
        file.set_len(pages * PAGE_BYTES).unwrap();
        assert_eq!(sorting_bytes_max(&path), asked * PAGE_BYTES);
    }
}
