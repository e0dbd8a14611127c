//! One TOML file, checked by itself: syntax, unknown keys, types and limits, each with its line and column.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::keys::{self, Found};
use super::kind::described;
use super::layer::Layer;
use super::nearest;

const SIZE_MAX: u64 = 1024 * 1024;

/// Reads the settings file at `path`. An empty one, or a link to /dev/null, says nothing.
pub fn read(path: &Path) -> Layer {
    let name = printable(path);
    match bytes_of(path) {
        Ok(bytes) => check(&name, &bytes),
        Err(error) => {
            let text = match error.kind() {
                io::ErrorKind::NotFound if path.is_symlink() => "a link to nothing".to_owned(),
                io::ErrorKind::NotFound => "no such file".to_owned(),
                _ => format!("can't be read: {error}"),
            };
            Layer { problems: vec![Problem::of_layer(name, text)], ..Layer::default() }
        }
    }
}

/// A path as it may be printed in one line.
pub fn printable(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// Regular files only: a FIFO or a terminal would wait for ever.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        let is_nothing = path.canonicalize().is_ok_and(|path| path == Path::new("/dev/null"));
        return if is_nothing { Ok(Vec::new()) } else { Err(io::Error::other("not a regular file")) };
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

/// Checks what the file `name` holds.
pub(super) fn check(name: &str, bytes: &[u8]) -> Layer {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let place = Lines::of(bytes).place(name, error.valid_up_to());
            let text = format!("byte {:#04x} is not UTF-8", bytes[error.valid_up_to()]);
            return Layer { problems: vec![Problem::of_layer(place, text)], ..Layer::default() };
        }
    };
    let mut walk = Walk { name, lines: Lines::of(bytes), layer: Layer::default(), found: Vec::new() };
    match DeTable::parse(text) {
        Ok(root) => walk.table(&mut Vec::new(), root.get_ref()),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            walk.found.push((offset, Problem::of_layer(walk.lines.place(name, offset), error.message())));
        }
    }
    walk.end()
}

/// The way through the tables of one file.
struct Walk<'a> {
    name: &'a str,
    lines: Lines<'a>,
    layer: Layer,
    /// The problems with their offsets: a table doesn't keep the order of the file.
    found: Vec<(usize, Problem)>,
}

impl Walk<'_> {
    fn table<'t>(&mut self, way: &mut Vec<&'t str>, table: &'t DeTable<'_>) {
        for (name, value) in table {
            way.push(name.get_ref());
            self.key(way, name.span().start, value.span().start, value.get_ref());
            way.pop();
        }
    }

    fn key<'t>(&mut self, way: &mut Vec<&'t str>, key_at: usize, value_at: usize, value: &'t DeValue<'_>) {
        if let ["folder", name] = way[..]
            && let Err(wrong) = keys::check_folder_name(name)
        {
            return self.wrong(way, key_at, wrong);
        }
        let origin = format!("{}:{}", self.name, self.lines.position(key_at).0);
        match (keys::find(way), value) {
            (Found::Key(_), _) if self.is_named(way) => {
                let wrong = "the same column is named above, in other letters".to_owned();
                self.wrong(way, key_at, wrong);
            }
            (Found::Key(key), value) => {
                let place = self.lines.place(self.name, value_at);
                self.layer.take(&way.join("."), &origin, &place, key.kind.take_toml(value));
                if let Some(problem) = self.layer.problems.pop() {
                    self.found.push((value_at, problem));
                }
            }
            (Found::Table, DeValue::Table(table)) => {
                self.layer.mention(&way.join("."), &origin);
                self.table(way, table);
            }
            (Found::Table, other) => {
                let wrong = format!("{} where a table is needed{}", described(other), table_example(way));
                self.wrong(way, value_at, wrong);
            }
            (Found::Nothing, _) => self.wrong(way, key_at, unknown(way)),
        }
    }

    /// Whether the same column has a type already.
    fn is_named(&self, way: &[&str]) -> bool {
        let column = keys::column(way);
        column.is_some() && self.layer.entries.iter().any(|entry| keys::column(&keys::way(&entry.key)) == column)
    }

    fn wrong(&mut self, way: &[&str], offset: usize, text: String) {
        let place = self.lines.place(self.name, offset);
        self.found.push((offset, Problem::of_key(place, way.join("."), text)));
    }

    fn end(mut self) -> Layer {
        self.found.sort_by_key(|(offset, _)| *offset);
        self.layer.problems = self.found.into_iter().map(|(_, problem)| problem).collect();
        self.layer
    }
}

/// What to say of a key that isn't known.
pub(super) fn unknown(way: &[&str]) -> String {
    match nearest::nearest(way) {
        Some(known) => format!("unknown key; did you mean {known}?"),
        None => format!("unknown key; known here: {}", nearest::siblings(way).join(", ")),
    }
}

fn table_example(way: &[&str]) -> String {
    match way {
        ["folder"] => ", for instance [folder.orders]".to_owned(),
        ["folder", name] => format!(", [folder.{name}]"),
        _ => {
            let mut below = way.to_vec();
            below.push("?");
            format!(" with {}", nearest::siblings(&below).join(", "))
        }
    }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let after_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(offset, _)| offset + 1);
        Self { bytes, starts: std::iter::once(0).chain(after_ends).collect() }
    }

    /// The line and the column in characters, both counted from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let before = &self.bytes[self.starts[line - 1]..offset];
        (line, String::from_utf8_lossy(before).chars().count() + 1)
    }

    fn place(&self, name: &str, offset: usize) -> String {
        let (line, column) = self.position(offset);
        format!("{name}:{line}:{column}")
    }
}
