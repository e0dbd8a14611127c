//! The table is the contract.

use super::*;

// fault 52
#[test]
fn columns_are_matched_by_name_in_any_order_and_case() {
    let mut orders =
        Orders::with("CREATE TABLE orders (id INTEGER PRIMARY KEY, Amount REAL, note TEXT DEFAULT 'none')");
    assert_eq!(orders.import("a.csv", "AMOUNT,id\n2.5,1\n1e5,2\n").unwrap(), loaded(2));
    assert_eq!(orders.rows("SELECT * FROM orders"), ["1|2.5|'none'", "2|100000.0|'none'"]);
}

// fault 52
#[test]
fn a_missing_column_is_refused_when_the_table_must_have_it() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL NOT NULL, note TEXT)");
    assert_eq!(orders.refused("a.csv", "id,note\n1,x\n"), "the file has no column \"amount\", which must not be NULL");
    assert_eq!(
        orders.refused("a.ndjson", r#"{"note":"x"}"#),
        "the file has no column \"amount\", which must not be NULL"
    );
    assert_eq!(orders.import("b.csv", "amount\n1\n").unwrap(), loaded(1));
}

// fault 52
#[test]
fn a_new_column_is_refused_until_the_table_has_it() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let Err(Fault::Permanent(reason)) = orders.import("b.csv", "id,channel\n2,web\n") else { panic!("not refused") };
    assert_eq!(reason.to_string(), r#"new column "channel": the table "orders" has no such column"#);
    let hint = reason.hint.unwrap();
    let sql = hint.strip_prefix("to take it: ").and_then(|hint| hint.strip_suffix("; then retry")).unwrap();
    orders.sql().execute_batch(sql).unwrap();
    assert_eq!(orders.import("b.csv", "id,channel\n2,web\n").unwrap(), loaded(1));
    assert_eq!(orders.rows("SELECT id, channel FROM orders"), ["1|NULL", "2|'web'"]);
}

/// What a refusal says to type.
fn statements(reason: &Reason) -> String {
    let hint = reason.hint.as_deref().unwrap_or_default();
    let sql = hint.strip_prefix("to take them: ").and_then(|hint| hint.strip_suffix("; then retry"));
    sql.unwrap_or_else(|| panic!("{hint}")).to_owned()
}

