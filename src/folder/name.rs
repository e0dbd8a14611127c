//! Names: which are never taken, and how a second one of the same name is called.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::fault::Reason;

/// The longest name a filesystem takes, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Endings of names that uploaders use for files in the making.
const UNFINISHED: [&str; 6] = [".part", ".partial", ".filepart", ".tmp", ".crdownload", "~"];

/// Which names of an inbox are taken.
#[derive(Debug)]
pub struct Filter {
    /// `None`: every name.
    matching: Option<GlobSet>,
    ignored: GlobSet,
    /// A name with this ending says that another file is ready; it is no file to be taken itself.
    marker: Option<String>,
}

impl Filter {
    /// Built from the globs of the settings.
    ///
    /// # Errors
    /// A glob that can't be read.
    pub fn new(matching: &[String], ignored: &[String], marker: Option<&str>) -> Result<Self, Reason> {
        Ok(Self {
            matching: if matching.is_empty() { None } else { Some(globs(matching)?) },
            ignored: globs(ignored)?,
            marker: marker.map(str::to_owned),
        })
    }

    /// Whether a file of this name is taken.
    #[must_use]
    pub fn takes(&self, name: &OsStr) -> bool {
        self.rule_against(name).is_none()
    }

    /// Whether the file that was taken as `known` before is taken again under this name: a second one of that name is
    /// numbered when it is put back, and need not match then.
    #[must_use]
    pub fn takes_again(&self, name: &OsStr, known: &OsStr) -> bool {
        match self.rule_against(name) {
            None => true,
            Some(Rule::Ignored | Rule::Unmatched) => is_copy(name, known),
            Some(Rule::Hidden | Rule::Unfinished(_) | Rule::Marker) => false,
        }
    }

    /// Why a file of this name is never taken, when it isn't.
    #[must_use]
    pub fn rule_against(&self, name: &OsStr) -> Option<Rule> {
        let bytes = name.as_bytes();
        if bytes.first() == Some(&b'.') {
            return Some(Rule::Hidden);
        }
        if let Some(ending) = UNFINISHED.into_iter().find(|ending| bytes.ends_with(ending.as_bytes())) {
            return Some(Rule::Unfinished(ending));
        }
        if self.marker.as_ref().is_some_and(|marker| bytes.ends_with(marker.as_bytes())) {
            return Some(Rule::Marker);
        }
        if self.ignored.is_match(name) {
            return Some(Rule::Ignored);
        }
        self.matching.as_ref().is_some_and(|globs| !globs.is_match(name)).then_some(Rule::Unmatched)
    }
}

/// Why a name is never taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It begins with a dot.
    Hidden,
    /// It has this ending, which uploaders use for files in the making.
    Unfinished(&'static str),
    /// It has the ending that says that another file is ready.
    Marker,
    /// A glob of the folder's `ignore` fits.
    Ignored,
    /// No glob of the folder's `match` fits.
    Unmatched,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("it begins with a dot"),
            Self::Unfinished(ending) => write!(f, "it ends in {ending}, as files in the making do"),
            Self::Marker => f.write_str("it is the ready marker of another file"),
            Self::Ignored => f.write_str("the folder's setting `ignore` fits it"),
            Self::Unmatched => f.write_str("the folder's setting `match` doesn't fit it"),
        }
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, Reason> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| Reason::new("bad_glob", format!("glob {pattern:?}: {error}")))?);
    }
    set.build().map_err(|error| Reason::new("bad_glob", error.to_string()))
}

/// The name for the `copy`-th file called `name`: `orders.csv`, `orders~2.csv`, `orders~3.csv`, …
/// Shortened before the ending where it would be too long.
#[must_use]
pub fn numbered(name: &OsStr, copy: usize) -> OsString {
    if copy <= 1 {
        return name.to_owned();
    }
    let (stem, ending) = split(name.as_bytes());
    joined(stem, format!("~{copy}").as_bytes(), ending)
}

/// Whether this is [`numbered`] of a name.
fn is_copy(name: &OsStr, of: &OsStr) -> bool {
    let (_, ending) = split(of.as_bytes());
    let stem = name.as_bytes().strip_suffix(ending);
    let number = stem.and_then(|stem| stem.rsplit(|byte| *byte == b'~').next());
    let copy = number.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
    name == of || copy.is_some_and(|copy| copy > 1 && numbered(of, copy) == name)
}

/// The name with something put behind it, shortened before that where it would be too long.
#[must_use]
pub fn suffixed(name: &OsStr, suffix: &str) -> OsString {
    joined(name.as_bytes(), suffix.as_bytes(), b"")
}

/// The ready marker of a file: its name and the ending of the settings.
#[must_use]
pub fn marker_of(name: &OsStr, ending: &str) -> OsString {
    OsString::from_vec([name.as_bytes(), ending.as_bytes()].concat())
}

/// The file that a ready marker speaks of; `None`: it is no marker.
#[must_use]
pub fn marked_by<'a>(marker: &'a OsStr, ending: &str) -> Option<&'a OsStr> {
    marker.as_bytes().strip_suffix(ending.as_bytes()).map(OsStr::from_bytes)
}

/// A name in three parts; the first gives way if it would be longer than a filesystem takes.
pub(crate) fn joined(stem: &[u8], middle: &[u8], ending: &[u8]) -> OsString {
    let room = NAME_BYTES_MAX.saturating_sub(middle.len() + ending.len());
    OsString::from_vec([fitted(stem, room), middle, ending].concat())
}

