//! An event as a record: slog fields in the log, one JSON object in the ledger, with the same names.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use slog::{KV, Logger, Record};

use super::{Event, FIELDS, Kind, Loudness, STAGES, Subject};
use crate::file::FileId;
use crate::log::{EVENT_TAG, escape, unescape};

impl Event {
    /// Puts the event into the log. It brings all its fields, so `log` is best the root logger: a
    /// field that `log` has too would be there twice.
    pub fn log(&self, log: &Logger) {
        let sentence = self.sentence();
        match self.loudness() {
            Loudness::Debug => slog::debug!(log, #EVENT_TAG, "{sentence}"; self),
            Loudness::Info => slog::info!(log, #EVENT_TAG, "{sentence}"; self),
            Loudness::Warning => slog::warn!(log, #EVENT_TAG, "{sentence}"; self),
            Loudness::Error => slog::error!(log, #EVENT_TAG, "{sentence}"; self),
        }
    }

    /// One JSON object on one line: `ts event folder file file_id attempt stage`, then the details.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it can't")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and JSON values are always JSON")
    }

    /// [`Event::to_json`] without what the ledger has in columns of their own: time, kind, folder, and the file's number.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it can't")]
    pub fn to_short_json(&self) -> String {
        let mut json = Vec::with_capacity(128);
        let mut serializer = serde_json::Serializer::new(&mut json);
        let written = serializer.serialize_map(None).and_then(|mut fields| {
            self.serialize_rest(&mut fields, false)?;
            fields.end()
        });
        written.expect("strings and JSON values are always JSON");
        String::from_utf8(json).expect("JSON is UTF-8")
    }

    /// [`Event::to_json`] of what [`Event::to_short_json`] wrote; a whole one, as earlier versions wrote, is that already.
    #[must_use]
    pub fn whole_json(at: Timestamp, kind: &str, folder: Option<&str>, id: Option<FileId>, json: &str) -> String {
        let rest = match json.strip_prefix('{') {
            Some(rest) if !rest.starts_with(r#""ts":"#) => rest,
            _ => return json.to_owned(),
        };
        let quoted = |text: &str| Value::from(text).to_string();
        let folder = folder.map_or_else(String::new, |folder| format!(r#","folder":{}"#, quoted(folder)));
        let comma = if rest == "}" { "" } else { "," };
        let whole = format!(r#"{{"ts":"{at:.6}","event":{}{folder}{comma}"#, quoted(kind));
        // In a name, a quote has a backslash before it: the first of these is no part of one.
        match (id, rest.split_once(r#","attempt":"#)) {
            (Some(id), Some((name, rest))) => whole + name + &format!(r#","file_id":{},"attempt":"#, id.0) + rest,
            _ => whole + rest,
        }
    }

    fn serialize_rest<M: SerializeMap>(&self, fields: &mut M, with_id: bool) -> Result<(), M::Error> {
        if let Some(subject) = &self.file {
            fields.serialize_entry("file", &escape(&subject.name))?;
            if with_id {
                fields.serialize_entry("file_id", &subject.id.0)?;
            }
            fields.serialize_entry("attempt", &subject.attempt)?;
            fields.serialize_entry("stage", subject.stage)?;
        }
        self.detail.iter().try_for_each(|(key, value)| fields.serialize_entry(key, value))
    }

    /// The event that [`Event::to_json`] wrote; details that this version doesn't know are left out.
    ///
    /// # Errors
    ///
    /// When the text is no event, or one of a kind that this version doesn't know.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

impl KV for Event {
    fn serialize(&self, record: &Record, fields: &mut dyn slog::Serializer) -> slog::Result {
        fields.emit_str("event", self.kind.name())?;
        if let Some(folder) = &self.folder {
            fields.emit_str("folder", folder)?;
        }
        if let Some(subject) = &self.file {
            subject.serialize(record, fields)?;
        }
        self.detail.iter().try_for_each(|(key, value)| match value {
            Value::Null => fields.emit_none(key),
            Value::Bool(yes) => fields.emit_bool(key, *yes),
            Value::String(text) => fields.emit_str(key, text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => fields.emit_i64(key, number),
                (_, Some(number), _) => fields.emit_u64(key, number),
                (.., number) => fields.emit_f64(key, number.unwrap_or(f64::NAN)),
            },
            nested => fields.emit_arguments(key, &format_args!("{nested}")),
        })
    }
}

/// `file file_id attempt stage`: what every record about a file has, beside its `folder`.
impl KV for Subject {
    fn serialize(&self, _: &Record, fields: &mut dyn slog::Serializer) -> slog::Result {
        fields.emit_str("file", &escape(&self.name))?;
        fields.emit_i64("file_id", self.id.0)?;
        fields.emit_u32("attempt", self.attempt)?;
        fields.emit_str("stage", self.stage)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("ts", &format_args!("{:.6}", self.at))?;
        fields.serialize_entry("event", self.kind.name())?;
        if let Some(folder) = self.folder.as_deref() {
            fields.serialize_entry("folder", folder)?;
        }
        self.serialize_rest(&mut fields, true)?;
        fields.end()
    }
}

#[derive(Deserialize)]
struct Written {
    ts: String,
    event: String,
    folder: Option<String>,
    file: Option<String>,
    file_id: Option<i64>,
    attempt: Option<u32>,
    stage: Option<String>,
    #[serde(flatten)]
    detail: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut written = Written::deserialize(deserializer)?;
        let known = |(key, _): &(&'static str, &str)| Some((*key, written.detail.remove(*key)?));
        Ok(Self {
            detail: FIELDS.iter().filter_map(known).collect(),
            at: written.ts.parse().map_err(|error| D::Error::custom(format_args!("ts {:?}: {error}", written.ts)))?,
            kind: Kind::named(&written.event)
                .ok_or_else(|| D::Error::custom(format_args!("event {:?} is unknown", written.event)))?,
            folder: written.folder.as_deref().map(Arc::from),
            file: written.file.as_deref().map(|name| written.subject(name)).transpose().map_err(D::Error::custom)?,
        })
    }
}

impl Written {
    fn subject(&self, name: &str) -> Result<Subject, String> {
        let stage = self.stage.as_deref().unwrap_or_default();
        Ok(Subject {
            id: FileId(self.file_id.ok_or("file_id is missing")?),
            name: unescape(name).ok_or_else(|| format!("file {name:?} is no escaped name"))?,
            attempt: self.attempt.ok_or("attempt is missing")?,
            stage: STAGES.iter().find(|known| **known == stage).ok_or_else(|| format!("stage {stage:?} is unknown"))?,
        })
    }
}
