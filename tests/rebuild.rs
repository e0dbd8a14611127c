//! `importerd ledger rebuild`: afterwards the daemon goes on, the same bytes are known again, no row or result is
//! there twice, and no number is given out twice. fault 76

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crash;
mod harness;
mod proof;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crash::books;
use crash::load::{List, Load};
use crash::site::{ROWS, Site, WORK};

use serde_json::Value;

/// A command line of the program over a site.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_importerd"));
    command.arg("--config").arg(site.root().join("importerd.toml")).arg("--state-dir").arg(site.root().join("state"));
    command.args(arguments).env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Makes the ledger anew. Its report.
fn rebuild(site: &Site) -> Value {
    let output = command(site, &["--json", "ledger", "rebuild", "--yes"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ledger(site: &Site) -> PathBuf {
    site.root().join("state/ledger.db")
}

fn delete(site: &Site) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(site.root().join(format!("state/ledger.db{ending}")));
    }
}

/// How many files the ledger has.
fn entries(site: &Site) -> u64 {
    let count = site.database("ledger.db").query_row("SELECT count(*) FROM file", [], |row| row.get::<_, i64>(0));
    count.unwrap().cast_unsigned()
}

/// Does what waits, as `once` does it.
fn once(site: &Site) {
    let output = command(site, &["--log", "json", "once"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1 | 75)), "{}", said(&output));
}

/// A site on which a load was done, and what was dropped.
fn worked_on(files: usize, seed: u64) -> (Site, Load) {
    let site = Site::new();
    let mut load = Load::on(&site, seed);
    load.order(files);
    load.finish();
    crash::finish(&site, &load, seed);
    (site, load)
}

/// Every number that the outside world has seen: in reason files, and in the target.
fn numbers_outside(site: &Site) -> BTreeSet<i64> {
    let target = site.database("rows.db");
    let mut query = target.prepare("SELECT id FROM _importerd_files").unwrap();
    let mut numbers: BTreeSet<i64> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for folder in [ROWS, WORK] {
        for path in harness::files(&site.directory(folder, "quarantine")) {
            let text = fs::read_to_string(path).unwrap();
            let number = text.split_once(", file #").and_then(|(_, rest)| rest.split_once(','));
            numbers.extend(number.map(|(number, _)| number.parse::<i64>().unwrap()));
        }
    }
    numbers
}

/// Drops all that was dropped once more: every good file is a duplicate, and nothing else comes of it.
fn drop_again(site: &Site, list: &mut List) {
    for (number, (content, dropped)) in list.iter_mut().enumerate() {
        let ending = match (dropped.folder, content.first()) {
            (WORK, _) => "txt",
            (_, Some(b'{')) => "ndjson",
            _ => "csv",
        };
        fs::write(site.directory(dropped.folder, "inbox").join(format!("f-again-{number}.{ending}")), content).unwrap();
        dropped.copies += 1;
    }
    for _ in 0..4 {
        once(site);
    }
}

