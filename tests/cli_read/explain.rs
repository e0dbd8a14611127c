//! `importerd explain`

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use importerd::events::{Event, Kind};
use importerd::fault::Reason;
use importerd::file::FileId;
use importerd::import::{Import, Load};
use importerd::ledger::{Archived, Durability, Failure, State};
use importerd::settings;
use jiff::{SignedDuration, Timestamp};

use super::desk::{Answer, Desk, ORDERS, entry, event, plain, tell};

const SCANS: &str = "[folder.scans]\npath = '/T/scans'\nrun = { command = ['/bin/true'] }\n";

#[test]
fn a_refused_file_has_its_story_with_the_commands_last_words_and_what_to_do() {
    let desk = Desk::with(SCANS);
    let ledger = desk.ledger();
    let identity = desk.put("scans/quarantine/scan.pdf");
    let reason = Reason::new("bad_file", "exit status 65").hint("see what the command printed");
    let mut refused = entry(7, OsStr::new("scan.pdf"), identity, State::Quarantined);
    refused.folder = "scans";
    refused.reason = Some(&reason);
    refused.place = Some("quarantine/scan.pdf".to_owned());
    refused.failure = Some(Failure { attempt: 1, reason: &reason, stderr: b"page 3:\n\x1b[31mno text\n" });
    let events = [
        event(Kind::FileClaimed, 7, "scan.pdf", "claim"),
        event(Kind::FileQuarantined, 7, "scan.pdf", "process").because(&reason),
    ];
    ledger.enter(Durability::Flushed, &[refused], &events).unwrap();
    let expected = "\
scan.pdf #7 quarantined folder scans 8 bytes
  TIME claimed
  TIME quarantined: exit status 65
  stderr of attempt 1, TIME:
            | page 3:
            | \\x1b[31mno text
  now at /T/scans/quarantine/scan.pdf (why: scan.pdf.reason.txt beside it)
  do see what the command printed; then type: IMPORTERD retry '#7'
";
    for typed in
        ["scan.pdf", "7", "#7", "scans/quarantine/scan.pdf", desk.path("scans/inbox/scan.pdf").to_str().unwrap()]
    {
        let answer = desk.ask(&["explain", typed]);
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{typed}");
        let importerd = "importerd --config /T/importerd.toml --state-dir /T/state";
        let said = plain(&answer.out).replace(importerd, "IMPORTERD");
        assert_eq!(said, expected, "{typed}");
    }
    let story: serde_json::Value = serde_json::from_str(&desk.ask(&["explain", "7", "--json"]).out).unwrap();
    assert_eq!(story["events"][1]["event"], "file.quarantined");
    assert_eq!(story["failures"][0]["stderr"], "page 3:\n\u{1b}[31mno text\n");
    assert_eq!((&story["code"], &story["target"]), (&"bad_file".into(), &serde_json::Value::Null));
}

#[test]
fn a_reason_file_is_nothing_to_be_dropped() {
    let desk = Desk::with(ORDERS);
    drop(desk.ledger());
    desk.put("orders/quarantine/bad.csv");
    desk.put("orders/quarantine/bad.csv.reason.txt");
    let answer = desk.ask(&["explain", "orders/quarantine/bad.csv.reason.txt"]);
    assert!(answer.out.contains("nothing: it says why the file beside it was refused\n"), "{answer:?}");
}

#[test]
fn an_imported_file_has_its_load_marker_and_a_lost_one_has_none() {
    let desk = Desk::with(ORDERS);
    let ledger = desk.ledger();
    let identity = desk.put("orders/archive/2026-11-22/done~2.csv");
    let path = desk.path("orders/archive/2026-11-22/done~2.csv");
    let settings = settings::Import::into_table("orders");
    let import = Import::open("orders", &settings, &desk.path("state/importerd.db")).unwrap();
    let checked = import.process(&File::open(&path).unwrap(), OsStr::new("done.csv")).unwrap();
    let load = Load {
        id: FileId(5),
        name: "done.csv".into(),
        identity,
        file: File::open(&path).unwrap().into(),
        checked,
        duplicates: settings::Duplicates::Allow,
        replaces: None,
    };
    import.commit(&[load]).unwrap();
    let other = desk.put("elsewhere");
    let place = |place: &str| Some(place.to_owned());
    let mut lost = entry(4, OsStr::new("done.csv"), other, State::Archived);
    lost.place = place("archive/2026-11-21/done.csv");
    let mut done = entry(5, OsStr::new("done.csv"), identity, State::Archived);
    done.rows = Some(1);
    done.place = place("archive/2026-11-22/done~2.csv");
    ledger.enter(Durability::Flushed, &[lost, done], &[]).unwrap();
    let expected = "\
done.csv #5 archived folder orders 8 bytes
  now at /T/orders/archive/2026-11-22/done~2.csv
  target /T/state/importerd.db, table orders: 1 row went in at DAY
  do nothing: it is done
done.csv #4 archived folder orders 8 bytes
  now at it is not where it was put
  target /T/state/importerd.db, table orders: nothing of it is in (no load marker)
  do nothing: it is done
";
    let told_as_expected = || {
        let out = plain(&desk.ask(&["explain", "done.csv"]).out);
        let day = out.split_once("went in at ").unwrap().1.split_once('\n').unwrap().0;
        assert!(day.parse::<Timestamp>().is_ok(), "{day}");
        assert_eq!(out.replace(day, "DAY"), expected);
    };
    told_as_expected();
    drop((import, ledger));
    // Both databases are at rest now.
    told_as_expected();
    let by_place = plain(&desk.ask(&["explain", "done~2.csv"]).out);
    assert!(by_place.starts_with("done.csv #5 archived") && by_place.contains("1 row went in"), "{by_place}");
    fs::write(desk.path("state/importerd.db"), "no database any more, whoever did that to it, and why").unwrap();
    let out = desk.ask(&["explain", "5"]).out;
    assert!(out.contains("table orders: can't be reached: file is not a database"), "{out}");
}

#[test]
fn a_deferred_file_says_when_it_is_tried_again() {
    let desk = Desk::with(ORDERS);
    let daemon = desk.daemon();
    let ledger = desk.ledger();
    let identity = desk.put("orders/inbox/late.csv");
    let reason = Reason::new("exit", "exit status 1");
    let due = Timestamp::now() + SignedDuration::from_secs(90);
    let mut deferred = entry(9, OsStr::new("late.csv"), identity, State::Deferred);
    deferred.retry_at = Some(due);
    deferred.reason = Some(&reason);
    let told = event(Kind::FileDeferred, 9, "late.csv", "process").because(&reason).with("attempts_max", 5);
    ledger.enter(Durability::Flushed, &[deferred], &[told]).unwrap();
    let out = plain(&desk.ask(&["explain", "late.csv"]).out);
    let expected = "\
late.csv #9 deferred folder orders 8 bytes
  TIME deferred: exit status 1; attempt 1 of 5
  now at /T/orders/inbox/late.csv
  target /T/state/importerd.db, table orders: nothing of it is in (no load marker)
  do nothing: it is tried again in N s (TIME); to have it tried now, type: importerd --config /T/importerd.toml \
--state-dir /T/state retry '#9'
";
    assert_eq!(out, expected);
    drop(daemon);
    let out = desk.ask(&["explain", "late.csv"]).out;
    assert!(out.contains("  not yet   no daemon runs\n"), "{out}");
    assert!(
        out.ends_with(
            "  do        start it, for instance: importerd --config /T/importerd.toml --state-dir /T/state run\n"
        ),
        "{out}"
    );
}

/// Why a file in the inbox is not taken, and what to do.
fn why(desk: &Desk, name: &str) -> (String, String) {
    let Answer { code, out, err } = desk.ask(&["explain", name]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{name}");
    let said = |word: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(&format!("  {word:<8}  ")));
        line.unwrap_or_else(|| panic!("{name}: no {word} in {out}")).to_owned()
    };
    (said("not yet"), said("do"))
}

