//! The usual JSON object, member by member and without a parser of everything: strings without escapes, numbers, `true`,
//! `false` and `null`, on one line.
//!
//! All others go to [`serde_json`], and so does whatever is not well-formed: it knows how to say why.

use std::ops::Range;

use super::record::{Holds, Span};

/// It is for the other parser, which may well take it.
pub struct NotPlain;

/// The key of a member.
#[derive(Debug, Clone, Copy)]
pub enum Key<'r> {
    /// The one that was expected.
    Expected,
    /// Another one.
    Other(&'r str),
}

/// The members of one object.
pub struct Members<'r> {
    raw: &'r str,
    /// The next byte.
    at: usize,
    is_first: bool,
}

impl<'r> Members<'r> {
    /// Of the object that this text is. `None`: not a plain one.
    pub fn of(raw: &'r str) -> Option<Self> {
        // No string has control characters, and line ends are not looked for.
        raw.bytes().min().filter(|&least| least >= b' ')?;
        let mut members = Self { raw, at: 0, is_first: true };
        members.take(b'{')?;
        Some(members)
    }

    /// The next key, and where its value lies. `None`: the object has ended, and the text with it. `expected`: most likely the
    /// key; it must have no quote and no backslash.
    pub fn next(&mut self, expected: Option<&str>) -> Result<Option<(Key<'r>, Span)>, NotPlain> {
        if self.take(b'}').is_some() {
            self.blanks();
            return if self.at == self.raw.len() { Ok(None) } else { Err(NotPlain) };
        }
        self.member(expected).map(Some).ok_or(NotPlain)
    }

    fn member(&mut self, expected: Option<&str>) -> Option<(Key<'r>, Span)> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.take(b',')?;
        }
        let key = match expected {
            Some(expected) if self.take_key(expected).is_some() => Key::Expected,
            _ => Key::Other(&self.raw[self.string()?]),
        };
        self.take(b':')?;
        Some((key, self.value()?))
    }

    /// Goes behind this key, where it stands here: nobody has to look for its end.
    fn take_key(&mut self, key: &str) -> Option<()> {
        self.blanks();
        let rest = self.raw.as_bytes()[self.at..].strip_prefix(b"\"")?;
        rest.strip_prefix(key.as_bytes())?.first().filter(|&&byte| byte == b'"')?;
        self.at += key.len() + 2;
        Some(())
    }

    fn value(&mut self) -> Option<Span> {
        self.blanks();
        let rest = &self.raw.as_bytes()[self.at..];
        let (holds, length) = match rest.first()? {
            b'"' => return self.string().map(|bytes| Span::raw(Holds::String, bytes)),
            b't' if rest.starts_with(b"true") => (Holds::Boolean, 4),
            b'f' if rest.starts_with(b"false") => (Holds::Boolean, 5),
            b'n' if rest.starts_with(b"null") => (Holds::Null, 4),
            _ => (Holds::Number, number(rest)?),
        };
        let start = self.at;
        self.at += length;
        Some(if holds == Holds::Null { Span::NULL } else { Span::raw(holds, start..self.at) })
    }

    fn string(&mut self) -> Option<Range<usize>> {
        self.take(b'"')?;
        let start = self.at;
        let end = start + memchr::memchr2(b'"', b'\\', &self.raw.as_bytes()[start..])?;
        self.at = end;
        self.take(b'"')?;
        Some(start..end)
    }

    /// Goes behind this byte and the blanks before it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        let is_next = self.raw.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next.then_some(())
    }

    fn blanks(&mut self) {
        while self.raw.as_bytes().get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }
}

/// How long the number is that stands here, whatever follows.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at_least_one = |from: usize| Some(digits(from)).filter(|&digits| digits > 0);
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    end += if bytes.get(end) == Some(&b'0') { 1 } else { at_least_one(end)? };
    if bytes.get(end) == Some(&b'.') {
        end += 1 + at_least_one(end + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        end += 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end += at_least_one(end)?;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values. `None`: not plain.
    fn members(raw: &str) -> Option<Vec<(&str, Holds, &str)>> {
        members_expecting(raw, &[])
    }

    /// The same, where these keys are expected, in this order.
    fn members_expecting<'r>(raw: &'r str, keys: &[&'r str]) -> Option<Vec<(&'r str, Holds, &'r str)>> {
        let (mut members, mut found) = (Members::of(raw)?, Vec::new());
        loop {
            let expected = keys.get(found.len()).copied();
            let Some((key, span)) = members.next(expected).ok()? else { return Some(found) };
            let key = match key {
                Key::Expected => expected?,
                Key::Other(key) => key,
            };
            found.push((key, span.holds, &raw[span.bytes()]));
        }
    }

    #[test]
    fn a_plain_object_is_taken_apart() {
        assert_eq!(members(" { } "), Some(vec![]));
        let found = members(r#"{"i":-10,"r" : 1.50e+3 ,"s":"ü","t":true, "f":false,"n":null,"":0}"#).unwrap();
        assert_eq!(
            found,
            [
                ("i", Holds::Number, "-10"),
                ("r", Holds::Number, "1.50e+3"),
                ("s", Holds::String, "ü"),
                ("t", Holds::Boolean, "true"),
                ("f", Holds::Boolean, "false"),
                ("n", Holds::Null, ""),
                ("", Holds::Number, "0"),
            ]
        );
    }

    /// Each made of plain ones by dropping, doubling and changing a byte: what is taken apart, the other parser takes too.
    #[test]
    fn what_is_no_json_is_never_plain() {
        let mut plain = 0;
        for object in [r#"{"a":-10.5e-3,"b":"x y","c":true}"#, r#" { "n" : null , "z" : 0 , "f" : false } "#, "{}"] {
            assert!(members(object).is_some());
            for at in 0..object.len() {
                let (before, behind) = (&object[..at], &object[at + 1..]);
                let other =
                    b"{}[]\",:\\ \t\n\x000123456789.-+eEtfnulx".iter().map(|&byte| char::from(byte).to_string());
                let own = object[at..=at].repeat(2);
                for middle in other.chain([String::new(), own]) {
                    let text = format!("{before}{middle}{behind}");
                    let is_json = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok();
                    assert!(is_json || members(&text).is_none(), "{text:?}");
                    let keys: Vec<&str> = members(object).into_iter().flatten().map(|(key, ..)| key).collect();
                    assert_eq!(members_expecting(&text, &keys), members(&text), "{text:?}");
                    plain += u32::from(members(&text).is_some());
                }
            }
        }
        assert!(plain > 100, "{plain} of them were plain");
    }
}
