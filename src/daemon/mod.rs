//! The daemon's life: open everything, start the tree, serve until told to stop, drain, say how it ended.

mod open;
mod orders;
mod outlook;
mod retention;
mod signals;
mod starting;
mod tend;
mod voice;

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Actor;
use importerd_actors::Ending;
use slog::Logger;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;

pub(crate) use open::{Opened, lock_state};

use orders::Orders;
use outlook::{Outlook, Prospect};
use signals::Signals;
use starting::Starting;
use tend::Gardener;
use voice::Voice;

use crate::control::server::Server;
use crate::events::{Counts, Event, Kind, Tally};
use crate::exit;
use crate::fault::{Fault, Reason};
use crate::ledger;
use crate::settings::Settings;
use crate::stages::Journal;
use crate::systemd::Notifier;

/// Until a start looks again whether there is room.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// How the daemon is to live.
#[derive(Debug)]
pub struct Life {
    /// What the operator chose.
    pub settings: Settings,
    /// Of the settings' files, for those who look whether they were changed since. Empty: there are none.
    pub fingerprint: String,
    /// Where the ledger lies.
    pub state_directory: PathBuf,
    /// Where it hears orders.
    pub runtime_directory: PathBuf,
    /// Where it speaks.
    pub logger: Logger,
    /// End when everything that is there now is done.
    pub once: bool,
    /// A terminal is where it was typed: once that is gone, nobody is left to stop it, so SIGHUP does.
    pub on_terminal: bool,
    /// Said on standard output when it is ready.
    pub greeting: Option<String>,
    /// A file of the state directory, and what to write there once no other daemon can hold it.
    pub record: Option<(&'static str, String)>,
    /// `importerd` with the options that lead to these settings and this state, to be typed.
    pub importerd: String,
}

/// How a life ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// Whether it got as far as to do anything.
    pub began: bool,
    /// Whether somebody told it to, by a signal or an order: then files may be left.
    pub told_to: bool,
    /// What was done.
    pub counts: Counts,
}

impl Ended {
    /// Before anything was done.
    fn at_once(code: u8) -> Self {
        Self { code, began: false, told_to: false, counts: Counts::default() }
    }
}

/// Lives to the end.
#[must_use]
pub fn live(life: Life) -> Ended {
    let (logger, importerd) = (life.logger.clone(), life.importerd.clone());
    tell_panics(logger.clone());
    let whole = || runtime().and_then(|runtime| actix_rt::System::with_tokio_rt(|| runtime).block_on(serve(life)));
    // The runtime panics where it lacks a descriptor for its signals; what the panic said is in the log. fault 84
    let lived = panic::catch_unwind(AssertUnwindSafe(whole));
    let lived = lived.unwrap_or_else(|_| Err(Fault::fatal("panic", "a panic ended the daemon")));
    lived.unwrap_or_else(|fault| {
        refuse(&logger, &fault, &importerd);
        Ended::at_once(exit::of(&fault))
    })
}

/// Made here because actix would panic where it can't be made. fault 84
fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Fault::io("start the runtime", &error))
}

/// From opening to ending.
async fn serve(life: Life) -> Result<Ended, Fault> {
    let mut signals = Signals::hear().map_err(|error| Fault::io("hear signals", &error))?;
    let notifier = Arc::new(Notifier::from_env().map_err(|error| Fault::io("notify the service manager", &error))?);
    let starting = Starting::now(&notifier, &life.logger);
    let no_room = Arc::default();
    let opening = starting.opening(&no_room);
    let Some(opened) = open_unless_told_to_stop(&life, &mut signals, no_room).await? else {
        return Ok(Ended { told_to: true, ..Ended::at_once(exit::OK) });
    };
    opening.abort();
    let life = Arc::new(life);
    let opened = Arc::new(opened);
    starting.recovering(&opened);
    let tally = Arc::new(Tally::default());
    let outlook = Arc::new(Outlook::default());
    let voice = Voice::new(&life, &opened, &tally, &notifier, &outlook);
    let voice = Arc::new(voice.map_err(|error| Fault::io("start a thread", &error))?);
    look_meanwhile(&life, &opened)?;
    let journal = Journal::new(life.logger.clone(), Arc::clone(&tally)).typed_as(&life.importerd);
    let (drain, drains) = unbounded_channel();
    let orders = Orders { opened: Arc::clone(&opened), journal: journal.clone(), drain, outlook: Arc::clone(&outlook) };
    tell_pauses(&opened, &voice)?;
    let server = orders.hear(&life);
    let (tree, ending) = tend::plant(&life, &opened, &voice, journal);
    let gardener = Gardener { life: &life, tree: tree.start(), tally: &tally, notifier: &notifier };
    // Only the progress bar of `once` wants to know.
    let waiting = if life.once { opened.waiting() } else { 0 };
    let (ending, told_to) = gardener.tend(ending, &mut signals, drains, waiting).await;
    let code = conclude(&opened, &voice, ending, &life.importerd).await;
    voice.end();
    outlook.tell(Prospect::Ended { exit: code });
    server.into_iter().for_each(Server::end);
    Ok(Ended { code, began: true, told_to, counts: tally.counts() })
}