/// The books are in order, but for the names of results, which only the old ledger knew.
fn assert_in_order(site: &Site, list: &List) {
    let mut problems = books::problems_after_a_drain(site, list);
    problems.retain(|problem| {
        !(problem.text.starts_with("the ledger says of the results") && problem.text.contains("results: None"))
    });
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Everything the README promises, after the ledger was lost in some way and made anew.
fn assert_as_if_nothing_had_happened(site: &Site, load: &Load) {
    let before = numbers_outside(site);
    let mut list = load.list().clone();
    once(site);
    assert_in_order(site, &list);
    drop_again(site, &mut list);
    assert_in_order(site, &list);
    let after = numbers_outside(site);
    let new: Vec<_> = after.difference(&before).collect();
    let highest = before.iter().max().unwrap();
    assert!(before.is_subset(&after) && new.iter().all(|number| *number > highest), "{new:?} behind {highest}");
}

#[test]
fn a_deleted_ledger_is_made_anew_from_targets_and_folders() {
    let (site, load) = worked_on(80, 11);
    delete(&site);
    let report = rebuild(&site);
    assert!(report["aside"].is_null() && report["folders"][0]["from_markers"].as_u64().unwrap() > 5, "{report}");
    assert!(report["folders"][1]["from_archive"].as_u64().unwrap() > 5, "{report}");
    assert_as_if_nothing_had_happened(&site, &load);
}

/// The negative control: a ledger that starts empty does all of it again.
#[test]
fn without_what_is_learnt_the_same_test_finds_results_twice_and_numbers_again() {
    let (site, load) = worked_on(80, 11);
    delete(&site);
    for folder in [ROWS, WORK] {
        fs::remove_file(site.directory(folder, "active").join(".ledger")).unwrap();
    }
    // The target proves that there was one.
    fs::rename(site.root().join("state/rows.db"), site.root().join("rows.db")).unwrap();
    once(&site);
    let mut list = load.list().clone();
    drop_again(&site, &mut list);
    let problems = books::problems_after_a_drain(&site, &list);
    assert!(problems.iter().any(|problem| problem.text.contains("times too often")), "{problems:#?}");
}

/// Overwrites a page.
fn spoil(path: &Path, page: usize) {
    let mut bytes = fs::read(path).unwrap();
    let garbage = (0..=250_u8).cycle().take(4096).collect::<Vec<_>>();
    bytes[page * 4096..(page + 1) * 4096].copy_from_slice(&garbage);
    fs::write(path, bytes).unwrap();
}

#[test]
fn of_a_damaged_ledger_what_can_be_read_is_taken_over_and_the_rest_is_learnt() {
    let (site, load) = worked_on(150, 12);
    let whole = fs::read(ledger(&site)).unwrap();
    let files = entries(&site);
    let pages = whole.len() / 4096;
    let (mut partly, mut wholly) = (0, 0);
    // Some of all, and two by what they hold: which these are differs from run to run.
    let held = [page_of(&site, "file"), page_of(&site, "event_file")];
    for page in (0..pages).step_by((pages / 12).max(1)).chain(held) {
        delete(&site);
        fs::write(ledger(&site), &whole).unwrap();
        spoil(&ledger(&site), page);
        forget_what_it_remembers(&site);
        let report = rebuild(&site);
        let aside = PathBuf::from(report["aside"].as_str().unwrap());
        assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("ledger.db.damaged-2"), "{report}");
        let salvaged = report["salvaged_files"].as_u64().unwrap();
        partly += usize::from(salvaged > 0 && salvaged < files);
        wholly += usize::from(salvaged == files);
        once(&site);
        assert_in_order(&site, &load.list());
    }
    assert!(partly > 0 && wholly > 0, "{partly} {wholly} of {pages} pages");
    assert_as_if_nothing_had_happened(&site, &load);
}

/// A page with entries of a table or an index, counted from 0.
fn page_of(site: &Site, name: &str) -> usize {
    let ledger = rusqlite::Connection::open(ledger(site)).unwrap();
    let page = "SELECT max(pageno) - 1 FROM dbstat WHERE name = ? AND pagetype = 'leaf'";
    let page: i64 = ledger.query_row(page, [name], |row| row.get(0)).unwrap();
    usize::try_from(page).unwrap()
}

/// The ledger is put back by the test: folders that remember a later one would only say so.
fn forget_what_it_remembers(site: &Site) {
    for folder in [ROWS, WORK] {
        let _ = fs::remove_file(site.directory(folder, "active").join(".ledger"));
    }
}

#[test]
fn a_ledger_cut_short_is_made_anew() {
    let (site, load) = worked_on(60, 13);
    let bytes = fs::read(ledger(&site)).unwrap();
    fs::write(ledger(&site), &bytes[..bytes.len() / 2]).unwrap();
    rebuild(&site);
    assert_as_if_nothing_had_happened(&site, &load);
}

/// A ledger restored from a backup, for a folder that runs a command: it learns from the archive what was done since.
#[test]
fn an_older_ledger_learns_what_was_done_since() {
    let (site, mut load) = worked_on(40, 14);
    let backup = fs::read(ledger(&site)).unwrap();
    let dropped = load.list().clone();
    let mut more = Load::on(&site, 15);
    more.order(40);
    more.finish();
    crash_finish_both(&site);
    delete(&site);
    fs::write(ledger(&site), backup).unwrap();
    let refused = command(&site, &["--log", "json", "once"]).output().unwrap();
    assert!(refused.status.code() == Some(78) && said(&refused).contains("ledger_older"), "{}", said(&refused));
    rebuild(&site);
    {
        let mut list = load.list();
        for (content, new) in more.list().iter() {
            list.entry(content.clone()).and_modify(|old| old.copies += new.copies).or_insert_with(|| new.clone());
        }
        assert!(list.len() > dropped.len());
    }
    assert_as_if_nothing_had_happened(&site, &load);
    let _ = &mut load;
}

