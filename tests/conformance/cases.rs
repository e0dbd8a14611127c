//! The cases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::thread;

use importerd::fault::Fault;
use importerd::file::{Digest, FileId};
use importerd::import::{Effect, Import, KEPT_BYTES_MAX, Load, Outcome, Written};
use importerd::settings::{self, Duplicates, Mode, NewColumns};

use super::bench::{Bench, folder};

const BY_ID: &str = "SELECT _file_id, id FROM orders ORDER BY id";

const ROWS: &str = "SELECT * FROM orders ORDER BY _file_id, _line";

fn loaded(rows: u64) -> Outcome {
    Outcome::Loaded { rows, rejects: 0, effect: Effect::default() }
}

pub fn a_first_file_makes_the_table_and_the_next_goes_into_it(bench: &Bench) {
    assert_eq!(bench.import("a.csv", "id,name\n1,bolt\n2,\n"), loaded(2));
    assert_eq!(bench.import("b.csv", "name,id\nnut,3\n"), loaded(1));
    assert_eq!(bench.rows(ROWS), ["1|2|1|bolt", "1|3|2|NULL", "2|2|3|nut"]);
    let markers = "SELECT id, folder, name, rows, table_name FROM _importerd_files ORDER BY id";
    assert_eq!(bench.rows(markers), ["1|orders|a.csv|2|orders", "2|orders|b.csv|1|orders"]);
}

pub fn a_columns_type_is_that_of_all_its_values(bench: &Bench) {
    let file = "whole,code,part,yes,day,moment\n\
        -9223372036854775808,00417,0.25,true,2026-11-22,2026-11-22T03:04:05.5\n\
        9223372036854775807,1e5,-12.5,false,0001-01-01,1969-12-31 23:59:59\n";
    assert_eq!(bench.import("a.csv", file), loaded(2));
    let rows = "SELECT whole, code, part, CASE WHEN yes THEN 'yes' ELSE 'no' END, day FROM orders ORDER BY _line";
    let expected = ["-9223372036854775808|00417|0.25|yes|2026-11-22", "9223372036854775807|1e5|-12.5|no|0001-01-01"];
    assert_eq!(bench.rows(rows), expected);
    let moments = "SELECT replace(CAST(moment AS TEXT), 'T', ' ') FROM orders ORDER BY _line";
    assert_eq!(bench.rows(moments), ["2026-11-22 03:04:05.5", "1969-12-31 23:59:59"]);
    assert_eq!(bench.rows("SELECT sum(whole), sum(part) FROM orders"), ["-1|-12.25"]);
}

// faults 52, 57
pub fn a_table_that_is_there_is_matched_by_name_and_by_type(bench: &Bench) {
    bench.sql("CREATE TABLE orders (id INTEGER NOT NULL, name TEXT, amount NUMERIC DEFAULT 7)");
    assert_eq!(bench.import("a.csv", "NAME,id\nbolt,1\n"), loaded(1));
    assert_eq!(bench.rows("SELECT id, name, amount FROM orders"), ["1|bolt|7"]);
    for (name, content, why) in [
        ("b.csv", "id,colour\n1,red\n", "new column \"colour\""),
        ("c.csv", "name\nbolt\n", "the file has no column \"id\""),
        ("d.csv", "id,name\n1,a\nx,b\n", "line 3, column id: \"x\" is not an integer"),
        ("e.csv", "id,amount\n1,12,5\n", "line 2: 3 fields"),
    ] {
        let refused = bench.refused(name, content);
        assert!(refused.contains(why), "{refused}");
    }
    let refused = bench.refused("f.csv", "id,name\n1,a\n,b\n");
    assert!(refused.starts_with("line 3"), "{refused}");
    assert_eq!(bench.rows("SELECT count(*) FROM orders"), ["1"]);
}

