//! An idle daemon: nothing wakes it but its rescans, and it needs little memory.
//!
//! `benches/idle` measures the release build for some minutes.
#![allow(clippy::print_stderr, reason = "what was counted helps to judge a failure")]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use harness::{Daemon, Drop};
use rustix::fs::inotify;

/// So many rescans are counted; one a second.
const RESCANS: u32 = 5;
/// tokio's timer wheel comes to a time of some seconds in steps, and wakes its thread with each.
const WAKES_A_RESCAN_MAX: u64 = 4;
/// What is promised of the program that is shipped; a build without optimisation is larger.
const RESIDENT_KIB_MAX: u64 = if cfg!(debug_assertions) { 48 << 10 } else { 16 << 10 };

/// Tells when the daemon begins to read the inbox.
struct Readings(OwnedFd);

impl Readings {
    fn of(inbox: &Path) -> Self {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&watch, inbox, inotify::WatchFlags::OPEN | inotify::WatchFlags::ONLYDIR).expect("watch");
        Self(watch)
    }

    /// Waits for so many.
    fn wait_for(&self, count: u32) {
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut seen = 0;
        while seen < count {
            // Of the directory itself: it has no name.
            seen += u32::from(events.next().expect("an event").file_name().is_none());
        }
    }
}

/// How often each thread has waited and was woken.
fn wakes(daemon: &Daemon) -> BTreeMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid().as_raw_pid())).expect("its threads");
    let of_thread = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).expect("its status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
        let number = thread.file_name().into_string().expect("a number");
        (format!("{} {number}", field("Name:")), field("voluntary_ctxt_switches:").parse().expect("a number"))
    };
    threads.map(|thread| of_thread(thread.expect("a thread"))).collect()
}

/// Which threads were woken meanwhile, and how often.
fn woken(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let more = |(name, count): (&String, &u64)| (name.clone(), count - before.get(name).copied().unwrap_or_default());
    after.iter().map(more).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn an_idle_daemon_is_woken_by_its_rescans_and_by_nothing_else() {
    let drop = Drop::with_daemon("history = \"30d\"", "rescan = \"1s\"");
    let mut daemon = drop.start();
    // What comes with the first file only is there from here on.
    drop.put("first.csv", "id\n1\n");
    daemon.wait_for("file.archived");
    let readings = Readings::of(&drop.inbox());
    readings.wait_for(2);
    let before = wakes(&daemon);
    readings.wait_for(RESCANS);
    let woken_idle = woken(&before, &wakes(&daemon));
    eprintln!("woken in {RESCANS} rescans: {woken_idle:?}");
    // The inbox is opened to be read, and that is told to who watches it.
    let (watching, reading): (Vec<_>, Vec<_>) = woken_idle.iter().partition(|(name, _)| name.starts_with("notify-rs"));
    assert_eq!(reading.len(), 1, "one thread reads the inbox, the others sleep: {woken_idle:?}");
    assert!(reading[0].1 <= WAKES_A_RESCAN_MAX * u64::from(RESCANS + 1), "{woken_idle:?}");
    assert!(watching.iter().all(|(_, count)| *count <= 2 * u64::from(RESCANS + 1)), "{woken_idle:?}");

    // The control: whoever is woken is noticed.
    let before = wakes(&daemon);
    drop.put("second.csv", "id\n2\n");
    daemon.wait_for("file.archived");
    let woken_at_work = woken(&before, &wakes(&daemon));
    assert!(woken_at_work.len() > 2, "{woken_at_work:?}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn an_idle_daemon_needs_little_memory() {
    let drop = Drop::new();
    let daemon = drop.start();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid().as_raw_pid())).expect("its status");
    let kib = |field: &str| -> u64 {
        let value = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
        value.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let (resident, anonymous) = (kib("VmRSS:"), kib("RssAnon:"));
    eprintln!("resident {resident} KiB, of these {anonymous} KiB its own");
    assert!(resident <= RESIDENT_KIB_MAX, "{resident} KiB are resident, {anonymous} KiB its own");
    assert_eq!(daemon.stop().code(), Some(0));
}