/// Lets the daemon do all that waits.
fn crash_finish_both(site: &Site) {
    while books::waiting(site) > 0 {
        once(site);
    }
}

/// A daemon killed at some moment under load, and then the ledger is lost.
#[test]
fn a_ledger_lost_in_the_middle_of_the_work_leaves_nothing_doubled_and_nothing_lost() {
    let seed = proof::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut in_hand = 0;
    for round in 0..10 {
        let site = Site::new();
        let mut load = Load::on(&site, random.u64(..));
        load.order(30);
        let mut daemon = site.launch(2);
        crash::await_a_moment(&mut daemon, &mut random);
        let more = random.usize(0..60);
        let _ = (0..more).map_while(|_| daemon.next_within(Duration::from_millis(20))).count();
        daemon.kill();
        load.finish();
        match random.u8(0..3) {
            0 => delete(&site),
            1 => drop(fs::remove_file(site.root().join("state/ledger.db-wal"))),
            _ => fs::write(ledger(&site), "this is not a database at all, and long enough to be read as one").unwrap(),
        }
        let output = command(&site, &["--json", "ledger", "rebuild", "--force", "--yes"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "round {round} of seed {seed}: {}", said(&output));
        let mut list = load.list().clone();
        in_hand += settle_what_was_in_hand(&site, &mut list);
        crash_finish_both(&site);
        once(&site);
        let mut problems = books::problems_after_a_drain(&site, &list);
        problems.retain(|problem| {
            !(problem.text.starts_with("the ledger says of the results") && problem.text.contains("results: None"))
        });
        assert!(problems.is_empty(), "round {round} of seed {seed}: {problems:#?}");
    }
    println!("{in_hand} files were in hand");
}

/// What somebody does who looks at a file that was in hand: its results are there at most once; then the file, its results
/// and its entry are taken away. Returns how many there were.
fn settle_what_was_in_hand(site: &Site, list: &mut List) -> usize {
    let mut settled = 0;
    for reason in harness::files(&site.directory(WORK, "quarantine")) {
        let told = fs::read_to_string(&reason).unwrap_or_default();
        if !told.ends_with("code ledger_lost\n") {
            continue;
        }
        settled += 1;
        assert!(told.contains("make sure that its results are not in"), "{told}");
        let file = PathBuf::from(reason.to_str().unwrap().trim_end_matches(".reason.txt"));
        let content = fs::read(&file).unwrap();
        let id = told.split_once(", file #").unwrap().1.split_once(',').unwrap().0.to_owned();
        let payload = String::from_utf8_lossy(&content).trim_end().rsplit_once(' ').unwrap().1.to_owned();
        let is_its_own = |path: &Path| {
            fs::read_to_string(path).is_ok_and(|text| text.trim_end().rsplit(' ').next() == Some(payload.as_str()))
        };
        // Of several files with these bytes, one may be done.
        let done =
            harness::files(&site.directory(WORK, "archive")).iter().any(|path| fs::read(path).unwrap() == content);
        let results: Vec<_> =
            harness::files(&site.directory(WORK, "results")).into_iter().filter(|path| is_its_own(path)).collect();
        let most = if content.starts_with(b"both") { 2 } else { 1 };
        assert!(results.len() <= most, "{results:?} of {payload}");
        if !done {
            for path in &results {
                fs::remove_file(path).unwrap();
            }
        }
        for path in [&reason, &file] {
            fs::remove_file(path).unwrap();
        }
        let mut unpublished = file.into_os_string();
        unpublished.push(".unpublished");
        let _ = fs::remove_dir_all(unpublished);
        assert_eq!(site.database("ledger.db").execute("DELETE FROM file WHERE id = ?", [id]).unwrap(), 1);
        let dropped = list.get_mut(&content).unwrap();
        dropped.copies -= 1;
        if dropped.copies == 0 {
            list.remove(&content);
        }
    }
    settled
}

/// The states in which a rebuild can be cut short once the draft is finished: the next one goes on from there.
#[test]
fn a_rebuild_that_was_cut_short_in_the_swap_is_finished_by_the_next_one() {
    let (site, load) = worked_on(40, 16);
    let old = fs::read(ledger(&site)).unwrap();
    delete(&site);
    rebuild(&site);
    let new = fs::read(ledger(&site)).unwrap();
    let draft = site.root().join("state/ledger.db.new");
    for (old_is_there, log_is_there) in [(true, true), (false, true), (false, false)] {
        delete(&site);
        fs::write(&draft, &new).unwrap();
        if old_is_there {
            fs::write(ledger(&site), &old).unwrap();
        }
        if log_is_there {
            fs::write(site.root().join("state/ledger.db-wal"), "not a log").unwrap();
        }
        let refused = command(&site, &["--log", "json", "once"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
        let report = rebuild(&site);
        assert_eq!(report["aside"].is_null(), !(old_is_there || log_is_there), "{report}");
        assert_eq!(fs::read(ledger(&site)).unwrap(), new);
        assert!(!draft.exists() && !site.root().join("state/ledger.db-wal").exists());
    }
    assert_as_if_nothing_had_happened(&site, &load);
}

/// fault 80: killed ever later, until one goes through.
#[test]
fn a_rebuild_killed_at_any_moment_leaves_a_ledger_that_is_refused_and_the_next_one_succeeds() {
    let (site, load) = worked_on(60, 17);
    let bytes = fs::read(ledger(&site)).unwrap();
    fs::write(ledger(&site), &bytes[..bytes.len() / 2]).unwrap();
    let mut later = Duration::ZERO;
    let mut killed = 0;
    loop {
        let mut rebuild = command(&site, &["ledger", "rebuild", "--yes"]).stdout(Stdio::null()).spawn().unwrap();
        crash::spin(later);
        rebuild.kill().unwrap();
        let ended = rebuild.wait().unwrap();
        let refused = command(&site, &["--log", "json", "once"]).output().unwrap();
        if ended.signal().is_none() {
            assert!(ended.success());
            break;
        }
        killed += 1;
        // It may have died as the last thing was done.
        if refused.status.code() == Some(0) {
            break;
        }
        assert_eq!(refused.status.code(), Some(78), "after {later:?}: {}", said(&refused));
        later += Duration::from_micros(1_500);
    }
    assert!(killed > 3, "{killed}");
    if command(&site, &["--log", "json", "once"]).output().unwrap().status.code() == Some(78) {
        rebuild(&site);
    }
    assert_as_if_nothing_had_happened(&site, &load);
}

#[test]
fn a_ledger_that_is_well_newer_in_use_or_of_somebody_else_is_not_made_anew() {
    let (site, _load) = worked_on(10, 18);
    let bytes = fs::read(ledger(&site)).unwrap();
    let refused = |code: i32, words: &str| {
        let output = command(&site, &["ledger", "rebuild", "--yes"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    };
    refused(1, "nothing is wrong with it");
    let mut daemon = site.launch(1);
    daemon.wait_for("daemon.started");
    refused(69, &format!("in use by another importerd (pid {})", daemon.pid().as_raw_nonzero()));
    assert_eq!(daemon.stop().code(), Some(0));

    let version: i64 = site.database("ledger.db").pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    site.database("ledger.db").pragma_update(None, "user_version", version + 1).unwrap();
    refused(78, "install that version again");
    delete(&site);
    fs::write(ledger(&site), &bytes).unwrap();

    // Without its load markers it isn't known what is imported.
    delete(&site);
    let target = site.root().join("state/rows.db");
    let rows = fs::read(&target).unwrap();
    fs::write(&target, "this is not a database at all, and long enough to be read as one").unwrap();
    refused(69, "nobody knows what is imported");
    fs::write(&target, rows).unwrap();

    if rustix::process::geteuid().is_root() {
        let in_hand = site.root().join("rows/active");
        std::os::unix::fs::chown(&in_hand, Some(65_534), None).unwrap();
        refused(77, "sudo -u '#65534' importerd --config");
        std::os::unix::fs::chown(&in_hand, Some(0), None).unwrap();
    }
    let unasked = command(&site, &["ledger", "rebuild"]).output().unwrap();
    assert_eq!(unasked.status.code(), Some(64), "{}", said(&unasked));
    assert!(
        said(&unasked).contains("nothing was done: ") && said(&unasked).contains("add --yes"),
        "{}",
        said(&unasked)
    );
    assert!(!ledger(&site).exists(), "nothing was made");
    rebuild(&site);
}

/// A folder whose command writes a result, and then waits at a gate.
fn gated(keys: &str) -> (harness::Drop, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let gate = root.path().join("gate");
    let script = "echo done >result.txt; cat \\\"$1\\\"; read -r line <\\\"$2\\\"";
    let keys = format!(
        "{keys}run = {{ command = [\"/bin/sh\", \"-c\", \"{script}\", \"sh\", \"{{path}}\", \"{}\"] }}",
        gate.display()
    );
    let drop = harness::Drop::at(root, "", &keys);
    drop.gate("gate");
    (drop, gate)
}

/// The daemon is killed while the command runs.
fn killed_with_a_file_in_hand(drop: &harness::Drop) {
    drop.put("a.txt", "text");
    let mut daemon = drop.start();
    daemon.wait_for_file("file.claimed", "a.txt");
    harness::eventually("the command has written its result", || {
        !harness::files(&drop.path().join("active")).is_empty() && {
            let staging = drop
                .path()
                .join("active/0/.staging")
                .read_dir()
                .into_iter()
                .flatten()
                .flatten()
                .chain(drop.path().join("active/1/.staging").read_dir().into_iter().flatten().flatten());
            staging.into_iter().any(|of| fs::read(of.path().join("result.txt")).is_ok_and(|text| text == b"done\n"))
        }
    });
    daemon.kill();
}

fn lose_ledger(drop: &harness::Drop) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
}

#[test]
fn a_file_that_was_in_hand_of_a_command_goes_to_quarantine_with_what_was_produced() {
    let (drop, _gate) = gated("");
    killed_with_a_file_in_hand(&drop);
    lose_ledger(&drop);
    let output = drop.command(&["ledger", "rebuild", "--yes"]).output().unwrap();
    let text = said(&output);
    assert!(
        output.status.success() && text.contains("a.txt was in hand") && text.contains("ls --quarantined"),
        "{text}"
    );
    let reason = fs::read_to_string(drop.path().join("quarantine/a.txt.reason.txt")).unwrap();
    assert!(reason.contains("code ledger_lost") && reason.contains("in a.txt.unpublished,"), "{reason}");
    let again = reason.lines().find_map(|line| line.strip_prefix("Then type: importerd ")).unwrap();
    let (retry, by_hand) = again.split_once("   ").unwrap();
    assert_eq!(by_hand, format!("(or move it back into {})", drop.inbox().display()), "{reason}");
    assert_eq!(fs::read(drop.path().join("quarantine/a.txt")).unwrap(), b"text");
    assert_eq!(fs::read(drop.path().join("quarantine/a.txt.unpublished").join("result.txt")).unwrap(), b"done\n");
    assert_eq!(fs::read(drop.path().join("quarantine/a.txt.unpublished/stdout")).unwrap(), b"text");
    // It is an entry like any other, under the number that its command was told.
    assert_eq!(drop.once().code(), Some(0));
    assert_eq!(drop.names("results"), [""; 0]);
    let explained = drop.command(&["explain", "a.txt"]).output().unwrap();
    let text = said(&explained);
    assert!(explained.status.success() && text.contains("in hand when the ledger was lost"), "{text}");
    assert!(text.ends_with(&format!("; then type: importerd {retry}\n")), "{text}");
}

#[test]
fn where_markers_say_that_files_are_ready_one_that_was_in_hand_is_not_to_be_moved_back_by_hand() {
    let (drop, gate) = gated("ready = { marker = \".done\" }\n");
    drop.put("a.txt.done", "");
    killed_with_a_file_in_hand(&drop);
    lose_ledger(&drop);
    let rebuilt = drop.command(&["ledger", "rebuild", "--yes"]).output().unwrap();
    assert!(rebuilt.status.success(), "{}", said(&rebuilt));
    let reason = fs::read_to_string(drop.path().join("quarantine/a.txt.reason.txt")).unwrap();
    assert!(reason.contains("\nThen type: importerd ") && !reason.contains("move it back"), "{reason}");
    let retried = drop.command(&["retry", "a.txt"]).output().unwrap();
    assert!(retried.status.success(), "{}", said(&retried));
    let mut daemon = drop.launch();
    harness::open_gate(&gate, "go\n");
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// The control: with a ledger that is whole it is known that nothing of it was published.
#[test]
fn with_a_whole_ledger_a_file_in_hand_stays_and_is_carried_again() {
    let (drop, gate) = gated("");
    killed_with_a_file_in_hand(&drop);
    let output = drop.command(&["ledger", "rebuild", "--force", "--yes"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(drop.names("quarantine"), [""; 0]);
    let mut daemon = drop.launch();
    harness::open_gate(&gate, "go\n");
    daemon.wait_for_file("file.archived", "a.txt");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(drop.names("results"), ["a.txt.out", "result.txt"]);
}

/// A folder copied to another machine: all inodes are others.
#[test]
fn a_copied_folder_is_known_by_its_bytes() {
    let (site, load) = worked_on(60, 19);
    let files = entries(&site);
    delete(&site);
    for folder in [ROWS, WORK] {
        let (path, copy) = (site.root().join(folder), site.root().join("copy"));
        assert!(Command::new("cp").arg("-a").args([&path, &copy]).status().unwrap().success());
        fs::remove_dir_all(&path).unwrap();
        fs::rename(copy, path).unwrap();
    }
    rebuild(&site);
    assert_eq!(entries(&site), files, "no file is entered twice, and none is missing");
    assert_as_if_nothing_had_happened(&site, &load);
}

/// Two folders of two daemons become those of one.
#[test]
fn a_folder_of_another_daemon_is_taken_in() {
    let (site, load) = worked_on(40, 20);
    let other = Site::new();
    once(&other);
    fs::copy(other.root().join("state/ledger.db"), ledger(&site)).unwrap();
    let refused = command(&site, &["--log", "json", "once"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
    let report = rebuild(&site);
    assert!(report["aside"].as_str().unwrap().contains("ledger.db.replaced-"), "{report}");
    assert_as_if_nothing_had_happened(&site, &load);
}

/// fault 13: the folder's filesystem is not mounted, and its mount point is there.
#[test]
fn the_ledger_of_a_folder_that_is_not_there_is_not_rebuilt_and_nothing_is_made_in_its_place() {
    let drop = harness::Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    let elsewhere = drop.root().join("elsewhere");
    fs::rename(drop.path(), &elsewhere).unwrap();
    fs::create_dir(drop.path()).unwrap();
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
    let output = drop.command(&["ledger", "rebuild", "--yes"]).output().unwrap();
    let text = said(&output);
    assert!(!output.status.success() && text.contains("mount its filesystem"), "{text}");
    assert_eq!(fs::read_dir(drop.path()).unwrap().count(), 0);
    fs::remove_dir(drop.path()).unwrap();
    fs::rename(&elsewhere, drop.path()).unwrap();
    let output = drop.command(&["ledger", "rebuild", "--yes"]).output().unwrap();
    assert!(output.status.success(), "the control: it is there now: {}", said(&output));
    assert_eq!(drop.once().code(), Some(0));
}

/// fault 13: the database's filesystem is not mounted. Taken for an empty one, it would be made anew, and all be imported again.
#[test]
fn a_ledger_is_not_rebuilt_while_a_database_with_rows_is_not_there() {
    let drop = harness::Drop::new();
    drop.put("a.csv", "id\n1\n");
    assert_eq!(drop.once().code(), Some(0));
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(drop.state().join(format!("ledger.db{ending}")));
    }
    let (database, elsewhere) = (drop.state().join("rows.db"), drop.root().join("elsewhere.db"));
    fs::rename(&database, &elsewhere).unwrap();
    let rebuild = || drop.command(&["ledger", "rebuild", "--yes"]).output().unwrap();
    let output = rebuild();
    let text = said(&output);
    assert!(!output.status.success() && text.contains("rows.db is not there"), "{text}");
    assert!(!drop.state().join("ledger.db").exists() && !database.exists());
    // The control: one that is empty was put there by somebody who knows.
    fs::write(&database, "").unwrap();
    assert!(rebuild().status.success());
    for name in ["rows.db", "ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(drop.state().join(name));
    }
    fs::rename(&elsewhere, &database).unwrap();
    let output = rebuild();
    assert!(output.status.success(), "{}", said(&output));
    drop.put("again.csv", "id\n1\n");
    drop.once();
    assert_eq!(drop.row_count(), 1, "it is known to be in");
}
