//! Import modes, from the drop to the rows: which file wins, and what is told of it.

mod harness;

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use harness::{Daemon, Drop};
use rusqlite::Connection;
use serde_json::Value;

const ROUNDS: u64 = 12;
const VERSIONS: u64 = 7;

fn in_mode(mode: &str) -> Drop {
    let import = format!("import = {{ into = \"sqlite:rows.db\", mode = {mode} }}");
    Drop::with_daemon("processors = 2", &import)
}

/// One answer of a query.
fn ask(database: &Connection, query: &str) -> i64 {
    database.query_row(query, [], |row| row.get(0)).expect("an answer")
}

fn number(drop: &Drop, query: &str) -> i64 {
    ask(&drop.rows(), query)
}

/// Versions of one order, changed last a minute apart, in an inbox that nobody watches yet. The older, the larger: the
/// younger would overtake them if they could.
fn drop_versions(drop: &Drop, rng: &mut fastrand::Rng) {
    let mut versions: Vec<u64> = (0..VERSIONS).collect();
    rng.shuffle(&mut versions);
    for version in versions {
        let more: Vec<String> = (0..(VERSIONS - version) * 300).map(|row| format!("{},-1\n", row + 2)).collect();
        let path = drop.inbox().join(format!("{:016x}.csv", rng.u64(..)));
        fs::write(&path, format!("id,v\n1,{version}\n{}", more.concat())).expect("write into the inbox");
        let changed = SystemTime::UNIX_EPOCH + Duration::from_mins(version);
        File::options().write(true).open(&path).expect("open").set_modified(changed).expect("set its age");
    }
}

/// How many files have a lower number than one that is older.
fn disorder(drop: &Drop) -> i64 {
    let query =
        "SELECT count(*) FROM _importerd_files a JOIN _importerd_files b ON a.id < b.id AND a.mtime_ns > b.mtime_ns";
    number(drop, query)
}

#[test]
fn of_versions_that_wait_together_the_youngest_wins_with_two_processors_every_time() {
    let mut rng = fastrand::Rng::with_seed(4);
    for (mode, wins) in
        [("\"replace\"", VERSIONS - 1), ("{ upsert = [\"id\"] }", VERSIONS - 1), ("{ insert = [\"id\"] }", 0)]
    {
        for round in 0..ROUNDS {
            let drop = in_mode(mode);
            drop_versions(&drop, &mut rng);
            assert!(drop.once().success());
            assert_eq!(
                number(&drop, "SELECT v FROM \"drop\" WHERE id = 1"),
                wins.cast_signed(),
                "{mode}, round {round}"
            );
            assert_eq!(disorder(&drop), 0, "{mode}, round {round}");
        }
    }
}

/// The control for the test above: so the same files go into any other folder.
#[test]
fn files_that_only_add_rows_are_taken_in_any_order() {
    let mut rng = fastrand::Rng::with_seed(4);
    let disorderly = (0..ROUNDS).filter(|_| {
        let drop = in_mode("\"append\"");
        drop_versions(&drop, &mut rng);
        assert!(drop.once().success());
        assert_eq!(number(&drop, "SELECT count(*) FROM \"drop\" WHERE id = 1"), VERSIONS.cast_signed());
        disorder(&drop) > 0
    });
    assert!(disorderly.count() > 0);
}

/// Drops one version after the other, and kills the daemon around each commit.
fn survive_kills(mode: &str) -> Drop {
    let drop = in_mode(mode);
    for version in 0..10 {
        drop.put(format!("{version}.csv"), format!("id,v\n1,{version}\n{},{version}\n", version + 2));
        let mut daemon = drop.launch();
        match version % 3 {
            0 => drop_dead(&mut daemon, "file.claimed", version),
            1 => drop_dead(&mut daemon, "file.committed", version),
            _ => drop_dead(&mut daemon, "file.archived", version),
        }
        daemon.kill();
    }
    assert!(drop.once().success());
    assert_eq!(drop.names("archive").len(), 10);
    drop
}

fn drop_dead(daemon: &mut Daemon, event: &str, version: i64) {
    daemon.wait_for_file(event, &format!("{version}.csv"));
}

/// fault 80
#[test]
fn a_daemon_killed_around_its_commits_leaves_the_latest_snapshot() {
    let drop = survive_kills("\"replace\"");
    assert_eq!(number(&drop, "SELECT sum(v) FROM \"drop\""), 18, "both rows of the last one");
    assert_eq!(number(&drop, "SELECT count(*) FROM \"drop\""), 2);
    assert_eq!(number(&drop, "SELECT count(*) FROM _importerd_files"), 10);
}

