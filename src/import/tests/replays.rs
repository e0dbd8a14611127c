//! Replays: rows that give way to a file's new ones, all or none, and markers that count no longer.

use super::*;
use crate::settings::{Mode, Tolerance};

impl Orders {
    /// A file that is to take the place of an earlier one's rows.
    fn again(&mut self, of: i64, name: &str, content: &str, duplicates: Duplicates) -> Load {
        let load = self.load_named(OsStr::new(name), content.as_bytes(), duplicates).unwrap();
        Load { replaces: Some(FileId(of)), ..load }
    }

    fn commit(&mut self, load: Load) -> Outcome {
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

fn refusal(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(Fault::Permanent(reason)) => reason.code,
        other => panic!("not refused: {other:?}"),
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
fn rows_that_others_refer_to_give_way_to_the_same_rows() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY);
         CREATE TABLE invoice (order_id INTEGER REFERENCES orders (id))",
    );
    orders.import("a.csv", "id\n1\n2\n").unwrap();
    orders.sql().execute("INSERT INTO invoice VALUES (2)", []).unwrap();
    let again = orders.again(1, "a.csv", "id\n2\n3\n", Duplicates::ByContent);
    assert_eq!(
        orders.commit(again),
        Outcome::Replaced { rows: 2, rejects: 0, effect: Effect::default(), rows_before: 2, changed: true }
    );
    // The row that the invoice needs is not in the file any more: all stays as it was.
    let again = orders.again(2, "a.csv", "id\n3\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "constraint");
    assert_eq!(orders.rows("SELECT _file_id, id FROM orders"), ["2|2", "2|3"]);
}

/// An order is of a customer, and `others` may refer to orders.
fn of_customers(mode: Mode, others: &str) -> Orders {
    let settings = settings::Import { mode, rejects: Tolerance::Rows(9), ..settings("orders") };
    let orders = Orders::reading(&settings);
    let tables = "CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (7);
        CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY, customer REFERENCES customers)";
    orders.sql().execute_batch(&format!("{tables}; {others}")).unwrap();
    orders
}

const INVOICE: &str = "CREATE TABLE invoice (order_id INTEGER REFERENCES orders (id))";

const MIXED: &str = "id,customer\n1,7\n2,8\n3,\n4,9\n";

#[test]
fn a_row_that_refers_to_nothing_is_left_out_alone_where_nobody_refers_to_the_rows_that_go() {
    for mode in [Mode::Append, Mode::Replace] {
        let mut orders = of_customers(mode.clone(), "");
        let outcome = orders.import("a.csv", MIXED).unwrap();
        assert!(matches!(outcome, Outcome::Loaded { rows: 2, rejects: 2, .. }), "the first file: {outcome:?}");
        let again = if mode == Mode::Append {
            orders.again(1, "a.csv", MIXED, Duplicates::Allow)
        } else {
            orders.load_named(OsStr::new("a.csv"), MIXED.as_bytes(), Duplicates::Allow).unwrap()
        };
        let outcome = orders.commit(again);
        let (Outcome::Loaded { rows, rejects, .. } | Outcome::Replaced { rows, rejects, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((rows, rejects), (2, 2));
        assert_eq!(orders.rows("SELECT id FROM orders"), ["1", "3"]);
        let lines = orders.rows("SELECT line, record FROM _importerd_rejects WHERE file_id = 2");
        assert_eq!(lines, ["3|'2,8'", "5|'4,9'"]);
    }
}

/// What refers to rows that go is looked at only when others have come, and so is what these refer to: also where the table
/// is empty, or today's file would fit and tomorrow's wouldn't.
#[test]
fn a_row_that_refers_to_nothing_is_named_also_where_that_is_found_at_the_commit() {
    for mode in [Mode::Append, Mode::Replace] {
        let mut orders = of_customers(mode.clone(), INVOICE);
        if mode == Mode::Replace {
            let named = "line 3: FOREIGN KEY constraint failed; and 1 more row doesn't fit: line 5";
            assert_eq!(orders.refused("a.csv", MIXED), named);
        }
        orders.import("a.csv", "id,customer\n1,7\n").unwrap();
        orders.sql().execute("INSERT INTO invoice VALUES (1)", []).unwrap();
        let load = orders.load("a.csv", MIXED).unwrap();
        let replaces = (mode == Mode::Append).then_some(FileId(1));
        let Outcome::Refused(Fault::Permanent(reason)) = orders.commit(Load { replaces, ..load }) else {
            panic!("it is refused")
        };
        let text = "line 3: FOREIGN KEY constraint failed; and 1 more row doesn't fit: line 5";
        assert_eq!((reason.code, &*reason.to_string()), ("constraint", text));
        assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
        // The control: it has all that it refers to, and lacks what others refer to.
        let load = orders.load("a.csv", "id,customer\n3,7\n").unwrap();
        let Outcome::Refused(Fault::Permanent(reason)) = orders.commit(Load { replaces, ..load }) else {
            panic!("it is refused")
        };
        assert_eq!(&*reason.to_string(), "FOREIGN KEY constraint failed");
    }
}

/// Others refer to what a trigger takes away and puts back.
#[test]
fn what_a_trigger_takes_away_with_the_rows_may_come_again_with_theirs() {
    let mut orders = of_customers(
        Mode::Append,
        "CREATE TABLE seen (id INTEGER PRIMARY KEY); CREATE TABLE of_seen (id REFERENCES seen);
        CREATE TRIGGER comes AFTER INSERT ON orders BEGIN INSERT INTO seen VALUES (new.id); END;
        CREATE TRIGGER goes AFTER DELETE ON orders BEGIN DELETE FROM seen WHERE id = old.id; END",
    );
    orders.import("a.csv", "id\n1\n").unwrap();
    orders.sql().execute("INSERT INTO of_seen VALUES (1)", []).unwrap();
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert!(matches!(orders.commit(again), Outcome::Replaced { rows: 1, .. }));
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
fn rows_with_which_other_tables_lose_theirs_are_left_alone() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY);
         CREATE TABLE invoice (order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE)",
    );
    orders.import("a.csv", "id\n1\n").unwrap();
    let Err(Fault::Permanent(reason)) = orders.import.can_replace(FileId(1)) else { panic!("it is refused") };
    assert_eq!(reason.code, "cascade");
    let again = orders.again(1, "a.csv", "id\n1\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "cascade", "also where it was asked before that was declared");
    assert!(reason.text.ends_with("invoice"), "{}", reason.text);
    // The control: without the action.
    orders.sql().execute_batch("DROP TABLE invoice; CREATE TABLE invoice (order_id REFERENCES orders (id))").unwrap();
    orders.import.can_replace(FileId(1)).unwrap();
}

#[test]
fn rows_of_other_files_that_refer_to_a_files_are_left_alone() {
    let mut orders = Orders::with(
        "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY,
            under INTEGER REFERENCES orders (id) ON DELETE CASCADE)",
    );
    orders.import("a.csv", "id,under\n1,\n").unwrap();
    orders.import("b.csv", "id,under\n2,1\n").unwrap();
    let again = orders.again(1, "a.csv", "id,under\n1,\n", Duplicates::ByContent);
    assert_eq!(refusal(&orders.commit(again)), "cascade");
    assert_eq!(orders.rows("SELECT _file_id, id FROM orders"), ["1|1", "2|2"]);
}

