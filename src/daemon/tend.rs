//! The tree, planted and tended: signals, watchdog, status.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use importerd_actors::{Abandon, Drain, Ending, FolderPlan, Health, Ping, Plan, Start, Supervisor, Threads};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Life;
use super::open::{Opened, files_in_hand_max};
use super::signals::{Heard, Signals};
use super::voice::Voice;
use crate::events::{Counts, Event, Kind, Tally};
use crate::folder::inbox::{Inbox, Notice};
use crate::log::escape;
use crate::pulse;
use crate::settings::{Settings, Work};
use crate::stages::{Carrier, Folder, Journal};
use crate::systemd::{self, Notifier};

/// The most files that share one commit.
const BATCH_FILES_MAX: usize = 256;
/// A Processor with work in hand and no sign of life for so long hangs. A command has its time-out on top.
const HUNG_AFTER: Duration = Duration::from_mins(5);
/// How long a held folder waits at most before it is tried again: the world may be well again at any time.
const HOLD_MAX: Duration = Duration::from_secs(30);
/// Two signals within so long have one cause, and mean one stop: timeout(1) signals its child and then its group, a terminal
/// the group and `sudo` what it runs. Who sends a second one because the first takes too long has waited longer.
const SAME_CAUSE: Duration = Duration::from_millis(500);
/// At most so often is the status told to the service manager.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// What abandoned commands get between SIGTERM and SIGKILL.
pub const ABANDON_GRACE: Duration = Duration::from_secs(2);

type Tree = Supervisor<Carrier, Inbox>;

/// The tree over what was opened, not started yet.
pub fn plant(
    life: &Arc<Life>,
    opened: &Arc<Opened>,
    voice: &Arc<Voice>,
    journal: Journal,
) -> (Tree, oneshot::Receiver<Ending>) {
    let plan = plan(&life.settings, life.once);
    let processors = plan.processors;
    let (folders, ledger) = (Arc::clone(&opened.folders), Arc::clone(&opened.ledger));
    let make_stages = move |slot, thread_pulse: importerd_actors::Pulse| {
        pulse::belongs_to_this_thread(thread_pulse);
        Carrier::new(slot, processors, Arc::clone(&folders), Arc::clone(&ledger), journal.clone())
    };
    let (folders, told) = (Arc::clone(&opened.folders), Arc::clone(voice));
    let make_inbox = move |index: usize, nudge| {
        let folder = &folders[index];
        let (name, path) = (Arc::clone(&folder.name), folder.places.inbox_path.display().to_string());
        let told = Arc::clone(&told);
        let tell = Box::new(move |notice| tell_of_watch(&told, &name, &path, notice));
        let Folder { places, rules, deferrals, gate, .. } = folder;
        let (places, rules) = (Arc::clone(places), Arc::clone(rules));
        Inbox::new(places, rules, Arc::clone(deferrals), Arc::clone(gate), nudge, tell).watched()
    };
    Supervisor::new(plan, Arc::clone(voice) as _, make_stages, make_inbox)
}

fn plan(settings: &Settings, once: bool) -> Plan {
    let longest_command = settings.folders.values().filter_map(|folder| match &folder.work {
        Work::Run(run) => Some(run.timeout),
        Work::Import(_) => None,
    });
    let files_max = files_in_hand_max(settings.processors, settings.folders.len()).min(BATCH_FILES_MAX);
    Plan {
        processors: settings.processors,
        folders: settings
            .folders
            .values()
            .map(|folder| FolderPlan {
                files_max,
                in_order: folder.needs_order(),
                in_turns: matches!(folder.work, Work::Import(_)),
            })
            .collect(),
        restarts: settings.restarts as usize,
        restart_window: settings.restart_window,
        drain_grace: settings.drain_grace,
        hold_min: settings.backoff.min,
        hold_max: settings.backoff.max.min(HOLD_MAX),
        hung_after: HUNG_AFTER + longest_command.max().unwrap_or_default(),
        once,
        threads: Threads::Own,
    }
}

fn tell_of_watch(voice: &Voice, folder: &Arc<str>, path: &str, notice: Notice) {
    let event = |kind| Event::new(kind).folder(Arc::clone(folder));
    voice.say(match notice {
        Notice::Reading => return voice.remind(),
        Notice::UnseenNow(count) => return voice.count_unseen(folder, count),
        Notice::Watching => event(Kind::FolderWatching).with("path", path),
        Notice::Overflow => event(Kind::FolderOverflow),
        Notice::Unseen { name, reason } => {
            event(Kind::FolderUnseen).with("path", format!("{path}/{}", escape(&name))).with("reason", reason)
        }
        Notice::Polling(reason) => event(Kind::FolderPolling).with("path", path).with("reason", reason),
    });
}

/// Sees the tree through its life.
pub struct Gardener<'a> {
    pub life: &'a Life,
    pub tree: Addr<Tree>,
    pub tally: &'a Arc<Tally>,
    pub notifier: &'a Arc<Notifier>,
}

