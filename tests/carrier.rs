//! The stages driven by hand, over a real folder: what recovery finds out, and what a failed commit leaves behind.

mod harness;
mod parts;

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use importerd::folder::inbox::Settled;
use importerd::ledger::{FILE_NAME, Ledger};
use importerd::settings::{Duplicates, Run, Settings, Work};
use importerd::stages::{Carrier, Claimed, Committed, Folder, Journal};
use importerd_actors::{Halt, Stages};
use parts::{Parts, import, outlive_lease_breaks};
use rusqlite::{Connection, OptionalExtension};
use slog::KV;

/// A folder and a ledger in a directory of their own, and one Processor's stages.
struct Site {
    root: tempfile::TempDir,
    folders: Arc<[Folder]>,
    ledger: Arc<Ledger>,
    carrier: Carrier,
}

impl Site {
    fn new(work: Work) -> Self {
        Self::opened(tempfile::tempdir().expect("a temporary directory"), work)
    }

    /// After a kill: everything is opened anew.
    fn again(self, work: Work) -> Self {
        let Self { root, folders, ledger, carrier } = self;
        drop((folders, ledger, carrier));
        Self::opened(root, work)
    }

    fn opened(root: tempfile::TempDir, work: Work) -> Self {
        Self::heard(root, work, Journal::unheard())
    }

    fn heard(root: tempfile::TempDir, work: Work, journal: Journal) -> Self {
        let settings = parts::settings_of(root.path(), work, Duplicates::Allow);
        Self::set(root, &settings, journal)
    }

    fn set(root: tempfile::TempDir, settings: &Settings, journal: Journal) -> Self {
        let Parts { folders, ledger, journal } = parts::open(root.path(), settings, journal);
        let carrier = Carrier::new(0, 1, Arc::clone(&folders), Arc::clone(&ledger), journal);
        Self { root, folders, ledger, carrier }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join("drop").join(below)
    }

    /// Another program's connection.
    fn ledger(&self) -> Connection {
        Connection::open(self.root.path().join(FILE_NAME)).expect("open the ledger")
    }

    /// What the ledger says of the one file: its state and its place.
    fn told(&self) -> Option<(String, Option<String>)> {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.ledger().query_row("SELECT state, place FROM file", [], row).optional().expect("at most one row")
    }

    fn claim(&mut self, name: &str, content: &str) -> Result<Claimed, Halt> {
        fs::write(self.path("inbox").join(name), content).expect("drop a file");
        Ok(self.carrier.claim(0, Settled { name: name.into() })?.expect("it is there"))
    }

    /// Drops a file and carries it through claim, process and commit.
    fn commit(&mut self, name: &str, content: &str) -> Result<Committed, Halt> {
        let claimed = self.claim(name, content)?;
        self.commit_claimed(claimed)
    }

    fn commit_claimed(&mut self, claimed: Claimed) -> Result<Committed, Halt> {
        let processed = self.carrier.process(0, claimed)?.expect("nothing is wrong with it");
        self.carrier.commit(0, vec![processed])
    }
}

