//! Faults of the world: full, hung and vanishing disks, locked and lost targets, limits of the system, clocks that
//! jump. The folder is held with the cause, no file is blamed, nothing is lost, trying again costs next to nothing, and
//! when the world is well again it goes on by itself.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "../harness/mod.rs"]
mod harness;

mod filesystem;
mod hold;

mod clock;
mod cost;
mod full;
mod hung;
mod inbox;
mod limits;
mod read_only;
mod start;
mod stopped;
mod target;
mod watch;
