//! Kills at random moments while files are replayed and others stream in: the rows of a file are in once at every
//! moment, the old ones or the new ones.
//!
//! `IMPORTERD_SEED` repeats a run's choices.

mod harness;
mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, Drop, PATIENCE, files};

const KILLS: usize = 60;
/// When nothing is heard for so long, it is time for the next moment.
const QUIET: Duration = Duration::from_millis(20);

/// Files dropped so far: each has the two rows of its number.
struct Feed {
    drop: Drop,
    random: fastrand::Rng,
    dropped: i64,
    /// Numbers of files whose rows were in at an earlier kill.
    seen: BTreeSet<i64>,
}

impl Feed {
    fn more(&mut self, files: i64) {
        for number in self.dropped..self.dropped + files {
            self.drop.put(format!("f{number}.csv"), format!("id,n\n{number},x\n{number},y\n"));
        }
        self.dropped += files;
    }

    /// Begins to order a replay: of some files by name, or of all.
    fn order(&mut self) -> Child {
        let names: Vec<_> = (0..8).map(|_| format!("f{}.csv", self.random.i64(0..self.dropped))).collect();
        let mut arguments = vec!["replay"];
        if self.random.u8(0..4) == 0 {
            arguments.extend(["--folder", "drop", "--yes"]);
        } else {
            arguments.extend(names.iter().map(String::as_str));
        }
        let mut command = self.drop.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("order a replay")
    }

    /// What is wrong at this moment, whatever was done last.
    fn problems(&mut self) -> Vec<String> {
        let in_target = match rows_by_number(&self.drop) {
            Ok(rows) => rows,
            Err(error) => return vec![error],
        };
        let mut problems = Vec::new();
        for number in 0..self.dropped {
            match in_target.get(&number).map(Vec::as_slice) {
                None if self.seen.contains(&number) => problems.push(format!("the rows of f{number} are gone")),
                None => {}
                Some([first, second]) if first == second => drop(self.seen.insert(number)),
                Some(of) => problems.push(format!("the rows of f{number} are of the files {of:?}")),
            }
        }
        let lying = ["inbox", "active", "archive", "quarantine"].map(|place| self.drop.names(place).len());
        if lying.iter().sum::<usize>() != usize::try_from(self.dropped).expect("few") || lying[3] > 0 {
            problems.push(format!("of {} files there are {lying:?}", self.dropped));
        }
        problems
    }

    /// What is wrong when all is done, in the ledger too. Returns how often something was replayed.
    fn problems_at_the_end(&mut self) -> (Vec<String>, usize) {
        let mut problems = self.problems();
        if i64::try_from(self.seen.len()) != Ok(self.dropped) {
            problems.push(format!("{} of {} files are in", self.seen.len(), self.dropped));
        }
        let ledger = self.drop.ledger();
        let mut query = ledger.prepare("SELECT name, state, place FROM file").expect("a query");
        let files = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("files");
        let mut by_name: BTreeMap<String, Vec<(String, Option<String>)>> = BTreeMap::new();
        for file in files {
            let (name, state, place) = file.expect("a file");
            by_name.entry(name).or_default().push((state, place));
        }
        let mut replayed = 0;
        for (name, mut stories) in by_name {
            let all = stories.clone();
            replayed += stories.iter().filter(|(state, _)| state == "replaced").count();
            stories.retain(|(state, _)| state != "replaced");
            let is_there =
                |place: &Option<String>| place.as_deref().is_some_and(|place| self.drop.path().join(place).is_file());
            if !matches!(&stories[..], [(state, place)] if state == "archived" && is_there(place)) {
                problems.push(format!("the ledger says of {name}: {all:?}"));
            }
        }
        (problems, replayed)
    }
}

