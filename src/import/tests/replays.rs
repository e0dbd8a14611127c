//! Replays: rows that give way to a file's new ones, all or none, and markers that count no longer.

use super::*;

impl Orders {
    /// A file that is to take the place of an earlier one's rows.
    pub(super) fn again(&mut self, of: i64, name: &str, content: &str, duplicates: Duplicates) -> Load {
        let load = self.load_named(OsStr::new(name), content.as_bytes(), duplicates).unwrap();
        Load { replaces: Some(FileId(of)), ..load }
    }

    pub(super) fn commit(&mut self, load: Load) -> Outcome {
        self.import.commit(&[load]).unwrap().remove(0)
    }

    /// Files whose rows and markers don't agree: each row has a marker, each marker as many rows as it says.
    fn disagreements(&self) -> Vec<String> {
        self.rows(
            "SELECT f.id, f.rows, count(o._file_id) FROM _importerd_files f LEFT JOIN orders o ON o._file_id = f.id
             GROUP BY f.id HAVING f.rows <> count(o._file_id)
             UNION ALL SELECT _file_id, 0, count(*) FROM orders WHERE _file_id NOT IN (SELECT id FROM _importerd_files)
             GROUP BY _file_id",
        )
    }
}

#[test]
fn the_new_rows_take_the_place_of_the_old_ones_and_of_no_others() {
    for duplicates in [Duplicates::ByContent, Duplicates::ByName, Duplicates::Allow] {
        let mut orders = Orders::new();
        assert_eq!(orders.import("a.csv", "id\n1\n2\n").unwrap(), loaded(2));
        assert_eq!(orders.import("b.csv", "id\n7\n").unwrap(), loaded(1));
        let again = orders.again(1, "a.csv", "id\n1\n2\n", duplicates);
        assert_eq!(
            orders.commit(again),
            Outcome::Replaced { rows: 2, rejects: 0, effect: Effect::default(), rows_before: 2, changed: false }
        );
        let again = orders.again(3, "a.csv", "id\n1\n2\n3\n", duplicates);
        assert_eq!(
            orders.commit(again),
            Outcome::Replaced { rows: 3, rejects: 0, effect: Effect::default(), rows_before: 2, changed: true }
        );
        assert_eq!(orders.rows("SELECT _file_id, id FROM orders ORDER BY id"), ["4|1", "4|2", "4|3", "2|7"]);
        assert_eq!(orders.rows("SELECT id, replaces FROM _importerd_files"), ["2|NULL", "4|3"]);
        assert_eq!(orders.disagreements(), [""; 0]);
    }
}

/// The control: a load that forgets to clear, or clears and does not load, is seen by the check of the other tests.
#[test]
fn rows_that_are_doubled_or_gone_are_seen() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n2\n").unwrap();
    orders.sql().execute("INSERT INTO orders SELECT * FROM orders WHERE id = 1", []).unwrap();
    assert_eq!(orders.disagreements(), ["1|2|3"]);
    orders.sql().execute("DELETE FROM _importerd_files", []).unwrap();
    assert_eq!(orders.disagreements(), ["1|0|3"]);
}

/// fault 80: what nobody knows to be committed is committed again.
#[test]
fn a_replay_that_is_repeated_changes_nothing() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let again = [orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent)];
    orders.import.commit(&again).unwrap();
    assert_eq!(orders.import.commit(&again).unwrap(), [loaded(1)]);
    assert_eq!(orders.rows("SELECT _file_id FROM orders"), ["2"]);
    assert_eq!(orders.disagreements(), [""; 0]);
}

#[test]
fn of_a_batch_only_the_bad_one_keeps_its_old_rows() {
    let mut orders = Orders::with("CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER UNIQUE)");
    for (name, content) in [("a.csv", "id\n1\n"), ("b.csv", "id\n2\n"), ("c.csv", "id\n3\n")] {
        orders.import(name, content).unwrap();
    }
    let loads = [
        orders.again(1, "a.csv", "id\n1\n10\n", Duplicates::ByContent),
        // fault 66: it clashes with a row of another file.
        orders.again(2, "b.csv", "id\n20\n3\n", Duplicates::ByContent),
        orders.again(3, "c.csv", "id\n3\n30\n", Duplicates::ByContent),
    ];
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(refusal(&outcomes[1]), "constraint");
    assert_eq!(orders.rows("SELECT _file_id, id FROM orders ORDER BY 1, 2"), ["2|2", "4|1", "4|10", "6|3", "6|30"]);
    assert_eq!(orders.disagreements(), [""; 0]);
}

#[test]
fn a_file_of_the_same_bytes_under_another_number_is_still_found() {
    let mut orders = Orders::new();
    let twice =
        ["a.csv", "b.csv"].map(|name| orders.load_named(OsStr::new(name), b"id\n1\n", Duplicates::Allow).unwrap());
    orders.import.commit(&twice).unwrap();
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert!(matches!(orders.commit(again), Outcome::Duplicate { of } if of.id == FileId(2)));
    assert_eq!(orders.rows("SELECT _file_id FROM orders"), ["1", "2"], "nothing was touched");
    assert_eq!(orders.disagreements(), [""; 0]);
}

