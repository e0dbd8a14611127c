//! Where every file is, and who did what to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use importerd_actors::{Blame, Happening, Nudge, Observer};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::act::{Act, Stage, Step};

type Script = Arc<dyn Fn(&Step) -> Act + Send + Sync>;

/// How long an empty inbox rests.
pub const RESCAN: Duration = Duration::from_secs(30);

/// Shared by a test, its ports and its tree.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    script: Arc<Mutex<Script>>,
    changed: Arc<Notify>,
}

/// All there is. A file is in exactly one of the first four places.
#[derive(Default)]
pub struct State {
    /// By folder.
    pub inbox: BTreeMap<usize, BTreeSet<i64>>,
    /// Slot and folder of each.
    pub claimed: BTreeMap<i64, (usize, usize)>,
    pub archived: BTreeSet<i64>,
    pub quarantined: BTreeSet<i64>,
    /// How often the file was committed.
    pub commits: BTreeMap<i64, usize>,
    /// Files of the inbox that somebody still writes to, with their folder, until then.
    pub writing: BTreeMap<i64, (usize, Instant)>,
    pub dropped: usize,
    pub blames: Vec<Blame>,
    pub steps: Vec<Step>,
    pub calls: BTreeMap<Stage, usize>,
    pub happenings: Vec<(Instant, Happening)>,
    pub nudges: BTreeMap<usize, Nudge>,
    /// Offers that a look has filled and nobody has answered, by folder and number: files.
    pub under_way: BTreeMap<(usize, u64), BTreeSet<i64>>,
    pub under_way_max: usize,
    /// Ports that live.
    pub alive: usize,
    /// Broken contracts.
    pub wrongs: Vec<String>,
}

impl State {
    pub fn happened(&self, what: impl Fn(&Happening) -> bool) -> usize {
        self.happenings.iter().filter(|(_, happening)| what(happening)).count()
    }

    pub fn calls(&self, stage: Stage) -> usize {
        self.calls.get(&stage).copied().unwrap_or(0)
    }

    pub fn in_inbox(&self) -> usize {
        self.inbox.values().map(BTreeSet::len).sum::<usize>() + self.writing.len()
    }

    /// The files of every call of the stage, in order.
    pub fn batches(&self, stage: Stage) -> Vec<Vec<i64>> {
        self.steps.iter().filter(|step| step.stage == stage).map(|step| step.files.clone()).collect()
    }
}

impl World {
    /// A world in which every port does its duty.
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            script: Arc::new(Mutex::new(Arc::new(|_: &Step| Act::Go))),
            changed: Arc::default(),
        }
    }

    /// From here on the ports do what the script says.
    pub fn script(&self, script: impl Fn(&Step) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Drops files into a folder, without a nudge.
    pub fn drop_files(&self, folder: usize, files: impl IntoIterator<Item = i64>) {
        let mut state = self.state();
        for file in files {
            assert!(state.inbox.entry(folder).or_default().insert(file), "file {file} dropped twice");
            state.dropped += 1;
        }
    }

    /// A file that somebody writes to for a while.
    pub fn write_file(&self, folder: usize, file: i64, time: Duration) {
        let mut state = self.state();
        state.writing.insert(file, (folder, Instant::now() + time));
        state.dropped += 1;
    }

    pub fn nudge(&self, folder: usize) {
        self.state().nudges[&folder].wake();
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world and tells all who wait for a change.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    /// Waits until the world is so. It stands still while it is looked at.
    pub async fn until(&self, so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if so(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// What the script says to a step; the step is in the books.
    pub fn act(&self, mut step: Step) -> Act {
        step.before = self.change(|state| {
            let calls = state.calls.entry(step.stage).or_default();
            *calls += 1;
            let before = *calls - 1;
            state.steps.push(Step { before, ..step.clone() });
            before
        });
        let script = Arc::clone(&self.script.lock().unwrap());
        script(&step)
    }

    /// Nothing is lost, nothing is committed twice, no contract is broken, and what is archived was committed.
    pub fn check(&self) {
        let state = self.state();
        assert_eq!(state.wrongs, Vec::<String>::new());
        let somewhere = state.in_inbox() + state.claimed.len() + state.archived.len() + state.quarantined.len();
        assert_eq!(somewhere, state.dropped, "files lost or doubled");
        let twice: Vec<_> = state.commits.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "committed more than once: {twice:?}");
        for file in &state.archived {
            assert!(state.commits.contains_key(file), "{file} is archived and was never committed");
        }
        for file in &state.quarantined {
            assert!(!state.commits.contains_key(file), "{file} is quarantined and was committed");
        }
    }

    /// Checks, and every file is archived.
    pub fn check_all_archived(&self) {
        self.check();
        let state = self.state();
        assert_eq!(state.archived.len(), state.dropped);
    }
}

impl Observer for World {
    fn observe(&self, happening: Happening) {
        self.change(|state| state.happenings.push((Instant::now(), happening)));
    }
}
