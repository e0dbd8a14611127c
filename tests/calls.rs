//! How many system calls a small file takes: counted, so that a call too many is seen on any machine, however busy it is.
//!
//! The table is in docs/performance.md. `UPDATE_DOCS=1 cargo test --test calls` writes what is counted there.

mod harness;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{Drop, faketime, has};

/// Backlogs of so many files are counted. What their counts differ by is what these files took, and the batches that they were in;
/// what a start takes is in both.
const FEW: usize = 250;
const MANY: usize = 1_750;

/// So much more or less than the table says is a difference: batches and checkpoints take calls as well, and a file is in one of about 250.
const TOLERANCE: f64 = 0.3;

/// A call that does now more and now less at once: pages are written as checkpoints happen to fall.
const TOLERANCE_VARYING: f64 = 0.9;
const VARYING: [&str; 1] = ["pwrite64"];

/// Calls of threads that wait for each other or hear events (`read`: as many at once as there happen to be; files are read by `pread64`), of
/// the allocator, and of the library that fakes the clock.
const NOT_COUNTED: [&str; 8] =
    ["brk", "epoll_wait", "futex", "madvise", "mprotect", "read", "rt_sigprocmask", "sched_yield"];

/// The clock goes so much more slowly: to the daemon, files are done in no time, and so it makes its batches as large as they may be.
const CLOCK: &str = "+0 x0.01";

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");

/// How often each call is made for a file.
type Calls = BTreeMap<String, f64>;

#[test]
fn a_small_file_takes_the_system_calls_that_the_table_says() {
    let Some(counted) = calls_a_file(|_| {}, "") else { return };
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = fs::read_to_string(PAGE).expect("read docs/performance.md");
        fs::write(PAGE, updated(&page, &counted)).expect("write docs/performance.md");
    }
    let page = fs::read_to_string(PAGE).expect("read docs/performance.md");
    let differences = differences(&table_in(&page), &counted);
    assert!(
        differences.is_empty(),
        "{differences}counted: {counted:#.2?}\nif that is meant: UPDATE_DOCS=1 cargo test --test calls"
    );
}

/// The control: a folder that moves a marker, too, for each file.
#[test]
fn a_folder_with_ready_markers_is_seen_to_take_more_calls() {
    let marked = |inbox: &Path| {
        for file in fs::read_dir(inbox).expect("read the inbox").flatten() {
            fs::write(file.path().with_extension("csv.done"), "").expect("write a marker");
        }
    };
    let Some(counted) = calls_a_file(marked, "ready = { marker = \".done\" }") else { return };
    let page = fs::read_to_string(PAGE).expect("read docs/performance.md");
    let differences = differences(&table_in(&page), &counted);
    assert!(differences.contains("renameat2") && differences.contains("openat"), "{differences}");
}

/// The control of one call: whichever of the table it is, one more or one less is a difference, and nothing else is.
#[test]
fn one_call_more_or_less_is_a_difference() {
    let table = table_in(&fs::read_to_string(PAGE).expect("read docs/performance.md"));
    assert!(table.len() > 5 && differences(&table, &table).is_empty());
    for call in table.keys() {
        for planted in [1.0, -1.0] {
            let mut counted = table.clone();
            *counted.entry(call.clone()).or_default() += planted;
            assert!(differences(&table, &counted).contains(call), "{call}");
        }
    }
    let unknown = Calls::from([("fsync".to_owned(), 1.0)]);
    assert!(differences(&Calls::new(), &unknown).contains("fsync"));
}

/// `None`: it can't be counted here.
fn calls_a_file(prepared: impl Fn(&Path), keys: &str) -> Option<Calls> {
    let library = faketime()?;
    if !has("strace") {
        return None;
    }
    let [few, many] = [FEW, MANY].map(|files| count(files, &library, &prepared, keys));
    #[expect(clippy::cast_precision_loss, reason = "fewer calls than a float can count")]
    let difference =
        |call: &String| (many[call] as f64 - few.get(call).copied().unwrap_or(0) as f64) / (MANY - FEW) as f64;
    Some(many.keys().map(|call| (call.clone(), difference(call))).filter(|(_, a_file)| *a_file > 0.05).collect())
}

