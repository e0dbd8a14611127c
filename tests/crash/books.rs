//! The books: what lies on disk, in the target and in the ledger, against what was dropped.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use importerd::run::Named;

use super::load::{Dropped, Fate, List, REJECT};
pub use super::problem::{Kind, Problem};
use super::site::{ROWS, Site, WORK};

/// What the ledger says of a file.
#[derive(Debug, Clone)]
struct Entry {
    id: i64,
    state: String,
    attempts: i64,
    place: Option<String>,
    results: Option<String>,
}

/// Files of one content, by where they lie.
#[derive(Debug, Default)]
struct Whereabouts {
    inbox: usize,
    archive: Vec<u64>,
    quarantine: Vec<u64>,
    active: usize,
}

/// Everything at a moment when the daemon has ended.
struct Books<'a> {
    site: &'a Site,
    list: &'a List,
    found: HashMap<(&'static str, Vec<u8>), Whereabouts>,
    problems: Vec<Problem>,
}

/// What is wrong after the daemon was killed, whatever it was doing: files that are lost, doubled or half.
pub fn problems_after_a_kill(site: &Site, list: &List) -> Vec<Problem> {
    let mut books = Books::read(site, list);
    books.every_file_is_somewhere();
    books.no_command_ran_twice_at_the_same_time();
    books.problems
}

/// What is wrong after the daemon has drained: every file is untouched in the inbox, or at its end with all
/// that belongs to it, and nothing is in between.
pub fn problems_after_a_drain(site: &Site, list: &List) -> Vec<Problem> {
    let mut books = Books::read(site, list);
    books.every_file_is_somewhere();
    books.no_command_ran_twice_at_the_same_time();
    books.nothing_is_in_between();
    let ledger = books.ledger();
    books.the_ledger_agrees(&ledger);
    books.rows_are_in_once(&ledger);
    books.results_are_there_once();
    books.results_are_where_the_ledger_says(&ledger);
    books.problems
}

impl<'a> Books<'a> {
    fn read(site: &'a Site, list: &'a List) -> Self {
        let mut books = Self { site, list, found: HashMap::new(), problems: Vec::new() };
        for folder in [ROWS, WORK] {
            for directory in ["inbox", "archive", "quarantine", "active"] {
                for (path, inode) in all_files(&site.directory(folder, directory)) {
                    books.enter(folder, directory, &path, inode);
                }
            }
        }
        books
    }

    fn enter(&mut self, folder: &'static str, directory: &str, path: &Path, inode: u64) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A command's results are none of the dropped files, and be they copies; one that the command moved there is.
        let is_result = path.components().any(|part| part.as_os_str() == ".staging") && !is_moved(path, inode);
        let ours = name == ".lock" || name.starts_with(".ledger");
        let stranger = name.ends_with(".reason.txt") || ours || is_result;
        if stranger {
            return;
        }
        let content = fs::read(path).expect("read a file");
        let found = self.found.entry((folder, content)).or_default();
        match directory {
            "inbox" => found.inbox += 1,
            "archive" => found.archive.push(inode),
            "quarantine" => found.quarantine.push(inode),
            _ => found.active += 1,
        }
    }

    fn says(&mut self, kind: Kind, text: String) {
        self.problems.push(Problem { kind, text });
    }

    fn every_file_is_somewhere(&mut self) {
        for (content, dropped) in self.list {
            let none = Whereabouts::default();
            let found = self.found.get(&(dropped.folder, content.clone())).unwrap_or(&none);
            let files = found.inbox + found.active + found.archive.len() + found.quarantine.len();
            let kind = match files.cmp(&dropped.copies) {
                Ordering::Less => Kind::Lost,
                Ordering::Greater => Kind::Doubled,
                Ordering::Equal => continue,
            };
            self.problems.push(Problem {
                kind,
                text: format!(
                    "{:?} was dropped {} times into {} and is there {files} times: {found:?}",
                    String::from_utf8_lossy(content),
                    dropped.copies,
                    dropped.folder
                ),
            });
        }
        for (folder, content) in self.found.keys().filter(|(_, content)| !self.list.contains_key(content)) {
            let is_part = self.list.keys().any(|whole| whole.starts_with(content));
            self.problems.push(Problem {
                kind: if is_part { Kind::Half } else { Kind::Disagrees },
                text: format!("{folder}: nobody dropped {:?}", String::from_utf8_lossy(content)),
            });
        }
    }

