//! importerd's supervision tree: *when* a stage runs, never *how*.
//!
//! ```text
//!                   Supervisor                  slots, restarts with a budget, drain
//!                  /     |    \
//!    Scanner (per folder)│     Processor × N    own thread each
//!           │            │         ▲
//!           └──── Offer ─┼─────────┘            claim ─▶ process ─▶ commit ─▶ archive
//! ```
//!
//! A file is never in the memory of an actor only: it lies in the inbox until a Processor claims it,
//! and in the Processor's own folder until it is archived. So an actor may die at any time; what it
//! had in hand is found again by [`Stages::recover`].
//!
//! This crate knows no disk, no SQL and no settings. It drives the [ports], which the daemon
//! implements and the tests script.

pub mod messages;
pub mod ports;

mod scanner;
mod scanning;

mod hand;
mod offered;
mod pace;
mod pool;
mod processor;

mod budget;
mod drain;
mod health;
mod launch;
mod restart;
mod supervisor;
mod tree;

pub use hand::Pulse;
pub use launch::Threads;
pub use messages::{Abandon, Drain, Ending, Health, Ping, Start};
pub use ports::{Blame, Halt, Happening, InHand, Inbox, Look, Observer, Recovered, Stages};
pub use scanner::Nudge;
pub use supervisor::{FolderPlan, Plan, Supervisor};
