//! What a command leaves in its working directory.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

#[test]
fn only_files_and_directories_can_be_results() {
    let place = Place::new();
    for (body, what) in [
        ("ln -s /etc/passwd link", r#"result "link" is a symbolic link"#),
        ("mkdir -p a/b; ln -s . a/b/loop", r#"result "a/b/loop" is a symbolic link"#),
        ("mkfifo pipe", r#"result "pipe" is a FIFO"#),
    ] {
        let (code, text) = charged(&place.script(body));
        assert_eq!(code, "not_a_result");
        assert!(text.starts_with(what), "{text}");
        assert!(!place.staging().exists());
    }
}

#[test]
fn hidden_and_empty_files_are_results_too() {
    let place = Place::new();
    place.commit(&place.produced("touch .hidden empty; mkdir nothing"));
    assert_eq!(place.published(), [".hidden", "empty", "nothing"]);
}

#[test]
fn results_nested_too_deep_cost_an_attempt() {
    let place = Place::new();
    let (code, _) = charged(&place.script("for i in $(seq 70); do mkdir d; cd d; done"));
    assert_eq!(code, "results_too_deep");
}

// fault 43
#[test]
fn rights_beyond_the_users_are_not_published() {
    let place = Place::new();
    place
        .commit(&place.produced("cp /bin/true tool; chmod 6755 tool; mkdir d; chmod 3775 d; touch shut; chmod 0 shut"));
    let mode = |name: &str| fs::metadata(place.path("results").join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tool"), 0o755);
    assert_eq!(mode("d"), 0o1775);
    assert_eq!(mode("shut"), 0o400);
}

#[test]
fn what_an_earlier_attempt_shut_is_removed_all_the_same() {
    let place = Place::new();
    let produced = place.produced("mkdir -p a/b; touch a/b/c; chmod 0 a/b a; echo 1");
    drop(produced);
    place.commit(&place.produced("echo 2"));
    assert_eq!(place.published(), ["a.txt.out"]);
    assert_eq!(place.result("a.txt.out"), "2\n");
}

#[test]
fn a_file_that_the_command_moved_is_a_result_and_still_claimed() {
    let place = Place::new();
    place.commit(&place.produced("mv \"$1\" moved"));
    assert_eq!(place.result("moved"), "what was dropped\n");
    assert_eq!(fs::read_to_string(place.path("active/1/a.txt")).unwrap(), "what was dropped\n");
}

#[test]
fn a_file_that_the_command_moved_before_it_failed_is_brought_back() {
    let place = Place::new();
    charged(&place.script("mkdir d; mv \"$1\" d/moved; exit 1"));
    assert_eq!(fs::read_to_string(place.path("active/1/a.txt")).unwrap(), "what was dropped\n");
    assert_eq!(fs::metadata(place.path("active/1/a.txt")).unwrap().nlink(), 1);
}

#[test]
fn a_file_that_the_command_moved_is_brought_back_though_a_power_cut_took_the_note_of_it() {
    let place = Place::new();
    let claimed = place.path("active/1/a.txt");
    fs::write(&claimed, "what was dropped\n").unwrap();
    let staging = place.path(format!("staging/7-{}", fs::metadata(&claimed).unwrap().ino()));
    fs::create_dir_all(staging.join("work/d")).unwrap();
    fs::write(staging.join("work/report"), "half").unwrap();
    fs::rename(&claimed, staging.join("work/d/a.txt")).unwrap();
    crate::run::undo(&staging, &place.path("active/1")).unwrap();
    assert_eq!(fs::read_to_string(claimed).unwrap(), "what was dropped\n");
    assert!(!staging.exists());
}

#[test]
fn a_file_that_the_command_removed_before_it_failed_is_not_tried_again() {
    let place = Place::new();
    let attempt = place.script("rm \"$1\"; exit 1");
    let text = "the command moved or removed the file and then failed: exit 1";
    assert!(matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if reason.text == text), "{attempt:?}");
}

#[test]
fn a_command_that_removes_its_working_directory_costs_an_attempt() {
    let place = Place::new();
    assert_eq!(charged(&place.script("rmdir \"$PWD\"")).0, "work_is_gone");
}
