//! Files of which more is read than is kept: they are read twice, each time ahead of whoever checks or inserts.

use super::*;
use crate::settings::Tolerance;

const TABLE: &str = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY, note TEXT)";

const ROWS: u64 = 40_000;

/// So many rows, and with `more` behind them.
fn content(more: &str) -> String {
    let (mut content, note) = (String::from("id,note\n"), "x".repeat(450));
    for id in 0..ROWS {
        writeln!(content, "{id},{note}").unwrap();
    }
    assert!(content.len() > KEPT_BYTES_MAX);
    content + more
}

fn nothing_is_in(orders: &Orders) {
    for table in ["orders", "_importerd_rejects", "_importerd_files"] {
        assert_eq!(orders.rows(&format!("SELECT count(*) FROM {table}")), ["0"], "{table}");
    }
}

/// By the check, by the database, and by the database in a way that ends the transaction; the control is the last.
#[test]
fn one_that_is_refused_at_its_last_row_leaves_nothing() {
    let mut orders = Orders::with(TABLE);
    assert_eq!(orders.refused("a.csv", content("x,y\n")), r#"line 40002, column id: "x" is not an integer"#);
    assert_eq!(orders.refused("b.csv", content("7,y\n")), "line 40002: UNIQUE constraint failed: orders.id");
    nothing_is_in(&orders);
    let trigger =
        "CREATE TRIGGER no BEFORE INSERT ON orders WHEN new.id = 20000 BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    orders.sql().execute_batch(trigger).unwrap();
    assert_eq!(orders.refused("c.csv", content("")), "line 20002: no");
    nothing_is_in(&orders);
    orders.sql().execute_batch("DROP TRIGGER no").unwrap();
    assert_eq!(orders.import("d.csv", content("")).unwrap(), loaded(ROWS));
}

// fault 45, fault 57, fault 66
#[test]
fn rejects_of_both_sides_and_the_lines_of_all_rows_are_those_of_a_small_file() {
    let bad = "x,wrong type\n7,there already\n50000,two many,fields\n50001,good\n";
    let small = format!("id,note\n7,x\n{bad}");
    let mut found = Vec::new();
    for (content, rows) in [(small, 2), (content(bad), ROWS + 1)] {
        let rejects = Tolerance::Rows(3);
        let mut orders = Orders::reading(&settings::Import { rejects, ..settings("orders") });
        orders.sql().execute_batch(TABLE).unwrap();
        let outcome = Outcome::Loaded { rows, rejects: 3, effect: Effect::default() };
        assert_eq!(orders.import("a.csv", content).unwrap(), outcome);
        let misplaced = "SELECT count(*) FROM orders WHERE _line <> id + 2 AND id < 40000";
        assert_eq!(orders.rows(misplaced), if rows == 2 { ["1"] } else { ["0"] });
        let before = rows - 2;
        found.push(orders.rows(&format!(
            "SELECT line - {before}, code, reason, record FROM _importerd_rejects UNION ALL \
             SELECT _line - {before}, note, '', '' FROM orders WHERE id = 50001 ORDER BY 1"
        )));
    }
    assert_eq!(found[0].len(), 4);
    assert_eq!(found[0], found[1]);
}

/// Such a file shows no delimiter; the folder's earlier files do. The control is the small one.
// fault 53
#[test]
fn one_of_one_column_is_read_twice_with_the_same_delimiter() {
    let mut orders = Orders::new();
    orders.sql().execute_batch("CREATE TABLE orders (_file_id INTEGER, _line INTEGER, note TEXT, x INTEGER)").unwrap();
    orders.import("first.csv", "note;x\na;1\n").unwrap();
    let behind_the_sample = "plain\n".repeat(200) + "words, with a comma\n";
    assert_eq!(orders.import("small.csv", format!("note\n{behind_the_sample}")).unwrap(), loaded(201));
    let plain = format!("{}\n", "x".repeat(450)).repeat(40_000);
    assert_eq!(orders.import("large.csv", format!("note\n{behind_the_sample}{plain}")).unwrap(), loaded(40_201));
    let commas = "SELECT count(*) FROM orders WHERE note = 'words, with a comma'";
    assert_eq!(orders.rows(commas), ["2"]);
}
