//! Which texts are certainly a number, a boolean, a date or a timestamp.

/// The most significant digits that every real number keeps, there and back.
const REAL_DIGITS_MAX: usize = 15;

/// Up to here a real number holds every integer; from here on it has no fraction.
const REAL_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// `-?(0|[1-9][0-9]*)` within 64 bits. Not `-0`, `+1`, `007`: their text would not come back.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// Whether a real number holds every integer up to this one.
pub fn fits_real(integer: i64) -> bool {
    const MAX: u64 = 1 << 53;
    integer.unsigned_abs() <= MAX
}

/// The longest fraction, in bytes, that is sure to be no smaller than a real number's digits allow.
const FRACTION_BYTES_MAX: usize = 300;

/// `-?(0|[1-9][0-9]*)\.[0-9]+`, with this decimal mark: how many significant digits a real number must keep for it. Not
/// `-0.0`: its sign would be lost.
pub fn fraction(text: &str, mark: char) -> Option<usize> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = split(digits, |byte| char::from(byte) == mark);
    if !is_whole(whole) || !fraction.is_some_and(is_digits) {
        return None;
    }
    match significant_digits(digits) {
        0 if digits.len() < text.len() => None,
        _ if text.len() > FRACTION_BYTES_MAX => Some(usize::MAX),
        significant => Some(significant),
    }
}

/// Whether every real number keeps as many significant digits.
pub fn real_keeps(digits: usize) -> bool {
    digits <= REAL_DIGITS_MAX
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, however many digits.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = split(digits, |byte| byte == b'.');
    is_whole(whole) && fraction.is_none_or(is_digits)
}

/// Whether a column of numeric affinity, which makes an integer of every whole number that fits 64 bits, leaves the digits as they
/// are.
pub fn stays_exact(real: f64) -> bool {
    const FITTING: f64 = 9_223_372_036_854_775_808.0;
    real.abs() <= REAL_INTEGER_MAX || real.abs() > FITTING
}

/// A JSON number, also with an exponent (`1e5`), at most 15 significant digits, and not so small that a real number keeps
/// fewer.
pub fn exact_number(text: &str) -> Option<f64> {
    let (mantissa, _) = split(text, |byte| matches!(byte, b'e' | b'E'));
    match significant_digits(mantissa) {
        0 => number(text),
        1..=REAL_DIGITS_MAX => number(text).filter(|number| number.is_normal()),
        _ => None,
    }
}

/// The same as [`number`], but no whole number becomes another one.
pub fn real(text: &str) -> Option<f64> {
    number(text).filter(|real| real.abs() < REAL_INTEGER_MAX || stays_whole(text, *real))
}

/// Of a real number that can't have a fraction: whether it is the one of its text. With an exponent it is a measure, whose
/// last digits don't count; an integer of more than 64 bits is as likely a code.
fn stays_whole(text: &str, real: f64) -> bool {
    if text.contains(['e', 'E']) {
        return true;
    }
    let (whole, fraction) = split(text, |byte| byte == b'.');
    let counts = match fraction {
        None => integer(text).is_some(),
        Some(fraction) => fraction.bytes().all(|digit| digit == b'0'),
    };
    counts && format!("{real:.0}") == whole
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, finite: the nearest real number. Not one so small that it would be 0.
pub fn number(text: &str) -> Option<f64> {
    nearest(text).filter(|number| *number != 0.0 || !would_be_zero(text))
}

/// Whether this is such a number.
pub fn is_too_small(text: &str) -> bool {
    nearest(text).is_some_and(|number| number == 0.0 && would_be_zero(text))
}

/// Of a text whose nearest real number is 0: whether it isn't 0 itself.
fn would_be_zero(text: &str) -> bool {
    let (mantissa, _) = split(text, |byte| matches!(byte, b'e' | b'E'));
    significant_digits(mantissa) > 0
}

fn nearest(text: &str) -> Option<f64> {
    let (mantissa, exponent) = split(text, |byte| matches!(byte, b'e' | b'E'));
    let digits = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = split(digits, |byte| byte == b'.');
    let well_formed = is_whole(whole)
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    if !well_formed {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `true` or `false`, in lower or in upper case.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" => Some(true),
        "false" | "FALSE" => Some(false),
        _ => None,
    }
}

/// `YYYY-MM-DD`, a day that exists.
pub fn is_date(text: &str) -> bool {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return false };
    match (decimal(&[y1, y2, y3, y4]), decimal(&[m1, m2]), decimal(&[d1, d2])) {
        (Some(year), Some(month), Some(day)) => year > 0 && day > 0 && day <= days_in_month(year, month),
        _ => false,
    }
}