/// A row before the one that it refers to, or that a trigger makes: whether the file fits doesn't depend on what the table holds.
/// The control is a row that refers to nothing.
#[test]
fn rows_of_a_snapshot_refer_to_each_other_in_any_order_whether_the_table_is_empty_or_not() {
    let tree = "CREATE TABLE orders (_file_id, _line, id INTEGER PRIMARY KEY, under INTEGER REFERENCES orders)";
    let made = "CREATE TABLE made (id INTEGER PRIMARY KEY);
        CREATE TABLE orders (_file_id, _line, id INTEGER, under INTEGER REFERENCES made);
        CREATE TRIGGER makes AFTER INSERT ON orders BEGIN INSERT OR IGNORE INTO made VALUES (new.id); END";
    for tables in [tree, made] {
        for rejects in [Tolerance::NONE, Tolerance::Rows(3)] {
            let settings = settings::Import { mode: Mode::Replace, rejects, ..settings("orders") };
            let mut orders = Orders::reading(&settings);
            orders.sql().execute_batch(tables).unwrap();
            for content in ["id,under\n2,1\n1,\n", "id,under\n4,3\n3,\n5,4\n"] {
                let outcome = orders.import("a.csv", content).unwrap();
                assert!(matches!(outcome, Outcome::Loaded { rejects: 0, .. }), "{outcome:?}");
            }
            assert_eq!(orders.refused("b.csv", "id,under\n7,6\n"), "line 2: FOREIGN KEY constraint failed");
            assert_eq!(orders.rows("SELECT id FROM orders ORDER BY 1"), ["3", "4", "5"]);
        }
    }
}

/// The control is the test above the last: rows of another file refer to them.
#[test]
fn rows_of_one_file_that_refer_to_each_other_give_way_to_those_that_do_again() {
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        let mut orders = Orders::with(&format!(
            "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY,
                under INTEGER REFERENCES orders ON DELETE {action})",
        ));
        let tree = "id,under\n1,\n2,1\n3,2\n";
        orders.import("a.csv", tree).unwrap();
        orders.import("b.csv", "id,under\n7,\n8,7\n").unwrap();
        orders.import.can_replace(FileId(1)).unwrap();
        // Now also before what they are under.
        let again = orders.again(1, "a.csv", "id,under\n2,1\n1,\n4,2\n", Duplicates::ByContent);
        let replaced =
            Outcome::Replaced { rows: 3, rejects: 0, effect: Effect::default(), rows_before: 3, changed: true };
        assert_eq!(orders.commit(again), replaced, "{action}");
        let rows = "SELECT _file_id, id, under FROM orders";
        assert_eq!(orders.rows(rows), ["3|1|NULL", "3|2|1", "3|4|2", "2|7|NULL", "2|8|7"], "{action}");
        // A user's row is no file's, and refers to one of this file.
        orders.sql().execute_batch("INSERT INTO orders (id, under) VALUES (9, 4)").unwrap();
        let again = orders.again(3, "a.csv", tree, Duplicates::ByContent);
        assert_eq!(refusal(&orders.commit(again)), "cascade", "{action}");
        orders.import.can_replace(FileId(2)).unwrap();
    }
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