/// Of each number, the files that its rows say they are of; and what the markers say otherwise.
fn rows_by_number(drop: &Drop) -> Result<BTreeMap<i64, Vec<i64>>, String> {
    let mut by_number = BTreeMap::<i64, Vec<i64>>::new();
    if !drop.state().join("rows.db").exists() {
        return Ok(by_number);
    }
    let target = drop.rows();
    let Ok(mut query) = target.prepare("SELECT id, _file_id FROM \"drop\"") else { return Ok(by_number) };
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    for row in rows {
        let (number, file) = row.expect("a row");
        by_number.entry(number).or_default().push(file);
    }
    let disagreeing = "SELECT count(*) FROM (
        SELECT id FROM _importerd_files f WHERE rows <> (SELECT count(*) FROM \"drop\" WHERE _file_id = f.id)
        UNION ALL SELECT _file_id FROM \"drop\" WHERE _file_id NOT IN (SELECT id FROM _importerd_files))";
    match target.query_row(disagreeing, [], |row| row.get::<_, i64>(0)).expect("a count") {
        0 => Ok(by_number),
        count => Err(format!("{count} markers and rows don't agree")),
    }
}

/// So many records, or quiet, and a little more.
fn await_a_moment(daemon: &mut Daemon, random: &mut fastrand::Rng) {
    assert!(daemon.next_within(PATIENCE).is_some(), "it says nothing");
    let records = random.usize(0..60);
    let _ = (0..records).map_while(|_| daemon.next_within(QUIET)).count();
    spin(Duration::from_micros(random.u64(0..3_000)));
}

/// Lets time pass without giving up the processor: sleeps end when timers tick.
fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// fault 80
#[test]
fn kills_while_files_are_replayed_double_no_row_and_lose_none() {
    let seed = proof::seed();
    let drop = Drop::with_daemon("backoff = { min = \"20ms\", max = \"200ms\" }", "");
    let mut feed = Feed { drop, random: fastrand::Rng::with_seed(seed), dropped: 0, seen: BTreeSet::new() };
    feed.more(40);
    assert!(feed.drop.once().success());
    for kill in 0..KILLS {
        // Without a daemon the order is killed on its way; it may have been carried out.
        if feed.random.u8(0..4) == 0 {
            let mut order = feed.order();
            spin(Duration::from_micros(feed.random.u64(0..20_000)));
            let _ = order.kill();
            order.wait().expect("wait");
        }
        let mut daemon = feed.drop.launch();
        let mut order = feed.order();
        feed.more(3);
        let mut random = feed.random.fork();
        await_a_moment(&mut daemon, &mut random);
        daemon.kill();
        order.wait().expect("wait");
        let problems = feed.problems();
        assert!(problems.is_empty(), "kill {kill} of seed {seed}: {problems:#?}");
    }
    let until = Instant::now() + PATIENCE;
    while !files(&feed.drop.inbox()).is_empty() || waits(&feed.drop) {
        assert!(feed.drop.once().success(), "seed {seed}");
        assert!(Instant::now() < until, "seed {seed}: it comes to no end");
    }
    assert!(feed.drop.once().success(), "seed {seed}");
    let (problems, replayed) = feed.problems_at_the_end();
    assert!(problems.is_empty(), "seed {seed}: {problems:#?}");
    assert!(replayed > 50, "seed {seed}: only {replayed} were replayed: the kills proved nothing");
}

fn waits(drop: &Drop) -> bool {
    let sql = "SELECT count(*) FROM file WHERE state IN ('deferred', 'committed')";
    drop.ledger().query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count") > 0
}

/// The control: rows that are doubled, gone or half are seen by the checks of the other test.
#[test]
fn what_a_replay_that_is_not_one_transaction_would_leave_is_seen() {
    let drop = Drop::new();
    let mut feed = Feed { drop, random: fastrand::Rng::new(), dropped: 0, seen: BTreeSet::new() };
    feed.more(2);
    assert!(feed.drop.once().success());
    assert_eq!(feed.problems_at_the_end(), (Vec::new(), 0));
    for wrong in [
        "INSERT INTO \"drop\" SELECT * FROM \"drop\" WHERE id = 1",
        "DELETE FROM \"drop\" WHERE id = 1 AND n = 'x'",
        "DELETE FROM \"drop\" WHERE id = 1",
        "DELETE FROM _importerd_files",
        "UPDATE _importerd_files SET rows = 3",
    ] {
        let rows = feed.drop.rows();
        rows.execute_batch(
            "CREATE TABLE kept AS SELECT * FROM \"drop\"; CREATE TABLE marks AS SELECT * FROM _importerd_files",
        )
        .expect("keep them");
        assert!(rows.execute(wrong, []).expect("do wrong") > 0);
        assert!(!feed.problems().is_empty(), "{wrong}");
        rows.execute_batch(
            "DELETE FROM \"drop\"; INSERT INTO \"drop\" SELECT * FROM kept; DROP TABLE kept;
             DELETE FROM _importerd_files; INSERT INTO _importerd_files SELECT * FROM marks; DROP TABLE marks",
        )
        .expect("mend it");
        assert_eq!(feed.problems(), [""; 0]);
    }
}
