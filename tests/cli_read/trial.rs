//! `importerd try`

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use importerd::ledger::State;
use rusqlite::Connection;

use super::desk::{Answer, Desk, ORDERS, entry, plain};

const GOOD: &str = "id,plz,amount,when,note\n1,00417,1.5,2026-11-22,\n2,12345,2,22.11.2026,x\n3,00001,2.25,,\"\"\n";

/// Everything below a directory: for each path its mode, time of modification and bytes.
fn everything(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), bytes));
    }
    found
}

/// Tries a file, and looks whether that has changed anything.
fn tried(desk: &Desk, arguments: &[&str]) -> Answer {
    let before = everything(&desk.path(""));
    let answer = desk.ask(&[&["try"], arguments].concat());
    assert!(everything(&desk.path("")) == before, "try has changed something");
    answer
}

fn write(desk: &Desk, name: &str, content: impl AsRef<[u8]>) {
    fs::write(desk.path(name), content).unwrap();
}

/// Imports a file for good, by the real daemon.
fn import(desk: &Desk, name: &str, content: &str) {
    fs::create_dir_all(desk.path("orders/inbox")).unwrap();
    fs::write(desk.path("orders/inbox").join(name), content).unwrap();
    let answer = desk.ask(&["once"]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
}

/// The last line.
fn verdict(answer: &Answer) -> &str {
    answer.out.lines().last().unwrap()
}

fn has_line(answer: &Answer, line: &str) -> bool {
    plain(&answer.out).lines().any(|said| said.trim() == line)
}

#[test]
fn a_file_for_a_new_table_is_told_column_by_column_with_the_statement_that_would_be_run() {
    let desk = Desk::with(ORDERS);
    write(&desk, "new.csv", GOOD);
    let answer = tried(&desk, &["new.csv"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let expected = "\
new.csv in folder orders
  taken yes
  format CSV (by its name)
  encoding UTF-8 (nothing says otherwise)
  dialect delimiter \",\" (by its content), quote '\"', header in the first row
  table orders in /T/state/importerd.db: is not there yet, nor the database
  rows 3

  column type NULLs examples why
  id INTEGER 0 \"1\" \"2\" every value is an integer
  plz TEXT 0 \"00417\" \"12345\" 2 values start with 0 (line 2: \"00417\")
  amount REAL 0 \"1.5\" \"2\" every value is a number
  when TEXT 1 \"2026-11-22\" \"22.11.2026\" 1 value may have the day or the month first (line 3: \"22.11.2026\")
  note TEXT 1 \"x\" \"\" 1 value is text (line 3: \"x\")

  would run CREATE TABLE \"orders\" (\"_file_id\" INTEGER, \"_line\" INTEGER, \"id\" INTEGER, \"plz\" TEXT, \
\"amount\" REAL, \"when\" TEXT, \"note\" TEXT)

would be imported: 3 rows into a new table orders
";
    assert_eq!(plain(&answer.out), expected);
}

#[test]
fn the_transcript_of_the_readme_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, behind) = readme.split_once("    $ importerd try orders.csv\n").unwrap();
    let (transcript, _) = behind.split_once("\n\n**").unwrap();
    let transcript: String =
        transcript.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect();
    let desk = Desk::with(&format!("{ORDERS}import = {{ into = 'sqlite:orders.db' }}\n"));
    Connection::open(desk.path("state/orders.db")).unwrap().execute_batch("CREATE TABLE other (a)").unwrap();
    write(&desk, "orders.csv", "id;postcode;placed_at\n1;04103;2026-11-22\n2;10115;2026-11-22\n3;10115;\n");
    let answer = tried(&desk, &["orders.csv"]);
    assert_eq!(answer.out.replace("/T/state", "/var/lib/importerd"), transcript);
}

/// What is told is what happens.
#[test]
fn the_table_that_is_made_is_the_one_that_was_told() {
    let desk = Desk::with(ORDERS);
    write(&desk, "new.csv", GOOD);
    let told: serde_json::Value = serde_json::from_str(&tried(&desk, &["new.csv", "--json"]).out).unwrap();
    import(&desk, "new.csv", GOOD);
    let database = Connection::open(desk.path("state/importerd.db")).unwrap();
    let sql = "SELECT sql, (SELECT count(*) FROM orders) FROM sqlite_schema WHERE name = 'orders'";
    let (made, rows): (String, i64) = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(told["import"]["create_table"], made.as_str());
    assert_eq!(told["import"]["rows_added"], rows);
}

#[test]
fn a_declared_column_has_its_type_from_the_settings_and_a_decimal_comma_is_told() {
    let columns = "columns = { placed_at = 'date:%d.%m.%Y' }, decimal = ',', delimiter = ';'";
    let desk = Desk::with(&format!("{ORDERS}import = {{ {columns} }}\n"));
    write(&desk, "a.csv", "amount;placed_at\n12,50;22.11.2026\n");
    let answer = tried(&desk, &["a.csv"]);
    assert!(
        has_line(&answer, "amount REAL 0 \"12,50\" every value is a number with a decimal comma"),
        "{}",
        answer.out
    );
    let declared = "placed_at DATE 0 \"22.11.2026\" the settings say date:%d.%m.%Y";
    assert!(has_line(&answer, declared), "{}", answer.out);
}

#[test]
fn an_existing_table_is_the_contract_and_its_own_rules_are_a_note() {
    let desk = Desk::with(ORDERS);
    import(&desk, "first.csv", GOOD);
    write(&desk, "next.csv", "note,id\nx,4\n");
    let answer = tried(&desk, &["next.csv"]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    assert!(has_line(&answer, "id INTEGER 0 \"4\" the table says INTEGER"), "{}", answer.out);
    assert!(has_line(&answer, "table orders in /T/state/importerd.db: is there"), "{}", answer.out);
    assert_eq!(verdict(&answer), "would be imported: 1 row into the table orders");
    assert!(!answer.out.contains("note       the table's keys"), "{}", answer.out);
    let sql = "CREATE UNIQUE INDEX one ON orders (id)";
    Connection::open(desk.path("state/importerd.db")).unwrap().execute_batch(sql).unwrap();
    let answer = tried(&desk, &["next.csv"]);
    assert!(answer.out.contains("note       the table's keys"), "{}", answer.out);
}

#[test]
fn rows_that_do_not_fit_are_named_and_the_limit_decides() {
    let desk = Desk::with(ORDERS);
    import(&desk, "first.csv", GOOD);
    write(&desk, "bad.csv", "id,note\nx,a\n2,b,c\n3,d\n");
    let answer = tried(&desk, &["bad.csv"]);
    assert_eq!(answer.code, Some(65));
    assert!(has_line(&answer, "rows 1 fit, 2 don't"), "{}", answer.out);
    assert!(has_line(&answer, "line 2, column id: \"x\" is not an integer"), "{}", answer.out);
    assert!(has_line(&answer, "line 3: 3 fields where the header has 2"), "{}", answer.out);
    let refused = "would be refused, nothing imported: line 2, column id: \"x\" is not an integer";
    assert!(verdict(&answer).starts_with(refused), "{}", answer.out);
    let answer = tried(&desk, &["bad.csv", "--set", "folder.orders.import.rejects=2"]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    assert_eq!(verdict(&answer), "would be imported: 1 row into the table orders, 2 rows left out");
    let many: String = (0..1000).map(|_| "x,y\n").collect();
    write(&desk, "many.csv", format!("id,note\n{many}"));
    let answer = tried(&desk, &["many.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(told["import"]["rejects"], 1000);
    assert_eq!(told["import"]["rejected"].as_array().unwrap().len(), 20);
}

#[test]
fn a_wrong_delimiter_is_refused_with_what_to_do() {
    let desk = Desk::with(&format!("{ORDERS}import = {{ delimiter = ';' }}\n"));
    write(&desk, "a.csv", "a,b\n1,2\n");
    let answer = tried(&desk, &["a.csv"]);
    assert_eq!(answer.code, Some(65));
    assert!(verdict(&answer).ends_with("fields are separated by \",\", the settings say \";\""), "{}", answer.out);
    write(&desk, "b.csv", "a;b,c\n1;2,3\n");
    let answer = tried(&desk, &["b.csv"]);
    assert!(
        has_line(&answer, "dialect delimiter \";\" (as set), quote '\"', header in the first row"),
        "{}",
        answer.out
    );
}

#[test]
fn compressed_files_and_other_formats_are_told_by_what_says_so() {
    let desk = Desk::with(ORDERS);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"\xFF\xFEi\0d\0\n\x001\0\n\0").unwrap();
    write(&desk, "a.csv.gz", gzip.finish().unwrap());
    let answer = tried(&desk, &["a.csv.gz"]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    assert!(has_line(&answer, "format CSV (by its name), gzip"), "{}", answer.out);
    assert!(has_line(&answer, "encoding UTF-16LE (by its byte order mark)"), "{}", answer.out);
    assert!(has_line(&answer, "dialect one column, quote '\"', header in the first row"), "{}", answer.out);
    write(&desk, "a.txt", "{\"id\": 1, \"plz\": \"12\"}\n{\"id\": 2, \"n\": [1]}\n");
    let answer = tried(&desk, &["a.txt"]);
    assert!(has_line(&answer, "format NDJSON (by its content)"), "{}", answer.out);
    assert!(has_line(&answer, "plz TEXT 1 \"12\" every value is text"), "{}", answer.out);
    assert!(has_line(&answer, "n TEXT 1 \"[1]\" 1 value is an object or an array (line 2: \"[1]\")"), "{}", answer.out);
    assert_eq!(verdict(&answer), "would be imported: 2 rows into a new table orders");
    let answer = tried(&desk, &["a.txt", "--set", "folder.orders.import.format=csv"]);
    assert!(has_line(&answer, "format CSV (as set)"), "{}", answer.out);
    assert_eq!((answer.code, answer.out.contains("dialect")), (Some(65), false), "it can't be read as that");
}

#[test]
fn a_duplicate_is_told_with_the_first_and_refusal_comes_before_it() {
    let desk = Desk::with(ORDERS);
    import(&desk, "first.csv", GOOD);
    write(&desk, "again.csv", GOOD);
    let answer = tried(&desk, &["again.csv"]);
    let expected = "would be archived as a duplicate of #1 first.csv (the same bytes); nothing else would happen";
    assert_eq!((answer.code, verdict(&answer)), (Some(0), expected));
    let answer = tried(&desk, &["again.csv", "--set", "folder.orders.duplicates=by-name"]);
    assert_eq!(verdict(&answer), "would be imported: 3 rows into the table orders");
    write(&desk, "first.csv", "id\nx\n");
    let answer = tried(&desk, &["first.csv", "--set", "folder.orders.duplicates=by-name"]);
    assert_eq!(answer.code, Some(65), "{}", answer.out);
    write(&desk, "first.csv", "id\n7\n");
    let answer = tried(&desk, &["first.csv", "--set", "folder.orders.duplicates=by-name"]);
    assert!(verdict(&answer).contains("duplicate of #1 first.csv (the same name)"), "{}", answer.out);
}

/// What is told is what happens: by a retry, which leaves a file its number, and by a new drop.
#[test]
fn a_snapshot_that_a_later_one_has_superseded_is_told_apart_from_a_new_one() {
    let desk = Desk::with(&format!("{ORDERS}import.mode = 'replace'\n"));
    import(&desk, "first.csv", "id\n1\n");
    fs::write(desk.path("orders/inbox/second.csv"), "id\nx\n").unwrap();
    assert_eq!(desk.ask(&["once"]).code, Some(1));
    write(&desk, "new.csv", "id\n2\n");
    write(&desk, "orders/quarantine/second.csv", "id\n2\n");
    let new = "would be imported: 1 row into the table orders, in place of all that are there";
    assert_eq!(verdict(&tried(&desk, &["new.csv"])), new);
    assert_eq!(verdict(&tried(&desk, &["orders/quarantine/second.csv"])), new, "nothing is later yet");
    import(&desk, "third.csv", "id\n3\n");
    assert_eq!(verdict(&tried(&desk, &["new.csv"])), new);
    let answer = tried(&desk, &["orders/quarantine/second.csv"]);
    let only = |column: &str| {
        let database = Connection::open(desk.path("state/importerd.db")).unwrap();
        database.query_row(&format!("SELECT {column} FROM orders"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let later = only("_file_id");
    let late = format!("#{later}, a later file, has replaced all rows; dropped anew, it would be the latest");
    assert_eq!((answer.code, verdict(&answer)), (Some(0), &*format!("would be archived without a row: {late}")));
    let answer = tried(&desk, &["orders/quarantine/second.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&told["verdict"], &told["superseded_by"]), (&"superseded".into(), &later.into()));
    assert_eq!(told["import"]["rows_added"], 0);
    assert_eq!(desk.ask(&["retry", "second.csv"]).code, Some(0));
    assert_eq!((desk.ask(&["once"]).code, only("id")), (Some(0), 3));
    import(&desk, "new.csv", "id\n2\n");
    assert_eq!(only("id"), 2);
}

#[test]
fn a_name_that_is_never_taken_is_told_before_all_else() {
    let desk = Desk::with(&format!("{ORDERS}match = ['*.csv']\n"));
    for (name, rule) in [("a.txt", "the folder's setting `match` doesn't fit it"), (".a.csv", "it begins with a dot")] {
        write(&desk, name, GOOD);
        let answer = tried(&desk, &[name]);
        assert_eq!((answer.code, verdict(&answer)), (Some(65), format!("would stay in the inbox: {rule}").as_str()));
    }
}

#[test]
fn a_command_is_shown_as_it_would_be_run_and_not_run() {
    let settings = "[folder.scans]\npath = '/T/scans'\nrun = { command = ['touch', '/T/ran', '{path}'] }\n";
    let desk = Desk::with(settings);
    write(&desk, "a b.pdf", "x");
    let answer = tried(&desk, &["a b.pdf"]);
    let expected = "\
a b.pdf in folder scans
  taken yes
  command touch /T/ran '/T/scans/active/0/a b.pdf'
  program /usr/bin/touch, executable

the command would be run
";
    assert_eq!((answer.code, plain(&answer.out).as_str()), (Some(0), expected));
    let answer = tried(&desk, &["a b.pdf", "--set", "folder.scans.run.command=no-such-program-here"]);
    let held = "the folder would be held: \"no-such-program-here\" is not in $PATH";
    assert_eq!((answer.code, verdict(&answer)), (Some(78), held));
}

#[test]
fn a_file_that_a_command_has_done_is_a_duplicate() {
    let desk = Desk::with("[folder.orders]\npath = '/T/orders'\nrun = { command = ['true'] }\n");
    write(&desk, "a.pdf", "x");
    let identity = desk.put("other");
    let ledger = desk.ledger();
    let digest = importerd::file::Digest(*blake3::hash(b"x").as_bytes());
    let done =
        importerd::ledger::Entry { blake3: Some(digest), ..entry(7, "old.pdf".as_ref(), identity, State::Archived) };
    ledger.enter(importerd::ledger::Durability::Flushed, &[done], &[]).unwrap();
    drop(ledger);
    let answer = tried(&desk, &["a.pdf"]);
    let expected = "would be archived as a duplicate of #7 old.pdf (the same bytes); nothing else would happen";
    assert_eq!((answer.code, verdict(&answer)), (Some(0), expected));
}

#[test]
fn what_can_not_be_tried_ends_with_the_code_for_it() {
    let desk = Desk::with(ORDERS);
    write(&desk, "a.csv", GOOD);
    let code = |arguments: &[&str]| tried(&desk, arguments).code;
    assert_eq!(code(&["missing.csv"]), Some(66));
    assert_eq!(code(&["state"]), Some(66), "a directory");
    assert_eq!(code(&["a.csv", "--folder", "other"]), Some(64));
    assert_eq!(code(&["a.csv", "--set", "folder.orders.setle=1s"]), Some(78));
    assert_eq!(code(&["a.csv", "--set", "folder.orders.import.table=sqlite_x"]), Some(78));
    assert_eq!(code(&["a.csv", "--set", "folder.orders.import.into=sqlite:/no/such/place.db"]), Some(69));
    write(&desk, "no.db", "this is no database, and it is long enough to be looked at".repeat(20));
    let into = format!("folder.orders.import.into=sqlite:{}", desk.path("no.db").display());
    assert_eq!(code(&["a.csv", "--set", &into]), Some(69));
    let answer = tried(&desk, &["a.csv", "--set", &format!("folder.scans.path={}", desk.path("scans").display())]);
    assert_eq!(answer.code, Some(64));
    assert!(answer.err.contains("say which: --folder orders | --folder scans"), "{}", answer.out);
}

#[test]
fn as_json_it_is_one_object_with_the_same() {
    let desk = Desk::with(ORDERS);
    write(&desk, "a.csv", "id;plz\n1;00417\n");
    let answer = tried(&desk, &["a.csv", "--json"]);
    assert_eq!(answer.out.lines().count(), 1);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&told["verdict"], &told["exit"]), (&"imported".into(), &0.into()));
    assert_eq!(told["import"]["read_as"]["dialect"]["delimiter"], ";");
    let column = &told["import"]["columns"][1];
    assert_eq!((&column["type"], &column["why_line"]), (&"TEXT".into(), &2.into()));
    write(&desk, "b.csv", "id\n1\n\"open\n");
    let answer = tried(&desk, &["b.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&told["verdict"], &told["refused"]["line"]), (&"refused".into(), &3.into()));
    assert_eq!((answer.code, &told["import"]["rows"]), (Some(65), &serde_json::Value::Null));
}

#[test]
fn beside_a_running_daemon_it_changes_nothing_either() {
    let desk = Desk::with(ORDERS);
    import(&desk, "first.csv", GOOD);
    let _daemon = desk.daemon();
    // As a daemon has it: open, in WAL mode, with an index of the log.
    let database = Connection::open(desk.path("state/importerd.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE; UPDATE orders SET note = 'z'; COMMIT").unwrap();
    assert!(desk.path("state/importerd.db-wal").exists());
    write(&desk, "next.csv", "id,note\n4,x\n");
    // A reader enters itself in the index of the log.
    let all_but_the_index = || {
        let mut all = everything(&desk.path(""));
        all.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
        all
    };
    let before = all_but_the_index();
    let answer = desk.ask(&["try", "next.csv"]);
    assert_eq!((answer.code, verdict(&answer)), (Some(0), "would be imported: 1 row into the table orders"));
    assert!(all_but_the_index() == before);
    assert!(answer.out.contains("note       the running daemon refuses another delimiter"), "{}", answer.out);
    write(&desk, "one.csv", "note\nx\n");
    let answer = desk.ask(&["try", "one.csv"]);
    assert!(answer.out.contains("note       a file of one column shows no delimiter"), "{}", answer.out);
}

/// The control: what compares before and after sees a byte, a time, a mode and a name.
#[test]
fn the_comparison_sees_every_change_that_an_import_makes() {
    let desk = Desk::with(ORDERS);
    import(&desk, "first.csv", GOOD);
    let before = everything(&desk.path(""));
    import(&desk, "second.csv", "id\n4\n");
    let after = everything(&desk.path(""));
    for place in ["state/importerd.db", "state/ledger.db"] {
        assert!(before[&desk.path(place)] != after[&desk.path(place)], "{place}");
    }
    assert!(after.keys().any(|path| path.ends_with("second.csv")));
    let after = everything(&desk.path(""));
    desk.allow("orders", 0o700);
    assert!(everything(&desk.path("")) != after);
}
