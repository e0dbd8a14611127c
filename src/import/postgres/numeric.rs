//! PostgreSQL's `numeric` in binary: every digit of a decimal, four to a group.

/// So many digits before the point, and so many behind it, the type holds at most.
const WHOLE_MAX: i64 = 131_072;
const FRACTION_MAX: i64 = 16_383;

/// Appends `-12.50`, also with an exponent, without its length. `None`: it is none, or too long.
pub fn encode(text: &str, buffer: &mut Vec<u8>) -> Option<()> {
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if whole.is_empty() || !all.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // How many of the digits stand before the point; it may lie outside of them.
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(i64::from(exponent));
    let scale_of = |all: &[u8]| i64::try_from(all.len()).unwrap_or(i64::MAX).saturating_sub(point).max(0);
    // Zeros at the end say nothing, and there may be too many.
    while scale_of(&all) > FRACTION_MAX && all.last() == Some(&b'0') {
        all.pop();
    }
    let scale = scale_of(&all);
    let zeros = all.iter().take_while(|digit| **digit == b'0').count();
    let significant = &all[zeros..];
    let first = point - i64::try_from(zeros).unwrap_or(i64::MAX);
    if first > WHOLE_MAX || scale > FRACTION_MAX {
        return None;
    }
    let groups = groups(significant, first);
    let weight = if groups.is_empty() { 0 } else { (first + 3).div_euclid(4) - 1 };
    let used = groups.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1);
    let groups = &groups[..used];
    let sign: u16 = if negative && used > 0 { 0x4000 } else { 0 };
    for number in [u16::try_from(used), u16::try_from(weight & 0xffff), Ok(sign), u16::try_from(scale)] {
        buffer.extend(number.ok()?.to_be_bytes());
    }
    buffer.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
    Some(())
}

/// Digits in groups of four, aligned at the point, which lies behind `first` of them.
fn groups(digits: &[u8], first: i64) -> Vec<u16> {
    let lead = usize::try_from((-first).rem_euclid(4)).unwrap_or_default();
    let padded: Vec<u8> = std::iter::repeat_n(b'0', lead).chain(digits.iter().copied()).collect();
    let group =
        |four: &[u8]| (0..4).fold(0, |sum, at| sum * 10 + u16::from(four.get(at).map_or(0, |digit| digit - b'0')));
    if digits.is_empty() { Vec::new() } else { padded.chunks(4).map(group).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Vec<i16> {
        let mut buffer = Vec::new();
        encode(text, &mut buffer).unwrap();
        buffer.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
    }

    #[test]
    fn digits_are_grouped_by_four_from_the_point_on() {
        // groups, weight, sign, scale, then the groups: as `select numeric_send('…')` says.
        assert_eq!(encoded("0"), [0, 0, 0, 0]);
        assert_eq!(encoded("-0.00"), [0, 0, 0, 2]);
        assert_eq!(encoded("1"), [1, 0, 0, 0, 1]);
        assert_eq!(encoded("12.50"), [2, 0, 0, 2, 12, 5000]);
        assert_eq!(encoded("-12345.678"), [3, 1, 0x4000, 3, 1, 2345, 6780]);
        assert_eq!(encoded("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(encoded("0.00001234"), [1, -2, 0, 8, 1234]);
        assert_eq!(encoded("1e5"), [1, 1, 0, 0, 10]);
        assert_eq!(encoded("1.5e-3"), [1, -1, 0, 4, 15]);
        assert_eq!(encoded(&format!("1.5{}", "0".repeat(20_000))), [2, 0, 0, 16_383, 1, 5000]);
    }

    #[test]
    fn what_is_no_decimal_or_too_long_is_refused() {
        let refused = |text: &str| encode(text, &mut Vec::new()).is_none();
        for text in ["", "-", ".5", "NaN", "1,5", "+1", "0x1", "1.5.2"] {
            assert!(refused(text), "{text}");
        }
        for text in ["1e131072", "1e-16384", "1e99999999999"] {
            assert!(refused(text), "{text}");
        }
    }
}
