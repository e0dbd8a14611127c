//! `importerd config show`: every value, and where it comes from.

use serde::Serialize;

use super::keys::KEYS;
use super::load::Merged;
use super::value::Value;

/// One value as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The key: `folder.orders.settle`.
    pub key: String,
    /// The value.
    pub value: Value,
    /// `built-in`, `/etc/importerd/importerd.toml:12`, `environment IMPORTERD__…`, `--set` or
    /// `importerd watch`.
    pub origin: String,
}

/// The values in the order of the rows, folder by folder.
pub(super) fn values(merged: &Merged) -> Vec<Shown> {
    let global = KEYS.iter().filter(|key| !key.path.contains('*')).map(|key| key.path.to_owned());
    let folders = merged.folders();
    let of_folders = folders
        .iter()
        .flat_map(|name| KEYS.iter().filter(|key| key.path.contains('*')).map(move |key| key.of_folder(name)));
    let shown = |key: String| {
        let leaf = merged.leaves.get(&key)?;
        Some(Shown { key, value: leaf.value.clone(), origin: leaf.origin.clone() })
    };
    global.chain(of_folders).filter_map(shown).collect()
}

/// One `key = value` a line, as a settings file would have it; with `origin`, where it comes from
/// as a comment behind it.
#[must_use]
pub fn text(values: &[Shown], origin: bool) -> String {
    let lines: Vec<_> = values.iter().map(|shown| format!("{} = {}", shown.key, shown.value)).collect();
    let width = lines.iter().map(|line| line.chars().count()).filter(|width| *width <= WIDTH_MAX).max().unwrap_or(0);
    let with_origin = |(line, shown): (&String, &Shown)| {
        if origin { format!("{line:width$}  # {}\n", shown.origin) } else { format!("{line}\n") }
    };
    lines.iter().zip(values).map(with_origin).collect()
}

/// Longer lines don't push the origins of all others to the right.
const WIDTH_MAX: usize = 60;

/// An array of objects with `key`, `value` and `origin`.
#[must_use]
pub fn json(values: &[Shown]) -> String {
    format!("{:#}", serde_json::json!(values))
}
