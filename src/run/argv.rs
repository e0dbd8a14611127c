//! The arguments of a command, with the file's path and name filled in.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What is filled in.
pub(crate) const PLACEHOLDERS: [&str; 3] = ["{path}", "{name}", "{stem}"];

/// The arguments (without the program) of a command for one file.
///
/// `{path}`, `{name}` and `{stem}` are filled in wherever they stand, byte for byte; what a file
/// name brings along is never filled in again and never split. `{stem}` is the name without its
/// last extension. Without any placeholder the path becomes the last argument.
///
/// `{path}` is absolute and so never looks like an option. A `{name}` or `{stem}` may start with a
/// dash: commands should see it behind `--` or behind a prefix of their own (`--title={name}`).
pub(crate) fn filled(arguments: &[String], path: &Path, name: &OsStr) -> Vec<OsString> {
    let stem = Path::new(name).file_stem().unwrap_or(name);
    let [for_path, for_name, for_stem] = PLACEHOLDERS;
    let values = [(for_path, path.as_os_str()), (for_name, name), (for_stem, stem)];
    let mut filled: Vec<OsString> = arguments.iter().map(|argument| fill(argument, &values)).collect();
    if !arguments.iter().any(|argument| values.iter().any(|(placeholder, _)| argument.contains(placeholder))) {
        filled.push(path.into());
    }
    filled
}

fn fill(argument: &str, values: &[(&str, &OsStr)]) -> OsString {
    let mut filled = Vec::new();
    let mut rest = argument;
    while let Some(start) = rest.find('{') {
        let (before, from_brace) = rest.split_at(start);
        filled.extend_from_slice(before.as_bytes());
        let (value, placeholder) = values
            .iter()
            .find(|(placeholder, _)| from_brace.starts_with(placeholder))
            .map_or((OsStr::new("{"), "{"), |(placeholder, value)| (*value, *placeholder));
        filled.extend_from_slice(value.as_bytes());
        rest = &from_brace[placeholder.len()..];
    }
    filled.extend_from_slice(rest.as_bytes());
    OsString::from_vec(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(arguments: &[&str], name: &[u8]) -> Vec<Vec<u8>> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let name = OsStr::from_bytes(name);
        let path = Path::new("/srv/active/1").join(name);
        filled(&arguments, &path, name).into_iter().map(OsString::into_vec).collect()
    }

    #[test]
    fn placeholders_are_filled_in_anywhere_in_any_argument() {
        assert_eq!(
            arguments(&["--in={path}", "{name}-{stem}", "{other}{", "x"], b"a.csv.gz"),
            [b"--in=/srv/active/1/a.csv.gz".as_slice(), b"a.csv.gz-a.csv", b"{other}{", b"x"]
        );
    }

    #[test]
    fn without_a_placeholder_the_path_comes_last() {
        assert_eq!(arguments(&["-v"], b"a"), [b"-v".as_slice(), b"/srv/active/1/a"]);
        assert_eq!(arguments(&[], b"a"), [b"/srv/active/1/a".as_slice()]);
    }

    // fault 25
    #[test]
    fn bytes_that_are_no_utf8_pass_unchanged() {
        assert_eq!(arguments(&["{name}"], b"\xff\xfe.csv"), [b"\xff\xfe.csv".as_slice()]);
        assert_eq!(arguments(&["{stem}"], b"\xff\xfe.csv"), [b"\xff\xfe".as_slice()]);
    }

    // fault 28
    #[test]
    fn a_placeholder_inside_a_name_is_not_filled_in_again() {
        assert_eq!(arguments(&["{name}"], b"{path}"), [b"{path}".as_slice()]);
    }
}
