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
const CLIENTS_MAX: usize = 64;
/// And so many orders that may take long are carried out at a time, so that those that stop things always find a place.
const LONG_ORDERS_MAX: usize = 16;
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
    clients: Arc<Seats>,
    door: JoinHandle<()>,
}

/// What a client meets.
struct Desk {
    /// Of whose daemon: the state directory.
    state: Option<(u64, u64)>,
    hands: Hands,
    clients: Arc<Seats>,
    long_orders: Arc<Seats>,
}

/// So many at a time, and no more.
#[derive(Debug)]
struct Seats {
    max: usize,
    taken: Mutex<usize>,
    fewer: Condvar,
}

impl Server {
    /// Hears orders from now on.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(socket: Socket, hands: Hands) -> io::Result<Self> {
        let (socket, ending, clients) = (Arc::new(socket), Arc::<AtomicBool>::default(), Seats::new(CLIENTS_MAX));
        let long_orders = Seats::new(LONG_ORDERS_MAX);
        let desk = Arc::new(Desk { state: socket.state, hands, clients: Arc::clone(&clients), long_orders });
        let (listening, is_over) = (Arc::clone(&socket), Arc::clone(&ending));
        let door = thread::Builder::new().name("control".to_owned()).spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                match listening.listener.accept() {
                    Ok((client, _)) => desk.take(client),
                    Err(_) if is_over.load(Ordering::Acquire) => {}
                    Err(_) => thread::sleep(REST),
                }
            }
        })?;
        Ok(Self { socket, ending, clients, door })
    }

    /// Hears nobody new, and waits for what is being carried out; not for ever. What isn't done by then is as after a
    /// crash. The socket is removed.
    pub fn end(self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread that waits for clients.
        let _ = shutdown(&self.socket.listener, Shutdown::Both);
        let _ = self.door.join();
        self.clients.wait_for_none();
    }
}

impl Seats {
    fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default(), fewer: Condvar::new() })
    }

    fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (*taken < self.max).then(|| {
            *taken += 1;
            Seat(Arc::clone(self))
        })
    }

    fn wait_for_none(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.fewer.wait_timeout_while(taken, END_WAIT, |taken| *taken > 0));
    }
}

/// One of them. Given back by drop.
struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

impl Desk {
    fn take(self: &Arc<Self>, mut client: UnixStream) {
        let _ = client.set_write_timeout(Some(TELL_WAIT));
        let Some(seat) = self.clients.take() else {
            // What doesn't fit into its buffer is lost: it is one line.
            let _ = client.set_nonblocking(true);
            let _ = say(&mut client, &busy());
            return;
        };
        let desk = Arc::clone(self);
        // Without a thread for it, the client sees the connection end.
        let _ = thread::Builder::new().name("order".to_owned()).spawn(move || {
            let _seat = seat;
            desk.hear(client);
        });
    }

    /// One client, one order; unless it is for the daemon of another state directory than this one's.
    fn hear(&self, mut client: UnixStream) {
        let order = read(&mut client).and_then(|line| Ok((By { uid: socket_peercred(&client)?.uid.as_raw() }, line)));
        let Ok((by, line)) = order else { return };
        let order = serde_json::from_slice::<Addressed>(&line);
        // Both may be told of the same runtime directory. For the client, no daemon runs.
        if order.as_ref().is_ok_and(|order| order.is_for_another(self.state)) {
            return;
        }
        let is_long = order.as_ref().is_ok_and(|order| order.request.may_take_long());
        let place = is_long.then(|| self.long_orders.take());
        if matches!(place, Some(None)) {
            let _ = say(&mut client, &busy());
            return;
        }
        // Who has given up before that believes that nothing was done; from here on it is, whoever listens.
        let mut listens = say(&mut client, &Line::Heard).is_ok();
        if !listens {
            return;
        }
        let mut tell = |line: Line| listens = listens && say(&mut client, &line).is_ok();
        match order {
            Ok(order) => (self.hands)(by, &order.request, &mut tell),
            Err(_) => tell(Line::Refused(Refusal::new(
                exit::USAGE,
                format!("the daemon is importerd {}, and doesn't know this order", env!("CARGO_PKG_VERSION")),
                "restart it after an upgrade: systemctl restart importerd",
            ))),
        }
    }
}

fn busy() -> Line {
    Line::Refused(Refusal::new(exit::TEMPFAIL, "too many orders at a time", "type it again in a moment"))
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc;

    use super::super::ended::Ended;
    use super::super::request::Folders;
    use super::*;
    use crate::settings::Directories;

    #[test]
    fn orders_that_take_long_leave_a_place_for_those_that_stop_things() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories { state: root.path().to_owned(), runtime: root.path().join("runtime") };
        let (begun, heard) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (begun, released) = (Mutex::new(begun), Mutex::new(released));
        let hands: Hands = Arc::new(move |_, request, tell| {
            if request.may_take_long() {
                begun.lock().unwrap().send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            tell(Line::Done { exit: 0 });
        });
        let socket = Socket::open(&directories).unwrap();
        let path = socket.path.clone();
        let server = Server::start(socket, hands).unwrap();
        let order = |request: Request| {
            let mut client = UnixStream::connect(&path).unwrap();
            let line = serde_json::to_string(&Addressed { state: None, request }).unwrap();
            writeln!(client, "{line}").unwrap();
            BufReader::new(client).lines()
        };
        let long = || Request::Forget(Ended::default());
        let waiting: Vec<_> = (0..LONG_ORDERS_MAX).map(|_| order(long())).collect();
        (0..LONG_ORDERS_MAX).for_each(|_| heard.recv().unwrap());
        let refused = order(long()).next().unwrap().unwrap();
        assert!(refused.contains("too many orders"), "{refused}");
        for request in [Request::Pause(Folders::All), Request::Resume(Folders::All), Request::Drain] {
            let said: Vec<String> = order(request).map(Result::unwrap).collect();
            assert!(said.last().unwrap().contains("done"), "{said:?}");
        }
        drop(release);
        assert!(waiting.into_iter().all(|mut said| said.any(|line| line.unwrap().contains("done"))));
        server.end();
    }
}
