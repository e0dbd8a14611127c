//! Rows of the right types that an expression of the table refuses: no fault of the world.

use super::*;
use crate::settings::Tolerance;

/// Each refuses the row whose `note` is no JSON, or whose `n` has no absolute value.
const TABLES: [(&str, &str); 7] = [
    ("stored", "CREATE TABLE orders (n INTEGER, note TEXT, kind TEXT AS (note ->> '$.kind') STORED)"),
    ("virtual", "CREATE TABLE orders (n INTEGER, note TEXT, kind TEXT AS (note ->> '$.kind') NOT NULL)"),
    ("index", "CREATE TABLE orders (n INTEGER, note TEXT); CREATE INDEX i ON orders (json_extract(note, '$.kind'))"),
    ("behind a key", "CREATE TABLE orders (n INTEGER PRIMARY KEY, note TEXT); CREATE INDEX i ON orders (note -> '$')"),
    ("partial", "CREATE TABLE orders (n INTEGER, note TEXT); CREATE INDEX i ON orders (n) WHERE note ->> '$.kind'"),
    ("check", "CREATE TABLE orders (n INTEGER, note TEXT CHECK (note ->> '$.kind' > ''))"),
    ("strict", "CREATE TABLE orders (n INTEGER, note TEXT, kind TEXT AS (note ->> '$.kind') STORED) STRICT"),
];

/// 40 rows, that of line 21 bad.
fn content(bad: &str) -> String {
    let lines = (2..42).map(|line| {
        if line == 21 { format!("21,{bad}\n") } else { format!("{line},\"{{\"\"kind\"\":\"\"a\"\"}}\"\n") }
    });
    format!("n,note\n{}", lines.collect::<String>())
}

fn with(sql: &str, rejects: Tolerance) -> Orders {
    let orders = Orders::reading(&settings::Import { rejects, ..settings("orders") });
    orders.sql().execute_batch(sql).unwrap();
    orders
}

/// The controls: with no reject allowed nothing is in, and the file behind it is.
// fault 57, fault 66
#[test]
fn a_row_that_an_expression_of_the_table_refuses_is_a_reject() {
    for (name, sql) in TABLES {
        let mut orders = with(sql, Tolerance::Rows(1));
        let outcome = Outcome::Loaded { rows: 39, rejects: 1, effect: Effect::default() };
        assert_eq!(orders.import("a.csv", content("oops")).unwrap(), outcome, "{name}");
        assert_eq!(orders.rows("SELECT count(*), count(DISTINCT n), sum(n = 21) FROM orders"), ["39|39|0"], "{name}");
        let rejects = orders.rows("SELECT line, code, reason, record FROM _importerd_rejects");
        assert_eq!(rejects, ["21|'value'|'malformed JSON'|'21,oops'"], "{name}");

        let mut orders = with(sql, Tolerance::NONE);
        assert_eq!(orders.refused("a.csv", content("oops")), "line 21: malformed JSON", "{name}");
        assert_eq!(orders.rows("SELECT count(*) FROM orders"), ["0"], "{name}");
        assert_eq!(
            orders.import("b.csv", content("{}").replace("{}", "\"{\"\"kind\"\":\"\"b\"\"}\"")).unwrap(),
            loaded(40),
            "{name}"
        );
    }
    let mut orders = with("CREATE TABLE orders (n INTEGER CHECK (abs(n) >= 0))", Tolerance::NONE);
    assert_eq!(orders.refused("a.csv", "n\n1\n-9223372036854775808\n"), "line 3: integer overflow");
}

/// Whatever is allowed: the row itself stays where a trigger that comes behind it can't read its JSON.
// fault 57, fault 66
#[test]
fn a_row_that_a_triggers_expression_refuses_refuses_its_file() {
    for body in ["INSERT INTO log SELECT value FROM json_each(new.note)", "SELECT json_extract(new.note, '$.kind')"] {
        let table = "CREATE TABLE orders (n INTEGER, note TEXT); CREATE TABLE log (value)";
        let trigger = format!("{table}; CREATE TRIGGER g AFTER INSERT ON orders BEGIN {body}; END");
        let mut orders = with(&trigger, Tolerance::Rows(5));
        assert_eq!(orders.refused("a.csv", content("oops")), "line 21: malformed JSON", "{body}");
        let counts = "SELECT count(*) FROM orders UNION ALL SELECT count(*) FROM log";
        assert_eq!(orders.rows(counts), ["0", "0"], "{body}");
        assert_eq!(orders.import("b.csv", content("[]")).unwrap(), loaded(40), "{body}");
    }
}