    fn no_command_ran_twice_at_the_same_time(&mut self) {
        if let Ok(twice) = fs::read_to_string(self.site.root().join("twice")) {
            self.says(Kind::Doubled, format!("a command ran twice at the same time: {twice}"));
        }
    }

    fn nothing_is_in_between(&mut self) {
        for folder in [ROWS, WORK] {
            let active = self.site.directory(folder, "active");
            for (path, _) in all_files(&active) {
                if path.file_name().is_some_and(|name| name != ".lock" && name != ".ledger") {
                    self.says(Kind::Half, format!("{} is left", path.display()));
                }
            }
            for staging in staging_directories(&active) {
                self.says(Kind::Half, format!("{} is left", staging.display()));
            }
        }
        for pid in self.site.commands_alive() {
            self.says(Kind::Half, format!("the command {pid} is still alive"));
        }
    }

    /// By folder and inode.
    fn ledger(&mut self) -> HashMap<(String, u64), Entry> {
        let ledger = self.site.database("ledger.db");
        let mut query =
            ledger.prepare("SELECT folder, inode, id, state, attempts, place, results FROM file").expect("a ledger");
        let entries = query.query_map([], |row| {
            let entry = Entry {
                id: row.get(2)?,
                state: row.get(3)?,
                attempts: row.get(4)?,
                place: row.get(5)?,
                results: row.get(6)?,
            };
            Ok(((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned()), entry))
        });
        let mut by_file = HashMap::new();
        for entry in entries.expect("the files of the ledger") {
            let (file, entry) = entry.expect("a file of the ledger");
            if let Some(other) = by_file.insert(file, entry.clone()) {
                self.says(Kind::Doubled, format!("the ledger has one file twice: {other:?} and {entry:?}"));
            }
        }
        by_file
    }

    fn the_ledger_agrees(&mut self, ledger: &HashMap<(String, u64), Entry>) {
        let mut at_end = 0;
        for folder in [ROWS, WORK] {
            for (directory, states) in [("archive", &["archived", "duplicate"][..]), ("quarantine", &["quarantined"])] {
                let root = self.site.root().join(folder);
                for (path, inode) in all_files(&root.join(directory)) {
                    if path.to_string_lossy().ends_with(".reason.txt") {
                        continue;
                    }
                    at_end += 1;
                    let place = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
                    match ledger.get(&(folder.to_owned(), inode)) {
                        Some(entry) => self.entry_agrees(entry, &place, states, &path),
                        None => self.says(Kind::Disagrees, format!("{folder}: {place} is not in the ledger")),
                    }
                }
            }
        }
        let waiting = ledger.values().filter(|entry| entry.state == "deferred").count();
        if at_end + waiting != ledger.len() {
            let unexplained = ledger.len() - waiting;
            self.says(
                Kind::Disagrees,
                format!("the ledger has {unexplained} files at their end, on disk are {at_end}"),
            );
        }
    }

    fn entry_agrees(&mut self, entry: &Entry, place: &str, states: &[&str], path: &Path) {
        if !states.contains(&&*entry.state) || entry.place.as_deref() != Some(place) {
            self.says(Kind::Disagrees, format!("{place}: the ledger says {entry:?}"));
        }
        let charged = i64::from(entry.state == "quarantined");
        if entry.attempts != charged {
            self.says(Kind::Disagrees, format!("{place}: {} attempts were charged", entry.attempts));
        }
        if entry.state == "quarantined" {
            self.reason_is_of(entry, place, path);
        }
    }

    fn reason_is_of(&mut self, entry: &Entry, place: &str, path: &Path) {
        let content = fs::read(path).expect("read a file");
        // That a good file was refused is told elsewhere.
        let Some(Dropped { fate: Fate::Refused(why), .. }) = self.list.get(&content) else { return };
        let mut reason = path.as_os_str().to_owned();
        reason.push(".reason.txt");
        let Ok(reason) = fs::read_to_string(PathBuf::from(reason)) else {
            return self.says(Kind::Lost, format!("{place}: it has no reason file"));
        };
        let of_it = format!("file #{}, attempt {}, code ", entry.id, entry.attempts);
        let kind = match (reason.contains(&of_it), reason.contains(why)) {
            (true, true) if reason.ends_with('\n') => return,
            (false, true) => Kind::Disagrees,
            _ => Kind::Half,
        };
        self.says(kind, format!("{place}: its reason file is not of this file: {reason}"));
    }

