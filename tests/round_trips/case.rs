//! A case: columns, and how files with them are written; two such files, the second for the table that the first one makes.

use fastrand::Rng;

use super::cells::{Cell, KINDS, Kind, Row};
use super::csv::{self, Dialect};
use super::database::{Database, Dropped};
use super::expected::Expected;
use super::json;
use super::loader::Declared;
use super::text::Text;
use super::variant::{Format, Variant};

const ROWS_MAX: usize = 25;

/// Longer than the window through which a file is read.
const LONG_BYTES: usize = 300 << 10;

/// PostgreSQL has no longer names.
const NAME_BYTES_MAX: usize = 63;

/// Spoils what is written, which must be noticed in what is read.
pub type Plant = fn(&[Kind], &mut Vec<Row>);

pub struct Case {
    pub variant: Variant,
    random: Rng,
    dialect: Dialect,
    kinds: Vec<Kind>,
    names: Vec<String>,
    declared: Declared,
    file_name: String,
}

impl Case {
    pub fn draw(number: usize, seed: u64) -> Self {
        let variant = Variant::of(number);
        let mut random = Rng::with_seed(seed.wrapping_add(number as u64));
        let mut kinds = KINDS.to_vec();
        random.shuffle(&mut kinds);
        if random.u8(..4) == 0 {
            kinds.truncate(random.usize(1..KINDS.len()));
        }
        let dialect = Dialect::draw(variant.format, kinds.len() < 3, &mut random);
        if kinds.len() == 2 || !(variant.is_json() || dialect.header) {
            kinds.retain(|kind| *kind != Kind::Mixed);
        }
        let (names, declared, file_name) = (Vec::new(), Declared::new(), String::new());
        let mut case = Self { variant, random, dialect, kinds, names, declared, file_name };
        case.name_columns();
        case.declare();
        case
    }

    fn name_columns(&mut self) {
        let is_free = self.variant.is_json() || self.dialect.names_are_free();
        for kind in self.kinds.clone() {
            let mut name = kind.name();
            if is_free && self.random.u8(..4) == 0 {
                name += &Kind::Text.draw(true, &mut self.random).text;
                self.fit(&mut name);
            }
            while name.len() > NAME_BYTES_MAX {
                name.pop();
            }
            self.names.push(name);
        }
    }

    fn declare(&mut self) {
        let (names, format): (&[&str], &str) = match self.variant.format {
            Format::Csv => (&["a.csv", "A.CSV"], "csv"),
            Format::Tsv => (&["a.tsv", "a.tab"], "tsv"),
            Format::Ndjson => (&["a.ndjson", "a.jsonl", "a.json", "a"], "ndjson"),
            Format::Array => (&["a.json", "a"], "json"),
            Format::Keyed => (&[], "json"),
        };
        let known_by_name = self.random.choice(names).copied().filter(|_| self.random.bool());
        let is_within = format == "json" && self.random.bool();
        if known_by_name.is_none() || is_within {
            self.declared.insert("format".to_owned(), format.to_owned());
        }
        if is_within {
            self.declared.insert("records".to_owned(), json::WITHIN.to_owned());
        }
        if let Some(label) = self.variant.coding.declared {
            self.declared.insert("encoding".to_owned(), label.to_owned());
        }
        if !self.variant.is_json() {
            self.dialect.declare(&mut self.declared);
        }
        let extension = if self.random.bool() { self.variant.packing.extension() } else { "" };
        self.file_name = format!("{}{extension}", known_by_name.unwrap_or("a.dat"));
    }

    /// Both files, one after the other. What must be in the table, and isn't.
    pub fn run(mut self, table: &str, database: &mut Database, plant: Option<Plant>) -> Result<(), String> {
        self.drop_file(table, 0, database, plant)?;
        let declared = database.declared(table, &self.columns());
        for (kind, got) in self.kinds.iter().zip(declared) {
            if kind.declared(database.is_sqlite()).is_some_and(|expected| got != expected) {
                return Err(format!("{kind:?} made a column {got}, {:?} {:?}", self.file_name, self.declared));
            }
        }
        self.change_columns();
        if self.kinds.is_empty() {
            return Ok(());
        }
        let before = database.rows(table, &[]).len();
        self.drop_file(table, before, database, plant)
    }

