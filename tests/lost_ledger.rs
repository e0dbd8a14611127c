//! A ledger that is missing, another one, an older one or a damaged one: refused with what to do, never begun anew.
//! faults 76, 77, 88

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Daemon, Drop};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

/// Prints the file and counts how often it ran, beside the folder.
fn run_keys(root: &Path) -> String {
    let script = "echo x >>\\\"$1/ran\\\"; cat \\\"$2\\\"";
    format!("run = {{ command = [\"/bin/sh\", \"-c\", \"{script}\", \"sh\", \"{}\", \"{{path}}\"] }}", root.display())
}

fn run_folder() -> Drop {
    let root = tempfile::tempdir().unwrap();
    let keys = run_keys(root.path());
    Drop::at(root, "", &keys)
}

fn ledger(drop: &Drop) -> PathBuf {
    drop.state().join("ledger.db")
}

/// How a start is refused: its record. Nothing of the folder or the state directory may have changed.
fn refused(mut command: Command, drop: &Drop) -> Value {
    let before = everything(drop.root());
    command.arg("once");
    let mut daemon = Daemon::of(command);
    let said = daemon.wait_until("its refusal", |record| record["level"] == "CRITICAL");
    assert_eq!(daemon.end().code(), Some(78), "{said}");
    let after = everything(drop.root());
    let changed = before.iter().chain(&after).filter(|file| !(before.contains(file) && after.contains(file)));
    let changed: Vec<_> = changed.map(|(path, _)| path).collect();
    assert!(changed.is_empty(), "{changed:?} {said}");
    let hint = said["hint"].as_str().unwrap_or_default();
    let is_elsewhere = hint.starts_with("name its state directory: --state-dir /");
    assert!(hint.contains("backup") || hint.contains("version") || is_elsewhere, "{said}");
    said
}

/// Every file with its bytes, but for locks, sockets and what SQLite keeps beside a database while it is open.
fn everything(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else if !["lock", "-wal", "-shm", ".sock"].iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            found.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

fn remove_ledger(drop: &Drop) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
}

/// A folder with one file done.
fn worked_on(drop: &Drop) {
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("archive"), ["a.csv"]);
}

fn assert_says(said: &Value, code: &str, words: &[&str]) {
    assert_eq!(said["code"], code, "{said}");
    let text = format!("{} {}", said["msg"], said["hint"]);
    for word in words {
        assert!(text.contains(word), "{word}: {said}");
    }
}

/// fault 76
#[test]
fn a_deleted_ledger_is_missed_and_named_with_folder_and_command() {
    for drop in [Drop::new(), run_folder()] {
        worked_on(&drop);
        let saved = fs::read(ledger(&drop)).unwrap();
        remove_ledger(&drop);
        let said = refused(drop.command(&[]), &drop);
        let options = format!("{}/importerd.toml --state-dir {}", drop.root().display(), drop.state().display());
        let command = format!("importerd --config {options} ledger rebuild");
        assert_says(
            &said,
            "ledger_missing",
            &[ledger(&drop).to_str().unwrap(), drop.path().to_str().unwrap(), &command],
        );
        // The control: with its ledger it goes on.
        fs::write(ledger(&drop), saved).unwrap();
        assert_eq!(drop.once().code(), Some(0));
    }
}

/// fault 76
#[test]
fn an_empty_ledger_file_is_a_missing_ledger_where_there_was_one_and_a_new_one_where_there_was_none() {
    let drop = Drop::new();
    fs::create_dir_all(drop.state()).unwrap();
    fs::write(ledger(&drop), "").unwrap();
    worked_on(&drop);
    fs::write(ledger(&drop), "").unwrap();
    assert_says(&refused(drop.command(&[]), &drop), "ledger_missing", &["was worked on with the ledger"]);
}

/// fault 76
#[test]
fn a_folder_with_another_state_directory_is_refused_and_told_where_its_ledger_lies() {
    for drop in [Drop::new(), run_folder()] {
        worked_on(&drop);
        let other = drop.root().join("other");
        fs::create_dir(&other).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args(["--log", "json"]).arg("--config").arg(drop.settings()).arg("--state-dir").arg(&other);
        let said = refused(command, &drop);
        assert_says(&said, "ledger_missing", &[&format!("--state-dir {}", drop.state().display())]);
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1, "the lock");
        // Nothing is wrong with it: what would take its folder from it is not advised.
        assert_eq!(said["hint"], format!("name its state directory: --state-dir {}", drop.state().display()));
    }
}

