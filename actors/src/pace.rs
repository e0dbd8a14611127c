//! How many files an offer holds: as many as were carried in a tenth of a second of late.
//!
//! Quick files travel in large batches, which share one flush. Slow ones travel alone, so that they
//! spread over all Processors and none waits behind another. The first offer is of one file.

use std::time::Duration;

/// How long a batch should take.
pub(crate) const BATCH_TIME: Duration = Duration::from_millis(100);

/// A folder's pace.
#[derive(Debug)]
pub(crate) struct Pace {
    files_max: usize,
    /// Seconds a file, smoothed; `None` before the first answer.
    secs_per_file: Option<f64>,
}

impl Pace {
    pub(crate) fn new(files_max: usize) -> Self {
        Self { files_max: files_max.max(1), secs_per_file: None }
    }

    /// An offer was carried: `files` of them in `took`.
    pub(crate) fn carried(&mut self, files: usize, took: Duration) {
        if files == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an offer holds a few hundred files")]
        let now = took.as_secs_f64() / files as f64;
        self.secs_per_file = Some(self.secs_per_file.map_or(now, |before| before.midpoint(now)));
    }

    /// Whether the next file may well take longer than this.
    pub(crate) fn may_exceed(&self, time: Duration) -> bool {
        self.secs_per_file.is_none_or(|secs| secs > time.as_secs_f64())
    }

    /// How many files the next offer may hold.
    pub(crate) fn files(&self) -> usize {
        let Some(secs) = self.secs_per_file else { return 1 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is clamped")]
        let fitting = (BATCH_TIME.as_secs_f64() / secs.max(1e-9)) as usize;
        fitting.clamp(1, self.files_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offer_is_of_one_file() {
        assert_eq!(Pace::new(256).files(), 1);
    }

    #[test]
    fn quick_files_travel_in_full_batches() {
        let mut pace = Pace::new(256);
        pace.carried(1, Duration::from_micros(50));
        assert_eq!(pace.files(), 256);
    }

    #[test]
    fn slow_files_travel_alone() {
        let mut pace = Pace::new(256);
        pace.carried(256, Duration::from_millis(1));
        pace.carried(1, Duration::from_mins(1));
        assert_eq!(pace.files(), 1);
    }
}
