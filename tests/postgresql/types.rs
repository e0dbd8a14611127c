//! Values of every type, there and back; and what a type doesn't hold.

use importerd::file::FileId;
use importerd::import::Load;
use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode};

use super::bench::Bench;
use super::harness::postgres::Server;

pub const EVERY_TYPE: &str = "CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN price AS numeric(6, 2);
    CREATE SCHEMA sales;
    CREATE TABLE sales.orders (_file_id bigint, _line bigint,
        yes boolean, i2 smallint, i4 integer, i8 bigint, r4 real, r8 double precision, n numeric, n2 numeric(6, 2),
        p price, t text, v varchar(5), b char(3), e mood, d date, ts timestamp, ts3 timestamp(3), tz timestamptz, tm time,
        u uuid, j json, jb jsonb, x xml, pt point)";

/// One column, one text of a file, and what the database says of it then.
pub const KEPT: &[(&str, &str, &str)] = &[
    ("yes", "TRUE", "t"),
    ("yes", "0", "f"),
    ("i2", "-32768", "-32768"),
    ("i4", "2147483647", "2147483647"),
    ("i8", "-9223372036854775808", "-9223372036854775808"),
    ("r4", "0.5", "0.5"),
    ("r4", "16777216", "1.6777216e+07"),
    ("r4", "1e30", "1e+30"),
    ("r4", "0.1", "0.1"),
    ("r4", "0", "0"),
    ("r8", "1e300", "1e+300"),
    ("r8", "0.30000000000000004", "0.30000000000000004"),
    ("r8", "0.12345678901234567890", "0.12345678901234568"),
    ("r8", "9007199254740994.00", "9.007199254740994e+15"),
    ("n", "12.5", "12.5"),
    ("n", "-0.00001234", "-0.00001234"),
    ("n", "1234567890.12345", "1234567890.12345"),
    ("n", "10000", "10000"),
    ("n2", "9999.99", "9999.99"),
    ("p", "-1.5", "-1.50"),
    ("t", "grün 🦀", "grün 🦀"),
    ("t", "00417", "00417"),
    ("v", "fünf!", "fünf!"),
    ("b", "ab", "ab "),
    ("e", "sad", "sad"),
    ("d", "0001-01-01", "0001-01-01"),
    ("d", "9999-12-31", "9999-12-31"),
    ("ts", "2026-11-22T03:04:05.123456", "2026-11-22 03:04:05.123456"),
    ("ts", "1969-12-31 23:59:59.5", "1969-12-31 23:59:59.5"),
    ("ts3", "2026-11-22 03:04:05.123", "2026-11-22 03:04:05.123"),
    ("tz", "2026-11-22T03:04:05+01:30", "2026-11-22 01:34:05+00"),
    ("tz", "2026-11-22T03:04:05Z", "2026-11-22 03:04:05+00"),
    ("tm", "23:59:59.25", "23:59:59.25"),
    ("u", "{550E8400-E29B-41D4-A716-446655440000}", "550e8400-e29b-41d4-a716-446655440000"),
    ("j", "\"[1, 2]\"", "[1, 2]"),
    ("jb", "\"{\"\"b\"\":1}\"", "{\"b\": 1}"),
    ("x", "<a>Müller</a>", "<a>Müller</a>"),
    ("x", "<?xml version='1.0' encoding='ISO-8859-1'?><a>Müller €</a>", "<a>Müller €</a>"),
];

/// One column, one text of a file, and why it is refused.
pub const REFUSED: &[(&str, &str, &str)] = &[
    ("i2", "32768", "32768 does not fit the column's type (-32768 to 32767)"),
    ("i4", "-2147483649", "-2147483649 does not fit the column's type (-2147483648 to 2147483647)"),
    ("i8", "9223372036854775808", "does not fit an integer of 64 bits"),
    ("r4", "1e39", "does not fit a real of 32 bits"),
    ("r4", "1e-46", "does not fit a real of 32 bits"),
    ("r4", "16777217", "has more digits than a real of 32 bits keeps"),
    ("r4", "123456789", "has more digits than a real of 32 bits keeps"),
    ("r8", "9007199254740993", "has more digits than a real number keeps"),
    ("r8", "9007199254740993.00", "has more digits than a real number keeps"),
    ("n2", "1.234", "has more than the column's 2 digits behind the point"),
    ("n2", "12345.67", "does not fit the column's type (less than 10^4, whatever its sign)"),
    ("p", "0.001", "has more than the column's 2 digits behind the point"),
    ("v", "sechs!", "has 6 characters, and the column has room for 5"),
    ("e", "meh", "is not one of the values that the column's type has"),
    ("d", "2026-02-30", "is not a date"),
    ("ts", "2026-11-22T03:04:05Z", "has an offset from UTC that the column can't keep"),
    ("ts3", "2026-11-22 03:04:05.1234", "has a finer fraction of a second"),
    ("tz", "2026-11-22T03:04:05", "doesn't say its offset from UTC"),
    ("tm", "24:00:01", "is not a time of day"),
    ("u", "550e8400", "is not a UUID"),
    ("j", "[1", "invalid input syntax for type json"),
    ("jb", "[1", "invalid input syntax for type json"),
    ("x", "<a>", "invalid XML content"),
    ("pt", "1", "has no place: the column's type is none that a file can fill"),
];