    fn rows_are_in_once(&mut self, ledger: &HashMap<(String, u64), Entry>) {
        let mut by_file = self.rows_by_file();
        let mut rejects_by_file = self.rejects_by_file();
        let mut problems = Vec::new();
        let mut says = |kind, text| problems.push(Problem { kind, text });
        for (content, dropped) in self.list {
            let Some(found) = self.found.get(&(dropped.folder, content.clone())) else { continue };
            let shown = String::from_utf8_lossy(content);
            let is_refused = matches!(dropped.fate, Fate::Refused(_));
            if !is_refused && !found.quarantine.is_empty() {
                says(Kind::Lost, format!("good {shown:?} was refused"));
            }
            if is_refused && !found.archive.is_empty() {
                says(Kind::Lost, format!("bad {shown:?} was taken"));
            }
            let entries = found.archive.iter().filter_map(|inode| ledger.get(&(dropped.folder.to_owned(), *inode)));
            let firsts: Vec<_> = entries.filter(|entry| entry.state == "archived").map(|entry| entry.id).collect();
            if found.archive.is_empty() {
                continue;
            }
            let [first] = firsts[..] else {
                let kind = if firsts.is_empty() { Kind::Disagrees } else { Kind::Doubled };
                says(kind, format!("{shown:?} was done {} times: {firsts:?}", firsts.len()));
                continue;
            };
            if let Fate::Rows(ids) = &dropped.fate {
                let rows = by_file.remove(&first).unwrap_or_default();
                if let Some(kind) = rows_are_wrong(&rows, ids) {
                    says(kind, format!("{shown:?} brought the rows {rows:?}"));
                }
                let rejects = rejects_by_file.remove(&first).unwrap_or_default();
                let kind = match rejects.cmp(&shown.matches(REJECT).count()) {
                    Ordering::Less => Kind::Lost,
                    Ordering::Greater => Kind::Doubled,
                    Ordering::Equal => continue,
                };
                says(kind, format!("{shown:?} brought {rejects} rejects"));
            }
        }
        for (file, rows) in by_file {
            says(Kind::Doubled, format!("rows of no archived file {file}: {rows:?}"));
        }
        for (file, rejects) in rejects_by_file {
            says(Kind::Doubled, format!("{rejects} rejects of no archived file {file}"));
        }
        self.problems.extend(problems);
    }

    /// The `id`s of the rows, by `_file_id`; both of the table and of the markers.
    fn rows_by_file(&mut self) -> BTreeMap<i64, Vec<i64>> {
        let target = self.site.database("rows.db");
        let mut by_file = BTreeMap::<i64, Vec<i64>>::new();
        let Ok(mut query) = target.prepare("SELECT _file_id, id FROM rows ORDER BY id, _file_id") else {
            return by_file;
        };
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        for row in rows {
            let (file, id) = row.expect("a row");
            by_file.entry(file).or_default().push(id);
        }
        let mut query = target.prepare("SELECT id, rows FROM _importerd_files").expect("markers");
        let markers = query
            .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
            .expect("markers");
        for marker in markers {
            let (file, rows) = marker.expect("a marker");
            let there = by_file.get(&file).map_or(0, |rows| rows.len() as u64);
            if there != rows {
                self.says(Kind::Half, format!("the marker of {file} says {rows} rows, there are {there}"));
            }
        }
        by_file
    }

