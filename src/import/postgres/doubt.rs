//! Transactions of which nobody knows how they ended: those of an earlier process, and those whose COMMIT had no answer.
//!
//! Every load holds advisory locks of PostgreSQL, shared, until its transaction is decided: committed, or rolled back,
//! also where its server process hasn't noticed yet that the client is gone. Who is in doubt asks for the same lock
//! alone, once: when it is given, what the load markers say is the last word.
//!
//! | the lock of | is asked for alone |
//! |---|---|
//! | all loads | before anything else: nobody knows what an earlier process left, and for which folders |
//! | a folder, a table | after a COMMIT without an answer, by whoever wants one of them next |

use std::collections::HashMap;
use std::iter;
use std::sync::Mutex;

use super::super::lock;
use super::fault::LOCK_WAIT_SECS;
use super::session::Session;
use crate::fault::Fault;

/// What all loads share.
const ALL: &str = "loads";

/// How often there was doubt, and of how many of them it is over; by what is in doubt.
pub struct Doubt(Mutex<HashMap<String, Doubted>>);

#[derive(Default)]
struct Doubted {
    raised: u64,
    settled: u64,
}

/// There is doubt at first: nobody knows what an earlier process left.
impl Default for Doubt {
    fn default() -> Self {
        Self(Mutex::new(HashMap::from([(ALL.to_owned(), Doubted { raised: 1, settled: 0 })])))
    }
}

impl Doubt {
    /// Somebody doesn't know whether it was committed what a load of these has done.
    pub fn raise(&self, names: &[String]) {
        let mut doubted = lock(&self.0);
        for name in names {
            doubted.entry(name.clone()).or_default().raised += 1;
        }
    }

    /// Waits where there is doubt about these.
    pub fn settle(&self, names: &[String], wait: impl Fn(&str) -> Result<(), Fault>) -> Result<(), Fault> {
        for name in iter::once(ALL).chain(names.iter().map(String::as_str)) {
            let Some(raised) = self.open(name) else { continue };
            match wait(name) {
                Ok(()) => self.close(name, raised),
                // Somebody else was given the lock, and a load that is none of those in doubt has it now.
                Err(_) if self.open(name).is_none() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// How often doubt was raised, where it isn't over.
    fn open(&self, name: &str) -> Option<u64> {
        lock(&self.0).get(name).filter(|doubted| doubted.settled < doubted.raised).map(|doubted| doubted.raised)
    }

    fn close(&self, name: &str, raised: u64) {
        if let Some(doubted) = lock(&self.0).get_mut(name) {
            doubted.settled = doubted.settled.max(raised);
        }
    }
}

/// The number of the lock of this name, for all whose markers are in this schema.
pub fn lock_number(schema: &str, name: &str) -> i64 {
    let hash = blake3::hash(format!("importerd {name} in {schema}").as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    i64::from_be_bytes(*first)
}

/// Begins the transaction of a load of these.
pub fn begin_sql(schema: &str, names: &[String]) -> String {
    let locks = iter::once(ALL).chain(names.iter().map(String::as_str));
    let locks = locks.map(|name| format!("pg_advisory_xact_lock_shared({})", lock_number(schema, name)));
    format!("BEGIN; SELECT {}", locks.collect::<Vec<_>>().join(", "))
}

/// Waits until all loads of this name that are under way now are decided.
///
/// # Errors
///
/// Not within the time that a lock is waited for: the folder is held, and asks again.
pub fn wait_for_others(session: &Session, place: &str, name: &str) -> Result<(), Fault> {
    let waited = session.run(&format!("SELECT pg_advisory_xact_lock({})", lock_number(session.schema(), name)));
    waited.map_err(|fault| match fault {
        Fault::World(reason) if reason.code == "target_locked" => {
            let of = if name == ALL { "an earlier importerd".to_owned() } else { format!("{name} of importerd") };
            let text = format!("{place}: a transaction of {of} is not decided yet, after {LOCK_WAIT_SECS} s");
            let hint = "the server ends it by itself when its client is gone; see pg_locks and pg_stat_activity";
            Fault::world("target_locked", text).with_hint(hint)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What is waited for, with what comes of it.
    fn waited(doubt: &Doubt, names: &[&str], wait: impl Fn(&str) -> Result<(), Fault>) -> (Vec<String>, bool) {
        let asked = RefCell::new(Vec::new());
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let settled = doubt.settle(&names, |name| {
            asked.borrow_mut().push(name.to_owned());
            wait(name)
        });
        (asked.into_inner(), settled.is_ok())
    }

    fn not_yet() -> Result<(), Fault> {
        Err(Fault::world("target_locked", "not yet"))
    }

    #[test]
    fn doubt_that_comes_while_another_is_settled_is_not_over_with_it() {
        let doubt = Doubt::default();
        let (folder, ours) = ("folder a", ["folder a".to_owned()]);
        assert_eq!(waited(&doubt, &[folder], |_| not_yet()), (vec![ALL.to_owned()], false));
        assert_eq!(waited(&doubt, &[folder], |_| Ok(())), (vec![ALL.to_owned()], true));
        doubt.raise(&ours);
        let again = |_: &str| {
            doubt.raise(&ours);
            Ok(())
        };
        assert_eq!(waited(&doubt, &[folder], again), (vec![folder.to_owned()], true));
        assert_eq!(waited(&doubt, &[folder], |_| Ok(())), (vec![folder.to_owned()], true));
        assert_eq!(waited(&doubt, &[folder], |_| Ok(())), (vec![], true));
    }

    #[test]
    fn doubt_is_waited_for_by_who_shares_the_folder_or_the_table_and_by_nobody_else() {
        let doubt = Doubt::default();
        waited(&doubt, &[], |_| Ok(()));
        doubt.raise(&["folder a".to_owned(), "table t".to_owned()]);
        assert_eq!(waited(&doubt, &["folder b", "table u"], |_| not_yet()), (vec![], true));
        assert_eq!(waited(&doubt, &["folder b", "table t"], |_| not_yet()), (vec!["table t".to_owned()], false));
        assert_eq!(waited(&doubt, &["folder a", "table u"], |_| not_yet()), (vec!["folder a".to_owned()], false));
    }

    #[test]
    fn who_waited_in_vain_for_what_somebody_else_has_settled_goes_on() {
        let doubt = Doubt::default();
        let meanwhile = |_: &str| {
            waited(&doubt, &[], |_| Ok(()));
            not_yet()
        };
        assert_eq!(waited(&doubt, &[], meanwhile), (vec![ALL.to_owned()], true));
    }
}
