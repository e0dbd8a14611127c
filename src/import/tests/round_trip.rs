//! Random rows → file → import → the same cells, in every format, dialect, encoding and compression.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::formats::{gzip, utf16le, zstd};
use super::*;
use crate::settings::{Csv, Format};

const CASES: u32 = 120;
const ROWS_MAX: usize = 60;

type Draw = fn(&mut fastrand::Rng) -> String;

/// What a column's cells are drawn from, and what its type must be when every cell has a value.
const COLUMNS: [(&str, Draw); 6] = [
    ("integer", |random| random.i64(..).to_string()),
    ("real", |random| format!("{}.{:02}", random.i32(-99_999..99_999), random.u8(..100))),
    ("boolean", |random| random.bool().to_string()),
    ("date", |random| format!("{:04}-{:02}-{:02}", random.u16(1..9_999), random.u8(1..=12), random.u8(1..=28))),
    ("code", |random| format!("0{:04}", random.u32(..10_000))),
    ("text", |random| (0..random.usize(..12)).map(|_| random.choice(ODD).unwrap()).collect()),
];

/// Characters that mean something to somebody.
const ODD: [char; 22] = [
    'a', '"', ',', ';', '\n', '\r', '\t', ' ', '\'', '\\', 'é', '😀', '0', '-', '.', '\u{feff}', '|', '^', '#', 'N',
    '€', '{',
];

type Row = Vec<Option<String>>;

/// How a file is written, and what is declared of it.
struct Writer {
    random: fastrand::Rng,
    settings: settings::Import,
    name: &'static str,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut settings = settings("orders");
        let name = *random.choice(&["a.csv", "a.ndjson", "a.json", "a.txt"]).unwrap();
        settings.format = (name == "a.txt").then_some(Format::Json);
        if name == "a.txt" && random.bool() {
            settings.records = "/da~1ta/1".to_owned();
        }
        let some = |random: &mut fastrand::Rng, byte| random.bool().then_some(byte);
        settings.csv = Csv {
            delimiter: None,
            quote: Some(*random.choice(b"\"\"'").unwrap()),
            escape: some(&mut random, b'\\'),
            comment: some(&mut random, b'#'),
            header: random.u8(..4) > 0,
        };
        settings.encoding = (random.u8(..4) == 0).then(|| "windows-1252".to_owned());
        Self { random, settings, name }
    }

    /// Which of these characters this file can hold.
    fn holds(&self, cell: &str) -> String {
        let fits = |char: &char| {
            let wide = WINDOWS_1252.encode(char.encode_utf8(&mut [0; 4])).2;
            self.settings.encoding.is_none() || !wide
        };
        cell.chars().filter(fits).collect()
    }

    fn write(&mut self, rows: &[Row]) -> Vec<u8> {
        let text = match self.name {
            "a.csv" => self.csv(rows),
            "a.ndjson" => self.ndjson(rows),
            _ => self.json(rows),
        };
        let encoded = self.encode(&text);
        self.pack(&encoded)
    }

    fn csv(&mut self, rows: &[Row]) -> String {
        let delimiter = *self.random.choice(b",;\t|^").unwrap();
        // Only what can be found for certain may stay undeclared.
        if delimiter == b'^' || !self.settings.csv.header || self.random.bool() {
            self.settings.csv.delimiter = Some(delimiter);
        }
        let end = *self.random.choice(&["\n", "\r\n", "\r"]).unwrap();
        let delimiter = char::from(delimiter).to_string();
        let mut content = String::new();
        if self.settings.csv.header {
            content += &(COLUMNS.map(|(name, _)| name).join(&delimiter) + end);
        }
        for row in rows {
            if self.settings.csv.comment.is_some() && self.random.u8(..4) == 0 {
                content.extend(["# \"not, a row;", end]);
            }
            if self.random.u8(..8) == 0 {
                content += end;
            }
            let cells: Vec<String> = row.iter().map(|cell| self.field(cell.as_deref(), &delimiter)).collect();
            content += &(cells.join(&delimiter) + end);
        }
        if self.random.bool() {
            content.truncate(content.len() - end.len());
        }
        content
    }

    fn field(&mut self, cell: Option<&str>, delimiter: &str) -> String {
        let Csv { quote, escape, comment, .. } = self.settings.csv;
        let quote = char::from(quote.unwrap());
        let Some(cell) = cell else {
            return if escape.is_some() && self.random.bool() { "\\N".to_owned() } else { String::new() };
        };
        let special = |char: char| {
            "\r\n".contains(char) || delimiter.contains(char) || char == quote || comment == Some(b'#') && char == '#'
        };
        let escaping = escape.is_some() && self.random.bool();
        let enclosed = cell.is_empty() || (!escaping && cell.contains(special)) || self.random.u8(..4) == 0;
        let mut field = String::new();
        for char in cell.chars() {
            match char {
                '\\' if escape.is_some() => field += "\\\\",
                char if char == quote && !escaping => field.extend([quote, quote]),
                char if escaping && special(char) && (!enclosed || char == quote) => field.extend(['\\', char]),
                char => field.push(char),
            }
        }
        if enclosed { format!("{quote}{field}{quote}") } else { field }
    }

    fn object(&mut self, row: &Row) -> String {
        let blank = *self.random.choice(&["", " ", "\t"]).unwrap();
        let pairs: Vec<String> = row
            .iter()
            .zip(COLUMNS)
            .filter_map(|(cell, (name, _))| {
                let Some(cell) = cell else { return self.random.bool().then(|| format!("\"{name}\":null")) };
                let bare = matches!(name, "integer" | "real" | "boolean");
                Some(format!("\"{name}\":{blank}{}", if bare { cell.clone() } else { self.string(cell) }))
            })
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    fn string(&mut self, text: &str) -> String {
        if self.random.bool() {
            return serde_json::to_string(text).unwrap();
        }
        let units: String = text.encode_utf16().fold(String::new(), |units, unit| units + &format!("\\u{unit:04x}"));
        format!("\"{units}\"")
    }

    fn ndjson(&mut self, rows: &[Row]) -> String {
        let end = *self.random.choice(&["\n", "\r\n", "\n\n"]).unwrap();
        rows.iter().fold(String::new(), |content, row| content + &self.object(row) + end)
    }

    fn json(&mut self, rows: &[Row]) -> String {
        let blank = *self.random.choice(&["", "\n", "\r\n  ", " "]).unwrap();
        let keyed = self.settings.format.is_some() && self.random.bool();
        let values: Vec<String> = (0..)
            .zip(rows)
            .map(|(number, row)| {
                let object = self.object(row).replace("\":", &format!("\"{blank}:{blank}"));
                if keyed { format!("\"{number}\":{object}") } else { object }
            })
            .collect();
        let values = values.join(&format!("{blank},{blank}"));
        let records = if keyed { format!("{{{blank}{values}}}") } else { format!("[{values}{blank}]") };
        if self.settings.records.is_empty() {
            return records;
        }
        format!(
            "{{\"x\": [{{}}, \"]}}\", [[]]],{blank}\"da/ta\":[null,{records}, 2], \"y\": {{\"z\": [-1e5]}}}}{blank}"
        )
    }

    fn encode(&mut self, text: &str) -> Vec<u8> {
        if let Some(label) = &self.settings.encoding {
            return Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned();
        }
        match self.random.u8(..4) {
            0 => utf16le(&format!("\u{feff}{text}")),
            1 => utf16le(&format!("\u{feff}{text}")).chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect(),
            2 => format!("\u{feff}{text}").into_bytes(),
            _ => text.as_bytes().to_vec(),
        }
    }

    fn pack(&mut self, content: &[u8]) -> Vec<u8> {
        let (one, other) = content.split_at(self.random.usize(..=content.len()));
        match self.random.u8(..5) {
            0 => gzip(content),
            1 => [gzip(one), gzip(other)].concat(),
            2 => zstd(content),
            3 => [zstd(one), zstd(other)].concat(),
            _ => content.to_vec(),
        }
    }
}

