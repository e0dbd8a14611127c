//! The manual pages and completions say what the program knows.

use std::process::{Command, Stdio};

use importerd::events::Kind;
use importerd::settings::keys::KEYS;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_importerd")).args(arguments).output().expect("run importerd");
    assert!(output.status.success(), "{arguments:?}");
    // roff writes a hyphen as \\-.
    String::from_utf8(output.stdout).expect("a page is UTF-8").replace("\\-", "-")
}

#[test]
fn the_page_names_every_command_and_every_event() {
    let page = printed(&["man"]);
    for command in [
        "watch",
        "run",
        "once",
        "check",
        "try",
        "status",
        "ls",
        "explain",
        "rejects",
        "events",
        "pause",
        "resume",
        "retry",
        "replay",
        "forget",
        "drain",
        "config show",
        "completions",
        "ledger check",
        "ledger rebuild",
        "man",
    ] {
        assert!(page.contains(&format!("importerd {command}")), "{command}");
    }
    for kind in Kind::ALL {
        assert!(page.contains(kind.name()), "{}", kind.name());
    }
}

#[test]
fn the_page_has_short_forms_defaults_and_the_words_that_an_option_may_be() {
    let page = printed(&["man"]);
    let text = page.replace("\\fB", "").replace("\\fR", "");
    for said in ["-f, --follow\n", "-n, --lines <N>\n", "the latest first [default: 100]\n", "[one of: bash, "] {
        assert!(text.contains(said), "{said}");
    }
}

#[test]
fn the_settings_page_names_every_key() {
    let page = printed(&["man", "importerd.toml"]);
    for key in KEYS {
        assert!(page.contains(&key.path.replace('*', "NAME")), "{}", key.path);
    }
}

#[test]
fn a_shell_can_complete_the_commands() {
    assert!(printed(&["completions", "bash"]).contains("explain"));
}

#[test]
fn who_reads_only_the_beginning_is_no_error() {
    for arguments in [&["man"][..], &["man", "importerd.toml"], &["completions", "bash"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start it");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("wait");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
}
