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
    let (mut connection, mut recent) = (Connection::open_in_memory().unwrap(), Recent::default());
    prepare(&mut connection).unwrap();
    let odd = marker(1, b"a\xff\n\x1b.csv");
    assert!(insert(&connection, &mut recent, "orders", &odd).unwrap());
    assert!(!insert(&connection, &mut recent, "orders", &odd).unwrap());
    assert_eq!(by_id(&connection, FileId(1)).unwrap(), Some(odd.clone()));
    assert_eq!(by_name(&connection, "orders", &odd.name, FileId(9)).unwrap(), Some(odd.clone()));
    assert_eq!(by_name(&connection, "orders", &odd.name, FileId(1)).unwrap(), None);
    assert_eq!(by_name(&connection, "other", &odd.name, FileId(9)).unwrap(), None);
    assert_eq!(hashes::by_content(&connection, Some(&recent), "orders", odd.blake3, FileId(9)).unwrap(), Some(odd));
}

#[test]
fn another_device_number_is_still_the_same_file() {
    let (mut connection, mut recent) = (Connection::open_in_memory().unwrap(), Recent::default());
    prepare(&mut connection).unwrap();
    let file = marker(1, b"a.csv");
    insert(&connection, &mut recent, "orders", &file).unwrap();
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
    connection.execute_batch("CREATE INDEX _importerd_files_content ON _importerd_files (folder, blake3)").unwrap();
    prepare(&mut connection).unwrap();
    assert!(lacking(&connection).unwrap().is_empty());
    assert!(hashes::by_content(&connection, None, "orders", Digest([1; 32]), FileId(9)).unwrap().is_some());
}

#[test]
fn a_forgotten_marker_is_found_by_its_number_only_and_can_be_forgotten_again() {
    let (mut connection, mut recent) = (Connection::open_in_memory().unwrap(), Recent::default());
    prepare(&mut connection).unwrap();
    let file = marker(1, b"a.csv");
    insert(&connection, &mut recent, "orders", &file).unwrap();
    assert!(!forget(&connection, "other", FileId(1), "today").unwrap());
    for day in ["today", "tomorrow"] {
        assert!(forget(&connection, "orders", FileId(1), day).unwrap());
    }
    assert_eq!(hashes::by_content(&connection, Some(&recent), "orders", file.blake3, FileId(9)).unwrap(), None);
    assert_eq!(by_name(&connection, "orders", &file.name, FileId(9)).unwrap(), None);
    assert_eq!(by_identity(&connection, "orders", &file.identity).unwrap(), None);
    let kept = by_id(&connection, FileId(1)).unwrap().unwrap();
    assert_eq!(kept.forgotten_at.as_deref(), Some("today"));
}
