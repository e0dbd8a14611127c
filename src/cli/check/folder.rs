//! One folder: its directories, its filesystem, what the kernel can say of its files, and what lies in its inbox.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, inotify, statx};
use rustix::io::Errno;

use super::super::shell::quoted;
use super::super::status::left_alone;
use super::super::surroundings::{Daemon, filter};
use super::checklist::Section;
use super::rights::{self, Usable};
use super::work;
use crate::exit;
use crate::folder::directory::open_directory;
use crate::folder::lease::{self, Lease};
use crate::folder::places::{BRING_BACK, LOCK, with_pid};
use crate::folder::remembered::{self, Remembered};
use crate::folder::survey::survey;
use crate::folder::{lock, watch};
use crate::ledger::history::History;
use crate::settings::{Directories, Folder, Settings};

/// The bit of `CAP_LEASE` in the capabilities of a process: capability(7).
const CAP_LEASE: u32 = 28;

/// All that is checked of a folder.
pub fn section(settings: &Settings, folder: &Folder, directories: &Directories, daemon: Daemon) -> Section {
    let mut section = Section::new(format!("folder {}  {}", folder.name, folder.path.display()));
    if is_missed(folder, directories) {
        let text =
            format!("{} is gone: the folder is held until it is back, and nothing is made", folder.inbox.display());
        section.fail(exit::UNAVAILABLE, text, Some(BRING_BACK.to_owned()));
        work::check(settings, folder, directories, &mut section);
        return section;
    }
    let active = folder.path.join("active");
    let [inbox_usable, active_usable, ..] = rights_of_all(folder, &directories.state, &mut section);
    filesystem(folder, &mut section);
    super::of_room(&folder.path, &directories.state, &mut section);
    if active_usable == Usable::Now {
        leases(&active, folder, &mut section);
        remembered(&active, &mut section);
        holder(&active, daemon, &mut section);
    }
    if inbox_usable == Usable::Now {
        events(&folder.inbox, &mut section);
    }
    inbox(folder, &mut section);
    work::check(settings, folder, directories, &mut section);
    section
}

/// fault 13: it was in use before, and isn't there now; so a daemon doesn't make it.
fn is_missed(folder: &Folder, directories: &Directories) -> bool {
    let (_, missing) = rights::nearest(&folder.inbox);
    let was_watched = |history: History| history.has_watched(&folder.name, &folder.inbox).unwrap_or_default();
    // That the ledger can't be read is said of the state directory.
    missing && History::open(&directories.state).ok().flatten().is_some_and(was_watched)
}

/// The same order as [`five`].
fn rights_of_all(folder: &Folder, state: &Path, section: &mut Section) -> [Usable; 5] {
    let names = five(folder).map(|(name, _)| name);
    let usable = five(folder).map(|(name, path)| rights::directory(&path, state, section, name));
    for (which, verdict) in [(Usable::Now, "readable and writable"), (Usable::Later, "made")] {
        let which: Vec<_> = names.iter().zip(usable).filter(|(_, is)| *is == which).map(|(name, _)| *name).collect();
        let verb = match (verdict, which.len()) {
            (_, 0) => continue,
            ("made", _) => "will be",
            (_, 1) => "is",
            _ => "are",
        };
        section.ok(format!("{} {verb} {verdict}", which.join(" ")));
    }
    usable
}

/// The directories, as they are called.
fn five(folder: &Folder) -> [(&'static str, PathBuf); 5] {
    let below = |name: &str| folder.path.join(name);
    [
        ("inbox/", folder.inbox.clone()),
        ("active/", below("active")),
        ("archive/", below("archive")),
        ("quarantine/", below("quarantine")),
        ("results/", below("results")),
    ]
}

/// fault 78
fn filesystem(folder: &Folder, section: &mut Section) {
    let mount = |path: &Path| {
        let (path, _) = rights::nearest(path);
        statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID | StatxFlags::BASIC_STATS)
            .ok()
            .map(|stat| (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_mnt_id))
    };
    let active = mount(&folder.path.join("active"));
    let others: Vec<_> =
        five(folder).into_iter().filter(|(_, path)| mount(path) != active).map(|(name, _)| name).collect();
    if others.is_empty() {
        return section.ok("all on one filesystem (every move is atomic)");
    }
    let text = format!("{} on another filesystem than active/", others.join(" "));
    section.fail(exit::CONFIG, text, Some("put all five directories on one filesystem".to_owned()));
}

