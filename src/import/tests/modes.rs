//! What becomes of rows that are there already.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::settings::Mode;

/// A folder of this mode, into the table `orders`.
fn in_mode(mode: Mode) -> Orders {
    Orders::reading(&settings::Import { mode, ..settings("orders") })
}

fn by(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

fn upsert() -> Orders {
    in_mode(Mode::Upsert(by(&["id"])))
}

/// A success, with these numbers of rows.
fn written(inserted: u64, updated: u64, skipped: u64) -> Outcome {
    let keyed = Some(Written { inserted, updated, skipped });
    Outcome::Loaded { rows: inserted + updated, rejects: 0, effect: Effect { keyed, ..Effect::default() } }
}

fn replaced(rows: u64, before: Option<u64>) -> Outcome {
    Outcome::Loaded { rows, rejects: 0, effect: Effect { rows_before: before, ..Effect::default() } }
}

const ALL: &str = "SELECT * FROM orders ORDER BY id";
const MARKERS: &str = "SELECT id, rows, mode FROM _importerd_files ORDER BY id";

#[test]
fn a_snapshot_takes_the_place_of_all_rows() {
    let mut orders = in_mode(Mode::Replace);
    assert_eq!(orders.import("a.csv", "id,n\n1,x\n2,y\n").unwrap(), replaced(2, None));
    assert_eq!(orders.import("b.csv", "n,id\nz,3\n").unwrap(), replaced(1, Some(2)));
    assert_eq!(orders.rows(ALL), ["2|2|3|'z'"]);
    assert_eq!(orders.rows(MARKERS), ["1|2|'replace'", "2|1|'replace'"]);
}

#[test]
fn a_snapshot_that_is_refused_leaves_the_one_before() {
    let mut orders = in_mode(Mode::Replace);
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER UNIQUE, n TEXT, _file_id, _line)").unwrap();
    orders.import("a.csv", "id,n\n1,x\n2,y\n").unwrap();
    // In process, and in the middle of the commit.
    assert_eq!(orders.refused("b.csv", "id,n\n3,x\nfour,y\n"), "line 3, column id: \"four\" is not an integer");
    assert_eq!(orders.refused("c.csv", "id,n\n5,x\n5,y\n"), "line 3: UNIQUE constraint failed: orders.id");
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1", "2"]);
    assert_eq!(orders.rows(MARKERS), ["1|2|'replace'"]);
}

/// A trigger that only marks what is deleted, or keeps some of it, would leave yesterday's rows. The control is a table
/// without it.
#[test]
fn a_snapshot_is_refused_where_the_table_keeps_the_rows_before_it() {
    let marks = "UPDATE orders SET gone = 1 WHERE rowid = old.rowid; SELECT RAISE(IGNORE);";
    let brings_back = "INSERT INTO orders VALUES (old._file_id, old._line, old.id, 1);";
    for (time, does) in
        [("BEFORE", marks), ("BEFORE", "SELECT RAISE(IGNORE) WHERE old.id = 2;"), ("AFTER", brings_back)]
    {
        let mut orders = in_mode(Mode::Replace);
        let table = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER, gone INTEGER)";
        orders.sql().execute_batch(table).unwrap();
        orders.import("a.csv", "id\n1\n2\n").unwrap();
        orders.sql().execute_batch(&format!("CREATE TRIGGER keeps {time} DELETE ON orders BEGIN {does} END")).unwrap();
        let Outcome::Refused(Fault::Permanent(reason)) = orders.import("b.csv", "id\n3\n").unwrap() else {
            panic!("it is refused: {does}")
        };
        assert_eq!(
            (reason.code, &*reason.text),
            ("rows_kept", "the table \"orders\" still has rows when they were deleted")
        );
        assert_eq!(orders.rows("SELECT _file_id, id, gone FROM orders"), ["1|1|NULL", "1|2|NULL"], "all is as it was");
        orders.sql().execute_batch("DROP TRIGGER keeps").unwrap();
        assert_eq!(orders.import("b.csv", "id\n3\n").unwrap(), replaced(1, Some(2)));
    }
}

