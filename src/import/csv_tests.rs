//! What the CSV reader takes, and what it refuses and where.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use super::*;
use crate::import::bounds::Bounds;
use crate::import::record::Cell;
use crate::import::source::Source;
use crate::import::value::Type;
use crate::settings;

/// Every record: its line, and its cells (`None`: NULL).
type Records = Vec<(u64, Vec<Option<String>>)>;

fn read(content: &[u8]) -> Result<Records, String> {
    read_as(content, &settings::Csv::default(), Columns::Header)
}

fn dialect(declared: &settings::Csv) -> Dialect {
    Dialect::new(declared, declared.delimiter.unwrap_or(b','))
}

fn open(file: &File) -> Reader<Source<'_>> {
    let source = Source::open(file, &settings::Import::into_table("x")).unwrap();
    Reader::open(source, dialect(&settings::Csv::default()), Columns::Header).unwrap()
}

fn read_as(content: &[u8], declared: &settings::Csv, columns: Columns<'_>) -> Result<Records, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let source = Source::open(&file, &settings::Import::into_table("x")).unwrap();
    let is_noted = content.starts_with(b"sep=");
    let dialect = Dialect { is_noted, ..dialect(declared) };
    let mut reader = Reader::open(source, dialect, columns).map_err(|fault| fault.to_string())?;
    let mut records = Vec::new();
    while let Some(record) = reader.next().map_err(|fault| fault.to_string())? {
        let cells = (0..record.names.len()).map(|column| record.cell(column).text().map(str::to_owned));
        records.push((record.line, cells.collect()));
    }
    assert_eq!(reader.source().digest().0, *blake3::hash(content).as_bytes(), "the whole file was hashed");
    Ok(records)
}

fn row(line: u64, cells: &[&str]) -> (u64, Vec<Option<String>>) {
    (line, cells.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect())
}

fn refused(content: impl AsRef<[u8]>) -> String {
    read(content.as_ref()).expect_err("a refusal")
}

#[test]
fn quotes_keep_delimiters_line_ends_and_quotes() {
    let records = read(b"a,b\n\"1,5\",\"x\ny\"\n\"say \"\"hi\"\"\",\"\"\"\"\n\"\"\"\"\"\",z\n").unwrap();
    assert_eq!(records, [row(2, &["1,5", "x\ny"]), row(4, &["say \"hi\"", "\""]), row(5, &["\"\"", "z"])]);
}

#[test]
fn a_first_line_that_names_the_delimiter_is_no_row_and_counts_as_a_line() {
    assert_eq!(read(b"sep=,\r\na,b\r\n1,2\r\n").unwrap(), [row(3, &["1", "2"])]);
    assert_eq!(read_as(b"sep=,\n1,2\n", &settings::Csv::default(), Columns::Numbered).unwrap(), [row(2, &["1", "2"])]);
    assert_eq!(refused("sep=,\na,b\n1\n2,3\n"), "line 3: 1 field where the header has 2");
    // What is printed of rejects begins with both, to be read again.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"sep=;\r\na;b\r\n").unwrap();
    let source = Source::open(&file, &settings::Import::into_table("x")).unwrap();
    let noted = Dialect { is_noted: true, delimiter: b';', ..dialect(&settings::Csv::default()) };
    let reader = Reader::open(source, noted, Columns::Header).unwrap();
    assert_eq!(reader.raw_header(), Some("sep=;\na;b"));
}

#[test]
fn an_unquoted_empty_field_is_null_and_a_quoted_one_is_empty() {
    assert_eq!(read(b"a,b,c\n,\"\",\n").unwrap(), [row(2, &["NULL", "", "NULL"])]);
    assert_eq!(read(b"a,b\n1,").unwrap(), [row(2, &["1", "NULL"])]);
}

/// fault 56
#[test]
fn lines_may_end_with_lf_crlf_and_cr_in_one_file() {
    let records = read(b"a,b\r\n1,2\r3,4\n5,\"6\"\r\n7,\"8\"\r9,10").unwrap();
    let expected = [row(2, &["1", "2"]), row(3, &["3", "4"]), row(4, &["5", "6"]), row(5, &["7", "8"])];
    assert_eq!(records[..4], expected);
    assert_eq!(records[4], row(6, &["9", "10"]));
}

