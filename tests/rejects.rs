//! Files that go in without the rows that don't fit: told apart everywhere, and their rejects mended and dropped again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::process::Output;

use harness::Drop;
use rusqlite::Connection;
use serde_json::Value;

const TOLERANT: &str = "import = { into = \"sqlite:rows.db\", rejects = 5 }";

/// What the program answers.
fn ask(drop: &Drop, arguments: &[&str]) -> Output {
    drop.command_logging("json", arguments).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Files and rejects that don't agree: a reject without a marker that counts it, or a marker that counts others.
fn disagreements(drop: &Drop) -> i64 {
    number(
        &drop.rows(),
        "SELECT (SELECT count(*) FROM _importerd_files f
            WHERE rejects <> (SELECT count(*) FROM _importerd_rejects WHERE file_id = f.id))
          + (SELECT count(*) FROM _importerd_rejects WHERE file_id NOT IN (SELECT id FROM _importerd_files))",
    )
}

/// A table with two types, so that there is something not to fit.
fn with_table(keys: &str) -> Drop {
    let drop = Drop::with(keys);
    drop.put("first.csv", "id,amount,note\n1,1.5,first\n");
    assert_eq!(drop.once().code(), Some(0));
    drop
}

const ORDERS: &str =
    "id,amount,note\n2,2.5,\"two\nlines\"\nx,3.5,\"a \"\"quoted\"\" one\"\n4,\"4,5\",four\n5,5.5\n6,6.5,six\n";

// fault 45, fault 57
#[test]
fn rejects_are_mended_dropped_again_and_then_every_row_is_there() {
    let drop = with_table(TOLERANT);
    drop.put("orders.csv", ORDERS);
    let once = ask(&drop, &["once"]);
    assert_eq!(once.status.code(), Some(0));
    assert!(out(&once).starts_with("1 done, 1 of them without 3 rows\n"), "{}", out(&once));
    assert_eq!(drop.row_count(), 3);

    let rejects = ask(&drop, &["rejects", "orders.csv"]);
    assert_eq!(rejects.status.code(), Some(0));
    assert_eq!(out(&rejects), "id,amount,note\nx,3.5,\"a \"\"quoted\"\" one\"\n4,\"4,5\",four\n5,5.5\n");
    assert_eq!(
        err(&rejects),
        "line 4, column id: \"x\" is not an integer\nline 5, column amount: \"4,5\" is not a real number\n\
         line 6: 2 fields where the header has 3\n"
    );
    let mended = out(&rejects).replace("x,3.5", "3,3.5").replace("\"4,5\"", "4.5").replace("5,5.5", "5,5.5,five");
    drop.put("mended.csv", mended);
    assert_eq!(drop.once().code(), Some(0));
    let rows = drop.rows();
    let mut query = rows.prepare("SELECT id, amount, note FROM \"drop\" ORDER BY id").unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let all: Vec<(i64, f64, String)> = query.query_map([], row).unwrap().map(Result::unwrap).collect();
    let notes = ["first", "two\nlines", "a \"quoted\" one", "four", "five", "six"];
    let expected: Vec<(i64, f64, String)> =
        (1..).zip(notes).map(|(id, note)| (id, f64::from(i32::try_from(id).unwrap()) + 0.5, note.to_owned())).collect();
    assert_eq!(all, expected);
    assert_eq!(disagreements(&drop), 0);
}

#[test]
fn a_file_that_was_mended_and_loaded_again_has_no_rejects() {
    let drop = with_table(TOLERANT);
    drop.put("orders.csv", "id,amount,note\n1,1.5,one\nx,3.5,two\n");
    let mut daemon = drop.start();
    daemon.wait_for_file("file.archived", "orders.csv");
    let archived = harness::files(&drop.path().join("archive")).pop().unwrap();
    std::fs::write(&archived, "id,amount,note\n1,1.5,one\n2,3.5,two\n").unwrap();
    assert_eq!(ask(&drop, &["replay", "orders.csv"]).status.code(), Some(0));
    daemon.wait_for_file("file.archived", "orders.csv");
    let rejects = ask(&drop, &["rejects", "orders.csv"]);
    assert_eq!((rejects.status.code(), out(&rejects)), (Some(0), ""), "{}", err(&rejects));
    assert!(err(&rejects).ends_with("orders.csv (archived) has no rejects\n"), "{}", err(&rejects));
    assert_eq!(daemon.stop().code(), Some(0));
}

