//! What the columns of a file hold: values on which readers fail, of every type that a column can have.

use fastrand::Rng;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _, civil};

/// What a column's cells are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of 64 bits, often the last ones that fit.
    Integer,
    /// No more digits than a real number keeps.
    Real,
    /// More digits than that.
    Decimal,
    Boolean,
    Date,
    /// A time that some clock showed.
    Local,
    /// A point in time.
    Moment,
    /// Integers of more than 64 bits.
    Beyond,
    /// Digits behind zeros.
    Code,
    /// Words that programs take for something else.
    Word,
    Text,
    /// Objects and arrays of JSON.
    Nested,
    /// Anything that looks like a value of some type, and often is none.
    Mixed,
}

/// All, `Mixed` the last.
pub const KINDS: [Kind; 13] = [
    Kind::Integer,
    Kind::Real,
    Kind::Decimal,
    Kind::Boolean,
    Kind::Date,
    Kind::Local,
    Kind::Moment,
    Kind::Beyond,
    Kind::Code,
    Kind::Word,
    Kind::Text,
    Kind::Nested,
    Kind::Mixed,
];

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    /// In JSON: without quotes around it.
    pub bare: bool,
}

/// `None`: NULL.
pub type Row = Vec<Option<Cell>>;

/// Characters that mean something to somebody.
const ODD: &str = "aBNnu\"'`,;\t|\n\r\\/ #^~!=+-.07{}[]:%$\u{1}\u{b}\u{1b}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}é€Ж漢";

/// Beyond the first 65,536, combining, right to left; the last that is a character.
const WIDE: [&str; 6] = ["😀", "𝄞", "e\u{301}", "\u{202e}", "👨\u{200d}👩\u{200d}👧", "\u{10fffd}"];

/// Separated by `|`, as the next.
const WORDS: &str = "yes|no|Y|t|True|true|FALSE|NULL|null|None|NA|N/A|nan|NaN|Infinity|-inf|undefined|on|off|1e5|0x1F|1_000|=1+1|\\N|\\.|-";

const NUMBERS: &str = "0|1|-1|-0|-0.0|0.1|1.50|4.35|9007199254740993|9007199254740993.0|0.30000000000000004|123456789012345|1234567890.12345\
    |1234567890.1234567|1e5|1E+5|1e-7|1e22|1e23|5e-324|1.7976931348623157e308|1e400|1e-400|9223372036854775807|9223372036854775808\
    |18446744073709551616";

const ALMOST: &str = "00417|+1|.5|5.|1,5|1.000,00| 12|12 |12 €|0x10|2026-02-30|22.11.2026|2026-11-22T24:00:00|2026-11-22T23:59:60\
    |2026-11-22 03:04|2026-1-2|20261122|12:30|true |TRUE|{}|[1]";

const NESTED: [&str; 6] = [
    "{}",
    "[]",
    r#"{"a": [1, -0.0, 1e5, "\u00e9\n"], "a": null}"#,
    r#"[ {"b" : "\ud83d\ude00"} , [[]], true ]"#,
    r#"{"":{"":18446744073709551616}}"#,
    r#"["\"", "\\", "],}", "\t x"]"#,
];

impl Kind {
    /// What a column's name begins with.
    pub fn name(self) -> String {
        format!("{self:?}").to_ascii_lowercase()
    }

    /// The type that its column gets, where the first row has a value; that of `Mixed` depends.
    pub fn declared(self, in_sqlite: bool) -> Option<&'static str> {
        let [sqlite, postgresql] = match self {
            Self::Integer => ["INTEGER", "bigint"],
            Self::Real => ["REAL", "numeric"],
            Self::Decimal => ["DECIMAL TEXT", "numeric"],
            Self::Boolean => ["BOOLEAN", "boolean"],
            Self::Date => ["DATE", "date"],
            Self::Local => ["TIMESTAMP", "timestamp without time zone"],
            Self::Moment => ["TIMESTAMP", "timestamp with time zone"],
            Self::Beyond | Self::Code | Self::Word | Self::Text | Self::Nested => ["TEXT", "text"],
            Self::Mixed => return None,
        };
        Some(if in_sqlite { sqlite } else { postgresql })
    }

    /// A value; the first of a column leaves no doubt about the type.
    pub fn draw(self, first: bool, random: &mut Rng) -> Cell {
        let text = match self {
            Self::Integer => integer(random),
            Self::Real => format!("{}.{:02}", random.i32(-99_999..99_999), random.u8(..100)),
            Self::Decimal => format!("{}{}.{}", ["", "-"][random.usize(..2)], digits(20, random), digits(25, random)),
            Self::Boolean => random.bool().to_string(),
            Self::Date => date(random).to_string(),
            Self::Local => clock(date(random), random),
            Self::Moment => moment(random),
            Self::Beyond => beyond(random),
            Self::Code => format!("0{:04}", random.u32(..10_000)),
            Self::Word if first => "yes".to_owned(),
            Self::Word => some_of(WORDS, random),
            Self::Text => text(first, random),
            Self::Nested => one_of(&NESTED, random),
            Self::Mixed => mixed(random),
        };
        let bare = match self {
            Self::Integer | Self::Real | Self::Decimal | Self::Boolean | Self::Beyond | Self::Nested => true,
            Self::Mixed => {
                random.bool()
                    && text.trim() == text
                    && serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| !value.is_null())
            }
            _ => false,
        };
        Cell { text, bare }
    }
}

