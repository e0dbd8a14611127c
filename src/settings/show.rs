//! `importerd config show`: every value, and where it comes from.

use serde::Serialize;

use super::keys::KEYS;
use super::load::{Leaf, Merged};
use super::postgres::{to_be_recorded, without_password};
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
    let (of_folders, global): (Vec<_>, Vec<_>) = KEYS.iter().partition(|key| key.path.contains('*'));
    let mut shown: Vec<Shown> = global.into_iter().filter_map(|key| one(merged, key.path)).collect();
    for name in merged.folders() {
        for key in &of_folders {
            let key = key.of_folder(&name);
            let Some(table) = key.strip_suffix('*') else {
                shown.extend(one(merged, &key));
                continue;
            };
            shown.extend(merged.below(table).map(|(name, leaf)| of(leaf, format!("{table}{}", bare(name)))));
        }
    }
    shown
}

fn one(merged: &Merged, key: &str) -> Option<Shown> {
    merged.leaves.get(key).map(|leaf| of(leaf, key.to_owned()))
}

fn of(leaf: &Leaf, key: String) -> Shown {
    // Of all values only the address of a database may hold a secret.
    let value = match &leaf.value {
        Value::Text(text) => Value::Text(without_password(text)),
        other => other.clone(),
    };
    Shown { key, value, origin: leaf.origin.clone() }
}

/// A name as a part of a key, in quotes where TOML needs them.
fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { Value::Text(name.to_owned()).to_string() }
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

/// As a settings file for those who come later. Of a password, which was given to this process alone, it has no trace: stars would
/// be taken for one.
#[must_use]
pub fn record(values: &[Shown]) -> String {
    let recorded = values.iter().cloned().map(|mut shown| {
        if let Value::Text(text) = &mut shown.value {
            *text = to_be_recorded(text);
        }
        shown
    });
    text(&recorded.collect::<Vec<_>>(), false)
}

/// Longer lines don't push the origins of all others to the right.
const WIDTH_MAX: usize = 60;

/// An array of objects with `key`, `value` and `origin`.
#[must_use]
pub fn json(values: &[Shown]) -> String {
    format!("{:#}", serde_json::json!(values))
}
