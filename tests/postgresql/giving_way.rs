//! Rows that give way to a file's, all of a table or those of a file that is replayed: they are gone, or the file is refused.

use importerd::fault::{Fault, Reason};
use importerd::file::FileId;
use importerd::import::{Load, Outcome};
use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode};

use super::bench::Bench;
use super::harness::postgres::Server;
use super::harness::{Drop, eventually};

/// A folder each of whose files is all of the table.
fn replacing(server: &Server) -> Bench {
    let settings = settings::Import { mode: Mode::Replace, ..settings::Import::into_table("orders") };
    Bench::reading(&settings, Address::parse(&server.url()).expect("an address"))
}

/// This file in place of an earlier one.
fn replay(bench: &Bench, of: i64, content: &str) -> Outcome {
    let load = Load { replaces: Some(FileId(of)), ..bench.load(content).expect("it fits") };
    bench.import.commit(&[load]).expect("the world is well").remove(0)
}

fn refusal(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::Refused(Fault::Permanent(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

const MARKS: &str = "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE orders SET gone = true WHERE id = OLD.id; RETURN NULL; END $$;
    CREATE TRIGGER keeps BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION mark()";

const RULE: &str = "CREATE RULE keeps AS ON DELETE TO orders DO INSTEAD NOTHING";

/// The control is the table without it, also for sessions that have met it.
#[test]
fn what_a_trigger_or_a_rule_keeps_refuses_a_snapshot_and_a_replay() {
    let Some(server) = Server::start() else { return };
    for (keeps, drop) in [(MARKS, "DROP TRIGGER keeps ON orders"), (RULE, "DROP RULE keeps ON orders")] {
        server.sql("DROP TABLE IF EXISTS orders, _importerd_files");
        server.sql("CREATE TABLE orders (_file_id bigint, _line bigint, id integer, gone boolean)");
        let appending = Bench::at(&server.url());
        assert_eq!(appending.import("id\n1\n"), Ok(1));
        server.sql(keeps);
        let reason = refusal(replay(&appending, 1, "id\n2\n"));
        assert_eq!(
            (reason.code, &*reason.text),
            ("rows_kept", "the table \"orders\" still has rows of #1 when they were deleted")
        );
        let bench = replacing(&server);
        let snapshot = || {
            let load = Load { id: FileId(7), ..bench.load("id\n3\n").expect("it fits") };
            bench.import.commit(&[load]).expect("the world is well").remove(0)
        };
        let reason = refusal(snapshot());
        assert_eq!(
            (reason.code, &*reason.text),
            ("rows_kept", "the table \"orders\" still has rows when they were deleted")
        );
        assert_eq!(server.sql("SELECT * FROM orders"), "1|2|1|NULL", "all is as it was");
        server.sql(drop);
        let outcome = snapshot();
        assert!(matches!(outcome, Outcome::Loaded { rows: 1, .. }), "{outcome:?}");
        assert_eq!(server.sql("SELECT id FROM orders"), "3");
        server.sql("TRUNCATE orders; INSERT INTO orders VALUES (1, 2, 1)");
        let outcome = replay(&appending, 1, "id\n4\n");
        assert!(matches!(outcome, Outcome::Replaced { rows: 1, rows_before: 1, .. }), "{outcome:?}");
        assert_eq!(server.sql("SELECT id FROM orders"), "4");
    }
}

/// What somebody adds while the others go is not kept by the table: here a trigger's other session does, in the middle of it.
#[test]
fn a_row_that_comes_while_the_others_go_refuses_no_snapshot() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (id integer); INSERT INTO orders VALUES (1); CREATE EXTENSION dblink");
    let url = server.url();
    server.sql(&format!(
        "CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM dblink_exec('{url}', 'INSERT INTO orders VALUES (2)'); RETURN OLD; END $$;
        CREATE TRIGGER adds BEFORE DELETE ON orders FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION add()"
    ));
    assert_eq!(replacing(&server).import("id\n3\n"), Ok(1));
    assert_eq!(server.sql("SELECT id FROM orders"), "3");
}

/// Somebody else's row that refers to one of the table is on its way, and committed as soon as importerd waits for it.
fn while_a_row_comes<T>(server: &Server, row: &str, work: impl FnOnce() -> T) -> T {
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'importerd' AND wait_event_type = 'Lock'";
    let until_awaited = format!(
        "DO $$ BEGIN WHILE ({waits}) = 0 LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END $$"
    );
    let comes = format!("BEGIN; INSERT INTO orders VALUES {row}; {until_awaited}; COMMIT");
    std::thread::scope(|scope| {
        scope.spawn(|| server.sql(&comes));
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        eventually("the row is on its way", || server.number(sleeping) == 1);
        work()
    })
}

const REFERS_TO_ITSELF: &str = "CREATE TABLE orders (_file_id bigint, _line bigint, id integer PRIMARY KEY,
    under integer REFERENCES orders (id))";

/// It was not there yet when it was asked who would lose something, and was when the others went.
#[test]
fn a_row_that_comes_to_refer_to_those_of_a_replay_is_not_lost_with_them() {
    let Some(server) = Server::start() else { return };
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
        server.sql(&REFERS_TO_ITSELF.replace("(id))", &format!("(id) ON DELETE {action})")));
        let bench = Bench::at(&server.url());
        assert_eq!(bench.import("id,under\n1,\n2,1\n"), Ok(2));
        let outcome =
            while_a_row_comes(&server, "(NULL, NULL, 7, 2)", || replay(&bench, 1, "id,under\n1,\n2,1\n3,2\n"));
        assert_eq!(refusal(outcome).code, "cascade", "{action}");
        assert_eq!(server.sql("SELECT id, under FROM orders ORDER BY id"), "1|NULL\n2|1\n7|2", "{action}");
        // The control: it is gone.
        server.sql("DELETE FROM orders WHERE id = 7");
        let outcome = replay(&bench, 1, "id,under\n1,\n2,1\n3,2\n");
        assert!(matches!(outcome, Outcome::Replaced { rows: 3, rows_before: 2, .. }), "{action}: {outcome:?}");
    }
}