/// A line, a record without its end, and one that was not mended stay what they are: the round trip is none by itself.
#[test]
fn rejects_that_are_dropped_again_as_they_are_do_not_fit_again() {
    let drop = with_table(TOLERANT);
    drop.put("orders.csv", ORDERS);
    drop.once();
    let rejects = ask(&drop, &["rejects", "orders.csv"]);
    drop.put("again.csv", out(&rejects));
    assert_eq!(drop.once().code(), Some(1));
    assert_eq!(drop.row_count(), 3);
    let reason = String::from_utf8(drop.read("quarantine", "again.csv.reason.txt")).unwrap();
    assert!(reason.contains("none of its 3 rows fits; the first: line 2, column id"), "{reason}");
    let again = ask(&drop, &["rejects", "again.csv"]);
    assert_eq!((out(&again), again.status.code()), (out(&rejects), Some(0)), "and it is checked where it lies");
}

#[test]
fn a_file_with_rejects_is_told_from_one_without_everywhere() {
    let drop = with_table(TOLERANT);
    let mut daemon = drop.start();
    drop.put("bad.csv", ORDERS);
    let event = daemon.wait_for_file("file.committed", "bad.csv");
    assert_eq!((&event["rows"], &event["rejects"], &event["level"]), (&2.into(), &3.into(), &"WARNING".into()));
    daemon.wait_for_file("file.archived", "bad.csv");
    daemon.stop();

    let status: Value = serde_json::from_slice(&ask(&drop, &["status", "--json"]).stdout).unwrap();
    let folder = &status["folders"][0];
    assert_eq!(
        (&folder["done_24h"], &folder["with_rejects_24h"], &folder["rejects_24h"]),
        (&2.into(), &1.into(), &3.into())
    );
    let status = ask(&drop, &["status"]);
    let line = "drop: rejects: 1 file of the last 24 hours went in without 3 rows; to see which, type: ";
    assert!(out(&status).contains(line), "{}", out(&status));

    let listed = ask(&drop, &["ls", "--rejects", "--json"]);
    let files: Vec<Value> = out(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!((&files[0]["name"], &files[0]["rows"], &files[0]["rejects"]), (&"bad.csv".into(), &2.into(), &3.into()));
    let all = ask(&drop, &["ls", "--json"]);
    assert_eq!(out(&all).lines().count(), 2);

    let story: Value = serde_json::from_slice(&ask(&drop, &["explain", "bad.csv", "--json"]).stdout).unwrap();
    assert_eq!((&story["rejects"], &story["target"]["rejects"]), (&3.into(), &3.into()));
    let story = ask(&drop, &["explain", "bad.csv"]);
    assert!(out(&story).contains("committed: 2 rows; 3 rejects"), "{}", out(&story));
    let next = format!("rejects '#{}'\n", files[0]["id"]);
    assert!(out(&story).contains(&next), "{}", out(&story));
}

#[test]
fn a_refused_file_lists_its_rows_in_the_reason_file_and_gives_them_back_with_their_text() {
    let drop = with_table("");
    let many = (0..30).fold(String::new(), |many, line| many + &format!("x{line},1.5,n\n"));
    drop.put("bad.csv", format!("id,amount,note\n2,2.5,\n{many}"));
    assert_eq!(drop.once().code(), Some(1));
    let reason = String::from_utf8(drop.read("quarantine", "bad.csv.reason.txt")).unwrap();
    let id = number(&drop.ledger(), "SELECT id FROM file WHERE state = 'quarantined'").to_string();
    for text in [
        "\n  line 3, column id: \"x0\" is not an integer; and 29 more rows don't fit: lines 4, 5, 6, 7, 8, …\n",
        "\nRows that don't fit (the first 20 of 30):\n  line 3, column id: \"x0\" is not an integer\n",
        "\n  line 22, column id: \"x19\" is not an integer\nTo have all of them with their text, type: importerd --config ",
        &format!("/state rejects '#{id}'\n"),
    ] {
        assert!(reason.contains(text), "{text}\nis not in:\n{reason}");
    }
    for typed in [&id, "bad.csv", drop.path().join("quarantine/bad.csv").to_str().unwrap()] {
        let rejects = ask(&drop, &["rejects", typed]);
        assert_eq!((rejects.status.code(), out(&rejects)), (Some(0), &*format!("id,amount,note\n{many}")), "{typed}");
        assert_eq!(err(&rejects).lines().count(), 30);
    }
    let json = ask(&drop, &["rejects", &id, "--json"]);
    let first: Value = serde_json::from_str(out(&json).lines().next().unwrap()).unwrap();
    let expected = serde_json::json!({
        "id": id.parse::<i64>().unwrap(), "line": 3, "column": "id", "code": "wrong_type", "reason": "\"x0\" is not an integer", "record": "x0,1.5,n"
    });
    assert_eq!((first, err(&json)), (expected, ""));
}

#[test]
fn of_a_file_of_one_column_it_is_said_that_a_daemon_may_know_its_delimiter() {
    for (keys, is_said) in [("", true), ("import = { delimiter = \",\" }", false)] {
        let drop = Drop::with(keys);
        drop.put("one.csv", "note\nx\ny,z\n");
        assert_eq!(drop.once().code(), Some(1));
        let rejects = ask(&drop, &["rejects", "one.csv"]);
        assert_eq!((rejects.status.code(), out(&rejects)), (Some(0), "note\ny,z\n"));
        assert_eq!(err(&rejects).contains("shows no delimiter"), is_said, "{}", err(&rejects));
    }
}

#[test]
fn rows_without_a_key_are_given_back_also_where_there_is_no_table_yet() {
    let drop = Drop::with("import = { mode = { upsert = [\"id\"] } }");
    for (name, content, shown) in [
        ("a.csv", "n,ID\nx,1\ny,\nz,2\n", "n,ID\ny,\n"),
        ("a.ndjson", "{\"n\": 1}\n{\"n\": 2, \"id\": 3}\n", "{\"n\": 1}\n"),
    ] {
        drop.put(name, content);
        assert_eq!(drop.once().code(), Some(1));
        let rejects = ask(&drop, &["rejects", name]);
        assert_eq!((rejects.status.code(), out(&rejects)), (Some(0), shown), "{}", err(&rejects));
        assert!(err(&rejects).contains("NULL in the key"), "{}", err(&rejects));
    }
    drop.put("b.csv", "n\nx\n");
    assert_eq!(drop.once().code(), Some(1));
    let none = ask(&drop, &["rejects", "b.csv"]);
    assert!(err(&none).contains("the file has no column \"id\", which tells its rows apart"), "{}", err(&none));
}

#[test]
fn what_has_no_rejects_says_so_and_what_is_unknown_as_well() {
    let drop = with_table(TOLERANT);
    let none = ask(&drop, &["rejects", "first.csv"]);
    assert_eq!((none.status.code(), out(&none), err(&none)), (Some(0), "", "#1 first.csv (archived) has no rejects\n"));
    let unknown = ask(&drop, &["rejects", "nobody.csv"]);
    assert_eq!((unknown.status.code(), out(&unknown)), (Some(1), ""));
    assert!(err(&unknown).starts_with("importerd: nothing is known of nobody.csv\n"), "{}", err(&unknown));
    drop.put("cut.csv", "id,amount,note\n7,7.5,\"never closed\n");
    drop.once();
    let whole = ask(&drop, &["rejects", "cut.csv"]);
    assert_eq!((whole.status.code(), out(&whole)), (Some(1), "id,amount,note\n"));
    assert!(err(&whole).contains("a quote opens here and never closes"), "{}", err(&whole));
}

/// Mends what `rejects` prints and drops it again: the rows that were missing are there then.
fn round_trip(keys: &str, name: &str, content: &[u8], mend: impl Fn(&str) -> String, ids: &[i64]) {
    let drop = Drop::with(keys);
    drop.put(format!("0-{name}"), content);
    assert_eq!(drop.once().code(), Some(0), "{name}");
    let rejects = ask(&drop, &["rejects", &format!("0-{name}")]);
    assert_eq!(rejects.status.code(), Some(0), "{name}: {}", err(&rejects));
    drop.put(format!("1-{name}"), mend(out(&rejects)));
    assert_eq!(drop.once().code(), Some(0), "{name}: {}", out(&rejects));
    let rows = drop.rows();
    let mut query = rows.prepare("SELECT id FROM \"drop\" ORDER BY id").unwrap();
    let there: Vec<i64> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(there, ids, "{name}: {}", out(&rejects));
    assert_eq!(number(&rows, "SELECT count(*) FROM \"drop\" WHERE note = 'für'"), 1, "{name}");
}

#[test]
fn every_format_makes_the_round_trip() {
    let import = |keys: &str| format!("import = {{ into = \"sqlite:rows.db\", rejects = 1{keys} }}");
    let cut = |text: &str| text.replace(",more", "");
    round_trip(&import(""), "a.csv", "id,note\n1,a\n2,für,more\n".as_bytes(), cut, &[1, 2]);
    round_trip(
        &import(""),
        "a.tsv",
        "id\tnote\n1\ta\n2\tfür\tmore\n".as_bytes(),
        |text| text.replace("\tmore", ""),
        &[1, 2],
    );
    let latin: Vec<u8> = "id;note\n1;a\n2;für;more\n".chars().map(|char| u8::try_from(char).unwrap()).collect();
    let semicolon = |text: &str| text.replace(";more", "");
    round_trip(&import(", encoding = \"windows-1252\""), "latin.csv", &latin, semicolon, &[1, 2]);
    let twice = "\"id\": 2, \"id\": 2";
    let once = |text: &str| text.replace(twice, "\"id\": 2");
    let lines = format!("{{\"id\": 1, \"note\": \"a\"}}\n{{{twice}, \"note\": \"für\"}}\n");
    round_trip(&import(""), "a.ndjson", lines.as_bytes(), once, &[1, 2]);
    let array = format!("[{{\"id\": 1, \"note\": \"a\"}},\n{{\n{twice},\n\"note\": \"für\"}}]");
    // An array by its content; its rejects are lines.
    round_trip(&import(""), "a.json", array.as_bytes(), once, &[1, 2]);
    round_trip(&import(", format = \"json\""), "b.json", array.as_bytes(), once, &[1, 2]);
    let document = format!("{{\"meta\": 1, \"da/ta\": [{{\"rows\": {array}}}]}}");
    round_trip(
        &import(", format = \"json\", records = \"/da~1ta/0/rows\""),
        "c.json",
        document.as_bytes(),
        once,
        &[1, 2],
    );
    let keyed = format!("{{\"k1\": {{\"id\": 1, \"note\": \"a\"}}, \"k2\": {{{twice}, \"note\": \"für\"}}}}");
    round_trip(&import(", format = \"json\""), "d.json", keyed.as_bytes(), once, &[1, 2]);
}

#[test]
fn the_ledger_learns_rejects_from_the_load_marker_and_a_rebuilt_one_as_well() {
    let drop = with_table(TOLERANT);
    drop.put("orders.csv", ORDERS);
    drop.once();
    let with_rejects = || number(&drop.ledger(), "SELECT count(*) FROM file WHERE rejects = 3");
    assert_eq!(with_rejects(), 1);
    drop.ledger().execute("DELETE FROM file WHERE rejects = 3", []).unwrap();
    drop.once();
    assert_eq!(with_rejects(), 1, "what a power cut took away");
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(drop.state().join(file));
    }
    let rebuilt = ask(&drop, &["ledger", "rebuild", "--yes"]);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", err(&rebuilt));
    assert_eq!(with_rejects(), 1);
    let rejects = ask(&drop, &["rejects", "orders.csv"]);
    assert_eq!(err(&rejects).lines().count(), 3);
}

#[test]
fn ledger_check_finds_rejects_that_nobody_counted() {
    let drop = with_table(TOLERANT);
    drop.put("orders.csv", ORDERS);
    drop.once();
    let check = || ask(&drop, &["ledger", "check"]);
    let sound = check();
    assert_eq!(sound.status.code(), Some(0), "{}", out(&sound));
    drop.rows().execute("DELETE FROM _importerd_rejects WHERE line = 4", []).unwrap();
    assert_eq!(check().status.code(), Some(0), "who has mended some may delete them");
    drop.rows().execute("INSERT INTO _importerd_rejects VALUES (99, 1, NULL, 'x', 'x', 'x')", []).unwrap();
    let orphan = check();
    assert_eq!(orphan.status.code(), Some(1));
    assert!(out(&orphan).contains("#99 1 rejects without a load marker"), "{}", out(&orphan));
    drop.rows().execute("UPDATE _importerd_rejects SET file_id = 1 WHERE file_id = 99", []).unwrap();
    let more = check();
    assert_eq!(more.status.code(), Some(1));
    assert!(out(&more).contains("#1 1 rejects instead of 0"), "{}", out(&more));
}
