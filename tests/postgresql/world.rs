//! Faults of the server: the file isn't to blame, and it goes in when the fault is over.

use importerd::fault::Fault;
use importerd::file::FileId;
use importerd::import::{Load, Outcome};
use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode};

use rustix::process::{Pid, Signal, kill_process};

use super::bench::Bench;
use super::harness::eventually;
use super::harness::postgres::{Server, lets_in_and_never_answers, url_by_port};

const COUNT: &str = "SELECT count(*) FROM orders";

/// fault 90
#[test]
fn a_server_that_comes_back_is_used_again() {
    let Some(mut server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    for (round, crash) in [(1, false), (2, true)] {
        if crash {
            server.crash();
        } else {
            server.stop();
        }
        let reason = bench.held("id\n2\n");
        assert_eq!(reason.code, "target_unreachable", "{reason}");
        server.start_again();
        assert_eq!(bench.import("id\n2\n"), Ok(1));
        assert_eq!(server.number(COUNT), round + 1);
    }
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importerd'");
    assert_eq!(bench.import("id\n3\n"), Ok(1));
}

/// A session keeps the settings that it began with, and the host: only a new one sees that the world is well again. The
/// control: after a fault of the file's the session is kept.
///
/// fault 90
#[test]
fn a_session_that_has_met_a_fault_of_the_world_is_not_used_again() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    let sessions =
        || server.sql("SELECT min(pid), count(*) FROM pg_stat_activity WHERE application_name = 'importerd'");
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    let kept = sessions();
    server.sql("ALTER TABLE orders ADD CHECK (id < 9)");
    bench.refused("id\n9\n");
    assert_eq!(sessions(), kept);
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on");
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importerd'");
    for _ in 0..2 {
        assert_eq!(bench.held("id\n2\n").code, "read_only");
    }
    server.sql("BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT");
    assert_eq!(bench.import("id\n2\n"), Ok(1));
    assert_eq!(server.number(COUNT), 2);
}

/// faults 90, 92
#[test]
fn a_fault_of_the_server_holds_the_folder_and_says_what_to_do() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    server.sql("CREATE ROLE guest LOGIN CONNECTION LIMIT 0; CREATE ROLE reader LOGIN; CREATE ROLE nowhere LOGIN");
    server.sql("ALTER ROLE nowhere SET search_path = gone; ALTER ROLE reader SET default_transaction_read_only = on");
    server.sql("CREATE ROLE writer LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO writer, reader");
    let as_role = |role: &str| server.url().replace("tester", role);
    for (url, code) in [
        (as_role("guest"), "target_busy"),
        (as_role("reader"), "read_only"),
        (as_role("writer"), "no_permission"),
        (as_role("nobody"), "no_permission"),
        (as_role("nowhere"), "target_missing"),
        (server.url().replace("/postgres?", "/gone?"), "target_missing"),
        (server.url().replace(&server.port().to_string(), "9"), "target_unreachable"),
    ] {
        let reason = Bench::at(&url).held("id\n2\n");
        assert_eq!(reason.code, code, "{url}: {reason}");
        assert!(reason.hint.is_some(), "{reason}");
    }
    let load = |table: &str| {
        let bench = Bench::into(&server.url(), table);
        // A number that no file has yet.
        let commit = |load: Load| bench.import.commit(&[Load { id: FileId(50), ..load }]);
        bench.load("id\n2\n").and_then(commit).expect_err("it can't go in").reason().code
    };
    assert_eq!(load("gone.orders"), "target_missing");
    server.sql("CREATE VIEW seen AS SELECT * FROM orders");
    assert_eq!(load("seen"), "target");
    assert_eq!(server.number(COUNT), 1);
}

/// Whatever code a trigger raises with, and whatever else goes wrong in it with a row, is that row's.
///
/// fault 66
#[test]
fn a_row_that_a_trigger_does_not_bear_refuses_its_file_and_not_the_folder() {
    let Some(server) = Server::start() else { return };
    let upsert =
        settings::Import { mode: Mode::Upsert(vec!["id".to_owned()]), ..settings::Import::into_table("orders") };
    for (action, code) in [
        ("RAISE EXCEPTION 'no such customer' USING ERRCODE = 'CU001'", "constraint"),
        ("RAISE EXCEPTION 'no such customer'", "constraint"),
        ("ASSERT NEW.id <> 2", "constraint"),
        ("SELECT 1 INTO STRICT NEW.n WHERE false", "constraint"),
        ("CASE NEW.id WHEN 1 THEN NULL; END CASE", "constraint"),
        ("NEW.n := (SELECT * FROM generate_series(1, 2))", "constraint"),
        // The controls: a trigger that is broken for every row, and one that may not do what it does.
        ("PERFORM * FROM nowhere", "target"),
        ("RAISE insufficient_privilege", "no_permission"),
    ] {
        for settings in [&settings::Import::into_table("orders"), &upsert] {
            server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
            server.sql("CREATE TABLE orders (_file_id bigint, _line bigint, id integer UNIQUE, n integer)");
            server.sql(&format!(
                "CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF NEW.id = 2 THEN {action}; END IF; RETURN NEW; END $$"
            ));
            server.sql("CREATE TRIGGER look BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION look()");
            let bench = Bench::reading(settings, Address::parse(&server.url()).expect("an address"));
            assert_eq!(bench.import("id\n1\n"), Ok(1));
            let fault = bench.import("id\n3\n2\n").expect_err("the trigger doesn't bear it");
            assert_eq!(fault.reason().code, code, "{action}: {fault}");
            assert_eq!(matches!(fault, Fault::Permanent(_)), code == "constraint", "{action}: {fault}");
            if code == "constraint" && settings.mode == Mode::Append {
                assert_eq!(fault.reason().line, Some(3), "{action}: {fault}");
            }
            assert_eq!(server.number(COUNT), 1, "{action}");
        }
    }
}

