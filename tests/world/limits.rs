//! Limits of the system: no descriptor left, no process left, no memory left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, geteuid};

use crate::filesystem::succeeds;
use crate::harness::{Daemon, Drop, has};
use crate::hold::{BACK_OFF, all_done, entry, held_for, put_row, told};

/// A user of whom nothing else runs.
const NOBODY_ELSE: u32 = 64_213;

/// How many things of a kind the daemon has: `fd`, `task`.
fn count(daemon: &Daemon, what: &str) -> usize {
    fs::read_dir(format!("/proc/{}/{what}", daemon.pid().as_raw_pid())).expect("read /proc").count()
}

/// Changes a limit of a running process.
fn limit(pid: Pid, what: &str, at_most: usize) {
    succeeds(Command::new("prlimit").args(limited(pid, what, at_most)));
}

fn limited(pid: Pid, what: &str, at_most: usize) -> [String; 2] {
    [format!("--pid={}", pid.as_raw_pid()), format!("--{what}={at_most}:")]
}

/// fault 84
#[test]
fn want_of_descriptors_holds_the_folder_blames_no_file_and_passes() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.start();
    put_row(&drop, 0);
    daemon.wait_for_file("file.archived", "0.csv");
    let pid = daemon.pid();
    limit(pid, "nofile", count(&daemon, "fd"));
    for number in 1..200 {
        put_row(&drop, number);
    }
    held_for(&mut daemon, "Too many open files", || limit(pid, "nofile", 1_024));
    daemon.wait_for_many("file.archived", 199);
    all_done(daemon, &drop, 0..200);
}

/// fault 84: a batch holds its files open, and is as large as there is room for.
#[test]
fn few_descriptors_make_batches_small_and_hold_nobody_up() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.launch_through(&["prlimit", "--nofile=80"]);
    daemon.wait_for("daemon.started");
    for number in 0..300 {
        put_row(&drop, number);
    }
    daemon.wait_for_many("file.archived", 300);
    assert!(!daemon.has_heard("folder.paused"));
    all_done(daemon, &drop, 0..300);
}

/// Becomes the program that follows, as a user of whom nothing else runs.
fn nobody_else() -> Command {
    let mut other = Command::new("setpriv");
    other.args([format!("--reuid={NOBODY_ELSE}"), format!("--regid={NOBODY_ELSE}"), "--clear-groups".to_owned()]);
    other
}

/// The daemon as a user who owns the folder and of whom nothing else runs. `None`: this user can't do that.
fn as_another_user(drop: &Drop) -> Option<Daemon> {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can start a daemon as another user");
        return None;
    }
    if !has("setpriv") {
        return None;
    }
    let command = drop.command(&["run"]);
    // Where the program was built, the other user may not be let in.
    let program = drop.root().join("importerd");
    succeeds(Command::new("cp").arg(command.get_program()).arg(&program));
    succeeds(Command::new("chown").arg("-R").arg(format!("{NOBODY_ELSE}:{NOBODY_ELSE}")).arg(drop.root()));
    let mut other = nobody_else();
    other.arg(program).args(command.get_args()).env_remove("NOTIFY_SOCKET");
    let mut daemon = Daemon::of(other);
    daemon.wait_for("daemon.started");
    Some(daemon)
}

/// fault 84
#[test]
fn want_of_processes_holds_the_folder_blames_no_file_and_passes() {
    let drop = Drop::with_daemon(BACK_OFF, "settle = \"10ms\"\nrun = { command = [\"/bin/cat\", \"{path}\"] }");
    let Some(mut daemon) = as_another_user(&drop) else { return };
    let pid = daemon.pid();
    let limit = |at_most| succeeds(nobody_else().arg("prlimit").args(limited(pid, "nproc", at_most)));
    // Threads count.
    limit(count(&daemon, "task"));
    drop.put("a.txt", "a");
    held_for(&mut daemon, "no room for another process", || limit(1_024));
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "a.txt.out"), b"a");
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0)]);
}

/// A group of processes that share little memory; removed when dropped.
struct MemoryGroup {
    path: PathBuf,
}

impl MemoryGroup {
    /// Below the group of this process, which may itself be limited. `None`: it can't be made here.
    fn make(name: &str, bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").expect("read its groups");
        let ours = groups.lines().find_map(|line| line.split_once(":memory:/")).map(|(_, path)| path);
        let path = ours.map(|path| Path::new("/sys/fs/cgroup/memory").join(path).join(name));
        let Some(path) = path.filter(|path| fs::create_dir(path).is_ok()) else {
            eprintln!("skipped: no group with a memory limit can be made here");
            return None;
        };
        let group = Self { path };
        fs::write(group.path.join("memory.limit_in_bytes"), bytes.to_string()).expect("set the limit");
        Some(group)
    }

    fn take(&self, pid: Pid) {
        fs::write(self.path.join("cgroup.procs"), pid.as_raw_pid().to_string()).expect("join the group");
    }
}

impl std::ops::Drop for MemoryGroup {
    fn drop(&mut self) {
        crate::harness::eventually("the group is empty", || fs::remove_dir(&self.path).is_ok());
    }
}

const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// `tail` keeps the last line in memory, and this one has no end.
const GLUTTON: &str = "tail /dev/zero";

/// fault 83
#[test]
fn a_command_killed_for_want_of_memory_is_a_failed_attempt_and_the_daemon_goes_on() {
    let Some(group) = MemoryGroup::make("importerd-command", MEMORY_BYTES_MAX) else { return };
    let drop = Drop::with_daemon("attempts = 1", "run = { command = [\"/bin/sh\", \"{path}\"] }");
    let mut daemon = drop.start();
    group.take(daemon.pid());
    drop.put("large.sh", format!("exec {GLUTTON}"));
    let refused = daemon.wait_for_file("file.quarantined", "large.sh");
    assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("SIGKILL")), "{refused}");
    drop.put("small.sh", "echo small");
    daemon.wait_for_file("file.archived", "small.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(told(&drop), [entry("large.sh", "quarantined", 1), entry("small.sh", "archived", 0)]);
}

/// fault 83
#[test]
fn a_daemon_killed_for_want_of_memory_loses_nothing_and_its_next_start_charges_nobody() {
    let Some(group) = MemoryGroup::make("importerd-daemon", MEMORY_BYTES_MAX) else { return };
    let drop = Drop::with_daemon("attempts = 1", "run = { command = [\"/bin/sh\", \"{path}\"] }");
    let mut daemon = drop.start();
    group.take(daemon.pid());
    // The kernel takes the daemon first. Its command would stay; the next start ends it.
    fs::write(format!("/proc/{}/oom_score_adj", daemon.pid().as_raw_pid()), "1000").expect("offer the daemon");
    let second = drop.root().join("second");
    let script =
        format!("[ -e SECOND ] && exec echo second; >SECOND; echo 0 >/proc/$$/oom_score_adj; {GLUTTON}; sleep 1000");
    drop.put("a.sh", script.replace("SECOND", &second.display().to_string()));
    assert_eq!(daemon.end().code(), None, "it was killed");
    let mut daemon = drop.start();
    daemon.wait_for_file("file.archived", "a.sh");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "a.sh.out"), b"second\n");
    assert_eq!(told(&drop), [entry("a.sh", "archived", 0)]);
}
