//! What would become of a file, and why. Reads the file and the database, changes neither.
//!
//! The verdict is that of the daemon's own check; what is told beside it (columns, examples, reasons) is collected in a
//! reading of its own, so that it costs an import nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::sync::Arc;

use serde::Serialize;

use super::check::{self, Checked, Content, Texts};
use super::contract::{Contract, Declared};
use super::infer::{self, Inferred};
use super::layout::Layout;
use super::marker::Marker;
use super::mode;
use super::reader::Reader;
use super::recheck::known_columns;
use super::record::Records;
use super::reject::{Refused, Rejected};
use super::rows::{Reject, Rows};
use super::source::{Source, Window as _};
use super::table::{AsMade, Maker as _, Table};
use super::target::Markers;
use super::targets::Place;
use super::value::Type;
use super::why::Why;
use super::{check as check_file, check_table_name, content};
use crate::fault::{Fault, Reason};
use crate::file::{Digest, FileId};
use crate::settings::{self, Format, NewColumns, Tolerance};

/// So many rows that don't fit are shown.
const REJECTS_SHOWN_MAX: usize = 20;

/// No file has this number.
const NO_FILE: FileId = FileId(-1);

/// What a file is read as, and what says so.
#[derive(Debug, Clone, Serialize)]
pub struct ReadAs {
    /// `CSV`, `TSV`, `NDJSON`, `JSON`.
    pub format: &'static str,
    /// `setting`, `name` or `content`.
    pub format_by: &'static str,
    /// `gzip` or `zstd`.
    pub compression: Option<&'static str>,
    /// As the WHATWG calls it.
    pub encoding: &'static str,
    /// `byte order mark`, `setting` or `default`.
    pub encoding_by: &'static str,
    /// How CSV is written.
    pub dialect: Option<Dialect>,
}

/// How CSV is written, and what says so.
#[derive(Debug, Clone, Serialize)]
pub struct Dialect {
    /// Separates fields. `None`: the file has one column, and nothing says.
    pub delimiter: Option<String>,
    /// `setting`, `name` or `content`.
    pub delimiter_by: &'static str,
    /// Encloses fields.
    pub quote: Option<String>,
    /// Takes the meaning from the next character.
    pub escape: Option<String>,
    /// Begins a line that is skipped.
    pub comment: Option<String>,
    /// Whether the first row has the names of the columns.
    pub header: bool,
}

/// A column of the file.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type. `None`: the table has no such column, or nothing says.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// In how many rows it has no value.
    pub nulls: u64,
    /// Its first values, in quotes, escaped and cut.
    pub examples: Vec<String>,
    /// Why it has this type.
    pub why: String,
    /// The line of the first value that decided it, where one did.
    pub why_line: Option<u64>,
}

/// What would become of a file.
#[derive(Debug)]
pub struct Trial {
    /// What it is read as. `None`: it can't be.
    pub read_as: Option<ReadAs>,
    /// Its columns, as far as it could be read.
    pub columns: Vec<Column>,
    /// How many rows fit. `None`: it could not be read to its end.
    pub rows: Option<u64>,
    /// How many don't, and the first of them.
    pub rejects: u64,
    /// See `rejects`.
    pub rejected: Vec<Rejected>,
    /// Whether the table is there.
    pub table_is_there: bool,
    /// The table has rules that are only asked when rows go in.
    pub has_constraints: bool,
    /// There are values of which only the database knows whether it reads them.
    pub reads_itself: bool,
    /// The statement that would make the table.
    pub create_table: Option<String>,
    /// The later file that has replaced all rows, so that it would come too late.
    pub superseded_by: Option<FileId>,
    /// The file that makes it a duplicate.
    pub duplicate_of: Option<Marker>,
    /// Why it would be refused.
    pub refused: Option<Reason>,
}

/// The file and where it would go.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its bytes.
    pub file: &'a File,
    /// What it is called.
    pub name: &'a OsStr,
    /// The number that it has already, and keeps when it is tried again.
    pub id: Option<FileId>,
    /// The folder that would take it.
    pub folder: &'a settings::Folder,
    /// How that imports.
    pub import: &'a settings::Import,
}

