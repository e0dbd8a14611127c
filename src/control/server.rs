//! The server: hears orders at the socket, and tells what comes of them. Nothing that a client does or fails to do holds the
//! daemon up: requests, connections and waits are bounded, and each connection has a thread of its own.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, shutdown};

use super::request::Addressed;
use super::socket::Socket;
use super::{By, Line, Refusal, Request};
use crate::exit;

/// The longest request; the longest command line is shorter.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// How long a client may take to say what it wants.
const REQUEST_WAIT: Duration = Duration::from_secs(5);
/// A client that doesn't read on for so long is told nothing more.
const TELL_WAIT: Duration = Duration::from_secs(5);
/// So many clients are heard at a time; another is told to come again.
const CONNECTIONS_MAX: usize = 16;
/// While there is no descriptor for a connection, which no event tells the end of.
const REST: Duration = Duration::from_millis(200);
/// How long the end waits for orders that are being carried out.
const END_WAIT: Duration = Duration::from_secs(5);

/// Who carries orders out: it blocks until that is done, and may be asked by several threads.
pub type Hands = Arc<dyn Fn(By, &Request, &mut dyn FnMut(Line)) + Send + Sync>;

/// The server, on threads of its own.
#[derive(Debug)]
pub struct Server {
    socket: Arc<Socket>,
    ending: Arc<AtomicBool>,
    connections: Arc<Connections>,
    door: JoinHandle<()>,
}

/// How many clients are being heard.
#[derive(Debug, Default)]
struct Connections {
    count: Mutex<usize>,
    fewer: Condvar,
}

impl Server {
    /// Hears orders from now on.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(socket: Socket, hands: Hands) -> io::Result<Self> {
        let (socket, ending, connections) = (Arc::new(socket), Arc::<AtomicBool>::default(), Arc::default());
        let server = (Arc::clone(&socket), Arc::clone(&ending), Arc::<Connections>::clone(&connections));
        let door = thread::Builder::new().name("control".to_owned()).spawn(move || {
            while !ending.load(Ordering::Acquire) {
                match socket.listener.accept() {
                    Ok((client, _)) => connections.take(client, socket.state, &hands),
                    Err(_) if ending.load(Ordering::Acquire) => {}
                    Err(_) => thread::sleep(REST),
                }
            }
        })?;
        let (socket, ending, connections) = server;
        Ok(Self { socket, ending, connections, door })
    }

    /// Hears nobody new, and waits for what is being carried out; not for ever. What isn't done by then is as after a
    /// crash. The socket is removed.
    pub fn end(self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread that waits for clients.
        let _ = shutdown(&self.socket.listener, Shutdown::Both);
        let _ = self.door.join();
        self.connections.wait_for_none();
    }
}

impl Connections {
    fn take(self: &Arc<Self>, mut client: UnixStream, state: Option<(u64, u64)>, hands: &Hands) {
        let _ = client.set_write_timeout(Some(TELL_WAIT));
        let Some(seat) = self.seat() else {
            // What doesn't fit into its buffer is lost: it is one line.
            let _ = client.set_nonblocking(true);
            let busy = Refusal::new(exit::TEMPFAIL, "too many orders at a time", "type it again in a moment");
            let _ = say(&mut client, &Line::Refused(busy));
            return;
        };
        let hands = Arc::clone(hands);
        // Without a thread for it, the client sees the connection end.
        let _ = thread::Builder::new().name("order".to_owned()).spawn(move || {
            let _seat = seat;
            hear(client, state, &hands);
        });
    }

    fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        (*count < CONNECTIONS_MAX).then(|| {
            *count += 1;
            Seat(Arc::clone(self))
        })
    }

    fn wait_for_none(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.fewer.wait_timeout_while(count, END_WAIT, |count| *count > 0));
    }
}

/// A client that is being heard.
struct Seat(Arc<Connections>);

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

/// One client, one order; unless it is for the daemon of another state directory than this one's.
fn hear(mut client: UnixStream, state: Option<(u64, u64)>, hands: &Hands) {
    let order = read(&mut client).and_then(|line| Ok((By { uid: socket_peercred(&client)?.uid.as_raw() }, line)));
    let Ok((by, line)) = order else { return };
    let order = serde_json::from_slice::<Addressed>(&line);
    // Both may be told of the same runtime directory. For the client, no daemon runs.
    if order.as_ref().is_ok_and(|order| order.is_for_another(state)) {
        return;
    }
    // Who has given up before that believes that nothing was done; from here on it is, whoever listens.
    let mut listens = say(&mut client, &Line::Heard).is_ok();
    if !listens {
        return;
    }
    let mut tell = |line: Line| listens = listens && say(&mut client, &line).is_ok();
    match order {
        Ok(order) => hands(by, &order.request, &mut tell),
        Err(_) => tell(Line::Refused(Refusal::new(
            exit::USAGE,
            format!("the daemon is importerd {}, and doesn't know this order", env!("CARGO_PKG_VERSION")),
            "restart it after an upgrade: systemctl restart importerd",
        ))),
    }
}

/// A line, whole and in time.
fn read(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (deadline, mut line, mut piece) = (Instant::now() + REQUEST_WAIT, Vec::new(), [0; 4096]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || line.len() > REQUEST_BYTES_MAX {
            return Err(ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        let length = client.read(&mut piece)?;
        line.extend_from_slice(&piece[..length]);
        match piece[..length].iter().rposition(|byte| *byte == b'\n') {
            Some(_) => return Ok(line),
            None if length == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

fn say(client: &mut UnixStream, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    client.write_all(&text)
}
