//! The orders that a running daemon takes: carried out over what it holds open, those of files one at a time, on the
//! threads of those who give them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::Life;
use super::open::Opened;
use super::outlook::{Outlook, Prospect};
use crate::control::server::{Hands, Server};
use crate::control::socket::Socket;
use crate::control::{By, Line, Operator, Request};
use crate::settings::Directories;
use crate::stages::Journal;

/// What an order in a daemon works with.
pub struct Orders {
    pub opened: Arc<Opened>,
    pub journal: Journal,
    /// The cause of a drain goes to who tends the tree.
    pub drain: UnboundedSender<String>,
    pub outlook: Arc<Outlook>,
}

impl Orders {
    /// Hears orders from now on. `None`: it can't, which is in the log; files are worked on all the same.
    pub fn hear(self, life: &Life) -> Option<Server> {
        let directories = Directories { state: life.state_directory.clone(), runtime: life.runtime_directory.clone() };
        let (one_at_a_time, one_pause_at_a_time) = (Mutex::new(()), Mutex::new(()));
        let hands: Hands = Arc::new(move |by, request, tell| match request {
            // These may be wanted while something else takes long.
            Request::Drain => self.drain(by, tell),
            request => {
                let turn = if request.may_take_long() { &one_at_a_time } else { &one_pause_at_a_time };
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                let (ledger, folders) = (&self.opened.ledger, &self.opened.folders);
                Operator { ledger, folders, journal: &self.journal, by }.obey(request, tell);
            }
        });
        match Socket::open(&directories).and_then(|socket| Server::start(socket, hands)) {
            Ok(server) => Some(server),
            Err(error) => {
                let place = directories.runtime.display();
                slog::warn!(
                    life.logger,
                    "{place}: no control socket: {error}; no order (pause, resume, retry, replay, forget, drain) can reach this daemon";
                    "hint" => "make the directory writable for the daemon's user, or name another: $IMPORTERD_RUNTIME_DIRECTORY"
                );
                None
            }
        }
    }

    /// As at SIGTERM, and told of to the end.
    fn drain(&self, by: By, tell: &mut dyn FnMut(Line)) {
        // Nobody tends the tree any more: it has ended.
        let _ = self.drain.send(format!("importerd drain by {by}"));
        let mut heard = 0;
        loop {
            let (number, prospect) = self.outlook.news(heard);
            heard = number;
            match prospect {
                Prospect::Draining { in_hand, oldest } => {
                    tell(Line::Progress { in_hand, oldest: oldest.map(|(name, age)| (name, age.as_secs())) });
                }
                Prospect::Ended { exit } => return tell(Line::Done { exit }),
            }
        }
    }
}
