//! The thread that moves bytes between this process and a server, and how other threads wait for it.
//!
//! The library is asynchronous; the threads that import are not, and they run inside a runtime that must not be entered
//! twice. So connections live on a runtime of their own, and whoever waits for an answer parks, and gives a sign of life
//! every second: a server that is given up by its connection's keepalives is no Processor that hangs.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pulse;
use crate::settings::postgres::CONNECT_TIMEOUT;

/// How often who waits gives a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// To be reached, for TLS, and to log in.
const STEPS: u32 = 3;

/// The thread. It ends when this is dropped, and its connections with it.
pub struct Driver {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Driver {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The system has no thread or descriptor left.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let _ = runtime.block_on(ended);
        };
        thread::Builder::new().name("postgres".to_owned()).spawn(run)?;
        Ok(Self { runtime: handle, _end: end })
    }

    /// Connects, within so long; the connection lasts until the client is dropped.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn connect(&self, config: Config, long: Duration, tls: MakeRustlsConnect) -> Result<Client, Unconnected> {
        let (tell, told) = mpsc::channel();
        self.runtime.spawn(async move {
            let connected = match tokio::time::timeout(long, config.connect(tls)).await {
                Ok(connected) => connected.map_err(Unconnected::Refused),
                Err(_) => Err(Unconnected::Silent),
            };
            let _ = tell.send(connected.map(|(client, connection)| {
                // Why it ended, the client's next question is told.
                tokio::spawn(async move { drop(connection.await) });
                client
            }));
        });
        loop {
            match told.recv_timeout(BEAT_EVERY) {
                Ok(connected) => return connected,
                Err(mpsc::RecvTimeoutError::Timeout) => pulse::beat(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Unconnected::Ended),
            }
        }
    }
}

/// Why there is no connection.
pub enum Unconnected {
    /// It can't be reached, or doesn't let us in.
    Refused(Error),
    /// Nothing was answered for that long.
    Silent,
    /// The thread has ended.
    Ended,
}

/// How long a connection may take until it can be used. The library bounds only how long the kernel takes for it; a server
/// that hangs is reached all the same, and would be waited for without end. So each host has as much for every step.
pub fn patience(config: &Config) -> Duration {
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
    let each = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT) * STEPS;
    each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX))
}

/// Waits for an answer, whatever runtime this thread runs in. For futures that need none themselves, as those of a
/// [`Client`].
pub fn wait<T>(answer: impl Future<Output = T>) -> T {
    wait_for(answer, Duration::MAX).expect("it has no end")
}

/// As [`wait`], for so long. `None`: it isn't there then.
pub fn wait_for<T>(answer: impl Future<Output = T>, long: Duration) -> Option<T> {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let began = Instant::now();
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        let left = long.saturating_sub(began.elapsed());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left.min(BEAT_EVERY));
        pulse::beat();
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_thread_is_waited_for_inside_a_runtime_too() {
        let (tell, told) = oneshot::channel();
        thread::spawn(move || tell.send(7));
        let inside = Builder::new_current_thread().build().unwrap();
        inside.block_on(async { assert_eq!(wait(told), Ok(7)) });
    }

    #[test]
    fn an_answer_that_never_comes_is_waited_for_as_long_as_was_said() {
        let (_tell, told) = oneshot::channel::<u8>();
        assert_eq!(wait_for(told, Duration::from_millis(20)), None);
    }
}