/// fault 57
#[test]
fn every_type_takes_what_it_holds_and_refuses_the_rest_with_line_and_column() {
    let Some(server) = Server::start() else { return };
    server.sql(EVERY_TYPE);
    server.sql("ALTER DATABASE postgres SET timezone = 'UTC'");
    let bench = Bench::into(&server.url(), "sales.orders");
    for (column, text, kept) in KEPT {
        assert_eq!(bench.import(format!("{column}\n{text}\n")), Ok(1), "{column} {text}");
        let sql = format!("SELECT {column}, _line FROM sales.orders ORDER BY _file_id DESC LIMIT 1");
        assert_eq!(server.sql(&sql), format!("{kept}|2"), "{column} {text}");
    }
    let before = server.number("SELECT count(*) FROM sales.orders");
    for (column, text, why) in REFUSED {
        let good = KEPT.iter().find(|(kept, ..)| kept == column).map_or("", |(_, text, _)| text);
        let reason = bench.refused(format!("{column}\n{good}\n{text}\n"));
        assert!(reason.text.contains(why), "{column} {text}: {reason}");
        let place = (reason.line, reason.column.as_deref());
        assert_eq!(place, (Some(3), Some(*column)), "{column} {text}: {reason}");
    }
    assert_eq!(
        bench.refused("pt\n\n").text,
        "its type point is none that a file can fill",
        "also where it has no value"
    );
    assert_eq!(server.number("SELECT count(*) FROM sales.orders"), before);
}

/// fault 49
#[test]
fn a_nul_character_is_refused_with_its_place() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (_file_id bigint, _line bigint, t text)");
    let reason = Bench::at(&server.url()).refused("{\"t\": \"a\"}\n{\"t\": \"a\\u0000b\"}\n");
    assert_eq!((reason.line, reason.column.as_deref()), (Some(2), Some("t")), "{reason}");
}

/// fault 51
#[test]
fn a_name_that_postgresql_would_cut_is_refused() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::at(&server.url());
    let reason = bench.refused(format!("id,{}\n1,2\n", "x".repeat(64)));
    assert_eq!(reason.code, "name_too_long", "{reason}");
    assert_eq!(bench.import(format!("id,{}\n1,2\n", "x".repeat(63))), Ok(1));
}

/// What a reason says is to be typed, can be typed as it stands.
#[test]
fn hints_name_a_table_in_its_schema_as_the_server_reads_it() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE SCHEMA sales; CREATE TABLE sales.orders (_file_id bigint, _line bigint, id integer)");
    let settings = settings::Import::into_table("sales.orders");
    let bench = |mode| {
        let settings = settings::Import { mode, ..settings.clone() };
        Bench::reading(&settings, Address::parse(&server.url()).expect("an address"))
    };
    let upsert = bench(Mode::Upsert(vec!["id".to_owned()]));
    let typed = |hint: Option<String>, before: &str| {
        let hint = hint.expect("a hint");
        let sql = hint.split(before).nth(1).unwrap_or_else(|| panic!("{hint}"));
        server.sql(sql.split("; then").next().expect("the first").trim_end_matches(" in the database"));
    };
    typed(upsert.refused("id,n\n1,x\n").hint, "to take it: ");
    typed(upsert.refused("id,n\n1,x\n").hint, "to make one: ");
    assert_eq!(upsert.import("id,n\n1,x\n"), Ok(1));
    assert_eq!(server.sql("SELECT id, n FROM sales.orders"), "1|x");
    assert_eq!(server.sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'sales'"), "orders_key");
    typed(bench(Mode::Replace).refused("id\n").hint, "type ");
    assert_eq!(server.number("SELECT count(*) FROM sales.orders"), 0);
}