#[test]
fn a_snapshot_without_a_row_is_refused_where_it_would_empty_the_table() {
    let mut orders = in_mode(Mode::Replace);
    assert_eq!(orders.import("a.csv", "id\n").unwrap(), replaced(0, None));
    orders.import("b.csv", "id\n1\n").unwrap();
    for content in ["id\n", ""] {
        let refused = orders.refused("c.csv", content);
        assert_eq!(refused, "the file has no row: the table \"orders\" would be emptied");
    }
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
}

#[test]
fn a_file_without_a_row_takes_the_place_of_nothing_not_even_of_a_file_that_is_mended_later() {
    let mut orders = in_mode(Mode::Replace);
    let old = orders.load("old.csv", "id\n1\n").unwrap();
    assert_eq!(orders.import("empty.csv", "id\n").unwrap(), replaced(0, None));
    assert_eq!(orders.import.commit(&[old]).unwrap(), [replaced(1, None)]);
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
    assert_eq!(orders.rows(MARKERS), ["1|1|'replace'", "2|0|NULL"]);
}

#[test]
fn readers_see_the_old_snapshot_or_the_new_one() {
    let mut orders = in_mode(Mode::Replace);
    orders.import("a.csv", "id\n1\n2\n3\n").unwrap();
    let load = orders.load("b.csv", "id\n4\n5\n").unwrap();
    let reader = orders.sql();
    let count = |reader: &Connection| {
        reader.query_row("SELECT group_concat(id, ' ') FROM orders", (), |row| row.get::<_, String>(0)).unwrap()
    };
    let (import, done) = (&orders.import, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let committed = scope.spawn(|| {
            let outcome = import.commit(&[load]).unwrap();
            done.store(true, Ordering::SeqCst);
            outcome
        });
        while !done.load(Ordering::SeqCst) {
            let seen = count(&reader);
            assert!(["1 2 3", "4 5"].contains(&seen.as_str()), "{seen}");
        }
        committed.join().unwrap();
    });
    assert_eq!(count(&reader), "4 5");
}

#[test]
fn an_older_snapshot_that_comes_late_changes_nothing_whatever_is_tried() {
    let mut orders = in_mode(Mode::Replace);
    let old = orders.load("old.csv", "id\n1\n").unwrap();
    orders.import("new.csv", "id\n2\n").unwrap();
    let superseded =
        Outcome::Loaded { rows: 0, rejects: 0, effect: Effect { superseded_by: Some(FileId(2)), ..Effect::default() } };
    // The second time, as after a crash before it was archived.
    for _ in 0..2 {
        assert_eq!(orders.import.commit(std::slice::from_ref(&old)).unwrap(), std::slice::from_ref(&superseded));
        assert_eq!(orders.rows("SELECT id FROM orders"), ["2"]);
    }
    assert_eq!(orders.rows(MARKERS), ["1|0|'superseded'", "2|1|'replace'"]);
    // Its bytes are news still: nothing of them is in.
    assert_eq!(orders.import("again.csv", "id\n1\n").unwrap(), replaced(1, Some(1)));
    // The control: without numbers that say which is later, the last to come would win.
    let mut orders = in_mode(Mode::Append);
    let old = orders.load("old.csv", "id\n1\n").unwrap();
    orders.import("new.csv", "id\n2\n").unwrap();
    assert_eq!(orders.import.commit(&[old]).unwrap(), [loaded(1)]);
    assert_eq!(orders.rows("SELECT id FROM orders ORDER BY 1"), ["1", "2"]);
}

#[test]
fn a_repeated_snapshot_is_not_swapped_twice() {
    let mut orders = in_mode(Mode::Replace);
    orders.import("a.csv", "id\n1\n").unwrap();
    let load = orders.load("b.csv", "id\n2\n").unwrap();
    orders.import.commit(std::slice::from_ref(&load)).unwrap();
    // What a user adds meanwhile shows whether it is swapped again.
    orders.sql().execute_batch("INSERT INTO orders (id) VALUES (7)").unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [replaced(1, None)]);
    assert_eq!(orders.rows("SELECT id FROM orders"), ["2", "7"]);
}