#[test]
fn a_name_that_is_never_taken_is_explained_by_its_rule() {
    let desk = Desk::with(&format!("{ORDERS}match = ['*.csv']\nignore = ['test-*']\nready = {{ marker = '.done' }}\n"));
    let _daemon = desk.daemon();
    let rules = [
        (".a.csv", "it begins with a dot", "when it is complete, rename it: mv "),
        ("a.csv.part", "it ends in .part, as files in the making do", "when it is complete, rename it: mv "),
        ("test-a.csv", "the folder's setting `ignore` fits it", "rename it, or change folder.orders.ignore"),
        ("a.txt", "the folder's setting `match` doesn't fit it", "rename it, or change folder.orders.match"),
        ("a.csv.done", "it is the ready marker of another file", "nothing"),
    ];
    for (name, rule, what) in rules {
        desk.put(format!("orders/inbox/{name}"));
        let (not_yet, next) = why(&desk, name);
        assert_eq!(not_yet, format!("its name is never taken: {rule}"));
        assert!(next.starts_with(what), "{next}");
    }
    desk.put("orders/inbox/b.csv");
    let (not_yet, next) = why(&desk, "b.csv");
    assert_eq!(not_yet, "its marker b.csv.done is missing");
    assert!(next.starts_with("when it is complete: touch ") && next.ends_with("/orders/inbox/b.csv.done"), "{next}");
}

