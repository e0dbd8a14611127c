//! Unseen: names of which the disk doesn't say what lies under them. Each is told once, and once more when it was seen, or
//! gone, in between. fault 70

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

/// What to do about such a name.
pub const WHAT_TO_DO: &str = "repair the filesystem, or leave that name out by the folder's `ignore`";

/// The most names remembered; more are not told.
const NAMES_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// And whether the name was met since the last walk began.
    names: HashMap<OsString, bool>,
}

impl Unseen {
    /// Whether it is to be told of this name that it can't be looked at.
    pub(super) fn is_news(&mut self, name: &OsStr) -> bool {
        if let Some(met) = self.names.get_mut(name) {
            *met = true;
            return false;
        }
        let has_room = self.names.len() < NAMES_MAX;
        if has_room {
            self.names.insert(name.to_owned(), true);
        }
        has_room
    }

    /// It was looked at.
    pub(super) fn forget(&mut self, name: &OsStr) {
        self.names.remove(name);
    }

    /// The inbox is read anew.
    pub(super) fn begin_walk(&mut self) {
        self.names.values_mut().for_each(|met| *met = false);
    }

    /// It was read to its end: what was not met is gone.
    pub(super) fn end_walk(&mut self) {
        self.names.retain(|_, met| *met);
    }

    /// How many names are remembered.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_again_when_it_was_seen_in_between_or_gone() {
        let (mut unseen, a, b) = (Unseen::default(), OsStr::new("a"), OsStr::new("b"));
        assert!(unseen.is_news(a) && unseen.is_news(b) && !unseen.is_news(a));
        unseen.forget(a);
        assert!(unseen.is_news(a));
        unseen.begin_walk();
        assert!(!unseen.is_news(b));
        unseen.end_walk();
        assert_eq!(unseen.len(), 1);
        assert!(unseen.is_news(a) && !unseen.is_news(b));
    }

    #[test]
    fn no_more_are_remembered_than_memory_is_set_aside_for() {
        let mut unseen = Unseen::default();
        let told = (0..NAMES_MAX + 10).filter(|number| unseen.is_news(OsStr::new(&number.to_string())));
        assert_eq!(told.count(), NAMES_MAX);
    }
}
