//! Errors: a system call of the daemon fails, or does half, for every one of them. Nothing wrong comes of it, and what
//! comes of it is said.

use nix::errno::Errno;
use serde_json::Value;

use crate::crash::books::{Kind, Problem};
use crate::ends::choose;
use crate::kills;
use crate::points::{self, Outcome, spread};
use crate::proof;
use crate::tracer::calls::{CHANGING, FALLIBLE, READS};
use crate::tracer::{Change, Hit, Plan, Report, Tracer};
use crate::workload::{Life, Scene, Verb, Workload, everything, in_memory};

const WORKLOAD: Workload = Workload { uploads: everything, verb: Verb::Run, processors: 1 };

/// The exit codes of a daemon that says why it can't go on.
const SAID: [i32; 5] = [69, 70, 75, 77, 78];

/// The calls of a life in which nothing fails, by their numbers: those that can end otherwise, from where it reads its
/// settings. Before that, the C library speaks.
fn calls() -> Vec<(u64, Hit)> {
    let scene = Scene::set(WORKLOAD, &in_memory(), None);
    let life = scene.live_traced(WORKLOAD.verb, FALLIBLE, Plan::Count, |tracer| tracer.own().telling());
    assert_eq!(scene.problems(), [], "nothing in the way; {}", life.log);
    let calls = (1..).zip(life.report.story).skip_while(|(_, hit)| !hit.target.ends_with("importerd.toml"));
    calls.filter(|(_, hit)| choose(hit, 0).is_some()).collect()
}

/// What fails, and in which life.
#[derive(Debug, Clone, Copy)]
struct Trial {
    /// The first life is killed at this call; the error comes in the second.
    death: Option<u64>,
    at: u64,
    /// Which of the call's other ends.
    end: u64,
}

impl Trial {
    fn in_words(self) -> String {
        let Self { death, at, end } = self;
        let before = death.map(|death| format!("killed at call {death} of another life, then ")).unwrap_or_default();
        format!("IMPORTERD_POINT={at} IMPORTERD_END={end}\n{before}at call {at}")
    }

    /// Both lives, and what is wrong then.
    fn outcome(self) -> Outcome {
        let scene = Scene::set(WORKLOAD, &in_memory(), None);
        if let Some(death) = self.death {
            scene.live(WORKLOAD.verb, Some((CHANGING, Plan::KillAt(death))));
        }
        let plan = Plan::ChooseAt(self.at, choose, self.end);
        let life = scene.live_traced(WORKLOAD.verb, FALLIBLE, plan, Tracer::own);
        let mut outcome = Outcome { states: 1, ..Outcome::default() };
        let (Some(hit), Some(change)) = (&life.report.hit, life.report.change) else {
            outcome.problems.extend(scene.problems());
            return outcome;
        };
        outcome.hits = 1;
        outcome.story = format!("{}: {change} of {hit}; it ended with {:?}", self.in_words(), life.code);
        let went_on = life.code == Some(0);
        outcome.remark =
            Some(if went_on { "went on by itself" } else { "ended with a record and healed by the next start" });
        let mut problems = if went_on { scene.problems() } else { Vec::new() };
        // Nobody is lost anything by room that is given back at the next start.
        if !went_on || problems.iter().any(is_room) {
            let next = scene.finish();
            problems = scene.problems();
            outcome.states += 1;
            problems.extend((next.code != Some(0)).then(|| disagrees(format!("it isn't healed:\n{}", next.log))));
        }
        outcome.problems.extend(without_what_may_be(problems, hit, change));
        outcome.problems.extend(said_wrongly(&life, hit, change).map(disagrees));
        outcome.log = life.log;
        outcome
    }
}

/// A file that can't be read is charged an attempt.
fn without_what_may_be(mut problems: Vec<Problem>, hit: &Hit, change: Change) -> Vec<Problem> {
    let is_reading = ["openat", "read", "pread64", "statx"].contains(&hit.call) && hit.target.contains("/active/0/f");
    if is_reading && [Change::Fail(Errno::EIO), Change::Fail(Errno::EACCES)].contains(&change) {
        problems.retain(|problem| !problem.text.ends_with(" attempts were charged"));
    }
    problems
}

fn is_room(problem: &Problem) -> bool {
    problem.text.contains("/.staging/") && problem.text.ends_with(" is left")
}

fn disagrees(text: String) -> Problem {
    Problem { kind: Kind::Disagrees, text }
}

/// What is wrong with how a life ended and with what it said.
fn said_wrongly(life: &Life, hit: &Hit, change: Change) -> Option<String> {
    let records = life.records();
    let is_invisible = matches!(change, Change::Halve | Change::Fail(Errno::EINTR));
    let wrong = match life.code {
        _ if life.hung => "it hangs",
        // The runtime knows no other word for a socket pair that it can't have.
        _ if life.log.contains("panic") && hit.call != "socketpair" => "it panicked",
        _ if is_invisible && (life.code != Some(0) || records.iter().any(is_seen)) => "it is not invisible",
        Some(0) => return None,
        Some(code) if !SAID.contains(&code) => "there is no such exit code for it",
        None => "a signal ended it",
        _ if !life.log.lines().any(names_a_cause) => "it didn't say why it ended",
        _ => return None,
    };
    Some(wrong.to_owned())
}

