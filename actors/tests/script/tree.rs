//! A tree over a world, and the two ways to run a test of it.

use std::sync::{Arc, Once};
use std::time::Duration;

use actix::{Actor, Addr};
use importerd_actors::{Abandon, Drain, Ending, FolderPlan, Happening, Health, Ping, Plan, Start, Supervisor, Threads};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ports::{Inbox, Stages};
use super::world::World;

/// Any other plan is this one with a difference.
pub fn plan(processors: usize, folders: usize) -> Plan {
    Plan {
        processors,
        folders: vec![FolderPlan { files_max: 16, in_order: false, in_turns: false }; folders],
        restarts: 100,
        restart_window: Duration::from_mins(1),
        drain_grace: Duration::from_mins(1),
        hold_min: Duration::from_secs(1),
        hold_max: Duration::from_mins(1),
        hung_after: Duration::from_secs(10),
        once: false,
        threads: Threads::Shared,
    }
}

/// A tree that runs.
pub struct Tree {
    pub supervisor: Addr<Supervisor<Stages, Inbox>>,
    pub ending: oneshot::Receiver<Ending>,
    world: World,
}

impl Tree {
    /// A tree that is not started.
    pub fn plant(world: &World, plan: Plan) -> Self {
        let (for_stages, for_inbox) = (world.clone(), world.clone());
        let (supervisor, ending) = Supervisor::new(
            plan,
            Arc::new(world.clone()),
            move |slot, pulse| Stages::new(for_stages.clone(), slot, pulse),
            move |folder, nudge| {
                for_inbox.change(|state| state.nudges.insert(folder, nudge));
                Inbox::new(for_inbox.clone(), folder)
            },
        );
        Self { supervisor: supervisor.start(), ending, world: world.clone() }
    }

    /// A tree that has recovered and scans.
    pub async fn grow(world: &World, plan: Plan) -> Self {
        let tree = Self::plant(world, plan);
        tree.supervisor.send(Start).await.unwrap();
        tree
    }

    /// Tells it to drain, and returns when it has begun.
    pub async fn begin_drain(&self) {
        let supervisor = self.supervisor.clone();
        actix_rt::spawn(async move { supervisor.send(Drain { cause: "test".to_owned() }).await });
        self.world.until(|state| state.happened(|what| matches!(what, Happening::Draining { .. })) > 0).await;
    }

    pub async fn abandon(&self) {
        self.supervisor.send(Abandon).await.unwrap();
    }

    pub async fn ping(&self) -> Health {
        self.supervisor.send(Ping).await.unwrap()
    }

    /// Drains to the end.
    pub async fn drain(self) -> Ending {
        self.begin_drain().await;
        self.ending.await.unwrap()
    }

    /// Waits for an end that comes by itself.
    pub async fn end(self) -> Ending {
        self.ending.await.unwrap()
    }
}

/// All actors on one thread; time passes only when nobody has anything to do.
pub fn stopped_clock(test: impl Future<Output = ()>) {
    hush();
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        timeout(Duration::from_hours(48), test).await.expect("the test hangs");
    });
}

/// Under a stopped clock: waits until nobody has anything to do for a second.
pub async fn quiet() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Actors on their own threads, on the real clock; a stage may block on a gate.
pub fn on_threads(test: impl Future<Output = ()>) {
    hush();
    actix_rt::System::new().block_on(async {
        timeout(Duration::from_mins(1), test).await.expect("the test hangs");
    });
}

/// Scripted panics are no news.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let words = panic.payload().downcast_ref::<&str>().copied().unwrap_or_default();
            if !words.starts_with("scripted") {
                tell(panic);
            }
        }));
    });
}
