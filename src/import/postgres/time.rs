//! Dates and times as PostgreSQL has them in binary: days and microseconds since 2000.

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;

const MICROSECONDS_A_SECOND: i64 = 1_000_000;
const MICROSECONDS_A_DAY: i64 = 86_400 * MICROSECONDS_A_SECOND;

/// `2026-11-22`, which was found to be a date: days since 2000-01-01.
pub fn date(text: &str) -> Option<i32> {
    let year = number(text.get(..4)?)?;
    let (month, day) = (number(text.get(5..7)?)?, number(text.get(8..10)?)?);
    (text.len() == 10).then(|| days_from_civil(year, month, day) - EPOCH_DAYS)
}

/// `2026-11-22T03:04:05.678+01:00`, which was found to be a timestamp: microseconds since 2000-01-01 00:00:00, in UTC where
/// there is an offset.
pub fn timestamp(text: &str) -> Option<i64> {
    let days = date(text.get(..10)?)?;
    let (clock, zone) = clock(text.get(11..)?)?;
    let offset = match zone.as_bytes() {
        [] | [b'Z'] => 0,
        [sign, ..] => {
            let (hours, minutes) = (number(zone.get(1..3)?)?, number(zone.get(4..6)?)?);
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
    };
    Some(i64::from(days) * MICROSECONDS_A_DAY + clock - offset * MICROSECONDS_A_SECOND)
}

/// `03:04:05.678`, which was found to be a time of day: microseconds since midnight.
pub fn time(text: &str) -> Option<i64> {
    let (microseconds, rest) = clock(text)?;
    rest.is_empty().then_some(microseconds)
}

/// A clock's time, and what follows it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let [hours, minutes, seconds] = [text.get(..2)?, text.get(3..5)?, text.get(6..8)?].map(number);
    let (hours, minutes, seconds) = (hours?, minutes?, seconds?);
    let rest = text.get(8..)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
            rest.split_at(end)
        }
        None => ("", rest),
    };
    let of_fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let microseconds = of_fraction.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let seconds = i64::from(hours * 3600 + minutes * 60 + seconds);
    Some((seconds * MICROSECONDS_A_SECOND + microseconds, rest))
}

fn number(digits: &str) -> Option<i32> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Days since 1970-01-01 in the Gregorian calendar: years begin in March, so that a leap day is a year's last.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_library_does() {
        for text in ["0001-01-01", "1900-02-28", "1900-03-01", "1999-12-31", "2000-01-01", "2000-02-29", "9999-12-31"] {
            let day: jiff::civil::Date = text.parse().unwrap();
            let days = day.since(jiff::civil::date(2000, 1, 1)).unwrap().get_days();
            assert_eq!(date(text), Some(days), "{text}");
        }
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let of = |text| timestamp(text).unwrap();
        assert_eq!(of("2000-01-01T00:00:01.5"), 1_500_000);
        assert_eq!(of("2000-01-01T01:00:00+01:00"), 0);
        assert_eq!(of("1999-12-31 12:30:00-11:30"), 0);
        assert_eq!(of("2000-01-01T00:00:00Z"), 0);
        assert_eq!(of("2000-01-01T00:00:00.12345600Z"), 123_456);
    }

    #[test]
    fn a_time_of_day_counts_from_midnight() {
        assert_eq!(time("00:00:01.25"), Some(1_250_000));
        assert_eq!(time("23:59:59"), Some(86_399_000_000));
    }
}