/// faults 15, 16
#[test]
fn the_same_snapshot_is_a_duplicate_only_until_another_one_comes() {
    let mut orders = in_mode(Mode::Replace);
    let (a, b) = ("id\n1\n", "id\n2\n");
    orders.import("1.csv", a).unwrap();
    assert!(matches!(orders.import("2.csv", a).unwrap(), Outcome::Duplicate { of } if of.id == FileId(1)));
    orders.import("3.csv", b).unwrap();
    assert_eq!(orders.import("4.csv", a).unwrap(), replaced(1, Some(1)));
    assert!(matches!(orders.import("5.csv", a).unwrap(), Outcome::Duplicate { of } if of.id == FileId(4)));
    assert_eq!(orders.rows("SELECT id FROM orders"), ["1"]);
}

#[test]
fn an_upsert_sets_what_the_file_has_and_adds_what_was_not_there() {
    let mut orders = upsert();
    assert_eq!(orders.import("a.csv", "id,n,price\n1,x,10\n2,y,20\n").unwrap(), written(2, 0, 0));
    assert_eq!(orders.import("b.csv", "price,id\n25,2\n30,3\n").unwrap(), written(1, 1, 0));
    assert_eq!(orders.rows(ALL), ["1|2|1|'x'|10", "2|2|2|'y'|25", "2|3|3|NULL|30"]);
    assert_eq!(orders.rows(MARKERS), ["1|2|'upsert'", "2|2|'upsert'"]);
    let indexes = "SELECT count(*) FROM pragma_index_list('orders') WHERE \"unique\"";
    assert_eq!(orders.rows(indexes), ["1"]);
}

#[test]
fn of_a_key_twice_in_a_file_the_later_line_wins_an_upsert_and_the_first_an_insert() {
    let content = "id,n\n1,first\n1,last\n2,x\n";
    let mut orders = upsert();
    assert_eq!(orders.import("a.csv", content).unwrap(), written(2, 1, 0));
    assert_eq!(orders.rows(ALL), ["1|3|1|'last'", "1|4|2|'x'"]);
    let mut orders = in_mode(Mode::Insert(by(&["id"])));
    assert_eq!(orders.import("a.csv", content).unwrap(), written(2, 0, 1));
    assert_eq!(orders.rows(ALL), ["1|2|1|'first'", "1|4|2|'x'"]);
}

#[test]
fn an_insert_leaves_keys_alone_that_are_there() {
    let mut orders = in_mode(Mode::Insert(by(&["Region", "id"])));
    assert_eq!(orders.import("a.csv", "id,region,n\n1,eu,x\n1,us,y\n").unwrap(), written(2, 0, 0));
    assert_eq!(orders.import("b.csv", "region,n,id\neu,new,1\neu,z,2\n").unwrap(), written(1, 0, 1));
    let rows = ["1|2|1|'eu'|'x'", "1|3|1|'us'|'y'", "2|3|2|'eu'|'z'"];
    assert_eq!(orders.rows("SELECT * FROM orders ORDER BY id, region"), rows);
    assert_eq!(orders.rows(MARKERS), ["1|2|'insert'", "2|1|'insert'"]);
}

#[test]
fn an_older_file_that_comes_late_does_not_overwrite_what_a_later_one_has_set() {
    let mut orders = upsert();
    let old = orders.load("old.csv", "id,n\n1,old\n2,old\n").unwrap();
    orders.import("new.csv", "id,n\n1,new\n").unwrap();
    assert_eq!(orders.import.commit(&[old]).unwrap(), [written(1, 0, 1)]);
    assert_eq!(orders.rows(ALL), ["2|2|1|'new'", "1|3|2|'old'"]);
    // The control: a table that doesn't say which file a row is of can't tell.
    let mut orders = upsert();
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, n TEXT)").unwrap();
    let old = orders.load("old.csv", "id,n\n1,old\n2,old\n").unwrap();
    orders.import("new.csv", "id,n\n1,new\n").unwrap();
    assert_eq!(orders.import.commit(&[old]).unwrap(), [written(1, 1, 0)]);
    assert_eq!(orders.rows(ALL), ["1|'old'", "2|'old'"]);
}

