//! How files come: renamed, in bursts, twice under a name, before the start, into an inbox that vanishes.
//! Each is done once.

mod harness;

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use harness::{Daemon, Drop, open_gate};
use rustix::process::Signal;

/// Only events find files: the inbox is read again a day later.
const EVENTS_ONLY: &str = "rescan = \"1d\"";

fn assert_taken(drop: &Drop, daemon: &mut Daemon, name: &str, content: &str) {
    drop.put(name, content);
    daemon.wait_for_file("file.archived", name);
}

#[test]
fn an_upload_under_a_passing_name_is_taken_when_it_has_its_own() {
    // fault 4: the passing name holds the whole file, closed
    let drop = Drop::with(EVENTS_ONLY);
    let mut daemon = drop.start();
    drop.put("orders.csv.part", "id,name\n1,a\n");
    assert_taken(&drop, &mut daemon, "other.csv", "id,name\n2,b\n");
    assert!(drop.inbox().join("orders.csv.part").exists());
    fs::rename(drop.inbox().join("orders.csv.part"), drop.inbox().join("orders.csv")).unwrap();
    daemon.wait_for_file("file.archived", "orders.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("archive"), ["orders.csv", "other.csv"]);
    assert_eq!(drop.row_count(), 2);
}

#[test]
fn a_file_renamed_into_the_inbox_is_taken_at_once() {
    // fault 5: nobody closes it there
    let drop = Drop::with(EVENTS_ONLY);
    let mut daemon = drop.start();
    let elsewhere = drop.root().join("orders.csv");
    fs::write(&elsewhere, "id,name\n1,a\n").unwrap();
    fs::rename(elsewhere, drop.inbox().join("orders.csv")).unwrap();
    daemon.wait_for_file("file.archived", "orders.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn files_that_come_before_during_and_after_the_start_are_done_once() {
    // faults 7 and 8
    let drop = Drop::with(EVENTS_ONLY);
    for file in 0..50 {
        drop.put(format!("before-{file}.csv"), format!("id,name\n{file},before\n"));
    }
    let ready = AtomicBool::new(false);
    let (mut daemon, during) = std::thread::scope(|scope| {
        let uploads = scope.spawn(|| {
            let mut files = 0;
            while !ready.load(Ordering::Relaxed) {
                drop.put(format!("during-{files}.csv"), format!("id,name\n{files},during\n"));
                files += 1;
                std::thread::yield_now();
            }
            files
        });
        let daemon = drop.start();
        ready.store(true, Ordering::Relaxed);
        (daemon, uploads.join().unwrap())
    });
    drop.put("after.csv", "id,name\n0,after\n");
    daemon.wait_for_many("file.archived", 50 + during + 1);
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(during > 0);
    assert_eq!(drop.row_count(), 50 + during as u64 + 1);
    assert_eq!(drop.names("archive").len(), 50 + during + 1);
}

#[test]
fn a_burst_that_overflows_the_kernels_queue_is_done_once_and_whole() {
    // fault 9; and 87: it was stopped meanwhile
    let queued_max = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    // A file makes two events or more.
    let files = (queued_max.trim().parse::<usize>().unwrap() * 5 / 8).max(20_000);
    let files = std::env::var("IMPORTERD_BURST").map_or(files, |burst| files.max(burst.parse().unwrap()));
    let drop = Drop::with(EVENTS_ONLY);
    let mut daemon = drop.start();
    daemon.signal(Signal::STOP);
    for file in 0..files {
        drop.put(format!("{file}.csv"), format!("id,name\n{file},burst\n"));
    }
    daemon.signal(Signal::CONT);
    daemon.wait_for("folder.overflow");
    daemon.wait_for_many("file.archived", files);
    assert_taken(&drop, &mut daemon, "after.csv", "id,name\n0,after\n");
    assert_eq!(daemon.stop().code(), Some(0));
    let distinct: i64 = drop.rows().query_row("SELECT count(DISTINCT id) FROM \"drop\"", [], |row| row.get(0)).unwrap();
    assert_eq!((drop.row_count(), distinct.cast_unsigned()), (files as u64 + 1, files as u64));
    assert_eq!(drop.names("archive").len(), files + 1);
    assert_eq!(drop.names("inbox"), [""; 0]);
}

#[test]
fn an_inbox_that_is_removed_and_made_again_is_watched_again() {
    // fault 12
    let drop = Drop::with_daemon("backoff = { min = \"20ms\", max = \"50ms\" }", EVENTS_ONLY);
    let mut daemon = drop.start();
    fs::remove_dir(drop.inbox()).unwrap();
    let paused = daemon.wait_for("folder.paused");
    assert!(paused["reason"].as_str().unwrap().contains("inbox: No such file or directory"), "{paused}");
    fs::create_dir(drop.inbox()).unwrap();
    daemon.wait_for("folder.resumed");
    assert_taken(&drop, &mut daemon, "removed.csv", "id,name\n1,a\n");
    // Moved aside, and another one in its place at once.
    fs::rename(drop.inbox(), drop.root().join("aside")).unwrap();
    fs::create_dir(drop.inbox()).unwrap();
    // Before that has been seen a file may need the start of the next watch to be found; after it, an event.
    assert_taken(&drop, &mut daemon, "renamed.csv", "id,name\n2,b\n");
    assert_taken(&drop, &mut daemon, "again.csv", "id,name\n3,c\n");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 3);
}

#[test]
fn a_file_dropped_while_its_namesake_is_worked_on_is_another_file() {
    // fault 14
    for processors in [1, 2] {
        let drop = Drop::with_daemon(
            &format!("processors = {processors}"),
            "run = { command = [\"sh\", \"-c\", 'cat \"${1%/drop/active/*}/$(cat \"$1\")\"', \"sh\", \"{path}\"] }",
        );
        let (first, second) = (drop.gate("first"), drop.gate("second"));
        let mut daemon = drop.start();
        drop.put("a.csv", "first");
        daemon.wait_for_file("file.claimed", "a.csv");
        drop.put("a.csv", "second");
        if processors == 2 {
            daemon.wait_for_file("file.claimed", "a.csv");
            open_gate(&second, "what the second says");
            open_gate(&first, "what the first says");
        } else {
            open_gate(&first, "what the first says");
            open_gate(&second, "what the second says");
        }
        daemon.wait_for_many("file.archived", 2);
        assert_eq!(daemon.stop().code(), Some(0));
        let contents = |directory, names: [&str; 2]| {
            assert_eq!(drop.names(directory), names);
            let mut contents = names.map(|name| String::from_utf8(drop.read(directory, name)).unwrap());
            contents.sort();
            contents
        };
        assert_eq!(contents("archive", ["a.csv", "a~2.csv"]), ["first", "second"]);
        assert_eq!(contents("results", ["a.csv.out", "a.csv~2.out"]), ["what the first says", "what the second says"]);
    }
}

#[test]
fn a_file_dropped_while_its_namesake_is_imported_is_another_file() {
    // fault 14: the first is large, and in hand when the second comes
    const ROWS: u64 = 100_000;
    let drop = Drop::with(EVENTS_ONLY);
    let large: Vec<String> = (0..ROWS).map(|row| format!("{row},some text in row {row}\n")).collect();
    let elsewhere = drop.root().join("large.csv");
    fs::write(&elsewhere, format!("id,name\n{}", large.concat())).unwrap();
    let mut daemon = drop.start();
    fs::rename(elsewhere, drop.inbox().join("a.csv")).unwrap();
    daemon.wait_for_file("file.claimed", "a.csv");
    drop.put("a.csv", "id,name\n1,second\n");
    daemon.wait_for_many("file.archived", 2);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), ROWS + 1);
    assert_eq!(drop.names("archive"), ["a.csv", "a~2.csv"]);
}

