//! What the role of a folder may do in the database: `importerd check` says what is missing before a file is held for it.

use importerd::file::FileId;
use importerd::import::Load;
use importerd::settings::postgres::Address;
use importerd::settings::{self, Mode};

use super::bench::Bench;
use super::harness::Drop;
use super::harness::postgres::Server;

const TABLE: &str = "\"sales\".\"Orders\"";

/// With what its mode needs, and no more, all is well; without any of it the folder is held, and what `check` says is to be
/// typed lets the file in.
///
/// fault 92
#[test]
fn a_right_that_the_mode_needs_is_missed_by_check_with_the_grant_that_mends_it() {
    let Some(server) = Server::start() else { return };
    server.sql(&format!(
        "CREATE ROLE \"Ann\" LOGIN; REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC; CREATE SCHEMA sales;
        GRANT USAGE ON SCHEMA sales TO \"Ann\"; CREATE TABLE {TABLE} (_file_id bigint, _line bigint, id integer UNIQUE)"
    ));
    assert_eq!(Bench::at(&server.url()).import("id\n1\n"), Ok(1));
    let url = server.url().replace("tester@", "Ann@");
    let key = || vec!["id".to_owned()];
    let mut id = 1;
    for (mode, setting, rights) in [
        (Mode::Append, "\"append\"", &["INSERT"][..]),
        (Mode::Replace, "\"replace\"", &["SELECT", "INSERT", "DELETE"]),
        (Mode::Insert(key()), "{ insert = [\"id\"] }", &["SELECT", "INSERT", "TEMPORARY"]),
        (Mode::Upsert(key()), "{ upsert = [\"id\"] }", &["SELECT", "INSERT", "UPDATE", "TEMPORARY"]),
    ] {
        let drop = Drop::with(&format!("import = {{ into = \"{url}\", table = \"sales.Orders\", mode = {setting} }}"));
        let check = || {
            // Files that the ledger of this folder doesn't know would fail it.
            server.sql("TRUNCATE _importerd_files");
            let said = drop.command(&["check"]).output().expect("run importerd check");
            (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
        };
        let mut import = || {
            id += 1;
            let settings = settings::Import { mode: mode.clone(), ..settings::Import::into_table("sales.Orders") };
            let bench = Bench::reading(&settings, Address::parse(&url).expect("an address"));
            let load = Load { id: FileId(id), ..bench.load(format!("id\n{id}\n")).expect("it fits") };
            bench.import.commit(&[load]).map(|outcomes| outcomes.len()).map_err(|fault| fault.reason().code)
        };
        let on = |right: &str| if right == "TEMPORARY" { "DATABASE postgres" } else { TABLE };
        server.sql(&format!(
            "REVOKE ALL ON {TABLE} FROM \"Ann\"; REVOKE ALL ON DATABASE postgres FROM \"Ann\";
            GRANT SELECT, INSERT, UPDATE ON _importerd_files TO \"Ann\""
        ));
        for right in rights {
            change(&server, "GRANT", right, on(right));
        }
        assert_eq!(check().0, Some(0), "{setting}: {}", check().1);
        assert_eq!(import(), Ok(1), "{setting}");
        let of_markers = ["SELECT", "INSERT", "UPDATE"].map(|right| (right, "\"_importerd_files\""));
        for (right, on) in rights.iter().map(|right| (*right, on(right))).chain(of_markers) {
            change(&server, "REVOKE", right, on);
            let (code, said) = check();
            let grant = format!("GRANT {right} ON {on} TO \"Ann\"");
            assert!(code == Some(77) && said.contains(&format!("fix: type {grant} in the database")), "{said}");
            // Files amend their markers only where rows are left out.
            if (right, on) != ("UPDATE", "\"_importerd_files\"") {
                assert_eq!(import(), Err("no_permission"), "{setting} without {right}");
            }
            server.sql(&grant);
            assert_eq!((check().0, import()), (Some(0), Ok(1)), "{setting} with {right}");
        }
    }
}

/// fault 92: the import takes them, so `check` does.
#[test]
fn rights_of_single_columns_are_no_missing_ones_where_the_table_can_be_locked() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE \"Ann\" LOGIN; CREATE TABLE narrow (id integer PRIMARY KEY, v text, secret text)");
    assert_eq!(Bench::at(&server.url()).import("id\n1\n"), Ok(1));
    server.sql("GRANT SELECT, INSERT, UPDATE ON _importerd_files TO \"Ann\"");
    let url = server.url().replace("tester@", "Ann@");
    let mut id = 1;
    for (mode, setting, rights, fits) in [
        (Mode::Upsert(vec!["id".to_owned()]), "{ upsert = [\"id\"] }", "SELECT (id, v), INSERT, UPDATE (v)", true),
        (Mode::Append, "\"append\"", "INSERT (id, v), DELETE", true),
        // The control: nothing of it is of the whole table.
        (Mode::Append, "\"append\"", "INSERT (id, v)", false),
    ] {
        server.sql(&format!("REVOKE ALL ON narrow FROM \"Ann\"; GRANT {rights} ON narrow TO \"Ann\""));
        server.sql("TRUNCATE _importerd_files");
        let drop = Drop::with(&format!("import = {{ into = \"{url}\", table = \"narrow\", mode = {setting} }}"));
        let said = drop.command(&["check"]).output().expect("run importerd check");
        let code = if fits { 0 } else { 77 };
        assert_eq!(said.status.code(), Some(code), "{rights}: {}", String::from_utf8_lossy(&said.stdout));
        id += 1;
        let settings = settings::Import { mode, ..settings::Import::into_table("narrow") };
        let bench = Bench::reading(&settings, Address::parse(&url).expect("an address"));
        let load = Load { id: FileId(id), ..bench.load(format!("id,v\n{id},x\n")).expect("it fits") };
        let imported = bench.import.commit(&[load]).map(|outcomes| outcomes.len()).map_err(|fault| fault.reason().code);
        assert_eq!(imported, if fits { Ok(1) } else { Err("no_permission") }, "{rights}");
    }
}

