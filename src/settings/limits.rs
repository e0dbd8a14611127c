//! The limits of texts and lists: what a path, a glob or a command may hold.

use std::path::Path;

use super::kind::Wrong;
use super::postgres;
use super::value::excerpt;

pub fn directory(text: &str) -> Result<(), Wrong> {
    if text.contains('\0') {
        return Err(format!("{} holds a NUL byte, no path can", excerpt(text)));
    }
    if !Path::new(text).is_absolute() {
        return Err(format!("{} is not an absolute path; it must begin with /", excerpt(text)));
    }
    Ok(())
}

/// The text is never repeated: the address of a database may hold a password.
pub fn target(text: &str) -> Result<(), Wrong> {
    let Some((scheme, path)) = text.split_once(':') else {
        let how = format!("write sqlite:PATH, for instance sqlite:importerd.db, or {}", postgres::EXAMPLE);
        return Err(format!("no kind of database is named; {how}"));
    };
    match scheme {
        "sqlite" if path.is_empty() => Err("sqlite: has no path; write sqlite:PATH".to_owned()),
        "sqlite" if path.starts_with("//") => Err("sqlite:// is not understood; write sqlite:PATH".to_owned()),
        "sqlite" if path.contains('\0') => Err("a path can't hold a NUL byte; write sqlite:PATH".to_owned()),
        "sqlite" => Ok(()),
        _ if postgres::is_address(text) => postgres::Address::parse(text).map(drop),
        _ => Err(format!("this kind of database is not known; write sqlite:PATH or {}", postgres::EXAMPLE)),
    }
}

pub fn percentage(text: &str) -> Result<(), Wrong> {
    match millionths(text) {
        Some(share) if share <= MILLION => Ok(()),
        Some(_) => Err(format!("{} is out of range; 0% to 100% is allowed", excerpt(text))),
        None => Err(no_percentage(text)),
    }
}

pub fn no_percentage(text: &str) -> Wrong {
    format!("{} is neither a whole number nor a percentage; write it like 10 or \"1%\"", excerpt(text))
}

const MILLION: u32 = 1_000_000;

/// What share of all a percentage stands for: `1%` for 10,000 of a million. At most four decimals count.
pub fn millionths(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|whole| *whole < 1000)?;
    let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
    Some(whole * 10_000 + decimals)
}

pub fn credential(text: &str) -> Result<(), Wrong> {
    if text.is_empty() || text.contains(['/', '\0']) || text.starts_with('.') {
        return Err(format!("{} can't be the name of a credential; write it like \"pg.password\"", excerpt(text)));
    }
    Ok(())
}

pub fn table(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err("the name of a table can't be empty".to_owned());
    }
    if text.contains('\0') {
        return Err(format!("{} holds a NUL byte, no table's name can", excerpt(text)));
    }
    if let Some(placeholder) = placeholders_of(text).next() {
        let how = "write a folder for each table (rename a table that is really called so)";
        return Err(format!("{placeholder} is not filled in, one table takes all files of a folder; {how}"));
    }
    let name = text.to_ascii_lowercase();
    if name.starts_with("sqlite_") || name.starts_with("_importerd_") {
        return Err(format!(
            "{} can't be a table: names that start with sqlite_ or _importerd_ are taken",
            excerpt(text)
        ));
    }
    Ok(())
}

/// What looks as if it were to be filled in, `{stem}`, but no variable of a shell.
pub fn placeholders_of(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let name = rest[1..].split_once('}')?.0;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (is_name && !before.ends_with('$')).then(|| &rest[..name.len() + 2])
    })
}

pub fn suffix(text: &str) -> Result<(), Wrong> {
    if text.is_empty() || text.contains(['/', '\0']) {
        return Err(format!("{} can't end a file name; write it like \".done\"", excerpt(text)));
    }
    Ok(())
}

pub fn character(text: &str, none: bool) -> Result<(), Wrong> {
    match byte(text) {
        Some(_) => Ok(()),
        None if none && text == NONE => Ok(()),
        None => Err(format!("{} is not one character of ASCII that can stand in a line", excerpt(text))),
    }
}

/// No character where there might be one.
pub const NONE: &str = "none";

/// The byte that a text stands for: itself, or `tab`.
pub fn byte(text: &str) -> Option<u8> {
    match *text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(byte),
        _ if text == "tab" => Some(b'\t'),
        _ => None,
    }
}

pub fn encoding(label: &str) -> Result<(), Wrong> {
    match encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(format!("{} is no encoding that is known; write one like \"windows-1252\"", excerpt(label))),
    }
}

pub fn pointer(text: &str) -> Result<(), Wrong> {
    let escapes = text.split('~').skip(1);
    if (text.is_empty() || text.starts_with('/')) && escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])) {
        return Ok(());
    }
    Err(format!("{} is not a JSON pointer; write it like \"/data/rows\"", excerpt(text)))
}

pub fn word(word: &str) -> Result<(), Wrong> {
    if word.is_empty() {
        return Err("\"\" is no word; a field with nothing in it is NULL anyway".to_owned());
    }
    Ok(())
}

pub fn glob(glob: &str) -> Result<(), Wrong> {
    match globset::Glob::new(glob) {
        Ok(_) if !glob.is_empty() => Ok(()),
        Ok(_) => Err("\"\" matches no file; write a glob like \"*.csv\"".to_owned()),
        Err(error) => Err(format!("{} is not a glob: {}", excerpt(glob), error.kind())),
    }
}

pub fn command(words: &[String]) -> Result<(), Wrong> {
    if words.first().is_none_or(String::is_empty) {
        return Err("no program is named; write it like [\"/usr/bin/program\", \"{path}\"]".to_owned());
    }
    match words.iter().find(|word| word.contains('\0')) {
        Some(word) => Err(format!("{} holds a NUL byte, no argument can", excerpt(word))),
        None => Ok(()),
    }
}
