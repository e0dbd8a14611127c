//! Retry, with kills between its steps: the ledger says that a file is on its way, the file moves, its reason goes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use importerd::events::{Event, Kind};
use importerd::folder::survey;
use importerd::ledger::Ledger;

use crate::harness::{Drop, files};
use crate::{order, told};

const FILES: usize = 24;
const KILLS: usize = 60;

/// Refused files, each of which fits when its second line is completed.
fn refused(count: usize) -> Drop {
    let drop = Drop::new();
    for number in 0..count {
        drop.put(format!("{number}.csv"), format!("id,name\n{number}\n"));
    }
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(drop.names("quarantine").len(), 2 * count);
    drop
}

fn mend(directory: &Path) {
    for path in files(directory) {
        let content = fs::read_to_string(&path).unwrap();
        if path.extension() == Some(OsStr::new("csv")) && !content.ends_with(",x\n") {
            fs::write(&path, content.trim_end().to_owned() + ",x\n").unwrap();
        }
    }
}

/// How far an order had come when the program died.
#[derive(Debug, Clone, Copy)]
enum Step {
    Entered,
    Moved,
    ReasonRemoved,
}

/// faults 75, 80
#[test]
fn wherever_an_order_is_cut_short_the_next_start_finishes_it() {
    for step in [Step::Entered, Step::Moved, Step::ReasonRemoved] {
        let drop = refused(1);
        mend(&drop.path().join("quarantine"));
        let quarantined = drop.path().join("quarantine/0.csv");
        let ledger = Ledger::open(&drop.state()).unwrap();
        let row = ledger.by_name(OsStr::new("0.csv")).unwrap().remove(0);
        let identity = survey::at(&quarantined).unwrap().identity;
        ledger.release(&[(row.id, identity)], &[Event::new(Kind::FileRetried).folder("drop")]).unwrap();
        std::mem::drop(ledger);
        if !matches!(step, Step::Entered) {
            fs::rename(&quarantined, drop.inbox().join("0.csv")).unwrap();
        }
        if let Step::ReasonRemoved = step {
            fs::remove_file(drop.path().join("quarantine/0.csv.reason.txt")).unwrap();
        }
        assert_eq!(drop.once().code(), Some(0), "{step:?}");
        assert_eq!(drop.names("archive"), ["0.csv"], "{step:?}");
        assert_eq!((drop.names("quarantine"), drop.names("inbox")), (vec![], vec![]), "{step:?}");
        assert_eq!(drop.row_count(), 1);
        assert_eq!(told(&drop, "SELECT group_concat(id || state || attempts) FROM file"), "1archived0");
    }
    // The control: without the ledger's word nothing leaves quarantine/.
    let drop = refused(1);
    mend(&drop.path().join("quarantine"));
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("quarantine"), ["0.csv", "0.csv.reason.txt"]);
}

/// fault 80: also with the daemon, which is killed while it carries out the order.
#[test]
fn sixty_kills_while_files_go_back_lose_none_double_none_and_leave_no_reason_without_its_file() {
    let mut random = fastrand::Rng::new();
    let mut cut_short = 0;
    for with_daemon in [false, true] {
        let drop = refused(FILES);
        for kill in 0..KILLS / 2 {
            // They are as bad as before, and come back into quarantine/.
            let daemon = with_daemon.then(|| drop.start());
            let mut command = drop.command(&["retry", "--failed"]);
            let mut retry = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let until = Instant::now() + Duration::from_micros(random.u64(2_000..60_000));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            match daemon {
                Some(daemon) => daemon.kill(),
                None => retry.kill().unwrap(),
            }
            retry.wait().unwrap();
            cut_short += usize::from(is_cut_short(&drop));
            problems(&drop, &format!("kill {kill}, with a daemon: {with_daemon}"));
            assert_eq!(drop.once().code().map(|code| code <= 1), Some(true), "kill {kill}");
            assert_eq!(drop.names("quarantine").len(), 2 * FILES, "kill {kill}");
        }
        mend(&drop.path().join("quarantine"));
        assert_eq!(order(&drop, &["retry", "--failed"]).code, Some(0));
        assert_eq!(drop.once().code(), Some(0));
        assert_eq!(drop.row_count(), FILES as u64);
        assert_eq!(drop.names("archive").len(), FILES);
        let numbers = "SELECT CAST(count(*) AS TEXT) || ' ' || group_concat(DISTINCT state) FROM file";
        assert_eq!(told(&drop, numbers), format!("{FILES} archived"), "each has kept its number");
    }
    // The control: a test in which no order is cut short shows nothing.
    assert!(cut_short > 0, "no order was cut short");
}

/// Whether some files went back and others didn't, or one is on its way.
fn is_cut_short(drop: &Drop) -> bool {
    let left = drop.names("quarantine").len();
    let on_their_way = "SELECT CAST(count(*) AS TEXT) FROM file WHERE state = 'deferred' AND place IS NOT NULL";
    (left > 0 && left < 2 * FILES) || told(drop, on_their_way) != "0"
}

fn is_file(name: &OsString) -> bool {
    Path::new(name).extension() == Some(OsStr::new("csv"))
}

/// Every file is in one place, and none is refused without its reason.
fn problems(drop: &Drop, when: &str) {
    let mut all: Vec<_> = ["inbox", "active", "quarantine"].iter().flat_map(|place| drop.names(place)).collect();
    all.retain(is_file);
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (FILES, FILES), "{when}: lost or doubled");
    let quarantine = drop.names("quarantine");
    for name in quarantine.iter().filter(|name| is_file(name)) {
        let mut reason = name.clone();
        reason.push(".reason.txt");
        assert!(quarantine.contains(&reason), "{when}: {} lies there unexplained", name.display());
    }
}
