//! What importerd does in a database for itself, and not with a file's rows: where that fails, no file is to blame.

use std::thread;

use importerd::fault::Fault;
use importerd::file::FileId;
use importerd::import::{Load, Outcome};
use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode};

use super::bench::Bench;
use super::harness::eventually;
use super::harness::postgres::Server;

fn upserting(server: &Server) -> Bench {
    let mode = Mode::Upsert(vec!["id".to_owned()]);
    let settings = settings::Import { mode, ..settings::Import::into_table("orders") };
    Bench::reading(&settings, Address::parse(&server.url()).expect("an address"))
}

/// It says so with the code of a value that is too large: the control.
///
/// fault 90
#[test]
fn a_server_that_has_used_up_its_transactions_holds_the_folder_and_a_value_too_large_refuses_its_file() {
    let Some(mut server) = Server::start() else { return };
    server.sql("CREATE TABLE spent (n integer); CREATE TABLE orders (id integer, v text, UNIQUE (v))");
    server.sql(
        "CREATE FUNCTION spend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            FOR n IN 1..400 LOOP BEGIN INSERT INTO spent VALUES (n); EXCEPTION WHEN division_by_zero THEN END; END LOOP;
            RETURN NEW; END $$;
        CREATE TRIGGER spend BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.v = 'spend') EXECUTE FUNCTION spend()",
    );
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id,v\n1,a\n"), Ok(1));
    let long: String = std::iter::successors(Some(1_u32), |n| Some(n * 48271 % 65521))
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .take(9000)
        .collect();
    let reason = bench.refused(format!("id,v\n2,{long}\n"));
    assert_eq!((reason.code, reason.text.contains("index row")), ("value", true), "{reason}");
    let oldest = server.number("SELECT min(datfrozenxid::text::bigint) FROM pg_database");
    server.stop();
    // It takes none of the last three million.
    server.set_next_transaction(oldest + (1 << 31) - 3_000_000 - 200);
    server.start_again();
    thread::scope(|scope| {
        // Else it would help itself.
        let lock =
            "LOCK TABLE spent IN SHARE UPDATE EXCLUSIVE MODE; SELECT count(*) FROM (SELECT pg_sleep(600)) AS long";
        scope.spawn(|| server.number(lock));
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        eventually("it is locked", || server.number(sleeping) == 1);
        // The last number goes while rows go in; then there is none for a marker.
        for file in ["id,v\n3,spend\n", "id,v\n4,b\n"] {
            let reason = bench.held(file);
            assert!(reason.text.contains("not accepting commands"), "{reason}");
            assert!(reason.hint.is_some_and(|hint| hint.contains("VACUUM")));
        }
        server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    });
    assert_eq!(server.number("SELECT count(*) FROM orders"), 1);
}

/// fault 92
#[test]
fn an_event_trigger_that_forbids_our_own_tables_holds_the_folder() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (_file_id bigint, _line bigint, id integer UNIQUE)");
    server.sql(
        "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'only on Sundays'; END $$;
        CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()",
    );
    let (appending, upserting) = (Bench::at(&server.url()), upserting(&server));
    // That of the load markers.
    let reason = appending.held("id\n1\n");
    assert!(reason.text.contains("only on Sundays"), "{reason}");
    server.sql("ALTER EVENT TRIGGER forbid DISABLE");
    assert_eq!(appending.import("id\n1\n"), Ok(1));
    server.sql("ALTER EVENT TRIGGER forbid ENABLE");
    // The place where rows wait to be merged; others need none.
    assert_eq!(appending.import("id\n2\n"), Ok(1));
    let load = Load { id: FileId(9), ..upserting.load("id\n3\n").expect("it fits") };
    let fault = upserting.import.commit(std::slice::from_ref(&load)).expect_err("it has no place to wait");
    assert!(matches!(&fault, Fault::World(reason) if reason.text.contains("only on Sundays")), "{fault}");
    server.sql("ALTER EVENT TRIGGER forbid DISABLE");
    assert!(matches!(upserting.import.commit(&[load]).expect("the world is well")[0], Outcome::Loaded { .. }));
    assert_eq!(server.number("SELECT count(*) FROM orders"), 3);
}

/// A system that can't tell that a client is gone (macOS, Windows) refuses the setting for it. One that is needed for what is
/// promised isn't done without.
///
/// fault 90
#[test]
fn a_setting_that_the_server_can_not_have_is_done_without_unless_a_promise_needs_it() {
    let Some(server) = Server::start() else { return };
    pose(&server, "client_connection_check_interval");
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importerd'");
    assert_eq!(bench.import("id\n2\n"), Ok(1));
    pose(&server, "lock_timeout");
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importerd'");
    let reason = bench.held("id\n3\n");
    assert!(reason.text.contains("not on this system"), "{reason}");
    assert_eq!(server.number("SELECT count(*) FROM orders"), 2);
}

/// A load may take hours: the server's limits for others aren't for it. PostgreSQL 17 has one more than those before.
#[test]
fn a_time_limit_of_a_later_server_does_not_end_a_load() {
    let Some(server) = Server::start() else { return };
    pose(&server, "nothing");
    if server.sql("SELECT count(*) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'") == "0" {
        server.sql(
            "CREATE VIEW posing.pg_settings AS SELECT name, setting FROM pg_catalog.pg_settings
            UNION ALL SELECT 'transaction_timeout', '10s'",
        );
    }
    assert_eq!(Bench::at(&server.url()).import("id\n1\n"), Ok(1));
    for limit in ["transaction_timeout", "statement_timeout"] {
        assert_eq!(
            server.sql(&format!("SELECT DISTINCT value FROM posing.set WHERE name = '{limit}'")),
            "0",
            "{limit}"
        );
    }
}

/// The server takes itself for one of a system that lacks a setting.
fn pose(server: &Server, lacks: &str) {
    server.sql(&format!(
        "CREATE SCHEMA IF NOT EXISTS posing; ALTER ROLE tester SET search_path = posing, pg_catalog;
        CREATE TABLE IF NOT EXISTS posing.set (name text, value text);
        CREATE OR REPLACE FUNCTION posing.set_config(name text, value text, is_local boolean) RETURNS text
            LANGUAGE plpgsql AS $$ BEGIN
            IF name = '{lacks}' THEN RAISE invalid_parameter_value USING MESSAGE = 'not on this system'; END IF;
            INSERT INTO posing.set VALUES (name, value);
            IF name = 'transaction_timeout' THEN RETURN value; END IF;
            RETURN pg_catalog.set_config(name, value, is_local);
        END $$"
    ));
}
