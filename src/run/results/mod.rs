//! What a command produced, on its way into results/: all of it or nothing, once.
//!
//! 1. [`seal()`]: it is durable in staging.
//! 2. [`plan()`]: under which names it will be published. The caller records the plan durably; from
//!    here on the file is committed and must never be processed again.
//! 3. [`publish()`]: it is in results/. After a crash, again, with the recorded plan, until it returns.

mod names;
mod plan;
mod publish;
mod seal;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::removal;
use crate::fault::Fault;

pub use plan::{Planned, plan};
pub use publish::{Publication, publish};
pub use seal::{FSYNC_NODES_MAX, seal};

/// What one attempt produced, in its staging directory, not yet durable.
#[derive(Debug)]
pub struct Produced {
    /// The names of what was left in the working directory, in order: files, and directories that
    /// are published whole.
    pub entries: Vec<OsString>,
    /// Whether something was printed.
    pub stdout: bool,
    pub(super) staging: PathBuf,
    /// The name of the file that it was made from.
    pub(super) name: OsString,
    /// How many files and directories there are at any depth.
    pub(super) nodes: usize,
    /// The staging directory, opened before anything was written.
    pub(super) opened: File,
}

/// Throws away what an attempt produced: it will not be published. Returns where what is not removed lies now.
///
/// # Errors
/// [`Fault::World`]: it can't be removed now; recovery of the file removes it later.
pub fn discard(produced: &Produced) -> Result<Option<PathBuf>, Fault> {
    removal::discard(&produced.staging)
}

impl Produced {
    /// Where it lies.
    #[must_use]
    pub fn staging(&self) -> &Path {
        &self.staging
    }
}
