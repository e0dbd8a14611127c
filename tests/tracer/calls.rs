//! The system calls that can be made to count, and which of them change what others see.

use nix::libc::{self, user_regs_struct};

/// A system call that the tracer stops at.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub name: &'static str,
    pub number: i64,
    pub only: Only,
    pub about: About,
}

/// Which calls of a number count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    All,
    /// Those with any of these bits in the argument, counted from 0.
    AnyOf {
        argument: u32,
        bits: u32,
    },
    /// Those with this value of the argument.
    Equal {
        argument: u32,
        value: u32,
    },
}

/// What a call is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Nothing,
    /// Its first argument is a descriptor.
    Descriptor,
    /// Its first argument is a path.
    Path,
    /// Its first arguments are a directory's descriptor and a path.
    PathAt,
    /// Its first argument is a descriptor, its third says what is locked and how.
    Lock,
}

impl Call {
    /// Whether this is the call that a task is at.
    pub fn is(&self, registers: &user_regs_struct) -> bool {
        let argument = |number: u32| {
            let value = [registers.rdi, registers.rsi, registers.rdx][number as usize];
            u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
        };
        registers.orig_rax == self.number.cast_unsigned()
            && match self.only {
                Only::All => true,
                Only::AnyOf { argument: number, bits } => argument(number) & bits != 0,
                Only::Equal { argument: number, value } => argument(number) == value,
            }
    }

    /// What it returns when all is well and nothing needs to be made up: a write has written everything.
    pub fn result_of_success(&self, registers: &user_regs_struct) -> i64 {
        if [libc::SYS_write, libc::SYS_pwrite64].contains(&self.number) { registers.rdx.cast_signed() } else { 0 }
    }
}

const fn call(name: &'static str, number: i64, about: About) -> Call {
    Call { name, number, only: Only::All, about }
}

const fn making(call: Call, argument: u32) -> Call {
    let bits = (libc::O_CREAT | libc::O_TRUNC).cast_unsigned();
    Call { only: Only::AnyOf { argument, bits }, ..call }
}

macro_rules! calls {
    ($($about:ident: $($name:ident = $number:ident),+;)+) => {
        $($(const $name: Call = call(calls!(@name $number), libc::$number, About::$about);)+)+
    };
    (@name $number:ident) => { stringify!($number).split_at(4).1 };
}

calls! {
    Descriptor: READ = SYS_read, PREAD = SYS_pread64, WRITE = SYS_write, PWRITE = SYS_pwrite64, WRITEV = SYS_writev,
        PWRITEV = SYS_pwritev, FSYNC = SYS_fsync, FDATASYNC = SYS_fdatasync, SYNC_FILE_RANGE = SYS_sync_file_range,
        SYNCFS = SYS_syncfs, FTRUNCATE = SYS_ftruncate, FALLOCATE = SYS_fallocate, FCHMOD = SYS_fchmod,
        FCHOWN = SYS_fchown, FLOCK = SYS_flock, FCNTL = SYS_fcntl, COPY_FILE_RANGE = SYS_copy_file_range,
        SENDFILE = SYS_sendfile, GETDENTS = SYS_getdents64, FSTAT = SYS_fstat, FSTATFS = SYS_fstatfs,
        LSEEK = SYS_lseek, CLOSE = SYS_close, INOTIFY_ADD_WATCH = SYS_inotify_add_watch,
        EPOLL_WAIT = SYS_epoll_wait, EPOLL_CTL = SYS_epoll_ctl, SENDTO = SYS_sendto, SENDMSG = SYS_sendmsg,
        RECVFROM = SYS_recvfrom, PIDFD_SEND_SIGNAL = SYS_pidfd_send_signal;
    Path: OPEN = SYS_open, CREAT = SYS_creat, RENAME = SYS_rename, LINK = SYS_link, UNLINK = SYS_unlink,
        MKDIR = SYS_mkdir, RMDIR = SYS_rmdir, SYMLINK = SYS_symlink, CHMOD = SYS_chmod, TRUNCATE = SYS_truncate,
        EXECVE = SYS_execve, STAT = SYS_stat, LSTAT = SYS_lstat, READLINK = SYS_readlink, ACCESS = SYS_access,
        CHDIR = SYS_chdir;
    PathAt: OPENAT = SYS_openat, OPENAT2 = SYS_openat2, RENAMEAT = SYS_renameat, RENAMEAT2 = SYS_renameat2,
        LINKAT = SYS_linkat, UNLINKAT = SYS_unlinkat, MKDIRAT = SYS_mkdirat, SYMLINKAT = SYS_symlinkat,
        FCHMODAT = SYS_fchmodat, UTIMENSAT = SYS_utimensat, STATX = SYS_statx, NEWFSTATAT = SYS_newfstatat,
        READLINKAT = SYS_readlinkat;
    Nothing: CLONE = SYS_clone, CLONE3 = SYS_clone3, FORK = SYS_fork, VFORK = SYS_vfork, KILL = SYS_kill,
        WAIT4 = SYS_wait4, WAITID = SYS_waitid, EXIT_GROUP = SYS_exit_group, PIPE2 = SYS_pipe2,
        EVENTFD2 = SYS_eventfd2, INOTIFY_INIT1 = SYS_inotify_init1, EPOLL_CREATE1 = SYS_epoll_create1,
        POLL = SYS_poll, PPOLL = SYS_ppoll, SOCKETPAIR = SYS_socketpair, PIDFD_OPEN = SYS_pidfd_open,
        GETRANDOM = SYS_getrandom, DUP = SYS_dup, DUP3 = SYS_dup3;
}

