//! Sweeps: a small but complete workload, and a fault at each of its system calls in turn, until it ends unhit.
//!
//! Usually a sample of the calls, begun anywhere; `IMPORTERD_PROOF=full` tries every one. A failure tells how to repeat
//! it: `IMPORTERD_SEED` makes the same choices, `IMPORTERD_POINT` tries one call only, `IMPORTERD_END` lets it end
//! that way. With several Processors the calls come in another order each time: then a point is near, not exact.
#![cfg_attr(not(target_arch = "x86_64"), allow(clippy::print_stderr, reason = "a skipped test says so"))]

#[cfg(target_arch = "x86_64")]
#[path = "../crash/mod.rs"]
mod crash;
#[cfg(target_arch = "x86_64")]
#[path = "../harness/mod.rs"]
mod harness;
#[cfg(target_arch = "x86_64")]
#[path = "../proof/mod.rs"]
mod proof;
#[cfg(target_arch = "x86_64")]
#[path = "../tracer/mod.rs"]
mod tracer;

#[cfg(target_arch = "x86_64")]
mod controls;
#[cfg(target_arch = "x86_64")]
mod ends;
#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod kills;
#[cfg(target_arch = "x86_64")]
mod points;
#[cfg(target_arch = "x86_64")]
mod tracing;
#[cfg(target_arch = "x86_64")]
mod workload;

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn the_sweeps_are_skipped() {
    eprintln!("skipped: the tracer knows the registers of x86_64 only");
}
