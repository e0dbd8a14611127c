//! Replay and forget, driven by hand over a real folder: the program may die after every step, and comes to one end.

mod parts;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use importerd::control::{By, Ended, Line, Operator, Outcome, Request, Selection};
use importerd::exit;
use importerd::folder::inbox::Settled;
use importerd::ledger::{FILE_NAME, Ledger, State};
use importerd::settings::{Duplicates, Run, Work};
use importerd::stages::{Carrier, Folder, Journal};
use importerd_actors::Stages;
use parts::{Parts, import, outlive_lease_breaks};
use rusqlite::Connection;

const RULES: [Duplicates; 3] = [Duplicates::ByContent, Duplicates::ByName, Duplicates::Allow];

/// A folder `drop` that imports into the table `rows`, and what an operator and a Processor do in it.
struct Site {
    root: tempfile::TempDir,
    duplicates: Duplicates,
    life: Option<Life>,
}

/// What is open between two crashes.
struct Life {
    carrier: Carrier,
    folders: Arc<[Folder]>,
    ledger: Arc<Ledger>,
    journal: Journal,
}

impl Life {
    fn begin(root: &Path, work: Work, duplicates: Duplicates) -> Self {
        let settings = parts::settings_of(root, work, duplicates);
        let Parts { folders, ledger, journal } = parts::open(root, &settings, Journal::unheard());
        let carrier = Carrier::new(0, 1, Arc::clone(&folders), Arc::clone(&ledger), journal.clone());
        Self { carrier, folders, ledger, journal }
    }
}

/// How far a replay comes before the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    Asked,
    Claimed,
    Processed,
    /// Rows are in the target; a power cut has undone what the ledger was told of it.
    InTarget,
    /// The same, and the move into the archive is undone too.
    AllMovesUndone,
    Committed,
    Archived,
}

const DEATHS: [Died; 7] = [
    Died::Asked,
    Died::Claimed,
    Died::Processed,
    Died::InTarget,
    Died::AllMovesUndone,
    Died::Committed,
    Died::Archived,
];

