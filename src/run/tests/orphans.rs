//! What a daemon that was killed leaves running.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::*;
use crate::run::end_orphans;

/// Tells the second half of the test below that it is to play the daemon, and where.
const ROLE: &str = "TEST_DAEMON_AT";

/// Not a test by itself: the daemon that the next one kills.
#[test]
#[ignore = "started by the test below, in a process of its own"]
fn a_daemon_to_be_killed() {
    let Some(at) = std::env::var_os(ROLE) else { return };
    let at = Path::new(&at);
    let staging = at.join("active/1/.staging/7");
    let path = at.join("active/1/a.txt");
    let job = Job { id: FileId(7), folder: "scans", attempt: 1, name: name(b"a.txt"), path: &path, staging: &staging };
    // The child keeps its environment but leaves the directory; the grandchild has only the directory.
    let body = "cd /; sleep 1000 & a=$!; cd \"$OLDPWD\"; env -i setsid sleep 1000 & echo $$ $a $! > \"$1.pids\"; wait";
    let argv = ["/bin/sh", "-c", body, "sh", "{path}"];
    let run = settings::Run { command: argv.map(str::to_owned).into(), timeout: LONG };
    let attempt = super::Command::new(&run, Arc::new(Running::new().unwrap())).process(&job);
    panic!("it ended: {attempt:?}");
}

// fault 80
#[test]
fn the_orphans_of_a_killed_daemon_are_ended_and_nobody_else() {
    let place = Place::new();
    place.claimed("a.txt");
    let pids = place.path("active/1/a.txt.pids");
    fifo(&pids);
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "run::tests::orphans::a_daemon_to_be_killed"])
        .env(ROLE, place.dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let sleep = |directory: &Path, input: &str| {
        Command::new("sleep").arg("1000").current_dir(directory).env("IMPORTERD_PATH", input).spawn().unwrap()
    };
    let bystanders = [sleep(Path::new("/"), "/elsewhere/a.txt"), sleep(&place.path("active/1"), "")];
    let mut orphans = String::new();
    File::open(&pids).unwrap().read_to_string(&mut orphans).unwrap();
    daemon.kill().unwrap();
    assert_eq!(daemon.wait().unwrap().signal(), Some(9));

    let ended = end_orphans(&place.path("active"), &[place.path("active/1/.staging")]).unwrap();
    let mut ended: Vec<String> = ended.iter().map(|orphan| orphan.pid.to_string()).collect();
    ended.sort();
    let mut orphans: Vec<&str> = orphans.split_whitespace().collect();
    orphans.sort_unstable();
    assert_eq!(orphans.len(), 3);
    assert_eq!(ended, orphans);
    assert!(orphans.iter().all(|pid| is_gone(pid)));
    assert!(end_orphans(&place.path("active"), &[place.path("active/1/.staging")]).unwrap().is_empty());
    for mut bystander in bystanders {
        assert!(bystander.try_wait().unwrap().is_none(), "a stranger was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