/// What `check` of a folder with these settings says to Ann, and how many rows of this file she then imports.
fn tried(server: &Server, import: &settings::Import, keys: &str, content: &str) -> (Option<i32>, String, Option<u64>) {
    let url = server.url().replace("tester@", "ann@");
    let table = &import.table;
    let drop = Drop::with(&format!("import = {{ into = \"{url}\", table = \"{table}\"{keys} }}"));
    let said = drop.command(&["check"]).output().expect("run importerd check");
    let imported = Bench::reading(import, Address::parse(&url).expect("an address")).import(content);
    (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned(), imported.ok())
}

/// Of all else that an import needs: `check` names what it is held for, and says nothing of what it isn't.
///
/// fault 92
#[test]
fn a_right_beside_those_of_the_table_is_missed_where_files_need_it() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN; ALTER ROLE ann SET search_path = s; ALTER ROLE tester SET search_path = s");
    let into = |table: &str| settings::Import::into_table(table);
    let rejecting = settings::Import { rejects: settings::Tolerance::Rows(9), ..into("orders") };
    let upsert = settings::Import { mode: Mode::Upsert(vec!["id".to_owned()]), ..into("orders") };
    let (rejects, by_id, id) = (", rejects = 9", ", mode = { upsert = [\"id\"] }", "id\n1\n");
    let orders = "CREATE TABLE orders (id integer); GRANT INSERT ON orders TO ann";
    let serial = "CREATE TABLE orders (id serial, n integer); GRANT INSERT ON orders TO ann";
    let keyed = |columns| format!("CREATE TABLE orders ({columns}); GRANT SELECT, INSERT ON orders TO ann");
    let (only_key, more) = (keyed("id serial UNIQUE"), keyed("id integer UNIQUE, n integer"));
    let without = |ours, table| format!("DROP TABLE {ours}; {table}");
    for (import, keys, setup, content, code, grant) in [
        (&into("orders"), "", "", id, 77, "CREATE ON SCHEMA s"),
        (&into("s.orders"), "", "", id, 77, "CREATE ON SCHEMA s"),
        (&into("orders"), "", &*without("_importerd_files", orders), id, 77, "CREATE ON SCHEMA s"),
        (&rejecting, rejects, &*without("_importerd_rejects", orders), "id\n1\nx\n", 0, "CREATE ON SCHEMA s"),
        (&rejecting, rejects, orders, "id\n1\nx\n", 0, "INSERT ON \"_importerd_rejects\""),
        (&into("orders"), "", serial, "n\n1\n", 0, "USAGE ON SEQUENCE orders_id_seq"),
        (&upsert, by_id, &*more, "id,n\n1,2\n", 77, "UPDATE ON \"orders\""),
        // The controls.
        (&into("orders"), "", &*without("_importerd_rejects", orders), id, 0, ""),
        (&into("orders"), "", &*format!("{serial}; GRANT UPDATE ON orders_id_seq TO ann"), "n\n1\n", 0, ""),
        (&upsert, by_id, &*only_key, id, 0, ""),
    ] {
        server.sql("DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO ann");
        assert_eq!(Bench::into(&server.url(), "other").import(id), Ok(1));
        server.sql("TRUNCATE _importerd_files; GRANT SELECT, INSERT, UPDATE ON _importerd_files TO ann");
        server.sql(setup);
        if !grant.is_empty() {
            let (said_code, said, imported) = tried(&server, import, keys, content);
            let fix = format!("fix: type GRANT {grant} TO ann in the database");
            assert!(said_code == Some(code) && said.contains(&fix), "{setup}: {said}");
            assert_eq!(imported, None, "{setup} without {grant}");
            server.sql(&format!("GRANT {grant} TO ann"));
        }
        let (code, said, imported) = tried(&server, import, keys, content);
        assert!(code == Some(0) && !said.contains("GRANT"), "{setup}: {said}");
        assert_eq!(imported, Some(1), "{setup} with {grant}");
    }
}