#[test]
fn a_daemon_killed_around_its_commits_leaves_the_latest_of_every_key() {
    let drop = survive_kills("{ upsert = [\"id\"] }");
    assert_eq!(number(&drop, "SELECT v FROM \"drop\" WHERE id = 1"), 9);
    assert_eq!(number(&drop, "SELECT count(*) FROM \"drop\" WHERE id = v + 2"), 10);
}

fn order(drop: &Drop, arguments: &[&str]) -> (Option<i32>, String) {
    let output = drop.command(arguments).output().expect("give an order");
    let told = String::from_utf8(output.stdout).expect("text") + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), told)
}

fn committed(drop: &Drop, name: &str) -> Value {
    let output = drop.command(&["events", "--json"]).output().expect("ask for events");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let events = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let is_it = |event: &Value| event["event"] == "file.committed" && event["file"] == name;
    events.rev().find(is_it).unwrap_or_else(|| panic!("{name} was not committed"))
}

#[test]
fn an_older_snapshot_that_is_mended_and_retried_is_archived_and_changes_nothing() {
    let drop = in_mode("\"replace\"");
    drop.put("1.csv", "id,v\n1,1\nx,1\n");
    drop.put("0.csv", "id,v\n1,0\n");
    let age = |name: &str, minute| {
        let file = File::options().write(true).open(drop.inbox().join(name)).expect("open");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_mins(minute)).expect("set its age");
    };
    age("0.csv", 0);
    age("1.csv", 1);
    assert_eq!(drop.once().code(), Some(1), "1.csv doesn't fit the table that 0.csv has made");
    drop.put("2.csv", "id,v\n1,2\n");
    assert!(drop.once().success());
    let refused = harness::files(&drop.path().join("quarantine")).into_iter().find(|path| path.ends_with("1.csv"));
    fs::write(refused.expect("1.csv"), "id,v\n1,1\n").expect("mend it");
    assert_eq!(order(&drop, &["retry", "1.csv"]).0, Some(0));
    assert!(drop.once().success());
    let event = committed(&drop, "1.csv");
    assert_eq!((&event["rows"], &event["superseded_by"]), (&0.into(), &committed(&drop, "2.csv")["file_id"]));
    assert_eq!(number(&drop, "SELECT v FROM \"drop\""), 2);
    assert_eq!(drop.names("archive"), ["0.csv", "1.csv", "2.csv"]);
    let (code, told) = order(&drop, &["ledger", "check"]);
    assert_eq!(code, Some(0), "{told}");
    // Dropped again, it is the latest.
    drop.put("3.csv", "id,v\n1,1\n");
    assert!(drop.once().success());
    assert_eq!(number(&drop, "SELECT v FROM \"drop\""), 1);
}

#[test]
fn what_became_of_the_rows_is_told_and_the_ledger_check_knows_what_a_mode_takes_away() {
    let import = "import = { into = \"sqlite:rows.db\", mode = { upsert = [\"id\"] }, new_columns = \"add\" }";
    let drop = Drop::with(import);
    drop.put("a.csv", "id,v\n1,a\n2,a\n");
    assert!(drop.once().success());
    drop.put("b.csv", "id,v,w\n2,b,7\n3,b,8\n3,c,9\n");
    assert!(drop.once().success());
    let event = committed(&drop, "b.csv");
    let told = ["rows", "rows_inserted", "rows_updated", "rows_skipped", "columns_added"].map(|field| &event[field]);
    assert_eq!(told, [&3.into(), &1.into(), &2.into(), &0.into(), &Value::from("w")]);
    let (code, told) = order(&drop, &["events"]);
    assert!(told.contains("3 rows; 2 updated, new columns w"), "{code:?} {told}");
    let (code, told) = order(&drop, &["ledger", "check"]);
    assert!(code == Some(0) && told.contains("every file has the rows that it brought"), "{told}");
    // The control: a row that no mode has taken away is missed.
    let append = Drop::new();
    append.put("a.csv", "id\n1\n2\n");
    assert!(append.once().success());
    append.rows().execute_batch("DELETE FROM \"drop\" WHERE id = 1").expect("delete a row");
    assert!(order(&append, &["ledger", "check"]).1.contains("1 files have fewer rows than they brought"));
}

