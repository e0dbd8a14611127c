//! `importerd replay` and `importerd forget`, given to a running daemon and without one.

mod harness;

use harness::{Daemon, Drop, eventually};
use serde_json::Value;

/// Exit code and lines of an order.
fn order(drop: &Drop, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = drop.command(arguments).output().expect("give an order");
    let told = String::from_utf8(output.stdout).expect("text") + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), told.lines().map(str::to_owned).collect())
}

fn rows(drop: &Drop) -> Vec<(i64, i64)> {
    let rows = drop.rows();
    let mut query = rows.prepare("SELECT id, _file_id FROM \"drop\" ORDER BY id").expect("a query");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// Where a file of that number lies, by the ledger; the log says it a moment before.
fn place(drop: &Drop, id: i64) -> String {
    let ledger = drop.ledger();
    let look = || ledger.query_row("SELECT place FROM file WHERE id = ?", [id], |row| row.get::<_, Option<String>>(0));
    eventually("its place is entered", || look().expect("its row").is_some());
    look().expect("its row").expect("its place")
}

/// The number of a file that was dropped, once it is archived.
fn archived(drop: &Drop, daemon: &mut Daemon, name: &str) -> i64 {
    let id = daemon.wait_for_file("file.archived", name)["file_id"].as_i64().expect("its number");
    place(drop, id);
    id
}

#[test]
fn a_running_daemon_replays_what_it_is_told_to() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n2\n");
    let first = archived(&drop, &mut daemon, "a.csv");
    let (code, told) = order(&drop, &["replay", "a.csv"]);
    assert_eq!(code, Some(0), "{told:?}");
    assert!(told[0].starts_with(&format!("a.csv  #{first}  drop: is loaded again, as #")), "{told:?}");
    let asked = daemon.wait_for_file("file.replayed", "a.csv");
    assert!(asked["by"].as_str().is_some_and(|by| by.starts_with("uid ")), "{asked}");
    let committed = daemon.wait_until("the replay", |record| record["replaces"] == first && record["rows"] == 2);
    let second = committed["file_id"].as_i64().expect("its number");
    assert_eq!((&committed["rows_before"], &committed["bytes_changed"]), (&2.into(), &false.into()));
    daemon.wait_until("its archiving", |record| record["event"] == "file.archived" && record["file_id"] == second);
    assert_eq!(rows(&drop), [(1, second), (2, second)]);
    assert_eq!(drop.names("archive"), ["a.csv"]);
    // The number that is no longer there, and by its path the one that is.
    assert_eq!(order(&drop, &["replay", &first.to_string()]).0, Some(1));
    let path = drop.path().join(place(&drop, second));
    let (code, told) = order(&drop, &["replay", path.to_str().expect("text"), "--json", "--dry-run"]);
    let told: Value = serde_json::from_str(&told[0]).expect("an object");
    assert_eq!((code, &told["id"], &told["outcome"]), (Some(0), &second.into(), &"would_replay".into()));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_replay_that_was_refused_takes_the_place_of_the_old_rows_when_it_is_corrected_and_retried() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n2\n");
    let first = archived(&drop, &mut daemon, "a.csv");
    let path = drop.path().join(place(&drop, first));
    std::fs::write(&path, "id\n1\nx\n").expect("spoil it");
    assert_eq!(order(&drop, &["replay", "a.csv"]).0, Some(0));
    let refused = daemon.wait_for_file("file.quarantined", "a.csv")["file_id"].as_i64().expect("its number");
    assert_eq!(rows(&drop), [(1, first), (2, first)]);
    let (code, told) = order(&drop, &["replay", &first.to_string()]);
    assert!(code == Some(1) && told[0].contains(&format!("explain '#{refused}'")), "{told:?}");
    std::fs::write(drop.path().join("quarantine/a.csv"), "id\n1\n3\n").expect("correct it");
    assert_eq!(order(&drop, &["retry", &refused.to_string()]).0, Some(0));
    daemon.wait_until("the replay", |record| record["replaces"] == first && record["event"] == "file.committed");
    assert_eq!(rows(&drop), [(1, refused), (3, refused)]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_paused_folder_replays_nothing_until_it_goes_on_and_what_waits_is_taken_back_by_forget() {
    let drop = Drop::new();
    for number in 1..=3 {
        drop.put(format!("{number}.csv"), format!("id\n{number}\n"));
    }
    assert!(drop.once().success());
    let before = rows(&drop);
    assert_eq!(order(&drop, &["pause", "drop"]).0, Some(0));
    for (verb, what) in [
        ("replay", "loaded again, each in place of its rows"),
        ("forget", "forgotten: the same bytes count as new then"),
    ] {
        let (code, told) = order(&drop, &[verb, "--folder", "drop"]);
        let first = format!("importerd: nothing was done: 3 files are to be {what}");
        assert_eq!((code, &told[0]), (Some(64), &first), "without a terminal nobody can be asked");
        assert!(told[1].contains("add --yes"), "{told:?}");
    }
    assert_eq!(order(&drop, &["ls", "--archived", "--json"]).1.len(), 3);
    let (code, told) = order(&drop, &["replay", "--folder", "drop", "--yes"]);
    assert_eq!((code, told.len()), (Some(0), 5), "{told:?}");
    assert_eq!(told[0], "3 files are to be loaded again, each in place of its rows");
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    let listed = order(&drop, &["ls", "--deferred", "--json"]).1;
    assert_eq!((listed.len(), rows(&drop)), (3, before));
    let status: Value = serde_json::from_str(&order(&drop, &["status", "--json"]).1[0]).expect("an object");
    assert_eq!(status["folders"][0]["deferred"], 3);
    let waiting: Value = serde_json::from_str(&listed[0]).expect("an object");
    let (code, told) = order(&drop, &["forget", &waiting["id"].to_string()]);
    assert!(code == Some(0) && told[0].ends_with("is not loaded again; its rows stay as they are"), "{told:?}");
    daemon.wait_for("file.forgotten");
    assert_eq!(order(&drop, &["resume", "drop"]).0, Some(0));
    daemon.wait_for_many("file.archived", 2);
    assert_eq!(order(&drop, &["ls", "--deferred", "--json"]).1, [""; 0]);
    assert_eq!(rows(&drop).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_is_forgotten_is_done_again_when_it_is_dropped_again() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    archived(&drop, &mut daemon, "a.csv");
    drop.put("b.csv", "id\n1\n");
    daemon.wait_for_file("file.duplicate", "b.csv");
    assert_eq!(order(&drop, &["forget", "a.csv"]).0, Some(0));
    assert_eq!(order(&drop, &["forget", "a.csv"]).0, Some(0), "it can be repeated");
    daemon.wait_for_file("file.forgotten", "a.csv");
    drop.put("c.csv", "id\n1\n");
    daemon.wait_for_file("file.committed", "c.csv");
    assert_eq!(drop.row_count(), 2, "and the rows that were there stay");
    let (code, told) = order(&drop, &["forget", "--folder", "drop", "--quarantined"]);
    assert_eq!(code, Some(0), "a quiet night is no error: {told:?}");
    assert_eq!(order(&drop, &["forget"]).0, Some(64));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_duplicate_counts_as_new_once_the_file_that_it_is_the_same_as_is_forgotten() {
    let drop = Drop::new();
    let mut daemon = drop.start();
    drop.put("x1.csv", "id\n1\n");
    let first = archived(&drop, &mut daemon, "x1.csv");
    drop.put("x2.csv", "id\n1\n");
    let second = daemon.wait_for_file("file.duplicate", "x2.csv")["file_id"].as_i64().expect("its number");
    place(&drop, second);
    for more in [&["--dry-run"][..], &[]] {
        let (code, told) = order(&drop, &[&["forget", "x2.csv"], more].concat());
        let why = format!("it was done before as #{first}, which still counts; to have it done as a new file, forget");
        assert!(code == Some(1) && told[0].contains(&why), "{told:?}");
        assert!(told[0].ends_with(&format!("forget '#{first}'")), "{told:?}");
    }
    // Under its present number.
    assert_eq!(order(&drop, &["replay", "x1.csv"]).0, Some(0));
    let of_replay = |record: &Value| record["event"] == "file.archived" && record["file_id"].as_i64() > Some(second);
    let replaced = daemon.wait_until("the replay", of_replay);
    let now = replaced["file_id"].as_i64().expect("its number");
    place(&drop, now);
    let (code, told) = order(&drop, &["forget", "x2.csv"]);
    assert!(code == Some(1) && told[0].contains(&format!("it was done before as #{now}, ")), "{told:?}");
    // Both together, of a whole folder and by name.
    let (code, told) = order(&drop, &["forget", "--folder", "drop", "--dry-run"]);
    assert_eq!((code, told.len()), (Some(0), 2), "{told:?}");
    let (code, told) = order(&drop, &["forget", "x2.csv", &format!("#{now}")]);
    assert_eq!((code, told.len()), (Some(0), 2), "{told:?}");
    drop.put("x3.csv", "id\n1\n");
    daemon.wait_for_file("file.committed", "x3.csv");
    assert_eq!(daemon.stop().code(), Some(0));
}
