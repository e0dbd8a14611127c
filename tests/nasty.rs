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
        let names = ["README.md", "expected.tsv", "meant.json", "parsing.json"];
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

/// What JSON is, is taken, and nothing else: every document of the suite as the value of a record.
#[test]
fn the_json_test_suite_is_taken_and_refused_as_it_says() {
    let suite: Vec<(String, String)> =
        serde_json::from_slice(&fs::read(format!("{NASTY}/json-test-suite/parsing.json")).unwrap()).unwrap();
    let mut loader = Loader::new();
    let mut counts = [0_u32; 2];
    for (name, input) in &suite {
        let document = format!("[{{\"n\": 1, \"v\": {input}}},\n{{\"n\": 2}}]");
        let mut results = vec![loader.load("a.json", document.as_bytes(), &declared(""))];
        if !input.contains(['\n', '\r']) {
            let lines = format!("{{\"n\": 1, \"v\": {input}}}\n{{\"n\": 2}}\n");
            results.push(loader.load("a.ndjson", lines.as_bytes(), &declared("")));
        }
        for result in results {
            match name.as_bytes()[0] {
                b'y' => assert_eq!(result, Ok(2), "{name}: {input}"),
                b'n' => assert!(result.is_err(), "{name}: {input}: {result:?}"),
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