// faults 15, 16
pub fn the_same_bytes_are_a_duplicate_and_so_is_the_same_name_where_that_counts(bench: &Bench) {
    let load = |name: &str, content: &str, duplicates| Load { duplicates, ..bench.load(name, content).unwrap() };
    let outcomes = bench.commit(&[
        load("a.csv", "id\n1\n", Duplicates::ByContent),
        load("b.csv", "id\n1\n", Duplicates::ByContent),
        load("c.csv", "id\n2\n", Duplicates::ByName),
        load("a.csv", "id\n3\n", Duplicates::ByName),
        load("d.csv", "id\n1\n", Duplicates::Allow),
    ]);
    let ids = outcomes.iter().map(|outcome| match outcome {
        Outcome::Duplicate { of } => Some(of.id.0),
        Outcome::Loaded { rows: 1, .. } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(ids.collect::<Vec<_>>(), [None, Some(1), None, Some(1), None]);
    assert_eq!(bench.rows("SELECT id, _file_id FROM orders ORDER BY _file_id"), ["1|1", "2|3", "1|5"]);
    // Another folder doesn't know them.
    let other = folder("other", "orders", &bench.target);
    let load = bench.load_for(&other, "a.csv", "id\n1\n").unwrap();
    assert_eq!(other.commit(&[load]).unwrap(), [loaded(1)]);
}

pub fn two_processors_with_the_same_bytes_import_them_once(bench: &Bench) {
    bench.import("first.csv", "id\n0\n");
    for round in 1..20 {
        let content = format!("id\n{round}\n");
        let loads = ["a.csv", "b.csv"].map(|name| bench.load(name, &content).unwrap());
        let outcomes = thread::scope(|scope| {
            let both = loads.map(|load| scope.spawn(|| bench.commit(&[load]).remove(0)));
            both.map(|thread| thread.join().unwrap())
        });
        let duplicates = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Duplicate { .. })).count();
        assert_eq!(duplicates, 1, "{outcomes:?}");
    }
    assert_eq!(bench.rows("SELECT count(*), count(DISTINCT id) FROM orders"), ["20|20"]);
}

pub fn two_first_files_at_once_make_one_table(bench: &Bench) {
    let loads = ["a.csv", "b.csv"].map(|name| bench.load(name, format!("id,name\n1,{name}\n")).unwrap());
    thread::scope(|scope| {
        let both = loads.map(|load| scope.spawn(|| bench.commit(&[load]).remove(0)));
        for thread in both {
            assert_eq!(thread.join().unwrap(), loaded(1));
        }
    });
    assert_eq!(bench.rows("SELECT id, name FROM orders ORDER BY name"), ["1|a.csv", "1|b.csv"]);
}

// fault 91
pub fn a_load_that_is_repeated_is_there_once(bench: &Bench) {
    let loads = [bench.load("a.csv", "id\n1\n2\n").unwrap(), bench.load("b.csv", "id\n3\n").unwrap()];
    assert_eq!(bench.commit(&loads[..1]), [loaded(2)]);
    assert_eq!(bench.commit(&loads), [loaded(2), loaded(1)]);
    assert_eq!(bench.again().commit(&loads).unwrap(), [loaded(2), loaded(1)]);
    assert_eq!(bench.rows("SELECT id FROM orders ORDER BY id"), ["1", "2", "3"]);
}

pub fn a_replayed_file_takes_the_place_of_its_rows(bench: &Bench) {
    bench.import("a.csv", "id,name\n1,a\n2,b\n");
    bench.import("b.csv", "id,name\n7,g\n");
    bench.import.can_replace(FileId(1)).unwrap();
    let load = Load { replaces: Some(FileId(1)), ..bench.load("a.csv", "id,name\n1,A\n").unwrap() };
    assert_eq!(
        bench.commit(&[load]),
        [Outcome::Replaced { rows: 1, rejects: 0, effect: Effect::default(), rows_before: 2, changed: true }]
    );
    assert_eq!(bench.rows(ROWS), ["2|2|7|g", "3|2|1|A"]);
    assert_eq!(bench.rows("SELECT id, replaces FROM _importerd_files ORDER BY id"), ["2|NULL", "3|1"]);
    assert!(matches!(bench.import.can_replace(FileId(1)), Err(Fault::Permanent(_))));
}