const fn control(name: &'static str, command: i32) -> Call {
    Call { name, only: Only::Equal { argument: 1, value: command.cast_unsigned() }, ..FCNTL }
}

/// Taking or giving up a lease: what an uploader meets.
const LEASE: Call = control("fcntl F_SETLEASE", libc::F_SETLEASE);
const LOCK: Call = Call { about: About::Lock, ..control("fcntl F_SETLK", libc::F_SETLK) };
const DUPLICATE: Call = control("fcntl F_DUPFD_CLOEXEC", libc::F_DUPFD_CLOEXEC);
/// An open that makes its file, where it is not there.
const MAKING: Call = Call { name: "openat O_CREAT", ..making(OPENAT, 2) };

/// What changes something on disk, or what other processes see: between two of these nothing happens that a
/// death could leave half done.
pub const CHANGING: &[Call] = &[
    WRITE,
    PWRITE,
    WRITEV,
    PWRITEV,
    FSYNC,
    FDATASYNC,
    SYNC_FILE_RANGE,
    SYNCFS,
    FTRUNCATE,
    TRUNCATE,
    FALLOCATE,
    making(OPEN, 1),
    making(OPENAT, 2),
    OPENAT2,
    CREAT,
    RENAME,
    RENAMEAT,
    RENAMEAT2,
    LINK,
    LINKAT,
    UNLINK,
    UNLINKAT,
    RMDIR,
    MKDIR,
    MKDIRAT,
    SYMLINK,
    SYMLINKAT,
    CHMOD,
    FCHMOD,
    FCHMODAT,
    FCHOWN,
    UTIMENSAT,
    COPY_FILE_RANGE,
    SENDFILE,
    FLOCK,
    LEASE,
    CLONE,
    CLONE3,
    FORK,
    VFORK,
    EXECVE,
    KILL,
    PIDFD_SEND_SIGNAL,
    WAIT4,
    WAITID,
    EXIT_GROUP,
];

/// What can fail.
pub const FALLIBLE: &[Call] = &[
    READ,
    PREAD,
    WRITE,
    PWRITE,
    WRITEV,
    PWRITEV,
    FSYNC,
    FDATASYNC,
    SYNCFS,
    FTRUNCATE,
    FALLOCATE,
    OPEN,
    MAKING,
    OPENAT,
    OPENAT2,
    RENAME,
    RENAMEAT,
    RENAMEAT2,
    LINK,
    LINKAT,
    UNLINK,
    UNLINKAT,
    RMDIR,
    MKDIR,
    MKDIRAT,
    SYMLINK,
    SYMLINKAT,
    CHMOD,
    FCHMOD,
    FCHMODAT,
    FCHOWN,
    UTIMENSAT,
    COPY_FILE_RANGE,
    SENDFILE,
    FLOCK,
    LEASE,
    LOCK,
    DUPLICATE,
    CLONE,
    CLONE3,
    FORK,
    VFORK,
    EXECVE,
    PIDFD_SEND_SIGNAL,
    WAIT4,
    WAITID,
    GETDENTS,
    STAT,
    LSTAT,
    FSTAT,
    FSTATFS,
    STATX,
    NEWFSTATAT,
    LSEEK,
    CHDIR,
    INOTIFY_INIT1,
    INOTIFY_ADD_WATCH,
    EPOLL_CREATE1,
    EPOLL_CTL,
    EPOLL_WAIT,
    POLL,
    PPOLL,
    PIPE2,
    EVENTFD2,
    SOCKETPAIR,
    SENDTO,
    SENDMSG,
    PIDFD_OPEN,
    DUP,
    DUP3,
];

/// What makes data durable.
pub const FLUSHES: &[Call] = &[FSYNC, FDATASYNC, SYNCFS, SYNC_FILE_RANGE];

/// Every rename.
pub const RENAMES: &[Call] = &[RENAME, RENAMEAT, RENAMEAT2];

/// Every write but those of databases.
pub const WRITES: &[Call] = &[WRITE, WRITEV];

/// Every read.
pub const READS: &[Call] = &[READ, PREAD];
