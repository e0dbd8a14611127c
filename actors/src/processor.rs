//! The Processor: carries files through the stages, a batch at a time, on a thread of its own.
//!
//! Its handlers block, so the mailbox really is the queue, and an answer to [`Finish`] proves it empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, MessageResult};
use tokio::time::Instant;

use crate::hand::{Hand, Pulse};
use crate::messages::{Answer, Finish, Finished, Found, Leave, Offer, Recover};
use crate::offered::Offered;
use crate::pace::BATCH_TIME;
use crate::pool::Pool;
use crate::ports::{Halt, Recovered, Stages};

/// One Processor in one slot.
pub(crate) struct Processor<S: Stages> {
    stages: S,
    pool: Arc<Pool<S>>,
    hand: Arc<Hand>,
    pulse: Pulse,
    folders: usize,
    /// The earlier owner of the slot crashed: what it left is carried file by file, so that the
    /// next crash has one file to blame.
    one_by_one: bool,
    /// Files that wait in this slot, claimed, by folder.
    left: BTreeMap<usize, Left<S::Claimed>>,
    /// Why nothing can be trusted any more.
    fatal: Option<String>,
}

/// Files of one folder that wait in a slot, claimed.
enum Left<C> {
    /// Found, to be carried.
    Found(Vec<C>),
    /// A halt came between: what is there must be found again first.
    Unknown,
}

impl<S: Stages> Processor<S> {
    pub(crate) fn new(stages: S, pool: Arc<Pool<S>>, slot: usize, folders: usize, one_by_one: bool) -> Self {
        let (hand, pulse) = (pool.hand(slot), pool.pulse(slot));
        Self { stages, pool, hand, pulse, folders, one_by_one, left: BTreeMap::new(), fatal: None }
    }

    /// From here on silence counts.
    fn begin(&self) {
        self.pulse.beat();
        self.hand.set_busy(true);
    }

    fn rest(&self) {
        self.hand.set_busy(false);
    }

    /// Finds what the slot's earlier owner left in every folder.
    fn recover(&mut self) -> Found {
        let (mut archived, mut again) = (0, 0);
        for folder in 0..self.folders {
            match self.find(folder) {
                Ok(recovered) => {
                    archived += recovered.archived;
                    again += recovered.again.len();
                    self.left.insert(folder, Left::Found(recovered.again));
                }
                // The folder's Scanner comes for a visit, hears of the cause then, and holds the folder.
                Err(Halt::Hold(_)) => {
                    self.left.insert(folder, Left::Unknown);
                }
                Err(Halt::Fatal(cause)) => return Found::Fatal { cause },
            }
        }
        Found::Ready { archived, again }
    }

    fn find(&mut self, folder: usize) -> Result<Recovered<S::Claimed>, Halt> {
        self.pulse.beat();
        let blame = self.hand.blame(folder);
        let found = self.stages.recover(folder, blame.as_ref());
        match &found {
            Ok(recovered) => self.hand.found(folder, recovered.again.len()),
            Err(_) => self.hand.not_found(folder),
        }
        found
    }

    /// Carries what is left of the folder, then the offered files. Returns how many were carried.
    fn carry(&mut self, folder: usize, offered: &Offered<S::Settled>, visit: bool) -> Result<usize, Halt> {
        if let Some(cause) = &self.fatal {
            return Err(Halt::Fatal(cause.clone()));
        }
        if visit {
            self.left.entry(folder).or_insert(Left::Unknown);
        }
        let left = self.carry_left(folder)?;
        let mut batch = Batch::default();
        let worked = self.take(folder, offered, &mut batch);
        self.complete(folder, batch.ready, worked)?;
        Ok(left + batch.taken)
    }

    /// Claims and processes, until the batch has taken its time.
    fn take(
        &mut self,
        folder: usize,
        offered: &Offered<S::Settled>,
        batch: &mut Batch<S::Processed>,
    ) -> Result<(), Halt> {
        let began = Instant::now();
        // What is not claimed stays in the inbox: for another Processor, or for the next start.
        while began.elapsed() <= BATCH_TIME && !self.pool.is_draining() {
            let Some(settled) = offered.next() else { break };
            self.pulse.beat();
            if let Some(claimed) = self.stages.claim(folder, settled)? {
                batch.taken += 1;
                batch.ready.extend(self.process(folder, claimed)?);
            }
        }
        Ok(())
    }

    fn carry_left(&mut self, folder: usize) -> Result<usize, Halt> {
        let mut carried = 0;
        let files = match self.left.remove(&folder) {
            None => return Ok(0),
            Some(Left::Found(files)) => files,
            Some(Left::Unknown) => {
                let recovered = self.find(folder)?;
                carried += recovered.archived;
                recovered.again
            }
        };
        carried += files.len();
        let together = if self.one_by_one { 1 } else { files.len() };
        let mut files = files.into_iter();
        while files.len() > 0 {
            let mut ready = Vec::new();
            let worked = self.process_left(folder, &mut files, together, &mut ready);
            self.complete(folder, ready, worked)?;
        }
        Ok(carried)
    }