impl Gardener<'_> {
    /// Starts the tree and passes on what it is told, until it ends; and whether somebody told it to.
    pub async fn tend(
        &self,
        mut ending: oneshot::Receiver<Ending>,
        signals: &mut Signals,
        mut drains: UnboundedReceiver<String>,
        waiting: u64,
    ) -> (Ending, bool) {
        actix_rt::spawn(self.tree.send(Start));
        self.guard();
        let report = actix_rt::spawn(report(
            Arc::clone(self.tally),
            Arc::clone(self.notifier),
            self.life.settings.folders.len(),
        ));
        let bar = self.bar(waiting);
        let (mut told_to_stop, mut told_to_drain) = (None::<Instant>, false);
        let drain = |cause: String| {
            // From here on the status is that of the drain.
            report.abort();
            actix_rt::spawn(self.tree.send(Drain { cause }));
        };
        loop {
            tokio::select! {
                biased;
                ending = &mut ending => {
                    bar.finish_and_clear();
                    let ending = ending.unwrap_or_else(|_| Ending::Fatal("the Supervisor is gone".to_owned()));
                    return (ending, told_to_stop.is_some() || told_to_drain);
                }
                // Not like a signal: a signal after it is the first.
                Some(cause) = drains.recv() => {
                    told_to_drain = true;
                    drain(cause);
                }
                heard = signals.next() => match heard {
                    Heard::Stop(_) if told_to_stop.is_some_and(|at| at.elapsed() < SAME_CAUSE) => {}
                    Heard::Stop(_) if told_to_stop.is_some() => { actix_rt::spawn(self.tree.send(Abandon)); }
                    Heard::Stop(signal) => {
                        told_to_stop = Some(Instant::now());
                        drain(signal.to_owned());
                    }
                    // The shell sends it, and so does the kernel: once more is no haste.
                    Heard::Reload if self.life.on_terminal && told_to_stop.is_some() => {}
                    Heard::Reload if self.life.on_terminal => {
                        told_to_stop = Some(Instant::now());
                        drain("SIGHUP".to_owned());
                    }
                    Heard::Reload => slog::warn!(
                        self.life.logger,
                        "SIGHUP: settings are read at the start only; restart to use new ones"
                    ),
                },
                () = advance(&bar, self.tally), if !bar.is_hidden() => {}
            }
        }
    }

    /// Feeds the watchdog for as long as every actor answers.
    fn guard(&self) {
        let Some(every) = systemd::watchdog_interval() else { return };
        let (tree, notifier, logger) = (self.tree.clone(), Arc::clone(self.notifier), self.life.logger.clone());
        actix_rt::spawn(async move {
            let mut tick = interval(every);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                match tree.send(Ping).await {
                    Ok(Health::Alive) => notifier.watchdog(),
                    Ok(Health::Hung(actors)) => slog::error!(logger, "hung: {}", actors.join(", ")),
                    Err(_) => return,
                }
            }
        });
    }

    /// A progress bar, hidden unless `once` runs on a terminal.
    fn bar(&self, waiting: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files  {rate}/s  {eta}");
        let target = if self.life.once { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(waiting), target);
        match style {
            Ok(style) => bar.with_style(style.with_key("rate", rate)),
            Err(_) => bar,
        }
    }
}

/// Files a second; a fraction only where there are few.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let rate = state.per_sec();
    // What can't be written isn't shown.
    let _ = if rate < 10.0 { write!(out, "{rate:.1}") } else { write!(out, "{rate:.0}") };
}

async fn advance(bar: &ProgressBar, tally: &Tally) {
    sleep(Duration::from_millis(100)).await;
    let ended = tally.counts().ended();
    bar.set_length(bar.length().unwrap_or(0).max(ended));
    bar.set_position(ended);
}

/// Tells the service manager how things stand, when they have changed.
async fn report(tally: Arc<Tally>, notifier: Arc<Notifier>, folders: usize) {
    loop {
        tally.changed().await;
        notifier.status(&status(&tally.counts(), folders));
        sleep(STATUS_EVERY).await;
    }
}

/// One line for `systemctl status`; it ends with what to type when something needs a look.
pub(super) fn status(counts: &Counts, folders: usize) -> String {
    let mut parts = vec![format!("watching {folders} folder{}", if folders == 1 { "" } else { "s" })];
    parts.push(format!("{} done", counts.committed));
    if counts.duplicates > 0 {
        parts.push(format!("{} duplicate{}", counts.duplicates, if counts.duplicates == 1 { "" } else { "s" }));
    }
    parts.extend(counts.paused.iter().map(|(folder, cause)| format!("{folder} PAUSED: {cause}")));
    parts.extend(counts.paused_by_operator.iter().map(|(folder, by_whom)| format!("{folder} PAUSED {by_whom}")));
    if !counts.quarantined.is_empty() {
        parts.push(format!("{} quarantined (importerd ls --quarantined)", counts.quarantined.len()));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::FileId;

    #[test]
    fn the_status_line_says_what_to_type_when_something_is_wrong() {
        let fine = Counts { committed: 12, ..Counts::default() };
        assert_eq!(status(&fine, 1), "watching 1 folder · 12 done");
        let paused = [("orders".to_owned(), "orders.db: database is locked".to_owned())].into();
        let paused_by_operator = [("scans".to_owned(), "by an operator (uid 0)".to_owned())].into();
        let quarantined = [1, 2, 3].map(FileId).into();
        let bad = Counts { committed: 12, quarantined, paused, paused_by_operator, ..Counts::default() };
        assert_eq!(
            status(&bad, 2),
            "watching 2 folders · 12 done · orders PAUSED: orders.db: database is locked · \
             scans PAUSED by an operator (uid 0) · 3 quarantined (importerd ls --quarantined)"
        );
    }
}
