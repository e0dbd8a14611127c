//! The files of one offer, shared by the Scanner that made it and the Processor that takes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each file is taken once: by the Processor, to claim it, or back by the Scanner, when the Processor
/// has no time for it.
pub(crate) struct Offered<F>(Arc<Shared<F>>);

struct Shared<F> {
    files: Mutex<VecDeque<F>>,
    has_begun: AtomicBool,
}

impl<F> Offered<F> {
    pub(crate) fn new(files: Vec<F>) -> Self {
        Self(Arc::new(Shared { files: Mutex::new(files.into()), has_begun: AtomicBool::new(false) }))
    }

    /// The Processor has come to it.
    pub(crate) fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether the Processor has come to it: until then it waits behind others.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    /// The next file to claim.
    pub(crate) fn next(&self) -> Option<F> {
        self.files().pop_front()
    }

    /// Takes all back that are not taken yet. They are looked at again: when the Processor has time at
    /// last, other files may have their names.
    pub(crate) fn recall(&self) {
        self.files().clear();
    }

    fn files(&self) -> MutexGuard<'_, VecDeque<F>> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Clone for Offered<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Offered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offered({})", self.files().len())
    }
}