fn one_of(list: &[&str], random: &mut Rng) -> String {
    (*random.choice(list).expect("it has some")).to_owned()
}

fn some_of(list: &str, random: &mut Rng) -> String {
    one_of(&list.split('|').collect::<Vec<_>>(), random)
}

fn integer(random: &mut Rng) -> String {
    let edge = *random.choice(&[0, 1 << 53, -(1 << 53), i64::MAX, i64::MIN]).expect("it has some");
    let by = random.i64(-3..=3);
    if random.bool() { random.i64(..) } else { edge.saturating_add(by) }.to_string()
}

/// Neither with a zero in front.
fn beyond(random: &mut Rng) -> String {
    let by = random.i128(1..10);
    match random.u8(..4) {
        0 => (i128::from(i64::MAX) + by).to_string(),
        1 => (i128::from(i64::MIN) - by).to_string(),
        2 => (i128::from(u64::MAX) + by).to_string(),
        _ => digits(30, random),
    }
}

/// Fewer than so many, without a zero in front.
fn digits(most: usize, random: &mut Rng) -> String {
    let mut digits: String = (0..random.usize(most - 3..most)).map(|_| random.digit(10)).collect();
    digits.insert(0, random.char('1'..='9'));
    digits
}

fn date(random: &mut Rng) -> civil::Date {
    civil::date(2, 1, 1) + i64::from(random.u32(..3_650_000)).days()
}

fn clock(date: civil::Date, random: &mut Rng) -> String {
    let micros = *random.choice(&[0, 500_000_000, 123_456_000, 1_000]).expect("it has some");
    let time = civil::time(random.i8(0..24), random.i8(0..60), random.i8(0..60), micros);
    date.to_datetime(time).to_string().replace('T', if random.bool() { "T" } else { " " })
}

fn moment(random: &mut Rng) -> String {
    let minutes = random.i32(-14 * 60..=14 * 60);
    let offset = [
        "Z".to_owned(),
        format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60),
    ];
    clock(date(random), random) + &offset[random.usize(..2)]
}

fn text(first: bool, random: &mut Rng) -> String {
    let mut text = String::from(if first { "x" } else { "" });
    for _ in 0..random.usize(..12) {
        match random.u8(..8) {
            0 => text += &one_of(&WIDE, random),
            _ => text.extend(ODD.chars().nth(random.usize(..ODD.chars().count()))),
        }
    }
    text
}

fn mixed(random: &mut Rng) -> String {
    match random.u8(..16) {
        0 => some_of(WORDS, random),
        1 => some_of(ALMOST, random),
        2 => date(random).to_string(),
        3 => moment(random),
        _ => some_of(NUMBERS, random),
    }
}

/// A number as sign, digits and exponent, whatever the spelling. `None`: it is none.
pub fn number(text: &str) -> Option<(bool, String, i64)> {
    text.parse::<f64>().ok().filter(|_| text.ends_with(|end: char| end.is_ascii_digit()))?;
    let (sign, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let significant = digits.trim_end_matches('0');
    let exponent = exponent.parse::<i64>().ok()? - i64::try_from(part.len()).ok()?;
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let significant = significant.trim_start_matches('0').to_owned();
    let exponent = if significant.is_empty() { 0 } else { exponent + zeros };
    Some((sign, significant, exponent))
}

/// A time as another program writes the same one: in UTC, or of no zone.
pub fn time(text: &str) -> Option<civil::DateTime> {
    match text.parse::<Timestamp>() {
        Ok(moment) => Some(moment.to_zoned(TimeZone::fixed(Offset::UTC)).datetime()),
        Err(_) => text.parse().ok(),
    }
}