/// How often each call was made while so many files were imported.
fn count(files: usize, library: &Path, prepared: impl Fn(&Path), keys: &str) -> BTreeMap<String, u64> {
    let drop = Drop::with(keys);
    for file in 0..files {
        drop.put(format!("{file}.csv"), format!("id\n{file}\n"));
    }
    prepared(&drop.inbox());
    let counted = drop.root().join("counted");
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--summary-only", "--summary-columns=name,calls", "--output"]).arg(&counted);
    strace.arg(format!("--env=LD_PRELOAD={}", library.display())).arg(format!("--env=FAKETIME={CLOCK}"));
    strace.arg(env!("CARGO_BIN_EXE_importerd")).args(["--log", "json", "--config"]).arg(drop.settings());
    let log = fs::File::create(drop.root().join("log")).expect("make a log");
    let status = strace.arg("--state-dir").arg(drop.state()).arg("once").stdin(Stdio::null()).stderr(log).status();
    let log = || fs::read_to_string(drop.root().join("log")).unwrap_or_default();
    assert!(status.expect("run strace").success(), "{}", log());
    assert_eq!(drop.row_count(), files as u64);
    let counted = fs::read_to_string(counted).expect("read what strace has counted");
    let line = |line: &str| {
        let (call, count) = line.trim().split_once(' ')?;
        Some((call.to_owned(), count.trim().parse().ok()?))
    };
    let mut counts: BTreeMap<String, u64> = counted.lines().filter_map(line).collect();
    counts.retain(|call, _| call != "total" && !NOT_COUNTED.contains(&call.as_str()));
    assert!(counts.contains_key("openat"), "{counted}");
    if cfg!(debug_assertions) {
        // Before it closes a descriptor, Rust's library asks whether it is open.
        let closed = counts["close"];
        counts.entry("fcntl".to_owned()).and_modify(|asked| *asked -= closed);
    }
    counts
}

/// What isn't as in the table, a line each.
fn differences(table: &Calls, counted: &Calls) -> String {
    let mut text = String::new();
    for call in table.keys().chain(counted.keys().filter(|call| !table.contains_key(*call))) {
        let of = |calls: &Calls| calls.get(call).copied().unwrap_or(0.0);
        let tolerance = if VARYING.contains(&call.as_str()) { TOLERANCE_VARYING } else { TOLERANCE };
        if (of(table) - of(counted)).abs() > tolerance {
            writeln!(text, "{call}: {:.1} a file, where the table says {:.1}", of(counted), of(table)).expect("memory");
        }
    }
    text
}

/// The lines of the table: `| openat | 2.0 | what for |`.
fn table_in(page: &str) -> Calls {
    page.lines().filter_map(|line| row(line).map(|(call, a_file, _)| (call.to_owned(), a_file))).collect()
}

fn row(line: &str) -> Option<(&str, f64, &str)> {
    let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
    let (call, a_file, purpose) = (cells.next()?.strip_suffix('`')?, cells.next()?, cells.next()?);
    Some((call, a_file.parse().ok()?, purpose.strip_suffix(" |")?))
}

/// The page with the numbers counted now. What a call is for is kept, and left to be said for a new one.
fn updated(page: &str, counted: &Calls) -> String {
    let purposes: BTreeMap<&str, &str> =
        page.lines().filter_map(row).map(|(call, _, purpose)| (call, purpose)).collect();
    let mut calls: Vec<(&String, &f64)> = counted.iter().filter(|(_, a_file)| **a_file >= TOLERANCE).collect();
    calls.sort_by(|one, other| other.1.total_cmp(one.1));
    let mut text = String::new();
    let mut is_written = false;
    for line in page.lines() {
        if row(line).is_none() {
            writeln!(text, "{line}").expect("memory");
        } else if !std::mem::replace(&mut is_written, true) {
            for (call, a_file) in &calls {
                let purpose = purposes.get(call.as_str()).unwrap_or(&"?");
                writeln!(text, "| `{call}` | {a_file:.1} | {purpose} |").expect("memory");
            }
        }
    }
    text
}