/// Who may update no column can't hold the rows that go, and sees who refers to them all the same. The control is that lock.
#[test]
fn a_role_that_may_not_lock_rows_replays_them() {
    let Some(server) = Server::start() else { return };
    server.sql(&REFERS_TO_ITSELF.replace("(id))", "(id) ON DELETE CASCADE)"));
    assert_eq!(Bench::at(&server.url()).import("id,under\n1,\n2,1\n"), Ok(2));
    server.sql(
        "CREATE ROLE ann LOGIN; GRANT SELECT, INSERT, DELETE ON orders, _importerd_rejects TO ann;
        GRANT SELECT, INSERT, UPDATE, DELETE ON _importerd_files TO ann",
    );
    let lock = "SELECT count(*) FROM (SELECT FROM orders FOR UPDATE) AS held";
    assert_eq!((server.number(lock), server.number(&format!("SET ROLE ann; {lock}"))), (2, 0));
    let bench = Bench::at(&server.url().replace("tester@", "ann@"));
    let replay = |id: i64, of: i64| {
        let load =
            Load { id: FileId(id), replaces: Some(FileId(of)), ..bench.load("id,under\n1,\n").expect("it fits") };
        bench.import.commit(&[load]).expect("the world is well").remove(0)
    };
    let outcome = replay(2, 1);
    assert!(matches!(outcome, Outcome::Replaced { rows: 1, rows_before: 2, .. }), "{outcome:?}");
    server.sql("INSERT INTO orders VALUES (NULL, NULL, 7, 1)");
    assert_eq!(refusal(replay(3, 2)).code, "cascade");
}

/// All that is there goes, and the row as well: the second time it is seen.
#[test]
fn a_row_that_comes_to_refer_to_those_of_a_snapshot_refuses_none() {
    let Some(server) = Server::start() else { return };
    server.sql(REFERS_TO_ITSELF);
    server.sql("INSERT INTO orders VALUES (NULL, NULL, 1, NULL)");
    let bench = replacing(&server);
    let rows = while_a_row_comes(&server, "(NULL, NULL, 7, 1)", || bench.import("id,under\n1,\n2,1\n"));
    assert_eq!(rows, Ok(2));
    assert_eq!(server.sql("SELECT id, under FROM orders ORDER BY id"), "1|NULL\n2|1");
}

