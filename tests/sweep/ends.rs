//! How each system call may end other than well, on the filesystems and kernels that the daemon runs on.

use nix::errno::Errno;

use crate::tracer::{Change, Hit};

fn ends(hit: &Hit) -> Vec<Change> {
    use Errno::{EACCES, EAGAIN, EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOLCK, ENOMEM, ENOSPC, EROFS};
    let errors: &[Errno] = match hit.call {
        // Of the runtime, to itself: they can't fail.
        "read" | "write" if hit.target.starts_with("anon_inode:") || hit.target.starts_with("socket:") => &[],
        "read" if hit.target.starts_with("pipe:") => &[EINTR],
        "read" | "pread64" => &[EIO, EINTR],
        "write" | "pwrite64" | "writev" | "pwritev" => &[ENOSPC, EIO, EDQUOT, EINTR],
        "fsync" | "fdatasync" | "syncfs" => &[EIO, ENOSPC, EDQUOT],
        "ftruncate" | "fallocate" => &[EIO, ENOSPC, EINTR],
        "openat O_CREAT" => &[ENOSPC, EROFS, EMFILE, EIO, EACCES, EDQUOT, EINTR, ENFILE],
        // A listing is opened by the C library, which doesn't repeat: of the settings before anything is done, and of
        // what can't be interrupted.
        "openat" if hit.target.ends_with(".toml.d") || hit.target.ends_with("/proc") => &[EMFILE, EIO, EACCES, ENFILE],
        "open" | "openat" | "openat2" => &[EMFILE, EIO, EACCES, ENFILE, ENOMEM, EINTR],
        "rename" | "renameat" | "renameat2" | "link" | "linkat" | "symlink" | "symlinkat" | "mkdir" | "mkdirat" => {
            &[ENOSPC, EROFS, EIO, EACCES, EDQUOT, ENOMEM]
        }
        "unlink" | "unlinkat" | "rmdir" | "chmod" | "fchmod" | "fchmodat" | "fchown" | "utimensat" => {
            &[EIO, EROFS, EACCES]
        }
        // What was locked can always be unlocked.
        "fcntl F_SETLK" if hit.target.ends_with("unlock") => &[],
        "fcntl F_SETLK" => &[EAGAIN, ENOLCK],
        "flock" => &[ENOLCK, EINTR],
        "fcntl F_SETLEASE" => &[EAGAIN, ENOLCK, ENOMEM],
        "clone" | "clone3" | "fork" | "vfork" => &[EAGAIN, ENOMEM],
        "execve" => &[EAGAIN, ENOMEM, EIO],
        "wait4" | "waitid" | "epoll_wait" | "poll" => &[EINTR],
        "ppoll" => &[EINTR, ENOMEM],
        "getdents64" | "stat" | "lstat" | "fstat" | "fstatfs" | "statx" | "newfstatat" | "chdir" => {
            &[EIO, EACCES, ENOMEM]
        }
        "inotify_add_watch" | "epoll_ctl" => &[ENOSPC, ENOMEM],
        "inotify_init1"
        | "epoll_create1"
        | "pipe2"
        | "eventfd2"
        | "socketpair"
        | "pidfd_open"
        | "dup"
        | "dup3"
        | "fcntl F_DUPFD_CLOEXEC" => &[EMFILE, ENFILE, ENOMEM],
        _ => &[],
    };
    let is_file = hit.target.starts_with('/');
    let halves = is_file && ["read", "pread64", "write", "pwrite64"].contains(&hit.call);
    errors.iter().map(|error| Change::Fail(*error)).chain(halves.then_some(Change::Halve)).collect()
}

/// The end of that number, counted round and round. `None`: it can end no other way.
pub fn choose(hit: &Hit, which: u64) -> Option<Change> {
    let ends = ends(hit);
    let at = usize::try_from(which % (ends.len().max(1) as u64)).ok()?;
    ends.get(at).copied()
}