/// `YYYY-MM-DD HH:MM:SS`, also with `T`, a fraction, and `Z` or an offset.
pub fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(time)) = (text.get(..10), text.get(11..)) else { return false };
    if !is_date(date) || !matches!(text.as_bytes()[10], b'T' | b' ') {
        return false;
    }
    let Some((clock, rest)) = time.split_at_checked(8) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|char: char| char.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    is_clock(clock) && is_zone(zone)
}

/// `HH:MM:SS`, also with a fraction.
pub fn is_time(text: &str) -> bool {
    let (clock, fraction) = split(text, |byte| byte == b'.');
    is_clock(clock) && fraction.is_none_or(|digits| digits.is_empty() || is_digits(digits))
}

/// `550e8400-e29b-41d4-a716-446655440000`, also without hyphens or in braces.
pub fn is_uuid(text: &str) -> bool {
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let is_hyphen = |at| text.len() == 36 && matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, u8)| if is_hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    matches!(text.len(), 32 | 36) && text.bytes().enumerate().all(fits)
}

/// Whether this timestamp says how far its clock is from UTC.
pub fn has_offset(timestamp: &str) -> bool {
    timestamp.get(19..).is_some_and(|rest| rest.bytes().any(|byte| matches!(byte, b'Z' | b'+' | b'-')))
}

fn is_clock(text: &str) -> bool {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text.as_bytes() else { return false };
    below(&[h1, h2], 24) && below(&[m1, m2], 60) && below(&[s1, s2], 60)
}

