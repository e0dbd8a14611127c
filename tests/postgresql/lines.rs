//! Lines that break at the worst moment: between a COMMIT and its answer.

use std::thread;
use std::time::Duration;

use importerd::file::FileId;
use importerd::import::{Effect, Load, Outcome};
use importerd::settings::postgres::Address;

use super::bench::Bench;
use super::harness::eventually;
use super::harness::line::{Cut, Line};
use super::harness::postgres::{Server, url_by_port};

const COUNT: &str = "SELECT count(*) FROM orders";

fn by_line() -> Option<(Server, Line, Bench)> {
    let server = Server::start()?;
    let line = Line::to(server.port());
    let bench = Bench::at(&url_by_port(line.port(), "sslmode=disable"));
    bench.import("id\n0\n").expect("the line is whole");
    Some((server, line, bench))
}

/// fault 91
#[test]
fn a_commit_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    let Some((server, line, bench)) = by_line() else { return };
    line.cut_at_commit(Cut::AfterCommit, false);
    assert_eq!(bench.import("id\n1\n2\n"), Ok(2));
    assert_eq!((line.cuts(), server.number(COUNT)), (1, 3));
    line.cut_at_commit(Cut::BeforeCommit, false);
    let load = bench.load("id\n3\n").expect("it fits");
    let fault = bench.import.commit(std::slice::from_ref(&load)).expect_err("nothing is in");
    assert!(fault.to_string().contains("nothing of it is in"), "{fault}");
    assert_eq!((line.cuts(), server.number(COUNT)), (2, 3));
    assert_eq!(
        bench.import.commit(&[load]).expect("the line is whole"),
        [Outcome::Loaded { rows: 1, rejects: 0, effect: Effect::default() }]
    );
    assert_eq!(server.number(COUNT), 4);
}

/// fault 91
#[test]
fn where_nobody_can_be_asked_whether_it_was_committed_the_marker_tells_the_next_try() {
    let Some((server, line, bench)) = by_line() else { return };
    for (cut, before, after) in [(Cut::AfterCommit, 2, 2), (Cut::BeforeCommit, 2, 3)] {
        let load = bench.load("id\n7\n").expect("it fits");
        line.cut_at_commit(cut, true);
        let fault = bench.import.commit(std::slice::from_ref(&load)).expect_err("nobody knows");
        assert_eq!(fault.reason().code, "commit_unknown", "{fault}");
        assert_eq!(server.number(COUNT), before, "{cut:?}");
        line.heal();
        let is_in = bench.import.marker(&load.identity).expect("it can be asked again").is_some();
        assert_eq!(is_in, cut == Cut::AfterCommit);
        assert_eq!(
            bench.import.commit(&[load]).expect("the line is whole"),
            [Outcome::Loaded { rows: 1, rejects: 0, effect: Effect::default() }]
        );
        assert_eq!(server.number(COUNT), after, "{cut:?}");
    }
}

/// A forget leaves no marker to look up, and can be repeated: so it is told as done only where the server said so.
///
/// fault 91
#[test]
fn a_forget_whose_commit_has_no_answer_is_not_told_as_done() {
    let Some((server, line, bench)) = by_line() else { return };
    let forgotten = "SELECT count(forgotten_at) FROM _importerd_files WHERE id = 1";
    for (cut, after) in [(Cut::BeforeCommit, 0), (Cut::AfterCommit, 1)] {
        line.cut_at_commit(cut, false);
        let fault = bench.import.forget(&[FileId(1)]).expect_err("nobody knows");
        assert_eq!(fault.reason().code, "target_unreachable", "{fault}");
        assert_eq!(server.number(forgotten), after, "{cut:?}");
    }
    bench.import.forget(&[FileId(1)]).expect("the line is whole");
    assert_eq!((line.cuts(), server.number(forgotten)), (2, 1));
}

/// The negative control of the first two: who takes a lost answer for a failure, and tries again as if nothing had
/// happened, has the rows twice.
#[test]
fn a_blind_repeat_doubles_rows() {
    let Some((server, line, bench)) = by_line() else { return };
    let load = bench.load("id\n7\n").expect("it fits");
    line.cut_at_commit(Cut::AfterCommit, true);
    bench.import.commit(std::slice::from_ref(&load)).expect_err("nobody knows");
    line.heal();
    let blindly = Load { id: FileId(99), ..load };
    bench.import.commit(&[blindly]).expect("the line is whole");
    assert_eq!(server.number("SELECT count(*) FROM orders WHERE id = 7"), 2);
}

