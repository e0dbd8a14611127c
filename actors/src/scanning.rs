//! The Scanner's work: look, offer, hear.
//!
//! It looks only when it has a seat to offer into, so what it knows is fresh and the folder is the queue.
//! A fault of the world holds the folder: nothing is offered but, at growing intervals, a visit or a
//! single file to see whether the fault is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::messages::{Answer, Offer};
use crate::offered::Offered;
use crate::pace::Pace;
use crate::pool::Seat;
use crate::ports::{Halt, Happening, Inbox, Stages};
use crate::scanner::{ScanEnd, Task};

/// An offer that is not answered by then gives back what the Processor has not come to: a slow file
/// doesn't keep those behind it from the other Processors.
const RECALL_AFTER: Duration = Duration::from_secs(1);

/// How long to rest after an offer of which nothing could be claimed: the inbox and the claim differ.
const REFUSED_REST: Duration = Duration::from_secs(1);

/// An answer, and to which offer to which slot.
struct Answered {
    offer: u64,
    slot: usize,
    /// `None`: the Processor died. What it had claimed is found by its successor.
    answer: Option<Answer>,
}

/// An offer that is not answered yet.
struct UnderWay<F> {
    offered: Offered<F>,
    files: usize,
    slot: usize,
    since: Instant,
    /// `None`: there is nothing to recall, or it was recalled.
    recall_at: Option<Instant>,
}

impl<F> UnderWay<F> {
    fn judged_at(&self) -> Instant {
        self.since + RECALL_AFTER
    }

    /// Whether it takes long; of a young one, that is what may be. What waits behind another folder's work doesn't.
    fn is_slow(&self, now: Instant, may_be_slow: bool) -> bool {
        if now < self.judged_at() { may_be_slow } else { self.offered.has_begun() }
    }
}

/// A folder that takes nothing.
struct Hold {
    wait: Duration,
    until: Instant,
    /// The offer that tries whether the fault is gone.
    trial: Option<u64>,
}

/// What a Scanner knows.
pub(crate) struct Work<S: Stages, I> {
    task: Task<S>,
    inbox: I,
    stopped: watch::Receiver<bool>,
    to_visit: mpsc::UnboundedReceiver<usize>,
    tell_answer: mpsc::UnboundedSender<Answered>,
    answers: mpsc::UnboundedReceiver<Answered>,
    /// Slots in which claimed files of this folder may wait.
    visits: BTreeSet<usize>,
    /// The slot that was visited last: they are visited in turn, since what holds one up may be done in another.
    visited: usize,
    under_way: BTreeMap<u64, UnderWay<S::Settled>>,
    last_offer: u64,
    pace: Pace,
    hold: Option<Hold>,
    /// Nothing was there; look again then, or when nudged.
    rest_until: Option<Instant>,
    settling: usize,
}

/// The Scanner's life.
impl<S: Stages, I: Inbox<Settled = S::Settled>> Work<S, I> {
    pub(crate) fn new(
        task: Task<S>,
        inbox: I,
        stopped: watch::Receiver<bool>,
        to_visit: mpsc::UnboundedReceiver<usize>,
    ) -> Self {
        let (tell_answer, answers) = mpsc::unbounded_channel();
        let pace = Pace::new(task.files_max);
        let visits = (0..task.pool.slot_count()).collect();
        Self {
            task,
            inbox,
            stopped,
            to_visit,
            tell_answer,
            answers,
            visits,
            visited: 0,
            under_way: BTreeMap::new(),
            last_offer: 0,
            pace,
            hold: None,
            rest_until: None,
            settling: 0,
        }
    }

    /// One thing at a time, whichever comes first.
    pub(crate) async fn scan(mut self) -> ScanEnd {
        let mut seat: Option<Pin<Box<dyn Future<Output = Seat>>>> = None;
        loop {
            let (wants_seat, wake_at) = self.next_wish();
            if !wants_seat {
                // A place in the line is not kept by one who has nothing to offer.
                seat = None;
            } else if seat.is_none() {
                let pool = Arc::clone(&self.task.pool);
                seat = Some(Box::pin(async move { pool.seat().await }));
            }
            tokio::select! {
                biased;
                () = told(&mut self.stopped) => return ScanEnd::Stopped,
                Some(answered) = self.answers.recv() => {
                    if let Some(end) = self.hear(answered) { return end }
                }
                Some(slot) = self.to_visit.recv() => {
                    self.visits.insert(slot);
                    self.rest_until = None;
                }
                seat = wait_for(&mut seat), if wants_seat => {
                    if let Some(end) = self.look(seat) { return end }
                }
                () = self.task.nudge.woken(), if self.rest_until.is_some() => self.rest_until = None,
                () = sleep_until(wake_at) => self.wake(),
            }
            if self.task.once {
                if self.hold.is_some() {
                    return ScanEnd::Held;
                }
                if self.is_dry() {
                    return ScanEnd::Dry;
                }
            }
        }
    }

