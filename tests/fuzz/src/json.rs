//! NDJSON and JSON documents: taken if struson takes them, refused as no JSON if it does so too, and the same cells.

use std::str;

use importerd::fault::Reason;
use importerd::import::fuzz::{Cuts, Holds, Records};
use importerd::settings::{Format, Import};
use struson::reader::{JsonReader, JsonStreamReader, ReaderSettings, ValueType};

use crate::input::{Choices, import, is_packed, is_planted, read};

const BOM: &str = "\u{feff}";

/// Deeper than importerd goes.
const DEPTH_MAX: u32 = 400;

/// Where the records of a document may be.
const POINTERS: [&str; 4] = ["", "/a", "/a/1", "/~0/~1"];

pub fn look_at_lines(input: &[u8]) {
    let settings = Import { format: Some(Format::Ndjson), ..import() };
    let (cuts, content) = Choices(input).cut(b'\n');
    if is_packed(&content) {
        return;
    }
    let ours = read(&content, cuts, "a.ndjson", &settings);
    let Ok(text) = str::from_utf8(&content) else { return };
    let lines = text.strip_prefix(BOM).unwrap_or(text).split(['\n', '\r']);
    let theirs: Result<Vec<Json>, String> =
        lines.filter(|line| !line.trim_matches([' ', '\t']).is_empty()).map(Json::of).collect();
    compare(ours, theirs.map(|values| values.into_iter().map(|value| (None, value)).collect()));
}

pub fn look_at_document(input: &[u8]) {
    let mut choices = Choices(input);
    let records = choices.of(&POINTERS).to_owned();
    let settings = Import { format: Some(Format::Json), records, ..import() };
    let (cuts, content) = choices.cut(b' ');
    if is_packed(&content) {
        return;
    }
    let ours = read(&content, cuts, "a.json", &settings);
    let Ok(text) = str::from_utf8(&content) else { return };
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        assert_eq!(ours.expect("an empty file is taken").rows, []);
        return;
    }
    compare(ours, Json::of(text).map(|document| document.records(&settings.records)));
}

type Keyed = (Option<String>, Json);

