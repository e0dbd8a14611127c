//! Why a column has its type: what its values look like, counted over the whole file, with the line of the first of
//! each kind. For eyes: the type itself is found by `guess`.

use super::literal;
use super::record::Cell;
use super::shown;

/// So many different values of a column are shown.
const EXAMPLES_MAX: usize = 2;

/// The longest of them, in characters.
const EXAMPLE_CHARS_MAX: usize = 24;

/// What a value looks like. The first seven are certain: a column of one of them alone has a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Integer,
    Real,
    Digits,
    Lower,
    Upper,
    Date,
    Timestamp,
    Empty,
    LeadingZero,
    Sign,
    Beyond,
    Exponent,
    Comma,
    Spelling,
    DayOrMonth,
    NoDay,
    Space,
    Missing,
    Nested,
    Text,
}

/// One of a kind, several of it: what is said of them.
const WORDS: [(Look, &str, &str); 20] = [
    (Look::Integer, "is an integer", "are integers"),
    (Look::Real, "is a number with a fraction", "are numbers with a fraction"),
    (Look::Digits, "has more digits than a real number keeps", "have more digits than a real number keeps"),
    (Look::Lower, "is true or false", "are true or false"),
    (Look::Upper, "is TRUE or FALSE", "are TRUE or FALSE"),
    (Look::Date, "is a date", "are dates"),
    (Look::Timestamp, "is a timestamp", "are timestamps"),
    (Look::Empty, "is the empty string", "are the empty string"),
    (Look::LeadingZero, "starts with 0", "start with 0"),
    (Look::Sign, "has a sign that would be lost", "have a sign that would be lost"),
    (Look::Beyond, "does not fit 64 bits", "do not fit 64 bits"),
    (Look::Exponent, "may be a code or a number", "may be codes or numbers"),
    (Look::Comma, "has a comma that may be a decimal mark", "have a comma that may be a decimal mark"),
    (Look::Spelling, "is a boolean in a spelling of its own", "are booleans in a spelling of their own"),
    (Look::DayOrMonth, "may have the day or the month first", "may have the day or the month first"),
    (Look::NoDay, "is a day that does not exist", "are days that do not exist"),
    (Look::Space, "begins or ends with a space", "begin or end with a space"),
    (Look::Missing, "is a word that may mean that there is no value", "are words that may mean that there is no value"),
    (Look::Nested, "is an object or an array", "are objects or arrays"),
    (Look::Text, "is text", "are text"),
];

/// The values of one look.
#[derive(Debug, Clone)]
struct Seen {
    look: Look,
    count: u64,
    line: u64,
    example: String,
}

/// What was seen of a column.
#[derive(Debug, Clone, Default)]
pub struct Why {
    values: u64,
    examples: Vec<String>,
    /// In the order in which they were first seen.
    seen: Vec<Seen>,
}

impl Why {
    /// One more value of the column, on this line.
    pub fn see(&mut self, cell: Cell<'_>, line: u64) {
        let Some(text) = cell.text() else { return };
        self.values += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let example = cut(text);
            if !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
        let look = look(cell, text);
        match self.seen.iter_mut().find(|seen| seen.look == look) {
            Some(seen) => seen.count += 1,
            None => self.seen.push(Seen { look, count: 1, line, example: cut(text) }),
        }
    }

    /// How many values it has; the other rows have none.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Its first values, escaped and cut.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    /// Why it has a type (`certain`), or why it is text, and the line that decided it, where one did.
    pub fn reason(&self, certain: bool) -> (String, Option<u64>) {
        let Some(first) = self.seen.first() else { return ("no value says what it is".to_owned(), None) };
        if certain {
            return (format!("every value {}", self.all()), None);
        }
        if let [only] = &self.seen[..] {
            return match only.look {
                Look::Text => ("every value is text".to_owned(), None),
                _ => (self.told(only), Some(only.line)),
            };
        }
        if let Some(doubtful) = self.seen.iter().find(|seen| !is_certain(seen.look)) {
            return (self.told(doubtful), Some(doubtful.line));
        }
        // Each certain by itself, and no type for both.
        let other = &self.seen[1];
        let text = format!(
            "{} (line {}) {}, {} (line {}) {}",
            first.example,
            first.line,
            words(first.look).0,
            other.example,
            other.line,
            words(other.look).0
        );
        (text, Some(other.line))
    }

