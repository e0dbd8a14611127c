//! The Processors' slots, who is in them, and the room in their mailboxes.
//!
//! `Addr::send` knows no bound, so room is reserved before anything is sent: a [`Seat`] is a place in one
//! Processor's mailbox, and every seat not given back is an offer queued or in hand. Scanners that find no
//! seat wait in line; meanwhile the folder is the queue.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Addr;
use tokio::sync::{Notify, oneshot};

use crate::hand::{Hand, Pulse};
use crate::ports::Stages;
use crate::processor::Processor;

/// One offer in hand and one queued behind it: the next batch is there when the last is done.
pub(crate) const SEATS_PER_SLOT: usize = 2;

/// What every Scanner, every Processor and the Supervisor share.
pub(crate) struct Pool<S: Stages> {
    slots: Mutex<Vec<Slot<S>>>,
    /// Told when a slot's post changes.
    posted: Notify,
    seats: Arc<Seats>,
}

/// A place for a Processor. Its state outlives the Processors that come and go in it.
struct Slot<S: Stages> {
    post: Post<S>,
    hand: Arc<Hand>,
    pulse: Pulse,
}

/// Who is in a slot.
enum Post<S: Stages> {
    /// Nobody, and nobody will come.
    Vacant,
    /// Nobody; after a back-off the next one comes.
    Expected,
    /// One that finds what the earlier owner left.
    Recovering,
    /// One that takes offers.
    Open(Addr<Processor<S>>),
}

/// The books on all seats.
#[derive(Debug)]
struct Seats {
    books: Mutex<Books>,
    /// Told when a seat comes back.
    given_back: Notify,
}

#[derive(Debug)]
struct Books {
    taken: Vec<usize>,
    /// Slots without a Processor have no seats to give.
    open: Vec<bool>,
    waiting: VecDeque<oneshot::Sender<Seat>>,
    /// No seat is given any more, and nothing is claimed.
    draining: bool,
}

/// Room for one offer in the mailbox of the Processor in `slot`. Given back by drop.
pub(crate) struct Seat {
    slot: usize,
    seats: Arc<Seats>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({})", self.slot)
    }
}

impl Seat {
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.books().taken[self.slot] -= 1;
        Seats::serve(&self.seats);
        self.seats.given_back.notify_waiters();
    }
}

impl Seats {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free seats to those who have waited longest.
    fn serve(this: &Arc<Self>) {
        while let Some((waiting, seat)) = Self::next_served(this) {
            // One who no longer waits refuses the seat, and its drop gives it back.
            let _ = waiting.send(seat);
        }
    }

    fn next_served(this: &Arc<Self>) -> Option<(oneshot::Sender<Seat>, Seat)> {
        let mut books = this.books();
        books.waiting.retain(|waiting| !waiting.is_closed());
        if books.waiting.is_empty() {
            return None;
        }
        let slot = books.least_taken()?;
        books.taken[slot] += 1;
        let waiting = books.waiting.pop_front()?;
        Some((waiting, Seat { slot, seats: Arc::clone(this) }))
    }
}

impl Books {
    fn least_taken(&self) -> Option<usize> {
        if self.draining {
            return None;
        }
        (0..self.taken.len())
            .filter(|&slot| self.open[slot] && self.taken[slot] < SEATS_PER_SLOT)
            .min_by_key(|&slot| self.taken[slot])
    }
}

