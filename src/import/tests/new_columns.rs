//! What becomes of columns that the table lacks.

use super::*;
use crate::settings::{Mode, NewColumns};

fn adding() -> Orders {
    with(NewColumns::Add)
}

fn with(new_columns: NewColumns) -> Orders {
    Orders::reading(&settings::Import { new_columns, ..settings("orders") })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn added(rows: u64, columns: &[&str]) -> Outcome {
    Outcome::Loaded { rows, rejects: 0, effect: Effect { added: names(columns), ..Effect::default() } }
}

fn ignored(rows: u64, columns: &[&str]) -> Outcome {
    Outcome::Loaded { rows, rejects: 0, effect: Effect { ignored: names(columns), ..Effect::default() } }
}

/// fault 52
#[test]
fn new_columns_are_added_with_the_type_of_the_whole_file() {
    let mut orders = adding();
    orders.import("a.csv", "id\n1\n").unwrap();
    let content = "price,id,code,day,\"no\"\"te\"\n1.5,2,7,2026-01-02,\n2,3,007,2026-01-03,x\n";
    assert_eq!(orders.import("b.csv", content).unwrap(), added(2, &["price", "code", "day", "no\"te"]));
    let declared = orders.declared();
    assert_eq!(declared[2..], ["'id'|'INTEGER'", "'price'|'REAL'", "'code'|'TEXT'", "'day'|'DATE'", "'no\"te'|'TEXT'"]);
    let rows = orders.rows("SELECT * FROM orders ORDER BY id");
    assert_eq!(rows[0], "1|2|1|NULL|NULL|NULL|NULL");
    assert_eq!(rows[1..], ["2|2|2|1.5|'7'|'2026-01-02'|NULL", "2|3|3|2.0|'007'|'2026-01-03'|'x'"]);
    // They are the contract now.
    assert_eq!(orders.refused("c.csv", "id,price\n4,dear\n"), "line 2, column price: \"dear\" is not a real number");
    assert_eq!(orders.import("d.csv", "id,price\n4,3.5\n").unwrap(), loaded(1));
}

#[test]
fn a_key_that_comes_late_in_a_json_file_is_added_too() {
    let mut orders = adding();
    orders.import("a.ndjson", "{\"id\": 1}\n").unwrap();
    let content = "{\"id\": 2}\n{\"id\": 3, \"tags\": [1]}\n{\"late\": true, \"id\": 4}\n";
    assert_eq!(orders.import("b.ndjson", content).unwrap(), added(3, &["tags", "late"]));
    let rows = orders.rows("SELECT id, tags, late FROM orders ORDER BY id");
    assert_eq!(rows, ["1|NULL|NULL", "2|NULL|NULL", "3|'[1]'|NULL", "4|NULL|1"]);
}

#[test]
fn columns_are_added_only_with_the_rows_that_have_them() {
    let mut orders = adding();
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER UNIQUE)").unwrap();
    assert_eq!(orders.refused("a.csv", "id,n\n1,x\n1,y\n"), "line 3: UNIQUE constraint failed: orders.id");
    assert_eq!(orders.declared(), ["'id'|'INTEGER'"]);
    // The control: a file that fits leaves them there.
    assert_eq!(orders.import("b.csv", "id,n\n1,x\n").unwrap(), added(1, &["n"]));
    assert_eq!(orders.declared(), ["'id'|'INTEGER'", "'n'|'TEXT'"]);
}

#[test]
fn two_files_of_a_batch_with_the_same_new_column_agree_on_its_type() {
    let mut orders = adding();
    orders.import("a.csv", "id\n1\n").unwrap();
    let loads = [("b.csv", "id,n\n2,7\n"), ("c.csv", "id,n,m\n3,8,x\n"), ("d.csv", "id,n\n4,text\n")];
    let loads = loads.map(|(name, content)| orders.load(name, content).unwrap());
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(outcomes[..2], [added(1, &["n"]), added(1, &["m"])]);
    let Outcome::Refused(fault) = &outcomes[2] else { panic!("{outcomes:?}") };
    assert_eq!(fault.to_string(), "line 2, column n: \"text\" is not an integer");
    assert_eq!(orders.rows("SELECT id, n, m FROM orders ORDER BY id"), ["1|NULL|NULL", "2|7|NULL", "3|8|'x'"]);
}

#[test]
fn a_column_that_is_dropped_between_check_and_commit_is_added_again() {
    let mut orders = adding();
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER, n INTEGER)").unwrap();
    let load = orders.load("a.csv", "id,n\n1,2\n").unwrap();
    orders.sql().execute_batch("ALTER TABLE orders DROP COLUMN n").unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [added(1, &["n"])]);
    assert_eq!(orders.rows("SELECT * FROM orders"), ["1|2"]);
}

#[test]
fn a_large_file_gets_its_columns_too() {
    let text = "x".repeat(1 << 10);
    let rows: Vec<String> = (0..20_000).map(|row| format!("{row},{text},{}", row * 2)).collect();
    for (new_columns, outcome, sum) in [
        (NewColumns::Add, added(20_000, &["n", "twice"]), "SELECT sum(twice), count(n) FROM orders"),
        (NewColumns::Ignore, ignored(20_000, &["n", "twice"]), "SELECT 399980000, count(*) - 1 FROM orders"),
    ] {
        let mut orders = with(new_columns);
        orders.import("a.csv", "id\n-1\n").unwrap();
        assert_eq!(orders.import("large.csv", format!("id,n,twice\n{}\n", rows.join("\n"))).unwrap(), outcome);
        assert_eq!(orders.rows(sum), ["399980000|20000"]);
    }
}