#[test]
fn an_upsert_of_bytes_that_were_overwritten_since_is_no_duplicate() {
    let mut orders = upsert();
    orders.import("1.csv", "id,n\n1,a\n").unwrap();
    assert!(matches!(orders.import("2.csv", "id,n\n1,a\n").unwrap(), Outcome::Duplicate { .. }));
    orders.import("3.csv", "id,n\n1,b\n").unwrap();
    assert_eq!(orders.import("4.csv", "id,n\n1,a\n").unwrap(), written(0, 1, 0));
    assert_eq!(orders.rows("SELECT n FROM orders"), ["'a'"]);
    // An insert takes nothing away, so the same bytes stay a duplicate.
    let mut orders = in_mode(Mode::Insert(by(&["id"])));
    for (name, content) in [("1.csv", "id\n1\n"), ("2.csv", "id\n2\n")] {
        orders.import(name, content).unwrap();
    }
    assert!(matches!(orders.import("3.csv", "id\n1\n").unwrap(), Outcome::Duplicate { of } if of.id == FileId(1)));
}

#[test]
fn a_key_in_an_existing_table_needs_a_unique_index_and_the_hint_makes_it() {
    let mut orders = in_mode(Mode::Upsert(by(&["id", "re\"gion"])));
    let sql =
        "CREATE TABLE orders (id INTEGER, \"re\"\"gion\" TEXT, n TEXT); CREATE UNIQUE INDEX other ON orders (id, n)";
    orders.sql().execute_batch(sql).unwrap();
    let content = "id,\"re\"\"gion\",n\n1,eu,x\n1,us,y\n";
    let Err(Fault::Permanent(reason)) = orders.import("a.csv", content) else { panic!("it is refused") };
    assert_eq!(
        reason.text,
        r#"the table "orders" has no unique index on exactly "id", "re""gion", which tells rows apart"#
    );
    let hint = reason.hint.unwrap();
    let sql = hint.strip_prefix("to make one: ").unwrap().strip_suffix("; then retry").unwrap();
    orders.sql().execute_batch(sql).unwrap();
    assert_eq!(orders.import("a.csv", content).unwrap(), written(2, 0, 0));
    assert_eq!(
        orders.import("b.csv", "re\"\"gion,id,n\n\"eu\",1,z\n".replace("re\"\"gion", "\"re\"\"gion\"")).unwrap(),
        written(0, 1, 0)
    );
    assert_eq!(orders.rows("SELECT n FROM orders ORDER BY n"), ["'y'", "'z'"]);
}

#[test]
fn a_primary_key_is_a_key() {
    for sql in [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, n)",
        "CREATE TABLE orders (id TEXT PRIMARY KEY, n) WITHOUT ROWID",
    ] {
        let mut orders = upsert();
        orders.sql().execute_batch(sql).unwrap();
        assert_eq!(orders.import("a.csv", "id,n\n1,a\n2,b\n").unwrap(), written(2, 0, 0));
        assert_eq!(orders.import("b.csv", "id,n\n2,c\n").unwrap(), written(0, 1, 0));
        assert_eq!(orders.rows("SELECT n FROM orders ORDER BY id"), ["'a'", "'c'"]);
    }
}

/// The index finds the row whose key is there, by its own rules, and it is that row which is set.
#[test]
fn an_index_with_a_collation_of_its_own_says_which_keys_are_the_same() {
    let mut orders = upsert_by_name();
    assert_eq!(orders.import("a.csv", "k,v\nA,old\nB,old\n").unwrap(), written(2, 0, 0));
    assert_eq!(orders.import("b.csv", "k,v\na,new\nc,new\n").unwrap(), written(1, 1, 0));
    assert_eq!(orders.rows("SELECT * FROM orders"), ["2|2|'A'|'new'", "1|3|'B'|'old'", "2|3|'c'|'new'"]);
    // And what a later file has set stays, by the same rules.
    let mut orders = upsert_by_name();
    let old = orders.load("old.csv", "k,v\na,old\n").unwrap();
    orders.import("new.csv", "k,v\nA,new\n").unwrap();
    assert_eq!(orders.import.commit(&[old]).unwrap(), [written(0, 0, 1)]);
    assert_eq!(orders.rows("SELECT v FROM orders"), ["'new'"]);
}

fn upsert_by_name() -> Orders {
    let orders = in_mode(Mode::Upsert(by(&["k"])));
    let table = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, k TEXT, v TEXT)";
    orders.sql().execute_batch(&format!("{table}; CREATE UNIQUE INDEX k ON orders (k COLLATE NOCASE)")).unwrap();
    orders
}

