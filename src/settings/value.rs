//! One value as it was set: what every layer, the merge and `config show` have in common.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A value whose type and limits were checked by [`super::kind::Kind`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(u64),
    /// A text; durations and paths too, as they were written.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Lists by name.
    Lists(BTreeMap<String, Vec<String>>),
}

impl fmt::Display for Value {
    /// As TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(yes) => yes.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(items) => f.write_str(&list(items)),
            Self::Lists(lists) => {
                let lists: Vec<_> = lists.iter().map(|(name, items)| format!("{name} = {}", list(items))).collect();
                write!(f, "{{ {} }}", lists.join(", "))
            }
        }
    }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

/// A TOML string: JSON's escapes, and DEL, which JSON leaves alone.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

impl From<Value> for config::ValueKind {
    fn from(value: Value) -> Self {
        match value {
            Value::Flag(yes) => Self::Boolean(yes),
            Value::Whole(number) => Self::U64(number),
            Value::Text(text) => Self::String(text),
            Value::List(items) => items.into(),
            // As one value: tables of two layers would be merged.
            Value::Lists(lists) => {
                let named = |(name, items): (String, Vec<String>)| [vec![name], items].concat();
                lists.into_iter().map(named).collect::<Vec<_>>().into()
            }
        }
    }
}

impl Value {
    /// What `config` merged, back again; `None` for a table or what no layer can have set.
    pub(super) fn of_merged(kind: config::ValueKind) -> Option<Self> {
        match kind {
            config::ValueKind::Boolean(yes) => Some(Self::Flag(yes)),
            config::ValueKind::U64(number) => Some(Self::Whole(number)),
            config::ValueKind::String(text) => Some(Self::Text(text)),
            config::ValueKind::Array(items) => match items.first().map(|first| &first.kind) {
                Some(config::ValueKind::Array(_)) => {
                    items.into_iter().map(Self::named_list).collect::<Option<_>>().map(Self::Lists)
                }
                _ => texts(items).map(Self::List),
            },
            _ => None,
        }
    }

    fn named_list(value: config::Value) -> Option<(String, Vec<String>)> {
        let mut texts = texts(value.into_array().ok()?)?;
        Some((texts.remove(0), texts))
    }
}

fn texts(items: Vec<config::Value>) -> Option<Vec<String>> {
    items.into_iter().map(|item| item.into_string().ok()).collect()
}

/// `text` for an error message: quoted, control characters escaped, cut where it is long.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        None => format!("{text:?}"),
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
    }
}