    /// What all values are.
    fn all(&self) -> String {
        let singular = |look| words(look).0.to_owned();
        match &self.seen[..] {
            seen if seen.iter().any(|seen| seen.look == Look::Comma) => "is a number with a decimal comma".to_owned(),
            [only] => singular(only.look),
            _ if self.seen.iter().all(|seen| is_numeric(seen.look)) => "is a number".to_owned(),
            [first, ..] => singular(first.look),
            [] => String::new(),
        }
    }

    /// `12 of 40 values start with 0 (line 2: "00417")`
    fn told(&self, seen: &Seen) -> String {
        let (singular, plural) = words(seen.look);
        let (count, values) = (seen.count, self.values);
        let who = match count {
            _ if count == values && count > 1 => format!("all {count} values {plural}"),
            1 => format!("1 value {singular}"),
            _ => format!("{count} values {plural}"),
        };
        format!("{who} (line {}: {})", seen.line, seen.example)
    }
}

fn words(look: Look) -> (&'static str, &'static str) {
    let (_, singular, plural) = WORDS[look as usize];
    (singular, plural)
}

fn is_certain(look: Look) -> bool {
    (look as usize) < Look::Empty as usize
}

fn is_numeric(look: Look) -> bool {
    matches!(look, Look::Integer | Look::Real | Look::Exponent | Look::Digits)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXAMPLE_CHARS_MAX) {
        None => shown::value(text),
        Some((end, _)) => format!("{}…", shown::value(&text[..end])),
    }
}

fn look(cell: Cell<'_>, text: &str) -> Look {
    match cell {
        Cell::Nested(_) => Look::Nested,
        Cell::String(_) => time(text).unwrap_or(Look::Text),
        Cell::Null | Cell::Field(_) | Cell::Number(_) | Cell::Boolean(_) => field(text),
    }
}

fn field(text: &str) -> Look {
    if let Some(look) = number(text).or_else(|| boolean(text)).or_else(|| time(text)) {
        return look;
    }
    let is_padded =
        || text.trim().len() != text.len() && (number(text.trim()).is_some() || time(text.trim()).is_some());
    match text {
        "" => Look::Empty,
        _ if is_padded() => Look::Space,
        _ if ["null", "n/a", "na", "-", "nan", "none"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            Look::Missing
        }
        _ if is_decimal_comma(text) => Look::Comma,
        _ => Look::Text,
    }
}

