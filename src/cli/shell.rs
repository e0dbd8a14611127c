//! Words that can be pasted into a shell.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::settings::word_without_password;

/// The word as a shell reads it back, on one line and with nothing hidden in it.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.bytes().all(|byte| is_plain(&byte)) => text.to_owned(),
        Some(text) if crate::log::visible(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut quoted = "$'".to_owned();
            for byte in word.as_bytes() {
                match byte {
                    b'\'' | b'\\' => write!(quoted, "\\{}", char::from(*byte)),
                    b' '..=b'~' => write!(quoted, "{}", char::from(*byte)),
                    _ => write!(quoted, "\\x{byte:02x}"),
                }
                .expect("a String takes all that is written to it");
            }
            quoted + "'"
        }
    }
}

/// The command line of this process, to be typed again; with this state directory, where it names none.
pub fn typed_again(state: Option<&Path>) -> String {
    let named = state.into_iter().flat_map(|state| ["--state-dir".to_owned(), quoted(state)]);
    let words = std::env::args_os().skip(1).map(|word| match word.into_string() {
        Ok(word) => quoted(word_without_password(&word)),
        Err(odd) => quoted(odd),
    });
    std::iter::once("importerd".to_owned()).chain(named).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// faults 24, 25, 28
    #[test]
    fn a_shell_reads_every_name_back() {
        let names = ["a.csv", "", "a b.csv", "it's", "$(id);`x`", "-rf", "a\nb\x1b[m", "Köln.csv", r"C:\new"];
        let odd = OsStr::from_bytes(b"a\xff'\\.csv");
        for name in names.iter().map(OsStr::new).chain([odd]) {
            let quoted = quoted(name);
            assert!(!quoted.contains(['\n', '\x1b']), "{quoted:?}");
            let read = Command::new("bash").args(["-c", &format!("printf %s {quoted}")]).output().unwrap();
            assert_eq!(OsStr::from_bytes(&read.stdout), name);
        }
    }
}
