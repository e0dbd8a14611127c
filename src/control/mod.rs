//! Control: what an operator orders, with a daemon and without one.
//!
//! An order is a [`Request`]. An [`Operator`] carries it out over the ledger and the folders that are open, and tells
//! what came of it, line by line. There are two ways to one: `socket` and `server` in a daemon, which holds everything
//! open; and the command itself where no daemon runs, which takes the same locks, so that none can start meanwhile.
//!
//! | order | done by | outlives the daemon |
//! |---|---|---|
//! | pause, resume | `pause`: the ledger, then the [gate](crate::folder::gate) of the inbox | yes |
//! | retry | `retry`: the ledger, then the move back into the inbox | yes |
//! | replay | `ended`: the ledger; a Processor claims the file from the archive | yes |
//! | forget | `ended`: the load markers, then the ledger | yes |
//! | drain | the daemon, as at SIGTERM | no: it ends |

mod line;
mod operator;
mod request;
mod selection;

mod ended;
mod pause;
mod retry;

pub mod client;
pub mod server;
pub mod socket;

pub use ended::Ended;
pub use line::{Line, Outcome, Refusal};
pub use operator::{By, Operator};
pub use request::{Folders, Request};
pub use selection::Selection;