/// References lead to a table, to its partitions and to what inherits from it, in whatever schema, by several columns.
#[test]
fn what_refers_to_a_part_of_a_table_is_known() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE SCHEMA other; CREATE TABLE \"Or ders\" (_file_id bigint, _line bigint, id integer, year integer, \"Under\" integer,
            PRIMARY KEY (id, year), FOREIGN KEY (year, \"Under\") REFERENCES \"Or ders\" (year, id) ON DELETE CASCADE)
            PARTITION BY LIST (year);
        CREATE TABLE of_26 PARTITION OF \"Or ders\" FOR VALUES IN (26);
        CREATE TABLE of_27 PARTITION OF \"Or ders\" FOR VALUES IN (27)",
    );
    let bench = Bench::into(&server.url(), "Or ders");
    assert_eq!(bench.import("id,year,Under\n1,26,\n2,26,1\n"), Ok(2));
    assert_eq!(bench.import("id,year,Under\n1,27,\n2,27,1\n"), Ok(2));
    assert_eq!(bench.import.can_replace(FileId(1)), Ok(()));
    let outcome = replay(&bench, 1, "id,year,Under\n1,26,\n3,26,1\n");
    assert!(matches!(outcome, Outcome::Replaced { rows: 2, rows_before: 2, .. }), "{outcome:?}");
    assert_eq!(bench.import("id,year,Under\n4,26,3\n"), Ok(1));
    let losing = |of| match bench.import.can_replace(FileId(of)) {
        Err(Fault::Permanent(reason)) => reason.text.rsplit("in: ").next().expect("tables").to_owned(),
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(losing(3), "\"Or ders\"");
    assert_eq!(bench.import.can_replace(FileId(4)), Ok(()));
    server.sql(
        "CREATE TABLE other.\"Lines\" (id integer, year integer) PARTITION BY LIST (year);
        CREATE TABLE other.lines_26 PARTITION OF other.\"Lines\" FOR VALUES IN (26);
        ALTER TABLE other.\"Lines\" ADD FOREIGN KEY (id, year) REFERENCES of_26 ON DELETE SET NULL",
    );
    assert_eq!(losing(4), "other.\"Lines\"");
    assert_eq!(losing(3), "\"Or ders\", other.\"Lines\"");
    // What a check says of files that replace all rows.
    let keys = format!("import = {{ into = \"{}\", table = \"Or ders\", mode = \"replace\" }}", server.url());
    let check = Drop::with_daemon("", &keys).command(&["check"]).output().expect("run importerd check");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("other tables lose theirs by ON DELETE: other.\"Lines\"\n"), "{said}");
}

/// PostgreSQL lets a column refer to one of another collation; a comparison of the two has to say which of them is meant.
#[test]
fn a_reference_from_a_column_of_another_collation_bars_no_replay() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE TABLE orders (_file_id bigint, _line bigint, year integer, id text COLLATE \"C\",
            under text COLLATE \"POSIX\", PRIMARY KEY (year, id),
            FOREIGN KEY (year, under) REFERENCES orders (year, id) ON DELETE CASCADE)",
    );
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("year,id,under\n26,a,\n26,b,a\n"), Ok(2));
    assert_eq!(bench.import("year,id,under\n26,c,\n"), Ok(1));
    assert_eq!(bench.import.can_replace(FileId(1)), Ok(()));
    let outcome = replay(&bench, 1, "year,id,under\n26,a,\n26,d,a\n");
    assert!(matches!(outcome, Outcome::Replaced { rows: 2, rows_before: 2, .. }), "{outcome:?}");
    assert_eq!(bench.import("year,id,under\n26,e,d\n"), Ok(1));
    let refused = bench.import.can_replace(FileId(3));
    assert!(matches!(&refused, Err(Fault::Permanent(reason)) if reason.code == "cascade"), "{refused:?}");
}
