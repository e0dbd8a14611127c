//! Writes CSV in every dialect, and knows on which line each row starts.

use fastrand::Rng;

use super::cells::Row;
use super::loader::Declared;
use super::text::Text;
use super::variant::Format;

/// The bytes that mean something, and whether there is a header.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    comment: Option<char>,
    pub header: bool,
    /// Whether the delimiter is to be found.
    is_found: bool,
    narrow: bool,
    ends: &'static [&'static str],
}

/// How lines end; the last is mixed.
pub const ENDS: [&[&str]; 4] = [&["\n"], &["\r\n"], &["\r"], &["\n", "\r\n", "\r"]];

impl Dialect {
    /// `narrow`: a file may have a single column.
    pub fn draw(format: Format, narrow: bool, random: &mut Rng) -> Self {
        let delimiter = match format {
            Format::Tsv => '\t',
            _ => *random.choice(&[',', ';', '\t', '|', ',', ';', '\t', '|', '^', '~']).expect("it has some"),
        };
        let quote = match random.u8(..4) {
            0 => Some('\''),
            1 => None,
            _ => Some('"'),
        };
        let some = |char, random: &mut Rng| random.bool().then_some(char);
        // Of a single column only its name tells that nothing else splits it.
        let header = narrow || random.u8(..4) > 0;
        Self {
            delimiter,
            quote,
            escape: some(*random.choice(&['\\', '!']).expect("it has some"), random),
            comment: some(*random.choice(&['#', '%']).expect("it has some"), random),
            header,
            // Only what can be found for certain may stay undeclared.
            is_found: header && !narrow && ",;\t|".contains(delimiter) && random.bool(),
            narrow,
            ends: random.choice(&ENDS).expect("it has some"),
        }
    }

    /// Whether names may hold what another delimiter would split.
    pub fn names_are_free(self) -> bool {
        !self.is_found && !self.narrow
    }

    pub fn declare(self, declared: &mut Declared) {
        let word = |char: char| if char == '\t' { "tab".to_owned() } else { char.to_string() };
        let mut say = |key: &str, value: String| drop(declared.insert(key.to_owned(), value));
        if !self.is_found {
            say("delimiter", word(self.delimiter));
        }
        if self.quote != Some('"') {
            say("quote", self.quote.map_or("none".to_owned(), word));
        }
        self.escape.into_iter().for_each(|escape| say("escape", word(escape)));
        self.comment.into_iter().for_each(|comment| say("comment", word(comment)));
        if !self.header {
            say("header", "false".to_owned());
        }
    }

    fn is_special(self, char: char) -> bool {
        let special = [Some(self.delimiter), self.quote, self.escape, self.comment, Some('\n'), Some('\r')];
        special.contains(&Some(char))
    }

    /// Takes away what can't be said in it.
    pub fn fit(self, cell: &mut String) {
        if self.quote.is_none() && self.escape.is_none() {
            cell.retain(|char| !self.is_special(char));
        }
        if self.quote.is_none() && cell.is_empty() {
            cell.push('x');
        }
    }
}

/// Where a file is written.
pub struct Writer<'c> {
    dialect: Dialect,
    random: &'c mut Rng,
    text: Text,
}

impl<'c> Writer<'c> {
    pub fn new(dialect: Dialect, random: &'c mut Rng) -> Self {
        Self { dialect, random, text: Text::default() }
    }

    pub fn write(mut self, names: &[String], rows: &[Row]) -> Text {
        if self.dialect.header {
            self.between(names.len());
            let names: Vec<String> = names.iter().map(|name| self.field(Some(name))).collect();
            self.record(&names);
        }
        for row in rows {
            self.between(row.len());
            self.text.record();
            let cells: Vec<String> =
                row.iter().map(|cell| self.field(cell.as_ref().map(|cell| cell.text.as_str()))).collect();
            self.record(&cells);
        }
        if self.random.bool() {
            self.text.unfinish();
        }
        self.text
    }

    /// What is no row.
    fn between(&mut self, columns: usize) {
        if self.random.u8(..8) == 0 && columns > 1 {
            self.record(&[]);
        }
        let Some(comment) = self.dialect.comment.filter(|_| self.random.u8(..4) == 0) else { return };
        self.record(&[format!("{comment} \"not, a row;\t'")]);
    }

    fn record(&mut self, fields: &[String]) {
        let line = fields.join(&self.dialect.delimiter.to_string());
        self.text.line(&line, self.dialect.ends, self.random);
    }

    fn field(&mut self, cell: Option<&str>) -> String {
        let dialect = self.dialect;
        let escape = dialect.escape.filter(|_| self.random.bool());
        let Some(cell) = cell else { return escape.map_or(String::new(), |escape| format!("{escape}N")) };
        let is_special = |char| dialect.is_special(char);
        // Escapes do without quotes, where there is one.
        let escapes = dialect.escape.is_some() && (dialect.quote.is_none() || self.random.bool());
        let must = cell.is_empty() || (!escapes && cell.contains(is_special));
        let enclosed = dialect.quote.filter(|_| must || self.random.u8(..4) == 0);
        let mut field = String::new();
        for char in cell.chars() {
            let own = Some(char) == dialect.quote || Some(char) == dialect.escape;
            let protected = if enclosed.is_some() { own } else { is_special(char) };
            match dialect.escape {
                Some(escape) if protected && (escapes || char == escape) => field.extend([escape, char]),
                _ if protected => field.extend([char, char]),
                _ => field.push(char),
            }
        }
        enclosed.map_or(field.clone(), |quote| format!("{quote}{field}{quote}"))
    }
}
