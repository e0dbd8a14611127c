//! The layers put on top of each other, the built-in one below them, and the result checked as a whole.

use std::collections::BTreeMap;

use config::Config;

use super::Settings;
use super::assemble::assemble;
use super::error::{Error, Problem};
use super::keys::{KEYS, Key, Preset};
use super::layer::{Layer, Mention};
use super::show::{self, Shown};
use super::sources::Sources;
use super::value::Value;

const BUILT_IN: &str = "built-in";

/// Settings that were found good, and where each value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every value with its origin, in the order in which `config show` prints them.
    pub values: Vec<Shown>,
    /// Of what the files say: [`are_changed`] compares it with that of another time.
    pub fingerprint: String,
}

/// Reads, checks and layers the settings.
///
/// # Errors
/// [`Error`] with everything that is wrong in any layer.
pub fn load(sources: &Sources) -> Result<Loaded, Error> {
    let mut layers = sources.files();
    let fingerprint = fingerprint(&layers);
    layers.extend(sources.above_files());
    let mut merged = Merged::of(&layers);
    merged.add_built_in();
    let mut problems: Vec<Problem> = layers.into_iter().flat_map(|layer| layer.problems).collect();
    let settings = assemble(&merged, &mut problems);
    let values = show::values(&merged);
    match settings {
        Some(settings) if problems.is_empty() => Ok(Loaded { settings, values, fingerprint }),
        _ => Err(Error { problems, values }),
    }
}

/// Whether the files said something else at another time, by both fingerprints. Those of another version can't be compared.
#[must_use]
pub fn are_changed(before: &str, now: &str) -> bool {
    match (before.split_once(' '), now.split_once(' ')) {
        (Some((version, before)), Some((own, now))) => version == own && before != now,
        _ => false,
    }
}

/// Of the values, written out or not, in whatever order; no password is in it. What the environment and `--set` say
/// belongs to the process: started again, it has the same.
fn fingerprint(files: &[Layer]) -> String {
    let mut merged = Merged::of(files);
    merged.add_built_in();
    // Two processes may have different numbers of cores.
    merged.leaves.retain(|key, leaf| key != "processors" || leaf.origin != BUILT_IN);
    let text = show::text(&show::values(&merged), false);
    format!("{} {}", env!("CARGO_PKG_VERSION"), blake3::hash(text.as_bytes()).to_hex())
}

/// One value after layering.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The value of the highest layer that sets it.
    pub value: Value,
    /// Where that layer sets it.
    pub origin: String,
}

/// All layers as one.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// The values by key.
    pub leaves: BTreeMap<String, Leaf>,
    mentions: Vec<Mention>,
}

impl Merged {
    /// Puts each of `layers` on top of the one before.
    fn of(layers: &[Layer]) -> Self {
        let builder = layers.iter().fold(Config::builder(), |builder, layer| builder.add_source(layer.clone()));
        let config = builder.build().expect("a layer hands over values that it holds");
        let mut leaves = BTreeMap::new();
        collect_leaves(String::new(), config.cache, &mut leaves);
        let mentions = layers.iter().flat_map(|layer| layer.tables.iter().cloned()).collect();
        Self { leaves, mentions }
    }

    /// The values whose keys begin like this, each with the rest of its key.
    pub fn below<'m>(&'m self, start: &'m str) -> impl Iterator<Item = (&'m str, &'m Leaf)> {
        self.leaves.iter().filter_map(move |(key, leaf)| Some((key.strip_prefix(start)?, leaf)))
    }

    /// The names of the folders, in order.
    pub fn folders(&self) -> Vec<String> {
        let name = |mention: &Mention| {
            mention.table.strip_prefix("folder.").filter(|name| !name.contains('.')).map(str::to_owned)
        };
        let mut names: Vec<_> = self.mentions.iter().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Where `table` is named, in the lowest layer that does.
    pub fn first_mention(&self, table: &str) -> Option<&str> {
        self.mentions.iter().find(|mention| mention.table == table).map(|mention| mention.origin.as_str())
    }

    /// Where `table` is named, in the highest layer that does.
    pub fn last_mention(&self, table: &str) -> Option<&str> {
        self.mentions.iter().rfind(|mention| mention.table == table).map(|mention| mention.origin.as_str())
    }

    /// Fills in what no layer sets.
    fn add_built_in(&mut self) {
        for key in KEYS.iter().filter(|key| !key.path.contains('*')) {
            self.add_preset(key, "");
        }
        for name in self.folders() {
            let runs = self.first_mention(&format!("folder.{name}.run")).is_some();
            let unused = if runs { "folder.*.import." } else { "folder.*.run." };
            for key in KEYS.iter().filter(|key| key.path.contains('*') && !key.path.starts_with(unused)) {
                self.add_preset(key, &name);
            }
        }
    }

    fn add_preset(&mut self, key: &Key, folder: &str) {
        let value = match key.preset {
            Preset::Is(text) => Some(key.kind.take_text(text).expect("a test reads the presets of every row")),
            Preset::Cores => Some(Value::Whole(cores())),
            Preset::FolderName => Some(Value::Text(folder.to_owned())),
            Preset::BelowPath(directory) => self.below_path(folder, directory),
            Preset::Required(_) | Preset::Unset => None,
        };
        if let Some(value) = value {
            self.leaves.entry(key.of_folder(folder)).or_insert(Leaf { value, origin: BUILT_IN.to_owned() });
        }
    }

    fn below_path(&self, folder: &str, directory: &str) -> Option<Value> {
        match &self.leaves.get(&format!("folder.{folder}.path"))?.value {
            Value::Text(path) => Some(Value::Text(format!("{}/{directory}", path.trim_end_matches('/')))),
            _ => None,
        }
    }
}

fn collect_leaves(key: String, value: config::Value, leaves: &mut BTreeMap<String, Leaf>) {
    let origin = value.origin().unwrap_or(BUILT_IN).to_owned();
    match value.kind {
        config::ValueKind::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                collect_leaves(key, value, leaves);
            }
        }
        kind => {
            if let Some(value) = Value::of_merged(kind) {
                leaves.insert(key, Leaf { value, origin });
            }
        }
    }
}

/// The number of cores that this process may use, within the limits of `processors`.
fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256) as u64)
}