/// fault 76: a ledger that is made anew takes the folder from the one that it has.
#[test]
fn a_ledger_is_not_made_anew_elsewhere_while_the_folders_own_is_there() {
    let drop = Drop::new();
    worked_on(&drop);
    let (other, before) = (drop.root().join("other"), remembered(&drop));
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.arg("--config").arg(drop.settings()).arg("--state-dir").arg(&other).args(arguments);
        let output = command.output().unwrap();
        (
            output.status.code(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let asked = ["status", "try a.csv", "ledger check", "ledger rebuild --yes", "pause drop", "retry --failed"];
    // Also to who isn't the folders' user: as that one, it would be no better.
    let user = rustix::process::geteuid();
    let another = if user.is_root() { 65_534 } else { user.as_raw() };
    for (owner, asked) in [another, user.as_raw()].into_iter().flat_map(|owner| asked.map(|asked| (owner, asked))) {
        std::os::unix::fs::chown(drop.path().join("active"), Some(owner), None).unwrap();
        let arguments: Vec<_> = asked.split(' ').collect();
        let (code, told) = command(&arguments);
        assert_eq!(code, Some(78), "{arguments:?}: {told}");
        assert!(told.contains(&format!("name its state directory: --state-dir {}", drop.state().display())), "{told}");
        assert!(!told.contains("make one anew"), "{arguments:?}: {told}");
    }
    assert_eq!((remembered(&drop), other.exists()), (before.clone(), false));
    // Where it is gone, that is no reason any more.
    let aside = drop.root().join("aside");
    fs::rename(drop.state(), &aside).unwrap();
    fs::create_dir(drop.state()).unwrap();
    fs::copy(aside.join("rows.db"), drop.state().join("rows.db")).unwrap();
    assert!(command(&["status"]).1.contains("or make one anew"));
    fs::remove_dir_all(drop.state()).unwrap();
    fs::rename(&aside, drop.state()).unwrap();
    // And who says so may.
    fs::create_dir_all(&other).unwrap();
    fs::copy(drop.state().join("rows.db"), other.join("rows.db")).unwrap();
    let (code, told) = command(&["ledger", "rebuild", "--yes", "--force"]);
    assert_eq!(code, Some(0), "{told}");
    assert_ne!(remembered(&drop)["ledger"], before["ledger"]);
}

/// fault 76: `watch` keeps its state in the folder.
#[test]
fn a_watched_folder_whose_state_was_deleted_is_refused_with_a_command_that_finds_its_settings() {
    let here = tempfile::tempdir().unwrap();
    let dir = here.path().join("drop");
    let watch = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
        command.args(["-v", "--log", "json", "watch"]).arg(&dir);
        Daemon::of(command)
    };
    let mut daemon = watch();
    daemon.wait_for("daemon.started");
    fs::write(dir.join("inbox/a.csv"), "id\n1\n").unwrap();
    daemon.wait_for_file("file.archived", "a.csv");
    assert_eq!(daemon.stop().code(), Some(0));
    fs::remove_dir_all(dir.join(".importerd")).unwrap();
    let mut daemon = watch();
    let said = daemon.wait_until("its refusal", |record| record["code"] == "ledger_missing");
    assert_eq!(daemon.end().code(), Some(78));
    let state = dir.join(".importerd");
    let command = format!("importerd --state-dir {} ledger rebuild", state.display());
    assert!(said["hint"].as_str().unwrap().ends_with(&command), "{said}");
    let mut status = Command::new(env!("CARGO_BIN_EXE_importerd"));
    let status = status.arg("--state-dir").arg(&state).arg("status").output().unwrap();
    let told = String::from_utf8(status.stderr).unwrap();
    assert!(status.status.code() == Some(78) && told.contains("missing; "), "{told}");
}

/// fault 76: the folder's memory was deleted too; the target tells.
#[test]
fn a_target_with_load_markers_is_not_begun_anew_either() {
    let drop = Drop::with_daemon("", "import = { into = \"sqlite:../rows.db\" }");
    worked_on(&drop);
    fs::remove_dir_all(drop.path().join("active")).unwrap();
    let saved = fs::read(ledger(&drop)).unwrap();
    remove_ledger(&drop);
    assert_says(&refused(drop.command(&[]), &drop), "ledger_missing", &["has files up to #1"]);
    // Another daemon's ledger is no help.
    let other = Drop::new();
    worked_on(&other);
    fs::copy(ledger(&other), ledger(&drop)).unwrap();
    let ledger_of_another = Connection::open(ledger(&drop)).unwrap();
    ledger_of_another.execute("UPDATE file SET folder = 'other'", []).unwrap();
    std::mem::drop(ledger_of_another);
    assert_says(&refused(drop.command(&[]), &drop), "ledger_other", &["filled the target"]);
    // The control: a folder of a time when folders remembered nothing goes on with the ledger that knows it.
    fs::write(ledger(&drop), saved).unwrap();
    assert_eq!(drop.once().code(), Some(0));
    assert!(drop.path().join("active/.ledger").exists());
}

/// fault 76: a folder moved to another machine, or taken by another daemon.
#[test]
fn a_folder_of_another_daemon_is_refused_until_it_has_its_own_ledger_again() {
    for (drop, other) in [(Drop::new(), Drop::new()), (run_folder(), run_folder())] {
        worked_on(&drop);
        worked_on(&other);
        fs::remove_dir_all(other.path()).unwrap();
        fs::rename(drop.path(), other.path()).unwrap();
        let said = refused(other.command(&[]), &other);
        assert_says(&said, "ledger_other", &[&format!("--state-dir {}", drop.state().display())]);
        // A file of the folder that was worked on elsewhere is not told to be unknown.
        fs::rename(other.path(), drop.path()).unwrap();
        assert_eq!(drop.once().code(), Some(0));
    }
}

/// What the folder remembers, as JSON.
fn remembered(drop: &Drop) -> Value {
    serde_json::from_slice(&fs::read(drop.path().join("active/.ledger")).unwrap()).unwrap()
}

#[test]
fn a_folder_that_was_taken_out_of_the_settings_and_put_back_is_known_again() {
    let drop = Drop::new();
    worked_on(&drop);
    let before = remembered(&drop);
    let settings = fs::read_to_string(drop.settings()).unwrap();
    let elsewhere = settings.replace("[folder.drop]", "[folder.other]").replace("/drop\"", "/other\"");
    fs::write(drop.settings(), elsewhere).unwrap();
    fs::create_dir_all(drop.root().join("other/inbox")).unwrap();
    fs::write(drop.root().join("other/inbox/b.csv"), "id\n2\n").unwrap();
    assert_eq!(drop.once().code(), Some(0));
    fs::write(drop.settings(), settings).unwrap();
    drop.put("again.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!((drop.row_count(), &remembered(&drop)["ledger"]), (1, &before["ledger"]));
}

/// fault 76: many files known, so that the ledger has pages enough to be hurt one by one.
fn with_a_large_ledger(drop: &Drop) {
    worked_on(drop);
    let connection = drop.ledger();
    let columns = "folder, name, device, inode + n, born_ns + n, size, mtime_ns, randomblob(32), state, attempts,
        deferrals, rows, claimed_at_us, changed_at_us, retry_at_us, place, reason_code, reason, hint, duplicate_of,
        results, replaces, rejects";
    let sql = format!(
        "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 900)
         INSERT INTO file SELECT 100 + n, {columns} FROM file, more WHERE id = 1"
    );
    assert_eq!(connection.execute(&sql, []).unwrap(), 900);
}

/// fault 76
#[test]
fn a_ledger_truncated_anywhere_is_refused() {
    let drop = run_folder();
    with_a_large_ledger(&drop);
    let whole = fs::read(ledger(&drop)).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 40, "{pages}");
    for length in [1, 15, 16, 99, 100, 512, 4_095, 4_096, 8_192, whole.len() / 2, whole.len() - 4_096, whole.len() - 1]
    {
        fs::write(ledger(&drop), &whole[..length]).unwrap();
        println!("cut to {length} of {} bytes", whole.len());
        let said = refused(drop.command(&[]), &drop);
        assert_says(&said, "ledger_corrupt", &["ledger.db: damaged", "ledger rebuild"]);
    }
    // The control.
    fs::write(ledger(&drop), whole).unwrap();
    assert_eq!(drop.once().code(), Some(0));
}

/// faults 71, 76: SQLite notices when it reads the page. Then the daemon ends, and the next start is refused.
#[test]
fn a_page_of_garbage_is_harmless_or_noticed_and_never_wrong() {
    let drop = Drop::new();
    with_a_large_ledger(&drop);
    let whole = fs::read(ledger(&drop)).unwrap();
    let pages = whole.len() / 4096;
    let (mut harmless, mut at_start, mut at_work) = (0, 0, 0);
    for (round, page) in (1..pages).step_by(pages / 24).enumerate() {
        let mut spoilt = whole.clone();
        let garbage = (0..=250_u8).cycle().take(4096).collect::<Vec<_>>();
        spoilt[page * 4096..(page + 1) * 4096].copy_from_slice(&garbage);
        fs::write(ledger(&drop), spoilt).unwrap();
        drop.put(format!("{round}.csv"), format!("id\n{}\n", round + 2));
        let mut daemon = Daemon::of(drop.command(&["once"]));
        let code = daemon.end().code();
        let heard = daemon.heard();
        let said = heard.iter().any(|record| {
            record["level"] == "CRITICAL"
                && record["msg"].as_str().is_some_and(|text| text.contains("ledger.db: damaged"))
        });
        match code {
            Some(0) => harmless += 1,
            Some(70) if said => {
                at_work += 1;
                assert_says(&refused(drop.command(&[]), &drop), "ledger_corrupt", &["ledger rebuild"]);
            }
            Some(78) if said => at_start += 1,
            other => panic!("page {page}: {other:?}, {heard:#?}"),
        }
        // With its pages whole it goes on, whatever was done meanwhile is learnt from the target.
        fs::write(ledger(&drop), &whole).unwrap();
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
        }
        assert_eq!(drop.once().code(), Some(0), "page {page}");
        assert_eq!(drop.row_count(), round as u64 + 2, "page {page}");
    }
    assert!(harmless > 0 && at_start + at_work > 0, "{harmless} {at_start} {at_work}");
}

