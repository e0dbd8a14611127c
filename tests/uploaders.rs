//! Real data dropped by real uploaders: tables of thousands of rows that other people wrote, brought by the
//! programs that partners use. Another reader says how many rows each has, and finds every one in the database.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
#[path = "harness/sshd.rs"]
mod sshd;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, Drop, has};
use sshd::Sshd;

/// Debian packages, installed by tests/all: what it holds, and how it becomes a table.
const OUI: &str = "/usr/share/ieee-data/oui.csv";
const UNICODE: &str = "/usr/share/unicode/UnicodeData.txt";
const LANGUAGES: &str = "/usr/share/iso-codes/json/iso_639-3.json";

/// The fields of UnicodeData.txt, which has no header: <https://www.unicode.org/reports/tr44/#UnicodeData.txt>.
const UNICODE_HEADER: &str = "code_point;name;general_category;combining_class;bidi_class;decomposition;decimal;digit;\
    numeric;mirrored;unicode_1_name;iso_comment;uppercase;lowercase;titlecase\n";

/// The least number of rows of each, so that a reader that finds nothing proves nothing.
const ROWS_MIN: u64 = 5_000;

/// Whether a data set is there; where it isn't, says so, and fails in CI.
fn has_data(path: &str) -> bool {
    let found = Path::new(path).is_file();
    assert!(found || std::env::var_os("CI").is_none(), "{path} is missing: tests/all installs it");
    if !found {
        println!("skipped: {path} is missing (tests/all installs it)");
    }
    found
}

/// The registry of network card makers, as it is: 32,000 rows, quoted addresses with commas and line breaks.
fn makers(drop: &Drop) -> PathBuf {
    let copy = drop.root().join("oui.csv");
    fs::copy(OUI, &copy).unwrap();
    copy
}

/// The characters of Unicode, below a header of our own.
fn characters(drop: &Drop) -> PathBuf {
    let path = drop.root().join("UnicodeData.csv");
    fs::write(&path, UNICODE_HEADER.to_owned() + &fs::read_to_string(UNICODE).unwrap()).unwrap();
    path
}

/// The languages of the world, one object a line instead of one document.
fn languages(drop: &Drop) -> PathBuf {
    let document: serde_json::Value = serde_json::from_slice(&fs::read(LANGUAGES).unwrap()).unwrap();
    let lines: Vec<String> = document["639-3"].as_array().unwrap().iter().map(|row| format!("{row}\n")).collect();
    let path = drop.root().join("iso_639-3.ndjson");
    fs::write(&path, lines.concat()).unwrap();
    path
}