fn run(script: &str) -> Work {
    Work::Run(Run { command: ["sh", "-c", script].map(str::to_owned).to_vec(), timeout: Duration::from_mins(1) })
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("a directory").flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// fault 80: an uploader kept the file open, and comes back to it while no daemon runs.
#[test]
fn a_file_that_is_in_is_not_taken_for_a_new_one_because_somebody_has_it_open() {
    let mut site = Site::new(import());
    drop(site.commit("a.csv", "id\n1\n").expect("commit"));
    let uploader = fs::OpenOptions::new().append(true).open(site.path("active/0/a.csv")).expect("open it again");
    let mut site = site.again(import());
    let recovered = site.carrier.recover(0, None).expect("recover");
    drop(uploader);
    assert_eq!((recovered.archived, recovered.again.len()), (1, 0));
    assert_eq!(names(&site.path("inbox")), [] as [&str; 0]);
}

/// What the first attempt of this file, number 1, is called in staging.
fn staged_as(file: &Path) -> String {
    let found = fs::metadata(file).expect("the file");
    let born = found.created().or(found.modified()).expect("its time of birth");
    let born = born.duration_since(std::time::UNIX_EPOCH).expect("since 1970").as_nanos();
    format!("1-{}.{born:x}-0", found.ino())
}

/// fault 80: killed before its results were published, and an uploader comes back to the file.
#[test]
fn committed_results_are_published_though_somebody_has_their_file_open() {
    let work = || run("echo made > report.txt; echo printed");
    let mut site = Site::new(work());
    drop(site.commit("a.txt", "a").expect("commit"));
    let of = staged_as(&site.path("active/0/a.txt"));
    let staged = site.path(&format!("active/0/.staging/{of}-a.txt"));
    fs::create_dir_all(&staged).expect("staging as it was");
    fs::rename(site.path("results/report.txt"), staged.join("report.txt")).expect("not published yet");
    let printed = site.path(&format!("active/0/.staging/{of}.out"));
    fs::rename(site.path("results/a.txt.out"), printed).expect("nor this");
    let uploader = fs::OpenOptions::new().append(true).open(site.path("active/0/a.txt")).expect("open it again");
    let mut site = site.again(work());
    let recovered = site.carrier.recover(0, None).expect("recover");
    drop(uploader);
    assert_eq!((recovered.archived, recovered.again.len()), (1, 0));
    let mut results = names(&site.path("results"));
    results.sort();
    assert_eq!(results, ["a.txt.out", "report.txt"]);
    assert_eq!(names(&site.path("active/0/.staging")), [] as [&str; 0]);
}

/// fault 75: a power cut undid the claim of a file, and of its attempt has left but what was printed, under no name.
#[test]
fn a_file_that_is_back_in_the_inbox_is_not_missed_where_only_what_was_printed_is_left_of_its_attempt() {
    for is_back in [true, false] {
        let mut site = Site::new(run("true"));
        fs::write(site.path("inbox/a.txt"), "a").expect("put it there");
        let of = staged_as(&site.path("inbox/a.txt"));
        if !is_back {
            fs::remove_file(site.path("inbox/a.txt")).expect("take it away");
        }
        fs::create_dir_all(site.path("active/0/.staging")).expect("staging as it was");
        fs::write(site.path(&format!("active/0/.staging/{of}.out")), "half").expect("what was printed");
        site.carrier.recover(0, None).expect("recover");
        assert_eq!(names(&site.path("quarantine")).is_empty(), is_back);
        assert_eq!(names(&site.path("active/0/.staging")).is_empty(), is_back);
    }
}

/// fault 75: a power cut undid the claim of a file that is in, and brought another of its name back to the slot.
#[test]
fn a_file_that_is_in_is_taken_from_the_inbox_though_its_name_is_taken_in_the_slot() {
    let mut site = Site::new(import());
    drop(site.commit("a.csv", "id\n1\n").expect("commit"));
    fs::rename(site.path("active/0/a.csv"), site.path("inbox/a.csv")).expect("undo the claim");
    fs::write(site.path("active/0/a.csv"), "id\n2\n").expect("the other one");
    let mut site = site.again(import());
    let mut recovered = site.carrier.recover(0, None).expect("recover");
    assert_eq!(names(&site.path("inbox")), [] as [&str; 0]);
    let other = recovered.again.pop().expect("the other one is carried");
    let processed = site.carrier.process(0, other).expect("process").expect("nothing is wrong with it");
    let committed = site.carrier.commit(0, vec![processed]).expect("commit");
    site.carrier.archive(0, committed).expect("archive");
    let target = Connection::open(site.root.path().join("importerd.db")).expect("open the target");
    let sum: i64 = target.query_row("SELECT sum(id) FROM rows", [], |row| row.get(0)).expect("the rows");
    assert_eq!(sum, 3, "each once");
}

/// fault 75: killed after the move to the archive and before its flush. Once the ledger says that it is there, nobody
/// looks for it in the inbox again, so a power cut must not bring it back there.
#[test]
fn what_recovery_finds_in_the_archive_is_flushed_there_before_it_is_entered() {
    if !harness::has("strace") {
        return;
    }
    let mut site = Site::new(import());
    drop(site.commit("a.csv", "id\n1\n").expect("commit"));
    let day = site.path("archive").join(jiff::Zoned::now().strftime("%Y-%m-%d").to_string());
    fs::create_dir_all(&day).expect("make the day");
    fs::rename(site.path("active/0/a.csv"), day.join("a.csv")).expect("move");
    let Site { root, folders, ledger, carrier } = site;
    drop((folders, ledger, carrier));
    let (trace, settings) = (root.path().join("trace"), root.path().join("importerd.toml"));
    let path = root.path().join("drop");
    fs::write(&settings, format!("[folder.drop]\npath = {path:?}\nimport = {{ table = \"rows\" }}\n"))
        .expect("settings");
    let once = std::process::Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=fsync,pwrite64", "-o"])
        .args([trace.as_os_str(), env!("CARGO_BIN_EXE_importerd").as_ref(), "--state-dir".as_ref()])
        .args([root.path().as_os_str(), "--config".as_ref(), settings.as_os_str(), "once".as_ref()])
        .output()
        .expect("strace");
    assert!(once.status.success(), "{once:?}");
    let trace = fs::read_to_string(trace).expect("its trace");
    let flushed = trace.find(&format!("{}>)", day.display())).expect("the day is flushed");
    let entered = trace.rfind("/ledger.db-wal>,").expect("the ledger is written");
    assert!(flushed < entered, "{trace}");
    let ledger = Connection::open(root.path().join(FILE_NAME)).expect("open the ledger");
    let place: String = ledger.query_row("SELECT place FROM file", [], |row| row.get(0)).expect("its row");
    assert!(place.ends_with("/a.csv"), "{place}");
}

#[test]
fn a_name_that_was_planned_in_vain_is_free_again() {
    let mut site = Site::new(run("echo made > report.txt"));
    let other = site.ledger();
    fs::write(site.path("inbox/a.txt"), "a").expect("drop a file");
    let claimed = site.carrier.claim(0, Settled { name: "a.txt".into() }).expect("claim").expect("it is there");
    let processed = site.carrier.process(0, claimed).expect("process").expect("nothing is wrong with it");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock the ledger");
    assert!(matches!(site.carrier.commit(0, vec![processed]), Err(Halt::Hold(_))), "the ledger is locked");
    other.execute_batch("ROLLBACK").expect("free the ledger");
    let again = site.carrier.recover(0, None).expect("recover").again.pop().expect("it is carried again");
    let processed = site.carrier.process(0, again).expect("process").expect("nothing is wrong with it");
    let committed = site.carrier.commit(0, vec![processed]).expect("commit");
    site.carrier.archive(0, committed).expect("archive");
    assert_eq!(names(&site.path("results")), ["report.txt"]);
}

#[test]
fn what_was_offered_before_a_pause_is_not_claimed_after_it() {
    let mut site = Site::new(import());
    fs::write(site.path("inbox/a.csv"), "id\n1\n").expect("drop a file");
    let offered = Settled { name: "a.csv".into() };
    site.folders[0].gate.close();
    assert!(site.carrier.claim(0, offered.clone()).expect("claim").is_none());
    assert!(site.path("inbox/a.csv").is_file());
    site.folders[0].gate.open();
    assert!(site.carrier.claim(0, offered).expect("claim").is_some(), "the control: it could be claimed");
}

/// fault 75: the ledger's last entries are lost, and what it says of the file is from before its last attempt.
#[test]
fn a_file_that_was_deferred_and_then_imported_is_known_to_be_archived_after_a_power_cut() {
    let mut site = Site::new(import());
    let committed = site.commit("a.csv", "id\n1\n").expect("commit");
    site.carrier.archive(0, committed).expect("archive");
    let ledger = site.ledger();
    let undone = "UPDATE file SET state = 'deferred', place = NULL, rows = NULL, blake3 = NULL, retry_at_us = 0";
    assert_eq!(ledger.execute(undone, []).expect("undo"), 1);
    assert_eq!(site.carrier.recover(0, None).expect("recover").again.len(), 0);
    let told: (String, String, i64) = ledger
        .query_row("SELECT state, place, rows FROM file", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("its row");
    assert_eq!((told.0.as_str(), told.2), ("archived", 1));
    assert!(site.path(&told.1).is_file(), "{}", told.1);
}

/// The ledger hears of an import with its place in the archive. Recovery looks at the load markers of the last few thousand
/// numbers only: a file that took so long that its number is about to be older is entered at its commit.
#[test]
fn a_file_whose_number_recovery_would_soon_not_look_at_is_entered_before_it_is_moved() {
    for (others, entered) in [(2_000, None), (2_100, Some(("committed".to_owned(), None)))] {
        let mut site = Site::new(import());
        let claimed = site.claim("a.csv", "id\n1\n").expect("claim");
        for _ in 0..others {
            site.ledger.next_id().expect("a number");
        }
        let committed = site.commit_claimed(claimed).expect("commit");
        assert_eq!(site.told(), entered, "{others} numbers later");
        site.carrier.archive(0, committed).expect("archive");
        let (state, place) = site.told().expect("it is entered");
        assert_eq!(state, "archived");
        assert!(site.path(&place.expect("it is known")).is_file());
    }
}

/// fault 75, across midnight: killed between the move and its entry. It is looked for on the day of its commit.
#[test]
fn a_file_that_was_archived_on_another_day_is_found_there_though_the_ledger_has_never_heard_of_it() {
    let day =
        |ago: i64| jiff::Zoned::now().saturating_sub(jiff::Span::new().days(ago)).strftime("%Y-%m-%d").to_string();
    for (committed, moved, is_found) in [(3, 3, true), (4, 3, true), (3, 5, false)] {
        let mut site = Site::new(import());
        drop(site.commit("a.csv", "id\n1\n").expect("commit"));
        assert_eq!(site.told(), None);
        let place = format!("archive/{}", day(moved));
        fs::create_dir_all(site.path(&place)).expect("make the day");
        fs::rename(site.path("active/0/a.csv"), site.path(&place).join("a.csv")).expect("move");
        let at = jiff::Timestamp::now() - jiff::Span::new().hours(committed * 24);
        let target = Connection::open(site.root.path().join("importerd.db")).expect("open the target");
        let back = "UPDATE _importerd_files SET committed_at = ?";
        assert_eq!(target.execute(back, [at.strftime("%Y-%m-%dT%H:%M:%S.678Z").to_string()]).expect("set back"), 1);
        drop(target);
        let mut site = site.again(import());
        assert_eq!(site.carrier.recover(0, None).expect("recover").again.len(), 0);
        let (state, found) = site.told().expect("it is learnt");
        assert_eq!(state, "archived");
        assert_eq!(found == Some(format!("{place}/a.csv")), is_found, "{found:?}");
    }
}

/// fault 75: killed between the move and its entry, and an operator took away what had the names before it.
#[test]
fn an_archived_file_that_nobody_entered_is_found_behind_a_gap_in_the_names() {
    for (name, is_found) in [("a.csv", true), ("a~3.csv", true), ("gone/a.csv", false)] {
        let mut site = Site::new(import());
        drop(site.commit("a.csv", "id\n1\n").expect("commit"));
        let place = format!("archive/{}/{name}", jiff::Zoned::now().strftime("%Y-%m-%d"));
        fs::create_dir_all(site.path(&place).parent().expect("its day")).expect("make the day");
        fs::rename(site.path("active/0/a.csv"), site.path(&place)).expect("move");
        let mut site = site.again(import());
        assert_eq!(site.carrier.recover(0, None).expect("recover").again.len(), 0);
        let (state, found) = site.told().expect("it is learnt");
        assert_eq!(state, "archived");
        assert_eq!(found == Some(place), is_found, "{found:?}");
    }
}

#[test]
fn a_file_that_can_not_be_archived_is_known_to_be_committed() {
    let mut site = Site::new(import());
    let committed = site.commit("a.csv", "id\n1\n").expect("commit");
    fs::remove_dir_all(site.path("archive")).expect("remove");
    fs::write(site.path("archive"), "").expect("something in its place");
    assert!(matches!(site.carrier.archive(0, committed), Err(Halt::Hold(_))));
    assert_eq!(site.told(), Some(("committed".to_owned(), None)));
    fs::remove_file(site.path("archive")).expect("mend it");
    assert_eq!(site.carrier.recover(0, None).expect("recover").archived, 1);
    assert_eq!(site.told().expect("its row").0, "archived");
}

/// Looks where the file `a` lies whenever an event is told.
struct Witness {
    folder: PathBuf,
    seen: Arc<Mutex<Vec<(String, &'static str)>>>,
}

impl slog::Drain for Witness {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        let mut kind = Kind(None);
        record.kv().serialize(record, &mut kind).expect("nothing of it can fail");
        let lies_in = |directory: &&str| self.folder.join(directory).join("a").exists();
        let place = ["inbox", "active/0", "quarantine"].into_iter().find(lies_in).unwrap_or("nowhere");
        self.seen.lock().expect("no panic").extend(kind.0.map(|kind| (kind, place)));
        Ok(())
    }
}

/// The event that a record tells.
struct Kind(Option<String>);

impl slog::Serializer for Kind {
    fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
        if key == "event" {
            self.0 = Some(value.to_string());
        }
        Ok(())
    }
}

#[test]
fn a_file_lies_where_an_event_says_when_the_event_is_told() {
    outlive_lease_breaks();
    let refuse_at_last = "test $IMPORTERD_ATTEMPT = 2 && exit 65; exit 1";
    for (work, comes_back, told) in [
        (run(refuse_at_last), false, [("file.deferred", "inbox"), ("file.quarantined", "quarantine")].as_slice()),
        (import(), true, [("file.returned", "inbox")].as_slice()),
    ] {
        let root = tempfile::tempdir().expect("a temporary directory");
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let witness = Witness { folder: root.path().join("drop"), seen: Arc::clone(&seen) };
        let logger = slog::Logger::root(slog::Fuse(witness), slog::o!());
        let mut site = Site::heard(root, work, Journal::new(logger, Arc::default()));
        fs::write(site.path("inbox/a"), "id\n1\n").expect("drop a file");
        let mut expected = Vec::new();
        for (event, place) in told {
            let claimed = site.carrier.claim(0, Settled { name: "a".into() }).expect("claim").expect("it is there");
            if comes_back {
                let mut uploader = fs::OpenOptions::new();
                let uploader = uploader.write(true).custom_flags(libc::O_NONBLOCK);
                uploader.open(site.path("active/0/a")).expect_err("it is leased");
            }
            assert!(site.carrier.process(0, claimed).expect("process").is_none(), "it can't be done now");
            expected.extend([("file.claimed".to_owned(), "active/0"), ((*event).to_owned(), *place)]);
        }
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}

/// What the ledger says of all files, by number.
fn states(site: &Site) -> Vec<(i64, String, Option<i64>)> {
    let ledger = site.ledger();
    let mut query = ledger.prepare("SELECT id, state, replaces FROM file ORDER BY id").expect("a query");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("its rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// A fault of the world leaves a file in its slot that was deferred, and written to before its time came.
#[test]
fn a_deferred_file_that_was_written_to_keeps_its_number_though_its_attempt_was_cut_short() {
    for is_restarted in [false, true] {
        let mut site = Site::new(run("exit 75"));
        fs::write(site.path("inbox/a.txt"), "a").expect("drop a file");
        let offered = || Settled { name: "a.txt".into() };
        let claimed = site.carrier.claim(0, offered()).expect("claim").expect("it is there");
        assert!(site.carrier.process(0, claimed).expect("process").is_none(), "later, says its command");
        let ledger = site.ledger();
        assert_eq!(ledger.execute("UPDATE file SET retry_at_us = 0", []).expect("its time has come"), 1);
        fs::write(site.path("inbox/a.txt"), "more").expect("in place");
        let claimed = site.carrier.claim(0, offered()).expect("claim").expect("it is there");
        drop(claimed);
        if is_restarted {
            site = site.again(run("exit 75"));
        }
        let again = site.carrier.recover(0, None).expect("recover").again.pop().expect("it is carried again");
        assert!(site.carrier.process(0, again).expect("process").is_none(), "later, says its command");
        assert_eq!(states(&site), [(1, "deferred".to_owned(), None)]);
    }
}

/// fault 20: who judged it saw the file as it was put off.
#[test]
fn a_deferred_file_that_is_written_to_between_its_offer_and_its_claim_waits_for_its_marker() {
    outlive_lease_breaks();
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut settings = parts::settings_of(root.path(), run("exit 75"), Duplicates::Allow);
    settings.folders.get_mut("drop").expect("the folder").ready_marker = Some(".done".to_owned());
    let mut site = Site::set(root, &settings, Journal::unheard());
    let claimed = site.claim("a.csv", "whole").expect("claim");
    assert!(site.carrier.process(0, claimed).expect("process").is_none(), "it is put off");
    let mut claim = |name: &str, content: &str| {
        fs::write(site.path("inbox").join(name), content).expect("drop a file");
        let claimed = site.carrier.claim(0, Settled { name: "a.csv".into() }).expect("claim");
        (claimed.is_some(), names(&site.path("inbox")))
    };
    assert_eq!(claim("a.csv", "half"), (false, vec!["a.csv".to_owned()]));
    assert_eq!(claim("a.csv.done", ""), (true, vec![]));
}

/// fault 85: the clock was two days ahead when it was refused, and an operator moved it back into the inbox since.
#[test]
fn a_refused_file_that_was_moved_back_by_hand_is_tried_again_though_the_clock_was_ahead() {
    let mut site = Site::new(import());
    let claimed = site.claim("a.csv", "id,name\n1\n").expect("claim");
    assert!(site.carrier.process(0, claimed).expect("process").is_none(), "it is refused");
    let ahead = "UPDATE file SET changed_at_us = changed_at_us + 172800000000";
    assert_eq!(site.ledger().execute(ahead, []).expect("set the time"), 1);
    // By hand, and claimed from there before the daemon was killed.
    fs::rename(site.path("quarantine/a.csv"), site.path("active/0/a.csv")).expect("move it");
    let mut site = site.again(import());
    let recovered = site.carrier.recover(0, None).expect("recover");
    assert_eq!((recovered.archived, recovered.again.len()), (0, 1));
    assert_eq!(names(&site.path("quarantine")), ["a.csv.reason.txt"]);
}
