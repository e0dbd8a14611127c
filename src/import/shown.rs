//! How a file's values and names appear in messages: cut short, and escaped so that they can't forge a line.

/// The longest value in a message, in characters.
const CHARS_MAX: usize = 60;

/// A value, in quotes: `"12,x"`.
pub fn value(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// A name, without quotes.
pub fn name(text: &str) -> String {
    let quoted = value(text);
    quoted.replacen('"', "", 1).replace("\"…", "…").trim_end_matches('"').to_owned()
}

/// A delimiter, by its name where it can't be seen.
pub fn delimiter(byte: u8) -> String {
    match byte {
        b'\t' => "tab".to_owned(),
        other if other.is_ascii_control() => format!("\"\\u{other:04x}\""),
        other => format!("\"{}\"", char::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_and_escaped() {
        assert_eq!(value("12,x"), "\"12,x\"");
        assert_eq!(value("a\n\x1b[31m"), r#""a\n\u{1b}[31m""#);
        assert_eq!(value(&"ü".repeat(100)), format!("\"{}\"…", "ü".repeat(60)));
    }

    #[test]
    fn a_name_has_no_quotes_of_ours() {
        assert_eq!(name("amount"), "amount");
        assert_eq!(name("a\nb"), r"a\nb");
        assert_eq!(name(&"x".repeat(70)), format!("{}…", "x".repeat(60)));
    }
}
