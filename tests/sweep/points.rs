//! The points of a sweep: which calls are hit, by as many threads as there are processors, until a run ends unhit.

use std::sync::Mutex;

use crate::crash::books::{Kind, Problem};
use crate::proof::{self, Row};

/// How many failures are shown, and of how many of them all that was said.
const SHOWN_MAX: usize = 60;
const TOLD_MAX: usize = 3;

/// What a point with problems is shown as, without and with all that was said.
#[derive(Debug)]
pub struct Failure {
    story: String,
    log: String,
}

/// What came of a point.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often a call was hit.
    pub hits: u64,
    /// How often everything was looked at.
    pub states: u64,
    pub problems: Vec<Problem>,
    /// What was hit: for who looks into it.
    pub story: String,
    /// What was said.
    pub log: String,
    /// What the table says of it beyond that, by how many such points.
    pub remark: Option<&'static str>,
}

/// The calls from the first to about the last: all of them, or a sample that begins anywhere. The last ones are
/// for calls that the counted run did not have.
pub fn spread(calls: u64, sample: u64, seed: u64) -> Vec<u64> {
    if let Some(point) = one_point() {
        return vec![point];
    }
    if proof::is_full() || sample >= calls {
        return (1..=calls).collect();
    }
    let first = seed % calls;
    let mut points: Vec<_> = (0..sample).map(|nth| (first + nth * calls / sample) % calls + 1).collect();
    points.sort_unstable();
    points
}

/// `IMPORTERD_POINT` repeats one point of a sweep.
pub fn one_point() -> Option<u64> {
    std::env::var("IMPORTERD_POINT").ok().map(|point| point.parse().expect("the number of a call"))
}

/// `IMPORTERD_END` repeats the other end that a call came to.
pub fn one_end(otherwise: u64) -> u64 {
    std::env::var("IMPORTERD_END").map_or(otherwise, |end| end.parse().expect("a number"))
}

/// Tries every point, and enters what came of them as a row of the table.
pub fn sweep<P: Send>(name: &str, points: Vec<P>, try_one: impl Fn(P) -> Outcome + Sync) {
    let (row, failures) = tried(name, points, &try_one);
    row.enter();
    let (seed, count) = (proof::seed(), failures.len());
    assert!(failures.is_empty(), "{name}: {count} points failed, IMPORTERD_SEED={seed}\n{}", shown(&failures));
}

/// The row, and the story of every point with problems.
pub fn tried<P: Send>(name: &str, points: Vec<P>, try_one: &(impl Fn(P) -> Outcome + Sync)) -> (Row, Vec<Failure>) {
    let points = Mutex::new(points.into_iter());
    let outcomes = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(point) = points.lock().expect("no worker panics here").next() else { return };
                    let outcome = try_one(point);
                    outcomes.lock().expect("no worker panics here").push(outcome);
                }
            });
        }
    });
    entered(name, outcomes.into_inner().expect("no worker panics here"))
}

fn entered(name: &str, outcomes: Vec<Outcome>) -> (Row, Vec<Failure>) {
    let mut row = Row::new(name);
    let mut remarks = std::collections::BTreeMap::<_, u64>::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        row.faults += outcome.hits;
        row.states += outcome.states;
        let count = |kind| outcome.problems.iter().filter(|problem| problem.kind == kind).count() as u64;
        row.lost += count(Kind::Lost);
        row.doubled += count(Kind::Doubled);
        row.half += count(Kind::Half);
        *remarks.entry("disagreeing").or_default() += count(Kind::Disagrees);
        outcome.remark.into_iter().for_each(|remark| *remarks.entry(remark).or_default() += 1);
        if !outcome.problems.is_empty() {
            let problems = outcome.problems.iter().map(|problem| format!("\n  {problem}"));
            let story = format!("{}{}", outcome.story, problems.collect::<String>());
            failures.push(Failure { story, log: outcome.log });
        }
    }
    let said = remarks.iter().filter(|(_, count)| **count > 0).map(|(remark, count)| format!("{count} {remark}"));
    row.note = said.collect::<Vec<_>>().join(", ");
    (row, failures)
}

fn shown(failures: &[Failure]) -> String {
    let stories = failures.iter().take(SHOWN_MAX).map(|failure| format!("{}\n", failure.story));
    let logs = failures.iter().take(TOLD_MAX).map(|failure| format!("\n{}\n{}", failure.story, failure.log));
    stories.chain(logs).collect()
}
