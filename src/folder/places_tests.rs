//! Tests of the five directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::scratch::{Scratch, as_root, settings};
use super::*;

#[test]
fn the_directories_are_made_and_claimed_files_are_nobody_elses() {
    let scratch = Scratch::new();
    assert_eq!(scratch.names(""), ["active", "archive", "inbox", "quarantine", "results"]);
    let mode = |below| fs::metadata(scratch.path(below)).unwrap().permissions().mode() & 0o027;
    scratch.slot();
    assert_eq!((mode("active"), mode("active/0")), (0, 0));
}

/// fault 86
#[test]
fn a_second_daemon_is_refused_and_told_of_the_first() {
    let scratch = Scratch::new();
    fs::write(scratch.path("active").join(LOCK), "1\n").unwrap();
    let refused = Places::open(&settings(&scratch.path("")), false).unwrap_err().to_string();
    assert!(refused.contains("in use by another importerd (pid 1)"), "{refused}");
}

#[test]
fn two_folders_of_the_settings_that_are_one_directory_are_refused_as_such() {
    let scratch = Scratch::new();
    let fault = Places::open(&settings(&scratch.path("")), false).unwrap_err();
    assert!(fault.to_string().ends_with("another folder of the settings lies there too"), "{fault}");
    assert_eq!(crate::exit::of(&fault), crate::exit::CONFIG);
}

/// fault 78
#[test]
fn an_inbox_on_another_filesystem_is_refused() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let mut folder = settings(root.path());
    folder.inbox = elsewhere.path().to_owned();
    if place_at(root.path()).unwrap().is_beside(&place_at(elsewhere.path()).unwrap()) {
        folder.inbox = "/proc".into();
    }
    let refused = Places::open(&folder, false).unwrap_err().to_string();
    assert!(refused.contains("inbox/ is on another filesystem than active/"), "{refused}");
}

/// fault 78: a rename across mounts fails, though the device is the same.
#[test]
fn an_archive_mounted_from_elsewhere_on_the_same_filesystem_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (elsewhere, archive) = (root.path().join("elsewhere"), root.path().join("archive"));
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir(&archive).unwrap();
    if !as_root("mount", &[OsStr::new("--bind"), elsewhere.as_ref(), archive.as_ref()]) {
        return;
    }
    let refused = Places::open(&settings(root.path()), false);
    assert!(as_root("umount", &[archive.as_ref()]));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("archive/ is on another filesystem than active/"), "{refused}");
}

/// fault 12
#[test]
fn an_inbox_removed_and_made_again_is_opened_again() {
    let scratch = Scratch::new();
    fs::remove_dir(scratch.path("inbox")).unwrap();
    let refused = scratch.places.refresh().unwrap_err().to_string();
    assert!(refused.contains("inbox: No such file"), "{refused}");
    fs::create_dir(scratch.path("inbox")).unwrap();
    scratch.put("a.csv", "1");
    scratch.places.refresh().unwrap();
    assert_eq!(names(&scratch.places.now().unwrap().inbox).unwrap(), ["a.csv"]);
}

/// fault 14
#[test]
fn a_file_given_back_goes_beside_the_one_that_was_dropped_meanwhile() {
    let scratch = Scratch::new();
    let slot = scratch.slot();
    fs::write(scratch.path("active/0/a.csv"), "old").unwrap();
    scratch.put("a.csv", "new");
    assert_eq!(scratch.places.give_back(&slot, OsStr::new("a.csv")).unwrap(), "a~2.csv");
    assert_eq!((scratch.read("inbox/a.csv"), scratch.read("inbox/a~2.csv")), ("new".to_owned(), "old".to_owned()));
}

#[test]
fn a_link_in_place_of_a_slot_is_refused() {
    let (scratch, elsewhere) = (Scratch::new(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(elsewhere.path(), scratch.path("active/0")).unwrap();
    scratch.places.slot(0).unwrap_err();
    scratch.places.slot(1).unwrap();
    assert_eq!(scratch.places.slots().unwrap().len(), 2);
}
