//! The rack: disks, and the filesystems on them, mounted where only this thread and its children see them. So
//! nothing stays mounted when the test ends, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::disks::Disks;
use crate::harness::eventually;

/// Nothing is left to be done once it is mounted.
const EXT4_AT_ONCE: &str = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";

/// A filesystem that a disk can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    Ext4,
    Btrfs,
    Xfs,
}

impl Filesystem {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }

    /// Built in, or as a module.
    pub fn is_in_kernel(self) -> bool {
        let _ = Command::new("modprobe").arg(self.name()).output();
        fs::read_to_string("/proc/filesystems")
            .is_ok_and(|known| known.split_whitespace().any(|name| name == self.name()))
    }

    /// As small as it can be.
    fn bytes(self) -> usize {
        match self {
            Self::Ext4 => 16 << 20,
            Self::Btrfs => 112 << 20,
            Self::Xfs => 64 << 20,
        }
    }

    /// The program that makes one.
    pub fn mkfs(self) -> &'static str {
        match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Btrfs => "mkfs.btrfs",
            Self::Xfs => "mkfs.xfs",
        }
    }

    fn mkfs_options(self) -> &'static [&'static str] {
        match self {
            // Blocks of 1 KiB: a page of SQLite lies in four of them, and may be torn.
            Self::Ext4 => &["-q", "-F", "-b", "1024", "-J", "size=1", "-E", EXT4_AT_ONCE],
            Self::Btrfs => &["-q", "-K", "--mixed"],
            Self::Xfs => &["-q", "-K", "--unsupported"],
        }
    }

    fn mount_options(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Btrfs => "loop",
            // The other threads mount the same filesystem, at another time of its life.
            Self::Xfs => "loop,nouuid",
        }
    }
}

/// Disks, served and mounted.
pub struct Rack {
    pub disks: Disks,
    filesystem: Filesystem,
    served: PathBuf,
    places: Vec<PathBuf>,
}

/// What is mounted, until dropped.
pub struct Mounted<'a>(Vec<&'a Path>);

impl Rack {
    /// A thread has one rack. `places`: where its disks are to be mounted.
    pub fn new(filesystem: Filesystem, served: &Path, places: &[PathBuf]) -> Self {
        hide_mounts();
        let disks = Disks::serve(served).expect("serve disks by FUSE");
        Self { disks, filesystem, served: served.to_owned(), places: places.to_owned() }
    }

    /// Disks with new, empty filesystems.
    pub fn format(&self) {
        self.disks.load(vec![vec![0; self.filesystem.bytes()]; self.places.len()]);
        for disk in 0..self.places.len() {
            let options = self.filesystem.mkfs_options();
            run(Command::new(self.filesystem.mkfs()).args(options).arg(self.served.join(disk.to_string())));
        }
    }

    /// As a machine does that has power again: the filesystems mend themselves.
    pub fn mount(&self) -> Mounted<'_> {
        let mut mounted = Mounted(Vec::new());
        for (disk, place) in self.places.iter().enumerate() {
            let options = ["-t", self.filesystem.name(), "-o", self.filesystem.mount_options()];
            run(Command::new("mount").args(options).arg(self.served.join(disk.to_string())).arg(place));
            mounted.0.push(place);
        }
        mounted
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        for place in self.0.iter().rev() {
            if std::thread::panicking() {
                let _ = umount2(*place, MntFlags::MNT_DETACH);
                continue;
            }
            // Another thread that starts a program has our descriptors too, until the program runs. The loop device
            // goes with the mount.
            eventually(&format!("{} can be unmounted", place.display()), || {
                let unmounted = umount2(*place, MntFlags::empty());
                assert!(matches!(unmounted, Ok(()) | Err(Errno::EBUSY)), "{unmounted:?}");
                unmounted.is_ok()
            });
        }
    }
}

/// What this thread and those that it starts mount is seen by nobody else, and goes when they have ended.
fn hide_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("mounts of its own");
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(None::<&Path>, "/", None::<&Path>, private, None::<&Path>).expect("mounts that nobody sees");
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("run a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