/// Slots.
impl<S: Stages> Pool<S> {
    pub(crate) fn new(slots: usize) -> Self {
        let empty = || Slot { post: Post::Vacant, hand: Arc::default(), pulse: Pulse::default() };
        let books =
            Books { taken: vec![0; slots], open: vec![false; slots], waiting: VecDeque::new(), draining: false };
        Self {
            slots: Mutex::new((0..slots).map(|_| empty()).collect()),
            posted: Notify::new(),
            seats: Arc::new(Seats { books: Mutex::new(books), given_back: Notify::new() }),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot<S>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, slot: usize, post: Post<S>) -> Post<S> {
        self.seats.books().open[slot] = matches!(post, Post::Open(_));
        let before = std::mem::replace(&mut self.slots()[slot].post, post);
        Seats::serve(&self.seats);
        self.posted.notify_waiters();
        before
    }

    /// A fresh Processor looks for what is left; it takes no offers yet.
    pub(crate) fn recovers(&self, slot: usize) {
        self.pulse(slot).beat();
        self.post(slot, Post::Recovering);
    }

    /// A Processor is ready for offers.
    pub(crate) fn open(&self, slot: usize, processor: Addr<Processor<S>>) {
        self.post(slot, Post::Open(processor));
    }

    /// This Processor doesn't answer any more: no offers to it. The Supervisor is about to learn it too.
    pub(crate) fn lost(&self, slot: usize, processor: &Addr<Processor<S>>) {
        if self.processor(slot).is_some_and(|open| open == *processor) {
            self.post(slot, Post::Expected);
        }
    }

    /// The slot's Processor died. False when it had left anyway.
    pub(crate) fn crashed(&self, slot: usize) -> bool {
        let awaited = !matches!(self.slots()[slot].post, Post::Vacant);
        if awaited {
            self.post(slot, Post::Expected);
        }
        awaited
    }

    /// Nobody will be in the slot any more. Returns who was.
    pub(crate) fn vacate(&self, slot: usize) -> Option<Addr<Processor<S>>> {
        match self.post(slot, Post::Vacant) {
            Post::Open(processor) => Some(processor),
            Post::Vacant | Post::Expected | Post::Recovering => None,
        }
    }

    pub(crate) fn processor(&self, slot: usize) -> Option<Addr<Processor<S>>> {
        match &self.slots()[slot].post {
            Post::Open(processor) => Some(processor.clone()),
            Post::Vacant | Post::Expected | Post::Recovering => None,
        }
    }

    /// Waits for the slot's Processor, when one is to come. `None`: nobody will.
    pub(crate) async fn awaited(&self, slot: usize) -> Option<Addr<Processor<S>>> {
        loop {
            // Made before the look: no change is missed.
            let posted = self.posted.notified();
            match &self.slots()[slot].post {
                Post::Vacant => return None,
                Post::Open(processor) => return Some(processor.clone()),
                Post::Expected | Post::Recovering => {}
            }
            posted.await;
        }
    }

    /// Whether the slot's Processor has something to do. It has beaten since it has.
    pub(crate) fn is_at_work(&self, slot: usize) -> bool {
        let slot = &self.slots()[slot];
        matches!(slot.post, Post::Recovering) || slot.hand.is_busy()
    }

    pub(crate) fn hand(&self, slot: usize) -> Arc<Hand> {
        Arc::clone(&self.slots()[slot].hand)
    }

    pub(crate) fn pulse(&self, slot: usize) -> Pulse {
        self.slots()[slot].pulse.clone()
    }

    pub(crate) fn slot_count(&self) -> usize {
        self.slots().len()
    }

    /// Whether files may be claimed that nobody has found yet, because their folder is held.
    pub(crate) fn is_unknown(&self) -> bool {
        self.slots().iter().any(|slot| slot.hand.is_unknown())
    }

    /// How many files are known to be claimed, and the one that has been at work for longest.
    pub(crate) fn in_hand(&self) -> (usize, Option<(String, Duration)>) {
        let slots = self.slots();
        let count = slots.iter().map(|slot| slot.hand.count()).sum();
        let oldest = slots.iter().filter_map(|slot| slot.hand.oldest()).max_by_key(|(_, age)| *age);
        (count, oldest)
    }
}

/// Seats.
impl<S: Stages> Pool<S> {
    /// Waits in line for room in the mailbox of the Processor with the most.
    pub(crate) async fn seat(&self) -> Seat {
        let (tell, seat) = oneshot::channel();
        self.seats.books().waiting.push_back(tell);
        Seats::serve(&self.seats);
        seat.await.expect("the line is only left by a seat being given")
    }

    /// A place in one slot's mailbox beyond the bound: for a visit, of which there is one a folder.
    pub(crate) fn extra_seat(&self, slot: usize) -> Seat {
        self.seats.books().taken[slot] += 1;
        Seat { slot, seats: Arc::clone(&self.seats) }
    }

    /// How many offers are queued or in hand.
    pub(crate) fn outstanding(&self) -> usize {
        self.seats.books().taken.iter().sum()
    }

    /// Waits until nothing is queued or in hand.
    pub(crate) async fn idle(&self) {
        loop {
            let given_back = self.seats.given_back.notified();
            if self.outstanding() == 0 {
                return;
            }
            given_back.await;
        }
    }

    /// From here on no seat is given and nothing is claimed.
    pub(crate) fn drain(&self) {
        self.seats.books().draining = true;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.seats.books().draining
    }
}