#[test]
fn what_cannot_be_told_apart_is_refused_and_left_alone() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER)");
    orders.import("a.csv", "id\n1\n").unwrap();
    let code = |orders: &Orders, id| match orders.import.can_replace(FileId(id)) {
        Err(Fault::Permanent(reason)) => reason.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&orders, 1), "no_file_id");
    assert_eq!(code(&orders, 9), "no_marker");
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "no_file_id");
    orders.sql().execute("UPDATE _importerd_files SET table_name = 'elsewhere'", []).unwrap();
    assert_eq!(code(&orders, 1), "other_table");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
}

#[test]
fn rows_that_the_table_keeps_are_not_there_twice() {
    let mut orders = Orders::with("CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER, gone INTEGER)");
    orders.import("a.csv", "id\n1\n").unwrap();
    let keeps = "CREATE TRIGGER keeps BEFORE DELETE ON orders BEGIN
        UPDATE orders SET gone = 1 WHERE rowid = old.rowid; SELECT RAISE(IGNORE); END";
    orders.sql().execute_batch(keeps).unwrap();
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "rows_kept");
    assert_eq!(orders.rows("SELECT _file_id, id, gone FROM orders"), ["1|1|NULL"], "all is as it was");
    orders.sql().execute_batch("DROP TRIGGER keeps").unwrap();
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert!(matches!(orders.commit(again), Outcome::Replaced { rows: 1, rows_before: 1, .. }));
}

#[test]
fn a_view_that_rows_cannot_be_deleted_from_holds_nobody_else() {
    let mut orders = Orders::with(
        "CREATE TABLE below (f, l, id);
         CREATE VIEW orders AS SELECT f AS _file_id, l AS _line, id FROM below;
         CREATE TRIGGER goes INSTEAD OF INSERT ON orders BEGIN
            INSERT INTO below VALUES (new._file_id, new._line, new.id); END",
    );
    orders.import("a.csv", "id\n1\n").unwrap();
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "target", "it is refused, where the folder was held");
    assert_eq!(orders.rows("SELECT f, id FROM below"), ["1|'1'"]);
}

#[test]
fn a_table_that_was_dropped_is_made_again_by_the_replay() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    orders.sql().execute("DROP TABLE orders", []).unwrap();
    orders.import.can_replace(FileId(1)).unwrap();
    let again = orders.again(1, "a.csv", "id,more\n1,x\n", Duplicates::ByContent);
    assert_eq!(
        orders.commit(again),
        Outcome::Replaced { rows: 1, rejects: 0, effect: Effect::default(), rows_before: 0, changed: true }
    );
    assert_eq!(orders.rows("SELECT _file_id, id, more FROM orders"), ["2|1|'x'"]);
}

#[test]
fn a_file_without_rows_takes_the_place_of_one_with_rows_and_the_other_way_round() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let again = orders.again(1, "a.csv", "id\n", Duplicates::ByContent);
    assert_eq!(
        orders.commit(again),
        Outcome::Replaced { rows: 0, rejects: 0, effect: Effect::default(), rows_before: 1, changed: true }
    );
    assert_eq!(orders.rows("SELECT * FROM orders"), [""; 0]);
    let again = orders.again(2, "a.csv", "id\n5\n", Duplicates::ByContent);
    assert_eq!(
        orders.commit(again),
        Outcome::Replaced { rows: 1, rejects: 0, effect: Effect::default(), rows_before: 0, changed: true }
    );
    assert_eq!(orders.disagreements(), [""; 0]);
}

#[test]
fn a_forgotten_file_is_no_longer_in_the_way_and_its_rows_stay() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    assert!(matches!(orders.import("a.csv", "id\n1\n").unwrap(), Outcome::Duplicate { .. }));
    for _ in 0..2 {
        orders.import.forget(&[FileId(1), FileId(99)]).unwrap();
    }
    assert_eq!(orders.import("a.csv", "id\n1\n").unwrap(), loaded(1));
    assert!(matches!(orders.import("a.csv", "id\n1\n").unwrap(), Outcome::Duplicate { of } if of.id == FileId(3)));
    assert_eq!(orders.rows("SELECT _file_id, id FROM orders"), ["1|1", "3|1"]);
    assert_eq!(orders.disagreements(), [""; 0]);
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::Allow);
    assert_eq!(refusal(&orders.commit(again)), "no_marker");
}

/// A reader sees the old rows or the new ones, at any moment, and never none, half or both.
#[test]
fn a_reader_sees_the_old_rows_or_the_new_ones() {
    let mut orders = Orders::new();
    let content: String = (0..2_000).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"));
    orders.import("a.csv", &content).unwrap();
    let database = orders.database();
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let connection = Connection::open(database).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        while told.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            let sql = "SELECT count(*), min(_file_id), max(_file_id) FROM orders";
            let (rows, least, most): (i64, i64, i64) =
                connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            assert_eq!((rows, least), (2_000, most));
            seen.insert(most);
        }
        seen
    });
    for of in 1..=20 {
        let again = orders.again(of, "a.csv", &content, Duplicates::ByContent);
        assert!(matches!(orders.commit(again), Outcome::Replaced { rows: 2_000, rows_before: 2_000, .. }));
    }
    drop(tell);
    assert!(!reader.join().unwrap().is_empty());
}