impl Site {
    fn new(duplicates: Duplicates) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let life = Some(Life::begin(root.path(), import(), duplicates));
        Self { root, duplicates, life }
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("it lives")
    }

    /// The program dies, and starts again.
    fn crash(&mut self) {
        self.restart();
        self.recover();
    }

    /// The program dies, and another opens everything: to give an order, perhaps.
    fn restart(&mut self) {
        self.life = None;
        self.life = Some(Life::begin(self.root.path(), import(), self.duplicates));
    }

    fn recover(&mut self) {
        let again = self.life().carrier.recover(0, None).expect("recover").again;
        self.carry(again);
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join("drop").join(below)
    }

    /// Another program's connection.
    fn open(&self, name: &str) -> Connection {
        Connection::open(self.root.path().join(name)).expect("open a database")
    }

    fn drop_file(&self, name: &str, content: &str) {
        fs::write(self.path("inbox").join(name), content).expect("drop a file");
    }

    /// Everything that waits, through all stages; archived files that are asked for too.
    fn work(&mut self) {
        let mut names: Vec<_> = fs::read_dir(self.path("inbox")).expect("the inbox").flatten().collect();
        names.sort_by_key(fs::DirEntry::file_name);
        let mut claimed = Vec::new();
        for name in names {
            claimed.extend(self.claim(name.file_name()));
        }
        while let Some(replay) = self.life().folders[0].deferrals.replays.next(|_| true) {
            claimed.extend(self.claim(replay.place));
        }
        self.carry(claimed);
    }

    fn claim(&mut self, name: std::ffi::OsString) -> Option<importerd::stages::Claimed> {
        self.life().carrier.claim(0, Settled { name }).expect("claim")
    }

    fn carry(&mut self, claimed: Vec<importerd::stages::Claimed>) {
        let carrier = &mut self.life().carrier;
        let processed = claimed.into_iter().filter_map(|file| carrier.process(0, file).expect("process")).collect();
        let committed = carrier.commit(0, processed).expect("commit");
        carrier.archive(0, committed).expect("archive");
    }

    fn import(&mut self, name: &str, content: &str) {
        self.drop_file(name, content);
        self.work();
    }

    fn order(&mut self, request: &Request) -> (u8, Vec<Outcome>) {
        let life = self.life();
        let Life { folders, ledger, journal, .. } = life;
        let operator = Operator { ledger, folders, journal, by: By { uid: 0 } };
        let (mut outcomes, mut code) = (Vec::new(), None);
        operator.obey(request, &mut |line| match line {
            Line::Outcome(outcome) => outcomes.push(outcome),
            Line::Done { exit } => code = Some(exit),
            Line::Refused(refusal) => code = Some(refusal.exit),
            other => panic!("{other:?}"),
        });
        (code.expect("it is done"), outcomes)
    }

    /// The stable word of what came of one file.
    fn replay(&mut self, file: &str) -> String {
        self.order(&Request::Replay(named(file))).1.remove(0).outcome
    }

    fn forget(&mut self, file: &str) -> String {
        self.order(&Request::Forget(named(file))).1.remove(0).outcome
    }

    /// Replays one file and dies on the way, as often as told.
    fn replay_and_die(&mut self, file: &str, died: Died) {
        assert_eq!(self.replay(file), "replaying");
        if died == Died::Asked {
            return self.restart();
        }
        let replay = self.life().folders[0].deferrals.replays.next(|_| true).expect("it is asked for");
        let (id, place) = (replay.id, replay.place.clone());
        let claimed = self.claim(replay.place).expect("it is there");
        if died == Died::Claimed {
            return self.restart();
        }
        let processed = self.life().carrier.process(0, claimed).expect("process").expect("nothing is wrong with it");
        if died == Died::Processed {
            return self.restart();
        }
        let asked = self.row(id.0);
        let committed = self.life().carrier.commit(0, vec![processed]).expect("commit");
        if died == Died::Archived || died == Died::AllMovesUndone {
            self.life().carrier.archive(0, committed).expect("archive");
        }
        let archived = self.row(id.0).1;
        if died == Died::InTarget || died == Died::AllMovesUndone {
            self.undo_in_ledger(id.0, &asked);
        }
        if died == Died::AllMovesUndone {
            fs::rename(self.path(&archived.expect("its place")), self.root.path().join("drop").join(place))
                .expect("undo the move");
        }
        self.restart();
    }

    /// What is in the archive has been there for long.
    fn age(&self) {
        let old = self.path("archive/2020-01-01");
        fs::create_dir_all(&old).expect("a day of long ago");
        for (_, path) in archived_files(&self.path("archive")) {
            let name = Path::new(&path).file_name().expect("a name").to_owned();
            fs::rename(&path, old.join(&name)).expect("move it");
        }
        let sql = "UPDATE file SET place = 'archive/2020-01-01/' || name WHERE state = 'archived'";
        self.open(FILE_NAME).execute(sql, []).expect("enter it");
    }

    fn row(&self, id: i64) -> (String, Option<String>, Option<i64>) {
        let sql = "SELECT state, place, replaces FROM file WHERE id = ?";
        self.open(FILE_NAME)
            .query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("its row in the ledger")
    }

    /// The tail of the ledger is lost: what was entered lazily since the file was asked for.
    fn undo_in_ledger(&self, id: i64, asked: &(String, Option<String>, Option<i64>)) {
        let (state, place, replaces) = asked;
        let ledger = self.open(FILE_NAME);
        let undo = "UPDATE file SET state = ?2, place = ?3, rows = NULL, blake3 = NULL WHERE id = ?1";
        assert_eq!(ledger.execute(undo, (id, state, place)).expect("undo"), 1);
        assert_eq!(ledger.execute("UPDATE file SET state = 'archived' WHERE id = ?", [replaces]).expect("undo"), 1);
    }

    /// What an outsider finds wrong: in the target, in the archive, in the ledger, and between them. `contents`: what
    /// is to be in, by name, each once.
    fn problems(&self, contents: &BTreeMap<&str, &str>) -> Vec<String> {
        let mut problems = Vec::new();
        let target = self.open("importerd.db");
        let mut query = target
            .prepare(
                "SELECT f.name, count(r._file_id), f.rows FROM _importerd_files f
            LEFT JOIN rows r ON r._file_id = f.id WHERE f.forgotten_at IS NULL GROUP BY f.id",
            )
            .expect("a query");
        let mut in_target = BTreeMap::<String, Vec<(i64, i64)>>::new();
        let files = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)));
        for file in files.expect("markers") {
            let (name, rows, told) = file.expect("a marker");
            in_target.entry(name).or_default().push((rows, told));
        }
        for (name, content) in contents {
            let rows = i64::try_from(content.lines().count()).expect("few lines") - 1;
            if in_target.remove(*name).as_deref() != Some(&[(rows, rows)]) {
                problems.push(format!("{name}: not {rows} rows under one number"));
            }
        }
        problems.extend(in_target.into_keys().map(|name| format!("{name}: nobody dropped it")));
        let strays = "SELECT count(*) FROM rows WHERE _file_id NOT IN (SELECT id FROM _importerd_files)";
        let strays: i64 = target.query_row(strays, [], |row| row.get(0)).expect("a count");
        if strays > 0 {
            problems.push(format!("{strays} rows have no marker"));
        }
        let archived = archived_files(&self.path("archive"));
        let mut lying: Vec<_> = archived.iter().map(|(content, _)| content.as_str()).collect();
        let mut dropped: Vec<_> = contents.values().copied().collect();
        lying.sort_unstable();
        dropped.sort_unstable();
        if lying != dropped {
            problems.push(format!("in the archive: {lying:?}"));
        }
        problems.extend(self.problems_of_ledger(&target));
        problems
    }

    /// Every marker that counts is of a file that the ledger says is archived, and where; and the other way round.
    fn problems_of_ledger(&self, target: &Connection) -> Vec<String> {
        let ledger = self.open(FILE_NAME);
        let mut query = ledger.prepare("SELECT id, state, place, replaces FROM file ORDER BY id").expect("a query");
        let rows = query.query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, Option<i64>>(3)?,
            ))
        });
        let mut problems = Vec::new();
        let mut by_id = BTreeMap::new();
        for row in rows.expect("files") {
            let (id, state, place, replaces) = row.expect("a file");
            let counts: i64 = target
                .query_row("SELECT count(*) FROM _importerd_files WHERE id = ? AND forgotten_at IS NULL", [id], |row| {
                    row.get(0)
                })
                .expect("a count");
            let lies = place.as_deref().is_some_and(|place| self.path(place).is_file());
            if (state == "archived") != (counts == 1) || (state == "archived" && !lies) {
                problems.push(format!("#{id} is {state} at {place:?}, there: {lies}, markers: {counts}"));
            }
            if !["archived", "replaced", "forgotten", "duplicate"].contains(&state.as_str()) {
                problems.push(format!("#{id} is {state}"));
            }
            by_id.insert(id, (state, replaces));
        }
        for (id, (state, replaces)) in &by_id {
            let replaced: Option<&(String, Option<i64>)> = replaces.and_then(|replaces: i64| by_id.get(&replaces));
            if ["archived", "replaced"].contains(&state.as_str())
                && replaced.is_some_and(|(state, _)| state != "replaced")
            {
                problems.push(format!("#{id} is {state}, and what it replaces is {replaced:?}"));
            }
        }
        problems
    }
}

