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
fn who_writes_to_a_result_does_not_write_to_the_original() {
    for body in ["mv \"$1\" moved", "ln \"$1\" moved", "mkdir d; mv \"$1\" d/moved; ln d/moved moved"] {
        let place = Place::new();
        let claimed = place.claimed("a.txt");
        let inode = fs::metadata(&claimed).unwrap().ino();
        let script = ["/bin/sh", "-c", body, "sh", "{path}"];
        place.commit(&place.attempt_of(&script, OsStr::new("a.txt"), LONG).outcome.unwrap());
        let found = fs::metadata(&claimed).unwrap();
        assert_eq!((found.ino(), found.nlink()), (inode, 1), "{body}: the original is the file that was dropped");
        for result in files(&place.path("results")) {
            fs::write(&result, "written over").unwrap();
        }
        assert_eq!(fs::read_to_string(&claimed).unwrap(), "what was dropped\n", "{body}");
    }
}

#[test]
fn a_file_that_the_command_has_put_another_in_the_place_of_is_refused_and_that_is_said() {
    let place = Place::new();
    for (body, why) in [
        ("sed -i s/was/is/ \"$1\"; echo done", ""),
        ("sed -i s/was/is/ \"$1\"; exit 3", ": exit 3"),
        ("rm \"$1\"; mkdir \"$1\"; exit 75", ": exit 75"),
    ] {
        // As who claimed it does: no other file can have its inode.
        let _held = File::open(place.claimed("a.txt")).unwrap();
        let attempt = place.attempt_of(&["/bin/sh", "-c", body, "sh", "{path}"], OsStr::new("a.txt"), LONG);
        // What it printed may be all that is left of that.
        let left = place.path("active/1/.staging/.left-7");
        let left = if why.is_empty() { format!(" (what it left lies in {})", left.display()) } else { String::new() };
        let said =
            format!("the command put another file in the place of its own, and what was dropped is gone{why}{left}");
        let is_it = |reason: &Reason| reason.code == crate::run::REPLACED && reason.text == said;
        assert!(matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if is_it(reason)), "{attempt:?}");
        assert!(!place.staging().exists(), "nothing is published");
        assert!(place.path("active/1/a.txt").exists(), "what it put there is kept");
        let _ = fs::remove_dir(place.path("active/1/a.txt"));
    }
}

#[test]
fn a_file_that_is_kept_under_another_name_is_put_back_over_what_the_command_made_of_it() {
    let place = Place::new();
    for (body, code) in [
        ("sed -i.bak s/was/is/ \"$1\"", "input_replaced"),
        ("mv \"$1\" . && sed s/was/is/ a.txt >\"$1\"", "input_replaced"),
        ("sed -i.bak s/was/is/ \"$1\"; exit 3", "command_failed"),
    ] {
        assert_eq!(charged(&place.script(body)).0, code, "{body}");
        assert_eq!(place.active(), ["a.txt"], "{body}");
        assert_eq!(fs::read_to_string(place.path("active/1/a.txt")).unwrap(), "what was dropped\n", "{body}");
    }
    place.commit(&place.produced("mv \"$1\" \"$1.done\"; echo fine"));
    assert_eq!((place.active(), place.published()), (vec!["a.txt".into()], vec!["a.txt.out".into()]));
}

