//! Files that a command has not made, in its working directory: what is older than that is never removed. fault 89

use std::os::unix::fs::MetadataExt;

use super::*;

/// A file that was there before, and the time of birth of which is not that of anything made from now on.
fn stranger(place: &Place) -> PathBuf {
    let path = place.path("stranger");
    fs::write(&path, "another's\n").unwrap();
    let born = |path: &Path| fs::metadata(path).unwrap().created().unwrap();
    let later = place.path("later");
    while fs::write(&later, "").is_ok() && born(&later) <= born(&path) {
        fs::remove_file(&later).unwrap();
    }
    path
}

#[test]
fn a_file_that_was_there_before_the_command_is_left_and_not_removed() {
    for (body, found) in [
        ("mv ../../../../stranger .; exit 3", ".staging/.left-7/stranger"),
        ("mkdir -p d/e; mv ../../../../stranger d/e; echo made >made; exit 3", ".staging/.left-7/d/e/stranger"),
        // All of its names are in there.
        ("mv ../../../../stranger .; ln stranger second; exit 3", ".staging/.left-7/stranger"),
        ("mv ../../../../stranger \"$1.x\"; exit 3", ".left-a.txt.x"),
    ] {
        let place = Place::new();
        stranger(&place);
        let (code, text) = charged(&place.script(body));
        let found = place.path("active/1").join(found);
        assert_eq!(fs::read_to_string(&found).unwrap(), "another's\n", "{body}");
        let left = place.path("active/1").display().to_string();
        assert!(code == "command_failed" && text.contains(&left) && text.contains(".left-"), "{body}: {text}");
        assert_eq!(place.active(), ["a.txt"], "{body}");
    }
}

#[test]
fn what_the_command_made_is_removed_and_a_link_to_another_file_too() {
    for body in ["echo made >made; exit 3", "ln ../../../../stranger .; exit 3", "cp -p ../../../../stranger .; exit 3"]
    {
        let place = Place::new();
        let stranger = stranger(&place);
        let (_, text) = charged(&place.script(body));
        assert!(!text.contains(".left-"), "{body}: {text}");
        assert_eq!(names(&place.path("active/1/.staging")), [] as [&str; 0], "{body}");
        assert_eq!(fs::metadata(stranger).unwrap().nlink(), 1, "{body}");
    }
}

#[test]
fn a_file_that_was_there_before_is_left_where_an_attempt_is_undone() {
    let place = Place::new();
    let stranger = stranger(&place);
    let inode = fs::metadata(place.claimed("a.txt")).unwrap().ino();
    let staging = place.path(format!("active/1/.staging/7-{inode}-0-a.txt"));
    fs::create_dir(&staging).unwrap();
    fs::rename(&stranger, staging.join("b")).unwrap();
    let (gone, left) = undo(&staging, &place.path("active/1"));
    assert_eq!(gone, None);
    assert_eq!(fs::read_to_string(left.unwrap().join("b")).unwrap(), "another's\n");
    assert_eq!(place.active(), ["a.txt"]);
}

#[test]
fn a_file_is_found_in_the_working_directory_of_another() {
    let place = Place::new();
    fs::create_dir(place.path("active/1/.staging/8")).unwrap();
    assert_eq!(charged(&place.script("mv \"$1\" ../8/b; exit 3")).0, "command_failed");
    assert_eq!(place.active(), ["a.txt"]);
    place.claimed("other.txt");
    assert_eq!(charged(&place.script("mv \"${1%/*}/other.txt\" ../8/b; exit 3")).0, "command_failed");
    assert_eq!(place.active(), ["a.txt", "other.txt"]);
    // And where nobody saw the end.
    let inode = |name: &str| fs::metadata(place.path("active/1").join(name)).unwrap().ino();
    let roots = ["a.txt", "other.txt"].map(|name| place.path(format!("active/1/.staging/9-{}-0-{name}", inode(name))));
    for root in &roots {
        fs::create_dir(root).unwrap();
    }
    fs::rename(place.path("active/1/a.txt"), roots[1].join("x")).unwrap();
    fs::rename(place.path("active/1/other.txt"), roots[0].join("a.txt")).unwrap();
    bring_home(&roots, &place.path("active/1")).unwrap();
    assert_eq!(place.active(), ["a.txt", "other.txt"]);
    for root in roots {
        assert_eq!(undo(&root, &place.path("active/1")), (None, None));
    }
}

#[test]
fn what_has_the_inode_of_the_file_and_another_time_of_birth_is_not_the_file() {
    let place = Place::new();
    let claimed = fs::metadata(place.claimed("a.txt")).unwrap();
    let born = claimed.created().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    for (born, is_it) in [(born, true), (born + 1, false)] {
        let born = Some(i64::try_from(born).unwrap());
        let of = Named { id: FileId(7), inode: claimed.ino(), born, deferrals: 0, file: Some(name(b"a.txt")) };
        let staging = place.path("active/1/.staging").join(of.name());
        fs::create_dir(&staging).unwrap();
        fs::rename(place.path("active/1/a.txt"), staging.join("made")).unwrap();
        let (gone, left) = undo(&staging, &place.path("active/1"));
        assert_eq!((gone.is_none(), left.is_none()), (is_it, is_it), "{gone:?}");
        assert_eq!(place.active().is_empty(), !is_it);
        if let Some(reason) = gone {
            assert!(reason.text.contains(&left.unwrap().display().to_string()), "{reason}");
        }
    }
}