pub fn a_refused_replay_leaves_everything_as_it_was(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER UNIQUE)");
    bench.import("a.csv", "id\n1\n2\n");
    bench.import("b.csv", "id\n3\n");
    let load = Load { replaces: Some(FileId(1)), ..bench.load("a.csv", "id\n4\n3\n").unwrap() };
    let outcome = bench.commit(&[load]).remove(0);
    assert!(matches!(outcome, Outcome::Refused(Fault::Permanent(_))), "{outcome:?}");
    assert_eq!(bench.rows(ROWS), ["1|2|1", "1|3|2", "2|2|3"]);
    assert_eq!(bench.rows("SELECT id FROM _importerd_files ORDER BY id"), ["1", "2"]);
}

pub fn a_replay_with_which_others_would_lose_rows_is_refused(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER PRIMARY KEY)");
    bench.import("a.csv", "id\n1\n2\n");
    // Nobody refers to them yet, but that is how the tables are.
    let refers = "INTEGER REFERENCES orders (id) ON DELETE";
    bench.sql(&format!(
        "CREATE TABLE goes (of {refers} CASCADE); CREATE TABLE is_set (of {refers} SET DEFAULT);
        CREATE TABLE loses (of {refers} SET NULL); CREATE TABLE stays (of {refers} NO ACTION)"
    ));
    let text = "what refers to the rows of #1 is lost or changed with them, by ON DELETE in: goes, is_set, loses";
    let Err(Fault::Permanent(reason)) = bench.import.can_replace(FileId(1)) else { panic!("it is refused") };
    assert_eq!((reason.code, &*reason.text), ("cascade", text));
    let again = || Load { replaces: Some(FileId(1)), ..bench.load("a.csv", "id\n1\n3\n").unwrap() };
    let Outcome::Refused(Fault::Permanent(reason)) = bench.commit(&[again()]).remove(0) else {
        panic!("it is refused")
    };
    assert_eq!((reason.code, &*reason.text), ("cascade", text), "also where that is declared since it was asked for");
    assert_eq!(bench.rows(BY_ID), ["1|1", "1|2"]);
    // The control: without these actions.
    bench.sql("DROP TABLE goes; DROP TABLE is_set; DROP TABLE loses");
    bench.import.can_replace(FileId(1)).unwrap();
    assert!(matches!(bench.commit(&[again()])[0], Outcome::Replaced { rows: 2, rows_before: 2, .. }));
}

pub fn rows_of_one_file_that_refer_to_each_other_give_way_and_those_of_others_do_not(bench: &Bench) {
    bench.sql(
        "CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER PRIMARY KEY,
            under INTEGER REFERENCES orders (id) ON DELETE CASCADE)",
    );
    bench.import("a.csv", "id,under\n1,\n2,1\n3,2\n");
    bench.import("b.csv", "id,under\n7,\n8,7\n");
    bench.import.can_replace(FileId(1)).unwrap();
    let load = bench.load("a.csv", "id,under\n1,\n2,1\n4,1\n").unwrap();
    let outcome = bench.commit(&[Load { replaces: Some(FileId(1)), ..load }]).remove(0);
    assert!(matches!(outcome, Outcome::Replaced { rows: 3, rows_before: 3, .. }), "{outcome:?}");
    assert_eq!(bench.rows(BY_ID), ["3|1", "3|2", "3|4", "2|7", "2|8"]);
    // One of another file, and one of nobody's.
    for sql in ["UPDATE orders SET under = 4 WHERE id = 7", "UPDATE orders SET _file_id = NULL WHERE id = 7"] {
        bench.sql(sql);
        let Err(Fault::Permanent(reason)) = bench.import.can_replace(FileId(3)) else { panic!("it is refused: {sql}") };
        assert_eq!(reason.code, "cascade", "{sql}");
        let load = bench.load("a.csv", "id,under\n1,\n").unwrap();
        let outcome = bench.commit(&[Load { replaces: Some(FileId(3)), ..load }]).remove(0);
        assert!(
            matches!(&outcome, Outcome::Refused(Fault::Permanent(reason)) if reason.code == "cascade"),
            "{outcome:?}"
        );
    }
    assert_eq!(bench.rows("SELECT count(*) FROM orders"), ["5"]);
}

