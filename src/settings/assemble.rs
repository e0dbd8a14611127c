//! The merged values as [`Settings`], and what only shows when all layers are together.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::error::Problem;
use super::keys::{self, Found, Preset};
use super::kind::FOREVER;
use super::load::{Leaf, Merged};
use super::nearest::similar;
use super::postgres::{Address, Secret};
use super::value::Value;
use super::{
    Backoff, Column, Columns, Csv, Duplicates, Folder, Format, Import, Mode, NewColumns, Run, Settings, Target,
    Tolerance, Unpack, Work, limits,
};

/// Makes the settings, or notes in `problems` why that can't be done.
///
/// What is wrong with a key that already has a problem is not noted twice.
pub fn assemble(merged: &Merged, problems: &mut Vec<Problem>) -> Option<Settings> {
    let mut reader = Reader { merged, problems };
    let backoff = reader.backoff();
    let folders: Vec<_> = merged.folders().iter().map(|name| reader.folder(name)).collect();
    let folders: Vec<Folder> = folders.into_iter().collect::<Option<_>>()?;
    let folders = folders.into_iter().map(|folder| (folder.name.clone(), folder)).collect();
    reader.check_apart(&folders);
    reader.check_ends(&folders);
    Some(Settings {
        processors: reader.count("processors")?,
        drain_grace: reader.duration("drain_grace")?,
        attempts: reader.count("attempts")?,
        backoff: backoff?,
        restarts: reader.count("restarts")?,
        restart_window: reader.duration("restart_window")?,
        history: match reader.text("history")?.as_str() {
            FOREVER => None,
            duration => Some(humantime::parse_duration(duration).ok()?),
        },
        folders,
    })
}

