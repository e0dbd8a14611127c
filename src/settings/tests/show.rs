//! What `importerd config show` prints.

use super::Machine;
use crate::settings::show;

fn machine() -> Machine {
    let text = "processors = 3\n[folder.orders]\npath = \"/srv/or\\\"d\\u007fers\"\nmatch = ['*.csv', '*.tsv']\n";
    Machine::with(text).variable("IMPORTERD__ATTEMPTS", "7").set("folder.orders.settle=1s")
}

#[test]
fn the_text_has_one_key_a_line_with_its_origin() {
    let machine = machine();
    let text = machine.without_root(&show::text(&machine.loaded().values, true));
    let expected = r#"processors = 3                                     # etc/importerd.toml:1
drain_grace = "60s"                                # built-in
attempts = 7                                       # environment IMPORTERD__ATTEMPTS
backoff.min = "1s"                                 # built-in
backoff.max = "10m"                                # built-in
restarts = 20                                      # built-in
restart_window = "60s"                             # built-in
history = "forever"                                # built-in
folder.orders.path = "/srv/or\"d\u007Fers"         # etc/importerd.toml:3
folder.orders.inbox = "/srv/or\"d\u007Fers/inbox"  # built-in
folder.orders.match = ["*.csv", "*.tsv"]           # etc/importerd.toml:4
folder.orders.ignore = []                          # built-in
folder.orders.settle = "1s"                        # --set
folder.orders.rescan = "30s"                       # built-in
folder.orders.duplicates = "by-content"            # built-in
folder.orders.import.into = "sqlite:importerd.db"  # built-in
folder.orders.import.table = "orders"              # built-in
folder.orders.import.mode = "append"               # built-in
folder.orders.import.new_columns = "refuse"        # built-in
folder.orders.import.quote = "\""                  # built-in
folder.orders.import.header = true                 # built-in
folder.orders.import.encoding = "utf-8"            # built-in
folder.orders.import.rejects = 0                   # built-in
folder.orders.import.decimal = "."                 # built-in
folder.orders.import.nulls = []                    # built-in
folder.orders.import.unpacked_gib_max = 100        # built-in
folder.orders.import.unpack_ratio_max = 200        # built-in
"#;
    assert_eq!(text, expected);
}

#[test]
fn the_text_is_a_settings_file_that_says_the_same() {
    let loaded = machine().loaded();
    for origin in [false, true] {
        let again = Machine::with(&show::text(&loaded.values, origin)).loaded();
        assert_eq!(again.settings, loaded.settings);
    }
}

#[test]
fn the_json_has_key_value_and_origin() {
    let values: serde_json::Value = serde_json::from_str(&show::json(&machine().loaded().values)).unwrap();
    assert_eq!(
        values[2],
        serde_json::json!({"key": "attempts", "value": 7, "origin": "environment IMPORTERD__ATTEMPTS"})
    );
    assert_eq!(values[10]["value"], serde_json::json!(["*.csv", "*.tsv"]));
}