fn number(text: &str) -> Option<Look> {
    if literal::integer(text).is_some() {
        return Some(Look::Integer);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.len() < text.len() && (text.starts_with('+') || unsigned == "0") && literal::number(unsigned).is_some()
    {
        return Some(Look::Sign);
    }
    if all_digits(unsigned) {
        return Some(if unsigned.starts_with('0') { Look::LeadingZero } else { Look::Beyond });
    }
    match literal::fraction(text, '.') {
        Some(digits) => Some(if literal::real_keeps(digits) { Look::Real } else { Look::Digits }),
        None => literal::number(text).map(|_| Look::Exponent),
    }
}

fn boolean(text: &str) -> Option<Look> {
    match text {
        "true" | "false" => Some(Look::Lower),
        "TRUE" | "FALSE" => Some(Look::Upper),
        _ => {
            ["true", "false", "yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word)).then_some(Look::Spelling)
        }
    }
}

fn time(text: &str) -> Option<Look> {
    if literal::is_date(text) {
        return Some(Look::Date);
    }
    if literal::is_timestamp(text) {
        return Some(Look::Timestamp);
    }
    let parts: Vec<&str> = text.split(['.', '/', '-']).collect();
    let [first, middle, last] = parts[..] else { return None };
    if !(all_digits(first) && all_digits(middle) && all_digits(last)) {
        return None;
    }
    match (first.len(), middle.len(), last.len()) {
        (4, 2, 2) if text.as_bytes()[4] == b'-' => Some(Look::NoDay),
        (1..=2, 1..=2, 2 | 4) => Some(Look::DayOrMonth),
        _ => None,
    }
}

fn is_decimal_comma(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text);
    number.rsplit_once(',').is_some_and(|(whole, fraction)| all_digits(fraction) && whole.split('.').all(all_digits))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::guess::Guess;
    use crate::import::value::Type;

    fn why(texts: &[&str]) -> String {
        let (mut why, mut guess) = (Why::default(), Guess::ANY);
        for (line, text) in (2..).zip(texts) {
            why.see(Cell::Field(text), line);
            guess.see(Cell::Field(text), '.');
        }
        why.reason(guess.settle() != Type::Text).0
    }

    #[test]
    fn every_look_has_its_words_at_its_place() {
        for (at, (look, ..)) in WORDS.iter().enumerate() {
            assert_eq!(*look as usize, at, "{look:?}");
        }
    }

    #[test]
    fn the_reason_names_how_many_and_the_first_line_that_decided() {
        for (texts, reason) in [
            (&["1", "2"][..], "every value is an integer"),
            (&["1", "2.5"], "every value is a number"),
            (&["true", "false"], "every value is true or false"),
            (&["2026-11-22"], "every value is a date"),
            (&["1", "00417", "007"], "2 values start with 0 (line 3: \"00417\")"),
            (&["00417", "007"], "all 2 values start with 0 (line 2: \"00417\")"),
            (&["1", "x"], "1 value is text (line 3: \"x\")"),
            (&["x", "1"], "1 value is text (line 2: \"x\")"),
            (&["x", "y"], "every value is text"),
            (&["1", ""], "1 value is the empty string (line 3: \"\")"),
            (&["1", "2026-11-22"], "\"1\" (line 2) is an integer, \"2026-11-22\" (line 3) is a date"),
            (&["true", "FALSE"], "\"true\" (line 2) is true or false, \"FALSE\" (line 3) is TRUE or FALSE"),
            (&["22.11.2026", "11/12/26"], "all 2 values may have the day or the month first (line 2: \"22.11.2026\")"),
            (&["2026-02-30"], "1 value is a day that does not exist (line 2: \"2026-02-30\")"),
            (&["1,5", "1.000,00"], "all 2 values have a comma that may be a decimal mark (line 2: \"1,5\")"),
            (&["1", "+2"], "1 value has a sign that would be lost (line 3: \"+2\")"),
            (&["1", "1e5"], "1 value may be a code or a number (line 3: \"1e5\")"),
            (&["9223372036854775808"], "1 value does not fit 64 bits (line 2: \"9223372036854775808\")"),
            (&["1", " 2"], "1 value begins or ends with a space (line 3: \" 2\")"),
            (&["1", "N/A"], "1 value is a word that may mean that there is no value (line 3: \"N/A\")"),
            (&["yes"], "1 value is a boolean in a spelling of its own (line 2: \"yes\")"),
            (&["0.12345678901234567890"], "every value has more digits than a real number keeps"),
            (&[], "no value says what it is"),
        ] {
            assert_eq!(why(texts), reason, "{texts:?}");
        }
    }

    #[test]
    fn json_says_what_is_text() {
        let mut why = Why::default();
        why.see(Cell::String("12"), 1);
        why.see(Cell::Null, 2);
        assert_eq!((why.reason(false).0.as_str(), why.values()), ("every value is text", 1));
        why.see(Cell::Nested("[1]"), 3);
        assert_eq!(why.reason(false).0, "1 value is text (line 1: \"12\")");
    }

    #[test]
    fn what_is_kept_of_a_column_is_bounded() {
        let mut why = Why::default();
        for line in 0..1000 {
            why.see(Cell::Field(&format!("{line}{}", "x".repeat(1000))), line);
        }
        assert_eq!((why.examples.len(), why.seen.len()), (EXAMPLES_MAX, 1));
        assert!(why.examples.iter().all(|example| example.chars().count() <= EXAMPLE_CHARS_MAX + 3));
    }
}