/// A record that says why the daemon ends, or the complaint of a command that didn't begin.
fn names_a_cause(line: &str) -> bool {
    serde_json::from_str::<Value>(line).map_or(line.starts_with("importerd: "), |record| {
        record["level"] == "CRITICAL" && record["msg"].as_str().is_some_and(|words| !words.is_empty())
    })
}

/// A record that would not be there if nothing had failed.
fn is_seen(record: &Value) -> bool {
    let is_loud = ["WARNING", "ERROR", "CRITICAL"].iter().any(|level| record["level"] == *level);
    let is_expected = [
        ("file.committed", "f2.ndjson"),
        ("file.quarantined", "f3.csv"),
        ("file.quarantined", "f7.txt"),
        ("file.deferred", "f6.txt"),
    ];
    is_loud && !is_expected.iter().any(|(event, file)| record["event"] == *event && record["file"] == *file)
}

/// faults 68, 69, 70, 71, 72, 84
#[test]
fn an_error_at_any_call_brings_nothing_wrong_and_is_told() {
    let (seed, calls) = (proof::seed(), calls());
    let at = |nth: u64| calls[usize::try_from(nth - 1).expect("a small number")].0;
    let ats: Vec<_> = match points::one_point() {
        Some(at) => vec![at],
        None => spread(calls.len() as u64, 400, seed).into_iter().map(at).collect(),
    };
    let trial = |at: u64| Trial { death: None, at, end: points::one_end(at.wrapping_add(seed)) };
    points::sweep("error at a call", ats.into_iter().map(trial).collect(), Trial::outcome);
}

/// fault 84: all of these, whatever the sample.
#[test]
fn a_start_without_descriptors_or_threads_goes_on_or_says_why_not() {
    let scarce = ["clone3", "epoll_create1", "eventfd2", "inotify_init1", "pipe2", "socketpair"];
    let calls = calls().into_iter().filter(|(_, hit)| scarce.contains(&hit.call));
    let trial = |(at, _)| Trial { death: None, at, end: 0 };
    points::sweep("no descriptor, no thread", calls.map(trial).collect(), Trial::outcome);
}

/// All of these, whatever the sample: an error is no word on whether a file or a result is there.
#[test]
fn a_file_that_cannot_be_asked_for_is_not_taken_for_gone() {
    let asks = |hit: &Hit| ["statx", "newfstatat", "chmod"].contains(&hit.call) && hit.target.contains("/active");
    let calls = calls().into_iter().filter(|(_, hit)| asks(hit));
    let trial = |(at, _)| Trial { death: None, at, end: 0 };
    points::sweep("error where a file is asked for", calls.map(trial).collect(), Trial::outcome);
}

/// faults 68, 69, 70, 71, 72, 84
#[test]
fn an_error_inside_the_recovery_from_a_kill_brings_nothing_wrong_and_is_told() {
    let (calls, mut random) = (calls(), fastrand::Rng::with_seed(proof::seed()));
    let lives = if proof::is_full() { 600 } else { 100 };
    let deaths = kills::calls(WORKLOAD, None);
    let trial = |_| {
        // Before, there is nothing to recover from; and what is recovered is recovered by the middle of a life.
        let death = Some(random.u64(deaths / 3..=deaths));
        let (at, _) = calls[random.usize(..calls.len() * 3 / 4)];
        Trial { death, at, end: random.u64(..) }
    };
    points::sweep("error inside recovery", (0..lives).map(trial).collect(), Trial::outcome);
}

/// fault 84: an inbox without a watch is read every two seconds instead.
#[test]
fn a_watch_that_can_have_no_thread_keeps_nobody_from_going_on() {
    let scene = Scene::set(WORKLOAD, &in_memory(), None);
    // The first that an actor starts: those before are the main thread's.
    let is_it = |hit: &Hit| hit.call == "clone3" && hit.program.starts_with("actix-rt");
    let plan = Plan::ChangeAt(1, Change::Fail(Errno::EAGAIN));
    let life = scene.live_traced(WORKLOAD.verb, FALLIBLE, plan, |tracer| tracer.own().only(is_it));
    assert!(life.log.contains("folder.polling") && life.log.contains("no thread can be started"), "{}", life.log);
    assert_eq!((life.code, scene.problems()), (Some(0), vec![]), "{}", life.log);
    assert!(!life.log.contains("panic"), "{}", life.log);
}

