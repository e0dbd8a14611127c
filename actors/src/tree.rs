//! The tree itself: what the Supervisor keeps, how it starts, and its end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::budget::Budget;
use crate::hand::Pulse;
use crate::launch::{End, Place, launch};
use crate::messages::{Ending, Found, Recover};
use crate::pool::Pool;
use crate::ports::{Happening, Inbox, Observer, Stages};
use crate::processor::Processor;
use crate::scanner::{Nudge, ScanEnd, Scanner, Task};
use crate::supervisor::Plan;

type ScannerAddress<S, I> = Option<Addr<Scanner<S, I>>>;
type MakeStages<S> = dyn Fn(usize, Pulse) -> S + Send + Sync;
type MakeInbox<I> = dyn Fn(usize, Nudge) -> I + Send + Sync;

/// One value, shared by all the stories that run at once on the Supervisor's thread.
pub(crate) struct Tree<S: Stages, I: Inbox<Settled = S::Settled>> {
    pub(crate) plan: Plan,
    pub(crate) pool: Arc<Pool<S>>,
    pub(crate) observer: Arc<dyn Observer>,
    make_stages: Arc<MakeStages<S>>,
    make_inbox: Arc<MakeInbox<I>>,
    pub(crate) budget: RefCell<Budget>,
    /// By folder; `None` while a Scanner is restarted.
    pub(crate) scanners: RefCell<Vec<ScannerAddress<S, I>>>,
    /// Folders whose Scanner has done its work (`once`).
    scanned: RefCell<Vec<bool>>,
    /// A folder was held, so not everything that was there is carried (`once`).
    pub(crate) cut_short: Cell<bool>,
    /// Of the Processors by slot, then of the Scanners by folder. Empty before the start and after
    /// the end: nothing is launched then.
    pub(crate) places: RefCell<Vec<Place>>,
    /// What recovery has found so far: archived, and to be carried again.
    recovered: Cell<(usize, usize)>,
    pub(crate) draining: Cell<bool>,
    pub(crate) abandoned: Notify,
    pub(crate) gave_up: Cell<bool>,
    tell_ending: RefCell<Option<oneshot::Sender<Ending>>>,
    /// By slot: the beats last seen, and since when.
    pub(crate) beats: RefCell<Vec<(u64, Instant)>>,
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    pub(crate) fn new(
        plan: Plan,
        observer: Arc<dyn Observer>,
        make_stages: Arc<MakeStages<S>>,
        make_inbox: Arc<MakeInbox<I>>,
        tell_ending: oneshot::Sender<Ending>,
    ) -> Self {
        let folders = plan.folders.len();
        Self {
            pool: Arc::new(Pool::new(plan.processors)),
            observer,
            make_stages,
            make_inbox,
            budget: RefCell::new(Budget::new(plan.restarts, plan.restart_window)),
            scanners: RefCell::new((0..folders).map(|_| None).collect()),
            scanned: RefCell::new(vec![false; folders]),
            cut_short: Cell::new(false),
            places: RefCell::default(),
            recovered: Cell::default(),
            draining: Cell::new(false),
            abandoned: Notify::new(),
            gave_up: Cell::new(false),
            tell_ending: RefCell::new(Some(tell_ending)),
            beats: RefCell::new(vec![(0, Instant::now()); plan.processors]),
            plan,
        }
    }
}