/// Rows of an upsert have two statements.
// fault 57
#[test]
fn a_row_that_an_expression_refuses_leaves_the_one_that_it_would_have_updated() {
    let (key, rejects) = (vec!["n".to_owned()], Tolerance::Rows(1));
    let upsert = settings::Import { mode: settings::Mode::Upsert(key), rejects, ..settings("orders") };
    let mut orders = Orders::reading(&upsert);
    let sql = "CREATE TABLE orders (_file_id, _line, n INTEGER PRIMARY KEY, note TEXT, k AS (note ->> '$.k') STORED)";
    orders.sql().execute_batch(sql).unwrap();
    orders.import("a.csv", "n,note\n1,{}\n2,{}\n").unwrap();
    let outcome = orders.import("b.csv", "n,note\n1,oops\n2,[]\n").unwrap();
    assert!(matches!(outcome, Outcome::Loaded { rejects: 1, .. }), "{outcome:?}");
    assert_eq!(orders.rows("SELECT _file_id, n, note FROM orders"), ["1|1|'{}'", "2|2|'[]'"]);
}

/// Prepared before the table it writes to was dropped, or after that.
// fault 92
#[test]
fn a_broken_trigger_is_of_the_world_whenever_its_statement_was_prepared() {
    let sql = "CREATE TABLE orders (n INTEGER, note TEXT); CREATE TABLE log (n);
        CREATE TRIGGER g AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.n); END";
    for is_prepared in [true, false] {
        let mut orders = with(sql, Tolerance::Rows(5));
        if is_prepared {
            orders.import("a.csv", "n,note\n1,x\n").unwrap();
        }
        orders.sql().execute_batch("DROP TABLE log").unwrap();
        let Err(Fault::World(reason)) = orders.import("b.csv", "n,note\n2,x\n") else { panic!("not of the world") };
        assert!(reason.text.ends_with("no such table: main.log"), "{reason}");
        orders.sql().execute_batch("CREATE TABLE log (n)").unwrap();
        assert_eq!(orders.import("b.csv", "n,note\n2,x\n").unwrap(), loaded(1));
    }
}

/// As a full-text index that has lost one of its tables: it is found out only when a row is there.
// fault 92
#[test]
fn a_virtual_table_that_is_broken_is_of_the_world() {
    let sql = "CREATE TABLE orders (n INTEGER, note TEXT); CREATE VIRTUAL TABLE ft USING fts4(note);
        CREATE TRIGGER g AFTER INSERT ON orders BEGIN INSERT INTO ft (rowid, note) VALUES (new.n, new.note); END";
    let mut orders = with(sql, Tolerance::Rows(5));
    assert_eq!(orders.import("a.csv", "n,note\n1,x\n").unwrap(), loaded(1));
    orders.sql().execute_batch("DROP TABLE ft_docsize").unwrap();
    for name in ["b.csv", "c.csv"] {
        let Err(Fault::World(reason)) = orders.import(name, "n,note\n2,x\n") else { panic!("not of the world") };
        assert!(reason.text.ends_with("SQL logic error"), "{reason}");
    }
    orders.sql().execute_batch("CREATE TABLE ft_docsize (docid INTEGER PRIMARY KEY, size BLOB)").unwrap();
    assert_eq!(orders.import("b.csv", "n,note\n2,x\n").unwrap(), loaded(1));
}

/// Full at the row, in a statement of its own and in one that rows share: no row is to blame.
// fault 92
#[test]
fn a_database_that_is_full_is_of_the_world_whatever_the_table_computes() {
    for sql in [TABLES[0].1, TABLES[2].1, TABLES[6].1] {
        let mut orders = with(sql, Tolerance::Rows(1000));
        orders.import("a.csv", "n,note\n1,{}\n").unwrap();
        let limit = |connection: &mut Connection, more: i64| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            connection.pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(())).unwrap();
        };
        orders.target.with_writer(|connection| limit(connection, 2)).unwrap();
        let large = format!("n,note\n{}", format!("1,\"[\"\"{}\"\"]\"\n", "x".repeat(1000)).repeat(100));
        let Err(Fault::World(reason)) = orders.import("b.csv", &large) else { panic!("{sql}: not of the world") };
        assert_eq!(reason.code, "disk_full", "{sql}");
        assert_eq!(orders.rows("SELECT count(*) FROM orders"), ["1"], "{sql}");
        orders.target.with_writer(|connection| limit(connection, 1000)).unwrap();
        assert_eq!(orders.import("b.csv", &large).unwrap(), loaded(100), "{sql}");
    }
}