/// faults 77, 88
#[test]
fn a_newer_ledger_is_refused_and_its_version_asked_for() {
    let drop = Drop::new();
    worked_on(&drop);
    let version: i64 = drop.ledger().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    drop.ledger().pragma_update(None, "user_version", version + 1).unwrap();
    let said = refused(drop.command(&[]), &drop);
    assert_says(&said, "ledger_newer", &["newer importerd", "install that version again"]);
    let status = String::from_utf8(drop.command(&["status"]).output().unwrap().stderr).unwrap();
    assert!(status.contains("install that version again"), "{status}");
    // The control.
    drop.ledger().pragma_update(None, "user_version", version).unwrap();
    assert_eq!(drop.once().code(), Some(0));
}

/// fault 76
#[test]
fn another_programs_database_is_left_to_the_byte() {
    let drop = Drop::new();
    worked_on(&drop);
    remove_ledger(&drop);
    Connection::open(ledger(&drop))
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    assert_says(&refused(drop.command(&[]), &drop), "ledger_corrupt", &["not a ledger"]);
}

/// The number that the ledger gave a file.
fn number(drop: &Drop, name: &str) -> i64 {
    drop.ledger().query_row("SELECT max(id) FROM file WHERE name = ?", [name], |row| row.get(0)).unwrap()
}