/// A large ledger that the last daemon left in a hurry is looked at while this one works. Nobody waits for the thread.
fn look_meanwhile(life: &Life, opened: &Opened) -> Result<(), Fault> {
    if !opened.ledger.is_doubted() {
        return Ok(());
    }
    let (ledger, logger, importerd) = (Arc::downgrade(&opened.ledger), life.logger.clone(), life.importerd.clone());
    let look = move || {
        if let Err(fault) = ledger::look_meanwhile(&ledger) {
            refuse(&logger, &fault, &importerd);
        }
    };
    let started = std::thread::Builder::new().name("look".to_owned()).spawn(look);
    started.map(drop).map_err(|error| Fault::io("start a thread", &error))
}

/// Of a folder that an operator has paused, nothing else would be heard.
fn tell_pauses(opened: &Opened, voice: &Voice) -> Result<(), Fault> {
    for folder in opened.folders.iter() {
        if let Some(pause) = opened.ledger.pause_of(&folder.name)? {
            voice.say(pause.event(&folder.name));
        }
    }
    Ok(())
}

/// `None`: a signal came first; nothing was in hand. `no_room` hears why it takes so long, if it is for that.
async fn open_unless_told_to_stop(
    life: &Life,
    signals: &mut Signals,
    no_room: Arc<OnceLock<Reason>>,
) -> Result<Option<Opened>, Fault> {
    let (settings, state, record) = (life.settings.clone(), life.state_directory.clone(), life.record.clone());
    let (logger, importerd, waits) = (life.logger.clone(), life.importerd.clone(), !life.once);
    let fingerprint = life.fingerprint.clone();
    let (tell, told) = oneshot::channel();
    let open = move || {
        let opened = loop {
            match Opened::open(&settings, &state, record.as_ref(), &fingerprint) {
                // fault 68: a service manager that starts it again at once would soon give up.
                Err(fault) if waits && fault.reason().is_no_room() && !tell.is_closed() => {
                    if no_room.set(fault.reason().clone()).is_ok() {
                        refuse(&logger, &fault, &importerd);
                    }
                    std::thread::sleep(ROOM_WAIT);
                }
                opened => break opened,
            }
        };
        tell.send(opened)
    };
    // A thread of its own: those of the runtime are waited for at the end, and a disk or a lock may keep this
    // one for long.
    std::thread::Builder::new()
        .name("open".to_owned())
        .spawn(open)
        .map_err(|error| Fault::io("start a thread", &error))?;
    tokio::select! {
        opened = told => opened.map_err(|_| Fault::fatal("panic", "a panic while everything is opened"))?.map(Some),
        _ = signals.stop() => Ok(None),
    }
}

/// Says how it ended, and which exit code that is.
async fn conclude(opened: &Arc<Opened>, voice: &Voice, ending: Ending, importerd: &str) -> u8 {
    match ending {
        Ending::Drained => {
            voice.say(Event::new(Kind::DaemonDrained));
            exit::OK
        }
        // The world is at fault, and it was told when the folder was held: to end now was all that was asked for.
        Ending::Held { files } => {
            voice.say(Event::new(Kind::DaemonDrained).with("in_hand", files));
            exit::OK
        }
        Ending::LeftBehind { files } => {
            abandon_commands(opened, voice).await;
            voice.say(Event::new(Kind::DaemonAbandoned).with("in_hand", files));
            exit::TEMPFAIL
        }
        Ending::GaveUp => {
            abandon_commands(opened, voice).await;
            exit::SOFTWARE
        }
        Ending::Fatal(cause) => {
            abandon_commands(opened, voice).await;
            slog::crit!(voice.logger(), "{}", ledger::typed(&cause, importerd); "code" => "fatal");
            exit::SOFTWARE
        }
    }
}

/// Who works on a file that nobody waits for any more is ended.
async fn abandon_commands(opened: &Arc<Opened>, voice: &Voice) {
    let running = Arc::clone(&opened.running);
    // It takes its time, and the watchdog goes on asking.
    let left = actix_rt::task::spawn_blocking(move || running.abandon(tend::ABANDON_GRACE)).await;
    for command in left.unwrap_or_default() {
        slog::error!(voice.logger(), "a command can't be ended"; "pid" => command.pid);
    }
}

/// A panic of any thread is in the log, whoever else hears of it.
fn tell_panics(logger: Logger) {
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload_as_str().unwrap_or("a panic without words");
        slog::error!(logger, "panic: {words}"; "place" => place);
    }));
}

fn refuse(logger: &Logger, fault: &Fault, importerd: &str) {
    let reason = fault.reason();
    match reason.hint.as_ref().map(|hint| ledger::typed(hint, importerd)) {
        Some(hint) => slog::crit!(logger, "{reason}"; "code" => reason.code, "hint" => hint),
        None => slog::crit!(logger, "{reason}"; "code" => reason.code),
    }
}
