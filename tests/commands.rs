//! What commands need and don't get from a daemon: a terminal; and what they get: a large environment. All of it is fault 89;
//! how commands end is tested in `src/run/tests/`.

mod harness;

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
