//! Which layer wins, which file is read, and what a value's origin says.

use std::time::Duration;

use super::{Machine, ORDERS, orders, path};
use crate::settings::{Backoff, Duplicates, Import, Target, Work};

#[test]
fn nothing_anywhere_gives_the_built_in_settings() {
    let loaded = Machine::new().loaded();
    let settings = loaded.settings;
    assert!((1..=256).contains(&settings.processors));
    assert_eq!(settings.drain_grace, Duration::from_mins(1));
    assert_eq!(settings.attempts, 5);
    assert_eq!(settings.backoff, Backoff { min: Duration::from_secs(1), max: Duration::from_mins(10) });
    assert_eq!((settings.restarts, settings.restart_window), (20, Duration::from_mins(1)));
    assert_eq!(settings.history, None);
    assert!(settings.folders.is_empty());
    assert!(loaded.values.iter().all(|shown| shown.origin == "built-in"));
}

#[test]
fn a_folder_with_only_a_path_imports_into_the_default_database() {
    let machine = Machine::with(ORDERS);
    let loaded = machine.loaded();
    let folder = orders(&loaded);
    assert_eq!((&*folder.path, &*folder.inbox), (path("/srv/orders"), path("/srv/orders/inbox")));
    assert_eq!((folder.settle, folder.rescan), (Duration::from_secs(2), Duration::from_secs(30)));
    assert_eq!(folder.duplicates, Duplicates::ByContent);
    assert_eq!((&folder.ready_marker, folder.matching.len(), folder.ignore.len()), (&None, 0, 0));
    let import = Import {
        into: Some(Target::Sqlite("importerd.db".into())),
        encoding: Some("utf-8".into()),
        ..Import::into_table("orders")
    };
    assert_eq!(folder.work, Work::Import(import));
    assert_eq!(machine.origin("folder.orders.inbox"), "built-in");
}

#[test]
fn a_table_without_a_key_is_a_folder_all_the_same() {
    let machine = Machine::with("[folder.orders]").set("folder.orders.path=/srv/orders");
    assert_eq!(*orders(&machine.loaded()).path, *path("/srv/orders"));
}

#[test]
fn each_layer_wins_over_the_one_below_it() {
    let settle_and_origin =
        |machine: &Machine| (orders(&machine.loaded()).settle.as_secs(), machine.origin("folder.orders.settle"));
    let mut machine = Machine::new();
    machine.write("usr/importerd.toml", ORDERS);
    assert_eq!(settle_and_origin(&machine), (2, "built-in".into()));
    machine.write("usr/importerd.toml", format!("{ORDERS}\nsettle = '3s'"));
    assert_eq!(settle_and_origin(&machine), (3, "usr/importerd.toml:4".into()));
    machine.write("usr/importerd.toml.d/10-settle.toml", "folder.orders.settle = '4s'");
    assert_eq!(settle_and_origin(&machine), (4, "usr/importerd.toml.d/10-settle.toml:1".into()));
    machine = machine.variable("IMPORTERD__FOLDER__ORDERS__SETTLE", "5s");
    assert_eq!(settle_and_origin(&machine), (5, "environment IMPORTERD__FOLDER__ORDERS__SETTLE".into()));
    machine = machine.set("folder.orders.settle=6s");
    assert_eq!(settle_and_origin(&machine), (6, "--set".into()));
    machine = machine.set("folder.orders.settle=7s");
    assert_eq!(settle_and_origin(&machine), (7, "--set".into()));
}

#[test]
fn a_layer_changes_one_key_and_leaves_the_others_of_the_folder() {
    let machine = Machine::with("[folder.orders]\npath = '/srv/orders'\nmatch = ['*.csv']\nsettle = '9s'");
    machine.write("etc/importerd.toml.d/match.toml", "[folder.orders]\nmatch = ['*.tsv', '*.txt']");
    let loaded = machine.loaded();
    assert_eq!(orders(&loaded).matching, ["*.tsv", "*.txt"], "a list is replaced, not joined");
    assert_eq!(orders(&loaded).settle, Duration::from_secs(9));
}

#[test]
fn only_the_first_main_file_is_read() {
    let machine = Machine::new();
    machine.write("usr/importerd.toml", "attempts = 1\nrestarts = 1");
    machine.write("run/importerd.toml", "attempts = 2");
    assert_eq!(machine.loaded().settings.attempts, 2);
    assert_eq!(machine.loaded().settings.restarts, 20, "the file in usr is not read");
    machine.write("etc/importerd.toml", "attempts = 3");
    assert_eq!(machine.loaded().settings.attempts, 3);
}

#[test]
fn drop_ins_of_all_trees_are_read_in_the_order_of_their_names() {
    let machine = Machine::new();
    machine.write("etc/importerd.toml.d/10-a.toml", "attempts = 10\nrestarts = 10");
    machine.write("run/importerd.toml.d/20-b.toml", "attempts = 20\nprocessors = 20");
    machine.write("usr/importerd.toml.d/30-c.toml", "attempts = 30");
    let settings = machine.loaded().settings;
    assert_eq!((settings.attempts, settings.restarts, settings.processors), (30, 10, 20));
}

