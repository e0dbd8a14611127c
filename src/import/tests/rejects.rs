//! Rows that don't fit: left out within the limit, in the transaction of the others, and found again with their text.

use super::*;
use crate::settings::Tolerance;

fn tolerating(rejects: Tolerance) -> Orders {
    Orders::reading(&settings::Import { rejects, ..settings("orders") })
}

impl Orders {
    fn rejects(&self) -> Vec<String> {
        self.rows("SELECT file_id, line, column_name, code, record FROM _importerd_rejects ORDER BY rowid")
    }

    fn marked(&self) -> Vec<String> {
        self.rows("SELECT id, rows, rejects, header FROM _importerd_files")
    }
}

fn outcome(rows: u64, rejects: u64) -> Outcome {
    Outcome::Loaded { rows, rejects, effect: Effect::default() }
}

const TABLE: &str = "CREATE TABLE orders (_file_id INTEGER, _line INTEGER, id INTEGER PRIMARY KEY,
    amount REAL NOT NULL CHECK (amount > 0), customer INTEGER REFERENCES customers (id));
    CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (7)";

/// Of each kind that one row can be refused for, at process and at commit.
const MIXED: &str = "id,amount,customer\n1,1.5,7\n2,x,7\n3,2.5\n1,3.5,7\n5,,7\n6,-1,7\n7,7.5,8\n8,8.5,\n";

const MIXED_REJECTS: [&str; 6] = [
    "1|3|'amount'|'wrong_type'|'2,x,7'",
    "1|4|NULL|'ragged_row'|'3,2.5'",
    "1|5|NULL|'constraint'|'1,3.5,7'",
    "1|6|NULL|'constraint'|'5,,7'",
    "1|7|NULL|'constraint'|'6,-1,7'",
    "1|8|NULL|'constraint'|'7,7.5,8'",
];

// fault 45, fault 57, fault 66
#[test]
fn rows_that_do_not_fit_are_left_out_with_their_text_and_reason_and_the_others_go_in() {
    let mut orders = tolerating(Tolerance::Rows(6));
    orders.sql().execute_batch(TABLE).unwrap();
    assert_eq!(orders.import("a.csv", MIXED).unwrap(), outcome(2, 6));
    assert_eq!(orders.rows("SELECT _file_id, _line, id FROM orders"), ["1|2|1", "1|9|8"]);
    assert_eq!(orders.rejects(), MIXED_REJECTS);
    assert_eq!(orders.marked(), ["1|2|6|'id,amount,customer'"]);
}

/// The control of the test above: one less is allowed, and nothing of it all is in.
#[test]
fn one_more_than_the_limit_and_nothing_is_in() {
    let mut orders = tolerating(Tolerance::Rows(5));
    orders.sql().execute_batch(TABLE).unwrap();
    let text = "6 of 8 rows don't fit, where import.rejects allows 5; the first: \
        line 3, column amount: \"x\" is not a real number";
    assert_eq!(orders.refused("a.csv", MIXED), text);
    for table in ["orders", "_importerd_rejects", "_importerd_files"] {
        assert_eq!(orders.rows(&format!("SELECT count(*) FROM {table}")), ["0"], "{table}");
    }
}

// fault 57, fault 66
#[test]
fn without_a_limit_a_file_is_read_to_its_end_and_refused_with_the_first_and_the_lines_of_the_others() {
    let mut orders = Orders::with(TABLE);
    let text = "line 3, column amount: \"x\" is not a real number; and 1 more row doesn't fit: line 4";
    assert_eq!(orders.refused("a.csv", MIXED), text);
    let text = "line 3: UNIQUE constraint failed: orders.id; and 2 more rows don't fit: lines 4, 5";
    assert_eq!(orders.refused("b.csv", "id,amount\n1,1\n1,1\n1,1\n2,-1\n"), text);
    assert_eq!(orders.rows("SELECT count(*) FROM orders"), ["0"]);
}