#[test]
fn what_a_command_puts_beside_its_file_costs_an_attempt_and_is_no_dropped_file() {
    let place = Place::new();
    place.claimed("other.txt");
    let attempt = place.script("echo text >\"$1.text\"; echo done");
    assert_eq!(charged(&attempt), ("wrote_beside", r#"the command put "a.txt.text" beside its file"#.into()));
    assert_eq!(place.active(), ["a.txt", "other.txt"]);
    assert_eq!(charged(&place.script("ln \"$1\" \"$1.bak\"")).0, "wrote_beside");
    assert_eq!(fs::metadata(place.path("active/1/a.txt")).unwrap().nlink(), 1);
    assert_eq!(charged(&place.script("mkdir -p \"$1.d/e\"; echo >\"$1.d/e/f\"; exit 3")).0, "command_failed");
    assert_eq!(place.active(), ["a.txt", "other.txt"]);
    // Hidden names are nobody's: no file of such a name is ever taken.
    place.commit(&place.produced("echo >\"${1%/*}/.a.txt.swp\"; echo done"));
    assert_eq!(place.published(), ["a.txt.out"]);
}

#[test]
fn nothing_that_may_be_a_dropped_file_is_removed_with_what_a_command_put_beside_its_own() {
    let place = Place::new();
    place.claimed("other 1.txt");
    let both = ["a.txt", "other 1.txt"];
    let inodes = || both.map(|name| fs::metadata(place.path("active/1").join(name)).unwrap().ino());
    for body in [
        "mkdir done; mv \"$1\" done/",
        "mkdir done; mv *.txt done/; exit 3",
        "mv 'other 1.txt' other_1.txt; echo >made",
        "mkdir -p d/e; mv \"$1\" d/e/; mv 'other 1.txt' e; exit 3",
        "mv *.txt \"$OLDPWD\"; exit 3",
        "mv a.txt b.txt; mv 'other 1.txt' a.txt; exit 3",
        "mv a.txt .a; mv 'other 1.txt' .b; exit 3",
        "mkdir d; ln *.txt d; exit 3",
    ] {
        place.claimed("a.txt");
        let before = inodes();
        charged(&place.script(&format!("cd \"${{1%/*}}\"; {body}")));
        assert_eq!((place.active(), inodes()), (both.map(Into::into).to_vec(), before), "{body}");
        assert_eq!(fs::metadata(place.path("active/1/other 1.txt")).unwrap().nlink(), 1, "{body}");
    }
    // Nor is one published.
    place.commit(&place.produced("mv \"${1%/*}/other 1.txt\" .; echo fine"));
    assert_eq!((place.active(), place.published()), (both.map(Into::into).to_vec(), vec!["a.txt.out".into()]));
    let attempt = place.script("gzip \"$1\"");
    let is_gone = |reason: &Reason| reason.code == "input_gone" && reason.text.contains(".left-a.txt.gz");
    assert!(matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if is_gone(reason)), "{attempt:?}");
    assert!(place.path("active/1/.left-a.txt.gz").exists());
}

#[test]
fn a_file_that_the_command_moved_before_it_failed_is_brought_back() {
    let place = Place::new();
    charged(&place.script("mkdir d; mv \"$1\" d/moved; exit 1"));
    assert_eq!(fs::read_to_string(place.path("active/1/a.txt")).unwrap(), "what was dropped\n");
    assert_eq!(fs::metadata(place.path("active/1/a.txt")).unwrap().nlink(), 1);
}

/// An attempt on `a.txt` that nobody saw the end of: its command has moved it to `d/b`. Returns the claimed file's
/// path, and the staging directory, which is called `7-INODE-0` and this.
fn cut_short(place: &Place, named: &str) -> (PathBuf, PathBuf) {
    let claimed = place.claimed("a.txt");
    let inode = fs::metadata(&claimed).unwrap().ino();
    let staging = place.path(format!("active/1/.staging/7-{inode}-0{named}"));
    fs::create_dir_all(staging.join("d")).unwrap();
    fs::write(staging.join("report"), "half").unwrap();
    fs::rename(&claimed, staging.join("d/b")).unwrap();
    (claimed, staging)
}

#[test]
fn a_file_that_the_command_moved_is_brought_back_under_its_name_when_the_attempt_is_undone() {
    let place = Place::new();
    let (claimed, staging) = cut_short(&place, "-a.txt");
    undo(&staging, &place.path("active/1"));
    assert_eq!(fs::read_to_string(claimed).unwrap(), "what was dropped\n");
    assert!(!staging.exists());
}

#[test]
fn a_file_that_the_command_moved_is_brought_back_though_a_power_cut_took_the_note_of_it() {
    let place = Place::new();
    let (_, staging) = cut_short(&place, "");
    undo(&staging, &place.path("active/1"));
    assert_eq!(fs::read_to_string(place.path("active/1/b")).unwrap(), "what was dropped\n");
    assert!(!staging.exists());
}

#[test]
fn a_file_that_the_command_moved_is_brought_back_though_another_has_its_name() {
    let place = Place::new();
    let (claimed, staging) = cut_short(&place, "-a.txt");
    fs::write(&claimed, "another\n").unwrap();
    undo(&staging, &place.path("active/1"));
    assert_eq!(fs::read_to_string(claimed).unwrap(), "another\n");
    assert_eq!(fs::read_to_string(place.path("active/1/a~2.txt")).unwrap(), "what was dropped\n");
    assert!(!staging.exists());
}

#[test]
fn a_name_too_long_for_a_staging_directory_is_noted_in_it() {
    let place = Place::new();
    let long = "x".repeat(251) + ".txt";
    let (claimed, name) = (place.claimed(&long), name(long.as_bytes()));
    let inode = fs::metadata(&claimed).unwrap().ino();
    let named = Named { id: FileId(7), inode, born: None, deferrals: 0, file: Some(name) }.name();
    assert_eq!(Named::of(named.as_ref()).unwrap().file, None);
    let staging = place.path("active/1/.staging").join(&named);
    let job = Job { id: FileId(7), folder: "scans", attempt: 1, name, path: &claimed, staging: &staging };
    let run = settings::Run { command: ["/bin/mv", "{path}", "moved"].map(str::to_owned).into(), timeout: LONG };
    Command::new(&run, Arc::clone(&place.running)).process(&job).outcome.unwrap();
    // As before it was brought back.
    fs::rename(&claimed, staging.join("moved")).unwrap();
    undo(&staging, &place.path("active/1"));
    assert_eq!(fs::read_to_string(claimed).unwrap(), "what was dropped\n");
    assert!(fs::read_dir(place.path("active/1/.staging")).unwrap().next().is_none(), "with all that lay beside it");
}

// fault 25
#[test]
fn a_staging_directory_says_whose_it_is_whatever_bytes_that_name_has() {
    let of = Named { id: FileId(7), inode: 8, born: Some(-1), deferrals: 9, file: Some(name(b"-a-\xff.csv-")) };
    let called = of.name();
    assert_eq!(called.as_bytes(), b"7-8.ffffffffffffffff-9--a-\xff.csv-");
    assert_eq!(Named::of(called.as_ref()), Some(of));
    for strange in ["lost+found", "7", "7-8", "7-8-x", "-1-8"] {
        assert_eq!(Named::of(strange.as_ref()), None, "{strange}");
    }
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
