//! The directories of a run, by descriptor, and the names that wait in its inbox.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::fs::{Dir, Mode, OFlags, fstat, openat, renameat};
use rustix::io::Errno;

use crate::Outcome;

/// The directories.
pub struct Spool {
    pub inbox: OwnedFd,
    pub results: OwnedFd,
    pub archive: OwnedFd,
}

impl Spool {
    pub fn open(root: &Path) -> Outcome<Self> {
        let directory = |name: &str| {
            rustix::fs::open(root.join(name), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        };
        Ok(Self { inbox: directory("inbox")?, results: directory("results")?, archive: directory("archive")? })
    }

    /// What waits in the inbox.
    pub fn names(&self) -> Outcome<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.inbox)? {
            let name = entry?.file_name().to_owned();
            if !name.to_bytes().starts_with(b".") {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Reads a whole file: open, fstat, read, close.
    pub fn read(&self, name: &CStr, content: &mut Vec<u8>) -> Result<(), Errno> {
        let file = openat(&self.inbox, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?;
        let size = usize::try_from(fstat(&file)?.st_size).unwrap_or_default();
        content.resize(size + 1, 0);
        let mut length = 0;
        // What is short of the room ends the file.
        while length < content.len() {
            match rustix::io::read(&file, &mut content[length..])? {
                0 => break,
                read => length += read,
            }
            if length == size {
                break;
            }
        }
        content.truncate(length);
        Ok(())
    }

    /// Moves the original away.
    pub fn archive(&self, name: &CStr) -> Result<(), Errno> {
        renameat(&self.inbox, name, &self.archive, name)
    }

    /// Makes the moves durable.
    pub fn flush(&self) -> Result<(), Errno> {
        rustix::fs::fsync(&self.archive)?;
        rustix::fs::fsync(&self.inbox)
    }

    /// Calls for what waits, again and again, until the process is stopped. Nothing that arrives is missed: a name is either in the first
    /// reading, or an event, or in the reading after events were lost.
    pub fn live(&self, root: &Path, mut done: impl FnMut(&[CString]) -> Outcome<()>) -> Outcome<()> {
        let inotify = init(CreateFlags::CLOEXEC)?;
        add_watch(&inotify, root.join("inbox"), WatchFlags::MOVED_TO)?;
        let mut buffer = vec![MaybeUninit::uninit(); 64 << 10];
        let mut reader = Reader::new(&inotify, &mut buffer);
        done(&self.names()?)?;
        loop {
            let (mut names, mut is_overrun) = (Vec::new(), false);
            loop {
                let event = reader.next()?;
                is_overrun |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                names.extend(event.file_name().map(CStr::to_owned));
                if reader.is_buffer_empty() {
                    break;
                }
            }
            if is_overrun {
                names = self.names()?;
            }
            done(&names)?;
        }
    }
}

/// Without what was done before its event came.
pub fn if_there<T>(done: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