// fault 52
#[test]
fn new_keys_of_an_object_are_told_all_at_once_with_the_types_that_the_whole_file_gives_them() {
    let decimal = [("paid", settings::Column::Decimal)].into_iter().collect();
    let mut orders = Orders::reading(&settings::Import { columns: decimal, ..settings("orders") });
    orders.import("a.csv", "id\n1\n").unwrap();
    let csv = "id,n,day,code,paid\n2,1,2026-11-22,7,1.5\n3,2,2026-11-23,x,\n";
    let ndjson = r#"{"id": 2}
{"id": 3, "n": 1, "day": "2026-11-22", "code": 7, "paid": 1.5}
{"id": 4, "code": "x", "late": true}
"#;
    let add = |name, kind| format!(r#"ALTER TABLE "orders" ADD COLUMN "{name}" {kind}"#);
    let known = [add("n", "INTEGER"), add("day", "DATE"), add("code", "TEXT"), add("paid", "DECIMAL TEXT")].join("; ");
    for (name, content, line, late) in [("b.csv", csv, "", ""), ("b.ndjson", ndjson, "line 2: ", "late")] {
        let Err(Fault::Permanent(reason)) = orders.import(name, content) else { panic!("not refused") };
        let told = r#"new columns "n", "day", "code", "paid": the table "orders" has no such columns"#;
        assert_eq!(reason.to_string(), format!("{line}{told}"));
        let more = if late.is_empty() { String::new() } else { format!("; {}", add(late, "BOOLEAN")) };
        assert_eq!(statements(&reason), format!("{known}{more}"));
    }
    let Err(Fault::Permanent(reason)) = orders.import("b.ndjson", ndjson) else { panic!("not refused") };
    orders.sql().execute_batch(&statements(&reason)).unwrap();
    assert_eq!(orders.import("b.ndjson", ndjson).unwrap(), loaded(3));
    let rows = orders.rows("SELECT n, day, code, paid, late FROM orders WHERE id > 2");
    assert_eq!(rows, ["1|'2026-11-22'|'7'|'1.5'|NULL", "NULL|NULL|'x'|NULL|1"]);
}

/// A file that can't be read to its end says nothing of types; and what is no column of the table may not be meant for it.
#[test]
fn a_new_column_of_which_the_type_is_not_known_is_text() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let Err(Fault::Permanent(reason)) = orders.import("b.csv", "id,n,m\n2,3,4\n\"") else { panic!("not refused") };
    let add = |name| format!(r#"ALTER TABLE "orders" ADD COLUMN "{name}" TEXT"#);
    assert_eq!(statements(&reason), [add("n"), add("m")].join("; "));
    let Err(Fault::Permanent(reason)) = orders.import("b.ndjson", r#"{"n": 2, "m": 3}"#) else { panic!("not refused") };
    assert!(reason.text.starts_with(r#"new columns "n", "m""#) && reason.hint.unwrap().contains("import.records"));
}

// fault 52
#[test]
fn new_columns_are_told_all_at_once() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id\n1\n").unwrap();
    let content = "id, ID ,channel\n2,x,web\n";
    let Err(Fault::Permanent(reason)) = orders.import("b.csv", content) else { panic!("not refused") };
    let told = r#"new columns " ID ", "channel": the table "orders" has no such columns; without its spaces, " ID " is one that it has"#;
    assert_eq!(reason.to_string(), told);
    orders.sql().execute_batch(&statements(&reason)).unwrap();
    assert_eq!(orders.import("b.csv", content).unwrap(), loaded(1));
    let many: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
    let Err(Fault::Permanent(reason)) = orders.import("c.csv", format!("id,{}\n", many.join(","))) else {
        panic!("not refused")
    };
    assert!(reason.text.contains("\"c7\" and 2 more: "), "{reason}");
}

#[test]
fn a_file_without_its_header_is_asked_for_it() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id,note\n1,x\n").unwrap();
    let Err(fault) = orders.import("b.csv", "2,y\n3,z\n") else { panic!("not refused") };
    assert!(fault.reason().hint.as_ref().unwrap().contains("is its header row missing?"));
}

#[test]
fn a_generated_column_is_not_for_files() {
    let mut orders = Orders::with("CREATE TABLE orders (a INTEGER, twice AS (a * 2))");
    assert_eq!(orders.refused("a.csv", "a,twice\n1,2\n"), r#"the column "twice" is computed by the database"#);
    assert_eq!(orders.import("b.csv", "a\n1\n").unwrap(), loaded(1));
}

// fault 57
#[test]
fn a_value_that_does_not_fit_is_refused_with_line_column_value_and_cause() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER, amount REAL, day DATE, code STRING)");
    for (content, why) in [
        ("id,amount\n1,2\n2,\"12,x\"\n", r#"line 3, column amount: "12,x" is not a real number"#),
        ("id\n00417\n", r#"line 2, column id: "00417" is not a plain integer: its leading zero would be lost"#),
        ("day\n2026-02-30\n", r#"line 2, column day: "2026-02-30" is not a date (YYYY-MM-DD, a day that exists)"#),
        ("code\n1.50\n", r#"line 2, column code: "1.50" would be turned into a number by the column's declared type"#),
        ("amount\nNaN\n", r#"line 2, column amount: "NaN" is not a real number"#),
    ] {
        assert_eq!(orders.refused("a.csv", content), why);
    }
    assert!(orders.rows("SELECT * FROM orders").is_empty());
    assert!(orders.rows("SELECT * FROM _importerd_files").is_empty());
}

#[test]
fn a_table_without_our_columns_is_filled_without_them() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER, _line TEXT)");
    assert_eq!(orders.import("a.csv", "id\n1\n").unwrap(), loaded(1));
    assert_eq!(orders.rows("SELECT * FROM orders"), ["1|NULL"]);
}

// fault 92
#[test]
fn a_table_altered_between_process_and_commit_is_met_anew() {
    let mut orders = Orders::new();
    orders.import("a.csv", "id,note\n1,x\n").unwrap();
    let good = orders.load("b.csv", "id,note\n2,y\n").unwrap();
    let bad = orders.load("c.csv", "id,note\n3,z\n").unwrap();
    orders.sql().execute_batch("ALTER TABLE orders ADD COLUMN channel TEXT").unwrap();
    assert_eq!(orders.import.commit(&[good]).unwrap(), [loaded(1)]);
    orders.sql().execute_batch("ALTER TABLE orders RENAME COLUMN note TO remark").unwrap();
    let outcomes = orders.import.commit(&[bad]).unwrap();
    let Outcome::Refused(fault) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(fault.to_string(), r#"new column "note": the table "orders" has no such column"#);
    assert_eq!(orders.rows("SELECT id, remark FROM orders"), ["1|'x'", "2|'y'"]);
}

// fault 92
#[test]
fn a_table_dropped_between_process_and_commit_is_made_anew() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER NOT NULL)");
    let load = orders.load("a.csv", "id\n1\n").unwrap();
    orders.sql().execute_batch("DROP TABLE orders").unwrap();
    assert_eq!(orders.import.commit(&[load]).unwrap(), [loaded(1)]);
    assert_eq!(orders.rows("SELECT _file_id, _line, id FROM orders"), ["1|2|1"]);
}

#[test]
fn a_table_name_that_is_taken_is_refused() {
    let directory = TempDir::new().unwrap();
    for table in ["sqlite_sequence", "_IMPORTERD_files", ""] {
        let import = Import::open("x", &settings(table), &directory.path().join("x.db"));
        assert!(matches!(import, Err(Fault::Fatal(_))), "{table}");
    }
}
