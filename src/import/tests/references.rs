//! Rows that refer to others, or that others refer to, when they give way to new ones: in a replay, and in mode `replace`.

use super::*;
use crate::settings::{Mode, Tolerance};

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