    /// Whether a seat is wanted now, and when to think again.
    fn next_wish(&self) -> (bool, Option<Instant>) {
        let now = Instant::now();
        let recall_at = self.under_way.values().filter_map(|offer| offer.recall_at).min();
        let wait_until = match (&self.hold, self.rest_until) {
            (Some(hold), _) if hold.until > now => Some(hold.until),
            // What is under way comes first, be it a visit.
            _ if self.task.in_order && !self.under_way.is_empty() => return (false, recall_at),
            _ if self.task.leaves_one && self.keeps_all_but_one(now) => {
                return (false, recall_at.into_iter().chain(self.next_judged_at(now)).min());
            }
            // The hold is over, but while a try is under way its answer decides.
            (Some(hold), _) if hold.trial.is_some() => return (false, recall_at),
            (_, Some(rest_until)) => Some(rest_until),
            (_, None) => return (true, recall_at),
        };
        (false, wait_until.into_iter().chain(recall_at).min())
    }

    /// Something takes long, or may, and there is work in every slot but one: the next file may have to wait for it, wherever
    /// it is, and then keep that slot from others.
    fn keeps_all_but_one(&self, now: Instant) -> bool {
        let may_be_slow = self.pace.may_exceed(RECALL_AFTER);
        let is_slow = self.under_way.values().any(|offer| offer.is_slow(now, may_be_slow));
        let slots: BTreeSet<usize> = self.under_way.values().map(|offer| offer.slot).collect();
        is_slow && slots.len() + 1 >= self.task.pool.slot_count()
    }

    /// When it is to be seen of the next offer whether it takes long.
    fn next_judged_at(&self, now: Instant) -> Option<Instant> {
        self.under_way.values().map(UnderWay::judged_at).filter(|at| *at > now).min()
    }

    /// Time has come for something.
    fn wake(&mut self) {
        let now = Instant::now();
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
        }
        for (offer, under_way) in &mut self.under_way {
            if under_way.recall_at.is_some_and(|at| at <= now) {
                under_way.recall_at = None;
                under_way.offered.recall();
                self.inbox.answered(*offer);
                self.rest_until = None;
            }
        }
    }

    /// Nothing is there and nothing is under way.
    fn is_dry(&self) -> bool {
        self.rest_until.is_some() && self.settling == 0 && self.under_way.is_empty() && self.visits.is_empty()
    }
}

/// Offers.
impl<S: Stages, I: Inbox<Settled = S::Settled>> Work<S, I> {
    /// Uses a seat: visits a slot, or looks into the inbox and offers what is there.
    fn look(&mut self, seat: Seat) -> Option<ScanEnd> {
        if let Some(slot) = self.next_visit() {
            let seat = if seat.slot() == slot { seat } else { self.task.pool.extra_seat(slot) };
            self.offer(Vec::new(), seat);
            return None;
        }
        if self.task.in_order && !self.visits.is_empty() {
            // Older files wait in a slot that has no Processor now. Its next one ends the rest.
            self.rest_until = Some(Instant::now() + REFUSED_REST);
            return None;
        }
        let files_max = if self.hold.is_some() { 1 } else { self.pace.files() };
        match self.inbox.look(self.last_offer + 1, files_max) {
            Ok(look) if look.others => {
                self.settling = look.settling;
                self.visits.extend(0..self.task.pool.slot_count());
            }
            Ok(look) if look.settled.is_empty() => {
                self.settling = look.settling;
                self.rest_until = Some(Instant::now() + look.due);
                self.resume();
            }
            Ok(look) => {
                self.settling = look.settling;
                self.offer(look.settled, seat);
            }
            Err(Halt::Hold(cause)) => self.pause(cause),
            Err(Halt::Fatal(cause)) => return Some(ScanEnd::Fatal(cause)),
        }
        None
    }