/// Its own transaction is decided in no time, and another folder's may take hours.
///
/// fault 91
#[test]
fn a_commit_without_an_answer_is_waited_for_by_its_folder_and_not_by_others() {
    let Some((server, line, bench)) = by_line() else { return };
    server.sql(
        "CREATE TABLE slow (id integer);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(12); RETURN NEW; END $$;
        CREATE TRIGGER wait BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    let [slow, other] = [("slow", 100), ("other", 200)].map(|(name, files)| bench.beside(name, name, files));
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    thread::scope(|scope| {
        let loading = scope.spawn(|| slow.import("id\n1\n"));
        eventually("a large file is under way", || server.number(sleeping) == 1);
        line.cut_at_commit(Cut::AfterCommit, false);
        assert_eq!(bench.import("id\n1\n2\n"), Ok(2));
        assert_eq!(other.import("id\n1\n"), Ok(1));
        assert_eq!((line.cuts(), server.number(sleeping)), (1, 1));
        assert_eq!(loading.join().expect("no panic"), Ok(1));
    });
    assert_eq!(server.number(COUNT), 3);
}

/// fault 91
#[test]
fn a_transaction_that_is_not_decided_yet_is_waited_for_before_its_marker_is_missed() {
    let Some((mut server, line, bench)) = by_line() else { return };
    // A COMMIT that lasts: it waits for a standby that isn't there.
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.stop();
    server.start_again();
    let load = bench.load("id\n7\n").expect("it fits");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    thread::scope(|scope| {
        let committing = scope.spawn(|| bench.import.commit(std::slice::from_ref(&load)));
        eventually("the COMMIT lasts", || server.number(waiting) == 1);
        line.take_down();
        let fault = committing.join().expect("no panic").expect_err("nobody knows");
        assert_eq!(fault.reason().code, "commit_unknown", "{fault}");
        assert!(fault.to_string().contains("can't be now: the database"), "{fault}");
    });
    line.heal();
    // What a naive look would take for the truth.
    assert_eq!(server.number("SELECT count(*) FROM _importerd_files WHERE id = 2"), 0);
    let restarted = Bench::at(&server.url());
    let of_table = bench.beside("others", "orders", 100);
    for asked in [&bench, &of_table, &restarted, &restarted.beside("others", "others", 100)] {
        let fault = asked.import.marker(&load.identity).expect_err("it isn't decided");
        assert_eq!(fault.reason().code, "target_locked", "{fault}");
    }
    // The control: of neither its folder nor its table.
    let others = bench.beside("others", "others", 200);
    assert!(others.import.marker(&load.identity).expect("all of its own is decided").is_none());
    server.sql("ALTER SYSTEM RESET synchronous_standby_names");
    server.sql("SELECT pg_reload_conf()");
    eventually("the COMMIT ends", || server.number(waiting) == 0);
    for asked in [&bench, &restarted] {
        assert!(asked.import.marker(&load.identity).expect("it is decided").is_some());
    }
    assert_eq!(server.number(COUNT), 2);
}

/// More than fits between the two sides.
const LARGE_BYTES: usize = 32 << 20;

/// A trigger that takes its time over each row, a disk that stalls: the server is there, and has no room for more. The control,
/// a session that gives up where nothing was taken for a second, as all did for ten, never gets its file in.
///
/// fault 91
#[test]
fn a_load_that_the_server_takes_slowly_is_waited_for_also_over_tcp() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE TABLE orders (id integer, what text);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;
        CREATE TRIGGER wait BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION wait()",
    );
    let row = format!(",{}\n", "x".repeat(64 << 10));
    let rows = LARGE_BYTES / row.len();
    let content: String =
        ["id,what\n".to_owned()].into_iter().chain((1..=rows).map(|id| format!("{id}{row}"))).collect();
    let address = Address::parse(&server.url_by_tcp("sslmode=disable")).expect("an address");
    let mut impatient = address.clone();
    impatient.config.tcp_user_timeout(Duration::from_secs(1));
    let reason = Bench::with(impatient, "orders").held(&content);
    assert_eq!(reason.code, "target_unreachable", "{reason}");
    assert_eq!(server.number(COUNT), 0);
    assert_eq!(Bench::with(address, "orders").import(&content), Ok(rows as u64));
    assert_eq!(server.number(COUNT), rows as u64);
}
