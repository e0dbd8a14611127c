//! What one layer by itself can get wrong, and the exact words for it.

use std::os::unix::ffi::OsStringExt;

use super::{Machine, ORDERS, problems_of};
use crate::settings::postgres::Secret;
use crate::settings::{Target, Work};

#[test]
fn a_syntax_error_has_its_line_and_column() {
    assert_eq!(problems_of("attempts = 5\nprocessors = = 2\n"), "2:14: extra `=`, expected nothing");
    assert_eq!(problems_of("attempts = 5\nattempts = 6\n"), "2:1: duplicate key");
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    for (text, problem) in [
        ("\nprocesors = 2", "2:1: procesors: unknown key; did you mean processors?"),
        ("drain-grace = '1s'", "1:1: drain-grace: unknown key; did you mean drain_grace?"),
        ("[folders.orders]\npath = '/x'", "1:2: folders: unknown key; did you mean folder?"),
        ("timeout = '1s'", "1:1: timeout: unknown key; did you mean folder.NAME.run.timeout?"),
        ("backoff = { mim = '1s' }", "1:13: backoff.mim: unknown key; did you mean backoff.min?"),
        ("backoff.first = '1s'", "1:9: backoff.first: unknown key; known here: min, max"),
    ] {
        assert_eq!(problems_of(text), problem);
    }
    for (line, problem) in [
        ("  settel = '2s'", "3:3: folder.orders.settel: unknown key; did you mean folder.orders.settle?"),
        ("timeout = '2s'", "3:1: folder.orders.timeout: unknown key; did you mean folder.orders.run.timeout?"),
        (
            "import.fields = {}",
            "3:8: folder.orders.import.fields: unknown key; known here: into, password, table, mode, new_columns, format, delimiter, quote, escape, comment, header, encoding, records, rejects, columns, decimal, nulls, unpacked_gib_max, unpack_ratio_max",
        ),
        (
            "'a.b' = 1",
            "3:1: folder.orders.a.b: unknown key; known here: path, inbox, match, ignore, settle, rescan, ready, duplicates, import, run",
        ),
        (
            "\"e\\nvil\" = 1",
            "3:1: folder.orders.e\\nvil: unknown key; known here: path, inbox, match, ignore, settle, rescan, ready, duplicates, import, run",
        ),
    ] {
        assert_eq!(problems_of(&format!("{ORDERS}{line}")), problem);
    }
}

#[test]
fn a_quoted_key_with_dots_is_not_the_way_to_another_key() {
    let text = "'folder.orders.path' = '/srv/orders'";
    assert!(problems_of(text).starts_with("1:1: folder.orders.path: unknown key"), "{}", problems_of(text));
}

#[test]
fn nothing_is_converted_in_a_file() {
    for (text, problem) in [
        ("processors = '12'", "1:14: processors: the string \"12\" where a whole number is needed"),
        ("processors = 3.7", "1:14: processors: the float 3.7 where a whole number is needed"),
        ("processors = true", "1:14: processors: the boolean true where a whole number is needed"),
        ("processors = {}", "1:14: processors: a table where a whole number is needed"),
        ("drain_grace = 60", "1:15: drain_grace: 60 has no unit; write it with one, for instance \"60s\""),
        ("drain_grace = 1.5", "1:15: drain_grace: the float 1.5 where a duration such as \"30s\" is needed"),
        ("backoff = '1s'", "1:11: backoff: the string \"1s\" where a table is needed with min, max"),
        ("folder = 1", "1:10: folder: the integer 1 where a table is needed, for instance [folder.orders]"),
        ("folder.path = '/x'", "1:15: folder.path: the string \"/x\" where a table is needed, [folder.path]"),
        ("[[folder.orders]]", "1:1: folder.orders: an array where a table is needed, [folder.orders]"),
    ] {
        assert_eq!(problems_of(text), problem);
    }
    for (line, problem) in [
        ("match = '*.csv'", "the string \"*.csv\" where a list of strings such as [\"*.csv\"] is needed"),
        ("match = ['*.csv', 1]", "the integer 1 where a list of strings such as [\"*.csv\"] is needed"),
        ("path = 2026-11-22", "a date where a string is needed"),
        (
            "import = 'sqlite:x'",
            "the string \"sqlite:x\" where a table is needed with into, password, table, mode, new_columns, format, delimiter, quote, escape, comment, header, encoding, records, rejects, columns, decimal, nulls, unpacked_gib_max, unpack_ratio_max",
        ),
    ] {
        let problems = problems_of(&format!("[folder.orders]\n{line}"));
        let first = problems.lines().find(|problem| problem.starts_with("2:")).unwrap();
        assert!(first.ends_with(&format!(": {problem}")), "{first}");
    }
}