/// fault 76: a ledger restored from an older backup knows nothing of what was done since.
#[test]
fn an_older_ledger_learns_what_was_imported_since_and_gives_no_number_twice() {
    let drop = Drop::new();
    worked_on(&drop);
    let backup = fs::read(ledger(&drop)).unwrap();
    // Each start takes a new block of numbers.
    for name in ["b.csv", "bad.csv", "c.csv"] {
        drop.put(
            name,
            if name == "bad.csv" { "id\n1,2\n".to_owned() } else { format!("id\n{}\n", name.as_bytes()[0]) },
        );
        drop.once();
    }
    let last = ["b.csv", "bad.csv", "c.csv"].map(|name| number(&drop, name)).into_iter().max().unwrap();
    remove_ledger(&drop);
    fs::write(ledger(&drop), &backup).unwrap();
    drop.put("again.csv", format!("id\n{}\n", b'b'));
    drop.put("new.csv", "id\n9\n");
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.row_count(), 4, "the same bytes again are not imported again");
    assert!(number(&drop, "new.csv") > last && number(&drop, "again.csv") > last, "numbers go on behind {last}");
    // The control: without what the folder remembers, the refused file's number would be given out again.
    let below = remembered(&drop)["numbers_below"].as_i64().unwrap();
    assert!(below > last, "{below}");
}

