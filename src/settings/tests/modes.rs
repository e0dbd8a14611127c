//! `import.mode` and `import.new_columns`: what may be written, in every layer, and what is said otherwise.

use super::{Machine, ORDERS, orders, problems_of};
use crate::settings::{Import, Loaded, Mode, NewColumns, Work};

fn import(loaded: &Loaded) -> &Import {
    match &orders(loaded).work {
        Work::Import(import) => import,
        Work::Run(_) => panic!("it imports"),
    }
}

fn mode_of(lines: &str) -> Mode {
    import(&Machine::with(&format!("{ORDERS}{lines}")).loaded()).mode.clone()
}

fn key(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

#[test]
fn a_mode_is_a_word_or_names_its_key() {
    assert_eq!(mode_of(""), Mode::Append);
    assert_eq!(mode_of("import.mode = 'append'"), Mode::Append);
    assert_eq!(mode_of("import = { mode = 'replace' }"), Mode::Replace);
    assert_eq!(mode_of("import.mode = { upsert = ['order_id'] }"), Mode::Upsert(key(&["order_id"])));
    assert_eq!(mode_of("import.mode.insert = ['a', 'B \"b\"']"), Mode::Insert(key(&["a", "B \"b\""])));
}

#[test]
fn a_mode_of_a_higher_layer_takes_the_place_of_the_lower_one() {
    let machine = || Machine::with(&format!("{ORDERS}import.mode = {{ upsert = ['a', 'b'] }}"));
    let set = |text: &str| {
        let loaded = machine().set(&format!("folder.orders.import.mode={text}")).loaded();
        import(&loaded).mode.clone()
    };
    assert_eq!(set("{ insert = [\"c\"] }"), Mode::Insert(key(&["c"])));
    assert_eq!(set("replace"), Mode::Replace);
    let variable = machine().variable("IMPORTERD__FOLDER__ORDERS__IMPORT__MODE", "{ upsert = ['c'] }");
    assert_eq!(import(&variable.loaded()).mode, Mode::Upsert(key(&["c"])));
}

#[test]
fn a_mode_that_makes_no_sense_is_refused() {
    let allowed = "\"append\", \"replace\", { upsert = [\"column\"] } or { insert = [\"column\"] }";
    for (mode, problem) in [
        ("'apend'", format!("\"apend\" is not one of {allowed}")),
        ("'upsert'", "upsert by which columns? write it like { upsert = [\"id\"] }".to_owned()),
        ("7", format!("the integer 7 where one of these is needed: {allowed}")),
        ("{}", format!("{{}} is not one of {allowed}")),
        ("{ upsrt = ['a'] }", format!("{{ \"upsrt\" = … }} is not one of {allowed}")),
        ("{ upsert = ['a'], insert = ['a'] }", "\"insert\" and \"upsert\" together: a folder has one mode".to_owned()),
        ("{ upsert = [] }", "upsert names no column; write it like { upsert = [\"id\"] }".to_owned()),
        (
            "{ upsert = 'a' }",
            "the string \"a\" where the list of the columns of upsert is needed, like [\"id\"]".to_owned(),
        ),
        (
            "{ insert = [1] }",
            "the integer 1 where the list of the columns of insert is needed, like [\"id\"]".to_owned(),
        ),
        ("{ upsert = ['a', 'A'] }", "\"A\" stands twice".to_owned()),
        ("{ upsert = [''] }", "\"\" is no column of a file".to_owned()),
        ("{ upsert = ['_File_ID'] }", "\"_File_ID\" is no column of a file".to_owned()),
    ] {
        let problems = problems_of(&format!("{ORDERS}import.mode = {mode}"));
        assert_eq!(problems, format!("3:15: folder.orders.import.mode: {problem}"));
    }
    let machine = Machine::with(ORDERS).set("folder.orders.import.mode={upsert");
    assert_eq!(
        machine.problems(),
        format!("--set folder.orders.import.mode: \"{{upsert\" is not TOML; write {allowed}")
    );
}

#[test]
fn a_mode_is_shown_as_it_may_be_written() {
    let loaded = Machine::with(&format!("{ORDERS}import.mode.upsert = ['a', 'b\"']")).loaded();
    let shown = loaded.values.iter().find(|shown| shown.key == "folder.orders.import.mode").unwrap();
    assert_eq!(shown.value.to_string(), r#"{ upsert = ["a", "b\""] }"#);
    assert_eq!(serde_json::json!(shown.value), serde_json::json!({ "upsert": ["a", "b\""] }));
}

#[test]
fn new_columns_are_refused_unless_it_is_said_otherwise() {
    let of = |lines: &str| import(&Machine::with(&format!("{ORDERS}{lines}")).loaded()).new_columns;
    assert_eq!(of(""), NewColumns::Refuse);
    assert_eq!(of("import.new_columns = 'add'"), NewColumns::Add);
    assert_eq!(of("import.new_columns = 'ignore'"), NewColumns::Ignore);
    let problem = "3:22: folder.orders.import.new_columns: \"drop\" is not one of \"refuse\", \"add\", \"ignore\"";
    assert_eq!(problems_of(&format!("{ORDERS}import.new_columns = 'drop'")), problem);
}
