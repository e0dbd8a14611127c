//! The examination: one life, cut in many places; each time the machine comes back, the daemon is started, and the
//! books are opened.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::thread;

use super::cut::{Cut, Replay, cuts};
use super::life::{self, Daemon};
use super::log::Life;
use super::rack::{Filesystem, Rack};
use super::told::Told;
use super::work::{self, Upload};
use crate::crash::books::{self, Kind, Problem};
use crate::crash::site::Site;
use crate::tracer::Hit;

/// How often `importerd once` may leave work behind: files that are deferred.
const ROUNDS_MAX: usize = 100;
/// One in so many recoveries is cut as well, unless the first daemon lied.
const RECOVERIES_CUT: usize = 4;

/// Which disk holds what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The folders on one disk, ledger and target on another: a flush of the one says nothing of the other.
    StateApart,
    /// The folders and the target on one disk, the ledger on another.
    LedgerApart,
    /// All on one disk.
    Together,
}

/// What is to be examined.
pub struct Examination {
    pub filesystem: Filesystem,
    pub layout: Layout,
    pub cuts: usize,
    pub seed: u64,
    /// A control: which of the daemon's flushes do nothing, and say that they did.
    pub lies: Option<fn(&Hit) -> bool>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub states: u64,
    /// In which state, and what.
    pub problems: Vec<(String, Problem)>,
}

/// Where a thread works: its disks, and where they are mounted. Each has its own, or the daemons of two would take
/// each other's commands for their own.
struct Bench {
    directory: tempfile::TempDir,
    layout: Layout,
}

impl Bench {
    fn new(layout: Layout) -> Self {
        let bench = Self { directory: tempfile::tempdir().expect("a temporary directory"), layout };
        for place in bench.places().iter().chain([&bench.served()]) {
            fs::create_dir(place).expect("make a directory");
        }
        bench
    }

    /// Holds the folders.
    fn root(&self) -> PathBuf {
        self.directory.path().join("folders")
    }

    fn state(&self) -> PathBuf {
        match self.layout {
            Layout::Together => self.root().join("state"),
            Layout::StateApart | Layout::LedgerApart => self.directory.path().join("state"),
        }
    }

    fn served(&self) -> PathBuf {
        self.directory.path().join("disks")
    }

    fn places(&self) -> Vec<PathBuf> {
        match self.layout {
            Layout::Together => vec![self.root()],
            Layout::StateApart | Layout::LedgerApart => vec![self.root(), self.state()],
        }
    }

    fn rack(&self, filesystem: Filesystem) -> Rack {
        Rack::new(filesystem, &self.served(), &self.places())
    }

    /// A new site on empty disks.
    fn furnish(&self) -> Site {
        let site = Site::at(self.root(), self.state());
        if self.layout == Layout::LedgerApart {
            symlink("../folders/rows.db", self.state().join("rows.db")).expect("a link");
        }
        rustix::fs::sync();
        site
    }

    /// The site of a life that was lived on another bench.
    fn site(&self) -> Site {
        Site::found(self.root(), self.state(), self.directory.path().join("importerd.toml"))
    }
}

impl Examination {
    /// Lives once, cuts often.
    pub fn run(&self) -> Findings {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let uploads = work::uploads(&mut random);
        let (life, from) = thread::scope(|scope| joined(scope.spawn(|| self.live(&uploads))));
        let cuts = cuts(&life, from, self.cuts, &mut random);
        let examiners = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let examine = |number| {
                let (life, uploads) = (&life, &uploads);
                let share: Vec<_> = cuts.iter().skip(number).step_by(examiners).copied().collect();
                scope.spawn(move || Examiner::new(self, uploads, number).examine_all(life, &share))
            };
            let examiners: Vec<_> = (0..examiners).map(examine).collect();
            examiners.into_iter().map(joined).fold(Findings::default(), Findings::and)
        })
    }

    fn live(&self, uploads: &[Upload]) -> (Life, usize) {
        let bench = Bench::new(self.layout);
        let rack = bench.rack(self.filesystem);
        rack.format();
        let mounted = rack.mount();
        let site = bench.furnish();
        let command = site.command("run", 2);
        let from = life::live(&rack, &site, uploads, || match self.lies {
            None => Daemon::start(&rack, command),
            Some(lies) => Daemon::start_lying(&rack, command, lies),
        });
        drop(mounted);
        (rack.disks.take(), from)
    }
}

