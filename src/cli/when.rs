//! Times and spans in words.

use jiff::{Timestamp, Zoned};
use serde::{Serialize, Serializer};

/// A time as JSON has it: RFC 3339, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A span in its largest fitting unit: `42 s`, `12 min`, `5 h`, `3 d`. One that is not over yet is `0 s`.
pub fn span(secs: i64) -> String {
    match secs {
        ..0 => "0 s".to_owned(),
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} d", secs / 86_400),
    }
}

/// How long ago that was.
pub fn age(at: Timestamp) -> String {
    span(age_secs(at))
}

/// How many seconds ago that was; 0 for the future.
pub fn age_secs(at: Timestamp) -> i64 {
    Timestamp::now().duration_since(at).as_secs().max(0)
}

/// How long from now: `40 s`.
pub fn until(at: Timestamp) -> String {
    span(at.duration_since(Timestamp::now()).as_secs())
}

/// The local time, with the date where it isn't today's.
pub fn clock(at: Timestamp) -> String {
    let now = Zoned::now();
    let at = at.to_zoned(now.time_zone().clone());
    at.strftime(if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_unit_that_fits() {
        let spans = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(span);
        assert_eq!(spans, ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }
}