/// Content and path of each.
fn archived_files(archive: &Path) -> Vec<(String, String)> {
    let days = fs::read_dir(archive).into_iter().flatten().flatten();
    let files = days.flat_map(|day| fs::read_dir(day.path()).expect("a day").flatten());
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok());
    files.iter().map(|path| (fs::read_to_string(path).expect("a file"), path.display().to_string())).collect()
}

fn named(file: &str) -> Ended {
    let selection = Selection { files: vec![file.to_owned()], ..Selection::default() };
    Ended { selection, ..Ended::default() }
}

fn whole_folder(states: &[State]) -> Ended {
    let selection = Selection { folder: Some("drop".to_owned()), states: states.to_vec(), ..Selection::default() };
    Ended { selection, ..Ended::default() }
}

/// fault 80: and again in the recovery from the recovery.
#[test]
fn a_replay_that_dies_after_any_step_comes_to_the_same_end() {
    for (died, duplicates) in DEATHS.into_iter().flat_map(|died| RULES.map(|rule| (died, rule))) {
        let mut site = Site::new(duplicates);
        let contents = BTreeMap::from([("a.csv", "id\n1\n2\n"), ("b.csv", "id\n3\n")]);
        for (name, content) in &contents {
            site.drop_file(name, content);
        }
        site.work();
        for round in 0..3 {
            site.age();
            site.replay_and_die("a.csv", died);
            site.recover();
            site.work();
            site.crash();
            let problems = site.problems(&contents);
            assert!(problems.is_empty(), "{died:?}, {duplicates:?}, round {round}: {problems:#?}");
        }
        let replaced: i64 = site
            .open(FILE_NAME)
            .query_row("SELECT count(*) FROM file WHERE state = 'replaced'", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(replaced, 3, "{died:?}: each replay was done");
    }
}

/// The control: what a replay that isn't one transaction would leave is seen.
#[test]
fn doubled_missing_and_stray_rows_are_seen() {
    let mut site = Site::new(Duplicates::ByContent);
    let contents = BTreeMap::from([("a.csv", "id\n1\n2\n")]);
    site.import("a.csv", contents["a.csv"]);
    assert_eq!(site.problems(&contents), [""; 0]);
    let target = site.open("importerd.db");
    for (wrong, found) in [
        ("INSERT INTO rows SELECT * FROM rows WHERE id = 1", "a.csv: not 2 rows under one number"),
        ("DELETE FROM rows WHERE id = 1", "a.csv: not 2 rows under one number"),
        ("UPDATE rows SET _file_id = 9 WHERE id = 1", "1 rows have no marker"),
        ("DELETE FROM _importerd_files", "a.csv: not 2 rows under one number"),
    ] {
        target.execute_batch("BEGIN").expect("begin");
        target.execute(wrong, []).expect("do wrong");
        target.execute_batch("COMMIT").expect("commit");
        let problems = site.problems(&contents);
        assert!(problems.iter().any(|problem| problem == found), "{wrong}: {problems:?}");
        let mend = "DELETE FROM rows; INSERT INTO rows VALUES (1, 2, 1), (1, 3, 2)";
        target.execute_batch(mend).expect("mend");
    }
}

#[test]
fn a_thousand_files_are_replayed_in_one_go_and_then_once_more() {
    let mut site = Site::new(Duplicates::ByContent);
    let files: Vec<_> = (0..1_000).map(|number| (format!("{number}.csv"), format!("id\n{number}\n"))).collect();
    for (name, content) in &files {
        site.drop_file(name, content);
    }
    site.work();
    for _ in 0..2 {
        let (code, outcomes) = site.order(&Request::Replay(whole_folder(&[State::Archived])));
        assert_eq!((code, outcomes.len(), outcomes.iter().filter(|it| it.ok).count()), (exit::OK, 1_000, 1_000));
        site.crash();
        site.drop_file("new.csv", "id\n-1\n");
        site.work();
        let contents = files.iter().map(|(name, content)| (name.as_str(), content.as_str()));
        let contents = contents.chain([("new.csv", "id\n-1\n")]).collect();
        let problems = site.problems(&contents);
        assert!(problems.is_empty(), "{problems:#?}");
        fs::remove_file(site.path("inbox/new.csv")).ok();
        assert_eq!(site.forget("new.csv"), "forgotten");
        site.open("importerd.db").execute("DELETE FROM rows WHERE id = -1", []).expect("delete its row");
        for (content, path) in archived_files(&site.path("archive")) {
            if content == "id\n-1\n" {
                fs::remove_file(path).expect("remove it");
            }
        }
    }
}

#[test]
fn what_is_under_way_or_was_replaced_is_not_replayed_and_the_last_number_is() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    assert_eq!(site.replay("a.csv"), "replaying");
    assert_eq!(site.replay("a.csv"), "under_way");
    assert_eq!(site.forget("1"), "not_at_its_end");
    site.work();
    assert_eq!(site.replay("1"), "replaced");
    assert_eq!(site.replay("a.csv"), "replaying", "by its name it is the last number");
    site.work();
    assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n")])), [""; 0]);
}

