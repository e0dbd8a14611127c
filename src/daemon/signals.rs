//! The signals that the daemon hears. They are heard from the first moment: one that comes while it starts is
//! not lost.

use std::io;

use actix_rt::signal::unix::{Signal, SignalKind, signal};

/// The streams of signals; made once, since a stream that is dropped forgets.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// The kernel tells by it that somebody wants to write to a file under our lease; the lease is asked
    /// itself, but the signal's default would end the process.
    _lease_break: Signal,
}

impl Signals {
    /// Hears from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn hear() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _lease_break: signal(SignalKind::io())?,
        })
    }

    /// Waits until told to stop, and says by what.
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for any signal.
    pub async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Heard::Stop("SIGINT"),
            _ = self.hangup.recv() => Heard::Reload,
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Drain and end; a second one: end at once.
    Stop(&'static str),
    /// SIGHUP: read the settings again; or the terminal is gone.
    Reload,
}
