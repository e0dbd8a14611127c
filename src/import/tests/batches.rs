//! Batches: duplicates, bad loads set aside alone, markers, repetition.

use super::*;

fn permanent(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(fault @ Fault::Permanent(_)) => fault.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

// fault 15, fault 16
#[test]
fn the_same_bytes_are_imported_once_even_within_one_batch() {
    let mut orders = Orders::new();
    let loads = [orders.load("a.csv", "id\n1\n").unwrap(), orders.load("b.csv", "id\n1\n").unwrap()];
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(outcomes[0], loaded(1));
    assert!(matches!(&outcomes[1], Outcome::Duplicate { of } if of.id == FileId(1) && of.name == "a.csv"));
    assert!(matches!(orders.import("c.csv", "id\n1\n").unwrap(), Outcome::Duplicate { of } if of.id == FileId(1)));
    assert_eq!(orders.rows("SELECT _file_id, id FROM orders"), ["1|1"]);
    assert_eq!(orders.rows("SELECT id FROM _importerd_files"), ["1"]);
}

#[test]
fn what_counts_as_a_duplicate_is_the_folders_choice() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let same_name = orders.load_named(OsStr::new("a.csv"), b"id\n2\n", Duplicates::ByName).unwrap();
    let same_bytes = orders.load_named(OsStr::new("b.csv"), b"id\n1\n", Duplicates::ByName).unwrap();
    let allowed = orders.load_named(OsStr::new("a.csv"), b"id\n1\n", Duplicates::Allow).unwrap();
    let outcomes = orders.import.commit(&[same_name, same_bytes, allowed]).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Duplicate { of } if of.id == FileId(1)));
    assert_eq!(outcomes[1..], [loaded(1), loaded(1)]);
}

#[test]
fn another_folder_in_the_same_database_has_files_of_its_own() {
    let directory = TempDir::new().unwrap();
    let databases = Targets::default();
    let path = directory.path().join("both.db");
    let database = databases.file(&path).unwrap();
    assert!(Arc::ptr_eq(&database, &databases.file(&path).unwrap()));
    let alias = directory.path().join("alias.db");
    std::os::unix::fs::symlink(&path, &alias).unwrap();
    assert!(Arc::ptr_eq(&database, &databases.file(&alias).unwrap()));
    let other = Import::new("other", &settings("other"), database.clone()).unwrap();
    let import = Import::new("orders", &settings("orders"), database.clone()).unwrap();
    let mut orders = Orders { directory, import, target: database, files: 0 };
    let first = orders.load("a.csv", "id\n1\n").unwrap();
    let identity = first.identity;
    orders.import.commit(&[first]).unwrap();
    orders.import = other;
    assert_eq!(orders.import.marker(&identity).unwrap(), None);
    assert_eq!(orders.import("a.csv", "id\n1\n").unwrap(), loaded(1));
}

// fault 66
#[test]
fn a_broken_constraint_sets_its_file_aside_and_names_the_line() {
    let mut orders = Orders::with(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY); INSERT INTO parents VALUES (1);
         CREATE TABLE orders (id INTEGER UNIQUE, name TEXT NOT NULL, amount REAL CHECK (amount > 0),
                              parent INTEGER REFERENCES parents)",
    );
    let loads: Vec<Load> = [
        "id,name\n1,a\n",
        "id,name\n2,b\n3,c\n1,d\n",
        "id,name\n4,\n",
        "id,name,amount\n5,e,-1\n",
        "id,name,parent\n6,f,7\n",
        "id,name,parent\n7,g,1\n",
    ]
    .map(|content| orders.load("a.csv", content).unwrap())
    .into();
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(outcomes[0], loaded(1));
    assert_eq!(permanent(&outcomes[1]), "line 4: UNIQUE constraint failed: orders.id");
    assert_eq!(permanent(&outcomes[2]), "line 2: NOT NULL constraint failed: orders.name");
    assert_eq!(permanent(&outcomes[3]), "line 2: CHECK constraint failed: amount > 0");
    assert_eq!(permanent(&outcomes[4]), "line 2: FOREIGN KEY constraint failed");
    assert_eq!(outcomes[5], loaded(1));
    assert_eq!(orders.rows("SELECT id FROM orders ORDER BY id"), ["1", "7"]);
    assert_eq!(orders.rows("SELECT id FROM _importerd_files ORDER BY id"), ["1", "6"]);
}

// fault 66
#[test]
fn a_constraint_that_only_shows_at_commit_is_its_own_files_fault() {
    let mut orders = Orders::with(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TABLE orders (id INTEGER, parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
    );
    let loads = ["id\n1\n", "id,parent\n2,9\n", "id\n3\n"].map(|content| orders.load("a.csv", content).unwrap());
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!((&outcomes[0], &outcomes[2]), (&loaded(1), &loaded(1)));
    assert_eq!(permanent(&outcomes[1]), "FOREIGN KEY constraint failed");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1", "3"]);
}

#[test]
fn a_trigger_that_rolls_everything_back_costs_only_its_own_file() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (id INTEGER);
         CREATE TRIGGER no BEFORE INSERT ON orders WHEN new.id = 2 BEGIN SELECT RAISE(ROLLBACK, 'not two'); END",
    );
    let loads = ["id\n1\n", "id\n2\n", "id\n3\n"].map(|content| orders.load("a.csv", content).unwrap());
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!((&outcomes[0], &outcomes[2]), (&loaded(1), &loaded(1)));
    assert_eq!(permanent(&outcomes[1]), "line 2: not two");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1", "3"]);
}

