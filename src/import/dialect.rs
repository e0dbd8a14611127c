//! Which delimiter a CSV file has: found from its header and first records, never guessed.
//!
//! A delimiter *fits* when it splits the header into two fields or more and every record looked at
//! into as many. One that fits is the file's. Where several do, the file is refused: half a
//! table under the wrong names is worse than a question.

use super::csv::Scanner;
use super::shown;
use crate::fault::{Fault, Reason};

/// What may separate fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many records are looked at.
const RECORDS_MAX: usize = 100;

/// The delimiter of a file of one column, where none is to be seen: a comma in a row is then a
/// ragged row, as RFC 4180 has it.
const ONE_COLUMN: u8 = b',';

/// What a sample looks like, split by one delimiter.
struct Split {
    delimiter: u8,
    /// The fields of the header; 0 where it can't be read that way.
    header: usize,
    /// The fields of every row, where there are rows and all have as many.
    rows: Option<usize>,
    /// Whether there is any row.
    any_row: bool,
}

impl Split {
    /// Looks at so many records, the header among them.
    fn of(sample: &[u8], whole: bool, delimiter: u8, records_max: usize) -> Self {
        let mut scanner = Scanner::new(delimiter);
        let (mut rest, mut widths, mut broken) = (sample, Vec::new(), false);
        while widths.len() < records_max {
            match scanner.scan(rest, whole) {
                Ok(Some(extent)) => {
                    if extent.length > 0 {
                        widths.push(scanner.fields());
                    }
                    rest = &rest[extent.taken..];
                }
                // A header that doesn't end in the sample still shows its delimiters.
                Ok(None) if widths.is_empty() && !whole => return Self::of(sample, true, delimiter, 1),
                Ok(None) => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let header = widths.first().copied().unwrap_or(0);
        let rows = widths.get(1..).unwrap_or_default();
        let even = !broken && rows.windows(2).all(|two| two[0] == two[1]);
        let width = rows.first().copied().filter(|_| even);
        Self { delimiter, header, rows: width, any_row: broken || !rows.is_empty() }
    }

    fn fits(&self) -> bool {
        self.header > 1 && (!self.any_row || self.rows == Some(self.header))
    }
}

/// The delimiter of the file that starts with `sample` (`whole`: that is all of it). `folder`: the
/// one that this folder's files had so far.
pub fn find(sample: &[u8], whole: bool, folder: Option<u8>) -> Result<u8, Fault> {
    let Some(delimiter) = folder else { return Ok(sniff(sample, whole)?.unwrap_or(ONE_COLUMN)) };
    if Split::of(sample, whole, delimiter, 1).header > 1 {
        return Ok(delimiter);
    }
    match sniff(sample, whole)? {
        Some(other) if other != delimiter => {
            let (theirs, ours) = (shown::delimiter(other), shown::delimiter(delimiter));
            let text = format!("fields are separated by {theirs}, in this folder's earlier files by {ours}");
            let hint = format!("separate the fields by {ours}, or give such files a folder of their own");
            Err(Fault::Permanent(Reason::new("other_delimiter", text).at_line(1).hint(hint)))
        }
        _ => Ok(delimiter),
    }
}

/// `None`: nothing separates fields, the file has one column.
fn sniff(sample: &[u8], whole: bool) -> Result<Option<u8>, Fault> {
    let splits = DELIMITERS.map(|delimiter| Split::of(sample, whole, delimiter, RECORDS_MAX));
    let fitting: Vec<&Split> = splits.iter().filter(|split| split.fits()).collect();
    if let [only] = fitting[..] {
        return Ok(Some(only.delimiter));
    }
    if fitting.len() > 1 {
        return Err(ambiguous(&fitting));
    }
    // None fits. What the header says counts: the reader then names the row that doesn't follow it.
    let widest = splits.iter().map(|split| split.header).max().unwrap_or(0);
    if widest > 1 {
        let widest: Vec<&Split> = splits.iter().filter(|split| split.header == widest).collect();
        return match widest[..] {
            [only] => Ok(Some(only.delimiter)),
            _ => Err(ambiguous(&widest)),
        };
    }
    // One name above rows that all have several fields: a title, or another program's dialect.
    Ok(splits.iter().find(|split| split.rows.is_some_and(|fields| fields > 1)).map(|split| split.delimiter))
}

fn ambiguous(splits: &[&Split]) -> Fault {
    let names: Vec<String> = splits.iter().map(|split| shown::delimiter(split.delimiter)).collect();
    let text = format!("nothing says whether fields are separated by {}", names.join(" or "));
    Fault::Permanent(
        Reason::new("ambiguous_delimiter", text)
            .at_line(1)
            .hint("quote the names in the header that contain such a character"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sample: &str) -> String {
        match find(sample.as_bytes(), true, None) {
            Ok(byte) => shown::delimiter(byte),
            Err(fault) => fault.to_string(),
        }
    }

    // fault 53
    #[test]
    fn the_delimiter_that_splits_header_and_rows_evenly_is_found() {
        assert_eq!(of("a,b\n1,2\n"), r#"",""#);
        assert_eq!(of("a;b\n1,5;2\n3;4,25\n"), r#"";""#);
        assert_eq!(of("a\tb\n1,2\t3;4\n"), "tab");
        assert_eq!(of("a|b\n"), r#""|""#);
        assert_eq!(of("a;b;c"), r#"";""#);
        assert_eq!(of("\"x;y\",b\n\"1;2\",3\n"), r#"",""#);
        assert_eq!(of("\n\na;b\n\n1;2\n\n"), r#"";""#);
    }

    #[test]
    fn a_file_of_one_column_has_none() {
        assert_eq!(of("a\n1\n2\n"), r#"",""#);
        assert_eq!(of("a\nx; y\nz\n"), r#"",""#);
        assert_eq!(of(""), r#"",""#);
    }

    #[test]
    fn the_header_counts_where_a_row_is_ragged() {
        assert_eq!(of("a;b;c\n1;2\n3;4;5\n"), r#"";""#);
        assert_eq!(of("a;b\n5\" disk;2\n"), r#"";""#);
    }

    #[test]
    fn a_title_above_the_rows_does_not_make_one_column() {
        assert_eq!(of("Report 2026\n1;2\n3;4\n"), r#"";""#);
    }

    #[test]
    fn two_that_fit_are_a_question_not_a_guess() {
        let text = of("date;amount,EUR\n2026-01-01;12,50\n");
        assert!(text.contains(r#"separated by "," or ";""#), "{text}");
    }

    #[test]
    fn a_header_longer_than_the_sample_shows_its_delimiter() {
        assert_eq!(find(b"a;b;c;d", false, None).unwrap(), b';');
    }

    #[test]
    fn a_later_file_with_another_delimiter_names_both() {
        assert_eq!(find(b"a,b\n1,2\n", true, Some(b',')).unwrap(), b',');
        let fault = find(b"a;b\n1;2\n", true, Some(b',')).unwrap_err();
        assert_eq!(fault.to_string(), r#"line 1: fields are separated by ";", in this folder's earlier files by ",""#);
    }
}