#[test]
fn a_file_without_its_key_is_refused() {
    let mut orders = upsert();
    let lacks = "the file has no column \"id\", which tells its rows apart";
    assert_eq!(orders.refused("a.csv", "n\nx\n"), lacks);
    assert_eq!(
        orders.refused("a.csv", "id,n\n1,a\n,b\n"),
        "line 3, column id: NULL in the key, which tells one row from another"
    );
    assert_eq!(
        orders.refused("a.ndjson", "{\"id\": 1}\n{\"n\": 2}\n"),
        "line 2, column id: NULL in the key, which tells one row from another"
    );
    assert_eq!(
        orders.refused("b.ndjson", "{\"n\": 1}\n{\"n\": 2, \"id\": 1}\n"),
        "line 1, column id: NULL in the key, which tells one row from another"
    );

    assert!(orders.declared().is_empty(), "nothing was made");
    orders.import("a.csv", "id,n\n1,a\n").unwrap();
    assert_eq!(orders.refused("b.csv", "n\nx\n"), lacks);
    assert_eq!(
        orders.refused("b.ndjson", "{\"n\": \"x\"}\n"),
        "line 1, column id: NULL in the key, which tells one row from another"
    );
    orders.sql().execute_batch("DROP TABLE orders; CREATE TABLE orders (n)").unwrap();
    assert_eq!(orders.refused("c.csv", "n,id\nx,1\n"), "new column \"id\": the table \"orders\" has no such column");
}

#[test]
fn a_null_in_the_key_of_a_first_file_is_found_before_its_commit_also_in_a_large_one() {
    let mut content = String::from("id,n\n,x\n");
    let text = "x".repeat(1 << 10);
    for rows in [1, 17_000] {
        for row in 0..rows {
            writeln!(content, "{row},{text}").unwrap();
        }
        let mode = Mode::Upsert(by(&["id"]));
        let mut orders = in_mode(mode.clone());
        let Err(fault) = orders.load("a.csv", &content) else { panic!("not refused") };
        assert_eq!(fault.to_string(), "line 2, column id: NULL in the key, which tells one row from another");
        let rejects = settings::Tolerance::Rows(1);
        let mut orders = Orders::reading(&settings::Import { mode, rejects, ..settings("orders") });
        let load = orders.load("a.csv", &content).unwrap();
        assert_eq!(load.checked.rejects(), 1);
        let outcome = orders.import.commit(&[load]).unwrap().remove(0);
        assert!(matches!(outcome, Outcome::Loaded { rejects: 1, .. }), "{outcome:?}");
        // Nor is one without the key's column any other.
        let without = content.replacen("id,n", "code,n", 1);
        assert_eq!(upsert().refused("a.csv", &without), "the file has no column \"id\", which tells its rows apart");
    }
    assert!(content.len() > KEPT_BYTES_MAX);
}

#[test]
fn another_constraint_is_not_taken_for_the_key() {
    let mut orders = upsert();
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT UNIQUE)").unwrap();
    orders.import("a.csv", "id,code\n1,a\n").unwrap();
    assert_eq!(orders.refused("b.csv", "id,code\n2,a\n"), "line 2: UNIQUE constraint failed: orders.code");
}

#[test]
fn nested_json_is_its_text_in_every_mode() {
    for mode in [Mode::Append, Mode::Replace, Mode::Upsert(by(&["id"])), Mode::Insert(by(&["id"]))] {
        let mut orders = in_mode(mode);
        orders.import("a.ndjson", "{\"id\": 1, \"items\": {\"a\": [1,  2.50]}}\n").unwrap();
        orders.import("b.ndjson", "{\"id\": 2, \"items\": []}\n").unwrap();
        let rows = orders.rows("SELECT items FROM orders WHERE id = 2 UNION ALL SELECT '[]' ORDER BY 1");
        assert_eq!(rows, ["'[]'", "'[]'"]);
        assert_eq!(orders.rows("SELECT typeof(items) FROM orders WHERE id = 2"), ["'text'"]);
    }
}

