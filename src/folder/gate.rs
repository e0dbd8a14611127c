//! The gate of an inbox: an operator may close it, and nothing new is taken until it is opened again.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use importerd_actors::Nudge;

/// Open or closed. Shared by the folder's Scanner, all Processors, and who carries out orders.
#[derive(Debug, Default)]
pub struct Gate {
    closed: RwLock<bool>,
    nudge: Mutex<Option<Nudge>>,
}

/// Nobody closes the gate for as long as this is held.
#[derive(Debug)]
pub struct Pass<'a> {
    _open: RwLockReadGuard<'a, bool>,
}

impl Gate {
    /// Open, or closed from the start.
    #[must_use]
    pub fn new(closed: bool) -> Self {
        Self { closed: RwLock::new(closed), nudge: Mutex::default() }
    }

    /// Leave to take something from the inbox. `None`: the gate is closed.
    pub fn pass(&self) -> Option<Pass<'_>> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then_some(Pass { _open: closed })
    }

    /// When this returns, nothing is taken any more: every pass has been given back.
    pub fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// From now on files are taken again, and the Scanner hears of it.
    pub fn open(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = false;
        self.wake();
    }

    /// This nudge wakes the Scanner; that of an earlier one is forgotten.
    pub fn wakes(&self, nudge: Nudge) {
        *self.nudge.lock().unwrap_or_else(PoisonError::into_inner) = Some(nudge);
    }

    /// Something in the inbox may be worth a look.
    pub fn wake(&self) {
        if let Some(nudge) = &*self.nudge.lock().unwrap_or_else(PoisonError::into_inner) {
            nudge.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_closes_it_waits_for_every_pass_and_none_is_given_afterwards() {
        let gate = Gate::default();
        let pass = gate.pass().unwrap();
        std::thread::scope(|scope| {
            let (tell, told) = channel();
            let gate = &gate;
            scope.spawn(move || {
                gate.close();
                tell.send(()).unwrap();
            });
            assert!(told.try_recv().is_err(), "closed while somebody is within");
            drop(pass);
            told.recv().unwrap();
            assert!(gate.pass().is_none());
        });
        gate.open();
        assert!(gate.pass().is_some());
    }
}
