//! Rows that the database doesn't take: each is a fault of its file, and the other rows go in where that is allowed.

use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode, Tolerance};

use super::bench::Bench;
use super::harness::Drop;
use super::harness::postgres::Server;

/// A folder that may leave nine rows of a file out.
fn lenient(server: &Server) -> Bench {
    reading(server, &settings::Import { rejects: Tolerance::Rows(9), ..settings::Import::into_table("orders") })
}

fn upserting(server: &Server) -> Bench {
    let mode = Mode::Upsert(vec!["id".to_owned()]);
    reading(server, &settings::Import { mode, ..settings::Import::into_table("orders") })
}

fn reading(server: &Server, settings: &settings::Import) -> Bench {
    Bench::reading(settings, Address::parse(&server.url()).expect("an address"))
}

/// A table that knows of no file, with a trigger of this body, and the columns `id` and `v`.
fn make(server: &Server, more: &str, trigger: &str) {
    server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
    server.sql(&format!("CREATE TABLE orders (_file_id bigint, _line bigint, id integer UNIQUE, {more})"));
    server.sql(&format!(
        "SET check_function_bodies = off; CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {trigger} RETURN NEW; END $$"
    ));
    server.sql("CREATE TRIGGER look BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION look()");
}

/// Types speak of a value that they don't read as the server does of a broken statement.
///
/// fault 66
#[test]
fn a_value_that_a_type_does_not_read_is_its_rows_fault_wherever_it_is_read() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE EXTENSION ltree; CREATE EXTENSION hstore");
    let long = "x".repeat(70);
    for (more, trigger, value) in [
        ("v text, k ltree GENERATED ALWAYS AS (text2ltree(v)) STORED", "", "not ok!"),
        ("v text, k ltree", "NEW.k := text2ltree(NEW.v);", "not ok!"),
        ("v text CHECK (v::jsonpath IS NOT NULL)", "", "$.["),
        ("v text CHECK (v::tsquery IS NOT NULL)", "", "a & & b"),
        ("v text CHECK (v::hstore IS NOT NULL)", "", "a b"),
        ("v name", "", &long),
    ] {
        make(&server, more, trigger);
        let good = if more.contains("hstore") { "a=>1" } else { "a" };
        let good = if more.contains("jsonpath") { "$" } else { good };
        let file = format!("id,v\n1,{good}\n2,{value}\n3,{good}\n");
        assert_eq!(lenient(&server).import(&file), Ok(2), "{more}");
        assert_eq!(server.sql("SELECT line, record FROM _importerd_rejects"), format!("3|2,{value}"), "{more}");
        make(&server, more, trigger);
        assert_eq!(Bench::at(&server.url()).refused(&file).line, Some(3), "{more}");
        make(&server, more, trigger);
        upserting(&server).refused(&file);
    }
}

/// The controls: what every row would meet is the table's fault, whichever code it has.
///
/// fault 66
#[test]
fn a_trigger_or_a_default_that_is_broken_for_every_row_holds_the_folder() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE EXTENSION ltree; CREATE SEQUENCE used_up START 2 MAXVALUE 2; SELECT nextval('used_up')");
    for (more, trigger) in [
        ("v text", "SELECT 1;"),
        ("v text", "IF THEN x;"),
        ("v text", "a := 1;"),
        ("v text", "PERFORM 'not ok!'::ltree;"),
        ("v text", "PERFORM * FROM nowhere;"),
        ("v text", "NEW.nope := 1;"),
        ("v text, tenant text DEFAULT current_setting('app.tenant')", ""),
        ("v text, n smallint DEFAULT nextval('used_up')", ""),
    ] {
        make(&server, more, trigger);
        for bench in [lenient(&server), upserting(&server)] {
            let reason = bench.held("id,v\n1,a\n2,b\n");
            assert_eq!(reason.code, "target", "{more} {trigger}: {reason}");
        }
    }
    // A trigger in C for what it isn't made for has the code of the server's own faults.
    make(&server, "v text", "");
    server.sql("CREATE EXTENSION moddatetime");
    server.sql("CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION moddatetime(v)");
    assert_eq!(lenient(&server).held("id,v\n1,a\n").code, "target");
}

