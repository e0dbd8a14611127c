//! Files through both stages of an import, in this process, one table each; and what Python's readers make of them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use importerd::fault::Fault;
use importerd::file::{FileId, Identity};
use importerd::import::{Import, Load, Outcome, Place, Target, Targets};
use importerd::settings::{self, Csv, Duplicates, Format};
use rusqlite::Connection;
use serde_json::json;

/// What is declared of a file: `delimiter=; header=false encoding=latin1`.
pub type Declared = BTreeMap<String, String>;

/// Takes such a text apart.
pub fn declared(text: &str) -> Declared {
    let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.split_whitespace().filter_map(pair).collect()
}

/// The settings that say the same.
pub fn settings(table: &str, declared: &Declared) -> settings::Import {
    let byte = |key: &str| declared.get(key).map(|value| if value == "tab" { b'\t' } else { value.as_bytes()[0] });
    let quote = match declared.get("quote").map(String::as_str) {
        Some("none") => None,
        Some(_) => byte("quote"),
        None => Some(b'"'),
    };
    settings::Import {
        format: declared.get("format").map(|format| match format.as_str() {
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "ndjson" => Format::Ndjson,
            "json" => Format::Json,
            other => panic!("no format {other}"),
        }),
        csv: Csv {
            delimiter: byte("delimiter"),
            quote,
            escape: byte("escape"),
            comment: byte("comment"),
            header: declared.get("header").is_none_or(|value| value == "true"),
        },
        encoding: declared.get("encoding").cloned(),
        records: declared.get("records").cloned().unwrap_or_default(),
        ..settings::Import::into_table(table)
    }
}

/// A database, and every file that was put into it.
pub struct Loader {
    directory: tempfile::TempDir,
    target: Arc<dyn Target>,
    files: i64,
    loaded: Vec<serde_json::Value>,
}

impl Loader {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = Place::Sqlite(directory.path().join("rows.db"));
        Self::of(directory, &place)
    }

    /// With a database of somebody else's.
    pub fn into(place: &Place) -> Self {
        Self::of(tempfile::tempdir().expect("a temporary directory"), place)
    }

    fn of(directory: tempfile::TempDir, place: &Place) -> Self {
        let target = Targets::default().open(place).expect("open a database");
        Self { directory, target, files: 0, loaded: Vec::new() }
    }

    /// How many files were loaded.
    pub fn loaded(&self) -> usize {
        self.loaded.len()
    }

    /// How many files there were, also such as were refused: the number of the last one's table.
    pub fn files(&self) -> i64 {
        self.files
    }

    /// How many rows it had, or why it was refused. It has a table of its own.
    pub fn load(&mut self, name: &str, content: &[u8], declared: &Declared) -> Result<u64, String> {
        self.load_into(&format!("t{}", self.files + 1), name, content, declared)
    }

    /// The same, into this table.
    pub fn load_into(&mut self, table: &str, name: &str, content: &[u8], declared: &Declared) -> Result<u64, String> {
        self.files += 1;
        let path = self.path(self.files);
        fs::write(&path, content).expect("write a file");
        let rows = self.import(name, &path, table, declared).map_err(|fault| match fault {
            Fault::Permanent(reason) => reason.to_string(),
            other => panic!("{name}: the file is not at fault: {other}"),
        })?;
        let file = json!({ "name": name, "path": path, "table": table, "rows": rows, "declared": declared });
        self.loaded.push(file);
        Ok(rows)
    }

    fn path(&self, number: i64) -> PathBuf {
        self.directory.path().join(format!("{number}.file"))
    }

    fn import(&self, name: &str, path: &Path, table: &str, declared: &Declared) -> Result<u64, Fault> {
        let import = Import::new("drop", &settings(table, declared), Arc::clone(&self.target))?;
        let file = File::open(path).expect("open a file");
        let metadata = file.metadata().expect("its metadata");
        let identity = Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            born_ns: 0,
            size: metadata.len(),
            mtime_ns: metadata.mtime_nsec(),
        };
        let name = OsStr::new(name);
        let checked = import.process(&file, name)?;
        let id = FileId(self.files);
        let load = Load {
            id,
            name: name.to_owned(),
            identity,
            file: file.into(),
            checked,
            duplicates: Duplicates::Allow,
            replaces: None,
        };
        match import.commit(&[load])?.remove(0) {
            Outcome::Loaded { rows, .. } | Outcome::Replaced { rows, .. } => Ok(rows),
            Outcome::Refused(fault) => Err(fault),
            Outcome::Duplicate { of } => panic!("a duplicate of {of:?}"),
        }
    }

    /// The rows' database.
    pub fn rows(&self) -> Connection {
        Connection::open(self.directory.path().join("rows.db")).expect("open rows.db")
    }

    /// What Python's readers see otherwise in the files that were loaded, a line each; nothing where they agree.
    pub fn disagreements(&self) -> Vec<String> {
        let list = self.directory.path().join("loaded.json");
        fs::write(&list, serde_json::to_vec(&self.loaded).expect("as JSON")).expect("write the list");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/reread.py");
        let mut python = Command::new("python3");
        let output = python.arg(script).arg(&list).arg(self.directory.path().join("rows.db")).output();
        let output = output.expect("run python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
    }
}
