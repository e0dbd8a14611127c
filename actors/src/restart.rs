//! What follows a crash: a fresh actor in the same place, after a back-off, within a budget.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use crate::budget::{Verdict, jittered};
use crate::messages::Visit;
use crate::ports::{Happening, Inbox, Stages};
use crate::tree::Tree;

impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    /// A fresh Processor follows, in a drain too: what is in hand is finished, and the guilty file
    /// is charged.
    pub(crate) async fn processor_crashed(self: Rc<Self>, slot: usize, panic: String) {
        let is_awaited = self.pool.crashed(slot);
        let blame = self.pool.hand(slot).crashed(&panic);
        self.observer.observe(Happening::ProcessorCrashed { slot, panic, blame });
        if !is_awaited {
            return;
        }
        let Some((back_off, crashes)) = self.back_off().await else {
            self.pool.vacate(slot);
            return;
        };
        if self.fill(slot, true).await {
            self.observer.observe(Happening::ProcessorRestarted { slot, crashes, back_off });
            self.announce(slot).await;
        }
    }

    /// Tells the Scanners of a fresh Processor. One that is gone visits every slot when it is back.
    async fn announce(&self, slot: usize) {
        let told: Vec<_> =
            self.scanners.borrow().iter().flatten().map(|scanner| scanner.clone().send(Visit { slot })).collect();
        for heard in told {
            let _ = heard.await;
        }
    }

    pub(crate) async fn scanner_crashed(self: Rc<Self>, folder: usize, panic: String) {
        self.scanners.borrow_mut()[folder] = None;
        self.observer.observe(Happening::ScannerCrashed { folder, panic });
        if self.back_off().await.is_some() && !self.draining.get() {
            self.scan(folder).await;
        }
    }

    /// Waits before a restart. `None`: there will be none.
    async fn back_off(self: &Rc<Self>) -> Option<(Duration, usize)> {
        let verdict = self.budget.borrow_mut().crashed();
        match verdict {
            Verdict::Restart { back_off, crashes } => {
                let back_off = jittered(back_off);
                sleep(back_off).await;
                (!self.is_over()).then_some((back_off, crashes))
            }
            Verdict::GiveUp { crashes } => {
                if !self.gave_up.replace(true) {
                    self.observer.observe(Happening::GaveUp { crashes });
                    actix_rt::spawn(Rc::clone(self).drain("too many crashes".to_owned()));
                }
                None
            }
        }
    }
}
