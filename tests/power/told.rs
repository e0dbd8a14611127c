//! What was told before the power cut, by uploaders and by the daemon, and whether it is true after it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use super::log::{Entry, Life};
use super::work::Upload;
use crate::crash::books::{Kind, Problem};
use crate::crash::load::{Dropped, List};
use crate::crash::site::{ROWS, Site, WORK};

/// What an upload that is not done ends with.
const PART: &str = "part";

/// All of it, over several lives.
#[derive(Debug, Clone, Default)]
pub struct Told {
    said: Vec<Value>,
    uploaded: Vec<usize>,
}

impl Told {
    /// Goes on with what was told in a life up to a position.
    pub fn and(&self, life: &Life, position: usize) -> Self {
        let mut told = self.clone();
        for entry in &life.log[..position] {
            match entry {
                Entry::Said(record) if record["event"].is_string() => told.said.push(record.clone()),
                Entry::Uploaded(number) => told.uploaded.push(*number),
                _ => {}
            }
        }
        told
    }

    /// Before anybody mends anything: what was said to be committed, archived, quarantined or deferred is so.
    pub fn problems_before_recovery(&self, site: &Site) -> Vec<Problem> {
        let copies = tempfile::tempdir().expect("a temporary directory");
        let ledger = copy(site, "ledger.db", copies.path());
        let target = copy(site, "rows.db", copies.path());
        let mut problems = Vec::new();
        for record in &self.said {
            let says = |event: &str, folder: &str| record["event"] == event && record["folder"] == folder;
            let is_so = if says("file.committed", ROWS) {
                is_in_target(target.as_ref(), record)
            } else if says("file.committed", WORK) {
                let state = state(ledger.as_ref(), record);
                matches!(state.as_deref(), Some("committed" | "archived"))
            } else if record["event"] == "file.deferred" {
                state(ledger.as_ref(), record).is_some()
            } else if record["event"] == "file.archived" {
                lies_there(site, record, "")
            } else if record["event"] == "file.quarantined" {
                lies_there(site, record, "") && lies_there(site, record, ".reason.txt")
            } else {
                true
            };
            if !is_so {
                let text = format!("it was said before the power cut and is not so after it: {record}");
                problems.push(Problem { kind: Kind::Lost, text });
            }
        }
        problems
    }

    /// When all is done: a number means the file that it meant when it was said, and what was committed under it
    /// still is.
    pub fn problems_after_recovery(&self, site: &Site) -> Vec<Problem> {
        let ledger = site.database("ledger.db");
        let target = site.database("rows.db");
        let mut problems = Vec::new();
        for record in self.said.iter().filter(|record| record["file_id"].is_i64()) {
            let entry: Option<(String, String)> = ledger
                .query_row("SELECT name, state FROM file WHERE id = ?", [id(record)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
                .expect("the ledger");
            let committed = record["event"] == "file.committed";
            let is_so = match &entry {
                None => !committed,
                Some((name, state)) => is_name_of(name, record) && (!committed || state == "archived"),
            };
            let is_in = !committed || record["folder"] != ROWS || is_in_target(Some(&target), record);
            if !is_so || !is_in {
                let text =
                    format!("it was said before the power cut, and in the end the ledger says {entry:?}: {record}");
                problems.push(Problem { kind: Kind::Disagrees, text });
            }
        }
        problems
    }

    /// What must have become of which content: what was uploaded durably is there; of what was not, as much as
    /// the power cut has left.
    pub fn list(&self, site: &Site, uploads: &[Upload]) -> List {
        let mut found = HashMap::<Vec<u8>, usize>::new();
        for folder in [ROWS, WORK] {
            for directory in ["inbox", "active", "archive", "quarantine"] {
                let files = crate::harness::files(&site.directory(folder, directory));
                for file in files.iter().filter(|file| file.extension().is_none_or(|ending| ending != PART)) {
                    *found.entry(fs::read(file).expect("read a file")).or_default() += 1;
                }
            }
        }
        let mut list = List::new();
        for upload in uploads {
            let copies = |durable: bool| {
                let same = uploads.iter().enumerate().filter(|(_, other)| other.content == upload.content);
                same.filter(|(number, _)| !durable || self.uploaded.contains(number)).count()
            };
            let found = found.get(&upload.content).copied().unwrap_or_default();
            let copies = found.clamp(copies(true), copies(false));
            if copies > 0 {
                let dropped = Dropped { folder: upload.folder, fate: upload.fate.clone(), copies };
                list.insert(upload.content.clone(), dropped);
            }
        }
        list
    }
}

/// Put back beside another file of its name, it has a number in its name.
fn is_name_of(name: &str, record: &Value) -> bool {
    let stem = |name: &str| name.split(['~', '.']).next().map(str::to_owned);
    stem(name) == record["file"].as_str().and_then(stem)
}

fn id(record: &Value) -> i64 {
    record["file_id"].as_i64().expect("a number")
}

/// A database as it lies there: opening it would mend it.
fn copy(site: &Site, name: &str, to: &Path) -> Option<Connection> {
    // It may be a link; its log lies beside what it leads to.
    let file = fs::canonicalize(site.state().join(name)).ok()?;
    fs::copy(&file, to.join(name)).expect("copy a database");
    let log = file.with_extension("db-wal");
    if log.exists() {
        fs::copy(log, to.join(format!("{name}-wal"))).expect("copy its log");
    }
    Some(Connection::open(to.join(name)).expect("open a copy"))
}

fn state(ledger: Option<&Connection>, record: &Value) -> Option<String> {
    let query = "SELECT state FROM file WHERE id = ?";
    ledger?.query_row(query, [id(record)], |row| row.get(0)).optional().ok().flatten()
}

/// The load marker, and as many rows as it says and was said.
fn is_in_target(target: Option<&Connection>, record: &Value) -> bool {
    let query = "SELECT rows, (SELECT count(*) FROM rows WHERE _file_id = ?1) FROM _importerd_files WHERE id = ?1";
    let found: Option<(i64, i64)> =
        target.and_then(|target| target.query_row(query, [id(record)], |row| Ok((row.get(0)?, row.get(1)?))).ok());
    found.is_some_and(|(marked, there)| marked == there && record["rows"] == marked)
}

fn lies_there(site: &Site, record: &Value, suffix: &str) -> bool {
    let folder = record["folder"].as_str().expect("a folder");
    let Some(place) = record["moved_to"].as_str() else { return true };
    fs::metadata(site.directory(folder, &format!("{place}{suffix}"))).is_ok_and(|file| file.len() > 0)
}
