//! Which dialect a CSV file is written in: as declared; the delimiter, where it isn't, as the file's first line says, or found
//! from the header and the first records, never guessed.
//!
//! A delimiter *fits* when it splits the header into two fields or more and every record looked at
//! into as many. One that fits is the file's. Where several do, the file is refused: half a
//! table under the wrong names is worse than a question. So is a file of one column that a character
//! would split as evenly which is rarely a delimiter.

use super::scanner::Scanner;
use super::shown;
use crate::fault::{Fault, Reason};
use crate::settings;

/// What may separate fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What separates fields where that is declared, and else makes a file of one column suspicious.
const RARE_DELIMITERS: [u8; 6] = [b'^', b'~', b':', 0x01, 0x1e, 0x1f];

/// How many records are looked at.
const RECORDS_MAX: usize = 100;

/// The delimiter of a file of one column, where none is to be seen: a comma in a row is then a
/// ragged row, as RFC 4180 has it.
const ONE_COLUMN: u8 = b',';

/// The bytes that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Separates fields.
    pub delimiter: u8,
    /// Encloses fields; doubled within them. `None`: fields are never enclosed.
    pub quote: Option<u8>,
    /// Takes the meaning from the character behind it.
    pub escape: Option<u8>,
    /// Makes a comment of the line that it begins.
    pub comment: Option<u8>,
    /// Whether the file's first line says what separates its fields.
    pub is_noted: bool,
}

impl Dialect {
    /// As declared, with this delimiter.
    pub fn new(declared: &settings::Csv, delimiter: u8) -> Self {
        let settings::Csv { quote, escape, comment, .. } = *declared;
        Self { delimiter, quote, escape, comment, is_noted: false }
    }

    fn with(self, delimiter: u8) -> Self {
        Self { delimiter, ..self }
    }
}

/// What is known of a file's delimiter before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The settings say it.
    Declared(u8),
    /// This folder's files had it so far.
    Earlier(u8),
    /// The file's name says it, and may be wrong.
    Named(u8),
    /// Nothing.
    Nothing,
}

/// A first line that says what separates the fields, `sep=;`, as spreadsheets write and read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// What it says.
    pub delimiter: u8,
    /// Its length, with its end.
    pub bytes: usize,
}

impl Note {
    /// The one that a file begins with, if it does. What rarely separates fields is a value: `sep=9`.
    pub fn of(sample: &[u8]) -> Option<Self> {
        let end = memchr::memchr2(b'\n', b'\r', sample)?;
        let (line, rest) = sample.split_at(end);
        let unquoted = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\""));
        match *unquoted.unwrap_or(line) {
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter]
                if DELIMITERS.contains(&delimiter) || RARE_DELIMITERS.contains(&delimiter) =>
            {
                Some(Self { delimiter, bytes: end + if rest.starts_with(b"\r\n") { 2 } else { 1 } })
            }
            _ => None,
        }
    }

    /// Whether it can be one in a file that is declared so.
    fn is_no_row(self, declared: &settings::Csv) -> bool {
        let settings::Csv { delimiter, quote, escape, comment, .. } = *declared;
        delimiter != Some(b'=') && ![quote, escape, comment].contains(&Some(self.delimiter))
    }
}

