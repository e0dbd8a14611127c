//! What is wrong only when all layers are together, and how everything wrong is told at once.

use super::{Machine, ORDERS, problems_of};

#[test]
fn a_folder_without_a_path_is_refused_where_it_is_named() {
    let text = "attempts = 5\n[folder.orders]\nsettle = '1s'";
    assert_eq!(problems_of(text), "2: folder.orders.path: missing; write it like path = \"/srv/importerd/orders\"");
}

#[test]
fn a_folder_that_only_a_misspelt_variable_names_is_told_the_right_name() {
    let machine = Machine::with("[folder.my-orders]\npath = '/srv/orders'");
    let machine = machine.variable("IMPORTERD__FOLDER__MY_ORDERS__SETTLE", "1s");
    let expected = "environment IMPORTERD__FOLDER__MY_ORDERS__SETTLE: folder.my_orders.path: missing; \
        did you mean folder.my-orders?";
    assert_eq!(machine.problems(), expected);
}

#[test]
fn a_folder_either_imports_or_runs() {
    let machine = Machine::with(&format!("{ORDERS}import.table = 'x'"));
    let machine = machine.set("folder.orders.run.command=/bin/true");
    let expected = "--set folder.orders.run: folder.orders.import is set too (etc/importerd.toml:3); \
        a folder does one of them";
    assert_eq!(machine.problems(), expected);
}

#[test]
fn run_without_a_command_is_refused() {
    let problem = "3: folder.orders.run.command: missing; write it like command = [\"/opt/scans/ocr.sh\", \"{path}\"]";
    assert_eq!(problems_of(&format!("{ORDERS}run.timeout = '1s'")), problem);
    assert_eq!(problems_of(&format!("{ORDERS}run = {{}}")), problem);
}

#[test]
fn the_first_wait_is_not_longer_than_the_longest() {
    let problem = "1: backoff.min: \"20m\" is longer than backoff.max, \"10m\" (built-in)";
    assert_eq!(problems_of("backoff.min = '20m'"), problem);
}

#[test]
fn two_folders_do_not_share_a_directory() {
    let text = "[folder.a]\npath = '/srv/a'\n[folder.b]\npath = '/srv/b'\ninbox = '/srv/a/inbox/'";
    assert_eq!(problems_of(text), "5: folder.b.inbox: the same directory as folder.a.inbox");
    let text = "[folder.a]\npath = '/srv/a'\n[folder.b]\npath = '/srv/a/'";
    assert_eq!(problems_of(text), "4: folder.b.path: the same directory as folder.a.path");
    let text = "[folder.a]\npath = '/srv/a'\n[folder.b]\npath = '/srv/x/../a'";
    assert_eq!(problems_of(text), "4: folder.b.path: the same directory as folder.a.path");
    let machine = Machine::new();
    std::fs::create_dir(machine.path("a")).unwrap();
    machine.link("link", "a");
    let [a, link] = ["a", "link"].map(|name| machine.path(name).display().to_string());
    machine.write("etc/importerd.toml", format!("[folder.a]\npath = '{a}'\n[folder.b]\npath = '{link}'"));
    assert_eq!(machine.problems(), "etc/importerd.toml:4: folder.b.path: the same directory as folder.a.path");
}

#[test]
fn no_inbox_is_where_files_of_a_folder_go() {
    for (inbox, into) in
        [("/srv/a/quarantine", "quarantine"), ("/srv/a/x/../active/0", "active"), ("/srv/a/archive/", "archive")]
    {
        let text = format!("[folder.a]\npath = '/srv/a'\ninbox = '{inbox}'");
        let problem = format!("3: folder.a.inbox: files that are done with go into {into}/ of this folder");
        assert_eq!(problems_of(&text), problem);
    }
    // Nor of another one's, whichever is named first.
    for (one, other) in [("a", "b"), ("b", "a")] {
        for into in ["active", "archive", "quarantine"] {
            let text =
                format!("[folder.{one}]\npath = '/srv/1'\n[folder.{other}]\npath = '/srv/2'\ninbox = '/srv/1/{into}'");
            let problem =
                format!("folder.{other}.inbox: files that are done with go into {into}/ of folder.{one}.path");
            assert_eq!(problems_of(&text), format!("5: {problem}"));
            let text = format!("[folder.{one}]\npath = '/srv/1'\n[folder.{other}]\npath = '/srv/1/{into}/2'");
            assert_eq!(problems_of(&text), format!("4: {}", problem.replace(".inbox:", ".path:")));
        }
    }
    // Nor where those are within what a third one has done.
    let [within, inbox] = ["path = '/srv/1/archive/2'\ninbox = '/srv/2'", "inbox = '/srv/1/archive/2/results'"];
    let text = format!("[folder.a]\npath = '/srv/1'\n[folder.b]\n{within}\n[folder.c]\npath = '/srv/3'\n{inbox}");
    assert_eq!(problems_of(&text), "8: folder.c.inbox: files that are done with go into archive/ of folder.a.path");
    // The control: one folder's results are another one's files.
    let text = "[folder.a]\npath = '/srv/a'\n[folder.b]\npath = '/srv/b'\ninbox = '/srv/a/results'";
    Machine::with(text).loaded();
}

#[test]
fn a_folder_whose_name_no_table_can_have_needs_one() {
    let problems = problems_of("[folder.sqlite_x]\npath = '/srv/a'");
    assert!(problems.contains("folder.sqlite_x.import.table: \"sqlite_x\" can't be a table"), "{problems}");
    Machine::with("[folder.sqlite_x]\npath = '/srv/a'\nimport.table = 'x'").loaded();
}

#[test]
fn everything_wrong_in_every_layer_is_told_at_once() {
    let machine = Machine::with("processors = 0\n[folder.orders]\nsettel = '1s'\npath = 'x'");
    machine.write("usr/importerd.toml.d/10.toml", "attempts = [");
    let machine = machine.variable("IMPORTERD__RESTARTS", "x").set("drain_grace=5").set("folder.b.settle=1s");
    let error = machine.load().unwrap_err();
    let expected = "etc/importerd.toml:1:14: processors: 0 is out of range; 1 to 256 is allowed\n\
        etc/importerd.toml:3:1: folder.orders.settel: unknown key; did you mean folder.orders.settle?\n\
        etc/importerd.toml:4:8: folder.orders.path: \"x\" is not an absolute path; it must begin with /\n\
        usr/importerd.toml.d/10.toml:1:13: unclosed array, expected `]`\n\
        environment IMPORTERD__RESTARTS: restarts: \"x\" is not a whole number\n\
        --set drain_grace: \"5\" has no unit; write it with one, for instance \"5s\"\n\
        --set folder.b.path: missing; write it like path = \"/srv/importerd/orders\"\n\
        to see every value and where it comes from, type: importerd config show --origin";
    assert_eq!(machine.without_root(&error.to_string()), expected);
    let restarts = error.values.iter().find(|shown| shown.key == "restarts").unwrap();
    assert_eq!(restarts.origin, "built-in", "what is right is still there to be shown");
}

#[test]
fn a_wrong_value_does_not_fall_back_to_the_layer_below() {
    let machine = Machine::with("attempts = 3").set("attempts=many");
    assert_eq!(machine.problems(), "--set attempts: \"many\" is not a whole number");
}
