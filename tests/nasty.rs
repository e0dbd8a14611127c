//! Files that other people collected because programs fail on them: what importerd makes of each is written down,
//! and what it takes is what Python's readers read.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
#[path = "harness/loader.rs"]
mod loader;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::has;
use loader::{Loader, declared};
use rusqlite::types::Value;

const NASTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nasty");

/// A line of `expected.tsv`: the file, what is declared of it, and what comes of it.
struct Case {
    file: String,
    declared: String,
    expected: String,
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(format!("{NASTY}/expected.tsv")).unwrap();
    let case = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut next = || cells.next().unwrap_or_else(|| panic!("three cells: {line}"));
        Case { file: next(), declared: next(), expected: next() }
    };
    text.lines().skip(1).map(case).collect()
}

fn got(result: &Result<u64, String>) -> String {
    match result {
        Ok(1) => "1 row".to_owned(),
        Ok(rows) => format!("{rows} rows"),
        Err(reason) => format!("refused: {reason}"),
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// `UPDATE_DOCS=1 cargo test --test nasty` writes down what comes of every file; read the difference.
#[test]
fn every_collected_file_becomes_what_is_written_down() {
    let mut loader = Loader::new();
    let (mut table, mut wrong) = (String::from("file\tdeclared\twhat comes of it\n"), Vec::new());
    for Case { file, declared: text, expected } in cases() {
        let content = fs::read(format!("{NASTY}/{file}")).unwrap();
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap().to_owned();
        let result = loader.load(&name, &content, &declared(&text));
        let found = got(&result);
        writeln!(table, "{file}\t{text}\t{found}").unwrap();
        if found != expected {
            wrong.push(format!("{file} {text}\n  expected {expected}\n  got      {found}"));
        }
        // A compressed file is what is in it.
        if !content.starts_with(b"\x1f\x8b") {
            let packed = loader.load(&format!("{name}.gz"), &gzip(&content), &declared(&text));
            assert_eq!(got(&packed), found, "{file}.gz");
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(format!("{NASTY}/expected.tsv"), table).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if has("python3") {
        assert_eq!(loader.disagreements(), [""; 0]);
    }
}

#[test]
fn every_collected_file_is_in_the_list() {
    fn below(directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else {
                found.insert(path);
            }
        }
    }
    let mut there = BTreeSet::new();
    below(Path::new(NASTY), &mut there);
    let listed: BTreeSet<PathBuf> = cases().iter().map(|case| Path::new(NASTY).join(&case.file)).collect();
    let is_aside = |path: &PathBuf| {
        let names = ["README.md", "expected.tsv", "meant.json", "parsing.json", "bytes.json"];
        let meaning = path.parent().unwrap().ends_with("csv-spectrum") && path.extension().unwrap() == "json";
        meaning || names.iter().any(|name| path.ends_with(name))
    };
    there.retain(|path| !is_aside(path));
    assert_eq!(there, listed);
}

/// The collection's own word for what the cells are.
#[test]
fn csv_spectrum_becomes_what_its_json_says() {
    for file in fs::read_dir(format!("{NASTY}/csv-spectrum")).unwrap() {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The JSON of this one has another telephone number than its CSV.
        if path.extension().unwrap() != "csv" || stem == "location_coordinates" {
            continue;
        }
        let said = fs::read(path.with_extension("json")).unwrap();
        let said: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&said).unwrap();
        let mut loader = Loader::new();
        assert_eq!(
            loader.load(&format!("{stem}.csv"), &fs::read(&path).unwrap(), &declared("")),
            Ok(said.len() as u64)
        );
        let rows = loader.rows();
        for (number, row) in (1..).zip(&said) {
            for (column, value) in row {
                let query = format!("SELECT CAST(\"{column}\" AS TEXT) FROM t1 WHERE rowid = {number}");
                let cell: Option<String> = rows.query_row(&query, (), |row| row.get(0)).unwrap();
                assert_eq!(cell.unwrap_or_default(), value.as_str().unwrap(), "{stem}, row {number}, {column}");
            }
        }
    }
}

/// Where a collection's own reader sees something else: CR alone ends no line there, and CRLF in quotes becomes LF.
const OTHERS_DIFFER: [&str; 9] = [
    "go/bare-cr.csv",
    "go/crlfin-quoted-field.csv",
    "go/field-cr.csv",
    "go/field-crcr.csv",
    "go/field-crcrlf.csv",
    "go/field-crcrlfcr.csv",
    "go/field-crcrlfcrcr.csv",
    "go/multi-field-crcrlfcrcr.csv",
    "papaparse/mixed-slash-n-and-slash-r-should-choose-first-as-precident.csv",
];

/// The rows of the last file that was loaded, as texts.
fn texts(loader: &Loader) -> Vec<Vec<String>> {
    let connection = loader.rows();
    let mut statement = connection.prepare(&format!("SELECT * FROM t{}", loader.files())).unwrap();
    let columns = statement.column_count();
    let cell = |value| match value {
        Value::Null => String::new(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    };
    let rows = statement.query_map((), |row| (2..columns).map(|column| row.get(column).map(cell)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The same, but for what types are: `1.50` and `1.5`, `true` and `1`.
fn is_same(got: &[String], said: &[String]) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let is_same = |(got, said): (&String, &String)| {
        got == said
            || (number(got).is_some() && number(got) == number(said))
            || (got == "1" && said == "true")
            || (got == "0" && said == "false")
    };
    got.len() == said.len() && got.iter().zip(said).all(is_same)
}

/// What the tests that the files come from expect of them: of what is taken, every cell.
#[test]
fn what_is_taken_is_what_its_collection_says() {
    let mut loader = Loader::new();
    let (mut taken, mut wrong) = (0, Vec::new());
    for collection in ["go", "papaparse"] {
        let said = fs::read(format!("{NASTY}/{collection}/meant.json")).unwrap();
        let said: BTreeMap<String, Vec<Vec<String>>> = serde_json::from_slice(&said).unwrap();
        for Case { file, declared: text, .. } in cases() {
            let Some(rows) = file.strip_prefix(collection).and_then(|name| said.get(&name[1..])) else { continue };
            let content = fs::read(format!("{NASTY}/{file}")).unwrap();
            let Ok(count) = loader.load("a.csv", &content, &declared(&text)) else { continue };
            taken += 1;
            let got = if count == 0 { Vec::new() } else { texts(&loader) };
            let differs = got.len() != rows.len() || got.iter().zip(rows).any(|(got, said)| !is_same(got, said));
            if differs != OTHERS_DIFFER.contains(&file.as_str()) {
                wrong.push(format!("{file}: {got:?}, where {collection} has {rows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 100, "{taken}");
}

/// The suite's name of each, and it.
fn texts_of_the_suite() -> Vec<(String, Vec<u8>)> {
    let read = |file: &str| -> Vec<(String, String)> {
        serde_json::from_slice(&fs::read(format!("{NASTY}/json-test-suite/{file}")).unwrap()).unwrap()
    };
    let of_hex =
        |hex: &str| (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    let texts = read("parsing.json").into_iter().map(|(name, text)| (name, text.into_bytes()));
    texts.chain(read("bytes.json").into_iter().map(|(name, hex)| (name, of_hex(&hex)))).collect()
}

/// A text of the suite as the value of a record, in a document and, where it can be, on a line.
fn as_value(input: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let document = [b"[{\"n\": 1, \"v\": ", input, b"},\n{\"n\": 2}]"].concat();
    let line = [b"{\"n\": 1, \"v\": ", input, b"}\n{\"n\": 2}\n"].concat();
    let is_line = !input.iter().any(|byte| b"\n\r".contains(byte));
    [("a.json", document)].into_iter().chain(is_line.then_some(("a.ndjson", line))).collect()
}

/// What JSON is, is taken, and nothing else: every document of the suite as the value of a record.
#[test]
fn the_json_test_suite_is_taken_and_refused_as_it_says() {
    let mut suite = texts_of_the_suite();
    suite.push(("n_structure_100000_opening_arrays".to_owned(), "[".repeat(100_000).into_bytes()));
    suite.push(("n_structure_open_array_object".to_owned(), "[{\"\":".repeat(50_000).into_bytes()));
    let mut loader = Loader::new();
    let mut counts = [0_u32; 2];
    for (name, input) in &suite {
        for (file, content) in as_value(input) {
            let result = loader.load(file, &content, &declared(""));
            let told =
                format!("{name}: {}: {result:?}", input.escape_ascii().take(200).collect::<Vec<_>>().escape_ascii());
            match name.as_bytes()[0] {
                b'y' => assert_eq!(result, Ok(2), "{told}"),
                b'n' => assert!(result.is_err(), "{told}"),
                // Left to the reader by the standard: exact, or refused.
                _ => {}
            }
            counts[usize::from(result.is_err())] += 1;
        }
    }
    assert!(counts[0] > 150 && counts[1] > 300, "{counts:?}");
    if has("python3") {
        assert_eq!(loader.disagreements(), [""; 0]);
    }
}

/// What becomes of a value that alone fills a column; `None`: it is refused.
fn kept(loader: &mut Loader, value: &[u8]) -> Option<String> {
    let (_, content) = as_value(value).remove(0);
    loader.load("a.json", &content, &declared("")).ok()?;
    let query = format!("SELECT CAST(v AS TEXT) FROM t{} WHERE n = 1", loader.files());
    Some(loader.rows().query_row(&query, (), |row| row.get(0)).unwrap())
}

/// Where readers make something else of what they take: nested, it is kept to the letter.
#[test]
fn what_readers_of_json_change_is_kept_or_refused() {
    let mut loader = Loader::new();
    for (name, input) in texts_of_the_suite() {
        let Some(name) = name.strip_prefix("transform_") else { continue };
        let input = input.trim_ascii();
        let text = str::from_utf8(input).ok();
        assert_eq!(kept(&mut loader, input).as_deref(), text, "{name}");
        if let Some(value) = input.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            let expected = match name {
                "number_1e6" => Some("1000000.0"),
                "number_10000000000000000999" => Some("10000000000000000999"),
                "number_1000000000000000" => Some("1000000000000000"),
                "number_1e-999" => Some("1E-999"),
                _ => None,
            };
            assert_eq!(kept(&mut loader, value).as_deref(), expected, "{name}");
        } else {
            let record = loader.load("a.ndjson", input, &declared(""));
            assert_eq!(record.is_ok(), name.starts_with("object_key_nf"), "{name}: {record:?}");
        }
    }
}
