//! A folder that has another name in the settings than the one that its files are known by: refused with what to do,
//! never worked on as a new one.
//! fault 76

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use harness::{Daemon, Drop};
use serde_json::Value;

fn remembered(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("active/.ledger")).unwrap()).unwrap()
}

fn call_it(drop: &Drop, before: &str, after: &str) {
    let settings = fs::read_to_string(drop.settings()).unwrap();
    let [before, after] = [before, after].map(|name| format!("[folder.{name}]"));
    assert!(settings.contains(&before));
    fs::write(drop.settings(), settings.replace(&before, &after)).unwrap();
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A folder whose only file is in, and lies in its slot still, as a crash leaves it.
fn with_a_file_that_is_in_and_not_archived() -> Drop {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", table = \"drop\" }");
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    let archived = harness::files(&drop.path().join("archive")).pop().unwrap();
    fs::create_dir_all(drop.path().join("active/0")).unwrap();
    fs::rename(archived, drop.path().join("active/0/a.csv")).unwrap();
    drop.ledger().execute("UPDATE file SET state = 'committed', place = NULL", []).unwrap();
    drop
}

#[test]
fn a_folder_under_another_name_is_refused_and_goes_on_under_its_own() {
    let drop = with_a_file_that_is_in_and_not_archived();
    call_it(&drop, "drop", "orders");
    for (words, code) in [("once", 78), ("check", 78), ("ledger check", 78), ("ledger rebuild --force --yes", 78)] {
        let output = drop.command(&words.split(' ').collect::<Vec<_>>()).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words}: {text}");
        for part in
            ["its files are known under the name drop, and it is called orders now", "[folder.drop]", "active/.ledger"]
        {
            assert!(text.contains(part), "{words}: {part}: {text}");
        }
        assert!(!text.contains("not in the ledger"), "{words}: {text}");
    }
    assert_eq!(drop.names("active"), ["a.csv"]);
    let status = said(&drop.command(&["status"]).output().unwrap());
    let told = "\na start would be refused: ";
    assert!(
        status.contains(told) && status.contains("known under the name drop") && status.contains("[folder.drop]"),
        "{status}"
    );
    assert!(!status.contains("nothing is taken until it runs"), "{status}");
    call_it(&drop, "orders", "drop");
    let status = said(&drop.command(&["status"]).output().unwrap());
    assert!(!status.contains(told) && status.contains("nothing is taken until it runs"), "{status}");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.row_count(), drop.names("archive")), (1, vec!["a.csv".into()]));
}

/// The controls: what a version wrote that didn't say the name is brought up to date, and who wants to begin anew may.
#[test]
fn a_folder_that_remembers_no_name_gets_its_name_and_one_that_remembers_nothing_begins_anew() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", table = \"drop\" }");
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    let memory = drop.path().join("active/.ledger");
    let now = remembered(&drop.path());
    assert_eq!(now["folder"], "drop");
    let mut before = now.clone();
    before.as_object_mut().unwrap().remove("folder");
    fs::write(&memory, before.to_string()).unwrap();
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(remembered(&drop.path()), now);
    fs::remove_file(memory).unwrap();
    call_it(&drop, "drop", "orders");
    drop.put("again.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.row_count(), &remembered(&drop.path())["folder"]), (2, &"orders".into()));
}

/// `watch` calls a folder after its directory.
#[test]
fn a_watched_folder_that_was_moved_goes_on_under_its_name() {
    let here = tempfile::tempdir().unwrap();
    let watch = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args(["-v", "--log", "json", "watch"]).arg(here.path().join(name));
        let mut daemon = Daemon::of(command);
        daemon.wait_for("folder.watching");
        daemon
    };
    let mut daemon = watch("w5");
    fs::write(here.path().join("w5/inbox/a.csv"), "id\n1\n").unwrap();
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    fs::rename(here.path().join("w5"), here.path().join("w6")).unwrap();
    let mut daemon = watch("w6");
    fs::write(here.path().join("w6/inbox/b.csv"), "id\n1\n").unwrap();
    let told = daemon.wait_for_file("file.duplicate", "b.csv");
    assert_eq!(told["folder"], "w5");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(remembered(&here.path().join("w6"))["folder"], "w5");
}