#[test]
fn replayed_then_forgotten_then_dropped_again_it_is_a_new_file_beside_the_old_one() {
    for duplicates in [Duplicates::ByContent, Duplicates::ByName] {
        let mut site = Site::new(duplicates);
        site.import("a.csv", "id\n1\n");
        assert_eq!(site.replay("a.csv"), "replaying");
        site.work();
        site.import("a.csv", "id\n1\n");
        let rows = |site: &Site| -> i64 {
            site.open("importerd.db").query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).expect("a count")
        };
        assert_eq!(rows(&site), 1, "it is a duplicate");
        let latest = |site: &Site| -> i64 {
            let sql = "SELECT max(id) FROM file WHERE state = 'archived'";
            site.open(FILE_NAME).query_row(sql, [], |row| row.get(0)).expect("a number")
        };
        let number = latest(&site).to_string();
        assert_eq!([site.forget(&number), site.forget(&number)], ["forgotten", "forgotten"]);
        assert_eq!(site.replay(&number), "forgotten");
        site.crash();
        site.import("a.csv", "id\n1\n");
        assert_eq!(rows(&site), 2, "it is new, and the rows of the forgotten one stay");
        site.import("a.csv", "id\n1\n");
        assert_eq!(rows(&site), 2, "it is known again");
    }
}

