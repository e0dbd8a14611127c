//! The layers above the files: the environment and `--set`. All is text there; the key says the type.

use std::ffi::OsString;

use super::error::{Problem, SET};
use super::keys::{self, Found};
use super::layer::Layer;
use super::nearest;
use super::toml_file::unknown;

const PREFIX: &str = "IMPORTERD__";

/// Takes every variable that begins with `IMPORTERD__`: `IMPORTERD__FOLDER__ORDERS__SETTLE=5s`.
pub fn environment(variables: &[(OsString, OsString)]) -> Layer {
    let mut ours: Vec<_> = variables.iter().map(|(name, value)| (name.to_string_lossy(), value)).collect();
    ours.retain(|(name, _)| name.starts_with(PREFIX));
    ours.sort();
    let mut layer = Layer::default();
    for (name, value) in ours {
        let origin = format!("environment {}", name.escape_debug());
        let taken = match value.to_str() {
            None => Err(Problem::of_layer(&origin, "the value is not UTF-8")),
            Some(value) => variable(&mut layer, &name, value, &origin),
        };
        layer.problems.extend(taken.err());
    }
    layer
}

fn variable(layer: &mut Layer, name: &str, value: &str, origin: &str) -> Result<(), Problem> {
    let way = name[PREFIX.len()..].to_lowercase();
    if variable_name(&way.replace("__", ".")) != name {
        let text = format!("write it in capitals: {}", name.to_uppercase().escape_debug());
        return Err(Problem::of_layer(origin, text));
    }
    let way: Vec<&str> = way.split("__").collect();
    match keys::find(&way) {
        Found::Nothing => Err(match nearest::nearest(&way) {
            Some(known) => Problem::of_layer(origin, format!("unknown; did you mean {}?", variable_name(&known))),
            None => Problem::of_key(origin, way.join("."), unknown(&way)),
        }),
        found => set_key(layer, &way, found, value, origin),
    }
}

/// The variable that sets `key`.
fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Takes the `KEY=VALUE` of every `--set`, in the order in which they were typed.
pub fn set(assignments: &[String]) -> Layer {
    let mut layer = Layer::default();
    for assignment in assignments {
        let taken = match assignment.split_once('=') {
            None => Err(Problem::of_key(SET, assignment, "no value; write it as KEY=VALUE")),
            Some((key, value)) => {
                let way = keys::way(key);
                set_key(&mut layer, &way, keys::find(&way), value, SET)
            }
        };
        layer.problems.extend(taken.err());
    }
    layer
}

fn set_key(layer: &mut Layer, way: &[&str], found: Found, value: &str, origin: &str) -> Result<(), Problem> {
    let key = way.join(".");
    if let ["folder", name, ..] = way
        && let Err(wrong) = keys::check_folder_name(name)
    {
        return Err(Problem::of_key(origin, key, wrong));
    }
    match found {
        Found::Key(row) => {
            layer.take(&key, origin, origin, row.kind.take_text(value));
            Ok(())
        }
        Found::Table => {
            let mut below = way.to_vec();
            below.push("?");
            let names = nearest::siblings(&below).join(", ");
            Err(Problem::of_key(origin, key, format!("a table; set one of its keys: {names}")))
        }
        Found::Nothing => Err(Problem::of_key(origin, key, unknown(way))),
    }
}
