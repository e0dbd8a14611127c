//! The cut: what a disk may hold when the power fails. What was flushed is there; of the rest all, some, or some
//! sectors of a write, and never in any order that one could rely on.

use std::fmt;

use super::log::{Entry, Life};

/// What a disk writes as a whole, whatever happens. Not less: ext4 has a superblock of that size, and writes it in
/// its place; if that is torn, nobody can mount it before e2fsck has mended it.
const SECTOR_BYTES: usize = 1_024;

/// A power cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// After so many entries of the log.
    pub position: usize,
    pub kept: Kept,
}

/// What is kept of the writes that were not flushed.
#[derive(Debug, Clone, Copy)]
pub enum Kept {
    /// All of them: the disk was quick.
    All,
    /// What this chance leaves.
    Some(u64),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kept {
            Kept::All => write!(f, "the cut at {}, all writes kept", self.position),
            Kept::Some(seed) => write!(f, "the cut at {}, writes kept by {seed}", self.position),
        }
    }
}

/// So many cuts in a life from a position on, in the order in which they come. Flushes are where promises are
/// made: every other cut is just before or behind one, while there are any.
pub fn cuts(life: &Life, from: usize, count: usize, random: &mut fastrand::Rng) -> Vec<Cut> {
    let flushes: Vec<_> =
        (from..life.log.len()).filter(|&position| matches!(life.log[position], Entry::Flush { .. })).collect();
    let mut cuts: Vec<_> = (0..count)
        .map(|nth| {
            let position = match nth % 2 {
                0 if !flushes.is_empty() => {
                    let share = (flushes.len() / count).max(1);
                    flushes[nth * flushes.len() / count + random.usize(0..share)] + random.usize(0..2)
                }
                _ => random.usize(from..=life.log.len()),
            };
            let kept = if random.u8(0..3) == 0 { Kept::All } else { Kept::Some(random.u64(..)) };
            Cut { position, kept }
        })
        .collect();
    cuts.sort_by_key(|cut| cut.position);
    cuts
}

/// A life again, up to one cut after the other.
pub struct Replay<'a> {
    life: &'a Life,
    position: usize,
    flushed: Vec<Vec<u8>>,
    /// By disk, the entries of writes that are not flushed.
    pending: Vec<Vec<usize>>,
}

impl<'a> Replay<'a> {
    pub fn of(life: &'a Life) -> Self {
        Self { life, position: 0, flushed: life.born.clone(), pending: vec![Vec::new(); life.born.len()] }
    }

    /// What the disks hold after this cut, which must not lie before the last one.
    pub fn disks_after(&mut self, cut: Cut) -> Vec<Vec<u8>> {
        assert!(cut.position >= self.position, "cuts in order");
        while self.position < cut.position {
            self.step();
        }
        let mut disks = self.flushed.clone();
        let mut chance = match cut.kept {
            Kept::All => None,
            Kept::Some(seed) => Some(fastrand::Rng::with_seed(seed)),
        };
        for write in self.pending.iter().flatten() {
            self.keep(*write, &mut disks, chance.as_mut());
        }
        disks
    }

    fn step(&mut self) {
        match &self.life.log[self.position] {
            Entry::Write { disk, .. } => self.pending[*disk].push(self.position),
            Entry::Flush { disk } => {
                for write in std::mem::take(&mut self.pending[*disk]) {
                    apply(&self.life.log[write], &mut self.flushed, |_| true);
                }
            }
            Entry::Said(_) | Entry::Uploaded(_) => {}
        }
        self.position += 1;
    }

    fn keep(&self, write: usize, disks: &mut [Vec<u8>], chance: Option<&mut fastrand::Rng>) {
        let entry = &self.life.log[write];
        let Some(chance) = chance else { return apply(entry, disks, |_| true) };
        match chance.u8(0..4) {
            0 | 1 => {}
            2 => apply(entry, disks, |_| true),
            // Torn: in the order of the sectors, or not.
            _ if chance.bool() => {
                let whole = chance.usize(0..8);
                apply(entry, disks, |sector| sector < whole);
            }
            _ => apply(entry, disks, |_| chance.bool()),
        }
    }
}

/// Writes those sectors of a write that are kept.
fn apply(entry: &Entry, disks: &mut [Vec<u8>], mut is_kept: impl FnMut(usize) -> bool) {
    let Entry::Write { disk, offset, bytes } = entry else { unreachable!("only writes are pending") };
    for (sector, chunk) in bytes.chunks(SECTOR_BYTES).enumerate() {
        if is_kept(sector) {
            let at = offset + sector * SECTOR_BYTES;
            disks[*disk][at..at + chunk.len()].copy_from_slice(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 4 * SECTOR_BYTES;

    fn write(disk: usize, offset: usize, value: u8, bytes: usize) -> Entry {
        Entry::Write { disk, offset, bytes: vec![value; bytes].into() }
    }

    fn life(log: Vec<Entry>) -> Life {
        Life { born: vec![vec![0; BYTES]; 2], log }
    }

    #[test]
    fn what_was_flushed_is_kept_and_of_the_rest_all_some_or_sectors() {
        let life =
            life(vec![write(0, 0, 1, BYTES), write(1, 0, 2, BYTES), Entry::Flush { disk: 0 }, write(0, 0, 3, BYTES)]);
        let (mut torn, mut lost) = (0, 0);
        for seed in 0..100 {
            let disks = Replay::of(&life).disks_after(Cut { position: 4, kept: Kept::Some(seed) });
            assert!(disks[0].iter().all(|&byte| byte == 1 || byte == 3), "flushed before");
            for sector in disks.iter().flat_map(|disk| disk.chunks(SECTOR_BYTES)) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "half a sector");
            }
            torn += usize::from(disks[0].contains(&1) && disks[0].contains(&3));
            lost += usize::from(!disks[1].contains(&2));
        }
        assert!(torn > 5 && lost > 5, "{torn} are torn, {lost} are lost");
        let all = Replay::of(&life).disks_after(Cut { position: 4, kept: Kept::All });
        assert_eq!((all[0][0], all[1][0]), (3, 2));
        let before = Replay::of(&life).disks_after(Cut { position: 1, kept: Kept::All });
        assert_eq!((before[0][0], before[1][0]), (1, 0));
    }

    #[test]
    fn cuts_come_in_order_and_next_to_flushes() {
        let log = (0..100).map(|nth| if nth % 10 == 9 { Entry::Flush { disk: 0 } } else { write(0, 0, 1, 1) });
        let life = life(log.collect());
        let cuts = cuts(&life, 50, 40, &mut fastrand::Rng::with_seed(1));
        assert!(cuts.is_sorted_by_key(|cut| cut.position) && cuts[0].position >= 50);
        let near = cuts.iter().filter(|cut| matches!(cut.position % 10, 9 | 0)).count();
        assert!(near >= 20, "{near} are near a flush");
    }
}
