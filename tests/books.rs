//! The negative control of the tests of stops and kills: their books find what they look for. A site that is in
//! order is spoilt in one way after the other, and mended again.

mod crash;
mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use crash::books::{Kind, Problem, problems_after_a_drain};
use crash::load::{Fate, List, Load};
use crash::site::{ROWS, Site, WORK};

/// A site on which all of a load is done.
fn done() -> (Site, Load) {
    let site = Site::new();
    let mut load = Load::on(&site, 7);
    load.order(60);
    load.finish();
    crash::finish(&site, &load, 7);
    (site, load)
}

/// Spoils a database by a statement that must change something, and mends it.
fn spoilt_by_sql(site: &Site, list: &List, database: &str, sql: &str) -> Vec<Problem> {
    let path = site.root().join("state").join(database);
    let before = fs::read(&path).expect("read a database");
    let connection = site.database(database);
    assert!(connection.execute(sql, []).expect("a statement") > 0, "{sql} changes nothing");
    connection.close().expect("close");
    let problems = problems_after_a_drain(site, list);
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(site.root().join("state").join(format!("{database}{ending}")));
    }
    fs::write(path, before).expect("write a database");
    problems
}

/// The first good file in the archive.
fn archived(site: &Site, folder: &str, list: &List, is_it: impl Fn(&Fate) -> bool) -> PathBuf {
    let files = harness::files(&site.directory(folder, "archive"));
    let good = files.into_iter().find(|path| {
        let content = fs::read(path).expect("read a file");
        // Of several with one content, it may be a duplicate.
        list.get(&content).is_some_and(|dropped| dropped.copies == 1 && is_it(&dropped.fate))
    });
    good.expect("the load has such a file")
}

fn spoilt_by_moving(site: &Site, list: &List, from: &Path, to: &Path) -> Vec<Problem> {
    fs::rename(from, to).expect("move");
    let problems = problems_after_a_drain(site, list);
    fs::rename(to, from).expect("move back");
    problems
}

fn assert_found(what: &str, kind: Kind, problems: &[Problem], words: &str) {
    let found = problems.iter().any(|problem| problem.kind == kind && problem.text.contains(words));
    assert!(found, "{what} is not found: {problems:#?}");
}

#[test]
fn rows_that_are_lost_doubled_or_of_another_file_are_found() {
    let (site, load) = done();
    let list = load.list();
    let spoil = |sql: &str| spoilt_by_sql(&site, &list, "rows.db", sql);
    let file = "(SELECT min(_file_id) FROM (SELECT _file_id FROM rows GROUP BY _file_id HAVING count(*) > 1))";
    let one = &format!("rowid = (SELECT min(rowid) FROM rows WHERE _file_id = {file})");
    let problems = spoil(&format!("DELETE FROM rows WHERE {one}"));
    assert_found("a lost row", Kind::Half, &problems, "brought the rows");
    let problems = spoil(&format!("DELETE FROM rows WHERE _file_id = {file}"));
    assert_found("a file's lost rows", Kind::Lost, &problems, "brought the rows");
    let doubled = format!("INSERT INTO rows SELECT * FROM rows WHERE {one}");
    assert_found("a doubled row", Kind::Doubled, &spoil(&doubled), "brought the rows");
    let reject = "rowid = (SELECT min(rowid) FROM _importerd_rejects)";
    let problems = spoil(&format!("DELETE FROM _importerd_rejects WHERE {reject}"));
    assert_found("a lost reject", Kind::Lost, &problems, "brought 0 rejects");
    let problems = spoil(&format!("INSERT INTO _importerd_rejects SELECT * FROM _importerd_rejects WHERE {reject}"));
    assert_found("a doubled reject", Kind::Doubled, &problems, "brought 2 rejects");
    assert_found("a marker that tells of fewer", Kind::Half, &problems, "says 1 rejects, there are 2");
    let problems = spoil(&format!("UPDATE _importerd_rejects SET file_id = 999999 WHERE {reject}"));
    assert_found("a reject of no file", Kind::Doubled, &problems, "1 rejects of no archived file 999999");
    let strange = format!("UPDATE rows SET _file_id = 999999 WHERE {one}");
    assert_found("a row of no file", Kind::Doubled, &spoil(&strange), "rows of no archived file");
    assert_found(
        "a marker without rows",
        Kind::Half,
        &spoil("UPDATE _importerd_files SET rows = rows + 1"),
        "the marker of",
    );
    assert_eq!(problems_after_a_drain(&site, &list), [], "mended");
}

