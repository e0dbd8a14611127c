//! `importerd config show`

use super::desk::{Desk, ORDERS};

#[test]
fn every_value_is_shown_and_where_it_comes_from() {
    let desk = Desk::with(ORDERS);
    let answer = desk.ask(&["config", "show"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert!(answer.out.contains("folder.orders.path = \"/T/orders\"\n"), "{}", answer.out);
    let answer = desk.ask(&["config", "show", "--origin", "--set", "folder.orders.settle=5s"]);
    let line = |key: &str| answer.out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("folder.orders.path").ends_with("# /T/importerd.toml:2"), "{}", answer.out);
    assert!(line("folder.orders.settle").ends_with("# --set"), "{}", answer.out);
    let values: serde_json::Value = serde_json::from_str(&desk.ask(&["config", "show", "--json"]).out).unwrap();
    assert!(
        values.as_array().unwrap().iter().any(|shown| shown["key"] == "drain_grace" && shown["origin"] == "built-in")
    );
}

#[test]
fn with_wrong_settings_it_shows_what_is_understood_and_ends_with_78() {
    let desk = Desk::with("attempts = 7\nprocessors = 'two'\n");
    let answer = desk.ask(&["config", "show"]);
    assert_eq!(answer.code, Some(78));
    assert!(answer.out.contains("attempts = 7\n"), "{}", answer.out);
    assert!(
        answer.err.starts_with("importerd: /T/importerd.toml:2:14: processors: the string \"two\""),
        "{}",
        answer.err
    );
    let next = "correct that, then type: importerd --config /T/importerd.toml --state-dir /T/state check\n";
    assert!(answer.err.ends_with(next), "{}", answer.err);
}
