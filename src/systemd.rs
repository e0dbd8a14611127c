//! What the service manager is told: readiness, status, watchdog. See `sd_notify(3)`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::log::visible;

/// A manager that doesn't read for so long misses the message: it holds up nobody who has other things to do.
const TELL_WAIT: Duration = Duration::from_secs(1);

/// Tells the service manager how the daemon is; without one, every method does nothing.
///
/// A message that can't be delivered is dropped: the manager's own time-outs act on silence.
#[derive(Debug)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    status: Mutex<String>,
    is_starting: AtomicBool,
}

impl Notifier {
    /// Speaks to `$NOTIFY_SOCKET`, or to nobody where it isn't set.
    ///
    /// # Errors
    ///
    /// When `$NOTIFY_SOCKET` is not an address to which a datagram can be sent.
    pub fn from_env() -> io::Result<Self> {
        Self::to(env::var_os("NOTIFY_SOCKET").as_deref())
    }

    /// Speaks to the socket at an absolute path, or, if the address starts with `@`, to the one of
    /// that abstract name; or to nobody.
    ///
    /// # Errors
    ///
    /// When the address is neither.
    pub fn to(address: Option<&OsStr>) -> io::Result<Self> {
        let manager = match address.filter(|address| !address.is_empty()) {
            Some(address) => Some((UnixDatagram::unbound()?, socket_address(address)?)),
            None => None,
        };
        if let Some((socket, _)) = &manager {
            socket.set_write_timeout(Some(TELL_WAIT))?;
        }
        Ok(Self { manager, status: Mutex::default(), is_starting: AtomicBool::new(true) })
    }

    /// Neither ready nor going down yet.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.is_starting.load(Ordering::Relaxed)
    }

    /// Recovery is over and every folder is watched.
    pub fn ready(&self, status: &str) {
        self.is_starting.store(false, Ordering::Relaxed);
        self.send(&["READY=1", &self.status_line(status)]);
    }

    /// What goes on now, one line for `systemctl status`. The same text again is not sent again;
    /// not to send too many is up to the caller.
    pub fn status(&self, status: &str) {
        if *self.last_status() != *visible(status) {
            self.send(&[&self.status_line(status)]);
        }
    }

    /// The daemon is going down. Final: it must exit within the manager's stop time-out.
    pub fn stopping(&self, status: &str) {
        self.is_starting.store(false, Ordering::Relaxed);
        self.send(&["STOPPING=1", &self.status_line(status)]);
    }

    /// The settings are being read again; ends with [`ready`](Self::ready).
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&["RELOADING=1", &format!("MONOTONIC_USEC={now_usec}")]);
    }

    /// Start-up or the drain makes progress: the manager is to wait for at least `more` from now.
    pub fn extend_timeout(&self, more: Duration) {
        self.send(&[&format!("EXTEND_TIMEOUT_USEC={}", more.as_micros())]);
    }

    /// All is well; see [`watchdog_interval`].
    pub fn watchdog(&self) {
        self.send(&["WATCHDOG=1"]);
    }

    /// Why the daemon is about to fail, with the error's number of errno(3).
    pub fn errno(&self, number: i32, status: &str) {
        self.send(&[&format!("ERRNO={number}"), &self.status_line(status)]);
    }

    /// The assignment of a status, which a newline in a file name can't turn into two.
    fn status_line(&self, status: &str) -> String {
        let status = visible(status).into_owned();
        let line = format!("STATUS={status}");
        *self.last_status() = status;
        line
    }

    fn last_status(&self) -> std::sync::MutexGuard<'_, String> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, assignments: &[&str]) {
        if let Some((socket, manager)) = &self.manager {
            let _ = socket.send_to_addr(assignments.join("\n").as_bytes(), manager);
        }
    }
}

fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(address),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("NOTIFY_SOCKET={} is neither an absolute path nor @ and an abstract name", address.display()),
        )),
    }
}