struct Reader<'a> {
    merged: &'a Merged,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn backoff(&mut self) -> Option<Backoff> {
        let backoff = Backoff { min: self.duration("backoff.min")?, max: self.duration("backoff.max")? };
        if backoff.min > backoff.max && !self.is_known_bad("backoff.min") && !self.is_known_bad("backoff.max") {
            let (min, max) = (self.leaf("backoff.min")?, self.leaf("backoff.max")?);
            let text = format!("{} is longer than backoff.max, {} ({})", min.value, max.value, max.origin);
            self.problems.push(Problem::of_key(&min.origin, "backoff.min", text));
        }
        Some(backoff)
    }

    fn folder(&mut self, name: &str) -> Option<Folder> {
        let key = |rest: &str| format!("folder.{name}.{rest}");
        let work = self.work(name);
        let path = self.text(&key("path"));
        Some(Folder {
            name: name.to_owned(),
            path: path?.into(),
            inbox: self.text(&key("inbox"))?.into(),
            matching: self.list(&key("match"))?,
            ignore: self.list(&key("ignore"))?,
            settle: self.duration(&key("settle"))?,
            rescan: self.duration(&key("rescan"))?,
            ready_marker: self.optional_text(&key("ready.marker")),
            duplicates: match self.text(&key("duplicates"))?.as_str() {
                "by-name" => Duplicates::ByName,
                "allow" => Duplicates::Allow,
                _ => Duplicates::ByContent,
            },
            work: work?,
        })
    }

    fn work(&mut self, name: &str) -> Option<Work> {
        let (import, run) = (format!("folder.{name}.import"), format!("folder.{name}.run"));
        let Some(run_at) = self.merged.last_mention(&run) else {
            return self.import(&import).map(Work::Import);
        };
        if let Some(import_at) = self.merged.last_mention(&import) {
            let text = format!("{import} is set too ({import_at}); a folder does one of them");
            self.problems.push(Problem::of_key(run_at, &run, text));
        }
        let command = self.list(&format!("{run}.command"))?;
        Some(Work::Run(Run { command, timeout: self.duration(&format!("{run}.timeout"))? }))
    }

    fn import(&mut self, import: &str) -> Option<Import> {
        Some(Import {
            into: Some(self.target(import)?),
            table: self.table(import)?,
            mode: Mode::of(self.need(&format!("{import}.mode"))?)?,
            new_columns: match self.text(&format!("{import}.new_columns"))?.as_str() {
                "add" => NewColumns::Add,
                "ignore" => NewColumns::Ignore,
                _ => NewColumns::Refuse,
            },
            format: self.format(import),
            csv: self.csv(import)?,
            encoding: self.optional_text(&format!("{import}.encoding")),
            records: self.optional_text(&format!("{import}.records")).unwrap_or_default(),
            rejects: match self.need(&format!("{import}.rejects"))? {
                Value::Whole(rows) => Tolerance::Rows(rows),
                Value::Text(share) => Tolerance::Millionths(limits::millionths(&share)?),
                _ => return None,
            },
            columns: self.columns(import),
            decimal_comma: self.text(&format!("{import}.decimal"))? == ",",
            nulls: self.list(&format!("{import}.nulls"))?,
            unpack: Unpack {
                bytes_max: self.count::<u64>(&format!("{import}.unpacked_gib_max"))? << 30,
                ratio_max: self.count(&format!("{import}.unpack_ratio_max"))?,
            },
        })
    }

    /// By default it is called as the folder, and not every name of a folder can be one of a table.
    fn table(&mut self, import: &str) -> Option<String> {
        let key = format!("{import}.table");
        let table = self.text(&key)?;
        if let Err(wrong) = limits::table(&table) {
            let origin = self.leaf(&key).map_or_else(String::new, |leaf| leaf.origin.clone());
            self.problems.push(Problem::of_key(origin, key, wrong));
        }
        Some(table)
    }

    fn columns(&self, import: &str) -> Columns {
        let column = |(name, leaf): (&str, &Leaf)| match &leaf.value {
            Value::Text(text) => Some((name.to_owned(), Column::of(text).ok()?)),
            _ => None,
        };
        self.merged.below(&format!("{import}.columns.")).filter_map(column).collect()
    }

    /// Of several passwords the credential counts before the file, and the file before the URL's: what a lower layer
    /// sets, no other can take away.
    fn target(&mut self, import: &str) -> Option<Target> {
        let into = self.text(&format!("{import}.into"))?;
        if let Some(path) = into.strip_prefix("sqlite:") {
            return Some(Target::Sqlite(path.into()));
        }
        let credential = self.optional_text(&format!("{import}.password.credential")).map(Secret::Credential);
        let file = || self.optional_text(&format!("{import}.password.file")).map(|path| Secret::File(path.into()));
        let password = credential.or_else(file);
        Some(Target::Postgres(Box::new(Address { password, ..Address::parse(&into).ok()? })))
    }

    fn format(&mut self, import: &str) -> Option<Format> {
        let format = match self.optional_text(&format!("{import}.format")).as_deref() {
            Some("csv") => Some(Format::Csv),
            Some("tsv") => Some(Format::Tsv),
            Some("ndjson") => Some(Format::Ndjson),
            Some("json") => Some(Format::Json),
            _ => None,
        };
        let records = format!("{import}.records");
        if let Some(leaf) = self.leaf(&records).filter(|_| format != Some(Format::Json)) {
            let problem = Problem::of_key(&leaf.origin, records, "it takes a document: set import.format = \"json\"");
            self.problems.push(problem);
        }
        format
    }

    fn csv(&mut self, import: &str) -> Option<Csv> {
        let mut roles: Vec<(u8, &str)> = Vec::new();
        let [delimiter, quote, escape, comment] = ["delimiter", "quote", "escape", "comment"].map(|role| {
            let key = format!("{import}.{role}");
            let byte = limits::byte(&self.optional_text(&key)?)?;
            if let Some((_, other)) = roles.iter().find(|(taken, _)| *taken == byte) {
                let origin = self.leaf(&key).map_or_else(String::new, |leaf| leaf.origin.clone());
                let text = format!("the same character as {import}.{other}");
                self.problems.push(Problem::of_key(origin, key, text));
            }
            roles.push((byte, role));
            Some(byte)
        });
        let Value::Flag(header) = self.need(&format!("{import}.header"))? else { return None };
        Some(Csv { delimiter, quote, escape, comment, header })
    }

    /// Two folders with the same directory would take each other's files.
    fn check_apart(&mut self, folders: &BTreeMap<String, Folder>) {
        let mut taken: BTreeMap<PathBuf, String> = BTreeMap::new();
        for folder in folders.values() {
            let own = [(real(&folder.path), "path"), (real(&folder.inbox), "inbox")];
            let clash = own.iter().find_map(|(path, rest)| Some((*rest, taken.get(path)?.clone())));
            if let Some((rest, other)) = clash {
                self.refuse_directory(folder, rest, format!("the same directory as {other}"));
            }
            for (path, rest) in own {
                taken.entry(path).or_insert_with(|| format!("folder.{}.{rest}", folder.name));
            }
        }
    }

    /// One whose inbox is where files of a folder go would take them again. One folder's results may be another one's files.
    fn check_ends(&mut self, folders: &BTreeMap<String, Folder>) {
        let ends = ends(folders);
        for folder in folders.values() {
            let inbox = real(&folder.inbox);
            let mut found = inbox.ancestors().filter_map(|directory| Some((directory, *ends.get(directory)?)));
            let is_refused = |(_, (owner, into)): &(&Path, (&str, &str))| *owner == folder.name || *into != "results";
            let Some((end, (owner, into))) = found.find(is_refused) else { continue };
            let is_own = owner == folder.name;
            let of_whom = if is_own { "this folder".to_owned() } else { format!("folder.{owner}.path") };
            let rest = if real(&folder.path).starts_with(end) { "path" } else { "inbox" };
            self.refuse_directory(folder, rest, format!("files that are done with go into {into}/ of {of_whom}"));
        }
    }

    fn refuse_directory(&mut self, folder: &Folder, rest: &str, text: String) {
        let key = format!("folder.{}.{rest}", folder.name);
        let origin = self.leaf(&key).map_or_else(String::new, |leaf| leaf.origin.clone());
        self.problems.push(Problem::of_key(origin, key, text));
    }

    fn leaf(&self, key: &str) -> Option<&Leaf> {
        self.merged.leaves.get(key)
    }

    fn is_known_bad(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key.as_deref() == Some(key))
    }

    /// The value of `key`; when it has none, that is noted.
    fn need(&mut self, key: &str) -> Option<Value> {
        let value = self.leaf(key).map(|leaf| leaf.value.clone());
        if value.is_none() && !self.is_known_bad(key) {
            let problem = self.missing(key);
            self.problems.extend(problem);
        }
        value
    }

    /// Only a required key can be missing; what it needs in turn is not noted.
    fn missing(&self, key: &str) -> Option<Problem> {
        let way = keys::way(key);
        let Found::Key(row) = keys::find(&way) else { return None };
        let Preset::Required(example) = row.preset else { return None };
        let (table, _) = key.rsplit_once('.')?;
        let origin = self.merged.first_mention(table)?;
        let text = match self.folder_meant(table) {
            Some(folder) => format!("missing; did you mean folder.{folder}?"),
            None => format!("missing; write it like {} = {example}", way.last()?),
        };
        Some(Problem::of_key(origin, key, text))
    }

    /// The folder that a slip of the pen made a new one of: `IMPORTERD__FOLDER__MY_ORDERS__SETTLE`
    /// for `my-orders`.
    fn folder_meant(&self, table: &str) -> Option<String> {
        let name = table.strip_prefix("folder.").filter(|name| !name.contains('.'))?;
        let has_path = |other: &String| self.leaf(&format!("folder.{other}.path")).is_some();
        self.merged.folders().into_iter().find(|other| other != name && has_path(other) && similar(name, other))
    }

    fn count<N: TryFrom<u64>>(&mut self, key: &str) -> Option<N> {
        match self.need(key)? {
            Value::Whole(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn duration(&mut self, key: &str) -> Option<Duration> {
        humantime::parse_duration(&self.text(key)?).ok()
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.need(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        match self.need(key)? {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    fn optional_text(&self, key: &str) -> Option<String> {
        match &self.leaf(key)?.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// Where files of the folders go: of which one, and what the directory is called there.
fn ends(folders: &BTreeMap<String, Folder>) -> BTreeMap<PathBuf, (&str, &'static str)> {
    let of = |folder: &Folder, into: &str| real(&folder.path.join(into));
    let ends = ["active", "archive", "quarantine", "results"];
    let each = folders.values().flat_map(|folder| ends.map(|into| (of(folder, into), (folder.name.as_str(), into))));
    each.collect()
}

/// Where a path leads, through links and `..`, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            other => real.push(other),
        }
        if let Ok(there) = real.canonicalize() {
            real = there;
        }
    }
    real
}
