//! `importerd rejects FILE`: the rows of a file that don't fit, ready to be mended and dropped again.
//!
//! On stdout stands what the file has of them, below its header; on stderr why each doesn't fit. A file that went in
//! without them left them in the database; one that was refused is checked again where it lies.

use std::fs::File;
use std::io::{self, Write};

use serde::Serialize;

use super::args::{Global, Rejects};
use super::complaint::{Complaint, told};
use super::found::{Found, place, unknown};
use super::page::{print, print_json};
use super::shell::quoted;
use super::surroundings::{Surroundings, typed};
use crate::exit;
use crate::fault::Fault;
use crate::import::{Recheck, Rejected, is_utf8};
use crate::ledger::{Row, State};
use crate::log::{escape, visible};
use crate::settings::{Folder, Format, Import, Work};
use crate::stages;

/// `importerd rejects`
pub fn answer(global: &Global, rejects: &Rejects) -> u8 {
    told(show(global, rejects).map_err(|complaint| complaint.with_options(&typed(global))))
}

fn show(global: &Global, rejects: &Rejects) -> Result<u8, Complaint> {
    let surroundings = Surroundings::look(global)?;
    let folders = surroundings.folders(rejects.folder.as_deref())?;
    let found = Found::by(&surroundings, &folders, &rejects.file)?;
    // Of one that was loaded again, the rows that didn't fit gave way too.
    let has_some = |row: &&Row| match row.state {
        State::Quarantined => true,
        state => row.rejects > 0 && state != State::Replaced,
    };
    let Some(row) = found.rows.iter().find(has_some).or(found.rows.first()) else {
        return Err(match found.lying.first() {
            Some((folder, _)) => {
                let (importerd, file) = (&surroundings.importerd, quoted(&rejects.file));
                let next = format!("wait until it is done; to see how it stands: {importerd} explain {file}");
                let text = format!("{} has not been imported into {} yet", escape(&rejects.file), folder.name);
                Complaint::new(exit::REFUSED, text, next)
            }
            None => unknown(&surroundings, &folders, &rejects.file),
        });
    };
    let folder = folders.iter().find(|folder| folder.name == row.folder);
    let Some((folder, Work::Import(import))) = folder.map(|folder| (*folder, &folder.work)) else {
        let text = format!("{} {} is not of a folder that imports", row.id, escape(&row.name));
        return Err(Complaint::new(exit::REFUSED, text, "see the folder's settings: importerd config show"));
    };
    let sheet = Sheet::of(row, import, global.json);
    match row.state {
        State::Quarantined => refused(&surroundings, folder, import, row, sheet),
        _ if row.rejects > 0 => left_out(&surroundings, import, row, sheet),
        state => {
            say(&format!("{} {} ({}) has no rejects", row.id, escape(&row.name), state.name()));
            Ok(exit::OK)
        }
    }
}

/// Of a file that shows no delimiter: what only the daemon knows.
pub(super) const ONE_COLUMN: &str = "a file of one column shows no delimiter: a running daemon takes that of the folder's earlier \
    files, which is not known here; import.delimiter says it to both";

/// Of a file that went in without them: as the database keeps them.
fn left_out(surroundings: &Surroundings, import: &Import, row: &Row, mut sheet: Sheet<'_>) -> Result<u8, Complaint> {
    let place = stages::target(import, &surroundings.directories.state);
    let target = place.look().map_err(world)?;
    let marker = target.as_ref().map_or(Ok(None), |target| target.by_id(row.id)).map_err(world)?;
    let (Some(target), Some(marker)) = (target, marker) else {
        let text = format!("the database {place} has no load marker of {}", row.id);
        return Err(Complaint::new(exit::REFUSED, text, "its rows may be in another database, or were loaded again"));
    };
    sheet.begin(marker.header.as_deref());
    target.each_reject(row.id, &mut |rejected| sheet.add(&rejected)).map_err(world)?;
    let shown = sheet.end()?;
    if shown < row.rejects {
        say(&format!("{} of {} rejects are not in the database any more", row.rejects - shown, row.rejects));
    }
    Ok(exit::OK)
}

