//! Filesystems of a test's own, which can be filled, made read-only, frozen and taken away.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::harness::{Drop, has};

/// More than any of these filesystems has.
const FILES_MAX: usize = 100_000;

/// What kind of filesystem.
pub enum Kind {
    /// In memory, with these options for mount(8).
    Memory(&'static str),
    /// ext4 on a file of so many megabytes, with these options for mkfs.
    Ext4(u64, &'static [&'static str]),
    /// FUSE over the directory beside it that is called `.behind`.
    Fuse,
}

/// A mounted filesystem; unmounted when dropped, whatever state it is in.
pub struct Filesystem {
    path: PathBuf,
    source: PathBuf,
    options: String,
}

/// A drop folder with a filesystem of its own at `place` below its root: `drop` is the folder, `state` the state
/// directory, `disk` neither. Dropped in this order, the filesystem goes first.
///
/// `None`: this user can't mount.
pub fn drop_with(kind: &Kind, place: &str, daemon_keys: &str, folder_keys: &str) -> Option<(Drop, Filesystem)> {
    let root = tempfile::tempdir().expect("a temporary directory");
    let filesystem = Filesystem::mount(kind, &root.path().join(place))?;
    Some((Drop::at(root, daemon_keys, folder_keys), filesystem))
}

impl Filesystem {
    fn mount(kind: &Kind, path: &Path) -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can mount a filesystem");
            return None;
        }
        fs::create_dir_all(path).expect("make a directory");
        let (source, options) = match kind {
            Kind::Memory(options) => ("tmpfs".into(), format!("-ttmpfs -o{options}")),
            Kind::Ext4(megabytes, options) => {
                (image(&path.with_extension("img"), *megabytes, options)?, "-oloop,errors=remount-ro".into())
            }
            Kind::Fuse if !has("bindfs") => return None,
            Kind::Fuse => (path.with_extension("behind"), "-tfuse.bindfs".into()),
        };
        if let Kind::Fuse = kind {
            fs::create_dir(&source).expect("make a directory");
        }
        let filesystem = Self { path: path.to_owned(), source, options };
        filesystem.mount_again();
        Some(filesystem)
    }

    /// Mounts it where it was. One in memory is another, empty one.
    pub fn mount_again(&self) {
        succeeds(Command::new("mount").args(self.options.split(' ')).arg(&self.source).arg(&self.path));
    }

    /// Takes it away though it is in use, as a cable that is pulled does.
    pub fn take_away(&self) {
        succeeds(Command::new("umount").arg("--lazy").arg(&self.path));
    }

    /// Makes it read-only or writable, as `ro` or `rw`. The kernel refuses while a file is open for writing.
    pub fn remount(&self, how: &str) {
        succeeds(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.path));
    }

    /// The kernel finds it damaged and writes nothing more to it, whoever has what open. ext4 only. What was uploaded is
    /// on the disk by then.
    pub fn break_down(&self) {
        succeeds(Command::new("sync").arg("--file-system").arg(&self.path));
        let device = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.path).output().expect("run findmnt");
        let device = PathBuf::from(String::from_utf8(device.stdout).expect("a device").trim());
        let name = device.file_name().expect("a name");
        fs::write(Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error"), "1").expect("tell the kernel so");
    }

    /// As an operator repairs it when nobody has it open any more.
    pub fn repair(&mut self) {
        succeeds(Command::new("umount").arg(&self.path));
        self.replace();
    }

    /// Mounts what is on it from another disk, repaired. The kernel knows a broken one for as long as anybody has it open,
    /// and be it a container that started meanwhile with a copy of all mounts.
    pub fn replace(&mut self) {
        let copy = self.source.with_extension("copy");
        fs::copy(&self.source, &copy).expect("copy the image");
        self.source = copy;
        let checked = Command::new("e2fsck").args(["-p", "-f"]).arg(&self.source).output().expect("run e2fsck");
        let corrected = [Some(0), Some(1)];
        assert!(corrected.contains(&checked.status.code()), "{checked:?}");
        self.mount_again();
    }

    /// Uses up every byte.
    pub fn fill(&self) {
        let mut size = 1 << 20;
        let mut file = File::create(self.path.join("ballast")).expect("make the ballast");
        while size > 0 {
            if file.write_all(&vec![1; size]).is_err() {
                size /= 2;
            }
        }
        // Where blocks are reserved late, the last of them are refused only here.
        let _ = file.sync_all();
    }

    /// Uses up every byte but so many: files can be begun and not finished.
    pub fn fill_but(&self, bytes: u64) {
        self.fill();
        let ballast = File::options().write(true).open(self.path.join("ballast")).expect("open the ballast");
        let length = ballast.metadata().expect("its length").len();
        ballast.set_len(length - bytes).and_then(|()| ballast.sync_all()).expect("cut the ballast");
    }

    /// Uses up every inode, and leaves bytes.
    pub fn fill_inodes(&self) {
        let directory = self.path.join("ballast");
        fs::create_dir(&directory).expect("make a directory");
        let made = (0..FILES_MAX).take_while(|file| File::create(directory.join(file.to_string())).is_ok()).count();
        assert!(made < FILES_MAX, "there is an end to the inodes");
    }

    /// Frees what was used up.
    pub fn free(&self) {
        let ballast = self.path.join("ballast");
        let freed = if ballast.is_dir() { fs::remove_dir_all(ballast) } else { fs::remove_file(ballast) };
        freed.expect("remove the ballast");
    }

    /// Every write hangs from now on, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        succeeds(Command::new("fsfreeze").arg("--freeze").arg(&self.path));
    }

    pub fn thaw(&self) {
        succeeds(Command::new("fsfreeze").arg("--unfreeze").arg(&self.path));
    }
}

impl std::ops::Drop for Filesystem {
    fn drop(&mut self) {
        // One that is frozen can't be unmounted, and who waits for it can't be ended. Most are not.
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.path).output();
        // Mounted twice, or taken away: until there is none left.
        while Command::new("umount").arg("--lazy").arg(&self.path).output().is_ok_and(|output| output.status.success())
        {
        }
    }
}

fn image(path: &Path, megabytes: u64, options: &[&str]) -> Option<PathBuf> {
    if !has("mkfs.ext4") {
        return None;
    }
    File::create(path).and_then(|file| file.set_len(megabytes << 20)).expect("make an image");
    succeeds(Command::new("mkfs.ext4").arg("-q").args(options).arg(path));
    Some(path.to_owned())
}

pub fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}