#[test]
fn a_number_or_a_duration_keeps_its_limits() {
    for (text, problem) in [
        ("processors = 0", "1:14: processors: 0 is out of range; 1 to 256 is allowed"),
        ("processors = 257", "1:14: processors: 257 is out of range; 1 to 256 is allowed"),
        ("attempts = -1", "1:12: attempts: -1 is out of range; 1 to 100 is allowed"),
        (
            "attempts = 0xffffffffffffffffff",
            "1:12: attempts: 0xffffffffffffffffff is out of range; 1 to 100 is allowed",
        ),
        ("history = 365", "1:11: history: 365 has no unit; write it with one, for instance \"365s\""),
        (
            "history = true",
            "1:11: history: the boolean true where a duration such as \"365d\", or \"forever\", is needed",
        ),
        ("history = 'ever'", "1:11: history: \"ever\" is not a duration; write it like \"90d\", \"1y\" or \"forever\""),
        ("history = '59m'", "1:11: history: \"59m\" is out of range; \"forever\", or 1h to 100y is allowed"),
        ("drain_grace = '2d'", "1:15: drain_grace: \"2d\" is out of range; 0s to 1d is allowed"),
        ("drain_grace = '60'", "1:15: drain_grace: \"60\" has no unit; write it with one, for instance \"60s\""),
        (
            "drain_grace = 'soon'",
            "1:15: drain_grace: \"soon\" is not a duration; write it like \"30s\", \"10m\" or \"1h 30m\"",
        ),
    ] {
        assert_eq!(problems_of(text), problem);
    }
    Machine::with("processors = 0x10\nattempts = 100\ndrain_grace = '1h 30m'").loaded();
    let rescan = |text: &str| problems_of(&format!("{ORDERS}rescan = '{text}'"));
    assert_eq!(rescan("999ms"), "3:10: folder.orders.rescan: \"999ms\" is out of range; 1s to 1d is allowed");
    assert_eq!(rescan("25h"), "3:10: folder.orders.rescan: \"25h\" is out of range; 1s to 1d is allowed");
}

