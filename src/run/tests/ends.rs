//! How commands end, and what that means for the file. All of it is fault 89.

use super::*;
use crate::run::{End, STDERR_TAIL_BYTES_MAX, STOP_GRACE};

#[test]
fn exit_0_produces_what_was_printed_and_what_was_left() {
    let place = Place::new();
    let produced = place.produced("echo printed; echo b > b.txt; mkdir d; cat \"$1\" > d/copy");
    assert_eq!(produced.entries, ["b.txt", "d"]);
    place.commit(&produced);
    assert_eq!(place.published(), ["a.txt.out", "b.txt", "d"]);
    assert_eq!(place.result("a.txt.out"), "printed\n");
    assert_eq!(place.result("d/copy"), "what was dropped\n");
    assert!(!place.staging().exists());
}

#[test]
fn exit_0_without_a_word_produces_nothing() {
    let place = Place::new();
    let produced = place.produced("true");
    place.commit(&produced);
    assert!(place.published().is_empty());
    assert!(!place.staging().exists());
}

#[test]
fn exit_65_refuses_the_file_in_the_commands_own_words() {
    let place = Place::new();
    let attempt = place.script("echo looking >&2; echo page 3 is torn >&2; exit 65");
    assert!(
        matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if reason.text == "page 3 is torn"),
        "{attempt:?}"
    );
    assert_eq!(attempt.stderr_tail, b"looking\npage 3 is torn\n");
    let attempt = place.script("exit 65");
    let text = "the command says the file is bad (exit 65)";
    assert!(matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if reason.text == text), "{attempt:?}");
}

#[test]
fn exit_75_costs_no_attempt() {
    let attempt = Place::new().script("exit 75");
    assert!(matches!(&attempt.outcome, Err(Fault::Deferred { charged: false, .. })), "{attempt:?}");
    assert_eq!(attempt.end, Some(End::Code(75)));
}

#[test]
fn any_other_exit_costs_an_attempt_and_quotes_the_last_line() {
    let place = Place::new();
    let attempt = place.script("echo no such page >&2; exit 3");
    assert_eq!(charged(&attempt), ("command_failed", "exit 3: no such page".into()));
    assert_eq!(charged(&place.script("exit 127")), ("command_failed", "exit 127".into()));
}

#[test]
fn a_signal_costs_an_attempt_and_is_named() {
    let attempt = Place::new().script("kill -9 $$");
    assert_eq!(charged(&attempt), ("command_killed", "killed by signal 9 (SIGKILL)".into()));
    assert_eq!(attempt.end, Some(End::Signal(9)));
}

#[test]
fn a_command_that_writes_and_then_fails_leaves_nothing() {
    let place = Place::new();
    charged(&place.script("echo printed; echo half > half.txt; exit 1"));
    assert!(!place.staging().exists());
    assert!(place.published().is_empty());
}

#[test]
fn a_command_that_can_not_be_started_holds_the_folder() {
    let place = Place::new();
    let script = place.path("script");
    let script = script.to_str().unwrap();
    let code = |attempt: &Attempt| match &attempt.outcome {
        Err(Fault::World(reason)) => (reason.code, attempt.end),
        other => panic!("not held: {other:?}"),
    };
    assert_eq!(code(&place.attempt(&["/opt/not/there"])), ("command_missing", None));
    assert_eq!(code(&place.attempt(&["importerd-no-such-command"])), ("command_missing", None));
    // Written by another process: a descriptor of ours, leaked into a fork of another test, would be ETXTBSY.
    let write = |line: &str, mode: &str| {
        let body = "printf '%s\\n' \"$1\" > \"$3\"; chmod \"$2\" \"$3\"";
        let status = std::process::Command::new("/bin/sh").args(["-c", body, "sh", line, mode, script]).status();
        assert!(status.unwrap().success());
    };
    write("no first line", "755");
    assert_eq!(code(&place.attempt(&[script])), ("command_not_executable", None));
    write("#!/no/such/interpreter", "755");
    assert_eq!(code(&place.attempt(&[script])), ("command_missing", None));
    write("#!/bin/sh", "644");
    assert_eq!(code(&place.attempt(&[script])), ("command_not_executable", None));
    assert!(place.running.list().is_empty());
}

#[test]
fn arguments_that_no_system_takes_are_the_files_fault() {
    let place = Place::new();
    let attempt = place.attempt(&["/bin/true", &"{path}".repeat(100_000)]);
    assert!(matches!(&attempt.outcome, Err(Fault::Permanent(reason)) if reason.code == "arguments_too_long"));
    let many = vec!["x"; 20_000];
    let argv: Vec<&str> = [vec!["/bin/sh", "-c", "echo $#", "sh"], many].concat();
    place.commit(&place.attempt(&argv).outcome.unwrap());
    assert_eq!(place.result("a.txt.out"), "20001\n");
}