/// Each of the others would meet it as well, and wait for it.
#[test]
fn behind_a_fault_of_the_world_no_other_file_of_the_batch_is_tried() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (id INTEGER);
         CREATE TRIGGER no BEFORE INSERT ON orders WHEN new.id = 1 BEGIN SELECT RAISE(ROLLBACK, 'not one'); END",
    );
    // Another ledger's, under the number of the second.
    let others = orders.load("others.csv", "id\n9\n").unwrap();
    orders.import.commit(&[Load { id: FileId(3), ..others }]).unwrap();
    let loads = ["id\n1\n", "id\n2\n", "id\n3\n"].map(|content| orders.load("a.csv", content).unwrap());
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(permanent(&outcomes[0]), "line 2: not one");
    assert!(matches!(&outcomes[1..], [Outcome::Refused(Fault::World(_))]), "{outcomes:?}");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["9"]);
}

#[test]
fn files_checked_before_the_table_was_made_are_checked_again() {
    let mut orders = Orders::new();
    let loads = ["id,n\n1,5\n", "n,id\n6,2\n", "id,n\n3,x\n", "id,n\n4,\n", "id,other\n5,6\n"]
        .map(|content| orders.load("a.csv", content).unwrap());
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(outcomes[0], loaded(1));
    assert_eq!(outcomes[1], loaded(1));
    assert_eq!(permanent(&outcomes[2]), r#"line 2, column n: "x" is not an integer"#);
    assert_eq!(outcomes[3], loaded(1));
    assert!(permanent(&outcomes[4]).starts_with(r#"new column "other""#));
    assert_eq!(orders.rows("SELECT _file_id, id, n FROM orders"), ["1|1|5", "2|2|6", "4|4|NULL"]);
}

#[test]
fn a_table_made_by_a_file_that_is_then_refused_is_not_there() {
    let mut orders = Orders::new();
    let mut load = orders.load("a.csv", "id\n1\n").unwrap();
    // Streamed, and other bytes than were checked.
    load.checked.content = match load.checked.content {
        Content::Rows { layout, .. } => Content::Rows { layout, kept: None },
        Content::Nothing => panic!("it has a row"),
    };
    load.checked.digest.0[0] ^= 1;
    let next = orders.load("b.csv", "id\nx\n").unwrap();
    let outcomes = orders.import.commit(&[load, next]).unwrap();
    assert!(permanent(&outcomes[0]).contains("changed between its check and its commit"));
    assert_eq!(outcomes[1], loaded(1));
    assert_eq!(orders.declared()[2..], ["'id'|'TEXT'"]);
}

// fault 91
#[test]
fn a_marker_says_what_is_in_and_a_repeated_commit_adds_nothing() {
    let mut orders = Orders::new();
    let load = orders.load_named(OsStr::new("a.csv"), b"id\n1\n2\n", Duplicates::Allow).unwrap();
    assert_eq!(orders.import.marker(&load.identity).unwrap(), None);
    let loads = [load];
    assert_eq!(orders.import.commit(&loads).unwrap(), [loaded(2)]);
    let marker = orders.import.marker(&loads[0].identity).unwrap().unwrap();
    assert_eq!((marker.id, marker.rows, marker.blake3), (FileId(1), 2, loads[0].checked.digest()));
    assert_eq!((marker.identity, marker.name), (loads[0].identity, OsString::from("a.csv")));
    assert_eq!((marker.committed_at.len(), marker.committed_at.ends_with('Z')), (24, true));
    assert_eq!(orders.import.commit(&loads).unwrap(), [loaded(2)]);
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1", "2"]);
}

#[test]
fn a_number_of_another_ledger_holds_the_folder() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    orders.files = 0;
    fs::remove_file(orders.directory.path().join("1.file")).unwrap();
    let Err(Fault::World(reason)) = orders.import("b.csv", "id\n2\n") else { panic!("not held") };
    assert_eq!(reason.code, "other_ledger");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
}

#[test]
fn processors_side_by_side_commit_every_row_once() {
    let directory = TempDir::new().unwrap();
    let target = Targets::default().file(&directory.path().join("orders.db")).unwrap();
    let import = Import::new("orders", &settings("orders"), target.clone()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (import, directory) = (&import, directory.path());
            scope.spawn(move || {
                for number in 0..20 {
                    let id = thread * 20 + number + 1;
                    let path = directory.join(format!("{id}.csv"));
                    fs::write(&path, format!("id\n{id}\n")).unwrap();
                    let file = fs::File::open(&path).unwrap();
                    let checked = import.process(&file, OsStr::new("a.csv")).unwrap();
                    let (name, identity) = (OsString::from("a.csv"), identity(&file));
                    let duplicates = Duplicates::ByContent;
                    let load =
                        Load { id: FileId(id), name, identity, file: file.into(), checked, duplicates, replaces: None };
                    assert_eq!(import.commit(&[load]).unwrap(), [loaded(1)]);
                }
            });
        }
    });
    let orders = Orders { directory, import, target, files: 0 };
    assert_eq!(orders.rows("SELECT count(*), count(DISTINCT id), sum(id = _file_id) FROM orders"), ["80|80|80"]);
}
