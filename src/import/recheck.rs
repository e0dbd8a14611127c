//! A file that was refused, looked at again: which of its records don't fit, each with its text.

use std::ffi::OsStr;
use std::fs::File;
use std::sync::Arc;

use super::check::{self, Texts};
use super::layout::{Layout, check_key_among};
use super::reader::Reader;
use super::reading::Reading;
use super::record::Records;
use super::reject::{Refused, Rejected};
use super::rows::Rows;
use super::table::Table;
use super::targets::Place;
use crate::fault::Fault;
use crate::settings::{self, NewColumns};

/// See the module.
pub struct Recheck<'f> {
    reader: Reader<'f>,
    settings: Arc<settings::Import>,
    table: Option<Arc<Table>>,
}

impl<'f> Recheck<'f> {
    /// Against the table in this database; where there is none, only what can't be read as a record, isn't as declared or
    /// lacks its key doesn't fit.
    ///
    /// # Errors
    ///
    /// It isn't that kind of file, or can't be read; or the database can't.
    pub fn open(file: &'f File, name: &OsStr, settings: &settings::Import, target: &Place) -> Result<Self, Fault> {
        let table = target.table(&settings.table)?;
        let reader = Reader::open(file, name, settings, None, table.as_deref())?;
        Ok(Self { reader, settings: Arc::new(known_columns(settings)), table })
    }

    /// The line of CSV that names the columns, as it stands in the file.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.reader.raw_header()
    }

    /// Whether the file itself or the settings say how its fields are separated: a running daemon goes by the folder's
    /// earlier files where they don't.
    #[must_use]
    pub fn shows_delimiter(&self) -> bool {
        self.settings.csv.delimiter.is_some()
            || !matches!(self.reader, Reader::Csv(_, true))
            || self.reader.folders_delimiter().is_some()
    }

    /// Shows each of them. Whether the database would take the others is not asked.
    ///
    /// # Errors
    ///
    /// The file is refused as a whole, or can't be read to its end.
    pub fn each(mut self, visit: &mut dyn FnMut(Rejected)) -> Result<(), Fault> {
        if let Some(table) = &self.table {
            let layout = Layout::new(table, &self.settings, self.reader.names()).map_err(Fault::Permanent)?;
            let show = |rows: &mut Rows| {
                rows.rejects().iter().for_each(|reject| visit(reject.rejected()));
                Ok(())
            };
            return check::each(&mut self.reader, Arc::new(layout), Texts::Dropped, show).map(drop);
        }
        if !self.reader.names().is_empty() {
            check_key_among(self.reader.names(), &self.settings.mode).map_err(Fault::Permanent)?;
        }
        let (mut declared, mut scratch) = (Vec::new(), String::new());
        let key = self.settings.mode.key();
        loop {
            match self.reader.next() {
                Ok(Some(record)) => {
                    let new = &record.names[declared.len()..];
                    declared.extend(new.iter().map(|name| Reading::declared(name, &self.settings)));
                    let misdeclared = check::misdeclared(&record, &declared, &mut scratch);
                    if let Some(reason) = misdeclared.or_else(|| check::keyless(&record, key)) {
                        visit(Rejected::of(&record.place(reason), &record.text()));
                    }
                }
                Ok(None) => return Ok(()),
                Err(Refused::Record(reason, record)) => visit(Rejected::of(&reason, &record)),
                Err(Refused::File(fault)) => return Err(fault),
            }
        }
    }
}

/// The same, with an eye for the columns only that the table has: what it is to get, any value fits.
pub fn known_columns(settings: &settings::Import) -> settings::Import {
    let new_columns = if settings.new_columns == NewColumns::Add { NewColumns::Ignore } else { settings.new_columns };
    settings::Import { new_columns, ..settings.clone() }
}