/// fault 1
#[test]
fn a_file_that_is_still_written_is_explained_by_that() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    desk.put("orders/inbox/a.csv");
    // Another process, since a descriptor of ours may live on for a moment in what other tests start.
    let mut uploader = Command::new("sh")
        .args(["-c", "exec 3>>$0; echo opened; exec sleep 1000"])
        .arg(desk.path("orders/inbox/a.csv"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut opened = String::new();
    BufReader::new(uploader.stdout.take().unwrap()).read_line(&mut opened).unwrap();
    let (not_yet, next) = why(&desk, "a.csv");
    assert_eq!(not_yet, "somebody has it open for writing");
    assert!(next.contains("fuser -v "), "{next}");
    uploader.kill().unwrap();
    uploader.wait().unwrap();
    let out = plain(&desk.ask(&["explain", "a.csv"]).out);
    let expected = "\
a.csv waiting folder orders 8 bytes
  waits since TIME; nothing is in its way
  now at /T/orders/inbox/a.csv
  do nothing: it is taken as soon as it is its turn
";
    assert_eq!(out, expected);
}

#[test]
fn a_folder_that_takes_nothing_explains_its_files() {
    let desk = Desk::with(ORDERS);
    desk.put("orders/inbox/a.csv");
    let (not_yet, next) = why(&desk, "a.csv");
    assert_eq!(
        (not_yet.as_str(), next.as_str()),
        ("no daemon runs", "start it, for instance: importerd --config /T/importerd.toml --state-dir /T/state run")
    );
    let _daemon = desk.daemon();
    tell(&desk.ledger(), Event::new(Kind::FolderPaused).folder("orders").with("reason", "disk full"));
    let (not_yet, next) = why(&desk, "a.csv");
    assert_eq!(not_yet, "the folder is paused: disk full");
    assert_eq!(next, "correct that; the folder resumes by itself");
}

/// faults 32, 34, 36, 37
#[test]
fn what_is_no_file_of_its_own_is_explained_by_that() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    desk.put("orders/inbox/sub/deep.csv");
    desk.put("orders/inbox/a.csv");
    let inbox = desk.path("orders/inbox");
    std::os::unix::fs::symlink("/etc/passwd", inbox.join("link.csv")).unwrap();
    fs::hard_link(inbox.join("a.csv"), inbox.join("b.csv")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, inbox.join("pipe.csv"), rustix::fs::Mode::RUSR).unwrap();
    let reasons = [
        ("sub", "it is a directory, and those are left alone"),
        ("orders/inbox/sub/deep.csv", "it lies in a subdirectory of the inbox, and those are left alone"),
        ("link.csv", "it is no regular file, and will be refused"),
        ("pipe.csv", "it is no regular file, and will be refused"),
        ("b.csv", "it has 2 names (hard links), and will be refused"),
    ];
    for (name, reason) in reasons {
        assert_eq!(why(&desk, name).0, reason, "{name}");
    }
}