    /// How many rejects are there, by `file_id`; both of their table and of the markers.
    fn rejects_by_file(&mut self) -> BTreeMap<i64, usize> {
        let target = self.site.database("rows.db");
        let mut by_file = BTreeMap::<i64, usize>::new();
        let Ok(mut query) = target.prepare("SELECT file_id FROM _importerd_rejects") else { return by_file };
        for file in query.query_map([], |row| row.get(0)).expect("rejects") {
            *by_file.entry(file.expect("a reject")).or_default() += 1;
        }
        let mut query = target.prepare("SELECT id, rejects FROM _importerd_files").expect("markers");
        let markers = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).expect("markers");
        for marker in markers {
            let (file, rejects) = marker.expect("a marker");
            let there = by_file.get(&file).copied().unwrap_or_default();
            if i64::try_from(there) != Ok(rejects) {
                self.says(Kind::Half, format!("the marker of {file} says {rejects} rejects, there are {there}"));
            }
        }
        by_file
    }

    fn results_are_there_once(&mut self) {
        let mut there = HashMap::<String, i64>::new();
        for (path, _) in all_files(&self.site.directory(WORK, "results")) {
            *there.entry(fs::read_to_string(&path).expect("read a result")).or_default() += 1;
        }
        for (content, dropped) in self.list {
            let done =
                self.found.get(&(dropped.folder, content.clone())).is_some_and(|found| !found.archive.is_empty());
            if let (Fate::Results(results), true) = (&dropped.fate, done) {
                for result in results {
                    *there.entry(result.clone()).or_default() -= 1;
                }
            }
        }
        let missing: Vec<_> = there.iter().filter(|(_, surplus)| **surplus < 0).map(|(result, _)| &**result).collect();
        let kind = |result: &str, surplus: i64| match surplus {
            ..0 => Kind::Lost,
            _ if missing.iter().any(|whole| whole.starts_with(result)) => Kind::Half,
            _ => Kind::Doubled,
        };
        for (result, surplus) in there.iter().filter(|(_, surplus)| **surplus != 0) {
            let text = format!("the result {result:?} is there {surplus:+} times too often");
            self.problems.push(Problem { kind: kind(result, *surplus), text });
        }
    }

    fn results_are_where_the_ledger_says(&mut self, ledger: &HashMap<(String, u64), Entry>) {
        for ((folder, content), found) in &self.found {
            let Some(Fate::Results(expected)) = self.list.get(content).map(|dropped| &dropped.fate) else { continue };
            let entries = found.archive.iter().filter_map(|inode| ledger.get(&((*folder).to_owned(), *inode)));
            for entry in entries.filter(|entry| entry.state == "archived") {
                let plan =
                    entry.results.as_deref().and_then(|plan| serde_json::from_str::<Vec<serde_json::Value>>(plan).ok());
                let mut there: Vec<_> = plan
                    .iter()
                    .flatten()
                    .filter_map(|planned| planned["published"].as_str())
                    .filter_map(|name| fs::read_to_string(self.site.directory(folder, "results").join(name)).ok())
                    .collect();
                there.sort();
                if there != *expected {
                    let text = format!("the ledger says of the results of {entry:?}: {there:?}");
                    self.problems.push(Problem { kind: Kind::Disagrees, text });
                }
            }
        }
    }
}

/// `None`: they are what was dropped.
fn rows_are_wrong(rows: &[i64], dropped: &Range<i64>) -> Option<Kind> {
    if rows.iter().copied().eq(dropped.clone()) {
        return None;
    }
    let missing = dropped.clone().any(|id| !rows.contains(&id));
    Some(match (rows.is_empty(), missing) {
        (true, _) => Kind::Lost,
        (false, true) => Kind::Half,
        (false, false) => Kind::Doubled,
    })
}

/// Whether a file in staging is the one that its command works on: the staging directory is called after that.
fn is_moved(path: &Path, inode: u64) -> bool {
    path.ancestors().filter_map(Named::of).any(|named| named.inode == inode)
}

/// With inodes; hidden ones too.
fn all_files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(all_files(&entry.path())),
            Ok(_) if entry.path().extension().is_some_and(|ending| ending == "part") => {}
            Ok(_) => found.push((entry.path(), entry.ino())),
            Err(_) => {}
        }
    }
    found
}

/// Those of single files.
fn staging_directories(active: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(active).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == ".staging" {
            found.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|staging| staging.path()));
        } else if path.is_dir() {
            found.extend(staging_directories(&path));
        }
    }
    found
}

/// How many files lie in the inboxes.
pub fn waiting(site: &Site) -> usize {
    [ROWS, WORK].iter().map(|folder| all_files(&site.directory(folder, "inbox")).len()).sum()
}
