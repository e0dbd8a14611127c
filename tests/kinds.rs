//! What lies in an inbox and is no file to be worked on: refused with a reason or left alone, never followed, never
//! waited for, and nothing else is held up by it. faults 32-39

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use harness::nobody::{NOBODY, unprivileged};
use harness::{Daemon, Drop, files, has};
use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};
use serde_json::Value;

fn quick() -> Drop {
    Drop::with("settle = \"50ms\"\nrescan = \"1s\"")
}

/// A good file goes through, whatever else lies there.
fn assert_goes_on(drop: &Drop, daemon: &mut Daemon) {
    drop.put("good.csv", "id,name\n1,good\n");
    daemon.wait_for_file("file.archived", "good.csv");
}

fn assert_refused(drop: &Drop, daemon: &mut Daemon, name: &str, code: &str, reason: &str) -> Value {
    let event = daemon.wait_for_file("file.quarantined", name);
    assert_eq!(event["code"], code, "{event}");
    // The file is moved when the event is told.
    assert_goes_on(drop, daemon);
    let explanation = format!("{name}.reason.txt");
    assert_eq!(drop.names("quarantine"), [name, &explanation]);
    let text = String::from_utf8(drop.read("quarantine", explanation)).unwrap();
    assert!(text.contains(reason), "{text}");
    assert_eq!(drop.names("archive"), ["good.csv"]);
    assert_eq!(drop.row_count(), 1);
    event
}

#[test]
fn a_symbolic_link_is_refused_and_its_target_untouched() {
    // fault 32
    let drop = quick();
    let target = drop.root().join("secret.csv");
    fs::write(&target, "id,name\n9,secret\n").unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o400)).unwrap();
    let before = target.metadata().unwrap();
    let mut daemon = drop.start();
    symlink(&target, drop.inbox().join("link.csv")).unwrap();
    assert_refused(&drop, &mut daemon, "link.csv", "not_a_file", "it is a symbolic link, not a regular file");
    daemon.stop();
    let after = target.metadata().unwrap();
    assert_eq!(fs::read_link(drop.path().join("quarantine/link.csv")).unwrap(), target);
    // An access time that is later than the last change would show that somebody has read it.
    assert_eq!(
        (before.ino(), before.mode(), before.ctime_nsec(), before.atime_nsec(), before.atime()),
        (after.ino(), after.mode(), after.ctime_nsec(), after.atime_nsec(), after.atime())
    );
}

