//! A backlog of small files: who has them all done, and durable or not, how soon.

use std::process::Command;

use super::{Checked, per_second};
use crate::contest::{self, Contender, Figure, Standing};
use crate::ground::Ground;
use crate::peers::Peers;
use crate::process::{run, run_until_archived};
use crate::setup::Setup;
use crate::{Outcome, check};

pub fn hold(setup: &Setup) -> Standing {
    let peers = Peers::make(setup);
    let stage = Stage { setup, peers: &peers };
    let files = setup.files;
    // The slow ones get fewer: their pace is the same.
    let [few, fewest] = [4, 40].map(|share| (files / share).max(100));
    let contenders = [
        stage.importer("importerd once", |ground| setup.importerd_into_sqlite(ground, "once")),
        stage.importer("by hand, durable", |ground| Ok(setup.floor_over("import", ground))),
        stage.importer("by hand, with claims, markers and a ledger", |ground| Ok(setup.floor_over("kept", ground))),
        stage.floor("bare calls, 2 threads", "bare"),
        stage.floor("write-ahead record, 64 a flush, durable", "write-ahead"),
        stage.peer("Go", files, Peers::go(&peers, false)).unless(peers.no_go()),
        stage.peer("Go, durable", few, Peers::go(&peers, true)).unless(peers.no_go()),
        stage.peer("Python watchdog", few, Peers::python(&peers)).unless(peers.no_python()),
        stage.script("bash script", fewest),
    ];
    let title = format!("Small files: {files} of 4 KiB waiting");
    let figure = Figure { title, unit: "files/s" };
    contest::hold(setup.rounds, vec![figure], &[1, 3, 6], &contenders)
}

struct Stage<'a> {
    setup: &'a Setup,
    peers: &'a Peers,
}

impl<'a> Stage<'a> {
    /// Who imports into SQLite, and ends when nothing is left.
    fn importer(&self, name: &'a str, make: impl Fn(&Ground) -> Outcome<Command> + 'a) -> Contender<'a> {
        self.ending(name, self.setup.files, make, check::imported)
    }

    /// Who only writes what a file needs at least.
    fn floor(&self, name: &'a str, floor: &'a str) -> Contender<'a> {
        let setup = self.setup;
        let checked = if floor == "bare" { check::summed } else { check::archived };
        self.ending(name, setup.files, move |ground| Ok(setup.floor_over(floor, ground)), checked)
    }

    fn script(&self, name: &'a str, files: usize) -> Contender<'a> {
        let peers = self.peers;
        self.ending(name, files, |ground| Ok(peers.cron(ground)), check::summed)
    }

    fn ending(
        &self,
        name: &'a str,
        files: usize,
        make: impl Fn(&Ground) -> Outcome<Command> + 'a,
        checked: Checked,
    ) -> Contender<'a> {
        let setup = self.setup;
        Contender::new(name, move || {
            let ground = Ground::with_backlog(&setup.directory, name, files)?;
            let took = run(&mut make(&ground)?, &ground)?;
            checked(&ground, files)?;
            Ok(vec![per_second(files as u64, took)])
        })
    }

    /// Who goes on for ever, and writes a result for each file.
    fn peer(&self, name: &'a str, files: usize, make: impl Fn(&Ground) -> Command + 'a) -> Contender<'a> {
        let setup = self.setup;
        Contender::new(name, move || {
            let ground = Ground::with_backlog(&setup.directory, name, files)?;
            let took = run_until_archived(&mut make(&ground), &ground, files)?;
            check::summed(&ground, files)?;
            Ok(vec![per_second(files as u64, took)])
        })
    }
}
