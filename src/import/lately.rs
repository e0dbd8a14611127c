//! What just came to nothing, and took long to: whoever wants the same is told so at once, instead of waiting as long
//! again. Else a server that hangs would be waited for by every Processor in turn, for each of its folders.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::lock;
use crate::fault::{Fault, Reason};

/// What takes less is asked anew at once.
const QUICK: Duration = Duration::from_millis(500);

/// How long it is remembered at most; the same as a held folder waits at most.
const REMEMBERED_MAX: Duration = Duration::from_secs(30);

/// The last failure, for as long again as it took.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<Tried>);

#[derive(Debug, Default)]
struct Tried {
    failure: Option<(Fault, Instant)>,
    succeeded_at: Option<Instant>,
}

impl Lately {
    /// Tries, unless somebody has just failed.
    pub(super) fn attempt<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let began = Instant::now();
        if let Some((fault, _)) = lock(&self.0).failure.as_ref().filter(|(_, until)| began < *until) {
            return Err(fault.clone());
        }
        let outcome = work();
        let (now, took) = (Instant::now(), began.elapsed());
        let mut tried = lock(&self.0);
        match &outcome {
            Ok(_) => *tried = Tried { failure: None, succeeded_at: Some(now) },
            // Somebody who began later was faster: what has failed is well again.
            Err(_) if tried.succeeded_at.is_some_and(|at| at > began) => {}
            Err(fault) if took >= QUICK => {
                let long = took.min(REMEMBERED_MAX);
                tried.failure = Some((not_asked_before(fault, Timestamp::now() + long), now + long));
            }
            Err(_) => {}
        }
        outcome
    }
}

/// What who comes meanwhile is told.
fn not_asked_before(fault: &Fault, at: Timestamp) -> Fault {
    match fault.clone() {
        Fault::World(reason) => {
            let text = format!("{}; not asked again before {at:.0}", reason.text);
            Fault::World(Reason { text, ..reason })
        }
        fault => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(600);

    fn in_vain<T>(takes: Duration) -> Result<T, Fault> {
        std::thread::sleep(takes);
        Err(Fault::world("target", "no answer"))
    }

    /// fault 90
    #[test]
    fn what_took_long_and_failed_is_not_tried_again_for_as_long() {
        let lately = Lately::default();
        let tried = lately.attempt(|| in_vain::<()>(LONG)).unwrap_err();
        assert_eq!(tried.reason().text, "no answer");
        let refused = lately.attempt::<()>(|| panic!("it is not tried")).unwrap_err();
        let (why, until) = refused.reason().text.split_once("; not asked again before ").unwrap();
        assert_eq!(why, "no answer");
        let wait = until.parse::<Timestamp>().unwrap().duration_since(Timestamp::now());
        assert!(wait.as_secs_f64().abs() < 2.0, "{refused}");
        std::thread::sleep(2 * LONG);
        lately.attempt(|| Ok(())).unwrap();
    }

    #[test]
    fn what_somebody_has_had_meanwhile_is_not_refused_for_a_failure_that_began_before() {
        let lately = Lately::default();
        let failed = lately.attempt(|| {
            lately.attempt(|| Ok(())).unwrap();
            in_vain::<()>(LONG)
        });
        failed.unwrap_err();
        lately.attempt(|| Ok(())).unwrap();
    }

    #[test]
    fn what_is_refused_at_once_is_asked_anew_at_once() {
        let lately = Lately::default();
        lately.attempt(|| in_vain::<()>(Duration::ZERO)).unwrap_err();
        lately.attempt(|| Ok(())).unwrap();
    }
}
