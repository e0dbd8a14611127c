//! How the end comes on, for those who wait for it: progress of the drain, and the exit code.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What was told last, and how often something was.
#[derive(Debug, Default)]
pub struct Outlook {
    last: Mutex<(u64, Option<Prospect>)>,
    news: Condvar,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// Files are in hand.
    Draining { in_hand: usize, oldest: Option<(String, Duration)> },
    /// It is over.
    Ended { exit: u8 },
}

impl Outlook {
    /// All who wait hear of it.
    pub fn tell(&self, prospect: Prospect) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (last.0 + 1, Some(prospect));
        self.news.notify_all();
    }

    /// Waits for news since the last time, which had this number; at first it is 0.
    pub fn news(&self, since: u64) -> (u64, Prospect) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.news.wait_while(last, |(number, _)| *number <= since).unwrap_or_else(PoisonError::into_inner);
        let prospect = last.1.clone().expect("it has a number");
        (last.0, prospect)
    }
}