#[test]
fn rows_that_a_user_made_give_way_to_an_upsert() {
    let mut orders = upsert();
    orders.import("a.csv", "id,n\n1,x\n").unwrap();
    orders.sql().execute_batch("INSERT INTO orders (id, n) VALUES (2, 'mine')").unwrap();
    assert_eq!(orders.import("b.csv", "id,n\n2,y\n").unwrap(), written(0, 1, 0));
    assert_eq!(orders.rows(ALL), ["1|2|1|'x'", "2|2|2|'y'"]);
}

#[test]
fn a_large_file_is_read_again_and_has_the_same_effect_in_every_mode() {
    let text = "x".repeat(1 << 10);
    let rows: Vec<String> = (0..20_000).map(|row| format!("{},{text}", row % 19_000)).collect();
    let content = format!("id,n\n{}\n", rows.join("\n"));
    for (mode, outcome, there) in [
        (Mode::Upsert(by(&["id"])), written(18_999, 1_001, 0), "19000"),
        (Mode::Insert(by(&["id"])), written(18_999, 0, 1_001), "19000"),
        (Mode::Replace, replaced(20_000, Some(1)), "20000"),
    ] {
        let mut orders = in_mode(mode);
        orders.import("first.csv", "id,n\n7,first\n").unwrap();
        assert_eq!(orders.import("large.csv", &content).unwrap(), outcome);
        assert_eq!(orders.rows("SELECT count(*) FROM orders"), [there]);
    }
}

#[test]
fn of_a_batch_in_which_order_counts_nothing_goes_in_behind_a_refused_file() {
    let batch = |orders: &mut Orders| {
        let sql = "CREATE TABLE orders (id INTEGER PRIMARY KEY, n TEXT CHECK (n <> 'bad'), _file_id, _line)";
        orders.sql().execute_batch(sql).unwrap();
        let loads: Vec<Load> =
            ["a", "bad", "c"].map(|n| orders.load(&format!("{n}.csv"), format!("id,n\n1,{n}\n")).unwrap()).into();
        orders.import.commit(&loads).unwrap()
    };
    let mut orders = upsert();
    let outcomes = batch(&mut orders);
    assert_eq!(outcomes.len(), 2);
    assert!(matches!(outcomes[1], Outcome::Refused(_)));
    assert_eq!(orders.rows("SELECT n FROM orders"), ["'a'"]);
    // The control: elsewhere a bad one is set aside alone.
    assert_eq!(batch(&mut in_mode(Mode::Append)).len(), 3);
}

/// The control is a view, of which SQLite counts no row.
#[test]
fn rows_that_the_table_itself_leaves_out_are_not_counted() {
    let ignored = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER UNIQUE ON CONFLICT IGNORE)";
    let known = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER); CREATE TABLE log (id);
        CREATE TRIGGER known BEFORE INSERT ON orders WHEN new.id IN (SELECT id FROM orders)
        BEGIN INSERT INTO log VALUES (new.id); SELECT RAISE(IGNORE); END";
    for sql in [ignored, known] {
        let mut orders = Orders::with(sql);
        let without = |left_out, rows| {
            let effect = Effect { left_out, ..Effect::default() };
            Outcome::Loaded { rows, rejects: 0, effect }
        };
        assert_eq!(orders.import("a.csv", "id\n1\n2\n1\n").unwrap(), without(1, 2), "{sql}");
        assert_eq!(orders.import("b.csv", "id\n2\n1\n").unwrap(), without(2, 0), "{sql}");
        assert_eq!(orders.rows("SELECT rows FROM _importerd_files"), ["2", "0"], "{sql}");
        let mut counts = Vec::new();
        let markers = orders.target.markers("orders", "orders").unwrap();
        markers.each_count("orders", &mut |file| counts.push((file.brought, file.there))).unwrap();
        counts.sort_unstable();
        assert_eq!(counts, [(0, 0), (2, 2)], "{sql}");
    }
    let view = "CREATE TABLE t (id); CREATE VIEW orders AS SELECT id FROM t;
        CREATE TRIGGER i INSTEAD OF INSERT ON orders BEGIN INSERT INTO t VALUES (new.id); END";
    assert_eq!(Orders::with(view).import("a.csv", "id\n1\n2\n").unwrap(), loaded(2));
}
