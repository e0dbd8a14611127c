//! TLS as libpq's words mean it, and passwords that nobody sees.

use std::fs;

use importerd::settings::postgres::{Address, Secret};

use super::bench::Bench;
use super::harness::postgres::Server;

const SECURE: &str = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE ssl AND application_name = 'importerd'";

#[test]
fn a_server_must_prove_as_much_as_was_asked_for() {
    let Some(server) = Server::start() else { return };
    let root = server.root_certificate();
    let other = server.data().join("../other.crt");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=another authority", "-keyout", "/dev/null", "-out"])
        .arg(&other)
        .output();
    assert!(made.expect("run openssl").status.success());
    let (root, other) = (root.display(), other.display());
    for (parameters, is_secure) in [
        ("sslmode=disable".to_owned(), false),
        ("sslmode=prefer".to_owned(), true),
        ("sslmode=require".to_owned(), true),
        (format!("sslmode=verify-ca&sslrootcert={root}"), true),
        (format!("sslmode=verify-full&sslrootcert={root}"), true),
        // The server's own certificate, trusted by itself.
        (format!("sslmode=verify-full&sslrootcert={}", server.data().join("../server.crt").display()), true),
    ] {
        let bench = Bench::at(&server.url_by_tcp(&parameters));
        assert_eq!(bench.import("id\n1\n"), Ok(1), "{parameters}");
        assert_eq!(server.number(SECURE) > 0, is_secure, "{parameters}");
        drop(bench);
        server.sql("DROP TABLE orders, _importerd_files");
    }
    let by_number = |parameters: &str| server.url_by_tcp(parameters).replace("localhost", "127.0.0.1");
    for (url, why) in [
        (server.url_by_tcp(&format!("sslmode=verify-ca&sslrootcert={other}")), "UnknownIssuer"),
        (server.url_by_tcp(&format!("sslmode=require&sslrootcert={other}")), "UnknownIssuer"),
        (by_number(&format!("sslmode=verify-full&sslrootcert={root}")), "not valid for name"),
        (server.url_by_tcp("sslmode=verify-full&sslrootcert=/nowhere.crt"), "sslrootcert /nowhere.crt"),
    ] {
        let reason = Bench::at(&url).held("id\n1\n");
        assert!(reason.text.contains(why), "{url}: {reason}");
    }
    assert_eq!(Bench::at(&by_number(&format!("sslmode=verify-ca&sslrootcert={root}"))).import("id\n1\n"), Ok(1));
}

#[test]
fn a_password_is_read_where_it_lies_and_never_told() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN PASSWORD 's3cret'; GRANT CREATE ON SCHEMA public TO ann");
    let rules = "local all tester trust\nhost all ann 127.0.0.1/32 scram-sha-256\n";
    fs::write(server.data().join("pg_hba.conf"), rules).expect("write pg_hba.conf");
    server.sql("SELECT pg_reload_conf()");
    let url = server.url_by_tcp("sslmode=require").replace("tester", "ann");
    let file = server.data().join("../password");
    let with = |password| Address { password, ..Address::parse(&url).expect("an address") };
    let in_url = Address::parse(&url.replace("ann@", "ann:s3cret@")).expect("an address");
    fs::write(&file, "s3cret\n").expect("write the password");
    assert_eq!(Bench::with(in_url, "orders").import("id\n1\n"), Ok(1));
    let in_file = Bench::with(with(Some(Secret::File(file.clone()))), "orders");
    assert_eq!(in_file.import.newest_marker().expect("it lets us in").map(|newest| newest.of_all.0), Some(1));
    fs::write(&file, "wr0ng\n").expect("write the password");
    let wrong_url = Address::parse(&url.replace("ann@", "ann:wr0ng@")).expect("an address");
    for address in [with(Some(Secret::File(file))), wrong_url] {
        let reason = Bench::with(address.clone(), "orders").held("id\n1\n");
        assert_eq!(reason.code, "no_permission", "{reason}");
        assert!(!format!("{reason:?} {address:?} {address}").contains("wr0ng"), "{reason:?} {address:?}");
    }
    let missing = with(Some(Secret::File("/nowhere".into())));
    assert_eq!(Bench::with(missing, "orders").held("id\n1\n").code, "no_password");
    let none = Bench::with(with(None), "orders").held("id\n1\n");
    assert!(none.text.contains("password"), "{none}");
}
