//! Which files an order is for, and what is said of it.

use std::fs;
use std::process::Command;

use crate::harness::Drop;
use crate::{Said, done, order};

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

/// A scanner names its files 1, 2, 3.
#[test]
fn what_is_printed_to_be_typed_of_a_file_is_understood_where_another_has_its_number_for_a_name() {
    let drop = Drop::new();
    drop.put("a.csv", "id,name\n1\n");
    assert_eq!(drop.once().code(), Some(1));
    let id: i64 = drop.ledger().query_row("SELECT id FROM file", [], |row| row.get(0)).unwrap();
    drop.put(id.to_string(), "id,name\n2\n");
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(order(&drop, &["retry", &id.to_string()]).code, Some(64), "the control: it could be either");
    let reason = String::from_utf8(drop.read("quarantine", "a.csv.reason.txt")).unwrap();
    let typed = reason.lines().find_map(|line| line.strip_prefix("Then type: importerd ")).unwrap();
    let (typed, _) = typed.split_once("   (or move it back").unwrap();
    let story = done(&drop, &["explain", &format!("#{id}")]);
    let said = format!("; then type: importerd {typed}\n");
    assert!(story.ends_with(&said), "{story}\nhas not: {said}");
    let program = env!("CARGO_BIN_EXE_importerd");
    let said = Said::by({
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{program} {typed}"));
        shell
    });
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with(&format!("a.csv  #{id}  drop: back in the inbox")), "{said:?}");
}

/// Its reason file stays, and the next one of the name lies beside it under another.
#[test]
fn a_name_means_the_refused_file_that_lies_there_and_not_the_one_that_was_moved_back_by_hand() {
    let drop = Drop::with("run = { command = [\"sh\", \"{path}\"] }");
    let fails = |text: &str| format!("[ -e {} ] || exit 65; echo {text}", drop.root().join("mended").display());
    let mut daemon = drop.start();
    drop.put("a.sh", fails("first"));
    daemon.wait_for_file("file.quarantined", "a.sh");
    fs::write(drop.root().join("mended"), "").unwrap();
    fs::rename(drop.path().join("quarantine/a.sh"), drop.inbox().join("a.sh")).unwrap();
    daemon.wait_for_file("file.archived", "a.sh");
    fs::remove_file(drop.root().join("mended")).unwrap();
    drop.put("a.sh", fails("second"));
    daemon.wait_for_file("file.quarantined", "a.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("quarantine"), ["a.sh.reason.txt", "a~2.sh", "a~2.sh.reason.txt"]);
    let story = done(&drop, &["explain", "#1"]);
    assert!(story.contains("nothing: it was dropped again, as #2; for that story, type: importerd"), "{story}");
    assert!(!story.contains("beside it"), "{story}");
    let said = done(&drop, &["retry", "a.sh"]);
    assert!(said.starts_with("a.sh  #3  drop: back in the inbox"), "{said}");
}