/// What a command has published is no file to be moved into the inbox.
#[test]
fn what_lies_in_none_of_the_directories_for_files_is_not_said_to_be_on_its_way() {
    let desk = Desk::with("[folder.orders]\npath = '/T/orders'\nrun = { command = ['true'] }\n");
    desk.put("orders/inbox/sub/deep.csv");
    desk.put("orders/results/r.out");
    desk.put("orders/notes.txt");
    std::os::unix::fs::symlink(desk.path("orders"), desk.path("link")).unwrap();
    for path in ["orders/results/r.out", "orders/notes.txt", "orders/results", "link/results/r.out"] {
        let answer = desk.ask(&["explain", path]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.out.contains("unknown") && !answer.out.contains("mv "), "{answer:?}");
        assert!(answer.out.contains("nothing: it has not been dropped into /T/orders/inbox"), "{answer:?}");
    }
    let answer = desk.ask(&["explain", "link/inbox/sub/deep.csv"]);
    assert!(answer.out.contains("it lies in a subdirectory of the inbox"), "the control: {answer:?}");
}

#[test]
fn of_what_was_never_seen_nothing_is_known_and_that_is_1() {
    let desk = Desk::with(ORDERS);
    let answer = desk.ask(&["explain", "ghost.csv"]);
    assert_eq!((answer.code, answer.out.as_str()), (Some(1), ""));
    assert!(
        answer.err.starts_with("importerd: nothing is known of ghost.csv\ndrop it into /T/orders/inbox, "),
        "{answer:?}"
    );
    assert!(answer.err.ends_with(" ls\n"), "{answer:?}");
    let answer = Desk::with("").ask(&["explain", "ghost.csv"]);
    assert!(
        answer.err.ends_with("to begin, type: importerd watch DIR; or name the settings: --config FILE\n"),
        "{answer:?}"
    );
}

/// A file that was done and dropped again by the operator is a new story, not the old one.
#[test]
fn a_file_moved_back_from_the_archive_waits_anew() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let identity = desk.put("orders/inbox/a.csv");
    desk.ledger().enter(Durability::Flushed, &[entry(3, OsStr::new("a.csv"), identity, State::Archived)], &[]).unwrap();
    let out = plain(&desk.ask(&["explain", "a.csv"]).out);
    let titles: Vec<_> = out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(titles, ["a.csv waiting folder orders 8 bytes", "a.csv #3 archived folder orders 8 bytes"]);
}