pub fn a_forgotten_file_counts_no_longer_and_its_rows_stay(bench: &Bench) {
    bench.import("a.csv", "id\n1\n");
    for _ in 0..2 {
        bench.import.forget(&[FileId(1), FileId(9)]).unwrap();
    }
    assert!(bench.import.marker_of(FileId(1)).unwrap().unwrap().forgotten_at.is_some());
    assert_eq!(bench.import("a.csv", "id\n1\n"), loaded(1));
    assert_eq!(bench.rows("SELECT id, _file_id FROM orders ORDER BY _file_id"), ["1|1", "1|2"]);
}

// faults 50, 66
pub fn a_bad_file_in_a_batch_is_set_aside_alone(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER UNIQUE, name TEXT)");
    let loads = [
        bench.load("a.csv", "id\n1\n").unwrap(),
        bench.load("b.csv", "id,name\n5,\"two\nlines\"\n6,x\n1,y\n").unwrap(),
        bench.load("c.csv", "id\n2\n").unwrap(),
    ];
    let outcomes = bench.commit(&loads);
    assert_eq!((&outcomes[0], &outcomes[2]), (&loaded(1), &loaded(1)));
    let Outcome::Refused(Fault::Permanent(reason)) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!((reason.code, reason.line), ("constraint", Some(5)), "{reason}");
    assert_eq!(bench.rows("SELECT id FROM orders ORDER BY id"), ["1", "2"]);
    assert_eq!(bench.rows("SELECT id FROM _importerd_files ORDER BY id"), ["1", "3"]);
}

