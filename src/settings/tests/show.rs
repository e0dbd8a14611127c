//! What `importerd config show` prints.

use super::Machine;
use crate::settings::{are_changed, show};

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

#[test]
fn a_fingerprint_is_of_what_the_files_say_and_of_nothing_else() {
    const FOLDER: &str = "[folder.orders]\npath = '/srv/orders'\nsettle = '5s'\n";
    let fingerprint = |text: &str| Machine::with(text).loaded().fingerprint;
    let before = fingerprint(FOLDER);
    let same = [
        "# once more\n[folder.orders]\nsettle = \"5s\"\npath = '/srv/orders'\n",
        "attempts = 5\n[folder.orders]\npath = '/srv/orders'\nsettle = '5s'\nimport.encoding = 'utf-8'\n",
    ];
    for text in same {
        assert_eq!(fingerprint(text), before, "{text}");
        assert!(!are_changed(&before, &fingerprint(text)));
    }
    let given = Machine::with(FOLDER).variable("IMPORTERD__ATTEMPTS", "7").set("folder.orders.settle=1s");
    assert_eq!(given.loaded().fingerprint, before);
    for text in [FOLDER.replace("5s", "6s"), FOLDER.to_owned() + "import.encoding = 'utf-16le'\n"] {
        assert!(are_changed(&before, &fingerprint(&text)), "{text}");
    }
    // Of another version, which may have other defaults, or of nobody.
    assert!(!are_changed("0.0.1 00", &before));
    assert!(!are_changed("", &before));
}

#[test]
fn a_fingerprint_tells_nothing_of_a_password() {
    let with = |password: &str| {
        let text = format!("[folder.orders]\npath = '/srv/orders'\nimport.into = 'postgres://u:{password}@host/db'\n");
        Machine::with(&text).loaded().fingerprint
    };
    assert_eq!(with("secret"), with("another"));
}
