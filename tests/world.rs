//! Faults of the world: a full disk, a locked target. The folder is held with the cause, no file is
//! blamed, nothing is lost, and when the world is well again it goes on by itself.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Daemon, Drop};
use rusqlite::Connection;

/// Short waits, so that a held folder is tried often.
const BACK_OFF: &str = "backoff = { min = \"20ms\", max = \"100ms\" }\nattempts = 1";
/// Ticks of the clock that /proc counts in, by which all of Linux's user space is told the same.
const TICKS_PER_SEC: f64 = 100.0;

/// A small filesystem of its own, unmounted when dropped.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// `None`: only root can mount.
    fn mount(path: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can mount a small filesystem");
            return None;
        }
        fs::create_dir_all(path).expect("make a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(path).status();
        assert!(mounted.expect("run mount").success(), "mount a tmpfs");
        Some(Self { path: path.to_owned() })
    }

    fn fill(&self) {
        let mut size = 1 << 20;
        let mut file = fs::File::create(self.path.join("ballast")).expect("make the ballast");
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![1; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.path.join("ballast")).expect("remove the ballast");
    }
}

impl std::ops::Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// Processor time that the daemon has used.
fn cpu_time(daemon: &Daemon) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid().as_raw_pid())).expect("read its stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks: u32 = [11, 12].map(|field: usize| fields[field].parse::<u32>().expect("ticks")).iter().sum();
    Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SEC)
}

/// Waits until the folder is held for a cause, sees that trying again costs little, mends the world, and waits
/// until the folder goes on.
fn held_for(daemon: &mut Daemon, cause: &str, mend: impl FnOnce()) {
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().is_some_and(|reason| reason.contains(cause)), "{paused}");
    let (began, cpu) = (Instant::now(), cpu_time(daemon));
    daemon.wait_for_many("folder.paused", 10);
    let (took, used) = (began.elapsed(), cpu_time(daemon).saturating_sub(cpu));
    // It waits 20, 40, 80, 100, 100, … ms.
    assert!(took > Duration::from_millis(700), "10 tries in {took:?}");
    assert!(used < took / 2, "{used:?} of processor time in {took:?}");
    mend();
    daemon.wait_for("folder.resumed");
}

/// All files of the ledger, by name, with state and attempts charged.
fn told(drop: &Drop) -> Vec<(String, String, i64)> {
    let ledger = drop.ledger();
    let mut query = ledger.prepare("SELECT name, state, attempts FROM file ORDER BY name").expect("a query");
    let files = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("files");
    files.map(|file| file.expect("a file")).collect()
}

fn entry(name: &str, state: &str, attempts: i64) -> (String, String, i64) {
    (name.to_owned(), state.to_owned(), attempts)
}

/// Rows whose text fills some pages of a database.
fn wide(first: u32) -> String {
    let rows = (first..first + 200).map(|id| format!("{id},{}\n", "x".repeat(1_000)));
    ["id,text\n".to_owned()].into_iter().chain(rows).collect()
}

/// fault 68
#[test]
fn a_full_disk_under_the_target_holds_the_folder_until_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&root.path().join("disk")) else { return };
    let into = format!("import = {{ into = \"sqlite:{}\", table = \"drop\" }}", disk.path.join("rows.db").display());
    let drop = Drop::at(root, BACK_OFF, &into);
    let mut daemon = drop.start();
    drop.put("a.csv", wide(0));
    daemon.wait_for_file("file.archived", "a.csv");
    disk.fill();
    drop.put("b.csv", wide(1_000));
    held_for(&mut daemon, "full", || disk.free());
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(disk.path.join("rows.db")).unwrap();
    let rows: (i64, i64) = target
        .query_row("SELECT count(*), count(DISTINCT id) FROM \"drop\"", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(rows, (400, 400));
    assert_eq!(told(&drop), [entry("a.csv", "archived", 0), entry("b.csv", "archived", 0)]);
}

