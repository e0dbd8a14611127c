//! Which files an order is for, and what is said of it.

use std::fs;

use crate::harness::Drop;
use crate::{done, order};

/// Two folders, each with a refused `a.csv`.
fn with_the_same_name_in_both() -> Drop {
    let root = tempfile::tempdir().unwrap();
    let other = root.path().join("other");
    fs::create_dir_all(other.join("inbox")).unwrap();
    let import = "import = { into = \"sqlite:rows.db\" }";
    let keys = format!("{import}\n[folder.other]\npath = \"{}\"\n{import}", other.display());
    let drop = Drop::at(root, "", &keys);
    drop.put("a.csv", "id,name\n1\n");
    fs::write(drop.root().join("other/inbox/a.csv"), "id,name\n2\n").unwrap();
    assert_eq!(drop.once().code(), Some(1));
    drop
}

#[test]
fn a_name_that_two_folders_know_is_not_guessed_at() {
    let drop = with_the_same_name_in_both();
    drop.put("b.csv", "id,name\n1\n");
    assert_eq!(drop.once().code(), Some(1));
    for words in [&["forget", "a.csv"][..], &["retry", "b.csv", "a.csv"], &["retry", "a.csv", "--dry-run"]] {
        let said = order(&drop, words);
        let expected = "importerd: more than one folder has a file called a.csv\n\
            say which: --folder drop | --folder other\n";
        assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (Some(64), expected, ""), "{words:?}");
    }
    assert_eq!(drop.names("quarantine").len(), 4, "nothing is half done");
    assert!(done(&drop, &["forget", "a.csv", "--folder", "other"]).contains("other: counts as new"));
    // Only one is left that it can be.
    assert!(done(&drop, &["retry", "a.csv"]).contains("drop: back in the inbox"));
}

#[test]
fn what_is_to_be_typed_next_finds_this_daemon_again() {
    let drop = Drop::new();
    let state = drop.state().display().to_string();
    let options = format!("importerd --config {} --state-dir", drop.settings().display());
    let nobody = order(&drop, &["retry", "a.csv"]);
    assert!(nobody.err.ends_with(&format!("state directory: {options} DIR \u{2026}\n")), "{nobody:?}");
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
    for words in [&["retry", "a.csv"][..], &["pause", "drop"], &["status"]] {
        let said = order(&drop, words);
        assert_eq!(said.code, Some(78), "{words:?}: {said:?}");
        assert!(said.err.ends_with(&format!("{options} {state} ledger rebuild\n")), "{words:?}: {said:?}");
    }
}
