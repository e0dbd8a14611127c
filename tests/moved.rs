//! What commands do with the files that they are given, and with those beside them: move them, remove them, shut the door
//! behind them. None is lost by that, whoever dies when, and none holds its folder. All of it is fault 89.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod harness;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Stdio;

use harness::nobody::{as_nobody, unprivileged};
use harness::{Daemon, Drop, eventually, files};
use rustix::process::Signal;

const FILES: usize = 12;

/// A folder with a command for the shell: `$1` is the path of its file, `$2` that of a directory beside the folder.
fn shell(attempts: u32, script: &str) -> Drop {
    let drop = Drop::with_daemon(
        &format!(
            "attempts = {attempts}\nprocessors = 1\ndrain_grace = \"1s\"\nbackoff = {{ min = \"10ms\", max = \"20ms\" }}"
        ),
        "settle = \"50ms\"\nrescan = \"1s\"\nduplicates = \"allow\"\nrun.command = [\"/bin/sh\", \"-c\", '''SCRIPT''', \"sh\", \"{path}\", \"PATH\"]",
    );
    let settings = fs::read_to_string(drop.settings()).expect("its settings");
    let settings = settings.replace("import = { into = \"sqlite:rows.db\" }", "");
    let path = drop.path().display().to_string();
    fs::write(drop.settings(), settings.replace("SCRIPT", script).replace("PATH", &path)).expect("write settings");
    drop
}

/// Where a command says how far it has come, and waits.
fn mark(drop: &Drop) -> PathBuf {
    drop.path().join("mark")
}

const MARK_AND_WAIT: &str = "if [ ! -e $2/mark ]; then echo >$2/mark; sleep 600; fi";

/// Starts the daemon, as nobody, and kills it when a command has said how far it has come.
fn cut_short(drop: &Drop) {
    let daemon = unprivileged(drop);
    eventually("a command says how far it has come", || mark(drop).exists());
    daemon.kill();
}

fn once(drop: &Drop) -> Option<i32> {
    as_nobody(drop, "once").stdout(Stdio::null()).stderr(Stdio::null()).status().expect("run importerd once").code()
}

/// All there is below a directory of the folder, hidden ones too: content, and path.
fn everything(drop: &Drop, directory: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut to_enter = vec![drop.path().join(directory)];
    while let Some(directory) = to_enter.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => to_enter.push(entry.path()),
                _ => found.push((fs::read_to_string(entry.path()).unwrap_or_default(), entry.path())),
            }
        }
    }
    found
}