#[test]
fn a_file_refused_for_its_structure_is_refused_whatever_the_limit() {
    let mut orders = tolerating(Tolerance::Millionths(1_000_000));
    orders.import("a.csv", "id,note\n1,x\n").unwrap();
    for (content, why) in [
        (&b"id,note\n1\n2,\"x\n"[..], "line 3, column note: a quote opens here and never closes"),
        (b"id,note\n1\n2,a\0b\n", "line 3, column note: a NUL byte"),
        (b"id,note\n1\n2,a\xff\n", "line 3, column note: byte 0xFF is not UTF-8"),
        (b"id,note\n1,x,y\n2,x\n3", "line 4: 1 field where the header has 2"),
        (b"id,note,more\n1,x,y\n", "new column \"more\": the table \"orders\" has no such column"),
        (b"id,note\n1\n2,a\"b\n", "line 3, column note: a quote inside an unquoted field"),
    ] {
        assert_eq!(orders.refused("b.csv", content), why);
    }
    for (content, why) in [
        (
            "{\"id\": 1}\n[]\n{\"id\": 1, \"more\": 2}\n",
            "line 3: new column \"more\": the table \"orders\" has no such column",
        ),
        ("{\"id\": 1}\n[]\n{\"id\": 1, \"\": 2}\n", "line 3: column 2 has no name"),
        ("{\"id\": 1}\n[]\n{\"id\": 1, ", "line 3: byte 10 of the line: the text ends inside a value"),
        ("{\"id\": 1}\n[]\n\0\0\0\0", "line 3: byte 1 of the line: a NUL byte"),
        ("{\"id\": 1}\n{\"id\": 2}\0\n", "line 2: byte 10 of the line: a NUL byte"),
        ("{\"id\": 1}\n{\"note\": [\"\0\"]}\n", "line 2: byte 12 of the line: a NUL byte"),
        ("{\"id\": 1}\n[]\n{\"id\": \0\0", "line 3: byte 8 of the line: a NUL byte"),
    ] {
        assert!(orders.refused("c.ndjson", content).starts_with(why), "{}", orders.refused("c.ndjson", content));
    }
    let nul = "line 2: byte 1 of the line, record 2: a NUL byte";
    assert_eq!(orders.refused("d.json", "[{\"id\": 1}, \n\0\0, {\"id\": 2}]"), nul);
}

