//! Types: certain or text, and columns that have one of their own; into a table that is there, and one that isn't.

use super::*;
use crate::settings::Column;

fn declaring<const N: usize>(columns: [(&str, &str); N]) -> settings::Import {
    let columns = columns.map(|(name, kind)| (name, Column::of(kind).unwrap()));
    settings::Import { columns: columns.into_iter().collect(), ..settings("orders") }
}

// fault 57
#[test]
fn a_decimal_that_a_real_number_does_not_keep_keeps_every_digit() {
    let mut orders = Orders::new();
    let content = "id,rate\n1,0.30000000000000004\n2,-12.50\n3,9007199254740993\n4,\n";
    assert_eq!(orders.import("a.csv", content).unwrap(), loaded(4));
    assert_eq!(orders.declared()[3], "'rate'|'DECIMAL TEXT'");
    let rate = "SELECT rate FROM orders";
    assert_eq!(orders.rows(rate), ["'0.30000000000000004'", "'-12.50'", "'9007199254740993'", "NULL"]);
    let long = "1234567890123456789012345678901234567890.12345678901234567890";
    orders.import("b.ndjson", format!("{{\"id\": 5, \"rate\": {long}}}")).unwrap();
    assert_eq!(orders.rows("SELECT rate FROM orders WHERE id = 5"), [format!("'{long}'")]);
    assert_eq!(
        orders.refused("c.csv", "id,rate\n6,1e5\n"),
        r#"line 2, column rate: "1e5" is not a decimal number (12 or 12.50)"#
    );
}

// fault 57, fault 62
#[test]
fn a_number_beyond_64_bits_is_kept_as_text_or_refused_but_never_changed() {
    let beyond = "18446744073709551616";
    let csv = format!("n\n1\n{beyond}\n");
    let ndjson = format!("{{\"n\": 1}}\n{{\"n\": {beyond}}}\n");
    for (name, content) in [("a.csv", &csv), ("a.ndjson", &ndjson)] {
        let mut orders = Orders::new();
        orders.import(name, content).unwrap();
        assert_eq!(orders.rows("SELECT n FROM orders"), ["'1'".to_owned(), format!("'{beyond}'")]);
        for declared in ["INTEGER", "REAL", "NUMERIC"] {
            let mut orders = Orders::with(&format!("CREATE TABLE orders (n {declared})"));
            assert!(orders.refused(name, content).contains(beyond), "{declared}");
        }
        let mut orders = Orders::with("CREATE TABLE orders (n DECIMAL TEXT)");
        orders.import(name, content).unwrap();
        assert_eq!(orders.rows("SELECT n FROM orders"), ["'1'".to_owned(), format!("'{beyond}'")]);
    }
}

// fault 57, fault 62
#[test]
fn a_whole_number_that_a_real_column_would_change_is_refused_whatever_its_spelling() {
    let mut orders = Orders::new();
    orders.import("a.csv", "rate\n0.5\n").unwrap();
    for text in ["9007199254740993", "9007199254740993.00", "-9007199254740993.5"] {
        let why = format!("column rate: \"{text}\" has more digits than a real number keeps");
        assert_eq!(orders.refused("b.csv", format!("rate\n{text}\n")), format!("line 2, {why}"));
        assert_eq!(orders.refused("b.ndjson", format!("{{\"rate\": {text}}}\n")), format!("line 1, {why}"));
        // Found from its values, a column keeps every digit.
        let mut found = Orders::new();
        found.import("a.csv", format!("rate\n0.5\n{text}\n")).unwrap();
        assert_eq!(found.rows("SELECT rate FROM orders"), ["'0.5'".to_owned(), format!("'{text}'")]);
    }
    // A fraction of more digits is the nearest number.
    orders.import("c.csv", "rate\n9007199254740994.00\n0.12345678901234567890\n").unwrap();
    assert_eq!(orders.rows("SELECT rate FROM orders"), ["0.5", "9007199254740994.0", "0.12345678901234568"]);
    let comma = settings::Import { decimal_comma: true, ..declaring([("rate", "real")]) };
    let mut orders = Orders::reading(&comma);
    orders.sql().execute_batch("CREATE TABLE orders (rate REAL)").unwrap();
    assert_eq!(
        orders.refused("a.csv", "rate\n\"9007199254740993,00\"\n"),
        r#"line 2, column rate: "9007199254740993.00" has more digits than a real number keeps"#
    );
}