    /// The next slot to visit. One without a Processor waits until it has one again.
    fn next_visit(&mut self) -> Option<usize> {
        let mut in_turn = self.visits.range(self.visited + 1..).chain(&self.visits).copied();
        let slot = in_turn.find(|&slot| self.task.pool.processor(slot).is_some())?;
        self.visits.remove(&slot);
        self.visited = slot;
        Some(slot)
    }

    fn offer(&mut self, settled: Vec<S::Settled>, seat: Seat) {
        self.last_offer += 1;
        let (offer, slot) = (self.last_offer, seat.slot());
        let files = settled.len();
        let since = Instant::now();
        let recall_at = (files > 0).then(|| since + RECALL_AFTER);
        let offered = Offered::new(settled);
        self.under_way.insert(offer, UnderWay { offered: offered.clone(), files, slot, since, recall_at });
        if let Some(hold) = &mut self.hold {
            hold.trial = Some(offer);
        }
        let tell_answer = self.tell_answer.clone();
        let message = Offer { folder: self.task.folder, files: offered, visit: files == 0, seat };
        let Some(processor) = self.task.pool.processor(slot) else {
            let _ = tell_answer.send(Answered { offer, slot, answer: None });
            return;
        };
        // In the mailbox from here on: nothing that is sent later overtakes it.
        let reply = processor.send(message);
        let pool = Arc::clone(&self.task.pool);
        actix_rt::spawn(async move {
            let answer = reply.await.ok();
            if answer.is_none() {
                pool.lost(slot, &processor);
            }
            let _ = tell_answer.send(Answered { offer, slot, answer });
        });
    }
}

/// Answers.
impl<S: Stages, I: Inbox<Settled = S::Settled>> Work<S, I> {
    fn hear(&mut self, Answered { offer, slot, answer }: Answered) -> Option<ScanEnd> {
        let ended = self.under_way.remove(&offer)?;
        let unclaimed = if ended.recall_at.is_some() {
            self.inbox.answered(offer);
            ended.files
        } else {
            0
        };
        if let Some(hold) = &mut self.hold {
            hold.trial = hold.trial.filter(|trial| *trial != offer);
        }
        self.rest_until = None;
        match answer {
            Some(Answer::Carried { files: 0, .. }) if unclaimed > 0 => {
                self.settling = unclaimed;
                self.rest_until = Some(Instant::now() + REFUSED_REST);
            }
            // A visit that found nothing proves nothing: a file must have come through.
            Some(Answer::Carried { files: 0, .. }) => {}
            Some(Answer::Carried { files, took }) => {
                self.pace.carried(files, took);
                self.resume();
            }
            Some(Answer::Held { cause }) => {
                self.visits.insert(slot);
                self.pause(cause);
            }
            Some(Answer::Fatal { cause }) => return Some(ScanEnd::Fatal(cause)),
            // What the dead Processor had claimed waits for its successor.
            None => {
                self.visits.insert(slot);
            }
        }
        None
    }

    /// Holds the folder, for longer each time.
    fn pause(&mut self, cause: String) {
        let wait = match &self.hold {
            None => self.task.hold_min,
            Some(hold) if hold.until > Instant::now() => return,
            Some(hold) => (hold.wait * 2).min(self.task.hold_max),
        };
        self.hold = Some(Hold { wait, until: Instant::now() + wait, trial: None });
        self.task.observer.observe(Happening::FolderPaused { folder: self.task.folder, cause, retry_in: wait });
    }

    fn resume(&mut self) {
        if self.visits.is_empty() && self.hold.take().is_some() {
            self.task.observer.observe(Happening::FolderResumed { folder: self.task.folder });
        }
    }
}

/// Waits until the word is given, or nobody is left to give it.
pub(crate) async fn told(word: &mut watch::Receiver<bool>) {
    let _ = word.wait_for(|given| *given).await;
}

async fn wait_for(seat: &mut Option<Pin<Box<dyn Future<Output = Seat>>>>) -> Seat {
    let Some(waiting) = seat else { return std::future::pending().await };
    let given = waiting.await;
    *seat = None;
    given
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
