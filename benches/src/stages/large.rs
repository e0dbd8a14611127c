//! One large file, into SQLite and into PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::per_second;
use crate::Outcome;
use crate::check::{self, Place};
use crate::contest::{self, Contender, Figure, Standing};
use crate::ground::{Ground, files_below};
use crate::postgres::Server;
use crate::process::{has, run};
use crate::setup::Setup;
use crate::workload::{Shape, write_csv, write_ndjson};

/// The table that `sqlite3` and `psql` get made for them.
const COLUMNS: &str = "id INTEGER, name TEXT, qty INTEGER, price REAL, ts TIMESTAMP, note TEXT";

pub fn hold(setup: &Setup) -> Outcome<Vec<Standing>> {
    let files = Files::make(setup)?;
    Ok(vec![csv_into_sqlite(setup, &files), ndjson_into_sqlite(setup, &files), csv_into_postgres(setup, &files)])
}

/// Made once for all turns.
struct Files {
    ground: Ground,
}

impl Files {
    fn make(setup: &Setup) -> Outcome<Self> {
        let files = Self { ground: Ground::new(&setup.directory, "large files")? };
        write_csv(&files.csv(), setup.rows)?;
        write_ndjson(&files.ndjson(), setup.rows)?;
        Ok(files)
    }

    fn csv(&self) -> PathBuf {
        self.ground.root().join("rows.csv")
    }

    fn ndjson(&self) -> PathBuf {
        self.ground.root().join("rows.ndjson")
    }
}

fn figure(setup: &Setup, what: &str) -> Vec<Figure> {
    vec![Figure { title: format!("{what}: {} rows", setup.rows), unit: "rows/s" }]
}

fn csv_into_sqlite(setup: &Setup, files: &Files) -> Standing {
    let missing = (!has("sqlite3")).then(|| "sqlite3 is not installed".to_owned());
    let contenders = [
        Contender::new("importerd once", || importerd(setup, &files.csv(), check::of_csv)),
        Contender::new("by hand, 2 threads", || by_hand(setup, "csv", &files.csv(), check::of_csv)),
        Contender::new("sqlite3 .import", || sqlite_shell(setup, &files.csv())).unless(missing),
    ];
    contest::hold(setup.rounds, figure(setup, "One CSV file into SQLite"), &[1], &contenders)
}

fn ndjson_into_sqlite(setup: &Setup, files: &Files) -> Standing {
    let contenders = [
        Contender::new("importerd once", || importerd(setup, &files.ndjson(), check::of_ndjson)),
        Contender::new("by hand, 2 threads", || by_hand(setup, "ndjson", &files.ndjson(), check::of_ndjson)),
    ];
    contest::hold(setup.rounds, figure(setup, "One NDJSON file into SQLite"), &[1], &contenders)
}

fn importerd(setup: &Setup, file: &Path, place: Place) -> Outcome<Vec<f64>> {
    let ground = dropped(setup, file)?;
    let took = run(&mut setup.importerd_into_sqlite(&ground, "once")?, &ground)?;
    let files = files_below(&ground.archive()).len();
    if files != 1 {
        return Err(format!("{files} files in the archive").into());
    }
    check::rows(&ground.database(), "rows", setup.rows, Shape::Large, Some(place))?;
    Ok(vec![per_second(setup.rows, took)])
}

/// A run's directory with a copy of the file in its inbox.
fn dropped(setup: &Setup, file: &Path) -> Outcome<Ground> {
    let ground = Ground::new(&setup.directory, "large")?;
    fs::copy(file, ground.inbox().join(file.file_name().ok_or("no name")?))?;
    ground.settle()?;
    Ok(ground)
}

fn by_hand(setup: &Setup, format: &str, file: &Path, place: Place) -> Outcome<Vec<f64>> {
    let ground = Ground::new(&setup.directory, "by hand")?;
    let took = run(setup.floor(&[format]).arg(file).arg(ground.database()), &ground)?;
    check::rows(&ground.database(), "rows", setup.rows, Shape::Large, Some(place))?;
    Ok(vec![per_second(setup.rows, took)])
}

fn sqlite_shell(setup: &Setup, file: &Path) -> Outcome<Vec<f64>> {
    let ground = Ground::new(&setup.directory, "sqlite3")?;
    let mut command = Command::new("sqlite3");
    command.arg(ground.database());
    command.arg(format!("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE rows ({COLUMNS})"));
    command.arg(format!(".import --csv --skip 1 \"{}\" rows", file.display()));
    let took = run(&mut command, &ground)?;
    check::rows(&ground.database(), "rows", setup.rows, Shape::Large, None)?;
    Ok(vec![per_second(setup.rows, took)])
}

fn csv_into_postgres(setup: &Setup, files: &Files) -> Standing {
    let server = Server::start(&setup.directory);
    let missing = server.as_ref().err().map(ToString::to_string);
    let with = |load: fn(&Setup, &Server, &Path) -> Outcome<Vec<f64>>| {
        let server = server.as_ref().ok();
        move || load(setup, server.ok_or("no server")?, &files.csv())
    };
    let contenders = [
        Contender::new("importerd once", with(importerd_into_postgres)).unless(missing.clone()),
        Contender::new("psql \\copy", with(psql)).unless(missing.clone()),
    ];
    contest::hold(setup.rounds, figure(setup, "One CSV file into PostgreSQL"), &[1], &contenders)
}

fn importerd_into_postgres(setup: &Setup, server: &Server, file: &Path) -> Outcome<Vec<f64>> {
    let ground = dropped(setup, file)?;
    server.clear()?;
    let does = format!("import = {{ into = \"{}\", table = \"rows\" }}", server.url());
    let took = run(&mut setup.importerd(&ground, "once", &does)?, &ground)?;
    check_postgres(server, &ground, file)?;
    Ok(vec![per_second(setup.rows, took)])
}

fn psql(setup: &Setup, server: &Server, file: &Path) -> Outcome<Vec<f64>> {
    let ground = Ground::new(&setup.directory, "psql")?;
    server.clear()?;
    let mut command = server.psql();
    command.args([
        "-c",
        "CREATE TABLE rows (id bigint, name text, qty bigint, price double precision, ts timestamptz, note text)",
    ]);
    command.arg("-c").arg(format!("\\copy rows FROM '{}' (FORMAT csv, HEADER)", file.display()));
    let took = run(&mut command, &ground)?;
    check_postgres(server, &ground, file)?;
    Ok(vec![per_second(setup.rows, took)])
}

/// Written out again, the table is the file.
fn check_postgres(server: &Server, ground: &Ground, file: &Path) -> Outcome<()> {
    let out = ground.root().join("out.csv");
    let columns = "id, name, qty, price::numeric(12, 2) AS price, \
        to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS ts, note";
    let mut command = server.psql();
    command
        .arg("-c")
        .arg(format!("\\copy (SELECT {columns} FROM rows ORDER BY id) TO '{}' (FORMAT csv, HEADER)", out.display()));
    run(&mut command, ground)?;
    if fs::read(&out)? == fs::read(file)? { Ok(()) } else { Err("the table isn't what the file says".into()) }
}