#[test]
fn a_command_that_never_ends_is_stopped_with_all_that_it_started() {
    let place = Place::new();
    let pid = place.path("pid");
    let body = format!("sleep 1000 & echo $! > {}; echo started >&2; wait", pid.display());
    took_less_than(STOP_GRACE, || {
        let attempt = place.script_within(Duration::from_secs(1), &body);
        assert_eq!(charged(&attempt), ("command_timeout", "no end after 1s: stopped: started".into()));
        assert_eq!(attempt.end, Some(End::TimedOut));
    });
    assert!(is_gone(&fs::read_to_string(pid).unwrap()));
    assert!(place.running.list().is_empty());
}

#[test]
fn a_command_that_ends_well_because_it_was_stopped_has_not_ended_well() {
    let place = Place::new();
    let attempt = place.script_within(Duration::from_secs(1), "trap 'echo half; exit 0' TERM; sleep 1000 & wait");
    assert_eq!(charged(&attempt).0, "command_timeout");
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_after_the_grace() {
    let place = Place::new();
    let started = Instant::now();
    let attempt = place.script_within(Duration::from_millis(500), "trap '' TERM; while :; do sleep 1000; done");
    assert_eq!(charged(&attempt).0, "command_timeout");
    assert!(started.elapsed() >= STOP_GRACE, "SIGKILL came before the grace was over");
}

#[test]
fn a_stopped_command_hears_sigterm() {
    let place = Place::new();
    took_less_than(STOP_GRACE, || {
        let attempt = place.script_within(Duration::from_secs(1), "kill -STOP $$");
        assert_eq!(charged(&attempt).0, "command_timeout");
    });
}

#[test]
fn a_child_in_a_group_of_its_own_does_not_outlive_a_failure() {
    let place = Place::new();
    let ready = place.path("ready");
    let pid = place.path("pid");
    fifo(&ready);
    let start =
        format!("setsid sh -c 'echo $$ > {0}; echo > {1}; exec sleep 1000' & cat {1}", pid.display(), ready.display());
    for failure in ["exit 3", "ln -s nowhere link", "sleep 1000"] {
        charged(&place.script_within(Duration::from_secs(2), &format!("{start}; {failure}")));
        assert!(is_gone(&fs::read_to_string(&pid).unwrap()), "{failure}");
    }
}

#[test]
fn a_daemon_that_holds_the_pipe_is_not_waited_for() {
    let place = Place::new();
    let pid = place.path("pid");
    took_less_than(LONG / 2, || {
        let body = format!("sleep 1000 & echo $! > {}; echo done", pid.display());
        place.commit(&place.produced(&body));
    });
    assert_eq!(place.result("a.txt.out"), "done\n");
    assert!(is_gone(&fs::read_to_string(pid).unwrap()), "the rest of the group is gone");
}

#[test]
fn a_daemon_that_left_the_group_holds_nothing_up_and_outlives_a_success() {
    let place = Place::new();
    let ready = place.path("ready");
    fifo(&ready);
    let body = format!("setsid sh -c 'echo $$ > {0}; exec sleep 1000' & cat {0}", ready.display());
    took_less_than(LONG / 2, || place.commit(&place.produced(&body)));
    let pid = Pid::from_raw(place.result("a.txt.out").trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn two_hundred_megabytes_go_through() {
    let place = Place::new();
    drop(place.produced("head -c 200000000 /dev/zero; head -c 200000000 /dev/zero >&2; echo the end >&2"));
    assert_eq!(fs::metadata(place.printed()).unwrap().len(), 200_000_000);
}

#[test]
fn the_end_of_binary_junk_on_stderr_is_kept() {
    let attempt = Place::new().script("head -c 1000000 /dev/urandom >&2; printf '\\n\\377the\\000end' >&2; exit 1");
    assert_eq!(attempt.stderr_tail.len(), STDERR_TAIL_BYTES_MAX);
    assert!(attempt.stderr_tail.ends_with(b"\xffthe\0end"));
    assert_eq!(charged(&attempt).1, "exit 1: \u{fffd}the\\u{0}end");
}

#[test]
fn standard_input_is_empty() {
    let place = Place::new();
    place.commit(&place.produced("cat; readlink /proc/self/fd/0"));
    assert_eq!(place.result("a.txt.out"), "/dev/null\n");
}

#[test]
fn a_command_knows_its_file_and_works_in_an_empty_directory() {
    let place = Place::new();
    fs::create_dir_all(place.staging().join("left/over")).unwrap();
    let body = "echo $IMPORTERD_FOLDER $IMPORTERD_FILE $IMPORTERD_FILE_ID $IMPORTERD_ATTEMPT; \
                test \"$IMPORTERD_PATH\" = \"$1\" && pwd && ls -A";
    place.commit(&place.produced(body));
    let work = place.staging();
    assert_eq!(place.result("a.txt.out"), format!("scans a.txt 7 3\n{}\n", work.display()));
}

#[test]
fn no_descriptor_of_the_daemon_reaches_a_command() {
    let place = Place::new();
    place.commit(&place.produced("ls /proc/self/fd"));
    // What this process itself was given by its parent is not ours to close.
    let given = std::process::Command::new("ls").arg("/proc/self/fd").stdin(std::process::Stdio::null()).output();
    assert_eq!(place.result("a.txt.out").as_bytes(), given.unwrap().stdout);
}
