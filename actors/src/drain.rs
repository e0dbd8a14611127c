//! The drain: stop taking files, finish those in hand, end. Each step makes the next one possible.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::launch::Place;
use crate::messages::{Ending, Finish, Finished, Leave, StopScanning};
use crate::ports::{Happening, Inbox, Stages};
use crate::tree::Tree;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    /// Drains once; further calls do nothing. Ends at the grace, or when abandoned, whatever is left.
    pub(crate) async fn drain(self: Rc<Self>, cause: String) {
        if self.draining.replace(true) {
            return;
        }
        self.observer.observe(Happening::Draining { cause });
        let finished = tokio::select! {
            biased;
            () = self.abandoned.notified() => None,
            finished = timeout(self.plan.drain_grace, Rc::clone(&self).finish()) => finished.ok(),
            never = self.tell_progress() => match never {},
        };
        let (files, _) = self.pool.in_hand();
        let is_all_done = files == 0 && !self.pool.is_unknown() && !self.cut_short.get();
        self.end(match finished {
            Some(Finished::Fatal { cause }) => Ending::Fatal(cause),
            Some(Finished::Empty { .. }) if is_all_done => Ending::Drained,
            Some(Finished::Empty { .. }) if !self.plan.once => Ending::Held { files },
            Some(Finished::Empty { .. }) | None => Ending::LeftBehind { files },
        });
    }

    /// Ends a drain, or the tree, at once.
    pub(crate) fn abandon(&self) {
        if self.draining.replace(true) {
            self.abandoned.notify_one();
        } else {
            self.end(Ending::LeftBehind { files: self.pool.in_hand().0 });
        }
    }

    /// The three steps.
    async fn finish(self: Rc<Self>) -> Finished {
        self.stop_scanning().await;
        let finished = self.empty_mailboxes().await;
        if let Finished::Empty { held } = &finished {
            // Its Scanner has stopped, and heard nothing of what came since.
            for (&folder, cause) in held {
                self.observer.observe(Happening::FolderLeft { folder, cause: cause.clone() });
            }
        }
        self.leave().await;
        finished
    }

    /// Step 1: every Scanner answers that it offers nothing more. What was offered and is not
    /// claimed yet stays in the inbox.
    async fn stop_scanning(&self) {
        self.pool.drain();
        let told: Vec<_> = (self.scanners.borrow_mut().iter_mut())
            .filter_map(|scanner| Some(scanner.take()?.send(StopScanning)))
            .collect();
        for stopped in told {
            // One that is gone offers nothing either.
            let _ = stopped.await;
        }
    }

    /// Step 2: behind the last offer of each Processor goes a message whose answer proves that its
    /// mailbox is empty; then every seat is back.
    async fn empty_mailboxes(self: &Rc<Self>) -> Finished {
        let mut slots = JoinSet::new();
        for slot in 0..self.pool.slot_count() {
            let tree = Rc::clone(self);
            slots.spawn_local(async move { tree.empty_mailbox(slot).await });
        }
        let mut all_held = BTreeMap::new();
        while let Some(finished) = slots.join_next().await {
            match finished {
                Ok(Finished::Fatal { cause }) => return Finished::Fatal { cause },
                Ok(Finished::Empty { held }) => all_held.extend(held),
                Err(_) => {}
            }
        }
        self.pool.idle().await;
        Finished::Empty { held: all_held }
    }

    /// One that crashes over it has a successor, and the successor is asked.
    async fn empty_mailbox(&self, slot: usize) -> Finished {
        while let Some(processor) = self.pool.awaited(slot).await {
            match processor.clone().send(Finish).await {
                Ok(finished) => return finished,
                Err(_) => self.pool.lost(slot, &processor),
            }
        }
        Finished::Empty { held: BTreeMap::new() }
    }

    /// Step 3: the Processors leave and their threads end.
    async fn leave(&self) {
        for slot in 0..self.pool.slot_count() {
            if let Some(processor) = self.pool.vacate(slot) {
                let _ = processor.send(Leave).await;
            }
        }
        let threads: Vec<_> = self.places.take().into_iter().filter_map(Place::into_thread).collect();
        if threads.is_empty() {
            return;
        }
        let (tell_ended, ended) = oneshot::channel::<()>();
        // Not on the runtime's pool: the end of the runtime would wait for a thread that hangs. Where no thread can be had
        // for it, nobody waits: they have nothing in hand any more. fault 84
        let _ = std::thread::Builder::new().name("leave".to_owned()).spawn(move || {
            for thread in threads {
                thread.stop();
                // An error is a panic, and that was told when it happened.
                let _ = thread.join();
            }
            drop(tell_ended);
        });
        let _ = ended.await;
    }

    async fn tell_progress(&self) -> Infallible {
        let mut tick = interval(PROGRESS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (in_hand, oldest) = self.pool.in_hand();
            self.observer.observe(Happening::DrainProgress { in_hand, oldest });
        }
    }
}
