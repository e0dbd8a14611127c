//! `importerd try` says what an import would do, and where.

use serde_json::Value;

use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode, Tolerance};

use super::bench::Bench;
use super::harness::Drop;
use super::harness::postgres::Server;
use super::types::{EVERY_TYPE, KEPT, REFUSED};

/// A folder into this table.
fn folder(server: &Server, table: &str, more: &str) -> Drop {
    let import = format!("import = {{ into = \"{}\", table = \"{table}\"{more} }}", server.url());
    Drop::with_daemon("", &import)
}

/// What it says of this file.
fn tried(drop: &Drop, content: &str) -> Value {
    let name = if content.starts_with('{') { "tried.ndjson" } else { "tried.csv" };
    let file = drop.root().join(name);
    std::fs::write(&file, content).expect("write a file");
    let said = drop.command(&["try", file.to_str().expect("a path"), "--json"]).output().expect("run importerd try");
    serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{content}: {said:?}"))
}

/// Types whose values only the server reads.
const READ_THERE: [&str; 3] = ["j", "jb", "x"];

/// fault 57
#[test]
fn a_trial_refuses_the_values_that_the_import_refuses_with_the_same_words_and_takes_the_others() {
    let Some(server) = Server::start() else { return };
    server.sql(EVERY_TYPE);
    let (bench, drop) = (Bench::into(&server.url(), "sales.orders"), folder(&server, "sales.orders", ""));
    for (column, text, _) in KEPT {
        let said = tried(&drop, &format!("{column}\n{text}\n"));
        assert_eq!(said["verdict"], "imported", "{column} {text}: {said}");
    }
    for (column, text, _) in REFUSED {
        let good = KEPT.iter().find(|(kept, ..)| kept == column).map_or("", |(_, text, _)| text);
        let content = format!("{column}\n{good}\n{text}\n");
        let said = tried(&drop, &content);
        if READ_THERE.contains(column) {
            let notes = said["import"]["notes"].to_string();
            assert!(said["verdict"] == "imported" && notes.contains("JSON"), "{column} {text}: {said}");
            continue;
        }
        let (reason, refused) = (bench.refused(&content), &said["refused"]);
        assert_eq!(refused["text"], reason.text.as_str(), "{column} {text}");
        assert_eq!(refused["code"], reason.code, "{column} {text}");
        assert_eq!((refused["line"].as_u64(), refused["column"].as_str()), (Some(3), Some(*column)), "{refused}");
    }
    // Also where it has no value.
    assert_eq!(tried(&drop, "pt\n\n")["refused"]["text"], bench.refused("pt\n\n").text.as_str());
}

/// Of a column of a domain, what the domain is made of says it.
///
/// fault 57
#[test]
fn a_trial_knows_the_values_of_a_domain() {
    let Some(server) = Server::start() else { return };
    server.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN feeling AS mood; CREATE DOMAIN mine AS feeling;
        CREATE DOMAIN code AS varchar(3); CREATE DOMAIN small AS smallint; CREATE TABLE orders (m mine, c code, s small)",
    );
    let (bench, drop) = (Bench::at(&server.url()), folder(&server, "orders", ""));
    for (file, line) in [("m\nglad\nmad\n", 3), ("c\nabc\nabc \nabcd\n", 4), ("s\n32767\n32768\n", 3)] {
        let (refused, reason) = (&tried(&drop, file)["refused"], bench.refused(file));
        assert_eq!((refused["line"].as_u64(), reason.line), (Some(line), Some(line)), "{refused} {reason}");
        assert_eq!(refused["text"], reason.text.as_str());
    }
}

/// A type of the table that is made holds less than any value of the file, too.
///
/// fault 49, fault 57
#[test]
fn a_trial_refuses_for_a_table_that_is_not_there_what_it_would_not_hold() {
    let Some(server) = Server::start() else { return };
    let drop = folder(&server, "orders", "");
    for file in ["at\n2026-11-22 03:04:05.5\n2026-11-22 03:04:05.1234567\n", "{\"t\": \"a\"}\n{\"t\": \"a\\u0000\"}\n"]
    {
        let (refused, reason) = (&tried(&drop, file)["refused"], Bench::at(&server.url()).refused(file));
        assert_eq!(refused["text"], reason.text.as_str());
        assert_eq!((refused["line"].as_u64(), refused["column"].as_str()), (reason.line, reason.column.as_deref()));
    }
}