// fault 62
#[test]
fn a_json_key_that_stands_twice_is_refused_whatever_its_case_or_spelling() {
    for object in [r#"{"a": 1, "b": 2, "a": 1}"#, r#"{"a": 1, "\u0061": 2}"#] {
        for (name, content) in [("a.ndjson", object.to_owned()), ("a.json", format!("[{object}]"))] {
            let mut orders = Orders::with("CREATE TABLE orders (a INTEGER, b INTEGER)");
            assert!(orders.refused(name, &content).contains(r#"the key "a" stands twice"#), "{content}");
        }
    }
    let mut orders = Orders::new();
    assert!(orders.refused("a.ndjson", r#"{"a": 1, "A": 2}"#).contains("differ only in case"));
}

// fault 57
#[test]
fn a_text_for_a_blob_of_a_strict_table_is_a_row_that_does_not_fit() {
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER, photo BLOB) STRICT");
    let why = "has no place: the column's type is none that a file can fill";
    for (name, content, cell) in [
        ("a.csv", "id,photo\n1,\n2,x\n", "line 3, column photo: \"x\""),
        ("b.ndjson", "{\"id\": 1, \"photo\": null}\n{\"photo\": 7}\n", "line 2, column photo: \"7\""),
        ("c.ndjson", "{\"photo\": \"x\"}\n", "line 1, column photo: the JSON string \"x\""),
    ] {
        let Err(fault) = orders.load(name, content) else { panic!("{name} is not refused before its commit") };
        assert_eq!(fault.to_string(), format!("{cell} {why}"));
    }
    assert_eq!(orders.import("d.csv", "id,photo\n1,\n2,\n").unwrap(), loaded(2));
    // Declared, it matters no more than without: to who has a value for it.
    let columns = settings::Columns::from_iter([("photo".to_owned(), settings::Column::of("text").unwrap())]);
    let mut orders = Orders::reading(&settings::Import { columns, ..settings("orders") });
    orders.sql().execute_batch("CREATE TABLE orders (id INTEGER, photo BLOB) STRICT").unwrap();
    assert_eq!(orders.import("a.csv", "id\n1\n").unwrap(), loaded(1));
    assert_eq!(orders.refused("b.csv", "id,photo\n1,x\n"), format!("line 2, column photo: \"x\" {why}"));
    // Elsewhere such a column takes anything.
    let mut orders = Orders::with("CREATE TABLE orders (id INTEGER, photo BLOB)");
    orders.import("a.csv", "id,photo\n1,x\n").unwrap();
    assert_eq!(orders.rows("SELECT photo FROM orders"), ["'x'"]);
}

#[test]
fn timestamps_are_certain_when_all_have_an_offset_or_none_has() {
    for (one, other, declared) in [
        ("2026-11-22 03:04:05", "2026-11-22T03:04:05.5", "TIMESTAMP"),
        ("2026-11-22T03:04:05Z", "2026-11-22 03:04:05+01:00", "TIMESTAMP"),
        ("2026-11-22T03:04:05Z", "2026-11-22 03:04:05", "TEXT"),
    ] {
        let mut orders = Orders::new();
        let content = format!("at\n{one}\n{other}\n");
        orders.import("a.csv", &content).unwrap();
        assert_eq!(orders.declared()[2], format!("'at'|'{declared}'"), "{content}");
        assert_eq!(orders.rows("SELECT at FROM orders"), [format!("'{one}'"), format!("'{other}'")]);
    }
}

const SHOP: &str = "\
id;amount;placed_at;on;code;ok
1;12,50;22.11.2026 03:04;1.12.2026;417;1
2;-0,30000000000000004;22.11.2026 23:59;31.12.2026;00418;0
";

const SHOP_COLUMNS: [(&str, &str); 5] = [
    ("AMOUNT", "decimal"),
    ("placed_at", "timestamp:%d.%m.%Y %H:%M"),
    ("on", "date:%d.%m.%Y"),
    ("code", "text"),
    ("ok", "boolean"),
];

#[test]
fn declared_columns_make_the_table_and_are_read_into_it() {
    let mut orders = Orders::reading(&settings::Import { decimal_comma: true, ..declaring(SHOP_COLUMNS) });
    assert_eq!(orders.import("a.csv", SHOP).unwrap(), loaded(2));
    assert_eq!(orders.import("b.csv", SHOP.replace("417", "419")).unwrap(), loaded(2));
    assert_eq!(
        orders.declared()[2..],
        [
            "'id'|'INTEGER'",
            "'amount'|'DECIMAL TEXT'",
            "'placed_at'|'TIMESTAMP'",
            "'on'|'DATE'",
            "'code'|'TEXT'",
            "'ok'|'BOOLEAN'"
        ]
    );
    let rows = orders.rows("SELECT amount, placed_at, \"on\", code, ok FROM orders");
    let second = "'-0.30000000000000004'|'2026-11-22 23:59:00'|'2026-12-31'|'00418'|0";
    assert_eq!(rows[..2], ["'12.50'|'2026-11-22 03:04:00'|'2026-12-01'|'417'|1", second]);
    assert_eq!(rows[2..], ["'12.50'|'2026-11-22 03:04:00'|'2026-12-01'|'419'|1", second]);
}

#[test]
fn declared_columns_go_into_a_table_that_has_a_place_for_them() {
    let settings = settings::Import { decimal_comma: true, ..declaring(SHOP_COLUMNS) };
    for (sql, amount, ok) in [
        ("id INTEGER, amount TEXT, placed_at TEXT, \"on\" TEXT, code TEXT, ok TEXT", "'12.50'", "'1'"),
        ("id, amount DECIMAL TEXT, placed_at DATETIME, \"on\" DATE, code, ok BOOL", "'12.50'", "1"),
    ] {
        let mut orders = Orders::reading(&settings);
        orders.sql().execute_batch(&format!("CREATE TABLE orders ({sql})")).unwrap();
        assert_eq!(orders.import("a.csv", SHOP).unwrap(), loaded(2));
        let expected = format!("{amount}|'2026-11-22 03:04:00'|'2026-12-01'|'417'|{ok}");
        assert_eq!(orders.rows("SELECT amount, placed_at, \"on\", code, ok FROM orders")[0], expected);
    }
}

#[test]
fn a_table_without_a_place_for_a_declared_column_is_no_fault_of_the_file() {
    for (sql, kind) in [
        ("amount INTEGER", "decimal"),
        ("amount REAL", "decimal"),
        ("amount DATE", "timestamp"),
        ("amount TIMESTAMP", "date:%d.%m.%Y"),
        ("amount INTEGER", "text"),
        ("amount INTEGER", "boolean"),
    ] {
        let mut orders = Orders::reading(&declaring([("amount", kind)]));
        orders.sql().execute_batch(&format!("CREATE TABLE orders ({sql})")).unwrap();
        let fault = orders.import("a.csv", "amount\n1\n").unwrap_err();
        assert!(matches!(&fault, Fault::World(reason) if reason.code == "other_type"), "{sql}, {kind}: {fault:?}");
    }
}

#[test]
fn a_value_that_is_not_as_declared_refuses_the_file_in_both_sizes_before_its_commit() {
    let mut orders = Orders::reading(&declaring([("at", "timestamp:%d.%m.%Y %H:%M")]));
    let why = r#"column at: "30.02.2026 03:04" is not of the form %d.%m.%Y %H:%M, or there is no such time"#;
    let mut content = String::from("at,note\n");
    for rows in [1, 40_000] {
        let note = "x".repeat(450);
        for _ in 0..rows {
            writeln!(content, "22.11.2026 03:04,{note}").unwrap();
        }
        let Err(Fault::Permanent(reason)) = orders.load("a.csv", format!("{content}30.02.2026 03:04,x\n")) else {
            panic!("not refused")
        };
        assert!(reason.to_string().ends_with(why), "{reason}");
    }
    assert!(content.len() > KEPT_BYTES_MAX);
    assert_eq!(orders.import("b.csv", &content).unwrap(), loaded(40_001));
    assert_eq!(orders.rows("SELECT DISTINCT at FROM orders"), ["'2026-11-22 03:04:00'"]);
    assert_eq!(orders.declared()[2], "'at'|'TIMESTAMP'");
}

#[test]
fn a_declared_column_that_a_file_lacks_is_no_matter() {
    let mut orders = Orders::reading(&declaring([("absent", "decimal"), ("id", "text")]));
    orders.import("a.csv", "id\n7\n").unwrap();
    assert_eq!(orders.declared()[2..], ["'id'|'TEXT'"]);
    assert_eq!(orders.rows("SELECT id FROM orders"), ["'7'"]);
}

#[test]
fn declared_columns_hold_for_json_and_for_columns_that_come_late() {
    let mut orders = Orders::reading(&declaring([("n", "decimal"), ("on", "date:%d.%m.%Y")]));
    let content = "{\"id\": 1}\n{\"id\": 2, \"n\": \"12.50\", \"on\": \"1.12.2026\"}\n{\"id\": 3, \"n\": 7}\n";
    orders.import("a.ndjson", content).unwrap();
    assert_eq!(
        orders.rows("SELECT id, n, \"on\" FROM orders"),
        ["1|NULL|NULL", "2|'12.50'|'2026-12-01'", "3|'7'|NULL"]
    );
    orders.import("b.ndjson", "{\"id\": 4}\n{\"on\": \"2.12.2026\"}\n").unwrap();
    assert_eq!(orders.rows("SELECT \"on\" FROM orders WHERE id IS NULL"), ["'2026-12-02'"]);
}

// fault 53
#[test]
fn a_decimal_comma_is_read_where_it_is_declared_and_a_point_is_refused_then() {
    let comma = settings::Import { decimal_comma: true, ..settings("orders") };
    let mut orders = Orders::reading(&comma);
    orders.import("a.csv", "id;amount;odd\n1;2,5;1.000,5\n2;7;3\n").unwrap();
    assert_eq!(orders.declared()[2..], ["'id'|'INTEGER'", "'amount'|'REAL'", "'odd'|'TEXT'"]);
    assert_eq!(orders.rows("SELECT amount, odd FROM orders"), ["2.5|'1.000,5'", "7.0|'3'"]);
    assert_eq!(
        orders.refused("b.csv", "id;amount\n3;2.5\n"),
        r#"line 2, column amount: "2.5" is not a number with a decimal comma (12 or 12,50)"#
    );
    orders.import("c.csv", "id;amount\n3;2,50\n").unwrap();
    assert_eq!(orders.rows("SELECT amount FROM orders WHERE id = 3"), ["2.5"]);
}

#[test]
fn a_declared_word_is_null_where_it_stands_alone_without_quotes() {
    let nulls = vec!["NA".to_owned(), "-".to_owned()];
    let mut orders = Orders::reading(&settings::Import { nulls, ..settings("orders") });
    orders.import("a.csv", "id,NA,note\n1,NA,\"NA\"\n-,2.5, NA\nNA,-,-\n").unwrap();
    assert_eq!(orders.declared()[2..], ["'id'|'INTEGER'", "'NA'|'REAL'", "'note'|'TEXT'"]);
    assert_eq!(orders.rows("SELECT id, NA, note FROM orders"), ["1|NULL|'NA'", "NULL|2.5|' NA'", "NULL|NULL|NULL"]);
    orders.import("b.ndjson", r#"{"id": 4, "note": "NA"}"#).unwrap();
    assert_eq!(orders.rows("SELECT note FROM orders WHERE id = 4"), ["'NA'"]);
    let mut words_are_texts = Orders::new();
    words_are_texts.import("a.csv", "id\n1\nNA\n").unwrap();
    assert_eq!(words_are_texts.rows("SELECT id FROM orders"), ["'1'", "'NA'"]);
}
