//! The columns of a folder: keys that the operator names, merged one by one.

use super::{Machine, ORDERS, orders, problems_of};
use crate::settings::{Column, Import, Work, show};

fn import(machine: &Machine) -> Import {
    match &orders(&machine.loaded()).work {
        Work::Import(import) => import.clone(),
        Work::Run(_) => panic!("it imports"),
    }
}

fn declared(machine: &Machine) -> Vec<String> {
    let columns = import(machine).columns;
    columns.iter().map(|(name, column)| format!("{name}: {column:?}")).collect()
}

#[test]
fn a_column_is_declared_in_any_layer_and_by_itself() {
    let machine =
        Machine::with(&format!("{ORDERS}import.columns = {{ Amount = 'decimal', code = 'text', n = 'integer' }}"));
    machine.write("etc/importerd.toml.d/10.toml", "[folder.orders.import.columns]\nCODE = 'boolean'");
    let machine = machine
        .variable("IMPORTERD__FOLDER__ORDERS__IMPORT__COLUMNS__PLACED_AT", "date")
        .set("folder.orders.import.columns.AMOUNT=real")
        .set("folder.orders.import.columns.order id=text");
    assert_eq!(
        declared(&machine),
        ["amount: Real", "code: Boolean", "n: Integer", "order id: Text", "placed_at: Date(None)"]
    );
    assert_eq!(machine.origin("folder.orders.import.columns.amount"), "--set");
    assert_eq!(machine.origin("folder.orders.import.columns.code"), "etc/importerd.toml.d/10.toml:2");
    assert_eq!(machine.origin("folder.orders.import.columns.n"), "etc/importerd.toml:3");
}

#[test]
fn a_column_is_found_in_whatever_case() {
    let machine = Machine::with(&format!("{ORDERS}import.columns = {{ 'Größe' = 'real' }}"));
    let columns = import(&machine).columns;
    for name in ["Größe", "größe", "GRÖßE"] {
        assert_eq!(columns.get(name), Some(&Column::Real), "{name}");
    }
    assert_eq!(columns.get("groesse"), None);
}

#[test]
fn a_format_belongs_to_its_column() {
    let machine =
        Machine::with(&format!("{ORDERS}import.columns = {{ at = 'timestamp:%d.%m.%Y %H:%M', on = 'date:%F' }}"));
    let columns = import(&machine).columns;
    let Some(Column::Timestamp(Some(pattern))) = columns.get("at") else { panic!("{columns:?}") };
    assert_eq!((pattern.text(), pattern.has_offset()), ("%d.%m.%Y %H:%M", false));
    assert!(matches!(columns.get("on"), Some(Column::Date(Some(pattern))) if pattern.text() == "%F"));
}

