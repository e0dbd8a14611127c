//! Tests of load markers in SQLite.

use super::super::schema::{CREATE, lacking, prepare};
use super::*;

fn marker(id: i64, name: &[u8]) -> Marker {
    Marker {
        id: FileId(id),
        name: OsStr::from_bytes(name).to_owned(),
        rows: 7,
        rejects: 2,
        header: Some("id,\"a\nb\"".to_owned()),
        blake3: Digest([u8::try_from(id).unwrap(); 32]),
        committed_at: "2026-11-22T03:04:05.678Z".to_owned(),
        identity: Identity { device: u64::MAX, inode: u64::MAX - 1, born_ns: -5, size: 12, mtime_ns: 99 },
        table: "t".to_owned(),
        replaces: None,
        forgotten_at: None,
        mode: Some("upsert".to_owned()),
    }
}

// fault 25, fault 85
#[test]
fn a_marker_comes_back_as_it_was_written_whatever_the_name() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&mut connection).unwrap();
    let odd = marker(1, b"a\xff\n\x1b.csv");
    assert!(insert(&connection, "orders", &odd).unwrap());
    assert!(!insert(&connection, "orders", &odd).unwrap());
    assert_eq!(by_id(&connection, FileId(1)).unwrap(), Some(odd.clone()));
    assert_eq!(by_name(&connection, "orders", &odd.name, FileId(9)).unwrap(), Some(odd.clone()));
    assert_eq!(by_name(&connection, "orders", &odd.name, FileId(1)).unwrap(), None);
    assert_eq!(by_name(&connection, "other", &odd.name, FileId(9)).unwrap(), None);
    assert_eq!(by_content(&connection, "orders", odd.blake3, FileId(9)).unwrap(), Some(odd));
}

#[test]
fn another_device_number_is_still_the_same_file() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&mut connection).unwrap();
    let file = marker(1, b"a.csv");
    insert(&connection, "orders", &file).unwrap();
    let moved = Identity { device: 3, ..file.identity };
    assert_eq!(by_identity(&connection, "orders", &moved).unwrap(), Some(file.clone()));
    let grown = Identity { size: 13, ..file.identity };
    assert_eq!(by_identity(&connection, "orders", &grown).unwrap(), None);
}

#[test]
fn a_table_of_an_earlier_version_is_read_as_it_is_and_completed_by_a_writer() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(&CREATE.replace(
            ",\n        replaces INTEGER,\n        forgotten_at TEXT,\n        header TEXT,\n        mode TEXT",
            "",
        ))
        .unwrap();
    assert_eq!(lacking(&connection).unwrap().len(), 4);
    let old = "INSERT INTO _importerd_files VALUES (1, 'orders', 'a.csv', 12, ?, 7, 0, 't', '', 3, 4, 5, 6)";
    connection.execute(old, [Digest([1; 32]).to_string()]).unwrap();
    let file = by_id(&connection, FileId(1)).unwrap().unwrap();
    assert_eq!((file.replaces, file.forgotten_at), (None, None));
    prepare(&mut connection).unwrap();
    assert!(lacking(&connection).unwrap().is_empty());
    assert!(by_content(&connection, "orders", Digest([1; 32]), FileId(9)).unwrap().is_some());
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    query.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn the_same_bytes_are_found_by_the_index_of_either_version_and_the_older_one_is_dropped_by_a_writer() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(CREATE).unwrap();
    let older = "DROP INDEX _importerd_files_bytes;
        CREATE INDEX _importerd_files_content ON _importerd_files (folder, blake3)";
    connection.execute_batch(older).unwrap();
    insert(&connection, "orders", &marker(1, b"a.csv")).unwrap();
    let by_hash = "SEARCH _importerd_files USING INDEX _importerd_files_content (folder=? AND blake3=?)";
    assert_eq!(plan(&connection, BY_CONTENT), [by_hash]);
    assert!(by_content(&connection, "orders", Digest([1; 32]), FileId(9)).unwrap().is_some());
    prepare(&mut connection).unwrap();
    let by_its_beginning = "SEARCH _importerd_files USING INDEX _importerd_files_bytes (folder=? AND <expr>=?)";
    assert_eq!(plan(&connection, BY_CONTENT), [by_its_beginning]);
    assert!(by_content(&connection, "orders", Digest([1; 32]), FileId(9)).unwrap().is_some());
    assert!(
        !connection
            .prepare("SELECT 1 FROM sqlite_schema WHERE name = '_importerd_files_content'")
            .unwrap()
            .exists(())
            .unwrap()
    );
}

#[test]
fn hashes_that_begin_alike_are_told_apart() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&mut connection).unwrap();
    let alike = |last| Digest(std::array::from_fn(|byte| if byte < 31 { 7 } else { last }));
    for (id, last) in [(1, 0), (2, 1)] {
        let file = Marker { blake3: alike(last), ..marker(id, b"a.csv") };
        insert(&connection, "orders", &file).unwrap();
    }
    let found = |last| by_content(&connection, "orders", alike(last), FileId(9)).unwrap().map(|marker| marker.id);
    assert_eq!([found(0), found(1), found(2)], [Some(FileId(1)), Some(FileId(2)), None]);
}

#[test]
fn a_forgotten_marker_is_found_by_its_number_only_and_can_be_forgotten_again() {
    let mut connection = Connection::open_in_memory().unwrap();
    prepare(&mut connection).unwrap();
    let file = marker(1, b"a.csv");
    insert(&connection, "orders", &file).unwrap();
    assert!(!forget(&connection, "other", FileId(1), "today").unwrap());
    for day in ["today", "tomorrow"] {
        assert!(forget(&connection, "orders", FileId(1), day).unwrap());
    }
    assert_eq!(by_content(&connection, "orders", file.blake3, FileId(9)).unwrap(), None);
    assert_eq!(by_name(&connection, "orders", &file.name, FileId(9)).unwrap(), None);
    assert_eq!(by_identity(&connection, "orders", &file.identity).unwrap(), None);
    let kept = by_id(&connection, FileId(1)).unwrap().unwrap();
    assert_eq!(kept.forgotten_at.as_deref(), Some("today"));
}