/// fault 46
#[test]
fn a_last_line_without_its_end_is_a_row_when_it_is_whole() {
    assert_eq!(read(b"a,b\n1,2").unwrap(), [row(2, &["1", "2"])]);
    assert_eq!(refused(b"a,b\n1,2\n3"), "line 3: 1 field where the header has 2");
}

#[test]
fn empty_lines_are_skipped_but_are_nulls_of_a_single_column() {
    assert_eq!(read(b"\n\r\na,b\n\n1,2\n\n\n").unwrap(), [row(5, &["1", "2"])]);
    assert_eq!(read(b"a\n1\n\n2\n").unwrap(), [row(2, &["1"]), row(3, &["NULL"]), row(4, &["2"])]);
}

/// fault 19, fault 54
#[test]
fn a_file_without_rows_has_none() {
    assert_eq!(read(b"").unwrap(), []);
    assert_eq!(read(b"\n\n").unwrap(), []);
    assert_eq!(read(b"a,b,c").unwrap(), []);
    assert_eq!(read(b"a,b,c\n").unwrap(), []);
}

/// fault 44
#[test]
fn an_unclosed_quote_is_refused_at_the_line_on_which_it_opened() {
    let why = "a quote opens here and never closes";
    assert_eq!(refused("a,b\n1,2\n3,\"4\n5,6\n7,8\n"), format!("line 3, column b: {why}"));
    assert_eq!(refused("a,b\n\"x\ny\",\"z\n1,2\n"), format!("line 3, column b: {why}"));
    assert_eq!(refused("a,\"b\n1,2\n"), format!("line 1, column 2: {why}"));
}

#[test]
fn a_quote_out_of_place_is_refused_with_its_place() {
    assert_eq!(refused("a,b\n1,5\" disk\n"), "line 2, column b: a quote inside an unquoted field");
    assert_eq!(refused("a,b\n\"1\"x,2\n"), "line 2, column a: text behind a closing quote");
    assert_eq!(refused("a,b\n1,\"x\n\" ,2\n"), "line 3, column b: text behind a closing quote");
}

/// fault 45
#[test]
fn a_ragged_row_is_refused_with_its_line() {
    assert_eq!(refused("a,b,c,d\n1,2,3,4\n\"x\n\",2,3,4\n1,2,3\n"), "line 5: 3 fields where the header has 4");
    assert_eq!(refused("a,b\n1,2,3\n"), "line 2: 3 fields where the header has 2");
    assert_eq!(refused(format!("a,b\n{}\n", ",".repeat(9_999))), "line 2: 10000 fields where the header has 2");
}

/// fault 49
#[test]
fn a_nul_byte_is_refused_with_its_place() {
    assert_eq!(refused("a,b\n1,x\0y\n"), "line 2, column b: a NUL byte");
    assert_eq!(refused("a,b\n1,\"x\n\0\"\n"), "line 3, column b: a NUL byte");
}

/// fault 48, fault 50
#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    assert_eq!(refused(b"a,b\n1,2\nM\xfcller,2\n"), "line 3, column a: byte 0xFC is not UTF-8");
    let mut late = b"a,b\n".to_vec();
    (0..100_000).for_each(|_| late.extend_from_slice(b"1,\"\xc3\xbc\"\n"));
    late.extend_from_slice(b"1,\xc3\n");
    assert_eq!(refused(&late), "line 100002, column b: byte 0xC3 is not UTF-8");
}