impl Findings {
    fn and(mut self, other: Self) -> Self {
        self.states += other.states;
        self.problems.extend(other.problems);
        self
    }
}

/// One thread that looks at states.
struct Examiner<'a> {
    rack: Rack,
    site: Site,
    uploads: &'a [Upload],
    random: fastrand::Rng,
    cuts_recoveries: bool,
    findings: Findings,
    /// The last to go.
    _bench: Bench,
}

impl<'a> Examiner<'a> {
    fn new(examination: &Examination, uploads: &'a [Upload], number: usize) -> Self {
        let bench = Bench::new(examination.layout);
        Self {
            rack: bench.rack(examination.filesystem),
            site: bench.site(),
            uploads,
            random: fastrand::Rng::with_seed(examination.seed ^ number as u64),
            cuts_recoveries: examination.lies.is_none(),
            findings: Findings::default(),
            _bench: bench,
        }
    }

    fn examine_all(mut self, life: &Life, cuts: &[Cut]) -> Findings {
        let mut replay = Replay::of(life);
        for (nth, cut) in cuts.iter().enumerate() {
            let told = Told::default().and(life, cut.position);
            let recovery = self.examine(&cut.to_string(), replay.disks_after(*cut), &told);
            if nth % RECOVERIES_CUT == 0 && self.cuts_recoveries {
                self.examine_recovery(*cut, &recovery, &told);
            }
        }
        self.findings
    }

    /// The power fails again while the daemon recovers.
    fn examine_recovery(&mut self, first: Cut, recovery: &Life, told: &Told) {
        for second in cuts(recovery, 0, 1, &mut self.random) {
            let disks = Replay::of(recovery).disks_after(second);
            let told = told.and(recovery, second.position);
            self.examine(&format!("{first}, then in its recovery {second}"), disks, &told);
        }
    }

    /// Gives the machine its power back. Returns what came then.
    fn examine(&mut self, cut: &str, disks: Vec<Vec<u8>>, told: &Told) -> Life {
        self.rack.disks.load(disks);
        let mounted = self.rack.mount();
        let mut problems = told.problems_before_recovery(&self.site);
        problems.extend(self.recover().map_or_else(|problem| vec![problem], |()| self.open_the_books(told)));
        drop(mounted);
        self.findings.states += 1;
        self.findings.problems.extend(problems.into_iter().map(|problem| (cut.to_owned(), problem)));
        self.rack.disks.take()
    }

    fn recover(&self) -> Result<(), Problem> {
        for _ in 0..ROUNDS_MAX {
            match Daemon::start(&self.rack, self.site.command("once", 2)).end(&self.rack) {
                Some(0 | 1) if books::waiting(&self.site) == 0 => return Ok(()),
                Some(0 | 1 | 75) => {}
                code => return Err(lost(format!("importerd once ended with {code:?}: {:?}", self.rack.disks.said()))),
            }
        }
        Err(lost(format!("{ROUNDS_MAX} times importerd once left work behind: {:?}", self.rack.disks.said())))
    }

    fn open_the_books(&self, told: &Told) -> Vec<Problem> {
        let read = || {
            let list = told.list(&self.site, self.uploads);
            let after = told.problems_after_recovery(&self.site);
            books::problems_after_a_drain(&self.site, &list).into_iter().chain(after).collect()
        };
        // A control's databases may be beyond reading.
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| vec![lost("the books can't be read".to_owned())])
    }
}

fn lost(text: String) -> Problem {
    Problem { kind: Kind::Lost, text }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