/// Whether the kernel says when an upload is complete, tried on a file of our own.
fn leases(active: &Path, folder: &Folder, section: &mut Section) {
    let settle = humantime::format_duration(folder.settle);
    match try_lease(active) {
        Ok(Lease::Held) if has_cap_lease() => section.ok("leases: the kernel says when an upload is complete"),
        Ok(Lease::Held) => section.ok(format!(
            "leases: the kernel says when an upload of this user is complete; those of others must stay \
             unchanged for {settle}, or give the daemon CAP_LEASE"
        )),
        Ok(_) => section.warn(
            format!("no leases here: an upload counts as complete when it stays unchanged for {settle}"),
            Some(format!("let uploads end with a rename, or set folder.{}.settle", folder.name)),
        ),
        Err(error) => {
            let text = format!("a file in active/ can't be written: {error}");
            section.fail(rights::code(&error), text, Some("see df and the rights of that directory".to_owned()));
        }
    }
}

fn try_lease(active: &Path) -> io::Result<Lease> {
    // Hidden: recovery passes over it, should this process be killed here.
    let path = active.join(format!(".check-{}", std::process::id()));
    let answer = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(b"importerd check\n")?;
        drop(file);
        lease::ask(File::open(&path)?.as_fd())
    };
    let answer = answer();
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => answer,
    }
}

fn has_cap_lease() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> CAP_LEASE & 1 == 1)
}

/// What the daemon reads before it takes anything; another user's order may have left it unreadable.
fn remembered(active: &Path, section: &mut Section) {
    let Err(error) = open_directory(active).and_then(Remembered::read) else { return };
    let place = active.join(remembered::FILE_NAME);
    let user = rustix::process::geteuid().as_raw();
    let is_refused = error.kind() == io::ErrorKind::PermissionDenied;
    let fix = is_refused.then(|| format!("sudo chown {user} {}", quoted(&place)));
    section.fail(rights::code(&error), format!("{} can't be read: {error}", place.display()), fix);
}

fn holder(active: &Path, daemon: Daemon, section: &mut Section) {
    let Ok(directory) = open_directory(active) else { return };
    match (lock::holder(&directory, LOCK), daemon) {
        (None, _) => {}
        (Some(holder), Daemon::Running { pid, .. }) if holder == pid => section.ok("in use by the running daemon"),
        (Some(holder), _) => section.fail(
            exit::UNAVAILABLE,
            format!("in use by another importerd{}", with_pid(Some(holder).filter(|pid| *pid > 0))),
            Some(
                "a folder belongs to one daemon: name its state directory by --state-dir, or choose another folder"
                    .to_owned(),
            ),
        ),
    }
}

/// faults 10, 11
fn events(inbox: &Path, section: &mut Section) {
    if let Some(kind) = open_directory(inbox).ok().and_then(watch::silent_filesystem) {
        return section.warn(format!("{kind} gives no events of other machines: the inbox is read every 2 s"), None);
    }
    let watched = inotify::init(inotify::CreateFlags::CLOEXEC)
        .and_then(|inotify| inotify::add_watch(&inotify, inbox, inotify::WatchFlags::CREATE));
    let fix = |limit: &str| Some(format!("sudo sysctl fs.inotify.{limit}=524288"));
    let polled = "the inbox is read every 2 s instead";
    match watched {
        Ok(_) => section.ok("the inbox can be watched"),
        Err(Errno::NOSPC) => section.warn(format!("no inotify watch is left; {polled}"), fix("max_user_watches")),
        Err(Errno::MFILE) => section.warn(format!("no inotify instance is left; {polled}"), fix("max_user_instances")),
        Err(error) => section.warn(format!("no inotify watch: {error}; {polled}"), None),
    }
}

fn inbox(folder: &Folder, section: &mut Section) {
    let counted = filter(folder).and_then(|filter| survey(folder, &filter, &[]));
    match counted {
        Ok(survey) => left_alone(&survey).into_iter().for_each(|text| section.warn(text, None)),
        Err(reason) => section.fail_for(&reason, "importerd"),
    }
}
