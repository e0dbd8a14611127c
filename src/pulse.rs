//! The pulse of the thread: work that takes long beats it now and then, wherever it is done.
//!
//! A Processor whose pulse stops while it has work in hand hangs, and the watchdog hears of it.

use std::cell::RefCell;

use importerd_actors::Pulse;

thread_local! {
    static PULSE: RefCell<Option<Pulse>> = const { RefCell::new(None) };
}

/// From now on, this thread's work beats this pulse.
pub fn belongs_to_this_thread(pulse: Pulse) {
    PULSE.set(Some(pulse));
}

/// That of this thread, for another one that does a part of its work.
pub fn of_this_thread() -> Option<Pulse> {
    PULSE.with_borrow(Option::clone)
}

/// Still alive. Does nothing on a thread that nobody watches.
pub fn beat() {
    PULSE.with_borrow(|pulse| {
        if let Some(pulse) = pulse {
            pulse.beat();
        }
    });
}