/// The server counts the rows of a COPY, and tells the number beside names that may hold anything.
#[test]
fn the_row_that_is_left_out_is_the_one_that_the_server_refused_whatever_its_column_is_called() {
    let Some(server) = Server::start() else { return };
    let table = "CREATE TABLE \"public\".\"a, b 7\" (_file_id bigint, _line bigint, \"size, cm 2\" json)";
    server.sql(table);
    let rejects = settings::Tolerance::Rows(9);
    let settings = settings::Import { rejects, ..settings::Import::into_table("a, b 7") };
    let bench = Bench::reading(&settings, Address::parse(&server.url()).expect("an address"));
    assert_eq!(bench.import("\"size, cm 2\"\n1\n2\n3\n[4\n5\n"), Ok(4));
    assert_eq!(server.sql("SELECT string_agg(\"size, cm 2\"::text, '' ORDER BY _line) FROM \"a, b 7\""), "1235");
    assert_eq!(server.sql("SELECT line, column_name, record FROM _importerd_rejects"), "5|size, cm 2|[4");
}

/// Operators use the table of markers too.
#[test]
fn a_column_that_somebody_adds_to_the_markers_is_no_matter() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    let import = |content: &str| {
        let load = bench.load(content).expect("it fits");
        bench.import.commit(&[Load { duplicates: settings::Duplicates::ByContent, ..load }])
    };
    assert!(import("id\n1\n").is_ok());
    server.sql("ALTER TABLE _importerd_files ADD COLUMN note text");
    assert_eq!(import("id\n2\n").map(|outcomes| outcomes.len()), Ok(1));
    assert!(matches!(import("id\n2\n").expect("the world is well")[0], Outcome::Duplicate { .. }));
    assert_eq!(server.number(COUNT), 2);
}

/// What it forgets so is not for the daemon to begin anew by itself.
///
/// fault 76
#[test]
fn where_the_markers_are_gone_the_folder_is_held_until_a_restart() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    server.sql("DROP TABLE _importerd_files, _importerd_rejects");
    let reason = bench.held("id\n2\n");
    assert_eq!(reason.code, "target_missing", "{reason}");
    assert!(reason.hint.is_some_and(|hint| hint.contains("restart importerd")));
    let restarted = Bench::at(&server.url());
    assert_eq!(restarted.import("id\n2\n"), Ok(1));
    assert_eq!(server.number(COUNT), 2);
}

/// Also where the markers, which are there, were asked before.
///
/// fault 76
#[test]
fn where_the_table_of_rejects_is_gone_the_folder_is_held_until_a_restart() {
    let Some(server) = Server::start() else { return };
    let lenient = || {
        let rejects = settings::Tolerance::Rows(9);
        let settings = settings::Import { rejects, ..settings::Import::into_table("orders") };
        Bench::reading(&settings, Address::parse(&server.url()).expect("an address"))
    };
    let running = lenient();
    assert_eq!(running.import("id\n1\n"), Ok(1));
    server.sql("DROP TABLE _importerd_rejects");
    let load = running.load("id\n2\nx\n").expect("but for one");
    let fault = running.import.commit(std::slice::from_ref(&load)).expect_err("its reject has no place");
    assert_eq!(fault.reason().code, "target_missing", "{fault}");
    let restarted = lenient();
    assert!(restarted.import.marker(&load.identity).expect("it can be asked").is_none());
    assert_eq!(restarted.import.commit(&[load]).expect("the world is well").len(), 1);
    assert_eq!(server.sql("SELECT file_id, record FROM _importerd_rejects"), "2|x");
    assert_eq!(server.number("SELECT count(*) FROM _importerd_files"), 2);
}

