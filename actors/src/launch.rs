//! Starts an actor in its place and tells how it ended.
//!
//! `actix::Supervisor` doesn't see a panic; the task's handle does.

use std::any::Any;
use std::io;

use actix::{Actor, Addr, AsyncContext, Context};
use actix_rt::Arbiter;
use tokio::sync::oneshot;
use tokio::task::JoinError;

/// Where actors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Each on a thread of its own: what it does may block.
    Own,
    /// All on the caller's thread; for tests under a stopped clock.
    Shared,
}

/// Where one actor lives, and after a crash its successor.
#[derive(Debug)]
pub(crate) enum Place {
    /// A thread, which outlives a panic.
    Thread(Arbiter),
    /// The caller's thread.
    Here,
}

impl Place {
    /// Makes places for so many actors.
    pub(crate) fn make(threads: Threads, count: usize) -> io::Result<Vec<Self>> {
        let one = || match threads {
            Threads::Own => Arbiter::try_new().map(Self::Thread),
            Threads::Shared => Ok(Self::Here),
        };
        (0..count).map(|_| one()).collect()
    }

    fn run(&self, start: impl FnOnce() + Send + 'static) {
        match self {
            Self::Thread(arbiter) => {
                arbiter.spawn_fn(start);
            }
            Self::Here => start(),
        }
    }

    /// The thread, when there is one to end.
    pub(crate) fn into_thread(self) -> Option<Arbiter> {
        match self {
            Self::Thread(arbiter) => Some(arbiter),
            Self::Here => None,
        }
    }
}

/// How an actor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to.
    Left,
    /// It panicked, and said this.
    Crashed(String),
}

/// An actor and what is left to know of it.
#[derive(Debug)]
pub(crate) struct Launched<A: Actor> {
    pub(crate) address: oneshot::Receiver<Addr<A>>,
    pub(crate) end: oneshot::Receiver<End>,
}

/// Starts the actor that `make` makes in its place; its address is told when it is made. A panic of `make` is a
/// crash like any other.
pub(crate) fn launch<A>(place: &Place, make: impl FnOnce() -> A + Send + 'static) -> Launched<A>
where
    A: Actor<Context = Context<A>>,
{
    let (tell_address, address) = oneshot::channel();
    let (tell_end, end) = oneshot::channel();
    place.run(move || {
        let life = actix_rt::spawn(async move {
            let (context, actor) = (Context::new(), make());
            let _ = tell_address.send(context.address());
            context.into_future(actor).await;
        });
        actix_rt::spawn(async move {
            let _ = tell_end.send(life.await.map_or_else(crashed, |()| End::Left));
        });
    });
    Launched { address, end }
}

fn crashed(error: JoinError) -> End {
    End::Crashed(error.try_into_panic().map_or_else(|_| "cancelled".to_owned(), |panic| words(panic.as_ref())))
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