#[test]
fn a_value_of_the_right_type_can_still_make_no_sense() {
    for (line, problem) in [
        ("inbox = 'srv/in'", "3:9: folder.orders.inbox: \"srv/in\" is not an absolute path; it must begin with /"),
        ("inbox = \"/a\\u0000b\"", "3:9: folder.orders.inbox: \"/a\\0b\" holds a NUL byte, no path can"),
        ("match = ['a[']", "3:9: folder.orders.match: \"a[\" is not a glob: unclosed character class; missing ']'"),
        ("ignore = ['']", "3:10: folder.orders.ignore: \"\" matches no file; write a glob like \"*.csv\""),
        ("ready.marker = ''", "3:16: folder.orders.ready.marker: \"\" can't end a file name; write it like \".done\""),
        (
            "duplicates = 'by-size'",
            "3:14: folder.orders.duplicates: \"by-size\" is not one of \"by-content\", \"by-name\", \"allow\"",
        ),
        (
            "import.format = 'xls'",
            "3:17: folder.orders.import.format: \"xls\" is not one of \"csv\", \"tsv\", \"ndjson\", \"json\"",
        ),
        (
            "import.rejects = '10'",
            "3:18: folder.orders.import.rejects: \"10\" is neither a whole number nor a percentage; write it like 10 or \"1%\"",
        ),
        (
            "import.rejects = '101%'",
            "3:18: folder.orders.import.rejects: \"101%\" is out of range; 0% to 100% is allowed",
        ),
        (
            "import.rejects = 2000000000",
            "3:18: folder.orders.import.rejects: 2000000000 is out of range; 0 to 1000000000, or a percentage is allowed",
        ),
        (
            "import.rejects = true",
            "3:18: folder.orders.import.rejects: the boolean true where a whole number, or a percentage such as \"1%\", is needed",
        ),
        (
            "import.delimiter = '::'",
            "3:20: folder.orders.import.delimiter: \"::\" is not one character of ASCII that can stand in a line",
        ),
        (
            "import.delimiter = '§'",
            "3:20: folder.orders.import.delimiter: \"§\" is not one character of ASCII that can stand in a line",
        ),
        ("import.header = 'no'", "3:17: folder.orders.import.header: the string \"no\" where true or false is needed"),
        (
            "import.encoding = 'ansi-1'",
            "3:19: folder.orders.import.encoding: \"ansi-1\" is no encoding that is known; write one like \"windows-1252\"",
        ),
        (
            "import = { format = 'json', records = 'rows' }",
            "3:39: folder.orders.import.records: \"rows\" is not a JSON pointer; write it like \"/data/rows\"",
        ),
        ("import.table = ''", "3:16: folder.orders.import.table: the name of a table can't be empty"),
        (
            "import.table = 'of_{stem}'",
            "3:16: folder.orders.import.table: {stem} is not filled in, one table takes all files of a folder; \
             write a folder for each table (rename a table that is really called so)",
        ),
        (
            "import.table = '_importerd_x'",
            "3:16: folder.orders.import.table: \"_importerd_x\" can't be a table: names that start with sqlite_ or _importerd_ are taken",
        ),
        (
            "run.command = []",
            "3:15: folder.orders.run.command: no program is named; write it like [\"/usr/bin/program\", \"{path}\"]",
        ),
    ] {
        assert_eq!(problems_of(&format!("{ORDERS}{line}")), problem);
    }
}

#[test]
fn a_target_that_is_none_is_refused_without_showing_its_password() {
    for (into, problem) in [
        ("postgres://me:s3cret@db/x?sslmode=on", "sslmode is one of disable, prefer, require, verify-ca, verify-full"),
        (
            "postgresql:///x",
            "no host is named; write it like postgres://user@host/database, or ?host=/run/postgresql for a socket",
        ),
        (
            "mysql://me:s3cret@db/x",
            "this kind of database is not known; write sqlite:PATH or postgres://user@host/database",
        ),
        (
            "orders.db",
            "no kind of database is named; write sqlite:PATH, for instance sqlite:importerd.db, or \
             postgres://user@host/database",
        ),
        ("sqlite:", "sqlite: has no path; write sqlite:PATH"),
        ("sqlite:///srv/x.db", "sqlite:// is not understood; write sqlite:PATH"),
    ] {
        let machine = Machine::with(ORDERS).set(&format!("folder.orders.import.into={into}"));
        assert_eq!(machine.problems(), format!("--set folder.orders.import.into: {problem}"));
    }
}