/// What a file needs of the schema is refused for every file.
///
/// fault 90
#[test]
fn an_event_trigger_that_forbids_the_table_or_its_column_holds_the_folder() {
    let Some(server) = Server::start() else { return };
    let forbid = "CREATE OR REPLACE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN IF current_query() LIKE '%orders%' THEN RAISE EXCEPTION 'only on Sundays'; END IF; END $$;
        CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid()";
    server.sql(forbid);
    let bench = Bench::adding(&server.url());
    let reason = bench.held("id\n1\n");
    assert!(reason.text.contains("only on Sundays"), "{reason}");
    server.sql("DROP EVENT TRIGGER forbid");
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    server.sql(forbid);
    assert_eq!(bench.held("id,v\n2,a\n").code, "target");
    // One that is broken, or speaks with the code of a statement that no file may have.
    for action in ["PERFORM * FROM nowhere", "PERFORM nothing()", "RAISE EXCEPTION 'no' USING ERRCODE = '42000'"] {
        server.sql(&format!(
            "DROP EVENT TRIGGER forbid; {}",
            forbid.replace("RAISE EXCEPTION 'only on Sundays'", action)
        ));
        assert_eq!(bench.held("id,v\n2,a\n").code, "target", "{action}");
        assert_eq!(Bench::into(&server.url(), "orders_too").held("id\n1\n").code, "target", "{action}");
    }
}

/// A list that is replaced by the same list takes no row away from those who refer to it, once they say so.
#[test]
fn a_snapshot_of_rows_that_others_refer_to_is_refused_with_what_to_type() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (id integer PRIMARY KEY, v text); INSERT INTO orders VALUES (1, 'a')");
    server.sql("CREATE TABLE \"Lines\" (of integer REFERENCES orders); INSERT INTO \"Lines\" VALUES (1)");
    let bench = reading(&server, &settings::Import { mode: Mode::Replace, ..settings::Import::into_table("orders") });
    let hint = bench.refused("id,v\n1,b\n").hint.expect("what to type");
    let sql = hint.split("type ").nth(1).and_then(|sql| sql.split(" in the database").next()).expect("a statement");
    server.sql(sql);
    assert_eq!(bench.import("id,v\n1,b\n"), Ok(1));
    assert_eq!(server.sql("SELECT * FROM orders"), "1|b");
    // The control: one that is referred to is missing.
    assert!(bench.refused("id,v\n2,b\n").text.contains("foreign key"));
}

/// More rejects than may wait end a COPY, and another one begins: the server counts its rows anew, and never those that a
/// trigger leaves out.
///
/// fault 66
#[test]
fn the_row_that_is_left_out_is_the_refused_one_also_where_a_trigger_leaves_out_others() {
    let Some(server) = Server::start() else { return };
    make(&server, "v text CHECK (v <> 'bad')", "IF NEW.v = 'skip' THEN RETURN NULL; END IF;");
    let many = |v: &str, count: usize| format!(",{v}\n").repeat(count);
    let unfit = format!("x,{}\n", "y".repeat(60_000)).repeat(30);
    let file = format!("id,v\n{}{unfit}{}7,bad\n{}", many("skip", 100), many("good", 300), many("good", 300));
    let rejects = Tolerance::Rows(1000);
    let bench = reading(&server, &settings::Import { rejects, ..settings::Import::into_table("orders") });
    bench.import(&file).expect("so many may be left out");
    assert_eq!(server.sql("SELECT line, record FROM _importerd_rejects WHERE code = 'constraint'"), "432|7,bad");
    assert_eq!(server.sql("SELECT count(*), min(_line), max(_line) FROM orders"), "600|132|732");
}

/// A row may be left out for the very character that the database has no place for.
#[test]
fn what_is_left_out_comes_back_as_it_stood_in_the_file_also_from_a_database_of_latin_1() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0");
    let url = server.url().replace("/postgres?", "/old?");
    // A column's name can't be escaped.
    let reason = Bench::adding_to(&url, "others").refused("id,n€\n1,a\n");
    assert!(reason.text.contains("LATIN1"), "{reason}");
    let drop = Drop::with_daemon(
        "attempts = 1",
        &format!("import = {{ into = \"{url}\", table = \"orders\", rejects = 9, new_columns = \"ignore\" }}"),
    );
    drop.put("1.csv", "id,name\n1,Müller\n");
    assert!(drop.once().success());
    drop.put("2.csv", "id,name,n€\n2,Müller,\n3,\\5 €,\nx,€,\n4,d,\n");
    assert!(drop.once().success());
    assert_eq!(drop.names("quarantine"), [""; 0]);
    let said = drop.command(&["rejects", "2.csv"]).output().expect("run importerd rejects");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "id,name,n€\n3,\\5 €,\nx,€,\n");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("line 4, column id: \"x\" is not an integer"), "{said}");
    // A file's name goes in as it is, and holds nobody else up.
    drop.put("日本.csv", "id,name\n5,e\n");
    drop.put("z.csv", "id,name\n6,f\n");
    drop.once();
    assert_eq!(drop.names("quarantine").len(), 2, "the file and its reason: {:?}", drop.names("quarantine"));
    assert!(drop.names("archive").iter().any(|name| name == "z.csv"));
}

