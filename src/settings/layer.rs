//! One layer of the settings: what a file, the environment or the command line says.

use config::{ConfigError, Map, Source};

use super::error::Problem;
use super::keys;
use super::kind::Wrong;
use super::value::Value;

/// What one layer says, checked by itself.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// The values; a later one of the same key wins.
    pub entries: Vec<Entry>,
    /// The tables that it names, `folder.orders` and below, even if nothing is in them.
    pub tables: Vec<Mention>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// One value and where it was set.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key: `folder.orders.settle`.
    pub key: String,
    /// The value, of the key's type and within its limits.
    pub value: Value,
    /// Where it was set: `/etc/importerd/importerd.toml:12`.
    pub origin: String,
}

/// A table and where it is named.
#[derive(Debug, Clone)]
pub struct Mention {
    /// The table: `folder.orders.run`.
    pub table: String,
    /// Where it is named.
    pub origin: String,
}

impl Layer {
    /// Takes a value, or notes at `place` what is wrong with it. Its tables count as named either way.
    pub fn take(&mut self, key: &str, origin: &str, place: &str, value: Result<Value, Wrong>) {
        for (dot, _) in key.match_indices('.') {
            self.mention(&key[..dot], origin);
        }
        match value {
            Ok(value) => self.entries.push(Entry { key: key.to_owned(), value, origin: origin.to_owned() }),
            Err(wrong) => self.problems.push(Problem::of_key(place, key, wrong)),
        }
    }

    /// Notes that a table is named.
    pub fn mention(&mut self, table: &str, origin: &str) {
        self.tables.push(Mention { table: table.to_owned(), origin: origin.to_owned() });
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, ConfigError> {
        let mut tables: Map<String, Map<String, config::Value>> = Map::new();
        let mut values = Map::new();
        for entry in &self.entries {
            let value = config::Value::new(Some(&entry.origin), entry.value.clone());
            match keys::column(&keys::way(&entry.key)) {
                // `config` reads a key as a way; the name of a column may hold anything.
                Some((table, name)) => tables.entry(table).or_default().insert(name, value),
                None => values.insert(entry.key.clone(), value),
            };
        }
        values.extend(tables.into_iter().map(|(table, columns)| (table, columns.into())));
        Ok(values)
    }
}
