//! The Supervisor: starts the tree, restarts what crashes, and ends it by a drain.
//!
//! The actor is a thin shell: each message becomes one `async` story told by [`Tree`].

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, ResponseFuture};
use tokio::sync::oneshot;

use crate::hand::Pulse;
use crate::launch::Threads;
use crate::messages::{Abandon, Drain, Ending, Health, Ping, Start};
use crate::ports::{Inbox, Observer, Stages};
use crate::scanner::Nudge;
use crate::tree::Tree;

/// The shape of the tree.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many Processors; at least one.
    pub processors: usize,
    /// One Scanner each.
    pub folders: Vec<FolderPlan>,
    /// More crashes than this within `restart_window` end the tree.
    pub restarts: usize,
    /// See `restarts`.
    pub restart_window: Duration,
    /// How long a drain may take.
    pub drain_grace: Duration,
    /// How long a folder is held before the first new try.
    pub hold_min: Duration,
    /// How long a folder is held at most.
    pub hold_max: Duration,
    /// A Processor with work in hand and no sign of life for so long hangs.
    pub hung_after: Duration,
    /// End when everything that is there now has been carried.
    pub once: bool,
    /// Where the actors live.
    pub threads: Threads,
}

/// What the tree knows of a folder.
#[derive(Debug, Clone)]
pub struct FolderPlan {
    /// The most files in one batch; at least one.
    pub files_max: usize,
    /// Whether a file may only be claimed when those offered before it are committed or set aside, whatever crashes
    /// and holds come between.
    pub in_order: bool,
    /// Whether its files wait for each other in the end: while one takes long, it leaves a Processor to other folders.
    pub in_turns: bool,
}

/// The root of the tree. Its life: [`Start`], then [`Drain`] or [`Abandon`]; it tells its
/// [`Ending`] once.
pub struct Supervisor<S: Stages, I: Inbox<Settled = S::Settled>> {
    tree: Rc<Tree<S, I>>,
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> fmt::Debug for Supervisor<S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("plan", &self.tree.plan).finish_non_exhaustive()
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Supervisor<S, I> {
    /// A tree that is not started yet, and the promise to tell its ending.
    ///
    /// `make_stages` gets a slot and the pulse to beat, `make_inbox` a folder and the nudge by
    /// which to wake its Scanner; both are called on the thread where the value will live, again
    /// after every crash.
    pub fn new(
        plan: Plan,
        observer: Arc<dyn Observer>,
        make_stages: impl Fn(usize, Pulse) -> S + Send + Sync + 'static,
        make_inbox: impl Fn(usize, Nudge) -> I + Send + Sync + 'static,
    ) -> (Self, oneshot::Receiver<Ending>) {
        let (tell_ending, ending) = oneshot::channel();
        let tree = Tree::new(plan, observer, Arc::new(make_stages), Arc::new(make_inbox), tell_ending);
        (Self { tree: Rc::new(tree) }, ending)
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Actor for Supervisor<S, I> {
    type Context = Context<Self>;
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Start> for Supervisor<S, I> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Start, _: &mut Self::Context) -> Self::Result {
        Box::pin(Rc::clone(&self.tree).start())
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Drain> for Supervisor<S, I> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) -> Self::Result {
        Box::pin(Rc::clone(&self.tree).drain(drain.cause))
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Abandon> for Supervisor<S, I> {
    type Result = ();

    fn handle(&mut self, _: Abandon, _: &mut Self::Context) {
        self.tree.abandon();
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Ping> for Supervisor<S, I> {
    type Result = ResponseFuture<Health>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        Box::pin(Rc::clone(&self.tree).ping())
    }
}