pub fn what_only_the_commit_finds_sets_aside_its_own_file(bench: &Bench) {
    bench.sql(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1);
        CREATE TABLE orders (customer INTEGER REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let loads = ["1", "99", "1\n1"].map(|customer| bench.load("a.csv", format!("customer\n{customer}\n")).unwrap());
    let outcomes = bench.commit(&loads);
    assert_eq!((&outcomes[0], &outcomes[2]), (&loaded(1), &loaded(2)));
    let Outcome::Refused(Fault::Permanent(reason)) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!(reason.code, "constraint");
    assert_eq!(bench.rows("SELECT customer FROM orders"), ["1", "1", "1"]);
    assert_eq!(bench.rows("SELECT id FROM _importerd_files ORDER BY id"), ["1", "3"]);
}

// faults 24, 25
pub fn a_marker_comes_back_as_it_was_written_whatever_the_name(bench: &Bench) {
    assert_eq!(bench.import.newest_marker().unwrap(), None);
    assert_eq!(bench.import.marker_of(FileId(1)).unwrap(), None);
    let odd = OsStr::from_bytes(b"a\xff\n\x1b\\.csv");
    let load = bench.load(odd, "id\n1\n").unwrap();
    bench.commit(std::slice::from_ref(&load));
    let import = bench.again();
    let marker = import.marker(&load.identity).unwrap().expect("its marker");
    assert_eq!((marker.id, marker.name.as_os_str(), marker.rows), (load.id, odd, 1));
    assert_eq!((marker.identity, marker.table.as_str()), (load.identity, "orders"));
    assert_eq!(marker.blake3, Digest(*blake3::hash(b"id\n1\n").as_bytes()));
    assert_eq!(import.marker_of(FileId(1)).unwrap(), Some(marker.clone()));
    let all = vec![marker];
    assert_eq!(import.markers_from(FileId(1)).unwrap(), all);
    let ids = [3, 1, 2].map(FileId);
    assert_eq!((import.markers_among(&ids).unwrap(), import.markers_among(&ids[..1]).unwrap()), (all, vec![]));
    assert_eq!(import.markers_from(FileId(2)).unwrap(), []);
    let newest = import.newest_marker().unwrap().expect("there is one");
    assert_eq!((newest.of_all, newest.has_folder), (FileId(1), true));
    let grown = importerd::file::Identity { size: load.identity.size + 1, ..load.identity };
    assert_eq!(import.marker(&grown).unwrap(), None);
}

pub fn a_file_that_is_read_twice_is_imported_as_any_other(bench: &Bench) {
    let row = format!("{},x\n", "y".repeat(99));
    let rows = KEPT_BYTES_MAX / row.len() + 1000;
    assert_eq!(bench.import("a.csv", format!("name,x\n{}", row.repeat(rows))), loaded(rows as u64));
    let counted = "SELECT count(*), min(_line), max(_line), count(DISTINCT _line), count(DISTINCT name) FROM orders";
    assert_eq!(bench.rows(counted), [format!("{rows}|2|{}|{rows}|1", rows + 1)]);
}

// fault 60
pub fn names_of_tables_and_columns_may_hold_anything(bench: &Bench) {
    let table = "My \"orders\"; --";
    let import = folder("orders", table, &bench.target);
    let file = "Order Id,\"a\"\") ; drop table x; --\",größe\n1,2,3\n";
    for (name, more) in [("a.csv", ""), ("b.csv", "4,5,6\n")] {
        let load = bench.load_for(&import, name, format!("{file}{more}")).unwrap();
        assert!(matches!(import.commit(&[load]).unwrap()[..], [Outcome::Loaded { .. }]));
    }
    let rows = r#"SELECT "Order Id", "a"") ; drop table x; --", "größe" FROM "My ""orders""; --" ORDER BY 1"#;
    assert_eq!(bench.rows(rows), ["1|2|3", "1|2|3", "4|5|6"]);
    assert!(bench.place().has_table(table).unwrap());
    assert!(!bench.place().has_table("x").unwrap());
}

pub fn rows_are_counted_by_marker(bench: &Bench) {
    bench.import("a.csv", "id\n1\n2\n");
    bench.import("b.csv", "id\n3\n");
    bench.import("c.csv", "id\n");
    bench.sql("DELETE FROM orders WHERE id = 2");
    let looked = bench.place().look().unwrap().expect("it has markers");
    let mut counts = Vec::new();
    looked.each_count("orders", &mut |file| counts.push((file.id.0, file.brought, file.there))).unwrap();
    counts.sort_unstable();
    assert_eq!(counts, [(1, 2, 1), (2, 1, 1), (3, 0, 0)]);
    let mut seen = Vec::new();
    looked
        .each("orders", &mut |marker| {
            seen.push(marker.id.0);
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen, [1, 2]);
}

/// Rows say it in both columns together, or not at all.
pub fn rows_that_do_not_say_whose_they_are_are_not_counted(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id bigint, id bigint)");
    bench.import("a.csv", "id\n1\n2\n");
    assert_eq!(bench.rows("SELECT count(*), count(_file_id) FROM orders"), ["2|0"]);
    let looked = bench.place().look().unwrap().expect("it has markers");
    looked.each_count("orders", &mut |file| panic!("{file:?}")).unwrap();
}

// fault 76
pub fn a_number_that_is_another_files_is_never_imported(bench: &Bench) {
    bench.import("a.csv", "id\n1\n");
    let load = Load { id: FileId(1), ..bench.load("b.csv", "id\n2\n").unwrap() };
    let refused = bench.import.commit(&[load]).unwrap_err();
    assert!(matches!(&refused, Fault::World(reason) if reason.code == "other_ledger"), "{refused}");
    assert_eq!(bench.rows("SELECT id FROM orders"), ["1"]);
}

/// What is left out, as it is kept: line, column, code and the text of the record.
const REJECTS: &str = "SELECT file_id, line, column_name, code, record FROM _importerd_rejects ORDER BY file_id, line";

// faults 45, 57, 66
pub fn rows_that_do_not_fit_are_left_out_and_kept_with_their_text(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER UNIQUE, name TEXT CHECK (name <> 'no'))");
    let import = bench.tolerating(4);
    let file = "id,name\n1,a\nx,b\n2,\"c\nd\"\n1,e\n3\n4,f\n5,no\n6,g\n";
    let load = bench.load_for(&import, "a.csv", file).unwrap();
    assert_eq!(import.commit(&[load]).unwrap(), [Outcome::Loaded { rows: 4, rejects: 4, effect: Effect::default() }]);
    assert_eq!(bench.rows("SELECT _line, id FROM orders ORDER BY _line"), ["2|1", "4|2", "8|4", "10|6"]);
    let columns = "SELECT line, code, record FROM _importerd_rejects WHERE file_id = 1 ORDER BY line";
    let kept = ["3|wrong_type|x,b", "6|constraint|1,e", "7|ragged_row|3", "9|constraint|5,no"];
    assert_eq!(bench.rows(columns), kept);
    assert_eq!(bench.rows("SELECT rows, rejects, header FROM _importerd_files"), ["4|4|id,name"]);
    let mut counts = Vec::new();
    let looked = bench.place().look().unwrap().expect("it has markers");
    looked.each_reject_count(&mut |id, marked, there| counts.push((id.0, marked, there))).unwrap();
    assert_eq!(counts, [(1, Some(4), 4)]);
    let mut lines = Vec::new();
    looked.each_reject(FileId(1), &mut |rejected| lines.extend(rejected.line)).unwrap();
    assert_eq!(lines, [3, 6, 7, 9]);
}