#[test]
fn a_replay_that_is_not_claimed_yet_is_taken_back_and_the_rows_of_the_earlier_number_stay() {
    for with_crash in [false, true] {
        let mut site = Site::new(Duplicates::ByContent);
        site.import("a.csv", "id\n1\n");
        assert_eq!(site.replay("a.csv"), "replaying");
        let waiting: i64 =
            site.open(FILE_NAME).query_row("SELECT max(id) FROM file", [], |row| row.get(0)).expect("its number");
        if with_crash {
            site.restart();
        }
        assert_eq!(site.forget(&waiting.to_string()), "forgotten");
        assert_eq!(site.row(waiting).0, "forgotten");
        site.work();
        site.crash();
        site.work();
        assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n")])), [""; 0]);
        assert_eq!(site.row(1).0, "archived");
        assert_eq!(site.replay("1"), "replaying", "and it can be asked for again");
        site.work();
        assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n")])), [""; 0]);
    }
}

/// The control of the one before: what a Processor has begun with, and whatever a crash has left of it or undone, is
/// not taken back.
#[test]
fn a_replay_that_has_begun_is_not_taken_back() {
    for died in [Died::Claimed, Died::Processed, Died::InTarget, Died::AllMovesUndone, Died::Committed] {
        let mut site = Site::new(Duplicates::ByContent);
        site.import("a.csv", "id\n1\n");
        site.age();
        site.replay_and_die("a.csv", died);
        let latest = "SELECT max(id) FROM file";
        let begun: i64 = site.open(FILE_NAME).query_row(latest, [], |row| row.get(0)).expect("its number");
        assert_eq!(site.forget(&begun.to_string()), "not_at_its_end", "{died:?}");
        site.recover();
        site.work();
        assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n")])), [""; 0], "{died:?}");
        assert_eq!(site.row(1).0, "replaced", "{died:?}");
    }
}

/// Its control: once it is archived it can be forgotten, and stays so.
#[test]
fn a_duplicate_that_is_being_archived_is_not_forgotten_yet() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    site.drop_file("again.csv", "id\n1\n");
    let claimed = site.claim("again.csv".into()).expect("it is there");
    let carrier = &mut site.life().carrier;
    let processed = carrier.process(0, claimed).expect("process").expect("nothing is wrong with it");
    let committed = carrier.commit(0, vec![processed]).expect("commit");
    assert_eq!(site.row(2).0, "duplicate");
    assert_eq!(site.forget("again.csv"), "not_at_its_end");
    assert_eq!(site.row(2).0, "duplicate");
    site.life().carrier.archive(0, committed).expect("archive");
    assert_eq!(site.forget("again.csv"), "done_before");
    assert_eq!(site.row(2).0, "duplicate");
    assert_eq!(site.forget("a.csv"), "forgotten");
    assert_eq!(site.forget("again.csv"), "forgotten");
    site.crash();
    assert_eq!(site.row(2).0, "forgotten");
}

/// The target is told first: what the ledger was not told before the crash, it learns from the marker.
#[test]
fn a_forget_that_dies_between_target_and_ledger_is_learned() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    assert_eq!(site.forget("a.csv"), "forgotten");
    let undone = "UPDATE file SET state = 'archived'";
    site.open(FILE_NAME).execute(undone, []).expect("undo");
    site.crash();
    assert_eq!(site.row(1).0, "forgotten");
}