/// fault 51
#[test]
fn headers_that_no_table_can_have_are_refused_at_their_line() {
    assert_eq!(refused("\na,b,a\n1,2,3\n"), r#"line 2: columns 1 and 3 are both named "a""#);
    assert_eq!(refused("a,,c\n"), "line 1: column 2 has no name");
    assert_eq!(refused("a,b,\n1,2,\n"), "line 1: column 3 has no name");
    for (content, ends_open) in
        [("a,b,\n1,2,\n", true), ("a,,\n", true), ("a,,c\n", false), (",\n", false), ("a,a,\n", false)]
    {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let source = Source::open(&file, &settings::Import::into_table("x")).unwrap();
        let Err(fault) = Reader::open(source, dialect(&settings::Csv::default()), Columns::Header) else { panic!() };
        assert_eq!(fault.reason().hint.as_deref() == Some(ENDS_OPEN), ends_open, "{content}");
    }
    let wide: Vec<String> = (0..2_001).map(|at| format!("c{at}")).collect();
    assert_eq!(refused(wide.join(",")), "line 1: 2001 columns, where at most 1998 fit a table");
}

/// fault 55
#[test]
fn a_giant_field_is_refused_in_flat_memory() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a,b\n1,\"").unwrap();
    // A hole: 300 MB that no disk has to hold.
    file.seek(SeekFrom::Start(300_000_000)).unwrap();
    file.write_all(b"\"\n").unwrap();
    let mut reader = open(&file);
    let fault = reader.next().unwrap_err();
    assert_eq!(fault.to_string(), "line 2: a record of more than 16 MiB");
    assert!(reader.source().bytes() < 17 << 20);
}

#[test]
fn a_long_record_below_the_bound_is_read() {
    let long = "é".repeat(RECORD_BYTES_MAX / 2 - 10);
    let records = read(format!("a,b\n1,{long}\n2,\"x\"\n").as_bytes()).unwrap();
    assert_eq!(records[0].1[1].as_deref(), Some(&long[..]));
    assert_eq!(records[1], row(3, &["2", "x"]));
}

/// However the window falls on the bytes, the records are the same.
#[test]
fn records_do_not_depend_on_where_the_window_ends() {
    let record = b"1,\"a\r\nb\"\"c\",\r\n";
    let padding = (256 << 10) - 3 * record.len();
    for shift in 0..2 * record.len() {
        let mut content = b"a,b,c\r\n".to_vec();
        content.extend_from_slice(format!("{},,\r\n", "x".repeat(padding + shift - 7)).as_bytes());
        (0..6).for_each(|_| content.extend_from_slice(record));
        let records = read(&content).unwrap();
        assert_eq!(records.len(), 7, "shift {shift}");
        for (number, record) in (0..).zip(&records[1..]) {
            assert_eq!(*record, row(3 + 2 * number, &["1", "a\r\nb\"c", "NULL"]), "shift {shift}");
        }
    }
}

#[test]
fn a_field_has_no_type() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a\n\"12\"\n").unwrap();
    let mut reader = open(&file);
    assert_eq!(reader.next().unwrap().unwrap().cell(0), Cell::Field("12"));
}

fn escaped() -> settings::Csv {
    settings::Csv { escape: Some(b'\\'), ..settings::Csv::default() }
}

#[test]
fn an_escape_takes_the_meaning_from_what_follows() {
    let content = r#"a,b
"say \"hi\", ""you""","\\"
x\,y,\"z\"
"1\
2",\N
"\é",3\
4
5,6
"#;
    let records = read_as(content.as_bytes(), &escaped(), Columns::Header).unwrap();
    let expected = [
        row(2, &["say \"hi\", \"you\"", "\\"]),
        row(3, &["x,y", "\"z\""]),
        row(4, &["1\n2", "NULL"]),
        row(6, &["é", "3\n4"]),
        row(8, &["5", "6"]),
    ];
    assert_eq!(records, expected);
    // Where none is declared, it is a character like any other.
    assert_eq!(read(b"a,b\n\\N,\"c:\\\"\n").unwrap(), [row(2, &["\\N", "c:\\"])]);
}

/// fault 56
#[test]
fn an_escaped_cr_in_front_of_a_line_end_makes_no_line_more() {
    let records = read_as(b"a,b\n1,x\\\r\n2,y\\\r\r\n3,z\n", &escaped(), Columns::Header).unwrap();
    assert_eq!(records, [row(2, &["1", "x\r"]), row(3, &["2", "y\r"]), row(5, &["3", "z"])]);
}