/// fault 68
#[test]
fn a_full_disk_under_the_ledger_holds_the_folder_until_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&root.path().join("state")) else { return };
    let into = format!("import = {{ into = \"sqlite:{}\", table = \"drop\" }}", root.path().join("rows.db").display());
    let drop = Drop::at(root, BACK_OFF, &into);
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    disk.fill();
    // Its rows go in; that they are in can't be entered.
    drop.put("b.csv", "id\n2\n");
    held_for(&mut daemon, "full", || {
        // The ledger can't take that the folder is held, and yet it is told.
        let said = drop.command(&["status"]).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("PAUSED") && said.contains("/state is full"), "{said}");
        disk.free();
    });
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    let target = Connection::open(drop.root().join("rows.db")).unwrap();
    let rows: i64 = target.query_row("SELECT count(*) FROM \"drop\"", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
    assert_eq!(told(&drop), [entry("a.csv", "archived", 0), entry("b.csv", "archived", 0)]);
}

/// fault 68
#[test]
fn a_full_disk_under_the_folder_blames_no_file_of_a_command() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&root.path().join("drop")) else { return };
    let run = "run = { command = [\"/bin/sh\", \"-c\", \"cat \\\"$1\\\" \\\"$1\\\" >copy\", \"sh\", \"{path}\"] }";
    let drop = Drop::at(root, BACK_OFF, run);
    let mut daemon = drop.start();
    drop.put("a.txt", "a".repeat(100_000));
    daemon.wait_for_file("file.archived", "a.txt");
    drop.put(".b.txt", "b".repeat(100_000));
    disk.fill();
    fs::rename(drop.inbox().join(".b.txt"), drop.inbox().join("b.txt")).unwrap();
    held_for(&mut daemon, "o space", || disk.free());
    daemon.wait_for_file("file.archived", "b.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.read("results", "copy~2").len(), 200_000);
    assert_eq!(drop.names("active"), [""; 0]);
    assert_eq!(told(&drop), [entry("a.txt", "archived", 0), entry("b.txt", "archived", 0)]);
}

/// fault 68
#[test]
fn a_full_disk_under_quarantine_keeps_a_refused_file_until_its_reason_can_be_written() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&root.path().join("drop")) else { return };
    let drop = Drop::at(root, BACK_OFF, "");
    let mut daemon = drop.start();
    drop.put(".bad.csv", "id,name\n1\n");
    disk.fill();
    fs::rename(drop.inbox().join(".bad.csv"), drop.inbox().join("bad.csv")).unwrap();
    held_for(&mut daemon, "o space", || disk.free());
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("quarantine"), ["bad.csv", "bad.csv.reason.txt"]);
    let reason = String::from_utf8(drop.read("quarantine", "bad.csv.reason.txt")).unwrap();
    assert!(reason.contains("line 2: 1 field where the header has 2"), "{reason}");
    assert_eq!(told(&drop), [entry("bad.csv", "quarantined", 1)]);
}

/// fault 92
#[test]
fn a_locked_target_holds_the_folder_until_it_is_free() {
    let drop = Drop::with_daemon(BACK_OFF, "");
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    let target = drop.rows();
    target.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for file in 2..10 {
        drop.put(format!("{file}.csv"), format!("id\n{file}\n"));
    }
    let cpu = cpu_time(&daemon);
    let began = Instant::now();
    for _ in 0..2 {
        let paused = daemon.wait_for("folder.paused");
        assert!(paused["reason"].as_str().is_some_and(|reason| reason.contains("locked")), "{paused}");
    }
    assert!(cpu_time(&daemon).saturating_sub(cpu) < began.elapsed() / 2, "waiting costs little");
    target.execute_batch("ROLLBACK").unwrap();
    daemon.wait_for("folder.resumed");
    daemon.wait_for_many("file.archived", 8);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 9);
    assert!(told(&drop).iter().all(|(_, state, attempts)| state == "archived" && *attempts == 0));
}
