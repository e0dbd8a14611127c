//! The books: what lies where, and what came of it, seen from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::life::inode;

/// Where the dropped files lie: by inode, each place that it is found in.
pub fn census(folder: &Path) -> BTreeMap<u64, Vec<PathBuf>> {
    let mut found = BTreeMap::<u64, Vec<PathBuf>>::new();
    for path in ["inbox", "active", "archive", "quarantine"].iter().flat_map(|below| files_below(&folder.join(below))) {
        found.entry(inode(&path)).or_default().push(path);
    }
    found
}

/// Files at any depth, in order; without what is ours.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with(".reason.txt") {
            continue;
        }
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// How often the rows of each key are there. They carry as many numbers as there are of them.
pub fn rows(root: &Path) -> Result<BTreeMap<i64, i64>, String> {
    let target = Connection::open(root.join("importerd.db")).expect("open the target");
    let Ok(mut query) = target.prepare("SELECT id, count(*), count(DISTINCT _file_id) FROM rows GROUP BY id") else {
        return Ok(BTreeMap::new());
    };
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("the rows");
    let rows: Vec<(i64, i64, i64)> = rows.map(|row| row.expect("numbers")).collect();
    let unmarked = "SELECT count(*) FROM rows WHERE _file_id NOT IN (SELECT id FROM _importerd_files)";
    let unmarked: i64 = target.query_row(unmarked, [], |row| row.get(0)).expect("a count");
    if unmarked > 0 || rows.iter().any(|(_, count, numbers)| count != numbers) {
        return Err(format!("{unmarked} rows have no load marker; key, rows, numbers: {rows:?}"));
    }
    Ok(rows.into_iter().map(|(key, count, _)| (key, count)).collect())
}

/// How often the results of each key are there: what was printed and what was made, as often the one as the other.
pub fn results(root: &Path) -> Result<BTreeMap<i64, i64>, String> {
    let (mut printed, mut made) = (BTreeMap::new(), BTreeMap::new());
    for path in files_below(&root.join("drop/results")) {
        let text = fs::read_to_string(&path).expect("read a result");
        let key: i64 = text.trim().parse().map_err(|_| format!("{} is half: {text:?}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let counts = if name.starts_with("made") { &mut made } else { &mut printed };
        *counts.entry(key).or_default() += 1;
    }
    if printed == made { Ok(made) } else { Err(format!("printed {printed:?}, made {made:?}")) }
}
