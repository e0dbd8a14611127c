//! Two Processors in one folder, at the same time in the same stage.

mod parts;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use importerd::folder::inbox::Settled;
use importerd::ledger::FILE_NAME;
use importerd::stages::{Carrier, Claimed, Journal};
use importerd_actors::{InHand, Stages};
use parts::Parts;
use rusqlite::Connection;

const ROUNDS: usize = 40;
const NAME: &str = "bad.csv";

/// Drops a file whose second row is of this text, and claims it.
fn claimed(stages: &mut Carrier, inbox: &Path, text: &str) -> Claimed {
    fs::write(inbox.join(NAME), format!("id,name\n{text}\n")).expect("drop a file");
    stages.claim(0, Settled { name: NAME.into() }).expect("claim").expect("it is there")
}

/// One Processor: claims in turn with the other, processes at the same time. Returns the numbers of its files.
fn refuse_many(mut stages: Carrier, slot: usize, inbox: &Path, together: &Barrier) -> Vec<i64> {
    let refuse_one = |round: usize| {
        let mut file = None;
        for turn in 0..2 {
            if turn == slot {
                file = Some(claimed(&mut stages, inbox, &format!("{slot}-{round}")));
            }
            together.wait();
        }
        let file = file.expect("each had its turn");
        let id = file.id();
        assert!(stages.process(0, file).expect("no halt").is_none(), "it is refused");
        id
    };
    (0..ROUNDS).map(refuse_one).collect()
}

#[test]
fn two_files_of_one_name_that_are_refused_at_once_keep_their_own_reasons() {
    let root = tempfile::tempdir().unwrap();
    let settings = parts::settings(root.path());
    let Parts { folders, ledger, journal } = parts::open(root.path(), &settings, Journal::unheard());
    let (inbox, together) = (root.path().join("drop/inbox"), Barrier::new(2));
    let refused: Vec<i64> = thread::scope(|scope| {
        let processors = [0, 1].map(|slot| {
            let (folders, ledger, journal) = (Arc::clone(&folders), Arc::clone(&ledger), journal.clone());
            let (inbox, together) = (&inbox, &together);
            scope.spawn(move || refuse_many(Carrier::new(slot, 2, folders, ledger, journal), slot, inbox, together))
        });
        processors.into_iter().flat_map(|processor| processor.join().unwrap()).collect()
    });
    assert_eq!(refused.len(), 2 * ROUNDS);
    let ledger = Connection::open(root.path().join(FILE_NAME)).unwrap();
    for id in refused {
        let place: String = ledger.query_row("SELECT place FROM file WHERE id = ?", [id], |row| row.get(0)).unwrap();
        let path = root.path().join("drop").join(&place);
        assert!(path.is_file(), "{place}");
        let reason = fs::read_to_string(format!("{}.reason.txt", path.display())).unwrap();
        assert!(reason.contains(&format!("file #{id},")), "{place}: {reason}");
    }
}
