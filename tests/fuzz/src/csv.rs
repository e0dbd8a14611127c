//! CSV in every dialect: the same cells as the `csv` crate sees, and as are read again when they were written.

use std::str;

use csv::ReaderBuilder;
use importerd::import::fuzz::{Cuts, Holds, Records};
use importerd::settings::{Csv, Format, Import};

use crate::input::{Choices, import, is_packed, is_planted, read};

const BOM: &str = "\u{feff}";

pub fn look(input: &[u8]) {
    let mut choices = Choices(input);
    let Some(declared) = dialect(&mut choices) else { return };
    let settings = Import { csv: declared, format: Some(Format::Csv), ..import() };
    let (cuts, content) = choices.cut(b'\n');
    // A first line that names the delimiter is a record to them.
    let is_note = |four: &[u8]| four.eq_ignore_ascii_case(b"sep=");
    if is_packed(&content) || content.windows(4).any(is_note) {
        return;
    }
    let Ok(mut ours) = read(&content, cuts, "a.csv", &settings) else { return };
    if is_planted() {
        plant(&mut ours);
    }
    // Other encodings have a target of their own.
    let Ok(text) = str::from_utf8(&content) else { return };
    // They know no escape outside quotes, and no comment that CR ends.
    if declared.escape.is_none() && (declared.comment.is_none() || !text.contains('\r')) {
        compare(&ours, text.strip_prefix(BOM).unwrap_or(text), declared);
    }
    if declared.quote.is_some() {
        write_and_read_again(&ours, &settings);
    }
}

/// As the settings would take it. `None`: they wouldn't.
fn dialect(choices: &mut Choices<'_>) -> Option<Csv> {
    let delimiter = choices.of(b",;\t|^ a");
    let quote = choices.of(&[Some(b'"'), Some(b'\''), None]);
    let escape = choices.of(&[None, Some(b'\\'), Some(b'^')]);
    let comment = choices.of(&[None, Some(b'#'), Some(b';')]);
    let header = choices.of(&[true, false]);
    let mut roles: Vec<u8> = [Some(delimiter), quote, escape, comment].into_iter().flatten().collect();
    let many = roles.len();
    roles.sort_unstable();
    roles.dedup();
    (roles.len() == many).then_some(Csv { delimiter: Some(delimiter), quote, escape, comment, header })
}

/// With the records of another reader.
fn compare(ours: &Records, text: &str, declared: Csv) {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(declared.delimiter.expect("it is declared"));
    builder.comment(declared.comment);
    match declared.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    // A comment that nothing ends is a record to them.
    let ended = format!("{text}\n");
    let theirs = builder.from_reader(ended.as_bytes()).into_records();
    let theirs: Vec<Vec<String>> =
        theirs.map(|record| record.expect("text").iter().map(str::to_owned).collect()).collect();
    let header = declared.header.then(|| ours.names.clone()).filter(|names| !names.is_empty());
    // An empty line is a NULL of a single column to us, and nothing to them.
    let rows = ours.rows.iter().filter(|(_, cells)| !matches!(cells[..], [(Holds::Null, _)]));
    let rows = rows.map(|(_, cells)| cells.iter().map(|(_, text)| text.clone()).collect());
    let ours: Vec<Vec<String>> = header.into_iter().chain(rows).collect();
    assert_eq!(ours, theirs, "importerd's cells, and those of the csv crate");
}

/// Every cell enclosed, but for NULLs.
fn write_and_read_again(records: &Records, settings: &Import) {
    let dialect = settings.csv;
    // Without a header, an empty line in front of all says nothing of a single column.
    let begins_with_null = records.rows.first().is_some_and(|(_, cells)| matches!(cells[..], [(Holds::Null, _)]));
    if begins_with_null && !dialect.header {
        return;
    }
    let quote = char::from(dialect.quote.expect("it is declared"));
    let enclosed = |text: &str| {
        let mut field = String::from(quote);
        for char in text.chars() {
            if char == quote {
                field.push(quote);
            } else if dialect.escape.is_some_and(|escape| char == char::from(escape)) {
                field.push(char);
            }
            field.push(char);
        }
        field.push(quote);
        field
    };
    let delimiter = char::from(dialect.delimiter.expect("it is declared")).to_string();
    let mut text = String::new();
    if dialect.header && !records.names.is_empty() {
        let names: Vec<String> = records.names.iter().map(|name| enclosed(name)).collect();
        text += &(names.join(&delimiter) + "\r\n");
    }
    for (_, cells) in &records.rows {
        let cells = cells.iter().map(|(holds, text)| match holds {
            Holds::Null => String::new(),
            _ => enclosed(text),
        });
        text += &(cells.collect::<Vec<_>>().join(&delimiter) + "\n");
    }
    let again = read(text.as_bytes(), Cuts::NONE, "a.csv", settings).expect("it was written as it must be");
    assert_eq!(again.names, records.names);
    let cells = |records: &Records| records.rows.iter().map(|(_, cells)| cells.clone()).collect::<Vec<_>>();
    assert_eq!(cells(&again), cells(records), "what was read, and what was written and read again");
}

/// A quote is lost where a cell has a line end too.
fn plant(records: &mut Records) {
    let cells = records.rows.iter_mut().flat_map(|(_, cells)| cells);
    for (_, text) in cells.filter(|(_, text)| text.contains('\n')) {
        *text = text.replacen('"', "", 1);
    }
}
