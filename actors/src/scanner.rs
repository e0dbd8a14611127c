//! The Scanner: finds settled files in one inbox and offers them to the Processors.
//!
//! The actor is a thin shell around its [work](crate::scanning), and stays free for messages meanwhile.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, ResponseFuture};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::messages::{Knock, StopScanning, Visit};
use crate::pool::Pool;
use crate::ports::{Inbox, Observer, Stages};
use crate::scanning::{Work, told};

/// Wakes a Scanner: something may have settled. Cheap, never blocks, may be called from any thread.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Have a look.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until it was woken; one wake-up before the wait is not lost.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}

/// What a Scanner is told when it starts.
pub(crate) struct Task<S: Stages> {
    pub(crate) folder: usize,
    pub(crate) files_max: usize,
    /// One offer is carried to its end before the next is made.
    pub(crate) in_order: bool,
    /// While an offer takes long, no other one may take the last Processor.
    pub(crate) leaves_one: bool,
    /// End when everything that is there now has been carried.
    pub(crate) once: bool,
    pub(crate) hold_min: Duration,
    pub(crate) hold_max: Duration,
    pub(crate) nudge: Nudge,
    pub(crate) pool: Arc<Pool<S>>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// Why a Scanner's work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanEnd {
    /// It was told to stop.
    Stopped,
    /// Everything that was there is carried.
    Dry,
    /// The folder is held, and nobody waits for it to go on.
    Held,
    /// A Processor or the inbox said that the daemon can't go on.
    Fatal(String),
}

/// The actor around the work: it stays free for messages.
pub(crate) struct Scanner<S: Stages, I: Inbox<Settled = S::Settled>> {
    work: Option<Work<S, I>>,
    stop: watch::Sender<bool>,
    visits: mpsc::UnboundedSender<usize>,
    ended: watch::Receiver<bool>,
    tell_ended: Option<watch::Sender<bool>>,
    tell_end: Option<oneshot::Sender<ScanEnd>>,
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Scanner<S, I> {
    pub(crate) fn new(task: Task<S>, inbox: I, tell_end: oneshot::Sender<ScanEnd>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (visits, to_visit) = mpsc::unbounded_channel();
        let (tell_ended, ended) = watch::channel(false);
        let work = Work::new(task, inbox, stopped, to_visit);
        Self { work: Some(work), stop, visits, ended, tell_ended: Some(tell_ended), tell_end: Some(tell_end) }
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Actor for Scanner<S, I> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let (Some(work), Some(tell_end), Some(tell_ended)) =
            (self.work.take(), self.tell_end.take(), self.tell_ended.take())
        else {
            return;
        };
        let life = async move {
            let end = work.scan().await;
            let _ = tell_end.send(end);
            let _ = tell_ended.send(true);
        };
        context.spawn(actix::fut::wrap_future(life));
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<StopScanning> for Scanner<S, I> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopScanning, _: &mut Self::Context) -> Self::Result {
        let _ = self.stop.send(true);
        let mut ended = self.ended.clone();
        Box::pin(async move {
            told(&mut ended).await;
        })
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Visit> for Scanner<S, I> {
    type Result = ();

    fn handle(&mut self, visit: Visit, _: &mut Self::Context) {
        let _ = self.visits.send(visit.slot);
    }
}

impl<S: Stages, I: Inbox<Settled = S::Settled>> Handler<Knock> for Scanner<S, I> {
    type Result = ();

    fn handle(&mut self, _: Knock, _: &mut Self::Context) {}
}
