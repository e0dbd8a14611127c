//! The service manager, as the daemon sees it: a socket that hears what it is told.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::PATIENCE;

/// What the service manager hears.
pub struct Manager {
    socket: UnixDatagram,
    /// For `$NOTIFY_SOCKET`.
    pub path: PathBuf,
}

impl Manager {
    pub fn listen(root: &Path) -> Self {
        let path = root.join("notify");
        let socket = UnixDatagram::bind(&path).expect("bind a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
        Self { socket, path }
    }

    fn next(&self) -> String {
        self.try_next().expect("the daemon says something")
    }

    fn try_next(&self) -> std::io::Result<String> {
        let mut datagram = [0; 4096];
        let length = self.socket.recv(&mut datagram)?;
        Ok(String::from_utf8_lossy(&datagram[..length]).into_owned())
    }

    /// Everything up to the first with this text in it.
    pub fn up_to(&self, text: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.last().is_some_and(|last: &String| last.contains(text)) {
            heard.push(self.next());
        }
        heard
    }

    /// What is there and was not heard yet.
    pub fn rest(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("read what is left");
        let rest = std::iter::from_fn(|| self.try_next().ok()).collect();
        self.socket.set_nonblocking(false).expect("wait again");
        rest
    }
}
