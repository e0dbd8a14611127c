//! The restart budget: how many crashes a window of time may see, and the back-off between restarts.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a crash; it doubles with every further crash in the window.
const BACK_OFF_MIN: Duration = Duration::from_millis(20);
/// The longest wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// OTP's restart intensity: at most `crashes_max` in `window`.
#[derive(Debug)]
pub(crate) struct Budget {
    crashes_max: usize,
    window: Duration,
    crashes: VecDeque<Instant>,
}

/// What the budget says of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Restart after this wait, before jitter.
    Restart { back_off: Duration, crashes: usize },
    /// That was one too many.
    GiveUp { crashes: usize },
}

impl Budget {
    pub(crate) fn new(crashes_max: usize, window: Duration) -> Self {
        Self { crashes_max, window, crashes: VecDeque::new() }
    }

    /// Enters a crash of now.
    pub(crate) fn crashed(&mut self) -> Verdict {
        let now = Instant::now();
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|crash| now.duration_since(*crash) > self.window) {
            self.crashes.pop_front();
        }
        let crashes = self.crashes.len();
        if crashes > self.crashes_max {
            return Verdict::GiveUp { crashes };
        }
        let doublings = u32::try_from(crashes - 1).unwrap_or(u32::MAX).min(16);
        Verdict::Restart { back_off: (BACK_OFF_MIN * 2_u32.pow(doublings)).min(BACK_OFF_MAX), crashes }
    }
}

/// Spreads a wait over half to one and a half of itself, so that slots don't restart in step.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_crash_too_many_within_the_window_gives_up() {
        let mut budget = Budget::new(2, Duration::from_mins(1));
        assert!(matches!(budget.crashed(), Verdict::Restart { crashes: 1, .. }));
        assert!(matches!(budget.crashed(), Verdict::Restart { crashes: 2, .. }));
        assert_eq!(budget.crashed(), Verdict::GiveUp { crashes: 3 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_is_forgotten_after_the_window() {
        let mut budget = Budget::new(1, Duration::from_mins(1));
        budget.crashed();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(matches!(budget.crashed(), Verdict::Restart { crashes: 1, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn the_back_off_doubles_up_to_its_limit() {
        let mut budget = Budget::new(100, Duration::from_mins(1));
        let waits: Vec<_> = (0..12)
            .map(|_| match budget.crashed() {
                Verdict::Restart { back_off, .. } => back_off,
                Verdict::GiveUp { .. } => unreachable!("within the budget"),
            })
            .collect();
        assert_eq!(waits[..3], [BACK_OFF_MIN, BACK_OFF_MIN * 2, BACK_OFF_MIN * 4]);
        assert_eq!(waits[11], BACK_OFF_MAX);
    }
}