// fault 45
pub fn more_rows_that_do_not_fit_than_may_be_refuse_the_file_whole(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER UNIQUE)");
    bench.import("a.csv", "id\n1\n2\n3\n");
    let import = bench.tolerating(2);
    let load = bench.load_for(&import, "b.csv", "id\n7\n1\nx\n2\n").unwrap();
    let outcome = import.commit(&[load]).unwrap().remove(0);
    let Outcome::Refused(Fault::Permanent(reason)) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(reason.code, "too_many_rejects", "{reason}");
    assert_eq!(bench.rows("SELECT id FROM orders ORDER BY id"), ["1", "2", "3"]);
    assert_eq!(bench.rows(REJECTS), [""; 0]);
    // Two are as many as may be.
    let load = bench.load_for(&import, "c.csv", "id\n7\n1\nx\n").unwrap();
    assert_eq!(import.commit(&[load]).unwrap(), [Outcome::Loaded { rows: 1, rejects: 2, effect: Effect::default() }]);
    assert_eq!(bench.rows("SELECT count(*) FROM _importerd_rejects WHERE file_id = 3"), ["2"]);
}

// fault 45
pub fn rejects_of_a_file_that_is_read_twice_are_kept_in_bounded_memory(bench: &Bench) {
    bench.sql("CREATE TABLE orders (_file_id BIGINT, _line BIGINT, id INTEGER, name TEXT)");
    let import = bench.tolerating(u64::MAX);
    let (good, bad) = (format!("1,{}\n", "y".repeat(200)), format!("x,{}\n", "z".repeat(200)));
    let pairs = KEPT_BYTES_MAX / good.len() + 1000;
    let file = format!("id,name\n{}", format!("{good}{bad}").repeat(pairs));
    let load = bench.load_for(&import, "a.csv", file).unwrap();
    let pairs = pairs as u64;
    assert_eq!(
        import.commit(&[load]).unwrap(),
        [Outcome::Loaded { rows: pairs, rejects: pairs, effect: Effect::default() }]
    );
    let rows = "SELECT count(*), min(_line), max(_line), count(DISTINCT _line) FROM orders";
    assert_eq!(bench.rows(rows), [format!("{pairs}|2|{}|{pairs}", pairs * 2)]);
    let rejects = "SELECT count(*), min(line), max(line), count(DISTINCT line) FROM _importerd_rejects";
    assert_eq!(bench.rows(rejects), [format!("{pairs}|3|{}|{pairs}", pairs * 2 + 1)]);
}