/// fault 51
#[test]
fn a_name_that_postgresql_has_for_itself_refuses_its_file_and_not_the_folder() {
    let Some(server) = Server::start() else { return };
    for name in ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"] {
        let reason = Bench::at(&server.url()).refused(format!("id,{name}\n1,2\n"));
        assert_eq!((reason.code, reason.column.as_deref()), ("reserved_column", Some(name)), "{reason}");
    }
    let bench = Bench::adding(&server.url());
    assert_eq!(bench.import("id,CTID\n1,2\n"), Ok(1));
    assert_eq!(bench.refused("id,xmin\n1,2\n").code, "reserved_column");
    assert_eq!(server.sql("SELECT id, \"CTID\" FROM orders"), "1|2");
}

/// A partition has the columns of its table.
///
/// fault 51
#[test]
fn a_column_that_the_schema_forbids_refuses_its_file_and_not_the_folder() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE all_orders (id bigint) PARTITION BY RANGE (id)");
    server.sql("CREATE TABLE orders PARTITION OF all_orders DEFAULT");
    let bench = Bench::adding(&server.url());
    assert_eq!(bench.import("id\n1\n"), Ok(1));
    let reason = bench.refused("id,more\n2,x\n");
    assert!(reason.text.contains("partition"), "{reason}");
    // The control: a right that is missing is the world's.
    server.sql("TRUNCATE _importerd_files; CREATE ROLE guest LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO guest");
    server.sql("CREATE TABLE others (id bigint); GRANT ALL ON others TO guest");
    let guest = Bench::adding_to(&server.url().replace("tester", "guest"), "others");
    assert_eq!(guest.held("id,more\n3,x\n").code, "no_permission");
}

#[test]
fn columns_that_the_server_fills_may_be_missing_and_are_not_overwritten() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE TABLE orders (key bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT now(),
            a integer NOT NULL, twice integer GENERATED ALWAYS AS (a * 2) STORED)",
    );
    let bench = Bench::at(&server.url());
    assert_eq!(bench.import("a\n21\n"), Ok(1));
    assert_eq!(server.sql("SELECT key, a, twice, at IS NOT NULL FROM orders"), "1|21|42|t");
    for column in ["key", "twice"] {
        assert_eq!(bench.refused(format!("a,{column}\n1,2\n")).code, "generated_column");
    }
}

#[test]
fn a_table_that_is_made_keeps_every_digit_and_every_instant() {
    let Some(server) = Server::start() else { return };
    server.sql("ALTER DATABASE postgres SET timezone = 'UTC'");
    let bench = Bench::at(&server.url());
    let digits = "123456789012345678901234567890.10";
    let file = format!("price,total,at,local,code\n0.10,{digits},2026-11-22T03:04:05+01:00,2026-11-22 03:04:05,007\n");
    assert_eq!(bench.import(&file), Ok(1));
    let types = "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns
        WHERE table_name = 'orders' AND column_name NOT LIKE '\\_%'";
    let declared = "numeric,numeric,timestamp with time zone,timestamp without time zone,text";
    assert_eq!(server.sql(types), declared);
    let kept = format!("0.10|{digits}|2026-11-22 02:04:05+00|2026-11-22 03:04:05|007");
    assert_eq!(server.sql("SELECT price, total, at, local, code FROM orders"), kept);
    // The second file meets the table that the first one made.
    assert_eq!(bench.import(&file), Ok(1));
    let reason = bench.refused(file.replace("+01:00", ""));
    assert_eq!((reason.line, reason.column.as_deref()), (Some(2), Some("at")), "{reason}");
    server.sql("DROP TABLE orders");
    assert_eq!(bench.import("{\"size\": 1.5e300}\n{\"size\": 2}\n"), Ok(2));
    assert_eq!(
        server.sql("SELECT size, pg_typeof(size) FROM orders ORDER BY _line"),
        "1.5e+300|double precision\n2|double precision"
    );
}

/// `INTEGER` is what these columns are called for SQLite, and what people type.
#[test]
fn where_a_row_came_from_is_written_into_integers_of_any_size() {
    let Some(server) = Server::start() else { return };
    for declared in ["_file_id integer, _line integer", "_file_id smallint, _line bigint"] {
        server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
        server.sql(&format!("CREATE TABLE orders ({declared}, id integer UNIQUE, v text)"));
        let bench = Bench::at(&server.url());
        assert_eq!(bench.import("id,v\n1,a\n2,b\n"), Ok(2), "{declared}");
        let again = bench.load("v,id\nc,3\n").expect("it fits");
        bench.import.commit(&[Load { replaces: Some(FileId(1)), ..again }]).expect("its rows are told");
        assert_eq!(server.sql("SELECT _file_id, _line, id, v FROM orders"), "2|2|3|c", "{declared}");
        let upsert =
            settings::Import { mode: Mode::Upsert(vec!["id".to_owned()]), ..settings::Import::into_table("orders") };
        let upsert = Bench::reading(&upsert, Address::parse(&server.url()).expect("an address"));
        server.sql("TRUNCATE _importerd_files; UPDATE orders SET _file_id = 0");
        assert_eq!(upsert.import("id,v\n4,d\n3,e\n"), Ok(2), "{declared}");
        assert_eq!(server.sql("SELECT _file_id, _line, id, v FROM orders ORDER BY id"), "1|3|3|e\n1|2|4|d");
    }
}