/// Of a refused file: as they are found now.
fn refused(
    surroundings: &Surroundings,
    folder: &Folder,
    import: &Import,
    row: &Row,
    mut sheet: Sheet<'_>,
) -> Result<u8, Complaint> {
    let path = place(folder, row).filter(|path| path.is_file());
    let Some(path) = path else {
        let text = format!("{} {} does not lie in quarantine any more", row.id, escape(&row.name));
        return Err(Complaint::new(
            exit::REFUSED,
            text,
            format!("{} explain {}", surroundings.importerd, row.id.quoted()),
        ));
    };
    let file = File::open(&path).map_err(|error| Fault::io(path.display(), &error).reason().clone())?;
    let place = stages::target(import, &surroundings.directories.state);
    let mut shows_delimiter = true;
    // Whatever was read is shown, also where the file can't be read to its end.
    let checked = Recheck::open(&file, &row.name, import, &place).and_then(|recheck| {
        sheet.begin(recheck.header());
        shows_delimiter = recheck.shows_delimiter();
        recheck.each(&mut |rejected| sheet.add(&rejected))
    });
    let shown = sheet.end()?;
    let retry =
        format!("correct it in {}; then type: {} retry {}", quoted(&path), surroundings.importerd, row.id.quoted());
    match checked {
        Err(Fault::Permanent(reason)) => {
            Err(Complaint::new(exit::REFUSED, format!("its rows can't be told: {reason}"), retry))
        }
        Err(fault) => Err(world(fault)),
        Ok(()) if shown == 0 => {
            let why = row.reason.as_deref().unwrap_or("nobody knows why");
            say(&format!(
                "every row of {} fits by itself now; it was refused for: {}",
                escape(&row.name),
                visible(why)
            ));
            Ok(exit::OK)
        }
        Ok(()) => {
            if !shows_delimiter {
                say(ONE_COLUMN);
            }
            Ok(exit::OK)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "to map errors with")]
fn world(fault: Fault) -> Complaint {
    fault.reason().clone().into()
}

fn say(line: &str) {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// One reject of `rejects --json`.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    /// The file's number.
    id: i64,
    line: Option<u64>,
    column: Option<&'a str>,
    /// The reason as a stable word.
    code: &'a str,
    reason: &'a str,
    /// Its text, as it stands in the file.
    record: &'a str,
}

/// What is printed of a file's rejects.
struct Sheet<'a> {
    row: &'a Row,
    import: &'a Import,
    json: bool,
    /// How many there were so far.
    shown: u64,
    begun: bool,
    printed: Result<bool, Complaint>,
}

impl<'a> Sheet<'a> {
    fn of(row: &'a Row, import: &'a Import, json: bool) -> Self {
        Self { row, import, json, shown: 0, begun: false, printed: Ok(true) }
    }

    /// A declared format means all files of the folder, and a declared encoding those without a mark.
    fn begin(&mut self, header: Option<&str>) {
        self.begun = true;
        if self.json {
            return;
        }
        let mark = if is_utf8(self.import.encoding.as_deref()) { "" } else { "\u{feff}" };
        let opening = if self.is_document() { self.opening() } else { String::new() };
        let header = header.map_or_else(String::new, |header| format!("{header}\n"));
        self.print(&format!("{mark}{opening}{header}"));
    }

    fn add(&mut self, rejected: &Rejected) {
        let Rejected { line, column, code, reason, record } = rejected;
        let is_first = self.shown == 0;
        self.shown += 1;
        if self.json {
            let printed = Printed { id: self.row.id.0, line: *line, column: column.as_deref(), code, reason, record };
            if matches!(self.printed, Ok(true)) {
                self.printed = print_json(&printed);
            }
            return;
        }
        let between = if self.is_document() && !is_first { ",\n" } else { "" };
        let end = if self.is_document() { "" } else { "\n" };
        self.print(&format!("{between}{record}{end}"));
        say(&visible(&rejected.to_string()));
    }

    /// How many there were.
    fn end(mut self) -> Result<u64, Complaint> {
        if self.begun && self.is_document() && !self.json {
            let closing = "}".repeat(self.steps().count());
            self.print(&format!("\n]{closing}\n"));
        }
        self.printed.map(|_| self.shown)
    }

    fn print(&mut self, text: &str) {
        if matches!(self.printed, Ok(true)) {
            self.printed = print(text);
        }
    }

    fn is_document(&self) -> bool {
        self.import.format == Some(Format::Json)
    }

    /// Where the settings say that the records are.
    fn steps(&self) -> impl Iterator<Item = String> {
        self.import.records.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
    }

    fn opening(&self) -> String {
        let keys = self.steps().map(|step| format!("{{{}: ", serde_json::Value::from(step)));
        keys.collect::<String>() + "[\n"
    }
}
