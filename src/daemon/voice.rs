//! What the daemon says of itself: in the log, in the ledger, to the service manager.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use importerd_actors::{Blame, Happening, Observer};
use slog::Logger;

use super::Life;
use super::open::Opened;
use super::outlook::{Outlook, Prospect};
use super::retention::Retention;
use super::tend;
use crate::events::{Event, Kind, Subject, Tally};
use crate::file::FileId;
use crate::ledger::Durability;
use crate::log::{self, unescape};
use crate::systemd::Notifier;

/// How often a drain is in the log: every five seconds. Progress is told once a second, give or take.
const DRAIN_TOLD_EVERY: Duration = Duration::from_millis(4_500);
/// How much longer the service manager is to wait, told every second of a drain.
const DRAIN_EXTENSION: Duration = Duration::from_secs(15);

/// How long the last words may take: a disk that hangs keeps nobody from ending.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(5);

/// Turns what happens in the tree into events. It speaks from a thread of its own: the ledger may wait for a disk
/// that hangs, and whoever hears signals and drains must not.
#[derive(Debug)]
pub struct Voice {
    logger: Logger,
    /// A few a second at most, of which none comes from a file.
    words: Sender<Word>,
    retention: Arc<Retention>,
    tally: Arc<Tally>,
}

/// Something to say.
#[derive(Debug)]
enum Word {
    Event(Event),
    Happening(Happening),
    /// What the ledger no longer has to keep is let go now.
    Prune,
    /// Nothing follows; whoever waits for the end hears of it when this is dropped.
    Last(Sender<Infallible>),
}

impl Voice {
    /// Speaks from now on.
    pub fn new(
        life: &Arc<Life>,
        opened: &Arc<Opened>,
        tally: &Arc<Tally>,
        notifier: &Arc<Notifier>,
        outlook: &Arc<Outlook>,
    ) -> io::Result<Self> {
        let speaker = Speaker {
            life: Arc::clone(life),
            opened: Arc::clone(opened),
            tally: Arc::clone(tally),
            notifier: Arc::clone(notifier),
            outlook: Arc::clone(outlook),
            drain_told: None,
            retention: Arc::new(Retention::of(life.settings.history)),
        };
        let retention = Arc::clone(&speaker.retention);
        let (words, spoken) = mpsc::channel();
        thread::Builder::new().name("voice".to_owned()).spawn(move || speaker.speak(&spoken))?;
        Ok(Self { logger: life.logger.clone(), words, retention, tally: Arc::clone(tally) })
    }

    pub fn logger(&self) -> &Logger {
        &self.logger
    }

    /// Says it everywhere, soon, and in this order.
    pub fn say(&self, event: Event) {
        self.tell(Word::Event(event));
    }

    /// An inbox is about to be read: the time to let go what the ledger no longer has to keep.
    pub fn remind(&self) {
        if self.retention.is_due() {
            self.tell(Word::Prune);
        }
    }

    /// So many names in a folder's inbox can't be looked at now.
    pub fn count_unseen(&self, folder: &str, count: usize) {
        self.tally.count_unseen(folder, count);
    }

    fn tell(&self, word: Word) {
        // Only a panic silences it, and that is in the log.
        let _ = self.words.send(word);
    }

    /// Waits until everything is said; not for ever.
    pub fn end(&self) {
        let (last, ended) = mpsc::channel();
        self.tell(Word::Last(last));
        if ended.recv_timeout(LAST_WORDS_WAIT) == Err(RecvTimeoutError::Timeout) {
            slog::error!(self.logger, "the ledger's disk hangs: the last events are not entered");
        }
    }
}

impl Observer for Voice {
    fn observe(&self, happening: Happening) {
        self.tell(Word::Happening(happening));
    }
}

/// What lives on the voice's thread.
struct Speaker {
    life: Arc<Life>,
    opened: Arc<Opened>,
    tally: Arc<Tally>,
    notifier: Arc<Notifier>,
    outlook: Arc<Outlook>,
    drain_told: Option<Instant>,
    retention: Arc<Retention>,
}

