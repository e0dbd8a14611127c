//! Columns with a type of their own, from the settings file to the rows; Python's decimal and datetime read both ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
mod proof;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Drop, has};
use serde_json::{Map, Value};

/// Each with its type. Python's strftime writes the same forms.
const COLUMNS: [(&str, &str); 9] = [
    ("amount", "decimal"),
    ("german", "date:%d.%m.%Y"),
    ("american", "date:%m/%d/%y"),
    ("ordinal", "date:%Y%j"),
    ("weekly", "date:%G-W%V-%u"),
    ("to the minute", "timestamp:%d.%m.%Y %H:%M"),
    ("half a day", "timestamp:%d %b %Y, %I:%M:%S %p"),
    ("compact", "timestamp:%Y%m%dT%H%M%S.%f"),
    ("Zoned", "timestamp:%a, %d %B %Y %H:%M:%S %z"),
];

fn columns() -> String {
    let columns: Map<String, Value> = COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into())).collect();
    Value::from(columns).to_string()
}

/// A folder whose settings declare them.
fn declaring(mark: char) -> Drop {
    let mut columns = String::new();
    for (name, kind) in COLUMNS {
        write!(columns, "{:?} = \"{kind}\", ", name.to_uppercase()).unwrap();
    }
    let import = format!("into = \"sqlite:rows.db\", decimal = \"{mark}\", columns = {{ {columns} }}");
    Drop::with(&format!("import = {{ {import} }}"))
}

fn python(what: &str, file: &Path, mark: char, last: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/declared.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(what).arg(file).args([&columns(), &mark.to_string(), last]);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn random_decimals_dates_and_timestamps_mean_the_same_to_python_before_and_after() {
    if !has("python3") {
        return;
    }
    for mark in ['.', ','] {
        for table_is_there in [false, true] {
            let drop = declaring(mark);
            if table_is_there {
                let texts = COLUMNS.map(|(name, _)| format!("\"{name}\" TEXT")).join(", ");
                fs::create_dir_all(drop.state()).unwrap();
                drop.rows().execute_batch(&format!("CREATE TABLE \"drop\" ({texts})")).unwrap();
            }
            let (file, seed) = (drop.root().join("a.csv"), (proof::seed() + u64::from(table_is_there)).to_string());
            python("write", &file, mark, &seed);
            drop.put("a.csv", fs::read(&file).unwrap());
            let refused = || String::from_utf8(drop.read("quarantine", "a.csv.reason.txt")).unwrap();
            assert!(drop.once().success(), "seed {seed}: {}", refused());
            let database = drop.state().join("rows.db");
            let compare = || python("compare", &file, mark, database.to_str().unwrap());
            assert_eq!(compare(), "", "seed {seed}");
            // The comparison sees a digit and a second.
            let spoilt = "UPDATE \"drop\" SET amount = coalesce(amount, '1.5') || '0', compact = '2026-11-22 03:04:05' \
                WHERE rowid = 7";
            drop.rows().execute_batch(spoilt).unwrap();
            assert_eq!(compare().lines().count(), 2, "{}", compare());
        }
    }
}

#[test]
fn a_table_that_can_not_hold_what_is_declared_holds_the_folder_until_one_of_them_is_changed() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", columns = { amount = \"decimal\" } }");
    fs::create_dir_all(drop.state()).unwrap();
    drop.rows().execute_batch("CREATE TABLE \"drop\" (amount INTEGER)").unwrap();
    drop.put("a.csv", "amount\n12.50\n");
    let mut daemon = drop.start();
    let paused = daemon.wait_for("folder.paused");
    let reason =
        "the column \"amount\" of the table \"drop\" holds integers, and import.columns makes it decimal numbers";
    assert!(paused["reason"].as_str().unwrap().contains(reason), "{paused}");
    drop.rows().execute_batch("ALTER TABLE \"drop\" DROP COLUMN amount").unwrap_err();
    drop.rows().execute_batch("DROP TABLE \"drop\"; CREATE TABLE \"drop\" (amount TEXT)").unwrap();
    daemon.wait_for("file.archived");
    assert!(daemon.stop().success());
    let amount: String = drop.rows().query_row("SELECT amount FROM \"drop\"", [], |row| row.get(0)).unwrap();
    assert_eq!(amount, "12.50");
    assert!(drop.names("quarantine").is_empty());
}

#[test]
fn check_says_which_declared_column_can_not_be_read() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", columns = { at = \"timestamp:%d.%m.\" } }");
    let output = drop.command(&["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("folder.drop.import.columns.at: \"timestamp:%d.%m.\" can't be used: it doesn't tell the day"),
        "{said}"
    );
}

#[test]
fn what_of_a_first_file_is_not_as_declared_can_be_taken_out_and_mended() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", columns = { on = \"date:%d.%m.%Y\" } }");
    drop.put("a.csv", "id,on\n1,22.11.2026\n2,30.02.2026\n3,x\n");
    assert_eq!(drop.once().code(), Some(1));
    let output = drop.command(&["rejects", "1"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "id,on\n2,30.02.2026\n3,x\n");
}
