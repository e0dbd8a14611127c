//! A world of files in memory, ports over it that do what a test's script says, and a tree to drive them.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test may")]

mod act;
mod ports;
mod tree;
mod world;

pub use act::{Act, Gate, Stage, Step};
pub use tree::{Tree, on_threads, plan, quiet, stopped_clock};
pub use world::{State, World};