    fn process_left(
        &mut self,
        folder: usize,
        files: &mut std::vec::IntoIter<S::Claimed>,
        files_max: usize,
        ready: &mut Vec<S::Processed>,
    ) -> Result<(), Halt> {
        for _ in 0..files_max {
            let Some(claimed) = files.next() else { break };
            self.hand.waits(folder, files.len());
            ready.extend(self.process(folder, claimed)?);
        }
        Ok(())
    }

    /// Process, with the file to blame for a panic.
    fn process(&mut self, folder: usize, claimed: S::Claimed) -> Result<Option<S::Processed>, Halt> {
        self.pulse.beat();
        self.hand.took(folder, &claimed);
        let processed = self.stages.process(folder, claimed);
        match &processed {
            Ok(Some(_)) => self.hand.processed(),
            Ok(None) => self.hand.set_aside(),
            Err(_) => self.hand.put_back(),
        }
        processed
    }

    /// Commit, then archive. A hold while the batch was `worked` on doesn't undo what is ready.
    fn complete(&mut self, folder: usize, ready: Vec<S::Processed>, worked: Result<(), Halt>) -> Result<(), Halt> {
        let completed = match &worked {
            Err(Halt::Fatal(_)) => Ok(()),
            _ if ready.is_empty() => Ok(()),
            _ => self.commit_and_archive(folder, ready),
        };
        self.hand.halted();
        completed.and(worked)
    }

    fn commit_and_archive(&mut self, folder: usize, ready: Vec<S::Processed>) -> Result<(), Halt> {
        self.hand.commits();
        self.pulse.beat();
        let committed = self.stages.commit(folder, ready)?;
        self.hand.archives();
        self.pulse.beat();
        self.stages.archive(folder, committed)?;
        self.hand.empty();
        Ok(())
    }

    /// What is left of the folder must be found again.
    fn halt(&mut self, folder: usize, halt: Halt) -> Answer {
        self.left.insert(folder, Left::Unknown);
        match halt {
            Halt::Hold(cause) => Answer::Held { cause },
            Halt::Fatal(cause) => {
                self.fatal = Some(cause.clone());
                Answer::Fatal { cause }
            }
        }
    }
}

/// Files on their way to one commit.
struct Batch<P> {
    taken: usize,
    ready: Vec<P>,
}

impl<P> Default for Batch<P> {
    fn default() -> Self {
        Self { taken: 0, ready: Vec::new() }
    }
}

impl<S: Stages> Actor for Processor<S> {
    type Context = Context<Self>;
}

impl<S: Stages> Handler<Recover> for Processor<S> {
    type Result = MessageResult<Recover>;

    fn handle(&mut self, _: Recover, _: &mut Self::Context) -> Self::Result {
        self.begin();
        let found = self.recover();
        self.rest();
        MessageResult(found)
    }
}

impl<S: Stages> Handler<Offer<S::Settled>> for Processor<S> {
    type Result = MessageResult<Offer<S::Settled>>;

    fn handle(&mut self, offer: Offer<S::Settled>, _: &mut Self::Context) -> Self::Result {
        // Taken apart here, so that a panic gives the seat back too.
        let Offer { folder, files, visit, seat } = offer;
        files.begin();
        self.begin();
        let began = Instant::now();
        let answer = match self.carry(folder, &files, visit) {
            Ok(files) => Answer::Carried { files, took: began.elapsed() },
            Err(halt) => self.halt(folder, halt),
        };
        self.rest();
        drop(seat);
        MessageResult(answer)
    }
}

impl<S: Stages> Handler<Finish> for Processor<S> {
    type Result = MessageResult<Finish>;

    /// All offers before this one are answered. What is left is carried now, or stays claimed.
    fn handle(&mut self, _: Finish, _: &mut Self::Context) -> Self::Result {
        self.begin();
        let folders: Vec<usize> = self.left.keys().copied().collect();
        let mut held = BTreeMap::new();
        for folder in folders {
            if self.fatal.is_none()
                && let Err(halt) = self.carry_left(folder)
                && let Answer::Held { cause } = self.halt(folder, halt)
            {
                held.insert(folder, cause);
            }
        }
        self.rest();
        MessageResult(match &self.fatal {
            None => Finished::Empty { held },
            Some(cause) => Finished::Fatal { cause: cause.clone() },
        })
    }
}

impl<S: Stages> Handler<Leave> for Processor<S> {
    type Result = ();

    fn handle(&mut self, _: Leave, context: &mut Self::Context) {
        context.stop();
    }
}