/// fault 76: the other way round, a database restored from an older backup.
#[test]
fn a_target_that_does_not_know_what_went_in_last_is_told_at_a_start() {
    let drop = Drop::new();
    worked_on(&drop);
    let target = drop.state().join("rows.db");
    let backup = fs::read(&target).unwrap();
    let told = || {
        let mut once = Daemon::of(drop.command(&["once"]));
        assert_eq!(once.end().code(), Some(0));
        let heard = once.heard();
        let told: Vec<_> = heard.iter().filter(|record| record["code"] == "target_older").cloned().collect();
        told
    };
    drop.put("b.csv", "id\n2\n");
    assert_eq!(told(), [] as [Value; 0], "nor while it goes in");
    assert_eq!(told(), [] as [Value; 0]);
    fs::write(&target, &backup).unwrap();
    let told_then = told();
    assert_eq!(told_then.len(), 1, "once, and not by every Processor: {told_then:?}");
    let text = told_then[0]["msg"].to_string();
    assert!(text.contains("b.csv (#") && text.contains("ledger check"), "{text}");
    // What it says is a way: the file is named, and goes in again.
    let check = drop.command(&["ledger", "check"]).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stdout).contains("b.csv"), "{}", String::from_utf8_lossy(&check.stdout));
    // Also when others went in since.
    drop.put("c.csv", "id\n3\n");
    assert_eq!((told().len(), told().len()), (1, 1));
    drop.put("b.csv", "id\n2\n");
    told();
    assert_eq!(drop.row_count(), 3);
    // The control: a database that is another one on purpose lacks all that came before its first file.
    fs::write(&target, "").unwrap();
    assert_eq!(told().len(), 1, "the last one is missing");
    drop.put("d.csv", "id\n4\n");
    told();
    assert_eq!((told(), drop.row_count()), (Vec::new(), 1));
}

/// A ledger of yesterday, from when a file was refused; it has been mended and loaded since. Returns the file's number.
fn mended_since(drop: &Drop) -> i64 {
    worked_on(drop);
    drop.put("bad.csv", "id\n1,2\n");
    drop.once();
    let backup = fs::read(ledger(drop)).unwrap();
    fs::write(drop.path().join("quarantine/bad.csv"), "id\n2\n").unwrap();
    assert!(drop.command(&["retry", "bad.csv"]).output().unwrap().status.success());
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
    let id = number(drop, "bad.csv");
    remove_ledger(drop);
    fs::write(ledger(drop), &backup).unwrap();
    id
}