#[test]
fn a_drop_in_replaces_the_one_of_the_same_name_in_a_later_tree() {
    let machine = Machine::new();
    machine.write("etc/importerd.toml.d/10-a.toml", "attempts = 10");
    machine.write("usr/importerd.toml.d/10-a.toml", "attempts = 11\nrestarts = 11");
    let settings = machine.loaded().settings;
    assert_eq!((settings.attempts, settings.restarts), (10, 20));
}

#[test]
fn an_empty_drop_in_or_a_link_to_dev_null_masks_its_name() {
    let machine = Machine::new();
    machine.write("usr/importerd.toml.d/10-a.toml", "attempts = 10");
    machine.write("usr/importerd.toml.d/20-b.toml", "restarts = 11");
    machine.write("etc/importerd.toml.d/10-a.toml", "");
    machine.link("run/importerd.toml.d/20-b.toml", "/dev/null");
    let settings = machine.loaded().settings;
    assert_eq!((settings.attempts, settings.restarts), (5, 20));
}

#[test]
fn a_masked_main_file_masks_the_other_main_files_but_no_drop_in() {
    let machine = Machine::new();
    machine.write("usr/importerd.toml", "attempts = 10");
    machine.write("usr/importerd.toml.d/a.toml", "restarts = 11");
    machine.link("etc/importerd.toml", "/dev/null");
    let settings = machine.loaded().settings;
    assert_eq!((settings.attempts, settings.restarts), (5, 11));
}

#[test]
fn other_files_beside_the_drop_ins_are_left_alone() {
    let machine = Machine::new();
    for name in ["README", "10-a.toml.rpmsave", ".10-a.toml", "20-b.conf"] {
        machine.write(&format!("etc/importerd.toml.d/{name}"), "this is no TOML");
    }
    machine.loaded();
}

#[test]
fn a_config_file_stands_for_all_trees_and_brings_its_own_drop_ins() {
    let machine = Machine::with("attempts = 1\nrestarts = 1\nhistory = '1y'").config("mine.toml");
    machine.write("etc/importerd.toml.d/a.toml", "processors = 77");
    machine.write("mine.toml", "attempts = 2\nhistory = '30d'");
    machine.write("mine.toml.d/a.toml", "restart_window = '5s'\nhistory = '90d'");
    let settings = machine.loaded().settings;
    assert_eq!((settings.attempts, settings.restarts), (2, 20));
    assert_eq!(settings.restart_window, Duration::from_secs(5));
    assert_eq!(settings.history, Some(Duration::from_hours(90 * 24)));
    assert_ne!(machine.origin("processors"), "etc/importerd.toml.d/a.toml:1");
    assert_eq!(machine.set("history=forever").loaded().settings.history, None);
}

#[test]
fn a_list_in_the_environment_is_an_array_or_a_single_text() {
    let with = |value| {
        let machine = Machine::with(ORDERS).variable("IMPORTERD__FOLDER__ORDERS__MATCH", value);
        orders(&machine.loaded()).matching.clone()
    };
    assert_eq!(with("*.csv"), ["*.csv"]);
    assert_eq!(with("[ab]*.csv"), ["[ab]*.csv"]);
    assert_eq!(with(r#"["*.csv", "*.tsv"]"#), ["*.csv", "*.tsv"]);
    assert!(with("[]").is_empty());
}

#[test]
fn text_from_outside_keeps_its_zeros() {
    let machine = Machine::with(ORDERS).set("folder.orders.import.table=0012");
    let loaded = machine.loaded();
    let Work::Import(import) = &orders(&loaded).work else { panic!("it imports") };
    assert_eq!(import.table, "0012");
}

#[test]
fn variables_with_one_underscore_are_not_settings() {
    let machine = Machine::new().variable("IMPORTERD_STATE_DIRECTORY", "/x").variable("IMPORTERD_FOLDER", "orders");
    machine.loaded();
}

#[test]
fn folder_names_may_begin_with_digits_and_hold_dashes() {
    let machine = Machine::with("[folder.2026-orders_eu]\npath = '/srv/eu'");
    let machine = machine.variable("IMPORTERD__FOLDER__2026-ORDERS_EU__SETTLE", "1s");
    assert_eq!(machine.loaded().settings.folders["2026-orders_eu"].settle, Duration::from_secs(1));
}

#[test]
fn inline_tables_and_headers_say_the_same() {
    let inline = "backoff = { min = '2s', max = '3s' }\n[folder]\nscans = { path = '/srv/scans', run = { command = ['ocr', '{path}'], timeout = '1m' } }";
    let headers = "[folder.scans.run]\ncommand = ['ocr', '{path}']\ntimeout = '1m'\n[folder.scans]\npath = '/srv/scans'\n[backoff]\nmin = '2s'\nmax = '3s'";
    let loaded = Machine::with(inline).loaded();
    assert_eq!(loaded.settings, Machine::with(headers).loaded().settings);
    let Work::Run(run) = &loaded.settings.folders["scans"].work else { panic!("it runs") };
    assert_eq!((run.command.len(), run.timeout), (2, Duration::from_mins(1)));
    assert!(!loaded.values.iter().any(|shown| shown.key.contains(".import.")), "a folder that runs has no target");
}
