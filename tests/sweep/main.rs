//! Sweeps: a small but complete workload, and a fault at each of its system calls in turn, until it ends unhit.

#[cfg(target_arch = "x86_64")]
#[path = "../tracer/mod.rs"]
mod tracer;

#[cfg(target_arch = "x86_64")]
mod tracing;

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn the_sweeps_are_skipped() {
    eprintln!("skipped: the tracer knows the registers of x86_64 only");
}