/// What Python says of a file: its rows, all of which must be in the database, and nothing besides.
fn assert_every_row_is_in(drop: &Drop, file: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/independent.py");
    let output = Command::new("python3").arg(script).arg(file).arg(drop.state().join("rows.db")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (rows, missing) = said.trim().split_once(' ').unwrap();
    assert_eq!(missing, "0", "of {rows} rows of {}, so many are not in the table", file.display());
    assert_eq!(drop.row_count(), rows.parse::<u64>().unwrap(), "{}", file.display());
    assert!(drop.row_count() > ROWS_MIN);
}

/// One upload into a fresh folder: watched from before it began, imported whole, once.
fn assert_arrives(drop: &Drop, file: &Path, upload: impl FnOnce(&Path)) {
    let mut daemon = drop.start();
    let copy = drop.root().join("copy").join(file.file_name().unwrap());
    fs::create_dir(copy.parent().unwrap()).unwrap();
    fs::copy(file, &copy).unwrap();
    upload(file);
    let name = file.file_name().unwrap().to_str().unwrap();
    let archived = daemon.wait_until("its archiving", |record| record["event"] == "file.archived");
    assert_eq!(archived["file"], name);
    assert!(!daemon.has_heard("file.quarantined") && !daemon.has_heard("file.deferred"));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_every_row_is_in(drop, &copy);
    assert_eq!(fs::read(&copy).unwrap(), drop.read("archive", name), "the archived file is the one that was sent");
    assert_eq!(drop.names("inbox"), [""; 0]);
}

/// A folder where only an event can find a file: the inbox is read again a day later.
fn watched() -> Drop {
    Drop::with("rescan = \"1d\"")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_brought_by_cp_is_imported_whole() {
    for (data, prepare) in [(OUI, makers as fn(&Drop) -> PathBuf), (UNICODE, characters), (LANGUAGES, languages)] {
        if has("python3") && has_data(data) {
            let drop = watched();
            let file = prepare(&drop);
            assert_arrives(&drop, &file, |file| run(Command::new("cp").arg("-p").arg(file).arg(drop.inbox())));
        }
    }
}

#[test]
fn a_file_brought_by_mv_is_imported_whole() {
    // fault 5
    if has("python3") && has_data(UNICODE) {
        let drop = watched();
        let file = characters(&drop);
        assert_arrives(&drop, &file, |file| run(Command::new("mv").arg(file).arg(drop.inbox())));
    }
}

#[test]
fn a_file_brought_by_mv_from_another_filesystem_is_imported_whole() {
    // fault 1: that mv is a copy under the final name
    if !has("python3") || !has_data(OUI) {
        return;
    }
    let drop = watched();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    if elsewhere.path().metadata().unwrap().dev() == drop.root().metadata().unwrap().dev() {
        println!("skipped: the temporary directory is in /dev/shm too");
        return;
    }
    let file = makers(&drop);
    let there = elsewhere.path().join("oui.csv");
    fs::copy(&file, &there).unwrap();
    assert_arrives(&drop, &file, |_| run(Command::new("mv").arg(&there).arg(drop.inbox())));
}

#[test]
fn a_file_brought_by_rsync_is_imported_whole() {
    // fault 4: it works under a hidden name
    if has("rsync") && has("python3") && has_data(LANGUAGES) {
        let drop = watched();
        let file = languages(&drop);
        assert_arrives(&drop, &file, |file| run(Command::new("rsync").arg("-a").arg(file).arg(drop.inbox())));
    }
}

/// A server, or the reason why the test is skipped; in CI nothing is.
fn server(drop: &Drop) -> Option<Sshd> {
    if !(has("sshd") && has("scp") && has("sftp") && has("python3") && has_data(OUI) && has_data(UNICODE)) {
        return None;
    }
    match Sshd::start(&drop.root().join("ssh")) {
        Ok(server) => Some(server),
        Err(reason) => {
            assert!(std::env::var_os("CI").is_none(), "sshd doesn't run: {reason}");
            println!("skipped: sshd doesn't run here: {reason}");
            None
        }
    }
}

#[test]
fn a_file_brought_by_scp_is_imported_whole() {
    let drop = watched();
    let Some(server) = server(&drop) else { return };
    let file = makers(&drop);
    let target = format!("127.0.0.1:{}/", drop.inbox().display());
    // At 3 MB/s it arrives in many pieces.
    assert_arrives(&drop, &file, |file| {
        run(server.client("scp", "-P").args(["-l", "24000"]).arg(file).arg(target));
    });
}

#[test]
fn a_file_brought_by_sftp_is_imported_whole() {
    let drop = watched();
    let Some(server) = server(&drop) else { return };
    let file = characters(&drop);
    let batch = drop.root().join("batch");
    fs::write(&batch, format!("put {} {}/\n", file.display(), drop.inbox().display())).unwrap();
    assert_arrives(&drop, &file, |_| run(server.client("sftp", "-P").arg("-b").arg(&batch).arg("127.0.0.1")));
}

#[test]
fn a_slow_copy_is_imported_when_it_is_whole() {
    // fault 1
    if !has("pv") || !has("python3") || !has_data(OUI) {
        return;
    }
    let drop = Drop::with("rescan = \"1s\"\nsettle = \"10ms\"");
    let file = makers(&drop);
    assert_arrives(&drop, &file, |file| {
        let there = File::create(drop.inbox().join("oui.csv")).unwrap();
        run(Command::new("pv").args(["-q", "-L", "2m"]).arg(file).stdout(there));
    });
}

/// Until this long has passed, other files go through: events, looks and rescans that must leave the one
/// under test alone.
fn keep_busy(drop: &Drop, daemon: &mut Daemon, time: Duration) -> u64 {
    let (begun, mut files) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let name = format!("other-{files}.csv");
        drop.put(&name, format!("id,name\n{files},other\n"));
        daemon.wait_for_file("file.archived", &name);
        files += 1;
    }
    files
}

#[test]
fn a_writer_that_pauses_longer_than_settle_is_waited_for() {
    // faults 1 and 2: settle is 10 ms, the inbox is read every second, the pause is longer than both
    let drop = Drop::with("rescan = \"1s\"\nsettle = \"10ms\"");
    let mut daemon = drop.start();
    let mut writer = File::create(drop.inbox().join("slow.csv")).unwrap();
    writer.write_all(b"id,name\n1,first half\n").unwrap();
    writer.sync_all().unwrap();
    let others = keep_busy(&drop, &mut daemon, Duration::from_millis(2_200));
    assert_eq!(drop.row_count(), others);
    assert_eq!(drop.names("inbox"), ["slow.csv"], "it was claimed while its writer had it open");
    writer.write_all(b"2,second half\n").unwrap();
    std::mem::drop(writer);
    daemon.wait_for_file("file.archived", "slow.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), others + 2);
}

#[test]
fn a_writer_with_a_shared_mapping_is_waited_for() {
    // faults 1 and 41: its descriptor is closed, and it can still write
    const WRITER: &str = "
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 24)
memory = mmap.mmap(file, 24, mmap.MAP_SHARED)
memory[:12] = b'id,name\\n1,a\\n'
memory[12:] = b'\\n' * 12
os.close(file)
print('mapped', flush=True)
sys.stdin.read()
memory[12:20] = b'2,b\\n3,c\\n'
memory.close()
";
    if !has("python3") {
        return;
    }
    let drop = Drop::with("rescan = \"1s\"\nsettle = \"10ms\"");
    let mut daemon = drop.start();
    let mut writer = Command::new("python3")
        .args(["-c", WRITER])
        .arg(drop.inbox().join("mapped.csv"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 7];
    writer.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let others = keep_busy(&drop, &mut daemon, Duration::from_millis(1_200));
    assert_eq!(drop.names("inbox"), ["mapped.csv"], "it was claimed while it was mapped writable");
    std::mem::drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
    daemon.wait_for_file("file.archived", "mapped.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), others + 3);
}

/// A writer that is killed in the middle of a row.
fn upload_cut_short(drop: &Drop, name: &str) {
    let script = "printf 'id,name\\n1,a\\n2' >\"$1\" && kill -KILL $$";
    let killed = Command::new("sh").args(["-c", script, "sh"]).arg(drop.inbox().join(name)).status().unwrap();
    assert!(!killed.success());
}

#[test]
fn an_upload_cut_short_in_the_middle_of_a_row_is_refused_and_with_a_marker_rule_waited_for() {
    // fault 3
    let drop = Drop::new();
    let mut daemon = drop.start();
    upload_cut_short(&drop, "cut.csv");
    let refused = daemon.wait_for_file("file.quarantined", "cut.csv");
    assert_eq!(refused["line"], 3, "{refused}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 0);

    let drop = Drop::with("ready = { marker = \".done\" }");
    let mut daemon = drop.start();
    upload_cut_short(&drop, "cut.csv");
    drop.put("whole.csv", "id,name\n3,c\n");
    drop.put("whole.csv.done", "");
    daemon.wait_for_file("file.archived", "whole.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!((drop.names("inbox"), drop.row_count()), (vec!["cut.csv".into()], 1));
}