#[test]
fn a_file_that_is_gone_before_it_is_claimed_is_nothing() {
    // fault 18
    let drop = Drop::new();
    let mut daemon = drop.start();
    daemon.signal(Signal::STOP);
    for file in 0..100 {
        drop.put(format!("{file}.csv"), format!("id,name\n{file},gone\n"));
        fs::remove_file(drop.inbox().join(format!("{file}.csv"))).unwrap();
    }
    daemon.signal(Signal::CONT);
    assert_taken(&drop, &mut daemon, "there.csv", "id,name\n1,there\n");
    let heard = daemon.heard();
    let loud: Vec<_> =
        heard.iter().filter(|record| record["level"] == "WARNING" || record["level"] == "ERROR").collect();
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn a_file_of_zero_bytes_is_done_with_no_rows() {
    // fault 19
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("empty.csv", "");
    let committed = daemon.wait_for_file("file.committed", "empty.csv");
    assert_eq!(committed["rows"], 0);
    daemon.wait_for_file("file.archived", "empty.csv");
    assert_taken(&drop, &mut daemon, "full.csv", "id,name\n1,a\n");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 1);
}

#[test]
fn a_file_from_1970_or_2099_is_taken_at_once_and_keeps_its_time() {
    // fault 23
    let drop = Drop::with(EVENTS_ONLY);
    let mut daemon = drop.start();
    let day = Duration::from_hours(24);
    for (name, time) in [("old.csv", SystemTime::UNIX_EPOCH), ("young.csv", SystemTime::UNIX_EPOCH + 47_117 * day)] {
        let elsewhere = drop.root().join(name);
        fs::write(&elsewhere, format!("id,name\n1,{name}\n")).unwrap();
        File::options().write(true).open(&elsewhere).unwrap().set_modified(time).unwrap();
        fs::rename(elsewhere, drop.inbox().join(name)).unwrap();
        daemon.wait_for_file("file.archived", name);
        let archived = harness::files(&drop.path().join("archive")).into_iter().find(|path| path.ends_with(name));
        assert_eq!(archived.unwrap().metadata().unwrap().modified().unwrap(), time);
    }
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 2);
}

#[test]
fn a_file_waits_for_its_ready_marker_and_the_marker_counts_once() {
    // fault 20
    let drop = Drop::with(&format!("{EVENTS_ONLY}\nready = {{ marker = \".done\" }}"));
    let mut daemon = drop.start();
    drop.put("a.csv", "id,name\n1,a\n");
    assert_marked(&drop, &mut daemon, "b.csv", 2);
    assert_eq!(drop.names("inbox"), ["a.csv"], "a.csv was taken unmarked, or b.csv's marker is left behind");
    drop.put("a.csv.done", "");
    daemon.wait_for_file("file.archived", "a.csv");
    // A later upload of the name is not ready because an earlier one was.
    drop.put("a.csv", "id,name\n3,later\n");
    assert_marked(&drop, &mut daemon, "c.csv", 4);
    assert_eq!(drop.names("inbox"), ["a.csv"]);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.row_count(), 3);
    assert_eq!(drop.names("archive"), ["a.csv", "a.csv.done", "b.csv", "b.csv.done", "c.csv", "c.csv.done"]);
    assert_eq!(drop.names("quarantine"), [""; 0]);
}

fn assert_marked(drop: &Drop, daemon: &mut Daemon, name: &str, id: u32) {
    drop.put(name, format!("id,name\n{id},marked\n"));
    drop.put(format!("{name}.done"), "");
    daemon.wait_for_file("file.archived", name);
}