/// fault 44
#[test]
fn an_escape_that_programs_understand_differently_is_refused() {
    let refused = |content: &[u8]| read_as(content, &escaped(), Columns::Header).expect_err("a refusal");
    let unclear = "an escape in front of a letter or a digit: programs disagree on its meaning";
    assert_eq!(refused(b"a,b\n1,x\\ty\n"), format!("line 2, column b: {unclear}"));
    assert_eq!(refused(b"a,b\n\"x\ny\\n\",1\n"), format!("line 3, column a: {unclear}"));
    assert_eq!(refused(b"a,b\n\\Nx,1\n"), format!("line 2, column a: {unclear}"));
    assert_eq!(refused(b"a,b\n1,x\\"), "line 2, column b: the file ends behind an escape");
    assert_eq!(refused(b"a,b\n1,\"x\\\"\n"), "line 2, column b: a quote opens here and never closes");
    assert_eq!(refused(b"a,b\n1,\"x\\"), "line 2, column b: a quote opens here and never closes");
}

#[test]
fn declared_comments_are_lines_that_are_skipped() {
    let declared = settings::Csv { comment: Some(b'#'), ..settings::Csv::default() };
    let content = b"# made by \"x\n#\r\na,b\n1,#2\n#3,4,\0\xff\n\"#5\",\"\n#6\"\n#";
    let records = read_as(content, &declared, Columns::Header).unwrap();
    assert_eq!(records, [row(4, &["1", "#2"]), row(6, &["#5", "\n#6"])]);
    assert_eq!(read_as(b"a\n#\n\n1", &declared, Columns::Header).unwrap(), [row(3, &["NULL"]), row(4, &["1"])]);
    assert_eq!(refused("# x\n1,2\n"), "line 2: 2 fields where the header has 1");
}

#[test]
fn without_quotes_a_quote_is_a_character() {
    let declared = settings::Csv { quote: None, delimiter: Some(b'\t'), ..settings::Csv::default() };
    let records = read_as(b"a\tb\n5\" disk\t\"x\n\t\"\"\n", &declared, Columns::Header).unwrap();
    assert_eq!(records, [row(2, &["5\" disk", "\"x"]), row(3, &["NULL", "\"\""])]);
}

#[test]
fn another_quote_encloses_as_well() {
    let declared = settings::Csv { quote: Some(b'\''), ..settings::Csv::default() };
    let records = read_as(b"a,b\n'it''s, \"x\"',''\n", &declared, Columns::Header).unwrap();
    assert_eq!(records, [row(2, &["it's, \"x\"", ""])]);
}

#[test]
fn without_a_header_the_first_record_is_a_row() {
    let declared = settings::Csv { header: false, ..settings::Csv::default() };
    let numbered = |content: &[u8]| read_as(content, &declared, Columns::Numbered);
    assert_eq!(numbered(b"\n1,\"x\ny\"\n2,\n").unwrap(), [row(2, &["1", "x\ny"]), row(4, &["2", "NULL"])]);
    assert_eq!(numbered(b"").unwrap(), []);
    assert_eq!(numbered(b"1\n\n2").unwrap(), [row(1, &["1"]), row(2, &["NULL"]), row(3, &["2"])]);
    assert_eq!(numbered(b"1,2\n3\n").unwrap_err(), "line 2: 1 field where the first row has 2");
    let wide = numbered(&[b','; 2_000]).unwrap_err();
    assert_eq!(wide, "line 1: 2001 columns, where at most 1998 fit a table");
    let table = Table::made_for("t", ["x", "y"].map(|name| (name.to_owned(), Type::Text)).into_iter(), &|kind| {
        (kind, Bounds::Open)
    });
    let of_table = |content: &[u8]| read_as(content, &declared, Columns::Table(&table));
    assert_eq!(of_table(b"1,2\n3,\n").unwrap(), [row(1, &["1", "2"]), row(2, &["3", "NULL"])]);
    assert_eq!(of_table(b"1\n").unwrap_err(), "line 1: 1 field where the table has 2");
}

/// fault 46
#[test]
fn a_last_record_that_is_too_short_is_asked_whether_it_was_cut() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a,b\n1,2\n3").unwrap();
    let mut reader = open(&file);
    reader.next().unwrap();
    let fault = reader.next().unwrap_err().of_file();
    assert_eq!(fault.reason().hint.as_deref(), Some("the file ends here, within a line: was it cut off?"));
}