/// The dialect of the file that starts with `sample` (`whole`: that is all of it).
pub fn find(sample: &[u8], whole: bool, declared: &settings::Csv, known: Known) -> Result<Dialect, Fault> {
    let note = Note::of(sample).filter(|note| note.is_no_row(declared));
    let dialect = Dialect { is_noted: note.is_some(), ..Dialect::new(declared, ONE_COLUMN) };
    if let (Some(note), Known::Earlier(_) | Known::Named(_) | Known::Nothing) = (note, known) {
        return Ok(dialect.with(note.delimiter));
    }
    let sample = Sample { bytes: &sample[note.map_or(0, |note| note.bytes)..], whole, dialect };
    let delimiter = match known {
        Known::Nothing => sample.sniff()?.unwrap_or(ONE_COLUMN),
        Known::Declared(delimiter) | Known::Earlier(delimiter) | Known::Named(delimiter)
            if sample.header(delimiter) > 1 =>
        {
            delimiter
        }
        Known::Named(delimiter) => sample.sniff()?.unwrap_or(delimiter),
        // A file of one column, most likely: only a header that another delimiter splits says otherwise.
        Known::Declared(delimiter) => match DELIMITERS.into_iter().find(|&other| sample.split(other).fits()) {
            Some(other) => return Err(differs(other, delimiter, "the settings say")),
            None => delimiter,
        },
        Known::Earlier(delimiter) => match sample.sniff()? {
            Some(other) if other != delimiter => {
                return Err(differs(other, delimiter, "in this folder's earlier files by"));
            }
            _ => delimiter,
        },
    };
    Ok(dialect.with(delimiter))
}

fn differs(theirs: u8, ours: u8, said: &str) -> Fault {
    let (theirs, ours) = (shown::delimiter(theirs), shown::delimiter(ours));
    let text = format!("fields are separated by {theirs}, {said} {ours}");
    let hint = format!("separate the fields by {ours}, or give such files a folder of their own");
    Fault::Permanent(Reason::new("other_delimiter", text).at_line(1).hint(hint))
}

/// The beginning of a file.
#[derive(Clone, Copy)]
struct Sample<'s> {
    bytes: &'s [u8],
    whole: bool,
    dialect: Dialect,
}

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