#[test]
fn a_credential_counts_before_a_file_and_a_file_before_the_urls_password() {
    let with = |set: &[&str]| {
        let machine = Machine::with(ORDERS).set("folder.orders.import.into=postgres://me:s3cret@db/x");
        let machine =
            set.iter().fold(machine, |machine, set| machine.set(&format!("folder.orders.import.password.{set}")));
        let Work::Import(import) = machine.loaded().settings.folders["orders"].work.clone() else { unreachable!() };
        let Some(Target::Postgres(address)) = import.into else { panic!("{:?}", import.into) };
        address.password
    };
    assert_eq!(with(&[]), None);
    assert_eq!(with(&["file=/etc/pg"]), Some(Secret::File("/etc/pg".into())));
    assert_eq!(with(&["credential=pg", "file=/etc/pg"]), Some(Secret::Credential("pg".to_owned())));
    let machine = Machine::with(ORDERS).set("folder.orders.import.password.credential=a/b");
    let problem = "\"a/b\" can't be the name of a credential; write it like \"pg.password\"";
    assert_eq!(machine.problems(), format!("--set folder.orders.import.password.credential: {problem}"));
}

#[test]
fn a_password_is_not_shown() {
    let machine = Machine::with(ORDERS).set("folder.orders.import.into=postgres://me:s3cret@db/x?sslmode=require");
    let loaded = machine.loaded();
    let shown = crate::settings::show::text(&loaded.values, true) + &crate::settings::show::json(&loaded.values);
    assert!(shown.contains("postgres://me:***@db/x?sslmode=require"), "{shown}");
    assert!(!format!("{shown}{loaded:?}").contains("s3cret"));
}

#[test]
fn a_folder_name_has_few_characters() {
    let hint = |name| format!("a folder's name holds only a-z, 0-9, _ and -, for instance \"{name}\"");
    let text = problems_of("[folder.'My Orders']\npath = '/x'");
    assert_eq!(text, format!("1:9: folder.My Orders: {}", hint("my-orders")));
    let machine = Machine::new().set("folder.Orders.path=/x").set("folder..path=/x");
    let problems = machine.problems();
    let expected = format!("--set folder.Orders.path: {}\n--set folder..path: {}", hint("orders"), hint("inbox"));
    assert_eq!(problems, expected);
}

#[test]
fn a_file_that_is_no_text_or_no_file_is_named() {
    let machine = Machine::new();
    machine.write("etc/importerd.toml", b"attempts = 5\n# caf\xe9\n");
    machine.link("etc/importerd.toml.d/10-gone.toml", "/nonexistent/target");
    std::fs::create_dir_all(machine.path("etc/importerd.toml.d/20-directory.toml")).unwrap();
    machine.write("etc/importerd.toml.d/30-large.toml", "#".repeat(1024 * 1024 + 1));
    machine.write("run/importerd.toml.d", "this is no directory");
    let expected = "etc/importerd.toml:2:6: byte 0xe9 is not UTF-8\n\
        run/importerd.toml.d: can't be read: Not a directory (os error 20)\n\
        etc/importerd.toml.d/10-gone.toml: a link to nothing\n\
        etc/importerd.toml.d/20-directory.toml: can't be read: not a regular file\n\
        etc/importerd.toml.d/30-large.toml: can't be read: larger than 1 MiB";
    assert_eq!(machine.problems(), expected);
    assert_eq!(Machine::new().config("typo.toml").problems(), "typo.toml: no such file");
}