impl Trial {
    /// Tries it with the database as it is.
    ///
    /// # Errors
    ///
    /// [`Fault::World`] or [`Fault::Deferred`]: the database or the file can't be read. [`Fault::Fatal`]: the settings
    /// name no possible table.
    pub fn of(subject: Subject<'_>, target: &Place) -> Result<Self, Fault> {
        let Subject { file, name, folder, import, .. } = subject;
        check_table_name(&folder.name, &import.table)?;
        let table = target.table(&import.table)?;
        let (settings, as_made) = (Arc::new(import.clone()), |kind| target.as_made(kind));
        let checked = check_file(&settings, (file, name), None, table.as_ref(), None, target).and_then(|checked| {
            checked.to_be().map_or(Ok(()), |table| target.check_possible(table))?;
            Ok(checked)
        });
        let (checked, refused) = match checked {
            Ok(checked) => (Some(checked), None),
            Err(Fault::Permanent(reason)) => (None, Some(reason)),
            Err(fault) => return Err(fault),
        };
        let made = if table.is_some() { None } else { made(subject, checked.as_ref(), &as_made) };
        let would_be_made = made.as_deref().filter(|_| refused.is_none());
        let (superseded_by, duplicate_of) = match checked.as_ref().zip(target.look()?) {
            Some((checked, markers)) => known(&*markers, subject, checked.digest())?,
            None => (None, None),
        };
        let mut trial = Self {
            read_as: None,
            columns: Vec::new(),
            rows: None,
            rejects: 0,
            rejected: Vec::new(),
            table_is_there: table.is_some(),
            has_constraints: false,
            reads_itself: false,
            create_table: would_be_made.map(|table| target.create_sql(table)),
            superseded_by,
            duplicate_of,
            refused,
        };
        let wider = checked.as_ref().and_then(Checked::wider);
        let against = wider.or(table.as_ref()).or(made.as_ref());
        trial.describe(subject, target, against)?;
        match (&checked, against) {
            (Some(checked), _) if checked.rejects() == 0 => trial.rows = Some(checked.rows()),
            (_, Some(against)) => trial.list_rejects(subject, against)?,
            (_, None) => {}
        }
        if let Some(contract) = target.contract(&import.table)? {
            (trial.has_constraints, trial.reads_itself) = (contract.has_constraints, contract.reads_itself);
            trial.columns.iter_mut().for_each(|column| say_declared(column, &contract, import.new_columns));
        }
        Ok(trial)
    }