/// A folder whose rows meet those that are there like this.
fn with_mode(bench: &Bench, mode: Mode) -> Import {
    bench.reading(&settings::Import { mode, ..settings::Import::into_table("orders") })
}

fn keyed(outcome: &Outcome) -> Option<(u64, u64, u64)> {
    let Outcome::Loaded { effect: Effect { keyed: Some(written), .. }, .. } = outcome else { return None };
    let Written { inserted, updated, skipped } = *written;
    Some((inserted, updated, skipped))
}

pub fn a_snapshot_takes_the_place_of_all_rows_unless_a_later_one_did(bench: &Bench) {
    bench.import("a.csv", "id\n1\n2\n");
    let import = with_mode(bench, Mode::Replace);
    let load = |content: &str| bench.load_for(&import, "a.csv", content).unwrap();
    let (early, late) = (load("id\n7\n"), load("id\n8\n9\n"));
    let outcome = import.commit(&[late]).unwrap().remove(0);
    assert!(
        matches!(&outcome, Outcome::Loaded { rows: 2, effect, .. } if effect.rows_before == Some(2)),
        "{outcome:?}"
    );
    let outcome = import.commit(&[early]).unwrap().remove(0);
    let by = Some(FileId(3));
    assert!(matches!(&outcome, Outcome::Loaded { rows: 0, effect, .. } if effect.superseded_by == by), "{outcome:?}");
    assert_eq!(bench.rows("SELECT id FROM orders ORDER BY id"), ["8", "9"]);
    assert_eq!(bench.rows("SELECT mode FROM _importerd_files ORDER BY id"), ["NULL", "superseded", "replace"]);
    // The same bytes are nothing new, until others come between.
    let same = import.commit(&[load("id\n8\n9\n")]).unwrap().remove(0);
    assert!(matches!(same, Outcome::Duplicate { .. }), "{same:?}");
}

pub fn an_upsert_overwrites_by_key_and_a_later_file_wins(bench: &Bench) {
    let import = with_mode(bench, Mode::Upsert(vec!["id".to_owned(), "Kind".to_owned()]));
    let load = |content: &str| bench.load_for(&import, "a.csv", content).unwrap();
    let first = load("id,Kind,name\n1,x,a\n2,x,b\n2,x,c\n");
    assert_eq!(keyed(&import.commit(&[first]).unwrap()[0]), Some((2, 1, 0)));
    let (early, late) = (load("id,Kind,name\n2,x,early\n4,x,d\n"), load("name,Kind,id\nlate,x,2\ne,y,2\n"));
    assert_eq!(keyed(&import.commit(&[late]).unwrap()[0]), Some((1, 1, 0)));
    assert_eq!(keyed(&import.commit(&[early]).unwrap()[0]), Some((1, 0, 1)));
    let rows = "SELECT id, \"Kind\", name, _file_id, _line FROM orders ORDER BY id, \"Kind\"";
    assert_eq!(bench.rows(rows), ["1|x|a|1|2", "2|x|late|3|2", "2|y|e|3|3", "4|x|d|2|3"]);
    let counts = "SELECT id, rows, mode FROM _importerd_files ORDER BY id";
    assert_eq!(bench.rows(counts), ["1|3|upsert", "2|1|upsert", "3|2|upsert"]);
}

