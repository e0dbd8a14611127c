//! Turns: what must not be done by two threads of this process at once.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::super::lock;
use super::table::bare;
use crate::pulse;

/// How often who waits gives a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Who has a turn now.
#[derive(Default)]
pub struct Turns {
    taken: Mutex<HashSet<String>>,
    given_back: Condvar,
}

/// A turn, until it is dropped.
pub struct Turn<'t> {
    turns: &'t Turns,
    names: [String; 2],
}

impl Turns {
    /// What a load needs: the turn of its folder, and that of its table, however the schema is told, or not. (Two tables of
    /// one name in two schemas have one turn.)
    pub fn of(folder: &str, table: &str) -> [String; 2] {
        [format!("folder {folder}"), format!("table {}", bare(table))]
    }

    /// Waits until nobody else has any of these. Both are taken at once, so that no two wait for each other.
    pub fn take(&self, names: [String; 2]) -> Turn<'_> {
        let mut taken = lock(&self.taken);
        while names.iter().any(|name| taken.contains(name)) {
            // Another Processor may have a file of hours in its transaction: who waits for it doesn't hang.
            let waited = self.given_back.wait_timeout(taken, BEAT_EVERY);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
            pulse::beat();
        }
        taken.extend(names.iter().cloned());
        drop(taken);
        Turn { turns: self, names }
    }
}

impl Turn<'_> {
    /// Of what it is the turn.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = lock(&self.turns.taken);
        for name in &self.names {
            taken.remove(name);
        }
        self.turns.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_wants_one_of_two_waits_for_both_to_be_free() {
        let turns = Turns::default();
        let first = turns.take(Turns::of("a", "t"));
        thread::scope(|scope| {
            let second = scope.spawn(|| drop(turns.take(Turns::of("b", "t"))));
            drop(turns.take(Turns::of("c", "u")));
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap();
        });
        assert!(lock(&turns.taken).is_empty());
    }

    #[test]
    fn a_table_has_one_turn_whether_its_schema_is_told_or_not() {
        let table = |name| Turns::of("a", name)[1].clone();
        assert_eq!(table("public.stock"), table("stock"));
        assert_ne!(table("public.stock"), table("public.orders"));
    }
}
