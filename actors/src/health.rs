//! Is every actor alive?

use std::rc::Rc;

use tokio::time::{Instant, timeout_at};

use crate::messages::{Health, Knock};
use crate::ports::{Inbox, Stages};
use crate::tree::Tree;

impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    /// A round trip to every Scanner, and a look at the pulse of every Processor at work.
    pub(crate) async fn ping(self: Rc<Self>) -> Health {
        let knocks: Vec<_> = (self.scanners.borrow().iter().enumerate())
            .filter_map(|(folder, scanner)| Some((folder, scanner.clone()?.send(Knock))))
            .collect();
        let patience_until = Instant::now() + self.plan.hung_after;
        let mut hung = Vec::new();
        for (folder, knock) in knocks {
            if timeout_at(patience_until, knock).await.is_err() {
                hung.push(format!("scanner {folder}"));
            }
        }
        let slots = 0..self.plan.processors;
        hung.extend(slots.filter(|slot| self.hangs(*slot)).map(|slot| format!("processor {slot}")));
        if hung.is_empty() { Health::Alive } else { Health::Hung(hung) }
    }

    fn hangs(&self, slot: usize) -> bool {
        let now = (self.pool.pulse(slot).beats(), Instant::now());
        let seen = &mut self.beats.borrow_mut()[slot];
        if seen.0 != now.0 || !self.pool.is_at_work(slot) {
            *seen = now;
        }
        now.1.duration_since(seen.1) > self.plan.hung_after
    }
}