impl Speaker {
    fn speak(mut self, words: &Receiver<Word>) {
        while let Some(word) = self.next(words) {
            match word {
                Word::Event(event) => self.say(event),
                Word::Happening(happening) => self.hear(happening),
                Word::Prune => self.retention.begin(),
                Word::Last(last) => {
                    // The ledger is closed before anybody hears that this has ended.
                    drop(self);
                    return drop(last);
                }
            }
        }
    }

    /// The next word; a little is pruned for as long as there is none, once that has begun.
    fn next(&mut self, words: &Receiver<Word>) -> Option<Word> {
        while self.retention.is_under_way() {
            match words.try_recv() {
                Err(TryRecvError::Empty) => self.prune(),
                heard => return heard.ok(),
            }
        }
        words.recv().ok()
    }

    fn prune(&self) {
        match self.retention.prune(&self.opened.ledger) {
            Ok(Some(event)) => self.say(event),
            Ok(None) => {}
            Err(fault) => slog::warn!(self.logger(), "nothing is let go of the ledger: {fault}"),
        }
    }

    fn logger(&self) -> &Logger {
        &self.life.logger
    }

    /// Says it everywhere.
    #[expect(clippy::needless_pass_by_value, reason = "an event is said once")]
    fn say(&self, event: Event) {
        event.log(self.logger());
        self.tally.count(&event);
        // An event that can't be kept is in the log; what it tells of doesn't depend on it.
        if let Err(fault) = self.opened.ledger.enter(Durability::Lazy, &[], std::slice::from_ref(&event)) {
            slog::warn!(self.logger(), "the ledger didn't take the event {}: {fault}", event.kind.name());
        }
    }

    fn of_folder(&self, kind: Kind, folder: usize) -> Event {
        Event::new(kind).folder(Arc::clone(&self.opened.folders[folder].name))
    }

    fn ready(&self, recovered: usize) {
        let folders = self.opened.folders.len();
        let event = Event::new(Kind::DaemonStarted)
            .with("pid", std::process::id())
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("folders", folders)
            .with("recovered", recovered);
        self.say(event);
        self.notifier.ready(&tend::status(&self.tally.counts(), folders));
        if let Some(greeting) = &self.life.greeting {
            log::print(greeting);
        }
    }

    fn crashed(&self, slot: usize, panic: String, blame: Option<Blame>) {
        let mut event = Event::new(Kind::ProcessorCrashed).with("processor", slot + 1).with("reason", panic);
        if let Some(blame) = blame {
            let id = FileId(blame.id);
            let name = unescape(&blame.name).unwrap_or_else(|| blame.name.into());
            event = event.folder(Arc::clone(&self.opened.folders[blame.folder].name));
            event = event.file(Subject { id, name, attempt: blame.attempt, stage: "process" });
        }
        self.say(event);
    }

    fn draining(&self, cause: String) {
        let grace = self.life.settings.drain_grace.as_secs();
        self.notifier.stopping("draining");
        self.say(Event::new(Kind::DaemonDraining).with("signal", cause).with("grace_secs", grace));
    }

    fn drain_progress(&mut self, in_hand: usize, oldest: Option<(String, Duration)>) {
        self.outlook.tell(Prospect::Draining { in_hand, oldest: oldest.clone() });
        let files = if in_hand == 1 { "file" } else { "files" };
        let oldest = oldest.map(|(name, age)| format!(", oldest {} s ({name})", age.as_secs())).unwrap_or_default();
        let status = format!("draining: {in_hand} {files} in hand{oldest}");
        self.notifier.status(&status);
        self.notifier.extend_timeout(DRAIN_EXTENSION);
        if in_hand > 0 && self.drain_told.is_none_or(|told| told.elapsed() >= DRAIN_TOLD_EVERY) {
            self.drain_told = Some(Instant::now());
            slog::info!(self.logger(), "{status}"; "in_hand" => in_hand);
        }
    }