fn is_zone(text: &str) -> bool {
    match *text.as_bytes() {
        [] | [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => below(&[h1, h2], 24) && below(&[m1, m2], 60),
        _ => false,
    }
}

/// What SQLite would read as a number when it converts a text for a column of numeric affinity.
pub fn looks_numeric_to_sqlite(text: &str) -> bool {
    let text = text.trim_matches(|char: char| char.is_ascii_whitespace() || char == '\x0b');
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    text.starts_with(|char: char| char.is_ascii_digit() || char == '.') && text.parse::<f64>().is_ok()
}

/// What stands before the first such byte, which is ASCII, and behind it.
fn split(text: &str, is_mark: impl Fn(u8) -> bool) -> (&str, Option<&str>) {
    match text.bytes().position(is_mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn is_whole(text: &str) -> bool {
    text == "0" || (is_digits(text) && !text.starts_with('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits from the first that isn't 0.
fn significant_digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).skip_while(|&digit| digit == b'0').count()
}

fn below(digits: &[u8], limit: u32) -> bool {
    decimal(digits).is_some_and(|number| number < limit)
}

fn decimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_one_whose_text_comes_back() {
        for text in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(integer(text).unwrap().to_string(), text);
        }
        for text in ["", "-", "-0", "+1", "007", "00417", " 1", "1 ", "1.0", "1e5", "9223372036854775808", "٣", "--1"]
        {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_fraction_is_plain_digits_around_its_mark() {
        for (text, digits) in [("0.5", 1), ("-12.50", 4), ("0.000000000000000000123", 3), ("123456789012.3456", 16)] {
            assert_eq!(fraction(text, '.'), Some(digits), "{text}");
            assert_eq!(fraction(&text.replace('.', ","), ','), Some(digits), "{text}");
            assert_eq!(fraction(text, ','), None, "{text}");
        }
        for text in ["1", ".5", "1.", "01.5", "1e5", "+1.5", "NaN", "inf", "1,5", "1.5.2", "1.5e3", "-.5", "-0.0"] {
            assert_eq!(fraction(text, '.'), None, "{text}");
        }
        assert!(real_keeps(15) && !real_keeps(16));
        // So small that a real number keeps fewer digits, or none.
        for zeros in [310, 400] {
            assert!(!real_keeps(fraction(&format!("0.{}123", "0".repeat(zeros)), '.').unwrap()));
        }
    }

    #[test]
    fn a_time_of_day_is_read_strictly() {
        for text in ["00:00:00", "23:59:59", "00:00:01.25", "00:00:01."] {
            assert!(is_time(text), "{text}");
        }
        for text in ["", "24:00:00", "1:02:03", "01:60:00", "01:02", "01:02:03Z", "01.02.03", "01:02:0x", "01:02:03.x"]
        {
            assert!(!is_time(text), "{text}");
        }
    }

    #[test]
    fn a_uuid_is_taken_as_people_write_it() {
        let plain = "000102030405060708090A0b0c0d0e0f";
        for text in [plain, "00010203-0405-0607-0809-0a0b0c0d0e0f", "{00010203-0405-0607-0809-0A0B0C0D0E0F}"] {
            assert!(is_uuid(text), "{text}");
        }
        for text in ["", "550e8400", "00010203-0405-0607-08090a0b-0c0d0e0f", "0001020304050607ü08090a0b0c0d0e", "+"] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn a_decimal_has_any_number_of_digits() {
        for text in ["0", "-1", "1.50", "123456789012345678901234567890.000000000000000000001", "-0.5"] {
            assert!(is_decimal(text), "{text}");
        }
        for text in ["", "-", "+1", "007", "1.", ".5", "1,5", "1e5", "1.5.2", " 1", "NaN", "٣"] {
            assert!(!is_decimal(text), "{text}");
        }
    }

    // fault 57, fault 62
    #[test]
    fn a_number_is_finite_and_well_formed() {
        assert_eq!(number("1e5"), Some(100_000.0));
        assert_eq!(number("-1.5E-2"), Some(-0.015));
        assert_eq!((number("0e5"), number("5e-324")), (Some(0.0), Some(5e-324)));
        assert_eq!((number("1e-400"), is_too_small("-1e-400")), (None, true));
        assert!(!["0.0", "0e-400", "5e-324", "1e400", "x"].into_iter().any(is_too_small));
        for text in ["1e400", "NaN", "inf", "infinity", "1e", "e5", "0x10", "1_000", "00.5", "1.e5"] {
            assert_eq!(number(text), None, "{text}");
        }
        for text in ["1234567890123456e1", "1.23e-310", "1e-400"] {
            assert_eq!(exact_number(text), None, "{text}");
        }
    }

    // fault 57
    #[test]
    fn no_whole_number_becomes_another_real_number() {
        for (text, kept) in [
            ("12", 12.0),
            ("-9007199254740992", -9_007_199_254_740_992.0),
            ("9007199254740994", 9_007_199_254_740_994.0),
            ("-9007199254740994.0", -9_007_199_254_740_994.0),
            ("99999999999999991611392.00", 1e23),
            ("9007199254740991.125", 9_007_199_254_740_991.0),
            ("0.12345678901234567890", 0.123_456_789_012_345_68),
            ("1.7976931348623157e308", f64::MAX),
            ("9.007199254740993e15", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(real(text), Some(kept), "{text}");
        }
        for text in [
            "9007199254740993",
            "-9007199254740993.00",
            "9007199254740993.5",
            "9007199254740991.9",
            "100000000000000000000000.00",
            "18446744073709551616",
            "1e400",
            "1e-400",
            "1,5",
        ] {
            assert_eq!(real(text), None, "{text}");
        }
    }

    // fault 57
    #[test]
    fn a_date_is_a_day_that_exists() {
        for text in ["2026-11-22", "2024-02-29", "2000-02-29", "0001-01-01"] {
            assert!(is_date(text), "{text}");
        }
        for text in ["2026-02-30", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "0000-01-01"] {
            assert!(!is_date(text), "{text}");
        }
        for text in ["", "2026-1-1", "22.11.2026", "11/22/2026", "2026-11-22 ", "20261122", "2026-11-2x"] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn a_timestamp_is_iso_8601() {
        for text in [
            "2026-11-22T03:04:05",
            "2026-11-22 03:04:05",
            "2026-11-22T03:04:05.123456789Z",
            "2026-11-22T03:04:05+01:00",
            "2026-11-22 23:59:59.5-11:30",
        ] {
            assert!(is_timestamp(text), "{text}");
            assert_eq!(has_offset(text), text.ends_with(['Z', '0']) && text.len() > 19, "{text}");
        }
        for text in [
            "2026-11-22",
            "2026-11-22T24:00:00",
            "2026-11-22T03:60:00",
            "2026-11-22T03:04:60",
            "2026-02-30T03:04:05",
            "2026-11-22T03:04",
            "2026-11-22T03:04:05.",
            "2026-11-22T03:04:05.Z",
            "2026-11-22T03:04:05+0100",
            "2026-11-22T03:04:05 Z",
            "2026-11-22x03:04:05",
            "2026-11-2üT03:04:05",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