/// The start.
impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    /// Processors first, each with what its slot's earlier owner left; then the Scanners. A drain
    /// in between leaves the rest unstarted.
    pub(crate) async fn start(self: Rc<Self>) {
        if self.draining.get() {
            return;
        }
        match Place::make(self.plan.threads, self.plan.processors + self.plan.folders.len()) {
            Ok(places) => *self.places.borrow_mut() = places,
            Err(error) => return self.end(Ending::Fatal(format!("no thread for an actor: {error}"))),
        }
        for slot in 0..self.plan.processors {
            if self.draining.get() {
                return;
            }
            if !self.fill(slot, false).await {
                // It died while it recovered; another follows.
                self.pool.awaited(slot).await;
            }
        }
        for folder in 0..self.plan.folders.len() {
            if self.draining.get() {
                return;
            }
            self.scan(folder).await;
        }
        if !self.draining.get() {
            let (archived, again) = self.recovered.get();
            self.observer.observe(Happening::Ready { archived, again });
            self.drain_when_scanned();
        }
    }

    /// Puts a fresh Processor into a slot. False: it takes no offers, because it died while it
    /// recovered, and another follows; or because the tree ends.
    pub(crate) async fn fill(self: &Rc<Self>, slot: usize, after_crash: bool) -> bool {
        let (make, pool, folders) = (Arc::clone(&self.make_stages), Arc::clone(&self.pool), self.plan.folders.len());
        let launched = match self.places.borrow().get(slot) {
            None => return false,
            Some(place) => launch(place, move || {
                let stages = make(slot, pool.pulse(slot));
                Processor::new(stages, pool, slot, folders, after_crash)
            }),
        };
        self.pool.recovers(slot);
        let tree = Rc::clone(self);
        actix_rt::spawn(async move {
            if let Ok(End::Crashed(panic)) = launched.end.await {
                tree.processor_crashed(slot, panic).await;
            }
        });
        let Ok(processor) = launched.address.await else { return false };
        match processor.send(Recover).await {
            Ok(Found::Ready { archived, again }) => {
                let before = self.recovered.get();
                self.recovered.set((before.0 + archived, before.1 + again));
                self.pool.open(slot, processor);
                self.observer.observe(Happening::ProcessorStarted { slot });
                true
            }
            Ok(Found::Fatal { cause }) => {
                self.pool.vacate(slot);
                self.end(Ending::Fatal(cause));
                false
            }
            Err(_) => false,
        }
    }

    /// Starts the Scanner of a folder.
    pub(crate) async fn scan(self: &Rc<Self>, folder: usize) {
        let (tell_end, scan_end) = oneshot::channel();
        let make = Arc::clone(&self.make_inbox);
        let task = Task {
            folder,
            files_max: self.plan.folders[folder].files_max,
            in_order: self.plan.folders[folder].in_order,
            leaves_one: self.plan.folders[folder].in_turns && self.plan.folders.len() > 1,
            once: self.plan.once,
            hold_min: self.plan.hold_min,
            hold_max: self.plan.hold_max,
            nudge: Nudge::default(),
            pool: Arc::clone(&self.pool),
            observer: Arc::clone(&self.observer),
        };
        let launched = match self.places.borrow().get(self.plan.processors + folder) {
            None => return,
            Some(place) => launch(place, move || {
                let inbox = make(folder, task.nudge.clone());
                Scanner::new(task, inbox, tell_end)
            }),
        };
        let tree = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::select! {
                biased;
                Ok(end) = scan_end => tree.scan_ended(folder, end),
                Ok(End::Crashed(panic)) = launched.end => tree.scanner_crashed(folder, panic).await,
                else => {}
            }
        });
        let scanner = launched.address.await.ok();
        // One that comes after the drain began finds no seat, so it offers nothing.
        if !self.draining.get() {
            self.scanners.borrow_mut()[folder] = scanner;
        }
    }

    fn scan_ended(self: &Rc<Self>, folder: usize, end: ScanEnd) {
        match end {
            ScanEnd::Stopped => return,
            ScanEnd::Fatal(cause) => return self.end(Ending::Fatal(cause)),
            ScanEnd::Dry => {}
            ScanEnd::Held => self.cut_short.set(true),
        }
        self.scanned.borrow_mut()[folder] = true;
        self.drain_when_scanned();
    }

    fn drain_when_scanned(self: &Rc<Self>) {
        if self.plan.once && self.scanned.borrow().iter().all(|scanned| *scanned) {
            actix_rt::spawn(Rc::clone(self).drain("all is done".to_owned()));
        }
    }
}

/// The end.
impl<S: Stages, I: Inbox<Settled = S::Settled>> Tree<S, I> {
    /// Tells the ending, once; a crash loop that led to it is the better word. Nothing is offered
    /// or claimed from here on.
    pub(crate) fn end(&self, ending: Ending) {
        self.draining.set(true);
        self.pool.drain();
        if let Some(tell) = self.tell_ending.borrow_mut().take() {
            // Nobody listening is fine: then nobody asks.
            let _ = tell.send(if self.gave_up.get() { Ending::GaveUp } else { ending });
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.tell_ending.borrow().is_none()
    }
}
