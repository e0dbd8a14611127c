//! The ports: each does its duty on the world, unless the script says otherwise.

use std::collections::BTreeSet;

use importerd_actors::{Blame, Halt, InHand, Look, Pulse, Recovered};
use tokio::time::Instant;

use super::act::{Act, Stage, Step};
use super::world::{RESCAN, World};

/// One slot's stages.
pub struct Stages {
    world: World,
    slot: usize,
    pulse: Pulse,
}

/// A file, with the time of its settling proven by a look.
pub struct File(pub i64);

impl InHand for File {
    fn id(&self) -> i64 {
        self.0
    }
    fn name(&self) -> String {
        format!("{}.csv", self.0)
    }
    fn attempt(&self) -> u32 {
        1
    }
}

impl Stages {
    pub fn new(world: World, slot: usize, pulse: Pulse) -> Self {
        let stages = Self { world, slot, pulse };
        stages.world.change(|state| state.alive += 1);
        let _ = stages.act(Stage::MakeStages, 0, &[]).before();
        stages
    }

    fn act(&self, stage: Stage, folder: usize, files: &[i64]) -> Act {
        let (slot, pulse) = (Some(self.slot), Some(self.pulse.clone()));
        self.world.act(Step { stage, slot, folder, files: files.to_vec(), before: 0, pulse })
    }

    /// The file must be claimed by this slot; `committed` or not yet.
    fn demand(&self, stage: Stage, folder: usize, file: i64, committed: bool) {
        self.world.change(|state| {
            let claimed = state.claimed.get(&file) == Some(&(self.slot, folder));
            if !claimed || state.commits.contains_key(&file) != committed {
                state.wrongs.push(format!("{stage:?} of {file} in slot {}: claimed {claimed}", self.slot));
            }
        });
    }
}

impl importerd_actors::Stages for Stages {
    type Settled = i64;
    type Claimed = File;
    type Processed = File;
    type Committed = Vec<i64>;

    fn recover(&mut self, folder: usize, blame: Option<&Blame>) -> Result<Recovered<File>, Halt> {
        let act = self.act(Stage::Recover, folder, &[]);
        act.before()?;
        let recovered = self.world.change(|state| {
            state.blames.extend(blame.cloned());
            let here = |place: &(usize, usize)| *place == (self.slot, folder);
            let left: Vec<i64> = state.claimed.iter().filter(|(_, at)| here(at)).map(|(file, _)| *file).collect();
            let mut recovered = Recovered::default();
            for file in left {
                if state.commits.contains_key(&file) {
                    state.claimed.remove(&file);
                    state.archived.insert(file);
                    recovered.archived += 1;
                } else if blame.is_some_and(|blame| blame.id == file) {
                    state.claimed.remove(&file);
                    state.quarantined.insert(file);
                } else {
                    recovered.again.push(File(file));
                }
            }
            recovered
        });
        act.after()?;
        Ok(recovered)
    }

    fn claim(&mut self, folder: usize, file: i64) -> Result<Option<File>, Halt> {
        let act = self.act(Stage::Claim, folder, &[file]);
        if act.before()? {
            return Ok(None);
        }
        let claimed = self.world.change(|state| {
            let there = state.inbox.get_mut(&folder).is_some_and(|inbox| inbox.remove(&file));
            there.then(|| state.claimed.insert(file, (self.slot, folder)))
        });
        act.after()?;
        Ok(claimed.map(|_| File(file)))
    }

    fn process(&mut self, folder: usize, file: File) -> Result<Option<File>, Halt> {
        self.demand(Stage::Process, folder, file.0, false);
        let act = self.act(Stage::Process, folder, &[file.0]);
        if act.before()? {
            self.world.change(|state| {
                state.claimed.remove(&file.0);
                state.quarantined.insert(file.0);
            });
            return Ok(None);
        }
        act.after()?;
        Ok(Some(file))
    }

    fn commit(&mut self, folder: usize, files: Vec<File>) -> Result<Vec<i64>, Halt> {
        let files: Vec<i64> = files.iter().map(|file| file.0).collect();
        for file in &files {
            self.demand(Stage::Commit, folder, *file, false);
        }
        let act = self.act(Stage::Commit, folder, &files);
        act.before()?;
        self.world.change(|state| files.iter().for_each(|file| *state.commits.entry(*file).or_default() += 1));
        act.after()?;
        Ok(files)
    }

    fn archive(&mut self, folder: usize, files: Vec<i64>) -> Result<(), Halt> {
        for file in &files {
            self.demand(Stage::Archive, folder, *file, true);
        }
        let act = self.act(Stage::Archive, folder, &files);
        act.before()?;
        self.world.change(|state| {
            for file in &files {
                state.claimed.remove(file);
                state.archived.insert(*file);
            }
        });
        act.after()
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.world.change(|state| state.alive -= 1);
    }
}

/// One folder's inbox.
pub struct Inbox {
    world: World,
    folder: usize,
}

impl Inbox {
    pub fn new(world: World, folder: usize) -> Self {
        let inbox = Self { world, folder };
        inbox.world.change(|state| state.alive += 1);
        let _ = inbox.act(Stage::MakeInbox).before();
        // A fresh inbox knows nothing of what is under way.
        inbox.world.change(|state| state.under_way.retain(|(of, _), _| *of != folder));
        inbox
    }

    fn act(&self, stage: Stage) -> Act {
        let folder = self.folder;
        self.world.act(Step { stage, slot: None, folder, files: Vec::new(), before: 0, pulse: None })
    }
}

impl importerd_actors::Inbox for Inbox {
    type Settled = i64;

    fn look(&mut self, offer: u64, files_max: usize) -> Result<Look<i64>, Halt> {
        let act = self.act(Stage::Look);
        act.before()?;
        let (folder, now) = (self.folder, Instant::now());
        let look = self.world.change(|state| {
            let written: Vec<i64> =
                state.writing.iter().filter(|(_, at)| at.0 == folder && at.1 <= now).map(|(file, _)| *file).collect();
            for file in written {
                state.writing.remove(&file);
                state.inbox.entry(folder).or_default().insert(file);
            }
            let settling: Vec<Instant> = state.writing.values().filter(|at| at.0 == folder).map(|at| at.1).collect();
            let due = settling.iter().map(|until| until.duration_since(now)).min().unwrap_or(RESCAN).min(RESCAN);
            let inbox = state.inbox.entry(folder).or_default();
            let busy: BTreeSet<i64> = state
                .under_way
                .iter()
                .filter(|((of, _), _)| *of == folder)
                .flat_map(|(_, files)| files)
                .copied()
                .collect();
            let settled: Vec<i64> = inbox.iter().filter(|file| !busy.contains(file)).take(files_max).copied().collect();
            if !settled.is_empty() {
                state.under_way.insert((folder, offer), settled.iter().copied().collect());
                state.under_way_max = state.under_way_max.max(state.under_way.len());
            }
            Look { settled, settling: settling.len(), due, others: false }
        });
        act.after()?;
        Ok(look)
    }

    fn answered(&mut self, offer: u64) {
        self.world.change(|state| {
            if state.under_way.remove(&(self.folder, offer)).is_none() {
                state.wrongs.push(format!("offer {offer} of folder {} answered and not under way", self.folder));
            }
        });
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.world.change(|state| state.alive -= 1);
    }
}
