//! The socket: where it lies, who may use it, and what a killed daemon left of its own.
//!
//! `control.sock` in the runtime directory, and a link to it in the state directory, by which a command finds it whatever
//! the daemon's environment was. It is reached through an open directory, so no path is too long for it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, chmodat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};

use super::request::identity;
use crate::settings::Directories;

/// The socket's name, and that of the link to it.
pub const NAME: &str = "control.sock";

/// Who may write to it may operate: the daemon's user, and its group.
const MODE: Mode = Mode::from_raw_mode(0o660);
/// Of the runtime directory, where it is made here: /run/importerd also holds settings, for everybody to read.
const DIRECTORY_MODE: u32 = 0o755;
/// So many may wait to be heard.
const BACKLOG: i32 = 16;
/// A daemon that doesn't even take a connection hangs.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// A socket that listens; it is removed when dropped.
#[derive(Debug)]
pub struct Socket {
    /// Where orders come in.
    pub listener: UnixListener,
    /// The whole path.
    pub path: PathBuf,
    /// The state directory whose daemon hears.
    pub(super) state: Option<(u64, u64)>,
    directory: OwnedFd,
    /// Which file it is: somebody may have put another one there.
    file: (u64, u64),
}

impl Socket {
    /// Listens, in the place of what a daemon left there that was killed. The caller holds the state directory's lock.
    ///
    /// # Errors
    /// The directory can't be made or written, or a daemon of another state directory listens there.
    pub fn open(directories: &Directories) -> io::Result<Self> {
        make(&directories.runtime)?;
        let directory = open_directory(&directories.runtime)?;
        clear(&directory)?;
        let socket = stream()?;
        bind(&socket, &address(&directory)?)?;
        // Whatever the umask; nobody is heard before.
        chmodat(&directory, NAME, MODE, AtFlags::empty())?;
        listen(&socket, BACKLOG)?;
        let stat = statat(&directory, NAME, AtFlags::SYMLINK_NOFOLLOW)?;
        let path = directories.runtime.join(NAME);
        link(&path, &directories.state.join(NAME))?;
        let state = identity(&directories.state);
        Ok(Self { listener: socket.into(), path, state, directory, file: (stat.st_dev, stat.st_ino) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = statat(&self.directory, NAME, AtFlags::SYMLINK_NOFOLLOW);
        if ours.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.file) {
            // The link that leads nowhere does no harm, and the next daemon needs no room for another one.
            let _ = unlinkat(&self.directory, NAME, AtFlags::empty());
        }
    }
}

/// The daemon of a state directory.
///
/// # Errors
/// `NotFound`, `ConnectionRefused`: none listens. `PermissionDenied`: this user may not. `WouldBlock`: it hangs.
pub fn reach(directories: &Directories) -> io::Result<UnixStream> {
    // First by the link: it is right whatever the environment says. Not everybody may look into the state directory.
    reach_in(&directories.state).or_else(|_| reach_in(&directories.runtime))
}

fn reach_in(directory: &Path) -> io::Result<UnixStream> {
    let directory = open_directory(directory)?;
    let socket = stream()?;
    set_socket_timeout(&socket, Timeout::Send, Some(CONNECT_WAIT))?;
    connect(&socket, &address(&directory)?)?;
    Ok(socket.into())
}

fn stream() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// An address has room for 107 bytes.
fn address(directory: &OwnedFd) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()))?)
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))
}

/// Makes room, unless somebody listens there, or something else is there.
fn clear(directory: &OwnedFd) -> io::Result<()> {
    match statat(directory, NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => return Err(Errno::NOTSOCK.into()),
        stat => drop(stat?),
    }
    match connect(stream()?, &address(directory)?) {
        Err(Errno::NOENT | Errno::CONNREFUSED) => {}
        Ok(()) | Err(Errno::AGAIN) => {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "the daemon of another state directory listens there",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    match unlinkat(directory, NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One that says the same is left alone: a full disk is no reason to be out of reach.
fn link(path: &Path, link: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|old| old == path) {
        return Ok(());
    }
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(path, &new)?;
    fs::rename(new, link)
}
