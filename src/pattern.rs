//! The form in which dates or timestamps are written: strftime's directives (`%d.%m.%Y %H:%M`), as jiff reads them.

use jiff::civil::{Date, DateTime, date};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};

/// A year before this is one whose century was left out.
const YEAR_MIN: i16 = 1000;

/// A form, found to say all that is asked of it when it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    offset: bool,
}

/// A point in time as a file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What calendar and clock show.
    pub at: DateTime,
    /// How far the clock is from UTC, where the pattern says it.
    pub offset: Option<Offset>,
}

impl Moment {
    /// What a clock at this offset showed, where this one's offset is known.
    fn at_offset(self, offset: Offset) -> DateTime {
        let counted = self.offset.and_then(|own| own.to_timestamp(self.at).ok());
        counted.map_or(self.at, |counted| offset.to_datetime(counted))
    }
}

impl Pattern {
    /// For dates.
    ///
    /// # Errors
    ///
    /// Why no date can be read by it, or what of it would be lost.
    pub fn of_dates(text: &str) -> Result<Self, String> {
        let pattern = Self { text: text.to_owned(), offset: false };
        let (one, other) = (pattern.sample(13, 1)?, pattern.sample(20, 2)?);
        match pattern.broken_down(&one)?.to_date() {
            Ok(day) if day == DAY && one != other => {
                Err(format!("the time of day would be lost; write timestamp:{text}"))
            }
            Ok(day) if day == DAY => Ok(pattern),
            _ => Err("it doesn't tell the day, the month and the year".to_owned()),
        }
    }

    /// For timestamps.
    ///
    /// # Errors
    ///
    /// Why no timestamp can be read by it.
    pub fn of_timestamps(text: &str) -> Result<Self, String> {
        if ["%Q", "%:Q"].iter().any(|name| text.replace("%%", "").contains(name)) {
            return Err("%Q takes the name of a time zone; write %:z, an offset".to_owned());
        }
        let mut pattern = Self { text: text.to_owned(), offset: false };
        let sample = pattern.sample(13, 1)?;
        pattern.offset = sample != pattern.sample(13, 2)?;
        pattern.broken_down(&sample)?;
        match pattern.moment(&sample).map(|moment| moment.at_offset(Offset::constant(1))) {
            Some(at) if at.date() == DAY && at.hour() == 13 => Ok(pattern),
            Some(_) if !pattern.offset && sample == pattern.sample(20, 1)? => {
                Err(format!("it has no time of day; write date:{text}"))
            }
            _ => Err("it doesn't tell the day, the month, the year and the hour".to_owned()),
        }
    }

    /// As it was declared.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its timestamps say how far they are from UTC.
    #[must_use]
    pub fn has_offset(&self) -> bool {
        self.offset
    }

    /// The day that this text says. `None`: it isn't of this form, or there is no such day.
    #[must_use]
    pub fn day(&self, text: &str) -> Option<Date> {
        let day = self.broken_down(text).ok()?.to_date().ok()?;
        (day.year() >= YEAR_MIN).then_some(day)
    }

    /// The point in time that this text says. `None`: it isn't of this form, or there is no such time.
    #[must_use]
    pub fn moment(&self, text: &str) -> Option<Moment> {
        let moment = self.moment_or_leap_second(text)?;
        // jiff takes second 60 for second 59. There alone, 59 and 60 mean the same.
        let changed = |at: usize| format!("{}59{}", &text[..at], &text[at + 2..]);
        let is_leap_second = moment.at.second() == 59
            && text.match_indices("60").any(|(at, _)| self.moment_or_leap_second(&changed(at)) == Some(moment));
        (!is_leap_second && moment.at.year() >= YEAR_MIN).then_some(moment)
    }

    fn moment_or_leap_second(&self, text: &str) -> Option<Moment> {
        let parts = self.broken_down(text).ok()?;
        if let Some(counted) = parts.timestamp() {
            return Some(Moment { at: Offset::UTC.to_datetime(counted), offset: Some(Offset::UTC) });
        }
        let offset = parts.offset();
        (offset.is_some() == self.offset || !self.offset).then_some(())?;
        Some(Moment { at: parts.to_datetime().ok()?, offset })
    }

    fn broken_down(&self, text: &str) -> Result<BrokenDownTime, String> {
        BrokenDownTime::parse(&self.text, text).map_err(|error| in_short(&error))
    }

    /// How it would write a time of [`DAY`].
    fn sample(&self, hour: i8, offset: i8) -> Result<String, String> {
        let zone = TimeZone::fixed(Offset::constant(offset));
        let time = DAY.at(hour, 4, 5, 0).to_zoned(zone).map_err(|error| in_short(&error))?;
        strtime::format(&self.text, &time).map_err(|error| in_short(&error))
    }
}

/// jiff's own words, without "strptime parsing failed".
fn in_short(error: &jiff::Error) -> String {
    let text = error.to_string();
    text.split_once(": ").map_or(text.as_str(), |(_, why)| why).to_owned()
}