fn answer(drop: &Drop, arguments: &[&str]) -> String {
    let output = drop.command(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// fault 76: it would tell to drop the file again, which is in.
#[test]
fn an_older_ledger_learns_that_a_refused_file_was_mended_and_imported_since() {
    let drop = Drop::new();
    let id = mended_since(&drop);
    let checked = answer(&drop, &["ledger", "check"]);
    assert!(checked.contains("1 load markers are news"), "{checked}");
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
    let explained = answer(&drop, &["explain", &format!("#{id}")]);
    assert!(explained.contains("nothing: it is done") && !explained.contains("drop it again"), "{explained}");
    assert!(answer(&drop, &["ledger", "check"]).contains("2 load markers in"));
    let replayed = answer(&drop, &["replay", &format!("#{id}")]);
    assert!(replayed.contains("is loaded again"), "{replayed}");
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
}

/// fault 76: however many files have come since it was refused.
#[test]
fn an_older_ledger_learns_that_of_a_file_with_a_number_of_long_ago_too() {
    let drop = Drop::new();
    let id = mended_since(&drop);
    let later = "UPDATE file SET id = id + 100000 WHERE name = 'a.csv'";
    assert_eq!(drop.ledger().execute(later, []).unwrap(), 1);
    assert_eq!(
        drop.rows().execute("UPDATE _importerd_files SET id = id + 100000 WHERE name = 'a.csv'", []).unwrap(),
        1
    );
    let checked = answer(&drop, &["ledger", "check"]);
    assert!(checked.contains("1 load markers are news"), "{checked}");
    assert_eq!((drop.once().code(), drop.row_count()), (Some(0), 2));
    let explained = answer(&drop, &["explain", &format!("#{id}")]);
    assert!(explained.contains("nothing: it is done"), "{explained}");
}

/// fault 76: the archive had no room, so the file is still in its slot. The control: without its load marker it is imported.
#[test]
fn a_refused_file_that_was_imported_since_and_not_archived_is_not_imported_twice() {
    for is_marked in [true, false] {
        let drop = Drop::with("duplicates = \"allow\"");
        let id = mended_since(&drop);
        let archived = harness::files(&drop.path().join("archive"));
        let archived = archived.iter().find(|path| path.ends_with("bad.csv")).unwrap();
        fs::rename(archived, drop.path().join("active/0/bad.csv")).unwrap();
        if !is_marked {
            drop.rows().execute("DELETE FROM _importerd_files WHERE id = ?", [id]).unwrap();
        }
        assert_eq!(drop.once().code(), Some(0));
        assert_eq!(drop.row_count(), if is_marked { 2 } else { 3 });
        assert_eq!(drop.names("archive"), ["a.csv", "bad.csv"]);
        let state: String =
            drop.ledger().query_row("SELECT state FROM file WHERE id = ?", [id], |row| row.get(0)).unwrap();
        assert_eq!(state, if is_marked { "archived" } else { "quarantined" });
    }
}

/// fault 76: nobody but the ledger knows what a command has published.
#[test]
fn an_older_ledger_of_a_command_is_refused() {
    let drop = run_folder();
    worked_on(&drop);
    let backup = fs::read(ledger(&drop)).unwrap();
    drop.put("b.csv", "id\n2\n");
    assert_eq!(drop.once().code(), Some(0));
    let latest = fs::read(ledger(&drop)).unwrap();
    fs::write(ledger(&drop), &backup).unwrap();
    assert_says(&refused(drop.command(&[]), &drop), "ledger_older", &["ledger.db-wal", "ledger rebuild"]);
    fs::write(ledger(&drop), &latest).unwrap();
    assert_eq!(drop.once().code(), Some(0));
}

/// fault 76: the log of a killed daemon holds what isn't in the ledger's own file yet.
#[test]
fn a_deleted_log_of_a_killed_daemon_is_missed() {
    for drop in [Drop::new(), run_folder()] {
        let mut daemon = drop.start();
        drop.put("a.csv", "id\n1\n");
        daemon.wait_for_file("file.archived", "a.csv");
        daemon.kill();
        let log = drop.state().join("ledger.db-wal");
        let saved = (fs::read(&log).unwrap(), fs::read(ledger(&drop)).unwrap());
        fs::remove_file(&log).unwrap();
        let _ = fs::remove_file(drop.state().join("ledger.db-shm"));
        assert_says(&refused(drop.command(&[]), &drop), "ledger_missing", &["ledger rebuild"]);
        fs::write(ledger(&drop), saved.1).unwrap();
        fs::write(&log, saved.0).unwrap();
        assert_eq!(drop.once().code(), Some(0));
    }
}

/// fault 76: while a folder isn't mounted, files of the others get the numbers that the restored ledger lacks. The control: the
/// latest ledger goes on.
#[test]
fn an_older_ledger_of_a_command_is_noticed_when_its_folder_is_mounted_late() {
    for is_restored in [true, false] {
        let drop = run_folder();
        let (other, away) = (drop.root().join("other"), drop.root().join("away"));
        let settings = fs::read_to_string(drop.settings()).unwrap();
        let more = format!("[folder.other]\npath = {other:?}\nimport = {{ into = \"sqlite:rows.db\" }}\n");
        fs::write(drop.settings(), settings + &more).unwrap();
        worked_on(&drop);
        let backup = fs::read(ledger(&drop)).unwrap();
        drop.put("b.csv", "id\n2\n");
        assert_eq!(drop.once().code(), Some(0));
        let below = remembered(&drop)["numbers_below"].as_i64().unwrap();
        if is_restored {
            fs::write(ledger(&drop), &backup).unwrap();
        }
        fs::rename(drop.path(), &away).unwrap();
        let mut daemon = drop.launch();
        daemon.wait_for("daemon.started");
        fs::write(other.join("inbox/o.csv"), "id\n3\n").unwrap();
        daemon.wait_for_file("file.archived", "o.csv");
        let reserved: i64 =
            drop.ledger().query_row("SELECT value FROM counter WHERE name = 'next_id'", [], |row| row.get(0)).unwrap();
        assert!(reserved >= below, "else it is noticed by that: {reserved}");
        fs::write(away.join("inbox/c.csv"), "id\n4\n").unwrap();
        fs::rename(&away, drop.path()).unwrap();
        if is_restored {
            daemon.wait_until("that the ledger is older", |record| {
                record["event"] == "folder.paused" && record["reason"].to_string().contains("older than")
            });
            assert_eq!(drop.names("results"), ["a.csv.out", "b.csv.out"]);
        } else {
            daemon.wait_for_file("file.archived", "c.csv");
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.end().code(), Some(0));
    }
}

/// The first daemon of all was killed before it entered a file, and the folder comes late.
#[test]
fn a_folder_that_is_mounted_late_is_waited_for_also_when_the_ledger_has_nothing_of_it_yet() {
    let drop = Drop::new();
    worked_on(&drop);
    drop.ledger().execute_batch("DELETE FROM file; DELETE FROM event WHERE file_id IS NOT NULL").unwrap();
    let away = drop.root().join("away");
    fs::rename(drop.path(), &away).unwrap();
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    daemon.wait_for("folder.paused");
    fs::rename(&away, drop.path()).unwrap();
    drop.put("b.csv", "id\n2\n");
    daemon.wait_for_file("file.archived", "b.csv");
    assert_eq!((drop.row_count(), daemon.stop().code()), (2, Some(0)));
}

/// The control: who looks with SQLite takes the log away too, and nothing is lost with it.
#[test]
fn a_log_that_somebody_has_put_into_the_ledger_is_not_missed() {
    let drop = run_folder();
    let mut daemon = drop.start();
    drop.put("a.csv", "id\n1\n");
    daemon.wait_for_file("file.archived", "a.csv");
    daemon.kill();
    let files: i64 = drop.ledger().query_row("SELECT count(*) FROM file", [], |row| row.get(0)).unwrap();
    assert_eq!(files, 1);
    assert!(!drop.state().join("ledger.db-wal").exists(), "SQLite has taken it away");
    assert_eq!(drop.once().code(), Some(0));
}

/// fault 76: as before, but most of it is in the ledger's own file already.
#[test]
fn a_deleted_log_is_missed_also_when_the_ledger_itself_is_there() {
    for (drop, code) in [(Drop::new(), 0), (run_folder(), 78)] {
        with_a_large_ledger(&drop);
        let mut daemon = drop.start();
        drop.put("b.csv", "id\n2\n");
        daemon.wait_for_file("file.archived", "b.csv");
        daemon.kill();
        let log = drop.state().join("ledger.db-wal");
        let saved = (fs::read(&log).unwrap(), fs::read(ledger(&drop)).unwrap());
        fs::remove_file(&log).unwrap();
        let _ = fs::remove_file(drop.state().join("ledger.db-shm"));
        if code == 78 {
            assert_says(
                &refused(drop.command(&[]), &drop),
                "ledger_older",
                &["gone with ledger.db-wal", "ledger rebuild"],
            );
            assert_says(&refused(drop.command(&[]), &drop), "ledger_older", &["gone with ledger.db-wal"]);
            fs::write(&log, saved.0).unwrap();
            fs::write(ledger(&drop), saved.1).unwrap();
        }
        // An import learns from its markers; a command's folder goes on when the log is back.
        drop.put("again.csv", "id\n2\n");
        assert_eq!(drop.once().code(), Some(0));
        assert_eq!(drop.names("archive"), ["a.csv", "again.csv", "b.csv"]);
        let ran = fs::read_to_string(drop.root().join("ran")).unwrap_or_default();
        assert!(code == 0 && drop.row_count() == 2 || ran.lines().count() == 2, "{ran}");
    }
}
