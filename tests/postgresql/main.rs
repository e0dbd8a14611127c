//! Rows into a real PostgreSQL server, under what happens to servers and the lines to them.

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod daemon;
mod giving_way;
mod half_open;
mod lines;
mod logins;
mod rights;
mod rows;
mod trials;
mod types;
mod upkeep;
mod world;