/// As it was refused, and mended in its place.
#[test]
fn a_refused_file_that_was_moved_back_by_hand_is_said_to_lie_there_and_not_to_need_a_retry() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let identity = desk.put("orders/quarantine/bad.csv");
    let reason = Reason::new("ragged_row", "3 fields where the header has 4");
    let mut refused = entry(1, OsStr::new("bad.csv"), identity, State::Quarantined);
    (refused.place, refused.reason) = (Some("quarantine/bad.csv".to_owned()), Some(&reason));
    let told = event(Kind::FileQuarantined, 1, "bad.csv", "process").with("reason", "3 fields where the header has 4");
    desk.ledger().enter(Durability::Flushed, &[refused], &[told]).unwrap();
    let lies = desk.path("orders/quarantine/bad.csv");
    let only = plain(&desk.ask(&["explain", "bad.csv"]).out);
    assert!(only.starts_with("bad.csv #1 quarantined") && only.contains("retry '#1'"), "the control: {only}");
    fs::write(&lies, "mended, and longer").unwrap();
    assert_eq!(plain(&desk.ask(&["explain", "bad.csv"]).out), only, "one file, one story");
    let aside = desk.path("orders/quarantine/aside");
    fs::rename(&lies, &aside).unwrap();
    fs::write(&lies, "as an editor does").unwrap();
    assert_eq!(plain(&desk.ask(&["explain", "bad.csv"]).out), only, "one file, one story");
    fs::rename(&aside, &lies).unwrap();
    fs::write(&lies, "a,b\n1,2\n").unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(identity.mtime_ns.cast_unsigned());
    File::options().write(true).open(&lies).unwrap().set_modified(time).unwrap();
    let moved = desk.path("orders/inbox/bad.csv");
    fs::create_dir_all(desk.path("orders/inbox")).unwrap();
    fs::rename(&lies, &moved).unwrap();
    let expected = |how: &str, bytes: usize| {
        format!(
            "\
bad.csv waiting folder orders {bytes} bytes
  waits since TIME; nothing is in its way
  now at /T/orders/inbox/bad.csv
  do nothing: it is taken as soon as it is its turn
bad.csv #1 quarantined folder orders 8 bytes
  TIME quarantined: 3 fields where the header has 4
  now at /T/orders/inbox/bad.csv
  target /T/state/importerd.db, table orders: nothing of it is in (no load marker)
  do nothing: it lies in the inbox again{how}, and is a new file there, with a story of its own
"
        )
    };
    for typed in ["bad.csv", "1"] {
        assert_eq!(plain(&desk.ask(&["explain", typed]).out), expected(", as it was refused", 8));
    }
    fs::write(&moved, "mended, and longer").unwrap();
    for typed in ["bad.csv", "1"] {
        assert_eq!(plain(&desk.ask(&["explain", typed]).out), expected("", 18));
    }
    // Done, it lies in the archive, under its own number.
    let archived = desk.path("orders/archive/2026-11-22/bad.csv");
    fs::create_dir_all(archived.parent().unwrap()).unwrap();
    fs::rename(&moved, &archived).unwrap();
    let done = importerd::folder::survey::at(&archived).unwrap().identity;
    let mut done = entry(2, OsStr::new("bad.csv"), done, State::Archived);
    (done.place, done.rows) = (Some("archive/2026-11-22/bad.csv".to_owned()), Some(1));
    desk.ledger().enter(Durability::Flushed, &[done], &[]).unwrap();
    let first = plain(&desk.ask(&["explain", "1"]).out);
    assert!(first.contains("do nothing: it was dropped again, as #2") && !first.contains("correct"), "{first}");
}

#[test]
fn a_replayed_file_and_its_earlier_number_lead_to_each_other() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let ledger = desk.ledger();
    let identity = desk.put("orders/archive/2026-11-22/a.csv");
    let place = || Some("archive/2026-11-22/a.csv".to_owned());
    let mut first = entry(1, OsStr::new("a.csv"), identity, State::Archived);
    (first.place, first.rows) = (place(), Some(3));
    let asked_for = Reason::new("replay", "to be loaded again, in place of the rows of #1");
    let mut again = entry(2, OsStr::new("a.csv"), identity, State::Deferred);
    (again.place, again.replaces, again.reason) = (place(), Some(FileId(1)), Some(&asked_for));
    let asked = event(Kind::FileReplayed, 2, "a.csv", "settle").with("replaces", 1);
    ledger.enter(Durability::Flushed, &[first, again.clone()], &[asked]).unwrap();
    fs::write(desk.path("state/importerd.db"), "").unwrap();
    let first = || plain(&desk.ask(&["explain", "1"]).out);
    let second = || plain(&desk.ask(&["explain", "2"]).out);
    let under_way = "nothing: it is being loaded again, as #2; for that story, type: ";
    assert!(first().contains(under_way), "{}", first());
    let expected = "\
a.csv #2 deferred folder orders 8 bytes
  TIME replayed: in place of those of #1
  now at /T/orders/archive/2026-11-22/a.csv
  target /T/state/importerd.db, table orders: nothing of it is in (no load marker)
  do nothing: it is loaded again as soon as it is its turn