#[test]
fn a_variable_is_named_in_its_errors() {
    for (name, value, problem) in [
        (
            "FOLDER__ORDERS__SETTLE",
            "5",
            ": folder.orders.settle: \"5\" has no unit; write it with one, for instance \"5s\"",
        ),
        ("PROCESSORS", "3.7", ": processors: \"3.7\" is not a whole number"),
        ("PROCESSORS", "", ": processors: \"\" is not a whole number"),
        ("PROCESSORS", "0", ": processors: 0 is out of range; 1 to 256 is allowed"),
        ("PROCESSORS", "-1", ": processors: -1 is out of range; 1 to 256 is allowed"),
        ("PROCESORS", "2", ": unknown; did you mean IMPORTERD__PROCESSORS?"),
        ("FOLDER__ORDERS__SETTEL", "2", ": unknown; did you mean IMPORTERD__FOLDER__ORDERS__SETTLE?"),
        ("FOLDERS__ORDERS__PATH", "/x", ": unknown; did you mean IMPORTERD__FOLDER__ORDERS__PATH?"),
        ("BACKOFF__FIRST", "1s", ": backoff.first: unknown key; known here: min, max"),
        (
            "FOLDER__ORDERS__IMPORT",
            "{}",
            ": folder.orders.import: a table; set one of its keys: into, password, table, mode, new_columns, format, delimiter, quote, escape, comment, header, encoding, records, rejects, columns, decimal, nulls, unpacked_gib_max, unpack_ratio_max",
        ),
        ("folder__orders__settle", "5s", ": write it in capitals: IMPORTERD__FOLDER__ORDERS__SETTLE"),
        (
            "FOLDER__ORDERS__MATCH",
            "[1]",
            ": folder.orders.match: the integer 1 where a list of strings such as [\"*.csv\"] is needed",
        ),
        (
            "FOLDER__ORDERS__MATCH",
            "[\"a\"",
            ": folder.orders.match: \"[\\\"a\\\"\" is not a list; write it like [\"a\", \"b\"]",
        ),
    ] {
        let name = format!("IMPORTERD__{name}");
        let machine = Machine::with(ORDERS).variable(&name, value);
        assert_eq!(machine.problems(), format!("environment {name}{problem}"));
    }
}

#[test]
fn a_variable_that_is_no_text_is_named() {
    let mut machine = Machine::new();
    machine.environment.push(("IMPORTERD__PROCESSORS".into(), std::ffi::OsString::from_vec(vec![0xff])));
    assert_eq!(machine.problems(), "environment IMPORTERD__PROCESSORS: the value is not UTF-8");
}

#[test]
fn a_set_is_named_in_its_errors() {
    for (assignment, problem) in [
        ("processors", "--set processors: no value; write it as KEY=VALUE"),
        ("processors=many", "--set processors: \"many\" is not a whole number"),
        ("folder.orders.setle=2s", "--set folder.orders.setle: unknown key; did you mean folder.orders.settle?"),
        ("folder=x", "--set folder: a table; set one of its keys: NAME"),
        (
            "folder.orders=x",
            "--set folder.orders: a table; set one of its keys: path, inbox, match, ignore, settle, rescan, ready, duplicates, import, run",
        ),
    ] {
        assert_eq!(Machine::with(ORDERS).set(assignment).problems(), problem);
    }
}

#[test]
fn a_long_value_is_cut_and_escaped_in_its_error() {
    let problems = problems_of(&format!("drain_grace = \"\\u001b[31m{}\"", "x".repeat(1000)));
    assert!(problems.len() < 200 && problems.contains("\\u{1b}[31mxxx"), "{problems}");
}

#[test]
fn a_name_that_is_suggested_is_escaped_too() {
    let machine = Machine::new().set("foldr.a\u{1b}[31m.match=[]");
    assert_eq!(
        machine.problems(),
        "--set foldr.a\\u{1b}[31m.match: unknown key; did you mean folder.a\\u{1b}[31m.match?"
    );
}

/// Not an exhaustive search: good settings with bytes changed, dropped and doubled, from a fixed seed.
#[test]
fn no_bytes_in_a_settings_file_make_the_program_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    let good = include_bytes!("../../../etc/importerd.toml");
    for _ in 0..1000 {
        let mut bytes: Vec<u8> = good.iter().copied().filter(|byte| *byte != b'#' || random.u8(..) < 128).collect();
        for _ in 0..random.usize(1..20) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at + 1),
                _ => bytes.insert(at, *random.choice(b"[]{}='\".#\n\0").unwrap()),
            }
        }
        let machine = Machine::new();
        machine.write("etc/importerd.toml", &bytes);
        if let Err(error) = machine.load() {
            assert!(!error.problems.is_empty(), "refused without a reason: {}", String::from_utf8_lossy(&bytes));
        }
    }
}