/// The statements that a refusal has to type make them as a new table would have them.
///
/// fault 52
#[test]
fn new_columns_are_refused_with_statements_of_the_types_that_they_have() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (id integer)");
    let bench = Bench::at(&server.url());
    let content = r#"{"id": 1, "n": 7, "at": "2026-11-22T03:04:05Z"}
{"id": 2, "n": 0.5, "v": [1]}
"#;
    let reason = bench.refused(content);
    assert!(reason.text.starts_with("new columns \"n\", \"at\": "), "{reason}");
    let hint = reason.hint.unwrap_or_default();
    let sql =
        hint.strip_prefix("to take them: ").and_then(|hint| hint.strip_suffix("; then retry")).expect("statements");
    let add = |column| format!("ALTER TABLE \"orders\" ADD COLUMN {column}");
    assert_eq!(sql, ["\"n\" numeric", "\"at\" timestamptz", "\"v\" text"].map(add).join("; "));
    server.sql(sql);
    assert_eq!(bench.import(content), Ok(2));
    assert_eq!(server.sql("SELECT n, v FROM orders ORDER BY id"), "7|NULL\n0.5|[1]");
}

/// What no file can mend is none's fault.
#[test]
fn where_a_row_came_from_does_not_go_into_another_column_and_holds_the_folder() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TABLE orders (_file_id bigint, _line text, id integer)");
    let bench = Bench::at(&server.url());
    let held = |content: &str| {
        let reason = bench.held(content);
        let sql = reason.hint.as_deref().and_then(|hint| hint.strip_prefix("type ")?.strip_suffix(" in the database"));
        (sql.expect("what to type").to_owned(), reason)
    };
    let (sql, reason) = held("id\n1\n");
    assert_eq!(reason.column.as_deref(), Some("_line"), "{reason}");
    server.sql(&sql);
    server.sql("ALTER TABLE orders ALTER _line TYPE smallint");
    let (again, reason) = held(&format!("id\n{}", "1\n".repeat(40_000)));
    assert!(reason.text.contains("32768 does not fit"), "{reason}");
    assert_eq!(again, sql);
    server.sql(&sql);
    assert_eq!(bench.import(format!("id\n{}", "1\n".repeat(40_000))), Ok(40_000));
}

/// A domain wants of its columns what it, and the domains that it is made of, want.
///
/// fault 57
#[test]
fn a_column_of_a_domain_that_forbids_null_or_has_a_default_is_what_the_domain_says() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE DOMAIN must AS integer NOT NULL; CREATE DOMAIN must2 AS must; CREATE DOMAIN has AS text DEFAULT 'x';
        CREATE DOMAIN has2 AS has; CREATE DOMAIN price AS numeric(6, 2); CREATE DOMAIN price2 AS price;
        CREATE DOMAIN asked AS integer CHECK (VALUE IS NOT NULL); CREATE DOMAIN asked2 AS asked",
    );
    for (column, code) in [("a must", "missing_column"), ("a must2", "missing_column"), ("a asked2", "constraint")] {
        for mode in [Mode::Append, Mode::Upsert(vec!["v".to_owned()])] {
            server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
            server.sql(&format!("CREATE TABLE orders ({column}, v text UNIQUE)"));
            let settings = settings::Import { mode, ..settings::Import::into_table("orders") };
            let bench = Bench::reading(&settings, Address::parse(&server.url()).expect("an address"));
            assert_eq!(bench.refused("v\nx\n").code, code, "{column}");
            assert_eq!(bench.import("v,a\nx,1\n"), Ok(1), "{column}");
        }
    }
    server.sql(
        "DROP TABLE orders; CREATE TABLE orders (a has NOT NULL, b has2 NOT NULL, p price2, v text, c asked DEFAULT 7)",
    );
    let bench = Bench::at(&server.url());
    server.sql("TRUNCATE _importerd_files");
    assert_eq!(bench.import("v,p\ny,1.5\n"), Ok(1));
    assert_eq!(server.sql("SELECT * FROM orders"), "x|x|1.50|y|7");
    assert!(bench.refused("v,p\ny,1.555\n").text.contains("2 digits behind the point"));
}
