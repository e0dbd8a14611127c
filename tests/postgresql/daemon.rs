//! The daemon over a server that comes and goes, and over lines that break: every row is there once, every file archived.

use std::time::Duration;

use super::harness::line::{Cut, Line};
use super::harness::postgres::{Server, lets_in_and_never_answers, url_by_port};
use super::harness::{Daemon, Drop, PATIENCE};

/// Short waits, so that a held folder is tried often; and whoever is charged one attempt is out.
const BACK_OFF: &str = "backoff = { min = \"20ms\", max = \"100ms\" }\nattempts = 1\nprocessors = 2";

const KILLS: u32 = 30;

fn drop_into(url: &str) -> Drop {
    Drop::with_daemon(BACK_OFF, &format!("import = {{ into = \"{url}\", table = \"orders\" }}"))
}

/// Drops `NUMBER.csv` with two rows whose id is the number.
fn put(drop: &Drop, number: u32) {
    drop.put(format!("{number}.csv"), format!("id,half\n{number},a\n{number},b\n"));
}

/// All files from 0 to here are done, once.
fn assert_done(drop: &Drop, server: &Server, files: u32) {
    assert_eq!(drop.names("archive").len(), files as usize);
    for directory in ["inbox", "active", "quarantine"] {
        assert_eq!(drop.names(directory), [""; 0], "{directory}");
    }
    let counted = server.sql("SELECT count(*), count(DISTINCT id), count(DISTINCT (id, half)) FROM orders");
    assert_eq!(counted, format!("{}|{files}|{}", files * 2, files * 2));
    let output = drop.command(&["ledger", "check"]).output().expect("run ledger check");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn wait_until_archived(drop: &Drop, daemon: &mut Daemon, files: u32) {
    while drop.names("archive").len() < files as usize {
        assert!(daemon.next_within(PATIENCE).is_some(), "it says nothing, and has {:?}", drop.names("archive"));
    }
}

/// Neither the start, nor other folders, nor who only looks wait for it without end.
///
/// fault 90
#[test]
fn a_daemon_goes_on_beside_a_server_that_lets_in_and_never_answers() {
    let url = url_by_port(lets_in_and_never_answers(), "sslmode=disable&connect_timeout=1");
    let drop = drop_into(&url);
    let status = || drop.command(&["status"]).output().expect("run status");
    status();
    put(&drop, 0);
    let mut daemon = drop.launch();
    let paused = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(paused.contains("nothing was answered for 3s"), "{paused}");
    assert!(String::from_utf8_lossy(&status().stdout).contains("nothing was answered"));
    assert!(daemon.stop().success());
    assert_eq!(drop.names("inbox"), ["0.csv"]);
    let once = drop.command(&["once"]).output().expect("run once");
    assert!(String::from_utf8_lossy(&once.stderr).contains("nothing was answered"), "{once:?}");
}

/// fault 90
#[test]
fn a_daemon_starts_while_the_server_is_down_and_goes_on_by_itself() {
    let Some(mut server) = Server::start() else { return };
    server.stop();
    let drop = drop_into(&server.url());
    put(&drop, 0);
    let mut daemon = drop.launch();
    let paused = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(paused.contains("error connecting to server") && paused.contains("start the server"), "{paused}");
    daemon.wait_for("daemon.started");
    daemon.wait_for_many("folder.paused", 3);
    server.start_again();
    daemon.wait_for("folder.resumed");
    daemon.wait_for_file("file.archived", "0.csv");
    // What it knows from before is held as well.
    assert!(daemon.stop().success());
    server.stop();
    put(&drop, 1);
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    daemon.wait_for("folder.paused");
    server.start_again();
    daemon.wait_for_file("file.archived", "1.csv");
    assert!(daemon.stop().success());
    assert_done(&drop, &server, 2);
}

/// fault 90
#[test]
fn a_server_that_is_stopped_and_crashes_under_load_costs_nothing() {
    let Some(mut server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    let mut daemon = drop.start();
    let mut files = 0;
    for round in 0..6 {
        for _ in 0..20 {
            put(&drop, files);
            files += 1;
        }
        daemon.wait_for("file.claimed");
        match round % 3 {
            0 => server.stop(),
            1 => server.crash(),
            _ => drop_backends(&server),
        }
        if round % 3 < 2 {
            daemon.wait_for("folder.paused");
            server.start_again();
        }
    }
    wait_until_archived(&drop, &mut daemon, files);
    assert!(daemon.stop().success());
    assert_done(&drop, &server, files);
}

fn drop_backends(server: &Server) {
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importerd'");
}

/// fault 91
#[test]
fn commits_whose_answers_are_lost_under_load_double_and_lose_nothing() {
    let Some(server) = Server::start() else { return };
    let line = Line::to(server.port());
    let drop = drop_into(&url_by_port(line.port(), "sslmode=disable"));
    let mut daemon = drop.start();
    let mut files = 0;
    for round in 0..12 {
        let is_down = round % 2 == 1;
        line.cut_at_commit(if round % 3 == 0 { Cut::BeforeCommit } else { Cut::AfterCommit }, is_down);
        for _ in 0..5 {
            put(&drop, files);
            files += 1;
        }
        if is_down {
            daemon.wait_for("folder.paused");
            line.heal();
        }
        wait_until_archived(&drop, &mut daemon, files);
        assert_eq!(line.cuts(), round + 1);
    }
    assert!(daemon.stop().success());
    assert_done(&drop, &server, files);
}

/// fault 80
#[test]
fn a_daemon_killed_at_random_moments_doubles_and_loses_nothing() {
    let Some(server) = Server::start() else { return };
    let drop = drop_into(&server.url_by_tcp("sslmode=require"));
    let mut files = 0;
    let mut random = fastrand::Rng::new();
    let seed = random.get_seed();
    for _ in 0..KILLS {
        for _ in 0..random.u32(0..6) {
            put(&drop, files);
            files += 1;
        }
        let mut daemon = drop.launch();
        assert!(daemon.next_within(PATIENCE).is_some(), "it says nothing");
        let records = random.usize(0..30);
        let heard = (0..records).map_while(|_| daemon.next_within(Duration::from_millis(50))).count();
        daemon.kill();
        assert!(heard <= records, "seed {seed}");
    }
    let mut daemon = drop.start();
    wait_until_archived(&drop, &mut daemon, files);
    assert!(daemon.stop().success(), "seed {seed}");
    assert_done(&drop, &server, files);
}

/// What a restore of the tables with the rows alone leaves: the same bytes would go in again. `check`, `once` and `ledger check`
/// say the same.
///
/// fault 92
#[test]
fn a_database_that_lost_its_load_markers_is_not_begun_anew_at_the_start() {
    let Some(server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    put(&drop, 0);
    assert!(drop.once().success());
    server.sql("ALTER TABLE _importerd_files RENAME TO aside; DROP TABLE _importerd_rejects");
    put(&drop, 0);
    let lost = "has no table _importerd_files, and files of its folders count as imported";
    for (words, code, line) in [
        ("check", 69, lost),
        ("check", 69, "importerd forget --folder NAME"),
        ("ledger check", 1, "rows of 1 of them are there"),
        ("ledger check", 1, "dropped again, those would double"),
        ("once", 75, lost),
    ] {
        let said = drop.command(&words.split(' ').collect::<Vec<_>>()).output().expect("run it");
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert_eq!(said.status.code(), Some(code), "{words}: {text}");
        assert!(text.contains(line), "{words}: {text}");
    }
    let mut daemon = drop.launch();
    daemon.wait_for("daemon.started");
    let paused = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(paused.contains(lost) && paused.contains("restore it together"), "{paused}");
    server.sql("ALTER TABLE aside RENAME TO _importerd_files");
    daemon.wait_for("folder.resumed");
    daemon.wait_for("file.duplicate");
    assert!(daemon.stop().success());
    assert_eq!(server.number("SELECT count(*) FROM orders"), 2);
}

/// A session keeps the `search_path` that it began with: only a new one sees that all is well again.
///
/// fault 92
#[test]
fn a_folder_that_is_held_for_a_search_path_that_leads_elsewhere_goes_on_when_it_is_mended() {
    let Some(server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    put(&drop, 0);
    assert!(drop.once().success());
    server.sql("CREATE SCHEMA elsewhere; ALTER ROLE tester SET search_path = elsewhere");
    put(&drop, 1);
    let mut daemon = drop.launch();
    let paused = daemon.wait_for("folder.paused")["reason"].to_string();
    assert!(paused.contains("has no table _importerd_files"), "{paused}");
    server.sql("ALTER ROLE tester RESET search_path");
    daemon.wait_for("folder.resumed");
    assert!(daemon.stop().success());
    assert_eq!(server.number("SELECT count(*) FROM orders"), 4);
}

/// The controls: on purpose, everything counts as new; and where nothing went in, there is nothing to be missed.
///
/// fault 92
#[test]
fn a_database_that_lost_its_load_markers_is_begun_anew_when_its_files_are_forgotten() {
    let Some(server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    let lose = || server.sql("DROP TABLE IF EXISTS _importerd_files, _importerd_rejects");
    drop.once();
    lose();
    put(&drop, 0);
    assert!(drop.once().success());
    lose();
    put(&drop, 0);
    let mut daemon = drop.launch();
    daemon.wait_for("folder.paused");
    let forget = drop.command(&["forget", "--folder", "drop", "--yes"]).output().expect("run forget");
    assert!(forget.status.success(), "{forget:?}");
    assert!(daemon.stop().success());
    assert!(drop.once().success());
    assert_eq!(server.number("SELECT count(*) FROM orders"), 4);
}

/// What looks at the target works for this one as well, and none of it shows a password.
#[test]
fn check_explain_status_and_the_ledgers_commands_know_the_database() {
    let Some(server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    put(&drop, 0);
    assert!(drop.once().success());
    let say = |words: &[&str]| {
        let output = drop.command_logging("term", words).output().expect("run importerd");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
        said
    };
    let (place, marked) = ("postgres://tester@/postgres?host=", "2 rows went in at");
    for (words, says) in [
        (&["check"][..], place),
        (&["explain", "0.csv"], marked),
        (&["ledger", "check"], "every file has the rows that it brought"),
        (&["config", "show"], place),
    ] {
        let said = say(words);
        assert!(said.contains(says), "{words:?}: {said}");
    }
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
    let rebuilt = say(&["ledger", "rebuild", "--yes"]);
    assert!(rebuilt.contains("1 load marker"), "{rebuilt}");
    put(&drop, 1);
    assert!(drop.once().success());
    assert_done(&drop, &server, 2);
}

#[test]
fn try_says_what_would_become_of_a_file_and_changes_nothing() {
    let Some(mut server) = Server::start() else { return };
    let drop = drop_into(&server.url());
    let file = drop.root().join("new.csv");
    std::fs::write(&file, "id,Order Id\n1,x\n").expect("write a file");
    let run = || drop.command_logging("term", &["try", file.to_str().expect("UTF-8"), "--folder", "drop"]).output();
    let said = run().expect("run try");
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("bigint") && text.contains("\"Order Id\""), "{text}");
    assert_eq!(
        server.number("SELECT count(*) FROM pg_class WHERE relname LIKE '%importerd%' OR relname = 'orders'"),
        0
    );
    server.sql("CREATE TABLE orders (id integer CHECK (id > 0), name varchar(5))");
    let said = run().expect("run try");
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(!said.status.success() && text.contains("Order Id"), "{text}");
    for (column, is_told) in [("n integer", false), ("n integer GENERATED ALWAYS AS (10 / id) STORED", true)] {
        server.sql(&format!("DROP TABLE orders; CREATE TABLE orders (id integer, \"Order Id\" text, {column})"));
        let said = run().expect("run try");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!((said.status.success(), text.contains("only asked when rows go in")), (true, is_told), "{text}");
    }
    server.stop();
    let said = run().expect("run try");
    assert!(!said.status.success(), "{said:?}");
}
