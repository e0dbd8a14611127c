//! A TCP line to a server that can be cut at the worst moment, and healed.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// COMMIT as a simple query of the protocol.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Where the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server has carried out the COMMIT, and its answer is lost.
    AfterCommit,
    /// The COMMIT doesn't get there.
    BeforeCommit,
}

/// The line: a port of this machine that leads to the server.
pub struct Line {
    port: u16,
    state: Arc<State>,
}

struct State {
    server: u16,
    armed: Mutex<Option<(Cut, bool)>>,
    /// Nobody gets through.
    is_down: AtomicBool,
    cuts: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Line {
    /// To a server on this port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let state = Arc::new(State {
            server,
            armed: Mutex::default(),
            is_down: AtomicBool::new(false),
            cuts: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || listener.incoming().flatten().for_each(|client| accepting.connect(client)));
        Self { port, state }
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the line at the next COMMIT; `down`: every connection, and nobody gets through until it is
    /// [healed](Self::heal).
    pub fn cut_at_commit(&self, cut: Cut, down: bool) {
        *self.state.armed.lock().expect("no panic") = Some((cut, down));
    }

    /// Cuts every connection now, and lets nobody through.
    pub fn take_down(&self) {
        self.state.take_down();
    }

    /// Lets clients through again.
    pub fn heal(&self) {
        self.state.is_down.store(false, Ordering::SeqCst);
    }

    /// How often it was cut at a COMMIT.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl State {
    fn cut(&self, down: bool) {
        if down {
            self.take_down();
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    fn take_down(&self) {
        self.is_down.store(true, Ordering::SeqCst);
        self.open.lock().expect("no panic").drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        if self.is_down.load(Ordering::SeqCst) {
            return;
        }
        // The server may be down as well: the client sees its connection closed.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else { return };
        let again = |stream: &TcpStream| stream.try_clone().expect("a second descriptor");
        self.open.lock().expect("no panic").extend([again(&client), again(&server)]);
        let (from_client, to_server) = (again(&client), again(&server));
        let state = Arc::clone(self);
        let swallowing = Arc::new(Mutex::new(None));
        let swallow = Arc::clone(&swallowing);
        thread::spawn(move || state.carry_questions(from_client, to_server, &swallow));
        let state = Arc::clone(self);
        thread::spawn(move || state.carry_answers(server, client, &swallowing));
    }

    fn carry_questions(&self, mut from: TcpStream, mut to: TcpStream, swallow: &Mutex<Option<bool>>) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            let question = &buffer[..bytes];
            if question.windows(COMMIT.len()).any(|window| window == COMMIT)
                && let Some((cut, down)) = self.armed.lock().expect("no panic").take()
            {
                if cut == Cut::BeforeCommit {
                    self.cut(down);
                    break;
                }
                *swallow.lock().expect("no panic") = Some(down);
            }
            if to.write_all(question).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    fn carry_answers(&self, mut from: TcpStream, mut to: TcpStream, swallowing: &Mutex<Option<bool>>) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            if let Some(down) = *swallowing.lock().expect("no panic") {
                // What comes now is the answer to the COMMIT: it was carried out.
                self.cut(down);
                break;
            }
            if to.write_all(&buffer[..bytes]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