    /// Matched by name, they may stand in any order; and a type that was found in one file isn't that of any other.
    fn change_columns(&mut self) {
        if !self.variant.is_json() && !self.dialect.header {
            return;
        }
        let mut columns: Vec<(Kind, String)> = self.kinds.drain(..).zip(self.names.drain(..)).collect();
        columns.retain(|(kind, _)| *kind != Kind::Mixed);
        self.random.shuffle(&mut columns);
        (self.kinds, self.names) = columns.into_iter().unzip();
    }

    /// One file; in the table are so many rows before it.
    fn drop_file(
        &mut self,
        table: &str,
        before: usize,
        database: &mut Database,
        plant: Option<Plant>,
    ) -> Result<(), String> {
        let rows = self.rows();
        let keys: Vec<String> =
            (0..rows.len()).map(|number| format!("{number}{}", Kind::Text.draw(true, &mut self.random).text)).collect();
        let mut written = rows.clone();
        if let Some(spoil) = plant {
            spoil(&self.kinds, &mut written);
        }
        let text = self.write(&written, &keys);
        let content = self.variant.packing.pack(&self.variant.coding.encode(&text.written), &mut self.random);
        let dropped = Dropped { name: &self.file_name, content: &content, declared: &self.declared };
        let told = |why: String| format!("{why}: {dropped}\n{}", shortened(&text.written));

        let loaded = database.load(table, &dropped);
        if loaded != Ok(rows.len() as u64) {
            return Err(told(format!("{} rows: {loaded:?}", rows.len())));
        }
        let is_keyed = self.variant.format == Format::Keyed;
        let columns: Vec<String> = is_keyed.then(|| "_key".to_owned()).into_iter().chain(self.columns()).collect();
        let there = database.rows(table, &columns);
        if there.len() != before + rows.len() {
            return Err(told(format!("{} rows are there", there.len())));
        }
        for ((number, row), got) in rows.iter().enumerate().zip(&there[before..]) {
            let key = is_keyed.then(|| keys[number].as_str());
            let expected =
                Expected { kinds: &self.kinds, line: text.lines[number], key, row, is_json: self.variant.is_json() };
            expected.compare(got, database.is_sqlite()).map_err(|why| told(format!("row {number}, {why}")))?;
        }
        Ok(())
    }

    /// As the table has them.
    fn columns(&self) -> Vec<String> {
        if self.variant.is_json() || self.dialect.header {
            return self.names.clone();
        }
        (1..=self.names.len()).map(|number| format!("c{number}")).collect()
    }

    fn rows(&mut self) -> Vec<Row> {
        let count = self.random.usize(1..ROWS_MAX);
        let mut rows: Vec<Row> = (0..count).map(|number| self.row(number == 0)).collect();
        if let Some(column) = self.kinds.iter().position(|kind| *kind == Kind::Text)
            && self.random.u8(..16) == 0
        {
            let cell = rows[count / 2][column].get_or_insert_with(|| Cell { text: String::new(), bare: false });
            cell.text.push('x');
            cell.text = cell.text.repeat(LONG_BYTES / cell.text.len());
        }
        rows
    }

    /// The first row is full, so that every column has its type.
    fn row(&mut self, first: bool) -> Row {
        let kinds = self.kinds.clone();
        let cell = |kind: Kind| {
            let mut cell = (first || self.random.u8(..5) > 0).then(|| kind.draw(first, &mut self.random))?;
            self.fit(&mut cell.text);
            Some(cell)
        };
        kinds.into_iter().map(cell).collect()
    }

    /// Takes away what such a file can't hold. JSON can escape everything.
    fn fit(&self, text: &mut String) {
        if !self.variant.is_json() {
            text.retain(|char| self.variant.coding.holds(char));
            self.dialect.fit(text);
        }
    }

    fn write(&mut self, rows: &[Row], keys: &[String]) -> Text {
        let Self { variant, random, dialect, names, declared, .. } = self;
        let is_within = declared.contains_key("records");
        match variant.format {
            Format::Csv | Format::Tsv => csv::Writer::new(*dialect, random).write(names, rows),
            Format::Ndjson => json::Writer::new(*variant, random).lines(names, rows),
            Format::Array => json::Writer::new(*variant, random).document(names, rows, None, is_within),
            Format::Keyed => json::Writer::new(*variant, random).document(names, rows, Some(keys), is_within),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(1_000).flat_map(char::escape_debug).collect()
}
