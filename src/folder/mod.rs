//! A drop folder on disk: everything that touches its five directories.
//!
//! All moves are renames within one filesystem, relative to directory descriptors. What uploaders can write to is opened
//! once and never looked up by a path again, so nothing can be swapped in between.

pub mod archive;
pub mod claim;
pub mod deferral;
pub mod directory;
mod finding;
pub mod gate;
pub mod inbox;
mod judge;
pub mod lease;
mod line;
pub mod lock;
pub mod moves;
pub mod name;
pub mod places;
pub mod quarantine;
pub mod release;
pub mod remembered;
pub mod replays;
#[cfg(test)]
mod scratch;
mod settling;
pub mod survey;
mod unopened;
pub mod unseen;
mod walk;
pub mod watch;