/// How often [`Notifier::watchdog`] is to be called: half the silence that the service manager
/// suffers. `None` where it does not watch this process.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    watched(&env::var("WATCHDOG_USEC").ok()?, env::var("WATCHDOG_PID").ok().as_deref())
}

fn watched(usec: &str, pid: Option<&str>) -> Option<Duration> {
    let meant = pid.is_none_or(|pid| pid == std::process::id().to_string());
    let patience = Duration::from_micros(usec.parse().ok()?);
    (meant && !patience.is_zero()).then(|| patience / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut datagram = [0; 4096];
        let length = manager.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    fn listening() -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(Some(path.as_os_str())).unwrap();
        (folder, manager, notifier)
    }

    #[test]
    fn the_manager_hears_the_whole_life_of_the_daemon() {
        let (_folder, manager, notifier) = listening();
        notifier.extend_timeout(Duration::from_secs(15));
        assert_eq!(heard(&manager), "EXTEND_TIMEOUT_USEC=15000000");
        notifier.ready("watching 2 folders");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=watching 2 folders");
        notifier.watchdog();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        notifier.stopping("draining: 1 file in hand");
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=draining: 1 file in hand");
        notifier.errno(28, "ledger.db: no space left");
        assert_eq!(heard(&manager), "ERRNO=28\nSTATUS=ledger.db: no space left");
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let (folder, manager, notifier) = listening();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let path = folder.path().join("notify");
        while filler.send_to(b"full", &path).is_ok() {}
        notifier.watchdog();
        manager.set_nonblocking(true).unwrap();
        let mut datagram = [0; 64];
        while let Ok(length) = manager.recv(&mut datagram) {
            assert_eq!(&datagram[..length], b"full", "the control: there was no room for more");
        }
        notifier.stopping("draining");
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=draining");
    }

    #[test]
    fn a_reload_carries_the_monotonic_time() {
        let (_folder, manager, notifier) = listening();
        notifier.reloading();
        let said = heard(&manager);
        let usec: u64 = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        let up_secs: f64 = std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
        // Without time asleep, which /proc/uptime counts.
        assert!(Duration::from_micros(usec).as_secs_f64() <= up_secs + 1.0, "{usec} us, up {up_secs} s");
        assert!(usec > 0);
    }

    #[test]
    fn the_same_status_is_sent_once() {
        let (_folder, manager, notifier) = listening();
        for status in ["idle", "idle", "1 file in hand", "idle"] {
            notifier.status(status);
        }
        notifier.watchdog();
        let said: Vec<_> = (0..4).map(|_| heard(&manager)).collect();
        assert_eq!(said, ["STATUS=idle", "STATUS=1 file in hand", "STATUS=idle", "WATCHDOG=1"]);
    }

    #[test]
    fn a_file_name_cannot_speak_for_the_daemon() {
        // fault 24
        let (_folder, manager, notifier) = listening();
        notifier.status("oldest a\nSTOPPING=1\u{1b}[2J");
        assert_eq!(heard(&manager), r"STATUS=oldest a\nSTOPPING=1\x1b[2J");
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let name = format!("importerd-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(Some(format!("@{name}").as_ref())).unwrap().watchdog();
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for address in [None, Some(OsStr::new("")), Some(OsStr::new("/nowhere/notify"))] {
            Notifier::to(address).unwrap().ready("up");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_name() {
        let error = Notifier::to(Some("vsock:2:1".as_ref())).unwrap_err();
        assert!(error.to_string().starts_with("NOTIFY_SOCKET=vsock:2:1 "), "{error}");
    }

    #[test]
    fn the_watchdog_is_fed_twice_within_its_patience() {
        let (own, second) = (std::process::id(), Some(Duration::from_secs(1)));
        assert_eq!(watched("2000000", None), second);
        assert_eq!(watched("2000000", Some(&own.to_string())), second);
        assert_eq!(watched("2000000", Some(&(own + 1).to_string())), None, "another process is watched");
        assert_eq!(watched("0", None), None);
        assert_eq!(watched("soon", None), None);
    }
}
