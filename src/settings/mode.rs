//! `import.mode`: what becomes of the rows that are there already.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::kind::{Wrong, described};
use super::value::{Value, excerpt};

/// What may be written, for messages.
pub(super) const ALLOWED: &str = "\"append\", \"replace\", { upsert = [\"column\"] } or { insert = [\"column\"] }";

const APPEND: &str = "append";
const REPLACE: &str = "replace";
const UPSERT: &str = "upsert";
const INSERT: &str = "insert";

/// What becomes of the rows that are there already when a file is imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// They stay, and the file's are added.
    #[default]
    Append,
    /// They go, and the file's take their place: the table is the latest file.
    Replace,
    /// One with the same values in these columns is set to what the file says; others are added.
    Upsert(Vec<String>),
    /// One with the same values in these columns is left alone; others are added.
    Insert(Vec<String>),
}

impl Mode {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append => APPEND,
            Self::Replace => REPLACE,
            Self::Upsert(_) => UPSERT,
            Self::Insert(_) => INSERT,
        }
    }

    /// The columns that tell one row from another, where it matters.
    #[must_use]
    pub fn key(&self) -> &[String] {
        match self {
            Self::Append | Self::Replace => &[],
            Self::Upsert(key) | Self::Insert(key) => key,
        }
    }

    /// Whether what is in the table at the end depends on the order of the files.
    #[must_use]
    pub fn needs_order(&self) -> bool {
        *self != Self::Append
    }

    /// Whether a file takes rows away from earlier ones.
    #[must_use]
    pub fn overwrites(&self) -> bool {
        matches!(self, Self::Replace | Self::Upsert(_))
    }

    /// The mode that a checked value stands for.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) if text == APPEND => Some(Self::Append),
            Value::Text(text) if text == REPLACE => Some(Self::Replace),
            Value::Lists(lists) => match lists.into_iter().next()? {
                (name, key) if name == UPSERT => Some(Self::Upsert(key)),
                (_, key) => Some(Self::Insert(key)),
            },
            _ => None,
        }
    }
}

/// A word, or a table of lists, as TOML has it.
pub(super) fn take_toml(value: &DeValue<'_>) -> Result<Value, Wrong> {
    let DeValue::Table(table) = value else {
        return match value {
            DeValue::String(text) => Ok(Value::Text(text.to_string())),
            other => Err(format!("{} where one of these is needed: {ALLOWED}", described(other))),
        };
    };
    let mut lists = BTreeMap::new();
    for (name, columns) in table {
        let name = name.get_ref();
        let needed = |value: &DeValue<'_>| {
            format!("{} where the list of the columns of {name} is needed, like [\"id\"]", described(value))
        };
        let DeValue::Array(columns) = columns.get_ref() else { return Err(needed(columns.get_ref())) };
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned).ok_or_else(|| needed(value));
        let columns = columns.iter().map(|column| text(column.get_ref())).collect::<Result<_, _>>()?;
        lists.insert(name.to_string(), columns);
    }
    Ok(Value::Lists(lists))
}

/// One of the four modes; those with a key name its columns.
pub(super) fn check(value: &Value) -> Result<(), Wrong> {
    let not_one_of = |what: &str| Err(format!("{what} is not one of {ALLOWED}"));
    match value {
        Value::Text(text) if text == APPEND || text == REPLACE => Ok(()),
        Value::Text(text) if text == UPSERT || text == INSERT => {
            Err(format!("{text} by which columns? write it like {{ {text} = [\"id\"] }}"))
        }
        Value::Text(text) => not_one_of(&excerpt(text)),
        Value::Lists(lists) => {
            let mut lists = lists.iter();
            match (lists.next(), lists.next()) {
                (Some((one, _)), Some((other, _))) => {
                    Err(format!("{} and {} together: a folder has one mode", excerpt(one), excerpt(other)))
                }
                (Some((name, key)), None) if name == UPSERT || name == INSERT => check_key(name, key),
                (Some((name, _)), None) => not_one_of(&format!("{{ {} = … }}", excerpt(name))),
                (None, _) => not_one_of("{}"),
            }
        }
        _ => not_one_of("this"),
    }
}

fn check_key(name: &str, key: &[String]) -> Result<(), Wrong> {
    if key.is_empty() {
        return Err(format!("{name} names no column; write it like {{ {name} = [\"id\"] }}"));
    }
    for (number, column) in key.iter().enumerate() {
        if column.is_empty() || column.contains('\0') || is_ours(column) {
            return Err(format!("{} is no column of a file", excerpt(column)));
        }
        if key[..number].iter().any(|other| other.eq_ignore_ascii_case(column)) {
            return Err(format!("{} stands twice", excerpt(column)));
        }
    }
    Ok(())
}

/// What says where a row came from is in no file.
fn is_ours(column: &str) -> bool {
    ["_file_id", "_line"].iter().any(|ours| ours.eq_ignore_ascii_case(column))
}
