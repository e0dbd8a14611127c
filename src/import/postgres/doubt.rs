//! Transactions of which nobody knows how they ended: those of an earlier process, and those whose COMMIT had no answer.
//!
//! Every load holds an advisory lock of PostgreSQL, shared, until its transaction is decided: committed, or rolled back,
//! also where its server process hasn't noticed yet that the client is gone. Who is in doubt asks for the same lock
//! alone, once: when it is given, what the load markers say is the last word.

use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::LOCK_WAIT_SECS;
use super::session::Session;
use crate::fault::Fault;

/// How often there was doubt, and of how many of them it is over.
pub struct Doubt {
    raised: AtomicU64,
    settled: AtomicU64,
}

/// There is doubt at first: nobody knows what an earlier process left.
impl Default for Doubt {
    fn default() -> Self {
        Self { raised: AtomicU64::new(1), settled: AtomicU64::new(0) }
    }
}

impl Doubt {
    /// Somebody doesn't know whether it was committed.
    pub fn raise(&self) {
        self.raised.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits where there is doubt.
    pub fn settle(&self, wait: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        let raised = self.raised.load(Ordering::SeqCst);
        if self.settled.load(Ordering::SeqCst) < raised {
            wait()?;
            self.settled.fetch_max(raised, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// The number of the lock of all loads whose markers are in this schema.
pub fn lock_number(schema: &str) -> i64 {
    let hash = blake3::hash(format!("importerd loads in {schema}").as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    i64::from_be_bytes(*first)
}

/// Begins a load's transaction.
pub fn begin_sql(schema: &str) -> String {
    format!("BEGIN; SELECT pg_advisory_xact_lock_shared({})", lock_number(schema))
}

/// Waits until all loads that are under way now are decided.
///
/// # Errors
///
/// Not within the time that a lock is waited for: the folder is held, and asks again.
pub fn wait_for_others(session: &Session, place: &str) -> Result<(), Fault> {
    let waited = session.run(&format!("SELECT pg_advisory_xact_lock({})", lock_number(session.schema())));
    waited.map_err(|fault| match fault {
        Fault::World(reason) if reason.code == "target_locked" => {
            let text = format!("{place}: a transaction of importerd is not decided yet, after {LOCK_WAIT_SECS} s");
            let hint = "the server ends it by itself when its client is gone; see pg_locks and pg_stat_activity";
            Fault::world("target_locked", text).with_hint(hint)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_that_comes_while_another_is_settled_is_not_over_with_it() {
        let doubt = Doubt::default();
        let mut waits = 0;
        doubt.settle(|| Err(Fault::world("target_locked", "not yet"))).unwrap_err();
        doubt
            .settle(|| {
                doubt.raise();
                waits += 1;
                Ok(())
            })
            .unwrap();
        for _ in 0..2 {
            doubt
                .settle(|| {
                    waits += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(waits, 2);
    }
}