#[test]
fn lines_of_ndjson_are_rejects_one_by_one_and_bring_no_columns() {
    let mut orders = tolerating(Tolerance::Rows(9));
    let content = r#"{"id": 1, "note": "x"}
{"id": 2, "new": 1, "id": 3}
[4]
{"id": 5, "note": 
{"id": 6, "note": "\u0000"}
{"id": 7, "note": "y"}
"#;
    assert_eq!(orders.import("a.ndjson", content).unwrap(), outcome(2, 4));
    assert_eq!(orders.rows("SELECT _line, id, note FROM orders"), ["1|1|'x'", "6|7|'y'"]);
    assert_eq!(
        orders.rejects(),
        [
            r#"1|2|NULL|'duplicate_key'|'{"id": 2, "new": 1, "id": 3}'"#,
            "1|3|NULL|'not_an_object'|'[4]'",
            r#"1|4|NULL|'bad_json'|'{"id": 5, "note": '"#,
            r#"1|5|'note'|'nul_byte'|'{"id": 6, "note": "\u0000"}'"#,
        ]
    );
    assert_eq!(orders.marked(), ["1|2|4|NULL"]);
    assert_eq!(orders.import("b.ndjson", "{\"id\": \"x\"}\n{\"id\": 8}\n").unwrap(), outcome(1, 1));
}

#[test]
fn objects_of_a_document_are_rejects_on_one_line_with_their_key() {
    let json =
        settings::Import { format: Some(settings::Format::Json), rejects: Tolerance::Rows(9), ..settings("orders") };
    let mut orders = Orders::reading(&json);
    orders.import("a.json", r#"{"a": {"id": 1}}"#).unwrap();
    let content = "{\"b\": {\"id\": 2}, \"c\": {\n  \"id\": \"x\"\n},\n\"d\": 5}";
    assert_eq!(orders.import("b.json", content).unwrap(), outcome(1, 2));
    let rejects = ["2|1|'id'|'wrong_type'|'{\"_key\": \"c\",    \"id\": \"x\" }'", "2|4|NULL|'not_an_object'|'5'"];
    assert_eq!(orders.rejects(), rejects);
}

#[test]
fn a_share_is_one_of_all_records_of_the_file() {
    let mut orders = tolerating(Tolerance::Millionths(250_000));
    assert_eq!(orders.import("a.csv", "id,n\n1,1\n2\n3,3\n4,4\n").unwrap(), outcome(3, 1));
    let text =
        "1 of 3 rows don't fit, where import.rejects allows 25%; the first: line 3: 1 field where the header has 2";
    assert_eq!(orders.refused("b.csv", "id,n\n1,1\n2\n3,3\n"), text);
}

/// Too many to be kept: rows and rejects are both read again inside the transaction.
#[test]
fn a_large_file_is_streamed_with_all_its_rejects() {
    use std::fmt::Write as _;
    let mut orders = tolerating(Tolerance::Millionths(500_000));
    orders.sql().execute_batch("CREATE TABLE orders (_file_id, _line, id INTEGER UNIQUE, note TEXT)").unwrap();
    let note = "x".repeat(400);
    let mut content = String::from("id,note\n");
    for id in 0..40_000 {
        match id % 10 {
            0 => writeln!(content, "x{id},{note}"),
            1 => writeln!(content, "5,{note}"),
            2 => writeln!(content, "{id}"),
            _ => writeln!(content, "{id},{note}"),
        }
        .unwrap();
    }
    let load = orders.load("big.csv", &content).unwrap();
    assert_eq!((load.checked.kept_bytes(), load.checked.rejects()), (0, 8_000));
    // The first with the number 5 stands before the row whose own it is.
    assert_eq!(orders.import.commit(&[load]).unwrap(), [outcome(28_000, 12_000)]);
    assert_eq!(orders.rows("SELECT count(*), count(DISTINCT line) FROM _importerd_rejects"), ["12000|12000"]);
    let texts = "SELECT count(*) FROM _importerd_rejects WHERE record IN ('x0,' || ?, '12')";
    let found: i64 = orders.sql().query_row(texts, [&note], |row| row.get(0)).unwrap();
    assert_eq!(found, 2);
}

/// Else a large file that is there already would fill the disk to be refused, and hold the folder instead.
// fault 66
#[test]
fn of_a_large_file_that_is_refused_no_more_rows_are_written_than_may_be_left_out() {
    use std::fmt::Write as _;
    for tolerance in [Tolerance::NONE, Tolerance::Rows(2), Tolerance::Millionths(100)] {
        let mut orders = tolerating(tolerance);
        orders.sql().execute_batch("CREATE TABLE orders (_file_id, _line, id INTEGER UNIQUE, note TEXT)").unwrap();
        orders.sql().execute_batch("INSERT INTO orders (id) VALUES (1)").unwrap();
        let mut content = String::from("id,note\n0,first\n");
        let note = "x".repeat(1 << 10);
        (0..20_000).for_each(|_| writeln!(content, "1,{note}").unwrap());
        let load = orders.load("big.csv", &content).unwrap();
        assert_eq!((load.checked.kept_bytes(), load.checked.rejects()), (0, 0));
        let text = permanent(&orders.import.commit(&[load]).unwrap()[0]);
        assert!(text.contains("20000 of 20001 rows") || text.contains("19999 more rows"), "{text}");
        let written = fs::metadata(orders.directory.path().join("orders.db-wal")).unwrap().len();
        assert!(written < 1 << 20, "{tolerance:?}: {written} bytes");
        assert_eq!(orders.rows("SELECT (SELECT count(*) FROM _importerd_rejects), count(*) FROM orders"), ["0|1"]);
    }
}

fn permanent(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(fault @ Fault::Permanent(_)) => fault.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

/// What the database refuses is found again by its place among the rows that were kept, also where lines don't tell them apart.
#[test]
fn a_kept_row_that_the_database_refuses_is_recalled_with_its_own_text() {
    let mut orders = tolerating(Tolerance::Rows(9));
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER UNIQUE, note TEXT)").unwrap();
    let content = r#"[{"id": 1, "note": "a"}, {"id": "x", "note": "b"}, {"id": 1, "note": "c"}, {"id": 2, "note": "d"},
        {"id": 2, "note": "e"}]"#;
    assert_eq!(orders.import("a.json", content).unwrap(), outcome(2, 3));
    assert_eq!(orders.rows("SELECT note FROM orders"), ["'a'", "'d'"]);
    let records = orders.rows("SELECT record FROM _importerd_rejects ORDER BY rowid");
    let expected = [r#"{"id": "x", "note": "b"}"#, r#"{"id": 1, "note": "c"}"#, r#"{"id": 2, "note": "e"}"#];
    assert_eq!(records, expected.map(|record| format!("'{record}'")));
}

/// Rows share statements; the control are the lines and the numbers of those that went in.
// fault 45
#[test]
fn of_rows_that_go_in_together_only_those_are_left_out_that_the_database_refuses() {
    let mut orders = tolerating(Tolerance::Rows(5));
    let sql = "CREATE TABLE orders (_file_id, _line, id INTEGER PRIMARY KEY, note TEXT CHECK (note <> 'no'))";
    orders.sql().execute_batch(sql).unwrap();
    let records = (2..102).map(|line| {
        let id = if [2, 50, 51].contains(&line) { 100 } else { line };
        format!("{id},{}", if line == 70 { "no" } else { "yes" })
    });
    let content = format!("id,note\n{}\n", records.collect::<Vec<_>>().join("\n"));
    assert_eq!(orders.import("a.csv", &content).unwrap(), outcome(96, 4));
    let lines = orders.rows("SELECT line FROM _importerd_rejects");
    assert_eq!(lines, ["50", "51", "70", "100"]);
    let rows = "SELECT count(*), sum(_line), sum(_line <> id), count(DISTINCT _file_id) FROM orders";
    assert_eq!(orders.rows(rows), ["96|4879|1|1"]);
}

/// SQLite keeps the rows before the one it refuses, where it expects no constraint to fail: then none share a statement. The
/// control is the other table.
// fault 45
#[test]
fn rows_that_are_refused_for_more_than_a_constraint_go_in_one_by_one_and_once() {
    let lines: Vec<_> = (1..=40).map(|id| format!("{id},{}", if id == 16 { "no" } else { "" })).collect();
    let content = format!("id,note\n{}\n", lines.join("\n"));
    for sql in [
        "CREATE TABLE orders (id INTEGER, note TEXT, bytes BLOB AS (note) STORED) STRICT",
        "CREATE TABLE orders (id INTEGER, note TEXT CHECK (note <> 'no'))",
    ] {
        let mut orders = tolerating(Tolerance::Rows(40));
        orders.sql().execute_batch(sql).unwrap();
        let outcome = orders.import("a.csv", &content).unwrap();
        let Outcome::Loaded { rows, rejects, .. } = outcome else { panic!("{sql}: {outcome:?}") };
        assert_eq!(rows + rejects, 40, "{sql}");
        assert_eq!(orders.rows("SELECT count(*) FROM orders"), [format!("{rows}")], "{sql}");
        assert_eq!(orders.rows("SELECT line FROM _importerd_rejects WHERE line = 17"), ["17"], "{sql}");
    }
}

/// Here a row is accepted or not by what came before it, wherever it stands in the file.
#[test]
fn rows_that_refer_to_each_other_go_in_one_by_one() {
    let mut orders = tolerating(Tolerance::Rows(99));
    let sql = "CREATE TABLE orders (id INTEGER PRIMARY KEY, under INTEGER REFERENCES orders (id))";
    orders.sql().execute_batch(sql).unwrap();
    // Two and two to each other, and so none to a row that is there.
    let records: Vec<String> = (1..=40).map(|id| format!("{id},{}", (id - 1) / 2 * 2 + 2 - (id - 1) % 2)).collect();
    let content = format!("id,under\n{}\n", records.join("\n"));
    assert_eq!(orders.refused("a.csv", content).split(';').next().unwrap(), "none of its 40 rows fits");
}

/// A trigger may leave something of a row behind that it refuses: then it is no reject.
#[test]
fn a_row_that_is_refused_and_stays_all_the_same_refuses_its_file() {
    for (action, is_row_only) in [("ABORT", true), ("FAIL", false), ("ROLLBACK", false)] {
        let mut orders = tolerating(Tolerance::Rows(1));
        let sql = format!(
            "CREATE TABLE orders (id INTEGER); CREATE TRIGGER no AFTER INSERT ON orders WHEN new.id = 2
             BEGIN SELECT RAISE({action}, 'not two'); END"
        );
        orders.sql().execute_batch(&sql).unwrap();
        if is_row_only {
            assert_eq!(orders.import("a.csv", "id\n1\n2\n3\n").unwrap(), outcome(2, 1), "{action}");
        } else {
            assert_eq!(orders.refused("a.csv", "id\n1\n2\n3\n"), "line 3: not two", "{action}");
        }
        let count = if is_row_only { "2|1" } else { "0|0" };
        let counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM _importerd_rejects)";
        assert_eq!(orders.rows(counts), [count], "{action}");
    }
}

// fault 66
#[test]
fn a_commit_that_fails_leaves_neither_rows_nor_rejects() {
    let mut orders = tolerating(Tolerance::Rows(9));
    orders
        .sql()
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY);
         CREATE TABLE orders (_file_id, _line, id INTEGER,
            customer INTEGER REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .unwrap();
    let loads = [
        orders.load("a.csv", "id,customer\n1,\nx,\n").unwrap(),
        orders.load("b.csv", "id,customer\n2,404\nx,\n").unwrap(),
    ];
    let outcomes = orders.import.commit(&loads).unwrap();
    assert_eq!(outcomes[0], outcome(1, 1));
    assert!(matches!(&outcomes[1], Outcome::Refused(Fault::Permanent(_))), "{outcomes:?}");
    assert_eq!(orders.rows("SELECT _file_id FROM orders"), ["1"]);
    assert_eq!(orders.rows("SELECT file_id FROM _importerd_rejects"), ["1"]);
    assert_eq!(orders.rows("SELECT id FROM _importerd_files"), ["1"]);
}

#[test]
fn a_load_that_is_repeated_leaves_its_rejects_as_they_are() {
    let mut orders = tolerating(Tolerance::Rows(9));
    let load = [orders.load("a.csv", "id,n\n1,1\n2\n").unwrap()];
    assert_eq!(orders.import.commit(&load).unwrap(), [outcome(1, 1)]);
    assert_eq!(orders.import.commit(&load).unwrap(), [outcome(1, 1)]);
    assert_eq!(orders.rejects(), ["1|3|NULL|'ragged_row'|'2'"]);
}

#[test]
fn a_replay_takes_the_old_rejects_away_with_the_old_rows_and_forget_leaves_them() {
    let mut orders = tolerating(Tolerance::Rows(9));
    assert_eq!(orders.import("a.csv", "id,n\n1,1\n2\n").unwrap(), outcome(1, 1));
    let load = orders.load("a.csv", "id,n\n1,1\n2,2\n3\n4\n").unwrap();
    let again = Load { replaces: Some(FileId(1)), ..load };
    let replaced = Outcome::Replaced { rows: 2, rejects: 2, effect: Effect::default(), rows_before: 1, changed: true };
    assert_eq!(orders.import.commit(&[again]).unwrap(), [replaced]);
    assert_eq!(orders.rows("SELECT DISTINCT file_id FROM _importerd_rejects"), ["2"]);
    assert_eq!(orders.marked(), ["2|2|2|'id,n'"]);
    orders.import.forget(&[FileId(2)]).unwrap();
    assert_eq!(orders.rejects().len(), 2);
}

/// The table has changed since the file was checked: other rows fit now.
#[test]
fn what_fits_is_what_fits_the_table_as_it_is_at_the_commit() {
    let mut orders = tolerating(Tolerance::Rows(9));
    orders.sql().execute_batch("CREATE TABLE orders (_file_id, _line, id TEXT)").unwrap();
    let load = orders.load("a.csv", "id\n1\nx\n").unwrap();
    assert_eq!(load.checked.rejects(), 0);
    orders.sql().execute_batch("DROP TABLE orders; CREATE TABLE orders (_file_id, _line, id INTEGER)").unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [outcome(1, 1)]);
    assert_eq!(orders.marked(), ["1|1|1|'id'"]);
}