    /// Every record once more, for what is told of the columns.
    fn describe(&mut self, subject: Subject<'_>, target: &Place, table: Option<&Arc<Table>>) -> Result<(), Fault> {
        let Subject { file, name, import, .. } = subject;
        let mut reader = match Reader::open(file, name, import, None, table.map(Arc::as_ref)) {
            Ok(reader) => reader,
            // The check has said why.
            Err(Fault::Permanent(_)) => {
                self.read_as = read_as_text(subject);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        self.read_as = Some(read_as(&reader, name, import));
        let mut whys: Vec<Why> = Vec::new();
        let mut records = 0;
        loop {
            let record = match reader.next() {
                Ok(Some(record)) => record,
                Err(Refused::Record(..)) => continue,
                Ok(None) | Err(Refused::File(Fault::Permanent(_))) => break,
                Err(Refused::File(fault)) => return Err(fault),
            };
            records += 1;
            whys.resize(record.names.len(), Why::default());
            for (column, why) in whys.iter_mut().enumerate() {
                why.see(record.cell(column), record.line);
            }
        }
        let names = reader.names();
        whys.resize(names.len(), Why::default());
        let described = names.iter().zip(&whys).map(|(name, why)| {
            let kind = table.and_then(|table| table.number(name).map(|at| table.columns()[at].kind));
            let (reason, why_line) = match import.columns.get(name) {
                Some(declared) => (format!("the settings say {declared}"), None),
                None => why.reason(kind.is_some_and(|kind| kind != Type::Text)),
            };
            Column {
                name: name.clone(),
                kind: kind.map(|kind| target.declared(kind).to_owned()),
                nulls: records - why.values(),
                examples: why.examples().to_vec(),
                why: reason,
                why_line,
            }
        });
        self.columns = described.collect();
        Ok(())
    }

    /// Which rows don't fit the table, by the check's own reading. A fault of the file ends it: the check has said which.
    fn list_rejects(&mut self, subject: Subject<'_>, table: &Arc<Table>) -> Result<(), Fault> {
        let Subject { file, name, import, .. } = subject;
        let listed = Reader::open(file, name, import, None, Some(table)).and_then(|mut reader| {
            let layout =
                Layout::new(table, &Arc::new(known_columns(import)), reader.names()).map_err(Fault::Permanent)?;
            let mut count = 0;
            let list = |rows: &mut Rows| {
                count += rows.len() as u64;
                self.rejects += rows.rejects().len() as u64;
                let room = REJECTS_SHOWN_MAX - self.rejected.len();
                self.rejected.extend(rows.rejects().iter().take(room).map(Reject::rejected));
                Ok(())
            };
            check::each(&mut reader, Arc::new(layout), Texts::Dropped, list).map(|_| count)
        });
        match listed {
            Ok(rows) => self.rows = Some(rows),
            Err(Fault::Permanent(_)) => {}
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

/// The table that would be made. Also of a file that is refused: the types that its records have.
fn made(subject: Subject<'_>, checked: Option<&Checked>, as_made: AsMade<'_>) -> Option<Arc<Table>> {
    if let Some(checked) = checked {
        let Content::Rows { layout, .. } = &checked.content else { return None };
        return Some(Arc::clone(layout.table()));
    }
    let Subject { file, name, import, .. } = subject;
    let mut reader = Reader::open(file, name, import, None, None).ok()?;
    let lenient = settings::Import { rejects: Tolerance::Millionths(1_000_000), ..import.clone() };
    match infer::table(&mut reader, &Arc::new(lenient), as_made).ok()? {
        Inferred::Table(table) => Some(table),
        Inferred::Checked(checked) => made(subject, Some(&checked), as_made),
        Inferred::Nothing(_) => None,
    }
}

/// The table is the contract.
fn say_declared(column: &mut Column, contract: &Contract, new_columns: NewColumns) {
    let declared = contract.columns.get(&column.name.to_ascii_lowercase());
    if declared.is_none() && column.kind.is_some() {
        column.why = format!("new in the table: {}", column.why);
        return;
    }
    column.why_line = None;
    (column.kind, column.why) = match declared {
        None if new_columns == NewColumns::Ignore => (None, "left out: the table has no such column".to_owned()),
        None => (None, "the table has no such column".to_owned()),
        Some(Declared { kind, generated: true }) => (Some(kind.clone()), "computed by the database".to_owned()),
        Some(Declared { kind, .. }) if kind.is_empty() => (Some("any".to_owned()), "the table says no type".to_owned()),
        Some(Declared { kind, .. }) => (Some(kind.clone()), format!("the table says {kind}")),
    };
}

/// Of a file that no reader takes: as far as its text says.
fn read_as_text(subject: Subject<'_>) -> Option<ReadAs> {
    let Subject { file, name, import, .. } = subject;
    let source = Source::open(file, import).ok()?;
    Some(of_source(&source, content::format(source.unread(), name, import.format), name, import))
}

fn read_as(reader: &Reader<'_>, name: &OsStr, settings: &settings::Import) -> ReadAs {
    let (format, dialect) = match reader {
        Reader::Csv(reader, true) => (Format::Csv, Some(reader.dialect())),
        Reader::Csv(reader, false) => (Format::Tsv, Some(reader.dialect())),
        Reader::Ndjson(_) => (Format::Ndjson, None),
        Reader::Json(_) => (Format::Json, None),
    };
    let shown = |byte: u8| char::from(byte).to_string();
    let declared = settings.csv.delimiter.is_some() || settings.format == Some(Format::Tsv);
    let dialect = dialect.map(|dialect| Dialect {
        delimiter: (declared || dialect.is_noted || reader.names().len() > 1).then(|| shown(dialect.delimiter)),
        delimiter_by: match (declared, format) {
            (true, _) => "setting",
            (false, _) if dialect.is_noted => "first line",
            (false, Format::Tsv) if dialect.delimiter == b'\t' => "name",
            (false, _) => "content",
        },
        quote: dialect.quote.map(shown),
        escape: dialect.escape.map(shown),
        comment: dialect.comment.map(shown),
        header: settings.csv.header,
    });
    ReadAs { dialect, ..of_source(reader.source(), format, name, settings) }
}

fn of_source(source: &Source<'_>, format: Format, name: &OsStr, settings: &settings::Import) -> ReadAs {
    let (encoding, marked) = source.encoding();
    ReadAs {
        format: match format {
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Ndjson => "NDJSON",
            Format::Json => "JSON",
        },
        format_by: match (settings.format, content::format_of_name(name)) {
            (Some(_), _) => "setting",
            (None, Some(_)) => "name",
            (None, None) => "content",
        },
        compression: source.compression(),
        encoding,
        encoding_by: match encoding {
            _ if marked => "byte order mark",
            "UTF-8" => "default",
            _ => "setting",
        },
        dialect: None,
    }
}

/// The later file that has replaced all rows, and the one that makes it a duplicate by the folder's rule.
fn known(
    markers: &dyn Markers,
    subject: Subject<'_>,
    digest: Digest,
) -> Result<(Option<FileId>, Option<Marker>), Fault> {
    let Subject { name, id, folder, import, .. } = subject;
    let superseded_by = id.map_or(Ok(None), |id| mode::superseded(markers, import, id))?;
    let this = (id.unwrap_or(NO_FILE), name, digest);
    let first = mode::first_of_its_kind(markers, &folder.name, import, folder.duplicates, this)?;
    Ok((superseded_by, first))
}
