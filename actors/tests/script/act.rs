//! What a script hears and what it may answer.

use std::sync::{Arc, Condvar, Mutex};

use importerd_actors::{Halt, Pulse};

/// A call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    MakeStages,
    MakeInbox,
    Look,
    Recover,
    Claim,
    Process,
    Commit,
    Archive,
}

/// Which call, and on what.
#[derive(Debug, Clone)]
pub struct Step {
    pub stage: Stage,
    /// None for an inbox.
    pub slot: Option<usize>,
    pub folder: usize,
    pub files: Vec<i64>,
    /// How many calls of this stage there were before.
    pub before: usize,
    /// For a call that blocks and yet lives.
    pub pulse: Option<Pulse>,
}

/// What the port does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Its duty.
    Go,
    /// Dies before anything is done.
    Panic,
    /// Does its duty and dies before it says so.
    PanicAfter,
    /// Does nothing but refuse: the world is at fault.
    Hold,
    /// Does its duty and says the world is at fault: the reply got lost.
    HoldAfter,
    /// Does nothing but refuse: the daemon is at fault.
    Fatal,
    /// Claim: the file is not settled after all. Process: the file is bad.
    Refuse,
    /// Waits for the gate, then does its duty.
    Wait(Gate),
}

impl Act {
    /// Before the duty is done. True: the duty shall not be done.
    pub fn before(&self) -> Result<bool, Halt> {
        match self {
            Self::Go | Self::PanicAfter | Self::HoldAfter => Ok(false),
            Self::Refuse => Ok(true),
            Self::Panic => panic!("scripted"),
            Self::Hold => Err(Halt::Hold("scripted hold".to_owned())),
            Self::Fatal => Err(Halt::Fatal("scripted fatal".to_owned())),
            Self::Wait(gate) => {
                gate.pass();
                Ok(false)
            }
        }
    }

    /// When the duty is done.
    pub fn after(&self) -> Result<(), Halt> {
        match self {
            Self::PanicAfter => panic!("scripted, after"),
            Self::HoldAfter => Err(Halt::Hold("scripted hold, after".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Blocks a thread until the test opens it.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}
