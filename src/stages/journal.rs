//! Where events are told: in the log at once, in the ledger with what they tell of.

use std::sync::Arc;

use slog::Logger;

use crate::events::{Counts, Event, Tally};
use crate::fault::Fault;
use crate::{ledger, log};

/// The voice of the stages.
#[derive(Debug, Clone)]
pub struct Journal {
    logger: Logger,
    tally: Arc<Tally>,
    /// As it is to be typed here.
    importerd: Arc<str>,
}

impl Journal {
    /// Speaks through this logger, and is counted.
    #[must_use]
    pub fn new(logger: Logger, tally: Arc<Tally>) -> Self {
        Self { logger, tally, importerd: "importerd".into() }
    }

    /// With `importerd` as it is to be typed: with the options that lead to these settings and this state.
    #[must_use]
    pub fn typed_as(self, importerd: &str) -> Self {
        Self { importerd: importerd.into(), ..self }
    }

    /// A text with the commands in it as they are to be typed.
    #[must_use]
    pub fn typed(&self, text: &str) -> String {
        ledger::typed(text, &self.importerd)
    }

    /// A journal that nobody reads: what it is told is in the ledger.
    #[must_use]
    pub fn unheard() -> Self {
        Self::new(Logger::root(slog::Discard, slog::o!()), Arc::default())
    }

    /// How often what happened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Says it in the log, and returns it for the ledger.
    #[must_use = "the event must be entered in the ledger too"]
    pub fn tell(&self, event: Event) -> Event {
        event.log(&self.logger);
        self.tally.count(&event);
        event
    }

    /// Says in the log what holds nobody up, and what the ledger says anyway.
    pub fn warn(&self, fault: &Fault) {
        slog::warn!(self.logger, "{fault}"; "code" => fault.reason().code);
    }

    /// As [`Self::tell_entered`], of several.
    pub fn tell_all_entered(&self, events: &[Event]) {
        log::together(&self.logger, || events.iter().for_each(|event| self.tell_entered(event)));
    }

    /// Says in the log what the ledger has already: for what is true only some time after that.
    pub fn tell_entered(&self, event: &Event) {
        event.log(&self.logger);
        self.tally.count(event);
    }
}
