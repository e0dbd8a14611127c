//! Power cuts: the real daemon on filesystems whose disks are in memory and write down, in order, all that is written
//! and flushed. From that log come the states in which a power cut could leave the disks: what was flushed, and of
//! the rest all, some, or sectors. In each the filesystem mends itself, the daemon is started, and the books must be
//! in order; and what the daemon had said before the cut must be so even before it is started.
//!
//! `IMPORTERD_PROOF=full` tries many more states. `IMPORTERD_SEED` repeats a run's choices; how the uploads and the
//! daemon's threads meet, it can't repeat.

#![cfg(target_arch = "x86_64")]
#![allow(clippy::print_stderr, reason = "a proof says what it has shown, and a skipped one why")]

#[path = "../crash/mod.rs"]
mod crash;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../proof/mod.rs"]
mod proof;
#[path = "../tracer/mod.rs"]
mod tracer;

mod cut;
mod disks;
mod examine;
mod life;
mod log;
mod rack;
mod told;
mod work;

use std::path::Path;

use crash::books::Kind;
use examine::{Examination, Findings, Layout};
use rack::Filesystem;
use tracer::Hit;

/// How many problems a failed test shows.
const SHOWN_MAX: usize = 10;

/// Cuts and recovers; `None`: it can't be done here.
fn examine(name: &str, examination: &Examination) -> Option<Findings> {
    can_be_done(examination.filesystem).then(|| {
        let findings = examination.run();
        let Findings { states, problems } = &findings;
        let count = |kind| problems.iter().filter(|(_, problem)| problem.kind == kind).count();
        let kinds =
            [Kind::Lost, Kind::Doubled, Kind::Half, Kind::Disagrees].map(|kind| format!("{kind:?} {}", count(kind)));
        eprintln!("{name}: seed {}, {states} states, {}", examination.seed, kinds.join(", "));
        findings
    })
}

/// `cuts`: in CI, and in full.
fn prove(name: &str, filesystem: Filesystem, layout: Layout, cuts: [usize; 2]) {
    let seed = proof::seed();
    let examination = Examination { filesystem, layout, cuts: cuts[usize::from(proof::is_full())], seed, lies: None };
    let Some(Findings { states, problems }) = examine(name, &examination) else { return };
    let count = |kind| problems.iter().filter(|(_, problem)| problem.kind == kind).count() as u64;
    let row = proof::Row {
        faults: states,
        states,
        lost: count(Kind::Lost),
        doubled: count(Kind::Doubled),
        half: count(Kind::Half),
        note: format!("{} disagreements, seed {seed}", count(Kind::Disagrees)),
        ..proof::Row::new(format!("power cuts: {name}"))
    };
    row.enter();
    let shown = problems.iter().take(SHOWN_MAX).map(|(cut, problem)| format!("\n{cut}: {problem}"));
    assert!(problems.is_empty(), "seed {seed}: {} problems:{}", problems.len(), shown.collect::<String>());
}

/// A daemon whose flushes lie is found out.
fn control(name: &str, lies: fn(&Hit) -> bool) {
    let (filesystem, layout) = (Filesystem::Ext4, Layout::StateApart);
    let examination = Examination { filesystem, layout, cuts: 24, seed: proof::seed(), lies: Some(lies) };
    if let Some(Findings { states, problems }) = examine(name, &examination) {
        proof::control(&format!("power cuts, {name}"), states, states, !problems.is_empty());
    }
}

/// Whether this can be done here; otherwise says why not. Devices are not what `tests/all` could install.
fn can_be_done(filesystem: Filesystem) -> bool {
    let missing = ["/dev/fuse", "/dev/loop-control"].into_iter().find(|path| !Path::new(path).exists());
    let why = match missing {
        _ if !rustix::process::geteuid().is_root() => "only root may mount".to_owned(),
        Some(missing) => format!("there is no {missing}"),
        None if !filesystem.is_in_kernel() => format!("the kernel has no {}", filesystem.name()),
        None => return harness::has(filesystem.mkfs()),
    };
    eprintln!("SKIPPED: no power is cut: {why}");
    false
}

fn is_of_folders(hit: &Hit) -> bool {
    hit.target.contains("/folders/")
}

fn is_directory(hit: &Hit) -> bool {
    Path::new(&hit.target).is_dir()
}

/// fault 75
#[test]
fn power_cuts_lose_nothing_and_double_nothing() {
    prove("ledger and target on another disk, ext4", Filesystem::Ext4, Layout::StateApart, [120, 1_000]);
}

/// fault 75
#[test]
fn with_the_target_beside_the_folders_power_cuts_lose_nothing_and_double_nothing() {
    prove("the ledger on another disk, ext4", Filesystem::Ext4, Layout::LedgerApart, [30, 300]);
}

/// fault 75
#[test]
fn with_all_on_one_disk_power_cuts_lose_nothing_and_double_nothing() {
    prove("all on one disk, ext4", Filesystem::Ext4, Layout::Together, [30, 300]);
}

/// fault 75
#[test]
fn on_xfs_power_cuts_lose_nothing_and_double_nothing() {
    prove("ledger and target on another disk, xfs", Filesystem::Xfs, Layout::StateApart, [20, 200]);
}

/// fault 75
#[test]
fn on_btrfs_power_cuts_lose_nothing_and_double_nothing() {
    prove("ledger and target on another disk, btrfs", Filesystem::Btrfs, Layout::StateApart, [20, 200]);
}

#[test]
fn a_daemon_whose_flushes_all_lie_is_found_out() {
    control("all flushes lie", |_| true);
}

#[test]
fn a_daemon_whose_flushes_of_directories_lie_is_found_out() {
    control("flushes of the folders' directories lie", |hit| is_of_folders(hit) && is_directory(hit));
}

#[test]
fn a_daemon_whose_flushes_of_files_lie_is_found_out() {
    control("flushes of results and reason files lie", |hit| is_of_folders(hit) && !is_directory(hit));
}

#[test]
fn a_daemon_whose_flushes_of_databases_lie_is_found_out() {
    control("flushes of ledger and target lie", |hit| hit.target.contains("/state/"));
}
