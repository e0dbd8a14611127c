//! Records that don't fit: one by one, how many there may be, and what is said when there are more.

use std::borrow::Cow;
use std::fmt;

use crate::fault::{Fault, Listed, Reason};
use crate::settings::Tolerance;

/// So many of a file are named in its reason file.
pub const NAMED_MAX: usize = 20;

/// So many more lines are named in the reason itself.
const LINES_MAX: usize = 5;

/// Why there is no record where one was to be read.
#[derive(Debug)]
pub enum Refused<'r> {
    /// This record doesn't fit, and the next one can be read. With its text, as it stands in the file.
    Record(Box<Reason>, Cow<'r, str>),
    /// Nobody can say where the next record begins, or what is in it.
    File(Fault),
}

impl From<Fault> for Refused<'_> {
    fn from(fault: Fault) -> Self {
        Self::File(fault)
    }
}

impl Refused<'_> {
    /// For a record without which there is no reading the others.
    pub fn of_file(self) -> Fault {
        match self {
            Self::Record(reason, _) => Fault::Permanent(*reason),
            Self::File(fault) => fault,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(reason, _) => reason.fmt(f),
            Self::File(fault) => fault.fmt(f),
        }
    }
}

/// A record that didn't fit, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The line of the file, counted from 1.
    pub line: Option<u64>,
    /// The name of the column, where one is to blame.
    pub column: Option<String>,
    /// Why, as a stable word.
    pub code: String,
    /// Why.
    pub reason: String,
    /// Its text as it stands in the file; of a JSON document, on one line.
    pub record: String,
}

impl Rejected {
    /// For this reason.
    pub(super) fn of(reason: &Reason, record: &str) -> Self {
        Self {
            line: reason.line,
            column: reason.column.clone(),
            code: reason.code.to_owned(),
            reason: reason.text.clone(),
            record: record.to_owned(),
        }
    }
}

impl fmt::Display for Rejected {
    /// As [`Reason`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason { line: self.line, column: self.column.clone(), ..Reason::new("", self.reason.as_str()) }.fmt(f)
    }
}

/// The records of one file that don't fit: how many, and the first of them.
#[derive(Debug, Clone)]
pub struct Rejects {
    tolerance: Tolerance,
    /// How many records there are of both kinds, where that is known.
    all: Option<u64>,
    count: u64,
    first: Vec<Reason>,
}

impl Rejects {
    /// None yet.
    pub fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, all: None, count: 0, first: Vec::new() }
    }

    /// The same, among so many records.
    #[must_use]
    pub fn among(self, all: u64) -> Self {
        Self { all: Some(all), ..self }
    }

    /// Whether the file may still go in where there is one more.
    pub fn have_room(&self) -> bool {
        self.all.is_none_or(|all| self.may_be(self.count + 1, all))
    }

    /// One more.
    pub fn add(&mut self, reason: Reason) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(reason);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether so many may be among so many records.
    pub fn are_allowed(&self, all: u64) -> bool {
        self.may_be(self.count, all)
    }

    fn may_be(&self, count: u64, all: u64) -> bool {
        match self.tolerance {
            Tolerance::Rows(max) => count <= max,
            Tolerance::Millionths(share) => u128::from(count) * 1_000_000 <= u128::from(all) * u128::from(share),
        }
    }

    /// Whether the file may go in with so many rows that fit. One must: a file of which nothing fits is another file
    /// than was meant.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`] with the first of them, how many there are, and how many may be.
    pub fn check(&self, rows: u64) -> Result<(), Fault> {
        let all = rows + self.count;
        let allowed = self.are_allowed(all);
        let Some(first) = self.first.first().filter(|_| !allowed || rows == 0) else { return Ok(()) };
        let count = self.count;
        let mut reason = match self.tolerance {
            Tolerance::Rows(0) | Tolerance::Millionths(0) => {
                Reason { text: format!("{}{}", first.text, self.and_more()), ..first.clone() }
            }
            _ if all == 1 => first.clone(),
            _ if allowed => Reason::new("no_row_fits", format!("none of its {count} rows fits; the first: {first}")),
            tolerance => {
                let limit = shown(tolerance);
                let text = format!("where import.rejects allows {limit}; the first: {first}");
                Reason::new("too_many_rejects", format!("{count} of {all} rows don't fit, {text}"))
            }
        };
        if count > 1 {
            let rows = self.first.iter().map(ToString::to_string).collect();
            reason.listed = Some(Box::new(Listed { rows, all: count }));
        }
        Err(Fault::Permanent(reason))
    }

    /// `; and 2 more rows don't fit: lines 9, 12`
    fn and_more(&self) -> String {
        let more = self.count - 1;
        let lines = self.first.iter().skip(1).filter_map(|reason| reason.line).map(|line| line.to_string());
        let mut lines: Vec<String> = lines.take(LINES_MAX).collect();
        lines.dedup();
        if more > LINES_MAX as u64 {
            lines.push("…".to_owned());
        }
        match (more, lines.len()) {
            (0, _) => String::new(),
            (1, _) => format!("; and 1 more row doesn't fit: line {}", lines.concat()),
            (_, 1) => format!("; and {more} more rows don't fit: line {}", lines.concat()),
            _ => format!("; and {more} more rows don't fit: lines {}", lines.join(", ")),
        }
    }
}

