//! etc/importerd.toml says what the rows say, and the rows agree with themselves.

use std::collections::BTreeSet;

use super::Machine;
use crate::settings::keys::{KEYS, Preset};
use crate::settings::kind::Kind;
use crate::settings::value::Value;
use crate::settings::{Shown, Work};

const EXAMPLE: &str = include_str!("../../../etc/importerd.toml");

/// The example with every setting in force: `#key` is a setting, `# word` is prose.
fn uncommented() -> String {
    let setting = |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with(' ') && !rest.is_empty());
    EXAMPLE.lines().map(|line| if setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

fn shown_from(text: &str) -> Vec<Shown> {
    let machine = Machine::with(text);
    machine.loaded().values.into_iter().filter(|shown| shown.origin != "built-in").collect()
}

fn pattern(key: &str) -> String {
    let key = key.replace("folder.orders.", "folder.*.").replace("folder.scans.", "folder.*.");
    let columns = "folder.*.import.columns.";
    if key.starts_with(columns) { format!("{columns}*") } else { key }
}

#[test]
fn the_example_works_as_it_is_shipped() {
    let settings = Machine::with(EXAMPLE).loaded().settings;
    assert_eq!(settings.folders.keys().collect::<Vec<_>>(), ["orders"]);
}

#[test]
fn the_uncommented_example_sets_every_key_and_no_other() {
    let in_example: BTreeSet<String> = shown_from(&uncommented()).iter().map(|shown| pattern(&shown.key)).collect();
    let in_rows: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(in_example, in_rows);
    let settings = Machine::with(&uncommented()).loaded().settings;
    assert!(matches!(settings.folders["scans"].work, Work::Run(_)));
}

#[test]
fn what_the_example_has_commented_out_is_the_default() {
    let in_force: BTreeSet<String> = shown_from(EXAMPLE).into_iter().map(|shown| shown.key).collect();
    for shown in shown_from(&uncommented()).iter().filter(|shown| !in_force.contains(&shown.key)) {
        let row = KEYS.iter().find(|row| row.path == pattern(&shown.key)).unwrap();
        match row.preset {
            Preset::Is(text) => assert_eq!(shown.value, row.kind.take_text(text).unwrap(), "{}", shown.key),
            Preset::FolderName => assert_eq!(shown.value, Value::Text("orders".into())),
            Preset::BelowPath(name) => assert_eq!(shown.value, Value::Text(format!("/srv/importerd/orders/{name}"))),
            Preset::Cores | Preset::Required(_) | Preset::Unset => {}
        }
    }
}

#[test]
fn the_example_says_of_each_key_what_its_row_says() {
    for row in KEYS {
        assert!(EXAMPLE.contains(&format!("\n# {}", row.help)), "the help of {} is not in the example", row.path);
    }
}

#[test]
fn every_row_keeps_its_own_limits() {
    for row in KEYS {
        if let Kind::Duration { min, max } | Kind::Retention { min, max } = row.kind {
            let limits = [min, max].map(|limit| humantime::parse_duration(limit).unwrap());
            assert!(limits[0] < limits[1], "{}", row.path);
        }
        let text = match row.preset {
            Preset::Is(text) => Some(text),
            Preset::Required(text) => Some(text.trim_matches('"')),
            _ => None,
        };
        if let Some(text) = text {
            row.kind.take_text(text).unwrap_or_else(|wrong| panic!("{}: {wrong}", row.path));
        }
        assert!(row.help.ends_with('.') && row.help.len() < 110, "{}: {}", row.path, row.help);
    }
}
