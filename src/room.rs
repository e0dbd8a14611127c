//! Room: what keeps everybody from writing to a filesystem, asked of the kernel by taking a little of it for a moment.
//!
//! SQLite says "disk I/O error" and a command says "exit 1" where the kernel said that the disk is full, over quota or
//! read-only.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags, StatFs, fallocate, openat, statfs};
use rustix::io::Errno;

/// Who can't have so much has no room.
pub const ROOM_BYTES_MIN: u64 = 64 * 1024;

/// Where so much is free once an attempt is undone, it was the attempt that found no room, and others have it.
pub const ROOM_BACK_BYTES_MIN: u64 = 4 << 20;

/// Of statfs(2).
const EXT4: rustix::fs::FsWord = 0xEF53;
/// Of what an ext4 counts as free, one block in so many of all, and at most so many, is nobody's: not even root's.
const EXT4_KEEPS_ONE_IN: u64 = 50;
const EXT4_KEEPS_BLOCKS_MAX: u64 = 4_096;

/// Why nobody can write on the filesystem of this directory. `None`: this user can, or the filesystem doesn't say.
#[must_use]
pub fn obstacle(directory: impl AsFd) -> Option<io::Error> {
    let error = take(directory, ROOM_BYTES_MIN).err()?;
    let is_of_the_disk = matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO);
    is_of_the_disk.then(|| error.into())
}

fn take(directory: impl AsFd, bytes: u64) -> rustix::io::Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // A file without a name: nobody sees it, and it is gone however this ends.
    let file = openat(directory, ".", flags, Mode::RUSR | Mode::WUSR)?;
    fallocate(file, FallocateFlags::empty(), 0, bytes)
}

/// The same for the directory that this file lies in.
#[must_use]
pub fn obstacle_beside(file: &Path) -> Option<io::Error> {
    obstacle(directory_of(file)?)
}

/// Whether there is room for others, now that what was written by one who found none is gone. Only if the filesystem says so.
#[must_use]
pub fn is_back_beside(file: &Path) -> bool {
    directory_of(file).is_some_and(|directory| take(directory, ROOM_BACK_BYTES_MIN).is_ok())
}

/// Whether less than so many bytes are free beside this file, or its filesystem doesn't say.
#[must_use]
pub fn is_short_beside(file: &Path, bytes: u64) -> bool {
    let found = file.parent().and_then(|directory| statfs(directory).ok());
    found.is_none_or(|found| found.f_bavail.saturating_mul(found.f_bsize.cast_unsigned()) < bytes)
}

fn directory_of(file: &Path) -> Option<OwnedFd> {
    rustix::fs::open(file.parent()?, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Whether a user has no room in this directory, by what the filesystem says of itself, if it does. Writes nothing and knows no
/// quota.
#[must_use]
pub fn is_full(directory: &Path, for_root: bool) -> bool {
    statfs(directory).is_ok_and(|found| found.f_blocks > 0 && !is_left(&found, for_root))
}

fn is_left(found: &StatFs, for_root: bool) -> bool {
    let kept = if found.f_type == EXT4 { (found.f_blocks / EXT4_KEEPS_ONE_IN).min(EXT4_KEEPS_BLOCKS_MAX) } else { 0 };
    // The last few percent are root's.
    let blocks = if for_root { found.f_bfree.saturating_sub(kept) } else { found.f_bavail };
    // Some filesystems make inodes as they go, and say that there are none.
    let inodes = found.f_files == 0 || found.f_ffree > 0;
    inodes && blocks.saturating_mul(found.f_bsize.cast_unsigned()) >= ROOM_BYTES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By its counts alone it would be full: that is the control.
    #[test]
    fn a_filesystem_that_reports_no_size_is_not_full() {
        let directory = Path::new("/proc");
        let found = statfs(directory).unwrap();
        assert!(found.f_blocks == 0 && !is_left(&found, true) && !is_left(&found, false));
        assert!(!is_full(directory, true) && !is_full(directory, false));
    }
}
