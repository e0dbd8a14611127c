//! The worlds that are checked, and the controls that must be refuted.

use crate::invariants as must;
use crate::scenario::{Duplicates, Kind, Scenario, Upload, Work, Wrong};

const A: Upload = Upload { stem: 0, content: 0, kind: Kind::Good };
/// Another name for the same bytes.
const COPY: Upload = Upload { stem: 1, ..A };
/// The same name dropped again, with other bytes.
const AGAIN: Upload = Upload { content: 1, ..A };
const OTHER: Upload = Upload { stem: 1, content: 1, ..A };
const BAD: Upload = Upload { kind: Kind::Bad, ..AGAIN };
const FLAKY: Upload = Upload { kind: Kind::Flaky, ..AGAIN };
const FAILING: Upload = Upload { kind: Kind::Failing, ..AGAIN };

/// The worlds of one kind of work; each with every fault at every step, as often as is said.
pub fn of(work: Work, is_full: bool) -> Vec<Scenario> {
    let more = u8::from(is_full);
    let of = |duplicates, name, uploads: &[Upload]| Scenario::new(name, work, duplicates, uploads);
    let allow = |name, uploads: &[Upload]| of(Duplicates::Allow, name, uploads);
    let once = |name, uploads: &[Upload]| of(Duplicates::ByContent, name, uploads);
    let mut worlds = vec![
        allow("one file", &[A]).faults(2 + more, 1 + more),
        allow("one file, and a writer comes back", &[A]).faults(1, 1).writers(1 + more),
        allow("a file that fails once", &[FLAKY]).faults(1 + more, 1 + more),
        allow("a file that always fails", &[FAILING]).faults(1 + more, 1 + more).writers(1),
        allow("a good file, and a bad one of its name", &[A, BAD]).faults(1 + more, 1),
        allow("one name twice", &[A, AGAIN]).faults(1 + more, 1),
        once("the same bytes twice", &[A, COPY]).faults(1 + more, 1),
        once("a batch of two, the same bytes", &[A, COPY]).batches(2).faults(1, 1),
        allow("a batch of two", &[A, OTHER]).batches(2).faults(1, 1),
        allow("two Processors, one name twice", &[A, AGAIN]).processors(2).faults(0, 1),
        once("two Processors, the same bytes twice", &[A, COPY]).processors(2).faults(1, 0),
        once("two Processors, one panics", &[A, COPY]).processors(2).panics(1),
        allow("two daemons", &[A]).daemons(2).faults(2, 1),
        once("two daemons, the same bytes twice", &[A, COPY]).daemons(2).faults(1, 0),
    ];
    if is_full {
        worlds.extend([
            allow("one name twice, and a writer comes back", &[A, AGAIN]).faults(1, 1).writers(1),
            allow("three files of one name", &[A, AGAIN, BAD]).faults(1, 1),
            allow("two Processors, one name twice, a kill too", &[A, AGAIN]).processors(2).faults(1, 1),
            once("two Processors, the same bytes, a kill too", &[A, COPY]).processors(2).faults(1, 1),
            allow("two Processors, one panics, and a power cut", &[A, OTHER]).processors(2).faults(0, 1).panics(1),
            allow("two Processors, a writer comes back", &[A, AGAIN]).processors(2).faults(1, 0).writers(1),
            allow("two Processors, one name fails once", &[A, FLAKY]).processors(2).faults(1, 0),
        ]);
    }
    worlds
}

/// A step done wrongly, where it shows, and what it breaks.
pub struct Control {
    pub what: &'static str,
    pub world: Scenario,
    pub breaks: &'static str,
}

/// Each must be refuted.
pub fn controls() -> Vec<Control> {
    use Duplicates::{Allow, ByContent};
    use Work::{Import, Run};
    let control = |what, wrong, work, duplicates, uploads: &[Upload], breaks, shape: fn(Scenario) -> Scenario| {
        Control { what, world: shape(Scenario::new(what, work, duplicates, uploads)).wrong(wrong), breaks }
    };
    #[rustfmt::skip]
    let controls = vec![
        control("the claim replaces", Wrong::ClaimReplaces, Import, Allow, &[A, AGAIN], must::NOTHING_LOST, |s| s.batches(2)),
        control("the lease is given up", Wrong::LeaseGivenUp, Import, Allow, &[A], must::WHOLE, |s| s.writers(1)),
        control("numbers are reserved lazily", Wrong::NumbersReservedLazily, Run, Allow, &[A, OTHER], must::NUMBERS_ONCE, |s| s.faults(0, 1)),
        control("the marker apart from its rows", Wrong::MarkerApart, Import, Allow, &[A], must::ROWS_MARKED, |s| s.faults(1, 0)),
        control("quarantined before it is entered", Wrong::QuarantinedBeforeEntered, Import, Allow, &[BAD], must::REFUSED_ENTERED, |s| s.faults(1, 0)),
        control("results are not sealed", Wrong::ResultsNotSealed, Run, Allow, &[A], must::RESULTS_ONCE, |s| s.faults(0, 1)),
        control("published before it is entered", Wrong::PublishedBeforeEntered, Run, Allow, &[A], must::RESULTS_ONCE, |s| s.faults(1, 0)),
        control("results are entered lazily", Wrong::ResultsEnteredLazily, Run, Allow, &[A], must::TOLD_STAYS, |s| s.faults(0, 1)),
        control("two judge at once", Wrong::JudgedTogether, Run, ByContent, &[A, COPY], must::RESULTS_ONCE, |s| s.processors(2)),
        control("archived before the flush", Wrong::ArchivedBeforeFlushed, Import, Allow, &[A], must::ROWS_ONCE, |s| s.faults(0, 1)),
        control("what is found is not flushed", Wrong::FoundArchivedUnflushed, Import, Allow, &[A], must::ROWS_ONCE, |s| s.faults(1, 1)),
        control("what is done is given back", Wrong::GivenBackThoughDone, Import, Allow, &[A], must::ROWS_ONCE, |s| s.faults(1, 0).writers(1)),
        control("results follow their file", Wrong::PublishedWithItsFile, Run, Allow, &[A], must::ENDS_WELL, |s| s.faults(1, 0).writers(1)),
        control("a done file is taken back by its name", Wrong::TakenBackByName, Import, Allow, &[A, BAD], must::RECOVERS, |s| s.faults(1, 1)),
        control("the target is not asked", Wrong::TargetNotAsked, Import, Allow, &[A], must::ROWS_ONCE, |s| s.faults(1, 0)),
        control("files are known by name", Wrong::KnownByName, Import, Allow, &[A, AGAIN], must::ARCHIVED_DONE, |s| s.faults(1, 0)),
        control("results are not published again", Wrong::NotPublishedAgain, Run, Allow, &[A], must::RECOVERS, |s| s.faults(1, 0)),
        control("no lock", Wrong::NoLock, Import, Allow, &[A], must::ONE_HAND, |s| s.daemons(2)),
    ];
    controls
}