";
    assert_eq!(second(), expected);
    let listed = plain(&desk.ask(&["ls", "--deferred"]).out);
    assert!(listed.contains("#2 deferred") && listed.contains("in place of the rows of #1"), "{listed}");
    (again.state, again.reason, again.place) = (State::Committed, None, None);
    let done = event(Kind::FileCommitted, 2, "a.csv", "commit").with("rows", 4).with("rows_before", 3);
    let done = done.with("replaces", 1).with("bytes_changed", true);
    ledger.enter(Durability::Flushed, &[again], &[done]).unwrap();
    ledger.archived(&[Archived::known(FileId(2), Some("archive/2026-11-22/a.csv"), &[])]).unwrap();
    let gave_way = "nothing: its rows gave way to those of #2; for that story, type: ";
    assert!(first().starts_with("a.csv #1 replaced") && first().contains(gave_way), "{}", first());
    let told = "committed: 4 rows; in place of the 3 rows of #1; its bytes have changed since";
    assert!(second().starts_with("a.csv #2 archived") && second().contains(told), "{}", second());
    let json: serde_json::Value = serde_json::from_str(&desk.ask(&["explain", "1", "--json"]).out).unwrap();
    assert_eq!((&json["state"], &json["replay"]), (&"replaced".into(), &2.into()));
    let listed = plain(&desk.ask(&["ls"]).out);
    assert!(listed.contains("#2 archived") && !listed.contains("#1 "), "{listed}");
    assert!(plain(&desk.ask(&["ls", "--replaced"]).out).contains("#1 replaced"));
}

#[test]
fn a_forgotten_file_needs_nobody_though_it_lies_in_quarantine() {
    let desk = Desk::with(ORDERS);
    let _daemon = desk.daemon();
    let ledger = desk.ledger();
    let (bad, worse) = (desk.put("orders/quarantine/bad.csv"), desk.put("orders/quarantine/worse.csv"));
    let reason = Reason::new("ragged_row", "3 fields where the header has 4");
    let entries = [(1, "bad.csv", bad), (2, "worse.csv", worse)].map(|(id, name, identity)| {
        let mut refused = entry(id, OsStr::new(name), identity, State::Quarantined);
        (refused.place, refused.reason) = (Some(format!("quarantine/{name}")), Some(&reason));
        refused
    });
    ledger.enter(Durability::Flushed, &entries, &[]).unwrap();
    assert!(desk.ask(&["status"]).out.contains("2 files need you"));
    ledger.forget(&[FileId(1)], &[]).unwrap();
    let status = desk.ask(&["status"]).out;
    assert!(status.contains("1 file needs you"), "{status}");
    let listed = plain(&desk.ask(&["ls", "--quarantined"]).out);
    assert!(listed.contains("worse.csv") && !listed.contains("bad.csv"), "{listed}");
    assert!(plain(&desk.ask(&["ls", "--forgotten"]).out).contains("#1 forgotten"));
    let story = desk.ask(&["explain", "bad.csv"]).out;
    assert!(story.contains("forgotten") && story.contains("quarantine/bad.csv"), "{story}");
    // Another one that is put there in its place is not forgotten.
    fs::remove_file(desk.path("orders/quarantine/bad.csv")).unwrap();
    desk.put("orders/quarantine/bad.csv");
    fs::write(desk.path("orders/quarantine/bad.csv"), "other bytes").unwrap();
    assert!(desk.ask(&["status"]).out.contains("2 files need you"));
}

#[test]
fn a_file_in_its_second_attempt_is_in_hand_and_waits_for_nothing() {
    let desk = Desk::with(SCANS);
    let daemon = desk.daemon();
    let ledger = desk.ledger();
    let identity = desk.put("scans/active/0/h2");
    let reason = Reason::new("command_failed", "exit 3");
    let mut deferred = entry(2, OsStr::new("h2"), identity, State::Deferred);
    (deferred.folder, deferred.attempts, deferred.reason) = ("scans", 1, Some(&reason));
    deferred.retry_at = Some(Timestamp::now());
    ledger.enter(Durability::Flushed, &[deferred], &[]).unwrap();
    let expected = "\
h2 #2 active folder scans 8 bytes
  why exit 3
  now at /T/scans/active/0/h2
  do nothing: it is in hand
";
    for typed in ["h2", "#2"] {
        assert_eq!(plain(&desk.ask(&["explain", typed]).out), expected, "{typed}");
    }
    let story: serde_json::Value = serde_json::from_str(&desk.ask(&["explain", "h2", "--json"]).out).unwrap();
    assert_eq!((&story["state"], &story["retry_at"]), (&"active".into(), &serde_json::Value::Null));
    drop(daemon);
    let out = desk.ask(&["explain", "h2"]).out;
    assert!(out.contains("active") && out.contains("  not yet   no daemon runs\n"), "{out}");
}
