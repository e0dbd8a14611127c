//! What must be true: after every step, and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use importerd::settings::Duplicates;

use super::{Dropped, ROUNDS_MAX, Schedule};
use crate::books;
use crate::life::PROCESSORS;
use crate::plan::Kind;

impl Schedule {
    /// After every step: each file is somewhere, once; nothing is there too often, and nothing that was there is gone.
    pub(super) fn look(&mut self) {
        self.states += 1;
        let found = books::census(&self.folder(""));
        let dropped: BTreeSet<u64> = self.files.iter().map(|file| file.inode).collect();
        let is_known = found.keys().all(|inode| dropped.contains(inode)) && found.len() == dropped.len();
        if !is_known || found.values().any(|places| places.len() != 1) {
            self.problems.push(format!("dropped {dropped:?}, found {found:?}"));
        }
        match self.outcome() {
            Err(problem) => self.problems.push(problem),
            Ok(seen) => {
                let is_gone = self.seen.iter().any(|(key, count)| seen.get(key).is_none_or(|now| now < count));
                let is_too_much = seen.iter().any(|(key, count)| *count > self.allowed(*key));
                if is_gone || is_too_much {
                    self.problems.push(format!("before {:?}, now {seen:?}", self.seen));
                }
                self.seen = seen;
            }
        }
        let given = std::mem::take(&mut self.life().numbers);
        for (number, inode) in given {
            if *self.numbers.entry(number).or_insert(inode) != inode {
                self.problems.push(format!("number {number} was given to two files"));
            }
        }
    }

    fn outcome(&self) -> Result<BTreeMap<i64, i64>, String> {
        if self.plan.is_run { books::results(self.root.path()) } else { books::rows(self.root.path()) }
    }

    fn done_by(&self, key: i64) -> impl Iterator<Item = &Dropped> {
        self.files.iter().filter(move |file| file.key == key && file.kind != Kind::Bad)
    }

    fn allowed(&self, key: i64) -> i64 {
        let drops: i64 = self.done_by(key).map(|file| file.drops).sum();
        if self.plan.duplicates == Duplicates::Allow { drops } else { drops.min(1) }
    }

    /// Without any more faults.
    pub(super) fn finish(&mut self) {
        self.writer = None;
        self.tell("no more faults");
        for _ in 0..ROUNDS_MAX {
            let Some(true) = self.round() else { return };
        }
        self.problems.push("it comes to no end".to_owned());
    }

    /// One batch for each Processor. `false`: there was nothing to do.
    fn round(&mut self) -> Option<bool> {
        let mut was_busy = false;
        for slot in 0..PROCESSORS {
            if self.life().processors[slot].is_fresh {
                let recovered = self.life().recover(slot);
                self.expect(recovered)?;
                was_busy = true;
            }
        }
        for slot in 0..PROCESSORS {
            let archived = self.life().archive(slot);
            self.expect(archived)?;
            for path in books::files_below(&self.folder("inbox")) {
                let claimed = self.life().claim(slot, &path.file_name().expect("a name").to_owned());
                was_busy |= self.expect(claimed)?;
            }
            was_busy |= !self.life().processors[slot].ready.is_empty();
            while !self.life().processors[slot].claimed.is_empty() {
                was_busy = true;
                let processed = self.life().process(slot);
                self.expect(processed)?;
            }
            let is_run = self.plan.is_run;
            let committed = self.life().commit(slot, is_run);
            self.expect(committed)?;
            let archived = self.life().archive(slot);
            self.expect(archived)?;
        }
        Some(was_busy)
    }

    pub(super) fn look_at_the_end(&mut self) {
        let places: BTreeMap<u64, PathBuf> =
            books::census(&self.folder("")).into_iter().map(|(inode, mut places)| (inode, places.remove(0))).collect();
        for file in &self.files {
            let lies_in = self.folder(if file.kind == Kind::Bad { "quarantine" } else { "archive" });
            let seen = self.seen.get(&file.key).copied().unwrap_or_default();
            let is_done = match file.kind {
                Kind::Bad => seen == 0,
                _ if self.done_by(file.key).any(|file| file.is_in_doubt) => seen >= 1,
                _ => seen == self.allowed(file.key),
            };
            if !places[&file.inode].starts_with(&lies_in) || !is_done {
                self.problems.push(format!("at the end: {file:?} is there {seen} times, and lies in {places:?}"));
            }
        }
        let left = fs::read_dir(self.folder("active")).into_iter().flatten().flatten();
        for slot in left.map(|slot| slot.path().join(".staging")) {
            if fs::read_dir(&slot).is_ok_and(|mut left| left.next().is_some()) {
                self.problems.push(format!("{} is not empty", slot.display()));
            }
        }
    }
}