/// `10`, or `0.5%`.
fn shown(tolerance: Tolerance) -> String {
    match tolerance {
        Tolerance::Rows(max) => max.to_string(),
        Tolerance::Millionths(share) => {
            let percent = format!("{}.{:04}", share / 10_000, share % 10_000);
            format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(tolerance: Tolerance, lines: &[u64], rows: u64) -> Result<(), String> {
        let mut rejects = Rejects::new(tolerance);
        for &line in lines {
            rejects.add(Reason::new("wrong_type", "\"x\" is not an integer").at_line(line).in_column("id"));
        }
        rejects.check(rows).map_err(|fault| fault.to_string())
    }

    const FIRST: &str = r#"line 2, column id: "x" is not an integer"#;

    #[test]
    fn where_every_row_must_fit_the_first_that_does_not_is_told_and_the_lines_of_more() {
        for none in [Tolerance::Rows(0), Tolerance::Millionths(0)] {
            assert_eq!(verdict(none, &[], 0), Ok(()));
            assert_eq!(verdict(none, &[2], 5).unwrap_err(), FIRST);
            let more = |lines: &[u64]| verdict(none, lines, 5).unwrap_err().replace(FIRST, "");
            assert_eq!(more(&[2, 4]), "; and 1 more row doesn't fit: line 4");
            assert_eq!(more(&[2, 4, 5]), "; and 2 more rows don't fit: lines 4, 5");
            assert_eq!(more(&[2, 2, 2]), "; and 2 more rows don't fit: line 2", "a document on one line");
            let many: Vec<u64> = (2..1002).collect();
            assert_eq!(more(&many), "; and 999 more rows don't fit: lines 3, 4, 5, 6, 7, …");
        }
    }

    #[test]
    fn as_many_as_the_limit_says_may_not_fit_and_no_more() {
        assert_eq!(verdict(Tolerance::Rows(2), &[2, 4], 1), Ok(()));
        let text = format!("3 of 4 rows don't fit, where import.rejects allows 2; the first: {FIRST}");
        assert_eq!(verdict(Tolerance::Rows(2), &[2, 4, 5], 1), Err(text));
        let one_percent = Tolerance::Millionths(10_000);
        assert_eq!(verdict(one_percent, &[2], 99), Ok(()));
        let text = format!("1 of 99 rows don't fit, where import.rejects allows 1%; the first: {FIRST}");
        assert_eq!(verdict(one_percent, &[2], 98), Err(text));
        assert_eq!(shown(Tolerance::Millionths(2_500)), "0.25%");
    }

    #[test]
    fn a_file_of_which_nothing_fits_is_refused_whatever_the_limit() {
        let text = format!("none of its 2 rows fits; the first: {FIRST}");
        for all in [Tolerance::Rows(10), Tolerance::Millionths(1_000_000)] {
            assert_eq!(verdict(all, &[2, 3], 0), Err(text.clone()));
            assert_eq!(verdict(all, &[2], 0), Err(FIRST.to_owned()));
            assert_eq!(verdict(all, &[], 0), Ok(()), "a file without rows is none of these");
        }
    }

    #[test]
    fn what_is_kept_of_them_is_bounded() {
        let mut rejects = Rejects::new(Tolerance::Millionths(1));
        (0..100_000).for_each(|line| rejects.add(Reason::new("x", "x").at_line(line)));
        let Err(Fault::Permanent(reason)) = rejects.check(1) else { panic!("not refused") };
        let listed = reason.listed.unwrap();
        assert_eq!((rejects.count(), listed.rows.len(), listed.all), (100_000, NAMED_MAX, 100_000));
    }
}