impl Sample<'_> {
    fn split(&self, delimiter: u8) -> Split {
        self.split_records(delimiter, RECORDS_MAX)
    }

    /// How many fields the header has.
    fn header(&self, delimiter: u8) -> usize {
        self.split_records(delimiter, 1).header
    }

    /// Looks at so many records, the header among them.
    fn split_records(&self, delimiter: u8, records_max: usize) -> Split {
        let mut scanner = Scanner::new(self.dialect.with(delimiter));
        let (mut rest, mut widths, mut broken) = (self.bytes, Vec::new(), false);
        while widths.len() < records_max {
            match scanner.scan(rest, self.whole) {
                Ok(Some(extent)) => {
                    if extent.length > 0 && scanner.fields > 0 {
                        widths.push(scanner.fields);
                    }
                    rest = &rest[extent.taken..];
                }
                // A header that doesn't end in the sample still shows its delimiters.
                Ok(None) if widths.is_empty() && !self.whole => {
                    return Self { whole: true, ..*self }.split_records(delimiter, 1);
                }
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
        Split { delimiter, header, rows: width, any_row: broken || !rows.is_empty() }
    }

    /// `None`: nothing separates fields, the file has one column.
    fn sniff(&self) -> Result<Option<u8>, Fault> {
        let splits = DELIMITERS.map(|delimiter| self.split(delimiter));
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
        if let Some(&rare) = RARE_DELIMITERS.iter().find(|&&rare| self.split(rare).fits()) {
            return Err(undeclared(rare));
        }
        // One name above rows that all have several fields: a title, or another program's dialect.
        Ok(splits.iter().find(|split| split.rows.is_some_and(|fields| fields > 1)).map(|split| split.delimiter))
    }
}

impl Split {
    fn fits(&self) -> bool {
        self.header > 1 && (!self.any_row || self.rows == Some(self.header))
    }
}

fn ambiguous(splits: &[&Split]) -> Fault {
    let names: Vec<String> = splits.iter().map(|split| shown::delimiter(split.delimiter)).collect();
    let text = format!("nothing says whether fields are separated by {}", names.join(" or "));
    Fault::Permanent(
        Reason::new("ambiguous_delimiter", text)
            .at_line(1)
            .hint("declare it (import.delimiter), or quote the names in the header that contain such a character"),
    )
}

fn undeclared(rare: u8) -> Fault {
    let rare = shown::delimiter(rare);
    let text = format!("nothing says whether fields are separated by {rare}, or the file has one column");
    let hint = format!("declare it: import.delimiter = {rare}, or \",\" for one column");
    Fault::Permanent(Reason::new("ambiguous_delimiter", text).at_line(1).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sample: &str) -> String {
        known(sample, Known::Nothing)
    }

    fn known(sample: &str, known: Known) -> String {
        match find(sample.as_bytes(), true, &settings::Csv::default(), known) {
            Ok(dialect) => shown::delimiter(dialect.delimiter),
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
        let declared = settings::Csv::default();
        assert_eq!(find(b"a;b;c;d", false, &declared, Known::Nothing).unwrap().delimiter, b';');
    }

    #[test]
    fn a_later_file_with_another_delimiter_names_both() {
        assert_eq!(known("a,b\n1,2\n", Known::Earlier(b',')), r#"",""#);
        let text = known("a;b\n1;2\n", Known::Earlier(b','));
        assert_eq!(text, r#"line 1: fields are separated by ";", in this folder's earlier files by ",""#);
    }

    /// fault 53
    #[test]
    fn a_declared_delimiter_is_the_one_unless_another_splits_the_header() {
        assert_eq!(known("a^b\n1^2\n", Known::Declared(b'^')), r#""^""#);
        assert_eq!(known("note\nx, y\nz, w\n", Known::Declared(b';')), r#"";""#);
        let text = known("a,b\n1,2\n", Known::Declared(b';'));
        assert_eq!(text, r#"line 1: fields are separated by ",", the settings say ";""#);
        assert_eq!(known("a, b\tc\n1, 2\t3\n", Known::Named(b'\t')), "tab");
        assert_eq!(known("a,b\n1,2\n", Known::Named(b'\t')), r#"",""#);
    }

    /// fault 53
    #[test]
    fn a_rare_delimiter_is_asked_for_not_taken_for_one_column() {
        for rare in ["^", "~", ":", "\u{1f}"] {
            let text = of(&format!("a{rare}b\n1{rare}2\n"));
            assert!(text.contains("or the file has one column"), "{text}");
        }
        assert_eq!(of("time\n12:30\n"), r#"",""#);
    }

    #[test]
    fn a_first_line_that_names_the_delimiter_is_believed_unless_the_settings_say_another() {
        assert_eq!(of("sep=;\na;b,c\n1;2,5\n"), r#"";""#);
        assert_eq!(of("\"SEP=|\"\r\na\n1\n"), r#""|""#);
        assert_eq!(known("sep=;\na;b\n1;2\n", Known::Earlier(b',')), r#"";""#);
        assert_eq!(known("sep=;\na,b\n1,2\n", Known::Declared(b',')), r#"",""#);
        let text = known("sep=;\na;b\n1;2\n", Known::Declared(b','));
        assert!(text.ends_with(r#"fields are separated by ";", the settings say ",""#), "{text}");
        let declared = settings::Csv { comment: Some(b';'), ..settings::Csv::default() };
        assert!(!find(b"sep=;\na\n", true, &declared, Known::Nothing).unwrap().is_noted);
        assert!(
            !find(
                b"sep=,\na=1\n",
                true,
                &settings::Csv { delimiter: Some(b'='), ..settings::Csv::default() },
                Known::Declared(b'=')
            )
            .unwrap()
            .is_noted
        );
        for header in
            ["sep=9\n", "sep=\"\n", "sep=\0\n", "sep=", "sep=;", "sep=;;\n", "separator=;\n", "a,sep=;\n", "\nsep=;\n"]
        {
            assert_eq!(Note::of(header.as_bytes()), None, "{header:?}");
        }
    }

    #[test]
    fn comments_and_escapes_are_no_fields() {
        let declared = settings::Csv { escape: Some(b'\\'), comment: Some(b'#'), ..settings::Csv::default() };
        let sample = b"# a,b,c\n\na;b\n# x\n1;\"x\\\";,\"\n";
        assert_eq!(find(sample, true, &declared, Known::Nothing).unwrap().delimiter, b';');
    }
}