    fn hear(&mut self, happening: Happening) {
        let restarts_max = self.life.settings.restarts;
        match happening {
            Happening::Ready { archived, again } => self.ready(archived + again),
            Happening::ProcessorStarted { slot } => {
                self.say(Event::new(Kind::ProcessorStarted).with("processor", slot + 1));
            }
            Happening::ProcessorCrashed { slot, panic, blame } => self.crashed(slot, panic, blame),
            Happening::ProcessorRestarted { slot, crashes, back_off } => self.say(
                Event::new(Kind::ProcessorRestarted)
                    .with("processor", slot + 1)
                    .with("restarts", crashes)
                    .with("restarts_max", restarts_max)
                    .with("backoff_ms", u64::try_from(back_off.as_millis()).unwrap_or(u64::MAX)),
            ),
            Happening::ScannerCrashed { folder, panic } => {
                let folder = &self.opened.folders[folder].name;
                slog::error!(self.logger(), "the Scanner of folder {folder} panicked: {panic}"; "folder" => &**folder);
            }
            Happening::GaveUp { crashes } => {
                self.say(
                    Event::new(Kind::ProcessorGaveUp).with("restarts", crashes).with("restarts_max", restarts_max),
                );
            }
            Happening::FolderPaused { folder, cause, retry_in } => {
                let event = self.of_folder(Kind::FolderPaused, folder).with("reason", cause);
                let retry_at = event.at.checked_add(retry_in).unwrap_or(jiff::Timestamp::MAX);
                self.say(event.with("retry_at", retry_at.to_string()));
            }
            Happening::FolderLeft { folder, cause } => {
                // Else it was told when its Scanner met it.
                if !self.tally.counts().paused.contains_key(&*self.opened.folders[folder].name) {
                    self.say(self.of_folder(Kind::FolderPaused, folder).with("reason", cause));
                }
            }
            Happening::FolderResumed { folder } => self.say(self.of_folder(Kind::FolderResumed, folder)),
            Happening::Draining { cause } => self.draining(cause),
            Happening::DrainProgress { in_hand, oldest } => self.drain_progress(in_hand, oldest),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::ledger::FILE_NAME;
    use crate::settings::{Backoff, Settings};

    fn life(state_directory: &std::path::Path) -> Life {
        let minute = Duration::from_mins(1);
        let settings = Settings {
            processors: 1,
            drain_grace: minute,
            attempts: 1,
            backoff: Backoff { min: minute, max: minute },
            restarts: 1,
            restart_window: minute,
            history: None,
            folders: [].into(),
        };
        let logger = Logger::root(slog::Discard, slog::o!());
        Life {
            settings,
            fingerprint: String::new(),
            state_directory: state_directory.to_owned(),
            runtime_directory: state_directory.join("run"),
            logger,
            on_terminal: false,
            once: false,
            greeting: None,
            record: None,
            importerd: "importerd".to_owned(),
        }
    }

    /// fault 73
    #[test]
    fn a_ledger_that_waits_keeps_nobody_from_speaking_and_nothing_said_is_lost() {
        let state = tempfile::tempdir().unwrap();
        let life = Arc::new(life(state.path()));
        let opened = Arc::new(Opened::open(&life.settings, state.path(), None, "").unwrap());
        let notifier = Arc::new(Notifier::to(None).unwrap());
        let voice = Voice::new(&life, &opened, &Arc::default(), &notifier, &Arc::default()).unwrap();
        let other = Connection::open(state.path().join(FILE_NAME)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let began = Instant::now();
        voice.observe(Happening::ProcessorStarted { slot: 0 });
        voice.say(Event::new(Kind::DaemonDrained));
        assert!(began.elapsed() < Duration::from_secs(2), "less than SQLite waits for a lock");
        other.execute_batch("ROLLBACK").unwrap();
        voice.end();
        let mut query = other.prepare("SELECT kind FROM event ORDER BY id").unwrap();
        let kinds: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(kinds, ["processor.started", "daemon.drained"]);
    }
}