/// The cell as SQLite must have it.
fn expected(name: &str, cell: Option<&String>) -> String {
    let Some(cell) = cell else { return "NULL".to_owned() };
    match name {
        "integer" => cell.clone(),
        "real" => format!("{:?}", cell.parse::<f64>().unwrap()),
        "boolean" => i64::from(cell == "true").to_string(),
        _ => format!("'{cell}'"),
    }
}

#[test]
fn random_cells_come_back_as_they_were() {
    for _ in 0..CASES {
        let seed = fastrand::u64(..);
        let mut writer = Writer::new(seed);
        let rows: Vec<Row> = (0..writer.random.usize(1..ROWS_MAX))
            .map(|number| {
                let mut cell = |(_, draw): &(&str, Draw)| {
                    // The first row is full, so that every column has its type.
                    let drawn = (number == 0 || writer.random.u8(..5) > 0).then(|| draw(&mut writer.random));
                    drawn.map(|cell| writer.holds(&cell))
                };
                COLUMNS.iter().map(&mut cell).collect()
            })
            .collect();
        let content = writer.write(&rows);
        let case = format!("seed {seed}: {:?}\n{}", writer.settings, String::from_utf8_lossy(&content));
        let mut orders = Orders::reading(&writer.settings);
        let outcome = orders.import(writer.name, &content);
        assert_eq!(outcome, Ok(loaded(rows.len() as u64)), "{case}");
        let has_names = writer.name != "a.csv" || writer.settings.csv.header;
        let columns = if has_names { "integer, real, boolean, date, code, text" } else { "c1, c2, c3, c4, c5, c6" };
        let back = orders.rows(&format!("SELECT {columns} FROM orders ORDER BY rowid"));
        for (row, back) in rows.iter().zip(&back) {
            let row: Vec<String> =
                row.iter().zip(COLUMNS).map(|(cell, (name, _))| expected(name, cell.as_ref())).collect();
            assert_eq!(row.join("|"), *back, "{case}");
        }
        assert_eq!(back.len(), rows.len(), "{case}");
    }
}