/// fault 51
#[test]
fn a_trial_refuses_columns_that_no_table_of_postgresql_can_have() {
    let Some(server) = Server::start() else { return };
    let many = (0..1600).fold(String::new(), |many, column| many + ",c" + &column.to_string());
    for table in ["", "CREATE TABLE orders (id bigint)"] {
        server.sql(table);
        for (more, values) in [(format!(",{}", "x".repeat(64)), 1), (",xmin".to_owned(), 1), (many.clone(), 1600)] {
            let file = format!("id{more}\n1{}\n", ",1".repeat(values));
            let said = tried(&folder(&server, "orders", ", new_columns = \"add\""), &file);
            let (refused, reason) = (&said["refused"], Bench::adding(&server.url()).refused(&file));
            assert_eq!((&refused["code"], &refused["text"]), (&reason.code.into(), &reason.text.as_str().into()));
            assert!(said["import"]["create_table"].is_null(), "{said}");
        }
    }
}

/// Whatever stands between the column and JSON, only the server knows what is none. The control is a domain over text.
///
/// fault 57
#[test]
fn a_trial_says_that_values_of_domains_over_json_are_only_read_when_rows_go_in() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE DOMAIN j AS jsonb; CREATE DOMAIN jj AS j; CREATE DOMAIN jjj AS jj; CREATE DOMAIN t AS text");
    for (kind, reads_itself) in [("jsonb", true), ("j", true), ("jj", true), ("jjj", true), ("t", false)] {
        server.sql(&format!("DROP TABLE IF EXISTS orders; CREATE TABLE orders (v {kind})"));
        let said = tried(&folder(&server, "orders", ""), "v\n{}\n");
        assert_eq!(said["import"]["notes"].to_string().contains("JSON"), reads_itself, "{kind}: {said}");
    }
}

/// They are known before the first row goes in, so however many they are, the file is copied once.
///
/// fault 66
#[test]
fn rows_that_a_type_does_not_hold_are_left_out_and_told_before_in_any_number() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE TYPE mood AS ENUM ('glad', 'sad')");
    let file = format!("id,v\n{}4,glad\n", "1,sad\n2,melancholic\n70000,glad\n".repeat(150));
    for (mode, setting) in [(Mode::Append, ""), (Mode::Upsert(vec!["id".to_owned()]), ", mode = { upsert = [\"id\"] }")]
    {
        server.sql("DROP TABLE IF EXISTS orders, _importerd_files, _importerd_rejects");
        server.sql("CREATE TABLE orders (_file_id bigint, _line bigint, id smallint, v mood)");
        if mode != Mode::Append {
            server.sql("ALTER TABLE orders ADD UNIQUE (id)");
        }
        let said = tried(&folder(&server, "orders", &format!(", rejects = 300{setting}")), &file);
        assert_eq!((&said["import"]["rows"], &said["import"]["rejects"]), (&151.into(), &300.into()), "{said}");
        let settings =
            settings::Import { mode, rejects: Tolerance::Rows(300), ..settings::Import::into_table("orders") };
        let bench = Bench::reading(&settings, Address::parse(&server.url()).expect("an address"));
        assert_eq!(bench.import(&file), Ok(151));
        assert_eq!(server.number("SELECT count(*) FROM _importerd_rejects"), 300);
        let first = &said["import"]["rejected"][0];
        let of = |key: &str| first[key].as_str().map_or_else(|| first[key].to_string(), str::to_owned);
        let kept = server.sql("SELECT line, column_name, code, reason FROM _importerd_rejects ORDER BY line LIMIT 1");
        assert_eq!(kept, [of("line"), of("column"), of("code"), of("text")].join("|"));
    }
}
