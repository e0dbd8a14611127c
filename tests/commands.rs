//! What commands need and don't get from a daemon: a terminal; what they get: a large environment; and what they may not
//! do to its slots. All of it is fault 89; how commands end is tested in `src/run/tests/`.

mod harness;

use std::fs;
use std::process::{Command, Stdio};

use harness::{Drop, has};

/// Asks on the terminal, as for a password.
const ASKS: &str = "run = { command = [\"sh\", \"-c\", \"read -r word </dev/tty && echo $word\"], timeout = \"1s\" }";

/// Runs `importerd once` through another program.
fn once_through(drop: &Drop, words: &[&str], as_one_word: bool) {
    let once = drop.command(&["once"]);
    let mut through = Command::new(words[0]);
    through.args(&words[1..]).env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).stdout(Stdio::null());
    let words = std::iter::once(once.get_program()).chain(once.get_args());
    if as_one_word {
        let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
        through.arg(words.join(" ")).arg("/dev/null");
    } else {
        through.args(words);
    }
    let ended = through.status().expect("run it");
    assert_eq!(ended.code(), Some(1), "a file was refused");
}

fn reason(drop: &Drop) -> String {
    String::from_utf8(drop.read("quarantine", "a.txt.reason.txt")).expect("text")
}

/// fault 89
#[test]
fn a_command_that_needs_a_terminal_fails_at_once_where_there_is_none() {
    if !has("setsid") {
        return;
    }
    let drop = Drop::with_daemon("attempts = 1", ASKS);
    drop.put("a.txt", "a");
    once_through(&drop, &["setsid", "--wait"], false);
    assert!(reason(&drop).contains("/dev/tty"), "{}", reason(&drop));
}

/// fault 89: the terminal is the daemon's, so the system stops who reads from it; the time-out ends that.
#[test]
fn a_command_that_needs_a_terminal_is_stopped_in_time_where_it_is_not_its_own() {
    if !has("script") {
        return;
    }
    let drop = Drop::with_daemon("attempts = 1", ASKS);
    drop.put("a.txt", "a");
    once_through(&drop, &["script", "--quiet", "--return", "--command"], true);
    assert!(reason(&drop).contains("no end after 1s: stopped"), "{}", reason(&drop));
}

/// fault 89
#[test]
fn a_large_environment_reaches_the_command() {
    let drop = Drop::with("run = { command = [\"sh\", \"-c\", \"echo ${#LARGE}\"] }");
    drop.put("a.txt", "a");
    let ended = drop.command(&["once"]).env("LARGE", "x".repeat(100_000)).output().expect("run importerd once").status;
    assert_eq!(ended.code(), Some(0));
    assert_eq!(drop.read("results", "a.txt.out"), b"100000\n");
}

/// A folder whose files have one attempt, with a command for the shell. `$1` is the path of its file.
fn shell(script: &str, more: &str) -> Drop {
    let command = format!("run = {{ command = [\"/bin/sh\", \"-c\", '{script}', \"sh\", \"{{path}}\"] }}");
    Drop::with_daemon("attempts = 1\nprocessors = 1", &format!("{more}\n{command}"))
}

/// fault 89: an editor's way of writing a file.
#[test]
fn a_file_whose_command_puts_another_in_its_place_is_refused_once_and_has_no_results() {
    let drop = shell(r#"sed -i s/secret/XXXXXX/ "$1"; cat "$1""#, "");
    drop.put("a.txt", "my secret\n");
    assert_eq!(drop.once().code(), Some(1));
    assert!(reason(&drop).contains("put another file in the place of its own"), "{}", reason(&drop));
    assert_eq!(drop.read("quarantine", "a.txt"), b"my XXXXXX\n");
    let files: i64 = drop.ledger().query_row("SELECT count(*) FROM file", [], |row| row.get(0)).expect("a count");
    assert_eq!((files, drop.names("results"), drop.names("archive")), (1, vec![], vec![]));
    // It is the file of that number from then on.
    let said = drop.command(&["explain", "a.txt"]).output().expect("run explain").stdout;
    assert!(String::from_utf8_lossy(&said).contains("quarantine/a.txt"), "{}", String::from_utf8_lossy(&said));
    assert!(drop.command(&["retry", "#1"]).status().expect("run retry").success());
    assert_eq!(drop.once().code(), Some(1));
    let files: i64 = drop.ledger().query_row("SELECT count(*) FROM file", [], |row| row.get(0)).expect("a count");
    assert_eq!(files, 1);
}

/// fault 89: as `gzip -k` and many converters do.
#[test]
fn what_a_command_writes_beside_its_file_is_never_taken_for_a_dropped_file() {
    let drop = shell(r#"echo text >"$1.txt"; echo ok"#, "match = [\"*.pdf\"]");
    drop.put("a.pdf", "a");
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!((drop.names("active"), drop.names("results")), (vec![], vec![]));
    assert_eq!(drop.names("quarantine"), ["a.pdf", "a.pdf.reason.txt"]);
    let said = String::from_utf8(drop.read("quarantine", "a.pdf.reason.txt")).expect("text");
    assert!(said.contains("the command put \"a.pdf.txt\" beside its file"), "{said}");
    assert_eq!(drop.once().code(), Some(0), "nothing is left for another run");
}

/// fault 89: a process that has left its command's group writes on.
#[test]
fn a_name_that_is_taken_in_the_slot_is_freed_and_both_files_are_done() {
    let drop = shell(r#"cat "$1""#, "");
    let mut daemon = drop.start();
    fs::create_dir_all(drop.path().join("active/0")).expect("make a slot");
    fs::write(drop.path().join("active/0/a.txt"), "late").expect("write into the slot");
    drop.put("a.txt", "dropped");
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().is_some_and(|it| it.contains("another of that name lies in")), "{paused}");
    daemon.wait_for_many("file.archived", 2);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.txt.out", "a.txt~2.out"]);
    assert_eq!((drop.names("active"), drop.names("inbox")), (vec![], vec![]));
}
