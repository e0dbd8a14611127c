//! Disks in memory that write down what is asked of them: a FUSE filesystem with one file for each, under which a
//! loop device can be laid. Nothing is cached above it: what the kernel sends to the loop device comes here at once.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::ChildStderr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::dup;
use serde_json::Value;

use super::log::{Entry, Life};
use crate::harness::{PATIENCE, record};

/// Nothing that the kernel knows of a disk changes.
const FOR_EVER: Duration = Duration::from_hours(1);
const SECTOR_BYTES: u64 = 512;
/// The file of disk 0; the root is 1.
const FIRST_INODE: u64 = 2;

/// The disks, served as long as this lives.
pub struct Disks {
    recorder: Arc<Mutex<Recorder>>,
    _session: BackgroundSession,
}

#[derive(Default)]
struct Recorder {
    images: Vec<Vec<u8>>,
    life: Life,
    voice: Option<Voice>,
}

/// The log of the daemon that lives on the disks.
struct Voice {
    pipe: ChildStderr,
    /// A record that is not heard to its end.
    begun: Vec<u8>,
}

impl Disks {
    /// At this mount point.
    pub fn serve(at: &Path) -> io::Result<Self> {
        let recorder = Arc::<Mutex<Recorder>>::default();
        let session = fuser::spawn_mount(Server(Arc::clone(&recorder)), at, &Config::default())?;
        Ok(Self { recorder, _session: session })
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// Puts other disks in place of those there are, which nobody may use any more; a new life begins.
    pub fn load(&self, images: Vec<Vec<u8>>) {
        let life = Life { born: images.clone(), log: Vec::new() };
        *self.recorder() = Recorder { images, life, voice: None };
    }

    /// What happened since [`Disks::load`]; the disks are gone.
    pub fn take(&self) -> Life {
        std::mem::take(&mut *self.recorder()).life
    }

    /// Hears what this daemon says, from now on. It is entered in the log before any write that is made after it.
    pub fn hear(&self, pipe: ChildStderr) {
        let flags = fcntl_getfl(&pipe).expect("flags of a pipe");
        fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).expect("a pipe that doesn't block");
        self.recorder().voice = Some(Voice { pipe, begun: Vec::new() });
    }

    /// Enters what the test itself has seen to.
    pub fn enter(&self, entry: Entry) {
        let mut recorder = self.recorder();
        recorder.listen();
        recorder.life.log.push(entry);
    }

    /// How much has happened.
    pub fn position(&self) -> usize {
        self.recorder().life.log.len()
    }

    /// Waits until the daemon says more. `false`: it has ended, and all that it said was heard.
    pub fn listen(&self) -> bool {
        let pipe = self.recorder().voice.as_ref().map(|voice| dup(&voice.pipe).expect("a descriptor"));
        let Some(pipe) = pipe else { return false };
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&patience)).expect("wait for a pipe");
        let mut recorder = self.recorder();
        assert!(ready > 0, "it doesn't say anything any more, after {:#?}", recorder.life.said());
        recorder.listen();
        recorder.voice.is_some()
    }

    /// What the daemon has said so far.
    pub fn said(&self) -> Vec<Value> {
        self.recorder().life.said()
    }
}

impl Recorder {
    /// Enters what was said so far.
    fn listen(&mut self) {
        let Some(voice) = &mut self.voice else { return };
        let mut chunk = [0; 4_096];
        let ended = loop {
            match voice.pipe.read(&mut chunk) {
                Ok(0) => break true,
                Ok(bytes) => voice.begun.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        while let Some(end) = voice.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = voice.begun.drain(..=end).collect();
            self.life.log.push(Entry::Said(record(&line)));
        }
        if ended {
            self.voice = None;
        }
    }

    fn write(&mut self, disk: usize, offset: usize, bytes: &[u8]) -> Option<()> {
        self.listen();
        self.images.get_mut(disk)?.get_mut(offset..offset.checked_add(bytes.len())?)?.copy_from_slice(bytes);
        self.life.log.push(Entry::Write { disk, offset, bytes: bytes.into() });
        Some(())
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let (kind, size, perm) = match disk_of(inode) {
            None => (FileType::Directory, 0, 0o755),
            Some(disk) => (FileType::RegularFile, self.images.get(disk)?.len() as u64, 0o600),
        };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: size / SECTOR_BYTES,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4_096,
            flags: 0,
        })
    }
}

/// What answers the kernel, one request after the other.
struct Server(Arc<Mutex<Recorder>>);

fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None`: the root.
fn disk_of(inode: INodeNo) -> Option<usize> {
    usize::try_from(inode.0.checked_sub(FIRST_INODE)?).ok()
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let inode = name.to_str().and_then(|name| name.parse::<u64>().ok()).map(|disk| INodeNo(disk + FIRST_INODE));
        match inode.and_then(|inode| lock(&self.0).attributes(inode)) {
            Some(found) => reply.entry(&FOR_EVER, &found, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match lock(&self.0).attributes(inode) {
            Some(found) => reply.attr(&FOR_EVER, &found),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes_max: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let recorder = lock(&self.0);
        match disk_of(inode).and_then(|disk| recorder.images.get(disk)) {
            Some(image) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(image.len());
                let to = from.saturating_add(bytes_max as usize).min(image.len());
                reply.data(&image[from..to]);
            }
            None => reply.error(Errno::EIO),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = disk_of(inode)
            .zip(usize::try_from(offset).ok())
            .and_then(|(disk, offset)| lock(&self.0).write(disk, offset, bytes));
        match written {
            Some(()) => reply.written(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            None => reply.error(Errno::EIO),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut recorder = lock(&self.0);
        recorder.listen();
        recorder.life.log.extend(disk_of(inode).map(|disk| Entry::Flush { disk }));
        reply.ok();
    }
}
