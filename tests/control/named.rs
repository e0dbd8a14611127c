//! Which file is meant: by number, by name, by what was printed of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::harness::Drop;
use crate::{done, order, told};

/// Refused files in the order of their numbers.
fn refused(names: &[&OsStr]) -> Drop {
    let drop = Drop::new();
    let mut daemon = drop.start();
    for (number, name) in names.iter().enumerate() {
        drop.put(name, format!("id\n{number},{number}\n"));
        daemon.wait_for("file.quarantined");
    }
    assert_eq!(daemon.stop().code(), Some(0));
    drop
}

fn states(drop: &Drop) -> String {
    told(drop, "SELECT group_concat(state, ' ') FROM (SELECT state FROM file ORDER BY id)")
}

#[test]
fn a_file_whose_name_is_digits_is_meant_by_its_name() {
    let drop = refused(&["a", "b", "000001", "+2", "4711"].map(OsStr::new));
    for (order, name, id) in [("forget", "000001", 3), ("forget", "+2", 4), ("retry", "4711", 5)] {
        let said = done(&drop, &[order, name]);
        assert!(said.starts_with(&format!("{name}  #{id}  drop: ")), "{said}");
    }
    assert_eq!(states(&drop), "quarantined quarantined forgotten forgotten deferred");
    let said = done(&drop, &["explain", "000001"]);
    assert!(said.starts_with("000001  #3"), "{said}");
    // A number is typed as it is printed.
    assert!(done(&drop, &["forget", "1"]).starts_with("a  #1  drop: "));
    assert!(done(&drop, &["forget", "#2"]).starts_with("b  #2  drop: "));
}

#[test]
fn digits_that_are_one_files_number_and_anothers_name_are_refused_and_nothing_is_done() {
    let drop = refused(&["a", "1"].map(OsStr::new));
    for arguments in [&["forget", "1"][..], &["replay", "1"], &["retry", "1"]] {
        let said = order(&drop, arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{arguments:?}: {said:?}");
        let expected = "importerd: 1 is the number of a (drop), and the name of #2 (drop)\n\
                        type '#1' for the one, '#2' for the other\n";
        assert_eq!(said.err, expected, "{arguments:?}");
    }
    for arguments in [["explain", "1"], ["rejects", "1"]] {
        let said = order(&drop, &arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{arguments:?}: {said:?}");
        assert!(said.err.ends_with("type '#1' for the one, the path of the other\n"), "{said:?}");
    }
    assert_eq!(states(&drop), "quarantined quarantined");
    let path = drop.path().join("quarantine/1");
    assert!(done(&drop, &["forget", path.to_str().unwrap()]).starts_with("1  #2  drop: "));
    assert!(done(&drop, &["forget", "#1"]).starts_with("a  #1  drop: "));
    assert_eq!(states(&drop), "forgotten forgotten");
}

#[test]
fn a_file_whose_name_is_its_number_is_no_two() {
    let drop = refused(&["1"].map(OsStr::new));
    assert!(done(&drop, &["explain", "1"]).starts_with("1  #1"));
    assert!(done(&drop, &["forget", "1"]).starts_with("1  #1  drop: "));
}

/// fault 24
#[test]
fn a_name_can_be_typed_as_it_is_printed() {
    let names = [OsStr::from_bytes(b"caf\xe9.csv"), OsStr::from_bytes(b"new\nline.csv"), OsStr::new(r"C:\x41.csv")];
    let drop = refused(&names);
    for printed in [r"caf\xe9.csv", r"new\nline.csv", r"C:\\x41.csv"] {
        assert!(done(&drop, &["ls"]).contains(printed), "the control");
        let said = done(&drop, &["retry", "--dry-run", printed]);
        assert!(said.starts_with(&format!("{printed}  #")), "{said}");
        let path = drop.path().join("quarantine").join(printed);
        let said = done(&drop, &["forget", path.to_str().unwrap()]);
        assert!(said.starts_with(&format!("{printed}  #")), "{said}");
    }
    assert_eq!(states(&drop), "forgotten forgotten forgotten");
}
