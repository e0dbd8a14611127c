//! The commands that only read, as an operator types them: the real program over real folders and ledgers.

#![expect(clippy::unwrap_used, reason = "a helper that fails ends its test")]

mod desk;

mod check;
mod config;
mod events;
mod explain;
mod ls;
mod status;
mod trial;