#[test]
fn bytes_that_were_changed_in_the_archive_are_loaded_as_they_are_now_and_that_is_told() {
    for with_crash in [false, true] {
        let mut site = Site::new(Duplicates::ByContent);
        site.import("a.csv", "id\n1\n");
        let place = site.row(1).1.expect("its place");
        fs::write(site.path(&place), "id\n5\n6\n").expect("change it");
        assert_eq!(site.replay("a.csv"), "replaying");
        // And once more, after it was asked for.
        fs::write(site.path(&place), "id\n5\n6\n7\n").expect("change it");
        if with_crash {
            let replay = site.life().folders[0].deferrals.replays.next(|_| true).expect("it is asked for");
            site.claim(replay.place).expect("it is there");
            site.crash();
        }
        site.work();
        assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n5\n6\n7\n")])), [""; 0]);
        let sql = "SELECT json FROM event WHERE kind = 'file.committed' ORDER BY id DESC LIMIT 1";
        let told: String = site.open(FILE_NAME).query_row(sql, [], |row| row.get(0)).expect("an event");
        assert!(told.contains("\"bytes_changed\":true") && told.contains("\"replaces\":1"), "{told}");
    }
}

#[test]
fn a_replay_that_is_refused_leaves_the_old_rows_and_says_where_the_file_is() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n2\n");
    let place = site.row(1).1.expect("its place");
    fs::write(site.path(&place), "id\n1\nx\n").expect("spoil it");
    assert_eq!(site.replay("a.csv"), "replaying");
    site.work();
    let rows: i64 = site
        .open("importerd.db")
        .query_row("SELECT count(*) FROM rows WHERE _file_id = 1", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(rows, 2);
    let reason = fs::read_to_string(site.path("quarantine/a.csv.reason.txt")).expect("its reason");
    assert!(reason.contains("line 3") && reason.contains("rows of #1 stay"), "{reason}");
    assert_eq!(site.row(1).0, "archived");
    assert_eq!(site.replay("1"), "not_in_archive");
}

#[test]
fn what_is_gone_or_another_file_in_its_place_is_refused_and_nothing_happens() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    let place = site.row(1).1.expect("its place");
    fs::rename(site.path("archive"), site.path("moved-away")).expect("move the archive away");
    assert_eq!(site.replay("a.csv"), "not_in_archive");
    site.import("a.csv", "id\n2\n");
    assert_eq!(site.row(2).1.as_deref(), Some(&*place), "the same place");
    assert_eq!(site.replay("1"), "not_in_archive", "another file lies there");
    assert_eq!(site.replay("2"), "replaying");
    // Taken away after it was asked for: nothing comes of it, and its rows stay.
    fs::remove_file(site.path(&place)).expect("take it away");
    site.work();
    let rows: i64 =
        site.open("importerd.db").query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).expect("a count");
    assert_eq!((rows, site.row(3).0.as_str(), site.row(2).0.as_str()), (2, "forgotten", "archived"));
}

#[test]
fn files_of_one_name_are_replayed_each_for_itself() {
    let mut site = Site::new(Duplicates::ByContent);
    for content in ["id\n1\n", "id\n2\n", "id\n3\n"] {
        site.import("a.csv", content);
    }
    let (code, outcomes) = site.order(&Request::Replay(whole_folder(&[State::Archived])));
    assert_eq!((code, outcomes.len()), (exit::OK, 3));
    for _ in 0..3 {
        // Two of a name are never in one slot: as the Scanner offers them, one at a time.
        let replay = site.life().folders[0].deferrals.replays.next(|_| true).expect("it is asked for");
        let claimed = site.claim(replay.place).expect("it is there");
        site.carry(vec![claimed]);
    }
    let ids: String = site
        .open("importerd.db")
        .query_row("SELECT group_concat(id) FROM (SELECT id FROM rows ORDER BY id)", [], |row| row.get(0))
        .expect("the rows");
    assert_eq!(ids, "1,2,3");
    assert_eq!(archived_files(&site.path("archive")).len(), 3);
    assert!(site.path("archive").read_dir().expect("a day").count() == 1);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    let dry = |mut ended: Ended| {
        ended.dry_run = true;
        ended
    };
    let outcome = |(code, outcomes): (u8, Vec<Outcome>)| (code, outcomes[0].outcome.clone());
    let replay = outcome(site.order(&Request::Replay(dry(named("a.csv")))));
    let forget = outcome(site.order(&Request::Forget(dry(whole_folder(&[State::Archived])))));
    assert_eq!(replay, (exit::OK, "would_replay".to_owned()));
    assert_eq!(forget, (exit::OK, "would_forget".to_owned()));
    let nothing = outcome(site.order(&Request::Replay(named("b.csv"))));
    assert_eq!(nothing, (exit::REFUSED, "unknown".to_owned()));
    let since = Ended { since_us: Some(i64::MAX), ..whole_folder(&[State::Archived]) };
    assert_eq!(site.order(&Request::Replay(since)), (exit::OK, Vec::new()));
    site.work();
    assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n")])), [""; 0]);
    assert_eq!(site.row(1).0, "archived");
}

