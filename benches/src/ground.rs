//! A run's own directory: an inbox, and where files and results go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::IFlags;

use crate::workload::write_small;

/// Numbers the directories.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// It stays until the stage is over.
pub struct Ground {
    root: PathBuf,
}

impl Ground {
    /// An empty one below this directory.
    pub fn new(below: &Path, name: &str) -> io::Result<Self> {
        let name = name.replace(|letter: char| !letter.is_alphanumeric(), "-");
        let root = below.join(format!("{}-{name}", NEXT.fetch_add(1, Ordering::Relaxed)));
        for directory in ["inbox", "active", "archive", "quarantine", "results", "stage", "state"] {
            fs::create_dir_all(root.join(directory))?;
        }
        Ok(Self { root })
    }

    /// One with so many small files waiting, all of them on the disk.
    pub fn with_backlog(below: &Path, name: &str, files: usize) -> io::Result<Self> {
        let ground = Self::new(below, name)?;
        write_small(&ground.inbox(), files)?;
        ground.settle()?;
        Ok(ground)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn inbox(&self) -> PathBuf {
        self.root.join("inbox")
    }

    pub fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// Where rows go.
    pub fn database(&self) -> PathBuf {
        self.root.join("state/rows.db")
    }

    /// Where a program's output goes, to be shown when it fails.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Nothing that was written before, or removed, is left to be done during the measurement.
    pub fn settle(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(&self.root)?)?)
    }

    /// The last lines of the log.
    pub fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// Where all runs of a stage have their directories; removed when it is dropped.
///
/// Not sooner: ext4 gives the place of a file that was just removed only to one that is made a minute later, and looks at each such place
/// while it seeks another; who comes after a removal would pay for it.
pub struct Runs {
    directory: PathBuf,
}

impl Runs {
    /// A place for those of this process. What a process left that was killed goes.
    pub fn below(directory: &Path) -> PathBuf {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix("runs-"));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        directory.join(format!("runs-{}", std::process::id()))
    }

    pub fn make(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        // For the same reason, ext4 is asked to put each run elsewhere on the disk; other filesystems don't know of it.
        let _ = rustix::fs::ioctl_setflags(fs::File::open(directory)?, IFlags::TOPDIR);
        Ok(Self { directory: directory.to_owned() })
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// All files below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
    found
}
