//! A start that takes its time, for a disk that is slow or a server that doesn't answer: the service manager is asked to
//! wait, and the log says for what.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_rt::task::JoinHandle;
use slog::Logger;
use tokio::time::{Instant, sleep};

use super::open::Opened;
use crate::fault::Reason;
use crate::systemd::Notifier;

/// How much longer the service manager is to wait, told every second.
const EXTENSION: Duration = Duration::from_secs(15);
const BEAT: Duration = Duration::from_secs(1);
/// How often it is in the log: every five seconds, give or take.
const TOLD_EVERY: Duration = Duration::from_millis(4_500);

/// Tells what a start does, until it is over or told to stop.
pub struct Starting {
    notifier: Arc<Notifier>,
    logger: Logger,
    began: Instant,
}

impl Starting {
    pub fn now(notifier: &Arc<Notifier>, logger: &Logger) -> Self {
        Self { notifier: Arc::clone(notifier), logger: logger.clone(), began: Instant::now() }
    }

    /// Until it is aborted. `no_room`: what is waited for, once it is known.
    pub fn opening(&self, no_room: &Arc<OnceLock<Reason>>) -> JoinHandle<()> {
        let no_room = Arc::clone(no_room);
        self.tell(move || match no_room.get() {
            Some(reason) => format!("there must be room first: {reason}"),
            None => "ledger, folders and targets are being opened".to_owned(),
        })
    }

    /// To the end.
    pub fn recovering(&self, opened: &Arc<Opened>) {
        let opened = Arc::clone(opened);
        self.tell(move || match opened.folders.iter().find(|folder| folder.is_recovered_now()) {
            Some(folder) => format!("folder {} and its target are asked what the last run left", folder.name),
            None => "the inboxes are looked at".to_owned(),
        });
    }

    fn tell(&self, doing: impl Fn() -> String + 'static) -> JoinHandle<()> {
        let (notifier, logger, began) = (Arc::clone(&self.notifier), self.logger.clone(), self.began);
        actix_rt::spawn(async move {
            let mut told = Instant::now();
            loop {
                sleep(BEAT).await;
                if !notifier.is_starting() {
                    return;
                }
                notifier.extend_timeout(EXTENSION);
                if told.elapsed() >= TOLD_EVERY {
                    told = Instant::now();
                    let doing = doing();
                    notifier.status(&format!("starting: {doing}"));
                    slog::info!(logger, "starting for {} s: {doing}", began.elapsed().as_secs());
                }
            }
        })
    }
}