#[test]
fn results_of_a_command_are_never_published_a_second_time() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let command = ["sh", "-c", "echo made"].map(str::to_owned).to_vec();
    let work = Work::Run(Run { command, timeout: Duration::from_mins(1) });
    let life = Some(Life::begin(root.path(), work, Duplicates::ByContent));
    let mut site = Site { root, duplicates: Duplicates::ByContent, life };
    site.import("a.txt", "a");
    assert_eq!(site.replay("a.txt"), "runs_a_command");
    site.import("a.txt", "a");
    assert_eq!(fs::read_dir(site.path("results")).expect("results").count(), 1, "it is a duplicate");
    assert_eq!(site.forget("1"), "forgotten");
    site.import("a.txt", "a");
    assert_eq!(fs::read_dir(site.path("results")).expect("results").count(), 2, "it is new");
}

/// fault 17: nobody may write to a file that is being loaded; what a writer has come back to is loaded another time, as
/// the number that was asked for.
#[test]
fn an_archived_file_that_somebody_writes_to_is_loaded_when_he_is_done_also_after_a_crash() {
    outlive_lease_breaks();
    for (duplicates, crash) in RULES.into_iter().flat_map(|rule| [(rule, false), (rule, true)]) {
        let mut site = Site::new(duplicates);
        site.import("a.csv", "id\n1\n");
        let place = site.path(&site.row(1).1.expect("its place"));
        assert_eq!(site.replay("a.csv"), "replaying");
        let writer = fs::OpenOptions::new().write(true).open(&place).expect("write to it");
        let replays = |site: &mut Site| site.life().folders[0].deferrals.replays.next(|_| true);
        let replay = replays(&mut site).expect("it is asked for");
        assert!(site.claim(replay.place.clone()).is_none(), "he has it open");
        assert!(place.is_file());
        drop(writer);
        let claimed = site.claim(replay.place).expect("he is done");
        let name = site.path("active/0/a.csv");
        let refused = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&name);
        assert_eq!(refused.expect_err("it is leased").kind(), std::io::ErrorKind::WouldBlock);
        if crash {
            // The next start finds it in its slot while he writes.
            drop(claimed);
            let writer = fs::OpenOptions::new().write(true).open(&name).expect("write to it");
            site.crash();
            drop(writer);
        } else {
            site.carry(vec![claimed]);
        }
        assert!(site.path("inbox/a.csv").is_file(), "{duplicates:?}, crash: {crash}");
        site.crash();
        site.work();
        let problems = site.problems(&BTreeMap::from([("a.csv", "id\n1\n")]));
        assert!(problems.is_empty(), "{duplicates:?}, crash: {crash}: {problems:#?}");
        assert_eq!(site.row(1).0, "replaced", "{duplicates:?}, crash: {crash}");
    }
}

/// fault 75: it waited for so long that its number is far below those that recovery asks the target for.
#[test]
fn a_replay_with_an_old_number_is_learned_from_its_marker_too() {
    let mut site = Site::new(Duplicates::ByContent);
    site.import("a.csv", "id\n1\n");
    site.age();
    assert_eq!(site.replay("a.csv"), "replaying");
    let asked = site.row(2);
    site.open(FILE_NAME)
        .execute("UPDATE counter SET value = 100000 WHERE name = 'next_id'", [])
        .expect("many numbers are given out");
    site.crash();
    let replay = site.life().folders[0].deferrals.replays.next(|_| true).expect("it is asked for");
    let later = site.claim(replay.place).expect("it is there");
    site.carry(vec![later]);
    site.import("b.csv", "id\n2\n");
    site.undo_in_ledger(2, &asked);
    site.crash();
    site.work();
    assert_eq!(site.problems(&BTreeMap::from([("a.csv", "id\n1\n"), ("b.csv", "id\n2\n")])), [""; 0]);
}
