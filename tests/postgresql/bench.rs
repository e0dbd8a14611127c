//! A folder that imports into a table of a server of the test's own, in this process.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use importerd::fault::{Fault, Reason};
use importerd::file::{FileId, Identity};
use importerd::import::{Import, Load, Outcome, Place, Target, Targets};
use importerd::settings::postgres::Address;
use importerd::settings::{self, Duplicates};

pub struct Bench {
    directory: tempfile::TempDir,
    pub import: Import,
    target: Arc<dyn Target>,
    files: AtomicI64,
}

impl Bench {
    /// Into the table `orders`.
    pub fn at(url: &str) -> Self {
        Self::into(url, "orders")
    }

    pub fn into(url: &str, table: &str) -> Self {
        Self::with(Address::parse(url).expect("an address"), table)
    }

    /// Into the table `orders`, which gets the columns that it lacks.
    pub fn adding(url: &str) -> Self {
        Self::adding_to(url, "orders")
    }

    pub fn adding_to(url: &str, table: &str) -> Self {
        let settings =
            settings::Import { new_columns: settings::NewColumns::Add, ..settings::Import::into_table(table) };
        Self::reading(&settings, Address::parse(url).expect("an address"))
    }

    pub fn with(address: Address, table: &str) -> Self {
        Self::reading(&settings::Import::into_table(table), address)
    }

    /// With these settings of the folder.
    pub fn reading(settings: &settings::Import, address: Address) -> Self {
        let target = Targets::default().open(&Place::Postgres(Box::new(address))).expect("nothing is asked yet");
        Self::of("orders", settings, target, 0)
    }

    /// Another folder of the same daemon, into this table; its files' numbers follow this one.
    pub fn beside(&self, folder: &str, table: &str, files: i64) -> Self {
        Self::of(folder, &settings::Import::into_table(table), Arc::clone(&self.target), files)
    }

    fn of(folder: &str, settings: &settings::Import, target: Arc<dyn Target>, files: i64) -> Self {
        let import = Import::new(folder, settings, Arc::clone(&target)).expect("a folder");
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, import, target, files: AtomicI64::new(files) }
    }

    /// A file with the next number, processed.
    pub fn load(&self, content: impl AsRef<[u8]>) -> Result<Load, Fault> {
        let id = self.files.fetch_add(1, Ordering::SeqCst) + 1;
        let (content, path) = (content.as_ref(), self.directory.path().join(id.to_string()));
        let name = OsStr::new(if content.starts_with(b"{") { "a.ndjson" } else { "a.csv" }).to_owned();
        std::fs::write(&path, content).expect("write a file");
        let file = File::open(&path).expect("open it");
        let checked = self.import.process(&file, &name)?;
        let metadata = file.metadata().expect("its metadata");
        let identity = Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            born_ns: 7,
            size: metadata.len(),
            mtime_ns: metadata.mtime_nsec(),
        };
        Ok(Load {
            id: FileId(id),
            name,
            identity,
            file: file.into(),
            checked,
            duplicates: Duplicates::Allow,
            replaces: None,
        })
    }

    /// One file through both stages, alone.
    pub fn import(&self, content: impl AsRef<[u8]>) -> Result<u64, Fault> {
        let load = self.load(content)?;
        match self.import.commit(&[load])?.remove(0) {
            Outcome::Loaded { rows, .. } => Ok(rows),
            Outcome::Refused(fault) => Err(fault),
            other => panic!("{other:?}"),
        }
    }

    /// Why the file is refused.
    pub fn refused(&self, content: impl AsRef<[u8]>) -> Reason {
        match self.import(content) {
            Err(Fault::Permanent(reason)) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Why the folder is held.
    pub fn held(&self, content: impl AsRef<[u8]>) -> Reason {
        match self.import(content) {
            Err(Fault::World(reason)) => reason,
            other => panic!("not held: {other:?}"),
        }
    }
}
