//! The client: gives an order to the daemon, and hears what comes of it.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, pidfd_open};

use super::request::{Addressed, identity};
use super::{Line, Request, socket};
use crate::settings::Directories;

/// A daemon that has not read an order by then hangs.
const HEARD_WAIT: Duration = Duration::from_secs(10);

/// A daemon that has heard an order.
#[derive(Debug)]
pub struct Given {
    daemon: UnixStream,
    /// Was read while it was found out whether the daemon hears.
    first: Option<Line>,
    /// Read on while what came before is printed: a pager that stands still keeps no daemon waiting.
    told: Receiver<io::Result<Line>>,
}

impl Given {
    /// Gives the order to the daemon of these directories, and waits until it is heard.
    ///
    /// # Errors
    /// See [`socket::reach`].
    pub fn to(directories: &Directories, request: &Request) -> io::Result<Self> {
        let mut daemon = socket::reach(directories)?;
        daemon.set_read_timeout(Some(HEARD_WAIT))?;
        let order = Addressed { state: identity(&directories.state), request: request.clone() };
        let mut order = serde_json::to_vec(&order)?;
        order.push(b'\n');
        let sent = daemon.write_all(&order);
        let mut lines = BufReader::new(daemon.try_clone()?);
        // One that is busy says so without having read it all; that of another state directory says nothing.
        let first = match next(&mut lines)? {
            None => return Err(sent.err().unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into())),
            heard => heard.filter(|line| *line != Line::Heard),
        };
        daemon.set_read_timeout(None)?;
        let (tell, told) = mpsc::channel();
        thread::Builder::new().name("hear".to_owned()).spawn(move || {
            while let Some(line) = next(&mut lines).transpose() {
                let is_last = line.is_err();
                if tell.send(line).is_err() || is_last {
                    break;
                }
            }
        })?;
        Ok(Self { daemon, first, told })
    }

    /// The next thing told. `None`: the daemon is gone.
    ///
    /// # Errors
    /// What the system says, or something that is not told by a daemon of this version.
    pub fn hear(&mut self) -> io::Result<Option<Line>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.told.recv().ok().transpose(),
        }
    }

    /// Waits until the daemon's process has ended; where it can't be seen, until it has hung up.
    pub fn wait_for_the_end(mut self) {
        let process = socket_peercred(&self.daemon).ok().map(|daemon| daemon.pid);
        match process.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Some(Ok(process)) => drop(poll(&mut [PollFd::new(&process, PollFlags::IN)], None)),
            _ => while matches!(self.hear(), Ok(Some(_))) {},
        }
    }
}

/// The next line, whole. `None`: the daemon is gone, perhaps in the middle of one.
fn next(lines: &mut BufReader<UnixStream>) -> io::Result<Option<Line>> {
    let mut text = String::new();
    match lines.read_line(&mut text) {
        Ok(_) if !text.ends_with('\n') => Ok(None),
        Ok(_) => Ok(Some(serde_json::from_str(&text)?)),
        // It was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}