/// A day whose year, month and day can't be taken for each other.
const DAY: Date = date(2026, 11, 22);

#[cfg(test)]
mod tests {
    use super::*;

    fn day(pattern: &str, text: &str) -> Option<String> {
        Pattern::of_dates(pattern).unwrap().day(text).map(|day| day.to_string())
    }

    fn moment(pattern: &str, text: &str) -> Option<String> {
        let moment = Pattern::of_timestamps(pattern).unwrap().moment(text)?;
        let offset = moment.offset.map_or_else(String::new, |offset| offset.to_string());
        Some(format!("{}{offset}", moment.at))
    }

    #[test]
    fn a_date_is_read_as_it_was_declared() {
        for (pattern, text, expected) in [
            ("%d.%m.%Y", "22.11.2026", "2026-11-22"),
            ("%d.%m.%Y", "1.2.2026", "2026-02-01"),
            ("%m/%d/%y", "11/22/26", "2026-11-22"),
            ("%Y%m%d", "20240229", "2024-02-29"),
            ("%d %b %Y", "22 nov 2026", "2026-11-22"),
            ("%Y-%j", "2026-326", "2026-11-22"),
            ("%G-W%V-%u", "2026-W47-7", "2026-11-22"),
        ] {
            assert_eq!(day(pattern, text).as_deref(), Some(expected), "{pattern}: {text}");
        }
        for (pattern, text) in [
            ("%d.%m.%Y", "22.11.26"),
            ("%d.%m.%Y", "30.02.2026"),
            ("%d.%m.%Y", "11/22/2026"),
            ("%d.%m.%Y", "22.11.2026 "),
            ("%d.%m.%Y", ""),
            ("%a %d.%m.%Y", "Mon 22.11.2026"),
        ] {
            assert_eq!(day(pattern, text), None, "{pattern}: {text}");
        }
    }

    #[test]
    fn a_timestamp_is_read_as_it_was_declared() {
        for (pattern, text, expected) in [
            ("%d.%m.%Y %H:%M", "22.11.2026 03:04", "2026-11-22T03:04:00"),
            ("%m/%d/%Y %I:%M:%S %p", "11/22/2026 12:04:05 AM", "2026-11-22T00:04:05"),
            ("%d.%m.%Y %H:%M:%S%.f", "22.11.2026 03:04:05.060", "2026-11-22T03:04:05.06"),
            ("%d/%b/%Y:%H:%M:%S %z", "22/Nov/2026:03:04:05 -0730", "2026-11-22T03:04:05-07:30"),
            ("%s", "1795316645", "2026-11-22T03:04:05+00"),
            ("%Y-%m-%d %H", "2026-11-22 23", "2026-11-22T23:00:00"),
            ("%F %H:%M:%S%.f", "1960-12-31 23:59:59.60", "1960-12-31T23:59:59.6"),
        ] {
            assert_eq!(moment(pattern, text).as_deref(), Some(expected), "{pattern}: {text}");
        }
        for (pattern, text) in [
            ("%d.%m.%Y %H:%M", "22.11.2026 24:00"),
            ("%d.%m.%Y %H:%M", "22.11.26 03:04"),
            ("%F %T", "2026-12-31 23:59:60"),
            ("%F %T", "2060-12-31 23:59:60"),
            ("%F %T%.f", "2026-12-31 23:59:59.1234567890"),
            ("%F %T %z", "2026-12-31 23:59:59"),
        ] {
            assert_eq!(moment(pattern, text), None, "{pattern}: {text}");
        }
    }

    #[test]
    fn whether_a_timestamp_has_an_offset_follows_from_its_pattern() {
        for (pattern, has_offset) in [("%F %T", false), ("%F %T%:z", true), ("%F %T %z", true), ("%s", true)] {
            assert_eq!(Pattern::of_timestamps(pattern).unwrap().has_offset(), has_offset, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_says_too_little_or_too_much_is_refused_when_it_is_declared() {
        for pattern in ["", "%d.%m.", "%m/%Y", "%", "%d.%m.%Y %q", "%A", "%d.%m.%Y %Z", "%x"] {
            assert!(Pattern::of_dates(pattern).is_err(), "{pattern}");
            assert!(Pattern::of_timestamps(pattern).is_err(), "{pattern}");
        }
        for (pattern, why) in [("%d.%m.%Y %H:%M", "would be lost"), ("%F %T%z", "would be lost"), ("%s", "it ")] {
            let error = Pattern::of_dates(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
        for (pattern, why) in [
            ("%d.%m.%Y", "no time of day; write date:%d.%m.%Y"),
            ("%F %I:%M", "the hour"),
            ("%F %M", ""),
            ("%F %z", "the hour"),
            ("%F %T %Q", "name of a time zone"),
        ] {
            let error = Pattern::of_timestamps(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}
