//! A folder `orders` that imports into a database of the test's own, of either kind.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use importerd::fault::Fault;
use importerd::file::{FileId, Identity};
use importerd::import::{Import, Load, Outcome, Place, Target, Targets};
use importerd::settings::{self, Duplicates};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::harness::postgres::Server;

/// The database, and a folder that imports into it.
pub struct Bench {
    directory: tempfile::TempDir,
    /// `None`: SQLite.
    server: Option<Server>,
    place: Place,
    pub target: Arc<dyn Target>,
    pub import: Import,
    files: AtomicI64,
}

impl Bench {
    /// A SQLite file.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = Place::Sqlite(directory.path().join("rows.db"));
        Self::of(directory, None, place)
    }

    /// A PostgreSQL server. `None`, and says so: there is none.
    pub fn postgresql() -> Option<Self> {
        let server = Server::start()?;
        let address = settings::postgres::Address::parse(&server.url()).expect("an address");
        let directory = tempfile::tempdir().expect("a temporary directory");
        Some(Self::of(directory, Some(server), Place::Postgres(Box::new(address))))
    }

    fn of(directory: tempfile::TempDir, server: Option<Server>, place: Place) -> Self {
        let target = Targets::default().open(&place).expect("open the database");
        let import = folder("orders", "orders", &target);
        Self { directory, server, place, target, import, files: AtomicI64::new(0) }
    }

    /// The same folder, where so many rows that don't fit are left out.
    pub fn tolerating(&self, rows: u64) -> Import {
        let rejects = settings::Tolerance::Rows(rows);
        self.reading(&settings::Import { rejects, ..settings::Import::into_table("orders") })
    }

    /// The same folder, with these settings.
    pub fn reading(&self, settings: &settings::Import) -> Import {
        Import::new("orders", settings, Arc::clone(&self.target)).expect("a folder")
    }

    /// Opened anew, as after a restart.
    pub fn again(&self) -> Import {
        folder("orders", "orders", &Targets::default().open(&self.place).expect("open the database"))
    }

    /// The place, for somebody who only looks.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Another program's statements; both kinds understand the same ones.
    pub fn sql(&self, sql: &str) {
        match &self.server {
            Some(server) => drop(server.sql(sql)),
            None => self.connection().execute_batch(sql).expect(sql),
        }
    }

    /// What a query answers, every row as one text: `1|bolt|NULL`.
    pub fn rows(&self, query: &str) -> Vec<String> {
        if let Some(server) = &self.server {
            return server.sql(query).lines().map(str::to_owned).collect();
        }
        let connection = self.connection();
        let mut statement = connection.prepare(query).expect(query);
        let columns = statement.column_count();
        let rows = statement.query_map((), |row| {
            let cells: Vec<String> = (0..columns).map(|at| row.get(at).map(shown)).collect::<Result<_, _>>()?;
            Ok(cells.join("|"))
        });
        rows.expect(query).map(|row| row.expect(query)).collect()
    }

    fn connection(&self) -> Connection {
        Connection::open(self.directory.path().join("rows.db")).expect("open rows.db")
    }

    /// A file with the next number, processed.
    pub fn load(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Result<Load, Fault> {
        self.load_for(&self.import, name, content)
    }

    /// The same, for another folder.
    pub fn load_for(&self, import: &Import, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Result<Load, Fault> {
        let id = self.files.fetch_add(1, Ordering::SeqCst) + 1;
        let path: PathBuf = self.directory.path().join(format!("{id}.file"));
        std::fs::write(&path, content).expect("write a file");
        let file = File::open(&path).expect("open it");
        let name = name.as_ref().to_owned();
        let checked = import.process(&file, &name)?;
        let identity = identity(&file);
        let duplicates = Duplicates::ByContent;
        Ok(Load { id: FileId(id), name, identity, file: file.into(), checked, duplicates, replaces: None })
    }

    /// One file through both stages, alone.
    pub fn import(&self, name: &str, content: impl AsRef<[u8]>) -> Outcome {
        let load = self.load(name, content).expect("it can be processed");
        self.commit(&[load]).remove(0)
    }

    /// Commits a batch.
    pub fn commit(&self, loads: &[Load]) -> Vec<Outcome> {
        self.import.commit(loads).expect("the world is well")
    }

    /// How the file is refused, in either stage.
    pub fn refused(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        match self.load(name, content).and_then(|load| Ok(self.import.commit(&[load])?.remove(0))) {
            Err(fault @ Fault::Permanent(_)) | Ok(Outcome::Refused(fault @ Fault::Permanent(_))) => fault.to_string(),
            other => panic!("{name} is not refused: {other:?}"),
        }
    }
}

/// A folder that imports into this table.
pub fn folder(name: &str, table: &str, target: &Arc<dyn Target>) -> Import {
    Import::new(name, &settings::Import::into_table(table), Arc::clone(target)).expect("a folder")
}

fn identity(file: &File) -> Identity {
    let metadata = file.metadata().expect("its metadata");
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        born_ns: 7,
        size: metadata.len(),
        mtime_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
    }
}

fn shown(value: Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    }
}
