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
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pulse;

/// How often who waits gives a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

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

    /// Connects; the connection lasts until the client is dropped.
    ///
    /// # Errors
    ///
    /// It can't be reached, or doesn't let us in. `None`: the thread has ended.
    pub fn connect(&self, config: Config, tls: MakeRustlsConnect) -> Result<Client, Option<Error>> {
        let (tell, told) = mpsc::channel();
        self.runtime.spawn(async move {
            let connected = config.connect(tls).await;
            let _ = tell.send(connected.map(|(client, connection)| {
                // Why it ended, the client's next question is told.
                tokio::spawn(async move { drop(connection.await) });
                client
            }));
        });
        loop {
            match told.recv_timeout(BEAT_EVERY) {
                Ok(connected) => return connected.map_err(Some),
                Err(mpsc::RecvTimeoutError::Timeout) => pulse::beat(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(None),
            }
        }
    }
}

/// Waits for an answer, whatever runtime this thread runs in. For futures that need none themselves, as those of a
/// [`Client`].
pub fn wait<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
        thread::park_timeout(BEAT_EVERY);
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
}