/// It asks only for what is missing, and may do without it.
///
/// fault 92
#[test]
fn a_role_that_may_make_no_table_does_without_that_of_rejects_until_there_are_some() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    assert_eq!(Bench::at(&server.url()).import("id\n1\n"), Ok(1));
    server
        .sql("DROP TABLE _importerd_rejects; GRANT SELECT, INSERT, UPDATE, DELETE ON orders, _importerd_files TO ann");
    let url = server.url().replace("tester@", "ann@");
    let import = |id: i64, content: &str| {
        let rejects = settings::Tolerance::Rows(9);
        let settings = settings::Import { rejects, ..settings::Import::into_table("orders") };
        let bench = Bench::reading(&settings, Address::parse(&url).expect("an address"));
        let load = Load { id: FileId(id), ..bench.load(content)? };
        bench.import.commit(&[load]).map(|outcomes| outcomes.len())
    };
    assert_eq!(import(2, "id\n2\n"), Ok(1));
    let fault = import(3, "id\n3\nx\n").expect_err("its reject has no place");
    assert_eq!(fault.reason().code, "target_missing", "{fault}");
    // Who may make it needn't own the table of markers.
    server.sql("GRANT CREATE ON SCHEMA public TO ann");
    assert_eq!(import(3, "id\n3\nx\n"), Ok(1));
    assert_eq!(server.sql("SELECT file_id, record FROM _importerd_rejects"), "3|x");
}

fn holds_the_folder_in_silence(port: u16) {
    let bench = Bench::at(&url_by_port(port, "sslmode=disable&connect_timeout=1"));
    let reason = bench.held("id\n1\n");
    assert_eq!(reason.code, "target_unreachable", "{reason}");
    assert!(reason.text.contains("nothing was answered for 3s"), "{reason}");
}

/// As a server that is stopped, or a pooler that hangs: the kernel completes the connection, and nobody answers.
///
/// fault 90
#[test]
fn a_server_that_accepts_and_never_answers_holds_the_folder() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("its number").port();
    holds_the_folder_in_silence(port);
}

/// As a pooler that lets everybody in and has no server to ask.
///
/// fault 90
#[test]
fn a_server_that_lets_in_and_never_answers_holds_the_folder() {
    let port = lets_in_and_never_answers();
    holds_the_folder_in_silence(port);
}

/// A session that was there before hangs: it is given up, and the next try has a new one. Who is slow to answer for
/// as long, with rows in hand, is waited for: the control.
///
/// fault 90
#[test]
fn a_session_that_hangs_is_given_up_where_nothing_is_under_way() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url_by_tcp("sslmode=disable&connect_timeout=1"));
    server.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(9); RETURN NEW; END $$;
        CREATE TABLE orders (id integer); CREATE TRIGGER wait BEFORE INSERT ON orders FOR EACH ROW
            WHEN (NEW.id = 1) EXECUTE FUNCTION wait()",
    );
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    let pids = server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'importerd'");
    let signal = |signal| {
        let pids = pids.lines().map(|pid| Pid::from_raw(pid.parse().expect("a number")).expect("a process"));
        pids.for_each(|pid| kill_process(pid, signal).expect("it is there"));
    };
    signal(Signal::STOP);
    let reason = bench.held("id\n2\n");
    assert_eq!(reason.code, "target_unreachable", "{reason}");
    assert!(reason.text.contains("nothing was answered for 8s"), "{reason}");
    assert_eq!(bench.import("id\n2\n"), Ok(1));
    signal(Signal::CONT);
    assert_eq!(server.number(COUNT), 2);
}

/// fault 92
#[test]
fn a_table_that_another_program_has_locked_is_waited_for_and_then_the_folder_is_held() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    let load = bench.load("id\n2\n").expect("it fits");
    std::thread::scope(|scope| {
        scope.spawn(|| server.number("LOCK TABLE orders; SELECT count(*) FROM (SELECT pg_sleep(600)) AS long"));
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        eventually("it is locked", || server.number(sleeping) == 1);
        let fault = bench.import.commit(std::slice::from_ref(&load)).expect_err("it is locked");
        assert_eq!(fault.reason().code, "target_locked", "{fault}");
        server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    });
    assert_eq!(bench.import.commit(&[load]).expect("it is free").len(), 1);
    assert_eq!(server.number(COUNT), 2);
}

/// faults 90, 92
#[test]
fn a_table_that_changes_between_check_and_commit_is_met_as_it_is_then() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (id integer, name text)");
    let bench = Bench::at(&server.url());
    let load = bench.load("id,name\n7,x\n").expect("it fits");
    server.sql("ALTER TABLE orders ALTER id TYPE text");
    bench.import.commit(&[load]).expect("the world is well");
    assert_eq!(server.sql("SELECT id, name FROM orders"), "7|x");
    let load = bench.load("id,name\n8,x\n").expect("it fits");
    server.sql("ALTER TABLE orders DROP name");
    let outcome = bench.import.commit(&[load]).expect("the world is well").remove(0);
    assert!(format!("{outcome:?}").contains("new_column"), "{outcome:?}");
}