fn compare(ours: Result<Records, Reason>, theirs: Result<Vec<Keyed>, String>) {
    let mut ours = match ours {
        Ok(records) => records,
        Err(reason) => {
            assert!(reason.code != "bad_json" || theirs.is_err(), "importerd: {reason}; struson: nothing is wrong");
            return;
        }
    };
    if is_planted() {
        plant(&mut ours);
    }
    // Within a nested value, whose text is kept to the letter, half a surrogate pair is JSON by its grammar.
    if theirs.as_ref().is_err_and(|error| error.contains("UnpairedSurrogate")) {
        return;
    }
    let theirs = theirs.unwrap_or_else(|error| panic!("importerd: {} rows; struson: {error}", ours.rows.len()));
    assert_eq!(ours.rows.len(), theirs.len(), "rows");
    for ((line, cells), (key, value)) in ours.rows.iter().zip(theirs) {
        let Json::Object(mut members) = value else { panic!("line {line}: {value:?} is no object") };
        members.extend(key.map(|key| ("_key".to_owned(), Json::Text(key))));
        let cells = ours.names.iter().zip(cells).filter(|(_, (holds, _))| *holds != Holds::Null);
        let mut cells: Vec<(String, Json)> = cells.map(|(name, cell)| (name.clone(), Json::of_cell(cell))).collect();
        members.retain(|(_, value)| *value != Json::Null);
        for pairs in [&mut members, &mut cells] {
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        assert_eq!(cells, members, "line {line}: importerd's cells, and struson's");
    }
    write_and_read_again(&ours);
}

/// A value, with its numbers as they are written.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// As struson reads it.
    fn of(text: &str) -> Result<Self, String> {
        let settings = ReaderSettings {
            restrict_number_values: false,
            max_nesting_depth: Some(DEPTH_MAX),
            ..ReaderSettings::default()
        };
        let mut reader = JsonStreamReader::new_custom(text.as_bytes(), settings);
        let value = Self::next(&mut reader).map_err(|error| error.to_string())?;
        reader.consume_trailing_whitespace().map_err(|error| error.to_string())?;
        Ok(value)
    }

    fn next(reader: &mut impl JsonReader) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(match reader.peek()? {
            ValueType::Null => reader.next_null().map(|()| Self::Null)?,
            ValueType::Boolean => Self::Boolean(reader.next_bool()?),
            ValueType::Number => Self::Number(reader.next_number_as_string()?),
            ValueType::String => Self::Text(reader.next_string()?),
            ValueType::Array => {
                let mut values = Vec::new();
                reader.begin_array()?;
                while reader.has_next()? {
                    values.push(Self::next(reader)?);
                }
                reader.end_array()?;
                Self::Array(values)
            }
            ValueType::Object => {
                let mut members = Vec::new();
                reader.begin_object()?;
                while reader.has_next()? {
                    members.push((reader.next_name_owned()?, Self::next(reader)?));
                }
                reader.end_object()?;
                Self::Object(members)
            }
        })
    }

    fn of_cell((holds, text): &(Holds, String)) -> Self {
        match holds {
            Holds::Null | Holds::Field => panic!("JSON has none of these"),
            Holds::String => Self::Text(text.clone()),
            Holds::Number => Self::Number(text.clone()),
            Holds::Boolean => Self::Boolean(text == "true"),
            Holds::Nested => Self::of(text).expect("a nested value is kept as its JSON"),
        }
    }

    /// What lies at this pointer, each with its key.
    fn records(self, pointer: &str) -> Vec<Keyed> {
        let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let found = steps.try_fold(self, |value, step| match value {
            Self::Object(members) => members.into_iter().find(|(key, _)| *key == step).map(|(_, value)| value),
            Self::Array(values) => {
                let index = (0..values.len()).find(|index| index.to_string() == step)?;
                values.into_iter().nth(index)
            }
            _ => None,
        });
        // Nothing there: that is no fault of the JSON.
        match found {
            Some(Self::Array(values)) => values.into_iter().map(|value| (None, value)).collect(),
            Some(Self::Object(members)) => members.into_iter().map(|(key, value)| (Some(key), value)).collect(),
            _ => Vec::new(),
        }
    }
}

/// As NDJSON, so that nested values are on one line: JSON's strings have no bare line ends.
fn write_and_read_again(records: &Records) {
    let on_one_line = |(holds, text): &(Holds, String)| match holds {
        Holds::Nested => (*holds, text.replace(['\n', '\r'], " ")),
        _ => (*holds, text.clone()),
    };
    let rows: Vec<Vec<_>> = records.rows.iter().map(|(_, cells)| cells.iter().map(on_one_line).collect()).collect();
    let line = |cells: &Vec<_>| {
        let members = records.names.iter().zip(cells).map(|(name, cell)| member(name, cell));
        format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
    };
    let settings = Import { format: Some(Format::Ndjson), ..import() };
    let text: String = rows.iter().map(line).collect();
    let again = read(text.as_bytes(), Cuts::NONE, "a.ndjson", &settings).expect("it was written as it must be");
    assert_eq!(again.rows.len(), rows.len());
    for (cells, (line, back)) in rows.iter().zip(&again.rows) {
        assert!(back.starts_with(cells), "line {line}: {cells:?}, and read again {back:?}");
    }
}

fn member(name: &str, (holds, text): &(Holds, String)) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let value = match holds {
        Holds::Null => "null",
        Holds::Field | Holds::String => &string(text),
        Holds::Number | Holds::Boolean | Holds::Nested => text,
    };
    format!("{}:{value}", string(name))
}

/// A sign is lost.
fn plant(records: &mut Records) {
    let cells = records.rows.iter_mut().flat_map(|(_, cells)| cells);
    for (_, text) in cells.filter(|(holds, _)| *holds == Holds::Number) {
        *text = text.replace('-', "");
    }
}