/// fault 92
#[test]
fn what_no_grant_mends_is_told_with_what_does() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN; GRANT CREATE ON SCHEMA public TO ann");
    let append = settings::Import::into_table("orders");
    let adding = settings::Import { new_columns: settings::NewColumns::Add, ..append.clone() };
    let upsert = settings::Import { mode: Mode::Upsert(vec!["id".to_owned()]), ..append.clone() };
    let (add, by_id) = (", new_columns = \"add\"", ", mode = { upsert = [\"id\"] }");
    let (secured, owned) =
        ("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "CREATE POLICY all_rows ON orders USING (true)");
    let secured = &*format!("{secured}; {owned}");
    let partitioned = "DROP TABLE orders; CREATE TABLE orders (id integer) PARTITION BY RANGE (id);
        CREATE UNLOGGED TABLE part PARTITION OF orders DEFAULT; GRANT SELECT, INSERT, UPDATE ON orders TO ann";
    let anew = "DROP TABLE IF EXISTS _importerd_files, _importerd_rejects";
    for (import, keys, setup, code, told, mended) in [
        (&append, "", secured, 77, "row-level security of the table \"orders\"", "ALTER ROLE ann BYPASSRLS"),
        (&adding, add, "", 0, "it can't add the new columns", "ALTER TABLE orders OWNER TO ann"),
        (&append, "", "ALTER TABLE orders SET UNLOGGED", 0, "is UNLOGGED", "ALTER TABLE orders SET LOGGED"),
        (&append, "", partitioned, 0, "the table part is UNLOGGED", "ALTER TABLE part SET LOGGED"),
        // The controls.
        (&append, "", "", 0, "", ""),
        (&upsert, by_id, secured, 0, "", ""),
    ] {
        server.sql(&format!("{anew}; DROP TABLE IF EXISTS orders; CREATE TABLE orders (id integer UNIQUE)"));
        server.sql("ALTER ROLE ann NOBYPASSRLS; GRANT SELECT, INSERT, UPDATE ON orders TO ann");
        server.sql(setup);
        let (said_code, said, imported) = tried(&server, import, keys, "id\n1\n");
        assert!(said_code == Some(code) && said.contains(told), "{setup}: {said}");
        assert_eq!(imported.is_some(), code == 0, "{setup}");
        if !mended.is_empty() {
            assert!(said.replace('"', "").contains(&format!("fix: type {mended}")), "{said}");
            server.sql(mended);
        }
        server.sql(&format!("{anew}; TRUNCATE orders"));
        let (code, said, imported) = tried(&server, import, keys, "id\n2\n");
        assert!(code == Some(0) && (told.is_empty() || !said.contains(told)), "{setup}: {said}");
        assert_eq!(imported, Some(1), "{setup} after {mended}");
    }
}

/// fault 92
#[test]
fn a_schema_that_is_not_there_is_missed_where_the_table_is_to_be_made() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN; GRANT CREATE ON SCHEMA public TO ann");
    let import = settings::Import::into_table("sales.orders");
    let make = "CREATE SCHEMA sales AUTHORIZATION ann";
    let (code, said, imported) = tried(&server, &import, "", "id\n1\n");
    assert!(code == Some(69) && said.contains("there is no schema sales") && said.contains(make), "{said}");
    assert_eq!(imported, None);
    server.sql(make);
    let (code, said, imported) = tried(&server, &import, "", "id\n1\n");
    assert_eq!((code, imported), (Some(0), Some(1)), "{said}");
}

/// Grants a right, or takes it away.
fn change(server: &Server, verb: &str, right: &str, on: &str) {
    let preposition = if verb == "GRANT" { "TO" } else { "FROM" };
    server.sql(&format!("{verb} {right} ON {on} {preposition} \"Ann\""));
}
