//! One value as it was set: what every layer, the merge and `config show` have in common.

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
}

impl fmt::Display for Value {
    /// As TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(yes) => yes.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
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
            config::ValueKind::Array(items) => {
                items.into_iter().map(|item| item.into_string().ok()).collect::<Option<_>>().map(Self::List)
            }
            _ => None,
        }
    }
}

/// `text` for an error message: quoted, control characters escaped, cut where it is long.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        None => format!("{text:?}"),
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
    }
}