/// As docs/import-modes.md has it. The control is a file of which no object has the key.
pub fn an_upsert_erases_what_an_object_lacks_and_another_has(bench: &Bench) {
    let import = with_mode(bench, Mode::Upsert(vec!["order_id".to_owned()]));
    let load = |name: &str, content: &str| bench.load_for(&import, name, content).unwrap();
    let rows = "SELECT order_id, state, note FROM orders ORDER BY order_id";
    import.commit(&[load("a.csv", "order_id,state,note\n1,open,gift\n2,open,\n")]).unwrap();
    import.commit(&[load("b.ndjson", "{\"order_id\": 1, \"state\": \"packed\"}\n")]).unwrap();
    assert_eq!(bench.rows(rows), ["1|packed|gift", "2|open|NULL"]);
    let mixed = "{\"order_id\": 1, \"state\": \"paid\"}\n{\"order_id\": 2, \"note\": \"late\"}\n";
    import.commit(&[load("c.ndjson", mixed)]).unwrap();
    assert_eq!(bench.rows(rows), ["1|paid|NULL", "2|NULL|late"]);
}

pub fn rows_whose_keys_are_there_are_left_alone_where_they_are_only_added(bench: &Bench) {
    bench.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)");
    let import = with_mode(bench, Mode::Insert(vec!["id".to_owned()]));
    let load = |content: &str| bench.load_for(&import, "a.csv", content).unwrap();
    assert_eq!(keyed(&import.commit(&[load("id,name\n1,a\n2,b\n2,c\n")]).unwrap()[0]), Some((2, 0, 1)));
    assert_eq!(keyed(&import.commit(&[load("id,name\n2,d\n3,e\n")]).unwrap()[0]), Some((1, 0, 1)));
    assert_eq!(bench.rows("SELECT id, name FROM orders ORDER BY id"), ["1|a", "2|b", "3|e"]);
}

pub fn a_key_needs_a_unique_index_on_exactly_its_columns(bench: &Bench) {
    bench.sql("CREATE TABLE orders (id INTEGER, name TEXT, UNIQUE (id, name))");
    let import = with_mode(bench, Mode::Upsert(vec!["id".to_owned()]));
    let refused = bench.load_for(&import, "a.csv", "id,name\n1,a\n").unwrap_err();
    assert!(refused.to_string().contains("no unique index on exactly"), "{refused}");
    bench.sql("CREATE UNIQUE INDEX by_id ON orders (id)");
    let load = bench.load_for(&import, "a.csv", "id,name\n1,a\n").unwrap();
    assert_eq!(keyed(&import.commit(&[load]).unwrap()[0]), Some((1, 0, 0)));
}

pub fn a_table_gets_the_columns_that_it_lacks_or_they_are_left_out(bench: &Bench) {
    bench.import("a.csv", "id\n1\n");
    let taking =
        |new_columns| bench.reading(&settings::Import { new_columns, ..settings::Import::into_table("orders") });
    let (add, ignore) = (taking(NewColumns::Add), taking(NewColumns::Ignore));
    let load = bench.load_for(&add, "b.csv", "id,New One,at\n2,x,2026-11-22\n").unwrap();
    let outcome = add.commit(&[load]).unwrap().remove(0);
    let Outcome::Loaded { rows: 1, effect, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(effect.added, ["New One", "at"]);
    let load = bench.load_for(&ignore, "c.csv", "more,id\ny,3\n").unwrap();
    let outcome = ignore.commit(&[load]).unwrap().remove(0);
    let Outcome::Loaded { rows: 1, effect, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(effect.ignored, ["more"]);
    let rows = "SELECT id, \"New One\", at FROM orders ORDER BY id";
    assert_eq!(bench.rows(rows), ["1|NULL|NULL", "2|x|2026-11-22", "3|NULL|NULL"]);
}
