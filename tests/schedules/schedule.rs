//! One schedule: what happens, in which order, and what must be true after each of it.

mod hands;
mod truth;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use importerd::settings::Settings;
use importerd_actors::Halt;

use crate::books;
use crate::life::{Life, PROCESSORS, Spoilt, copy_ledger, forget_markers, inode};
use crate::parts;
use crate::plan::{Kind, Plan};

const STEPS: usize = 60;
const FILES_MAX: usize = 6;
const NAMES: [&str; 3] = ["a.csv", "b.csv", "c.csv"];
/// Where the ledger is kept as it was before anything happened.
const BEGUN: &str = "begun";
/// More rounds than any end takes.
const ROUNDS_MAX: usize = 40;

/// A file that was dropped.
#[derive(Debug)]
struct Dropped {
    inode: u64,
    key: i64,
    kind: Kind,
    /// How often: an operator may put it back from the archive.
    drops: i64,
    /// The ledger lost its last word on it, before or after an operator had put it back: it may take his file for the
    /// one that it had in hand.
    is_in_doubt: bool,
}

/// A schedule under way.
pub struct Schedule {
    random: fastrand::Rng,
    plan: Plan,
    root: tempfile::TempDir,
    settings: Settings,
    life: Option<Life>,
    files: Vec<Dropped>,
    /// An uploader has this one open.
    writer: Option<File>,
    /// Every number given out, with the inode of its file.
    numbers: BTreeMap<i64, u64>,
    /// What was there at the last look.
    seen: BTreeMap<i64, i64>,
    pub faults: u64,
    pub states: u64,
    pub story: Vec<String>,
    pub problems: Vec<String>,
}

impl Schedule {
    pub fn new(seed: u64, plan: Plan) -> Self {
        let root = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let settings = plan.settings(root.path());
        parts::outlive_lease_breaks();
        let life = Some(Life::begin(root.path(), &settings));
        let begun = root.path().join(BEGUN);
        fs::create_dir(&begun).expect("a directory for the first ledger");
        copy_ledger(root.path(), &begun);
        Self {
            random: fastrand::Rng::with_seed(seed),
            plan,
            root,
            settings,
            life,
            files: Vec::new(),
            writer: None,
            numbers: BTreeMap::new(),
            seen: BTreeMap::new(),
            faults: 0,
            states: 0,
            story: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// To the end, or to the first problem.
    pub fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.look();
            if !self.problems.is_empty() {
                return;
            }
        }
        self.finish();
        if self.problems.is_empty() {
            self.look();
            self.look_at_the_end();
        }
    }

    fn step(&mut self) {
        let slot = self.random.usize(..PROCESSORS);
        match self.random.u8(..100) {
            0..16 => self.drop_file(),
            16..80 => self.carry(slot),
            80..86 => self.panic(slot),
            86..90 => self.kill(),
            90..94 => self.cut(),
            94..96 => self.open_again(),
            96..98 => self.put_back_from_archive(),
            _ => self.correct(),
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    fn folder(&self, below: &str) -> PathBuf {
        self.root.path().join("drop").join(below)
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("a daemon runs")
    }

    /// No stage may meet a fault of the world here.
    fn expect<T>(&mut self, stage: Result<T, Halt>) -> Option<T> {
        stage.map_err(|halt| self.problems.push(format!("halted: {halt}"))).ok()
    }
}

/// The daemon.
impl Schedule {
    /// What a Processor would do next, or one more claim.
    fn carry(&mut self, slot: usize) {
        let claims_more = self.random.bool();
        let processor = &self.life().processors[slot];
        let (is_fresh, claimed) = (processor.is_fresh, processor.claimed.len());
        let (ready, is_committed) = (processor.ready.len(), processor.committed.is_some());
        let done = if is_fresh {
            self.tell(format!("slot {slot} recovers"));
            self.life().recover(slot)
        } else if is_committed {
            self.tell(format!("slot {slot} archives"));
            self.life().archive(slot)
        } else if claimed > 0 {
            self.tell(format!("slot {slot} processes"));
            self.life().process(slot)
        } else if ready > 0 && (ready > 1 || !claims_more) {
            self.tell(format!("slot {slot} commits {ready}"));
            let is_run = self.plan.is_run;
            self.life().commit(slot, is_run)
        } else {
            self.claim(slot)
        };
        self.expect(done);
    }

    /// Any file of the inbox; once every slot is recovered, as the Scanners start only then.
    fn claim(&mut self, slot: usize) -> Result<(), Halt> {
        let waiting = books::files_below(&self.folder("inbox"));
        if waiting.is_empty() || !self.life().is_ready {
            return Ok(());
        }
        let path = &waiting[self.random.usize(..waiting.len())];
        let name = path.file_name().expect("a name").to_owned();
        let is_claimed = self.life().claim(slot, &name)?;
        self.tell(format!("slot {slot} claims {}: {is_claimed}", name.display()));
        Ok(())
    }

    fn panic(&mut self, slot: usize) {
        self.faults += 1;
        self.tell(format!("slot {slot} panics"));
        self.life().panic(slot);
    }

    fn kill(&mut self) {
        self.faults += 1;
        self.tell("a kill");
        drop(self.life.take());
        match self.plan.spoilt {
            Some(Spoilt::Markers) => forget_markers(self.root.path()),
            Some(Spoilt::File) => {
                if let Some(path) = books::files_below(&self.folder("active")).first() {
                    fs::remove_file(path).expect("lose a file");
                }
            }
            _ => {}
        }
        self.life = Some(Life::begin(self.root.path(), &self.settings));
    }

    /// Claims that nobody has flushed may be undone, and so may the ledger's last entries.
    fn cut(&mut self) {
        self.faults += 1;
        self.writer = None;
        let life = self.life.take().expect("a daemon runs");
        let (unflushed, loses_tail) = (life.unflushed.clone(), self.random.bool());
        self.tell(format!("a power cut; the ledger loses its tail: {loses_tail}"));
        life.cut(loses_tail);
        if self.plan.spoilt == Some(Spoilt::FlushedEntries) {
            copy_ledger(&self.root.path().join(BEGUN), self.root.path());
            // The folder would refuse it.
            let _ = fs::remove_file(self.folder("active").join(".ledger"));
        }
        for file in self.files.iter_mut().filter(|file| loses_tail && file.drops > 1) {
            file.is_in_doubt = true;
        }
        for (slot, name, claimed) in unflushed {
            let (place, before) =
                (self.folder("active").join(slot.to_string()).join(&name), self.folder("inbox").join(&name));
            if self.random.bool() && inode(&place) == claimed && !before.exists() {
                self.tell(format!("the claim of {} is undone", name.display()));
                fs::rename(place, before).expect("undo a claim");
            }
        }
        self.life = Some(Life::begin(self.root.path(), &self.settings));
    }
}