#[test]
fn a_columns_name_may_hold_anything() {
    let names = r#"{ "a.b" = 'text', "order id" = 'real', "x[0]" = 'date', "q\"u" = 'integer', "*" = 'decimal', "ü" = 'boolean' }"#;
    let machine = Machine::with(&format!("{ORDERS}import.columns = {names}"));
    assert_eq!(declared(&machine).len(), 6, "{:?}", declared(&machine));
    let loaded = machine.loaded();
    assert!(import(&machine).columns.get("A.B") == Some(&Column::Text));
    let shown = show::text(&loaded.values, true);
    for line in [r#"columns."a.b" = "text""#, r#"columns."order id" = "real""#, r#"columns."x[0]" = "date""#] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(Machine::with(&shown).loaded().settings, loaded.settings, "what is shown says the same");
    let set = Machine::with(ORDERS).set("folder.orders.import.columns.a.b=text");
    assert_eq!(declared(&set), ["a.b: Text"]);
}

#[test]
fn what_can_not_be_a_column_says_so_by_its_key() {
    for (columns, problem) in [
        (
            "{ amount = 'decimel' }",
            "3:29: folder.orders.import.columns.amount: \"decimel\" is no type of a column; did you mean \"decimal\"?",
        ),
        (
            "{ amount = 'money' }",
            "3:29: folder.orders.import.columns.amount: \"money\" is no type of a column; write one of text, integer, decimal, real, boolean, date, timestamp",
        ),
        (
            "{ amount = 'decimal:%d' }",
            "3:29: folder.orders.import.columns.amount: \"decimal:%d\" can't be used: only date and timestamp take a format",
        ),
        (
            "{ amount = 2 }",
            "3:29: folder.orders.import.columns.amount: the integer 2 where a column's type such as \"decimal\" is needed",
        ),
        (
            "{ amount.kind = 'text' }",
            "3:20: folder.orders.import.columns.amount: a table where a column's type such as \"decimal\" is needed",
        ),
        (
            "{ Amount = 'text', amount = 'real' }",
            "3:37: folder.orders.import.columns.amount: the same column is named above, in other letters",
        ),
        (
            "{ at = 'date:%d.%m.' }",
            "3:25: folder.orders.import.columns.at: \"date:%d.%m.\" can't be used: it doesn't tell the day, the month and the year",
        ),
        (
            "{ at = 'date:%d.%m.%Y %H:%M' }",
            "3:25: folder.orders.import.columns.at: \"date:%d.%m.%Y %H:%M\" can't be used: the time of day would be lost; write timestamp:%d.%m.%Y %H:%M",
        ),
        (
            "{ at = 'timestamp:%d.%m.%Y' }",
            "3:25: folder.orders.import.columns.at: \"timestamp:%d.%m.%Y\" can't be used: it has no time of day; write date:%d.%m.%Y",
        ),
        (
            "{ at = 'timestamp:%F %q' }",
            "3:25: folder.orders.import.columns.at: \"timestamp:%F %q\" can't be used: found unrecognized specifier directive `q`",
        ),
        ("'decimal'", "3:18: folder.orders.import.columns: the string \"decimal\" where a table is needed with NAME"),
    ] {
        assert_eq!(problems_of(&format!("{ORDERS}import.columns = {columns}")), problem);
    }
}

#[test]
fn a_layer_above_the_files_names_its_wrong_column_too() {
    let name = "IMPORTERD__FOLDER__ORDERS__IMPORT__COLUMNS__AMOUNT";
    assert_eq!(
        Machine::with(ORDERS).variable(name, "decimel").problems(),
        format!(
            "environment {name}: folder.orders.import.columns.amount: \"decimel\" is no type of a column; did you mean \"decimal\"?"
        )
    );
    let misspelt = "IMPORTERD__FOLDER__ORDERS__IMPORT__COLUMS__AMOUNT";
    assert_eq!(
        Machine::with(ORDERS).variable(misspelt, "text").problems(),
        format!("environment {misspelt}: unknown; did you mean {name}?")
    );
    assert_eq!(
        Machine::with(ORDERS).set("folder.orders.import.columns=text").problems(),
        "--set folder.orders.import.columns: a table; set one of its keys: NAME"
    );
}

#[test]
fn marks_and_words_are_declared_for_the_folder() {
    let machine = Machine::with(&format!("{ORDERS}import = {{ decimal = ',', nulls = ['NA', 'NULL'] }}"));
    let read = import(&machine);
    assert!(read.decimal_comma);
    assert_eq!(read.nulls, ["NA", "NULL"]);
    for (line, problem) in [
        ("import.decimal = ';'", "3:18: folder.orders.import.decimal: \";\" is not one of \".\", \",\""),
        (
            "import.nulls = ['']",
            "3:16: folder.orders.import.nulls: \"\" is no word; a field with nothing in it is NULL anyway",
        ),
        (
            "import.nulls = 'NA'",
            "3:16: folder.orders.import.nulls: the string \"NA\" where a list of strings such as [\"NA\"] is needed",
        ),
    ] {
        assert_eq!(problems_of(&format!("{ORDERS}{line}")), problem);
    }
}