/// Where the rows of an upsert wait, there is one column more than in the table.
#[test]
fn a_file_of_too_many_columns_is_refused_also_where_it_is_to_be_merged() {
    let Some(server) = Server::start() else { return };
    let mode = Mode::Upsert(vec!["c0".to_owned()]);
    let bench = reading(&server, &settings::Import { mode, ..settings::Import::into_table("wide") });
    let line = |of: &dyn Fn(usize) -> String| (0..1598).map(of).collect::<Vec<_>>().join(",");
    let file = format!("{}\n{}\n", line(&|column| format!("c{column}")), line(&|column| column.to_string()));
    assert_eq!(bench.refused(&file).code, "too_many_columns");
}

/// What a trigger leaves out in silence has not gone in.
#[test]
fn rows_that_a_trigger_leaves_out_are_not_counted() {
    let Some(server) = Server::start() else { return };
    let silent = "IF NEW.v = 'skip' THEN RETURN NULL; END IF;";
    let key = || vec!["id".to_owned()];
    for (mode, counts) in [
        (Mode::Append, "4|4"),
        (Mode::Replace, "4|4"),
        // The key that stands twice counts twice.
        (Mode::Upsert(key()), "4|3"),
        (Mode::Insert(key()), "3|3"),
    ] {
        let twice = if mode.key().is_empty() { 4 } else { 3 };
        make(&server, "v text", silent);
        let bench = reading(&server, &settings::Import { mode, ..settings::Import::into_table("orders") });
        let file = format!("id,v\n1,a\n2,skip\n3,b\n{twice},c\n5,d\n6,skip\n");
        let rows = bench.import(&file).expect("it fits");
        let there = server.number("SELECT count(*) FROM orders");
        assert_eq!(format!("{rows}|{there}"), counts);
        assert_eq!(server.number("SELECT rows FROM _importerd_files"), rows);
    }
}

/// The server doesn't count what a trigger does in place of a row. The control has none.
#[test]
fn rows_that_a_trigger_puts_elsewhere_in_the_table_are_a_warning_of_the_check() {
    let Some(server) = Server::start() else { return };
    let year = "CREATE TABLE orders_2026 () INHERITS (orders)";
    let to_its_year = "INSERT INTO orders_2026 VALUES (NEW.*); RETURN NULL;";
    let update = "UPDATE orders SET v = NEW.v, _file_id = NEW._file_id WHERE id = NEW.id;
        IF FOUND THEN RETURN NULL; END IF;";
    for (trigger, more) in [
        (to_its_year, " 2 rows instead of 0; the table's triggers"),
        (update, " 1 rows instead of 0; the table's triggers"),
    ] {
        make(&server, "v text", trigger);
        server.sql(&format!("DROP TABLE IF EXISTS orders_2026; {year}"));
        let keys = format!("import = {{ into = \"{}\", table = \"orders\" }}", server.url());
        let drop = Drop::with_daemon("", &keys);
        for (name, content) in [("1.csv", "id,v\n1,a\n2,b\n"), ("2.csv", "id,v\n1,c\n")] {
            drop.put(name, content);
            assert!(drop.once().success());
        }
        let check = || {
            let output = drop.command(&["ledger", "check"]).output().expect("run importerd ledger check");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let events = drop.command(&["events"]).output().expect("run importerd events").stdout;
        let told = String::from_utf8_lossy(&events).into_owned();
        assert!(told.contains("0 rows; 1 skipped"), "{told}");
        let (code, said) = check();
        assert!(code == Some(0) && said.contains(more), "{said}");
        server.sql("DROP TRIGGER look ON orders");
        assert_eq!(check().0, Some(1));
        server.sql("DROP TABLE orders_2026");
    }
}

/// For each of them the file is copied once more.
#[test]
fn of_rows_that_only_the_server_refuses_a_hundred_may_be_left_out_and_more_are_told_as_such() {
    let Some(server) = Server::start() else { return };
    let rejects = Tolerance::Rows(1000);
    let settings = settings::Import { rejects, ..settings::Import::into_table("orders") };
    let file = |count: usize| format!("id,v\n{}", "1,a\n".repeat(count));
    make(&server, "v text", "");
    assert_eq!(reading(&server, &settings).import(file(101)), Ok(1));
    make(&server, "v text", "");
    let reason = reading(&server, &settings).refused(file(102));
    let says = "only the server knows of more than 100 rows that they don't fit; the first: line 3: duplicate key";
    assert!(reason.code == "too_many_rejects" && reason.text.starts_with(says), "{reason}");
    let listed = reason.listed.expect("the first of them");
    assert!(listed.all == 101 && listed.rows[19].starts_with("line 22: duplicate key"), "{listed:?}");
}
