//! When the ledger hears of an import, and what keeps it from never hearing of one: two Processors of one folder, whose
//! stages are driven by hand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod parts;

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use importerd::folder::inbox::Settled;
use importerd::ledger::{FILE_NAME, Ledger};
use importerd::stages::{Carrier, Claimed, Committed, Journal};
use importerd_actors::{Halt, Stages};
use parts::Parts;
use rusqlite::Connection;

struct Site {
    root: tempfile::TempDir,
    ledger: Arc<Ledger>,
    processors: [Carrier; 2],
}

impl Site {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(root: tempfile::TempDir) -> Self {
        let settings = parts::settings(root.path());
        let Parts { folders, ledger, journal } = parts::open(root.path(), &settings, Journal::unheard());
        let processors =
            [0, 1].map(|slot| Carrier::new(slot, 2, Arc::clone(&folders), Arc::clone(&ledger), journal.clone()));
        Self { root, ledger, processors }
    }

    /// After a kill.
    fn again(self) -> Self {
        let Self { root, ledger, processors } = self;
        drop((ledger, processors));
        Self::at(root)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join("drop").join(below)
    }

    fn offer(&self, name: &str, id: u32) -> Settled {
        fs::write(self.path("inbox").join(name), format!("id\n{id}\n")).unwrap();
        Settled { name: name.into() }
    }

    fn claim(&mut self, slot: usize, name: &str, id: u32) -> Result<Claimed, Halt> {
        let offered = self.offer(name, id);
        self.processors[slot].claim(0, offered).map(|claimed| claimed.expect("it is there"))
    }

    fn commit(&mut self, slot: usize, claimed: Claimed) -> Committed {
        let processed = self.processors[slot].process(0, claimed).unwrap().expect("nothing is wrong with it");
        self.processors[slot].commit(0, vec![processed]).unwrap()
    }

    fn carry(&mut self, slot: usize, claimed: Claimed) {
        let committed = self.commit(slot, claimed);
        self.processors[slot].archive(0, committed).unwrap();
    }

    /// The first Processor moves `a.csv` to the archive, and doesn't come to its entry.
    fn stay_unentered(&mut self) {
        let claimed = self.claim(0, "a.csv", 1).unwrap();
        let committed = self.commit(0, claimed);
        let lock = self.database();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.processors[0].archive(0, committed).unwrap_err();
        lock.execute_batch("ROLLBACK").unwrap();
        assert!(!self.path("active/0/a.csv").exists());
    }

    fn give_numbers(&self, count: usize) {
        for _ in 0..count {
            self.ledger.next_id().unwrap();
        }
    }

    /// The ledger, as others read it.
    fn database(&self) -> Connection {
        Connection::open(self.root.path().join(FILE_NAME)).unwrap()
    }

    fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn archived(&self) -> i64 {
        self.count("SELECT count(*) FROM file WHERE state = 'archived' AND place LIKE '%.csv'")
    }
}

/// What follows a file by its events hears of its end, whoever had learnt of its commit first.
#[test]
fn a_file_that_another_processor_learns_of_while_its_own_one_moves_it_is_told_as_archived_once() {
    for recovers in [false, true] {
        let mut site = Site::new();
        let claimed = site.claim(0, "a.csv", 1).unwrap();
        let committed = site.commit(0, claimed);
        if recovers {
            assert_eq!(site.processors[1].recover(0, None).unwrap().archived, 0);
        }
        site.processors[0].archive(0, committed).unwrap();
        let ledger = site.database();
        let mut query = ledger.prepare("SELECT kind FROM event ORDER BY kind").unwrap();
        let told: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(told, ["file.archived", "file.claimed", "file.committed"], "recovers: {recovers}");
    }
}

/// Recovery looks at the load markers of the last 4,096 numbers. fault 73
#[test]
fn a_file_that_hangs_between_its_move_and_its_entry_is_not_left_behind_by_thousands_of_others() {
    for (others, is_held) in [(3_000, false), (4_200, true)] {
        let mut site = Site::new();
        site.stay_unentered();
        site.give_numbers(others);
        match site.claim(1, "b.csv", 2) {
            Ok(claimed) => site.carry(1, claimed),
            Err(halt) => assert!(matches!(halt, Halt::Hold(_)), "{halt}"),
        }
        assert_eq!(site.path("active/1/b.csv").exists(), is_held);
        let mut site = site.again();
        for slot in [0, 1] {
            for claimed in site.processors[slot].recover(0, None).unwrap().again {
                site.carry(slot, claimed);
            }
        }
        assert_eq!(site.archived(), 2, "behind {others} others");
    }
}

#[test]
fn what_was_held_for_an_entry_goes_on_behind_it() {
    let mut site = Site::new();
    site.stay_unentered();
    site.give_numbers(4_200);
    site.claim(1, "b.csv", 2).unwrap_err();
    site.processors[1].recover(0, None).unwrap_err();
    site.processors[0].recover(0, None).unwrap();
    let again = site.processors[1].recover(0, None).unwrap().again;
    assert_eq!(again.len(), 1);
    for claimed in again {
        site.carry(1, claimed);
    }
    assert_eq!(site.archived(), 2);
}

/// A file that a writer had come back to has a number, and no entry: that the ledger doesn't know.
#[test]
fn a_file_that_went_back_to_its_writer_is_entered_as_durably_as_one_that_comes_for_the_first_time() {
    parts::outlive_lease_breaks();
    let mut site = Site::new();
    let claimed = site.claim(0, "a.csv", 1).unwrap();
    let mut writer = fs::OpenOptions::new();
    writer.write(true).custom_flags(libc::O_NONBLOCK).open(site.path("active/0/a.csv")).expect_err("it is leased");
    assert!(site.processors[0].process(0, claimed).unwrap().is_none(), "it is given back");
    assert_eq!(site.count("SELECT count(*) FROM file"), 0);
    let claimed = site.claim(0, "a.csv", 1).unwrap();
    let committed = site.commit(0, claimed);
    // It has a load marker, and its number is young: the ledger hears of it with its place, in one entry.
    assert_eq!(site.count("SELECT count(*) FROM file"), 0);
    site.processors[0].archive(0, committed).unwrap();
    assert_eq!(site.archived(), 1);
    assert_eq!(site.count("SELECT max(id) FROM file"), 1, "under the number it had");
}
