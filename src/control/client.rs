//! The client: gives an order to the daemon, and hears what comes of it.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Line, Request, socket};
use crate::settings::Directories;

/// A daemon that has not read an order by then hangs.
const HEARD_WAIT: Duration = Duration::from_secs(10);

/// A daemon that has heard an order.
#[derive(Debug)]
pub struct Given {
    lines: BufReader<UnixStream>,
    /// Was read while it was found out whether the daemon hears.
    first: Option<Line>,
}

impl Given {
    /// Gives the order to the daemon of these directories, and waits until it is heard.
    ///
    /// # Errors
    /// See [`socket::reach`].
    pub fn to(directories: &Directories, request: &Request) -> io::Result<Self> {
        let mut daemon = socket::reach(directories)?;
        daemon.set_read_timeout(Some(HEARD_WAIT))?;
        let mut order = serde_json::to_vec(request)?;
        order.push(b'\n');
        let sent = daemon.write_all(&order);
        let mut given = Self { lines: BufReader::new(daemon), first: None };
        // One that is busy says so without having read it all.
        given.first = match given.hear()? {
            None => return Err(sent.err().unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into())),
            heard => heard.filter(|line| *line != Line::Heard),
        };
        given.lines.get_ref().set_read_timeout(None)?;
        Ok(given)
    }

    /// The next thing told. `None`: the daemon is gone.
    ///
    /// # Errors
    /// What the system says, or something that is not told by a daemon of this version.
    pub fn hear(&mut self) -> io::Result<Option<Line>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let mut text = String::new();
        match self.lines.read_line(&mut text) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(serde_json::from_str(&text)?)),
            // It was killed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the daemon's process has ended; where it can't be seen, until it has hung up.
    pub fn wait_for_the_end(mut self) {
        let process = socket_peercred(self.lines.get_ref()).ok().map(|daemon| daemon.pid);
        match process.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Some(Ok(process)) => drop(poll(&mut [PollFd::new(&process, PollFlags::IN)], None)),
            _ => while matches!(self.hear(), Ok(Some(_))) {},
        }
    }
}