/// As much of a stem as there is room for, no character cut in half.
fn fitted(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let is_inside = |at: usize| stem[at] & 0b1100_0000 == 0b1000_0000;
    let cut = (room.saturating_sub(3)..=room).rev().find(|&at| !is_inside(at)).unwrap_or(room);
    &stem[..cut]
}

/// The first copy that is not taken, where those before it have no gap; else some copy. Asks about twice the logarithm
/// of its number: a feed may drop one name a hundred thousand times a day.
pub(crate) fn free<E>(
    copy: impl Fn(usize) -> OsString,
    mut taken: impl FnMut(&OsStr) -> Result<bool, E>,
) -> Result<OsString, E> {
    let (mut below, mut free) = (0, 1);
    while taken(&copy(free))? {
        below = free;
        free *= 2;
    }
    while free - below > 1 {
        let middle = below + (free - below) / 2;
        if taken(&copy(middle))? {
            below = middle;
        } else {
            free = middle;
        }
    }
    Ok(copy(free))
}

/// Splits before the ending: `a.tar.gz` into `a` and `.tar.gz`; a hidden name has none. Endings
/// longer than 16 bytes are part of the stem.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let at = name.iter().skip(1).position(|byte| *byte == b'.').map_or(name.len(), |dot| dot + 1);
    if name.len() - at > 16 {
        let last = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0 && name.len() - dot <= 16);
        return name.split_at(last.unwrap_or(name.len()));
    }
    name.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(matching: &[&str], ignored: &[&str]) -> Filter {
        let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        Filter::new(&owned(matching), &owned(ignored), Some(".done")).unwrap()
    }

    /// fault 29
    #[test]
    fn unfinished_and_hidden_names_are_not_taken() {
        let filter = filter(&[], &[]);
        for name in [".a.csv", "a.csv.part", "a.partial", "a.filepart", "a.tmp", "a.crdownload", "a.csv~", "a.csv.done"]
        {
            assert!(!filter.takes(OsStr::new(name)), "{name}");
        }
        for name in ["a.csv", "-rf", "a b.csv", "part", "done", "$(id).csv"] {
            assert!(filter.takes(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn only_matching_names_are_taken_and_ignored_ones_are_not() {
        let filter = filter(&["*.csv"], &["test-*"]);
        assert!(filter.takes(OsStr::new("a.csv")));
        assert!(filter.takes(OsStr::from_bytes(b"\xff\xfe.csv")));
        assert!(!filter.takes(OsStr::new("a.txt")));
        assert!(!filter.takes(OsStr::new("test-a.csv")));
        assert_eq!(filter.rule_against(OsStr::new("a.txt")), Some(Rule::Unmatched));
        assert_eq!(filter.rule_against(OsStr::new("test-a.csv")), Some(Rule::Ignored));
        assert_eq!(filter.rule_against(OsStr::new("a.csv.done")), Some(Rule::Marker));
        assert_eq!(filter.rule_against(OsStr::new("a.csv.part")), Some(Rule::Unfinished(".part")));
    }

    #[test]
    fn a_second_file_of_a_name_is_numbered_before_its_ending() {
        assert_eq!(numbered(OsStr::new("orders.csv"), 1), "orders.csv");
        assert_eq!(numbered(OsStr::new("orders.csv"), 2), "orders~2.csv");
        assert_eq!(numbered(OsStr::new("a.tar.gz"), 3), "a~3.tar.gz");
        assert_eq!(numbered(OsStr::new("README"), 2), "README~2");
        assert_eq!(numbered(OsStr::new(".profile"), 2), ".profile~2");
        assert_eq!(numbered(OsStr::new("v1.2 of the yearly report.pdf"), 2), "v1.2 of the yearly report~2.pdf");
    }

    #[test]
    fn a_file_is_taken_again_under_its_own_name_and_a_numbered_one_and_never_under_one_that_hides_it() {
        let filter = filter(&["a.csv", "z.*"], &["ignored"]);
        let takes = |name: &str, known: &str| filter.takes_again(OsStr::new(name), OsStr::new(known));
        for (name, known) in [
            ("a.csv", "b.csv"),
            ("b.csv", "b.csv"),
            ("a~2.csv", "a.csv"),
            ("b~31.csv", "b.csv"),
            ("a~2~2.csv", "a~2.csv"),
            ("ignored", "ignored"),
            ("ignored~2", "ignored"),
        ] {
            assert!(takes(name, known), "{name} of {known}");
        }
        for name in [
            "a.csv.bak",
            "a~.csv",
            "a~1.csv",
            "a~02.csv",
            "a~2.txt",
            "aa~2.csv",
            "~2.csv",
            "b.csv",
            "ignored",
            "a.csv~",
            ".a.csv",
            "a.csv.done",
            "a~2.csv.part",
        ] {
            assert!(!takes(name, "a.csv"), "{name}");
        }
        assert!(!takes(".a.csv", ".a.csv"));
    }

    /// fault 26
    #[test]
    fn a_name_of_255_bytes_keeps_its_ending_when_numbered() {
        let long = OsString::from(format!("{}.csv", "ä".repeat(125)));
        assert_eq!(long.len(), 254);
        let second = numbered(&long, 2);
        assert!(second.len() <= NAME_BYTES_MAX);
        assert!(second.to_str().unwrap().ends_with("ä~2.csv"));
        assert!(suffixed(&long, ".reason.txt").len() <= NAME_BYTES_MAX);
        // fault 25: where no character ends, it is cut all the same.
        let nothing_but_middles = OsString::from_vec(vec![0x80; NAME_BYTES_MAX]);
        assert_eq!(numbered(&nothing_but_middles, 2).len(), NAME_BYTES_MAX);
    }
}