fn explained(drop: &Drop, name: &str) -> String {
    let said = drop.command(&["explain", name]).output().expect("run explain").stdout;
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn other_files_that_a_command_moved_before_a_kill_are_there_again() {
    let script = format!(r#"mv "$(dirname "$1")"/* .; set -- "$1" "$2" *; [ $# -lt 4 ] || {MARK_AND_WAIT}"#);
    let drop = shell(1, &script);
    let (daemon, mut count) = (unprivileged(&drop), 0);
    // How many are in hand at once is up to the machine.
    eventually("a command finds others' files beside its own", || {
        if drop.names("inbox").is_empty() && !mark(&drop).exists() {
            (count..count + FILES).for_each(|file| drop.put(format!("{file}.txt"), format!("dropped {file}")));
            count += FILES;
        }
        mark(&drop).exists()
    });
    daemon.kill();
    // The control: they lie in the working directory of another's command.
    let astray = everything(&drop, "active").into_iter().filter(|(text, _)| text.starts_with("dropped")).count();
    assert!(astray >= 2, "{astray}");
    once(&drop);
    let mut kept: Vec<_> = files(&drop.path().join("archive"))
        .into_iter()
        .map(fs::read_to_string)
        .collect::<Result<_, _>>()
        .expect("text");
    kept.sort();
    let mut dropped: Vec<_> = (0..count).map(|file| format!("dropped {file}")).collect();
    dropped.sort();
    assert_eq!(kept, dropped);
}

/// Of a daemon, until its command has come to an end.
type Life = fn(&Drop);

/// By a failure, a kill, the end of a drain.
#[test]
fn what_a_command_made_of_a_file_that_is_no_more_is_kept_and_told() {
    let ends: [(&str, Life); 3] = [
        ("exit 3", |drop| drop_of_daemon(unprivileged(drop), "file.quarantined")),
        (MARK_AND_WAIT, cut_short),
        (MARK_AND_WAIT, |drop| {
            let mut daemon = unprivileged(drop);
            eventually("a command says how far it has come", || mark(drop).exists());
            daemon.signal(Signal::TERM);
            daemon.end();
        }),
    ];
    let scripts =
        ["mv \"$1\" .; rev a.txt >made; rm a.txt", "rev \"$1\"; rm \"$1\"", "rev \"$1\" >made; rm \"$1\"; chmod 0 ."];
    for (end, live) in ends {
        for script in scripts {
            let drop = shell(1, &format!("{script}; {end}"));
            drop.put("a.txt", "dropped\n");
            live(&drop);
            once(&drop);
            let what = format!("{script}; {end}");
            let made = everything(&drop, "active").into_iter().find(|(text, _)| text == "deppord\n");
            let (_, at) = made.unwrap_or_else(|| panic!("{what}: all of it is lost"));
            let told = String::from_utf8(drop.read("quarantine", "a.txt.reason.txt")).expect("text");
            assert!(told.contains(&at.parent().expect("a directory").display().to_string()), "{what}: {told}");
            assert!(told.contains("code input_gone") && !told.contains("retry"), "{what}: {told}");
            assert!(explained(&drop, "a.txt").contains("moved or removed"), "{what}: {}", explained(&drop, "a.txt"));
            assert_eq!(once(&drop), Some(0), "{what}: once is enough");
            assert_eq!(drop.names("quarantine"), ["a.txt.reason.txt"], "{what}");
        }
    }
}

fn drop_of_daemon(mut daemon: Daemon, event: &str) {
    daemon.wait_for(event);
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    daemon.stop();
}

#[test]
fn a_result_that_got_the_inode_of_the_file_is_not_taken_for_it() {
    let script = r#"if [ ! -e $2/mark ]; then rm "$1"; sleep 0.1; echo half >made; echo >$2/mark; sleep 600; fi"#;
    let drop = shell(1, script);
    drop.put("a.txt", "dropped");
    let inode = fs::metadata(drop.inbox().join("a.txt")).expect("the file").ino();
    let mut daemon = unprivileged(&drop);
    eventually("a command says how far it has come", || mark(&drop).exists());
    daemon.signal(Signal::KILL);
    daemon.end();
    // As long as the daemon held the file open, no other could have its inode; the command's orphan could have made it now.
    let (_, made) = everything(&drop, "active").into_iter().find(|(text, _)| text == "half\n").expect("half a result");
    let directory = made.parent().expect("a directory").to_owned();
    fs::remove_file(&made).expect("remove it");
    fs::write(&made, "half\n").expect("make it again");
    if fs::metadata(&made).expect("what it made").ino() != inode {
        eprintln!("skipped: this filesystem doesn't give out an inode again at once");
        return;
    }
    assert!(directory.exists());
    once(&drop);
    assert_eq!((drop.names("archive"), drop.names("results")), (vec![], vec![]));
    assert_eq!(drop.names("quarantine"), ["a.txt.reason.txt"]);
}

/// Where `$1` is when its command has ended, or was killed: in its place, or gone.
const SHUT: &[&str] = &[
    "mkdir d-$IMPORTERD_FILE; chmod 0 d-$IMPORTERD_FILE",
    "mv \"$1\" .; mkdir d; touch d/x; chmod 0 d",
    "mv \"$1\" .; chmod 0 .",
    "mkdir d; mv \"$1\" d; chmod 555 d",
    "mkdir \"$1.d\"; mv \"$1\" \"$1.d/\"; chmod 0 \"$1.d\"",
    "mv \"$1\" \"$1.bak\"; mkdir -p \"$1/e\"",
    "mv \"$1\" .; p=x; for i in $(seq 70); do p=$p/x; done; mkdir -p $p",
    "mv \"$1\" .; (umask 0; mkdir d; mkfifo d/p; chmod 0 d)",
    "mv \"$1\" \"$1.bak\"; echo >.left; chmod 0 .. \"${1%/*}\"",
    "mv \"$1\" \"${1%/*}/.hidden\"; chmod 555 .",
    "mv \"$1\" .; chmod 555 .. \"${1%/*}\"",
];

#[test]
fn no_tree_that_a_command_leaves_holds_its_folder_or_costs_a_file() {
    for script in SHUT {
        let drop = shell(1, &format!("case $1 in *bad*) {script}; exit 3;; esac"));
        for name in ["bad1.txt", "bad2.txt", "good.txt"] {
            drop.put(name, "dropped");
        }
        let mut daemon = unprivileged(&drop);
        daemon.wait_for_many("file.quarantined", 2);
        daemon.wait_for_file("file.archived", "good.txt");
        assert!(!daemon.has_heard("folder.paused"), "{script}: one file held the folder");
        assert_eq!(daemon.stop().code(), Some(0));
        for name in ["bad1.txt", "bad2.txt"] {
            assert_eq!(drop.read("quarantine", name), b"dropped", "{script}");
        }
    }
}

#[test]
fn a_kill_while_a_command_leaves_such_a_tree_costs_nothing_either() {
    for script in SHUT {
        let drop = shell(1, &format!("if [ ! -e $2/mark ]; then {script}; echo >$2/mark; sleep 600; fi"));
        drop.put("a.txt", "dropped");
        cut_short(&drop);
        // What it has put beside its file is refused, if it is a directory.
        assert!(matches!(once(&drop), Some(0 | 1)), "{script}");
        let kept: Vec<_> = files(&drop.path().join("archive"));
        assert_eq!(kept.len(), 1, "{script}: {kept:?}");
        assert!(kept[0].ends_with("a.txt"), "{script}: {kept:?}");
        assert_eq!(fs::read(&kept[0]).expect("the file"), b"dropped", "{script}");
    }
}

#[test]
fn a_file_that_its_command_renamed_before_a_kill_has_its_name_again() {
    let drop = shell(1, &format!("if [ ! -e $2/mark ]; then mv \"$1\" \"$1.done\"; fi; {MARK_AND_WAIT}"));
    drop.put("a.txt", "dropped");
    cut_short(&drop);
    assert_eq!(drop.names("active/0"), ["a.txt.done"], "the control");
    assert_eq!(once(&drop), Some(0));
    assert!(drop.names("archive").contains(&"a.txt".into()), "{:?}", drop.names("archive"));
}

#[test]
fn files_that_their_commands_removed_are_refused_one_by_one() {
    let drop = shell(1, "rm \"$1\"; exit 1");
    (0..6).for_each(|file| drop.put(format!("{file}.txt"), "dropped"));
    let mut daemon = unprivileged(&drop);
    daemon.wait_for_many("file.quarantined", 6);
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(once(&drop), Some(0));
    let said = as_nobody(&drop, "retry").arg("#1").output().expect("run retry");
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("nothing to try again"), "{said}");
}

#[test]
fn a_file_that_its_command_linked_is_refused_with_advice_that_fits() {
    let drop = shell(3, "ln \"$1\" $2/kept; exit 1");
    drop.put("a.txt", "dropped");
    let mut daemon = drop.start();
    let told = daemon.wait_for("file.quarantined");
    assert_eq!(told["code"], "hard_link", "{told}");
    assert_eq!(daemon.stop().code(), Some(0));
    let reason = String::from_utf8(drop.read("quarantine", "a.txt.reason.txt")).expect("text");
    assert!(reason.contains("its command may have linked it") && !reason.contains("instead of linking it"), "{reason}");
}

#[test]
fn a_file_that_its_command_wrote_to_and_removed_holds_nobody_up() {
    for (end, told) in [("exit 0", "file.archived"), ("exit 3", "file.quarantined")] {
        let drop = shell(2, &format!("echo more >>\"$1\"; cat \"$1\"; rm \"$1\"; {end}"));
        drop.put("a.txt", "dropped\n");
        fs::set_permissions(drop.inbox().join("a.txt"), fs::Permissions::from_mode(0o666)).expect("chmod");
        let mut daemon = unprivileged(&drop);
        daemon.wait_for_file(told, "a.txt");
        assert!(!daemon.has_heard("folder.paused"), "{end}: one file held the folder");
        assert_eq!(daemon.stop().code(), Some(0));
        if end == "exit 0" {
            assert_eq!(drop.read("results", "a.txt.out"), b"dropped\nmore\n");
        }
    }
}