/// fault 84: the last thread of the main thread is the one that waits for those of the actors.
#[test]
fn a_drain_that_can_have_no_thread_ends_as_any_other() {
    let is_it = |hit: &Hit| hit.call == "clone3" && hit.program == "importerd";
    let traced = |plan| {
        let scene = Scene::set(WORKLOAD, &in_memory(), None);
        let life = scene.live_traced(WORKLOAD.verb, FALLIBLE, plan, |tracer| tracer.own().only(is_it));
        (life, scene.problems())
    };
    let last = traced(Plan::Count).0.report.calls;
    let (life, problems) = traced(Plan::ChangeAt(last, Change::Fail(Errno::EAGAIN)));
    assert!(life.report.hit.is_some() && life.log.contains("daemon.drained"), "{}", life.log);
    assert_eq!((life.code, problems), (Some(0), vec![]), "{}", life.log);
}

/// fault 84: SQLite opens for reading what it can't open for writing at that moment.
#[test]
fn a_log_that_could_not_be_opened_once_is_written_without_a_restart() {
    let is_opened: [fn(&Hit) -> bool; 4] = [
        |hit| hit.call == "openat O_CREAT" && hit.target.ends_with("/ledger.db-wal"),
        |hit| hit.call == "openat O_CREAT" && hit.target.ends_with("/rows.db-wal"),
        // The log's index, which all connections of a process share.
        |hit| hit.call == "openat O_CREAT" && hit.target.ends_with("/ledger.db-shm"),
        |hit| hit.call == "openat O_CREAT" && hit.target.ends_with("/rows.db-shm"),
    ];
    for is_it in is_opened {
        let scene = Scene::set(WORKLOAD, &in_memory(), None);
        let death = kills::calls(WORKLOAD, None) / 2;
        scene.live(WORKLOAD.verb, Some((CHANGING, Plan::KillAt(death))));
        let plan = Plan::ChangeAt(1, Change::Fail(Errno::EIO));
        let life = scene.live_traced(WORKLOAD.verb, FALLIBLE, plan, |tracer| tracer.own().only(is_it));
        assert!(life.report.hit.is_some(), "it opens its log: {}", life.log);
        assert_eq!((life.code, scene.problems()), (Some(0), vec![]), "{}", life.log);
    }
}

/// fault 70: every read of one file fails, as where a disk is bad. The others go on.
#[test]
fn a_file_that_can_never_be_read_is_quarantined_alone_after_its_attempts() {
    for (name, calls, is_it) in [
        ("f5.txt", READS, (|hit| hit.target.ends_with("/active/0/f5.txt")) as fn(&Hit) -> bool),
        ("f2.ndjson", READS, |hit| hit.target.ends_with("/active/0/f2.ndjson")),
    ] {
        let scene = Scene::set(WORKLOAD, &in_memory(), None);
        let plan = Plan::ChangeAll(Change::Fail(Errno::EIO));
        let life = scene.live_traced(WORKLOAD.verb, calls, plan, |tracer| tracer.own().only(is_it));
        let records = life.records();
        let of_it =
            |event: &str| records.iter().filter(|record| record["event"] == event && record["file"] == name).count();
        assert_eq!(
            (life.code, of_it("file.deferred"), of_it("file.quarantined")),
            (Some(0), 4, 1),
            "{name}: {}",
            life.log
        );
        assert!(!records.iter().any(|record| record["event"] == "folder.paused"), "{name}: {}", life.log);
    }
}

/// The control of what is asked of a life: each of these is found.
#[test]
fn a_life_that_ends_in_silence_by_a_panic_or_never_is_found() {
    let life = |code, log: &str, hung| Life { code, log: log.to_owned(), hung, report: Report::default() };
    let hit = Hit { call: "read", target: "/x".to_owned(), program: "importerd".to_owned() };
    let failed = Change::Fail(Errno::EIO);
    let said = r#"{"level":"CRITICAL","msg":"state directory /x: Input/output error"}"#;
    assert_eq!(said_wrongly(&life(Some(69), said, false), &hit, failed), None);
    let paused = r#"{"level":"ERROR","event":"folder.paused"}"#;
    assert_eq!(said_wrongly(&life(Some(0), paused, false), &hit, failed), None);
    for (found, life, change) in [
        ("it didn't say why it ended", life(Some(69), "", false), failed),
        ("it hangs", life(None, said, true), failed),
        ("it panicked", life(Some(0), r#"{"level":"ERROR","msg":"panic: no"}"#, false), failed),
        ("there is no such exit code for it", life(Some(101), said, false), failed),
        ("a signal ended it", life(None, said, false), failed),
        ("it is not invisible", life(Some(0), paused, false), Change::Halve),
        ("it is not invisible", life(Some(69), said, false), Change::Fail(Errno::EINTR)),
    ] {
        assert_eq!(said_wrongly(&life, &hit, change).as_deref(), Some(found));
    }
}