#[test]
fn a_dangling_link_and_a_loop_of_links_are_refused() {
    // fault 33
    let drop = quick();
    symlink("nowhere", drop.inbox().join("dangling.csv")).unwrap();
    symlink("loop.csv", drop.inbox().join("loop.csv")).unwrap();
    let mut daemon = drop.start();
    daemon.wait_for_file("file.quarantined", "dangling.csv");
    daemon.wait_for_file("file.quarantined", "loop.csv");
    assert_goes_on(&drop, &mut daemon);
    daemon.stop();
    for name in ["dangling.csv", "loop.csv"] {
        assert!(drop.path().join("quarantine").join(name).symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn a_fifo_is_refused_without_waiting_for_its_writer() {
    // fault 34
    let drop = quick();
    let mut daemon = drop.start();
    mkfifoat(CWD, drop.inbox().join("pipe.csv"), Mode::from_raw_mode(0o666)).unwrap();
    assert_refused(&drop, &mut daemon, "pipe.csv", "not_a_file", "it is a named pipe (FIFO), not a regular file");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_socket_is_refused() {
    // fault 35
    let drop = quick();
    let mut daemon = drop.start();
    let _listener = UnixListener::bind(drop.inbox().join("socket.csv")).unwrap();
    assert_refused(&drop, &mut daemon, "socket.csv", "not_a_file", "it is a socket, not a regular file");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_device_is_refused() {
    // fault 35: the numbers of /dev/zero, which would never end
    if !rustix::process::getuid().is_root() {
        return skipped("only root can make a device");
    }
    let drop = quick();
    let mut daemon = drop.start();
    let device = drop.inbox().join("zero.csv");
    mknodat(CWD, &device, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 5)).unwrap();
    assert_refused(&drop, &mut daemon, "zero.csv", "not_a_file", "it is a device, not a regular file");
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(fs::symlink_metadata(drop.path().join("quarantine/zero.csv")).unwrap().file_type().is_char_device());
}

#[test]
fn a_directory_is_left_alone_with_all_that_is_in_it() {
    // fault 36
    let drop = quick();
    let mut daemon = drop.start();
    let tree = drop.inbox().join("orders.csv/deeper");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("a.csv"), "id,name\n7,deep\n").unwrap();
    fs::create_dir(drop.root().join("moved")).unwrap();
    fs::rename(drop.root().join("moved"), drop.inbox().join("moved.csv")).unwrap();
    assert_goes_on(&drop, &mut daemon);
    assert_eq!(daemon.stop().code(), Some(0));
    // A start reads the inbox from end to end.
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
    assert_eq!(drop.names("quarantine"), [""; 0]);
    assert!(tree.join("a.csv").is_file() && drop.inbox().join("moved.csv").is_dir());
}

#[test]
fn a_file_with_a_second_name_is_refused_and_that_name_untouched() {
    // faults 6 and 37
    let drop = quick();
    let other = drop.root().join("other.csv");
    fs::write(&other, "id,name\n1,both\n").unwrap();
    let mut daemon = drop.start();
    fs::hard_link(&other, drop.inbox().join("linked.csv")).unwrap();
    let text = "the file has 2 names (hard links); one is expected";
    let event = assert_refused(&drop, &mut daemon, "linked.csv", "hard_link", text);
    assert_eq!(event["hint"], "copy or move the file into the inbox instead of linking it");
    daemon.stop();
    assert_eq!(fs::read(&other).unwrap(), b"id,name\n1,both\n");
    assert_eq!(other.metadata().unwrap().nlink(), 2);
}

#[test]
fn a_file_that_loses_its_second_name_in_time_is_imported() {
    // fault 6: how some uploaders move a file without ever replacing one
    let drop = Drop::with("settle = \"2s\"\nrescan = \"1d\"");
    let other = drop.root().join("other.csv");
    fs::write(&other, "id,name\n1,one\n").unwrap();
    let mut daemon = drop.start();
    fs::hard_link(&other, drop.inbox().join("linked.csv")).unwrap();
    fs::remove_file(&other).unwrap();
    daemon.wait_for_file("file.archived", "linked.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

/// Puts a file into the inbox with this mode; of root, where the tests run as root.
fn put_with_mode(drop: &Drop, name: &str, mode: u32) {
    let elsewhere = drop.root().join(name);
    fs::write(&elsewhere, "id,name\n5,five\n").unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(mode)).unwrap();
    fs::rename(elsewhere, drop.inbox().join(name)).unwrap();
}

const QUICK_ATTEMPTS: &str = "attempts = 3\nbackoff = { min = \"10ms\", max = \"50ms\" }";

#[test]
fn an_unreadable_file_is_tried_again_and_then_refused_with_a_hint() {
    // fault 38
    if !has("setpriv") {
        return;
    }
    let drop = Drop::with_daemon(QUICK_ATTEMPTS, "settle = \"50ms\"\nrescan = \"1s\"");
    let mut daemon = unprivileged(&drop);
    put_with_mode(&drop, "locked.csv", 0);
    for attempt in 1..=2 {
        let event = daemon.wait_for_file("file.deferred", "locked.csv");
        assert_eq!((&event["attempt"], &event["code"]), (&attempt.into(), &"unreadable".into()), "{event}");
        assert!(event["hint"].as_str().unwrap().contains("the right to read"), "{event}");
    }
    let text = "Permission denied (os error 13) (attempt 3 of 3)";
    assert_refused(&drop, &mut daemon, "locked.csv", "unreadable", text);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn an_unreadable_file_is_imported_once_it_can_be_read() {
    // fault 38
    if !has("setpriv") {
        return;
    }
    let drop = Drop::with_daemon("attempts = 100\nbackoff = { min = \"10ms\", max = \"200ms\" }", "settle = \"50ms\"");
    let mut daemon = unprivileged(&drop);
    put_with_mode(&drop, "locked.csv", 0);
    daemon.wait_for_file("file.deferred", "locked.csv");
    harness::eventually("its mode is changed in the inbox", || {
        fs::set_permissions(drop.inbox().join("locked.csv"), Permissions::from_mode(0o644)).is_ok()
    });
    daemon.wait_for_file("file.archived", "locked.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn another_users_file_in_a_sticky_inbox_is_told_of_and_holds_nothing_up() {
    // fault 39: it can be read, but not moved
    if !rustix::process::getuid().is_root() || !has("setpriv") {
        return skipped("only root can make another user's file");
    }
    let drop = Drop::with_daemon(QUICK_ATTEMPTS, "settle = \"50ms\"\nrescan = \"1s\"");
    let mut daemon = unprivileged(&drop);
    std::os::unix::fs::chown(drop.inbox(), Some(0), Some(0)).unwrap();
    fs::set_permissions(drop.inbox(), Permissions::from_mode(0o1777)).unwrap();
    put_with_mode(&drop, "foreign.csv", 0o644);
    let told = daemon.wait_for_file("file.deferred", "foreign.csv");
    assert_eq!(told["code"], "not_movable", "{told}");
    assert!(told["hint"].as_str().is_some(), "{told}");
    put_with_mode(&drop, "own.csv", 0o644);
    std::os::unix::fs::chown(drop.inbox().join("own.csv"), Some(NOBODY), Some(NOBODY)).unwrap();
    daemon.wait_for_file("file.archived", "own.csv");
    std::os::unix::fs::chown(drop.inbox().join("foreign.csv"), Some(NOBODY), Some(NOBODY)).unwrap();
    daemon.wait_for_file("file.archived", "foreign.csv");
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn an_immutable_file_is_told_of_and_holds_nothing_up() {
    // fault 39
    let drop = Drop::with_daemon(QUICK_ATTEMPTS, "settle = \"50ms\"\nrescan = \"1s\"");
    let fixed = drop.inbox().join("fixed.csv");
    fs::write(&fixed, "id,name\n5,five\n").unwrap();
    let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(&fixed).status().is_ok_and(|end| end.success());
    if !chattr("+i") {
        return skipped("no immutable files here");
    }
    let freed = Freed(&fixed);
    let mut daemon = drop.start();
    let told = daemon.wait_for_file("file.deferred", "fixed.csv");
    assert_eq!(told["code"], "not_movable", "{told}");
    assert_goes_on(&drop, &mut daemon);
    std::mem::drop(freed);
    daemon.wait_for_file("file.archived", "fixed.csv");
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// An immutable file that can be removed after the test, however that ends.
struct Freed<'a>(&'a Path);

impl std::ops::Drop for Freed<'_> {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(self.0).status();
    }
}

/// As root: what a container leaves that runs as root, in the working directory of the command that waits for it.
fn put_foreign_result(drop: &Drop) {
    let at = drop.path().join("where");
    harness::eventually("the command says where it works", || at.exists());
    let work = std::path::PathBuf::from(fs::read_to_string(&at).unwrap().trim());
    fs::remove_file(at).unwrap();
    fs::create_dir(drop.root().join("pages")).unwrap();
    fs::write(drop.root().join("pages/1"), "page").unwrap();
    fs::rename(drop.root().join("pages"), work.join("pages")).unwrap();
}

#[test]
fn results_that_belong_to_another_user_are_refused_and_hold_nothing_up() {
    // fault 89
    if !rustix::process::getuid().is_root() || !has("setpriv") {
        return skipped("only root can make another user's file");
    }
    let script = r"case $1 in *good*) exit 0;; esac
        pwd >$2/.where; mv $2/.where $2/where; until test -e pages; do sleep 0.02; done; case $1 in *failed*) exit 3;; esac";
    let keys = "settle = \"50ms\"\nrescan = \"1s\"\nrun.command = [\"/bin/sh\", \"-c\", \"\"\"SCRIPT\"\"\", \"sh\", \"{path}\", \"PATH\"]";
    let drop = Drop::with_daemon("attempts = 1\nprocessors = 1", "run = { command = [\"true\"] }");
    let settings = fs::read_to_string(drop.settings()).unwrap();
    let keys = keys.replace("SCRIPT", script).replace("PATH", &drop.path().display().to_string());
    fs::write(drop.settings(), settings.replace("run = { command = [\"true\"] }", &keys)).unwrap();
    let mut daemon = unprivileged(&drop);
    put_with_mode(&drop, "bad.txt", 0o644);
    put_foreign_result(&drop);
    let told = daemon.wait_for_file("file.quarantined", "bad.txt");
    assert_eq!(told["code"], "not_a_result", "{told}");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("\"pages\" belongs to user 0") && reason.contains(".staging/.left-"), "{told}");
    put_with_mode(&drop, "failed.txt", 0o644);
    put_foreign_result(&drop);
    assert_eq!(daemon.wait_for_file("file.quarantined", "failed.txt")["code"], "command_failed");
    put_with_mode(&drop, "good1.txt", 0o644);
    daemon.wait_for_file("file.archived", "good1.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    let mut daemon = unprivileged(&drop);
    put_with_mode(&drop, "good2.txt", 0o644);
    daemon.wait_for_file("file.archived", "good2.txt");
    assert!(!daemon.has_heard("folder.paused"), "one file held the folder");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_setuid_bit_is_not_carried_to_results() {
    // fault 43: cp keeps the mode of what it copies
    let drop = Drop::with("run = { command = [\"cp\", \"-p\", \"{path}\", \"copy\"] }");
    let mut daemon = drop.start();
    put_with_mode(&drop, "tool.bin", 0o6755);
    daemon.wait_for_file("file.archived", "tool.bin");
    assert_eq!(daemon.stop().code(), Some(0));
    let modes: Vec<_> = files(&drop.path().join("results")).iter().map(|path| mode(path)).collect();
    assert_eq!(modes, [0o755]);
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn skipped(reason: &str) {
    println!("skipped: {reason}");
}

#[test]
fn a_sparse_file_of_a_terabyte_is_refused_by_what_is_read_of_it() {
    // fault 40: nobody reads it to its end
    let drop = Drop::new();
    let mut daemon = drop.start();
    let elsewhere = drop.root().join("huge.csv");
    fs::write(&elsewhere, "id,name\n1,a\n").unwrap();
    fs::File::options().write(true).open(&elsewhere).unwrap().set_len(1 << 40).unwrap();
    fs::rename(elsewhere, drop.inbox().join("huge.csv")).unwrap();
    let refused = daemon.wait_for_file("file.quarantined", "huge.csv");
    assert_eq!(refused["line"], 3, "{refused}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 0);
}
