//! `importerd check`

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use importerd::events::{Event, Kind};
use importerd::folder::{directory, lock, places};

use rusqlite::Connection;

use super::desk::{Desk, ORDERS, plain, tell};

fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.to_str().unwrap().to_owned());
        if path.is_dir() {
            names.extend(self::names(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn before_the_first_start_it_says_what_will_be_made_and_makes_nothing() {
    let desk = Desk::with(&format!("{ORDERS}[folder.scans]\npath = '/T/scans'\nrun = {{ command = ['true'] }}\n"));
    let before = names(&desk.path(""));
    let answer = desk.ask(&["check"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let expected = "\
importerd 0.1.0
  settings
    ok 2 folders, no unknown keys
  state /T/state
    ok the state directory is readable and writable
    ok the control socket will be /T/state/run/control.sock
    ok the ledger will be made
    ok no daemon runs now
  folder orders /T/orders
    ok inbox/ active/ archive/ quarantine/ results/ will be made
    ok all on one filesystem (every move is atomic)
    ok the database /T/state/importerd.db will be made
  folder scans /T/scans
    ok inbox/ active/ archive/ quarantine/ results/ will be made
    ok all on one filesystem (every move is atomic)
    ok command /usr/bin/true is executable
all is well
";
    assert_eq!(plain(&answer.out), expected);
    assert_eq!(names(&desk.path("")), before);
}

#[test]
fn at_work_it_tries_a_lease_and_leaves_no_file_behind() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    drop(desk.ledger());
    for directory in ["inbox/a", "inbox/b", "active", "archive", "quarantine", "results"] {
        fs::create_dir_all(desk.path("orders").join(directory)).unwrap();
    }
    let active = directory::open_directory(&desk.path("orders/active")).unwrap();
    let _folder = lock::take(&active, places::LOCK).unwrap();
    let before = names(&desk.path(""));
    let answer = desk.ask(&["check"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let lines = [
        "ok the ledger can be read",
        "ok the daemon runs (pid PID)",
        "ok inbox/ active/ archive/ quarantine/ results/ are readable and writable",
        "ok leases: the kernel says when an upload",
        "ok in use by the running daemon",
        "ok the inbox can be watched",
        "warn 2 subdirectories in the inbox left alone: ",
        "no failure, 1 warning",
    ];
    let out = plain(&answer.out);
    for line in lines {
        assert!(out.lines().any(|said| said.trim_start().starts_with(line)), "{line}: {out}");
    }
    assert_eq!(names(&desk.path("")), before);
}

#[test]
fn another_daemons_folder_is_a_failure_that_names_it() {
    let desk = Desk::with(ORDERS);
    fs::create_dir_all(desk.path("orders/active")).unwrap();
    let active = directory::open_directory(&desk.path("orders/active")).unwrap();
    let _other = lock::take(&active, places::LOCK).unwrap();
    let answer = desk.ask(&["check"]);
    assert_eq!(answer.code, Some(69));
    let out = plain(&answer.out);
    assert!(out.contains("FAIL in use by another importerd (pid PID)\n          fix: a folder belongs to"), "{out}");
    let elsewhere = "warn folder orders is in use by another importerd (pid PID), not by one of /T/state\n          \
                     fix: name its state directory";
    assert!(out.contains(elsewhere) && !out.contains("no daemon runs now"), "{out}");
    assert!(out.contains("\n1 failure, 1 warning; correct what failed, then type: importerd --config "), "{out}");
}

#[test]
fn wrong_settings_are_listed_and_end_with_78() {
    let desk = Desk::with(&format!("{ORDERS}setle = '2s'\nmatch = 3\n"));
    let answer = desk.ask(&["check"]);
    assert_eq!(answer.code, Some(78));
    assert!(answer.out.contains("    FAIL  /T/importerd.toml:3:1: folder.orders.setle: unknown key"), "{}", answer.out);
    assert!(answer.out.contains("2 failures, 0 warnings"), "{}", answer.out);
    let list: serde_json::Value = serde_json::from_str(&desk.ask(&["check", "--json"]).out).unwrap();
    let item = &list["sections"][0]["items"][0];
    assert_eq!((&item["level"], &item["exit"], &item["fix"]), (&"fail".into(), &78.into(), &serde_json::Value::Null));
}

/// fault 13: a folder used before is waited for by the daemon, where one that is new would be made.
#[test]
fn an_inbox_that_was_there_and_is_gone_is_a_failure_with_what_to_do_and_not_something_to_be_made() {
    let desk = Desk::with(ORDERS);
    let watched = |below: &str| {
        let path = desk.path(below).display().to_string();
        tell(&desk.ledger(), Event::new(Kind::FolderWatching).folder("orders").with("path", path));
        desk.ask(&["check"])
    };
    let elsewhere = watched("elsewhere/inbox");
    assert_eq!(elsewhere.code, Some(0), "the control: {}", elsewhere.out);
    assert!(
        elsewhere.out.contains("ok    inbox/ active/ archive/ quarantine/ results/ will be made"),
        "{}",
        elsewhere.out
    );
    let gone = watched("orders/inbox");
    assert_eq!(gone.code, Some(69), "{}", gone.out);
    let line = "FAIL /T/orders/inbox is gone: the folder is held until it is back, and nothing is made\n          \
         fix: mount its filesystem, or make the directory if it is to be a new one\n";
    let out = plain(&gone.out);
    assert!(out.contains(line) && !out.contains("archive/ quarantine/"), "{out}");
    fs::create_dir_all(desk.path("orders/inbox")).unwrap();
    let back = desk.ask(&["check"]);
    assert_eq!(back.code, Some(0), "{}", back.out);
}

/// fault 89
#[test]
fn a_command_that_is_not_there_or_not_executable_fails_before_any_file_does() {
    let desk = Desk::with("");
    fs::write(desk.path("plain.sh"), "#!/bin/sh\n").unwrap();
    let plain_sh = desk.path("plain.sh");
    let (no_interpreter, of_windows) = (desk.path("python.py"), desk.path("windows.sh"));
    fs::write(&no_interpreter, "#! /no/such/python -u\n").unwrap();
    fs::write(&of_windows, "#!/bin/sh\r\necho\r\n").unwrap();
    let cases = [
        (no_interpreter.to_str().unwrap(), 78, "its interpreter \"/no/such/python\" is not there"),
        (of_windows.to_str().unwrap(), 78, "its interpreter \"/bin/sh\\r\" is not there"),
        ("no-such-program-here", 78, "is not in $PATH"),
        ("/no/such/program", 78, "is not there"),
        ("bin/tool", 78, "has a relative path"),
        (plain_sh.to_str().unwrap(), 77, "Permission denied"),
    ];
    for (command, code, complaint) in cases {
        let path = format!("folder.scans.path={}", desk.path("scans").display());
        let command = format!("folder.scans.run.command={command}");
        let answer = desk.ask(&["check", "--set", &path, "--set", &command]);
        assert_eq!(answer.code, Some(code), "{}", answer.out);
        let line = answer.out.lines().find(|line| line.contains("FAIL")).unwrap();
        assert!(line.contains(complaint), "{line}");
    }
}

#[test]
fn two_folders_that_are_one_directory_are_a_wrong_setting() {
    let desk = Desk::with("[folder.orders]\npath = '/T/orders'\n[folder.same]\npath = '/T/link'\n");
    fs::create_dir(desk.path("orders")).unwrap();
    std::os::unix::fs::symlink(desk.path("orders"), desk.path("link")).unwrap();
    let answer = desk.ask(&["check"]);
    assert_eq!(answer.code, Some(78), "{answer:?}");
    assert!((answer.out.clone() + &answer.err).contains("the same directory as folder.orders.path"), "{answer:?}");
}

#[test]
fn a_word_in_braces_that_is_no_placeholder_is_named() {
    let desk = Desk::with("");
    let path = format!("folder.scans.path={}", desk.path("scans").display());
    for (words, warning) in [
        (r#"["/bin/cat", "--in={file}"]"#, Some("warn  {file} is not filled in, the command gets it as it is")),
        (r#"["/bin/sh", "-c", "echo ${name} {} { x; }", "{path}"]"#, None),
    ] {
        let command = format!("folder.scans.run.command={words}");
        let answer = desk.ask(&["check", "--set", &path, "--set", &command]);
        assert_eq!(answer.code, Some(0), "{}", answer.out);
        let told = answer.out.lines().find(|line| line.contains("is not filled in")).map(str::trim);
        assert_eq!(told, warning, "{}", answer.out);
    }
}

/// The control is a mode that deletes nothing.
#[test]
fn what_other_tables_lose_by_files_that_replace_all_rows_is_named() {
    for (mode, is_said) in [("replace", true), ("append", false)] {
        let desk = Desk::with(&format!("{ORDERS}import.mode = '{mode}'\n"));
        fs::create_dir_all(desk.path("state")).unwrap();
        let database = Connection::open(desk.path("state/importerd.db")).unwrap();
        let sql = "CREATE TABLE orders (id PRIMARY KEY);
            CREATE TABLE lines (\"order\" REFERENCES orders (id) ON DELETE CASCADE)";
        database.execute_batch(sql).unwrap();
        let answer = desk.ask(&["check"]);
        assert_eq!(answer.code, Some(0), "{}", answer.out);
        assert_eq!(answer.out.contains("other tables lose theirs by ON DELETE: lines"), is_said, "{}", answer.out);
    }
}

/// Who made it anew would take the rows away.
#[test]
fn the_ledger_is_no_database_for_rows() {
    let desk = Desk::with(&format!("{ORDERS}import.into = 'sqlite:ledger.db'\n"));
    for command in ["check", "once"] {
        let answer = desk.ask(&[command]);
        let told = answer.out + &answer.err;
        assert_eq!(answer.code, Some(78), "{told}");
        assert!(told.contains("/state/ledger.db: this is the ledger, and no database for rows"), "{told}");
    }
}

/// fault 78
#[test]
fn an_inbox_on_another_filesystem_is_a_wrong_setting() {
    let elsewhere = Path::new("/dev/shm");
    let desk = Desk::with(&format!("{ORDERS}inbox = '/dev/shm'\n"));
    let device = |path: &Path| path.metadata().unwrap().dev();
    assert_ne!(device(elsewhere), device(&desk.path("")), "this test needs two filesystems");
    let answer = desk.ask(&["check"]);
    assert_eq!(answer.code, Some(78));
    assert!(answer.out.contains("FAIL  inbox/ on another filesystem than active/\n"), "{}", answer.out);
}

/// What it has to type must not take the ledger from the daemon that runs.
#[test]
fn another_users_state_directory_is_left_to_that_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let command = desk.command_without_root(&["check"]);
    desk.allow("state", 0o700);
    let answer = desk.answer(command);
    assert_eq!(answer.code, Some(77), "{}", answer.out);
    assert!(!answer.out.contains("install -d") && !answer.out.contains("chown"), "{}", answer.out);
    assert!(!answer.out.contains("no daemon runs now"), "{}", answer.out);
    assert!(answer.out.contains("whether a daemon runs can't be seen by user 65534\n"), "{}", answer.out);
    let fix = "fix: sudo -u '#0' importerd --config /T/importerd.toml --state-dir /T/state check\n";
    assert!(answer.out.contains(fix), "{}", answer.out);
}

/// Nor the folder, where this user has none of his own.
#[test]
fn another_users_folder_is_left_to_that_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let desk = Desk::with(ORDERS);
    fs::remove_dir(desk.path("state")).unwrap();
    fs::create_dir_all(desk.path("orders/active")).unwrap();
    let command = desk.command_without_root(&["check"]);
    desk.allow("orders/active", 0o700);
    let answer = desk.answer(command);
    assert!(answer.out.contains("active/ can't be used: "), "{}", answer.out);
    assert!(!answer.out.contains("chown"), "{}", answer.out);
}

/// By `sqlite3 … ".backup"`, for instance: the daemon would read it, and hold every folder at its first file.
#[test]
fn a_ledger_that_root_has_restored_is_told_of_with_how_to_give_it_back() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let desk = Desk::with(ORDERS);
    drop(desk.ledger());
    let is_told = || desk.ask(&["check"]).out.contains("fix: sudo chown --reference=/T/state /T/state/ledger.db*\n");
    let give = |path| std::os::unix::fs::chown(desk.path(path), Some(65_534), None).unwrap();
    assert!(!is_told());
    give("state");
    assert!(is_told());
    give("state/ledger.db");
    assert!(!is_told());
}

#[test]
fn before_there_is_a_state_directory_roots_rights_are_not_taken_for_the_daemons() {
    let desk = Desk::with(ORDERS);
    fs::remove_dir(desk.path("state")).unwrap();
    let answer = desk.ask(&["check"]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let warns = answer.out.contains("checked as root, whose rights say nothing of the daemon's");
    assert_eq!(warns, rustix::process::geteuid().is_root(), "{}", answer.out);
}

#[test]
fn a_password_of_the_command_line_is_in_no_hint() {
    let desk = Desk::with(ORDERS);
    let into = "folder.orders.import.into=postgres://u:s3cret@127.0.0.1:1/d";
    let answer = desk.ask(&["check", "--set", into]);
    assert_eq!(answer.code, Some(69), "{}", answer.out);
    assert!(answer.out.contains("postgres://u:***@127.0.0.1:1/d"), "{}", answer.out);
    assert!(!format!("{answer:?}").contains("s3cret"), "{answer:?}");
}

#[test]
fn what_this_user_may_not_do_is_a_failure_of_rights() {
    let desk = Desk::with(ORDERS);
    fs::create_dir_all(desk.path("orders/inbox")).unwrap();
    desk.allow("orders", 0o555);
    let answer = desk.answer(desk.command_without_root(&["check"]));
    desk.allow("orders", 0o755);
    assert_eq!(answer.code, Some(77), "{}", answer.out);
    assert!(answer.out.contains("FAIL  active/ can't be made in /T/orders: Permission denied"), "{}", answer.out);
}