#[test]
fn files_that_are_lost_doubled_half_or_left_are_found() {
    let (site, load) = done();
    let list = load.list();
    let file = archived(&site, ROWS, &list, |fate| matches!(fate, Fate::Rows(ids) if !ids.is_empty()));
    let away = site.root().join("away");
    assert_found("a lost file", Kind::Lost, &spoilt_by_moving(&site, &list, &file, &away), "and is there");
    let left = site.directory(ROWS, "active").join("0/f0.csv");
    // The other Processor may have done everything.
    fs::create_dir_all(site.directory(ROWS, "active").join("0")).expect("make a slot");
    assert_found("a file left in active/", Kind::Half, &spoilt_by_moving(&site, &list, &file, &left), "is left");
    let back = site.directory(ROWS, "inbox").join("f0.csv");
    assert_found(
        "rows of a file in the inbox",
        Kind::Doubled,
        &spoilt_by_moving(&site, &list, &file, &back),
        "no archived file",
    );

    let content = fs::read(&file).expect("read");
    fs::write(&file, &content[..content.len() / 2]).expect("write half");
    assert_found("half a file", Kind::Half, &problems_after_a_drain(&site, &list), "nobody dropped");
    fs::write(&file, &content).expect("mend");
    let copy = site.directory(ROWS, "inbox").join("copy.csv");
    fs::copy(&file, &copy).expect("copy");
    assert_found("a doubled file", Kind::Doubled, &problems_after_a_drain(&site, &list), "and is there");
    fs::remove_file(copy).expect("mend");
    assert_eq!(problems_after_a_drain(&site, &list), [], "mended");
}

#[test]
fn results_that_are_lost_doubled_or_half_are_found() {
    let (site, load) = done();
    let list = load.list();
    let result = harness::files(&site.directory(WORK, "results")).pop().expect("results");
    let content = fs::read(&result).expect("read");
    let away = site.root().join("away");
    assert_found("a lost result", Kind::Lost, &spoilt_by_moving(&site, &list, &result, &away), "times too often");
    fs::write(&result, &content[..content.len() / 2]).expect("write half");
    assert_found("half a result", Kind::Half, &problems_after_a_drain(&site, &list), "times too often");
    fs::write(&result, &content).expect("mend");
    let copy = site.directory(WORK, "results").join("copy");
    fs::copy(&result, &copy).expect("copy");
    assert_found("a doubled result", Kind::Doubled, &problems_after_a_drain(&site, &list), "times too often");
    fs::remove_file(copy).expect("mend");
    fs::write(site.root().join("twice"), "f1.txt").expect("write");
    assert_found(
        "a command run twice at once",
        Kind::Doubled,
        &problems_after_a_drain(&site, &list),
        "twice at the same time",
    );
    fs::remove_file(site.root().join("twice")).expect("mend");
    assert_eq!(problems_after_a_drain(&site, &list), [], "mended");
}

#[test]
fn reasons_that_are_lost_half_or_of_another_file_are_found() {
    let (site, load) = done();
    let list = load.list();
    let files = harness::files(&site.directory(ROWS, "quarantine"));
    let reason = files.iter().find(|path| path.to_string_lossy().ends_with(".reason.txt")).expect("a reason");
    let content = fs::read_to_string(reason).expect("read");
    let away = site.root().join("away");
    assert_found("a lost reason", Kind::Lost, &spoilt_by_moving(&site, &list, reason, &away), "no reason file");
    for half in [&content[..content.len() / 2], &content[..content.len() - 1], ""] {
        fs::write(reason, half).expect("write half");
        let problems = problems_after_a_drain(&site, &list);
        assert!(problems.iter().any(|problem| problem.text.contains("is not of this file")), "{half:?}: {problems:#?}");
    }
    fs::write(reason, content.replace("file #", "file #9")).expect("write another's");
    let problems = problems_after_a_drain(&site, &list);
    assert_found("another's reason", Kind::Disagrees, &problems, "is not of this file");
    fs::write(reason, content).expect("mend");
    assert_eq!(problems_after_a_drain(&site, &list), [], "mended");
}

#[test]
fn a_ledger_that_says_something_else_is_found() {
    let (site, load) = done();
    let list = load.list();
    let spoil = |sql: &str| spoilt_by_sql(&site, &list, "ledger.db", sql);
    let one = "id = (SELECT min(id) FROM file WHERE state = 'archived')";
    let charged = format!("UPDATE file SET attempts = 1 WHERE {one}");
    assert_found("a charged attempt", Kind::Disagrees, &spoil(&charged), "attempts were charged");
    let between = format!("UPDATE file SET state = 'committed', place = NULL WHERE {one}");
    assert_found("a file in between", Kind::Disagrees, &spoil(&between), "the ledger says");
    let elsewhere = format!("UPDATE file SET place = 'archive/elsewhere' WHERE {one}");
    assert_found("another place", Kind::Disagrees, &spoil(&elsewhere), "the ledger says");
    assert_found(
        "a missing entry",
        Kind::Disagrees,
        &spoil(&format!("DELETE FROM file WHERE {one}")),
        "is not in the ledger",
    );
    let gone = "UPDATE file SET results = replace(results, 'report', 'other')";
    assert_found("other names of results", Kind::Disagrees, &spoil(gone), "results of");
    assert_eq!(problems_after_a_drain(&site, &list), [], "mended");
}