/// fault 52
#[test]
fn new_columns_are_left_out_and_named_where_they_are_to_be_ignored() {
    let mut orders = with(NewColumns::Ignore);
    orders.import("a.csv", "id,n\n1,x\n").unwrap();
    assert_eq!(orders.import("b.csv", "a,n,b,id\n?,y,!,2\n").unwrap(), ignored(1, &["a", "b"]));
    // The same layout again, and JSON, whose keys come late.
    assert_eq!(orders.import("c.csv", "a,n,b,id\n?,z,!,3\n").unwrap(), ignored(1, &["a", "b"]));
    let content = "{\"id\": 4}\n{\"odd\": {}, \"id\": 5, \"n\": \"v\"}\n";
    assert_eq!(orders.import("d.ndjson", content).unwrap(), ignored(2, &["odd"]));
    let rows = ["1|2|1|'x'", "2|2|2|'y'", "3|2|3|'z'", "4|1|4|NULL", "4|2|5|'v'"];
    assert_eq!(orders.rows("SELECT * FROM orders ORDER BY id"), rows);
}

#[test]
fn a_file_of_which_the_table_has_no_column_is_refused_whatever_is_said_of_new_ones() {
    for new_columns in [NewColumns::Add, NewColumns::Ignore] {
        let mut orders = with(new_columns);
        orders.import("a.csv", "id,n\n1,x\n").unwrap();
        let refused = "the table \"orders\" has none of the file's columns";
        assert_eq!(orders.refused("b.csv", "2,y\n3,z\n"), refused);
        assert_eq!(orders.refused("b.ndjson", "{\"a\": 1}\n"), refused);
        assert_eq!(orders.rows("SELECT * FROM orders"), ["1|2|1|'x'"]);
    }
}

#[test]
fn more_columns_than_a_table_can_have_are_refused() {
    let mut orders = adding();
    let header = |from: usize, to: usize| (from..to).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    let row = |cells: usize| vec!["1"; cells].join(",");
    orders.import("a.csv", format!("{}\n{}\n", header(0, 1_990), row(1_990))).unwrap();
    let content = format!("{}\n{}\n", header(1_980, 2_010), row(30));
    assert_eq!(orders.refused("b.csv", content), "20 more columns make more than 1998");
}

#[test]
fn a_view_gets_no_columns_and_holds_nobody() {
    let mut orders = adding();
    let sql = "CREATE TABLE t (id INTEGER); CREATE VIEW orders AS SELECT * FROM t;
        CREATE TRIGGER i INSTEAD OF INSERT ON orders BEGIN INSERT INTO t VALUES (new.id); END";
    orders.sql().execute_batch(sql).unwrap();
    assert!(orders.refused("a.csv", "id,n\n1,x\n").contains("Cannot add a column to a view"));
    assert_eq!(orders.import("b.csv", "id\n1\n").unwrap(), loaded(1));
}

#[test]
fn every_mode_takes_new_columns() {
    let key = || names(&["id"]);
    for mode in [Mode::Replace, Mode::Upsert(key()), Mode::Insert(key())] {
        let settings = settings::Import { mode, new_columns: NewColumns::Add, ..settings("orders") };
        let mut orders = Orders::reading(&settings);
        orders.import("a.csv", "id\n1\n").unwrap();
        let Outcome::Loaded { rows: 1, rejects: 0, effect } = orders.import("b.csv", "n,id\n7,2\n").unwrap() else {
            panic!()
        };
        assert_eq!(effect.added, ["n"]);
        assert_eq!(orders.rows("SELECT * FROM orders WHERE id = 2"), ["2|2|2|7"]);
    }
}

/// A STRICT table knows few types; what fits it is what fits the columns as they are read later on. The control is `ANY`
/// of another table, a name that SQLite doesn't know.
#[test]
fn a_strict_table_gets_columns_of_its_own_types() {
    let mut orders = adding();
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER, a ANY) STRICT").unwrap();
    let header = "id,a,n,amount,rate,day,paid,note\n";
    let row = "1,00417,2,1.5,0.30000000000000004,2026-11-22,true,x\n";
    let columns = ["n", "amount", "rate", "day", "paid", "note"];
    assert_eq!(orders.import("a.csv", format!("{header}{row}")).unwrap(), added(1, &columns));
    let behind = "2,1.5,3,2.5,1,2026-11-23,false,y\n";
    assert_eq!(orders.import("b.csv", format!("{header}{row}{behind}")).unwrap(), loaded(2));
    let declared = orders.rows("SELECT type FROM pragma_table_info('orders')");
    assert_eq!(
        declared,
        ["INTEGER", "ANY", "INTEGER", "REAL", "TEXT", "TEXT", "TEXT", "TEXT"].map(|kind| format!("'{kind}'"))
    );
    let rows = orders.rows("SELECT a, n, amount, rate, day, paid FROM orders WHERE id = 1");
    assert_eq!(rows, ["'00417'|2|1.5|'0.30000000000000004'|'2026-11-22'|'true'"; 2]);

    let mut other = Orders::with("CREATE TABLE orders (a ANY)");
    assert!(other.refused("a.csv", "a\n00417\n").contains("would be turned into a number"));
}
