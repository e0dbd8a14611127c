//! Files that a change of the settings leaves behind, in an inbox or a folder that nobody looks at any more: told by `check` and
//! by the next start.

mod harness;

use std::fs;
use std::process::Output;

use harness::Drop;

fn run(drop: &Drop, words: &[&str]) -> Output {
    drop.command(words).output().expect("run importerd")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A command that puts every file off, for an hour.
fn putting_off() -> Drop {
    let drop = Drop::with_daemon(
        "backoff = { min = \"1h\", max = \"1h\" }",
        "run = { command = [\"sh\", \"-c\", \"exit 75\"] }",
    );
    drop.put("a.txt", "a");
    assert_eq!(drop.once().code(), Some(75));
    drop
}

fn change_settings(drop: &Drop, from: &str, to: &str) {
    let settings = fs::read_to_string(drop.settings()).expect("its settings");
    assert!(settings.contains(from), "{settings}");
    fs::write(drop.settings(), settings.replace(from, to)).expect("write settings");
}

/// What is said by the check, and by the next start.
fn assert_left_behind(drop: &Drop, words: &str) {
    let checked = run(drop, &["check"]);
    assert!(text(&checked).contains(words), "{}", text(&checked));
    let mut daemon = drop.launch();
    let warned = daemon.wait_until("a warning", |record| record["level"] == "WARNING" && record["hint"].is_string());
    assert!(warned["msg"].as_str().is_some_and(|text| text.contains(words)), "{warned}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_deferred_file_in_an_inbox_that_is_no_longer_the_folders_is_told_of() {
    let drop = putting_off();
    assert!(!text(&run(&drop, &["check"])).contains("another try, in"), "the control");
    let inbox = drop.root().join("elsewhere");
    change_settings(&drop, "run = {", &format!("inbox = {inbox:?}\nrun = {{"));
    assert_left_behind(&drop, "folder drop: a.txt is waiting for another try, in another inbox than ");
}

/// The control: what was moved with its folder is not left behind.
#[test]
fn a_folder_that_was_moved_with_its_files_leaves_none_behind() {
    let drop = putting_off();
    let moved = drop.root().join("moved");
    fs::rename(drop.path(), &moved).expect("move the folder");
    change_settings(&drop, &format!("{:?}", drop.path()), &format!("{moved:?}"));
    let checked = run(&drop, &["check"]);
    assert!(checked.status.success() && !text(&checked).contains("another inbox"), "{}", text(&checked));
}

#[test]
fn files_of_a_folder_that_is_no_longer_in_the_settings_are_told_of_and_explained() {
    let drop = putting_off();
    let other = drop.root().join("other");
    change_settings(&drop, "[folder.drop]", "[folder.other]");
    change_settings(&drop, &format!("{:?}", drop.path()), &format!("{other:?}"));
    assert_left_behind(&drop, "folder drop is no longer in the settings, and a.txt is not at an end there");
    let story = run(&drop, &["explain", "a.txt"]);
    assert!(story.status.success() && text(&story).contains("a.txt  #1  deferred  folder drop"), "{}", text(&story));
    // Asked for in another folder, it is unknown.
    assert_eq!(run(&drop, &["explain", "--folder", "other", "a.txt"]).status.code(), Some(1));
}
