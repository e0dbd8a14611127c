//! Real data as others publish them, imported and compared cell by cell with what Python's readers see.
//!
//! `UPDATE_DOCS=1 cargo test --test data_sets` writes the table to docs/data-sets.md.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "the table is what it shows")]

mod harness;
#[path = "harness/loader.rs"]
mod loader;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::has;
use loader::{Loader, declared};

/// Debian's packages: who makes the data, the file below /usr/share, and what is declared of it.
const DEBIAN: [(&str, &str, &str); 16] = [
    ("IEEE", "ieee-data/oui.csv", ""),
    ("IEEE", "ieee-data/mam.csv", ""),
    ("IEEE", "ieee-data/oui36.csv", ""),
    ("IEEE", "ieee-data/iab.csv", ""),
    ("Unicode", "unicode/UnicodeData.txt", "format=csv delimiter=; header=false"),
    ("Unicode", "unicode/Blocks.txt", "format=csv delimiter=; header=false comment=#"),
    ("Unicode", "unicode/NameAliases.txt", "format=csv delimiter=; header=false comment=#"),
    ("Unicode", "unicode/CaseFolding.txt", "format=csv delimiter=; header=false comment=#"),
    ("Unicode", "unicode/ArabicShaping.txt", "format=csv delimiter=; header=false comment=#"),
    ("ISO", "iso-codes/json/iso_3166-1.json", "format=json records=/3166-1"),
    ("ISO", "iso-codes/json/iso_3166-2.json", "format=json records=/3166-2"),
    ("ISO", "iso-codes/json/iso_639-3.json", "format=json records=/639-3"),
    ("ISO", "iso-codes/json/iso_639-5.json", "format=json records=/639-5"),
    ("ISO", "iso-codes/json/iso_4217.json", "format=json records=/4217"),
    ("ISO", "iso-codes/json/iso_15924.json", "format=json records=/15924"),
    ("IANA", "zoneinfo/iso3166.tab", "format=tsv quote=none header=false comment=#"),
];

/// Packages of Python's index, and the files in them.
const PYPI: [(&str, &[&str]); 4] = [
    ("airportsdata==20260905", &["airportsdata/airports.csv", "airportsdata/iata_macs.csv"]),
    (
        "country-list==1.1.0",
        &["country_list/country_data/data/de/country.csv", "country_list/country_data/data/ja/country.csv"],
    ),
    ("palmerpenguins==0.1.6", &["palmerpenguins/data/penguins.csv", "palmerpenguins/data/penguins-raw.csv"]),
    (
        "vega-datasets==0.9.0",
        &[
            "vega_datasets/_data/airports.csv",
            "vega_datasets/_data/iowa-electricity.csv",
            "vega_datasets/_data/la-riots.csv",
            "vega_datasets/_data/seattle-weather.csv",
            "vega_datasets/_data/sf-temps.csv",
            "vega_datasets/_data/stocks.csv",
            "vega_datasets/_data/us-employment.csv",
            "vega_datasets/_data/barley.json",
            "vega_datasets/_data/burtin.json",
            "vega_datasets/_data/cars.json",
            "vega_datasets/_data/iris.json",
            "vega_datasets/_data/ohlc.json",
        ],
    ),
];

/// A data set: who makes it, where it is, and what is declared of it.
struct DataSet {
    maker: String,
    path: PathBuf,
    declared: &'static str,
}

/// `None`: they can't be had.
fn data_sets() -> Option<Vec<DataSet>> {
    let debian = DEBIAN.map(|(maker, file, declared)| {
        let path = PathBuf::from("/usr/share").join(file);
        DataSet { maker: maker.to_owned(), path, declared }
    });
    let mut sets = Vec::from(debian);
    if let Some(missing) = sets.iter().find(|set| !set.path.is_file()) {
        return missing_is_said(&format!("{}: tests/all installs it", missing.path.display()));
    }
    for (package, files) in PYPI {
        let Some(directory) = unpacked(package) else {
            return missing_is_said(&format!("PyPI does not give {package}"));
        };
        let maker = package.split("==").next().unwrap().to_owned();
        sets.extend(files.iter().map(|file| DataSet {
            maker: maker.clone(),
            path: directory.join(file),
            declared: "",
        }));
    }
    Some(sets)
}

fn missing_is_said<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// The files of a wheel, once fetched.
fn unpacked(package: &str) -> Option<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("data-sets").join(package);
    let done = directory.join("done");
    if !done.is_file() {
        let python = |arguments: &[&str]| {
            let run = Command::new("python3").arg("-m").args(arguments).current_dir(&directory).output();
            run.is_ok_and(|output| output.status.success())
        };
        fs::create_dir_all(&directory).unwrap();
        if !python(&["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", package]) {
            return None;
        }
        let wheel =
            harness::files(&directory).into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
        assert!(python(&["zipfile", "-e", wheel.unwrap().to_str().unwrap(), "."]), "unpack {package}");
        fs::write(done, "").unwrap();
    }
    Some(directory)
}

#[test]
fn real_data_sets_come_in_cell_by_cell_as_another_reader_sees_them() {
    if !has("python3") {
        return;
    }
    let Some(sets) = data_sets() else { return };
    let mut loader = Loader::new();
    let mut table =
        String::from("| from | data set | declared | rows | columns | cells |\n|---|---|---|--:|--:|--:|\n");
    let (mut all, count) = (0, sets.len());
    for (number, DataSet { maker, path, declared: text }) in (1..).zip(sets) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let rows = loader.load(name, &fs::read(&path).unwrap(), &declared(text));
        let rows = rows.unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
        let query = format!("SELECT count(*) - 2 FROM pragma_table_info('t{number}')");
        let columns: u64 = loader.rows().query_row(&query, (), |row| row.get(0).map(i64::cast_unsigned)).unwrap();
        all += rows * columns;
        let declared = if text.is_empty() { String::new() } else { format!("`{text}`") };
        table += &["|", &maker, "|", name, "|", &declared, "|", &rows.to_string(), "|"].join(" ");
        table += &[" ", &columns.to_string(), " | ", &(rows * columns).to_string(), " |\n"].concat();
    }
    let differing = loader.disagreements();
    eprintln!("{table}{count} data sets, {all} cells, {} of the data sets differ", differing.len());
    assert_eq!(differing, [""; 0]);
    assert!(count >= 20 && all > 1_000_000, "{count} data sets, {all} cells");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = format!("{HEAD}{table}\nAll: {count} data sets, {all} cells, 0 differences.\n");
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/data-sets.md"), page).unwrap();
    }
    // Control: one cell of a million is another.
    loader.rows().execute("UPDATE t5 SET c2 = c2 || ' ' WHERE rowid = 20000", ()).unwrap();
    assert_eq!(loader.disagreements().len(), 1, "a changed cell was not seen");
}

const HEAD: &str = "# Real data sets, compared cell by cell\n\n\
    `tests/data_sets.rs` imports each and compares every cell with what Python's csv and json modules read. Written by it:\n\
    `UPDATE_DOCS=1 cargo test --test data_sets`.\n\n";