#[test]
fn files_of_a_mode_that_overwrites_are_not_replayed_and_the_hint_is_a_way() {
    for mode in ["\"replace\"", "{ upsert = [\"id\"] }"] {
        let drop = in_mode(mode);
        drop.put("a.csv", "id\n1\n");
        assert!(drop.once().success());
        let (code, told) = order(&drop, &["replay", "a.csv"]);
        assert!(code == Some(1) && told.contains("take each other's rows away"), "{told}");
        drop.rows().execute_batch("DELETE FROM \"drop\"").expect("lose the rows");
        assert_eq!(order(&drop, &["forget", "a.csv"]).0, Some(0));
        let archived = harness::files(&drop.path().join("archive")).remove(0);
        fs::rename(archived, drop.inbox().join("a.csv")).expect("drop it again");
        assert!(drop.once().success());
        assert_eq!(number(&drop, "SELECT id FROM \"drop\""), 1, "{mode}");
    }
    let drop = in_mode("{ insert = [\"id\"] }");
    drop.put("a.csv", "id\n1\n");
    assert!(drop.once().success());
    assert_eq!(order(&drop, &["replay", "a.csv"]).0, Some(0));
    assert!(drop.once().success());
    assert_eq!(number(&drop, "SELECT _file_id FROM \"drop\""), committed(&drop, "a.csv")["file_id"]);
}

#[test]
fn a_trial_knows_what_a_folder_does_with_new_columns_and_with_what_was_overwritten() {
    let import = "import = { into = \"sqlite:rows.db\", mode = \"replace\", new_columns = \"add\" }";
    let drop = Drop::with(import);
    let file = drop.root().join("file.csv");
    let attempt = |content: &str| {
        fs::write(&file, content).expect("write a file");
        order(&drop, &["try", file.to_str().expect("text"), "--folder", "drop"])
    };
    for (name, content) in [("1.csv", "id\n1\n"), ("2.csv", "id\n2\n")] {
        drop.put(name, content);
        assert!(drop.once().success());
    }
    let (code, told) = attempt("id,n\n3,7\n4,x\n");
    assert!(code == Some(0) && told.contains("new in the table") && told.contains("TEXT"), "{told}");
    let (code, told) = attempt("id\n1\n");
    assert!(code == Some(0) && !told.contains("duplicate"), "another has come between: {told}");
    assert!(attempt("id\n2\n").1.contains("duplicate"));
    let (code, told) = attempt("id\n");
    assert!(code == Some(65) && told.contains("would be emptied"), "{told}");
    assert_eq!(number(&drop, "SELECT id FROM \"drop\""), 2, "nothing is changed");
}

#[test]
fn behind_a_file_that_only_the_database_refuses_the_rest_of_its_batch_goes_in_at_once() {
    let drop = in_mode("{ upsert = [\"id\"] }");
    drop.put("0.csv", "id,n\n0,a\n");
    assert!(drop.once().success());
    let sql = "DROP TABLE \"drop\"; CREATE TABLE \"drop\" (id INTEGER PRIMARY KEY, n TEXT CHECK (n <> 'bad'), _file_id, _line)";
    drop.rows().execute_batch(sql).expect("a table that is choosy");
    for file in 1..=60 {
        drop.put(format!("{file:02}.csv"), format!("id,n\n{file},{}\n", if file % 7 == 3 { "bad" } else { "good" }));
    }
    let mut daemon = drop.start();
    daemon.wait_for_many("file.archived", 51);
    let events = daemon.heard();
    assert!(!events.iter().any(|event| event["event"] == "folder.paused"), "{events:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!((drop.names("quarantine").len(), drop.names("archive").len()), (9 * 2, 52));
    assert_eq!(number(&drop, "SELECT count(*) FROM \"drop\""), 51);
    let batches = "SELECT max(files) FROM (SELECT count(*) AS files FROM _importerd_files GROUP BY committed_at)";
    assert!(number(&drop, batches) > 1, "none was in a batch");
}

#[test]
fn columns_that_are_left_out_are_named() {
    let drop = Drop::with("import = { into = \"sqlite:rows.db\", new_columns = \"ignore\" }");
    drop.put("a.csv", "id\n1\n");
    assert!(drop.once().success());
    drop.put("b.csv", "id,x,y\n2,3,4\n");
    assert!(drop.once().success());
    assert_eq!(committed(&drop, "b.csv")["columns_ignored"], "x, y");
    assert_eq!(number(&drop, "SELECT count(*) FROM pragma_table_info('drop')"), 3);
}
