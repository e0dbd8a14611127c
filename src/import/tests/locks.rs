//! A database that others use, lock, replace, delete or break.

use std::time::Duration;

use super::*;

fn held(result: Result<impl std::fmt::Debug, Fault>, code: &str) -> String {
    match result {
        Err(Fault::World(reason)) if reason.code == code => reason.to_string(),
        other => panic!("not held as {code}: {other:?}"),
    }
}

// fault 92
#[test]
fn a_lock_of_another_program_holds_the_folder_and_commits_nothing() {
    let mut orders = Orders::new();
    let loads = [orders.load("a.csv", "id\n1\n").unwrap()];
    let other = orders.sql();
    orders.target.with_writer(|connection| connection.busy_timeout(Duration::from_millis(20))).unwrap().unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let text = held(orders.import.commit(&loads), "target_locked");
    assert!(text.contains("orders.db is locked by another program"), "{text}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(orders.import.commit(&loads).unwrap(), [loaded(1)]);
}

#[test]
fn others_may_query_while_it_imports_and_it_imports_while_they_query() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let other = orders.sql();
    other.execute_batch("BEGIN").unwrap();
    let count = || other.query_row("SELECT count(*) FROM orders", (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 1);
    assert_eq!(orders.import("b.csv", "id\n2\n").unwrap(), loaded(1));
    assert_eq!(count(), 1);
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn who_waits_for_a_large_file_of_another_processor_gives_signs_of_life() {
    let orders = Orders::new();
    let (pulse, database) = (importerd_actors::Pulse::default(), &orders.target);
    std::thread::scope(|scope| {
        let waits = || {
            crate::pulse::belongs_to_this_thread(pulse.clone());
            database.with_writer(|_| ())
        };
        let waiting = database.with_writer(|_| {
            let waiting = scope.spawn(waits);
            let began = std::time::Instant::now();
            while pulse.beats() < 2 {
                assert!(began.elapsed() < Duration::from_mins(1), "it looks as if it hung");
                std::thread::sleep(Duration::from_millis(10));
            }
            waiting
        });
        waiting.unwrap().join().unwrap().unwrap();
    });
}

#[test]
fn what_is_committed_is_flushed() {
    let orders = Orders::new();
    let settings = |name: &str| {
        orders.target.with_writer(|connection| connection.pragma_query_value(None, name, |row| row.get(0))).unwrap()
    };
    assert_eq!(settings("synchronous"), Ok(2_i64));
    assert_eq!(settings("foreign_keys"), Ok(1));
    assert_eq!(orders.rows("PRAGMA journal_mode"), ["'wal'"]);
}

// fault 68
#[test]
fn a_full_database_holds_the_folder_and_resumes() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id,note\n1,x\n").unwrap();
    let note = "x".repeat(4_000_000);
    let loads = [
        orders.load("b.csv", "id,note\n2,y\n").unwrap(),
        orders.load("c.csv", format!("id,note\n3,{note}\n")).unwrap(),
    ];
    let limit = |pages: i64| {
        let set = |connection: &mut Connection| {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        orders.target.with_writer(set).unwrap();
    };
    limit(100);
    assert!(held(orders.import.commit(&loads), "disk_full").contains("orders.db"));
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
    assert_eq!(orders.rows("SELECT id FROM _importerd_files"), ["1"]);
    limit(1_000_000);
    assert_eq!(orders.import.commit(&loads).unwrap(), [loaded(1), loaded(1)]);
}

#[test]
fn a_deleted_database_is_not_made_anew_under_a_running_daemon() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let loads = [orders.load("b.csv", "id\n2\n").unwrap()];
    fs::rename(orders.database(), orders.directory.path().join("away.db")).unwrap();
    held(orders.import.commit(&loads), "missing");
    held(orders.load("c.csv", "id\n3\n"), "missing");
    fs::rename(orders.directory.path().join("away.db"), orders.database()).unwrap();
    assert_eq!(orders.import.commit(&loads).unwrap(), [loaded(1)]);
}

#[test]
fn a_replaced_database_is_used_from_then_on() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let load = orders.load("b.csv", "id\n2\n").unwrap();
    let other = orders.directory.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE orders (id INTEGER)").unwrap();
    for log in ["orders.db-wal", "orders.db-shm"] {
        fs::remove_file(orders.directory.path().join(log)).unwrap();
    }
    fs::rename(&other, orders.database()).unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [loaded(1)]);
    assert_eq!(orders.import("a.csv", "id\n1\n").unwrap(), loaded(1));
    assert_eq!(orders.rows("SELECT id FROM orders"), ["2", "1"]);
}

// fault 76
#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "my notes\n".repeat(1_000);
    fs::write(&path, &text).unwrap();
    let text_of = |result: Result<Arc<Database>, Fault>| held(result.map(|_| ()), "not_a_database");
    assert!(text_of(Targets::default().file(&path)).contains("notes.txt"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    held(Targets::default().file(&directory.path().join("absent/x.db")).map(|_| ()), "target_missing");
}

// fault 92
#[test]
fn a_broken_trigger_holds_the_folder_instead_of_refusing_every_file() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (id INTEGER); CREATE TABLE log (id INTEGER);
         CREATE TRIGGER log AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.id); END;
         DROP TABLE log",
    );
    let loads = [orders.load("a.csv", "id\n1\n").unwrap()];
    let text = held(orders.import.commit(&loads), "target");
    assert!(text.contains("no such table: main.log"), "{text}");
}
