//! Why a file in the inbox is not taken yet.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FileType, OFlags};

use super::super::shell::quoted;
use super::super::surroundings::{Daemon, Surroundings, detail, filter};
use super::super::when;
use crate::fault::Reason;
use crate::folder::lease::{self, Lease};
use crate::folder::name::Rule;
use crate::folder::survey::Lying;
use crate::ledger::Row;
use crate::settings::Folder;

/// What is in the way, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub text: String,
    pub next: String,
}

impl Obstacle {
    fn new(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { text: text.into(), next: next.into() }
    }
}

/// All that is in the way, the most lasting first. Empty: nothing is.
pub fn obstacles(surroundings: &Surroundings, folder: &Folder, file: &Lying) -> Result<Vec<Obstacle>, Reason> {
    let of_kind = of_place(folder, file).or_else(|| of_kind(folder, file));
    let of_name = filter(folder)?.rule_against(&file.name).map(|rule| of_name(folder, file, rule));
    let mut found: Vec<_> = of_kind.into_iter().collect();
    if file.kind != FileType::Directory {
        found.extend(of_name);
    }
    found.extend(of_folder(surroundings, folder)?);
    if found.is_empty() {
        found.extend(marker(folder, file));
        found.extend(of_content(folder, file));
    }
    Ok(found)
}

/// What keeps the folder from taking anything at all.
pub fn of_folder(surroundings: &Surroundings, folder: &Folder) -> Result<Option<Obstacle>, Reason> {
    if let Some((pause, resume)) = surroundings.ordered_pause(folder)? {
        let text = format!("the folder is paused {} since {}", pause.reason(), when::clock(pause.since));
        return Ok(Some(Obstacle::new(text, format!("to let it go on, type: {resume}"))));
    }
    if surroundings.daemon == Daemon::Stopped {
        let start = format!("start it, for instance: {}", surroundings.start());
        return Ok(Some(Obstacle::new("no daemon runs", start)));
    }
    Ok(surroundings.pause(folder)?.map(|event| {
        let reason = detail(&event, "reason").unwrap_or("no reason was told");
        let due = detail(&event, "retry_at").and_then(|at| at.parse().ok());
        let next = due.map(|at| format!("; next try in {}", when::until(at))).unwrap_or_default();
        Obstacle::new(format!("the folder is paused: {reason}{next}"), "correct that; the folder resumes by itself")
    }))
}

fn of_place(folder: &Folder, file: &Lying) -> Option<Obstacle> {
    let inbox = quoted(&folder.inbox);
    if file.kind == FileType::Directory {
        return Some(Obstacle::new(
            "it is a directory, and those are left alone",
            format!("move the files in it up into {inbox}"),
        ));
    }
    (file.path.parent() != Some(&folder.inbox)).then(|| {
        Obstacle::new(
            "it lies in a subdirectory of the inbox, and those are left alone",
            format!("move it up: mv {} {inbox}", quoted(&file.path)),
        )
    })
}

fn of_kind(folder: &Folder, file: &Lying) -> Option<Obstacle> {
    let inbox = folder.inbox.display();
    if file.kind != FileType::RegularFile {
        let text = "it is no regular file, and will be refused";
        return Some(Obstacle::new(text, format!("drop the file itself into {inbox}")));
    }
    (file.links > 1).then(|| {
        let text = format!("it has {} names (hard links), and will be refused", file.links);
        Obstacle::new(text, format!("copy or move it into {inbox} instead of linking it"))
    })
}

fn of_name(folder: &Folder, file: &Lying, rule: Rule) -> Obstacle {
    let setting = |key: &str| format!("rename it, or change folder.{}.{key} and restart the daemon", folder.name);
    let next = match rule {
        Rule::Hidden | Rule::Unfinished(_) => {
            format!("when it is complete, rename it: mv {} NAME", quoted(&file.path))
        }
        Rule::Marker => "nothing: it stays where it is".to_owned(),
        Rule::Ignored => setting("ignore"),
        Rule::Unmatched => setting("match"),
    };
    Obstacle::new(format!("its name is never taken: {rule}"), next)
}

/// What is in the way of another try, but for the time.
pub fn of_deferred(folder: &Folder, row: &Row, file: &Lying) -> Option<Obstacle> {
    let is_written_to = file.path.starts_with(&folder.inbox) && !file.identity.is_unchanged_since(&row.identity);
    let Obstacle { text, next } = marker(folder, file).filter(|_| is_written_to)?;
    Some(Obstacle::new(format!("it was written to since it was put off, and {text}"), next))
}

/// That the marker is missing which says that the file is complete. fault 20
pub fn marker(folder: &Folder, file: &Lying) -> Option<Obstacle> {
    let mut marked = file.path.clone().into_os_string();
    marked.push(folder.ready_marker.as_ref()?);
    let marked = Path::new(&marked);
    let name = crate::log::escape(marked.file_name().unwrap_or_default());
    let (text, next) = match marked.symlink_metadata() {
        Ok(lies) if !lies.is_dir() => return None,
        Ok(_) => (format!("{name} is a directory, and no marker"), format!("rmdir {}", quoted(marked))),
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
            ("the name of its marker would be too long".to_owned(), "drop it again under a shorter name".to_owned())
        }
        Err(_) => (format!("its marker {name} is missing"), format!("when it is complete: touch {}", quoted(marked))),
    };
    Some(Obstacle::new(text, next))
}

/// Whether somebody still writes to it, as far as the kernel says so to this user.
fn of_content(folder: &Folder, file: &Lying) -> Option<Obstacle> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(&file.path);
    let lease = match opened.and_then(|file| lease::ask(file.as_fd())) {
        Ok(lease) => lease,
        // fault 38
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            let next = format!("let the daemon's user read it, for instance: chmod a+r {}", quoted(&file.path));
            return Some(Obstacle::new(format!("user {user} can't read it: {error}"), next));
        }
        Err(_) => return None,
    };
    if lease == Lease::Writer {
        let next = format!("wait for the upload to end; to see whose it is, type: fuser -v {}", quoted(&file.path));
        return Some(Obstacle::new("somebody has it open for writing", next));
    }
    let unchanged = Timestamp::now().duration_since(file.since);
    let settle = SignedDuration::try_from(folder.settle).unwrap_or(SignedDuration::MAX);
    (lease == Lease::Unavailable && unchanged < settle).then(|| {
        let settle = humantime::format_duration(folder.settle);
        let text = format!("it changed {} ago, and must stay as it is for {settle}", when::age(file.since));
        Obstacle::new(text, "wait for the upload to end")
    })
}
